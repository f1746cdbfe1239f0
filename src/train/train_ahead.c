/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fits of trials that ranks make ahead, each another one, with all rows of its fold: folds of a
 * trial, or candidates where there is one fold. A fit depends on its rows, parameters and seed, and
 * on its budget only when that ends it, at the first checkpoint that reaches the limit. So what was
 * fitted within another limit than the search then has for it is what the search would have fitted,
 * when the same checkpoint is the first to reach both; else all ranks fit it again, together. What
 * is found ahead and never asked for costs the time of a rank that had nothing else to do.
 *
 * Not with a budget of time, whose parts are moments; nor with a checkpoint on disk, which is of
 * one fit after the other; nor with a limit of memory, where a part of the rows may fit and all may
 * not.
 */
#include "train/train_search_priv.h"

#include <string.h>

#include "base/comm.h"
#include "base/mem.h"

void tm__ahead_done(tm_search *search) {
    for (uint32_t i = 0; i < search->n_ahead; i++) {
        tm__mem_free(search->ahead[i].raw);
    }
    search->n_ahead = 0;
}

static const tm_ahead *find(const tm_search *search, tm_trial_fit fit) {
    for (uint32_t i = 0; i < search->n_ahead; i++) {
        const tm_ahead *ahead = &search->ahead[i];
        if (ahead->fit.candidate == fit.candidate && ahead->fit.fold == fit.fold) {
            return ahead;
        }
    }
    return NULL;
}

/* Whether a fit within this budget ends where that one ended. */
static bool ends_there(const tm_trial_found *found, const tm_budget *budget) {
    const uint64_t limit = budget != NULL ? budget->work_limit : 0;
    if (limit == 0) {
        return !found->is_cut;
    }
    const uint64_t left = limit > budget->work_used ? limit - budget->work_used : 0;
    return found->is_cut ? found->cut_above < left && left <= found->cut_at : found->spent < left;
}

const tm_ahead *tm__ahead_find(const tm_search *search, tm_trial_fit fit, const tm_budget *budget) {
    const tm_ahead *ahead = find(search, fit);
    return ahead != NULL && ends_there(&ahead->found, budget) ? ahead : NULL;
}

uint32_t tm__ahead_room(const tm_ctx *ctx) {
    const uint32_t n_ranks = tm__comm_ranks(ctx->comm);
    const bool has_clock = ctx->budget != NULL && ctx->budget->deadline_ns > 0;
    if (n_ranks == 1 || has_clock || ctx->checkpoint != NULL || ctx->memory_limit > 0) {
        return 0;
    }
    return n_ranks < TM_AHEAD_MAX ? n_ranks : TM_AHEAD_MAX;
}

static tm_status room_init(tm_search *search, const tm_rung *rung, const tm_trial_fit *fits,
                           uint32_t n, tm_err *err) {
    tm__ahead_done(search);
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t n_cells =
            rung->folds[fits[i].fold].n_valid * tm__train_outputs(search->data);
        search->ahead[i] = (tm_ahead){.fit = fits[i]};
        search->ahead[i].raw = tm__mem_alloc(n_cells, sizeof(double));
        search->n_ahead = i + 1;
        if (search->ahead[i].raw == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for validation answers");
        }
    }
    return TM_OK;
}

static void fit_own(tm_ctx *ctx, tm_search *search, const tm_rung *rung, tm_ahead *ahead) {
    tm_ctx own = *ctx;
    tm_budget part = {0};
    own.comm = NULL;
    if (ctx->budget != NULL) {
        part = tm__budget_part(ctx->budget, ahead->fit.share);
        own.budget = &part;
    }
    ahead->found.status =
        tm__trial_fit(&own, search, rung, ahead->fit, ahead->raw, &ahead->found, &ahead->err);
    ahead->err.src_file = NULL; /* an address of this process */
}

tm_status tm__ahead_fit(tm_ctx *ctx, tm_search *search, const tm_rung *rung,
                        const tm_trial_fit *fits, uint32_t n, tm_err *err) {
    const uint32_t rank = tm__comm_rank(ctx->comm);
    if (n < 2 || find(search, fits[0]) != NULL) {
        return TM_OK;
    }
    TM_TRY(tm__comm_check(ctx->comm, room_init(search, rung, fits, n, err), err));
    if (rank < n) {
        fit_own(ctx, search, rung, &search->ahead[rank]);
    }
    for (uint32_t i = 0; i < n; i++) {
        tm_ahead *ahead = &search->ahead[i];
        const uint64_t n_cells =
            rung->folds[fits[i].fold].n_valid * tm__train_outputs(search->data);
        tm__comm_spread_from(ctx->comm, i, &ahead->found, sizeof(ahead->found));
        tm__comm_spread_from(ctx->comm, i, &ahead->err, sizeof(ahead->err));
        tm__comm_spread_from(ctx->comm, i, ahead->raw, n_cells * sizeof(double));
    }
    return tm__comm_status(ctx->comm, err);
}
