/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do the arms hold the shares of units that they should? Where they do not (a sample-ratio
 * mismatch), something sorts units into arms, or loses those of one, and the comparison is of other
 * people: no verdict can be trusted. Fabijan et al. 2019, doi:10.1145/3292500.3330722.
 */
#ifndef TM_METRIC_AB_RATIO_H
#define TM_METRIC_AB_RATIO_H

#include <stdint.h>

/* Below this p-value it is said: rare enough that nobody learns to look away. */
#define TM_AB_RATIO_ALPHA 0.01

/* Zeroed but for share. Plain data. */
typedef struct tm_ab_ratio {
    double share; /* of the treatment, as planned: over 0, below 1 */
    uint64_t n[2];
    double log_evidence, log_most; /* against the share: now, and the most so far */
} tm_ab_ratio;

/** Count a unit of arm 0 or 1, in the order of assignment. Owner thread. */
void tm__ab_ratio_add(tm_ab_ratio *self, uint32_t arm);
/** By looking once, at these units: Pearson's chi-squared with one degree of freedom. 1 without
 * units. */
double tm__ab_ratio_p(const tm_ab_ratio *self);
/**
 * By looking at each unit: the chance that evidence is ever so large while the shares are as
 * planned is at most this. Evidence is the Bayes factor of shares drawn from a beta distribution
 * about the planned one with the weight of 500 units; Lindon, Malek 2022, "Anytime-valid inference
 * for multinomial count data", arXiv:2011.03567, sec. 3.
 */
double tm__ab_ratio_p_any_time(const tm_ab_ratio *self);

#endif
