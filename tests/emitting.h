/* SPDX-License-Identifier: MIT
 *
 * Problems as generated C: written to one file, compiled by the machine's compiler, loaded, run.
 */
#ifndef WENGERT_EMITTING_H
#define WENGERT_EMITTING_H

#include "program_testing.h"

#include <ctype.h>
#include <dlfcn.h>
#include <unistd.h>

enum {
    MOST_EMITTED = 200
};

/* A file of them: problems and programs are the caller's until free_emission. */
typedef struct emission {
    problem *problems[MOST_EMITTED];
    ag_program *programs[MOST_EMITTED];
    char names[MOST_EMITTED][16];
    ag_c_function functions[MOST_EMITTED];
    size_t n;
    ag_emit_options options;
    char directory[40];
    void *object;
} emission;

static inline size_t add_emitted(emission *e, problem *p, bool plain)
{
    const size_t i = e->n++;
    assert_true(i < MOST_EMITTED);
    e->problems[i] = p;
    e->programs[i] = compile(p, plain);
    (void)snprintf(e->names[i], sizeof(e->names[i]), "f%zu", i);
    e->functions[i] =
        (ag_c_function){.name = e->names[i], .program = e->programs[i], .batch = true};
    return i;
}

/* Functions of one signature: an array for every role, a workspace, in either number type. */
static inline void write_wrappers(const emission *e, const char *text, FILE *file)
{
    const char *type = e->options.use_float ? "float" : "double";
    for (size_t i = 0; i < e->n; i++) {
        const problem *p = e->problems[i];
        const ag_c_function *f = &e->functions[i];
        char workspace[60];
        (void)snprintf(workspace, sizeof(workspace), "%s_WORKSPACE", e->names[i]);
        for (char *at = workspace; *at != '\0'; at++)
            *at = (char)toupper((unsigned char)*at);
        const bool has_workspace = strstr(text, workspace) != NULL;
        char returning[40];
        (void)snprintf(returning, sizeof(returning), "\nint %s(", e->names[i]);
        const bool answers = strstr(text, returning) != NULL;
        fprintf(file,
                "int call_f%zu(size_t batch, const %s *shared, const %s *each, %s *sum, %s *map, "
                "%s *once, %s scale);\n"
                "int call_f%zu(size_t batch, const %s *shared, const %s *each, %s *sum, %s *map, "
                "%s *once, %s scale)\n{\n",
                i, type, type, type, type, type, type, i, type, type, type, type, type, type);
        if (has_workspace)
            fprintf(file, "    %s w[%s];\n", type, workspace);
        fprintf(file,
                "    (void)batch, (void)shared, (void)each, (void)sum, (void)map, "
                "(void)once, (void)scale;\n    %s%s(",
                answers ? "return " : "", e->names[i]);
        const struct {
            bool is_there;
            const char *name;
        } all[] = {{f->batch, "batch"},     {p->shared.n > 0 && !f->frozen, "shared"},
                   {p->each.n > 0, "each"}, {p->sum.n > 0, "sum"},
                   {p->map.n > 0, "map"},   {p->once.n > 0, "once"},
                   {f->scaled, "scale"},    {has_workspace, "w"}};
        bool is_first = true;
        for (size_t k = 0; k < sizeof(all) / sizeof(*all); k++)
            if (all[k].is_there) {
                fprintf(file, "%s%s", is_first ? "" : ", ", all[k].name);
                is_first = false;
            }
        fprintf(file, ");\n%s}\n", answers ? "" : "    return 0;\n");
    }
}

static inline char *read_text(FILE *file)
{
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    const long size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    char *text = calloc((size_t)size + 1, 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), (size_t)size);
    return text;
}

/* The functions' text, as one file. */
static inline char *emit_text(const emission *e)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    ag_error_details error;
    if (ag_emit_c(e->n, e->functions, &e->options, file, NULL, &error) != AG_OK)
        fail_msg("%s", error.message);
    char *text = read_text(file);
    assert_int_equal(fclose(file), 0);
    return text;
}

#define STRICT                                                                                     \
    "-Wall -Wextra -Wpedantic -Wconversion -Wdouble-promotion -Werror -ffp-contract=off -O1"

/* Whether there is such a command. */
static inline bool has_command(const char *name)
{
    char command[80];
    (void)snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1", name);
    return system(command) == 0;
}

static inline const char *find_compiler(void)
{
    const char *compiler = getenv("CC");
    return compiler != NULL && *compiler != '\0' ? compiler : "cc";
}

/* Runs "COMPILER ARGUMENTS" in the emission's directory. */
static inline void compile_text(const emission *e, const char *compiler, const char *arguments)
{
    char command[600];
    (void)snprintf(command, sizeof(command), "cd %s && %s %s", e->directory, compiler, arguments);
    if (system(command) != 0)
        fail_msg("%s", command);
}

static inline void load_emission(emission *e)
{
    (void)snprintf(e->directory, sizeof(e->directory), "/tmp/wengert-emit-XXXXXX");
    assert_non_null(mkdtemp(e->directory));
    char path[80];
    (void)snprintf(path, sizeof(path), "%s/f.c", e->directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    char *text = emit_text(e);
    fputs(text, file);
    write_wrappers(e, text, file);
    free(text);
    assert_int_equal(fclose(file), 0);
    compile_text(e, find_compiler(), "-std=c99 " STRICT " -fPIC -shared f.c -o f.so -lm");
    (void)snprintf(path, sizeof(path), "%s/f.so", e->directory);
    e->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (e->object == NULL)
        fail_msg("%s", dlerror());
}

static inline void free_emission(emission *e)
{
    if (e->object != NULL)
        (void)dlclose(e->object);
    for (size_t i = 0; i < e->n; i++) {
        ag_program_free(e->programs[i]);
        free_problem(e->problems[i]);
    }
    char command[80];
    (void)snprintf(command, sizeof(command), "rm -rf %s", e->directory);
    assert_int_equal(system(command), 0);
}

typedef int call_double(size_t batch, const double *shared, const double *each, double *sum,
                        double *map, double *once, double scale);
typedef int call_float(size_t batch, const float *shared, const float *each, float *sum, float *map,
                       float *once, float scale);

/* A function of C from the object, whose type the caller knows. */
static inline void find_call(const emission *e, size_t i, void *function)
{
    char name[40];
    (void)snprintf(name, sizeof(name), "call_f%zu", i);
    void *symbol = dlsym(e->object, name);
    assert_non_null(symbol);
    memcpy(function, &symbol, sizeof(symbol));
}

static inline void run_emitted(const emission *e, size_t i, const batch *b, results *r,
                               double scale)
{
    const problem *p = b->problem;
    const size_t each = b->n * p->each.n, maps = b->n * p->map.n;
    int answer;
    if (e->options.use_float) {
        call_float *call;
        find_call(e, i, &call);
        float *all = calloc(p->shared.n + each + p->sum.n + maps + p->once.n + 1, sizeof(*all));
        assert_non_null(all);
        float *const sum = all + p->shared.n + each, *const map = sum + p->sum.n,
                     *const once = map + maps;
        round_all(p->shared.n, b->shared, all);
        round_all(each, b->each, all + p->shared.n);
        round_all(p->sum.n, r->sum, sum);
        answer = call(b->n, all, all + p->shared.n, sum, map, once, (float)scale);
        widen_all(p->sum.n, sum, r->sum);
        widen_all(maps, map, r->map);
        widen_all(p->once.n, once, r->once);
        free(all);
    } else {
        call_double *call;
        find_call(e, i, &call);
        answer = call(b->n, b->shared, b->each, r->sum, r->map, r->once, scale);
    }
    r->status = answer == 0 ? AG_OK : AG_BRANCH;
    r->sample = b->branch; /* which one it was, the answer does not say */
}

/* A function of the emission against the recorded graph. */
static inline void check_emitted(const emission *e, size_t i, const batch *b)
{
    results r = new_results(b);
    (void)snprintf(seen.where, sizeof(seen.where), "%s f%zu, %s, batch of %zu", e->directory, i,
                   e->options.use_float ? "float" : "double", b->n);
    run_emitted(e, i, b, &r, 0);
    compare_results(b, &r);
    free_results(&r);
}

#endif
