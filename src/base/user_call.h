/* SPDX-License-Identifier: Apache-2.0 */
/* One call into a module: what it may ask for while it runs, and what became of it. */
#ifndef TM_BASE_USER_CALL_H
#define TM_BASE_USER_CALL_H

#include "base/buf.h"
#include "base/ctx.h"
#include "base/user_module.h"

typedef struct tm_user_call {
    tm_module_call call; /* what the module gets */
    tm_ctx *ctx;         /* may be NULL: no cancelling, no budget, one thread */
    const char *stage;   /* of progress; static */
    tm_buf *out;         /* of write(); NULL: it is not given */
    uint64_t work_used;
    char why[160]; /* what the module said of a failure; empty: nothing */
} tm_user_call;

/** A call in storage of the caller, which stays where it is until the module has returned. */
void tm__user_call_init(tm_user_call *self, tm_ctx *ctx, const char *stage, tm_buf *out);
/** The error of a call that returned a status which is not TM_MODULE_OK: "module 'knn' cannot fit:
 * no rows". A status that is none is TM_E_INTERNAL. */
TM_NODISCARD tm_status tm__user_call_fail(const tm_user_call *self, const char *module,
                                          const char *verb, int32_t status, tm_err *err);

#endif
