/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search between learners.
 *
 *   rung 0   every candidate on a sample of at most 100,000 rows, draws near the best while the
 *            budget lasts
 *   rung 1   the best few on at most 400,000 rows
 *   full     the best on all rows, with early stopping on the validation rows; left out when the
 *            budget ended the best one of rung 1 early, as it would end this one
 *
 * Each rung has a fixed share of what the budget has left, and the refit the rest: a share that
 * followed from what refits were foretold to take could be eaten by one slow trial. Rungs after the
 * first are left out when it saw all rows. What a refit leaves over goes to more seeds.
 *
 * Invariants:
 *   1. What is tried next depends on scores, on work and on answers of the clock that the record
 * keeps, so the same work, or the same answers, give the same search.
 *   2. Every candidate of a rung is scored on the same validation rows.
 *   3. A candidate that the budget cut is scored with what it has.
 */
#include "train/train_search_priv.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"

#define RUNG0_ROWS 100000u
#define RUNG_ROWS_MIN 1000u
#define CELL_NS 1500.0 /* of the first rung: features, and a trial of it */
#define RUNG1_ROWS 400000u
#define RUNG1_KEEP 3u
#define FULL_SHARE 0.44   /* of what the rungs left: the refit has a quarter more rows */
#define DRAWS_DEFAULT 10u /* without a budget, for data of fewer than RUNG_DRAW_ROWS rows */
#define RUNG_DRAW_ROWS 20000u
#define TRIALS_WANTED 8u /* a rung with fewer folds is better than one with fewer trials */
#define FIRST_SHARE 0.18 /* of the first sample */
#define SINGLE_SHARE 0.1 /* of the only candidate on it */
#define RUNG1_SHARE 0.2  /* of what the first left */
#define TAIL_NS 20e6
#define TAIL_ROW_NS 60.0
#define TAIL_SHARE 0.005
#define TAIL_SHARE_MAX 0.4
#define TAIL_MEMBERS 3.0        /* that answer, each like the slowest trial */
#define POOL_BYTES (256u << 20) /* of raw answers that wait for a blend */
#define POOL_MIN 4u
#define POOL_MAX 24u

static void forget_raw(tm_search *search) {
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        tm__mem_free(search->candidates[i].raw);
        search->candidates[i].raw = NULL;
    }
}

/* Raw answers stay for the best few and for the best of each learner: what a blend may use. */
static void prune_raw(tm_search *search, uint64_t n_cells) {
    uint32_t order[TM_MAX_CANDIDATES];
    const uint32_t n = tm__search_rank(search, order, TM_MAX_CANDIDATES);
    const uint64_t fit = POOL_BYTES / (n_cells * sizeof(double) + 1);
    const uint32_t n_keep = fit < POOL_MIN ? POOL_MIN : fit > POOL_MAX ? POOL_MAX : (uint32_t)fit;
    for (uint32_t k = n_keep; k < n; k++) {
        bool is_first = true;
        for (uint32_t i = 0; i < k; i++) {
            is_first =
                is_first && search->candidates[order[i]].ops != search->candidates[order[k]].ops;
        }
        if (!is_first) {
            tm__mem_free(search->candidates[order[k]].raw);
            search->candidates[order[k]].raw = NULL;
        }
    }
}

/* ---- what the refit will take ---- */

/* One refit of a candidate: a fold's part of its trial, for all rows, without the rounds that only
 * waited for early stopping. */
tm_need tm__search_refit_need(const tm_search *search, const tm_candidate *c) {
    if (c->n_folds == 0 || c->n_fit_rows == 0) {
        return (tm_need){0};
    }
    const double patience = tm__candidate_param(c, "early_stopping", 0);
    const double waited = patience > 0 && !c->is_cut && c->n_rounds > 0 ? patience : 0.0;
    const double rounds = (double)c->n_rounds;
    /* What is hurried ends where the budget does: room for the rounds of a trial is enough. */
    const double wanted =
        c->is_hurried ? fmax(rounds, tm__steps_wanted(c)) : tm__cost_refit_rounds(c);
    const double by_rounds = rounds > 0 ? wanted / (rounds + waited) : 1.0;
    const double by_rows = (double)search->data->n_train / (double)c->n_fit_rows;
    const double scale = by_rows * by_rounds / c->n_folds;
    return (tm_need){.work = (double)c->work * scale, .ns = c->seconds * 1e9 * scale};
}

/* Of the clock, what follows the last fit is set aside: scores of the test rows, what is found
 * about the rows, and writing. */
static void set_tail_aside(tm_search *search) {
    tm_budget *whole = search->whole;
    if (whole == NULL || whole->deadline_ns == 0 || whole->started_ns == 0) {
        return;
    }
    const double all = (double)(search->options->budget_ms) * 1e6;
    const double n_test = (double)search->data->n_test;
    const double row = search->ns_row_features + TAIL_MEMBERS * search->ns_row_predict;
    const double tail =
        fmin(TAIL_NS + TAIL_SHARE * all + n_test * row + TAIL_ROW_NS * (double)search->data->n_rows,
             TAIL_SHARE_MAX * all);
    if (tail > (double)search->tail_ns) {
        whole->deadline_ns -= (uint64_t)tail - search->tail_ns;
        search->tail_ns = (uint64_t)tail;
    }
}

/* ---- trials ---- */

/* Try one candidate within a share of what the search may use. */
static tm_status try_within(tm_ctx *ctx, tm_search *search, const tm_rung *rung, uint32_t index,
                            double share, tm_err *err) {
    tm_budget *whole = ctx->budget;
    tm_budget own = tm__budget_part(whole, share);
    tm_trial_run trial = {.candidate = index};
    ctx->budget = &own;
    const tm_status st = tm__trial_finish(ctx, search, rung, &trial, err);
    ctx->budget = whole;
    whole->work_used += own.work_used;
    tm__trial_done(&trial);
    prune_raw(search, rung->n_valid * tm__train_outputs(search->data));
    return st;
}

/* How much longer than another a candidate will take: leaves and small steps cost. */
static double times_longer(const tm_candidate *next, const tm_candidate *like) {
    const double leaves =
        tm__candidate_param(next, "max_leaves", 1.0) / tm__candidate_param(like, "max_leaves", 1.0);
    const double rate = tm__candidate_param(like, "learning_rate", 1.0) /
                        tm__candidate_param(next, "learning_rate", 1.0);
    return next->ops == like->ops ? fmin(fmax(tm__sqrt(leaves) * rate, 0.25), 4.0) : 1.0;
}

/* Whether the search has room for a trial, by one that was tried; a starved trial tells nothing. */
static bool has_room(const tm_budget *whole, const tm_rung *rung, const tm_candidate *next,
                     const tm_candidate *like) {
    tm_budget part = tm__budget_part(whole, 1.0);
    const double folds = (like->n_folds > 0 ? (double)rung->n_folds / like->n_folds : 1.0) *
                         times_longer(next, like);
    const tm_need need = {.work = (double)like->work * folds, .ns = like->seconds * 1e9 * folds};
    return tm__budget_has_room(&part, need);
}

/* The same of the first rung's list, with larger steps where many rows want more rounds than there
 * is room for. One that is like an earlier one but starved would only look worse. */
static bool make_room(tm_budget *whole, tm_search *search, const tm_rung *rung, uint32_t i) {
    tm_candidate *next = &search->candidates[i];
    const bool is_large = search->data->n_train > RUNG0_ROWS;
    while (!has_room(whole, rung, next, &search->candidates[0])) {
        if (!is_large || !tm__steps_lengthen(search, next)) {
            return false;
        }
    }
    return true;
}

/* Draws near the best while the budget lasts; without a budget, a number that depends on the data
 * alone. */
static tm_status try_draws(tm_ctx *ctx, tm_search *search, const tm_rung *rung, uint32_t n_max,
                           tm_err *err) {
    const tm_candidate *like = &search->candidates[0]; /* the first of boosting is tried always */
    for (uint32_t draw = 0; draw < n_max && search->n_candidates < TM_MAX_CANDIDATES; draw++) {
        tm_candidate *next = &search->candidates[search->n_candidates];
        if (tm__ctx_is_spent(ctx) || !tm__candidate_draw(search, next, draw) ||
            !has_room(ctx->budget, rung, next, like)) {
            break;
        }
        search->n_candidates++;
        tm__ctx_progress(ctx, "search", search->n_candidates, 0, NULL);
        TM_TRY(try_within(ctx, search, rung, search->n_candidates - 1, 0.8, err));
    }
    return TM_OK;
}

/* How many folds the budget has room for, when each of the trials wanted takes what the first one
 * took for one. */
static uint32_t folds_affordable(const tm_search *search, const tm_budget *whole,
                                 const tm_rung *rung, const tm_trial_run *first) {
    tm_budget part = tm__budget_part(whole, 0.75);
    const double n_trials = search->n_candidates > 1 ? TRIALS_WANTED : 2;
    uint32_t n = rung->n_planned;
    while (n > 1) {
        const tm_need need = {.work = (double)first->work * n_trials * n,
                              .ns = (first->seconds * n_trials + rung->seconds_fold) * 1e9 * n};
        if (tm__budget_has_room(&part, need)) {
            break;
        }
        n = n > 3 ? 3 : n - 1;
    }
    return n;
}

/* Where the validation rows do not define the score that decides, as auc of rows of one class, the
 * loss decides; the record names it. */
static void settle_metric(tm_search *search, const tm_rung *rung) {
    if (!tm__rung_is_defined(rung, search)) {
        search->metric =
            tm__metric_find(search->data->task == TM_TASK_REGRESSION ? "rmse" : "logloss");
    }
}

/* Where a trial is one fit, the next candidates, each on another rank. */
static tm_status trials_ahead(tm_ctx *ctx, tm_search *search, const tm_rung *rung,
                              const uint32_t *candidates, uint32_t n_left, double share,
                              tm_err *err) {
    tm_trial_fit fits[TM_AHEAD_MAX];
    const uint32_t n_max = rung->n_folds == 1 ? tm__ahead_room(ctx) : 0;
    uint32_t n = 0;
    for (; n < n_left && n < n_max; n++) {
        fits[n] = (tm_trial_fit){.candidate = candidates[n], .share = share};
    }
    return tm__ahead_fit(ctx, search, rung, fits, n, err);
}

/* The first candidate on the first fold tells how many folds there are for all. */
static tm_status first_trial(tm_ctx *ctx, tm_search *search, tm_rung *rung, tm_err *err) {
    tm_budget *whole = ctx->budget;
    tm_trial_run trial = {.candidate = 0};
    tm_budget own = tm__budget_part(whole, search->n_candidates > 1 ? 0.3 : 0.4);
    if (rung->n_planned == 1) {
        settle_metric(search, rung);
    }
    tm__ctx_progress(ctx, "search", 0, search->n_candidates, search->candidates[0].ops->name);
    ctx->budget = &own;
    tm_status st = tm__trial_fold(ctx, search, rung, &trial, err);
    ctx->budget = whole;
    whole->work_used += own.work_used;
    set_tail_aside(search);
    if (st == TM_OK && rung->n_planned > 1) {
        const uint32_t n = folds_affordable(search, whole, rung, &trial);
        st = tm__rung_fill(ctx, rung, search, n, err);
    }
    if (st == TM_OK && rung->n_folds < rung->n_planned && !tm__rung_is_defined(rung, search)) {
        st = tm__rung_fill(ctx, rung, search, rung->n_planned, err);
    }
    if (st == TM_OK) {
        settle_metric(search, rung);
        own = tm__budget_part(whole, 0.4);
        ctx->budget = &own;
        st = tm__trial_finish(ctx, search, rung, &trial, err);
        ctx->budget = whole;
        whole->work_used += own.work_used;
    }
    tm__trial_done(&trial);
    return st;
}

static tm_status first_rung(tm_ctx *ctx, tm_search *search, uint64_t n_rows, tm_err *err) {
    tm_rung rung;
    const uint32_t n_listed = search->n_candidates;
    const bool has_budget = search->options->work > 0 || search->options->budget_ms > 0;
    const bool is_all = search->data->n_train <= n_rows;
    uint32_t listed[TM_MAX_CANDIDATES];
    TM_TRY(tm__rung_init(ctx, &rung, search, n_rows, err));
    search->rung_rows = rung.n_rows;
    for (uint32_t i = 0; i < n_listed; i++) {
        listed[i] = i;
    }
    tm_status st = first_trial(ctx, search, &rung, err);
    for (uint32_t i = 1; st == TM_OK && i < n_listed; i++) {
        if (tm__ctx_is_spent(ctx) || !make_room(ctx->budget, search, &rung, i)) {
            continue; /* a cheaper one may follow */
        }
        tm__ctx_progress(ctx, "search", i, n_listed, search->candidates[i].ops->name);
        /* No trial may take what the others of the list would need. */
        const double share = fmin(0.8, 2.0 / (double)(n_listed - i));
        st = trials_ahead(ctx, search, &rung, listed + i, n_listed - i, share, err);
        if (st == TM_OK) {
            st = try_within(ctx, search, &rung, i, share, err);
        }
    }
    if (st == TM_OK && n_listed > 1) {
        const uint32_t n_default = has_budget                               ? TM_MAX_CANDIDATES
                                   : is_all && rung.n_rows < RUNG_DRAW_ROWS ? DRAWS_DEFAULT
                                                                            : 0;
        st = try_draws(ctx, search, &rung, n_default, err);
    }
    tm__ahead_done(search);
    tm__rung_take_truth(&rung, search);
    tm__rung_done(&rung);
    return st;
}

/* Many leaves need many rows to show what they can do: the candidate with most of them. */
static uint32_t with_most_leaves(const tm_search *search, uint32_t otherwise) {
    uint32_t largest = otherwise;
    double most = 0.0;
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        const tm_candidate *c = &search->candidates[i];
        const double leaves =
            strcmp(c->ops->name, "gbdt") == 0 ? tm__candidate_param(c, "max_leaves", 0) : 0.0;
        if (!isnan(c->score) && c->n_rows == search->rung_rows && leaves > most) {
            largest = i;
            most = leaves;
        }
    }
    return largest;
}

/* The best few again on more rows. */
static tm_status next_rung(tm_ctx *ctx, tm_search *search, uint64_t n_rows, uint32_t n_keep,
                           tm_err *err) {
    tm_rung rung;
    uint32_t order[RUNG1_KEEP + 1];
    const bool is_full = n_rows >= search->data->n_train;
    uint32_t n = tm__search_rank(search, order, n_keep);
    if (!is_full && n > 0) {
        const uint32_t largest = with_most_leaves(search, order[0]);
        bool is_listed = false;
        for (uint32_t i = 0; i < n; i++) {
            is_listed = is_listed || order[i] == largest;
        }
        if (!is_listed) {
            order[n++] = largest;
        }
    }
    if (n == 0) {
        order[n++] = search->best;
    }
    TM_TRY(tm__rung_init(ctx, &rung, search, n_rows, err));
    forget_raw(search);
    search->rung_rows = rung.n_rows;
    search->has_best = false;
    settle_metric(search, &rung);
    tm_budget equal = tm__budget_part(ctx->budget, 1.0 / (double)n);
    for (uint32_t i = 0; i < n; i++) {
        tm__steps_fit(search, &search->candidates[order[i]], &rung.folds[0], is_full, &equal);
    }
    tm_status st = TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < n; i++) {
        if (i > 0 && tm__ctx_is_spent(ctx)) {
            break;
        }
        tm__ctx_progress(ctx, is_full ? "full fit" : "search", i, n, NULL);
        const double share = 1.0 / (double)(n - i);
        st = trials_ahead(ctx, search, &rung, order + i, n - i, share, err);
        if (st == TM_OK) {
            st = try_within(ctx, search, &rung, order[i], share, err);
        }
    }
    tm__ahead_done(search);
    tm__rung_take_truth(&rung, search);
    tm__rung_done(&rung);
    return st;
}

/* ---- the whole ---- */

/* Who hears of progress, while the search stands between. */
typedef struct listener {
    tm_progress_fn progress;
    void *arg;
} listener;

/* A fit of a search ends by early stopping or budget: its largest number of rounds would promise a
 * wrong end. */
static void pass_on(void *arg, const char *stage, uint64_t done, uint64_t total, const char *note) {
    const listener *l = arg;
    if (l->progress != NULL) {
        l->progress(l->arg, stage, done, strcmp(stage, "fit") == 0 ? 0 : total, note);
    }
}

/* Rows of the first rung: fewer where reading has used the budget up, so that there is a model
 * even then. */
static uint64_t first_rows(const tm_search *search, tm_budget *whole) {
    const uint64_t n_all = search->data->n_train;
    uint64_t n = n_all < RUNG0_ROWS ? n_all : RUNG0_ROWS;
    while (n / 4 >= RUNG_ROWS_MIN) {
        const double cells = (double)n * search->data->schema.n_cols;
        if (tm__budget_has_room(whole, (tm_need){.ns = cells * CELL_NS})) {
            break;
        }
        n /= 4;
    }
    return n;
}

/* A rung with a part of the budget for itself. */
static tm_status part_rung(tm_ctx *ctx, tm_search *search, uint64_t n_rows, double share,
                           tm_err *err) {
    tm_budget *whole = ctx->budget;
    tm_budget part = tm__budget_part(whole, share);
    ctx->budget = &part;
    const tm_status st =
        search->rung_rows == 0
            ? first_rung(ctx, search, n_rows, err)
            : next_rung(ctx, search, n_rows, n_rows < search->data->n_train ? RUNG1_KEEP : 1, err);
    ctx->budget = whole;
    whole->work_used += part.work_used;
    return st;
}

/* Whether a fit of all rows would be cut where one of the sample was, since their shares are alike:
 * it would tell nothing that the refit needs, and the refit can have its time. The best answers
 * alone then, for there is none for others. */
static bool is_hurried(tm_search *search) {
    tm_candidate *best = &search->candidates[search->best];
    if (!search->has_best || !best->is_cut || best->n_rounds == 0) {
        return false;
    }
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        if (i != search->best) {
            tm__mem_free(search->candidates[i].raw);
            search->candidates[i].raw = NULL;
        }
    }
    best->is_hurried = true;
    return true;
}

/* One rung of all rows, or samples first. */
static tm_status run_rungs(tm_ctx *ctx, tm_search *search, tm_err *err) {
    const uint64_t n = search->data->n_train;
    const bool is_single = search->n_candidates == 1;
    const uint64_t n_first = first_rows(search, ctx->budget);
    if (n_first == n) {
        return part_rung(ctx, search, n, TM_SEARCH_SHARE, err);
    }
    TM_TRY(part_rung(ctx, search, n_first, is_single ? SINGLE_SHARE : FIRST_SHARE, err));
    if (!is_single && n > RUNG1_ROWS && n_first == RUNG0_ROWS) {
        TM_TRY(part_rung(ctx, search, RUNG1_ROWS, RUNG1_SHARE, err));
        if (is_hurried(search)) {
            return TM_OK;
        }
    }
    /* A fit that the budget cuts still tells how many rounds the refit has time for. */
    return part_rung(ctx, search, n, FULL_SHARE, err);
}

tm_status tm__search_run(tm_ctx *ctx, tm_search *search, tm_err *err) {
    listener heard = {.progress = ctx->progress, .arg = ctx->progress_arg};
    ctx->progress = pass_on;
    ctx->progress_arg = &heard;
    search->whole = ctx->budget;
    set_tail_aside(search);
    const tm_status st = run_rungs(ctx, search, err);
    search->whole = NULL;
    ctx->progress = heard.progress;
    ctx->progress_arg = heard.arg;
    return st == TM_OK ? tm__blend_choose(search, err) : st;
}

void tm__search_done(tm_search *search) {
    forget_raw(search);
    tm__ahead_done(search);
    tm__stacking_done(&search->stacking);
    tm__mem_free(search->valid_pred);
    tm__mem_free(search->valid_y);
    tm__mem_free(search->valid_weights);
    tm__mem_free(search->valid_queries);
    memset(search, 0, sizeof(*search));
}
