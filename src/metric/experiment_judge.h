/* SPDX-License-Identifier: Apache-2.0 */
/* An experiment of units, whether they came from a table or from a log: what it is judged by, and
 * its verdict. */
#ifndef TM_METRIC_EXPERIMENT_JUDGE_H
#define TM_METRIC_EXPERIMENT_JUDGE_H

#include "base/limits.h"
#include "metric/experiment_units.h"

/* An experiment on its way to a verdict. Zeroed: nothing yet. */
typedef struct tm_experiment {
    tm_units units;
    tm_ab_metric metrics[TM_UNIT_METRICS_MAX]; /* the metric, then guardrails; names are borrowed */
    uint32_t n_metrics;
    tm_ab_share shares[TM_AB_GUARDRAILS_MAX]; /* guardrails of counts */
    uint32_t n_shares;
    char names[2][TM_MAX_NAME + 1]; /* of the arms: control, treatment */
    double share, baseline;
    double alpha; /* of all that can be found; guardrails have their part of it */
    uint64_t horizon;
    bool is_looked_at_once;
    uint32_t n_points;      /* over time that are told; 0: none */
    bool has_times;         /* of units; else they are in the order of rows */
    uint64_t n_without_arm; /* rows that were left out */
} tm_experiment;
void tm__experiment_done(tm_experiment *self);

/** Judge it: tm__ab_judge() of what was read. New reference. */
TM_NODISCARD tm_status tm__experiment_judge(tm_experiment *self, json_t **out, tm_err *err);

#endif
