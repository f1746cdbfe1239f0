/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restored.json: {"schema": "tidemill.restored/1", "actor", "details": {"backup", "taken", "at",
 * "entries"}}. The commit that appends the entry cannot remove the file; the next one finds it
 * there, behind the entries that the chain had when it was restored.
 */
#include "registry/restored.h"

#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "registry/registry_priv.h"

#define NAME "restored.json"
#define SCHEMA "tidemill.restored/1"
#define BYTES_MAX 65536u

static char *path_of(const tm_home *home) {
    return tm__fs_join(tm__home_path(home), NAME);
}

tm_status tm__registry_restored(tm_registry *registry, const tm_restored *restored, tm_err *err) {
    int64_t n = 0;
    tm_buf text;
    TM_TRY(tm__history_last(registry, &n, err));
    json_t *const value =
        json_pack("{s:s, s:s, s:{s:s, s:s, s:o, s:I}}", "schema", SCHEMA, "actor", restored->actor,
                  "details", "backup", restored->hash, "taken", restored->taken, "at",
                  tm__json_time(tm__now_us()), "entries", (json_int_t)n);
    char *const path = path_of(registry->home);
    tm__buf_init(&text, BYTES_MAX);
    tm_status st = path != NULL && value != NULL && tm__json_write(&text, value, TM_JSON_SORTED)
                       ? TM_OK
                       : TM_FAIL(err, TM_E_NOMEM, "out of memory");
    st = st == TM_OK ? tm__fs_publish(path, text.data, text.len, err) : st;
    tm__buf_done(&text);
    json_decref(value);
    tm__mem_free(path);
    return st;
}

/* Whether the chain has it. */
static tm_status find_entry(tm_db *db, const json_t *details, bool *out, tm_err *err) {
    char *text = NULL;
    tm_stmt *stmt = NULL;
    TM_TRY(tm__registry_json_text(details, &text, err));
    tm_status st = tm__stmt_init(db,
                                 "SELECT 1 FROM history WHERE seq > ? AND event ="
                                 " 'backup.restored' AND details = ? LIMIT 1",
                                 &stmt, err);
    if (st == TM_OK) {
        tm__stmt_bind_i64(stmt, 1, tm__json_i64(details, "entries", 0));
        tm__stmt_bind_text(stmt, 2, text);
        st = tm__stmt_step(stmt, out, err);
    }
    tm__stmt_done(stmt);
    tm__mem_free(text);
    return st;
}

static tm_status read_file(const char *path, json_t **out, tm_err *err) {
    tm_buf text;
    tm_err own = {0};
    tm__buf_init(&text, BYTES_MAX);
    tm_status st = tm__fs_read_all(path, &text, err);
    if (st == TM_OK && (tm__json_parse(text.data, text.len, 4, out, &own) != TM_OK ||
                        strcmp(tm__json_text(*out, "schema", ""), SCHEMA) != 0 ||
                        !json_is_object(json_object_get(*out, "details")))) {
        st = own.status == TM_E_NOMEM
                 ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                 : TM_FAIL(err, TM_E_INTEGRITY, "the file does not say what was restored");
        tm_err_hint(err, "It stands in the home for its next entry of the audit chain: restore "
                         "the backup again, or remove the file and tell who audits.");
        tm_err_at(err, path, 0, 0);
    }
    tm__buf_done(&text);
    return st;
}

/* *out: what the file says, unless the chain has it; stays when there is none. */
static tm_status find(const char *path, tm_db *db, json_t **out, bool *out_is_told, tm_err *err) {
    json_t *found = NULL;
    if (tm__fs_info(path).kind != TM_PATH_FILE) {
        return TM_OK;
    }
    tm_status st = read_file(path, &found, err);
    st = st == TM_OK ? find_entry(db, json_object_get(found, "details"), out_is_told, err) : st;
    if (st == TM_OK && !*out_is_told) {
        *out = found;
        return TM_OK;
    }
    json_decref(found);
    return st;
}

tm_status tm__restored_find_locked(const tm_registry *registry, json_t **out, tm_err *err) {
    char *const path = path_of(registry->home);
    bool is_told = false;
    tm_status st = path == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                : find(path, registry->db, out, &is_told, err);
    st = st == TM_OK && is_told ? tm__fs_remove(path, err) : st;
    tm__mem_free(path);
    return st;
}

tm_status tm__restored_waiting(const tm_home *home, json_t **out, tm_err *err) {
    char *const path = path_of(home);
    bool is_told = false;
    tm_db *db = NULL;
    tm_status st = path == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory") : TM_OK;
    if (st == TM_OK && tm__fs_info(path).kind == TM_PATH_FILE) {
        st = tm__registry_db_open(tm__home_meta_db(home), true, NULL, &db, err);
        st = st == TM_OK ? find(path, db, out, &is_told, err) : st;
    }
    tm__db_close(db);
    tm__mem_free(path);
    return st;
}
