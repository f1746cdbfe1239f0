/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   query ──> step ──> cells of a block, as they are stored ──> a type for each column ──> table
 *
 * 1. The file is opened read-only and defensive. Only reading is authorized: no PRAGMA, no ATTACH,
 *    no function that the file's own schema might misuse.
 * 2. Types are settled by a block of rows at a time, so a cell is kept as an integer, a double or
 * the number of a text until then.
 * 3. Hashes are over stored values, because the type of a column may differ from block to block.
 */
#include "store/sqlite_read.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "store/sql_text.h"

#define BLOCK_ROWS 16384u
#define BLOCK_ROWS_MIN 64u
#define BLOCK_CELLS (1u << 20)
#define BLOCK_BYTES (16u << 20)
#define SQL_BYTES_MAX (16u << 20)
#define VALUE_BYTES_MAX (256 << 20)
#define BUSY_MS 10000
#define STEPS 10000 /* of the virtual machine between two looks at the flag */
#define NAME_KEY UINT64_C(0x73716c6e616d6531)
#define VALUE_KEY UINT64_C(0x73716c76616c7565)

typedef union value {
    int64_t i64;
    double f64;
    uint32_t code; /* of a text in the column's dictionary */
} value;

typedef struct column {
    char *name;
    uint64_t name_hash;
    bool is_declared_bool;
    bool is_new;    /* not among the known ones */
    tm_type known;  /* TM_TYPE_NONE: not yet */
    uint8_t *kinds; /* [block] SQLITE_INTEGER, SQLITE_FLOAT, SQLITE_TEXT, SQLITE_NULL */
    value *values;  /* [block] */
    tm_dict *texts;
    uint64_t n_ints, n_floats, n_texts;
} column;

struct tm_sqlite {
    sqlite3 *handle;
    sqlite3_stmt *stmt;
    char *path;
    volatile _Atomic bool *cancel;
    uint32_t n_cols;
    column *cols;
    bool has_new;      /* columns */
    uint32_t cursor;   /* UINT32_MAX: none */
    uint32_t rows_max; /* of a block */
    uint64_t n_read;
    bool has_ended;
    tm_bad_values *bad; /* of the block */
};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory while reading an SQLite file");
}

static tm_status fail(const tm_sqlite *s, int rc, tm_err *err) {
    tm_status st = TM_E_DATA;
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return no_memory(err);
    case SQLITE_INTERRUPT:
        return TM_FAIL(err, TM_E_CANCELLED, "cancelled while SQLite worked");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        st = TM_FAIL(err, TM_E_UNAVAILABLE, "another program holds the SQLite file");
        tm_err_hint(err, "Try again when it has committed.");
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        st = TM_FAIL(err, TM_E_DATA, "the file is %s",
                     (rc & 0xff) == SQLITE_NOTADB ? "no SQLite database" : "damaged");
        tm_err_hint(err, (rc & 0xff) == SQLITE_NOTADB
                             ? "Name the file of the database itself."
                             : "sqlite3 FILE .recover saves what can be read of it.");
        break;
    case SQLITE_AUTH:
        st = TM_FAIL(err, TM_E_USAGE, "the query does more than read");
        tm_err_hint(err, "Give one SELECT, or the name of a table.");
        break;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        st = TM_FAIL(err, TM_E_IO, "the SQLite file cannot be read: %s", sqlite3_errstr(rc));
        break;
    case SQLITE_TOOBIG:
        st = TM_FAIL(err, TM_E_LIMIT, "a value has more than %d MiB", VALUE_BYTES_MAX >> 20);
        break;
    case SQLITE_READONLY: /* its log cannot be read without writing beside it */
        st = TM_FAIL(err, TM_E_NOT_ALLOWED, "the SQLite file needs recovery, which is a change");
        tm_err_hint(err, "Open it once with the program that owns it.");
        break;
    default:
        if (tm__str_has_prefix(tm__str(sqlite3_errmsg(s->handle)), "no such table")) {
            st = TM_FAIL(err, TM_E_NOT_FOUND, "SQLite: %s", sqlite3_errmsg(s->handle));
            tm_err_hint(err, "sqlite3 FILE .tables lists them.");
            break;
        }
        /* Of the query's text: names and places in it. */
        st = TM_FAIL(err, TM_E_USAGE, "SQLite: %s", sqlite3_errmsg(s->handle));
        break;
    }
    tm_err_at(err, s->path, 0, 0);
    return st;
}

/* ---- Opening ---- */

/* Invariant 1. */
static int authorize(void *arg, int action, const char *a, const char *b, const char *c,
                     const char *d) {
    (void)arg;
    (void)a;
    (void)c;
    (void)d;
    const bool is_read = action == SQLITE_SELECT || action == SQLITE_READ ||
                         action == SQLITE_RECURSIVE ||
                         (action == SQLITE_FUNCTION && strcmp(b, "load_extension") != 0);
    return is_read ? SQLITE_OK : SQLITE_DENY;
}

static int look(void *arg) {
    const tm_sqlite *s = arg;
    return s->cancel != NULL && *s->cancel ? 1 : 0;
}

static void drop_query(tm_sqlite *s) {
    (void)sqlite3_finalize(s->stmt);
    s->stmt = NULL;
    for (uint32_t i = 0; s->cols != NULL && i < s->n_cols; i++) {
        tm__mem_free(s->cols[i].name);
        tm__mem_free(s->cols[i].kinds);
        tm__mem_free(s->cols[i].values);
        tm__dict_free(s->cols[i].texts);
    }
    tm__mem_free(s->cols);
    s->cols = NULL;
    s->n_cols = 0;
}

void tm__sqlite_close(tm_sqlite *s) {
    if (s != NULL) {
        drop_query(s);
        (void)sqlite3_close(s->handle);
        tm__mem_free(s->path);
        tm__mem_free(s);
    }
}

static tm_status harden(tm_sqlite *s, tm_err *err) {
    static const int settings[][2] = {{SQLITE_DBCONFIG_DEFENSIVE, 1},
                                      {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
                                      {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
                                      {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
                                      {SQLITE_DBCONFIG_DQS_DML, 0}};
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        const int rc = sqlite3_db_config(s->handle, settings[i][0], settings[i][1], NULL);
        if (rc != SQLITE_OK) {
            return fail(s, rc, err);
        }
    }
    (void)sqlite3_limit(s->handle, SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX);
    (void)sqlite3_limit(s->handle, SQLITE_LIMIT_ATTACHED, 0);
    (void)sqlite3_limit(s->handle, SQLITE_LIMIT_COLUMN, (int)TM_MAX_COLS);
    (void)sqlite3_busy_timeout(s->handle, BUSY_MS);
    sqlite3_progress_handler(s->handle, STEPS, look, s);
    const int rc = sqlite3_exec(s->handle,
                                "PRAGMA query_only=ON; PRAGMA cell_size_check=ON; "
                                "PRAGMA mmap_size=0; SELECT count(*) FROM sqlite_schema",
                                NULL, NULL, NULL);
    if (rc != SQLITE_OK) {
        return fail(s, rc, err);
    }
    (void)sqlite3_set_authorizer(s->handle, authorize, NULL);
    return TM_OK;
}

tm_status tm__sqlite_open(const char *path, volatile _Atomic bool *cancel, tm_sqlite **out,
                          tm_err *err) {
    if (tm__fs_info(path).kind != TM_PATH_FILE) {
        (void)TM_FAIL(err, TM_E_NOT_FOUND, "there is no file '%s'", path);
        tm_err_at(err, path, 0, 0);
        return TM_E_NOT_FOUND;
    }
    TM_TRY(tm__sqlite_vfs_init(err));
    tm_sqlite *s = tm__mem_zalloc(1, sizeof(*s));
    if (s == NULL || (s->path = tm__mem_strdup(path)) == NULL) {
        tm__mem_free(s);
        return no_memory(err);
    }
    s->cancel = cancel;
    const int rc =
        sqlite3_open_v2(path, &s->handle, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, "tidemill");
    const tm_status st = s->handle == NULL ? no_memory(err)
                         : rc != SQLITE_OK ? fail(s, rc, err)
                                           : harden(s, err);
    if (st != TM_OK) {
        tm__sqlite_close(s);
        return st;
    }
    *out = s;
    return TM_OK;
}

/* ---- The query ---- */

static tm_status prepare(tm_sqlite *s, const tm_buf *sql, tm_err *err) {
    const char *tail = NULL;
    if (sql->failed) {
        return tm__sql_failed(sql, err);
    }
    (void)sqlite3_finalize(s->stmt);
    s->stmt = NULL;
    const int rc =
        sqlite3_prepare_v2(s->handle, (const char *)sql->data, (int)sql->len + 1, &s->stmt, &tail);
    if (rc != SQLITE_OK) {
        return fail(s, rc, err);
    }
    if (tm__str_trim(tm__str(tail)).len > 0 || sqlite3_stmt_readonly(s->stmt) == 0) {
        (void)TM_FAIL(err, TM_E_USAGE, "the query is more than one SELECT");
        tm_err_hint(err, "Give one SELECT, or the name of a table.");
        return TM_E_USAGE;
    }
    return TM_OK;
}

static tm_status learn_column(tm_sqlite *s, uint32_t col, const tm_sqlite_select *select,
                              tm_err *err) {
    column *const c = &s->cols[col];
    const char *name = sqlite3_column_name(s->stmt, (int)col);
    const char *declared = sqlite3_column_decltype(s->stmt, (int)col);
    c->name = name == NULL ? NULL : tm__mem_strdup(name);
    c->kinds = tm__mem_alloc(s->rows_max, sizeof(*c->kinds));
    c->values = tm__mem_alloc(s->rows_max, sizeof(*c->values));
    if (c->name == NULL || c->kinds == NULL || c->values == NULL) {
        return no_memory(err);
    }
    c->name_hash = tm__hash64(c->name, strlen(c->name), NAME_KEY);
    c->is_declared_bool = tm__str_is_nocase(tm__str(declared), "boolean") ||
                          tm__str_is_nocase(tm__str(declared), "bool");
    c->is_new = select->known != NULL && !tm__json_has_text(select->known, c->name);
    s->has_new = s->has_new || c->is_new;
    const tm_schema *const schema = select->schema;
    const uint32_t at = schema == NULL ? UINT32_MAX : tm__schema_find(schema, tm__str(c->name));
    c->known = at == UINT32_MAX ? TM_TYPE_NONE : schema->cols[at].type;
    return TM_OK;
}

static tm_status learn(tm_sqlite *s, const tm_sqlite_select *select, tm_err *err) {
    const int n = sqlite3_column_count(s->stmt);
    if (n <= 0) {
        return TM_FAIL(err, TM_E_USAGE, "the query gives no columns");
    }
    s->cols = tm__mem_zalloc((size_t)n, sizeof(*s->cols));
    if (s->cols == NULL) {
        return no_memory(err);
    }
    s->n_cols = (uint32_t)n;
    const uint32_t fitting = BLOCK_CELLS / s->n_cols;
    s->rows_max = fitting > BLOCK_ROWS       ? BLOCK_ROWS
                  : fitting < BLOCK_ROWS_MIN ? BLOCK_ROWS_MIN
                                             : fitting;
    s->cursor = UINT32_MAX;
    s->has_new = false;
    for (uint32_t i = 0; i < s->n_cols; i++) {
        TM_TRY(learn_column(s, i, select, err));
        if (select->cursor != NULL && strcmp(s->cols[i].name, select->cursor) == 0) {
            s->cursor = i;
        }
    }
    if (select->cursor != NULL && s->cursor == UINT32_MAX) {
        (void)TM_FAIL(err, TM_E_USAGE, "the query has no column '%s' to go by", select->cursor);
        tm_err_hint(err, "--cursor names one of its columns.");
        return TM_E_USAGE;
    }
    return TM_OK;
}

static void add_cursor(const tm_sqlite_select *select, tm_buf *sql) {
    (void)tm__buf_text(sql, "q.");
    (void)tm__sql_quote(sql, tm__str(select->cursor), '"');
}

static tm_status bind_after(tm_sqlite *s, tm_str after, tm_err *err) {
    const tm_str text = {after.ptr + 2, after.len < 2 ? 0 : after.len - 2};
    int64_t i64 = 0;
    double f64 = 0;
    int rc = SQLITE_ERROR;
    if (tm__str_has_prefix(after, "i:") && tm__str_to_i64(text, &i64)) {
        rc = sqlite3_bind_int64(s->stmt, 1, i64);
    } else if (tm__str_has_prefix(after, "r:") && tm__str_to_f64(text, &f64)) {
        rc = sqlite3_bind_double(s->stmt, 1, f64);
    } else if (tm__str_has_prefix(after, "t:")) {
        rc = sqlite3_bind_text64(s->stmt, 1, text.ptr, text.len, SQLITE_TRANSIENT, SQLITE_UTF8);
    } else {
        return TM_FAIL(err, TM_E_INTEGRITY, "the state of a source is damaged");
    }
    return rc == SQLITE_OK ? TM_OK : fail(s, rc, err);
}

tm_status tm__sqlite_select(tm_sqlite *s, const tm_sqlite_select *select, tm_err *err) {
    tm_buf sql;
    tm__buf_init(&sql, SQL_BYTES_MAX);
    drop_query(s);
    s->has_ended = false;
    s->n_read = 0;
    (void)tm__buf_text(&sql, "SELECT * FROM ");
    tm_status st = tm__sql_source(select->query, &sql, err);
    st = st != TM_OK ? st : prepare(s, &sql, err);
    st = st != TM_OK ? st : learn(s, select, err);
    if (st == TM_OK && select->cursor != NULL) {
        (void)tm__buf_text(&sql, " WHERE ");
        add_cursor(select, &sql);
        (void)tm__buf_text(&sql, " IS NOT NULL");
        if (select->after.ptr != NULL) {
            (void)tm__buf_text(&sql, " AND ");
            add_cursor(select, &sql);
            (void)tm__buf_text(&sql, " COLLATE BINARY >= ?1");
        }
        (void)tm__buf_text(&sql, " ORDER BY ");
        add_cursor(select, &sql);
        (void)tm__buf_text(&sql, " COLLATE BINARY");
        st = prepare(s, &sql, err);
        if (st == TM_OK && select->after.ptr != NULL) {
            st = bind_after(s, select->after, err);
        }
    }
    tm__buf_done(&sql);
    return st;
}

/* ---- Cells ---- */

static tm_status bad_value(const tm_sqlite *s, uint32_t col, const char *what, const char *hint,
                           tm_err *err) {
    (void)TM_FAIL(err, TM_E_DATA, "a value of column '%s' %s", s->cols[col].name, what);
    tm_err_hint(err, "%s", hint);
    tm_err_at(err, s->path, s->n_read + 1, col + 1);
    return TM_E_DATA;
}

/* A byte and the rest of its character behind the limit, so that whoever takes it finds it too
 * long. */
static tm_str cut(tm_str text) {
    if (text.len > TM_MAX_TEXT_BYTES) {
        size_t len = TM_MAX_TEXT_BYTES + 1;
        while (len < text.len && ((unsigned char)text.ptr[len] & 0xC0u) == 0x80u) {
            len++;
        }
        text.len = len;
    }
    return text;
}

static bool add_blob(tm_dict *dict, tm_str bytes, uint32_t *out) {
    static const char hex[] = "0123456789abcdef";
    const size_t n = bytes.len > TM_MAX_TEXT_BYTES / 2 ? TM_MAX_TEXT_BYTES / 2 : bytes.len;
    char *text = tm__mem_alloc(2 + 2 * n, 1);
    *out = TM_CODE_MISSING;
    if (text != NULL) {
        memcpy(text, "\\x", 2);
        for (size_t i = 0; i < n; i++) {
            text[2 + 2 * i] = hex[(unsigned char)bytes.ptr[i] >> 4];
            text[3 + 2 * i] = hex[(unsigned char)bytes.ptr[i] & 15u];
        }
        *out = tm__dict_add(dict, (tm_str){text, 2 + 2 * n});
    }
    tm__mem_free(text);
    return *out != TM_CODE_MISSING;
}

/* A text of which no column can have the bytes. */
static tm_status put_aside(tm_sqlite *s, uint32_t col, uint32_t row, tm_str text, tm_err *err) {
    const tm_bad_value bad = {.row = row, .col = col, .kind = TM_BAD_ENCODING, .value = text};
    if (col == s->cursor) {
        return bad_value(s, col, "is a text that is not UTF-8, which is no cursor",
                         "Go by another column, or correct it there.", err);
    }
    s->cols[col].kinds[row] = SQLITE_NULL;
    return tm__bad_values_add(s->bad, &bad) ? TM_OK : no_memory(err);
}

static tm_status read_text(tm_sqlite *s, uint32_t col, uint32_t row, size_t *n_bytes, tm_err *err) {
    column *const c = &s->cols[col];
    const bool is_blob = sqlite3_column_type(s->stmt, (int)col) == SQLITE_BLOB;
    uint32_t *const out = &c->values[row].code;
    const char *const bytes = is_blob ? sqlite3_column_blob(s->stmt, (int)col)
                                      : (const char *)sqlite3_column_text(s->stmt, (int)col);
    const size_t len = (size_t)sqlite3_column_bytes(s->stmt, (int)col);
    if (bytes == NULL && len > 0) {
        return no_memory(err);
    }
    const tm_str text = cut((tm_str){bytes == NULL ? "" : bytes, len});
    *n_bytes += len;
    if (is_blob) {
        c->n_texts++;
        return add_blob(c->texts, text, out) ? TM_OK : no_memory(err);
    }
    if (!tm__str_is_utf8(text)) {
        return put_aside(s, col, row, text, err);
    }
    c->n_texts++;
    *out = tm__dict_add(c->texts, text);
    return *out == TM_CODE_MISSING ? no_memory(err) : TM_OK;
}

/* The one integer that stands for a missing value here. */
static tm_status put_least(tm_sqlite *s, uint32_t col, uint32_t row, tm_err *err) {
    const tm_bad_value bad = {
        .row = row, .col = col, .kind = TM_BAD_WHOLE, .value = TM_STR("-9223372036854775808")};
    return tm__bad_values_add(s->bad, &bad) ? TM_OK : no_memory(err);
}

static tm_status read_cell(tm_sqlite *s, uint32_t col, uint32_t row, size_t *n_bytes, tm_err *err) {
    column *const c = &s->cols[col];
    const int kind = sqlite3_column_type(s->stmt, (int)col);
    c->kinds[row] = (uint8_t)(kind == SQLITE_BLOB ? SQLITE_TEXT : kind);
    switch (kind) {
    case SQLITE_INTEGER:
        c->values[row].i64 = sqlite3_column_int64(s->stmt, (int)col);
        c->n_ints++;
        return c->values[row].i64 != TM_INT_MISSING ? TM_OK : put_least(s, col, row, err);
    case SQLITE_FLOAT:
        c->values[row].f64 = sqlite3_column_double(s->stmt, (int)col);
        c->n_floats++;
        return TM_OK;
    case SQLITE_NULL:
        return TM_OK;
    default:
        if (col == s->cursor && kind == SQLITE_BLOB) {
            return bad_value(s, col, "is a blob, which is no cursor",
                             "A cursor is a number or a text.", err);
        }
        return read_text(s, col, row, n_bytes, err);
    }
}

/* Invariant 3. */
static uint64_t row_hash(const tm_sqlite *s, uint32_t row, bool known_only) {
    uint64_t sum = 0;
    for (uint32_t col = 0; col < s->n_cols; col++) {
        const column *const c = &s->cols[col];
        uint64_t parts[3] = {c->name_hash, c->kinds[row], 0};
        if (known_only && c->is_new) {
            continue;
        }
        switch (c->kinds[row]) {
        case SQLITE_NULL:
            continue;
        case SQLITE_TEXT: {
            const tm_str text = tm__dict_get(c->texts, c->values[row].code);
            parts[2] = tm__hash64(text.ptr, text.len, VALUE_KEY);
            break;
        }
        default:
            memcpy(&parts[2], &c->values[row], sizeof(parts[2]));
            break;
        }
        sum += tm__hash64(parts, sizeof(parts), VALUE_KEY);
    }
    return sum;
}

/* ---- Columns ---- */

/* What all texts of a column are: TM_TYPE_DATE, TM_TYPE_TIME or TM_TYPE_TEXT. */
static tm_type texts_type(const column *c) {
    tm_type type = TM_TYPE_DATE;
    const uint32_t n = tm__dict_count(c->texts);
    for (uint32_t code = 0; code < n; code++) {
        const tm_str text = tm__dict_get(c->texts, code);
        int64_t us = 0;
        if (!tm__time_parse(text, &us)) {
            return TM_TYPE_TEXT;
        }
        type = text.len == 10 ? type : TM_TYPE_TIME;
    }
    return n == 0 ? TM_TYPE_TEXT : type;
}

static tm_type settle(const column *c, uint32_t n_rows) {
    if (c->n_texts > 0) {
        const bool is_mixed = c->n_ints + c->n_floats > 0;
        const bool may_be_time =
            c->known == TM_TYPE_NONE || c->known == TM_TYPE_DATE || c->known == TM_TYPE_TIME;
        const tm_type type = is_mixed || !may_be_time ? TM_TYPE_TEXT : texts_type(c);
        return type == TM_TYPE_DATE && c->known == TM_TYPE_TIME ? TM_TYPE_TIME : type;
    }
    if (c->n_ints + c->n_floats == 0) {
        return c->known != TM_TYPE_NONE ? c->known : TM_TYPE_TEXT;
    }
    if (c->known == TM_TYPE_TEXT) {
        return TM_TYPE_TEXT;
    }
    if (c->n_floats > 0 || c->known == TM_TYPE_FLOAT) {
        return TM_TYPE_FLOAT;
    }
    bool is_bool = c->known == TM_TYPE_BOOL || (c->known == TM_TYPE_NONE && c->is_declared_bool);
    for (uint32_t row = 0; row < n_rows && is_bool; row++) {
        is_bool = c->kinds[row] == SQLITE_NULL || (uint64_t)c->values[row].i64 < 2;
    }
    return is_bool ? TM_TYPE_BOOL : TM_TYPE_INT;
}

static size_t number_text(const column *c, uint32_t row, char out[32]) {
    if (c->kinds[row] == SQLITE_FLOAT) {
        return tm__f64_to_text(c->values[row].f64, out);
    }
    return (size_t)snprintf(out, 32, "%lld", (long long)c->values[row].i64);
}

static bool put_texts(const column *c, uint32_t n_rows, tm_table_builder *b, uint32_t col) {
    uint32_t *const codes = tm__builder_codes(b, col);
    tm_dict *const dict = tm__builder_dict(b, col);
    for (uint32_t row = 0; row < n_rows; row++) {
        char text[32];
        codes[row] = TM_CODE_MISSING;
        if (c->kinds[row] == SQLITE_NULL) {
            continue;
        }
        codes[row] = c->kinds[row] == SQLITE_TEXT
                         ? tm__dict_add(dict, tm__dict_get(c->texts, c->values[row].code))
                         : tm__dict_add(dict, (tm_str){text, number_text(c, row, text)});
        if (codes[row] == TM_CODE_MISSING) {
            return false;
        }
    }
    return true;
}

static void put_numbers(const column *c, uint32_t n_rows, tm_type type, tm_table_builder *b,
                        uint32_t col) {
    int64_t *const ints = tm__builder_ints(b, col);
    double *const floats = tm__builder_floats(b, col);
    for (uint32_t row = 0; row < n_rows; row++) {
        const bool is_missing = c->kinds[row] == SQLITE_NULL;
        if (type == TM_TYPE_FLOAT) {
            floats[row] = is_missing                        ? tm__nan()
                          : c->kinds[row] == SQLITE_INTEGER ? (double)c->values[row].i64
                                                            : c->values[row].f64;
            continue;
        }
        ints[row] = is_missing ? TM_INT_MISSING : c->values[row].i64;
        if (!is_missing && c->kinds[row] == SQLITE_TEXT &&
            !tm__time_parse(tm__dict_get(c->texts, c->values[row].code), &ints[row])) {
            ints[row] = TM_INT_MISSING; /* settle() has read them all */
        }
    }
}

static tm_status make_rows(tm_sqlite *s, uint32_t n_rows, tm_table **out, tm_err *err) {
    tm_table_builder *b = tm__builder_create();
    tm_status st = b == NULL ? no_memory(err) : TM_OK;
    for (uint32_t col = 0; st == TM_OK && col < s->n_cols; col++) {
        st = tm__builder_add_column(b, s->cols[col].name, settle(&s->cols[col], n_rows), err);
    }
    st = st != TM_OK ? st : tm__builder_reserve(b, n_rows, err);
    for (uint32_t col = 0; st == TM_OK && col < s->n_cols; col++) {
        column *const c = &s->cols[col];
        const tm_type type = settle(c, n_rows);
        if (type != TM_TYPE_TEXT) {
            put_numbers(c, n_rows, type, b, col);
        } else if (!put_texts(c, n_rows, b, col)) {
            st = no_memory(err);
        }
        const bool has_values = c->n_ints + c->n_floats + c->n_texts > 0;
        c->known = c->known == TM_TYPE_NONE && has_values ? type : c->known;
    }
    if (st != TM_OK) {
        tm__builder_free(b);
        return st;
    }
    tm__builder_set_rows(b, n_rows);
    return tm__builder_finish(b, out, err);
}

static tm_status make_cursor(const tm_sqlite *s, uint32_t n_rows, tm_table **out, tm_err *err) {
    const column *const c = &s->cols[s->cursor];
    tm_buf text;
    tm_table_builder *b = tm__builder_create();
    tm_status st = b == NULL ? no_memory(err) : TM_OK;
    tm__buf_init(&text, 2 * TM_MAX_TEXT_BYTES);
    st = st != TM_OK ? st : tm__builder_add_column(b, "cursor", TM_TYPE_TEXT, err);
    st = st != TM_OK ? st : tm__builder_reserve(b, n_rows, err);
    for (uint32_t row = 0; st == TM_OK && row < n_rows; row++) {
        char number[32];
        const bool is_text = c->kinds[row] == SQLITE_TEXT;
        const tm_str cell = is_text ? tm__dict_get(c->texts, c->values[row].code)
                                    : (tm_str){number, number_text(c, row, number)};
        tm__buf_reset(&text);
        (void)tm__buf_text(&text, is_text ? "t:" : c->kinds[row] == SQLITE_INTEGER ? "i:" : "r:");
        (void)tm__buf_append(&text, cell.ptr, cell.len);
        const uint32_t code =
            text.failed
                ? TM_CODE_MISSING
                : tm__dict_add(tm__builder_dict(b, 0), (tm_str){(const char *)text.data, text.len});
        tm__builder_codes(b, 0)[row] = code;
        st = code == TM_CODE_MISSING ? no_memory(err) : TM_OK;
    }
    tm__buf_done(&text);
    if (st != TM_OK) {
        tm__builder_free(b);
        return st;
    }
    tm__builder_set_rows(b, n_rows);
    return tm__builder_finish(b, out, err);
}

/* ---- Blocks ---- */

static tm_status fill(tm_sqlite *s, uint32_t *out_rows, tm_err *err) {
    size_t n_bytes = 0;
    uint32_t row = 0;
    while (!s->has_ended && row < s->rows_max && n_bytes < BLOCK_BYTES) {
        const int rc = sqlite3_step(s->stmt);
        s->has_ended = rc != SQLITE_ROW;
        if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
            return fail(s, rc, err);
        }
        for (uint32_t col = 0; rc == SQLITE_ROW && col < s->n_cols; col++) {
            TM_TRY(read_cell(s, col, row, &n_bytes, err));
        }
        s->n_read += rc == SQLITE_ROW ? 1 : 0;
        row += rc == SQLITE_ROW ? 1 : 0;
    }
    *out_rows = row;
    return TM_OK;
}

/* NULL when out of memory. */
static uint64_t *row_hashes(const tm_sqlite *s, uint32_t n_rows, bool known_only) {
    uint64_t *const hashes = tm__mem_alloc(n_rows, sizeof(*hashes));
    for (uint32_t row = 0; hashes != NULL && row < n_rows; row++) {
        hashes[row] = row_hash(s, row, known_only);
    }
    return hashes;
}

tm_status tm__sqlite_next(tm_sqlite *s, tm_sqlite_block *out, tm_bad_values *bad, tm_err *err) {
    tm_sqlite_block block = {0};
    uint32_t n = 0;
    tm_status st = TM_OK;
    s->bad = bad;
    for (uint32_t col = 0; col < s->n_cols; col++) {
        column *const c = &s->cols[col];
        c->n_ints = c->n_floats = c->n_texts = 0;
        tm__dict_free(c->texts);
        c->texts = tm__dict_create();
        st = c->texts == NULL ? no_memory(err) : st;
    }
    st = st != TM_OK ? st : fill(s, &n, err);
    if (st == TM_OK && n > 0) {
        st = make_rows(s, n, &block.rows, err);
    }
    if (st == TM_OK && n > 0 && s->cursor != UINT32_MAX) {
        st = make_cursor(s, n, &block.cursor, err);
        block.hashes = st == TM_OK ? row_hashes(s, n, false) : NULL;
        block.known_hashes = st == TM_OK && s->has_new ? row_hashes(s, n, true) : NULL;
        const bool is_whole = block.hashes != NULL && (block.known_hashes != NULL || !s->has_new);
        st = st == TM_OK && !is_whole ? no_memory(err) : st;
    }
    if (st != TM_OK) {
        tm__table_unref(block.rows);
        tm__table_unref(block.cursor);
        tm__mem_free(block.hashes);
        tm__mem_free(block.known_hashes);
        return st;
    }
    *out = block;
    return TM_OK;
}
