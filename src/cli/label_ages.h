/* SPDX-License-Identifier: Apache-2.0 */
/* Where labels come from and how old they are, for `data value`. */
#ifndef TM_CLI_LABEL_AGES_H
#define TM_CLI_LABEL_AGES_H

#include "cli/cli.h"
#include "cli/model_args.h"
#include "monitor/monitor.h"
#include "table/table.h"

/**
 * {"rows", "models"}: labels in the rows of a table (by --target and --time; null when table is
 * NULL), and those of the answers of --model, or of the models that learn from --source. New
 * reference in *out. TM_E_NOT_FOUND for a model that the home has not.
 */
TM_NODISCARD tm_status tm__label_ages(tm_cli *cli, const tm_table *table, json_t **out,
                                      tm_err *err);
/** Those of one model's answers: tm__monitor_ages() with the delay that its recipe declares. */
TM_NODISCARD tm_status tm__label_ages_model(const tm_place *place, tm_monitor *monitor,
                                            const char *model, json_t **out, tm_err *err);
void tm__label_ages_print(tm_cli *cli, const json_t *labels);

#endif
