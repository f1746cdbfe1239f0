/* SPDX-License-Identifier: Apache-2.0 */
/* Shared libraries opened when first needed; the only caller of dlopen and dlsym. */
#ifndef TM_BASE_MODULE_H
#define TM_BASE_MODULE_H

#include <stdint.h>

#include "tidemill/err.h"

typedef struct tm_module tm_module;
typedef void (*tm_module_fn)(void);

TM_NODISCARD tm_status tm__module_open(const char *path, tm_module **out_module, tm_err *err);
/** NULL when the library has no such function. */
tm_module_fn tm__module_find(tm_module *module, const char *name);
/** End the handle; the library and its functions stay in memory. NULL is a no-op. */
void tm__module_close(tm_module *module);

/* A library that a part of the program needs, and what to say when it is not there. */
typedef struct tm_library {
    const char *need;         /* "PostgreSQL needs libpq" */
    const char *file;         /* "libpq.so.5" */
    const char *variable;     /* of the environment, which names another file; may be NULL */
    const char *missing_hint; /* when it cannot be loaded */
    const char *old_hint;     /* when it lacks a function */
    const char *const *names; /* of functions, [n] */
    uint32_t n;
} tm_library;
/**
 * Open a library for good and find its functions.
 * @param path  in place of the file of the spec; NULL: none
 * @param out   [n] pointers of functions, in the order of their names; untouched on failure
 * @return TM_E_UNSUPPORTED when the library or a function is not there
 */
TM_NODISCARD tm_status tm__library_load(const tm_library *library, const char *path, void *out,
                                        tm_err *err);

#endif
