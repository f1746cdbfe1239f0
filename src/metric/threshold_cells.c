/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/threshold_cells.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

#define FIRST 0.001      /* of the rows, that the first cell reaches to at the least */
#define FURTHER 1.0625   /* times as far as the cell before */
#define CELLS_MAX 10000u /* that are read of a file */

/* ---- made ---- */

typedef struct answer {
    double pred, weight;
    bool is_positive;
} answer;

static int compare_answers(const void *a, const void *b) {
    const double x = ((const answer *)a)->pred, y = ((const answer *)b)->pred;
    return x > y ? -1 : x < y;
}

static answer *sort_answers(const tm_called_rows *rows, double *out_total) {
    answer *const sorted = tm__mem_alloc(rows->n > 0 ? rows->n : 1, sizeof(*sorted));
    for (uint64_t i = 0; i < rows->n && sorted != NULL; i++) {
        const double weight = rows->weights != NULL ? rows->weights[i] : 1.0;
        sorted[i] = (answer){rows->pred[i], weight, rows->y[i] == 1.0};
        *out_total += weight;
    }
    if (sorted != NULL) {
        qsort(sorted, rows->n, sizeof(*sorted), compare_answers);
    }
    return sorted;
}

static void put(json_t *cells, const char *name, double value) {
    json_array_append_new(json_object_get(cells, name), tm__json_number(value));
}

json_t *tm__threshold_cells(const tm_called_rows *rows) {
    double total = 0, so_far = 0, wanted = FIRST, positives = 0, negatives = 0;
    answer *const sorted = sort_answers(rows, &total);
    json_t *const cells =
        sorted == NULL ? NULL
                       : json_pack("{s:[], s:[], s:[]}", "answers", "positives", "negatives");
    for (uint64_t i = 0; i < rows->n && cells != NULL; i++) {
        positives += sorted[i].is_positive ? sorted[i].weight : 0;
        negatives += sorted[i].is_positive ? 0 : sorted[i].weight;
        so_far += sorted[i].weight;
        const bool is_last = i + 1 == rows->n;
        if (is_last || (so_far >= wanted * total && sorted[i + 1].pred < sorted[i].pred)) {
            put(cells, "answers", sorted[i].pred);
            put(cells, "positives", positives);
            put(cells, "negatives", negatives);
            positives = negatives = 0;
            wanted = fmax(wanted, so_far / total) * FURTHER;
        }
    }
    tm__mem_free(sorted);
    return cells;
}

/* ---- read ---- */

/* Cells as rows, two each: its positives and its negatives. */
typedef struct cell_rows {
    double *pred, *y, *weights; /* [2 x cells], one block */
    uint64_t n;
} cell_rows;

static bool take(const json_t *list, size_t i, double low, double high, double *out) {
    const json_t *const value = json_array_get(list, i);
    *out = json_number_value(value);
    return json_is_number(value) && *out >= low && *out <= high;
}

static bool read_cells(const json_t *cells, size_t n, cell_rows *out) {
    const json_t *const answers = json_object_get(cells, "answers");
    for (size_t i = 0; i < n; i++) {
        double pred = 0;
        if (!take(answers, i, 0, 1, &pred) ||
            !take(json_object_get(cells, "positives"), i, 0, 1e300, &out->weights[2 * i]) ||
            !take(json_object_get(cells, "negatives"), i, 0, 1e300, &out->weights[2 * i + 1])) {
            return false;
        }
        out->pred[2 * i] = out->pred[2 * i + 1] = pred;
        out->y[2 * i] = 1;
        out->y[2 * i + 1] = 0;
    }
    out->n = 2 * n;
    return true;
}

tm_status tm__threshold_of_cells(const tm_threshold_rule *rule, const json_t *cells,
                                 tm_threshold *out, tm_err *err) {
    const size_t n = json_array_size(json_object_get(cells, "answers"));
    if (rule->kind != TM_RULE_CAPACITY && rule->kind != TM_RULE_RECALL &&
        rule->kind != TM_RULE_F1) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "cells do not say this");
    }
    if (n == 0 || n > CELLS_MAX) {
        return TM_FAIL(err, TM_E_INVALID, "there are no cells of answers");
    }
    double *const block = tm__mem_alloc(6 * n, sizeof(*block));
    if (block == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    cell_rows read = {.pred = block, .y = block + 2 * n, .weights = block + 4 * n};
    tm_status st = read_cells(cells, n, &read)
                       ? TM_OK
                       : TM_FAIL(err, TM_E_INVALID, "cells of answers cannot be so");
    const tm_called_rows rows = {
        .n = read.n, .y = read.y, .pred = read.pred, .weights = read.weights};
    st = st == TM_OK ? tm__threshold_find(rule, &rows, out, err) : st;
    tm__mem_free(block);
    return st;
}
