/* SPDX-License-Identifier: MIT
 *
 * From C text to functions that can be called: compiled by the machine's compiler into a shared
 * object, which is loaded and kept in a cache. Knows nothing of programs, and has no state of its own:
 * any number of threads and processes may build at once, into one cache.
 */
#ifndef WENGERT_NATIVE_BUILD_H
#define WENGERT_NATIVE_BUILD_H

#include <wengert/program.h>

/* A loaded shared object. */
typedef struct agi_object agi_object;

/* Compiles the text, or finds it in the cache, and loads it. options are ag_native's, and may be
 * NULL; error may be NULL.
 *
 * AG_UNAVAILABLE where this build loads no code, there is no compiler, it fails (the message begins
 * what it said), or the object can't be loaded. AG_IO for a cache that isn't the caller's own, that
 * others can write to, or that can't be written. AG_INVALID_ARGUMENT for a command or paths of
 * thousands of characters. Whatever happens, the cache holds nothing half-written that would be
 * loaded. */
ag_status agi_object_build(const char *text, size_t size, const ag_native_options *options,
                           agi_object **object, ag_error_details *error);

/* Whether the compiler that these options say, with the flags that are ours, makes vector code of
 * loops that call functions of libm which are declared as simd: whether it is GCC, and libmvec has
 * the functions. */
bool agi_has_vector_functions(const ag_native_options *options);

/* The address of what the text defines under that name, outside of static; NULL: nothing. */
void *agi_object_find(const agi_object *object, const char *symbol);

/* Takes NULL. Nothing of it may be running. */
void agi_object_free(agi_object *object);

#endif
