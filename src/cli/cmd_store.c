/* SPDX-License-Identifier: Apache-2.0 */
/* `store migrate`: the tables of a home to PostgreSQL and back. */
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/audit_note.h"
#include "cli/cli.h"
#include "monitor/drift_store.h"
#include "registry/registry_move.h"
#include "source/intake_shared.h"

static tm_status check_words(tm_cli *cli, bool *out_to_server, tm_err *err) {
    const char *const from = tm__cli_arg(cli, "FROM"), *const to = tm__cli_arg(cli, "TO");
    const bool has_dsn = tm__cli_text(cli, "dsn-file") != NULL;
    const bool goes = strcmp(from, "sqlite") == 0 && strcmp(to, "postgres") == 0;
    const bool comes = strcmp(from, "postgres") == 0 && strcmp(to, "sqlite") == 0;
    if (!goes && !comes) {
        (void)TM_FAIL(err, TM_E_USAGE,
                      "tables go from sqlite to postgres, or from postgres to "
                      "sqlite");
        tm_err_hint(err, "Run 'tidemill store migrate sqlite postgres --dsn-file FILE'.");
        return TM_E_USAGE;
    }
    if (goes != has_dsn) {
        return TM_FAIL(err, TM_E_USAGE, "%s",
                       goes ? "--dsn-file says how PostgreSQL is reached"
                            : "--dsn-file is of a way to PostgreSQL");
    }
    *out_to_server = goes;
    return TM_OK;
}

/* Nobody serves or runs on the home meanwhile. */
static tm_status lock_home(const tm_home *home, tm_file **out, tm_err *err) {
    char *path = tm__fs_join(tm__home_path(home), "serve.lock");
    if (path == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const tm_status st = tm__lock_open(path, out, err);
    tm__mem_free(path);
    if (st == TM_E_CONFLICT) {
        (void)TM_FAIL(err, TM_E_CONFLICT, "a server works on '%s'", tm__home_path(home));
        tm_err_hint(err, "Stop it first: its tables go elsewhere.");
    }
    return st;
}

static tm_status move(tm_cli *cli, const tm_home *home, bool to_server, tm_db_moved *out,
                      tm_err *err) {
    char *dsn_file = NULL;
    TM_TRY(to_server ? tm__fs_real_path(tm__cli_text(cli, "dsn-file"), &dsn_file, err) : TM_OK);
    const tm_store_place place = {.dsn_file = dsn_file, .schema = tm__cli_text(cli, "schema")};
    const tm_store_beside watch = {.file = "watch.db", .open = tm__drift_store_move_open};
    const tm_status st = tm__registry_move(home, to_server ? &place : NULL, &watch, out, err);
    tm__mem_free(dsn_file);
    return st;
}

static tm_status tell(tm_cli *cli, const char *to, const tm_db_moved *moved, tm_err *err) {
    char hash[TM_HASH_TEXT];
    tm_home *home = NULL; /* opened anew: it says where the tables are now */
    tm__hash_to_text(&moved->hash, hash);
    tm__cli_did(cli, "the tables are in %s now", to);
    TM_TRY(tm__home_open(cli->home, false, &home, err));
    const tm_cli_deed deed = {.event = "store.migrated",
                              .kind = "home",
                              .details = json_pack("{s:s, s:I, s:s}", "to", to, "rows",
                                                   (json_int_t)moved->n_rows, "hash", hash)};
    const tm_status st = tm__cli_audit(home, &deed, err);
    tm__home_close(home);
    TM_TRY(st);
    if (!cli->json) {
        tm__cli_print(cli, "%u tables with %llu rows are in %s now; hash %.16s\n", moved->n_tables,
                      (unsigned long long)moved->n_rows, to, hash);
        return TM_OK;
    }
    json_t *const result =
        json_pack("{s:s, s:s, s:I, s:I, s:s}", "schema", "tidemill.store/1", "to", to, "tables",
                  (json_int_t)moved->n_tables, "rows", (json_int_t)moved->n_rows, "hash", hash);
    if (result == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    tm__cli_print_json(cli, result);
    json_decref(result);
    return TM_OK;
}

tm_status cmd_store_migrate(tm_cli *cli, tm_err *err) {
    bool to_server = false;
    tm_home *home = NULL;
    tm_file *lock = NULL;
    tm_db_moved moved;
    TM_TRY(check_words(cli, &to_server, err));
    TM_TRY(tm__home_open(cli->home, false, &home, err));
    tm_status st = tm__intake_shared_refuse(home, "move the tables", err);
    st = st == TM_OK ? lock_home(home, &lock, err) : st;
    st = st == TM_OK ? move(cli, home, to_server, &moved, err) : st;
    st = st == TM_OK ? tell(cli, tm__cli_arg(cli, "TO"), &moved, err) : st;
    tm__file_close(lock);
    tm__home_close(home);
    return st;
}
