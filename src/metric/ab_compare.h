/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the mean of one arm another than that of the other? Two ways to ask:
 *
 *   tm_ab_compare   as often as one likes: a confidence sequence of the difference, fed unit by
 * unit tm__ab_look()   once, at a number of units that was fixed beforehand: a z-test
 *
 * Arm 0 is the control, arm 1 the treatment; a difference is treatment less control. A unit (a
 * user, a request) is assigned by chance, once, and has one value.
 *
 * Not for: metrics that are no means of units (AUC), nor for more than two arms.
 */
#ifndef TM_METRIC_AB_COMPARE_H
#define TM_METRIC_AB_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "metric/uniform.h"
#include "tidemill/err.h"

/* Units of each arm before a mean without bounds is judged: its variance must be known. */
#define TM_AB_UNITS_LEAST 100u
/* Units that a comparison is tuned for when nobody says another number. */
#define TM_AB_UNITS_USUAL 10000.0
/* A difference of means that is more skewed than this is not judged before the last look: the
 * normal law does not hold where looks at any time need it, far out. */
#define TM_AB_SKEW_MOST 0.1

typedef enum tm_ab_kind {
    TM_AB_BINARY,  /* 0 or 1: holds for any number of units */
    TM_AB_BOUNDED, /* within [low, high], as above          */
    TM_AB_MEAN     /* any value with a finite variance: holds for many units, as the central limit
                      theorem does */
} tm_ab_kind;
/** "binary", "bounded", "mean". */
const char *tm__ab_kind_text(tm_ab_kind kind);

typedef struct tm_ab_options {
    tm_ab_kind kind;
    double low, high; /* of BOUNDED */
    double share;     /* chance that a unit is of the treatment: over 0, below 1 */
    double alpha;     /* chance that the interval misses the truth at any time */
    double units;     /* where it is to be narrowest, in units of both arms; 0: the usual */
    double variance;  /* of a value as it was planned, for BINARY and BOUNDED; 0: the largest that
                         the bounds allow. A wrong one costs width, not truth. */
    double null;      /* the difference that is tested, usually 0 */
} tm_ab_options;

/* Moments of an arm, by updates (Welford 1962, doi:10.1080/00401706.1962.10490022; of the third
 * Pebay 2008, SAND2008-6212). */
typedef struct tm_ab_arm {
    uint64_t n;
    double mean;
    double spread; /* sum of squared distances to the mean */
    double cubes;  /* sum of their cubes */
} tm_ab_arm;
void tm__ab_arm_add(tm_ab_arm *arm, double value);
/** NaN for fewer than two units. */
double tm__ab_arm_variance(const tm_ab_arm *arm);

/* Plain data; the fields are for reading. */
typedef struct tm_ab_compare {
    tm_ab_options options;
    tm_ab_arm arms[2];
    double rho;               /* of MEAN */
    tm_gamma_mixture mixture; /* of the others, at alpha / 2 on each side */
    double log_want;          /* log of what the mixture has to reach */
    double centre;            /* prediction for an arm without units */
    double sum, variation;    /* of the estimates by unit; V of the boundary */
    uint64_t decided_at;      /* units when the interval first left null out; 0: it never did */
    int decided_sign;         /* the treatment's mean is then above (1) or below (-1) */
} tm_ab_compare;

/**
 * BINARY and BOUNDED: each unit gives an unbiased estimate of the difference from the arm that it
 * was drawn into, with the arms' means so far as predictions (augmented inverse probability
 * weighting); their mean has an empirical-Bernstein confidence sequence with the gamma-exponential
 * mixture: HRMS thm. 4 and cor. 2 (scale 2 range / least share). MEAN: the difference of means with
 * the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021,
 * arXiv:2103.06476, thm. 2.2, which is the normal mixture with an estimated variance, from
 * TM_AB_UNITS_LEAST units of each arm on, and while tm__ab_compare_skew() is at most
 * TM_AB_SKEW_MOST.
 *
 * Errors:  TM_E_INVALID (an option outside its range).
 * Threads: owner thread.
 */
TM_NODISCARD tm_status tm__ab_compare_init(const tm_ab_options *options, tm_ab_compare *out,
                                           tm_err *err);
/** Add the next unit in the order of assignment, and look. The value is finite and within the
 * bounds, which the caller has seen to. Cost: some 30 ns. */
void tm__ab_compare_add(tm_ab_compare *self, uint32_t arm, double value);
uint64_t tm__ab_compare_units(const tm_ab_compare *self);
/** The interval after the units so far, cut to what the bounds allow; NaN: nothing is known yet. */
void tm__ab_compare_interval(const tm_ab_compare *self, double *out_low, double *out_high);
/** Skewness of the difference of means, the larger of two estimates: from the arms as they are, and
 * were all units of one kind (large values that one arm has not yet seen). NaN: not known. A mean
 * of n values has the skewness of one over sqrt(n); Kohavi et al. 2014,
 * doi:10.1145/2623330.2623341, rule 7, wants 0.05 for one look. */
double tm__ab_compare_skew(const tm_ab_compare *self);
/** A p-value against null after the units so far that holds at any time: at most alpha exactly
 * where the interval leaves null out. */
double tm__ab_compare_p(const tm_ab_compare *self);

/* One look: a z-test. */
typedef struct tm_ab_look {
    double difference;
    double z, p;      /* two-sided */
    double low, high; /* interval at level 1 - alpha */
} tm_ab_look;
/**
 * BINARY: z and p with the pooled variance, the interval with each arm's. Others: Welch's test by
 * the normal law that t with its degrees of freedom is nearest to (Wallace 1959). NaN where an arm
 * has fewer than ten units or none differs.
 */
void tm__ab_look(tm_ab_kind kind, const tm_ab_arm arms[2], double alpha, tm_ab_look *out);

#endif
