/* SPDX-License-Identifier: MIT
 *
 * The steps as a list in HTML, around them trace_page.html, which moves through the list and lights
 * up what a step is about. Without its script the page is the list.
 */
#include "trace_page.h"
#include "picture_file.h"
#include "trace_page_text.h"

#include <stdlib.h>
#include <string.h>

/* ---- HTML ------------------------------------------------------------------------------------ */

static void put_escaped(FILE *file, size_t length, const char *text)
{
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c == '&')
            (void)fputs("&amp;", file);
        else if (c == '<')
            (void)fputs("&lt;", file);
        else if (c == '>')
            (void)fputs("&gt;", file);
        else if (c == '"')
            (void)fputs("&quot;", file);
        else
            (void)fputc(c < ' ' || c == 0x7F ? ' ' : c, file);
    }
}

static void put_text(FILE *file, const char *text)
{
    put_escaped(file, strlen(text), text);
}

typedef struct page {
    const circuit *circuit;
    const steps *steps;
    double *sums;  /* gradients so far */
    FILE *picture; /* SVG; NULL: there is none */
    FILE *file;
} page;

static const char *name_of(const page *p, size_t node)
{
    return p->steps->nodes[node].name;
}

static void put_code(const page *p, const char *class, const char *text)
{
    (void)fprintf(p->file, "<code class=\"%s\">", class);
    put_text(p->file, text);
    (void)fputs("</code>", p->file);
}

static void put_number(const page *p, const char *class, const char *label, double number)
{
    (void)fprintf(p->file, "<span><small>%s</small><span class=\"number %s\">%s</span></span>",
                  label, class, show_number(p->circuit, number));
}

static void put_sign(const page *p, const char *sign)
{
    (void)fprintf(p->file, "<span class=\"number\">%s</span>", sign);
}

/* ---- Forward --------------------------------------------------------------------------------- */

static void put_call(const page *p, size_t i)
{
    const step_node *node = &p->steps->nodes[i];
    put_text(p->file, node->gate);
    (void)fputc('(', p->file);
    for (size_t k = 0; k < node->operand_count; k++) {
        (void)fputs(k == 0 ? "" : ", ", p->file);
        put_text(p->file, name_of(p, node->edges[k].operand));
    }
    (void)fputc(')', p->file);
}

static void put_forward(const page *p, size_t i)
{
    const step_node *node = &p->steps->nodes[i];
    (void)fprintf(p->file,
                  "<li data-pass=\"forward\" data-value=\"%zu\" data-lit=\"gate%zu wire%zu", i, i,
                  i);
    for (size_t k = 0; k < node->operand_count; k++)
        (void)fprintf(p->file, " wire%zu edge%zu_%zu", node->edges[k].operand, i, k);
    (void)fputs("\">forward: ", p->file);
    put_code(p, "", node->name);
    (void)fputs(" = <code>", p->file);
    put_call(p, i);
    (void)fputs("</code><div class=\"rule\">", p->file);
    for (size_t k = 0; k < node->operand_count; k++)
        put_number(p, "operand", name_of(p, node->edges[k].operand),
                   p->steps->nodes[node->edges[k].operand].value);
    put_sign(p, "&rarr;");
    put_number(p, "value result", node->name, node->value);
    (void)fputs("</div></li>\n", p->file);
}

/* ---- Backward -------------------------------------------------------------------------------- */

static void put_seed(const page *p)
{
    const size_t root = p->steps->count - 1;
    const step_node *node = &p->steps->nodes[root];
    (void)fprintf(p->file,
                  "<li data-pass=\"backward\" data-gradient=\"%zu\" data-sum=\"%s\""
                  " data-lit=\"wire%zu\">backward begins: how ",
                  root, show_number(p->circuit, node->gradient), root);
    put_code(p, "", node->name);
    (void)fputs(" changes with itself<div class=\"rule\">", p->file);
    put_number(p, "gradient result", "gradient", node->gradient);
    (void)fputs("</div></li>\n", p->file);
}

/* The formula of the k-th local gradient of a gate of the table, NULL for others. */
static const char *find_formula(const char *gate, size_t k)
{
    size_t count;
    const ag_gate_info *table = ag_gate_table(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(table[i].name, gate) == 0)
            return table[i].local[table[i].arity == 0 ? 0 : k];
    return NULL;
}

static void put_backward(const page *p, size_t i, size_t k)
{
    const step_node *node = &p->steps->nodes[i];
    const step_edge *edge = &node->edges[k];
    const char *formula = find_formula(node->gate, k);
    const double before = p->sums[edge->operand];
    p->sums[edge->operand] += edge->contribution;
    (void)fprintf(p->file,
                  "<li data-pass=\"backward\" data-gradient=\"%zu\" data-sum=\"%s\""
                  " data-lit=\"gate%zu wire%zu edge%zu_%zu wire%zu\">backward: ",
                  edge->operand, show_number(p->circuit, p->sums[edge->operand]), i, i, i, k,
                  edge->operand);
    put_code(p, "", name_of(p, edge->operand));
    (void)fputs(" from <code>", p->file);
    put_call(p, i);
    (void)fputs("</code>", p->file);
    if (formula != NULL) {
        (void)fputs(", local gradient ", p->file);
        put_code(p, "formula", formula);
    }
    (void)fputs("<div class=\"rule\">", p->file);
    put_number(p, "gradient upstream", "upstream", node->gradient);
    put_sign(p, "&times;");
    put_number(p, "local", "local", edge->local);
    put_sign(p, "=");
    put_number(p, "gradient product", "product", edge->contribution);
    if (before != 0) {
        put_sign(p, "+");
        put_number(p, "gradient before", "so far", before);
        put_sign(p, "=");
        put_number(p, "gradient sum", "sum", p->sums[edge->operand]);
    }
    (void)fputs("</div></li>\n", p->file);
}

/* ---- The page -------------------------------------------------------------------------------- */

static void put_steps(const page *p)
{
    const steps *s = p->steps;
    for (size_t i = 0; i < s->count; i++)
        if (s->nodes[i].operand_count > 0)
            put_forward(p, i);
    put_seed(p);
    for (size_t i = s->count; i-- > 0;)
        for (size_t k = 0; k < s->nodes[i].operand_count; k++)
            if (s->nodes[i].edges[k].carries)
                put_backward(p, i, k);
}

static void put_nodes(const page *p)
{
    for (size_t i = 0; i < p->steps->count; i++) {
        const step_node *node = &p->steps->nodes[i];
        (void)fprintf(p->file, "<tr data-node=\"%zu\" data-value=\"%s\"%s><td>", i,
                      show_number(p->circuit, node->value),
                      node->operand_count == 0 ? " data-leaf" : "");
        put_text(p->file, node->name);
        (void)fputs("</td><td>", p->file);
        if (node->operand_count == 0)
            put_text(p->file, node->gate);
        else
            put_call(p, i);
        (void)fprintf(
            p->file,
            "</td><td class=\"number value\">%s</td><td class=\"number gradient\">%s</td></tr>"
            "\n",
            show_number(p->circuit, node->value), show_number(p->circuit, node->gradient));
    }
}

/* Graphviz' SVG from its element on: what comes before belongs to a file of its own. */
static void copy_picture(FILE *from, FILE *to)
{
    char line[4096];
    bool begun = false;
    rewind(from);
    while (fgets(line, sizeof(line), from) != NULL) {
        begun = begun || strncmp(line, "<svg", 4) == 0;
        if (begun)
            (void)fputs(line, to);
    }
}

/* Of a graph that is too large to be drawn there is no page either. One that can't be drawn for
 * another reason, which was said, goes without. */
static int draw_picture(page *p)
{
    static const char *const dot[] = {"dot", "-Tsvg", NULL};
    const command_line *a = p->circuit->arguments;
    FILE *script = begin_script(a), *picture = begin_script(a);
    int status = script == NULL || picture == NULL ? FAILED : DONE;
    if (status == DONE && ag_write_dot(p->circuit->root, script,
                                       &(ag_dot_options){.digits = p->circuit->digits}) != AG_OK)
        status = fail_circuit(p->circuit);
    p->picture = picture;
    if (status == DONE &&
        draw_script(a, script, dot, "graphviz", "the page's picture", picture) != DONE) {
        (void)fclose(picture);
        p->picture = NULL;
    }
    if (script != NULL)
        (void)fclose(script);
    return status;
}

static void put_picture(const page *p)
{
    if (p->picture != NULL)
        copy_picture(p->picture, p->file);
    else
        (void)fputs("<p>The graph's picture could not be drawn.</p>", p->file);
}

/* The expression's beginning, up to a whole character. */
static void put_title(const page *p)
{
    size_t length = p->circuit->length < 200 ? p->circuit->length : 200;
    while (length > 0 && length < p->circuit->length &&
           ((unsigned char)p->circuit->text[length] & 0xC0) == 0x80)
        length--;
    put_escaped(p->file, length, p->circuit->text);
}

static void put_marked(const page *p, const char *mark, size_t length)
{
    static const struct {
        const char *mark;
        void (*put)(const page *page);
    } parts[] = {
        {"TITLE", put_title}, {"PICTURE", put_picture}, {"STEPS", put_steps}, {"NODES", put_nodes}};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strncmp(mark, parts[i].mark, length) == 0)
            parts[i].put(p);
}

/* The page's text names its parts in double braces, and has no others. */
static void put_page(const page *p)
{
    const char *at = trace_page_text, *mark;
    while ((mark = strstr(at, "{{")) != NULL) {
        const size_t length = strcspn(mark + 2, "}");
        (void)fwrite(at, 1, (size_t)(mark - at), p->file);
        put_marked(p, mark + 2, length);
        at = mark + 2 + length + 2;
    }
    (void)fputs(at, p->file);
}

static int write_page(page *p, const char *path)
{
    int status = draw_picture(p);
    if (status != DONE)
        return status;
    p->file = begin_script(p->circuit->arguments);
    if (p->file == NULL)
        return FAILED;
    p->sums = allocate(p->steps->count, sizeof(*p->sums));
    put_page(p);
    status = end_script(p->circuit->arguments, p->file, NULL, NULL, path);
    free(p->sums);
    return status;
}

int write_trace_page(const circuit *c, const steps *s, const char *path)
{
    page p = {.circuit = c, .steps = s};
    const int status = write_page(&p, path);
    if (p.picture != NULL)
        (void)fclose(p.picture);
    return status;
}
