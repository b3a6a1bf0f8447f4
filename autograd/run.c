/* SPDX-License-Identifier: MIT
 *
 * Running programs: workspaces, blocks of samples, threads. Knows nothing of gates; the kernels do
 * the arithmetic, but for the last step of sums.
 *
 * A batch is cut into blocks of program->lanes samples. Sums are made so that their bits don't
 * depend on who computes what: the blocks are cut into chunks, as batch and program say; each chunk
 * adds up its blocks in order, in totals of its own; and the chunks' totals are added in a fixed
 * binary tree. Threads take chunks.
 */
#include "run.h"
#include "native.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#endif

enum {
    MOST_CHUNKS = 64,       /* a power of 2 */
    MOST_TOTALS = 16 << 20, /* bytes, for the chunks' totals; but at least two chunks */
    TILE = 512,             /* sum outputs that are added up at a time */
    /* In multiplications of a matrix kernel, some 0.02 ns each: what a thread or a chunk has to have
     * to do; what a chunk has to for each of its totals (adding one up costs some 15, and is to be
     * 3 % at most); what any gate takes. */
    COST_OF_THREAD = 1 << 19,
    COST_OF_CHUNK = 1 << 15,
    COST_OF_TOTAL = 500,
    COST_OF_GATE = 8,
    SUMS_OF_THREAD = 1 << 16, /* totals to add up that are worth a thread */
};

/* ---- Workspaces ------------------------------------------------------------------------------ */

typedef struct buffer {
    void *aligned;
    void *block; /* as it was allocated */
    size_t size;
} buffer;

/* What a thread has for itself. */
typedef struct worker {
    buffer memory; /* slots and scratch of one block */
    /* the lowest sample that it saw a comparison fail for, SIZE_MAX: none */
    size_t sample;
    const char *text;
    bool outcome;
    double operands[2];
} worker;

struct ag_workspace {
    ag_program *program;
    agi_memory memory;
    const agi_kernels *kernels_double, *kernels_float;
    const agi_native *native_double, *native_float; /* NULL: the program has no code of its own */
    size_t threads;
    worker *workers;
    buffer uniform;
    buffer totals; /* chunk after chunk */
    size_t totals_stride;
    size_t most_chunks;
    double work;     /* of a sample, in multiplications */
    bool late_reads; /* of the shared array */
    bool busy;
    size_t sample;
    char message[sizeof(((ag_error_details *)0)->message)];
};

/* Sizes saturate, so that what is too large stays too large, and is not allocated. */
static size_t add_sizes(size_t a, size_t b)
{
    return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

static size_t multiply_sizes(size_t a, size_t b)
{
    return b != 0 && a > SIZE_MAX / b ? SIZE_MAX : a * b;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t align_size(size_t size)
{
    return size > SIZE_MAX - AGI_ALIGNMENT
               ? SIZE_MAX
               : (size + AGI_ALIGNMENT - 1) & ~(size_t)(AGI_ALIGNMENT - 1);
}

/* Slots of so many lanes, or of a single one with its imports. */
static size_t count_slots(const agi_section *section, size_t lanes)
{
    const size_t all = multiply_sizes(section->slots, lanes);
    const size_t single = add_sizes(section->slots, section->imports_count);
    return all > single ? all : single;
}

static size_t count_block(const ag_program *program, size_t lanes)
{
    const size_t body = count_slots(&program->body, lanes);
    const size_t check = count_slots(&program->check, lanes);
    return body > check ? body : check;
}

size_t agi_measure_block(const ag_program *program, size_t lanes, size_t size)
{
    const size_t slots = count_block(program, lanes);
    const size_t scratch =
        add_sizes(multiply_sizes(program->scratch_lanes, lanes), program->scratch_fixed);
    return add_sizes(align_size(multiply_sizes(slots, size)),
                     align_size(multiply_sizes(scratch, size)));
}

size_t agi_measure_uniform(const ag_program *program, size_t size)
{
    return align_size(multiply_sizes(count_slots(&program->once, 1), size));
}

void agi_enter_block(agi_frame *frame, const ag_program *program, size_t lanes, void *memory)
{
    frame->records = &program->records;
    frame->constants = frame->kernels->size == sizeof(double)
                           ? (const void *)program->constants
                           : (const void *)program->constants_float;
    frame->slots = memory;
    frame->imported = NULL;
    /* there is memory for it, so that nothing overflows here */
    frame->scratch =
        (char *)memory + align_size(count_block(program, lanes) * frame->kernels->size);
}

static bool reserve(ag_workspace *workspace, buffer *b, size_t size)
{
    b->size = add_sizes(size, AGI_ALIGNMENT);
    b->block = b->size == SIZE_MAX ? NULL : agi_memory_resize(&workspace->memory, NULL, 0, b->size);
    if (b->block == NULL)
        return false;
    const size_t misfit = (uintptr_t)b->block % AGI_ALIGNMENT;
    b->aligned = (char *)b->block + (misfit == 0 ? 0 : AGI_ALIGNMENT - misfit);
    return true;
}

static void release(ag_workspace *workspace, buffer *b)
{
    agi_memory_release(&workspace->memory, b->block, b->size);
}

double agi_estimate_cost(const agi_records *records, const agi_instruction *at)
{
    double terms = 0;
    switch (at->op) {
    case AGI_OP_AFFINE:
        return (double)records->affine[at->more].m * records->affine[at->more].k;
    case AGI_OP_OUTER:
        return (double)records->outer[at->more].m * records->outer[at->more].k;
    case AGI_OP_SCAN:
        return (double)records->scans[at->more].steps * (double)COST_OF_GATE *
               (double)records->scans[at->more].program->info.gates;
    case AGI_OP_PRODUCTS:
        for (uint32_t t = 0; t < at->terms; t++)
            terms += records->factors[at->more + t].repeat;
        return terms * at->n;
    default:
        return (double)COST_OF_GATE *
               (agi_is_fold(at->op) ? (double)records->folds[at->more].x.n : at->n);
    }
}

/* How much there is to do for a sample, in multiplications: chunks and threads depend on it. */
static double estimate_work(const ag_program *program)
{
    double work = 0;
    for (uint32_t i = 0; i < program->check.count; i++)
        work += agi_estimate_cost(&program->records, &program->check.instructions[i]);
    for (uint32_t i = 0; i < program->body.count; i++)
        work += agi_estimate_cost(&program->records, &program->body.instructions[i]);
    return work;
}

bool agi_reads_shared_late(const ag_program *program)
{
    bool is_late = false;
    for (uint32_t i = 0; i < program->body.count; i++) {
        const agi_instruction *at = &program->body.instructions[i];
        bool reads = at->x[0].space == AGI_SHARED;
        if (at->op == AGI_OP_OUTER) {
            const agi_outer *outer = &program->records.outer[at->more];
            reads = outer->a.vector.space == AGI_SHARED || outer->b.vector.space == AGI_SHARED;
            is_late = true;
        } else if (at->op == AGI_OP_SUMS) {
            is_late = true;
        } else if (at->op != AGI_DETACH && at->op != AGI_OP_STORE) {
            reads = true; /* perhaps */
        }
        if (is_late && reads)
            return true;
    }
    return false;
}

/* The largest power of 2 that is not above n, which is at least 1. */
static size_t round_down(size_t n)
{
    size_t power = 1;
    while (power <= n / 2)
        power *= 2;
    return power;
}

static void plan_chunks(ag_workspace *workspace)
{
    const ag_program *program = workspace->program;
    const size_t size = align_size(multiply_sizes(program->info.sum_count, sizeof(double)));
    /* the extra line keeps the chunks' totals from all falling into the same sets of a cache */
    workspace->totals_stride = size == 0 ? 0 : add_sizes(size, AGI_ALIGNMENT);
    size_t most = size == 0 ? (size_t)MOST_CHUNKS : MOST_TOTALS / workspace->totals_stride;
    most = most < 2 ? 2 : most;
    workspace->most_chunks = round_down(agi_smaller(most, MOST_CHUNKS));
}

static size_t choose_threads(const ag_workspace *workspace, size_t asked)
{
#ifdef _OPENMP
    if (asked == 0)
        asked = (size_t)omp_get_max_threads();
    return asked < workspace->most_chunks ? asked : workspace->most_chunks;
#else
    (void)workspace, (void)asked;
    return 1;
#endif
}

/* What its own code takes behind a single lane's slots. */
static size_t count_extra(const ag_workspace *workspace)
{
    const size_t extra = workspace->native_double == NULL ? 0 : workspace->native_double->extra;
    const size_t other = workspace->native_float == NULL ? 0 : workspace->native_float->extra;
    return larger(extra, other);
}

static bool reserve_all(ag_workspace *workspace)
{
    const ag_program *program = workspace->program;
    const size_t size = sizeof(double); /* enough for floats, too */
    const size_t threads = workspace->threads;
    workspace->workers =
        (worker *)agi_memory_resize(&workspace->memory, NULL, 0, threads * sizeof(worker));
    if (workspace->workers == NULL)
        return false;
    for (size_t i = 0; i < threads; i++)
        workspace->workers[i] = (worker){.sample = SIZE_MAX};
    const size_t extra = count_extra(workspace);
    const size_t block = larger(
        agi_measure_block(program, program->lanes, size),
        multiply_sizes(add_sizes(larger(program->body.slots, program->check.slots), extra), size));
    const size_t uniform = larger(agi_measure_uniform(program, size),
                                  multiply_sizes(add_sizes(program->once.slots, extra), size));
    for (size_t i = 0; i < threads; i++)
        if (!reserve(workspace, &workspace->workers[i].memory, block))
            return false;
    return reserve(workspace, &workspace->uniform, uniform) &&
           reserve(workspace, &workspace->totals,
                   multiply_sizes(workspace->totals_stride, workspace->most_chunks));
}

static bool choose_kernels(ag_workspace *workspace, ag_isa asked, ag_error_details *error)
{
    const ag_isa isa = agi_choose_isa(asked);
    if (isa == AG_ISA_AUTO) {
        const char *name = asked == AG_ISA_AUTO ? getenv("WENGERT_ISA") : ag_isa_name(asked);
        agi_set_details(error, AG_INVALID_ARGUMENT,
                        "ag_workspace_new: the instruction set %.40s%s is not available here",
                        name == NULL ? "" : name,
                        asked == AG_ISA_AUTO ? ", of the environment variable WENGERT_ISA," : "");
        return false;
    }
    workspace->kernels_double = agi_find_kernels(isa, sizeof(double));
    workspace->kernels_float = agi_find_kernels(isa, sizeof(float));
    assert(workspace->kernels_double != NULL && workspace->kernels_float != NULL);
    return true;
}

ag_workspace *ag_workspace_new(ag_program *program, const ag_workspace_options *options,
                               ag_error_details *error)
{
    static const ag_workspace_options defaults = {0};
    if (options == NULL)
        options = &defaults;
    agi_set_details(error, AG_OK, "%s", "");
    if (program == NULL) {
        agi_set_details(error, AG_INVALID_ARGUMENT, "ag_workspace_new: there is no program");
        return NULL;
    }
    ag_workspace seed = {
        .program = program,
        .memory = {.allocator = options->allocator, .user = options->allocator_user},
        .sample = SIZE_MAX};
    if (!choose_kernels(&seed, options->isa, error))
        return NULL;
    if (options->isa == AG_ISA_AUTO && getenv("WENGERT_ISA") == NULL) {
        seed.native_double = agi_find_native(program, false);
        seed.native_float = agi_find_native(program, true);
    }
    plan_chunks(&seed);
    seed.threads = choose_threads(&seed, options->threads);
    seed.work = estimate_work(program);
    seed.late_reads = agi_reads_shared_late(program);
    ag_workspace *workspace =
        (ag_workspace *)agi_memory_resize(&seed.memory, NULL, 0, sizeof(*workspace));
    if (workspace != NULL) {
        *workspace = seed;
        (void)ag_program_retain(program);
        if (reserve_all(workspace))
            return workspace;
    }
    agi_set_details(error, AG_OUT_OF_MEMORY,
                    "ag_workspace_new: out of memory (%zu bytes for each of %zu threads, and %zu "
                    "for sums)",
                    agi_measure_block(program, program->lanes, sizeof(double)), seed.threads,
                    multiply_sizes(seed.totals_stride, seed.most_chunks));
    ag_workspace_free(workspace);
    return NULL;
}

void ag_workspace_free(ag_workspace *workspace)
{
    if (workspace == NULL)
        return;
    if (workspace->workers != NULL) {
        for (size_t i = 0; i < workspace->threads; i++)
            release(workspace, &workspace->workers[i].memory);
        agi_memory_release(&workspace->memory, workspace->workers,
                           workspace->threads * sizeof(*workspace->workers));
    }
    release(workspace, &workspace->uniform);
    release(workspace, &workspace->totals);
    ag_program_free(workspace->program);
    agi_memory last = workspace->memory;
    agi_memory_release(&last, workspace, sizeof(*workspace));
}

ag_isa ag_workspace_isa(const ag_workspace *workspace)
{
    return workspace == NULL ? AG_ISA_AUTO : workspace->kernels_double->isa;
}

size_t ag_workspace_threads(const ag_workspace *workspace)
{
    return workspace == NULL ? 0 : workspace->threads;
}

size_t ag_workspace_bytes(const ag_workspace *workspace)
{
    return workspace == NULL ? 0 : workspace->memory.bytes;
}

const char *ag_workspace_message(const ag_workspace *workspace)
{
    return workspace == NULL ? "there is no workspace" : workspace->message;
}

size_t ag_workspace_sample(const ag_workspace *workspace)
{
    return workspace == NULL ? SIZE_MAX : workspace->sample;
}

/* ---- One run --------------------------------------------------------------------------------- */

typedef struct run {
    const char *caller; /* "ag_run" */
    const ag_program *program;
    ag_workspace *workspace;
    const agi_kernels *kernels;
    const agi_native *native;
    size_t batch, blocks, chunks, threads;
    const void *shared, *each;
    void *sum, *map, *once;
    double scale;
    bool direct; /* the first chunk's totals are made in sum itself, and that ends it */
} run;

static size_t get_size(const run *r)
{
    return r->kernels->size;
}

/* n numbers after p */
static void *step_by(const run *r, const void *p, size_t n)
{
    return p == NULL ? NULL : (char *)(uintptr_t)p + n * get_size(r);
}

typedef void (*job)(run *r, worker *w, size_t i);

#ifdef _OPENMP
/* A function of its own, because clang turns to OpenMP's runtime already at the beginning of one
 * that may come to a parallel region. */
AGI_COLD static void share_out(run *r, size_t n, size_t threads, job work)
{
    worker *workers = r->workspace->workers;
#pragma omp parallel for num_threads((int)threads) schedule(dynamic)
    for (size_t i = 0; i < n; i++)
        work(r, &workers[omp_get_thread_num()], i);
}
#endif

/* Calls work for i = 0 ... n - 1, by so many threads. */
static void for_each(run *r, size_t n, size_t threads, job work)
{
#ifdef _OPENMP
    if (threads > 1 && n > 1) {
        share_out(r, n, threads, work);
        return;
    }
#endif
    (void)threads;
    for (size_t i = 0; i < n; i++)
        work(r, &r->workspace->workers[0], i);
}

static ag_status refuse(run *r, const char *format, ...) AGI_PRINTF(2, 3);

/* Makes it the message, after the caller's name. */
static ag_status refuse(run *r, const char *format, ...)
{
    char *message = r->workspace->message;
    const size_t size = sizeof(r->workspace->message);
    const int used = snprintf(message, size, "%s: ", r->caller);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message + used, size - (size_t)used, format, arguments);
    va_end(arguments);
    return AG_INVALID_ARGUMENT;
}

/* ---- Arguments ------------------------------------------------------------------------------- */

/* An array of rows x columns. */
static ag_status check_array(run *r, const char *role, const char *ends, const void *array,
                             size_t rows, size_t columns)
{
    if (rows == 0 || columns == 0)
        return AG_OK;
    if (array == NULL)
        return refuse(r, "%s is NULL, and the program has %zu %s %s%s", role, columns, role, ends,
                      columns == 1 ? "" : "s");
    if ((rows | columns) >> (sizeof(size_t) * 4 - 2) != 0 && /* or there is no need to divide */
        rows > PTRDIFF_MAX / get_size(r) / columns)
        return refuse(r, "no memory holds %zu samples with %zu %s %s%s", rows, columns, role, ends,
                      columns == 1 ? "" : "s");
    return AG_OK;
}

static ag_status check_arrays(run *r)
{
    const ag_program_info *info = &r->program->info;
    ag_status status = check_array(r, "shared", "input", r->shared, 1, info->shared_count);
    if (status == AG_OK)
        status = check_array(r, "each", "input", r->each, r->batch, info->each_count);
    if (status == AG_OK)
        status = check_array(r, "sum", "output", r->sum, 1, info->sum_count);
    if (status == AG_OK)
        status = check_array(r, "map", "output", r->map, r->batch, info->map_count);
    if (status == AG_OK)
        status = check_array(r, "once", "output", r->once, 1, info->once_count);
    if (status == AG_OK && r->sum != NULL && r->sum == r->shared && r->scale == 0 &&
        info->sum_count > 0 && info->shared_count > 0)
        status = refuse(r, "sum is the shared array, which can't be with a scale of 0");
    return status;
}

/* ---- Blocks ---------------------------------------------------------------------------------- */

/* A power of 2, or as many as there are blocks. */
static size_t choose_chunks(const run *r, double work)
{
    const size_t totals = r->program->info.sum_count;
    const size_t most =
        r->workspace->most_chunks < r->blocks ? r->workspace->most_chunks : r->blocks;
    if (most <= 1 || work < 2 * (double)COST_OF_THREAD)
        return r->blocks > 0;
    const double worth = work / ((double)COST_OF_CHUNK + (double)COST_OF_TOTAL * (double)totals);
    return worth >= (double)most ? most : worth < 2 ? 2 : round_down((size_t)worth);
}

/* Blocks, chunks and threads for the batch. */
static void cut_batch(run *r)
{
    const size_t lanes = r->program->lanes, threads = r->workspace->threads;
    const double work = r->workspace->work * (double)r->batch;
    if (r->batch <= lanes) { /* small runs would notice the divisions */
        r->blocks = r->chunks = r->batch > 0;
    } else {
        r->blocks = r->batch / lanes + (r->batch % lanes != 0);
        r->chunks = choose_chunks(r, work);
    }
    /* Where several blocks have to read the shared array before sum, which may be the same, is
     * written to, or one reads it after the first sums, totals are made elsewhere. */
    r->direct = r->scale == 0 || (r->blocks <= 1 && !r->workspace->late_reads);
    r->threads = r->chunks < threads ? r->chunks : threads;
    if (r->threads > 1 && work < (double)COST_OF_THREAD * (double)r->threads)
        r->threads = (size_t)(work / (double)COST_OF_THREAD); /* >= 2, or there were one chunk */
}

/* The first block of a chunk; of the last chunk + 1, the end. */
static size_t find_block(const run *r, size_t chunk)
{
    if (r->chunks == 1)
        return chunk * r->blocks;
    const size_t whole = r->blocks / r->chunks, rest = r->blocks % r->chunks;
    return chunk * whole + (chunk < rest ? chunk : rest);
}

static void *find_totals(const run *r, size_t chunk)
{
    return chunk == 0 && r->direct
               ? r->sum
               : (char *)r->workspace->totals.aligned + chunk * r->workspace->totals_stride;
}

/* Every member but the block's own and those of a comparison that fails. Written out, because an
 * initialiser clears the frame first, which takes as long as the rest of a small run. */
static void enter_run(const run *r, const worker *w, agi_frame *frame)
{
    frame->kernels = r->kernels;
    frame->uniform = r->workspace->uniform.aligned;
    frame->shared = r->shared;
    frame->each_stride = r->program->info.each_count;
    frame->map_stride = r->program->info.map_count;
    frame->by_lanes = false;
    frame->totals = NULL;
    frame->scale = 0;
    frame->add = false;
    frame->failed_lane = SIZE_MAX;
    agi_enter_block(frame, r->program, r->program->lanes, w->memory.aligned);
}

/* A batch of one runs without lanes, and so do blocks that are never larger. Elsewhere a block of one
 * is padded as any other, so that a sample gives the same bits wherever it stands. */
static void enter_samples(const run *r, size_t block, agi_frame *frame)
{
    const size_t first = block * r->program->lanes, rest = r->batch - first;
    const size_t width = r->kernels->width;
    frame->count = rest < r->program->lanes ? rest : r->program->lanes;
    frame->lanes =
        r->batch == 1 || r->program->lanes == 1 ? 1 : (frame->count + width - 1) & ~(width - 1);
    frame->each = step_by(r, r->each, first * frame->each_stride);
    frame->map = step_by(r, r->map, first * frame->map_stride);
}

/* ---- What is computed once ------------------------------------------------------------------- */

static void enter_once(void *uniform, agi_frame *frame)
{
    frame->lanes = frame->count = 1;
    frame->slots = uniform;
    frame->imported = NULL;
    frame->uniform = uniform;
}

void agi_run_once(const ag_program *program, void *uniform, agi_frame *frame)
{
    enter_once(uniform, frame);
    frame->kernels->execute(&program->once, frame);
}

static double hide_sign_of_nan(double number)
{
    return isnan(number) ? (double)NAN : number;
}

/* where: "", or "sample 3: " */
static ag_status report_branch(ag_workspace *workspace, const char *where, const char *text,
                               bool outcome, const double *operands)
{
    (void)snprintf(workspace->message, sizeof(workspace->message),
                   "%s%.120s = (%.6g, %.6g): was recorded as %s and is %s now", where, text,
                   hide_sign_of_nan(operands[0]), hide_sign_of_nan(operands[1]),
                   outcome ? "true" : "false", outcome ? "false" : "true");
    return AG_BRANCH;
}

static ag_status run_once(run *r)
{
    ag_workspace *workspace = r->workspace;
    if (r->program->once.count == 0)
        return AG_OK;
    agi_frame frame;
    enter_run(r, &workspace->workers[0], &frame);
    if (r->native != NULL) {
        enter_once(workspace->uniform.aligned, &frame);
        agi_run_native(&r->native->once, &r->program->once, &frame);
    } else {
        agi_run_once(r->program, workspace->uniform.aligned, &frame);
    }
    if (frame.failed_lane == SIZE_MAX)
        return AG_OK;
    return report_branch(workspace, "", frame.failed_text, frame.failed_outcome,
                         frame.failed_operands);
}

static void write_once(const run *r)
{
    for (size_t i = 0; i < r->program->info.once_count; i++)
        memcpy(step_by(r, r->once, i),
               step_by(r, r->workspace->uniform.aligned, r->program->once_slots[i]), get_size(r));
}

/* ---- Comparisons ----------------------------------------------------------------------------- */

static void check_chunk(run *r, worker *w, size_t chunk)
{
    agi_frame frame;
    enter_run(r, w, &frame);
    const size_t end = find_block(r, chunk + 1);
    for (size_t block = find_block(r, chunk); block < end; block++) {
        enter_samples(r, block, &frame);
        if (r->native != NULL)
            agi_run_native(&r->native->check, &r->program->check, &frame);
        else
            r->kernels->execute(&r->program->check, &frame);
        if (frame.failed_lane == SIZE_MAX)
            continue;
        const size_t sample = block * r->program->lanes + frame.failed_lane;
        if (sample < w->sample) {
            w->sample = sample;
            w->text = frame.failed_text;
            w->outcome = frame.failed_outcome;
            memcpy(w->operands, frame.failed_operands, sizeof(w->operands));
        }
        return; /* the chunk's later samples don't matter any more */
    }
}

static ag_status check_comparisons(run *r)
{
    ag_workspace *workspace = r->workspace;
    for (size_t i = 0; i < workspace->threads; i++)
        workspace->workers[i].sample = SIZE_MAX;
    for_each(r, r->chunks, r->threads, check_chunk);
    const worker *first = &workspace->workers[0];
    for (size_t i = 1; i < workspace->threads; i++)
        if (workspace->workers[i].sample < first->sample)
            first = &workspace->workers[i];
    if (first->sample == SIZE_MAX)
        return AG_OK;
    char where[40];
    (void)snprintf(where, sizeof(where), "sample %zu: ", first->sample);
    workspace->sample = first->sample;
    return report_branch(workspace, where, first->text, first->outcome, first->operands);
}

/* ---- Sums ------------------------------------------------------------------------------------ */

#define DEFINE_SUMMATION(real)                                                                     \
    static void add_##real(real *to, const real *from, size_t n)                                   \
    {                                                                                              \
        for (size_t i = 0; i < n; i++)                                                             \
            to[i] += from[i];                                                                      \
    }                                                                                              \
    static void add_scaled_##real(real *to, const real *from, size_t n, real scale)                \
    {                                                                                              \
        for (size_t i = 0; i < n; i++)                                                             \
            to[i] += scale * from[i];                                                              \
    }

DEFINE_SUMMATION(double)
DEFINE_SUMMATION(float)

static void add_numbers(const run *r, void *to, const void *from, size_t n)
{
    if (get_size(r) == sizeof(double))
        add_double((double *)to, (const double *)from, n);
    else
        add_float((float *)to, (const float *)from, n);
}

static void add_scaled(const run *r, void *to, const void *from, size_t n)
{
    if (get_size(r) == sizeof(double))
        add_scaled_double((double *)to, (const double *)from, n, r->scale);
    else
        add_scaled_float((float *)to, (const float *)from, n, (float)r->scale);
}

/* The chunks' totals of some sum outputs: ((0 + 1) + (2 + 3)) + ..., always alike. */
static void add_tile(run *r, worker *w, size_t tile)
{
    (void)w;
    const size_t at = tile * TILE, rest = r->program->info.sum_count - at;
    const size_t n = agi_smaller(rest, TILE);
    for (size_t step = 1; step < r->chunks; step *= 2)
        for (size_t i = 0; i + step < r->chunks; i += 2 * step)
            add_numbers(r, step_by(r, find_totals(r, i), at),
                        step_by(r, find_totals(r, i + step), at), n);
    if (!r->direct)
        add_scaled(r, step_by(r, r->sum, at), step_by(r, find_totals(r, 0), at), n);
}

static void add_chunks(run *r)
{
    const size_t n = r->program->info.sum_count;
    if (n == 0 || (r->chunks == 1 && r->direct))
        return;
    const size_t worth = n * r->chunks / SUMS_OF_THREAD;
    for_each(r, n / TILE + (n % TILE != 0), worth < r->threads ? worth : r->threads, add_tile);
}

/* ---- All of it ------------------------------------------------------------------------------- */

static void run_chunk(run *r, worker *w, size_t chunk)
{
    agi_frame frame;
    enter_run(r, w, &frame);
    frame.totals = find_totals(r, chunk);
    frame.scale = r->direct ? r->scale : 0;
    const size_t begin = find_block(r, chunk), end = find_block(r, chunk + 1);
    for (size_t block = begin; block < end; block++) {
        enter_samples(r, block, &frame);
        frame.add = block != begin;
        if (r->native != NULL)
            agi_run_native(&r->native->body, &r->program->body, &frame);
        else
            r->kernels->execute(&r->program->body, &frame);
    }
}

static void run_body(run *r)
{
    if (r->batch == 0) {
        if (r->scale == 0 && r->program->info.sum_count > 0)
            memset(r->sum, 0, r->program->info.sum_count * get_size(r));
        return;
    }
    for_each(r, r->chunks, r->threads, run_chunk);
    add_chunks(r);
}

/* What can be wrong before there is a run. */
static ag_status check_call(const char *caller, const ag_program *program, ag_workspace *workspace,
                            bool has_arrays)
{
    if (workspace == NULL)
        return AG_INVALID_ARGUMENT;
    if (workspace->busy)
        return AG_BUSY; /* from a closure's callback; the message is the caller's */
    const char *wrong = program == NULL                 ? "there is no program"
                        : program != workspace->program ? "the workspace is another program's"
                        : !has_arrays                   ? "there are no arrays"
                                                        : NULL;
    workspace->sample = SIZE_MAX;
    workspace->message[0] = '\0';
    if (wrong == NULL)
        return AG_OK;
    (void)snprintf(workspace->message, sizeof(workspace->message), "%s: %s", caller, wrong);
    return AG_INVALID_ARGUMENT;
}

static ag_status run_all(run *r)
{
    ag_status status = check_arrays(r);
    if (status != AG_OK)
        return status;
    cut_batch(r);
    r->workspace->busy = true;
    status = run_once(r);
    if (status == AG_OK && r->program->check.count > 0)
        status = check_comparisons(r);
    if (status == AG_OK) {
        write_once(r);
        run_body(r);
    }
    r->workspace->busy = false;
    return status;
}

ag_status ag_run(const ag_program *program, ag_workspace *workspace, size_t batch,
                 const ag_arrays *arrays)
{
    const ag_status status = check_call("ag_run", program, workspace, arrays != NULL);
    if (status != AG_OK)
        return status;
    run r = {.caller = "ag_run",
             .program = program,
             .workspace = workspace,
             .kernels = workspace->kernels_double,
             .native = workspace->native_double,
             .batch = batch,
             .shared = arrays->shared,
             .each = arrays->each,
             .sum = arrays->sum,
             .map = arrays->map,
             .once = arrays->once,
             .scale = arrays->scale};
    return run_all(&r);
}

ag_status ag_run_float(const ag_program *program, ag_workspace *workspace, size_t batch,
                       const ag_arrays_float *arrays)
{
    const ag_status status = check_call("ag_run_float", program, workspace, arrays != NULL);
    if (status != AG_OK)
        return status;
    run r = {.caller = "ag_run_float",
             .program = program,
             .workspace = workspace,
             .kernels = workspace->kernels_float,
             .native = workspace->native_float,
             .batch = batch,
             .shared = arrays->shared,
             .each = arrays->each,
             .sum = arrays->sum,
             .map = arrays->map,
             .once = arrays->once,
             .scale = (double)arrays->scale};
    return run_all(&r);
}
