/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training that moves the numbers of a bundle's model and keeps its shape: its features, its trees.
 *
 *   rows ─┬─ older ──> the base updated ──> answers for the newer: threshold, calibration,
 * intervals └─ all ────> the base updated ──> the model
 *
 * Its program is applied to all of them: rows that it was not fitted on have no part in its means
 * of the target.
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "train/train_search_priv.h"

#define VALID_ROWS_MIN 100u /* of all; fewer have nothing held out */

static tm_status update_fold(tm_ctx *ctx, const tm_search *search, const tm_fold_rows *rows,
                             tm_fold *out, tm_err *err) {
    const tm_program *const program = tm__bundle_program(search->options->base);
    return tm__fold_init_by(ctx, out, search->data, rows, program, err);
}

/* Answers for rows that the model of the others did not see. */
static tm_status validate(tm_ctx *ctx, tm_search *search, tm_err *err) {
    const tm_train_data *const data = search->data;
    const tm_fold_cut cut = {.n_folds = 1, .seed = search->options->seed};
    tm_fold_rows rows = {0};
    tm_fold fold = {0};
    tm_model *model = NULL;
    TM_TRY(tm__fold_rows_init(&rows, data, data->train, data->n_train, &cut, err));
    tm_status st = tm__fold_check(data, &rows, err);
    st = st == TM_OK ? update_fold(ctx, search, &rows, &fold, err) : st;
    st = st == TM_OK ? tm__search_fit_kept(ctx, search, &fold, &model, err) : st;
    tm__model_free(model);
    tm__fold_done(&fold);
    tm__fold_rows_done(&rows);
    return st;
}

static tm_status fit_all(tm_ctx *ctx, tm_search *search, tm_final *out, tm_err *err) {
    const tm_train_data *const data = search->data;
    const tm_candidate *const only = &search->candidates[0];
    const tm_fold_rows rows = {.fit = data->train, .n_fit = data->n_train};
    tm_column_rule *rules = NULL;
    tm_fold fold = {0};
    const uint64_t started = tm__mono_ns();
    TM_TRY(update_fold(ctx, search, &rows, &fold, err));
    out->seconds_features = (double)(tm__mono_ns() - started) * 1e-9;
    tm_status st = tm__train_rules_init(search->options, fold.program, &rules, err);
    const tm_view x = tm__fold_view(&fold, fold.x);
    const tm_fit_input in = {.task = data->task,
                             .n_classes = data->n_classes,
                             .x = &x,
                             .y = fold.y,
                             .weights = fold.weights,
                             .queries = fold.queries,
                             .seed = search->options->seed,
                             .rules = rules,
                             .has_groups = search->options->n_interact > 0,
                             .base = tm__train_base_model(search->options),
                             .is_update = true};
    st = st == TM_OK ? tm__model_fit(ctx, only->ops, &in, &only->params, &out->model, err) : st;
    tm__mem_free(rules);
    if (st == TM_OK) {
        out->program = fold.program;
        fold.program = NULL;
    }
    tm__fold_done(&fold);
    return st;
}

tm_status tm__update_fit(tm_ctx *ctx, tm_search *search, tm_final *out, tm_err *err) {
    tm_candidate *const only = &search->candidates[0];
    memset(out, 0, sizeof(*out));
    out->params = tm__params_to_json(only->ops, &only->params);
    if (search->data->n_train >= VALID_ROWS_MIN) {
        TM_TRY(validate(ctx, search, err));
    } else {
        only->share = 1.0;
        search->n_blend = 1;
    }
    return fit_all(ctx, search, out, err);
}
