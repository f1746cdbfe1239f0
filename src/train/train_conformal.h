/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intervals of a search's answers, measured on its validation rows; what they are and what they
 * promise: model/conformal.h. Not for other folders.
 */
#ifndef TM_TRAIN_TRAIN_CONFORMAL_H
#define TM_TRAIN_TRAIN_CONFORMAL_H

#include "model/conformal.h"
#include "train/train_priv.h"

/**
 * Measure by validation rows that count, each as one, whatever its weight. Of numbers the simplest
 * of these, unless another's intervals at 0.9 are narrower by 3 % on average: sizes of residuals
 * (`absolute`), each side apart (`signed`), both divided by the mean residual near the answer
 * (`scaled`, `scaled-signed`; Papadopoulos et al. 2002), which two fifths of the rows are given to.
 * Of classes: 1 less the probability of the one that came (Sadinle et al. 2019,
 * doi:10.1080/01621459.2017.1395341).
 *
 * is_positive  no answer of the final model is below 0.
 * out          none when there are fewer than 10 such rows, and for rankings.
 * out_record   {"method", "reason", "rows"?, "level_max"?, "order"?}. New reference.
 *
 * Errors:  TM_E_NOMEM; outputs untouched.  Threads: one caller.  Cost: O(n log n), at most 200,000
 * rows.
 */
TM_NODISCARD tm_status tm__train_conformal(const tm_search *search, bool is_positive,
                                           tm_conformal *out, json_t **out_record, tm_err *err);

/* Rows with truths and answers. */
typedef struct tm_covered_rows {
    uint64_t n;
    uint32_t n_outputs; /* of a row */
    const double *y;    /* [n] */
    const double *pred; /* [n x n_outputs] */
} tm_covered_rows;
/** What the intervals reach on rows they were not measured on: [{"level", "covered", "low", "high"
 * (95 % of what was covered, Wilson 1927), "width" or "classes" (means)}] at the levels 0.5, 0.8,
 * 0.9, 0.95 and 0.99 that there are. New reference; NULL when out of memory. */
json_t *tm__train_covered(const tm_conformal *conformal, const tm_covered_rows *rows);

#endif
