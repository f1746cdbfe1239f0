/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a leak is worth: two small trainings on the same rows, with what is not known at a row's
 * moment and without it. Their difference is what a model would lose in use.
 *
 * A trial is a run of boosting with a fixed number of trees on at most ROWS_MAX rows, tested on the
 * rows that the training would test on, so it takes seconds and says nothing of the best model.
 */
#include "feature/feature_expr.h"
#include "train/train_priv.h"

#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"

#define TRAIN_ROWS_MAX 200000u
#define TEST_ROWS_MAX 100000u

static const char *const trial_params[] = {"gbdt.n_trees=100"};

uint64_t tm__train_thin(uint32_t *rows, uint64_t n, uint64_t n_max) {
    for (uint64_t i = 0; n > n_max && i < n_max; i++) {
        rows[i] = rows[i * n / n_max];
    }
    return n > n_max ? n_max : n;
}

/* The rows of a ranking stay whole. */
void tm__train_trial_thin(tm_train_data *data) {
    if (data->queries == NULL) {
        data->n_train = tm__train_thin(data->train, data->n_train, TRAIN_ROWS_MAX);
        data->n_test = tm__train_thin(data->test, data->n_test, TEST_ROWS_MAX);
    }
}

/* What a training asks for that is not known. */
typedef struct leaks {
    const char **features; /* [n_features] of the options that are none */
    const char **drop;     /* [n_drop] columns of the options, then inputs known later */
    uint32_t n_features, n_drop, n;
} leaks;

static bool is_named(const char *const *names, uint32_t n, const char *name) {
    bool is_there = false;
    for (uint32_t i = 0; i < n; i++) {
        is_there = is_there || strcmp(names[i], name) == 0;
    }
    return is_there;
}

static void find_leaks(const tm_window_set *set, const tm_table *table, const tm_leak_input *in,
                       leaks *out) {
    const tm_train_options *const options = in->options;
    uint32_t window = 0;
    for (uint32_t i = 0; i < options->n_features; i++) {
        if (!tm__expr_is_window(options->features[i])) {
            continue; /* an expression may read what is left out: none takes part */
        }
        if (tm__window_set_is_leak(set, window++)) {
            out->n++;
        } else {
            out->features[out->n_features++] = options->features[i];
        }
    }
    for (uint32_t i = 0; i < options->n_drop; i++) {
        out->drop[out->n_drop++] = options->drop[i];
    }
    for (uint32_t i = 0; i < in->n_drop; i++) {
        out->drop[out->n_drop++] = in->drop[i];
        out->n++;
    }
    for (uint32_t c = 0; set != NULL && c < tm__table_cols(table); c++) {
        const char *const name = tm__table_column(table, c)->name;
        if (tm__window_set_is_later(set, name) && strcmp(name, options->target) != 0 &&
            !tm__window_set_is_moment(set, name) && !is_named(out->drop, out->n_drop, name)) {
            out->drop[out->n_drop++] = name;
            out->n++;
        }
    }
}

static tm_status try_run(tm_ctx *ctx, tm_table *table, tm_table *test,
                         const tm_train_options *options, json_t **out, tm_err *err) {
    tm_train_result result;
    TM_TRY(tm__train_run(ctx, table, test, options, &result, err));
    *out = json_incref(result.report);
    tm__train_result_done(&result);
    return TM_OK;
}

static double score_of(const json_t *report, const char *metric) {
    return tm__json_f64(json_object_get(report, "test"), metric, tm__nan());
}

/* Both scores, behind what is refused. */
static void tell(const json_t *with, const json_t *without, const leaks *l, tm_err *err) {
    const char *const task = tm__json_text(with, "task", "");
    const char *const metric =
        strcmp(task, "binary") == 0 ? "auc" : tm__json_text(with, "metric", "");
    const double a = score_of(with, metric), b = score_of(without, metric);
    char what[sizeof(err->message)];
    (void)tm__str_copy(what, sizeof(what), tm__str(err->message));
    (void)snprintf(err->message, sizeof(err->message),
                   "%.*s; %s %.3f with %s, %.3f without: %.3f is leak",
                   (int)sizeof(err->message) - 72, what, metric, a, l->n > 1 ? "them" : "it", b,
                   a > b ? a - b : b - a);
}

tm_status tm__train_leak_tell(tm_ctx *ctx, tm_table *table, tm_table *test, const tm_leak_input *in,
                              tm_err *refusal, tm_err *err) {
    const tm_train_options *const options = in->options;
    tm_window_set *set = NULL;
    json_t *with = NULL, *without = NULL;
    leaks l = {0};
    tm_train_options trial = *options;
    trial.is_trial = true;
    trial.learners = "gbdt";
    trial.params = trial_params;
    trial.n_params = 1;
    trial.work = trial.budget_ms = 0;
    trial.is_repeat = false;
    struct tm_checkpoint *const checkpoint = ctx->checkpoint;
    ctx->checkpoint = NULL;
    tm_status st = tm__train_windows_set(&trial, &set, err);
    l.features = tm__mem_alloc((size_t)options->n_features + 1, sizeof(*l.features));
    l.drop = tm__mem_alloc((size_t)options->n_drop + in->n_drop + tm__table_cols(table) + 1,
                           sizeof(*l.drop));
    if (st == TM_OK && (l.features == NULL || l.drop == NULL)) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory to measure a leak");
    }
    st = st == TM_OK ? try_run(ctx, table, test, &trial, &with, err) : st;
    if (st == TM_OK) {
        find_leaks(set, table, in, &l);
        trial.features = l.features;
        trial.n_features = l.n_features;
        trial.drop = l.drop;
        trial.n_drop = l.n_drop;
        st = try_run(ctx, table, test, &trial, &without, err);
    }
    if (st == TM_OK) {
        tell(with, without, &l, refusal);
    }
    ctx->checkpoint = checkpoint;
    json_decref(with);
    json_decref(without);
    tm__mem_free(l.features);
    tm__mem_free(l.drop);
    tm__window_set_free(set);
    return st;
}
