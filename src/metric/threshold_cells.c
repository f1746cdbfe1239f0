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
} answer;

static int compare_answers(const void *a, const void *b) {
    const double x = ((const answer *)a)->pred, y = ((const answer *)b)->pred;
    return x > y ? -1 : x < y;
}

static answer *sort_answers(const tm_called_rows *rows, double *out_total) {
    answer *const sorted = tm__mem_alloc(rows->n > 0 ? rows->n : 1, sizeof(*sorted));
    for (uint64_t i = 0; i < rows->n && sorted != NULL; i++) {
        sorted[i] = (answer){rows->pred[i], rows->weights != NULL ? rows->weights[i] : 1.0};
        *out_total += sorted[i].weight;
    }
    if (sorted != NULL) {
        qsort(sorted, rows->n, sizeof(*sorted), compare_answers);
    }
    return sorted;
}

json_t *tm__threshold_cells(const tm_called_rows *rows) {
    double total = 0, so_far = 0, before = 0, wanted = FIRST;
    answer *const sorted = sort_answers(rows, &total);
    json_t *const answers = json_array(), *const weights = json_array();
    for (uint64_t i = 0; i < rows->n && sorted != NULL; i++) {
        so_far += sorted[i].weight;
        const bool is_last = i + 1 == rows->n;
        if (is_last || (so_far >= wanted * total && sorted[i + 1].pred < sorted[i].pred)) {
            json_array_append_new(answers, tm__json_number(sorted[i].pred));
            json_array_append_new(weights, tm__json_number(so_far - before));
            before = so_far;
            wanted = fmax(wanted, so_far / total) * FURTHER;
        }
    }
    json_t *const cells = json_pack("{s:o, s:o}", "answers", answers, "weights", weights);
    if (sorted == NULL) {
        json_decref(cells);
        return NULL;
    }
    tm__mem_free(sorted);
    return cells;
}

/* ---- read ---- */

static bool take(const json_t *list, size_t i, double high, double *out) {
    const json_t *const value = json_array_get(list, i);
    *out = json_number_value(value);
    return json_is_number(value) && *out >= 0 && *out <= high;
}

static bool read_cells(const json_t *cells, size_t n, double *pred, double *weights) {
    for (size_t i = 0; i < n; i++) {
        if (!take(json_object_get(cells, "answers"), i, 1, &pred[i]) ||
            !take(json_object_get(cells, "weights"), i, 1e300, &weights[i])) {
            return false;
        }
    }
    return true;
}

tm_status tm__threshold_of_cells(const tm_threshold_rule *rule, const json_t *cells,
                                 tm_threshold *out, tm_err *err) {
    const size_t n = json_array_size(json_object_get(cells, "answers"));
    if (rule->kind != TM_RULE_CAPACITY) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "cells do not say this");
    }
    if (n == 0 || n > CELLS_MAX) {
        return TM_FAIL(err, TM_E_INVALID, "there are no cells of answers");
    }
    double *const block =
        tm__mem_zalloc(3 * n, sizeof(*block)); /* answers, weights, truths: none */
    if (block == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const tm_called_rows rows = {.n = n, .pred = block, .weights = block + n, .y = block + 2 * n};
    tm_status st = read_cells(cells, n, block, block + n)
                       ? TM_OK
                       : TM_FAIL(err, TM_E_INVALID, "cells of answers cannot be so");
    st = st == TM_OK ? tm__threshold_find(rule, &rows, out, err) : st;
    tm__mem_free(block);
    return st;
}
