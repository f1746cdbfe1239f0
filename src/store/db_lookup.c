/* SPDX-License-Identifier: Apache-2.0 */
/* Keyed hashes in SQL. Keys are read anew when the database changed: a statement runs in a
 * transaction, so all that it hashes has the keys of that moment. */
#include "store/db_lookup.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"

#define TEXT_DIGITS 32 /* of 128 bits */

/* One of the database's keys: one for each kind of value, so that none is taken for another. */
typedef struct link {
    tm_hash text, number;
} link;

/* Of one connection. */
typedef struct lookup {
    link *links; /* [n] */
    tm_lookup_rows rows;
    uint32_t n;
    bool is_known; /* that they are those of data_version */
    uint32_t data_version;
} lookup;

typedef enum key_state { KEY_READY, KEY_NONE, KEY_FAILED } key_state;

static void wipe_free(void *keys, size_t len) {
    if (keys != NULL) {
        explicit_bzero(keys, len);
    }
    tm__mem_free(keys);
}

void tm__lookup_rows_done(tm_lookup_rows *rows) {
    wipe_free(rows->keys, rows->n_keys * sizeof(*rows->keys));
    *rows = (tm_lookup_rows){0};
}

static void lookup_reset(lookup *l) {
    wipe_free(l->links, l->n * sizeof(*l->links));
    tm__lookup_rows_done(&l->rows);
    *l = (lookup){0};
}

static void lookup_free(void *arg) {
    lookup_reset(arg);
    tm__mem_free(arg);
}

static void derive(const uint8_t *bytes, const char *of, tm_hash *out) {
    tm_hash key;
    memcpy(key.bytes, bytes, TM_HASH_BYTES);
    tm__hash_keyed(&key, of, strlen(of), out);
    tm__hash_reset(&key);
}

static bool derive_rows(const uint8_t *bytes, uint32_t n, tm_lookup_rows *out) {
    tm_lookup_rows rows = {.keys = tm__mem_zalloc(n, sizeof(*rows.keys)), .n_keys = n};
    if (rows.keys == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        tm_hash key;
        derive(bytes + (size_t)i * TM_HASH_BYTES, "tidemill.lookup.row", &key);
        memcpy(rows.keys[i], key.bytes, sizeof(rows.keys[i]));
        tm__hash_reset(&key);
    }
    *out = rows;
    return true;
}

static bool derive_all(lookup *l, const uint8_t *bytes, uint32_t n) {
    lookup_reset(l);
    l->links = tm__mem_zalloc(n, sizeof(*l->links));
    l->n = l->links == NULL ? 0 : n;
    if (l->n == 0 || !derive_rows(bytes, n, &l->rows)) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        derive(bytes + (size_t)i * TM_HASH_BYTES, "tidemill.lookup.text", &l->links[i].text);
        derive(bytes + (size_t)i * TM_HASH_BYTES, "tidemill.lookup.number", &l->links[i].number);
    }
    return true;
}

static bool are_keys(size_t len) {
    return len >= TM_HASH_BYTES && len % TM_HASH_BYTES == 0;
}

static void say(sqlite3_context *call, int code) {
    sqlite3_result_error(call, sqlite3_errmsg(sqlite3_context_db_handle(call)), -1);
    sqlite3_result_error_code(call, code);
}

static void say_damaged(sqlite3_context *call) {
    sqlite3_result_error(call, "the key of its lookups is damaged", -1);
    sqlite3_result_error_code(call, SQLITE_CORRUPT);
}

static key_state read_keys(sqlite3_context *call, lookup *l) {
    sqlite3 *const db = sqlite3_context_db_handle(call);
    sqlite3_stmt *stmt = NULL;
    key_state state = KEY_FAILED;
    if (sqlite3_table_column_metadata(db, NULL, "lookup", NULL, NULL, NULL, NULL, NULL, NULL) !=
        SQLITE_OK) {
        lookup_reset(l);
        return KEY_NONE;
    }
    int code =
        sqlite3_prepare_v2(db, "SELECT unseal('lookup.key', id, key) FROM lookup", -1, &stmt, NULL);
    code = code == SQLITE_OK ? sqlite3_step(stmt) : code;
    const size_t len = code == SQLITE_ROW ? (size_t)sqlite3_column_bytes(stmt, 0) : 0;
    if (are_keys(len)) {
        if (derive_all(l, sqlite3_column_blob(stmt, 0), (uint32_t)(len / TM_HASH_BYTES))) {
            state = KEY_READY;
        } else {
            sqlite3_result_error_nomem(call);
        }
    } else if (code == SQLITE_ROW || code == SQLITE_DONE) {
        say_damaged(call);
    } else {
        say(call, code);
    }
    (void)sqlite3_finalize(stmt);
    return state;
}

static key_state find_keys(sqlite3_context *call, lookup *l) {
    uint32_t now = 0;
    (void)sqlite3_file_control(sqlite3_context_db_handle(call), "main", SQLITE_FCNTL_DATA_VERSION,
                               &now);
    if (l->is_known && l->data_version == now) {
        return l->n > 0 ? KEY_READY : KEY_NONE;
    }
    const key_state state = read_keys(call, l);
    l->is_known = state != KEY_FAILED;
    l->data_version = now;
    return state;
}

/* KEY_READY: go on; else the call has its result. */
static key_state begin(sqlite3_context *call, sqlite3_value *value, lookup *l) {
    const key_state state =
        sqlite3_value_type(value) == SQLITE_NULL ? KEY_NONE : find_keys(call, l);
    if (state == KEY_NONE) {
        sqlite3_result_value(call, value);
    }
    return state;
}

static void give_text(sqlite3_context *call, sqlite3_value *value, const lookup *l, uint32_t from) {
    tm_hash hash;
    char text[TM_HASH_TEXT];
    const char *data = (const char *)sqlite3_value_text(value);
    size_t len = (size_t)sqlite3_value_bytes(value);
    if (data == NULL) {
        sqlite3_result_error_nomem(call);
        return;
    }
    for (uint32_t i = from; i < l->n; i++) {
        tm__hash_keyed(&l->links[i].text, data, len, &hash);
        tm__hash_to_text(&hash, text);
        data = text;
        len = TEXT_DIGITS;
    }
    sqlite3_result_text(call, data, (int)len, SQLITE_TRANSIENT);
}

static void call_text(sqlite3_context *call, int n, sqlite3_value **values) {
    (void)n;
    lookup *const l = sqlite3_user_data(call);
    if (begin(call, values[0], l) == KEY_READY) {
        give_text(call, values[0], l, 0);
    }
}

static void call_text_again(sqlite3_context *call, int n, sqlite3_value **values) {
    (void)n;
    lookup *const l = sqlite3_user_data(call);
    if (begin(call, values[0], l) == KEY_READY) {
        give_text(call, values[0], l, l->n - 1);
    }
}

static void give_number(sqlite3_context *call, sqlite3_value *value, const lookup *l,
                        uint32_t from) {
    int64_t number = sqlite3_value_int64(value);
    for (uint32_t i = from; i < l->n; i++) {
        tm_hash hash;
        tm__hash_keyed(&l->links[i].number, &number, sizeof(number), &hash);
        memcpy(&number, hash.bytes, sizeof(number));
    }
    sqlite3_result_int64(call, number);
}

static void call_number(sqlite3_context *call, int n, sqlite3_value **values) {
    (void)n;
    lookup *const l = sqlite3_user_data(call);
    if (begin(call, values[0], l) == KEY_READY) {
        give_number(call, values[0], l, 0);
    }
}

static void call_number_again(sqlite3_context *call, int n, sqlite3_value **values) {
    (void)n;
    lookup *const l = sqlite3_user_data(call);
    if (begin(call, values[0], l) == KEY_READY) {
        give_number(call, values[0], l, l->n - 1);
    }
}

void tm__lookup_row(const tm_lookup_rows *rows, uint32_t n_before, uint64_t bytes[2]) {
    for (uint32_t i = n_before; i < rows->n_keys; i++) {
        uint8_t key[16], out[16];
        memcpy(key, rows->keys[i], sizeof(key));
        tm__hash128(key, bytes, sizeof(out), out);
        memcpy(bytes, out, sizeof(out));
    }
}

static void call_rows(sqlite3_context *call, int n, sqlite3_value **values) {
    (void)n;
    lookup *const l = sqlite3_user_data(call);
    if (begin(call, values[0], l) != KEY_READY) {
        return;
    }
    const size_t len = (size_t)sqlite3_value_bytes(values[0]);
    const int64_t n_before = sqlite3_value_int64(values[1]);
    if (len % (2 * sizeof(uint64_t)) != 0 || n_before < 0 || n_before > l->n) {
        say_damaged(call);
        return;
    }
    uint64_t(*const out)[2] = tm__mem_alloc(len + sizeof(*out), 1);
    if (out == NULL) {
        sqlite3_result_error_nomem(call);
        return;
    }
    if (len > 0) {
        memcpy(out, sqlite3_value_blob(values[0]), len);
    }
    for (size_t i = 0; i < len / sizeof(*out); i++) {
        tm__lookup_row(&l->rows, (uint32_t)n_before, out[i]);
    }
    sqlite3_result_blob64(call, out, len, tm__mem_free);
}

static void call_count(sqlite3_context *call, int n, sqlite3_value **values) {
    (void)n;
    (void)values;
    lookup *const l = sqlite3_user_data(call);
    if (find_keys(call, l) != KEY_FAILED) {
        sqlite3_result_int64(call, l->n);
    }
}

static void call_more(sqlite3_context *call, int n, sqlite3_value **values) {
    (void)n;
    lookup *const l = sqlite3_user_data(call);
    const size_t len = (size_t)sqlite3_value_bytes(values[0]);
    if (!are_keys(len)) {
        say_damaged(call);
        return;
    }
    uint8_t *const out = tm__mem_alloc(len + TM_HASH_BYTES, 1);
    if (out == NULL) {
        sqlite3_result_error_nomem(call);
        return;
    }
    memcpy(out, sqlite3_value_blob(values[0]), len);
    tm__random_bytes(out + len, TM_HASH_BYTES);
    l->is_known = false;
    sqlite3_result_blob64(call, out, len + TM_HASH_BYTES, tm__mem_free);
}

tm_status tm__db_lookup_init(sqlite3 *handle, tm_err *err) {
    static const struct {
        const char *name;
        int n_args;
        void (*call)(sqlite3_context *, int, sqlite3_value **);
    } functions[] = {
        {"lookup_text", 1, call_text},     {"lookup_text_again", 1, call_text_again},
        {"lookup_number", 1, call_number}, {"lookup_number_again", 1, call_number_again},
        {"lookup_rows", 2, call_rows},     {"lookup_count", 0, call_count},
        {"lookup_more", 1, call_more},
    };
    lookup *const l = tm__mem_zalloc(1, sizeof(*l));
    bool is_made = l != NULL;
    /* The first owns l: a failure ends it, too. */
    for (size_t i = 0; is_made && i < sizeof(functions) / sizeof(functions[0]); i++) {
        /* Within a statement keys do not change: all but lookup_more() are functions of values. */
        const int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY |
                          (functions[i].call == call_more ? 0 : SQLITE_DETERMINISTIC);
        is_made = sqlite3_create_function_v2(handle, functions[i].name, functions[i].n_args, flags,
                                             l, functions[i].call, NULL, NULL,
                                             i == 0 ? lookup_free : NULL) == SQLITE_OK;
    }
    return is_made ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory for a database");
}

tm_status tm__db_lookup_make_locked(tm_db *db, tm_err *err) {
    tm_stmt *stmt = NULL;
    tm_hash key;
    TM_TRY(tm__stmt_init(db, "INSERT INTO lookup VALUES(1, seal('lookup.key', 1, ?))", &stmt, err));
    tm__random_bytes(key.bytes, sizeof(key.bytes));
    tm__stmt_bind_blob(stmt, 1, key.bytes, sizeof(key.bytes));
    const tm_status st = tm__stmt_run_done(stmt, err);
    tm__hash_reset(&key);
    return st;
}

tm_status tm__lookup_rows_read(tm_db *db, tm_lookup_rows *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    *out = (tm_lookup_rows){0};
    TM_TRY(tm__stmt_init(db,
                         "SELECT unseal('lookup.key', id, key) FROM lookup"
                         " WHERE lookup_count() > 0",
                         &stmt, err));
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        const tm_str keys = tm__stmt_blob(stmt, 0);
        if (!derive_rows((const uint8_t *)keys.ptr, (uint32_t)(keys.len / TM_HASH_BYTES), out)) {
            st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
        }
    }
    tm__stmt_done(stmt);
    return st;
}
