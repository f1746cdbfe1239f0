/* SPDX-License-Identifier: Apache-2.0 */
/* What `experiment status` judges: the columns of a table that are named by its options, as
 * units. */
#ifndef TM_CLI_EXPERIMENT_ROWS_H
#define TM_CLI_EXPERIMENT_ROWS_H

#include "cli/cli.h"
#include "cli/experiment_units.h"

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
    bool has_times;         /* of units; else they are in the order of rows */
    uint64_t n_without_arm; /* rows that were left out */
} tm_experiment;
void tm__experiment_done(tm_experiment *self);

/** --alpha, --horizon and --baseline of a command; TM_E_USAGE. */
TM_NODISCARD tm_status tm__experiment_rule(tm_cli *cli, tm_experiment *out, tm_err *err);
/** Same, and --share. */
TM_NODISCARD tm_status tm__experiment_options(tm_cli *cli, tm_experiment *out, tm_err *err);
/**
 * Units of a table by --arm, --metric, --unit, --time, --control, --guardrail, --guardrail-less,
 * --bounds, --delay and --as-of. Names stay those of the command line, which must outlive out.
 *
 * Errors: TM_E_USAGE (a column that is not there, options that do not go together), TM_E_DATA (not
 *         two arms, a value that is no number or out of bounds, with its row), TM_E_NOMEM.
 */
TM_NODISCARD tm_status tm__experiment_rows(tm_cli *cli, const tm_table *table, tm_experiment *out,
                                           tm_err *err);
/** Judge it: tm__ab_judge() of what was read. New reference. */
TM_NODISCARD tm_status tm__experiment_judge(tm_experiment *self, json_t **out, tm_err *err);
/** Print a verdict of tm__ab_judge(), for people. */
void tm__experiment_print(tm_cli *cli, const json_t *result);

#endif
