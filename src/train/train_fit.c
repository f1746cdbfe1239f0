/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The final model: refitted on all training rows with what the search found, or the one fit that
 * was asked for.
 */
#include "train/train_search_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/offset/offset.h"

#define REFIT_ROWS_MIN 1000u

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
            inputs->cols[i].role != TM_ROLE_FEATURE || tm__program_reads(program, i);
        const uint32_t col =
            is_used ? UINT32_MAX : tm__table_find(data->table, inputs->cols[i].name);
        if (col == UINT32_MAX) {
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

tm_status tm__final_fold(tm_ctx *ctx, const tm_search *search, const tm_fold_rows *rows,
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

/* Rows of the refit: all of them, or as large a sample as the budget has room for. */
static tm_status refit_rows(tm_ctx *ctx, const tm_search *search, tm_fold_rows *out, tm_err *err) {
    const tm_train_data *data = search->data;
    const tm_candidate *best = &search->candidates[search->best];
    tm_need need = tm__search_refit_need(search, best);
    need.ns += search->ns_row_features * (double)data->n_train;
    uint64_t n = data->n_train;
    while (ctx->budget != NULL && n / 2 >= REFIT_ROWS_MIN) {
        const double share = (double)n / (double)data->n_train;
        const tm_need part = {.work = need.work * share, .ns = need.ns * share};
        if (n / 2 < best->n_rows || tm__budget_has_room(ctx->budget, part)) {
            break;
        }
        n /= 2;
    }
    out->fit = tm__mem_alloc(data->n_train, sizeof(uint32_t));
    if (out->fit == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the rows of the refit");
    }
    out->n_fit = tm__rung_sample(data, search->options->seed, n, out->fit);
    return TM_OK;
}

static tm_status fit_on(tm_ctx *ctx, tm_search *search, tm_fold *fold, tm_final *out, tm_err *err) {
    const tm_train_data *data = search->data;
    tm_column_rule *rules = NULL;
    TM_TRY(tm__train_rules_init(search->options, fold->program, &rules, err));
    const tm_view x = tm__fold_view(fold, fold->x);
    const tm_fit_input in = {
        .task = data->task,
        .n_classes = data->n_classes,
        .x = &x,
        .init_scores = tm__fold_scores(fold, fold->x),
        .y = fold->y,
        .weights = fold->weights,
        .queries = fold->queries,
        .seed = search->options->seed,
        .rules = rules,
        .has_groups = search->options->n_interact > 0,
        .base = tm__train_base_model(search->options),
    };
    const double share = (double)fold->n / (double)data->n_train;
    tm_status st = tm__team_fit(ctx, search, &in, share, out, err);
    tm__mem_free(rules);
    if (st == TM_OK) {
        st = add_scores(fold, out, err);
    }
    return st;
}

tm_status tm__final_fit(tm_ctx *ctx, tm_search *search, tm_final *out, tm_err *err) {
    tm_fold fold = {0};
    tm_fold_rows rows = {0};
    memset(out, 0, sizeof(*out));
    const uint64_t started = tm__mono_ns();
    tm_status st = refit_rows(ctx, search, &rows, err);
    if (st == TM_OK) {
        st = tm__final_fold(ctx, search, &rows, &fold, err);
    }
    out->seconds_features = (double)(tm__mono_ns() - started) * 1e-9;
    if (st == TM_OK) {
        st = fit_on(ctx, search, &fold, out, err);
    }
    tm__fold_done(&fold);
    tm__fold_rows_done(&rows);
    return st;
}

/* One fit with the parameters given; a fifth of the rows is held out only for early stopping. */
tm_status tm__single_fit(tm_ctx *ctx, tm_search *search, tm_final *out, tm_err *err) {
    const tm_train_data *data = search->data;
    tm_candidate *only = &search->candidates[0];
    tm_fold fold;
    tm_fold_rows rows = {0};
    const tm_fold_cut cut = {.n_folds = 1, .seed = search->options->seed};
    const bool stops = tm__candidate_has(only->ops, "early_stopping") &&
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
        st = tm__final_fold(ctx, search, &rows, &fold, err);
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
