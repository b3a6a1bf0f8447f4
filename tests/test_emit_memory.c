/* SPDX-License-Identifier: MIT
 *
 * Writers of C whose memory runs out, at every place it can: an error, nothing written, nothing lost;
 * or the same text as ever. What the text is stands in test_emit_c.c and its neighbours.
 */
#define _DEFAULT_SOURCE /* mkdtemp; as memory.c, in counted_heap.h */
#include "counted_heap.h"

#include "emitting.h"
#include "native.h"
#include "nn_testing.h"
#include "random_problem.h"

#include <dirent.h>

/* ---- Files ----------------------------------------------------------------------------------- */

/* A source and its header, which are to stay empty where they are not written. */
typedef struct pair {
    FILE *source, *header;
} pair;

static pair open_pair(void)
{
    const pair p = {tmpfile(), tmpfile()};
    assert_non_null(p.source);
    assert_non_null(p.header);
    return p;
}

static void close_pair(pair p)
{
    assert_int_equal(fclose(p.source), 0);
    assert_int_equal(fclose(p.header), 0);
}

/* What comes out when all goes well. */
typedef struct texts {
    char *source, *header;
} texts;

static texts read_pair(pair p)
{
    return (texts){read_text(p.source), read_text(p.header)};
}

static void free_texts(texts t)
{
    free(t.source);
    free(t.header);
}

/* An attempt that has failed has written nothing, one that has not the same as without failures. */
static void check_pair(pair p, ag_status status, const texts *expected)
{
    if (status != AG_OK) {
        assert_int_equal(status, AG_OUT_OF_MEMORY);
        assert_int_equal(ftell(p.source), 0);
        assert_int_equal(ftell(p.header), 0);
    } else if (expected != NULL) {
        const texts t = read_pair(p);
        assert_string_equal(t.source, expected->source);
        assert_string_equal(t.header, expected->header);
        free_texts(t);
    }
    close_pair(p);
}

/* ---- Attempts -------------------------------------------------------------------------------- */

/* Calls attempt with each request to the C library's heap failing in turn, first alone, then with all
 * that follow, until none did. It returns a status. Returns how many attempts failed. */
static size_t fail_each_on_heap(ag_status (*attempt)(void *context), void *context)
{
    const size_t live = libc_heap.live;
    size_t failed = 0;
    for (int for_good = 0; for_good < 2; for_good++) {
        bool untouched = false;
        for (size_t n = 1; !untouched; n++) {
            libc_heap.requests = 0;
            libc_heap.failing = n;
            libc_heap.for_good = for_good != 0;
            const ag_status status = attempt(context);
            untouched = libc_heap.requests < n;
            libc_heap.failing = 0;
            assert_int_equal(libc_heap.live, live);
            if (untouched)
                assert_int_equal(status, AG_OK);
            else if (for_good != 0)
                assert_int_equal(status, AG_OUT_OF_MEMORY);
            failed += status != AG_OK;
        }
    }
    return failed;
}

/* ---- Programs -------------------------------------------------------------------------------- */

enum {
    FUNCTIONS = 4
};

typedef struct work {
    ag_c_function functions[FUNCTIONS];
    ag_emit_options options;
    const texts *expected;
} work;

static ag_status emit(void *context)
{
    const work *w = context;
    const pair p = open_pair();
    ag_error_details error;
    const ag_status status =
        ag_emit_c(FUNCTIONS, w->functions, &w->options, p.source, p.header, &error);
    assert_int_equal(error.status, status);
    if (status != AG_OK)
        assert_string_equal(error.message, "ag_emit_c: out of memory");
    check_pair(p, status, w->expected);
    return status;
}

static ag_status measure(void *context)
{
    const work *w = context;
    size_t numbers = SIZE_MAX;
    const ag_status status = ag_measure_c(&w->functions[1], &numbers, NULL);
    assert_int_equal(numbers == SIZE_MAX, status != AG_OK);
    return status;
}

/* Gates of all kinds, comparisons, matrices, scans; parameters in the file; two functions whose names
 * are close. */
static void test_emit(void **state)
{
    (void)state;
    static const char *const names[FUNCTIONS] = {"f", "f_step", "g", "h"};
    problem *problems[] = {make_problem(1), make_scan_problem(7), make_problem(5), make_problem(9)};
    const double numbers[1000] = {0};
    work w = {.options = {.small_libm = true, .header_name = "f.h", .declarations = "int one;\n"}};
    for (size_t i = 0; i < FUNCTIONS; i++) {
        assert_true(problems[i]->shared.n <= sizeof(numbers) / sizeof(*numbers));
        w.functions[i] = (ag_c_function){.name = names[i],
                                         .program = compile(problems[i], i == 3),
                                         .shared = i < 2 ? NULL : numbers,
                                         .frozen = i == 2,
                                         .batch = i % 2 == 0,
                                         .scaled = i == 3};
    }
    const pair p = open_pair();
    assert_int_equal(ag_emit_c(FUNCTIONS, w.functions, &w.options, p.source, p.header, NULL),
                     AG_OK);
    const texts expected = read_pair(p);
    close_pair(p);
    w.expected = &expected;
    assert_true(fail_each_on_heap(emit, &w) > 100);
    assert_true(fail_each_on_heap(measure, &w) > 20);
    free_texts(expected);
    for (size_t i = 0; i < FUNCTIONS; i++) {
        ag_program_free((ag_program *)w.functions[i].program);
        free_problem(problems[i]);
    }
}

/* ---- Nets ------------------------------------------------------------------------------------ */

typedef struct net_work {
    const nn_model *model;
    const texts *expected;
} net_work;

static ag_status emit_net(void *context)
{
    const net_work *w = context;
    const nn_emit_options options = {.name = "net", .header_name = "net.h", .train = true};
    const pair p = open_pair();
    nn_error error;
    const ag_status status = nn_emit_c(w->model, &options, p.source, p.header, &error);
    if (status != AG_OK)
        assert_non_null(strstr(error.message, "memory"));
    check_pair(p, status, w->expected);
    return status;
}

static bool emits_net(void *context)
{
    return emit_net(context) == AG_OK;
}

static void test_emit_net(void **state)
{
    (void)state;
    const size_t sizes[] = {3, 4, 2};
    nn_error error;
    nn_model *model = nn_mlp(3, sizes, NN_TANH, 3);
    assert_non_null(model);
    net_work w = {.model = model};
    const pair p = open_pair();
    const nn_emit_options options = {.name = "net", .header_name = "net.h", .train = true};
    assert_int_equal(nn_emit_c(model, &options, p.source, p.header, &error), AG_OK);
    const texts expected = read_pair(p);
    close_pair(p);
    w.expected = &expected;
    assert_true(fail_each_request(emits_net, &w) > 100);
    free_texts(expected);
    nn_model_free(model);
}

/* ---- Own code -------------------------------------------------------------------------------- */

typedef struct native_work {
    problem *problem;
    char cache[40];
} native_work;

static size_t count_entries(const char *path)
{
    size_t n = 0;
    DIR *directory = opendir(path);
    for (const struct dirent *at; directory != NULL && (at = readdir(directory)) != NULL;)
        n += at->d_name[0] != '.';
    if (directory != NULL)
        assert_int_equal(closedir(directory), 0);
    return n;
}

/* A program of its own, made while memory is there. */
static ag_status make_native(void *context)
{
    const native_work *w = context;
    const size_t requests = libc_heap.requests, failing = libc_heap.failing;
    libc_heap.failing = 0;
    ag_program *program = compile(w->problem, false);
    libc_heap.requests = requests;
    libc_heap.failing = failing;
    ag_error_details error;
    const ag_native_options options = {.cache = w->cache};
    const ag_status status = ag_native(program, &options, &error);
    const size_t asked = libc_heap.requests;
    libc_heap.failing = 0;
    if (status == AG_OUT_OF_MEMORY)
        assert_string_equal(error.message, "ag_native: out of memory");
    else
        assert_int_equal(status, AG_OK);
    assert_true(count_entries(w->cache) <= 1); /* the object, whole, and nothing beside it */
    assert_int_equal(agi_find_native(program, false) == NULL, status != AG_OK);
    ag_program_free(program);
    libc_heap.requests = asked;
    return status;
}

static void test_native(void **state)
{
    (void)state;
    native_work w = {.problem = make_scan_problem(7), .cache = "/tmp/wengert-native-XXXXXX"};
    assert_non_null(mkdtemp(w.cache));
    assert_true(fail_each_on_heap(make_native, &w) > 50);
    assert_int_equal(count_entries(w.cache), 1);
    char command[80];
    (void)snprintf(command, sizeof(command), "rm -rf %s", w.cache);
    assert_int_equal(system(command), 0);
    free_problem(w.problem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_emit),
        cmocka_unit_test(test_emit_net),
        cmocka_unit_test(test_native),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
