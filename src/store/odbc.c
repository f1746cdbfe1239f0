/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a query through ODBC.
 *
 *   short columns only   bound arrays of FETCH_ROWS rows  ──┐
 *   a long one among     a row at a time, SQLGetData       ──┴─> storage of a block's columns
 *
 * 1. Texts come as UTF-16, the one encoding on which drivers agree, and become UTF-8 here.
 * 2. Decimals come as text and are rounded once; so do unsigned integers of 64 bits, of which half
 *    would come as negative ones.
 * 3. MariaDB's driver would hold the whole result in memory; it is told not to.
 */
#include "store/odbc.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/pool.h"
#include "store/odbc_priv.h"
#include "store/secret.h"
#include "store/sql_text.h"

#define SQL_BYTES_MAX (16u << 20)
#define FETCH_ROWS 1024u
#define FETCH_BYTES (16u << 20)
#define BLOCK_ROWS 65536u
#define BLOCK_BYTES (16u << 20)
#define SHORT_CHARS 1024u /* of a text that is bound */
#define LONG_BYTES_MAX (256u << 20)
#define PIECE_BYTES 65536u
#define UNSIGNED_CHARS 24u /* 20 digits */
#define WATCH_MS 100u      /* between two looks at the flag */
#define DAY_US INT64_C(86400000000)

typedef struct column {
    char *name;
    SQLSMALLINT c_type;
    tm_type type;
    bool is_decimal, is_long, is_cursor_kind;
    size_t width;  /* bytes of a value in `data` */
    uint8_t *data; /* [fetch] of width */
    SQLLEN *lens;  /* [fetch] */
} column;

struct tm_odbc {
    tm_odbc_api api;
    SQLHENV env;
    SQLHDBC conn;
    SQLHSTMT stmt;
    bool is_connected;
    char *dsn_file;
    volatile _Atomic bool *cancel;
    tm_thread *watcher; /* NULL: none yet */
    tm_mutex *mutex;    /* over what follows */
    tm_cond *changed;
    bool is_working, is_closing; /* the statement runs; the watcher is to end */
    char quote;
    uint32_t n_cols, cursor;
    column *cols;
    bool is_by_row; /* a column is long */
    SQLULEN fetch_rows, n_fetched;
    SQLULEN at; /* next of the fetched rows */
    uint64_t n_read;
    bool has_ended;
    tm_buf text, piece;
    tm_bad_values *bad; /* of the block */
};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory while reading through ODBC");
}

static bool is_ok(SQLRETURN rc) {
    return rc == SQL_SUCCESS || rc == SQL_SUCCESS_WITH_INFO;
}

/* Failure of a call on a handle. */
static tm_status fail(const tm_odbc *o, SQLSMALLINT kind, SQLHANDLE handle, tm_err *err) {
    SQLCHAR state[8] = "", message[512] = "";
    SQLINTEGER native = 0;
    SQLSMALLINT len = 0;
    const bool has_record = is_ok(
        o->api.SQLGetDiagRec(kind, handle, 1, state, &native, message, sizeof(message), &len));
    const tm_odbc_report report = {.sqlstate = has_record ? (const char *)state : NULL,
                                   .native = native,
                                   .message = has_record ? (const char *)message : NULL,
                                   .is_connecting = !o->is_connected};
    const tm_status st = tm__odbc_fail(&report, err);
    if (!o->is_connected) {
        tm_err_at(err, o->dsn_file, 0, 0);
    }
    return st;
}

static bool is_cancelled(const tm_odbc *o) {
    return o->cancel != NULL && *o->cancel;
}

static tm_status stmt_fail(const tm_odbc *o, tm_err *err) {
    if (is_cancelled(o)) {
        return TM_FAIL(err, TM_E_CANCELLED, "cancelled while the database worked");
    }
    return fail(o, SQL_HANDLE_STMT, o->stmt, err);
}

/* ---- Opening ---- */

/* ---- A call that may take long ---- */

/* Ends the statement that runs when the reading is cancelled; asked again until it has ended. */
static void watch(void *arg) {
    tm_odbc *const o = arg;
    tm__mutex_lock(o->mutex);
    while (!o->is_closing) {
        if (o->is_working && is_cancelled(o)) {
            (void)o->api.SQLCancel(o->stmt); /* under the lock: nobody frees it meanwhile */
        }
        tm__cond_wait(o->changed, o->mutex, WATCH_MS);
    }
    tm__mutex_unlock(o->mutex);
}

static tm_status start_watcher(tm_odbc *o, tm_err *err) {
    if (o->cancel == NULL || o->watcher != NULL) {
        return TM_OK;
    }
    o->mutex = o->mutex == NULL ? tm__mutex_create() : o->mutex;
    o->changed = o->changed == NULL ? tm__cond_create() : o->changed;
    if (o->mutex != NULL && o->changed != NULL) {
        o->watcher = tm__thread_create(watch, o, "odbc");
    }
    return o->watcher == NULL ? no_memory(err) : TM_OK;
}

static void stop_watcher(tm_odbc *o) {
    if (o->watcher != NULL) {
        tm__mutex_lock(o->mutex);
        o->is_closing = true;
        tm__cond_signal_all(o->changed);
        tm__mutex_unlock(o->mutex);
        tm__thread_join(o->watcher);
    }
    tm__cond_free(o->changed);
    tm__mutex_free(o->mutex);
}

static void set_working(tm_odbc *o, bool is_working) {
    if (o->watcher != NULL) {
        tm__mutex_lock(o->mutex);
        o->is_working = is_working;
        tm__mutex_unlock(o->mutex);
    }
}

static SQLRETURN run_query(tm_odbc *o, const tm_buf *sql) {
    set_working(o, true);
    const SQLRETURN rc = o->api.SQLExecDirect(o->stmt, sql->data, (SQLINTEGER)sql->len);
    set_working(o, false);
    return rc;
}

static SQLRETURN fetch(tm_odbc *o) {
    set_working(o, true);
    const SQLRETURN rc = o->api.SQLFetch(o->stmt);
    set_working(o, false);
    return rc;
}

static void drop_query(tm_odbc *o) {
    if (o->stmt != NULL) {
        (void)o->api.SQLFreeHandle(SQL_HANDLE_STMT, o->stmt);
        o->stmt = NULL;
    }
    for (uint32_t i = 0; o->cols != NULL && i < o->n_cols; i++) {
        tm__mem_free(o->cols[i].name);
        tm__mem_free(o->cols[i].data);
        tm__mem_free(o->cols[i].lens);
    }
    tm__mem_free(o->cols);
    o->cols = NULL;
    o->n_cols = 0;
}

void tm__odbc_close(tm_odbc *o) {
    if (o == NULL) {
        return;
    }
    stop_watcher(o);
    drop_query(o);
    if (o->is_connected) {
        (void)o->api.SQLDisconnect(o->conn);
    }
    if (o->conn != NULL) {
        (void)o->api.SQLFreeHandle(SQL_HANDLE_DBC, o->conn);
    }
    if (o->env != NULL) {
        (void)o->api.SQLFreeHandle(SQL_HANDLE_ENV, o->env);
    }
    tm__buf_done(&o->text);
    tm__buf_done(&o->piece);
    tm__mem_free(o->dsn_file);
    tm__mem_free(o);
}

static bool has_word(tm_str text, const char *word) {
    const size_t n = strlen(word);
    for (size_t i = 0; i + n <= text.len; i++) {
        if (tm__str_is_nocase((tm_str){text.ptr + i, n}, word)) {
            return true;
        }
    }
    return false;
}

static void *number(uintptr_t value) {
    return (void *)value; /* how ODBC takes numbers as attributes */
}

static tm_status run(tm_odbc *o, const char *sql, tm_err *err) {
    SQLHSTMT stmt = NULL;
    if (!is_ok(o->api.SQLAllocHandle(SQL_HANDLE_STMT, o->conn, &stmt))) {
        return fail(o, SQL_HANDLE_DBC, o->conn, err);
    }
    const bool is_good = is_ok(o->api.SQLExecDirect(stmt, (SQLCHAR *)(uintptr_t)sql, SQL_NTS));
    const tm_status st = is_good ? TM_OK : fail(o, SQL_HANDLE_STMT, stmt, err);
    (void)o->api.SQLFreeHandle(SQL_HANDLE_STMT, stmt);
    return st;
}

/* The session of a database that is known: times are UTC, and nothing is written. */
static tm_status prepare_session(tm_odbc *o, tm_err *err) {
    SQLCHAR name[64] = "", quote[8] = "";
    SQLSMALLINT len = 0;
    (void)o->api.SQLGetInfo(o->conn, SQL_DBMS_NAME, name, sizeof(name), &len);
    (void)o->api.SQLGetInfo(o->conn, SQL_IDENTIFIER_QUOTE_CHAR, quote, sizeof(quote), &len);
    o->quote = quote[0] == '\0' || quote[0] == ' ' ? '"' : (char)quote[0];
    const tm_str dbms = tm__str((const char *)name);
    if (has_word(dbms, "mariadb") || has_word(dbms, "mysql")) {
        TM_TRY(run(o, "SET time_zone = '+00:00'", err));
        return run(o, "SET SESSION TRANSACTION READ ONLY", err);
    }
    return TM_OK;
}

static tm_status connect_as(tm_odbc *o, const tm_buf *dsn, tm_err *err) {
    const tm_str text = {(const char *)dsn->data, dsn->len};
    tm_buf full;
    tm__buf_init(&full, dsn->len + 200);
    (void)tm__buf_append(&full, text.ptr, text.len);
    if (has_word(text, "maodbc") || has_word(text, "mariadb")) {
        (void)tm__buf_text(&full, ";CHARSET=utf8mb4;FORWARDONLY=1;NO_CACHE=1"); /* invariant 3 */
    }
    tm_status st = tm__buf_status(&full);
    if (st != TM_OK) {
        st = no_memory(err);
    } else {
        SQLCHAR said[16];
        SQLSMALLINT len = 0;
        (void)o->api.SQLSetConnectAttr(o->conn, SQL_ATTR_LOGIN_TIMEOUT, number(10), 0);
        (void)o->api.SQLSetConnectAttr(o->conn, SQL_ATTR_ACCESS_MODE, number(SQL_MODE_READ_ONLY),
                                       0);
        const SQLRETURN rc =
            o->api.SQLDriverConnect(o->conn, NULL, full.data, (SQLSMALLINT)full.len, said,
                                    sizeof(said), &len, SQL_DRIVER_NOPROMPT);
        st = is_ok(rc) ? TM_OK : fail(o, SQL_HANDLE_DBC, o->conn, err);
        o->is_connected = is_ok(rc);
    }
    tm__secret_done(&full);
    return st == TM_OK ? prepare_session(o, err) : st;
}

static tm_status check_dsn(const tm_buf *dsn, const char *file, tm_err *err) {
    if (dsn->len > INT16_MAX - 200 || memchr(dsn->data, '=', dsn->len) == NULL ||
        memchr(dsn->data, '\n', dsn->len) != NULL) {
        (void)TM_FAIL(err, TM_E_DATA, "'%s' does not say how to reach a database", file);
        tm_err_hint(err, "It holds one line: Driver=...;Server=...;User=...;Password=..., or "
                         "DSN=...;UID=...;PWD=...");
        tm_err_at(err, file, 0, 0);
        return TM_E_DATA;
    }
    return TM_OK;
}

tm_status tm__odbc_open(const char *dsn_file, volatile _Atomic bool *cancel, tm_odbc **out,
                        tm_err *err) {
    tm_buf dsn = {0};
    tm_odbc *o = tm__mem_zalloc(1, sizeof(*o));
    if (o == NULL) {
        return no_memory(err);
    }
    o->cancel = cancel;
    tm__buf_init(&o->text, LONG_BYTES_MAX);
    tm__buf_init(&o->piece, LONG_BYTES_MAX);
    o->dsn_file = tm__mem_strdup(dsn_file);
    tm_status st = o->dsn_file == NULL ? no_memory(err) : tm__odbc_api_load(&o->api, err);
    st = st != TM_OK ? st : tm__secret_read(dsn_file, &dsn, err);
    st = st != TM_OK ? st : check_dsn(&dsn, dsn_file, err);
    if (st == TM_OK &&
        (!is_ok(o->api.SQLAllocHandle(SQL_HANDLE_ENV, SQL_NULL_HANDLE, &o->env)) ||
         !is_ok(o->api.SQLSetEnvAttr(o->env, SQL_ATTR_ODBC_VERSION, number(SQL_OV_ODBC3), 0)) ||
         !is_ok(o->api.SQLAllocHandle(SQL_HANDLE_DBC, o->env, &o->conn)))) {
        st = no_memory(err);
    }
    st = st != TM_OK ? st : connect_as(o, &dsn, err);
    tm__secret_done(&dsn);
    if (st != TM_OK) {
        tm__odbc_close(o);
        return st;
    }
    *out = o;
    return TM_OK;
}

/* ---- The query ---- */

static void set_kind(column *c, SQLSMALLINT c_type, tm_type type, size_t width) {
    c->c_type = c_type;
    c->type = type;
    c->width = width;
}

static void learn_type(column *c, SQLSMALLINT type, SQLULEN size, SQLSMALLINT digits) {
    const bool is_short = size > 0 && size <= SHORT_CHARS;
    c->is_cursor_kind = true;
    switch (type) {
    case SQL_BIT:
        set_kind(c, SQL_C_BIT, TM_TYPE_BOOL, 1);
        c->is_cursor_kind = false;
        break;
    case SQL_TINYINT:
    case SQL_SMALLINT:
    case SQL_INTEGER:
    case SQL_BIGINT:
        set_kind(c, SQL_C_SBIGINT, TM_TYPE_INT, sizeof(int64_t));
        break;
    case SQL_DECIMAL:
    case SQL_NUMERIC:
        if (digits == 0 && size <= 18) {
            set_kind(c, SQL_C_SBIGINT, TM_TYPE_INT, sizeof(int64_t));
        } else {
            set_kind(c, SQL_C_CHAR, TM_TYPE_FLOAT, (size_t)size + 16);
            c->is_decimal = true;
        }
        break;
    case SQL_REAL:
    case SQL_FLOAT:
    case SQL_DOUBLE:
        set_kind(c, SQL_C_DOUBLE, TM_TYPE_FLOAT, sizeof(double));
        c->is_cursor_kind = false;
        break;
    case SQL_TYPE_DATE:
        set_kind(c, SQL_C_TYPE_DATE, TM_TYPE_DATE, sizeof(SQL_DATE_STRUCT));
        break;
    case SQL_TYPE_TIMESTAMP:
        set_kind(c, SQL_C_TYPE_TIMESTAMP, TM_TYPE_TIME, sizeof(SQL_TIMESTAMP_STRUCT));
        break;
    case SQL_BINARY:
    case SQL_VARBINARY:
    case SQL_LONGVARBINARY:
        set_kind(c, SQL_C_BINARY, TM_TYPE_TEXT, is_short ? size + 1 : 0);
        c->is_cursor_kind = false;
        break;
    default: /* two units a character, and a NUL */
        set_kind(c, SQL_C_WCHAR, TM_TYPE_TEXT, is_short ? 4 * size + 2 : 0);
        c->is_cursor_kind = false;
        break;
    }
    c->is_long = c->width == 0;
}

static bool is_unsigned(const tm_odbc *o, uint32_t col) {
    SQLLEN value = SQL_FALSE;
    return is_ok(o->api.SQLColAttribute(o->stmt, (SQLUSMALLINT)(col + 1), SQL_DESC_UNSIGNED, NULL,
                                        0, NULL, &value)) &&
           value == SQL_TRUE;
}

static tm_status learn(tm_odbc *o, const char *cursor, tm_err *err) {
    SQLSMALLINT n = 0;
    if (!is_ok(o->api.SQLNumResultCols(o->stmt, &n))) {
        return stmt_fail(o, err);
    }
    o->cols = n <= 0 ? NULL : tm__mem_zalloc((size_t)n, sizeof(*o->cols));
    if (o->cols == NULL) {
        return n <= 0 ? TM_FAIL(err, TM_E_USAGE, "the query gives no columns") : no_memory(err);
    }
    o->n_cols = (uint32_t)n;
    o->cursor = UINT32_MAX;
    for (uint32_t i = 0; i < o->n_cols; i++) {
        SQLCHAR name[4 * TM_MAX_COLUMN_NAME];
        SQLSMALLINT len = 0, type = 0, digits = 0, can_null = 0;
        SQLULEN size = 0;
        if (!is_ok(o->api.SQLDescribeCol(o->stmt, (SQLUSMALLINT)(i + 1), name, sizeof(name), &len,
                                         &type, &size, &digits, &can_null))) {
            return stmt_fail(o, err);
        }
        learn_type(&o->cols[i], type, size, digits);
        if (type == SQL_BIGINT && is_unsigned(o, i)) {
            set_kind(&o->cols[i], SQL_C_CHAR, TM_TYPE_INT, UNSIGNED_CHARS);
            o->cols[i].is_decimal = true;
        }
        o->cols[i].name = tm__mem_strdup((const char *)name);
        if (o->cols[i].name == NULL) {
            return no_memory(err);
        }
        o->is_by_row = o->is_by_row || o->cols[i].is_long;
        if (cursor != NULL && strcmp(cursor, o->cols[i].name) == 0) {
            o->cursor = i;
        }
    }
    return TM_OK;
}

static tm_status check_cursor(const tm_odbc *o, const tm_odbc_select *select, tm_err *err) {
    if (select->cursor == NULL) {
        return TM_OK;
    }
    if (o->cursor == UINT32_MAX) {
        (void)TM_FAIL(err, TM_E_USAGE, "the query has no column '%s' to go by", select->cursor);
        tm_err_hint(err, "--cursor names one of its columns.");
        return TM_E_USAGE;
    }
    const column *const c = &o->cols[o->cursor];
    if (!c->is_cursor_kind) {
        (void)TM_FAIL(err, TM_E_USAGE, "column '%s' has no order to go by exactly", c->name);
        tm_err_hint(err, "A cursor through ODBC is a whole number, a decimal, a date or a time.");
        return TM_E_USAGE;
    }
    if (select->until_us != 0 && c->type != TM_TYPE_TIME) {
        (void)TM_FAIL(err, TM_E_USAGE, "column '%s' is no time, so nothing in it settles", c->name);
        tm_err_hint(err, "--settle goes with a cursor that is a timestamp.");
        return TM_E_USAGE;
    }
    return TM_OK;
}

/* A value of the cursor as ODBC's own form of a literal, which each driver translates. */
static bool put_literal(const column *c, tm_str text, tm_buf *sql) {
    char plain[40];
    int64_t us = 0;
    double number_value = 0;
    if (c->type == TM_TYPE_DATE || c->type == TM_TYPE_TIME) {
        if (!tm__time_parse(text, &us)) {
            return false;
        }
        size_t len =
            c->type == TM_TYPE_DATE ? tm__date_to_text(us, plain) : tm__time_to_text(us, plain);
        if (c->type == TM_TYPE_TIME) { /* 2024-01-01T00:00:00Z */
            plain[10] = ' ';
            len--;
        }
        return tm__buf_printf(sql, c->type == TM_TYPE_DATE ? "{d '%.*s'}" : "{ts '%.*s'}", (int)len,
                              plain);
    }
    return tm__str_to_f64(text, &number_value) && tm__buf_append(sql, text.ptr, text.len);
}

static bool add_name(const tm_odbc *o, const char *name, tm_buf *sql) {
    return tm__buf_text(sql, "q.") && tm__sql_quote(sql, tm__str(name), o->quote);
}

static tm_status add_conditions(const tm_odbc *o, const tm_odbc_select *select, tm_buf *sql,
                                tm_err *err) {
    const column *const c = &o->cols[o->cursor];
    bool is_good = tm__buf_text(sql, " WHERE ") && add_name(o, c->name, sql) &&
                   tm__buf_text(sql, " IS NOT NULL");
    if (select->after.ptr != NULL) {
        (void)(tm__buf_text(sql, " AND ") && add_name(o, c->name, sql) &&
               tm__buf_text(sql, " >= "));
        is_good = is_good && put_literal(c, select->after, sql);
    }
    if (select->until_us != 0) {
        char text[40];
        const size_t len = tm__time_to_text(select->until_us, text);
        (void)(tm__buf_text(sql, " AND ") && add_name(o, c->name, sql) && tm__buf_text(sql, " < "));
        is_good = is_good && put_literal(c, (tm_str){text, len}, sql);
    }
    (void)(tm__buf_text(sql, " ORDER BY ") && add_name(o, c->name, sql));
    return is_good || sql->failed
               ? TM_OK
               : TM_FAIL(err, TM_E_INTEGRITY, "the state of a source is damaged");
}

static tm_status execute(tm_odbc *o, const tm_buf *sql, tm_err *err) {
    if (sql->failed) {
        return tm__sql_failed(sql, err);
    }
    drop_query(o);
    o->is_by_row = false;
    if (!is_ok(o->api.SQLAllocHandle(SQL_HANDLE_STMT, o->conn, &o->stmt))) {
        return fail(o, SQL_HANDLE_DBC, o->conn, err);
    }
    (void)o->api.SQLSetStmtAttr(o->stmt, SQL_ATTR_CURSOR_TYPE, number(SQL_CURSOR_FORWARD_ONLY), 0);
    TM_TRY(start_watcher(o, err));
    return is_ok(run_query(o, sql)) ? TM_OK : stmt_fail(o, err);
}

/* Arrays for some rows of all columns, or one row at a time. */
static tm_status bind(tm_odbc *o, tm_err *err) {
    size_t width = 0;
    for (uint32_t i = 0; i < o->n_cols; i++) {
        width += o->cols[i].width + sizeof(SQLLEN);
    }
    const size_t fitting = FETCH_BYTES / width;
    o->fetch_rows = o->is_by_row || fitting < 1 ? 1 : fitting < FETCH_ROWS ? fitting : FETCH_ROWS;
    for (uint32_t i = 0; i < o->n_cols; i++) {
        column *const c = &o->cols[i];
        c->data = tm__mem_alloc(o->fetch_rows, c->width + 8);
        c->lens = tm__mem_zalloc(o->fetch_rows, sizeof(*c->lens));
        if (c->data == NULL || c->lens == NULL) {
            return no_memory(err);
        }
        if (!o->is_by_row && !is_ok(o->api.SQLBindCol(o->stmt, (SQLUSMALLINT)(i + 1), c->c_type,
                                                      c->data, (SQLLEN)c->width, c->lens))) {
            return stmt_fail(o, err);
        }
    }
    if (!is_ok(o->api.SQLSetStmtAttr(o->stmt, SQL_ATTR_ROW_ARRAY_SIZE, number(o->fetch_rows), 0)) ||
        !is_ok(o->api.SQLSetStmtAttr(o->stmt, SQL_ATTR_ROWS_FETCHED_PTR, &o->n_fetched, 0))) {
        return stmt_fail(o, err);
    }
    return TM_OK;
}

tm_status tm__odbc_select(tm_odbc *o, const tm_odbc_select *select, tm_err *err) {
    tm_buf sql;
    tm__buf_init(&sql, SQL_BYTES_MAX);
    o->has_ended = false;
    o->n_fetched = o->at = 0;
    o->n_read = 0;
    (void)tm__buf_text(&sql, "SELECT * FROM ");
    tm_status st = tm__sql_source(select->query, &sql, err);
    const size_t len = sql.len;
    if (st == TM_OK && select->cursor != NULL) { /* its type first */
        (void)tm__buf_text(&sql, " WHERE 1 = 0");
    }
    st = st != TM_OK ? st : execute(o, &sql, err);
    st = st != TM_OK ? st : learn(o, select->cursor, err);
    st = st != TM_OK ? st : check_cursor(o, select, err);
    if (st == TM_OK && select->cursor != NULL) {
        sql.len = len;
        st = add_conditions(o, select, &sql, err);
        st = st != TM_OK ? st : execute(o, &sql, err);
        st = st != TM_OK ? st : learn(o, select->cursor, err);
    }
    tm__buf_done(&sql);
    return st != TM_OK ? st : bind(o, err);
}

/* ---- Values ---- */

bool tm__odbc_utf8(const uint16_t *units, size_t n, tm_buf *out) {
    for (size_t i = 0; i < n; i++) {
        uint32_t c = units[i];
        const bool is_pair =
            (c & 0xFC00u) == 0xD800u && i + 1 < n && (units[i + 1] & 0xFC00u) == 0xDC00u;
        if (is_pair) {
            c = 0x10000u + ((c & 0x3FFu) << 10) + (units[++i] & 0x3FFu);
        }
        uint8_t bytes[4];
        size_t len = 1;
        if (c < 0x80) {
            bytes[0] = (uint8_t)c;
        } else if (c < 0x800) {
            bytes[0] = (uint8_t)(0xC0u | c >> 6);
            len = 2;
        } else if (c < 0x10000) {
            bytes[0] = (uint8_t)(0xE0u | c >> 12);
            len = 3;
        } else {
            bytes[0] = (uint8_t)(0xF0u | c >> 18);
            len = 4;
        }
        for (size_t j = 1; j < len; j++) {
            bytes[j] = (uint8_t)(0x80u | (c >> (6 * (len - 1 - j)) & 0x3Fu));
        }
        if (!tm__buf_append(out, bytes, len)) {
            return false;
        }
    }
    return true;
}

static bool add_hex(const uint8_t *data, size_t len, tm_buf *out) {
    static const char hex[] = "0123456789abcdef";
    bool fits = tm__buf_text(out, "\\x");
    for (size_t i = 0; i < len && fits; i++) {
        const char pair[2] = {hex[data[i] >> 4], hex[data[i] & 15u]};
        fits = tm__buf_append(out, pair, 2);
    }
    return fits;
}

/* A value of a row that has no place in its column, where it is missing. */
typedef struct place {
    tm_table_builder *rows;
    uint32_t col;
    uint64_t row;
} place;

static void put_missing(const tm_odbc *o, const place *at) {
    switch (o->cols[at->col].type) {
    case TM_TYPE_TEXT:
        tm__builder_codes(at->rows, at->col)[at->row] = TM_CODE_MISSING;
        break;
    case TM_TYPE_FLOAT:
        tm__builder_floats(at->rows, at->col)[at->row] = tm__nan();
        break;
    default:
        tm__builder_ints(at->rows, at->col)[at->row] = TM_INT_MISSING;
        break;
    }
}

static tm_status put_aside(tm_odbc *o, const place *at, tm_bad_kind kind, tm_str text,
                           tm_err *err) {
    const tm_bad_value value = {
        .row = (uint32_t)at->row, .col = at->col, .kind = kind, .value = text};
    put_missing(o, at);
    return tm__bad_values_add(o->bad, &value) ? TM_OK : no_memory(err);
}

/* Bytes of a text as the driver gives them, in o->text; false when they are too many, or memory ran
 * out. */
static bool convert(tm_odbc *o, uint32_t col, tm_str bytes) {
    tm__buf_reset(&o->text);
    switch (o->cols[col].c_type) {
    case SQL_C_BINARY:
        return add_hex((const uint8_t *)bytes.ptr, bytes.len, &o->text);
    case SQL_C_WCHAR:
        return tm__odbc_utf8((const uint16_t *)(const void *)bytes.ptr, bytes.len / 2, &o->text);
    case SQL_C_CHAR:
        return tm__buf_append(&o->text, bytes.ptr, bytes.len);
    default:
        return true;
    }
}

/* What was read of a value that is longer than can be taken. */
static tm_status too_long(tm_odbc *o, const place *at, tm_str bytes, tm_err *err) {
    if (!convert(o, at->col, bytes) && o->text.no_memory) {
        return no_memory(err);
    }
    return put_aside(o, at, TM_BAD_LONG, (tm_str){(const char *)o->text.data, o->text.len}, err);
}

static tm_status put_text(tm_odbc *o, const place *at, tm_str bytes, tm_err *err) {
    if (!convert(o, at->col, bytes)) {
        return too_long(o, at, bytes, err);
    }
    tm_str text = {o->text.len == 0 ? "" : (const char *)o->text.data, o->text.len};
    if (!tm__str_is_utf8(text)) {
        return put_aside(o, at, TM_BAD_ENCODING, text, err);
    }
    if (text.len > TM_MAX_TEXT_BYTES) { /* whoever takes it finds it too long */
        size_t len = TM_MAX_TEXT_BYTES + 1;
        while (len < text.len && ((uint8_t)text.ptr[len] & 0xC0u) == 0x80u) {
            len++;
        }
        text.len = len;
    }
    const uint32_t code = tm__dict_add(tm__builder_dict(at->rows, at->col), text);
    tm__builder_codes(at->rows, at->col)[at->row] = code;
    return code == TM_CODE_MISSING ? no_memory(err) : TM_OK;
}

static tm_status put_time(tm_odbc *o, const place *at, const uint8_t *data, tm_err *err) {
    SQL_TIMESTAMP_STRUCT t = {0};
    SQL_DATE_STRUCT d = {0};
    tm_civil civil = {0};
    char text[40];
    if (o->cols[at->col].type == TM_TYPE_TIME) {
        memcpy(&t, data, sizeof(t));
        d = (SQL_DATE_STRUCT){t.year, t.month, t.day};
    } else {
        memcpy(&d, data, sizeof(d));
    }
    if (d.year == 0 && d.month == 0 && d.day == 0) {
        put_missing(o, at); /* 0000-00-00, which is what some write for nothing */
        return TM_OK;
    }
    const int64_t us = d.month < 1 || d.month > 12 ? 0 : tm__us_from_civil(d.year, d.month, d.day);
    tm__civil_from_us(us, &civil);
    if (civil.year != d.year || civil.month != d.month || civil.day != d.day) {
        const int len =
            snprintf(text, sizeof(text), "%04d-%02u-%02u", d.year, (unsigned)d.month, d.day);
        return put_aside(o, at, TM_BAD_TIME, (tm_str){text, len < 0 ? 0 : (size_t)len}, err);
    }
    tm__builder_ints(at->rows, at->col)[at->row] =
        us + (((int64_t)t.hour * 60 + t.minute) * 60 + t.second) * 1000000 + t.fraction / 1000;
    return TM_OK;
}

static tm_status put_value(tm_odbc *o, const place *at, tm_str bytes, tm_err *err) {
    const column *const c = &o->cols[at->col];
    const uint8_t *const data = (const uint8_t *)bytes.ptr;
    int64_t *const ints = tm__builder_ints(at->rows, at->col);
    double f64 = 0;
    switch (c->c_type) {
    case SQL_C_BIT:
        ints[at->row] = data[0] != 0;
        return TM_OK;
    case SQL_C_SBIGINT:
        memcpy(&ints[at->row], data, sizeof(int64_t));
        return ints[at->row] == TM_INT_MISSING
                   ? put_aside(o, at, TM_BAD_WHOLE, TM_STR("-9223372036854775808"), err)
                   : TM_OK;
    case SQL_C_DOUBLE:
        memcpy(&f64, data, sizeof(f64));
        tm__builder_floats(at->rows, at->col)[at->row] = f64;
        return TM_OK;
    case SQL_C_CHAR:
        if (c->type == TM_TYPE_INT) {
            return tm__str_to_i64(tm__str_trim(bytes), &ints[at->row])
                       ? TM_OK
                       : put_aside(o, at, TM_BAD_WHOLE, tm__str_trim(bytes), err);
        }
        if (!tm__str_to_f64(tm__str_trim(bytes), &f64)) {
            return put_aside(o, at, TM_BAD_NUMBER, tm__str_trim(bytes), err);
        }
        tm__builder_floats(at->rows, at->col)[at->row] = f64;
        return TM_OK;
    case SQL_C_TYPE_DATE:
    case SQL_C_TYPE_TIMESTAMP:
        return put_time(o, at, data, err);
    default:
        return put_text(o, at, bytes, err);
    }
}

static tm_str read_so_far(const tm_odbc *o) {
    return (tm_str){o->piece.data == NULL ? "" : (const char *)o->piece.data, o->piece.len};
}

/* A value of a row that is not bound: in pieces, when it is long. out->ptr NULL: null, or put
 * aside. */
static tm_status get_data(tm_odbc *o, const place *at, tm_str *out, tm_err *err) {
    const uint32_t col = at->col;
    column *const c = &o->cols[col];
    const size_t nul = c->c_type == SQL_C_WCHAR ? 2 : c->c_type == SQL_C_CHAR ? 1 : 0;
    tm__buf_reset(&o->piece);
    for (;;) {
        const size_t room = c->is_long ? PIECE_BYTES : c->width;
        uint8_t *const to = tm__buf_reserve(&o->piece, room);
        SQLLEN len = 0;
        if (to == NULL) {
            return o->piece.no_memory ? no_memory(err) : too_long(o, at, read_so_far(o), err);
        }
        const SQLRETURN rc =
            o->api.SQLGetData(o->stmt, (SQLUSMALLINT)(col + 1), c->c_type, to, (SQLLEN)room, &len);
        if (rc == SQL_NO_DATA) {
            break;
        }
        if (!is_ok(rc)) {
            return stmt_fail(o, err);
        }
        if (len == SQL_NULL_DATA) {
            put_missing(o, at);
            return TM_OK;
        }
        const bool is_cut = len == SQL_NO_TOTAL || (size_t)len > room - nul;
        o->piece.len += is_cut ? room - nul : (size_t)len;
        if (!is_cut) {
            break;
        }
        if (!c->is_long) { /* longer than its column says */
            return too_long(o, at, read_so_far(o), err);
        }
    }
    *out = read_so_far(o);
    return TM_OK;
}

/* The value of a column in the row at hand; out->ptr stays NULL when it is none, or put aside. */
static tm_status get_value(tm_odbc *o, const place *at, tm_str *out, tm_err *err) {
    const column *const c = &o->cols[at->col];
    if (o->is_by_row) {
        return get_data(o, at, out, err);
    }
    const SQLLEN len = c->lens[o->at];
    const tm_str value = {(const char *)c->data + o->at * c->width, (size_t)len};
    if (len == SQL_NULL_DATA) {
        put_missing(o, at);
    } else if (len < 0 || (size_t)len > c->width) { /* longer than its column says */
        return too_long(o, at, (tm_str){value.ptr, c->width}, err);
    } else {
        *out = value;
    }
    return TM_OK;
}

static tm_status read_row(tm_odbc *o, tm_table_builder *rows, tm_table_builder *exact, uint64_t row,
                          size_t *n_bytes, tm_err *err) {
    for (uint32_t col = 0; col < o->n_cols; col++) {
        const place at = {rows, col, row};
        tm_str value = {NULL, 0};
        TM_TRY(get_value(o, &at, &value, err));
        if (value.ptr == NULL) {
            if (exact != NULL && col == o->cursor) {
                tm__builder_codes(exact, 0)[row] = TM_CODE_MISSING;
            }
            continue;
        }
        *n_bytes += value.len;
        TM_TRY(put_value(o, &at, value, err));
        if (exact != NULL && col == o->cursor) {
            const uint32_t code = tm__dict_add(tm__builder_dict(exact, 0), tm__str_trim(value));
            tm__builder_codes(exact, 0)[row] = code;
            if (code == TM_CODE_MISSING) {
                return no_memory(err);
            }
        }
    }
    o->n_read++;
    return TM_OK;
}

/* The next row to read; *out_has false at the end. */
static tm_status next_row(tm_odbc *o, bool *out_has, tm_err *err) {
    if (o->at < o->n_fetched) {
        *out_has = true;
        return TM_OK;
    }
    *out_has = false;
    if (o->has_ended) {
        return TM_OK;
    }
    if (is_cancelled(o)) {
        return TM_FAIL(err, TM_E_CANCELLED, "cancelled while the database worked");
    }
    o->at = o->n_fetched = 0;
    const SQLRETURN rc = fetch(o);
    if (rc != SQL_NO_DATA && !is_ok(rc)) {
        return stmt_fail(o, err);
    }
    o->has_ended = rc == SQL_NO_DATA;
    *out_has = rc != SQL_NO_DATA && o->n_fetched > 0;
    return TM_OK;
}

static tm_status fill(tm_odbc *o, tm_table_builder *rows, tm_table_builder *exact,
                      uint64_t *out_rows, tm_err *err) {
    uint64_t row = 0;
    size_t n_bytes = 0;
    while (row < BLOCK_ROWS && n_bytes < BLOCK_BYTES) {
        bool has_row = false;
        TM_TRY(next_row(o, &has_row, err));
        if (!has_row) {
            break;
        }
        TM_TRY(tm__builder_reserve(rows, row + 1 > 1024 ? BLOCK_ROWS : 1024, err));
        if (exact != NULL) {
            TM_TRY(tm__builder_reserve(exact, row + 1 > 1024 ? BLOCK_ROWS : 1024, err));
        }
        TM_TRY(read_row(o, rows, exact, row, &n_bytes, err));
        o->at++;
        row++;
    }
    *out_rows = row;
    return TM_OK;
}

static tm_status finish(tm_table_builder **builder, uint64_t n, tm_table **out, tm_err *err) {
    tm_table_builder *const b = *builder;
    *builder = NULL;
    tm__builder_set_rows(b, n);
    return tm__builder_finish(b, out, err);
}

tm_status tm__odbc_next(tm_odbc *o, tm_table **out, tm_table **out_cursor, tm_bad_values *bad,
                        tm_err *err) {
    o->bad = bad;
    const bool is_exact = o->cursor != UINT32_MAX && o->cols[o->cursor].is_decimal;
    tm_table_builder *rows = tm__builder_create();
    tm_table_builder *exact = is_exact ? tm__builder_create() : NULL;
    tm_table *table = NULL, *cursor = NULL;
    uint64_t n = 0;
    tm_status st = rows == NULL || (is_exact && exact == NULL) ? no_memory(err) : TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < o->n_cols; i++) {
        st = tm__builder_add_column(rows, o->cols[i].name, o->cols[i].type, err);
    }
    if (st == TM_OK && is_exact) {
        st = tm__builder_add_column(exact, "cursor", TM_TYPE_TEXT, err);
    }
    st = st != TM_OK ? st : fill(o, rows, exact, &n, err);
    if (st == TM_OK && n > 0) {
        st = finish(&rows, n, &table, err);
    }
    if (st == TM_OK && n > 0 && is_exact) {
        st = finish(&exact, n, &cursor, err);
    }
    tm__builder_free(rows);
    tm__builder_free(exact);
    if (st != TM_OK) {
        tm__table_unref(table);
        return st;
    }
    *out = table;
    *out_cursor = cursor;
    return TM_OK;
}
