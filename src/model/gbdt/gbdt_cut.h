/* SPDX-License-Identifier: Apache-2.0 */
/* The best cut along the bins of a number: the innermost loop of a search for splits. */
#ifndef TM_MODEL_GBDT_CUT_H
#define TM_MODEL_GBDT_CUT_H

#include <math.h>
#include <stdint.h>

#include "base/simd.h"

/* What the cuts of one leaf have in common, in packed units. */
typedef struct tm_cut_rules {
    double g, h;          /* of the leaf */
    int64_t with;         /* packed: goes left with every cut */
    double l1, l2;        /* penalties on values of leaves */
    double h_low, h_high; /* hessian of a left side */
} tm_cut_rules;

typedef struct tm_cut {
    double score; /* of both sides */
    uint32_t bin; /* bins up to it go left */
    int64_t left; /* packed sum of the left side */
} tm_cut;

/** Score of both sides; one division. */
double tm__cut_score(const tm_cut_rules *rules, double left_g, double left_h);
/** Replace *best by the first cut of the largest score when that is larger. cells [n_bins up to a
 * multiple of 8], n_bins at most 256. */
void tm__cut_find(const tm_cut_rules *rules, const int64_t *cells, uint32_t n_bins, tm_cut *best);
/** The same bits, plainly. */
void tm__cut_find_ref(const tm_cut_rules *rules, const int64_t *cells, uint32_t n_bins,
                      tm_cut *best);

/** Gradient and hessian of a packed sum. */
static inline double tm__packed_g(int64_t sum) {
    return (double)(int32_t)(sum >> 32);
}
static inline double tm__packed_h(int64_t sum) {
    return (double)(sum & 0xFFFFFFFF);
}

/** The gradient of a side, less its l1 part. */
static TM_ALWAYS_INLINE double tm__cut_shrink(double g, double l1) {
    return l1 > 0 ? copysign(fmax(fabs(g) - l1, 0), g) : g;
}

#endif
