/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/history.h"

#include <string.h>

#include "cli/model_args.h"

bool tm__cli_has_history(const tm_cli *cli) {
    return tm__cli_has(cli, "history") || tm__cli_has(cli, "history-sql");
}

tm_status tm__cli_read_history(tm_cli *cli, tm_ctx *ctx, const tm_bundle *bundle, const char *rows,
                               tm_cli_history *out, tm_err *err) {
    const char *const path = tm__cli_text(cli, "history");
    tm_schema schema;
    *out = (tm_cli_history){0};
    if (!tm__cli_has_history(cli)) {
        return TM_OK;
    }
    TM_TRY(tm__bundle_rows_schema(bundle, &schema, err));
    const tm_status st =
        tm__cli_read(cli, ctx, path, tm__cli_text(cli, "history-sql"), &schema, &out->events, err);
    tm__schema_done(&schema);
    out->history.tables.events = out->events;
    out->history.has_rows = path != NULL && rows != NULL && strcmp(path, rows) == 0;
    return st;
}

tm_status tm__cli_read_wide(tm_cli *cli, tm_ctx *ctx, const tm_bundle *bundle, const char *path,
                            tm_table **out, tm_err *err) {
    tm_schema schema;
    tm_table *rows = NULL;
    tm_cli_history history = {0};
    TM_TRY(tm__bundle_rows_schema(bundle, &schema, err));
    tm_status st = tm__cli_read(cli, ctx, path, tm__cli_text(cli, "sql"), &schema, &rows, err);
    tm__schema_done(&schema);
    if (st == TM_OK) {
        st = tm__cli_read_history(cli, ctx, bundle, path, &history, err);
    }
    if (st == TM_OK) {
        st = tm__bundle_widen(ctx, bundle, rows, history.events != NULL ? &history.history : NULL,
                              out, err);
    }
    tm__table_unref(history.events);
    tm__table_unref(rows);
    return st;
}
