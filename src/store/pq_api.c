/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/module.h"
#include "store/pq_priv.h"

/* The ABI of libpq has had its number since 2005. */
static const char *const names[] = {
#define X(name) #name,
    TM_PQ_FUNCTIONS(X)
#undef X
};
static const tm_library library = {.need = "PostgreSQL needs libpq",
                                   .file = "libpq.so.5",
                                   .variable = "TIDEMILL_LIBPQ",
                                   .missing_hint =
                                       "Install the package libpq5 (Debian's name for it).",
                                   .old_hint = "Install libpq5 of PostgreSQL 13 or later.",
                                   .names = names,
                                   .n = sizeof(names) / sizeof(names[0])};

tm_status tm__pq_api_load(tm_pq_api *out, tm_err *err) {
    return tm__library_load(&library, NULL, out, err);
}
