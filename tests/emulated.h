/* SPDX-License-Identifier: MIT
 *
 * Whether a test is run by valgrind, which is slow and has arithmetic of its own: its long double is a
 * double, and 3.19 makes -(a * b) + c a -0 where it should be 0.
 */
#ifndef WENGERT_EMULATED_H
#define WENGERT_EMULATED_H

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

#ifdef RUNNING_ON_VALGRIND
#define IS_EMULATED (RUNNING_ON_VALGRIND != 0)
#else
#define IS_EMULATED false
#endif

#endif
