/* SPDX-License-Identifier: MIT
 *
 * A root and what it depends on as a Graphviz drawing: wires with their values above and gradients
 * below, gates as circles. The layout is Graphviz' work.
 */
#include "drawing.h"
#include "terms.h"

#include <string.h>

enum {
    MOST_NODES = 500, /* what dot still lays out in seconds */
    MOST_DIGITS = 17,
    DIGITS = 4,
    PORTS = 10, /* of a gate: lines of points beside its sign */
};

/* Blue and vermilion, told apart by colour-blind people, and dark enough for print. */
#define VALUE_COLOUR "#00508a"
#define GRADIENT_COLOUR "#b8360f"
#define LOCAL_COLOUR "#6a4a8c"
#define LETTER_COLOUR "#707070"
#define SCOPE_COLOUR "#9aa7b4"
#define FRAME_COLOUR "#f7f9fb"
#define BOX_COLOUR "#e9eff5"

typedef struct canvas {
    agi_drawing *drawing;
    const agi_trace *trace;
    FILE *file;
    bool gradients;
    bool locals;
    int digits;
} canvas;

static void put(const canvas *c, const char *text)
{
    (void)fputs(text, c->file);
}

static unsigned long number_of(uint32_t index)
{
    return index;
}

/* ---- Signs ----------------------------------------------------------------------------------- */

/* Formulas and numbers as mathematicians write them. */
static void put_formula(agi_printer *printer, const char *text)
{
    for (; *text != '\0'; text++) {
        const char character[2] = {*text, '\0'};
        if (*text != ' ')
            agi_put(printer, *text == '-' ? "\u2212" : *text == '*' ? "\u00d7" : character);
    }
}

static void put_number(agi_printer *printer, ag_real number, int digits)
{
    char text[AGI_NUMBER_SIZE];
    agi_format_number(text, number == 0 ? 0 : (double)number, digits); /* -0 */
    put_formula(printer, text);
}

/* NULL for what is not in the gate table. */
static const ag_gate_info *find_info(const agi_trace *trace, uint32_t place)
{
    const uint8_t gate = agi_gate_at(trace, place);
    return gate <= AGI_PROJECT ? NULL : &ag_gate_table(NULL)[gate - AGI_PROJECT - 1];
}

/* The character that stands where the pattern has '_'; 0 where the text is another. */
static char match(const char *text, const char *pattern)
{
    char found = '\0';
    for (; *pattern != '\0'; pattern++, text++) {
        if (*text == '\0' || (*pattern != '_' && *text != *pattern))
            return '\0';
        if (*pattern == '_')
            found = *text;
    }
    return *text == '\0' ? found : '\0';
}

/* '*' for "(a * b)", '+' for "x1 + x2 + ..."; '^' for "pow(a, b)"; 0 for other formulas. */
static char find_operator(const ag_gate_info *info)
{
    if (strcmp(info->value, "pow(a, b)") == 0)
        return '^';
    return match(info->value, info->arity == 0 ? "x1 _ x2 _ ..." : "(a _ b)");
}

/* Operands can be exchanged if the two local gradients are then each other's. (If both are 0 that
 * says nothing.) */
static bool is_symmetric(const ag_gate_info *info)
{
    const char *p = info->local[0], *q = info->local[1];
    if (strcmp(p, "0") == 0 || strlen(p) != strlen(q))
        return false;
    for (; *p != '\0'; p++, q++) {
        const char exchanged = *p == 'a' ? 'b' : *p == 'b' ? 'a' : *p;
        if (exchanged != *q)
            return false;
    }
    return true;
}

/* A gate of two operands, with the number of the one that is inside its circle: "+1", "/2", "1/x",
 * "x^2", "max(x, 0)". */
static void put_sign_with(agi_printer *printer, const agi_trace *trace, uint32_t place, uint32_t k,
                          int digits)
{
    const ag_gate_info *info = find_info(trace, place);
    const ag_real number = trace->graph->data[agi_operands_at(trace, place).index[k]];
    const char sign[] = {find_operator(info), '\0'};
    if (sign[0] != '\0' && sign[0] != '^' && (k == 1 || is_symmetric(info))) {
        const bool aside = number < 0 && strpbrk(sign, "+-") != NULL;
        put_formula(printer, sign);
        agi_put(printer, aside ? "(" : "");
        put_number(printer, number, digits);
        agi_put(printer, aside ? ")" : "");
        return;
    }
    if (sign[0] == '\0') {
        agi_put(printer, info->name);
        agi_put(printer, "(");
    }
    for (uint32_t i = 0; i < 2; i++) {
        if (i == 1 && sign[0] != '\0')
            put_formula(printer, sign);
        else if (i == 1)
            agi_put(printer, ", ");
        if (i == k)
            put_number(printer, number, digits);
        else
            agi_put(printer, "x");
    }
    agi_put(printer, sign[0] == '\0' ? ")" : "");
}

/* A short formula, or the name: "+", "a−b", "1/x", "exp". */
static void put_table_sign(agi_printer *printer, const ag_gate_info *info)
{
    const char sign[] = {find_operator(info), '\0'};
    const char *value = info->value + (info->value[0] == '(');
    if (sign[0] != '\0' && (info->arity != 2 || is_symmetric(info))) {
        put_formula(printer, sign);
    } else if (sign[0] != '\0') {
        agi_put(printer, "a");
        put_formula(printer, sign);
        agi_put(printer, "b");
    } else if (info->arity == 1 && strpbrk(value, "(?") == NULL) {
        char formula[16];
        (void)snprintf(formula, sizeof(formula), "%.*s", (int)strcspn(value, ")"), value);
        put_formula(printer, strcmp(formula, "x * x") == 0 ? "x^2" : formula);
    } else {
        agi_put(printer, info->name);
    }
}

/* The operand that is written inside the circle. */
static uint32_t find_inside(const agi_trace *trace, uint32_t place)
{
    return agi_is_inside(trace, place, 0) ? 0 : agi_is_inside(trace, place, 1) ? 1 : AGI_NO_INDEX;
}

static void put_sign(agi_printer *printer, const agi_trace *trace, uint32_t place, int digits)
{
    ag_graph *graph = trace->graph;
    const uint32_t node = trace->nodes[place];
    const ag_gate_info *info = find_info(trace, place);
    if (info == NULL) {
        agi_put(printer, ag_gate_name(agi_value(graph, node)));
        return;
    }
    const uint32_t inside = find_inside(trace, place);
    if (inside != AGI_NO_INDEX) {
        put_sign_with(printer, trace, place, inside, digits);
        return;
    }
    put_table_sign(printer, info);
    if (agi_gate_forms[agi_gate_at(trace, place)] != AGI_FORM_NUMBERS)
        return;
    const ag_real offset = agi_get_terms(graph, graph->operands[node], AGI_FORM_NUMBERS).numbers[0];
    agi_put(printer, " + ");
    put_number(printer, offset, digits);
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

#define TABLE "<TABLE BORDER=\"0\" CELLBORDER=\"0\" CELLSPACING=\"0\" CELLPADDING=\"2\">"

static void put_coloured(const canvas *c, const char *colour, ag_real number)
{
    agi_printer printer = {.file = c->file, .markup = true};
    (void)fprintf(c->file, "<FONT COLOR=\"%s\">", colour);
    put_number(&printer, number, c->digits);
    put(c, "</FONT>");
}

static void write_name(const canvas *c, uint32_t place)
{
    agi_printer printer = {.file = c->file, .markup = true};
    put(c, "<I>");
    agi_put_name(&printer, c->trace, place);
    put(c, "</I>");
}

/* Above the wire. */
static void write_value(const canvas *c, uint32_t place, bool named)
{
    put(c, "<TD>&#160;");
    if (c->drawing->alike[place] > 1) {
        const uint8_t gate = agi_gate_at(c->trace, place);
        (void)fprintf(c->file, "%lu %s", number_of(c->drawing->alike[place]),
                      gate == AGI_VARIABLE   ? "variables"
                      : gate == AGI_CONSTANT ? "constants"
                                             : "values");
    } else {
        if (named) {
            write_name(c, place);
            put(c, " = ");
        }
        put_coloured(c, VALUE_COLOUR, c->trace->graph->data[c->trace->nodes[place]]);
    }
    put(c, "&#160;</TD>");
}

/* Value, line and gradient are rows of one table, so that the line goes through between the two; the
 * edges end where the line does. The name of a leaf stands to the left, the root's to the right. */
static void write_wire(const canvas *c, uint32_t place)
{
    const bool many = c->drawing->alike[place] > 1;
    const bool root = place == c->trace->count - 1, leaf = agi_is_leaf(c->trace, place);
    const bool constant = agi_gate_at(c->trace, place) == AGI_CONSTANT;
    const bool own = agi_has_name(c->trace, place);
    const unsigned long n = number_of(place);
    (void)fprintf(c->file, "  wire%lu [id=\"wire%lu\", label=<" TABLE "<TR>", n, n);
    if (leaf && !many && (own || !constant)) {
        put(c, "<TD ROWSPAN=\"3\">");
        write_name(c, place);
        put(c, "&#160;</TD>");
    }
    write_value(c, place, own && !leaf && !root);
    if (root && !leaf && own) {
        put(c, "<TD ROWSPAN=\"3\">&#160;");
        write_name(c, place);
        put(c, "</TD>");
    }
    (void)fprintf(c->file,
                  "</TR><TR><TD PORT=\"p\" HEIGHT=\"%d\" CELLPADDING=\"0\" BGCOLOR=\"black\">"
                  "</TD></TR><TR><TD>",
                  many ? 3 : 1);
    if (c->gradients && !constant && !many)
        put_coloured(c, GRADIENT_COLOUR, c->trace->gradients[place]);
    else
        put(c, "&#160;");
    put(c, "</TD></TR></TABLE>>];\n");
}

/* The places inside a circle where edges end. */
static uint32_t count_ports(const agi_trace *trace, uint32_t place)
{
    const uint32_t n = agi_operands_at(trace, place).n;
    return n == 0 || find_inside(trace, place) != AGI_NO_INDEX ? 1
                                                               : (uint32_t)agi_smaller(n, PORTS);
}

/* One below the other; the middle one, if there is one, is where the sign is. */
static void write_ports(const canvas *c, uint32_t from, uint32_t to, uint32_t ports)
{
    for (uint32_t i = from; i < to; i++)
        (void)fprintf(c->file, "<TR><TD PORT=\"p%lu\" HEIGHT=\"%d\"></TD></TR>", number_of(i),
                      PORTS / (int)ports);
}

static void write_circle(const canvas *c, uint32_t place)
{
    enum {
        ROUND = 4 /* characters that a circle has room for */
    };
    agi_printer measure = {0}, printer = {.file = c->file, .markup = true};
    put_sign(&measure, c->trace, place, c->digits);
    const unsigned long width =
        measure.used <= ROUND ? 42 : 20 + 17 * (unsigned long)measure.used / 2;
    (void)fprintf(c->file,
                  "shape=ellipse, style=\"filled%s\", fillcolor=white, fixedsize=shape, "
                  "width=%lu.%02lu, height=0.42, label=<<TABLE BORDER=\"0\" CELLBORDER=\"0\" "
                  "CELLSPACING=\"0\" CELLPADDING=\"0\">",
                  agi_gate_at(c->trace, place) == AGI_DETACH ? ",dashed" : "", width / 100,
                  width % 100);
    const uint32_t ports = count_ports(c->trace, place), middle = ports / 2;
    write_ports(c, 0, middle, ports);
    if (ports % 2 == 1)
        (void)fprintf(c->file, "<TR><TD PORT=\"p%lu\">", number_of(middle));
    else
        put(c, "<TR><TD>");
    put_sign(&printer, c->trace, place, c->digits);
    put(c, "</TD></TR>");
    write_ports(c, ports - middle, ports, ports);
    put(c, "</TABLE>>];\n");
}

/* What operand k is called in the gate's formula; or what it is multiplied by. */
static void write_letter(const canvas *c, uint32_t place, uint32_t k)
{
    const ag_graph *graph = c->trace->graph;
    const agi_form form = (agi_form)agi_gate_forms[agi_gate_at(c->trace, place)];
    agi_printer printer = {.file = c->file, .markup = true};
    if (form == AGI_FORM_VALUES || form == AGI_FORM_NUMBERS)
        put_formula(&printer, "*");
    else
        (void)putc(form == AGI_FORM_TERNARY ? "cab"[k] : "ab"[k], c -> file);
    if (form != AGI_FORM_NUMBERS)
        return;
    const agi_operands at = graph->operands[c->trace->nodes[place]];
    put_number(&printer, agi_get_terms(graph, at, form).numbers[k + 1], c->digits);
}

/* Three operands or more that can't be exchanged: their letters stand inside, where they enter. */
static bool has_letters_inside(const canvas *c, uint32_t place)
{
    const agi_form form = (agi_form)agi_gate_forms[agi_gate_at(c->trace, place)];
    return form == AGI_FORM_VALUES || form == AGI_FORM_NUMBERS || form == AGI_FORM_TERNARY;
}

static void write_lettered(const canvas *c, uint32_t place)
{
    const uint32_t n = agi_operands_at(c->trace, place).n;
    const agi_form form = (agi_form)agi_gate_forms[agi_gate_at(c->trace, place)];
    const uint32_t rows = form == AGI_FORM_VALUES ? 2 : 1; /* of a letter: x * w */
    agi_printer printer = {.file = c->file, .markup = true};
    put(c, "label=<<TABLE STYLE=\"ROUNDED\" BORDER=\"1\" BGCOLOR=\"white\" CELLBORDER=\"0\" "
           "CELLSPACING=\"0\" CELLPADDING=\"2\">");
    for (uint32_t k = 0; k < n; k++) {
        (void)fprintf(c->file, "<TR><TD PORT=\"p%lu\" HEIGHT=\"14\"></TD>", number_of(k));
        if (k % rows == 0) {
            (void)fprintf(c->file,
                          "<TD ROWSPAN=\"%lu\"><FONT POINT-SIZE=\"8\" COLOR=\"" LETTER_COLOUR "\">",
                          number_of(rows));
            write_letter(c, place, k);
            put(c, "</FONT></TD>");
        }
        if (k == 0) {
            (void)fprintf(c->file, "<TD PORT=\"o\" ROWSPAN=\"%lu\">&#160;", number_of(n));
            put_sign(&printer, c->trace, place, c->digits);
            put(c, "&#160;</TD>");
        }
        put(c, "</TR>");
    }
    put(c, "</TABLE>>];\n");
}

/* Places where wires end or begin, one below the other on one side of a box. */
static void write_side(const canvas *c, char side, uint32_t number, uint32_t *count)
{
    if ((*count)++ == 0)
        put(c, "<TD><TABLE BORDER=\"0\" CELLBORDER=\"0\" CELLSPACING=\"0\" CELLPADDING=\"0\">");
    (void)fprintf(c->file, "<TR><TD PORT=\"%c%lu\" WIDTH=\"6\" HEIGHT=\"18\">", side,
                  number_of(number));
    if (side == 'n')
        (void)fprintf(c->file, "<FONT POINT-SIZE=\"8\" COLOR=\"" LETTER_COLOUR "\">%lu</FONT>",
                      number_of(c->trace->graph->operands[c->trace->nodes[number]].b));
    put(c, "</TD></TR>");
}

static void end_side(const canvas *c, uint32_t count)
{
    put(c, count > 0 ? "</TABLE></TD>" : "<TD WIDTH=\"6\"></TD>");
}

/* A call or scan: operands on the left, outputs with their numbers on the right, those that reach the
 * root. They stand right behind it. */
static void write_scan(const canvas *c, uint32_t place)
{
    const agi_trace *trace = c->trace;
    const agi_list operands = agi_operands_at(trace, place);
    agi_printer printer = {.file = c->file, .markup = true};
    uint32_t in = 0, out = 0;
    put(c, "label=<<TABLE STYLE=\"ROUNDED\" BORDER=\"1\" BGCOLOR=\"white\" CELLBORDER=\"0\" "
           "CELLSPACING=\"0\" CELLPADDING=\"0\"><TR>");
    for (uint32_t k = 0; k < operands.n; k++)
        write_side(c, 'p', k, &in);
    end_side(c, in);
    put(c, "<TD CELLPADDING=\"5\">");
    put_sign(&printer, trace, place, c->digits);
    put(c, "</TD>");
    for (uint32_t i = place + 1; i < trace->count && agi_is_output(trace, i); i++)
        write_side(c, 'n', i, &out);
    end_side(c, out);
    put(c, "</TR></TABLE>>];\n");
}

static void write_gate(const canvas *c, uint32_t place)
{
    (void)fprintf(c->file, "  gate%lu [id=\"gate%lu\", ", number_of(place), number_of(place));
    if (agi_is_scan(c->trace, place))
        write_scan(c, place);
    else if (has_letters_inside(c, place))
        write_lettered(c, place);
    else
        write_circle(c, place);
}

/* ---- Scopes ---------------------------------------------------------------------------------- */

static void write_scope_name(const canvas *c, uint32_t scope)
{
    const ag_graph *graph = c->trace->graph;
    const uint32_t number = c->drawing->frames[scope].number;
    agi_printer printer = {.file = c->file, .markup = true};
    agi_put(&printer, graph->scope_names + graph->scopes[scope].name);
    if (number != 0)
        (void)fprintf(c->file, " %lu", number_of(number));
}

static void write_count(const canvas *c, uint32_t count, const char *what)
{
    if (count > 0)
        (void)fprintf(c->file, "<BR/><FONT POINT-SIZE=\"9\">%lu %s%s</FONT>", number_of(count),
                      what, count == 1 ? "" : "s");
}

/* `first` is where its nodes begin. Wires that go in end on its left side, one below the other, and
 * those that come out begin on the right. */
static void write_box(const canvas *c, uint32_t box, uint32_t first)
{
    const agi_drawing *drawing = c->drawing;
    const agi_trace *trace = c->trace;
    const agi_scope_frame *frame = &drawing->frames[box];
    const uint32_t end = trace->graph->scopes[box].end;
    uint32_t in = 0, out = 0;
    (void)fprintf(c->file,
                  "  scope%lu [id=\"scope%lu\", label=<<TABLE STYLE=\"ROUNDED\" BORDER=\"1\" "
                  "COLOR=\"" SCOPE_COLOUR "\" BGCOLOR=\"" BOX_COLOUR "\" CELLBORDER=\"0\" "
                  "CELLSPACING=\"0\" CELLPADDING=\"0\"><TR>",
                  number_of(box), number_of(box));
    for (uint32_t i = first; i < trace->count && trace->nodes[i] < end; i++) {
        const agi_list operands = agi_operands_at(trace, i);
        for (uint32_t k = 0; drawing->box[i] == box && k < operands.n; k++) {
            const uint32_t q = trace->places[operands.index[k]];
            if (drawing->box[q] != box && agi_meets(c->drawing, box, drawing->wire[q]))
                write_side(c, 'i', drawing->wire[q], &in);
        }
    }
    end_side(c, in);
    put(c, "<TD CELLPADDING=\"5\"><B>");
    write_scope_name(c, box);
    put(c, "</B>");
    write_count(c, frame->gates, "gate");
    write_count(c, frame->variables, "variable");
    put(c, "</TD>");
    for (uint32_t i = first; i < trace->count && trace->nodes[i] < end; i++)
        if (drawing->box[i] == box && drawing->wire[i] == i)
            write_side(c, 'o', i, &out);
    end_side(c, out);
    put(c, "</TR></TABLE>>];\n");
}

static void begin_frame(const canvas *c, uint32_t scope)
{
    const unsigned long n = number_of(scope);
    (void)fprintf(c->file,
                  "  subgraph cluster%lu {\n  id=\"scope%lu\"; style=\"rounded,filled\"; "
                  "color=\"" SCOPE_COLOUR "\"; fillcolor=\"" FRAME_COLOUR "\"; margin=6; label=<",
                  n, n);
    write_scope_name(c, scope);
    put(c, ">;\n");
}

/* A leaf that belongs to a gate stands beside it. */
static void write_node(const canvas *c, uint32_t place)
{
    const agi_drawing *drawing = c->drawing;
    const agi_list operands = agi_operands_at(c->trace, place);
    for (uint32_t k = 0; k < operands.n; k++) {
        const uint32_t q = c->trace->places[operands.index[k]];
        if (drawing->owner[q] == place && drawing->wire[q] == q)
            write_wire(c, q);
    }
    if (drawing->box[place] == AGI_NO_INDEX && operands.n > 0 && !agi_is_output(c->trace, place))
        write_gate(c, place);
    if (drawing->wire[place] == place && drawing->owner[place] == AGI_NO_INDEX)
        write_wire(c, place);
}

static void write_nodes(const canvas *c)
{
    const agi_drawing *drawing = c->drawing;
    const agi_scope *scopes = c->trace->graph->scopes;
    uint32_t frame = AGI_NO_INDEX, next = 0, box = AGI_NO_INDEX;
    agi_forget_meetings(c->drawing);
    for (uint32_t i = 0; i < c->trace->count; i++) {
        const uint32_t node = c->trace->nodes[i];
        for (; frame != AGI_NO_INDEX && scopes[frame].end <= node;
             frame = drawing->frames[frame].up)
            put(c, "  }\n");
        for (; next < drawing->scopes && scopes[next].begin <= node; next++) {
            if (scopes[next].end <= node || drawing->frames[next].frame != next ||
                !drawing->frames[next].used)
                continue;
            begin_frame(c, next);
            frame = next;
        }
        if (drawing->owner[i] == AGI_NO_INDEX && drawing->box[i] != AGI_NO_INDEX &&
            drawing->box[i] != box) {
            box = drawing->box[i];
            write_box(c, box, i);
        }
        write_node(c, i);
    }
    for (; frame != AGI_NO_INDEX; frame = drawing->frames[frame].up)
        put(c, "  }\n");
}

/* ---- Edges ----------------------------------------------------------------------------------- */

static void write_letter_beside(const canvas *c, uint32_t place, uint32_t k)
{
    const ag_gate_info *info = find_info(c->trace, place);
    if (info == NULL || info->arity != 2 || is_symmetric(info) ||
        find_inside(c->trace, place) != AGI_NO_INDEX)
        return;
    put(c, ", headlabel=\"");
    write_letter(c, place, k);
    put(c, "\"");
}

static void write_local(const canvas *c, uint32_t place, uint32_t k)
{
    if (!c->locals || agi_is_scan(c->trace, place) ||
        !agi_takes_gradient(c->trace, agi_operands_at(c->trace, place).index[k]))
        return;
    put(c, ", label=<");
    put_coloured(c, LOCAL_COLOUR, c->trace->locals[c->trace->first[place] + k]);
    put(c, ">");
}

/* What comes into a frame comes from before it, not from above. */
static void write_length(const canvas *c, uint32_t wire, uint32_t place)
{
    const uint32_t frame = c->drawing->frame[place];
    if (frame != AGI_NO_INDEX && frame != c->drawing->frame[wire])
        put(c, ", minlen=2");
}

static void write_edges(const canvas *c, uint32_t place)
{
    const agi_drawing *drawing = c->drawing;
    const unsigned long n = number_of(place);
    const agi_list operands = agi_operands_at(c->trace, place);
    const bool letters = has_letters_inside(c, place), sides = agi_is_scan(c->trace, place);
    const uint32_t ports = letters || sides ? operands.n : count_ports(c->trace, place);
    for (uint32_t k = 0; k < operands.n; k++) {
        if (agi_is_inside(c->trace, place, k))
            continue;
        const uint32_t port = ports == 1 ? 0 : (uint32_t)((uint64_t)k * ports / operands.n);
        const uint32_t q = c->trace->places[operands.index[k]], wire = drawing->wire[q];
        (void)fprintf(c->file, "  wire%lu:p:e -> gate%lu:p%lu%s [id=\"edge%lu_%lu\"",
                      number_of(wire), n, number_of(port), letters || sides ? ":w" : "", n,
                      number_of(k));
        if (agi_gate_at(c->trace, place) == AGI_DETACH)
            put(c, ", style=dashed");
        write_length(c, wire, place);
        write_letter_beside(c, place, k);
        write_local(c, place, k);
        put(c, "];\n");
    }
}

static void write_edges_into(const canvas *c, uint32_t box, uint32_t place)
{
    const agi_list operands = agi_operands_at(c->trace, place);
    for (uint32_t k = 0; k < operands.n; k++) {
        const uint32_t q = c->trace->places[operands.index[k]];
        const unsigned long wire = number_of(c->drawing->wire[q]), n = number_of(box);
        if (c->drawing->box[q] != box && agi_meets(c->drawing, box, c->drawing->wire[q])) {
            (void)fprintf(c->file, "  wire%lu:p:e -> scope%lu:i%lu:w [id=\"in%lu_%lu\"", wire, n,
                          wire, n, wire);
            write_length(c, c->drawing->wire[q], place);
            put(c, "];\n");
        }
    }
}

/* From where a value is made to its wire. */
static void write_edge_out(const canvas *c, uint32_t place)
{
    const unsigned long n = number_of(place);
    const uint32_t box = c->drawing->box[place];
    if (box != AGI_NO_INDEX)
        (void)fprintf(c->file, "  scope%lu:o%lu:e", number_of(box), n);
    else if (agi_is_output(c->trace, place))
        (void)fprintf(c->file, "  gate%lu:n%lu:e",
                      number_of(c->trace->places[agi_operands_at(c->trace, place).index[0]]), n);
    else
        (void)fprintf(c->file, "  gate%lu:%se", n, has_letters_inside(c, place) ? "o:" : "");
    (void)fprintf(c->file, " -> wire%lu:p:w [id=\"out%lu\", weight=4];\n", n, n);
}

static void write_all_edges(const canvas *c)
{
    agi_forget_meetings(c->drawing);
    for (uint32_t i = 0; i < c->trace->count; i++) {
        const uint32_t box = c->drawing->box[i];
        if (box != AGI_NO_INDEX)
            write_edges_into(c, box, i);
        else if (!agi_is_output(c->trace, i))
            write_edges(c, i);
        if (c->drawing->wire[i] == i && (box != AGI_NO_INDEX || !agi_is_leaf(c->trace, i)))
            write_edge_out(c, i);
    }
}

/* ---- The drawing ----------------------------------------------------------------------------- */

/* Where many edges cross, they need more room. */
static void write_drawing(const canvas *c, const char *title)
{
    enum {
        FEW_EDGES = 3,
        MANY_EDGES = 16
    };
    const size_t most = agi_smaller(c->drawing->widest, MANY_EDGES);
    const unsigned long many = most < FEW_EDGES ? (size_t)FEW_EDGES : most;
    (void)fprintf(c->file,
                  "digraph wengert {\n"
                  "  rankdir=LR; nodesep=0.1; ranksep=0.%lu; outputorder=edgesfirst;\n",
                  20 + 3 * (many - FEW_EDGES));
    put(c, "  fontname=\"Helvetica\"; fontsize=10;\n"
           "  node [shape=plain, fontname=\"Helvetica\", fontsize=11];\n"
           "  edge [arrowhead=none, headclip=false, tailclip=false, fontname=\"Helvetica\", "
           "fontsize=8, fontcolor=\"" LETTER_COLOUR "\", labeldistance=1.4];\n");
    if (title != NULL && title[0] != '\0') {
        agi_printer printer = {.file = c->file, .markup = true};
        put(c, "  labelloc=t;\n  label=<<FONT POINT-SIZE=\"13\">");
        agi_put(&printer, title);
        put(c, "</FONT>>;\n");
    }
    write_nodes(c);
    write_all_edges(c);
    put(c, "}\n");
}

ag_status ag_write_dot(ag_value root, FILE *file, const ag_dot_options *options)
{
    static const char what[] = "ag_write_dot";
    static const ag_dot_options defaults = {0};
    ag_graph *graph = root.graph;
    if (graph == NULL)
        return AG_NULL_VALUE;
    if (file == NULL)
        return agi_fail(graph, AG_INVALID_ARGUMENT, "%s: file is NULL", what);
    if (options == NULL)
        options = &defaults;
    if (options->digits < 0 || options->digits > MOST_DIGITS)
        return agi_fail(graph, AG_INVALID_ARGUMENT, "%s: digits are %d, and may be 0 to %d", what,
                        options->digits, MOST_DIGITS);
    agi_drawing drawing;
    ag_status status =
        agi_draw(&drawing, root, options->fold,
                 options->max_nodes == 0 ? (size_t)MOST_NODES : options->max_nodes, what);
    if (status != AG_OK)
        return status;
    const canvas c = {.drawing = &drawing,
                      .trace = &drawing.trace,
                      .file = file,
                      .gradients = !options->no_gradients,
                      .locals = options->local_gradients,
                      .digits = options->digits == 0 ? DIGITS : options->digits};
    write_drawing(&c, options->title);
    agi_release_drawing(&drawing);
    status = agi_finish_file(file);
    return status == AG_OK ? AG_OK : agi_fail(graph, status, "%s: writing failed", what);
}
