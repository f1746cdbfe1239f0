/* SPDX-License-Identifier: Apache-2.0 */
/* What an experiment on versions of a model is judged by: their answers in the log, with the
 * labels that came. */
#ifndef TM_MONITOR_EXPERIMENT_LOG_H
#define TM_MONITOR_EXPERIMENT_LOG_H

#include "metric/experiment_judge.h"
#include "model/bundle.h"
#include "monitor/monitor.h"

/**
 * The metric of an experiment on a bundle's task: name, or that of the task when NULL (brier,
 * accuracy, mae). A score that is a mean of rows, or "outcome": what came true itself.
 *
 * Errors: TM_E_USAGE (no such score, or none of single answers or of this task).
 */
TM_NODISCARD tm_status tm__experiment_metric(const tm_bundle *bundle, const char *name,
                                             const char **out, tm_err *err);
#define TM_EXPERIMENT_POINTS 200u /* over time, where all are wanted */

/* One that is asked about. All of it is borrowed. */
typedef struct tm_experiment_ask {
    const tm_home *home;
    tm_monitor *monitor;
    const char *model;
    const json_t *record;        /* as the registry has it (registry/experiment.h) */
    const tm_bundle *bundles[2]; /* of its versions: control, treatment */
} tm_experiment_ask;

/**
 * Units of it: an entity, or an answer without one, from its start to its end; of a split from
 * behind the treatment's first answer, for a server needs a moment until it knows of it. Names in
 * out live as long as the record.
 *
 * Errors:  those of the log, TM_E_INTEGRITY, TM_E_NOMEM.
 * Threads: any.  Cost: reads the answers once.
 */
TM_NODISCARD tm_status tm__experiment_log(const tm_experiment_ask *ask, tm_experiment *out,
                                          tm_err *err);
/**
 * The record with "model" and its verdict (metric/ab_judge.h), and how that went over time in
 * about n_points moments (0: not). New reference. Errors, threads and cost: same as
 * tm__experiment_log().
 */
TM_NODISCARD tm_status tm__experiment_told(const tm_experiment_ask *ask, uint32_t n_points,
                                           json_t **out, tm_err *err);

#endif
