/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scores and how sure they are, by drawing the test rows again with replacement. A draw is a number
 * of times for each unit (a row, an entity, a query), which is its rows' weight; scores take
 * weights, so nothing is copied. A ranking's score is a mean over queries, so each query is scored
 * once.
 *
 * Draw r follows from the seed and r alone: the same on any number of threads. Both models of a
 * comparison see the same draws, so what rows have in common falls out of their difference.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "train/train_look_priv.h"

enum { REPEATS = 200, ROWS_MAX = 20000, SCORES_MAX = 16 };

typedef struct draws {
    const tm_look *look;
    tm_score_input whole[2]; /* of all rows: the model, the other one */
    tm_score_input part[2];  /* of the rows drawn from */
    uint32_t n_models;
    const tm_metric_ops *metrics[SCORES_MAX];
    uint32_t n_metrics;
    uint32_t *units; /* [part rows] numbers of the units of the part */
    uint64_t n_units;
    double *owned[5]; /* arrays of the part */
    uint32_t *groups;
    double *by_query; /* RANKING: [2 x n_units] */
    double *values;   /* [n_metrics x 2 x REPEATS]; NaN: those rows do not define it */
    bool *lost;       /* [REPEATS] for want of memory */
} draws;

static double *value_at(const draws *d, uint32_t metric, uint32_t model, uint32_t repeat) {
    return &d->values[((size_t)metric * 2 + model) * REPEATS + repeat];
}

/* How often each unit was drawn. */
static void draw_units(const draws *d, uint32_t repeat, uint32_t *times) {
    tm_rng rng = tm__rng_split(d->look->seed, "train.sure", repeat);
    memset(times, 0, d->n_units * sizeof(*times));
    for (uint64_t i = 0; i < d->n_units; i++) {
        times[tm__rng_below(&rng, d->n_units)]++;
    }
}

static void score_queries(const draws *d, uint32_t repeat, const uint32_t *times) {
    for (uint32_t m = 0; m < d->n_models; m++) {
        double sum = 0;
        for (uint64_t q = 0; q < d->n_units; q++) {
            sum += times[q] * d->by_query[m * d->n_units + q];
        }
        *value_at(d, 0, m, repeat) = sum / (double)d->n_units;
    }
}

static void draw_task(void *arg, uint64_t item, uint32_t worker) {
    const draws *d = arg;
    const uint32_t repeat = (uint32_t)item;
    const uint64_t n = d->part[0].n_rows;
    uint32_t *times = tm__mem_alloc(d->n_units, sizeof(*times));
    double *weights = tm__mem_alloc(n, sizeof(*weights));
    (void)worker;
    d->lost[repeat] = times == NULL || weights == NULL;
    if (!d->lost[repeat]) {
        draw_units(d, repeat, times);
    }
    if (!d->lost[repeat] && d->by_query != NULL) {
        score_queries(d, repeat, times);
    } else if (!d->lost[repeat]) {
        for (uint64_t i = 0; i < n; i++) {
            const double own = d->part[0].weights != NULL ? d->part[0].weights[i] : 1;
            weights[i] = own * times[d->units != NULL ? d->units[i] : i];
        }
        for (uint32_t k = 0; k < d->n_metrics; k++) {
            for (uint32_t m = 0; m < d->n_models; m++) {
                tm_score_input in = d->part[m];
                in.weights = weights;
                const tm_status st =
                    tm__metric_score(d->metrics[k], &in, value_at(d, k, m, repeat), NULL);
                if (st != TM_OK) {
                    *value_at(d, k, m, repeat) = tm__nan();
                    d->lost[repeat] = d->lost[repeat] || st == TM_E_NOMEM;
                }
            }
        }
    }
    tm__mem_free(times);
    tm__mem_free(weights);
}

/* --- the rows drawn from --- */

static tm_score_input input_of(const tm_look *look, const double *pred) {
    return (tm_score_input){.task = look->task,
                            .n_classes = look->n_classes,
                            .n_rows = look->n,
                            .y = look->y,
                            .pred = pred,
                            .weights = look->weights,
                            .groups = look->queries,
                            .threshold = look->threshold};
}

/* About ROWS_MAX rows of whole units, in their order. */
static tm_status part_init(draws *d, tm_err *err) {
    const tm_look *look = d->look;
    const uint64_t key = tm__rng_split(look->seed, "train.sure.rows", 0).key;
    const double share = (double)ROWS_MAX / (double)look->n;
    const size_t width = look->n_outputs * sizeof(double);
    uint64_t n = 0, last = UINT64_MAX, n_units = 0;
    d->owned[0] = tm__mem_alloc(look->n, sizeof(double));
    d->owned[1] = tm__mem_alloc(look->n, width);
    d->owned[2] = d->n_models > 1 ? tm__mem_alloc(look->n, width) : NULL;
    d->owned[3] = look->weights != NULL ? tm__mem_alloc(look->n, sizeof(double)) : NULL;
    d->units = tm__mem_alloc(look->n, sizeof(uint32_t));
    uint32_t *numbers = tm__mem_alloc(look->n_units, sizeof(uint32_t));
    const bool ok = d->owned[0] != NULL && d->owned[1] != NULL && d->units != NULL &&
                    numbers != NULL && (d->n_models < 2 || d->owned[2] != NULL) &&
                    (look->weights == NULL || d->owned[3] != NULL);
    for (uint64_t u = 0; ok && u < look->n_units; u++) {
        const bool is_in = (double)(tm__rng_at(key, u) >> 11) * 0x1p-53 < share;
        numbers[u] = is_in ? (uint32_t)n_units : UINT32_MAX;
        n_units += is_in;
        last = is_in ? u : last;
    }
    for (uint64_t i = 0; ok && i < look->n; i++) {
        const uint32_t unit = numbers[look->units != NULL ? look->units[i] : i];
        if (unit == UINT32_MAX) {
            continue;
        }
        d->owned[0][n] = look->y[i];
        memcpy(d->owned[1] + n * look->n_outputs, d->whole[0].pred + i * look->n_outputs, width);
        if (d->owned[2] != NULL) {
            memcpy(d->owned[2] + n * look->n_outputs, d->whole[1].pred + i * look->n_outputs,
                   width);
        }
        if (d->owned[3] != NULL) {
            d->owned[3][n] = look->weights[i];
        }
        d->units[n++] = unit;
    }
    tm__mem_free(numbers);
    if (!ok) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to draw rows again");
    }
    d->n_units = n_units;
    for (uint32_t m = 0; m < d->n_models; m++) {
        d->part[m].n_rows = n;
        d->part[m].y = d->owned[0];
        d->part[m].pred = d->owned[1 + m];
        d->part[m].weights = d->owned[3];
        d->part[m].groups = d->look->queries != NULL ? d->units : NULL;
    }
    return n > 0 && last != UINT64_MAX ? TM_OK
                                       : TM_FAIL(err, TM_E_DATA, "there are no rows to draw from");
}

/* A ranking's score of each query of the part. */
static tm_status queries_score(draws *d, tm_err *err) {
    const uint64_t n = d->part[0].n_rows;
    const uint32_t *groups = d->part[0].groups;
    d->by_query = tm__mem_alloc(2 * d->n_units, sizeof(double));
    if (d->by_query == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the scores of queries");
    }
    for (uint32_t m = 0; m < d->n_models; m++) {
        uint64_t query = 0;
        for (uint64_t from = 0, end = 0; from < n; from = end, query++) {
            for (end = from; end < n && groups[end] == groups[from]; end++) {
            }
            tm_score_input in = d->part[m];
            in.y += from;
            in.pred += from;
            in.groups += from;
            in.weights = NULL;
            in.n_rows = end - from;
            TM_TRY(tm__metric_score(d->metrics[0], &in, &d->by_query[m * d->n_units + query], err));
        }
    }
    return TM_OK;
}

static tm_status draws_init(draws *d, const double *other, tm_err *err) {
    const tm_look *look = d->look;
    d->n_models = other != NULL ? 2 : 1;
    d->whole[0] = d->part[0] = input_of(look, look->pred);
    d->whole[1] = d->part[1] = input_of(look, other);
    d->units = NULL;
    d->n_units = look->n_units;
    for (uint32_t i = 0; tm__metric_list()[i] != NULL && d->n_metrics < SCORES_MAX; i++) {
        if ((tm__metric_list()[i]->tasks >> look->task & 1) != 0) {
            d->metrics[d->n_metrics++] = tm__metric_list()[i];
        }
    }
    d->values = tm__mem_zalloc((size_t)d->n_metrics * 2 * REPEATS, sizeof(double));
    d->lost = tm__mem_zalloc(REPEATS, sizeof(bool));
    if (d->values == NULL || d->lost == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to draw rows again");
    }
    if (look->n > ROWS_MAX) {
        TM_TRY(part_init(d, err));
    } else if (look->units != NULL) {
        d->units = tm__mem_alloc(look->n, sizeof(uint32_t));
        if (d->units == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory to draw rows again");
        }
        memcpy(d->units, look->units, look->n * sizeof(uint32_t));
    }
    return look->task == TM_TASK_RANKING ? queries_score(d, err) : TM_OK;
}

static void draws_done(draws *d) {
    for (size_t i = 0; i < sizeof(d->owned) / sizeof(d->owned[0]); i++) {
        tm__mem_free(d->owned[i]);
    }
    tm__mem_free(d->units);
    tm__mem_free(d->by_query);
    tm__mem_free(d->values);
    tm__mem_free(d->lost);
}

/* --- intervals --- */

/* 95 % of the drawn values (less those of the other model, when gain), moved to where all rows are;
 * null when too few draws define it. */
static json_t *interval(const draws *d, uint32_t k, bool is_gain, double value, double centre) {
    double drawn[REPEATS];
    uint64_t n = 0;
    const double narrow = tm__sqrt((double)d->part[0].n_rows / (double)d->look->n);
    for (uint32_t r = 0; r < REPEATS; r++) {
        const double own = *value_at(d, k, 0, r);
        const double x = is_gain ? tm__metric_gain(d->metrics[k], own, *value_at(d, k, 1, r)) : own;
        if (!isnan(x)) {
            drawn[n++] = x;
        }
    }
    if (n < REPEATS / 2) {
        return json_null();
    }
    qsort(drawn, n, sizeof(double), tm__look_compare);
    return tm__look_interval(value, value + narrow * (tm__look_quantile(drawn, n, 0.025) - centre),
                             value + narrow * (tm__look_quantile(drawn, n, 0.975) - centre));
}

/* The score of all rows, and of the part; *out_is_there false when they do not define it. */
static tm_status score_both(const draws *d, uint32_t k, uint32_t m, double out[2],
                            bool *out_is_there, tm_err *err) {
    tm_err own = {0};
    tm_status st = tm__metric_score(d->metrics[k], &d->whole[m], &out[0], &own);
    if (st == TM_OK) {
        st = tm__metric_score(d->metrics[k], &d->part[m], &out[1], &own);
    }
    *out_is_there = st == TM_OK;
    if (st != TM_OK && st != TM_E_DATA) {
        if (err != NULL) {
            *err = own;
        }
        return st;
    }
    return TM_OK;
}

static tm_status say_score(const draws *d, uint32_t k, json_t *list, tm_err *err) {
    double own[2] = {0}, others[2] = {0};
    bool is_there = false, has_other = false;
    TM_TRY(score_both(d, k, 0, own, &is_there, err));
    if (is_there && d->n_models > 1) {
        TM_TRY(score_both(d, k, 1, others, &has_other, err));
    }
    if (!is_there) {
        return TM_OK;
    }
    json_t *entry = json_pack("{s:s, s:o, s:b}", "score", d->metrics[k]->name, "value",
                              tm__json_number(own[0]), "smaller_is_better", d->metrics[k]->is_loss);
    json_t *sure = interval(d, k, false, own[0], own[1]);
    if (json_is_object(sure)) {
        json_object_set(entry, "low", json_object_get(sure, "low"));
        json_object_set(entry, "high", json_object_get(sure, "high"));
    }
    json_decref(sure);
    if (has_other) {
        const double gain = tm__metric_gain(d->metrics[k], own[0], others[0]);
        json_object_set_new(entry, "other", tm__json_number(others[0]));
        json_object_set_new(
            entry, "gain",
            interval(d, k, true, gain, tm__metric_gain(d->metrics[k], own[1], others[1])));
    }
    json_array_append_new(list, entry);
    return TM_OK;
}

static tm_status say_scores(const draws *d, json_t **out, tm_err *err) {
    for (uint32_t r = 0; r < REPEATS; r++) {
        if (d->lost[r]) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory to draw rows again");
        }
    }
    json_t *list = json_array();
    tm_status st = TM_OK;
    for (uint32_t k = 0; st == TM_OK && k < d->n_metrics; k++) {
        st = say_score(d, k, list, err);
    }
    if (st != TM_OK) {
        json_decref(list);
        return st;
    }
    json_t *scores = json_pack("{s:s, s:I, s:I, s:I, s:o}", "unit", d->look->unit, "units",
                               (json_int_t)d->look->n_units, "repeats", (json_int_t)REPEATS, "rows",
                               (json_int_t)d->part[0].n_rows, "list", list);
    st = tm__json_check(err);
    return tm__json_give(st, scores, out, err);
}

tm_status tm__look_scores(const tm_look *look, const double *other, json_t **out, tm_err *err) {
    draws d = {.look = look};
    tm_status st = draws_init(&d, other, err);
    if (st == TM_OK) {
        tm__ctx_progress(look->ctx, "draw", 0, REPEATS, "test rows again");
        tm__pool_run(look->ctx->pool, REPEATS, draw_task, &d);
        st = say_scores(&d, out, err);
    }
    draws_done(&d);
    return st;
}
