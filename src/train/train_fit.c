/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The final model: refitted on all training rows with what the search found, or the one fit that
 * was asked for.
 */
#include "train/train_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/blend/blend.h"
#include "model/offset/offset.h"

/* The rounds that early stopping kept were found with fewer rows: more rows carry somewhat more
 * rounds. */
#define ROUNDS_FACTOR 1.1

static bool has_param(const tm_model_ops *ops, const char *name) {
    for (uint32_t i = 0; ops->params[i].name != NULL; i++) {
        if (strcmp(ops->params[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static tm_status set_param(const tm_model_ops *ops, tm_params *params, const char *name,
                           double value, tm_err *err) {
    char text[32];
    text[tm__f64_to_text(value, text)] = '\0';
    return tm__params_set(ops, params, name, text, err);
}

/* Parameters of the refit: the rounds and the penalty that the validation rows chose, and no early
 * stopping. */
static tm_status settle_params(const tm_candidate *best, tm_params *params, tm_err *err) {
    *params = best->params;
    if (has_param(best->ops, "early_stopping")) {
        if (best->n_rounds > 0) {
            const double rounds = ceil((double)best->n_rounds * ROUNDS_FACTOR);
            TM_TRY(set_param(best->ops, params, "n_trees", rounds, err));
        }
        TM_TRY(set_param(best->ops, params, "early_stopping", 0, err));
    }
    if (strcmp(best->ops->name, "linear") == 0 && best->strength_chosen > 1e-12) {
        TM_TRY(set_param(best->ops, params, "strength", best->strength_chosen, err));
    }
    return TM_OK;
}

/* Record of one member: learner, share, parameters. */
static json_t *describe_member(const tm_candidate *candidate, const tm_params *params) {
    return json_pack("{s:s, s:o, s:o}", "learner", candidate->ops->name, "share",
                     tm__json_number(candidate->share), "params",
                     tm__params_to_json(candidate->ops, params));
}

/* Fit every candidate with a share on the same numbers; each gets an equal part of what the budget
 * has left. */
static tm_status fit_members(tm_ctx *ctx, const tm_search *search, const tm_fit_input *in,
                             tm_model **members, double *shares, json_t *described, tm_err *err) {
    tm_budget *whole = ctx->budget;
    uint32_t n = 0;
    tm_status st = TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < search->n_candidates; i++) {
        const tm_candidate *candidate = &search->candidates[i];
        tm_params params;
        if (!(candidate->share > 0.0)) {
            continue;
        }
        tm_budget part = {0};
        if (whole != NULL) {
            part = tm__budget_part(whole, 1.0 / (double)(search->n_blend - n));
        }
        ctx->budget = whole != NULL ? &part : NULL;
        st = settle_params(candidate, &params, err);
        if (st == TM_OK) {
            st = tm__model_fit(ctx, candidate->ops, in, &params, &members[n], err);
        }
        if (st == TM_OK) {
            json_array_append_new(described, describe_member(candidate, &params));
            shares[n++] = candidate->share;
        }
        if (whole != NULL) {
            whole->work_used += part.work_used;
        }
    }
    ctx->budget = whole;
    return st;
}

/* Columns that no feature comes from are no inputs: nobody should have to send an id that is not
 * read. */
static tm_status drop_unused(tm_train_data *data, const tm_program *program, uint32_t *out_n,
                             tm_err *err) {
    const tm_schema *inputs = tm__program_schema(program);
    json_t *steps = tm__program_to_json(program);
    bool is_made = steps != NULL;
    *out_n = 0;
    for (uint32_t i = 0; i < inputs->n_cols; i++) {
        const bool is_used =
            tm__program_reads(program, i) || inputs->cols[i].role != TM_ROLE_FEATURE;
        const uint32_t col = tm__schema_find(&data->schema, tm__str(inputs->cols[i].name));
        if (is_used || col == UINT32_MAX) {
            continue;
        }
        const char *reason = "gives no feature";
        size_t k = 0;
        json_t *step = NULL;
        json_array_foreach(steps, k, step) {
            if (strcmp(tm__json_text(step, "input", ""), inputs->cols[i].name) == 0) {
                reason = tm__json_text(step, "reason", reason);
            }
        }
        data->schema.cols[col].role = TM_ROLE_DROPPED;
        tm__mem_free(data->schema.cols[col].reason);
        data->schema.cols[col].reason = tm__mem_strdup(reason);
        is_made = is_made && data->schema.cols[col].reason != NULL;
        (*out_n)++;
    }
    json_decref(steps);
    return !is_made ? TM_FAIL(err, TM_E_NOMEM, "no memory for features") : TM_OK;
}

/* Numbers of the final model: fitted once to see which columns are used, and again without the
 * others. */
static tm_status own_fold(tm_ctx *ctx, const tm_search *search, const tm_fold_rows *rows,
                          tm_fold *out, tm_err *err) {
    uint32_t n_dropped = 0;
    const uint64_t seed = search->options->seed;
    TM_TRY(tm__fold_init(ctx, out, search->data, rows, seed, err));
    if (tm__program_features(out->program) == 0) {
        return TM_OK;
    }
    const tm_status st = drop_unused(search->data, out->program, &n_dropped, err);
    if (st == TM_OK && n_dropped == 0) {
        return TM_OK;
    }
    tm__fold_done(out);
    TM_TRY(st);
    return tm__fold_init(ctx, out, search->data, rows, seed, err);
}

static tm_status final_fold(tm_ctx *ctx, const tm_search *search, const tm_fold_rows *rows,
                            tm_fold *out, tm_err *err) {
    TM_TRY(own_fold(ctx, search, rows, out, err));
    const tm_status st = tm__train_base_fold(ctx, search->data, search->options, rows, out, err);
    if (st != TM_OK) {
        tm__fold_done(out);
    }
    return st;
}

/* What was fitted beside scores adds them; the program goes with the model. */
static tm_status add_scores(tm_fold *fold, tm_final *out, tm_err *err) {
    if (fold->has_scores) {
        tm_model *inner = out->model;
        out->model = NULL;
        const tm_status st = tm__offset_create(&inner, &out->model, err);
        if (st != TM_OK) {
            tm__model_free(inner);
            return st;
        }
    }
    out->program = fold->program;
    fold->program = NULL;
    return TM_OK;
}

tm_status tm__final_fit(tm_ctx *ctx, const tm_search *search, tm_final *out, tm_err *err) {
    const tm_train_data *data = search->data;
    tm_model *members[TM_MAX_CANDIDATES] = {NULL};
    double shares[TM_MAX_CANDIDATES];
    tm_fold fold;
    memset(out, 0, sizeof(*out));
    const uint64_t started = tm__mono_ns();
    const tm_fold_rows rows = {.fit = data->train, .n_fit = data->n_train};
    TM_TRY(final_fold(ctx, search, &rows, &fold, err));
    out->seconds_features = (double)(tm__mono_ns() - started) * 1e-9;
    tm_column_rule *rules = NULL;
    json_t *described = json_array();
    tm_status st = described == NULL
                       ? TM_FAIL(err, TM_E_NOMEM, "no memory for a record")
                       : tm__train_rules_init(search->options, fold.program, &rules, err);
    const tm_view x = tm__fold_view(&fold, fold.x);
    const tm_fit_input in = {
        .task = data->task,
        .n_classes = data->n_classes,
        .x = &x,
        .init_scores = tm__fold_scores(&fold, fold.x),
        .y = fold.y,
        .weights = fold.weights,
        .queries = fold.queries,
        .seed = search->options->seed,
        .rules = rules,
        .has_groups = search->options->n_interact > 0,
        .base = tm__train_base_model(search->options),
    };
    if (st == TM_OK) {
        st = fit_members(ctx, search, &in, members, shares, described, err);
    }
    tm__mem_free(rules);
    if (st == TM_OK && search->n_blend > 1) {
        st = tm__blend_create(members, shares, search->n_blend, &out->model, err);
        out->params = json_pack("{s:O}", "members", described);
    } else if (st == TM_OK) {
        out->model = members[0];
        members[0] = NULL;
        out->params = json_incref(json_object_get(json_array_get(described, 0), "params"));
    }
    if (st == TM_OK) {
        st = add_scores(&fold, out, err);
    }
    for (uint32_t i = 0; i < search->n_blend; i++) {
        tm__model_free(members[i]);
    }
    json_decref(described);
    tm__fold_done(&fold);
    return st;
}

/* One fit with the parameters given; a fifth of the rows is held out only for early stopping. */
tm_status tm__single_fit(tm_ctx *ctx, tm_search *search, tm_final *out, tm_err *err) {
    const tm_train_data *data = search->data;
    tm_candidate *only = &search->candidates[0];
    tm_fold fold;
    tm_fold_rows rows = {0};
    const tm_fold_cut cut = {.n_folds = 1, .seed = search->options->seed};
    const bool stops = has_param(only->ops, "early_stopping") &&
                       tm__params_get(only->ops, &only->params, "early_stopping") > 0;
    if (!stops) {
        only->share = 1.0;
        search->n_blend = 1;
        return tm__final_fit(ctx, search, out, err);
    }
    memset(out, 0, sizeof(*out));
    memset(&fold, 0, sizeof(fold));
    out->params = tm__params_to_json(only->ops, &only->params);
    const uint64_t started = tm__mono_ns();
    tm_status st = tm__fold_rows_init(&rows, data, data->train, data->n_train, &cut, err);
    if (st == TM_OK) {
        st = tm__fold_check(data, &rows, err);
    }
    if (st == TM_OK) {
        st = final_fold(ctx, search, &rows, &fold, err);
    }
    out->seconds_features = (double)(tm__mono_ns() - started) * 1e-9;
    if (st == TM_OK) {
        st = tm__search_fit_kept(ctx, search, &fold, &out->model, err);
    }
    if (st == TM_OK) {
        st = add_scores(&fold, out, err);
    }
    tm__fold_done(&fold);
    tm__fold_rows_done(&rows);
    return st;
}

void tm__final_done(tm_final *final) {
    tm__program_free(final->program);
    tm__model_free(final->model);
    json_decref(final->params);
    memset(final, 0, sizeof(*final));
}
