/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of values (truth less answer): their spread, how they go with the answer, whether they
 * lean; and of rankings, what stands at each place. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "train/train_look_priv.h"

enum { BINS = 30, PARTS = 15, PART_ROWS = 10, PLACES = 10, SHARES = 10 };

#define Z 1.959963984540054

static void put(json_t *list, double value) {
    json_array_append_new(list, tm__json_number(value));
}

/* --- values --- */

typedef struct erring {
    double pred, off, truth;
    uint64_t at;
} erring;

static int compare_erring(const void *a, const void *b) {
    const erring *x = a, *y = b;
    if (x->pred != y->pred) {
        return x->pred < y->pred ? -1 : 1;
    }
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Bins of one width between the hundredths at both ends. */
static json_t *say_histogram(const double *sorted, uint64_t n) {
    const double low = tm__look_quantile(sorted, n, 0.01);
    const double high = tm__look_quantile(sorted, n, 0.99);
    uint64_t counts[BINS] = {0}, below = 0, above = 0;
    json_t *bounds = json_array(), *list = json_array();
    for (uint64_t i = 0; i < n; i++) {
        if (sorted[i] < low) {
            below++;
        } else if (sorted[i] > high) {
            above++;
        } else {
            const double place = high > low ? (sorted[i] - low) / (high - low) * BINS : 0;
            counts[place < BINS - 1 ? (uint32_t)place : BINS - 1]++;
        }
    }
    for (uint32_t b = 0; b <= BINS; b++) {
        put(bounds, low + (high - low) * b / BINS);
    }
    for (uint32_t b = 0; b < BINS; b++) {
        json_array_append_new(list, json_integer((json_int_t)counts[b]));
    }
    return json_pack("{s:o, s:o, s:I, s:I}", "bounds", bounds, "counts", list, "below",
                     (json_int_t)below, "above", (json_int_t)above);
}

/* Parts of equal rows from the least answer up; rows with one answer are never parted. */
static json_t *say_by_answer(const erring *rows, uint64_t n, double *sorted) {
    const uint64_t n_parts = n / PART_ROWS < PARTS ? n / PART_ROWS + 1 : PARTS;
    json_t *list = json_array();
    for (uint64_t from = 0, part = 1; from < n; part++) {
        uint64_t end = part < n_parts ? n * part / n_parts : n;
        end = end > from ? end : from + 1;
        while (end < n && rows[end].pred == rows[end - 1].pred) {
            end++;
        }
        double pred = 0, truth = 0;
        for (uint64_t i = from; i < end; i++) {
            pred += rows[i].pred;
            truth += rows[i].truth;
            sorted[i - from] = rows[i].off;
        }
        const uint64_t m = end - from;
        qsort(sorted, m, sizeof(*sorted), tm__look_compare);
        json_array_append_new(
            list, json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}", "rows", (json_int_t)m, "prediction",
                            tm__json_number(pred / (double)m), "actual",
                            tm__json_number(truth / (double)m), "low",
                            tm__json_number(tm__look_quantile(sorted, m, 0.1)), "median",
                            tm__json_number(tm__look_quantile(sorted, m, 0.5)), "high",
                            tm__json_number(tm__look_quantile(sorted, m, 0.9))));
        from = end;
    }
    return list;
}

static json_t *say_errors(const tm_look *look, erring *rows, double *sorted) {
    const uint64_t n = look->n;
    double sum = 0, squares = 0;
    for (uint64_t i = 0; i < n; i++) {
        const double off = look->y[i] - look->pred[i];
        rows[i] = (erring){look->pred[i], off, look->y[i], i};
        sorted[i] = off;
        sum += off;
    }
    const double mean = sum / (double)n;
    for (uint64_t i = 0; i < n; i++) {
        squares += (sorted[i] - mean) * (sorted[i] - mean);
    }
    const double half =
        n > 1 ? Z * tm__sqrt(squares / (double)(n - 1) / (double)n) : (double)INFINITY;
    qsort(sorted, n, sizeof(*sorted), tm__look_compare);
    json_t *errors = json_pack("{s:o, s:o}", "residuals", say_histogram(sorted, n), "bias",
                               tm__look_interval(mean, mean - half, mean + half));
    for (uint64_t i = 0; i < n; i++) {
        sorted[i] = fabs(sorted[i]);
    }
    qsort(sorted, n, sizeof(*sorted), tm__look_compare);
    json_object_set_new(errors, "absolute",
                        json_pack("{s:o, s:o, s:o}", "p50",
                                  tm__json_number(tm__look_quantile(sorted, n, 0.5)), "p90",
                                  tm__json_number(tm__look_quantile(sorted, n, 0.9)), "p99",
                                  tm__json_number(tm__look_quantile(sorted, n, 0.99))));
    qsort(rows, n, sizeof(*rows), compare_erring);
    json_object_set_new(errors, "by_answer", say_by_answer(rows, n, sorted));
    return errors;
}

tm_status tm__look_errors(const tm_look *look, json_t **out, tm_err *err) {
    erring *rows = tm__mem_alloc(look->n, sizeof(*rows));
    double *sorted = tm__mem_alloc(look->n, sizeof(*sorted));
    tm_status st = TM_OK;
    if (rows == NULL || sorted == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory for the errors of rows");
    } else {
        json_t *errors = say_errors(look, rows, sorted);
        st = tm__json_check(err);
        if (st == TM_OK) {
            *out = errors;
        } else {
            json_decref(errors);
        }
    }
    tm__mem_free(rows);
    tm__mem_free(sorted);
    return st;
}

/* --- rankings --- */

typedef struct ranks {
    const tm_look *look;
    erring *rows; /* of one query */
    double relevance[PLACES];
    uint64_t n_rows[PLACES];
    uint64_t counts[SHARES];
    uint64_t n_queries;
} ranks;

static tm_status rank_query(ranks *r, uint64_t from, uint64_t end, tm_err *err) {
    const tm_look *look = r->look;
    double score = 0;
    for (uint64_t i = from; i < end; i++) {
        r->rows[i - from] = (erring){-look->pred[i], 0, look->y[i], i};
    }
    qsort(r->rows, end - from, sizeof(*r->rows), compare_erring);
    for (uint64_t place = 0; place < PLACES && place < end - from; place++) {
        r->relevance[place] += r->rows[place].truth;
        r->n_rows[place]++;
    }
    const tm_score_input in = {.task = TM_TASK_RANKING,
                               .n_rows = end - from,
                               .y = look->y + from,
                               .pred = look->pred + from,
                               .groups = look->queries + from};
    TM_TRY(tm__metric_score(tm__metric_find("ndcg@10"), &in, &score, err));
    const double at = score * SHARES;
    r->counts[at < SHARES - 1 ? (uint32_t)at : SHARES - 1]++;
    r->n_queries++;
    return TM_OK;
}

static json_t *say_ranks(const ranks *r) {
    json_t *places = json_array(), *bounds = json_array(), *counts = json_array();
    for (uint32_t k = 0; k < PLACES && r->n_rows[k] > 0; k++) {
        json_array_append_new(places,
                              json_pack("{s:i, s:I, s:o}", "place", (int)k + 1, "rows",
                                        (json_int_t)r->n_rows[k], "relevance",
                                        tm__json_number(r->relevance[k] / (double)r->n_rows[k])));
    }
    for (uint32_t b = 0; b <= SHARES; b++) {
        put(bounds, (double)b / SHARES);
    }
    for (uint32_t b = 0; b < SHARES; b++) {
        json_array_append_new(counts, json_integer((json_int_t)r->counts[b]));
    }
    return json_pack("{s:I, s:o, s:{s:o, s:o}}", "queries", (json_int_t)r->n_queries, "by_place",
                     places, "ndcg", "bounds", bounds, "counts", counts);
}

tm_status tm__look_ranks(const tm_look *look, json_t **out, tm_err *err) {
    ranks r = {.look = look, .rows = tm__mem_alloc(look->n, sizeof(*r.rows))};
    tm_status st =
        r.rows == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for the rows of queries") : TM_OK;
    for (uint64_t from = 0, end = 0; st == TM_OK && from < look->n; from = end) {
        for (end = from; end < look->n && look->queries[end] == look->queries[from]; end++) {
        }
        st = rank_query(&r, from, end, err);
    }
    if (st == TM_OK) {
        json_t *told = say_ranks(&r);
        st = tm__json_check(err);
        if (st == TM_OK) {
            *out = told;
        } else {
            json_decref(told);
        }
    }
    tm__mem_free(r.rows);
    return st;
}
