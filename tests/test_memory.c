/* SPDX-License-Identifier: MIT
 *
 * Where a graph's memory comes from and goes: marks and rewinds, the C library's heap, a caller's
 * allocator or buffer, and each of them running out at every place it can. What is computed there
 * is test_graph.c's business.
 */
#define _DEFAULT_SOURCE /* as memory.c, in counted_heap.h */
#include "scenario.h"

#include "counted_heap.h"

/* ---- The heap, counted ----------------------------------------------------------------------- */

static int forget_heap(void **state)
{
    (void)state;
    memset(&libc_heap, 0, sizeof(libc_heap));
    return 0;
}

static int check_heap(void **state)
{
    (void)state;
    return libc_heap.live == 0 ? 0 : -1;
}

/* ---- Marks and rewinds ----------------------------------------------------------------------- */

static void assert_stale(ag_value x)
{
    assert_true(isnan(ag_data(x)));
    assert_int_equal(ag_error(x.graph), AG_STALE_VALUE);
    ag_clear_error(x.graph);
}

static void test_rewind_drops(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = ag_variable(graph, 2);
    const ag_mark mark = ag_graph_mark(graph);
    const ag_value dropped = ag_square(x);
    assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
    assert_int_equal(ag_graph_count(graph), 1);
    assert_stale(dropped);
    const ag_value in_its_place = ag_neg(x);
    assert_int_equal(in_its_place.index, dropped.index);
    assert_stale(dropped);
    assert_same(ag_data(in_its_place), -2);
    assert_same(ag_data(x), 2);
    assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
    assert_int_equal(ag_graph_rewind(graph, mark), AG_OK); /* nothing to drop */
    assert_int_equal(ag_graph_count(graph), 1);
    assert_stale(in_its_place);
    ag_graph_free(graph);
}

static void test_marks_nest(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_mark bottom = ag_graph_mark(graph);
    const ag_value x = ag_variable(graph, 2);
    const ag_mark outer = ag_graph_mark(graph);
    for (int i = 0; i < 5; i++) {
        const ag_value y = ag_square(x);
        const ag_mark inner = ag_graph_mark(graph);
        for (int k = 0; k < 5; k++) {
            const ag_value z = ag_mul(y, x);
            assert_int_equal(ag_backward(z), AG_OK);
            assert_same(ag_grad(y), 2);
            assert_int_equal(ag_graph_rewind(graph, inner), AG_OK);
            assert_stale(z);
            assert_same(ag_data(y), 4);
        }
        assert_int_equal(ag_graph_rewind(graph, outer), AG_OK);
        assert_stale(y);
        assert_int_equal(ag_graph_rewind(graph, inner), AG_STALE_VALUE);
        assert_contains(ag_error_message(graph), "mark");
        ag_clear_error(graph);
    }
    assert_same(ag_grad(x), 5 * 5 * 12);
    assert_int_equal(ag_graph_rewind(graph, bottom), AG_OK);
    assert_int_equal(ag_graph_count(graph), 0);
    assert_stale(x);
    assert_int_equal(ag_graph_rewind(graph, outer), AG_STALE_VALUE);
    ag_graph_free(graph);
}

/* A mark is stale also when there are as many nodes again as it saw. */
static void test_marks_in_a_dropped_part(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = ag_variable(graph, 2);
    const ag_mark low = ag_graph_mark(graph);
    (void)ag_square(x);
    const ag_mark high = ag_graph_mark(graph);
    assert_int_equal(ag_graph_rewind(graph, low), AG_OK);
    for (int i = 0; i < 5; i++)
        (void)ag_neg(x);
    assert_int_equal(ag_graph_rewind(graph, high), AG_STALE_VALUE);
    assert_int_equal(ag_graph_count(graph), 6);
    ag_clear_error(graph);
    assert_int_equal(ag_graph_rewind(graph, low), AG_OK); /* which is still good */
    ag_graph_free(graph);
}

/* While there is an error a rewind works, and a mark can't be had. */
static void test_rewind_with_an_error(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = ag_variable(graph, 2);
    const ag_mark mark = ag_graph_mark(graph);
    (void)ag_square(x);
    (void)ag_add(x, (ag_value){0});
    assert_int_equal(ag_error(graph), AG_NULL_VALUE);
    const ag_mark none = ag_graph_mark(graph);
    assert_null(none.graph);
    assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
    assert_int_equal(ag_error(graph), AG_NULL_VALUE);
    assert_int_equal(ag_graph_count(graph), 1);
    ag_clear_error(graph);
    assert_int_equal(ag_graph_rewind(graph, none), AG_NULL_VALUE);
    assert_int_equal(ag_graph_count(graph), 1);
    ag_graph_free(graph);
}

/* Handles against a model that remembers, for each place, which node is in it. */
static void test_rewinds_against_a_model(void **state)
{
    (void)state;
    enum {
        STEPS = 1000,
        PLACES = 64,
        HANDLES = 200,
        MARKS = 24
    };
    ag_graph *graph = ag_graph_new(NULL);
    machine *m = new_machine(graph, 7); /* for its random numbers */
    int nodes[PLACES];                  /* the node in each place, by a number of its own */
    struct {
        ag_value value;
        int node;
    } handles[HANDLES];
    struct {
        ag_mark mark;
        size_t count;
        int last; /* the node just below; -1 at the bottom */
    } marks[MARKS];
    size_t count = 0, handle_count = 0, mark_count = 0;
    int made = 0, refused = 0;
    for (int step = 0; step < STEPS; step++) {
        const size_t kind = draw(m, 10);
        if (kind < 7 && count < PLACES) {
            nodes[count++] = made;
            const size_t slot = handle_count < HANDLES ? handle_count++ : draw(m, HANDLES);
            handles[slot].value = ag_variable(graph, (ag_real)made);
            handles[slot].node = made++;
        } else if (kind < 8 || mark_count == 0) {
            const size_t slot = mark_count < MARKS ? mark_count++ : draw(m, MARKS);
            marks[slot].mark = ag_graph_mark(graph);
            marks[slot].count = count;
            marks[slot].last = count == 0 ? -1 : nodes[count - 1];
        } else {
            const size_t slot = draw(m, mark_count), at = marks[slot].count;
            const bool good = at <= count && (at == 0 || nodes[at - 1] == marks[slot].last);
            assert_int_equal(ag_graph_rewind(graph, marks[slot].mark),
                             good ? AG_OK : AG_STALE_VALUE);
            ag_clear_error(graph);
            if (good)
                count = at;
            refused += !good;
        }
        assert_int_equal(ag_graph_count(graph), count);
        for (size_t i = 0; i < handle_count; i++) {
            const uint32_t place = handles[i].value.index;
            if (place < count && nodes[place] == handles[i].node)
                assert_same(ag_data(handles[i].value), handles[i].node);
            else
                assert_stale(handles[i].value);
        }
    }
    assert_true(refused > STEPS / 100);
    free(m);
    ag_graph_free(graph);
}

/* The generation counts up to 2^32 - 2 and then begins anew: what was made before the marks is as
 * good as before, and so are the marks. */
static void test_generations_begin_anew(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value oldest = ag_variable(graph, 1);
    graph->generation = UINT32_MAX - 10;
    const ag_value x = ag_variable(graph, 2);
    const ag_mark mark = ag_graph_mark(graph);
    ag_value dropped[40];
    for (int i = 0; i < 40; i++) {
        dropped[i] = ag_mul(x, oldest);
        const ag_value y = ag_square(dropped[i]);
        assert_int_equal(ag_backward(y), AG_OK);
        assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
        assert_int_equal(ag_error(graph), AG_OK);
        assert_stale(dropped[i]);
        assert_same(ag_data(x), 2);
        assert_same(ag_data(oldest), 1);
    }
    assert_true(graph->generation < 40);
    assert_same(ag_grad(x), 40 * 4);
    (void)ag_neg(x);
    for (int i = 0; i < 40; i++)
        assert_stale(dropped[i]);
    ag_graph_free(graph);
}

/* Between nested marks handles go stale when it does: an error once in 2^32 rewinds, never another
 * node's number. */
static void test_generations_begin_anew_between_marks(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    graph->generation = UINT32_MAX - 10;
    const ag_value x = ag_variable(graph, 2);
    const ag_mark outer = ag_graph_mark(graph);
    int stale = 0;
    for (int i = 0; i < 12; i++) {
        const ag_value y = ag_square(x);
        const ag_mark inner = ag_graph_mark(graph);
        for (int k = 0; k < 2; k++) {
            const ag_value z = ag_mul(x, y);
            assert_true(ag_is_null(z) || (ag_data(z) == 8 && ag_data(y) == 4));
            if (ag_graph_rewind(graph, inner) != AG_OK || ag_is_null(z)) {
                assert_int_equal(ag_error(graph), AG_STALE_VALUE);
                ag_clear_error(graph);
                stale++;
            }
        }
        assert_int_equal(ag_graph_rewind(graph, outer), AG_OK);
        assert_same(ag_data(x), 2);
        assert_int_equal(ag_error(graph), AG_OK);
    }
    assert_true(graph->generation < 40);
    assert_in_range(stale, 0, 1);
    ag_graph_free(graph);
}

/* What a rewind takes is set aside when the mark is made. */
static void test_rewind_needs_no_memory(void **state)
{
    (void)state;
    enum {
        LEVELS = 300
    };
    ag_graph *graph = ag_graph_new(NULL);
    ag_mark marks[LEVELS];
    int alive = 0;
    for (int round = 0; round < 3; round++) {
        ag_value y = ag_variable(graph, 1);
        for (int i = 0; i < LEVELS; i++) {
            marks[i] = ag_graph_mark(graph);
            y = apply_product(&alive, 1, &y);
            char name[24];
            (void)snprintf(name, sizeof(name), "level %d", i);
            assert_int_equal(ag_name(y, name), AG_OK);
        }
        libc_heap.failing = 1;
        libc_heap.for_good = true;
        for (int i = LEVELS - 1; i >= 0; i -= round + 1) {
            assert_int_equal(ag_graph_rewind(graph, marks[i]), AG_OK);
            assert_int_equal(alive, i);
        }
        libc_heap.failing = 0;
        assert_int_equal(ag_graph_rewind(graph, marks[0]), AG_OK);
    }
    ag_graph_free(graph);
}

/* Where marks climb with the graph, old handles are found good as quickly as new ones. */
static void test_marks_that_climb(void **state)
{
    (void)state;
    enum {
        LEVELS = 200000
    };
    ag_graph *graph = ag_graph_new(NULL);
    ag_value *kept = malloc(LEVELS * sizeof(*kept));
    assert_non_null(kept);
    for (int i = 0; i < LEVELS; i++) {
        kept[i] = ag_variable(graph, (ag_real)i);
        const ag_mark mark = ag_graph_mark(graph);
        (void)ag_neg(kept[i]);
        assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
    }
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < LEVELS; i++)
            if (ag_data(kept[i]) != (ag_real)i)
                fail_msg("value %d is lost: %s", i, ag_error_message(graph));
    free(kept);
    ag_graph_free(graph);
}

static void count_destroyed(void *context)
{
    ++*(int *)context;
}

static void test_rewind_drops_names_and_closures(void **state)
{
    (void)state;
    enum {
        N = 100
    };
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = ag_variable(graph, 2);
    assert_int_equal(ag_name(x, "kept"), AG_OK);
    int destroyed[3 * N + 1] = {0}, used = 0;
    ag_closure closure = {.name = "product",
                          .arity = 1,
                          .forward = forward_product,
                          .backward = backward_product,
                          .context = &destroyed[used++],
                          .destroy = count_destroyed};
    const ag_value kept = ag_apply(&closure, &x);
    const ag_mark mark = ag_graph_mark(graph);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++) {
            char name[24];
            (void)snprintf(name, sizeof(name), "dropped %d", i);
            closure.context = &destroyed[used++];
            assert_int_equal(ag_name(ag_apply(&closure, &x), name), AG_OK);
        }
        assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
        assert_true(ag_is_null(ag_find(graph, "dropped 0")));
        assert_string_equal(ag_name_of(ag_find(graph, "kept")), "kept");
        for (int i = 1; i < used; i++)
            assert_int_equal(destroyed[i], 1);
    }
    assert_int_equal(destroyed[0], 0);
    assert_same(ag_data(kept), 2);
    assert_int_equal(ag_backward(kept), AG_OK);
    ag_graph_free(graph);
    for (int i = 0; i < used; i++)
        assert_int_equal(destroyed[i], 1);
}

/* ---- Memory in loops ------------------------------------------------------------------------- */

/* One step of a training loop: a neuron's loss on a sample, its gradient, descent. Returns the
 * loss.
 */
static double step_neuron(ag_graph *graph, const ag_value *weights, size_t n, int *alive,
                          int sample)
{
    ag_value x[4];
    for (size_t i = 0; i < n; i++)
        x[i] = ag_constant(graph, (ag_real)((sample + (int)i) % 3 - 1));
    const ag_value activation = ag_tanh(ag_dot(n, weights, x));
    const ag_value target = ag_constant(graph, sample % 3 == 0 ? 1 : -1);
    ag_value loss = ag_square(ag_sub(activation, target));
    loss = ag_select(ag_constant(graph, 1), loss, apply_product(alive, 2, weights));
    if (ag_backward(loss) != AG_OK)
        return (double)NAN;
    const double value = (double)ag_data(loss);
    for (size_t i = 0; i < n; i++)
        (void)ag_set(weights[i], ag_data(weights[i]) - (ag_real)0.01 * ag_grad(weights[i]));
    ag_zero_grad(graph);
    return value;
}

static void test_memory_stays_constant(void **state)
{
    (void)state;
    enum {
        N = 4,
        STEPS = 100000
    };
    ag_graph *graph = ag_graph_new(NULL);
    ag_value weights[N];
    for (int i = 0; i < N; i++)
        weights[i] = ag_variable(graph, (ag_real)(i * 0.1));
    const ag_mark mark = ag_graph_mark(graph);
    int alive = 0;
    double first = 0, last = 0;
    size_t bytes = 0, requests = 0;
    for (int i = 0; i < STEPS; i++) {
        last = step_neuron(graph, weights, N, &alive, i);
        if (i == 0) {
            first = last;
            bytes = ag_graph_bytes(graph);
            requests = libc_heap.requests;
        }
        if (ag_graph_rewind(graph, mark) != AG_OK)
            fail_msg("step %d: %s", i, ag_error_message(graph));
    }
    assert_int_equal(ag_error(graph), AG_OK);
    assert_true(last < first);
    assert_int_equal(alive, 0);
    assert_int_equal(ag_graph_count(graph), N);
    assert_int_equal(ag_graph_bytes(graph), bytes);
    assert_int_equal(libc_heap.requests, requests); /* not one in 99,999 steps */
    for (int i = 0; i < N; i++)
        assert_true(isfinite(ag_data(weights[i])));
    ag_graph_free(graph);
}

/* The figures in autograd.h: what a node costs where nothing grew ahead. */
static void test_bytes_of_a_node(void **state)
{
    (void)state;
    const uint32_t n = 100000;
    ag_graph *graph = ag_graph_new(&(ag_graph_options){.max_nodes = n});
    const size_t empty = ag_graph_bytes(graph);
    ag_value y = ag_variable(graph, 1);
    const ag_value x = y;
    while (ag_graph_count(graph) < n)
        y = ag_add(y, x);
    assert_int_equal(ag_error(graph), AG_OK);
    assert_int_equal(ag_backward(y), AG_OK);
    assert_int_equal(ag_graph_bytes(graph) - empty, n * (9 + 2 * sizeof(ag_real)));
    assert_int_equal(ag_forward(y), AG_OK);
    assert_int_equal(ag_graph_bytes(graph) - empty, n * (10 + 2 * sizeof(ag_real)));
    ag_graph_free(graph);
}

/* ---- A caller's allocator -------------------------------------------------------------------- */

/* An allocator that believes nothing: it knows each block's size, gives addresses off any alignment
 * (by `offset`; by something else each time if it is UNEVEN), moves every block at every resize,
 * and spoils what it takes back. */
enum {
    KEPT_BLOCKS = 1024,
    UNEVEN = 16
};

typedef struct keeper {
    struct {
        unsigned char *raw, *given;
        size_t size;
    } blocks[KEPT_BLOCKS];
    size_t live, bytes;
    size_t offset;
    size_t requests, failing;
    bool for_good;
    int mistakes;
} keeper;

static size_t find_block(const keeper *k, const void *pointer)
{
    for (size_t i = 0; i < k->live; i++)
        if (k->blocks[i].given == pointer)
            return i;
    return KEPT_BLOCKS;
}

static void give_back(keeper *k, size_t i)
{
    memset(k->blocks[i].given, 0xDD, k->blocks[i].size);
    free(k->blocks[i].raw);
    k->bytes -= k->blocks[i].size;
    k->blocks[i] = k->blocks[--k->live];
}

static void *keep_blocks(void *user, void *pointer, size_t old_size, size_t new_size)
{
    keeper *k = user;
    const size_t old = pointer == NULL ? KEPT_BLOCKS : find_block(k, pointer);
    if (pointer != NULL && (old == KEPT_BLOCKS || k->blocks[old].size != old_size)) {
        k->mistakes++;
        return NULL;
    }
    if (new_size == 0) {
        k->mistakes += pointer == NULL;
        if (pointer != NULL)
            give_back(k, old);
        return NULL;
    }
    if (is_failing(++k->requests, k->failing, k->for_good) || k->live == KEPT_BLOCKS)
        return NULL;
    const size_t offset = k->offset == UNEVEN ? k->requests * 5 % UNEVEN : k->offset;
    unsigned char *raw = malloc(new_size + offset);
    assert_non_null(raw);
    unsigned char *given = raw + offset;
    memset(given, 0xA5, new_size);
    k->blocks[k->live].raw = raw;
    k->blocks[k->live].given = given;
    k->blocks[k->live++].size = new_size;
    k->bytes += new_size;
    if (pointer != NULL) {
        memcpy(given, pointer, old_size < new_size ? old_size : new_size);
        give_back(k, old);
    }
    return given;
}

static ag_graph_options keep_for(keeper *k, size_t offset)
{
    memset(k, 0, sizeof(*k));
    k->offset = offset;
    return (ag_graph_options){.allocator = keep_blocks, .allocator_user = k};
}

static void assert_all_given_back(const keeper *k)
{
    assert_int_equal(k->mistakes, 0);
    assert_int_equal(k->live, 0);
    assert_int_equal(k->bytes, 0);
}

static FILE *scratch_file;

/* The story on a graph with these options. */
static void tell(const ag_graph_options *options, scenario *s)
{
    memset(s, 0, sizeof(*s));
    s->file = scratch_file;
    rewind(scratch_file);
    s->graph = ag_graph_new(options);
    assert_non_null(s->graph);
    const ag_status status = run_scenario(s);
    if (status != AG_OK)
        fail_msg("%s: %s", ag_status_name(status), ag_error_message(s->graph));
}

static void assert_same_story(const scenario *s, const scenario *expected)
{
    assert_int_equal(s->count, expected->count);
    for (size_t i = 0; i < s->count; i++)
        assert_memory_equal(&s->numbers[i], &expected->numbers[i], sizeof(ag_real));
}

static const size_t offsets[] = {0, 1, 3, 8, 15, UNEVEN};
static const size_t offset_count = sizeof(offsets) / sizeof(*offsets);

static void test_allocator(void **state)
{
    (void)state;
    static scenario expected, s;
    static keeper k;
    tell(NULL, &expected);
    ag_graph_free(expected.graph);
    assert_int_equal(expected.alive, 0);
    const size_t requests = libc_heap.requests;
    for (size_t i = 0; i < offset_count; i++) {
        const ag_graph_options options = keep_for(&k, offsets[i]);
        tell(&options, &s);
        assert_same_story(&s, &expected);
        assert_int_equal(ag_graph_bytes(s.graph), k.bytes - k.live * ALIGNMENT);
        assert_int_equal((uintptr_t)s.graph % _Alignof(max_align_t), 0);
        assert_int_equal((uintptr_t)s.graph->data % _Alignof(max_align_t), 0);
        ag_graph_free(s.graph);
        assert_all_given_back(&k);
        assert_int_equal(s.alive, 0);
    }
    assert_int_equal(libc_heap.requests, requests); /* the allocator was the only source */
}

/* ---- Failures -------------------------------------------------------------------------------- */

/* How many requests failed, and how many of these did no harm, because less would do. */
typedef struct failures {
    size_t count, survived;
} failures;

/* After any error: out of pauses, back to the beginning, and the story can be told. */
static void tell_again(scenario *s, ag_mark beginning, const scenario *expected)
{
    ag_clear_error(s->graph);
    assert_string_equal(ag_error_message(s->graph), "");
    if (beginning.graph == NULL) /* this was what failed, and all the rest with it */
        beginning = ag_graph_mark(s->graph);
    while (s->graph->paused > 0)
        assert_int_equal(ag_resume(s->graph), AG_OK);
    ag_set_check(s->graph, false);
    assert_int_equal(ag_graph_rewind(s->graph, beginning), AG_OK);
    assert_int_equal(ag_graph_count(s->graph), 0);
    assert_int_equal(s->alive, 0);
    assert_int_equal(run_scenario(s), AG_OK);
    assert_same_story(s, expected);
}

/* Tells the story with the n-th request failing, for every n; *requests counts them, and *failing
 * says which. */
static failures fail_each(const ag_graph_options *options, size_t *requests, size_t *failing,
                          const scenario *expected)
{
    static scenario s;
    failures failed = {0};
    for (size_t n = 1;; n++) {
        memset(&s, 0, sizeof(s));
        s.file = scratch_file;
        rewind(scratch_file);
        *requests = 0;
        *failing = n;
        s.graph = ag_graph_new(options);
        if (s.graph == NULL) { /* then the first request was the one */
            assert_int_equal(n, 1);
            failed.count++;
            continue;
        }
        const ag_mark beginning = ag_graph_mark(s.graph);
        const ag_status status = run_scenario(&s);
        const bool is_over = *requests < n;
        *failing = 0;
        assert_int_equal(ag_error(s.graph), status);
        if (status == AG_OK) {
            assert_same_story(&s, expected);
        } else {
            assert_false(is_over);
            assert_int_equal(status, AG_OUT_OF_MEMORY);
            assert_contains(ag_error_message(s.graph), "out of memory");
            tell_again(&s, beginning, expected);
        }
        ag_graph_free(s.graph);
        assert_int_equal(s.alive, 0);
        if (is_over)
            return failed;
        failed.count++;
        failed.survived += status == AG_OK;
    }
}

static void test_each_allocation_fails(void **state)
{
    (void)state;
    static scenario expected;
    static keeper k;
    tell(NULL, &expected);
    ag_graph_free(expected.graph);
    for (int for_good = 0; for_good < 2; for_good++) {
        const ag_graph_options options = keep_for(&k, for_good != 0 ? 3 : UNEVEN);
        k.for_good = libc_heap.for_good = for_good != 0;
        const failures kept = fail_each(&options, &k.requests, &k.failing, &expected);
        assert_all_given_back(&k);
        const failures on_heap =
            fail_each(NULL, &libc_heap.requests, &libc_heap.failing, &expected);
        assert_int_equal(libc_heap.live, 0);
        assert_true(kept.count > 40);
        assert_int_equal(on_heap.count, kept.count);
        assert_int_equal(on_heap.survived, kept.survived);
        assert_int_equal(kept.survived > 0, for_good == 0);
        assert_true(kept.survived < kept.count / 2);
    }
}

static ag_value multiply_and_grow(ag_graph *graph, size_t n, const ag_value *inputs, void *context)
{
    (void)graph;
    ag_value y = ag_tanh(ag_dot(n, inputs, inputs));
    for (int i = 0; i < 100; i++)
        y = ag_add(y, inputs[0]);
    return ag_mul(y, apply_product(context, n, inputs));
}

/* ag_gradcheck has graphs of its own. */
static void test_gradcheck_runs_out_of_memory(void **state)
{
    (void)state;
    const ag_real at[] = {(ag_real)0.5, (ag_real)-0.25, 1};
    for (int for_good = 0; for_good < 2; for_good++) {
        for (size_t n = 1;; n++) {
            int alive = 0;
            ag_gradcheck_row rows[3];
            bool passed = true;
            ag_error_details error;
            libc_heap.requests = 0;
            libc_heap.failing = n;
            libc_heap.for_good = for_good != 0;
            const ag_status status =
                ag_gradcheck(multiply_and_grow, &alive, 3, at, NULL, rows, &passed, &error);
            libc_heap.failing = 0;
            assert_int_equal(libc_heap.live, 0);
            assert_int_equal(alive, 0);
            assert_int_equal(error.status, status);
            assert_int_equal(passed, status == AG_OK);
            if (libc_heap.requests < n) {
                assert_int_equal(status, AG_OK);
                assert_true(n > 10);
                break;
            }
            if (status != AG_OK || for_good != 0) {
                assert_int_equal(status, AG_OUT_OF_MEMORY);
                assert_contains(error.message, "out of memory");
            }
        }
    }
}

/* Random steps with random failures: nothing leaks, nothing is lost, and there is always a way on.
 */
static void test_random_failures(void **state)
{
    (void)state;
    static keeper k;
    size_t short_of_memory = 0;
    for (uint64_t seed = 0; seed < 30; seed++) {
        const ag_graph_options options = keep_for(&k, (size_t)seed % (UNEVEN + 1));
        machine *m = new_machine(ag_graph_new(&options), seed);
        m->file = scratch_file;
        rewind(scratch_file);
        begin_machine(m);
        for (int i = 0; i < 1500; i++) {
            k.failing = draw(m, 10) == 0 ? k.requests + 1 : 0; /* in this step */
            k.for_good = draw(m, 4) != 0;
            (void)step_machine(m);
            short_of_memory += ag_error(m->graph) == AG_OUT_OF_MEMORY;
            ag_clear_error(m->graph);
        }
        k.failing = 0;
        while (m->paused-- > 0)
            assert_int_equal(ag_resume(m->graph), AG_OK);
        ag_set_check(m->graph, false);
        assert_int_equal(rewind_machine(m, 0), AG_OK);
        assert_int_equal(m->alive, 0);
        assert_int_equal(ag_set(m->values[0], 3), AG_OK);
        ag_zero_grad(m->graph);
        assert_int_equal(ag_backward(ag_square(m->values[0])), AG_OK);
        assert_same(ag_grad(m->values[0]), 6);
        ag_graph_free(m->graph);
        assert_all_given_back(&k);
        free(m);
    }
    assert_true(short_of_memory > 100);
}

/* ---- Two graphs, step by step ---------------------------------------------------------------- */

static void assert_same_bits(ag_real a, ag_real b)
{
    if (memcmp(&a, &b, sizeof(a)) != 0)
        fail_msg("%.17g is not %.17g", (double)a, (double)b);
}

static void assert_same_graphs(const machine *a, const machine *b)
{
    assert_int_equal(ag_graph_count(a->graph), ag_graph_count(b->graph));
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->alive, b->alive);
    for (size_t i = 0; i < a->count; i++) {
        const ag_value x = a->values[i], y = b->values[i];
        assert_int_equal(x.index, y.index);
        assert_same_bits(ag_data(x), ag_data(y));
        assert_same_bits(ag_grad(x), ag_grad(y));
        const char *name = ag_name_of(x), *other = ag_name_of(y);
        assert_int_equal(name == NULL, other == NULL);
        if (name != NULL)
            assert_string_equal(name, other);
    }
}

/* Takes the same random steps on two graphs, which must not tell them apart. */
static void run_in_step(ag_graph *a, ag_graph *b, uint64_t seed, int steps)
{
    machine *m = new_machine(a, seed), *twin = new_machine(b, seed);
    begin_machine(m);
    begin_machine(twin);
    for (int i = 0; i < steps; i++) {
        m->file = i % 16 == 0 ? scratch_file : NULL;
        twin->file = m->file;
        if (i % 100 == 0)
            rewind(scratch_file);
        assert_int_equal(step_machine(m), step_machine(twin));
        const ag_status status = ag_error(a);
        assert_int_equal(ag_error(b), status);
        assert_int_not_equal(status, AG_OUT_OF_MEMORY);
        assert_string_equal(ag_error_message(a), ag_error_message(b));
        ag_clear_error(a);
        ag_clear_error(b);
        assert_same_graphs(m, twin);
    }
    ag_graph_free(a);
    ag_graph_free(b);
    assert_int_equal(m->alive, 0);
    assert_int_equal(twin->alive, 0);
    free(m);
    free(twin);
}

static void test_allocator_in_step_with_heap(void **state)
{
    (void)state;
    static keeper k;
    for (uint64_t seed = 100; seed < 106; seed++) {
        const ag_graph_options options = keep_for(&k, (size_t)seed % (UNEVEN + 1));
        run_in_step(ag_graph_new(NULL), ag_graph_new(&options), seed, 1500);
        assert_all_given_back(&k);
    }
}

/* ---- A caller's buffer ----------------------------------------------------------------------- */

/* A block of exactly this size, at an address that is `misfit` off the strictest alignment: a
 * sanitizer or valgrind sees a step beside it. */
typedef struct buffer {
    unsigned char *block;
    void *start;
    size_t size;
} buffer;

static buffer make_buffer(size_t size, size_t misfit)
{
    unsigned char *block = malloc(misfit + size + (misfit + size == 0));
    assert_non_null(block);
    memset(block, 0xA5, misfit + size);
    return (buffer){block, block + misfit, size};
}

static ag_graph *new_in(const buffer *b, uint32_t max_nodes)
{
    return ag_graph_new(
        &(ag_graph_options){.buffer = b->start, .buffer_size = b->size, .max_nodes = max_nodes});
}

static void test_buffer_tells_the_same_story(void **state)
{
    (void)state;
    static scenario expected, s;
    tell(NULL, &expected);
    ag_graph_free(expected.graph);
    libc_heap.requests = 0;
    for (size_t misfit = 0; misfit < 16; misfit++) {
        const buffer b = make_buffer(200000, misfit);
        tell(&(ag_graph_options){.buffer = b.start, .buffer_size = b.size, .max_nodes = 1500}, &s);
        assert_same_story(&s, &expected);
        assert_true(ag_graph_bytes(s.graph) <= b.size);
        ag_graph_free(s.graph);
        assert_int_equal(s.alive, 0);
        free(b.block);
    }
    assert_int_equal(libc_heap.requests, 0);
}

static void test_buffer_in_step_with_heap(void **state)
{
    (void)state;
    for (uint64_t seed = 200; seed < 206; seed++) {
        const buffer b = make_buffer(300000, (size_t)seed % 16);
        run_in_step(ag_graph_new(NULL), new_in(&b, 1000), seed, 1500);
        free(b.block);
    }
}

/* Gives values the names 1, 2, ... until there is no memory; returns how many got one. */
static int name_until_full(ag_graph *graph, ag_value first, uint32_t n)
{
    int named = 0;
    for (uint32_t i = 0; i < n; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "%lu", (unsigned long)i);
        const ag_value x = {graph, i, first.generation};
        const ag_status status = ag_name(x, name);
        if (status != AG_OK) {
            assert_int_equal(status, AG_OUT_OF_MEMORY);
            assert_contains(ag_error_message(graph), "out of memory");
            ag_clear_error(graph);
            assert_null(ag_name_of(x));
            assert_true(ag_is_null(ag_find(graph, name)));
            break;
        }
        named++;
    }
    for (int i = 0; i < named; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "%d", i);
        assert_int_equal(ag_find(graph, name).index, i);
    }
    return named;
}

/* Fills the graph to its last node, and has it do everything with them. Returns the number of
 * nodes.
 */
static uint32_t use_up(ag_graph *graph)
{
    const ag_value x = ag_variable(graph, 2);
    assert_int_equal(ag_error(graph), AG_OK);
    const ag_mark mark = ag_graph_mark(graph);
    const bool marked = mark.graph != NULL;
    if (!marked)
        assert_int_equal(ag_error(graph), AG_OUT_OF_MEMORY);
    ag_clear_error(graph);
    uint32_t n = 1;
    ag_value y = x;
    for (;; n++) {
        const ag_value next = n % 2 == 0 ? ag_neg(y) : ag_mul(y, x);
        if (ag_is_null(next))
            break;
        y = n % 16 == 0 ? ag_variable(graph, 2) : next;
        n += n % 16 == 0;
        if (ag_is_null(y))
            break;
    }
    assert_int_equal(ag_error(graph), AG_TOO_MANY_NODES);
    char number[16];
    (void)snprintf(number, sizeof(number), " %lu ", (unsigned long)graph->max_nodes);
    assert_contains(ag_error_message(graph), number);
    ag_clear_error(graph);
    assert_int_equal(ag_graph_count(graph), graph->max_nodes);
    const ag_value last = {graph, graph->max_nodes - 1, x.generation};
    const ag_real value = ag_data(last);
    assert_int_equal(ag_backward(last), AG_OK);
    assert_int_equal(ag_forward(last), AG_OK);
    assert_same(ag_data(last), value);
    assert_true(ag_topological_order(last, NULL, 0) >= 1);
    ag_zero_grad(graph);
    assert_int_equal(ag_backward(last), AG_OK);
    (void)name_until_full(graph, x, graph->max_nodes);
    if (marked) {
        assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
        assert_int_equal(ag_graph_count(graph), 1);
        (void)ag_neg(x);
        assert_int_equal(ag_error(graph), graph->max_nodes == 1 ? AG_TOO_MANY_NODES : AG_OK);
    }
    return graph->max_nodes;
}

static void test_buffers_of_every_size(void **state)
{
    (void)state;
    uint32_t most = 0;
    size_t smallest = 0;
    libc_heap.requests = 0;
    for (size_t size = 0; size <= 5000; size++) {
        const buffer b = make_buffer(size, size % 16);
        ag_graph *graph = new_in(&b, 0);
        if (graph == NULL) {
            assert_true(size < 2000);
        } else {
            const uint32_t nodes = use_up(graph);
            most = nodes > most ? nodes : most;
            if (smallest == 0)
                smallest = size;
            ag_graph_free(graph);
        }
        free(b.block);
    }
    assert_int_equal(libc_heap.requests, 0);
    assert_true(most > 5000 / 2 / (11 + 2 * sizeof(ag_real)));
    assert_in_range(smallest, 400, 1500);
}

static void test_buffers_with_a_number_of_nodes(void **state)
{
    (void)state;
    static const uint32_t numbers[] = {1, 2, 7, 100};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        bool fitted = false;
        for (size_t size = 0; size <= 5000; size += 8) {
            const buffer b = make_buffer(size, 0);
            ag_graph *graph = new_in(&b, numbers[i]);
            assert_true(graph != NULL || !fitted); /* what fits, fits in more */
            fitted = graph != NULL;
            if (graph != NULL)
                assert_int_equal(use_up(graph), numbers[i]);
            ag_graph_free(graph);
            free(b.block);
        }
        assert_true(fitted);
    }
    const buffer b = make_buffer(5000, 0);
    assert_null(new_in(&b, 5000));
    assert_null(new_in(&b, UINT32_MAX));
    free(b.block);
}

/* Lists of operands, closures and their names run out without harm, and what a rewind drops can be
 * used again: as much fits each time. */
static void test_buffer_runs_out_of_everything(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        const buffer b = make_buffer(30000, 8);
        ag_graph *graph = new_in(&b, 600);
        ag_value x[8];
        for (int i = 0; i < 8; i++)
            x[i] = ag_variable(graph, (ag_real)(i + 1));
        const ag_real weights[8] = {1, 2, 3, 4, 5, 6, 7, 8};
        const ag_mark mark = ag_graph_mark(graph);
        int alive = 0, fitted = 0;
        for (int round = 0; round < 3; round++) {
            int n = 0;
            for (;; n++) {
                const ag_value y = kind == 0   ? ag_dot(8, x, x)
                                   : kind == 1 ? ag_linear(8, weights, x, 1)
                                   : kind == 2 ? apply_product(&alive, 8, x)
                                               : ag_select(x[0], x[1], x[2]);
                if (ag_is_null(y))
                    break;
                assert_int_equal(ag_backward(y), AG_OK);
            }
            const bool nodes = ag_error(graph) == AG_TOO_MANY_NODES;
            assert_true(nodes || ag_error(graph) == AG_OUT_OF_MEMORY);
            ag_clear_error(graph);
            assert_true(n >= 20);
            assert_true(round == 0 || n == fitted);
            fitted = n;
            assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
            assert_int_equal(alive, 0);
        }
        ag_graph_free(graph);
        free(b.block);
    }
}

static void test_names_leave_no_holes(void **state)
{
    (void)state;
    const buffer b = make_buffer(20000, 0);
    ag_graph *graph = new_in(&b, 100);
    const ag_value x = ag_variable(graph, 1);
    const ag_mark mark = ag_graph_mark(graph);
    int fitted = 0;
    for (int round = 0; round < 500; round++) {
        for (int i = 0; i < 100; i++) { /* renamed with names of all lengths */
            char name[128];
            memset(name, 'a' + i % 26, sizeof(name));
            name[1 + (i * 37 + round) % 126] = '\0';
            assert_int_equal(ag_name(x, name), AG_OK);
        }
        assert_int_equal(ag_name(x, "x"), AG_OK);
        while (ag_graph_count(graph) < 100)
            (void)ag_neg(x);
        int n = 0;
        for (uint32_t i = 1; i < 100; i++, n++) {
            char name[120];
            (void)snprintf(name, sizeof(name), "%0100lu", (unsigned long)i);
            if (ag_name((ag_value){graph, i, graph->generation}, name) != AG_OK)
                break;
        }
        assert_int_equal(ag_error(graph), n == 99 ? AG_OK : AG_OUT_OF_MEMORY);
        ag_clear_error(graph);
        assert_true(n > 10);
        if (round == 0)
            fitted = n;
        assert_in_range(n, fitted - 1, fitted + 1); /* x's own name may lie in the way */
        assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
        assert_string_equal(ag_name_of(x), "x");
    }
    ag_graph_free(graph);
    free(b.block);
}

/* Check mode works in a buffer, too, as long as there is room beside the nodes. */
static void test_check_mode_in_a_buffer(void **state)
{
    (void)state;
    const buffer b = make_buffer(20000, 0);
    ag_graph *graph =
        ag_graph_new(&(ag_graph_options){.buffer = b.start, .buffer_size = b.size, .check = true});
    const ag_value x = ag_variable(graph, 2);
    ag_value y = x;
    for (int i = 0; i < 50; i++)
        y = ag_tanh(y);
    assert_int_equal(ag_backward(y), AG_OK);
    assert_true(ag_grad(x) > 0);
    assert_int_equal(ag_backward(ag_log(ag_sub(x, x))), AG_NOT_FINITE);
    ag_graph_free(graph);
    free(b.block);
}

/* ---- The allocator in the buffer ------------------------------------------------------------- */

typedef struct piece {
    unsigned char *pointer;
    size_t size;
    unsigned char mark;
} piece;

static void fill(piece *p, size_t from)
{
    memset(p->pointer + from, p->mark, p->size - from);
}

static void assert_whole(const piece *p)
{
    for (size_t i = 0; i < p->size; i++)
        if (p->pointer[i] != p->mark)
            fail_msg("byte %zu of %zu was overwritten", i, p->size);
}

static void assert_apart(const piece *pieces, size_t n, const buffer *b)
{
    const unsigned char *start = b->start, *end = start + b->size;
    for (size_t i = 0; i < n; i++) {
        const piece *p = &pieces[i];
        assert_true(p->pointer >= start && p->pointer + p->size <= end);
        assert_int_equal((uintptr_t)p->pointer % _Alignof(max_align_t), 0);
        for (size_t k = 0; k < i; k++)
            assert_true(p->pointer + p->size <= pieces[k].pointer ||
                        pieces[k].pointer + pieces[k].size <= p->pointer);
    }
}

static void test_arena(void **state)
{
    (void)state;
    enum {
        PIECES = 40,
        STEPS = 3000
    };
    machine *m = new_machine(NULL, 11);
    for (size_t misfit = 0; misfit < 16; misfit += 5) {
        const buffer b = make_buffer(8000 + misfit, misfit);
        agi_arena *arena = agi_arena_new(b.start, b.size);
        assert_non_null(arena);
        const size_t whole = agi_arena_largest(arena);
        assert_true(whole > 7800);
        piece pieces[PIECES];
        size_t n = 0;
        int refused = 0;
        for (int step = 0; step < STEPS; step++) {
            const size_t size = draw(m, 10) == 0 ? draw(m, 2000) : draw(m, 200);
            const size_t kind = draw(m, 10), which = n == 0 ? 0 : draw(m, n);
            if (kind < 4 && n < PIECES) {
                const size_t largest = agi_arena_largest(arena);
                void *pointer = agi_arena_resize(arena, NULL, size);
                assert_int_equal(pointer != NULL, size <= largest);
                refused += pointer == NULL;
                if (pointer != NULL) {
                    pieces[n] = (piece){pointer, size, (unsigned char)step};
                    fill(&pieces[n++], 0);
                }
            } else if (kind < 7 && n > 0) {
                piece *p = &pieces[which];
                unsigned char *pointer = agi_arena_resize(arena, p->pointer, size);
                refused += pointer == NULL;
                if (pointer != NULL) {
                    const size_t kept = size < p->size ? size : p->size;
                    *p = (piece){pointer, kept, p->mark};
                    assert_whole(p);
                    p->size = size;
                    fill(p, kept);
                }
            } else if (n > 0) {
                assert_whole(&pieces[which]);
                agi_arena_release(arena, pieces[which].pointer);
                pieces[which] = pieces[--n];
            }
            assert_apart(pieces, n, &b);
            for (size_t i = 0; i < n; i++)
                assert_whole(&pieces[i]);
        }
        assert_true(refused > 10);
        while (n > 0) {
            const size_t which = draw(m, n);
            agi_arena_release(arena, pieces[which].pointer);
            pieces[which] = pieces[--n];
        }
        assert_int_equal(agi_arena_largest(arena), whole); /* one block again */
        void *all = agi_arena_resize(arena, NULL, whole);
        assert_non_null(all);
        assert_int_equal(agi_arena_largest(arena), 0);
        assert_null(agi_arena_resize(arena, NULL, 1));
        memset(all, 1, whole);
        agi_arena_release(arena, all);
        assert_int_equal(agi_arena_largest(arena), whole);
        free(b.block);
    }
    free(m);
}

static void test_arena_extremes(void **state)
{
    (void)state;
    for (size_t size = 0; size < 300; size++) {
        for (size_t misfit = 0; misfit < 16; misfit++) {
            const buffer b = make_buffer(size, misfit);
            agi_arena *arena = agi_arena_new(b.start, b.size);
            if (arena != NULL) {
                const size_t largest = agi_arena_largest(arena);
                assert_true(largest > 0 && largest < size);
                assert_null(agi_arena_resize(arena, NULL, largest + 1));
                assert_null(agi_arena_resize(arena, NULL, SIZE_MAX));
                assert_null(agi_arena_resize(arena, NULL, SIZE_MAX - 64));
                unsigned char *block = agi_arena_resize(arena, NULL, largest);
                assert_non_null(block);
                memset(block, 1, largest);
                assert_null(agi_arena_resize(arena, block, SIZE_MAX / 2));
                assert_int_equal(block[largest - 1], 1);
            }
            free(b.block);
        }
    }
}

/* A block grows into a free one behind it without moving. */
static void test_arena_extends_in_place(void **state)
{
    (void)state;
    const buffer b = make_buffer(4000, 0);
    agi_arena *arena = agi_arena_new(b.start, b.size);
    unsigned char *first = agi_arena_resize(arena, NULL, 100);
    unsigned char *second = agi_arena_resize(arena, NULL, 100);
    assert_ptr_equal(agi_arena_resize(arena, second, 2000), second);
    unsigned char *moved = agi_arena_resize(arena, first, 500); /* second is in its way */
    assert_true(moved > second);
    agi_arena_release(arena, second);
    agi_arena_release(arena, moved);
    assert_ptr_equal(agi_arena_resize(arena, NULL, 3000), first);
    free(b.block);
}

/* What the library did not hand out. */
static void test_marks_made_up(void **state)
{
    (void)state;
    ag_graph *const fresh = ag_graph_new(NULL);
    const ag_value x = ag_variable(fresh, 1);
    ag_mark mark = {.graph = fresh};
    assert_int_equal(ag_graph_rewind(fresh, mark), AG_STALE_VALUE);
    ag_clear_error(fresh);
    const ag_mark good = ag_graph_mark(fresh);
    (void)ag_neg(x);
    mark = good;
    mark.operands = 1000;
    assert_int_equal(ag_graph_rewind(fresh, mark), AG_STALE_VALUE);
    ag_clear_error(fresh);
    mark = good;
    mark.numbers = 1000;
    assert_int_equal(ag_graph_rewind(fresh, mark), AG_STALE_VALUE);
    ag_clear_error(fresh);
    assert_int_equal(ag_graph_rewind(fresh, good), AG_OK);
    assert_int_equal(ag_graph_count(fresh), 1);
    ag_graph_free(fresh);
}

/* Large arrays move to huge pages as they grow: nothing is lost, nor where there is no memory. */
static void test_large_arrays_keep_their_contents(void **state)
{
    (void)state;
    enum {
        NODES = 600000 /* numbers take 1 MiB from 2^17 nodes on */
    };
    ag_graph *const large = ag_graph_new(NULL);
    assert_non_null(large);
    const ag_value one = ag_constant(large, 1);
    ag_value x = ag_variable(large, 0);
    size_t refusals = 0;
    bool failing = true; /* each growth fails once */
    while (ag_graph_count(large) < NODES) {
        libc_heap.failing = failing ? libc_heap.requests + 1 : 0;
        libc_heap.for_good = true;
        const ag_value next = ag_add(x, one);
        if (ag_is_null(next)) {
            assert_int_equal(ag_error(large), AG_OUT_OF_MEMORY);
            ag_clear_error(large);
            refusals++;
        } else {
            x = next;
        }
        failing = !ag_is_null(next);
    }
    libc_heap.failing = 0;
    assert_true(refusals >= 10);
    const ag_real sum = ag_data(x);
    assert_same(sum, NODES - 2);
    assert_int_equal(ag_set(one, 2), AG_OK);
    assert_int_equal(ag_forward(x), AG_OK);
    assert_same(ag_data(x), 2 * (double)sum);
    assert_int_equal(ag_backward(x), AG_OK);
    assert_same(ag_grad(ag_operand(x, 1)), 0);
    ag_graph_free(large);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, forget_heap, check_heap)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rewind_drops),
        TEST(marks_nest),
        TEST(marks_in_a_dropped_part),
        TEST(rewind_with_an_error),
        TEST(rewinds_against_a_model),
        TEST(generations_begin_anew),
        TEST(generations_begin_anew_between_marks),
        TEST(rewind_needs_no_memory),
        TEST(marks_that_climb),
        TEST(rewind_drops_names_and_closures),
        TEST(memory_stays_constant),
        TEST(marks_made_up),
        TEST(bytes_of_a_node),
        TEST(large_arrays_keep_their_contents),
        TEST(allocator),
        TEST(each_allocation_fails),
        TEST(gradcheck_runs_out_of_memory),
        TEST(random_failures),
        TEST(allocator_in_step_with_heap),
        TEST(buffer_tells_the_same_story),
        TEST(buffer_in_step_with_heap),
        TEST(buffers_of_every_size),
        TEST(buffers_with_a_number_of_nodes),
        TEST(buffer_runs_out_of_everything),
        TEST(names_leave_no_holes),
        TEST(check_mode_in_a_buffer),
        TEST(arena),
        TEST(arena_extremes),
        TEST(arena_extends_in_place),
    };
    scratch_file = tmpfile();
    if (scratch_file == NULL)
        return 1;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fclose(scratch_file);
    return failed;
}
