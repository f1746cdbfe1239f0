/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training that moves the numbers of a bundle's model and keeps its shape: its features, its trees.
 *
 *   rows ─┬─ older ──> the base updated ──> answers for the newer: threshold, calibration,
 * intervals └─ all ────> the base updated ──> the model
 *
 * Its program is applied to all of them: rows that it was not fitted on have no part in its means
 * of the target. Rows of before that the window left out, which the base stands on, are shown to a
 * learner that weighs them; their targets are not looked at. What they count is chosen on the newer
 * rows of the first fit, and kept in the second.
 */
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "train/train_search_priv.h"

#define VALID_ROWS_MIN 100u    /* of all; fewer have nothing held out */
#define BEFORE_ROWS_MAX 32768u /* that a learner is shown, evenly spread */
#define NEWEST_PARTS 5u        /* one of which is held out */

static tm_status update_fold(tm_ctx *ctx, const tm_search *search, const tm_fold_rows *rows,
                             tm_fold *out, tm_err *err) {
    const tm_program *const program = tm__bundle_program(search->options->base);
    return tm__fold_init_by(ctx, out, search->data, rows, program, err);
}

/* Rows that the base stands on, as long as fits look at them. */
typedef struct before_rows {
    tm_fold fold;
    tm_view x;
} before_rows;

static bool weighs(const tm_search *search) {
    return tm__train_base_model(search->options)->ops->weighs_before;
}

static tm_status show_before(tm_ctx *ctx, tm_search *search, before_rows *out, tm_err *err) {
    tm_train_data *const data = search->data;
    const json_t *const info = tm__bundle_info(search->options->base);
    if (!weighs(search)) {
        return TM_OK;
    }
    search->before = (tm_fit_before){.n_rows = tm__json_f64(info, "rows", 0), .counts = tm__nan()};
    if (data->n_before == 0) {
        return TM_OK;
    }
    search->before.n_rows = (double)data->n_before;
    const uint64_t n = tm__train_thin(data->before, data->n_before, BEFORE_ROWS_MAX);
    const tm_fold_rows rows = {.fit = data->before, .n_fit = n};
    TM_TRY(update_fold(ctx, search, &rows, &out->fold, err));
    out->x = tm__fold_view(&out->fold, out->fold.x);
    search->before.x = &out->x;
    search->before.weights = out->fold.weights;
    return TM_OK;
}

/* How much is forgotten is a question to the newest rows, also where nothing but their order says
 * which these are. */
static tm_status hold_newest(tm_fold_rows *out, const tm_train_data *data, tm_err *err) {
    const uint64_t n = data->n_train, n_valid = n / NEWEST_PARTS;
    tm_fold_rows made = {.fit = tm__mem_alloc(n, sizeof(uint32_t)),
                         .valid = tm__mem_alloc(n_valid, sizeof(uint32_t)),
                         .n_fit = n - n_valid,
                         .n_valid = n_valid};
    tm_status st = TM_OK;
    if (made.fit == NULL || made.valid == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory for the validation rows");
    } else {
        memcpy(made.fit, data->train, n * sizeof(uint32_t));
        st = tm__rows_by_age(data->table, NULL, made.fit, n, err);
    }
    if (st != TM_OK) {
        tm__fold_rows_done(&made);
        return st;
    }
    memcpy(made.valid, made.fit + made.n_fit, n_valid * sizeof(uint32_t));
    *out = made;
    return TM_OK;
}

/* The model will answer rows that lie behind those that a gate judges it by; right behind what it
 * learned, forgetting always looks best. */
static void leave_gap(const tm_train_data *data, tm_fold_rows *rows) {
    const uint64_t n = rows->n_valid < rows->n_fit / 2 ? rows->n_valid : rows->n_fit / 2;
    rows->n_fit -= data->queries == NULL ? n : 0;
}

static tm_status hold_out(const tm_search *search, tm_fold_rows *out, tm_err *err) {
    const tm_train_data *const data = search->data;
    const tm_fold_cut cut = {.n_folds = 1, .seed = search->options->seed};
    const bool has_units = data->entity != UINT32_MAX || data->queries != NULL;
    if (!weighs(search) || (has_units && !data->is_time_ordered)) {
        return tm__fold_rows_init(out, data, data->train, data->n_train, &cut, err);
    }
    TM_TRY(data->is_time_ordered
               ? tm__fold_rows_init(out, data, data->train, data->n_train, &cut, err)
               : hold_newest(out, data, err));
    leave_gap(data, out);
    return TM_OK;
}

/* Answers for rows that the model of the others did not see. */
static tm_status validate(tm_ctx *ctx, tm_search *search, tm_err *err) {
    tm_fold_rows rows = {0};
    tm_fold fold = {0};
    tm_model *model = NULL;
    TM_TRY(hold_out(search, &rows, err));
    tm_status st = tm__fold_check(search->data, &rows, err);
    st = st == TM_OK ? update_fold(ctx, search, &rows, &fold, err) : st;
    st = st == TM_OK ? tm__search_fit_kept(ctx, search, &fold, &model, err) : st;
    if (st == TM_OK) {
        search->before.counts = model->before_counts;
    }
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
                             .is_update = true,
                             .before = search->before};
    st = st == TM_OK ? tm__model_fit(ctx, only->ops, &in, &only->params, &out->model, err) : st;
    tm__mem_free(rules);
    if (st == TM_OK) {
        out->program = fold.program;
        fold.program = NULL;
    }
    tm__fold_done(&fold);
    return st;
}

bool tm__update_threshold(const tm_train_options *options, bool has_validation, double *out) {
    if (!options->is_update || options->threshold != NULL) {
        return false;
    }
    const json_t *const before = json_object_get(tm__bundle_info(options->base), "threshold");
    const bool is_chosen = json_is_object(json_object_get(before, "validation")) &&
                           !tm__json_bool(before, "kept", false);
    *out = tm__json_f64(before, "value", 0.5);
    return before != NULL && (!has_validation || !is_chosen);
}

tm_status tm__update_fit(tm_ctx *ctx, tm_search *search, tm_final *out, tm_err *err) {
    tm_candidate *const only = &search->candidates[0];
    before_rows before = {0};
    memset(out, 0, sizeof(*out));
    out->params = tm__params_to_json(only->ops, &only->params);
    tm_status st = show_before(ctx, search, &before, err);
    if (st == TM_OK && search->data->n_train >= VALID_ROWS_MIN) {
        st = validate(ctx, search, err);
    } else {
        only->share = 1.0;
        search->n_blend = 1;
    }
    st = st == TM_OK ? fit_all(ctx, search, out, err) : st;
    search->before = (tm_fit_before){0};
    tm__fold_done(&before.fold);
    return st;
}
