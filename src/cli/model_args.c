/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/model_args.h"

#include "base/proc.h"
#include "base/system.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "registry/registry_known.h"
#include "source/intake.h"
#include "source/source.h"

tm_status tm__place_open(tm_cli *cli, bool create, tm_place *out, tm_err *err) {
    tm_place place = {0};
    TM_TRY(tm__home_open(cli->home, create, &place.home, err));
    const tm_status st = tm__registry_open(place.home, &place.registry, err);
    if (st != TM_OK) {
        tm__place_close(&place);
        return st;
    }
    *out = place;
    return TM_OK;
}

tm_status tm__place_open_known(tm_cli *cli, tm_place *out, tm_err *err) {
    tm_place place = {0};
    tm_err away = {0};
    TM_TRY(tm__home_open(cli->home, false, &place.home, err));
    tm_status st = tm__registry_open(place.home, &place.registry, &away);
    if (st == TM_E_UNAVAILABLE && tm__home_has_server(place.home) &&
        tm__registry_known_open(place.home, &place.registry, &place.known_us, NULL) == TM_OK) {
        st = TM_OK;
    }
    if (st != TM_OK) {
        tm__place_close(&place);
        *err = away;
        return st;
    }
    *out = place;
    return TM_OK;
}

tm_status tm__place_open_version(tm_cli *cli, const char *name, tm_place *out, tm_err *err) {
    tm_place place = {0};
    TM_TRY(tm__place_open(cli, false, &place, err));
    tm_status st = tm__registry_find(place.registry, name, &place.version, err);
    if (st == TM_OK) {
        st = tm__registry_bundle(place.registry, &place.version, &place.bundle, err);
    }
    if (st != TM_OK) {
        tm__place_close(&place);
        return st;
    }
    *out = place;
    return TM_OK;
}

void tm__place_close(tm_place *place) {
    tm__bundle_unref(place->bundle);
    tm__version_done(&place->version);
    tm__registry_close(place->registry);
    tm__home_close(place->home);
    memset(place, 0, sizeof(*place));
}

tm_actor tm__cli_actor(const char *reason, char *out, size_t size) {
    static const char prefix[] = "cli:";
    if (tm__process_is_child()) { /* a daemon's: nobody asked for it by hand */
        (void)tm__str_copy(out, size, tm__str("loop"));
        return (tm_actor){.name = out, .reason = reason};
    }
    (void)tm__str_copy(out, size, tm__str(prefix));
    tm__user_name(out + sizeof(prefix) - 1, size - sizeof(prefix) + 1);
    return (tm_actor){.name = out, .reason = reason};
}

tm_status tm__cli_check_source(const char *path, const char *sql, tm_err *err) {
    if ((path == NULL) != (sql == NULL)) {
        return TM_OK;
    }
    const tm_status st =
        TM_FAIL(err, TM_E_USAGE, "%s",
                path == NULL ? "no data is named" : "both a file and a query are named");
    tm_err_hint(err, "Give a file or glob as DATA, or a query with --sql.");
    return st;
}

tm_status tm__cli_query(tm_cli *cli, tm_ctx *ctx, const char *sql, tm_sql_sources *out,
                        tm_err *err) {
    tm_home *home = NULL;
    *out = (tm_sql_sources){0};
    if (sql == NULL) {
        return TM_OK;
    }
    tm_status st = tm__home_open(cli->home, false, &home, err);
    if (st == TM_OK || st == TM_E_NOT_FOUND) {
        const tm_sql_ask ask = {.sql = sql, .as_of_us = INT64_MAX};
        st = tm__sql_sources_open(ctx, home, &ask, out, err);
    }
    tm__home_close(home);
    return st;
}

tm_status tm__cli_read(tm_cli *cli, tm_ctx *ctx, const char *path, const char *sql,
                       const tm_schema *schema, tm_table **out, tm_err *err) {
    tm_sql_sources query;
    TM_TRY(tm__cli_check_source(path, sql, err));
    tm_status st = tm__cli_query(cli, ctx, sql, &query, err);
    if (st == TM_OK) {
        const tm_source_spec spec = {
            .path = path,
            .sql = query.sql,
            .no_header = tm__cli_flag(cli, "no-header"),
            .schema = schema,
        };
        st = tm__source_read(ctx, &spec, out, err);
        tm__sql_sources_place(&query, err);
    }
    tm__sql_sources_done(&query);
    return st;
}

tm_status tm__cli_read_any(tm_cli *cli, tm_ctx *ctx, const char *path, tm_table **out,
                           tm_err *err) {
    const char *sql = tm__cli_text(cli, "sql");
    const char *name = tm__cli_text(cli, "source");
    tm_home *home = NULL;
    if (name == NULL) {
        return tm__cli_read(cli, ctx, path, sql, NULL, out, err);
    }
    if (path != NULL || sql != NULL) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "both a source and a file or query are named");
        tm_err_hint(err, "Give one of DATA, --sql and --source.");
        return st;
    }
    TM_TRY(tm__home_open(cli->home, false, &home, err));
    const tm_status st = tm__intake_table(ctx, home, name, out, err);
    tm__home_close(home);
    return st;
}

tm_status tm__cli_read_snapshot(tm_ctx *ctx, const tm_place *place, const char *hash,
                                tm_table **out, tm_err *err) {
    tm_hash name;
    if (!tm__hash_from_text(hash, &name)) {
        return TM_FAIL(err, TM_E_DATA, "the record names no snapshot: '%.64s'", hash);
    }
    tm__ctx_progress(ctx, "read", 0, 0, NULL);
    const tm_status st = tm__snapshot_load(ctx, tm__home_snapshots(place->home), &name, out, err);
    if (st == TM_E_NOT_FOUND) {
        (void)TM_FAIL(err, st, "the rows of '%s@%u' are gone: no snapshot %.64s.parquet",
                      place->version.model, place->version.number, hash);
        tm_err_hint(err, "Restore the home from a backup that has them, or train a new version.");
    }
    return st;
}
