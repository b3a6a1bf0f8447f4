/* SPDX-License-Identifier: MIT
 *
 * tanh and exp for loops of the peers: with gcc and a libmvec that has them (BENCH_LIBMVEC), loops
 * under `omp simd` call the vector versions, without -ffast-math.
 */
#ifndef BENCH_VECTOR_MATH_H
#define BENCH_VECTOR_MATH_H

#include <math.h>

#if defined(BENCH_LIBMVEC) && defined(__GNUC__) && !defined(__clang__)
#define BENCH_VECTOR_MATH "tanh and exp by libmvec, called from loops"
__attribute__((simd("notinbranch"))) double tanh(double);
__attribute__((simd("notinbranch"))) float tanhf(float);
__attribute__((simd("notinbranch"))) double exp(double);
__attribute__((simd("notinbranch"))) float expf(float);
#else
#define BENCH_VECTOR_MATH "tanh and exp by libm, one at a time"
#endif

#endif
