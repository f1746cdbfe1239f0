/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/history.h"

#include <string.h>

#include "base/limits.h"
#include "source/rows_from.h"

bool tm__cli_has_history(const tm_cli *cli) {
    return tm__cli_has(cli, "history") || tm__cli_has(cli, "history-sql") ||
           tm__cli_has(cli, "events");
}

tm_status tm__cli_events(const tm_cli *cli, json_t **out, tm_err *err) {
    uint32_t n = 0;
    const char *const *texts = tm__cli_list(cli, "events", &n);
    json_t *events = json_object();
    for (uint32_t i = 0; i < n; i++) {
        char name[TM_MAX_COLUMN_NAME + 1];
        const char *const equals = strchr(texts[i], '=');
        const size_t len = equals == NULL ? 0 : (size_t)(equals - texts[i]);
        if (len == 0 || equals[1] == '\0' ||
            !tm__str_copy(name, sizeof(name), (tm_str){texts[i], len}) ||
            json_object_get(events, name) != NULL) {
            const tm_status st = TM_FAIL(err, TM_E_USAGE,
                                         "--events '%.80s' gives no new name its "
                                         "events",
                                         texts[i]);
            tm_err_hint(err, "Like --events payments=payments.csv: a file, a query or a source.");
            json_decref(events);
            return st;
        }
        json_object_set_new(events, name, tm__rows_from_text(equals + 1, NULL));
    }
    return tm__json_give(TM_OK, events, out, err);
}

void tm__cli_history_done(tm_cli_history *history) {
    tm__table_unref(history->events);
    tm__train_events_done(&history->others);
    *history = (tm_cli_history){0};
}

static bool names_source(const json_t *from) {
    const char *name = NULL;
    json_t *value = NULL;
    bool does = false;
    json_object_foreach((json_t *)(uintptr_t)from, name, value) {
        does = does || json_object_get(value, "source") != NULL;
    }
    return does;
}

static tm_status read_others(tm_cli *cli, tm_ctx *ctx, const tm_place *place, tm_cli_history *out,
                             tm_err *err) {
    json_t *from = NULL;
    tm_home *home = NULL;
    TM_TRY(tm__cli_events(cli, &from, err));
    /* A model that is a file of its own needs no home, unless its events are in one. */
    tm_status st = place->home == NULL && names_source(from)
                       ? tm__home_open(cli->home, false, &home, err)
                       : TM_OK;
    const tm_events_place events = {.home = place->home != NULL ? place->home : home,
                                    .bundle = place->bundle};
    st = st == TM_OK ? tm__train_events_read(ctx, &events, from, &out->others, err) : st;
    tm__home_close(home);
    json_decref(from);
    return st;
}

tm_status tm__cli_read_history(tm_cli *cli, tm_ctx *ctx, const tm_place *place, const char *rows,
                               tm_cli_history *out, tm_err *err) {
    const char *const path = tm__cli_text(cli, "history");
    const char *const sql = tm__cli_text(cli, "history-sql");
    tm_schema schema;
    tm_status st = TM_OK;
    *out = (tm_cli_history){.is_given = tm__cli_has_history(cli)};
    if (path != NULL || sql != NULL) {
        TM_TRY(tm__bundle_rows_schema(place->bundle, &schema, err));
        st = tm__cli_read(cli, ctx, path, sql, &schema, &out->events, err);
        tm__schema_done(&schema);
    }
    if (st == TM_OK && tm__cli_has(cli, "events")) {
        st = read_others(cli, ctx, place, out, err);
    }
    out->history =
        (tm_bundle_history){.tables = {.events = out->events,
                                       .sources = out->others.sources,
                                       .n_sources = out->others.n},
                            .has_rows = path != NULL && rows != NULL && strcmp(path, rows) == 0};
    return st;
}

tm_status tm__cli_read_wide(tm_cli *cli, tm_ctx *ctx, const tm_place *place, const char *path,
                            tm_table **out, tm_err *err) {
    tm_schema schema;
    tm_table *rows = NULL;
    tm_cli_history history = {0};
    TM_TRY(tm__bundle_rows_schema(place->bundle, &schema, err));
    tm_status st = tm__cli_read(cli, ctx, path, tm__cli_text(cli, "sql"), &schema, &rows, err);
    tm__schema_done(&schema);
    if (st == TM_OK) {
        st = tm__cli_read_history(cli, ctx, place, path, &history, err);
    }
    if (st == TM_OK) {
        st = tm__bundle_widen(ctx, place->bundle, rows, history.is_given ? &history.history : NULL,
                              out, err);
    }
    tm__cli_history_done(&history);
    tm__table_unref(rows);
    return st;
}
