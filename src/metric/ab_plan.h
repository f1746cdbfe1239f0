/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many units an experiment needs, and the rule by which it ends: one may look at any time, and
 * there is one last look at a number of units that was fixed beforehand.
 */
#ifndef TM_METRIC_AB_PLAN_H
#define TM_METRIC_AB_PLAN_H

#include "metric/ab_compare.h"

/* Looks before the last one may spend alpha over this; the last look has the rest. */
#define TM_AB_EARLY_PARTS 10.0

/* Of an experiment's alpha its guardrails have one of so many parts together, its metric the rest.
 */
#define TM_AB_GUARD_PARTS 10.0
/** What guardrails have of alpha; 0 without any. */
double tm__ab_guard_share(double alpha, bool has_guardrails);

typedef struct tm_ab_plan_options {
    tm_ab_kind kind;
    double baseline; /* mean of the control; of BINARY over 0 and below 1 */
    double effect;   /* difference that is to be found, not 0 */
    double sd;       /* of a value, over 0; not for BINARY */
    double share;    /* of the treatment, over 0, below 1 */
    double alpha, power;
} tm_ab_plan_options;

typedef struct tm_ab_plan {
    double units_once;     /* of both arms, for a test that is looked at once, at the end */
    double units;          /* for the rule: looks at any time and a last look */
    double units_any_time; /* at most, without a last look: a confidence sequence alone */
    double alpha_early, alpha_last; /* of the rule */
    double power_at_once;           /* power of the rule when it has no more than units_once */
} tm_ab_plan;

/**
 * Units are whole numbers. BINARY: the usual formula of two shares, with the pooled variance under
 * no difference (Fleiss, Levin, Paik 2003, sec. 4.2); others by the normal law. Powers of the rule
 * leave out what early looks add, so they are on the low side.
 *
 * Errors:  TM_E_INVALID (an option outside its range, or more than 1e15 units), with a hint.
 * Threads: any.
 */
TM_NODISCARD tm_status tm__ab_plan(const tm_ab_plan_options *options, tm_ab_plan *out, tm_err *err);

#endif
