/* SPDX-License-Identifier: MIT
 *
 * What a drawing shows of a graph; see drawing.h. Every step is linear in what reaches the root, but
 * for sorting the scopes' names.
 */
#include "drawing.h"

#include <stdlib.h>
#include <string.h>

enum {
    MOST_WIRES = 6, /* from one place to the same boxes; more are one wire */
};

/* ---- Memory ---------------------------------------------------------------------------------- */

/* Values that come from one place and go to the same boxes are a class. */
typedef struct classes {
    uint32_t count;
    uint32_t *of;    /* [places]; 0: the value has a wire of its own */
    uint32_t *split; /* [classes] the box that is taking values out of it */
    uint32_t *into;  /* [classes] and the class that these make */
    uint32_t *first; /* [classes] a place */
} classes;

enum {
    OWN_WIRE,
    VARIABLES,
    CONSTANTS,
    OUTPUTS, /* of box 0, of box 1, ... */
};

/* One block for all arrays. A box takes values out of a class at most once for each edge. */
static bool allocate(agi_drawing *drawing, classes *c)
{
    const agi_trace *trace = &drawing->trace;
    const uint32_t n = trace->count, scopes = drawing->scopes;
    const uint64_t edges = trace->first[n - 1] + agi_operands_at(trace, n - 1).n;
    const uint64_t most = OUTPUTS + (uint64_t)scopes + edges;
    const uint64_t words = 7 * (uint64_t)n + 3 * most;
    const uint64_t bytes = scopes * (uint64_t)sizeof(agi_scope_frame) + words * sizeof(uint32_t);
    if (most > UINT32_MAX || bytes > SIZE_MAX / 2)
        return false;
    drawing->size = (size_t)bytes;
    drawing->block = agi_resize(trace->graph, NULL, 0, drawing->size);
    if (drawing->block == NULL)
        return false;
    memset(drawing->block, 0, drawing->size);
    drawing->frames = (agi_scope_frame *)drawing->block;
    drawing->box = (uint32_t *)(void *)(drawing->frames + scopes);
    drawing->frame = drawing->box + n;
    drawing->owner = drawing->frame + n;
    drawing->wire = drawing->owner + n;
    drawing->alike = drawing->wire + n;
    drawing->seen = drawing->alike + n;
    c->of = drawing->seen + n;
    c->split = c->of + n;
    c->into = c->split + most;
    c->first = c->into + most;
    c->count = OUTPUTS + scopes;
    return true;
}

void agi_release_drawing(agi_drawing *drawing)
{
    agi_release(drawing->trace.graph, drawing->block, drawing->size);
    drawing->block = NULL;
    agi_release_trace(&drawing->trace);
}

/* ---- Scopes ---------------------------------------------------------------------------------- */

typedef struct scope_key {
    const char *name;
    uint32_t parent;
    uint32_t scope;
} scope_key;

static int compare_keys(const void *left, const void *right)
{
    const scope_key *p = (const scope_key *)left, *q = (const scope_key *)right;
    if (p->parent != q->parent)
        return p->parent < q->parent ? -1 : 1;
    const int order = strcmp(p->name, q->name);
    return order != 0 ? order : p->scope < q->scope ? -1 : p->scope > q->scope;
}

static bool are_alike(const scope_key *p, const scope_key *q)
{
    return p->parent == q->parent && strcmp(p->name, q->name) == 0;
}

/* Whatever reaches this root: a neuron is called the same in all drawings. */
static bool number_scopes(agi_drawing *drawing)
{
    ag_graph *graph = drawing->trace.graph;
    const uint32_t n = drawing->scopes;
    if (n == 0)
        return true;
    const size_t size = n * sizeof(scope_key);
    scope_key *keys = (scope_key *)agi_resize(graph, NULL, 0, size);
    if (keys == NULL)
        return false;
    for (uint32_t s = 0; s < n; s++)
        keys[s] =
            (scope_key){graph->scope_names + graph->scopes[s].name, graph->scopes[s].parent, s};
    qsort(keys, n, sizeof(*keys), compare_keys);
    uint32_t number = 0;
    for (uint32_t i = 0; i < n; i++) {
        number = i > 0 && are_alike(keys + i - 1, keys + i) ? number + 1 : 1;
        const bool only = number == 1 && (i + 1 == n || !are_alike(keys + i, keys + i + 1));
        drawing->frames[keys[i].scope].number = only ? 0 : number;
    }
    agi_release(graph, keys, size);
    return true;
}

static void enter_scope(agi_drawing *drawing, uint32_t scope, uint32_t around, size_t fold)
{
    agi_scope_frame *frame = &drawing->frames[scope];
    const agi_scope_frame *up = around == AGI_NO_INDEX ? NULL : &drawing->frames[around];
    const uint32_t box = up == NULL ? AGI_NO_INDEX : up->box;
    frame->up = around;
    frame->level = up == NULL ? 1 : up->level + 1;
    frame->box = box == AGI_NO_INDEX && frame->level == fold ? scope : box;
    frame->frame = frame->box == AGI_NO_INDEX ? scope : up == NULL ? AGI_NO_INDEX : up->frame;
}

/* The innermost scope of each node, left in drawing->frame. Scopes stand in order of their
 * beginnings, the outer one first. */
static void find_scopes(agi_drawing *drawing, size_t fold)
{
    const agi_trace *trace = &drawing->trace;
    const agi_scope *scopes = trace->graph->scopes;
    uint32_t scope = AGI_NO_INDEX, next = 0;
    for (uint32_t i = 0; i < trace->count; i++) {
        const uint32_t node = trace->nodes[i];
        while (scope != AGI_NO_INDEX && scopes[scope].end <= node)
            scope = drawing->frames[scope].up;
        for (; next < drawing->scopes && scopes[next].begin <= node; next++) {
            if (scopes[next].end > node) {
                enter_scope(drawing, next, scope, fold);
                scope = next;
            }
        }
        drawing->frame[i] = scope;
    }
}

/* Whether a frame's gate works on with what the frame has made. */
static bool works_on(const agi_drawing *drawing, uint32_t place)
{
    const agi_trace *trace = &drawing->trace;
    const agi_list operands = agi_operands_at(trace, place);
    for (uint32_t k = 0; k < operands.n; k++) {
        const uint32_t q = trace->places[operands.index[k]];
        if (!agi_is_leaf(trace, q) && drawing->frame[q] == drawing->frame[place])
            return true;
    }
    return false;
}

/* A leaf that a single edge leads from belongs where that edge leads to: into a box, if it has no
 * name; into a frame, if the gate is not one that all comes from outside to, where it would be in
 * the way of the others (a neuron's bias stands inside, its weights beside its inputs). */
static void find_owners(agi_drawing *drawing)
{
    const agi_trace *trace = &drawing->trace;
    memset(drawing->owner, 0xFF, trace->count * sizeof(uint32_t));
    for (uint32_t i = 0; i < trace->count; i++) {
        const agi_list operands = agi_operands_at(trace, i);
        const uint32_t scope = drawing->frame[i];
        if (scope == AGI_NO_INDEX)
            continue;
        const bool boxed = drawing->frames[scope].box != AGI_NO_INDEX;
        if (!boxed && !works_on(drawing, i))
            continue;
        for (uint32_t k = 0; k < operands.n; k++) {
            const uint32_t q = trace->places[operands.index[k]];
            if (trace->uses[q] != 1 || !agi_is_leaf(trace, q) || (boxed && agi_has_name(trace, q)))
                continue;
            drawing->owner[q] = i;
            drawing->frame[q] = scope;
        }
    }
}

static void place_in_boxes(agi_drawing *drawing)
{
    const agi_trace *trace = &drawing->trace;
    for (uint32_t i = 0; i < trace->count; i++) {
        const uint32_t scope = drawing->frame[i];
        const bool leaf = agi_is_leaf(trace, i);
        drawing->box[i] = AGI_NO_INDEX;
        if (scope == AGI_NO_INDEX)
            continue;
        drawing->frame[i] = drawing->frames[scope].frame;
        if (leaf && agi_has_name(trace, i))
            continue;
        const uint32_t box = drawing->box[i] = drawing->frames[scope].box;
        if (box == AGI_NO_INDEX)
            continue;
        agi_scope_frame *inside = &drawing->frames[box];
        drawing->drawn += !inside->used;
        inside->used = true;
        inside->gates += !leaf && !agi_is_output(trace, i);
        inside->variables += agi_gate_at(trace, i) == AGI_VARIABLE;
    }
}

/* ---- Wires ----------------------------------------------------------------------------------- */

bool agi_is_inside(const agi_trace *trace, uint32_t place, uint32_t k)
{
    if (agi_gate_forms[agi_gate_at(trace, place)] != AGI_FORM_BINARY)
        return false;
    const uint32_t *operands = agi_operands_at(trace, place).index;
    bool bare[2];
    for (uint32_t j = 0; j < 2; j++) {
        const uint32_t q = trace->places[operands[j]];
        bare[j] = agi_gate_at(trace, q) == AGI_CONSTANT && !agi_has_name(trace, q);
    }
    return bare[k] && !bare[1 - k];
}

static uint32_t choose_class(const agi_drawing *drawing, uint32_t place)
{
    if (place == drawing->trace.count - 1)
        return OWN_WIRE;
    if (drawing->box[place] != AGI_NO_INDEX)
        return OUTPUTS + drawing->box[place];
    const uint8_t gate = agi_gate_at(&drawing->trace, place);
    return gate == AGI_VARIABLE ? VARIABLES : gate == AGI_CONSTANT ? CONSTANTS : OWN_WIRE;
}

/* The values that a box takes out of a class are a class of their own from then on. */
static void take_out(classes *c, uint32_t place, uint32_t box)
{
    const uint32_t whole = c->of[place];
    if (whole == OWN_WIRE)
        return;
    if (c->split[whole] != box + 1) {
        c->split[whole] = box + 1;
        c->into[whole] = c->count++;
    }
    c->of[place] = c->into[whole];
}

void agi_forget_meetings(agi_drawing *drawing)
{
    memset(drawing->seen, 0xFF, drawing->trace.count * sizeof(uint32_t));
}

bool agi_meets(agi_drawing *drawing, uint32_t box, uint32_t wire)
{
    const bool first = drawing->seen[wire] != box;
    drawing->seen[wire] = box;
    return first;
}

/* drawing->wire: whether there is one. */
static void find_wires(agi_drawing *drawing, classes *c)
{
    const agi_trace *trace = &drawing->trace;
    const uint32_t n = trace->count;
    agi_forget_meetings(drawing);
    for (uint32_t i = 0; i < n; i++) {
        c->of[i] = choose_class(drawing, i);
        if (agi_is_output(trace, i))
            continue;
        const uint32_t box = drawing->box[i];
        const agi_list operands = agi_operands_at(trace, i);
        for (uint32_t k = 0; k < operands.n; k++) {
            const uint32_t q = trace->places[operands.index[k]];
            if (box == AGI_NO_INDEX && !agi_is_inside(trace, i, k)) {
                drawing->wire[q] = true;
                c->of[q] = OWN_WIRE;
            } else if (box != AGI_NO_INDEX && drawing->box[q] != box &&
                       agi_meets(drawing, box, q)) {
                drawing->wire[q] = true;
                take_out(c, q, box);
            }
        }
    }
    drawing->wire[n - 1] = !agi_is_scan(trace, n - 1);
}

/* drawing->wire: whose. */
static void join_wires(agi_drawing *drawing, classes *c)
{
    const uint32_t n = drawing->trace.count;
    for (uint32_t i = n; i-- > 0;) {
        if (!drawing->wire[i])
            continue;
        c->first[c->of[i]] = i;
        c->into[c->of[i]] = 0;
    }
    for (uint32_t i = 0; i < n; i++)
        c->into[c->of[i]] += drawing->wire[i];
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t set = c->of[i];
        const bool joined = set != OWN_WIRE && c->into[set] > MOST_WIRES;
        const uint32_t wire = joined ? c->first[set] : i;
        drawing->wire[i] = drawing->wire[i] ? wire : AGI_NO_INDEX;
        drawing->alike[i] = joined ? c->into[set] : 1;
        drawing->drawn += drawing->wire[i] == i;
    }
}

/* fan: [places], scratch. */
static void count_edges(agi_drawing *drawing, uint32_t *fan)
{
    const agi_trace *trace = &drawing->trace;
    uint32_t last = AGI_NO_INDEX, in = 0;
    agi_forget_meetings(drawing);
    memset(fan, 0, trace->count * sizeof(*fan));
    for (uint32_t i = 0; i < trace->count; i++) {
        const uint32_t box = drawing->box[i];
        const agi_list operands = agi_operands_at(trace, i);
        in = box != AGI_NO_INDEX && box == last ? in : 0;
        last = box;
        for (uint32_t k = 0; k < operands.n && !agi_is_output(trace, i); k++) {
            const uint32_t q = trace->places[operands.index[k]], wire = drawing->wire[q];
            const bool drawn = box == AGI_NO_INDEX
                                   ? !agi_is_inside(trace, i, k)
                                   : drawing->box[q] != box && agi_meets(drawing, box, wire);
            if (!drawn)
                continue;
            const uint32_t most = ++fan[wire] > ++in ? fan[wire] : in;
            if (most > drawing->widest)
                drawing->widest = most;
        }
    }
}

/* Frames around what is drawn: gates and wires that stand for themselves, and boxes. */
static void find_used(agi_drawing *drawing)
{
    for (uint32_t i = 0; i < drawing->trace.count; i++) {
        uint32_t frame = drawing->frame[i];
        for (; frame != AGI_NO_INDEX && !drawing->frames[frame].used;
             frame = drawing->frames[frame].up)
            drawing->frames[frame].used = true;
    }
}

ag_status agi_draw(agi_drawing *drawing, ag_value root, size_t fold, size_t max_nodes,
                   const char *what)
{
    ag_graph *graph = root.graph;
    *drawing = (agi_drawing){.size = 0};
    classes c = {0};
    ag_status status =
        agi_trace_root(&drawing->trace, root, fold == 0 ? max_nodes : SIZE_MAX, what);
    if (status != AG_OK)
        return status;
    drawing->scopes = graph->scopes_count;
    if (!allocate(drawing, &c) || !number_scopes(drawing)) {
        agi_release_drawing(drawing);
        return agi_fail_memory(graph, what);
    }
    find_scopes(drawing, fold);
    find_owners(drawing);
    place_in_boxes(drawing);
    find_wires(drawing, &c);
    join_wires(drawing, &c);
    count_edges(drawing, c.of);
    find_used(drawing);
    if (fold == 0 || drawing->drawn <= max_nodes)
        return AG_OK;
    agi_release_drawing(drawing);
    return agi_fail(graph, AG_TOO_LARGE,
                    "%s: there are %lu values and boxes to draw, and max_nodes allows %zu", what,
                    (unsigned long)drawing->drawn, max_nodes);
}
