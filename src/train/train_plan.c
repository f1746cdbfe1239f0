/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a training needs at the least, before it begins.
 *
 * How many numbers a row becomes is known when its features are: they are fitted once, without
 * making the numbers. Three moments are looked at: the first trials of a search, on all folds of a
 * sample; the last fit, on all rows; the answers to the test rows. What the plan cannot know, such
 * as terms of texts, is kept in check by the allocator (tm__mem_limit).
 */
#include "train/train_priv.h"

#include <string.h>

#include "base/mem.h"
#include "base/pool.h"

#define SAMPLE_ROWS UINT64_C(100000) /* of the first rung, and what RUNG0_ROWS is */
#define SLICE_ROWS UINT64_C(65536)   /* that a bundle predicts at once */

static uint64_t min_u64(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* What the hungriest of the candidates takes. */
static uint64_t fit_bytes(const tm_ctx *ctx, const tm_search *search, const tm_fit_input *in) {
    uint64_t most = 0;
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        const tm_candidate *c = &search->candidates[i];
        const uint64_t bytes =
            c->ops->needs != NULL ? c->ops->needs(in, &c->params, tm__pool_threads(ctx->pool)) : 0;
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* A moment of the training with n rows of which a share validates, in n_folds copies. */
static tm_train_plan moment(const tm_ctx *ctx, const tm_search *search, const tm_view *shape,
                            uint64_t n_valid, uint32_t n_folds) {
    const tm_train_data *data = search->data;
    const uint64_t n = shape->n_rows + n_valid;
    const tm_view valid = {.n_rows = n_valid, .n_cols = shape->n_cols, .features = shape->features};
    const tm_fit_input in = {.task = data->task,
                             .n_classes = data->n_classes,
                             .x = shape,
                             .weights = data->weights,
                             .x_valid = n_valid > 0 ? &valid : NULL,
                             .weights_valid = data->weights,
                             .base = tm__train_base_model(search->options)};
    return (tm_train_plan){.features = n_folds * n * shape->n_cols * sizeof(double),
                           .fitting = fit_bytes(ctx, search, &in),
                           .answers = n_folds * n_valid * tm__train_outputs(data) * 8};
}

static uint64_t total(const tm_train_plan *plan) {
    return plan->held + plan->features + plan->fitting + plan->answers;
}

static void take_larger(tm_train_plan *most, tm_train_plan other, uint64_t held) {
    other.held = held;
    if (total(&other) > total(most)) {
        *most = other;
    }
}

static tm_status refuse(const tm_train_plan *plan, uint64_t limit, tm_err *err) {
    const double mib = 1.0 / (1 << 20);
    const tm_status st =
        TM_FAIL(err, TM_E_LIMIT, "training needs %.0f MiB at the least, the limit is %.0f MiB",
                (double)total(plan) * mib + 1, (double)limit * mib);
    const bool is_fitting = plan->fitting >= plan->features && plan->fitting >= plan->held;
    const char *remedy = is_fitting ? "lower gbdt.n_trees, gbdt.max_leaves or --threads"
                         : plan->features >= plan->held ? "--drop columns or give fewer rows"
                                                        : "give fewer rows or columns";
    tm_err_hint(err,
                "The table %.0f MiB, features %.0f, fitting %.0f, answers %.0f: raise the limit, "
                "or %s.",
                (double)plan->held * mib, (double)plan->features * mib, (double)plan->fitting * mib,
                (double)plan->answers * mib, remedy);
    return st;
}

/* The features of the training rows, of which only the shape is wanted. */
static tm_status fit_program(tm_ctx *ctx, const tm_search *search, tm_program **out, tm_err *err) {
    const tm_train_data *data = search->data;
    const tm_program_options options = {.task = data->task,
                                        .n_classes = data->n_classes,
                                        .is_time_ordered = data->is_time_ordered,
                                        .level_means = data->level_means,
                                        .exprs = data->exprs,
                                        .n_exprs = data->n_exprs,
                                        .seed = search->options->seed};
    return tm__program_fit(ctx, data->table, &data->schema, data->y, data->train, data->n_train,
                           &options, out, NULL, err);
}

tm_status tm__train_plan_check(tm_ctx *ctx, const tm_search *search, bool is_single,
                               tm_train_plan *out, tm_err *err) {
    const tm_train_data *data = search->data;
    if (ctx->memory_limit == 0) {
        return TM_OK;
    }
    const uint64_t held = tm__mem_bytes();
    tm_program *program = NULL;
    TM_TRY(fit_program(ctx, search, &program, err));
    const uint32_t n_cols = tm__program_features(program);
    tm_feature *features = tm__mem_alloc(n_cols, sizeof(*features));
    if (features == NULL) {
        tm__program_free(program);
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a plan");
    }
    for (uint32_t f = 0; f < n_cols; f++) {
        features[f] = *tm__program_feature(program, f);
    }
    tm_view shape = {.n_cols = n_cols, .features = features};
    tm_train_plan plan = {.held = held};
    if (!is_single) {
        const uint64_t n = min_u64(data->n_train, SAMPLE_ROWS);
        const uint32_t n_folds = tm__fold_count(data, n * tm__train_outputs(data));
        const uint64_t n_valid = n / (n_folds > 1 ? n_folds : 5);
        shape.n_rows = n - n_valid;
        take_larger(&plan, moment(ctx, search, &shape, n_valid, n_folds), held);
    }
    const uint64_t n_valid = is_single ? data->n_train / 5 : 0;
    shape.n_rows = data->n_train - n_valid;
    take_larger(&plan, moment(ctx, search, &shape, n_valid, 1), held);
    const uint64_t n_outputs = tm__train_outputs(data);
    take_larger(&plan,
                (tm_train_plan){.features = min_u64(data->n_test, SLICE_ROWS) * n_cols * 8,
                                .answers = data->n_test * n_outputs * 8},
                held);
    tm__mem_free(features);
    tm__program_free(program);
    if (total(&plan) > ctx->memory_limit) {
        return refuse(&plan, ctx->memory_limit, err);
    }
    *out = plan;
    return TM_OK;
}
