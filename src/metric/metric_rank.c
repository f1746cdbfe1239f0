/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scores that depend on the order of predictions alone: auc, average precision, ndcg. Rows are
 * sorted once by a radix sort on the bits of the prediction, so that 600,000 rows take some tens of
 * milliseconds. Tied predictions are always handled as a group: the order of rows in the input has
 * no say.
 */
#include <stdlib.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "metric/metric_priv.h"

#define DIGIT_BITS 11u
#define N_DIGITS (1u << DIGIT_BITS)
#define N_PASSES 6u
#define NDCG_AT 10u
#define RELEVANCE_MAX 1000.0 /* 2^relevance stays finite */

typedef struct keyed {
    uint64_t key;
    uint32_t row;
} keyed;

/* Bits that sort rising as doubles fall; -0 counts as 0. */
static uint64_t falling_key(double value) {
    const uint64_t bits = tm__f64_bits(value + 0.0);
    return (bits >> 63) != 0 ? bits : ~bits & UINT64_C(0x7FFFFFFFFFFFFFFF);
}

/* One stable counting pass; false when all rows share the digit and nothing moved. */
static bool sort_pass(const keyed *from, keyed *to, uint64_t n, unsigned shift) {
    uint64_t starts[N_DIGITS] = {0};
    uint64_t at = 0;
    for (uint64_t i = 0; i < n; i++) {
        starts[(from[i].key >> shift) & (N_DIGITS - 1)]++;
    }
    if (starts[(from[0].key >> shift) & (N_DIGITS - 1)] == n) {
        return false;
    }
    for (uint32_t d = 0; d < N_DIGITS; d++) {
        const uint64_t count = starts[d];
        starts[d] = at;
        at += count;
    }
    for (uint64_t i = 0; i < n; i++) {
        to[starts[(from[i].key >> shift) & (N_DIGITS - 1)]++] = from[i];
    }
    return true;
}

uint32_t *tm__score_order(const double *pred, uint64_t n_rows) {
    uint32_t *order = tm__mem_alloc(n_rows, sizeof(*order));
    keyed *a = tm__mem_alloc(n_rows, sizeof(*a));
    keyed *b = tm__mem_alloc(n_rows, sizeof(*b));
    if (order == NULL || a == NULL || b == NULL) {
        tm__mem_free(order);
        order = NULL;
        goto out;
    }
    for (uint64_t i = 0; i < n_rows; i++) {
        a[i] = (keyed){falling_key(pred[i]), (uint32_t)i};
    }
    for (unsigned pass = 0; n_rows > 1 && pass < N_PASSES; pass++) {
        if (sort_pass(a, b, n_rows, pass * DIGIT_BITS)) {
            keyed *const swap = a;
            a = b;
            b = swap;
        }
    }
    for (uint64_t i = 0; i < n_rows; i++) {
        order[i] = a[i].row;
    }
out:
    tm__mem_free(a);
    tm__mem_free(b);
    return order;
}

/* Row after the last of the tie group that starts at place `from`. */
static uint64_t tie_end(const double *pred, const uint32_t *order, uint64_t from, uint64_t n) {
    uint64_t end = from + 1;
    while (end < n && pred[order[end]] == pred[order[from]]) {
        end++;
    }
    return end;
}

/* Weight of positives and negatives of a tie group. */
static void tie_weights(const tm_score_input *in, const uint32_t *order, uint64_t from,
                        uint64_t end, double out[2]) {
    tm_sum sums[2] = {0};
    for (uint64_t i = from; i < end; i++) {
        tm__sum_add(&sums[in->y[order[i]] == 1.0], tm__score_weight(in, order[i]));
    }
    out[0] = tm__sum_get(&sums[0]);
    out[1] = tm__sum_get(&sums[1]);
}

tm_status tm__score_auc(const tm_score_input *in, double *out, tm_err *err) {
    uint32_t *order = tm__score_order(in->pred, in->n_rows);
    tm_sum above = {0}, positive = {0}, area = {0};
    double tie[2];
    if (order == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory sorting %llu predictions",
                       (unsigned long long)in->n_rows);
    }
    /* Walking down, each negative counts the positives above it and half of those beside it. */
    for (uint64_t i = 0; i < in->n_rows;) {
        const uint64_t end = tie_end(in->pred, order, i, in->n_rows);
        tie_weights(in, order, i, end, tie);
        tm__sum_add(&area, tie[0] * (tm__sum_get(&positive) + 0.5 * tie[1]));
        tm__sum_add(&above, tie[0]);
        tm__sum_add(&positive, tie[1]);
        i = end;
    }
    tm__mem_free(order);
    const double pairs = tm__sum_get(&above) * tm__sum_get(&positive);
    if (!(pairs > 0.0)) {
        return TM_FAIL(err, TM_E_DATA, "auc needs rows of both classes");
    }
    *out = tm__sum_get(&area) / pairs;
    return TM_OK;
}

tm_status tm__score_average_precision(const tm_score_input *in, double *out, tm_err *err) {
    uint32_t *order = tm__score_order(in->pred, in->n_rows);
    tm_sum all = {0}, positive = {0}, area = {0};
    double tie[2];
    if (order == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory sorting %llu predictions",
                       (unsigned long long)in->n_rows);
    }
    for (uint64_t i = 0; i < in->n_rows;) {
        const uint64_t end = tie_end(in->pred, order, i, in->n_rows);
        tie_weights(in, order, i, end, tie);
        tm__sum_add(&all, tie[0] + tie[1]);
        tm__sum_add(&positive, tie[1]);
        if (tie[1] > 0.0) {
            tm__sum_add(&area, tie[1] * (tm__sum_get(&positive) / tm__sum_get(&all)));
        }
        i = end;
    }
    tm__mem_free(order);
    if (!(tm__sum_get(&positive) > 0.0)) {
        return TM_FAIL(err, TM_E_DATA, "average precision needs rows of the positive class");
    }
    *out = tm__sum_get(&area) / tm__sum_get(&positive);
    return TM_OK;
}

/* ---- ndcg ---- */

typedef struct ranked {
    double pred, gain;
} ranked;

static int by_gain(const void *a, const void *b) {
    const double x = ((const ranked *)a)->gain, y = ((const ranked *)b)->gain;
    return (x < y) - (x > y);
}

/* Gain breaks ties, so that the order and with it the bits of a sum are defined. */
static int by_pred(const void *a, const void *b) {
    const double x = ((const ranked *)a)->pred, y = ((const ranked *)b)->pred;
    return x == y ? by_gain(a, b) : (x < y) - (x > y);
}

/* Discounted gain of the first ten places. Rows tied in pred share the mean gain of their group:
 * that is the expectation over all orders of the tie. */
static double discounted(const ranked *rows, uint64_t n, const double *discount) {
    double sum = 0.0;
    for (uint64_t i = 0; i < n && i < NDCG_AT;) {
        uint64_t end = i;
        double gain = 0.0, weight = 0.0;
        while (end < n && rows[end].pred == rows[i].pred) {
            gain += rows[end].gain;
            weight += end < NDCG_AT ? discount[end] : 0.0;
            end++;
        }
        sum += gain / (double)(end - i) * weight;
        i = end;
    }
    return sum;
}

static double query_ndcg(ranked *rows, uint64_t n, const double *discount) {
    double ideal = 0.0;
    qsort(rows, n, sizeof(*rows), by_gain);
    for (uint64_t i = 0; i < n && i < NDCG_AT; i++) {
        ideal += rows[i].gain * discount[i];
    }
    if (!(ideal > 0.0)) {
        return 1.0;
    }
    qsort(rows, n, sizeof(*rows), by_pred);
    return discounted(rows, n, discount) / ideal;
}

tm_status tm__score_ndcg10(const tm_score_input *in, double *out, tm_err *err) {
    double discount[NDCG_AT];
    tm_sum sum = {0};
    uint64_t n_queries = 0;
    ranked *rows = NULL;
    for (uint32_t i = 0; i < NDCG_AT; i++) {
        discount[i] = tm__log(2.0) / tm__log((double)i + 2.0);
    }
    for (uint64_t i = 0; i < in->n_rows; i++) {
        if (!(in->y[i] >= 0.0 && in->y[i] <= RELEVANCE_MAX)) {
            return TM_FAIL(err, TM_E_DATA, "relevance of row %llu is not from 0 to %g",
                           (unsigned long long)(i + 1), RELEVANCE_MAX);
        }
    }
    rows = tm__mem_alloc(in->n_rows, sizeof(*rows));
    if (rows == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory ranking %llu rows",
                       (unsigned long long)in->n_rows);
    }
    for (uint64_t from = 0, end = 0; from < in->n_rows; from = end) {
        for (end = from; end < in->n_rows && in->groups[end] == in->groups[from]; end++) {
            rows[end - from] = (ranked){in->pred[end], tm__pow(2.0, in->y[end]) - 1.0};
        }
        tm__sum_add(&sum, query_ndcg(rows, end - from, discount));
        n_queries++;
    }
    tm__mem_free(rows);
    *out = tm__sum_get(&sum) / (double)n_queries;
    return TM_OK;
}
