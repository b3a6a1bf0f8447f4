/* SPDX-License-Identifier: MIT
 *
 * The number type of files that are compiled for double and (with BENCH_FLOAT) for float.
 */
#ifndef BENCH_NUMBER_H
#define BENCH_NUMBER_H

#ifdef BENCH_FLOAT
typedef float number;
#define BENCH_TYPE "float"
#define NUMBER(name) name##f
#else
typedef double number;
#define BENCH_TYPE "double"
#define NUMBER(name) name
#endif

#endif
