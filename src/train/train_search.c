/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search between learners.
 *
 *   rung 0   every candidate on a sample of at most 100,000 rows, draws near the best while the
 * budget lasts rung 1   the best three on at most 400,000 rows full     the best one on all rows,
 * with early stopping on the validation rows
 *
 * The full fit is left out when rung 0 saw all rows and the budget did not cut the best one.
 * Invariants:
 *   1. What is tried next depends on scores and on the budget only, so the same work gives the same
 * search.
 *   2. Every candidate of a rung is scored on the same validation rows.
 *   3. A candidate that the budget cut is scored with what it has.
 * Shares of the budget: search 0.35, full fit 0.29, refit 0.36 of it (the refit has 5/4 of the
 * rows).
 */
#include "train/train_priv.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "base/rng.h"

#define RUNG0_ROWS 100000u
#define RUNG1_ROWS 400000u
#define RUNG1_KEEP 3u
#define BLEND_POOL 8u
#define DRAWS_DEFAULT 10u /* without a budget, for data of fewer than RUNG_DRAW_ROWS rows */
#define RUNG_DRAW_ROWS 20000u

/* The folds of one rung and the pooled truth of their validation rows. */
typedef struct rung {
    tm_fold folds[TM_MAX_FOLDS];
    uint32_t n_folds;
    uint64_t n_rows;
    uint64_t n_valid;
    double *y;
    double *weights;
    uint32_t *queries; /* RANKING: rising over all folds */
} rung;

static void rung_done(rung *r) {
    for (uint32_t i = 0; i < r->n_folds; i++) {
        tm__fold_done(&r->folds[i]);
    }
    tm__mem_free(r->y);
    tm__mem_free(r->weights);
    tm__mem_free(r->queries);
    memset(r, 0, sizeof(*r));
}

static tm_status rung_pool(rung *r, tm_err *err) {
    const bool weighted = r->n_folds > 0 && r->folds[0].weights_valid != NULL;
    for (uint32_t i = 0; i < r->n_folds; i++) {
        r->n_valid += r->folds[i].n_valid;
    }
    r->y = tm__mem_alloc(r->n_valid, sizeof(double));
    r->weights = weighted ? tm__mem_alloc(r->n_valid, sizeof(double)) : NULL;
    const bool ranks = r->n_folds > 0 && r->folds[0].queries_valid != NULL;
    r->queries = ranks ? tm__mem_alloc(r->n_valid, sizeof(uint32_t)) : NULL;
    if (r->y == NULL || (weighted && r->weights == NULL) || (ranks && r->queries == NULL)) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the validation rows");
    }
    uint64_t at = 0;
    uint32_t first = 0; /* number of the fold's first query */
    for (uint32_t i = 0; i < r->n_folds; i++) {
        const tm_fold *fold = &r->folds[i];
        memcpy(r->y + at, fold->y_valid, fold->n_valid * sizeof(double));
        if (weighted) {
            memcpy(r->weights + at, fold->weights_valid, fold->n_valid * sizeof(double));
        }
        for (uint64_t k = 0; ranks && k < fold->n_valid; k++) {
            r->queries[at + k] = first + fold->queries_valid[k];
        }
        at += fold->n_valid;
        first = ranks && at > 0 ? r->queries[at - 1] + 1 : 0;
    }
    return TM_OK;
}

/* A sample of the training rows that keeps their order: a pure function of (seed, row), or of the
 * query in its place. */
static uint64_t sample_rows(const tm_train_data *data, uint64_t seed, uint64_t n_max,
                            uint32_t *out) {
    const uint64_t key = tm__rng_split(seed, "rung", 0).key;
    const double share = (double)n_max / (double)data->n_train;
    uint64_t n = 0;
    for (uint64_t i = 0; i < data->n_train; i++) {
        const uint32_t row = data->train[i];
        const uint64_t who = data->queries != NULL ? data->queries[row] : row;
        if (share >= 1.0 || (double)(tm__rng_at(key, who) >> 11) * 0x1p-53 < share) {
            out[n++] = row;
        }
    }
    return n;
}

/* One fold more, unless a side of it is empty: few queries or entities do not fill all of many. */
static tm_status rung_fold(tm_ctx *ctx, rung *r, const tm_search *search, const uint32_t *rows,
                           const tm_fold_cut *cut, tm_err *err) {
    tm_fold_rows part = {0};
    TM_TRY(tm__fold_rows_init(&part, search->data, rows, r->n_rows, cut, err));
    const bool is_empty = part.n_fit == 0 || part.n_valid == 0;
    tm_status st = cut->n_folds == 1 ? tm__fold_check(search->data, &part, err) : TM_OK;
    if (st == TM_OK && !is_empty) {
        st = tm__fold_init(ctx, &r->folds[r->n_folds], search->data, &part, cut->seed, err);
        r->n_folds += st == TM_OK;
    }
    tm__fold_rows_done(&part);
    return st;
}

static tm_status rung_init(tm_ctx *ctx, rung *r, tm_search *search, uint64_t n_max, tm_err *err) {
    const tm_train_data *data = search->data;
    const uint64_t started = tm__mono_ns();
    tm_status st = TM_OK;
    memset(r, 0, sizeof(*r));
    uint32_t *rows = tm__mem_alloc(data->n_train, sizeof(uint32_t));
    if (rows == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a sample of the rows");
    }
    r->n_rows = sample_rows(data, search->options->seed, n_max, rows);
    const uint32_t n_folds = tm__fold_count(data, r->n_rows * tm__train_outputs(data));
    for (uint32_t i = 0; st == TM_OK && i < n_folds; i++) {
        const tm_fold_cut cut = {.n_folds = n_folds, .fold = i, .seed = search->options->seed};
        st = rung_fold(ctx, r, search, rows, &cut, err);
    }
    if (st == TM_OK && r->n_folds == 0) { /* all of few queries or entities are in one fold */
        const tm_fold_cut cut = {.n_folds = 1, .seed = search->options->seed};
        st = rung_fold(ctx, r, search, rows, &cut, err);
    }
    if (st == TM_OK) {
        st = rung_pool(r, err);
    }
    tm__mem_free(rows);
    if (st != TM_OK) {
        rung_done(r);
    }
    search->seconds_features += (double)(tm__mono_ns() - started) * 1e-9;
    return st;
}

static tm_status fit_fold(tm_ctx *ctx, const tm_search *search, const tm_fold *fold,
                          const tm_candidate *candidate, tm_model **out, double *pred,
                          tm_err *err) {
    const tm_train_data *data = search->data;
    tm_column_rule *rules = NULL;
    TM_TRY(tm__train_rules_init(search->options, fold->program, &rules, err));
    const tm_view x = tm__fold_view(fold, fold->x), x_valid = tm__fold_view(fold, fold->x_valid);
    const tm_fit_input in = {
        .task = data->task,
        .n_classes = data->n_classes,
        .x = &x,
        .y = fold->y,
        .weights = fold->weights,
        .init_scores = tm__fold_scores(fold, fold->x),
        .init_scores_valid = tm__fold_scores(fold, fold->x_valid),
        .x_valid = &x_valid,
        .y_valid = fold->y_valid,
        .weights_valid = fold->weights_valid,
        .queries = fold->queries,
        .queries_valid = fold->queries_valid,
        .seed = search->options->seed,
        .rules = rules,
        .has_groups = search->options->n_interact > 0,
        .metric = search->options->metric != NULL ? search->metric : NULL,
        .base = tm__train_base_model(search->options),
    };
    tm_model *model = NULL;
    tm_status st = tm__model_fit(ctx, candidate->ops, &in, &candidate->params, &model, err);
    tm__mem_free(rules);
    TM_TRY(st);
    st = tm__model_predict(ctx, model, in.x_valid, pred, err);
    if (st != TM_OK) {
        tm__model_free(model);
        return st;
    }
    for (uint64_t i = 0; in.init_scores_valid != NULL && i < fold->n_valid; i++) {
        pred[i] += in.init_scores_valid[i]; /* one output */
    }
    *out = model;
    return TM_OK;
}

/* Score of pooled raw answers: linked on a copy, because blending wants them raw. */
static tm_status score_raw(const tm_search *search, const rung *r, tm_link link, const double *raw,
                           double *out, tm_err *err) {
    const uint32_t n_outputs = tm__train_outputs(search->data);
    double *pred = tm__mem_alloc(r->n_valid * n_outputs, sizeof(double));
    if (pred == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for validation answers");
    }
    memcpy(pred, raw, r->n_valid * n_outputs * sizeof(double));
    tm__model_link(link, n_outputs, r->n_valid, pred);
    const tm_score_input in = {
        .task = search->data->task,
        .n_classes = search->data->n_classes,
        .n_rows = r->n_valid,
        .y = r->y,
        .pred = pred,
        .weights = r->weights,
        .groups = r->queries,
    };
    const tm_status st = tm__metric_score(search->metric, &in, out, err);
    tm__mem_free(pred);
    return st;
}

/* What a learner chose by itself on the validation rows and the refit needs: strength of its
 * penalty. */
static double chosen_strength(const tm_model *model) {
    json_t *described = model->ops->describe != NULL ? model->ops->describe(model) : NULL;
    const double strength = tm__json_f64(described, "strength", tm__nan());
    json_decref(described);
    return strength;
}

/* A budget for one part: its share of what the whole has left. */
tm_budget tm__budget_part(const tm_budget *whole, double share) {
    tm_budget part = {.stops = whole->stops};
    if (whole->work_limit > 0) {
        const uint64_t left =
            whole->work_limit > whole->work_used ? whole->work_limit - whole->work_used : 0;
        part.work_limit = (uint64_t)((double)left * share);
        part.work_limit = part.work_limit == 0 ? 1 : part.work_limit;
    }
    if (whole->stops != NULL && whole->stops->is_repeat) {
        part.deadline_ns = whole->deadline_ns; /* never looked at: the stops answer */
    } else if (whole->deadline_ns > 0) {
        const uint64_t now = tm__mono_ns();
        const uint64_t left = whole->deadline_ns > now ? whole->deadline_ns - now : 0;
        part.deadline_ns = now + (uint64_t)((double)left * share);
    }
    return part;
}

/* Fit on each fold, pool the raw answers, score them. */
static tm_status try_candidate(tm_ctx *ctx, tm_search *search, const rung *r,
                               tm_candidate *candidate, tm_err *err) {
    const uint64_t started = tm__mono_ns();
    const uint32_t n_outputs = tm__train_outputs(search->data);
    tm_status st = TM_OK;
    uint64_t rounds = 0;
    uint64_t at = 0;
    double log_strength = 0.0;
    double *raw = tm__mem_alloc(r->n_valid * n_outputs, sizeof(double));
    if (raw == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for validation answers");
    }
    tm_budget *trial = ctx->budget;
    candidate->work = 0;
    candidate->is_cut = false;
    for (uint32_t i = 0; st == TM_OK && i < r->n_folds; i++) {
        tm_model *model = NULL;
        tm_budget share = tm__budget_part(trial, 1.0 / (double)(r->n_folds - i));
        ctx->budget = &share;
        st = fit_fold(ctx, search, &r->folds[i], candidate, &model, raw + at * n_outputs, err);
        trial->work_used += share.work_used;
        candidate->is_cut = candidate->is_cut || share.is_cut;
        if (st == TM_OK) {
            candidate->link = tm__model_link_of(model);
            rounds += model->n_rounds;
            candidate->work += model->work_used;
            log_strength += tm__log(fmax(chosen_strength(model), 1e-12));
            at += r->folds[i].n_valid;
        }
        tm__model_free(model);
    }
    ctx->budget = trial;
    if (st == TM_OK) {
        st = score_raw(search, r, candidate->link, raw, &candidate->score, err);
    }
    if (st != TM_OK) {
        tm__mem_free(raw);
        return st;
    }
    candidate->n_rounds = (uint32_t)((rounds + r->n_folds / 2) / r->n_folds);
    candidate->strength_chosen = tm__exp(log_strength / r->n_folds);
    candidate->n_rows = r->n_rows;
    candidate->seconds = (double)(tm__mono_ns() - started) * 1e-9;
    tm__mem_free(candidate->raw);
    candidate->raw = raw;
    return TM_OK;
}

static void forget_raw(tm_search *search) {
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        tm__mem_free(search->candidates[i].raw);
        search->candidates[i].raw = NULL;
    }
}

/* The truth of a rung's validation rows becomes the search's: raw answers of its candidates belong
 * to it. */
static void take_truth(tm_search *search, rung *r) {
    tm__mem_free(search->valid_y);
    tm__mem_free(search->valid_weights);
    tm__mem_free(search->valid_queries);
    search->valid_y = r->y;
    search->valid_weights = r->weights;
    search->valid_queries = r->queries;
    search->n_valid = r->n_valid;
    r->y = NULL;
    r->weights = NULL;
    r->queries = NULL;
}

/* Indices of the best candidates tried so far, best first. */
static uint32_t rank_best(const tm_search *search, uint32_t *out, uint32_t n_max) {
    uint32_t n = 0;
    bool used[TM_MAX_CANDIDATES] = {false};
    while (n < n_max) {
        uint32_t best = UINT32_MAX;
        for (uint32_t i = 0; i < search->n_candidates; i++) {
            if (used[i] || isnan(search->candidates[i].score)) {
                continue;
            }
            if (best == UINT32_MAX || tm__metric_gain(search->metric, search->candidates[i].score,
                                                      search->candidates[best].score) > 0) {
                best = i;
            }
        }
        if (best == UINT32_MAX) {
            break;
        }
        used[best] = true;
        out[n++] = best;
    }
    return n;
}

/* Raw answers stay for the best few and for every learner but boosting: what a blend may use. */
static void prune_raw(tm_search *search) {
    uint32_t order[BLEND_POOL];
    const uint32_t n = rank_best(search, order, BLEND_POOL);
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        bool keep = strcmp(search->candidates[i].ops->name, "gbdt") != 0;
        for (uint32_t k = 0; k < n; k++) {
            keep = keep || order[k] == i;
        }
        if (!keep) {
            tm__mem_free(search->candidates[i].raw);
            search->candidates[i].raw = NULL;
        }
    }
}

tm_status tm__search_fit_kept(tm_ctx *ctx, tm_search *search, const tm_fold *fold, tm_model **out,
                              tm_err *err) {
    tm_candidate *only = &search->candidates[0];
    rung r = {.n_folds = 1, .folds[0] = *fold, .n_rows = fold->n + fold->n_valid};
    tm_model *model = NULL;
    double *raw = tm__mem_alloc(fold->n_valid * tm__train_outputs(search->data), sizeof(double));
    tm_status st = raw == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for validation answers")
                               : rung_pool(&r, err);
    if (st == TM_OK) {
        st = fit_fold(ctx, search, fold, only, &model, raw, err);
    }
    if (st == TM_OK) {
        only->link = tm__model_link_of(model);
        only->n_rounds = model->n_rounds;
        only->n_rows = r.n_rows;
        st = score_raw(search, &r, only->link, raw, &only->score, err);
    }
    if (st == TM_OK) {
        only->raw = raw;
        raw = NULL;
        take_truth(search, &r);
        st = tm__blend_choose(search, err);
    }
    tm__mem_free(r.y);
    tm__mem_free(r.weights);
    tm__mem_free(r.queries);
    tm__mem_free(raw);
    if (st != TM_OK) {
        tm__model_free(model);
        return st;
    }
    *out = model;
    return TM_OK;
}

/* The part of a budget that one rung may use, and whether any candidate was scored on the rung yet.
 */
typedef struct rung_run {
    const rung *r;
    tm_budget *part;
    bool any;
} rung_run;

/* Try one candidate within a share of what the part has left. */
static tm_status try_within(tm_ctx *ctx, tm_search *search, rung_run *run, uint32_t index,
                            double share, tm_err *err) {
    tm_budget trial = tm__budget_part(run->part, share);
    ctx->budget = &trial;
    const tm_status st = try_candidate(ctx, search, run->r, &search->candidates[index], err);
    run->part->work_used += trial.work_used;
    ctx->budget = run->part;
    if (st != TM_OK) {
        return st;
    }
    if (!run->any || tm__metric_gain(search->metric, search->candidates[index].score,
                                     search->candidates[search->best].score) > 0) {
        search->best = index;
    }
    run->any = true;
    prune_raw(search);
    return TM_OK;
}

/* Whether the part has room for another trial like the best one; a starved trial tells nothing. */
static bool has_room(const tm_search *search, tm_budget *part) {
    const tm_candidate *best = &search->candidates[search->best];
    const tm_budget left = tm__budget_part(part, 1.0);
    if (left.work_limit > 0 && left.work_limit < best->work) {
        return false;
    }
    return !tm__budget_is_late(part, (uint64_t)(best->seconds * 1e9));
}

/* Draws near the best while the budget lasts; without a budget, a number that depends on the data
 * alone. */
static tm_status try_draws(tm_ctx *ctx, tm_search *search, rung_run *run, bool has_budget,
                           tm_err *err) {
    const uint32_t n_default = run->r->n_rows < RUNG_DRAW_ROWS ? DRAWS_DEFAULT : 0;
    for (uint32_t draw = 0; search->n_candidates < TM_MAX_CANDIDATES; draw++) {
        tm_candidate *next = &search->candidates[search->n_candidates];
        if ((!has_budget && draw >= n_default) || tm__ctx_is_spent(ctx) ||
            !has_room(search, run->part) || !tm__candidate_draw(search, next, draw)) {
            break;
        }
        search->n_candidates++;
        tm__ctx_progress(ctx, "search", search->n_candidates, TM_MAX_CANDIDATES, NULL);
        TM_TRY(try_within(ctx, search, run, search->n_candidates - 1, 0.3, err));
    }
    return TM_OK;
}

static tm_status first_rung(tm_ctx *ctx, tm_search *search, tm_budget *part, bool has_budget,
                            tm_err *err) {
    rung r;
    const uint32_t n_listed = search->n_candidates;
    TM_TRY(rung_init(ctx, &r, search, RUNG0_ROWS, err));
    tm_status st = TM_OK;
    rung_run run = {.r = &r, .part = part};
    for (uint32_t i = 0; st == TM_OK && i < n_listed; i++) {
        if (run.any && tm__ctx_is_spent(ctx)) {
            break;
        }
        tm__ctx_progress(ctx, "search", i, n_listed, search->candidates[i].ops->name);
        st = try_within(ctx, search, &run, i, 1.0 / (double)(n_listed - i), err);
    }
    if (st == TM_OK && n_listed > 1) {
        st = try_draws(ctx, search, &run, has_budget, err);
    }
    take_truth(search, &r);
    rung_done(&r);
    return st;
}

/* The best few again on more rows: many leaves need many rows to show what they can do. */
static tm_status next_rung(tm_ctx *ctx, tm_search *search, tm_budget *part, uint64_t n_rows,
                           uint32_t n_keep, tm_err *err) {
    rung r;
    uint32_t order[RUNG1_KEEP + 1];
    uint32_t n = rank_best(search, order, n_keep);
    if (n_keep > 1) {
        uint32_t largest = order[0];
        for (uint32_t i = 0; i < search->n_candidates; i++) {
            const tm_candidate *c = &search->candidates[i];
            const tm_candidate *l = &search->candidates[largest];
            if (!isnan(c->score) && strcmp(c->ops->name, "gbdt") == 0 &&
                (strcmp(l->ops->name, "gbdt") != 0 ||
                 tm__params_get(c->ops, &c->params, "max_leaves") >
                     tm__params_get(l->ops, &l->params, "max_leaves"))) {
                largest = i;
            }
        }
        bool listed = false;
        for (uint32_t i = 0; i < n; i++) {
            listed = listed || order[i] == largest;
        }
        if (!listed) {
            order[n++] = largest;
        }
    }
    TM_TRY(rung_init(ctx, &r, search, n_rows, err));
    forget_raw(search);
    tm_status st = TM_OK;
    rung_run run = {.r = &r, .part = part};
    for (uint32_t i = 0; st == TM_OK && i < n; i++) {
        if (run.any && tm__ctx_is_spent(ctx)) {
            break;
        }
        tm__ctx_progress(ctx, n_keep > 1 ? "search" : "full fit", i, n, NULL);
        st = try_within(ctx, search, &run, order[i], 1.0 / (double)(n - i), err);
    }
    take_truth(search, &r);
    rung_done(&r);
    return st;
}

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

tm_status tm__search_run(tm_ctx *ctx, tm_search *search, tm_err *err) {
    tm_budget *whole = ctx->budget;
    listener heard = {.progress = ctx->progress, .arg = ctx->progress_arg};
    ctx->progress = pass_on;
    ctx->progress_arg = &heard;
    const uint64_t n = search->data->n_train;
    const bool has_budget = search->options->work > 0 || search->options->budget_ms > 0;
    const bool sampled = n > RUNG0_ROWS;
    const bool is_single = search->n_candidates == 1;
    tm_status st = TM_OK;
    if (!(is_single && sampled)) {
        tm_budget part = tm__budget_part(whole, sampled ? 0.18 : 0.6);
        ctx->budget = &part;
        st = first_rung(ctx, search, &part, has_budget, err);
        whole->work_used += part.work_used;
    } else {
        search->candidates[0].score = 0.0; /* the only one: it needs no rank */
    }
    if (st == TM_OK && !is_single && n > RUNG1_ROWS) {
        tm_budget part = tm__budget_part(whole, 0.2);
        ctx->budget = &part;
        st = next_rung(ctx, search, &part, RUNG1_ROWS, RUNG1_KEEP, err);
        whole->work_used += part.work_used;
    }
    if (st == TM_OK && (sampled || search->candidates[search->best].is_cut)) {
        tm_budget part = tm__budget_part(whole, 0.44);
        ctx->budget = &part;
        st = next_rung(ctx, search, &part, n, 1, err);
        whole->work_used += part.work_used;
    }
    ctx->budget = whole;
    ctx->progress = heard.progress;
    ctx->progress_arg = heard.arg;
    return st == TM_OK ? tm__blend_choose(search, err) : st;
}

void tm__search_done(tm_search *search) {
    forget_raw(search);
    tm__mem_free(search->valid_pred);
    tm__mem_free(search->valid_y);
    tm__mem_free(search->valid_weights);
    tm__mem_free(search->valid_queries);
    memset(search, 0, sizeof(*search));
}
