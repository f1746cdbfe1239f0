/* SPDX-License-Identifier: Apache-2.0 */
/* Events that a model's features over windows are computed from, as commands are given them. */
#ifndef TM_CLI_HISTORY_H
#define TM_CLI_HISTORY_H

#include "cli/cli.h"
#include "cli/model_args.h"
#include "model/bundle_windows.h"
#include "train/train.h"

/** --events NAME=DATA, ...: {NAME: where from}, perhaps empty. New reference. */
TM_NODISCARD tm_status tm__cli_events(const tm_cli *cli, json_t **out, tm_err *err);

/** --history, --history-sql and --events: the events that a model's features over windows are
 * computed from.
 */
typedef struct tm_cli_history {
    tm_table *events; /* NULL: none were given */
    tm_train_events others;
    tm_bundle_history history;
    bool is_given;
} tm_cli_history;
bool tm__cli_has_history(const tm_cli *cli);
/** rows: the path of the rows that it is the history of; NULL: they have none. home: of
 * sources, or NULL. Ends with tm__cli_history_done(), also after a failure. */
TM_NODISCARD tm_status tm__cli_read_history(tm_cli *cli, tm_ctx *ctx, const tm_place *place,
                                            const char *rows, tm_cli_history *out, tm_err *err);
void tm__cli_history_done(tm_cli_history *history);
/** Rows of DATA or --sql with all that a model reads. */
TM_NODISCARD tm_status tm__cli_read_wide(tm_cli *cli, tm_ctx *ctx, const tm_place *place,
                                         const char *path, tm_table **out, tm_err *err);

#endif
