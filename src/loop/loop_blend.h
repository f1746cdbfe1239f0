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
 * There are four sets of shares: by the newest labels and by those of a long time, and each of
 * these twice, among the learners alone and among all. Which of them is right more often depends on
 * how late labels come and on what returns, so what each would have answered is held against the
 * labels as well, and the shares are the mix of the four that would have been best.
 *
 * Beside them goes who was right at the moment (fixed share: Herbster and Warmuth, "Tracking the
 * best expert" (1998), doi:10.1023/A:1007424614876): it says who had a say in which world.
 *
 * Who does not answer a row, or joined later, is taken to have answered as all did together
 * (specialists: Freund, Schapire, Singer and Warmuth, "Using and combining predictors that
 * specialize" (1997), doi:10.1145/258533.258616). Plain data; no clock, file or model.
 */
#ifndef TM_LOOP_LOOP_BLEND_H
#define TM_LOOP_LOOP_BLEND_H

#include <stdbool.h>
#include <stdint.h>

#define TM_BLEND_MAX 16u /* who answers, and their mean */
#define TM_BLEND_SETS 4u

typedef struct tm_blend_shares {
    double sets[TM_BLEND_SETS][TM_BLEND_MAX]; /* newest labels, many; the same among all */
    double both[TM_BLEND_MAX];                /* those to answer with */
} tm_blend_shares;

typedef struct tm_blend_sums {
    double products[TM_BLEND_MAX][TM_BLEND_MAX];
    double n;
} tm_blend_sums;

typedef struct tm_blend {
    uint32_t n_learners, n;
    uint64_t fast_memory, slow_memory; /* labels after which one counts 1/e */
    tm_blend_sums fast, slow;
    tm_blend_sums of_sets; /* of what the sets were off */
    bool is_in[TM_BLEND_MAX];
    double moment[TM_BLEND_MAX]; /* add up to 1 */
    double use[TM_BLEND_MAX];    /* its mean, of some thousand labels */
} tm_blend;

/** n: how many answer, below TM_BLEND_MAX; the first n_learners of them learn. */
void tm__blend_init(tm_blend *self, uint32_t n_learners, uint32_t n, uint64_t fast_memory,
                    uint64_t slow_memory);
/** i answers from now on, by another model than before if it did; moment: how likely it is the
 * one that is right, of 0 to 1. */
void tm__blend_enter(tm_blend *self, uint32_t i, double moment);
/** products: of what each two were off at a row, the last one of what all together were
 * [n + 1 x n + 1]; losses [n]: of 0 and more, bounded, for who is right at the moment; then: the
 * shares in force when it was answered. */
void tm__blend_add(tm_blend *self, const double products[TM_BLEND_MAX][TM_BLEND_MAX],
                   const double *losses, const tm_blend_shares *then);
/** What is known so far counts `keep` times as much for the fast shares. */
void tm__blend_forget(tm_blend *self, double keep);
/** Shares under which the mean of those that are in would have been least off, with a ridge of so
 * many labels: w [n], where it begins, and which adds up to 1. */
void tm__blend_least(const tm_blend_sums *sums, uint32_t n, const bool *is_in, double ridge_labels,
                     double *w);
/**
 * begin [n]: shares that add up to 1, which hold while too little is known; one that has none there
 * and has not joined gets none.
 * Cost: some ten thousand sums.  Errors: none.  Threads: owner thread.
 */
void tm__blend_shares(const tm_blend *self, const double *begin, tm_blend_shares *out);

#endif
