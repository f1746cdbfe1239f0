/* SPDX-License-Identifier: Apache-2.0 */
/* Keyed hashes in SQL. The key is read once a connection: it is never made anew. */
#include "store/db_lookup.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"

#define TEXT_DIGITS 32 /* of 128 bits */

/* Of one connection. */
typedef struct lookup {
    bool has_keys;
    tm_hash text, number;
} lookup;

typedef enum key_state { KEY_READY, KEY_NONE, KEY_FAILED } key_state;

static void lookup_free(void *arg) {
    lookup *const l = arg;
    tm__hash_reset(&l->text);
    tm__hash_reset(&l->number);
    tm__mem_free(l);
}

/* A key for each kind of value, so that one is never taken for the other. */
static void derive(lookup *l, const void *bytes) {
    static const char text[] = "tidemill.lookup.text", number[] = "tidemill.lookup.number";
    tm_hash key;
    memcpy(key.bytes, bytes, TM_HASH_BYTES);
    tm__hash_keyed(&key, text, sizeof(text) - 1, &l->text);
    tm__hash_keyed(&key, number, sizeof(number) - 1, &l->number);
    tm__hash_reset(&key);
    l->has_keys = true;
}

static void say(sqlite3_context *call, int code) {
    sqlite3_result_error(call, sqlite3_errmsg(sqlite3_context_db_handle(call)), -1);
    sqlite3_result_error_code(call, code);
}

static key_state read_key(sqlite3_context *call, lookup *l) {
    sqlite3 *const db = sqlite3_context_db_handle(call);
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_table_column_metadata(db, NULL, "lookup", NULL, NULL, NULL, NULL, NULL, NULL) !=
        SQLITE_OK) {
        return KEY_NONE;
    }
    int code =
        sqlite3_prepare_v2(db, "SELECT unseal('lookup.key', id, key) FROM lookup", -1, &stmt, NULL);
    code = code == SQLITE_OK ? sqlite3_step(stmt) : code;
    const bool is_whole = code == SQLITE_ROW && sqlite3_column_bytes(stmt, 0) == TM_HASH_BYTES;
    if (is_whole) {
        derive(l, sqlite3_column_blob(stmt, 0));
    } else if (code == SQLITE_ROW || code == SQLITE_DONE) {
        sqlite3_result_error(call, "the key of its lookups is damaged", -1);
        sqlite3_result_error_code(call, SQLITE_CORRUPT);
    } else {
        say(call, code);
    }
    (void)sqlite3_finalize(stmt);
    return is_whole ? KEY_READY : KEY_FAILED;
}

/* KEY_READY: go on; else the call has its result. */
static key_state begin(sqlite3_context *call, sqlite3_value *value, lookup *l) {
    key_state state = l->has_keys ? KEY_READY : KEY_NONE;
    if (sqlite3_value_type(value) != SQLITE_NULL && !l->has_keys) {
        state = read_key(call, l);
    } else if (sqlite3_value_type(value) == SQLITE_NULL) {
        state = KEY_NONE;
    }
    if (state == KEY_NONE) {
        sqlite3_result_value(call, value);
    }
    return state;
}

static void call_text(sqlite3_context *call, int n, sqlite3_value **values) {
    (void)n;
    lookup *const l = sqlite3_user_data(call);
    tm_hash hash;
    char text[TM_HASH_TEXT];
    if (begin(call, values[0], l) != KEY_READY) {
        return;
    }
    const void *const data = sqlite3_value_text(values[0]);
    if (data == NULL) {
        sqlite3_result_error_nomem(call);
        return;
    }
    tm__hash_keyed(&l->text, data, (size_t)sqlite3_value_bytes(values[0]), &hash);
    tm__hash_to_text(&hash, text);
    sqlite3_result_text(call, text, TEXT_DIGITS, SQLITE_TRANSIENT);
}

static void call_number(sqlite3_context *call, int n, sqlite3_value **values) {
    (void)n;
    lookup *const l = sqlite3_user_data(call);
    tm_hash hash;
    int64_t out = 0;
    if (begin(call, values[0], l) != KEY_READY) {
        return;
    }
    const int64_t number = sqlite3_value_int64(values[0]);
    tm__hash_keyed(&l->number, &number, sizeof(number), &hash);
    memcpy(&out, hash.bytes, sizeof(out));
    sqlite3_result_int64(call, out);
}

tm_status tm__db_lookup_init(sqlite3 *handle, tm_err *err) {
    lookup *const l = tm__mem_zalloc(1, sizeof(*l));
    const int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY | SQLITE_DETERMINISTIC;
    /* The first owns l: a failure ends it, too. */
    const bool is_made = l != NULL &&
                         sqlite3_create_function_v2(handle, "lookup_text", 1, flags, l, call_text,
                                                    NULL, NULL, lookup_free) == SQLITE_OK &&
                         sqlite3_create_function_v2(handle, "lookup_number", 1, flags, l,
                                                    call_number, NULL, NULL, NULL) == SQLITE_OK;
    return is_made ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory for a database");
}

tm_status tm__db_lookup_make_locked(tm_db *db, tm_err *err) {
    tm_stmt *stmt = NULL;
    tm_hash key;
    TM_TRY(tm__stmt_init(db, "INSERT INTO lookup VALUES(1, seal('lookup.key', 1, ?))", &stmt, err));
    tm__random_bytes(key.bytes, sizeof(key.bytes));
    tm__stmt_bind_blob(stmt, 1, key.bytes, sizeof(key.bytes));
    const tm_status st = tm__stmt_run(stmt, err);
    tm__stmt_done(stmt);
    tm__hash_reset(&key);
    return st;
}
