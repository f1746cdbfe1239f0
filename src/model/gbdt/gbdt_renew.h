/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaf values from the residuals of their rows: for losses whose second derivative tells nothing
 * about the step (absolute, quantile, huber).
 */
#ifndef TM_MODEL_GBDT_RENEW_H
#define TM_MODEL_GBDT_RENEW_H

#include <stdint.h>

#include "model/gbdt/gbdt_loss.h"

/**
 * A value with the share `share` of all weight at or below it: the smallest such one, or the middle
 * to the next when exactly the share lies at it or below. Reorders its arguments.
 *
 * values   [n], n over 0, no NaN; weights [n], at least 0 and not all 0, or NULL: all 1.
 * Cost:    O(n) on average; worse for orders made on purpose, at most O(n log n).
 */
double tm__quantile(double *values, double *weights, uint64_t n, double share);

typedef struct tm_renewal {
    uint64_t n_rows;
    double *residuals; /* [n_rows] by leaf */
    double *weights;   /* [n_rows] or NULL */
    uint64_t *starts;  /* [leaves + 1] */
    uint64_t *places;  /* [leaves] */
} tm_renewal;

TM_NODISCARD tm_status tm__renewal_init(const tm_loss *loss, uint32_t max_leaves, tm_renewal *out,
                                        tm_err *err);
/* What the leaves of one tree are. */
typedef struct tm_renewal_leaves {
    const uint16_t *leaf_of; /* [n_rows] */
    const uint64_t *rows;    /* bit set of rows that count, or NULL: all */
    uint32_t n_leaves;
} tm_renewal_leaves;
/** The best constant to add to the scores of each leaf's rows: out [n_leaves]; 0 for a leaf without
 * weight. Any pool gives the same bits. */
void tm__renewal_fit(struct tm_pool *pool, tm_renewal *renewal, const tm_loss *loss,
                     const double *scores, const tm_renewal_leaves *leaves, double *out);
void tm__renewal_done(tm_renewal *renewal);

#endif
