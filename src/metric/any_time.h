/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounds that hold however often one looks, for a share and for a distribution: what a rollout's
 * guardrails are judged by. They hold for rows drawn one by one; clumps of like rows make them too
 * narrow. Pure; any thread.
 */
#ifndef TM_METRIC_ANY_TIME_H
#define TM_METRIC_ANY_TIME_H

#include <stddef.h>
#include <stdint.h>

typedef struct tm_share_range {
    double low, high;
} tm_share_range;
/**
 * Where the share of yes lies, given k of n, but for a chance alpha over all n together: those
 * shares that the mixture of all shares (uniform) does not beat by 1 / alpha.
 *
 * Source: Robbins 1970, doi:10.1214/aoms/1177696786; the mixture is the beta-binomial of HRMS
 *         (uniform.h), sec. 3.2. 0 to 1 for n = 0.
 */
tm_share_range tm__share_any_time(uint64_t n, uint64_t k, double alpha);

/**
 * By how much the share of the second lies over that of the first, given k[i] of n[i] of each, but
 * for a chance alpha over all numbers together: each range has half of alpha, so that the two need
 * not be independent. -1 to 1 while one has nothing.
 */
tm_share_range tm__shares_apart_any_time(const uint64_t n[2], const uint64_t k[2], double alpha);

/**
 * How far the distribution function of n rows is at most from that of all, at all n together but
 * for a chance alpha; 1 for n = 0.
 *
 * Source: Howard and Ramdas 2022, doi:10.3150/21-BEJ1388, corollary 2.
 */
double tm__cdf_radius_any_time(uint64_t n, double alpha);

/** The largest difference of two distribution functions (Kolmogorov-Smirnov). a [n_a] and b [n_b]
 * are sorted and finite; 0 when one is empty. *out_at: the value where it is. */
double tm__cdf_distance(const double *a, size_t n_a, const double *b, size_t n_b, double *out_at);

#endif
