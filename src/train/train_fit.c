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

tm_status tm__final_fit(tm_ctx *ctx, const tm_search *search, tm_final *out, tm_err *err) {
    const tm_train_data *data = search->data;
    const tm_candidate *best = &search->candidates[search->best];
    tm_fold fold;
    memset(out, 0, sizeof(*out));
    out->ops = best->ops;
    TM_TRY(settle_params(best, &out->params, err));
    const uint64_t started = tm__mono_ns();
    TM_TRY(tm__fold_init(ctx, &fold, data, data->train, data->n_train, NULL, 0,
                         search->options->seed, err));
    out->seconds_features = (double)(tm__mono_ns() - started) * 1e-9;
    const tm_fit_input in = {
        .task = data->task,
        .n_classes = data->n_classes,
        .x = tm__matrix_view(fold.x),
        .y = fold.y,
        .weights = fold.weights,
        .seed = search->options->seed,
    };
    const tm_status st = tm__model_fit(ctx, best->ops, &in, &out->params, &out->model, err);
    if (st == TM_OK) {
        out->program = fold.program;
        fold.program = NULL;
    }
    tm__fold_done(&fold);
    return st;
}

/* One fit with the parameters given; a fifth of the rows is held out only for early stopping. */
tm_status tm__single_fit(tm_ctx *ctx, tm_search *search, tm_final *out, tm_err *err) {
    const tm_train_data *data = search->data;
    tm_candidate *only = &search->candidates[0];
    tm_fold fold;
    uint32_t *fit = NULL;
    uint32_t *valid = NULL;
    uint64_t n_fit = 0;
    uint64_t n_valid = 0;
    const bool stops = has_param(only->ops, "early_stopping") &&
                       tm__params_get(only->ops, &only->params, "early_stopping") > 0;
    if (!stops) {
        return tm__final_fit(ctx, search, out, err);
    }
    memset(out, 0, sizeof(*out));
    memset(&fold, 0, sizeof(fold));
    out->ops = only->ops;
    out->params = only->params;
    const uint64_t started = tm__mono_ns();
    tm_status st = tm__fold_rows(data, data->train, data->n_train, 1, 0, search->options->seed,
                                 &fit, &n_fit, &valid, &n_valid, err);
    if (st == TM_OK) {
        st =
            tm__fold_init(ctx, &fold, data, fit, n_fit, valid, n_valid, search->options->seed, err);
    }
    out->seconds_features = (double)(tm__mono_ns() - started) * 1e-9;
    if (st == TM_OK) {
        st = tm__search_fit_kept(ctx, search, &fold, &out->model, err);
    }
    if (st == TM_OK) {
        out->program = fold.program;
        fold.program = NULL;
    }
    tm__fold_done(&fold);
    tm__mem_free(fit);
    tm__mem_free(valid);
    return st;
}

void tm__final_done(tm_final *final) {
    tm__program_free(final->program);
    tm__model_free(final->model);
    memset(final, 0, sizeof(*final));
}
