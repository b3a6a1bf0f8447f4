/* SPDX-License-Identifier: MIT
 *
 * Which kernels there are, and which of them this machine can run. The build says what it made:
 * AGI_HAVE_AVX2, AGI_HAVE_AVX512, AGI_HAVE_NEON, and AGI_VECTOR_MATH, where their exp comes from;
 * AGI_WITHOUT_BASELINE if it made one of those alone.
 */
#include "code.h"

#include <stdlib.h>
#include <string.h>

#ifndef AGI_VECTOR_MATH
#define AGI_VECTOR_MATH "libm"
#endif

/* X(instruction set, its name in ag_isa, bytes of a vector register), the best last */
#ifdef AGI_WITHOUT_BASELINE
#define BASELINE(X)
#else
#define BASELINE(X) X(baseline, AG_ISA_BASELINE, 16)
#endif
#ifdef AGI_HAVE_AVX2
#define AVX2(X) X(avx2, AG_ISA_AVX2, 32)
#else
#define AVX2(X)
#endif
#ifdef AGI_HAVE_AVX512
#define AVX512(X) X(avx512, AG_ISA_AVX512, 64)
#else
#define AVX512(X)
#endif
#ifdef AGI_HAVE_NEON
#define NEON(X) X(neon, AG_ISA_NEON, 16)
#else
#define NEON(X)
#endif
#define ALL_KERNELS(X) BASELINE(X) AVX2(X) AVX512(X) NEON(X)

#define DECLARE(isa, ...)                                                                          \
    void agi_execute_##isa##_64(const agi_section *section, agi_frame *frame);                     \
    void agi_execute_##isa##_32(const agi_section *section, agi_frame *frame);                     \
    void agi_instruction_##isa##_64(const agi_instruction *instruction, agi_frame *frame);         \
    void agi_instruction_##isa##_32(const agi_instruction *instruction, agi_frame *frame);
ALL_KERNELS(DECLARE)

#define LINE(isa, number, bytes)                                                                   \
    {number, sizeof(double), bytes / sizeof(double), agi_execute_##isa##_64,                       \
     agi_instruction_##isa##_64},                                                                  \
        {number, sizeof(float), bytes / sizeof(float), agi_execute_##isa##_32,                     \
         agi_instruction_##isa##_32},
static const agi_kernels kernels[] = {ALL_KERNELS(LINE)};

enum {
    KERNELS = sizeof(kernels) / sizeof(*kernels)
};

static bool can_run(ag_isa isa)
{
    switch (isa) {
    case AG_ISA_AVX2:
#ifdef AGI_HAVE_AVX2
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
        return false;
#endif
    case AG_ISA_AVX512:
#ifdef AGI_HAVE_AVX512
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("fma");
#else
        return false;
#endif
    default:
        return true;
    }
}

const agi_kernels *agi_find_kernels(ag_isa isa, size_t size)
{
    for (size_t i = KERNELS; i-- > 0;)
        if ((isa == AG_ISA_AUTO || isa == kernels[i].isa) && kernels[i].size == size &&
            can_run(kernels[i].isa))
            return &kernels[i];
    return NULL;
}

bool ag_isa_available(ag_isa isa)
{
    return agi_find_kernels(isa, sizeof(double)) != NULL;
}

static const char *const names[] = {
    [AG_ISA_AUTO] = "auto",     [AG_ISA_BASELINE] = "baseline", [AG_ISA_AVX2] = "avx2",
    [AG_ISA_AVX512] = "avx512", [AG_ISA_NEON] = "neon",
};

enum {
    NAMES = sizeof(names) / sizeof(*names)
};

const char *ag_isa_name(ag_isa isa)
{
    return (size_t)isa < NAMES ? names[isa] : "unknown";
}

ag_isa agi_choose_isa(ag_isa asked)
{
    if (asked == AG_ISA_AUTO) {
        const char *name = getenv("WENGERT_ISA");
        size_t i = 0;
        while (name != NULL && *name != '\0' && i < NAMES && strcmp(name, names[i]) != 0)
            i++;
        if (i == NAMES)
            return AG_ISA_AUTO;
        asked = (ag_isa)i;
    }
    const agi_kernels *found = agi_find_kernels(asked, sizeof(double));
    return found == NULL ? AG_ISA_AUTO : found->isa;
}

const char *ag_vector_math(void)
{
    return AGI_VECTOR_MATH;
}
