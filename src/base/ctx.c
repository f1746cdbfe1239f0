/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ctx.h"

#include <stdatomic.h>
#include <stddef.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/comm.h"

bool tm__ctx_cancelled(const tm_ctx *ctx) {
    return ctx->cancel != NULL && atomic_load_explicit(ctx->cancel, memory_order_relaxed);
}

uint64_t tm__budget_now_ns(const tm_budget *budget) {
    const bool is_resumed = budget != NULL && budget->stops != NULL;
    return tm__mono_ns() + (is_resumed ? budget->stops->skipped_ns : 0);
}

static bool clock_is_late(const tm_budget *budget, uint64_t need_ns) {
    const uint64_t now = tm__budget_now_ns(budget);
    return now >= budget->deadline_ns || need_ns > budget->deadline_ns - now;
}

bool tm__budget_is_late(tm_budget *budget, uint64_t need_ns) {
    tm_stops *stops = budget->stops;
    if (budget->deadline_ns == 0) {
        return false;
    }
    if (stops == NULL) {
        return clock_is_late(budget, need_ns);
    }
    stops->n_asked++;
    if (stops->is_repeat) {
        const bool is_late = stops->next < stops->n && stops->at[stops->next] == stops->n_asked;
        stops->next += is_late ? 1 : 0;
        return is_late;
    }
    const bool is_late = tm__comm_agree(stops->comm, clock_is_late(budget, need_ns));
    if (is_late) {
        TM_ASSERT(stops->n < TM_MAX_STOPS);
        stops->at[stops->n++] = stops->n_asked;
    }
    return is_late;
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
        budget->cut_above = budget->work_used - work;
        budget->cut_at = budget->work_used;
    } else if (tm__budget_is_late(budget, 0)) {
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

void tm__ctx_round(const tm_ctx *ctx, uint32_t round, double score) {
    if (ctx->on_round != NULL) {
        ctx->on_round(ctx->on_round_arg, round, score);
    }
}
