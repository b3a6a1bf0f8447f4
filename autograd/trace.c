/* SPDX-License-Identifier: MIT
 *
 * The backward pass on the side, and the words for what it meets. ag_backward is the fast way to
 * the same gradients; this one keeps every contribution.
 */
#include "trace.h"
#include "terms.h"

#include <string.h>

/* ---- The trace ------------------------------------------------------------------------------- */

/* One block for all arrays, those with the strictest alignment first. */
static bool allocate(agi_trace *trace, uint32_t root, size_t edges)
{
    const size_t n = trace->count, places = (size_t)root + 1;
    const size_t per_node = sizeof(uint64_t) + sizeof(ag_real) + 3 * sizeof(uint32_t);
    const size_t per_edge = 2 * sizeof(ag_real);
    const size_t most = SIZE_MAX / 4;
    if (n > most / per_node || edges > most / per_edge || places > most / sizeof(uint32_t))
        return false;
    trace->size = n * per_node + edges * per_edge + places * sizeof(uint32_t);
    trace->block = agi_resize(trace->graph, NULL, 0, trace->size);
    if (trace->block == NULL)
        return false;
    memset(trace->block, 0, trace->size);
    trace->first = (uint64_t *)trace->block;
    trace->gradients = (ag_real *)(void *)(trace->first + n);
    trace->locals = trace->gradients + n;
    trace->contributions = trace->locals + edges;
    trace->nodes = (uint32_t *)(void *)(trace->contributions + edges);
    trace->numbers = trace->nodes + n;
    trace->uses = trace->numbers + n;
    trace->places = trace->uses + n;
    return true;
}

/* v1, v2, ... for nodes without a name, past those that are somebody's name. A constant without a
 * name is called by its number. */
static void choose_names(agi_trace *trace)
{
    uint32_t number = 0;
    for (uint32_t i = 0; i < trace->count; i++) {
        if (agi_name_of(trace->graph, trace->nodes[i]) != NULL ||
            agi_gate_at(trace, i) == AGI_CONSTANT)
            continue;
        char text[16];
        do
            (void)snprintf(text, sizeof(text), "v%lu", (unsigned long)++number);
        while (ag_find(trace->graph, text).graph != NULL);
        trace->numbers[i] = number;
    }
}

/* A scan's ends in the trace. */
typedef struct scan_edges {
    const agi_trace *trace;
    ag_real *contributions;
} scan_edges;

static double get_upstream(void *user, uint32_t output)
{
    const scan_edges *edges = (const scan_edges *)user;
    const agi_trace *trace = edges->trace;
    const bool is_there =
        output <= trace->nodes[trace->count - 1] && trace->nodes[trace->places[output]] == output;
    return is_there ? (double)trace->gradients[trace->places[output]] : 0;
}

static void contribute_to_scan(void *user, uint32_t k, double contribution)
{
    const scan_edges *edges = (const scan_edges *)user;
    edges->contributions[k] += (ag_real)contribution;
}

/* What its outputs' gradients give a scan's operands; no local gradient tells. */
static void spread_scan(const agi_trace *trace, uint32_t node, ag_real *contributions)
{
    scan_edges edges = {trace, contributions};
    const agi_scan_sweep ways = {&edges, get_upstream, contribute_to_scan};
    const agi_scan_work *work = agi_scan_at(trace->graph, node)->work;
    if (work->prepare(trace->graph, node) == AG_OK)
        work->sweep(trace->graph, node, &ways);
}

/* Local gradients, and upstream * local with the zero rule; nothing to operands that the gate did not
 * look at. A closure is asked itself, with 1 and with upstream: it need not be linear to the last
 * bit. */
static void spread(agi_trace *trace, uint32_t place)
{
    ag_graph *graph = trace->graph;
    const uint32_t node = trace->nodes[place];
    const agi_list operands = agi_operands_at(trace, place);
    const ag_real upstream = trace->gradients[place];
    ag_real *locals = trace->locals + trace->first[place];
    ag_real *contributions = trace->contributions + trace->first[place];
    if (agi_gate_at(trace, place) == AGI_CLOSURE) {
        const size_t size = operands.n * sizeof(ag_real);
        memcpy(locals, agi_closure_downstream(graph, node, 1), size);
        if (upstream != 0)
            memcpy(contributions, agi_closure_downstream(graph, node, upstream), size);
    } else if (agi_gate_at(trace, place) == AGI_SCAN) {
        spread_scan(trace, node, contributions);
    } else {
        const uint32_t first = agi_first_largest(graph, node);
        for (uint32_t k = 0; k < operands.n; k++) {
            bool taken;
            locals[k] = agi_local(graph, node, k, first, &taken);
            if (taken && upstream != 0)
                contributions[k] = upstream * locals[k];
        }
    }
    for (uint32_t k = 0; k < operands.n; k++)
        if (agi_takes_gradient(trace, operands.index[k]))
            trace->gradients[trace->places[operands.index[k]]] += contributions[k];
}

ag_status agi_trace_root(agi_trace *trace, ag_value root, size_t max_nodes, const char *what)
{
    ag_graph *graph = root.graph;
    *trace = (agi_trace){.graph = graph};
    if (agi_check_values(graph, what, 1, &root) != AG_OK ||
        agi_mark_reaching(graph, root.index, AGI_WALK_ALL) != AG_OK)
        return graph->status;
    size_t edges = 0;
    for (uint32_t i = 0; i <= root.index; i++) {
        if (agi_is_marked(graph, i)) {
            trace->count++;
            edges += agi_list_operands(graph, i).n;
        }
    }
    if (trace->count > max_nodes)
        return agi_fail(graph, AG_TOO_LARGE,
                        "%s: %lu nodes reach the root, and max_nodes allows %zu", what,
                        (unsigned long)trace->count, max_nodes);
    if (!allocate(trace, root.index, edges))
        return agi_fail_memory(graph, what);
    uint32_t place = 0;
    size_t edge = 0;
    for (uint32_t i = 0; i <= root.index; i++) {
        if (!agi_is_marked(graph, i))
            continue;
        const agi_list operands = agi_list_operands(graph, i);
        for (uint32_t k = 0; k < operands.n; k++)
            trace->uses[trace->places[operands.index[k]]]++;
        trace->nodes[place] = i;
        trace->places[i] = place;
        trace->first[place++] = edge;
        edge += operands.n;
    }
    choose_names(trace);
    if (agi_takes_gradient(trace, root.index))
        trace->gradients[trace->count - 1] = 1;
    for (uint32_t i = trace->count; i-- > 0;)
        spread(trace, i);
    if (graph->status != AG_OK) /* a closure did what it must not */
        agi_release_trace(trace);
    return graph->status;
}

void agi_release_trace(agi_trace *trace)
{
    agi_release(trace->graph, trace->block, trace->size);
    trace->block = NULL;
}

/* ---- Words ----------------------------------------------------------------------------------- */

void agi_put_name(agi_printer *printer, const agi_trace *trace, uint32_t place)
{
    const uint32_t node = trace->nodes[place];
    const char *name = agi_name_of(trace->graph, node);
    char number[16];
    (void)snprintf(number, sizeof(number), "v%lu", (unsigned long)trace->numbers[place]);
    if (name != NULL)
        agi_put(printer, name);
    else if (trace->numbers[place] != 0)
        agi_put(printer, number);
    else
        agi_put_number(printer, trace->graph->data[node]);
}

static void put_operand(agi_printer *printer, const agi_trace *trace, uint32_t operand)
{
    agi_put_name(printer, trace, trace->places[operand]);
}

void agi_put_gate(agi_printer *printer, const agi_trace *trace, uint32_t place, size_t most)
{
    const ag_graph *graph = trace->graph;
    const uint32_t node = trace->nodes[place];
    const agi_form form = (agi_form)agi_gate_forms[graph->gates[node]];
    const agi_list operands = agi_list_operands(graph, node);
    agi_put(printer, ag_gate_name(agi_value(trace->graph, node)));
    if (form == AGI_FORM_LEAF || operands.n > most)
        return;
    const ag_real *numbers = NULL;
    if (form == AGI_FORM_NUMBERS)
        numbers = agi_get_terms(graph, graph->operands[node], form).numbers;
    agi_put(printer, "(");
    if (numbers != NULL) {
        agi_put_number(printer, numbers[0]);
        agi_put(printer, " + ");
    }
    for (uint32_t k = 0; k < operands.n; k++) {
        const bool partner = form == AGI_FORM_VALUES && k % 2 == 1;
        const bool terms = form == AGI_FORM_VALUES || form == AGI_FORM_NUMBERS;
        if (k > 0)
            agi_put(printer, partner ? "*" : terms ? " + " : ", ");
        put_operand(printer, trace, operands.index[k]);
        if (form == AGI_FORM_PROJECT) {
            char which[16];
            (void)snprintf(which, sizeof(which), ", %lu", (unsigned long)graph->operands[node].b);
            agi_put(printer, which);
        }
        if (numbers != NULL) {
            agi_put(printer, "*");
            agi_put_number(printer, numbers[k + 1]);
        }
    }
    agi_put(printer, ")");
}

static bool is_word(char character)
{
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
           (character >= '0' && character <= '9');
}

/* What a letter of the gate table stands for in the k-th local gradient: x (or a, b; or c, a, b) an
 * operand, w the partner, y the gate's own value. */
static void put_letter(agi_printer *printer, const agi_trace *trace, uint32_t place, uint32_t k,
                       char letter)
{
    const ag_graph *graph = trace->graph;
    const uint32_t node = trace->nodes[place];
    const agi_form form = (agi_form)agi_gate_forms[graph->gates[node]];
    const uint32_t *operands = agi_list_operands(graph, node).index;
    const uint32_t first = form == AGI_FORM_TERNARY ? 1 : 0; /* a's place */
    switch (letter) {
    case 'x':
        put_operand(printer, trace, operands[k]);
        break;
    case 'a':
        put_operand(printer, trace, operands[first]);
        break;
    case 'b':
        put_operand(printer, trace, operands[first + 1]);
        break;
    case 'c':
        put_operand(printer, trace, operands[0]);
        break;
    case 'w':
        if (form == AGI_FORM_NUMBERS)
            agi_put_number(printer,
                           agi_get_terms(graph, graph->operands[node], form).numbers[k + 1]);
        else
            put_operand(printer, trace, operands[k ^ 1]);
        break;
    default:
        agi_put_name(printer, trace, place);
        break;
    }
}

void agi_put_local(agi_printer *printer, const agi_trace *trace, uint32_t place, uint32_t k)
{
    const uint8_t gate = agi_gate_at(trace, place);
    if (gate <= AGI_PROJECT)
        return;
    const ag_gate_info *info = &ag_gate_table(NULL)[gate - AGI_PROJECT - 1];
    const char *formula = info->local[info->arity == 0 ? 0 : k];
    if (formula[strspn(formula, "-0123456789.")] == '\0')
        return;
    while (*formula != '\0') {
        size_t n = 1;
        while (is_word(formula[0]) && is_word(formula[n]))
            n++;
        if (n == 1 && strchr("xabcwy", *formula) != NULL) {
            put_letter(printer, trace, place, k, *formula);
        } else {
            char word[2] = "";
            for (size_t i = 0; i < n; i++) {
                word[0] = formula[i];
                agi_put(printer, word);
            }
        }
        formula += n;
    }
}
