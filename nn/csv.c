/* SPDX-License-Identifier: MIT
 *
 * Reads comma-separated values (RFC 4180) into a dataset. The whole file is read first and cut into
 * cells in place, so work and memory are linear in its size, however long its lines are. Not a
 * general reader: there are no missing values, dates or mixed columns, and it guesses nothing but
 * the header.
 */
#include "net.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Numbers --------------------------------------------------------------------------------- */

typedef enum verdict {
    IS_NUMBER,
    IS_NO_NUMBER,
    IS_TOO_LARGE
} verdict;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_blanks(const char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    return text;
}

/* Digits, which may have a point among them, and a power of ten; no hexadecimal, no "inf", no
 * "nan". Blanks around the number are skipped. Correctly rounded, if strtod is. The locale must be
 * C's. */
static verdict read_number(const char *text, ag_real *value)
{
    enum {
        MAX_EXPONENT = 100000 /* beyond, every number that is not 0 is too large or rounds to 0 */
    };
    const char *begin = skip_blanks(text), *p = begin;
    const bool negative = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    /* the digits are mantissa * 10^exponent as long as they are few */
    uint64_t mantissa = 0;
    long exponent = 0;
    size_t digits = 0;
    bool few = true, point = false;
    for (; is_digit(*p) || (*p == '.' && !point); p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        digits++;
        few = few && mantissa < UINT64_C(100000000000000000);
        if (few) {
            mantissa = mantissa * 10 + (uint64_t)(*p - '0');
            exponent -= point;
        }
    }
    if (digits == 0)
        return IS_NO_NUMBER;
    if (*p == 'e' || *p == 'E') {
        p++;
        const bool down = *p == '-';
        if (*p == '-' || *p == '+')
            p++;
        if (!is_digit(*p))
            return IS_NO_NUMBER;
        long power = 0;
        for (; is_digit(*p); p++)
            if (power < MAX_EXPONENT)
                power = power * 10 + (*p - '0');
        exponent += down ? -power : power;
        few = few && power < MAX_EXPONENT; /* beyond, the digits may weigh against it: strtod */
    }
    if (*skip_blanks(p) != '\0')
        return IS_NO_NUMBER;
        /* Mantissa and power of ten are exact, so their product or quotient is rounded once (W. D.
         * Clinger: How to read floating point numbers accurately, 1990). */
#ifdef AG_REAL_FLOAT
    static const ag_real powers[] = {1e0F, 1e1F, 1e2F, 1e3F, 1e4F, 1e5F,
                                     1e6F, 1e7F, 1e8F, 1e9F, 1e10F};
    const uint64_t exact = UINT64_C(1) << FLT_MANT_DIG;
#else
    static const ag_real powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const uint64_t exact = UINT64_C(1) << DBL_MANT_DIG;
#endif
    const long most = (long)(sizeof(powers) / sizeof(powers[0])) - 1;
    if (FLT_EVAL_METHOD != 0 || !few || mantissa > exact || exponent < -most || exponent > most) {
#ifdef AG_REAL_FLOAT
        *value = strtof(begin, NULL);
#else
        *value = strtod(begin, NULL);
#endif
        return isfinite(*value) ? IS_NUMBER : IS_TOO_LARGE;
    }
    const ag_real whole = (ag_real)mantissa;
    const ag_real size = exponent < 0 ? whole / powers[-exponent] : whole * powers[exponent];
    *value = negative ? -size : size;
    return IS_NUMBER;
}

/* ---- Cells ----------------------------------------------------------------------------------- */

typedef struct cell {
    char *text;
    size_t line; /* where it begins */
} cell;

typedef struct cells {
    cell *items;
    size_t count, capacity;
} cells;

typedef struct reader {
    const char *path;
    nn_error *error;
    char separator;
    char *text, *at, *end; /* *end is 0 */
    size_t line;           /* of at */
} reader;

#define fail(r, line, column, status, ...)                                                         \
    nni_fail_at((r)->error, (r)->path, line, column, status, __VA_ARGS__)

static ag_status fail_memory(const reader *r)
{
    return fail(r, 0, 0, AG_OUT_OF_MEMORY, "%s", ag_strerror(AG_OUT_OF_MEMORY));
}

static ag_status refuse_nul(const reader *r, size_t line, size_t column)
{
    return fail(r, line, column, AG_PARSE, "a NUL byte: this is no text, or one in UTF-16");
}

/* Cuts a cell that is not quoted; p is left at what ends it. */
static ag_status cut_plain(reader *r, char **p, size_t column)
{
    for (;; ++*p) {
        const char c = **p;
        if (c == r->separator || c == '\n')
            return AG_OK;
        if (c == '\0')
            return *p == r->end ? AG_OK : refuse_nul(r, r->line, column);
        if (c == '\r') {
            if ((*p)[1] == '\n' || *p + 1 == r->end)
                return AG_OK;
            return fail(r, r->line, column, AG_PARSE, "a carriage return without a line feed");
        }
        if (c == '"')
            return fail(r, r->line, column, AG_PARSE,
                        "a quote in a cell that does not begin with one");
    }
}

/* Cuts a quoted cell and takes the doubled quotes out, in place. */
static ag_status cut_quoted(reader *r, char **p, size_t column)
{
    const size_t line = r->line;
    char *to = *p;
    for (++*p;; ++*p) {
        const char c = **p;
        if (c == '\0')
            return *p == r->end ? fail(r, line, column, AG_PARSE, "the quote is not closed")
                                : refuse_nul(r, r->line, column);
        if (c == '"') {
            ++*p;
            if (**p != '"')
                break;
        }
        r->line += c == '\n';
        *to++ = c;
    }
    const char after = **p;
    const bool ends = after == r->separator || after == '\n' || *p == r->end ||
                      (after == '\r' && ((*p)[1] == '\n' || *p + 1 == r->end));
    if (!ends)
        return fail(r, r->line, column, AG_PARSE, "something follows the closing quote");
    *to = '\0'; /* before the closing quote, or on it */
    return AG_OK;
}

/* Cuts the next line into cells; none at the end, which blank lines may precede. */
static ag_status read_line(reader *r, cells *line)
{
    line->count = 0;
    const char *rest = r->at;
    while (*rest == '\n' || *rest == '\r')
        rest++;
    if (rest == r->end) {
        r->at = r->end;
        return AG_OK;
    }
    for (bool more = true; more;) {
        if (!nni_grow((void **)&line->items, &line->capacity, line->count + 1, sizeof(cell)))
            return fail_memory(r);
        line->items[line->count++] = (cell){r->at, r->line};
        char *p = r->at;
        const ag_status status =
            *p == '"' ? cut_quoted(r, &p, line->count) : cut_plain(r, &p, line->count);
        if (status != AG_OK)
            return status;
        more = *p == r->separator;
        r->line += p < r->end && !more;
        r->at = p == r->end ? p : p + (*p == '\r' && p + 1 < r->end ? 2 : 1);
        *p = '\0';
    }
    return AG_OK;
}

static ag_status read_file(reader *r)
{
    FILE *file = fopen(r->path, "rb");
    if (file == NULL)
        return fail(r, 0, 0, AG_IO, "can't be opened: %s", strerror(errno));
    ag_status status = AG_OK;
    size_t size = 0, capacity = 0, got = 0;
    do {
        /* a byte is left for the 0 at the end */
        if (!nni_grow((void **)&r->text, &capacity, size + BUFSIZ, 1)) {
            status = fail_memory(r);
            break;
        }
        got = fread(r->text + size, 1, capacity - size - 1, file);
        size += got;
    } while (got > 0);
    if (status == AG_OK && ferror(file))
        status = fail(r, 0, 0, AG_IO, "can't be read: %s", strerror(errno));
    (void)fclose(file);
    if (status != AG_OK)
        return status;
    r->end = r->text + size;
    *r->end = '\0';
    const bool marked = size >= 3 && memcmp(r->text, "\xEF\xBB\xBF", 3) == 0;
    r->at = r->text + (marked ? 3 : 0);
    r->line = 1;
    return AG_OK;
}

/* ---- Rows ------------------------------------------------------------------------------------ */

/* A dataset as it grows. */
typedef struct table {
    nn_dataset *data;
    size_t columns, label; /* label is the label's column, SIZE_MAX if there is none */
    bool regression;
    const nn_model *model; /* NULL: any */
    size_t *known;         /* the model's classes, sorted by name; NULL: it has none */
    size_t inputs_capacity, numbers_capacity, classes_capacity, labels_capacity;
    char **classes; /* each row's class by name, in the file's text; unless they are known */
} table;

/* ---- A model's names ---- */

/* Sorts classes by name, by merging, since qsort knows no context; room has as many elements. */
static void sort_known(const nn_model *model, size_t n, size_t *classes, size_t *room)
{
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t begin = 0; begin < n; begin += 2 * width) {
            const size_t middle = begin + width < n ? begin + width : n;
            const size_t end = middle + width < n ? middle + width : n;
            size_t a = begin, b = middle;
            for (size_t i = begin; i < end; i++) {
                const bool first =
                    a < middle && (b == end || strcmp(model->class_names[classes[a]],
                                                      model->class_names[classes[b]]) <= 0);
                room[i] = classes[first ? a++ : b++];
            }
        }
        memcpy(classes, room, n * sizeof(size_t));
    }
}

static ag_status know_classes(const reader *r, table *t)
{
    const size_t n = nn_model_classes(t->model);
    t->data->classes = n;
    t->data->class_names = nni_copy_names(n, t->model->class_names, "");
    t->known = NNI_NEW_ARRAY(n, size_t);
    size_t *room = NNI_NEW_ARRAY(n, size_t);
    const bool there = t->data->class_names != NULL && t->known != NULL && room != NULL;
    for (size_t i = 0; there && i < n; i++)
        t->known[i] = i;
    if (there)
        sort_known(t->model, n, t->known, room);
    nni_release(room);
    return there ? AG_OK : fail_memory(r);
}

/* Says which classes the model knows, or as many of them as there is room for. */
static ag_status refuse_class(const reader *r, const table *t, const cell *c)
{
    char shown[40], list[100] = "";
    size_t used = 0;
    const size_t n = nn_model_classes(t->model);
    for (size_t i = 0; i < n; i++) {
        const char *name = nni_show(t->model->class_names[i], shown);
        if (used + strlen(name) + 8 > sizeof(list)) {
            (void)strcpy(list + used, ", ...");
            break;
        }
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i > 0 ? ", " : "", name);
    }
    return fail(r, c->line, t->label + 1, AG_PARSE, "class \"%s\" is none of the model's: %s",
                nni_show(c->text, shown), list);
}

static ag_status find_known(const reader *r, const table *t, const cell *c, size_t *label)
{
    size_t low = 0, high = nn_model_classes(t->model);
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(c->text, t->model->class_names[t->known[middle]]);
        if (order == 0) {
            *label = t->known[middle];
            return AG_OK;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return refuse_class(r, t, c);
}

/* ---- Reading them ---- */

static bool grow_rows(table *t)
{
    nn_dataset *data = t->data;
    const size_t rows = data->rows + 1;
    if (!nni_grow((void **)&data->inputs, &t->inputs_capacity, nni_times(rows, data->features),
                  sizeof(ag_real)))
        return false;
    if (t->label == SIZE_MAX)
        return true;
    if (t->regression)
        return nni_grow((void **)&data->numbers, &t->numbers_capacity, rows, sizeof(ag_real));
    if (t->known != NULL)
        return nni_grow((void **)&data->labels, &t->labels_capacity, rows, sizeof(size_t));
    return nni_grow((void **)&t->classes, &t->classes_capacity, rows, sizeof(char *));
}

static ag_status read_cell(const reader *r, const cell *c, size_t column, ag_real *value)
{
    char shown[40];
    switch (read_number(c->text, value)) {
    case IS_NUMBER:
        return AG_OK;
    case IS_TOO_LARGE:
        return fail(r, c->line, column + 1, AG_PARSE, "%s is too large a number",
                    nni_show(c->text, shown));
    case IS_NO_NUMBER:
        break;
    }
    if (*skip_blanks(c->text) == '\0')
        return fail(r, c->line, column + 1, AG_PARSE, "the cell is empty, not a number");
    return fail(r, c->line, column + 1, AG_PARSE, "\"%s\" is not a number",
                nni_show(c->text, shown));
}

static ag_status add_row(const reader *r, table *t, const cells *line)
{
    nn_dataset *data = t->data;
    const size_t row = data->rows;
    if (line->count != t->columns) {
        const bool few = line->count < t->columns;
        const cell *there = &line->items[few ? line->count - 1 : t->columns];
        return fail(r, there->line, few ? line->count + 1 : t->columns + 1, AG_PARSE,
                    "expected %zu cells, as in the first line, and found %zu", t->columns,
                    line->count);
    }
    if (!grow_rows(t))
        return fail_memory(r);
    ag_real *input = data->inputs + row * data->features;
    for (size_t column = 0; column < t->columns; column++) {
        const cell *c = &line->items[column];
        ag_status status = AG_OK;
        if (column != t->label)
            status = read_cell(r, c, column, input++);
        else if (t->regression)
            status = read_cell(r, c, column, &data->numbers[row]);
        else if (*c->text == '\0')
            status = fail(r, c->line, column + 1, AG_PARSE, "the class is empty");
        else if (t->known != NULL)
            status = find_known(r, t, c, &data->labels[row]);
        else
            t->classes[row] = c->text;
        if (status != AG_OK)
            return status;
    }
    data->rows++;
    return AG_OK;
}

static ag_status choose_columns(const reader *r, const nn_csv_options *options, size_t columns,
                                table *t)
{
    const size_t inputs = nn_model_inputs(options->model), labels = options->unlabelled ? 0 : 1;
    if (options->model != NULL && columns != inputs + labels)
        return fail(r, 1, columns < inputs + labels ? columns : inputs + labels + 1, AG_PARSE,
                    "%zu columns, where the model has %zu features%s", columns, inputs,
                    labels > 0 ? " and the label comes with them" : "");
    t->columns = columns;
    t->label = SIZE_MAX;
    t->data->features = columns - labels;
    if (options->unlabelled)
        return AG_OK;
    if (columns < 2)
        return fail(r, 1, 1, AG_PARSE, "one cell, where a row has a feature and a label");
    const int label = options->label_column;
    const size_t from_end = label < 0 ? 0 - (size_t)label : 0;
    if (label < 0 ? from_end > columns : (size_t)label >= columns)
        return fail(r, 0, 0, AG_INVALID_ARGUMENT, "label column %d of a file of %zu columns", label,
                    columns);
    t->label = label < 0 ? columns - from_end : (size_t)label;
    t->data->targets = t->regression ? 1 : 0;
    return nn_model_classes(t->model) > 0 ? know_classes(r, t) : AG_OK;
}

static bool is_number(const cell *c)
{
    ag_real ignored;
    const verdict v = read_number(c->text, &ignored);
    return v == IS_NUMBER || v == IS_TOO_LARGE;
}

/* Line 1 is names if none of its cells is a number, and a feature of line 2 is one (or there is no
 * line 2, so that a lone line of names is reported as what it is). */
static bool guess_header(const table *t, const cells *first, const cells *second)
{
    for (size_t i = 0; i < first->count; i++)
        if (is_number(&first->items[i]))
            return false;
    for (size_t i = 0; i < second->count; i++)
        if (i != t->label && is_number(&second->items[i]))
            return true;
    return second->count == 0;
}

/* Whether the header's names are those that the model knows. */
static ag_status check_features(const reader *r, const table *t, const cells *header)
{
    nn_error found;
    if (nni_check_features(t->model, t->data, &found) == AG_OK)
        return AG_OK;
    size_t i = 0;
    while (strcmp(nn_feature_name(t->data, i), nn_model_feature_name(t->model, i)) == 0)
        i++;
    const size_t column = i + (i >= t->label);
    char shown[2][40];
    return fail(r, header->items[column].line, column + 1, AG_PARSE,
                "feature \"%s\", where the model has \"%s\"",
                nni_show(header->items[column].text, shown[0]),
                nni_show(nn_model_feature_name(t->model, i), shown[1]));
}

static ag_status name_features(const reader *r, table *t, const cells *header)
{
    char **names = NNI_NEW_ARRAY(header->count, char *);
    if (names == NULL)
        return fail_memory(r);
    size_t count = 0;
    for (size_t i = 0; i < header->count; i++)
        if (i != t->label)
            names[count++] = header->items[i].text;
    t->data->feature_names = nni_copy_names(count, names, "");
    nni_release(names);
    if (t->data->feature_names == NULL)
        return fail_memory(r);
    return t->model == NULL ? AG_OK : check_features(r, t, header);
}

/* first and line are scratch. */
static ag_status read_rows(reader *r, const nn_csv_options *options, table *t, cells *first,
                           cells *line)
{
    ag_status status = read_line(r, first);
    if (status != AG_OK)
        return status;
    if (first->count == 0)
        return fail(r, 0, 0, AG_PARSE, "the file is empty");
    if ((status = choose_columns(r, options, first->count, t)) != AG_OK ||
        (status = read_line(r, line)) != AG_OK)
        return status;
    const bool header = options->header == NN_HEADER_YES ||
                        (options->header == NN_HEADER_GUESS && guess_header(t, first, line));
    status = header ? name_features(r, t, first) : add_row(r, t, first);
    while (status == AG_OK && line->count > 0) {
        status = add_row(r, t, line);
        if (status == AG_OK)
            status = read_line(r, line);
    }
    if (status == AG_OK && t->data->rows == 0)
        return fail(r, 0, 0, AG_PARSE, "a header, but no rows");
    if (status == AG_OK && t->data->feature_names == NULL) {
        t->data->feature_names = nni_copy_names(t->data->features, NULL, "x");
        if (t->data->feature_names == NULL)
            return fail_memory(r);
    }
    return status;
}

/* ---- Classes --------------------------------------------------------------------------------- */

typedef struct named {
    char *name;
    ag_real number; /* what the name says, if all of them are numbers; else 0 */
    size_t row;     /* the first with this name */
} named;

static int compare_rows(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

static int by_name(const void *a, const void *b)
{
    const named *x = (const named *)a, *y = (const named *)b;
    const int order = strcmp(x->name, y->name);
    return order != 0 ? order : compare_rows(x->row, y->row);
}

static int by_place(const void *a, const void *b)
{
    const named *x = (const named *)a, *y = (const named *)b;
    if (x->number < y->number || x->number > y->number)
        return x->number < y->number ? -1 : 1;
    return compare_rows(x->row, y->row);
}

/* Numbers the classes: sorted by name, equal names are neighbours; of each, the first row says
 * where the class belongs. rows and classes have an element for each row. */
static ag_status number_classes(const reader *r, table *t, named *rows, named *classes)
{
    nn_dataset *data = t->data;
    bool numeric = true;
    for (size_t row = 0; row < data->rows; row++) {
        rows[row] = (named){t->classes[row], 0, row};
        numeric = numeric && read_number(rows[row].name, &rows[row].number) == IS_NUMBER;
    }
    for (size_t row = 0; !numeric && row < data->rows; row++)
        rows[row].number = 0;
    qsort(rows, data->rows, sizeof(named), by_name);
    size_t count = 0;
    for (size_t i = 0; i < data->rows; i++)
        if (i == 0 || strcmp(rows[i].name, rows[i - 1].name) != 0)
            classes[count++] = rows[i];
    qsort(classes, count, sizeof(named), by_place);
    for (size_t i = 0; i < count; i++)
        data->labels[classes[i].row] = i;
    for (size_t i = 0, first = 0; i < data->rows; i++) {
        if (strcmp(rows[i].name, rows[first].name) != 0)
            first = i;
        data->labels[rows[i].row] = data->labels[rows[first].row];
    }
    data->classes = count;
    for (size_t i = 0; i < count; i++)
        t->classes[i] = classes[i].name;
    data->class_names = nni_copy_names(count, t->classes, "");
    return data->class_names == NULL ? fail_memory(r) : AG_OK;
}

static ag_status find_classes(const reader *r, table *t)
{
    ag_status status = AG_OUT_OF_MEMORY;
    named *rows = NNI_NEW_ARRAY(t->data->rows, named);
    named *classes = NNI_NEW_ARRAY(t->data->rows, named);
    t->data->labels = NNI_NEW_ARRAY(t->data->rows, size_t);
    if (rows != NULL && classes != NULL && t->data->labels != NULL)
        status = number_classes(r, t, rows, classes);
    else
        fail_memory(r);
    nni_release(rows);
    nni_release(classes);
    return status;
}

/* What nn_read_csv asks for, and the answer. */
typedef struct request {
    const char *path;
    const nn_csv_options *options;
    char separator;
    nn_error *error;
    nn_dataset *data;
} request;

static ag_status read_csv(void *context)
{
    request *asked = (request *)context;
    reader r = {.path = asked->path, .error = asked->error, .separator = asked->separator};
    cells first = {0}, line = {0};
    table t = {.data = NNI_NEW_ARRAY(1, nn_dataset),
               .regression = asked->options->regression,
               .model = asked->options->model};
    if (t.model != NULL && t.model->feature_names != NULL && t.model->classes == 0)
        t.regression = true;
    ag_status status = t.data == NULL ? fail_memory(&r) : read_file(&r);
    if (status == AG_OK)
        status = read_rows(&r, asked->options, &t, &first, &line);
    if (status == AG_OK && t.label != SIZE_MAX && !t.regression && t.known == NULL)
        status = find_classes(&r, &t);
    nni_release(r.text);
    nni_release(first.items);
    nni_release(line.items);
    nni_release(t.classes);
    nni_release(t.known);
    if (status == AG_OK)
        asked->data = t.data;
    else
        nn_dataset_free(t.data);
    return status;
}

nn_dataset *nn_read_csv(const char *path, const nn_csv_options *options, nn_error *error)
{
    static const nn_csv_options defaults = {.label_column = -1};
    if (options == NULL)
        options = &defaults;
    const char separator = options->separator == '\0' ? ',' : options->separator;
    if (path == NULL || separator == '"' || separator == '\n' || separator == '\r') {
        nni_fail(error, AG_INVALID_ARGUMENT, "nn_read_csv: %s",
                 path == NULL ? "the path is NULL" : "a quote or a line break can't separate");
        return NULL;
    }
    if (options->regression && nn_model_classes(options->model) > 0) {
        nni_fail(error, AG_INVALID_ARGUMENT,
                 "nn_read_csv: the model knows classes, and the label is to be a number");
        return NULL;
    }
    request asked = {path, options, separator, error, NULL};
    (void)nni_in_c_locale(read_csv, &asked, error);
    return asked.data;
}
