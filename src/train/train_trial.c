/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One trial: a candidate fitted on the folds of a rung, one after the other, its raw answers on
 * their validation rows pooled and scored.
 *
 * A trial is given up when its score on the folds so far is further behind the best candidate's, on
 * the very same rows, than the folds to come would make up for (racing; Maron and Moore 1994,
 * "Hoeffding races", with a fixed margin in place of a bound: scores of folds share their rows).
 * What was given up takes no part in ranks and blends.
 */
#include "train/train_search_priv.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/comm.h"
#include "base/fmath.h"
#include "base/mem.h"

/* How far behind is hopeless after one fold, as a share of the best one's loss; halved after two.
 */
#define HOPELESS 0.03

static tm_status fit_fold(tm_ctx *ctx, tm_search *search, const tm_fold *fold,
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
        .is_update = search->options->is_update,
        .before = search->before,
    };
    tm_model *model = NULL;
    tm_status st = tm__model_fit(ctx, candidate->ops, &in, &candidate->params, &model, err);
    tm__mem_free(rules);
    TM_TRY(st);
    const uint64_t started = tm__mono_ns();
    st = tm__model_predict(ctx, model, in.x_valid, pred, err);
    const double ns_row = (double)(tm__mono_ns() - started) / (double)(fold->n_valid + 1);
    search->ns_row_predict = fmax(search->ns_row_predict, ns_row);
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

tm_status tm__trial_score(const tm_search *search, const tm_rung *rung, const tm_trial_run *trial,
                          tm_link link, double *out, tm_err *err) {
    const uint32_t n_outputs = tm__train_outputs(search->data);
    /* A copy, because blending wants raw answers. */
    double *pred = tm__mem_alloc(trial->n_valid * n_outputs, sizeof(double));
    if (pred == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for validation answers");
    }
    memcpy(pred, trial->raw, trial->n_valid * n_outputs * sizeof(double));
    tm__model_link(link, n_outputs, trial->n_valid, pred);
    const tm_score_input in = {
        .task = search->data->task,
        .n_classes = search->data->n_classes,
        .n_rows = trial->n_valid,
        .y = rung->y,
        .pred = pred,
        .weights = rung->weights,
        .groups = rung->queries,
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

static tm_status answers_init(const tm_search *search, const tm_rung *rung, tm_trial_run *trial,
                              tm_err *err) {
    /* Folds that are not made yet have at most the other rows. */
    const uint64_t n_max = rung->n_planned > 1 ? rung->n_rows : rung->n_valid;
    trial->raw = tm__mem_alloc(n_max * tm__train_outputs(search->data), sizeof(double));
    return trial->raw != NULL ? TM_OK
                              : TM_FAIL(err, TM_E_NOMEM, "no memory for validation answers");
}

tm_status tm__trial_fit(tm_ctx *ctx, tm_search *search, const tm_rung *rung, tm_trial_fit fit,
                        double *raw, tm_trial_found *out, tm_err *err) {
    const uint64_t started = tm__budget_now_ns(ctx->budget);
    const uint64_t used = ctx->budget != NULL ? ctx->budget->work_used : 0;
    tm_model *model = NULL;
    TM_TRY(fit_fold(ctx, search, &rung->folds[fit.fold], &search->candidates[fit.candidate], &model,
                    raw, err));
    *out = (tm_trial_found){
        .link = tm__model_link_of(model),
        .is_cut = ctx->budget != NULL && ctx->budget->is_cut,
        .rounds = model->n_rounds,
        .work = model->work_used,
        .spent = ctx->budget != NULL ? ctx->budget->work_used - used : 0,
        .cut_above = ctx->budget != NULL ? ctx->budget->cut_above : 0,
        .cut_at = ctx->budget != NULL ? ctx->budget->cut_at : 0,
        .log_strength = tm__log(fmax(chosen_strength(model), 1e-12)),
        .seconds = (double)(tm__budget_now_ns(ctx->budget) - started) * 1e-9,
    };
    tm__model_free(model);
    return TM_OK;
}

/* From what a rank found ahead, or by a fit. */
static tm_status find_or_fit(tm_ctx *ctx, tm_search *search, const tm_rung *rung, tm_trial_fit fit,
                             double *raw, tm_trial_found *out, tm_err *err) {
    const tm_ahead *ahead = tm__ahead_find(search, fit, ctx->budget);
    if (ahead == NULL) {
        return tm__trial_fit(ctx, search, rung, fit, raw, out, err);
    }
    if (ahead->found.status != TM_OK) {
        if (err != NULL) {
            *err = ahead->err;
        }
        return ahead->found.status;
    }
    *out = ahead->found;
    tm__comm_count_fit(ctx->comm);
    memcpy(raw, ahead->raw,
           rung->folds[fit.fold].n_valid * tm__train_outputs(search->data) * sizeof(double));
    if (ctx->budget != NULL) {
        ctx->budget->work_used += out->spent;
        ctx->budget->is_cut = out->is_cut;
    }
    return TM_OK;
}

tm_status tm__trial_fold(tm_ctx *ctx, tm_search *search, const tm_rung *rung, tm_trial_run *trial,
                         tm_err *err) {
    tm_candidate *candidate = &search->candidates[trial->candidate];
    const tm_fold *fold = &rung->folds[trial->n_folds];
    tm_trial_found found;
    if (trial->raw == NULL) {
        TM_TRY(answers_init(search, rung, trial, err));
    }
    double *const raw = trial->raw + trial->n_valid * tm__train_outputs(search->data);
    const tm_trial_fit fit = {.candidate = trial->candidate, .fold = trial->n_folds};
    TM_TRY(find_or_fit(ctx, search, rung, fit, raw, &found, err));
    trial->is_cut = trial->is_cut || found.is_cut;
    candidate->link = found.link;
    trial->rounds += found.rounds;
    trial->work += found.work;
    trial->log_strength += found.log_strength;
    trial->n_valid += fold->n_valid;
    trial->n_folds++;
    trial->seconds += found.seconds;
    double *const so_far = &candidate->so_far[trial->n_folds - 1];
    *so_far = tm__nan(); /* of some folds alone it may not be defined: such races are not decided */
    if (trial->n_folds < rung->n_folds || rung->n_folds < rung->n_planned) {
        const tm_status st = tm__trial_score(search, rung, trial, candidate->link, so_far, NULL);
        return st == TM_E_NOMEM ? TM_FAIL(err, st, "no memory for a score") : TM_OK;
    }
    return tm__trial_score(search, rung, trial, candidate->link, so_far, err);
}

/* The best of its learner that went through all folds: a learner that is behind another one may
 * still be what a blend wants, and then its best one is. NULL: there is none. */
static const tm_candidate *best_of_kind(const tm_search *search, const tm_candidate *mine) {
    const tm_candidate *best = NULL;
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        const tm_candidate *c = &search->candidates[i];
        const bool counts = c != mine && c->ops == mine->ops && !isnan(c->score) && !c->is_given_up;
        if (counts &&
            (best == NULL || tm__metric_gain(search->metric, c->score, best->score) > 0)) {
            best = c;
        }
    }
    return best;
}

/* Whether it is too far behind to be worth its other folds. */
static bool is_hopeless(const tm_search *search, const tm_trial_run *trial) {
    const tm_candidate *mine = &search->candidates[trial->candidate];
    const tm_candidate *best = best_of_kind(search, mine);
    const uint32_t at = trial->n_folds - 1;
    if (best == NULL || mine->is_spared || at >= best->n_folds) {
        return false;
    }
    const double reference = best->so_far[at];
    const double loss = search->metric->is_loss ? fabs(reference) : 1.0 - reference;
    const double behind = -tm__metric_gain(search->metric, mine->so_far[at], reference);
    return behind > fabs(loss) * HOPELESS / (double)trial->n_folds;
}

static void tell(const tm_ctx *ctx, const tm_search *search, uint32_t index) {
    const tm_train_options *options = search->options;
    const tm_candidate *c = &search->candidates[index];
    if (options->on_trial == NULL) {
        return;
    }
    json_t *params = tm__params_to_json(c->ops, &c->params);
    const tm_trial trial = {
        .number = index + 1,
        .learner = c->ops->name,
        .params = params,
        .metric = search->metric->name,
        .smaller_is_better = search->metric->is_loss,
        .score = c->score,
        .is_best = search->has_best && search->best == index,
        .is_given_up = c->is_given_up,
        .is_cut = c->is_cut,
        .rounds = c->n_rounds,
        .rows = c->n_rows,
        .folds = c->n_folds,
        .seconds = c->seconds,
        .budget_used = tm__budget_used(search->whole != NULL ? search->whole : ctx->budget),
    };
    options->on_trial(options->on_trial_arg, &trial);
    json_decref(params);
}

/* What the trial found goes to the candidate. */
static void keep(tm_search *search, const tm_rung *rung, tm_trial_run *trial) {
    tm_candidate *c = &search->candidates[trial->candidate];
    c->n_folds = trial->n_folds;
    c->score = c->so_far[trial->n_folds - 1];
    c->is_cut = trial->is_cut;
    c->is_given_up = trial->n_folds < rung->n_folds;
    c->work = trial->work;
    c->seconds = trial->seconds;
    c->n_rounds = (uint32_t)((trial->rounds + trial->n_folds / 2) / trial->n_folds);
    c->strength_chosen = tm__exp(trial->log_strength / trial->n_folds);
    c->n_rows = rung->n_rows;
    c->n_fit_rows = rung->folds[0].n;
    tm__mem_free(c->raw);
    c->raw = NULL;
    if (!c->is_given_up) {
        c->raw = trial->raw;
        trial->raw = NULL;
        const tm_candidate *best = &search->candidates[search->best];
        if (!search->has_best || tm__metric_gain(search->metric, c->score, best->score) > 0) {
            search->best = trial->candidate;
            search->has_best = true;
        }
    }
}

/* A learner that nobody named and that cannot take so many columns is given up, not the run. */
static bool is_too_wide(const tm_search *search, const tm_trial_run *trial, tm_status st) {
    return st == TM_E_LIMIT && trial->n_folds == 0 && search->options->learners == NULL;
}

/* The next folds, each on another rank. */
static tm_status folds_ahead(tm_ctx *ctx, tm_search *search, const tm_rung *rung,
                             const tm_trial_run *trial, tm_err *err) {
    tm_trial_fit fits[TM_AHEAD_MAX];
    const uint32_t n_max = tm__ahead_room(ctx);
    uint32_t n = 0;
    for (uint32_t fold = trial->n_folds; fold < rung->n_folds && n < n_max; fold++) {
        fits[n++] =
            (tm_trial_fit){trial->candidate, fold, 1.0 / (double)(rung->n_folds - trial->n_folds)};
    }
    return tm__ahead_fit(ctx, search, rung, fits, n, err);
}

tm_status tm__trial_finish(tm_ctx *ctx, tm_search *search, const tm_rung *rung, tm_trial_run *trial,
                           tm_err *err) {
    tm_budget *whole = ctx->budget;
    tm_status st = TM_OK;
    while (st == TM_OK && trial->n_folds < rung->n_folds) {
        tm_budget part = tm__budget_part(whole, 1.0 / (double)(rung->n_folds - trial->n_folds));
        tm_err own = {0};
        st = folds_ahead(ctx, search, rung, trial, &own);
        ctx->budget = &part;
        st = st == TM_OK ? tm__trial_fold(ctx, search, rung, trial, &own) : st;
        whole->work_used += part.work_used;
        if (is_too_wide(search, trial, st)) {
            ctx->budget = whole;
            search->candidates[trial->candidate].is_given_up = true;
            return TM_OK;
        }
        if (st != TM_OK && err != NULL) {
            *err = own;
        }
        if (st == TM_OK && trial->n_folds < rung->n_folds && is_hopeless(search, trial)) {
            break;
        }
    }
    ctx->budget = whole;
    if (st == TM_OK) {
        keep(search, rung, trial);
        tell(ctx, search, trial->candidate);
    }
    return st;
}

void tm__trial_done(tm_trial_run *trial) {
    tm__mem_free(trial->raw);
    memset(trial, 0, sizeof(*trial));
}

uint32_t tm__search_rank(const tm_search *search, uint32_t *out, uint32_t n_max) {
    uint32_t n = 0;
    bool is_taken[TM_MAX_CANDIDATES] = {false};
    while (n < n_max) {
        uint32_t best = UINT32_MAX;
        for (uint32_t i = 0; i < search->n_candidates; i++) {
            const tm_candidate *c = &search->candidates[i];
            if (is_taken[i] || isnan(c->score) || c->is_given_up ||
                c->n_rows != search->rung_rows) {
                continue;
            }
            if (best == UINT32_MAX ||
                tm__metric_gain(search->metric, c->score, search->candidates[best].score) > 0) {
                best = i;
            }
        }
        if (best == UINT32_MAX) {
            break;
        }
        is_taken[best] = true;
        out[n++] = best;
    }
    return n;
}

tm_status tm__search_fit_kept(tm_ctx *ctx, tm_search *search, const tm_fold *fold, tm_model **out,
                              tm_err *err) {
    tm_candidate *only = &search->candidates[0];
    tm_rung rung = {.n_folds = 1, .folds[0] = *fold, .n_rows = fold->n + fold->n_valid};
    tm_model *model = NULL;
    tm_trial_run trial = {.n_folds = 1, .n_valid = fold->n_valid};
    trial.raw = tm__mem_alloc(fold->n_valid * tm__train_outputs(search->data), sizeof(double));
    tm_status st = trial.raw == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for validation answers")
                                     : tm__rung_pool(&rung, err);
    if (st == TM_OK) {
        st = fit_fold(ctx, search, fold, only, &model, trial.raw, err);
    }
    if (st == TM_OK) {
        only->link = tm__model_link_of(model);
        trial.rounds = model->n_rounds;
        st = tm__trial_score(search, &rung, &trial, only->link, &only->so_far[0], err);
    }
    if (st == TM_OK) {
        keep(search, &rung, &trial);
        tell(ctx, search, 0);
        tm__rung_take_truth(&rung, search);
        st = tm__blend_choose(search, err);
    }
    tm__mem_free(rung.y);
    tm__mem_free(rung.weights);
    tm__mem_free(rung.queries);
    tm__trial_done(&trial);
    if (st != TM_OK) {
        tm__model_free(model);
        return st;
    }
    *out = model;
    return TM_OK;
}
