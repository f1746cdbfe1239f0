/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rows are worth: the score against their number, and whether more would help.
 *
 *     training rows   [0 ................................. 1)   by a number drawn for each row,
 *     size 1          |                 0                  |    entity or query
 *     size 1/2        |        0        |        1         |
 *     size 1/4        |   0    |   1    |    2   |    3    |    blocks that share no row
 *
 * 1. All fits are scored on the same test rows, which no fit learns from. They are those that a
 *    training would hold out.
 * 2. A learner with fixed parameters, the first that a search tries; which one is settled on
 *    validation rows. A fifth of a block ends its boosting.
 * 3. Blocks of a size differ by chance as other data would: their variance is the error of a fit.
 *    The whole has but one block, so a line through the logarithms of the variances stands for it.
 * 4. Test rows are left out in parts, so that it is known how far the scores hang on them.
 * 5. Everything follows from rows, options and seed.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/rng.h"
#include "train/train_priv.h"

#define FIT_ROWS_MAX 400000u /* rows of the largest fit, unless told */
#define TEST_ROWS_MAX 100000u
#define SIZES_MAX 7u
#define ROWS_LEAST 50u     /* of the smallest fit */
#define CLASS_LEAST 8u     /* of the rarer of two classes in the smallest fit */
#define MANY_CELLS 400000u /* of a fit: from here on one fit a size */
#define SOME_CELLS 100000u
#define FEW_CELLS 20000u
#define WITHIN 0.2 /* same: what the score of a group should be known to */
#define WORTH 0.01 /* of what the model is better than a constant: less is no help */

typedef struct value_size {
    double share;
    uint32_t n_blocks, n_seeds;
    double rows; /* mean of the fits */
    double score;
    double variance; /* between blocks; NaN with one */
    double error;    /* of the score, by the rows to learn from */
    double moves[TM_POWER_PARTS];
} value_size;

typedef struct value_run {
    tm_ctx *ctx;
    const tm_value_options *options;
    tm_train_options train;
    tm_train_data data;
    const tm_metric_ops *metric;
    tm_candidate learner;
    double share;    /* of the training rows in the largest fit */
    uint64_t *draws; /* [n_train] */
    uint8_t *parts;  /* [n_test] */
    uint32_t n_parts;
    uint32_t *queries; /* [n_test] of a ranking */
    double *y, *weights, *pred;
    double *some_y, *some_weights, *some_pred; /* without a part */
    uint32_t *some_queries;
    value_size sizes[SIZES_MAX]; /* rising */
    uint32_t n_sizes;
    uint32_t n_fits, n_fits_all; /* for progress */
    bool is_short;               /* without a part the test rows have no score */
    double baseline;
} value_run;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory to value the data");
}

static double better(const value_run *v, double score) {
    return v->metric->is_loss ? -score : score;
}

/* --- test rows --- */

/* Too many test rows make scores slow and hardly surer; those of a ranking stay whole. */
static void thin_test(tm_train_data *data) {
    if (data->n_test <= TEST_ROWS_MAX || data->queries != NULL) {
        return;
    }
    for (uint64_t i = 0; i < TEST_ROWS_MAX; i++) {
        data->test[i] = data->test[i * data->n_test / TEST_ROWS_MAX];
    }
    data->n_test = TEST_ROWS_MAX;
}

/* Parts of neighbours, because what is near is alike; a query and an entity are in one. */
static tm_status cut_parts(value_run *v, tm_err *err) {
    const tm_train_data *const data = &v->data;
    const uint64_t n = data->n_test;
    uint64_t *entities = NULL;
    if (data->queries != NULL) {
        v->queries = tm__queries_number(data->queries, data->test, n);
    } else if (data->entity != UINT32_MAX) {
        entities = tm__mem_alloc(data->n_rows, sizeof(*entities));
    }
    v->parts = tm__mem_alloc(n + 1, sizeof(*v->parts));
    if (v->parts == NULL || (data->queries != NULL && v->queries == NULL) ||
        (data->queries == NULL && data->entity != UINT32_MAX && entities == NULL)) {
        tm__mem_free(entities);
        return no_memory(err);
    }
    if (entities != NULL) {
        tm__table_row_hashes(data->table, &data->entity, 1, entities);
    }
    const uint64_t n_units = v->queries != NULL ? v->queries[n - 1] + 1u : n;
    v->n_parts = n_units < TM_POWER_PARTS ? (uint32_t)n_units : TM_POWER_PARTS;
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t unit = v->queries != NULL ? v->queries[i] : i;
        v->parts[i] = (uint8_t)(entities != NULL ? entities[data->test[i]] % v->n_parts
                                                 : unit * v->n_parts / n_units);
    }
    tm__mem_free(entities);
    return TM_OK;
}

static tm_status alloc_test(value_run *v, tm_err *err) {
    const tm_train_data *const data = &v->data;
    const uint64_t n = data->n_test, n_outputs = tm__train_outputs(data);
    v->y = tm__mem_alloc(n + 1, sizeof(double));
    v->pred = tm__mem_alloc(n * n_outputs + 1, sizeof(double));
    v->some_y = tm__mem_alloc(n + 1, sizeof(double));
    v->some_pred = tm__mem_alloc(n * n_outputs + 1, sizeof(double));
    bool ok = v->y != NULL && v->pred != NULL && v->some_y != NULL && v->some_pred != NULL;
    if (data->weights != NULL) {
        v->weights = tm__mem_alloc(n + 1, sizeof(double));
        v->some_weights = tm__mem_alloc(n + 1, sizeof(double));
        ok = ok && v->weights != NULL && v->some_weights != NULL;
    }
    if (data->queries != NULL) {
        v->some_queries = tm__mem_alloc(n + 1, sizeof(uint32_t));
        ok = ok && v->some_queries != NULL;
    }
    if (!ok) {
        return no_memory(err);
    }
    for (uint64_t i = 0; i < n; i++) {
        v->y[i] = data->y[data->test[i]];
        if (v->weights != NULL) {
            v->weights[i] = data->weights[data->test[i]];
        }
    }
    return TM_OK;
}

static tm_status score_all(const value_run *v, double *out, tm_err *err) {
    const tm_score_input in = {.task = v->data.task,
                               .n_classes = v->data.n_classes,
                               .n_rows = v->data.n_test,
                               .y = v->y,
                               .pred = v->pred,
                               .weights = v->weights,
                               .groups = v->queries};
    return tm__metric_score(v->metric, &in, out, err);
}

/* The score of the test rows that are not in a part. */
static tm_status score_without(const value_run *v, uint32_t part, double *out, tm_err *err) {
    const uint64_t n_outputs = tm__train_outputs(&v->data);
    uint64_t n = 0;
    for (uint64_t i = 0; i < v->data.n_test; i++) {
        if (v->parts[i] == part) {
            continue;
        }
        v->some_y[n] = v->y[i];
        memcpy(v->some_pred + n * n_outputs, v->pred + i * n_outputs, n_outputs * sizeof(double));
        if (v->weights != NULL) {
            v->some_weights[n] = v->weights[i];
        }
        if (v->queries != NULL) {
            v->some_queries[n] = v->queries[i];
        }
        n++;
    }
    const tm_score_input in = {.task = v->data.task,
                               .n_classes = v->data.n_classes,
                               .n_rows = n,
                               .y = v->some_y,
                               .pred = v->some_pred,
                               .weights = v->some_weights,
                               .groups = v->some_queries};
    return tm__metric_score(v->metric, &in, out, err);
}

/* --- one fit --- */

/* Answers of a model on the test rows, in v->pred. */
static tm_status predict_test(const value_run *v, const tm_fold *fold, const tm_model *model,
                              tm_err *err) {
    tm_matrix *x = NULL;
    TM_TRY(tm__program_apply(v->ctx, fold->program, v->data.table, v->data.test, v->data.n_test, &x,
                             err));
    const tm_view view = tm__fold_view(fold, x);
    const tm_status st = tm__model_predict(v->ctx, model, &view, v->pred, err);
    if (st == TM_OK) {
        tm__model_link(tm__model_link_of(model), model->n_outputs, v->data.n_test, v->pred);
    }
    tm__matrix_free(x);
    return st;
}

/* Rows to fit on, and what draws its validation rows. */
typedef struct value_fit {
    const uint32_t *rows;
    uint64_t n_rows, seed;
    bool is_scored; /* on the test rows; else the validation rows alone count */
} value_fit;

/* *out_valid: its score on validation rows. */
static tm_status fit_one(const value_run *v, const tm_candidate *learner, const value_fit *fit,
                         double *out_valid, tm_err *err) {
    tm_train_options options = v->train;
    const tm_fold_cut cut = {.n_folds = 1, .seed = fit->seed};
    tm_search *search = tm__mem_zalloc(1, sizeof(*search));
    tm_fold_rows part = {0};
    tm_fold fold = {0};
    tm_model *model = NULL;
    options.seed = fit->seed;
    tm_train_data data = v->data; /* borrowed: a fit on given rows changes none of it */
    tm_status st = search == NULL ? no_memory(err) : TM_OK;
    if (st == TM_OK) {
        search->data = &data;
        search->options = &options;
        search->metric = v->metric;
        search->candidates[0] = *learner;
        search->n_candidates = 1;
        st = tm__fold_rows_init(&part, &data, fit->rows, fit->n_rows, &cut, err);
    }
    if (st == TM_OK) {
        st = tm__fold_check(&data, &part, err);
    }
    if (st == TM_OK) {
        st = tm__fold_init(v->ctx, &fold, &data, &part, fit->seed, err);
    }
    if (st == TM_OK) {
        st = tm__search_fit_kept(v->ctx, search, &fold, &model, err);
    }
    if (st == TM_OK) {
        *out_valid = search->candidates[0].score;
        st = fit->is_scored ? predict_test(v, &fold, model, err) : TM_OK;
    }
    tm__model_free(model);
    tm__fold_done(&fold);
    tm__fold_rows_done(&part);
    if (search != NULL) {
        tm__search_done(search);
    }
    tm__mem_free(search);
    return st;
}

/* --- sizes --- */

/* A number from 0 up to 1 for each training row; one for all rows of an entity or query. */
static tm_status draw_rows(value_run *v, tm_err *err) {
    const tm_train_data *const data = &v->data;
    const uint64_t key = tm__rng_split(v->train.seed, "value", 0).key;
    uint64_t *entities = NULL;
    v->draws = tm__mem_alloc(data->n_train + 1, sizeof(*v->draws));
    if (data->entity != UINT32_MAX && data->queries == NULL) {
        entities = tm__mem_alloc(data->n_rows, sizeof(*entities));
    }
    if (v->draws == NULL ||
        (data->entity != UINT32_MAX && data->queries == NULL && entities == NULL)) {
        tm__mem_free(entities);
        return no_memory(err);
    }
    if (entities != NULL) {
        tm__table_row_hashes(data->table, &data->entity, 1, entities);
    }
    for (uint64_t i = 0; i < data->n_train; i++) {
        const uint32_t row = data->train[i];
        v->draws[i] = tm__rng_at(key, data->queries != NULL ? data->queries[row]
                                      : entities != NULL    ? entities[row]
                                                            : row);
    }
    tm__mem_free(entities);
    return TM_OK;
}

/* Training rows whose number is in block b of a size, in their order. */
static uint64_t take_block(const value_run *v, double share, uint32_t block, uint32_t *out) {
    const double from = share * v->share * block, to = share * v->share * (block + 1);
    uint64_t n = 0;
    for (uint64_t i = 0; i < v->data.n_train; i++) {
        const double at = (double)(v->draws[i] >> 11) * 0x1p-53;
        if (at >= from && at < to) {
            out[n++] = v->data.train[i];
        }
    }
    return n;
}

static uint32_t fits_of(const value_run *v, double rows) {
    const double cells = rows * tm__train_outputs(&v->data);
    return cells >= MANY_CELLS ? 1 : cells >= SOME_CELLS ? 2 : cells >= FEW_CELLS ? 4 : 8;
}

static uint64_t count_rarer(const tm_train_data *data) {
    uint64_t n_positive = 0;
    for (uint64_t i = 0; i < data->n_train; i++) {
        n_positive += data->y[data->train[i]] == 1.0;
    }
    const uint64_t others = data->n_train - n_positive;
    return n_positive < others ? n_positive : others;
}

/* Halves of halves, down to the least that a fit makes sense with. */
static void choose_sizes(value_run *v) {
    const tm_train_data *const data = &v->data;
    const double n = (double)data->n_train;
    const uint64_t asked = v->options->n_rows_max > 0 ? v->options->n_rows_max : FIT_ROWS_MAX;
    const double rarer =
        data->task == TM_TASK_BINARY ? (double)count_rarer(data) : (double)data->n_train;
    v->share = (double)asked < n ? (double)asked / n : 1;
    v->n_sizes = 0;
    uint32_t n_all = 1;
    while (n_all < SIZES_MAX && n * v->share / (double)(1u << n_all) >= ROWS_LEAST &&
           rarer * v->share / (double)(1u << n_all) >= CLASS_LEAST) {
        n_all++;
    }
    for (uint32_t i = n_all; i-- > 0;) {
        value_size *const size = &v->sizes[v->n_sizes++];
        const uint32_t n_blocks = 1u << i;
        *size = (value_size){.share = 1.0 / n_blocks};
        const uint32_t n_fits = fits_of(v, n * v->share * size->share);
        size->n_blocks = n_blocks < n_fits ? n_blocks : n_fits;
        /* In time order the validation rows are the latest, so another seed is the same fit. */
        size->n_seeds = data->is_time_ordered ? 1 : n_fits / size->n_blocks;
        v->n_fits_all += size->n_blocks * size->n_seeds;
    }
}

/* One fit into its size: sums of scores and moves. */
static tm_status add_fit(value_run *v, value_size *size, const value_fit *fit, double *out_score,
                         tm_err *err) {
    double valid = 0, score = 0, without[TM_POWER_PARTS], mean = 0;
    tm__ctx_progress(v->ctx, "fit", v->n_fits++, v->n_fits_all, NULL);
    TM_TRY(fit_one(v, &v->learner, fit, &valid, err));
    TM_TRY(score_all(v, &score, err));
    for (uint32_t k = 0; k < v->n_parts && !v->is_short; k++) {
        tm_err own = {0};
        const tm_status st = score_without(v, k, &without[k], &own);
        if (st == TM_E_DATA) {
            v->is_short = true;
        } else if (st != TM_OK) {
            if (err != NULL) {
                *err = own;
            }
            return st;
        }
        mean += v->is_short ? 0 : without[k] / v->n_parts;
    }
    const double n = size->n_blocks * size->n_seeds;
    for (uint32_t k = 0; k < v->n_parts && !v->is_short; k++) {
        size->moves[k] += (better(v, without[k]) - better(v, mean)) / n;
    }
    size->rows += (double)fit->n_rows / n;
    *out_score = score;
    return TM_OK;
}

static tm_status fit_size(value_run *v, value_size *size, uint32_t *rows, tm_err *err) {
    const uint32_t n_all = (uint32_t)(1 / size->share + 0.5);
    double sum = 0, squares = 0;
    for (uint32_t b = 0; b < size->n_blocks; b++) {
        const uint32_t block = b * (n_all / size->n_blocks);
        const uint64_t n = take_block(v, size->share, block, rows);
        double mean = 0;
        for (uint32_t s = 0; s < size->n_seeds; s++) {
            const value_fit fit = {
                .rows = rows, .n_rows = n, .seed = v->train.seed + s, .is_scored = true};
            double score = 0;
            TM_TRY(add_fit(v, size, &fit, &score, err));
            mean += score / size->n_seeds;
        }
        const double off = mean - (b > 0 ? sum / b : 0);
        sum += mean;
        squares += b > 0 ? off * (mean - sum / (b + 1)) : 0; /* Welford */
    }
    size->score = sum / size->n_blocks;
    size->variance = size->n_blocks > 1 ? squares / (size->n_blocks - 1) : tm__nan();
    return TM_OK;
}

/* Invariant 3: log of the variance by log of the share, weighed by degrees of freedom; a slope of
 * -1 (as of a mean) where one size alone has any. */
static void settle_errors(value_run *v) {
    double w = 0, wx = 0, wy = 0, wxx = 0, wxy = 0, least = 0;
    for (uint32_t i = 0; i < v->n_sizes; i++) {
        const value_size *const size = &v->sizes[i];
        least = fmax(least, fabs(size->score) * 1e-9 + 1e-12);
        if (size->variance > 0) {
            const double x = tm__log(size->share), y = tm__log(size->variance);
            const double weight = size->n_blocks - 1;
            w += weight;
            wx += weight * x;
            wy += weight * y;
            wxx += weight * (x * x);
            wxy += weight * (x * y);
        }
    }
    const double det = w * wxx - wx * wx;
    double slope = det > 1e-9 ? (w * wxy - wx * wy) / det : -1;
    slope = fmin(0, fmax(-2, slope));
    for (uint32_t i = 0; i < v->n_sizes; i++) {
        value_size *const size = &v->sizes[i];
        const double variance =
            w > 0 ? tm__exp((wy - slope * wx) / w + slope * tm__log(size->share)) : 0;
        size->error = fmax(least, tm__sqrt(variance / size->n_blocks));
    }
}

static tm_status fit_sizes(value_run *v, tm_err *err) {
    uint32_t *const rows = tm__mem_alloc(v->data.n_train + 1, sizeof(*rows));
    tm_status st = rows == NULL ? no_memory(err) : TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < v->n_sizes; i++) {
        st = fit_size(v, &v->sizes[i], rows, err);
    }
    tm__mem_free(rows);
    settle_errors(v);
    return st;
}

/* --- the learner --- */

/* The learner whose first parameters do best on validation rows, of the largest fit. */
static tm_status choose_learner(value_run *v, tm_err *err) {
    tm_search *search = tm__mem_zalloc(1, sizeof(*search));
    uint32_t *const rows = tm__mem_alloc(v->data.n_train + 1, sizeof(*rows));
    const tm_model_ops *last = NULL;
    double best = 0;
    tm_status st = search == NULL || rows == NULL ? no_memory(err) : TM_OK;
    if (st == TM_OK) {
        search->data = &v->data;
        search->options = &v->train;
        search->metric = v->metric;
        st = tm__candidates_init(search, err);
    }
    const uint64_t n = st == TM_OK ? take_block(v, 1, 0, rows) : 0;
    const uint32_t n_candidates = st == TM_OK ? search->n_candidates : 0;
    for (uint32_t i = 0; st == TM_OK && i < n_candidates; i++) {
        const tm_candidate *const candidate = &search->candidates[i];
        const value_fit fit = {.rows = rows, .n_rows = n, .seed = v->train.seed};
        double valid = 0;
        if (candidate->ops == last) {
            continue; /* other parameters of the same */
        }
        tm__ctx_progress(v->ctx, "choose", i, n_candidates, NULL);
        st = fit_one(v, candidate, &fit, &valid, err);
        if (st == TM_OK && (last == NULL || tm__metric_gain(v->metric, valid, best) > 0)) {
            best = valid;
            v->learner = *candidate;
        }
        last = candidate->ops;
    }
    tm__mem_free(search);
    tm__mem_free(rows);
    return st;
}

/* What a constant answer scores. */
static tm_status score_baseline(value_run *v, tm_err *err) {
    tm_candidate constant = {.ops = tm__model_find("baseline"), .score = tm__nan()};
    const value_fit fit = {
        .rows = v->data.train, .n_rows = v->data.n_train, .seed = v->train.seed, .is_scored = true};
    double valid = 0;
    tm__params_init(constant.ops, &constant.params);
    TM_TRY(fit_one(v, &constant, &fit, &valid, err));
    return score_all(v, &v->baseline, err);
}

/* --- what it says --- */

static void fill_points(const value_run *v, tm_power_points *out) {
    memset(out, 0, sizeof(*out));
    out->n = v->n_sizes;
    out->n_parts = v->n_parts;
    for (uint32_t i = 0; i < v->n_sizes; i++) {
        out->shares[i] = v->sizes[i].share;
        out->means[i] = better(v, v->sizes[i].score);
        out->errors[i] = v->sizes[i].error;
        memcpy(out->moves[i], v->sizes[i].moves, sizeof(out->moves[i]));
    }
}

/* Standard deviation of a score by the test rows. */
static double test_error(const value_run *v, const value_size *size) {
    double sum = 0;
    for (uint32_t k = 0; k < v->n_parts; k++) {
        sum += size->moves[k] * size->moves[k];
    }
    return tm__sqrt(sum * (v->n_parts - 1.0) / v->n_parts);
}

static json_t *curve_to_json(const value_run *v) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < v->n_sizes; i++) {
        const value_size *const s = &v->sizes[i];
        const double test = test_error(v, s);
        const double half = 1.96 * tm__sqrt(s->error * s->error + test * test);
        json_array_append_new(
            list,
            json_pack("{s:I, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "rows",
                      (json_int_t)(s->rows + 0.5), "share", tm__json_number(s->share), "blocks",
                      (json_int_t)s->n_blocks, "fits", (json_int_t)(s->n_blocks * s->n_seeds),
                      "score", tm__json_number(s->score), "low",
                      v->is_short ? json_null() : tm__json_number(s->score - half), "high",
                      v->is_short ? json_null() : tm__json_number(s->score + half),
                      "error_learning", tm__json_number(s->error), "error_test",
                      v->is_short ? json_null() : tm__json_number(test)));
    }
    return list;
}

static json_t *interval_to_json(const tm_interval *interval) {
    return json_pack("{s:o, s:o, s:o}", "gain", tm__json_number(interval->value), "low",
                     tm__json_number(interval->low), "high", tm__json_number(interval->high));
}

/* yes, no or cannot_tell, and why. */
static void put_verdict(const char *verdict, const char *reason, double worth, json_t *out) {
    json_object_set_new(out, "verdict", json_string(verdict));
    json_object_set_new(out, "reason", json_string(reason));
    json_object_set_new(out, "worth", worth > 0 ? tm__json_number(worth) : json_null());
}

/* The curve's model, what twice the rows would bring, and whether the model held at the last
 * doubling that was measured. */
static void judge(const value_run *v, json_t *out) {
    tm_power_points points;
    tm_power power;
    tm_interval gain, foretold = {0}, measured = {0}, apart = {0};
    const value_size *const whole = &v->sizes[v->n_sizes - 1];
    const double learned = better(v, whole->score) - better(v, v->baseline);
    const double worth = WORTH * learned;
    if (v->n_sizes < 4 || v->is_short) {
        put_verdict("cannot_tell",
                    v->is_short ? "the test rows are too few of a class"
                                : "the rows are too few for a curve",
                    worth, out);
        return;
    }
    fill_points(v, &points);
    tm__power_fit(&points, v->train.seed, &power, &gain);
    tm__power_foretell(&points, v->train.seed, &foretold, &measured, &apart);
    const bool holds = apart.low <= 0 && apart.high >= 0;
    const double sign = v->metric->is_loss ? -1 : 1;
    json_object_set_new(out, "model",
                        json_pack("{s:s, s:o, s:o, s:o, s:b}", "form",
                                  "score = limit - scale * share^-slope", "limit",
                                  tm__json_number(sign * power.limit), "scale",
                                  tm__json_number(sign * power.scale), "slope",
                                  tm__json_number(power.slope), "holds", holds));
    json_t *twice = interval_to_json(&gain);
    json_object_set_new(twice, "rows", json_integer((json_int_t)(2 * whole->rows + 0.5)));
    json_object_set_new(out, "twice", twice);
    json_object_set_new(out, "last_doubling",
                        json_pack("{s:o, s:o}", "foretold", interval_to_json(&foretold), "measured",
                                  interval_to_json(&measured)));
    if (learned <= 0) {
        put_verdict("cannot_tell", "the model is no better than a constant answer", worth, out);
    } else if (!holds) {
        put_verdict("cannot_tell", "the last doubling was not as the curve foretold", worth, out);
    } else if (gain.high < worth) {
        put_verdict("no", "twice as many rows bring less than a hundredth of what was learned",
                    worth, out);
    } else if (gain.low > 0) {
        put_verdict("yes", "the curve is still on its way", worth, out);
    } else {
        put_verdict("cannot_tell", "the gain is not sure to be one", worth, out);
    }
}

/* Groups that are too thin; none of it where the score of the whole says nothing. */
static tm_status put_slices(const value_run *v, json_t *out, tm_err *err) {
    const value_size *const whole = &v->sizes[v->n_sizes - 1];
    const double learned = better(v, whole->score) - better(v, v->baseline);
    const tm_slice_input in = {.data = &v->data,
                               .metric = v->metric->name,
                               .error = test_error(v, whole),
                               .within =
                                   v->options->within > 0 ? v->options->within : WITHIN * learned};
    json_t *slices = NULL;
    if (v->is_short || !(in.within > 0) || v->data.task == TM_TASK_RANKING) {
        json_object_set_new(out, "slices", json_null());
        return TM_OK;
    }
    TM_TRY(tm__train_slices(&in, &slices, err));
    json_object_set_new(out, "slices", slices);
    return TM_OK;
}

static json_t *value_to_json(const value_run *v) {
    const tm_train_data *const data = &v->data;
    json_t *out = json_pack("{s:s, s:s, s:s, s:s, s:b, s:I, s:o, s:o, s:o}", "target",
                            data->schema.cols[data->target].name, "task", tm__task_text(data->task),
                            "metric", v->metric->name, "learner", v->learner.ops->name,
                            "smaller_is_better", v->metric->is_loss, "seed",
                            (json_int_t)v->train.seed, "split", tm__train_split_info(data, 0),
                            "baseline", tm__json_number(v->baseline), "curve", curve_to_json(v));
    judge(v, out);
    return out;
}

static void value_done(value_run *v) {
    tm__train_data_done(&v->data);
    tm__mem_free(v->draws);
    tm__mem_free(v->parts);
    tm__mem_free(v->queries);
    tm__mem_free(v->y);
    tm__mem_free(v->weights);
    tm__mem_free(v->pred);
    tm__mem_free(v->some_y);
    tm__mem_free(v->some_weights);
    tm__mem_free(v->some_pred);
    tm__mem_free(v->some_queries);
}

static tm_status run_value(value_run *v, tm_err *err) {
    TM_TRY(tm__train_metric(v->train.metric, v->data.task, &v->metric, err));
    thin_test(&v->data);
    TM_TRY(cut_parts(v, err));
    TM_TRY(alloc_test(v, err));
    TM_TRY(draw_rows(v, err));
    choose_sizes(v);
    TM_TRY(choose_learner(v, err));
    TM_TRY(score_baseline(v, err));
    return fit_sizes(v, err);
}

tm_status tm__train_value(tm_ctx *ctx, tm_table *table, const tm_value_options *options,
                          json_t **out, tm_err *err) {
    tm_budget *const budget = ctx->budget;
    value_run *const v = tm__mem_zalloc(1, sizeof(*v));
    if (v == NULL) {
        return no_memory(err);
    }
    v->ctx = ctx;
    v->options = options;
    v->train = options->train;
    ctx->budget = NULL; /* the work is a function of the data */
    tm_status st = tm__train_data_init(&v->data, table, NULL, &v->train, err);
    if (st == TM_OK) {
        st = run_value(v, err);
    }
    ctx->budget = budget;
    if (st == TM_OK) {
        json_t *made = value_to_json(v);
        st = put_slices(v, made, err);
        if (st == TM_OK) {
            st = tm__json_check(err);
        }
        if (st == TM_OK) {
            *out = made;
        } else {
            json_decref(made);
        }
    }
    value_done(v);
    tm__mem_free(v);
    return st;
}
