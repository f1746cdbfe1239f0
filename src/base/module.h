/* SPDX-License-Identifier: Apache-2.0 */
/* Shared libraries opened when first needed; the only caller of dlopen and dlsym. */
#ifndef TM_BASE_MODULE_H
#define TM_BASE_MODULE_H

#include "tidemill/err.h"

typedef struct tm_module tm_module;
typedef void (*tm_module_fn)(void);

TM_NODISCARD tm_status tm__module_open(const char *path, tm_module **out_module, tm_err *err);
/** NULL when the library has no such function. */
tm_module_fn tm__module_find(tm_module *module, const char *name);
/** End the handle; the library and its functions stay in memory. NULL is a no-op. */
void tm__module_close(tm_module *module);

#endif
