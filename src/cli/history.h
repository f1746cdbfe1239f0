/* SPDX-License-Identifier: Apache-2.0 */
/* Events that a model's features over windows are computed from, as commands are given them. */
#ifndef TM_CLI_HISTORY_H
#define TM_CLI_HISTORY_H

#include "cli/cli.h"
#include "model/bundle_windows.h"

/** --history or --history-sql: the events that a model's features over windows are computed from.
 */
typedef struct tm_cli_history {
    tm_table *events; /* NULL: none were given */
    tm_bundle_history history;
} tm_cli_history;
bool tm__cli_has_history(const tm_cli *cli);
/** rows: the path of the rows that it is the history of; NULL: they have none. Ends with
 * tm__table_unref(out->events). */
TM_NODISCARD tm_status tm__cli_read_history(tm_cli *cli, tm_ctx *ctx, const tm_bundle *bundle,
                                            const char *rows, tm_cli_history *out, tm_err *err);
/** Rows of DATA or --sql with all that a model reads. */
TM_NODISCARD tm_status tm__cli_read_wide(tm_cli *cli, tm_ctx *ctx, const tm_bundle *bundle,
                                         const char *path, tm_table **out, tm_err *err);

#endif
