/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of metric/: sums in a fixed order, and the scores of each task. */
#ifndef TM_METRIC_METRIC_PRIV_H
#define TM_METRIC_METRIC_PRIV_H

#include "metric/metric.h"

/* A sum in chunks of 4096 terms: the order is that of the rows, and the error grows with the square
 * root of what a plain sum has. */
typedef struct tm_sum {
    double total, chunk;
    uint32_t n;
} tm_sum;

static inline void tm__sum_add(tm_sum *sum, double value) {
    sum->chunk += value;
    if (++sum->n == 4096) {
        sum->total += sum->chunk;
        sum->chunk = 0.0;
        sum->n = 0;
    }
}

static inline double tm__sum_get(const tm_sum *sum) {
    return sum->total + sum->chunk;
}

static inline double tm__score_weight(const tm_score_input *in, uint64_t row) {
    return in->weights == NULL ? 1.0 : in->weights[row];
}

/** Class that a row's answer names; the first of equals. Not for regression and ranking. */
uint32_t tm__score_class(const tm_score_input *in, uint64_t row);
/** What tm__metric_score() checks first; may_lack: a truth may be NaN. */
TM_NODISCARD tm_status tm__score_check(const tm_score_input *in, bool may_lack, tm_err *err);

/** Rows in order of falling prediction, ties in row order; NULL when out of memory. Ends with
 * tm__mem_free(). */
uint32_t *tm__score_order(const double *pred, uint64_t n_rows);

TM_NODISCARD tm_status tm__score_auc(const tm_score_input *in, double *out, tm_err *err);
TM_NODISCARD tm_status tm__score_average_precision(const tm_score_input *in, double *out,
                                                   tm_err *err);
TM_NODISCARD tm_status tm__score_ndcg10(const tm_score_input *in, double *out, tm_err *err);

#endif
