/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditions in a connection to SQLite that has no file and one virtual table, "rows".
 *
 *   tm_conditions ── sqlite3 (in memory) ── table rows ── cells of the current row, or rows->next()
 *                 └─ tm_condition ── sqlite3_stmt: SELECT (condition) FROM rows
 *
 * 1. Nothing is copied: a cell is handed over when SQLite asks for it, and only columns that are
 *    named are asked for.
 * 2. For single rows the table never ends: one step of a statement is one row, whatever the cells
 *    are at that moment. Starting anew for each row would cost three times as much.
 * 3. The authorizer lets through one SELECT that reads "rows" and calls functions of the list; what
 *    could touch a file, take memory without bound or be random is not in it.
 * 4. Dates and times are ISO texts, as SQLite's own functions read and write them, under a
 *    collation that compares what they mean: '2024-03-01T10:00Z' equals '2024-03-01 10:00'.
 */
#include "store/condition.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "store/condition_priv.h"
#include "store/sql_text.h"

#define SQL_BYTES_MAX (1u << 20)
#define VALUE_BYTES_MAX (4 << 20) /* a text, and what functions make of some */
#define STEPS 1000                /* of the virtual machine between two counts of the work */
#define ROW_WORK 100u             /* in these counts; a text of 4 KiB has less than 10 */
#define WORD_BYTES 64u

struct tm_condition {
    tm_conditions *owner;
    tm_condition *next;
    sqlite3_stmt *stmt;
    bool is_aggregate;
};

struct tm_conditions {
    sqlite3 *handle;
    tm_condition *first;
    tm_condition_column *columns; /* [n_columns] */
    uint32_t n_columns;
    const tm_cell *cells;          /* of the current row */
    const tm_condition_rows *rows; /* NULL: the row stays until cells are others */
    uint64_t work, work_max;
    uint32_t n_selects;
    char denied[WORD_BYTES]; /* a function that is not in the list */
    bool is_denied;
};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for rules");
}

/* ---- The table ---- */

typedef struct cursor {
    sqlite3_vtab_cursor base;
    bool is_at_end;
} cursor;

typedef struct table {
    sqlite3_vtab base;
    tm_conditions *owner;
} table;

static int table_connect(sqlite3 *handle, void *arg, int argc, const char *const *argv,
                         sqlite3_vtab **out, char **error) {
    static const char *const types[] = {[TM_TYPE_BOOL] = " INTEGER",
                                        [TM_TYPE_INT] = " INTEGER",
                                        [TM_TYPE_FLOAT] = " REAL",
                                        [TM_TYPE_TEXT] = " TEXT",
                                        [TM_TYPE_DATE] = " TEXT COLLATE moment",
                                        [TM_TYPE_TIME] = " TEXT COLLATE moment"};
    tm_conditions *const c = arg;
    tm_buf sql;
    (void)argc;
    (void)argv;
    tm__buf_init(&sql, SQL_BYTES_MAX);
    bool ok = tm__buf_text(&sql, "CREATE TABLE rows(\"\" HIDDEN");
    for (uint32_t i = 0; i < c->n_columns; i++) {
        const tm_condition_column *const column = &c->columns[i];
        ok = ok && tm__buf_text(&sql, ",") && tm__sql_quote(&sql, tm__str(column->name), '"') &&
             (column->type == TM_TYPE_NONE || tm__buf_text(&sql, types[column->type]));
    }
    ok = ok && tm__buf_text(&sql, ")") && tm__buf_byte(&sql, 0);
    const int rc = ok ? sqlite3_declare_vtab(handle, (const char *)sql.data) : SQLITE_NOMEM;
    tm__buf_done(&sql);
    table *const t = rc == SQLITE_OK ? tm__mem_zalloc(1, sizeof(*t)) : NULL;
    if (t == NULL && rc != SQLITE_OK && rc != SQLITE_NOMEM) {
        *error = sqlite3_mprintf("%s", sqlite3_errmsg(handle));
    }
    if (t == NULL) {
        return rc == SQLITE_OK ? SQLITE_NOMEM : rc;
    }
    t->owner = c;
    *out = &t->base;
    return SQLITE_OK;
}

static int table_disconnect(sqlite3_vtab *base) {
    tm__mem_free(base);
    return SQLITE_OK;
}

static int table_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
    (void)base;
    info->estimatedCost = 1e6;
    return SQLITE_OK;
}

static int table_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out) {
    (void)base;
    cursor *const c = tm__mem_zalloc(1, sizeof(*c));
    if (c == NULL) {
        return SQLITE_NOMEM;
    }
    *out = &c->base;
    return SQLITE_OK;
}

static int table_close(sqlite3_vtab_cursor *base) {
    tm__mem_free(base);
    return SQLITE_OK;
}

static tm_conditions *owner_of(sqlite3_vtab_cursor *base) {
    return ((const table *)(const void *)base->pVtab)->owner;
}

static int table_next(sqlite3_vtab_cursor *base) {
    tm_conditions *const c = owner_of(base);
    if (c->rows != NULL) {
        c->cells = c->rows->next(c->rows->arg);
        ((cursor *)(void *)base)->is_at_end = c->cells == NULL;
    }
    return SQLITE_OK;
}

static int table_filter(sqlite3_vtab_cursor *base, int plan, const char *name, int argc,
                        sqlite3_value **argv) {
    (void)plan;
    (void)name;
    (void)argc;
    (void)argv;
    return table_next(base);
}

static int table_eof(sqlite3_vtab_cursor *base) {
    return ((const cursor *)(const void *)base)->is_at_end;
}

/* Without the T and the Z of the ISO text, as SQLite's own functions write a time. */
static void put_time(sqlite3_context *to, int64_t us) {
    char text[48];
    size_t len = tm__time_to_text(us, text);
    char *const t = memchr(text, 'T', len);
    if (t != NULL) {
        *t = ' ';
    }
    len -= len > 0 && text[len - 1] == 'Z' ? 1 : 0;
    sqlite3_result_text(to, text, (int)len, SQLITE_TRANSIENT);
}

static int table_column(sqlite3_vtab_cursor *base, sqlite3_context *to, int col) {
    const tm_conditions *const c = owner_of(base);
    char text[48];
    if (col == 0) {
        return SQLITE_OK; /* null */
    }
    const tm_condition_column *const column = &c->columns[col - 1];
    const tm_cell *const cell = &c->cells[column->at];
    switch (cell->type) {
    case TM_TYPE_BOOL:
    case TM_TYPE_INT:
        if (column->type == TM_TYPE_FLOAT) {
            sqlite3_result_double(to, (double)cell->i64);
        } else {
            sqlite3_result_int64(to, cell->i64);
        }
        break;
    case TM_TYPE_FLOAT:
        sqlite3_result_double(to, cell->f64);
        break;
    case TM_TYPE_TEXT:
        sqlite3_result_text64(to, cell->text.ptr == NULL ? "" : cell->text.ptr, cell->text.len,
                              SQLITE_STATIC, SQLITE_UTF8);
        break;
    case TM_TYPE_DATE:
    case TM_TYPE_TIME:
        if (column->type == TM_TYPE_DATE) {
            const size_t len = tm__date_to_text(cell->i64, text);
            sqlite3_result_text(to, text, (int)len, SQLITE_TRANSIENT);
        } else {
            put_time(to, cell->i64);
        }
        break;
    default:
        break;
    }
    return SQLITE_OK;
}

static int table_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
    (void)base;
    *out = 0;
    return SQLITE_OK;
}

static const sqlite3_module module = {.xConnect = table_connect,
                                      .xBestIndex = table_best_index,
                                      .xDisconnect = table_disconnect,
                                      .xOpen = table_open,
                                      .xClose = table_close,
                                      .xFilter = table_filter,
                                      .xNext = table_next,
                                      .xEof = table_eof,
                                      .xColumn = table_column,
                                      .xRowid = table_rowid};

/* Invariant 4: times by what they mean, before all texts that are none. */
static int compare_moments(void *arg, int a_len, const void *a, int b_len, const void *b) {
    int64_t a_us = 0, b_us = 0;
    const tm_str x = {a, (size_t)a_len}, y = {b, (size_t)b_len};
    (void)arg;
    const bool has_a = tm__time_parse(tm__str_trim(x), &a_us);
    const bool has_b = tm__time_parse(tm__str_trim(y), &b_us);
    if (has_a && has_b) {
        return (a_us > b_us) - (a_us < b_us);
    }
    return has_a != has_b ? (has_a ? -1 : 1) : tm__str_compare(x, y);
}

/* ---- What may be done ---- */

static const char *const functions[] = {"->",
                                        "->>",
                                        "abs",
                                        "avg",
                                        "ceil",
                                        "ceiling",
                                        "coalesce",
                                        "count",
                                        "current_date",
                                        "current_time",
                                        "current_timestamp",
                                        "date",
                                        "datetime",
                                        "exp",
                                        "floor",
                                        "glob",
                                        "ifnull",
                                        "iif",
                                        "instr",
                                        "json_array_length",
                                        "json_extract",
                                        "json_type",
                                        "json_valid",
                                        "julianday",
                                        "length",
                                        "like",
                                        "ln",
                                        "log",
                                        "log10",
                                        "log2",
                                        "lower",
                                        "ltrim",
                                        "max",
                                        "min",
                                        "mod",
                                        "nullif",
                                        "pow",
                                        "power",
                                        "replace",
                                        "round",
                                        "rtrim",
                                        "sign",
                                        "sqrt",
                                        "strftime",
                                        "substr",
                                        "substring",
                                        "sum",
                                        "time",
                                        "total",
                                        "trim",
                                        "trunc",
                                        "typeof",
                                        "unicode",
                                        "unixepoch",
                                        "upper"};
#define N_FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

/* Invariant 3. */
static int authorize(void *arg, int action, const char *a, const char *b, const char *database,
                     const char *inner) {
    tm_conditions *const c = arg;
    bool is_good = false;
    (void)database;
    (void)inner;
    if (action == SQLITE_SELECT) {
        is_good = c->n_selects++ == 0;
    } else if (action == SQLITE_READ) {
        is_good = a != NULL && strcmp(a, "rows") == 0;
    } else if (action == SQLITE_FUNCTION) {
        for (size_t i = 0; i < N_FUNCTIONS && b != NULL; i++) {
            is_good = is_good || tm__str_is_nocase(tm__str(b), functions[i]);
        }
        if (!is_good && c->denied[0] == '\0') {
            (void)tm__str_copy(c->denied, sizeof(c->denied), tm__str(b));
        }
    }
    c->is_denied = c->is_denied || !is_good;
    return is_good ? SQLITE_OK : SQLITE_DENY;
}

static int count_work(void *arg) {
    tm_conditions *const c = arg;
    return ++c->work > c->work_max;
}

static void limit(sqlite3 *handle) {
    sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX);
    sqlite3_limit(handle, SQLITE_LIMIT_SQL_LENGTH, (int)TM_CONDITION_BYTES + 256);
    sqlite3_limit(handle, SQLITE_LIMIT_EXPR_DEPTH, 200);
    sqlite3_limit(handle, SQLITE_LIMIT_COMPOUND_SELECT, 1);
    sqlite3_limit(handle, SQLITE_LIMIT_FUNCTION_ARG, 16);
    sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(handle, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256);
    sqlite3_limit(handle, SQLITE_LIMIT_VARIABLE_NUMBER, 0);
    sqlite3_limit(handle, SQLITE_LIMIT_TRIGGER_DEPTH, 0);
    sqlite3_limit(handle, SQLITE_LIMIT_WORKER_THREADS, 0);
}

/* ---- Opening ---- */

static tm_status set_up(tm_conditions *c, tm_err *err) {
    const int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX;
    sqlite3_stmt *probe = NULL;
    int rc = sqlite3_open_v2(":memory:", &c->handle, flags, NULL);
    if (rc == SQLITE_OK) {
        (void)sqlite3_db_config(c->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
        (void)sqlite3_db_config(c->handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
        (void)sqlite3_db_config(c->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        (void)sqlite3_db_config(c->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        rc = sqlite3_exec(c->handle, "PRAGMA temp_store = MEMORY", NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK) {
        rc =
            sqlite3_create_collation_v2(c->handle, "moment", SQLITE_UTF8, c, compare_moments, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_create_module_v2(c->handle, "rows", &module, c, NULL);
    }
    if (rc == SQLITE_OK) { /* connects the table */
        rc = sqlite3_prepare_v2(c->handle, "SELECT 1 FROM rows", -1, &probe, NULL);
        sqlite3_finalize(probe);
    }
    if (rc == SQLITE_OK) {
        limit(c->handle);
        rc = sqlite3_set_authorizer(c->handle, authorize, c);
        sqlite3_progress_handler(c->handle, STEPS, count_work, c);
    }
    if (rc == SQLITE_OK) {
        return TM_OK;
    }
    if (rc == SQLITE_NOMEM || c->handle == NULL) {
        return no_memory(err);
    }
    const tm_status st =
        TM_FAIL(err, TM_E_USAGE, "the rules' columns make no table: %s", sqlite3_errmsg(c->handle));
    tm_err_hint(err, "Columns of rules must differ in more than the case of letters.");
    return st;
}

tm_status tm__conditions_open(const tm_condition_column *columns, uint32_t n_columns,
                              tm_conditions **out, tm_err *err) {
    tm_conditions *c = tm__mem_zalloc(1, sizeof(*c));
    if (c == NULL) {
        return no_memory(err);
    }
    c->n_columns = n_columns;
    c->columns = tm__mem_alloc((size_t)n_columns + 1, sizeof(*c->columns));
    if (c->columns == NULL) {
        tm__conditions_close(c);
        return no_memory(err);
    }
    if (n_columns > 0) {
        memcpy(c->columns, columns, n_columns * sizeof(*columns));
    }
    const tm_status st = set_up(c, err);
    if (st != TM_OK) {
        tm__conditions_close(c);
        return st;
    }
    *out = c;
    return TM_OK;
}

void tm__conditions_close(tm_conditions *c) {
    if (c == NULL) {
        return;
    }
    while (c->first != NULL) {
        tm_condition *const next = c->first->next;
        sqlite3_finalize(c->first->stmt);
        tm__mem_free(c->first);
        c->first = next;
    }
    (void)sqlite3_close(c->handle);
    tm__mem_free(c->columns);
    tm__mem_free(c);
}

/* ---- Making ---- */

static void list_functions(tm_err *err) {
    char list[192] = "";
    size_t n = 0;
    for (size_t i = 2; i < N_FUNCTIONS; i++) {
        if (n + strlen(functions[i]) + 24 < sizeof(list)) {
            n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n > 0 ? ", " : "",
                                  functions[i]);
        }
    }
    tm_err_hint(err, "There are %s, ...", list);
}

static void name_unknown(const tm_conditions *c, tm_str name, size_t place, tm_err *err) {
    const char *names[64];
    uint32_t n = 0;
    for (; n < c->n_columns && n < 64; n++) {
        names[n] = c->columns[n].name;
    }
    const char *near = tm__str_nearest(name, names, n);
    (void)TM_FAIL(err, TM_E_USAGE, "there is no column '%.*s' (character %zu)", (int)name.len,
                  name.ptr, place);
    if (near != NULL) {
        tm_err_hint(err, "Did you mean '%s'?", near);
    } else {
        tm_err_hint(err, "'tidemill data show' lists the columns; a text stands in single quotes.");
    }
}

/* Words of SQLite, after names that people know. */
static tm_status refuse(tm_conditions *c, const char *sql, size_t prefix, tm_str *unknown,
                        tm_err *err) {
    static const char no_column[] = "no such column: ", no_function[] = "no such function: ";
    const char *const message = sqlite3_errmsg(c->handle);
    const int offset = sqlite3_error_offset(c->handle);
    const size_t place = offset >= (int)prefix ? (size_t)offset - prefix + 1 : 1;
    if (tm__str_has_prefix(tm__str(message), no_column)) {
        /* The name as it stands in the text, which outlives the message. */
        size_t at = place - 1;
        const tm_token t = tm__token_next(sql, &at);
        const tm_str name = t.kind == TM_TOKEN_NAME ? t.text : TM_STR("?");
        if (unknown != NULL) {
            *unknown = name;
        }
        name_unknown(c, name, place, err);
    } else if (c->denied[0] != '\0' || tm__str_has_prefix(tm__str(message), no_function)) {
        (void)TM_FAIL(err, TM_E_USAGE, "a rule has no function '%s'",
                      c->denied[0] != '\0' ? c->denied : message + sizeof(no_function) - 1);
        list_functions(err);
    } else if (c->is_denied) {
        (void)TM_FAIL(err, TM_E_USAGE, "a rule reads the columns of its rows and nothing else");
        tm_err_hint(err, "Write one expression over columns, without SELECT.");
    } else {
        if (place > strlen(sql)) {
            (void)TM_FAIL(err, TM_E_USAGE, "the rule ends too early (character %zu)",
                          strlen(sql) + 1);
        } else {
            (void)TM_FAIL(err, TM_E_USAGE, "no rule in SQL: %s (character %zu)", message, place);
        }
        tm_err_hint(err, "Write an expression over columns, as amount > 0; a column whose name is "
                         "a word of SQL or has blanks stands in double quotes.");
    }
    return TM_E_USAGE;
}

static int prepare(tm_conditions *c, const char *before, const char *sql, sqlite3_stmt **out) {
    char text[TM_CONDITION_BYTES + 128];
    c->n_selects = 0;
    c->is_denied = false;
    c->denied[0] = '\0';
    c->work = 0;
    c->work_max = UINT64_MAX;
    (void)snprintf(text, sizeof(text), "%s%s\n)", before, sql);
    return sqlite3_prepare_v3(c->handle, text, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
}

/* Whether it is a condition at all, and of one row or of many: a WHERE has no aggregate, and a
 * HAVING no window. */
static tm_status find_kind(tm_conditions *c, const char *sql, bool *out_aggregate, tm_str *unknown,
                           tm_err *err) {
    static const char one[] = "SELECT 1 FROM rows WHERE (",
                      many[] = "SELECT count(*) FROM rows HAVING (";
    sqlite3_stmt *stmt = NULL;
    int rc = prepare(c, one, sql, &stmt);
    sqlite3_finalize(stmt);
    *out_aggregate = false;
    if (rc == SQLITE_OK || rc == SQLITE_NOMEM) {
        return rc == SQLITE_OK ? TM_OK : no_memory(err);
    }
    if (!tm__str_has_prefix(tm__str(sqlite3_errmsg(c->handle)), "misuse of aggregate")) {
        return refuse(c, sql, sizeof(one) - 1, unknown, err);
    }
    stmt = NULL;
    rc = prepare(c, many, sql, &stmt);
    sqlite3_finalize(stmt);
    *out_aggregate = true;
    if (rc == SQLITE_OK || rc == SQLITE_NOMEM) {
        return rc == SQLITE_OK ? TM_OK : no_memory(err);
    }
    return refuse(c, sql, sizeof(many) - 1, unknown, err);
}

tm_status tm__condition_create(tm_conditions *c, const char *sql, tm_condition **out,
                               tm_str *out_unknown, tm_err *err) {
    static const char select[] = "SELECT (";
    bool is_aggregate = false;
    if (out_unknown != NULL) {
        *out_unknown = (tm_str){"", 0};
    }
    TM_TRY(tm__condition_check(sql, err));
    TM_TRY(find_kind(c, sql, &is_aggregate, out_unknown, err));
    TM_TRY(tm__condition_check_types(sql, c->columns, c->n_columns, err));
    tm_condition *made = tm__mem_zalloc(1, sizeof(*made));
    if (made == NULL) {
        return no_memory(err);
    }
    char text[TM_CONDITION_BYTES + 128];
    (void)snprintf(text, sizeof(text), "%s%s\n) FROM rows", select, sql);
    c->n_selects = 0;
    const int rc =
        sqlite3_prepare_v3(c->handle, text, -1, SQLITE_PREPARE_PERSISTENT, &made->stmt, NULL);
    if (rc != SQLITE_OK) {
        tm__mem_free(made);
        return rc == SQLITE_NOMEM ? no_memory(err)
                                  : refuse(c, sql, sizeof(select) - 1, out_unknown, err);
    }
    made->owner = c;
    made->is_aggregate = is_aggregate;
    made->next = c->first;
    c->first = made;
    *out = made;
    return TM_OK;
}

bool tm__condition_is_aggregate(const tm_condition *condition) {
    return condition->is_aggregate;
}

/* ---- Asking ---- */

static tm_status verdict_of(tm_condition *condition, int rc, tm_verdict *out, char why[160],
                            tm_err *err) {
    if (rc == SQLITE_ROW) {
        const int type = sqlite3_column_type(condition->stmt, 0);
        if (type == SQLITE_INTEGER || type == SQLITE_FLOAT) {
            const bool is_true = sqlite3_column_double(condition->stmt, 0) != 0;
            *out = is_true ? TM_VERDICT_TRUE : TM_VERDICT_FALSE;
        } else if (type == SQLITE_NULL) {
            *out = TM_VERDICT_NULL;
        } else {
            *out = TM_VERDICT_FAILED;
            (void)snprintf(why, 160, "it gives a text, not true or false");
        }
        return TM_OK;
    }
    const int code = sqlite3_errcode(condition->owner->handle) & 0xff;
    if (code == SQLITE_NOMEM) {
        (void)sqlite3_reset(condition->stmt);
        return no_memory(err);
    }
    /* SQLite's words for an overflow, a path or a JSON; they repeat no value of the row. */
    const char *const words = code == SQLITE_INTERRUPT ? "it is too much work"
                              : code == SQLITE_TOOBIG  ? "a text in it is too long"
                              : code == SQLITE_ERROR   ? sqlite3_errmsg(condition->owner->handle)
                                                       : sqlite3_errstr(code);
    (void)snprintf(why, 160, "it cannot be told: %s", words);
    *out = TM_VERDICT_FAILED;
    (void)sqlite3_reset(condition->stmt);
    return TM_OK;
}

tm_status tm__condition_row(tm_condition *condition, const tm_cell *cells, tm_verdict *out,
                            char why[160], tm_err *err) {
    tm_conditions *const c = condition->owner;
    c->rows = NULL;
    c->cells = cells;
    c->work = 0;
    c->work_max = ROW_WORK;
    return verdict_of(condition, sqlite3_step(condition->stmt), out, why, err);
}

tm_status tm__condition_all(tm_condition *condition, const tm_condition_rows *rows, tm_verdict *out,
                            char why[160], tm_err *err) {
    tm_conditions *const c = condition->owner;
    rows->rewind(rows->arg);
    c->rows = rows;
    c->work = 0;
    c->work_max = ROW_WORK * (1 + rows->n_rows);
    const tm_status st = verdict_of(condition, sqlite3_step(condition->stmt), out, why, err);
    (void)sqlite3_reset(condition->stmt);
    c->rows = NULL;
    c->cells = NULL;
    return st;
}

void tm__conditions_reset(tm_conditions *c) {
    for (tm_condition *i = c->first; i != NULL; i = i->next) {
        (void)sqlite3_reset(i->stmt);
    }
}
