/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ctx.h"

#include <stdatomic.h>
#include <stddef.h>

#include "base/clock.h"

bool tm__ctx_cancelled(const tm_ctx *ctx) {
    return ctx->cancel != NULL && atomic_load_explicit(ctx->cancel, memory_order_relaxed);
}

bool tm__ctx_spend(tm_ctx *ctx, uint64_t work) {
    tm_budget *budget = ctx->budget;
    if (budget == NULL) {
        return false;
    }
    if (__builtin_add_overflow(budget->work_used, work, &budget->work_used)) {
        budget->work_used = UINT64_MAX;
    }
    if (budget->is_cut) {
        return true;
    }
    if (budget->work_limit != 0 && budget->work_used >= budget->work_limit) {
        budget->is_cut = true;
    } else if (budget->deadline_ns != 0 && tm__mono_ns() >= budget->deadline_ns) {
        budget->is_cut = true;
        budget->clock_cut = true;
    }
    return budget->is_cut;
}

bool tm__ctx_is_spent(const tm_ctx *ctx) {
    /* The clock is not asked: only a checkpoint may end a run, or a repeated run would differ. */
    const tm_budget *budget = ctx->budget;
    return budget != NULL &&
           (budget->is_cut || (budget->work_limit != 0 && budget->work_used >= budget->work_limit));
}

void tm__ctx_progress(const tm_ctx *ctx, const char *stage, uint64_t done, uint64_t total,
                      const char *note) {
    if (ctx->progress != NULL) {
        ctx->progress(ctx->progress_arg, stage, done, total, note);
    }
}
