/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shares of several that answer one question, by what their answers were off.
 *
 * An answer is a value, or the probabilities of classes; the mean by shares w of some answers is
 * off by the mean of what they are off, so its square is w'Pw, where P holds the products of what
 * each two are off, summed over labels. Shares that add up to 1 and make it least (stacking:
 * Breiman, "Stacked regressions" (1996), doi:10.1007/BF00117832) are found by moving what lowers it
 * most from one to another.
 *
 * There are two sets of shares, one of the newest labels and one of a long time; which of them is
 * right more often depends on how late labels come and on what returns, so what both would have
 * answered is held against the labels as well, and the shares are those between the two that would
 * have been best. Plain data; no clock, file or model.
 */
#ifndef TM_LOOP_LOOP_BLEND_H
#define TM_LOOP_LOOP_BLEND_H

#include <stdbool.h>
#include <stdint.h>

#define TM_BLEND_MAX 8u

typedef struct tm_blend_shares {
    double fast[TM_BLEND_MAX], slow[TM_BLEND_MAX]; /* by the newest labels, and by many */
    double both[TM_BLEND_MAX];                     /* those to answer with */
} tm_blend_shares;

typedef struct tm_blend_sums {
    double products[TM_BLEND_MAX][TM_BLEND_MAX];
    double n;
} tm_blend_sums;

typedef struct tm_blend {
    uint32_t n;
    uint64_t fast_memory, slow_memory; /* labels after which one counts 1/e */
    tm_blend_sums fast, slow;
    double of_fast, of_slow, of_both; /* squares of what the two sets were off, and their product */
} tm_blend;

/** n: how many answer, at most TM_BLEND_MAX. */
void tm__blend_init(tm_blend *self, uint32_t n, uint64_t fast_memory, uint64_t slow_memory);
/** products: of what each two were off at a row [n x n]; then: the shares in force when it was
 * answered. */
void tm__blend_add(tm_blend *self, const double products[TM_BLEND_MAX][TM_BLEND_MAX],
                   const tm_blend_shares *then);
/** What is known so far counts `keep` times as much for the fast shares. */
void tm__blend_forget(tm_blend *self, double keep);
/**
 * begin [n]: shares that add up to 1, which hold while too little is known; one that has none there
 * and has not answered (is_in[i] false) gets none.
 * Cost: some thousand sums.  Errors: none.  Threads: owner thread.
 */
void tm__blend_shares(const tm_blend *self, const double *begin, const bool *is_in,
                      tm_blend_shares *out);

#endif
