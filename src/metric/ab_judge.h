/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An experiment judged by its units: what differs, how surely, whether the arms can be compared at
 * all, and what to do, in figures and in words.
 *
 * Units stand in the order in which they were assigned. Those at the end whose outcome may still
 * come are counted and not judged (a unit is judged when its time is over, labelled or not: quick
 * outcomes are another sample than all).
 */
#ifndef TM_METRIC_AB_JUDGE_H
#define TM_METRIC_AB_JUDGE_H

#include "base/json.h"
#include "metric/ab_compare.h"

#define TM_AB_GUARDRAILS_MAX 16u

typedef struct tm_ab_metric {
    const char *name;
    const double
        *values; /* [n_units]; NaN: the unit has none. Finite and within bounds otherwise */
    tm_ab_kind kind;
    double low, high; /* of BOUNDED */
    double variance;  /* as planned; 0: not known */
    bool smaller_is_better;
    double margin; /* of a guardrail: so much worse is still borne; not below 0 */
} tm_ab_metric;

/* A guardrail of counts that are known at once: so many of what an arm did were bad. Not worse by
 * more than the margin, as a difference of shares. */
typedef struct tm_ab_share {
    const char *name;
    uint64_t n[2], k[2]; /* by arm: all, and the bad among them; n 0: not known */
    double margin;       /* not below 0 */
} tm_ab_share;

typedef struct tm_ab_input {
    uint64_t n_units;
    const uint8_t *arms;     /* [n_units] 0: control, 1: treatment */
    const int64_t *times_us; /* [n_units] of assignment, rising; NULL: not known */
    int64_t delay_us;        /* after its time a unit is judged */
    uint32_t n_points;       /* moments over time that are told; 0: none */
    uint64_t n_matured;      /* of the first units all outcomes that come are there */
    uint64_t n_in_both;      /* units left out because they were in both arms */
    const char *names[2];
    double share;           /* of the treatment, as planned */
    double alpha;           /* of the metric */
    double alpha_guard;     /* of all guardrails together; over 0 when there is one */
    uint64_t horizon;       /* units judged at the last look; 0: there is none */
    bool is_looked_at_once; /* the ratio of the arms is tested for one look, not for any number */
    tm_ab_metric metric;
    const tm_ab_metric *guardrails; /* [n_guardrails], by unit */
    uint32_t n_guardrails;
    const tm_ab_share *shares; /* [n_shares] more; at most TM_AB_GUARDRAILS_MAX in all */
    uint32_t n_shares;
} tm_ab_input;

/**
 * {"decision", "verdict": in words, "arms": [{"arm", "role", "share", "units", "judged",
 * "without_value": matured and still none}], "units", "matured", "judged", "after_horizon",
 * "in_both_arms", "rule": {"kind": "any_time" or "horizon", "alpha", "alpha_early", "alpha_last",
 * "alpha_guardrails", "horizon", "tuned_for"}, "sample_ratio": {"p_value": of one look,
 * "any_time_p_value", "looks": "one" or "any", "mismatch", "took_turns"}, "coverage": {"shares": of
 * matured units with a value by arm, "p_value", "differs"}, "metric": M, "guardrails": [M with
 * "margin" and "state": "breach", "kept" or "open"], "over_time": where n_points are asked for, as
 * tm__ab_series_look() has them}
 *
 * M: {"metric", "kind", "smaller_is_better", "means", "deviations": by arm, "difference", "low",
 * "high", "level": of the interval, "relative": difference over the control's mean,
 * "skewness": of the difference of means (over TM_AB_SKEW_MOST its interval is not known),
 * "any_time_p_value", "decided": {"units", "at", "by": "any_time" or "last_look"} or null,
 * "one_look": {"z", "p_value", "low", "high"}: what a test that is looked at once, and was planned
 * for these units, would say}. Null: not known. Of counts: "kind" is "counts", "units" and "bad"
 * how many of each arm there are, and what only units have is not there.
 *
 * decision: "mismatch" (nothing can be trusted: shares that are not as planned, or arms that took
 * turns instead of being assigned by chance, which the test for any number of looks sees),
 * "guardrail" (the treatment does harm), "treatment_better", "treatment_worse", "no_difference"
 * (none was shown at the horizon), "wait".
 *
 * Rule: without a horizon the confidence sequence has all of alpha. With one it has its tenth
 * (TM_AB_EARLY_PARTS), and one look at exactly that many units the rest; units behind it do not
 * count. Guardrails share alpha_guard among themselves (Bonferroni), each at any time: that
 * anything is found where nothing is has at most the chance alpha + alpha_guard. Those of counts
 * are judged by what is counted now, the others by all that was known on the way.
 *
 * Errors:  TM_E_INVALID (options), TM_E_NOMEM.
 * Threads: any.  Cost: some 50 ns a unit and metric.
 */
TM_NODISCARD tm_status tm__ab_judge(const tm_ab_input *in, json_t **out, tm_err *err);

#endif
