/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed cells.
 *
 * A connection lives long and asks often, so keys are kept as long as encryption.json is the file
 * that they were read by; whether it is costs one look at the folder.
 */
#include "store/db_seal.h"

#include <string.h>

#include "base/mem.h"
#include "store/vault.h"

/* Of one connection. */
typedef struct cells {
    char *path;     /* of the database */
    char *settings; /* encryption.json beside it */
    tm_envelope_ring ring;
    tm_file_id id; /* of the settings that the ring was read by */
    bool has_ring;
} cells;

static void cells_free(void *arg) {
    cells *const c = arg;
    tm__envelope_ring_done(&c->ring);
    tm__mem_free(c->path);
    tm__mem_free(c->settings);
    tm__mem_free(c);
}

static void say(sqlite3_context *call, const tm_err *err) {
    const int code = err->status == TM_E_NOMEM       ? SQLITE_NOMEM
                     : err->status == TM_E_INTEGRITY ? SQLITE_CORRUPT
                                                     : SQLITE_AUTH;
    sqlite3_result_error(call, err->message, -1);
    sqlite3_result_error_code(call, code);
}

/* The keys of the home as they are now; n is 0 where it has none. */
static tm_status look(cells *c, tm_err *err) {
    tm_map map = {0};
    if (c->has_ring && tm__fs_is_same(c->settings, &c->id)) {
        return TM_OK;
    }
    tm__envelope_ring_done(&c->ring);
    c->has_ring = false;
    if (tm__fs_info(c->settings).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(tm__map_open(c->settings, &map, err));
    const tm_file_id id = map.id;
    tm__map_close(&map);
    TM_TRY(tm__vault_ring(c->path, &c->ring, err));
    c->id = id;
    c->has_ring = true;
    return TM_OK;
}

/* The place that the first two arguments name; false for what can be none. */
static bool place_of(sqlite3_context *call, sqlite3_value **values, tm_cell_place *out) {
    const char *const column = (const char *)sqlite3_value_text(values[0]);
    const char *const row = (const char *)sqlite3_value_text(values[1]);
    if (column == NULL || row == NULL || strlen(column) + strlen(row) >= TM_CELL_PLACE_MAX) {
        sqlite3_result_error(call, "a sealed cell needs a place", -1);
        return false;
    }
    *out = (tm_cell_place){column, tm__str(row)};
    return true;
}

/* Bytes of strangers (of a bad row) may begin as a sealed cell does: they stand behind a mark. */
#define PLAIN "TMSCELL0"
#define MARK_BYTES (sizeof(PLAIN) - 1)

static bool has_mark(const void *data, size_t len, size_t n_alike) {
    return len >= MARK_BYTES && memcmp(data, PLAIN, n_alike) == 0;
}

static void give_plain(sqlite3_context *call, sqlite3_value *value) {
    const void *const data = sqlite3_value_blob(value);
    const size_t len = (size_t)sqlite3_value_bytes(value);
    if (data == NULL || !has_mark(data, len, MARK_BYTES - 1)) {
        sqlite3_result_value(call, value);
        return;
    }
    uint8_t *const out = tm__mem_alloc(len + MARK_BYTES, 1);
    if (out == NULL) {
        sqlite3_result_error_nomem(call);
        return;
    }
    memcpy(out, PLAIN, MARK_BYTES);
    memcpy(out + MARK_BYTES, data, len);
    sqlite3_result_blob64(call, out, len + MARK_BYTES, tm__mem_free);
}

static void call_seal(sqlite3_context *call, int n, sqlite3_value **values) {
    (void)n;
    cells *const c = sqlite3_user_data(call);
    tm_err err = {0};
    tm_cell_place place;
    if (sqlite3_value_type(values[2]) == SQLITE_NULL || look(c, &err) != TM_OK || c->ring.n == 0) {
        if (err.status != TM_OK) {
            say(call, &err);
        } else {
            give_plain(call, values[2]);
        }
        return;
    }
    if (!place_of(call, values, &place)) {
        return;
    }
    const void *const data = sqlite3_value_blob(values[2]);
    const size_t len = (size_t)sqlite3_value_bytes(values[2]);
    uint8_t *const out = tm__mem_alloc(len + TM_SEAL_CELL_BYTES, 1);
    if (out == NULL) {
        sqlite3_result_error_nomem(call);
        return;
    }
    tm__seal_cell(&c->ring.keys[0], &place, data, len, out);
    sqlite3_result_blob64(call, out, len + TM_SEAL_CELL_BYTES, tm__mem_free);
}

static void call_unseal(sqlite3_context *call, int n, sqlite3_value **values) {
    (void)n;
    cells *const c = sqlite3_user_data(call);
    tm_err err = {0};
    tm_cell_place place;
    const void *const data = sqlite3_value_blob(values[2]);
    const size_t len = (size_t)sqlite3_value_bytes(values[2]);
    if (data != NULL && has_mark(data, len, MARK_BYTES)) {
        sqlite3_result_blob64(call, (const uint8_t *)data + MARK_BYTES, len - MARK_BYTES,
                              SQLITE_TRANSIENT);
        return;
    }
    if (data == NULL || !tm__seal_is_cell(data, len, NULL)) {
        sqlite3_result_value(call, values[2]);
        return;
    }
    if (!place_of(call, values, &place)) {
        return;
    }
    uint8_t *const out = tm__mem_alloc(len, 1);
    if (out == NULL) {
        sqlite3_result_error_nomem(call);
    } else if (look(c, &err) != TM_OK ||
               tm__unseal_cell(&c->ring, &place, data, len, out, &err) != TM_OK) {
        say(call, &err);
        tm__mem_free(out);
    } else {
        sqlite3_result_blob64(call, out, len - TM_SEAL_CELL_BYTES, tm__mem_free);
    }
}

static void call_sealed_by(sqlite3_context *call, int n, sqlite3_value **values) {
    (void)n;
    tm_cell_head head;
    char text[TM_ENVELOPE_ID_TEXT] = "";
    const void *const data = sqlite3_value_blob(values[0]);
    if (data != NULL && tm__seal_is_cell(data, (size_t)sqlite3_value_bytes(values[0]), &head) &&
        head.is_of_row) {
        tm__envelope_id_to_text(head.key_id, text);
    }
    sqlite3_result_text(call, text, -1, SQLITE_TRANSIENT);
}

tm_status tm__db_seal_init(sqlite3 *handle, const char *path, tm_err *err) {
    const char *const slash = strrchr(path, '/');
    char *const dir =
        slash == NULL ? tm__mem_strdup(".") : tm__mem_strndup(path, (size_t)(slash - path));
    cells *const c = tm__mem_zalloc(1, sizeof(*c));
    tm_status st = dir == NULL || c == NULL ? TM_E_NOMEM : TM_OK;
    if (st == TM_OK) {
        c->path = tm__mem_strdup(path);
        c->settings = tm__fs_join(dir, TM_VAULT_FILE);
        st = c->path == NULL || c->settings == NULL ? TM_E_NOMEM : TM_OK;
    }
    tm__mem_free(dir);
    if (st != TM_OK) {
        if (c != NULL) {
            cells_free(c);
        }
        return TM_FAIL(err, st, "out of memory for a database");
    }
    const int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY;
    /* The first owns c: a failure ends it, too. */
    const bool is_made =
        sqlite3_create_function_v2(handle, "unseal", 3, flags, c, call_unseal, NULL, NULL,
                                   cells_free) == SQLITE_OK &&
        sqlite3_create_function_v2(handle, "seal", 3, flags, c, call_seal, NULL, NULL, NULL) ==
            SQLITE_OK &&
        sqlite3_create_function_v2(handle, "sealed_by", 1, flags | SQLITE_DETERMINISTIC, c,
                                   call_sealed_by, NULL, NULL, NULL) == SQLITE_OK;
    return is_made ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory for a database");
}

static tm_status count(tm_db *db, const char *sql, const char *key, uint64_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, sql, &stmt, err));
    tm__stmt_bind_text(stmt, 1, key);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        *out = (uint64_t)tm__stmt_i64(stmt, 0);
    }
    tm__stmt_done(stmt);
    return st;
}

/* *io_last: the row behind which it begins, then that of the last cell; as it was: there is none.
 */
static tm_status renew_some_locked(tm_db *db, const tm_sealed_column *column, const char *key,
                                   int64_t *io_last, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, column->renew, &stmt, err));
    tm__stmt_bind_text(stmt, 1, key);
    tm__stmt_bind_i64(stmt, 2, *io_last);
    tm__stmt_bind_i64(stmt, 3, column->n_max);
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        const int64_t row = tm__stmt_i64(stmt, 0);
        *io_last = row > *io_last ? row : *io_last;
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status renew_some(tm_db *db, const tm_sealed_column *column, const char *key,
                            int64_t *io_last, tm_err *err) {
    TM_TRY(tm__db_begin(db, err));
    return tm__db_end(db, renew_some_locked(db, column, key, io_last, err), err);
}

tm_status tm__db_seal_wipe(tm_db *db, tm_err *err) {
    tm_err inner = {0};
    const tm_status st = tm__db_vacuum(db, &inner);
    if (st != TM_OK && st != TM_E_CONFLICT && err != NULL) {
        *err = inner;
    }
    return st == TM_E_CONFLICT ? TM_OK : st;
}

tm_status tm__db_seal_renew(tm_db *db, const tm_sealed_column *column, const char *key,
                            bool is_renewing, uint64_t *out_n, tm_err *err) {
    TM_TRY(count(db, column->count, key, out_n, err));
    for (int64_t last = 0, next = 0; is_renewing && *out_n > 0; last = next) {
        TM_TRY(renew_some(db, column, key, &next, err));
        if (next == last) {
            break;
        }
    }
    return TM_OK;
}
