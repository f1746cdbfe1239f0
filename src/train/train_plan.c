/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a training needs at the least, before it begins.
 *
 * How many numbers a row becomes is known when its features are: they are fitted once, without
 * making the numbers. Three moments are looked at: the first trials of a search, on all folds of a
 * sample; the last fit, on all rows; the answers to the test rows. What the plan cannot know, such
 * as terms of texts, is kept in check by the allocator (tm__mem_limit).
 */
#include "train/train_search_priv.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"

#include "base/mem.h"
#include "base/pool.h"

#define SAMPLE_ROWS UINT64_C(100000)  /* of the first rung, and what RUNG0_ROWS is */
#define PLAN_WORK UINT64_C(200000000) /* that it takes at the most: a second or two */
#define PLAN_ROUNDS 300.0             /* that one is assumed to take which was cut */
#define PLAN_ROWS UINT64_C(10000)     /* that one trial is measured on */
#define SLICE_ROWS UINT64_C(65536)    /* that a bundle predicts at once */

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

/* The features of the training rows, of which only the shape is wanted; of many rows every n-th
 * tells it where nothing but an admission asks. */
static tm_status fit_program(tm_ctx *ctx, const tm_search *search, tm_program **out, tm_err *err) {
    const tm_train_data *data = search->data;
    const tm_program_options options = tm__train_program_options(data, search->options->seed);
    const bool is_rough = search->options->admission != NULL && ctx->memory_limit == 0;
    const uint64_t step = is_rough ? 1 + data->n_train / SLICE_ROWS : 1;
    const uint64_t n = (data->n_train + step - 1) / step;
    uint32_t *const rows = tm__mem_alloc(n > 0 ? n : 1, sizeof(*rows));
    if (rows == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a plan");
    }
    for (uint64_t i = 0; i < n; i++) {
        rows[i] = data->train[i * step];
    }
    const tm_status st = tm__program_fit(ctx, data->table, &data->schema, data->y, rows, n,
                                         &options, out, NULL, err);
    tm__mem_free(rows);
    return st;
}

/* What a training needs at the least; *out_features: that its rows become. */
static tm_status plan_memory(tm_ctx *ctx, const tm_search *search, bool is_single,
                             tm_train_plan *out, uint32_t *out_features, tm_err *err) {
    const tm_train_data *data = search->data;
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
    *out = plan;
    *out_features = n_cols;
    return TM_OK;
}

bool tm__admission_fits(uint64_t needs_bytes, uint64_t free_bytes) {
    return free_bytes == 0 || needs_bytes <= free_bytes - free_bytes / 5;
}

tm_status tm__admission_refuse(tm_admission *admission, uint64_t needs_bytes, tm_err *err) {
    const double mib = 1.0 / (1 << 20);
    admission->is_refused = true;
    return TM_FAIL(err, TM_E_LIMIT,
                   "training needs %.0f MiB more at the least, and %.0f MiB are free",
                   (double)needs_bytes * mib + 1, (double)admission->free_bytes * mib);
}

static tm_status admit(const tm_train_plan *plan, tm_admission *admission, tm_err *err) {
    const uint64_t needs = total(plan) - plan->held;
    const double mib = 1.0 / (1 << 20);
    admission->needs_bytes = total(plan);
    if (tm__admission_fits(needs, admission->free_bytes)) {
        return TM_OK;
    }
    const tm_status st = tm__admission_refuse(admission, needs, err);
    tm_err_hint(err,
                "It waits until a fourth more than it needs is free; features take %.0f MiB, "
                "fitting %.0f.",
                (double)plan->features * mib, (double)plan->fitting * mib);
    return st;
}

tm_status tm__train_plan_check(tm_ctx *ctx, const tm_search *search, bool is_single,
                               tm_train_plan *out, tm_err *err) {
    uint32_t n_features = 0;
    tm_train_plan plan = {0};
    tm_admission *const admission = search->options->admission;
    if (ctx->memory_limit == 0 && admission == NULL) {
        return TM_OK;
    }
    TM_TRY(plan_memory(ctx, search, is_single, &plan, &n_features, err));
    if (admission != NULL) {
        TM_TRY(admit(&plan, admission, err));
    }
    if (ctx->memory_limit > 0 && total(&plan) > ctx->memory_limit) {
        return refuse(&plan, ctx->memory_limit, err);
    }
    *out = plan;
    return TM_OK;
}

/* ---- before a run ---- */

/* What one trial on a small sample showed, and what follows for all rows. */
typedef struct foretold {
    tm_train_plan memory;
    uint32_t n_features, n_candidates, n_folds;
    double trial_seconds;   /* of the first candidate on the folds of the first rung */
    double refit_seconds;   /* of it, with the features of all rows */
    double seconds, trials; /* of the whole run, and tried in it */
    double units_a_second;
    const char *ends; /* what ends the run: "budget", "work" or "done" */
} foretold;

/* Fit the first candidate on a sample: what a row costs. */
static tm_status try_sample(tm_ctx *ctx, tm_search *search, foretold *out, tm_err *err) {
    tm_rung rung;
    TM_TRY(tm__rung_init(ctx, &rung, search, PLAN_ROWS, err));
    tm_trial_run trial = {.candidate = 0};
    tm_budget budget = {.work_limit = PLAN_WORK};
    search->metric = tm__rung_is_defined(&rung, search)         ? search->metric
                     : search->data->task == TM_TASK_REGRESSION ? tm__metric_find("rmse")
                                                                : tm__metric_find("logloss");
    search->rung_rows = rung.n_rows;
    rung.n_planned = rung.n_folds;
    ctx->budget = &budget;
    const tm_status st = tm__trial_finish(ctx, search, &rung, &trial, err);
    ctx->budget = NULL;
    if (st == TM_OK) {
        const tm_candidate *c = &search->candidates[0];
        const uint64_t n = search->data->n_train;
        const double n_rung = (double)min_u64(n, SAMPLE_ROWS);
        const double cut = c->is_cut ? fmax(1.0, PLAN_ROUNDS / fmax(c->n_rounds, 1.0)) : 1.0;
        const double by_rows = cut * n_rung * 0.8 / (double)(c->n_fit_rows + 1);
        out->n_folds =
            tm__fold_count(search->data, (uint64_t)n_rung * tm__train_outputs(search->data));
        out->trial_seconds = c->seconds * by_rows * out->n_folds +
                             search->ns_row_features * 1e-9 * n_rung * out->n_folds;
        out->refit_seconds = cut * tm__search_refit_need(search, c).ns * 1e-9 +
                             search->ns_row_features * 1e-9 * (double)n;
        out->units_a_second = (double)c->work / fmax(c->seconds, 1e-9);
    }
    tm__trial_done(&trial);
    tm__rung_done(&rung);
    return st;
}

/* When the run ends, and how far it gets: by its budget, its work, or what it would try anyway. */
static void foretell(const tm_search *search, foretold *f) {
    const tm_train_options *o = search->options;
    const double trial = fmax(f->trial_seconds, 1e-6);
    const uint64_t work = o->work > 0 ? o->work : TM_WORK_DEFAULT;
    const double by_work = (double)work / fmax(f->units_a_second, 1.0);
    const double anyway = (double)f->n_candidates + (search->data->n_train < 20000 ? 10.0 : 0.0);
    if (o->budget_ms > 0) {
        f->ends = "budget";
        f->seconds = (double)o->budget_ms * 1e-3;
        f->trials = floor(fmax(1.0, f->seconds * TM_SEARCH_SHARE / trial));
    } else if (o->work > 0 || by_work < trial * anyway) {
        f->ends = "work";
        f->seconds = by_work;
        f->trials = floor(fmax(1.0, by_work * TM_SEARCH_SHARE / trial));
    } else {
        f->ends = "done";
        f->seconds = trial * anyway + 4.0 * f->refit_seconds;
        f->trials = anyway;
    }
}

static json_t *plan_json(const tm_search *search, const foretold *f) {
    const tm_train_data *data = search->data;
    const json_int_t all = (json_int_t)total(&f->memory);
    json_t *memory =
        json_pack("{s:I, s:I, s:I, s:I, s:I}", "total", all, "table", (json_int_t)f->memory.held,
                  "features", (json_int_t)f->memory.features, "fitting",
                  (json_int_t)f->memory.fitting, "answers", (json_int_t)f->memory.answers);
    json_t *time =
        json_pack("{s:o, s:o, s:o, s:s, s:o}", "run", tm__json_number(f->seconds), "trial",
                  tm__json_number(f->trial_seconds), "refit", tm__json_number(f->refit_seconds),
                  "ends_by", f->ends, "units_per_second", tm__json_number(f->units_a_second));
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "target",
                     search->options->target, "task", tm__task_text(data->task), "metric",
                     search->metric->name, "rows", (json_int_t)data->n_rows, "train_rows",
                     (json_int_t)data->n_train, "test_rows", (json_int_t)data->n_test, "features",
                     (json_int_t)f->n_features, "candidates", (json_int_t)f->n_candidates, "folds",
                     (json_int_t)f->n_folds, "trials", tm__json_number(f->trials), "seconds", time,
                     "memory", memory);
}

tm_status tm__train_plan(tm_ctx *ctx, tm_table *table, const tm_train_options *options,
                         json_t **out, tm_err *err) {
    tm_train_data data = {0};
    tm_search search = {.data = &data, .options = options};
    foretold f = {0};
    tm_budget *budget = ctx->budget;
    ctx->budget = NULL;
    TM_TRY(tm__train_data_init(&data, table, NULL, options, err));
    tm_status st = tm__train_metric(options->metric, data.task, &search.metric, err);
    if (st == TM_OK) {
        st = tm__candidates_init(&search, err);
    }
    f.n_candidates = search.n_candidates;
    if (st == TM_OK) {
        st = plan_memory(ctx, &search, false, &f.memory, &f.n_features, err);
    }
    if (st == TM_OK) {
        st = try_sample(ctx, &search, &f, err);
    }
    if (st == TM_OK) {
        foretell(&search, &f);
        *out = plan_json(&search, &f);
        st = tm__json_check(err);
    }
    ctx->budget = budget;
    tm__search_done(&search);
    tm__train_data_done(&data);
    return st;
}
