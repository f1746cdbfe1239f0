/* SPDX-License-Identifier: Apache-2.0 */
/* What `experiment status` judges: the columns of a table that are named by its options, as
 * units. */
#ifndef TM_CLI_EXPERIMENT_ROWS_H
#define TM_CLI_EXPERIMENT_ROWS_H

#include "cli/cli.h"
#include "metric/experiment_judge.h"

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
/** Print a verdict of tm__ab_judge(), for people. */
void tm__experiment_print(tm_cli *cli, const json_t *result);

#endif
