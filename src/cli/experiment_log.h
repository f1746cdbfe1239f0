/* SPDX-License-Identifier: Apache-2.0 */
/* What an experiment on versions of a model is judged by: their answers in the log, with the
 * labels that came. */
#ifndef TM_CLI_EXPERIMENT_LOG_H
#define TM_CLI_EXPERIMENT_LOG_H

#include "cli/experiment_rows.h"
#include "cli/model_args.h"
#include "monitor/monitor.h"

/**
 * The metric of an experiment on a bundle's task: name, or that of the task when NULL (brier,
 * accuracy, mae). A score that is a mean of rows, or "outcome": what came true itself.
 *
 * Errors: TM_E_USAGE (no such score, or none of single answers or of this task).
 */
TM_NODISCARD tm_status tm__experiment_metric(const tm_bundle *bundle, const char *name,
                                             const char **out, tm_err *err);
/**
 * Units of the experiment that tm__registry_experiment() gave: an entity, or an answer without one,
 * from its start to its end; of a split from behind the treatment's first answer, for a server
 * needs a moment until it knows of it. Names in out live as long as experiment.
 *
 * Errors: TM_E_NOT_FOUND (a version is gone), TM_E_INTEGRITY (its file is gone or damaged), those
 *         of the log, TM_E_NOMEM.
 */
TM_NODISCARD tm_status tm__experiment_log(const tm_place *place, const json_t *experiment,
                                          const char *model, tm_experiment *out, tm_err *err);

#endif
