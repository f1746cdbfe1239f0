/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements of a database in PostgreSQL.
 *
 *   SQL ──> $N ──> prepared under a name, for the types of what is bound ──> run ──> rows, in
 * memory again on a new connection, or when a type differs
 *
 * 1. Integers and numbers are sent as text with the type that was bound, blobs as bytes: the server
 *    never guesses int4 for a number of 64 bits.
 * 2. A write outside a transaction is one of its own, as in SQLite: writers stay one after the
 *    other, and the change is counted.
 * 3. A read outside a transaction that finds the connection broken is run once more on a new one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "store/db_pg_priv.h"

#define NUMBER_BYTES 40
#define SQL_BYTES_MAX (64u << 10)
#define BLOB_BYTES_MAX (1u << 30)

/* OIDs of pg_type. */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_NUMERIC = 1700
};

typedef struct param {
    uint32_t oid; /* 0: a null of whatever type the server finds */
    bool is_null;
    char number[NUMBER_BYTES];
    char *copy; /* owned bytes of a text or blob */
    tm_str value;
} param;

typedef struct pg_stmt {
    tm_stmt base;
    char *sql; /* as PostgreSQL has it */
    uint32_t n_params;
    param params[TM_PG_PARAMS_MAX];
    uint32_t types[TM_PG_PARAMS_MAX]; /* as it was prepared */
    uint64_t connection;              /* that it was prepared on; 0: none */
    char name[24];
    bool is_write;
    bool is_out_of_memory; /* a bind was; shown by the next step */
    tm_pq_rows *rows;      /* NULL: it has not run */
    uint64_t row;          /* behind the one at hand */
    tm_buf *blobs;         /* [n_cols], of the row at hand; NULL: no row had one */
    int n_blobs;
} pg_stmt;

static pg_stmt *of(tm_stmt *stmt) {
    return (pg_stmt *)stmt;
}

/* ---- Making and ending ---- */

tm_status tm__pg_stmt_create(tm_db *db, const char *sql, tm_stmt **out, tm_err *err) {
    (void)db;
    tm_buf text;
    size_t len = 0;
    tm__buf_init(&text, SQL_BYTES_MAX);
    pg_stmt *stmt = tm__mem_zalloc(1, sizeof(*stmt));
    tm_status st = stmt == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                : tm__pg_sql(sql, &text, &stmt->n_params, err);
    if (st == TM_OK) {
        TM_ASSERT(stmt->n_params <= TM_PG_PARAMS_MAX);
        stmt->sql = (char *)tm__buf_take(&text, &len);
        stmt->is_write = tm__pg_is_write(sql);
        *out = &stmt->base;
        stmt = NULL;
    }
    tm__buf_done(&text);
    tm__mem_free(stmt);
    return st;
}

static void drop_rows(pg_stmt *stmt) {
    for (int i = 0; i < stmt->n_blobs; i++) {
        tm__buf_done(&stmt->blobs[i]);
    }
    tm__mem_free(stmt->blobs);
    stmt->blobs = NULL;
    stmt->n_blobs = 0;
    tm__pq_rows_free(stmt->rows);
    stmt->rows = NULL;
    stmt->row = 0;
}

static void unbind(pg_stmt *stmt) {
    for (uint32_t i = 0; i < stmt->n_params; i++) {
        tm__mem_free(stmt->params[i].copy);
        stmt->params[i] = (param){.is_null = true};
    }
    stmt->is_out_of_memory = false;
}

void tm__pg_stmt_free(tm_stmt *base) {
    pg_stmt *stmt = of(base);
    tm_pg_db *db = tm__pg_of(base->db);
    char sql[64];
    drop_rows(stmt);
    unbind(stmt);
    if (stmt->connection != 0 && stmt->connection == db->n_connections && db->pq != NULL) {
        (void)snprintf(sql, sizeof(sql), "DEALLOCATE %s", stmt->name);
        (void)!tm__pq_exec(db->pq, sql, NULL); /* in a transaction that failed it stays */
    }
    tm__mem_free(stmt->sql);
}

void tm__pg_stmt_start(tm_stmt *base) {
    unbind(of(base));
}

void tm__pg_rewind(tm_stmt *base) {
    drop_rows(of(base));
}

void tm__pg_stmt_end(tm_stmt *base) {
    drop_rows(of(base));
    unbind(of(base));
}

/* ---- Binding ---- */

static param *param_at(tm_stmt *base, int index, uint32_t oid) {
    pg_stmt *stmt = of(base);
    TM_ASSERT(index >= 1 && (uint32_t)index <= stmt->n_params);
    param *p = &stmt->params[index - 1];
    tm__mem_free(p->copy);
    *p = (param){.oid = oid};
    return p;
}

void tm__pg_bind_i64(tm_stmt *stmt, int index, int64_t value) {
    param *p = param_at(stmt, index, OID_INT8);
    (void)snprintf(p->number, sizeof(p->number), "%" PRId64, value);
    p->value = tm__str(p->number);
}

void tm__pg_bind_f64(tm_stmt *stmt, int index, double value) {
    param *p = param_at(stmt, index, OID_FLOAT8);
    (void)snprintf(p->number, sizeof(p->number), "%.17g", value);
    p->value = tm__str(p->number);
}

static void bind_bytes(tm_stmt *stmt, int index, tm_str bytes, uint32_t oid) {
    param *p = param_at(stmt, index, oid);
    p->copy = tm__mem_alloc(bytes.len + 1, 1);
    if (p->copy == NULL) {
        of(stmt)->is_out_of_memory = true;
        return;
    }
    if (bytes.len > 0) {
        memcpy(p->copy, bytes.ptr, bytes.len);
    }
    p->copy[bytes.len] = '\0';
    p->value = (tm_str){p->copy, bytes.len};
}

void tm__pg_bind_str(tm_stmt *stmt, int index, tm_str value) {
    bind_bytes(stmt, index, value, OID_TEXT);
}

void tm__pg_bind_blob(tm_stmt *stmt, int index, const void *data, size_t len, bool is_view) {
    if (is_view) {
        param *p = param_at(stmt, index, OID_BYTEA);
        p->value = (tm_str){data == NULL ? "" : data, len};
        return;
    }
    bind_bytes(stmt, index, (tm_str){data, len}, OID_BYTEA);
}

void tm__pg_bind_null(tm_stmt *stmt, int index, tm_db_type type) {
    param *p = param_at(stmt, index, type == TM_DB_TEXT ? OID_TEXT : 0);
    p->is_null = true;
}

/* ---- Running ---- */

/* A null goes with any type that was there before. */
static bool is_prepared(const pg_stmt *stmt, const tm_pg_db *db) {
    bool fits = stmt->connection == db->n_connections;
    for (uint32_t i = 0; fits && i < stmt->n_params; i++) {
        fits = stmt->params[i].oid == 0 || stmt->params[i].oid == stmt->types[i];
    }
    return fits;
}

static tm_status prepare(pg_stmt *stmt, tm_pg_db *db, tm_err *err) {
    char sql[64];
    if (is_prepared(stmt, db)) {
        return TM_OK;
    }
    if (stmt->connection == db->n_connections) {
        (void)snprintf(sql, sizeof(sql), "DEALLOCATE %s", stmt->name);
        TM_TRY(tm__pq_exec(db->pq, sql, err));
    }
    stmt->connection = 0;
    (void)snprintf(stmt->name, sizeof(stmt->name), "tm%" PRIu64, ++db->n_prepared);
    for (uint32_t i = 0; i < stmt->n_params; i++) {
        stmt->types[i] = stmt->params[i].oid != 0 ? stmt->params[i].oid : stmt->types[i];
    }
    TM_TRY(tm__pq_prepare(db->pq, stmt->name, stmt->sql, stmt->types, stmt->n_params, err));
    stmt->connection = db->n_connections;
    return TM_OK;
}

static tm_status run(pg_stmt *stmt, tm_pg_db *db, tm_err *err) {
    tm_pq_param params[TM_PG_PARAMS_MAX];
    TM_TRY(prepare(stmt, db, err));
    for (uint32_t i = 0; i < stmt->n_params; i++) {
        const param *p = &stmt->params[i];
        params[i] =
            (tm_pq_param){.value = p->is_null ? (tm_str){0} : p->value, p->oid == OID_BYTEA};
    }
    TM_TRY(tm__pq_run(db->pq, stmt->name, params, stmt->n_params, &stmt->rows, err));
    if (stmt->is_write) {
        db->n_changed = tm__pq_rows_changed(stmt->rows);
        db->has_written = true;
    }
    return TM_OK;
}

/* Invariant 3. */
static tm_status run_read(pg_stmt *stmt, tm_pg_db *db, tm_err *err) {
    TM_TRY(tm__pg_connect(db, err));
    const tm_status st = run(stmt, db, err);
    if (st == TM_OK || !tm__pq_is_lost(db->pq)) {
        return st;
    }
    tm__pg_forget(db);
    TM_TRY(tm__pg_connect(db, err));
    return run(stmt, db, err);
}

/* Invariant 2. */
static tm_status run_write(pg_stmt *stmt, tm_pg_db *db, tm_err *err) {
    TM_TRY(tm__db_begin(&db->base, err));
    const tm_status st = run(stmt, db, err);
    if (st != TM_OK) {
        tm__pg_rollback(&db->base);
        return st;
    }
    const tm_status done = tm__pg_commit(&db->base, err);
    if (done != TM_OK) {
        drop_rows(stmt);
    }
    return done;
}

static tm_status run_where_it_stands(pg_stmt *stmt, tm_pg_db *db, tm_err *err) {
    if (stmt->is_out_of_memory) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for what is written to '%s'", db->base.path);
    }
    if (stmt->is_write && db->is_read_only) {
        return TM_FAIL(err, TM_E_NOT_ALLOWED, "cannot write '%s': it was opened to read",
                       db->base.path);
    }
    if (db->is_open) {
        return run(stmt, db, err);
    }
    return stmt->is_write ? run_write(stmt, db, err) : run_read(stmt, db, err);
}

static uint8_t nibble(char c) {
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* The server's \x0aff as bytes. */
static bool put_bytes(tm_str text, tm_buf *out) {
    TM_ASSERT(text.len >= 2 && text.len % 2 == 0 && text.ptr[0] == '\\');
    uint8_t *room = tm__buf_reserve(out, text.len / 2);
    for (size_t i = 2; room != NULL && i < text.len; i += 2) {
        const uint8_t byte = (uint8_t)(nibble(text.ptr[i]) << 4 | nibble(text.ptr[i + 1]));
        (void)tm__buf_byte(out, byte);
    }
    return room != NULL;
}

/* Blobs of a row, when it comes to hand: a reader of one cannot fail any more. */
static bool read_blobs(pg_stmt *stmt, uint64_t row) {
    const uint32_t n_cols = tm__pq_rows_cols(stmt->rows);
    bool is_read = true;
    for (uint32_t col = 0; is_read && col < n_cols; col++) {
        const tm_str text = tm__pq_rows_text(stmt->rows, row, col);
        if (tm__pq_rows_type(stmt->rows, col) != OID_BYTEA || text.ptr == NULL) {
            continue;
        }
        if (stmt->blobs == NULL) {
            stmt->blobs = tm__mem_zalloc(n_cols, sizeof(*stmt->blobs));
            stmt->n_blobs = stmt->blobs == NULL ? 0 : (int)n_cols;
            for (int i = 0; i < stmt->n_blobs; i++) {
                tm__buf_init(&stmt->blobs[i], BLOB_BYTES_MAX);
            }
        }
        is_read = stmt->blobs != NULL && put_bytes(text, &stmt->blobs[col]);
    }
    return is_read;
}

tm_status tm__pg_step(tm_stmt *base, bool *out_row, tm_err *err) {
    pg_stmt *stmt = of(base);
    tm_pg_db *db = tm__pg_of(base->db);
    for (int i = 0; i < stmt->n_blobs; i++) {
        tm__buf_reset(&stmt->blobs[i]);
    }
    if (stmt->rows == NULL) {
        const tm_status st = run_where_it_stands(stmt, db, err);
        if (st != TM_OK) {
            return tm__pg_fail(db, st, err);
        }
    }
    const bool has_row = stmt->row < tm__pq_rows_count(stmt->rows);
    if (!has_row) {
        drop_rows(stmt); /* as in SQLite, a further step runs it anew */
    } else if (!read_blobs(stmt, stmt->row)) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while reading '%s'", db->base.path);
    } else {
        stmt->row++;
    }
    *out_row = has_row;
    return TM_OK;
}

/* ---- Values of the row at hand ---- */

static tm_str cell(tm_stmt *base, int col) {
    const pg_stmt *stmt = of(base);
    TM_ASSERT(stmt->rows != NULL && stmt->row > 0);
    return tm__pq_rows_text(stmt->rows, stmt->row - 1, (uint32_t)col);
}

int64_t tm__pg_i64(tm_stmt *base, int col) {
    const tm_str text = cell(base, col);
    int64_t value = 0;
    double number = 0;
    if (text.ptr == NULL) {
        return 0;
    }
    if (tm__pq_rows_type(of(base)->rows, (uint32_t)col) == OID_BOOL) {
        return text.ptr[0] == 't';
    }
    if (tm__str_to_i64(text, &value)) {
        return value;
    }
    return tm__str_to_f64(text, &number) && number > -9e18 && number < 9e18 ? (int64_t)number : 0;
}

double tm__pg_f64(tm_stmt *base, int col) {
    const tm_str text = cell(base, col);
    double value = 0;
    return text.ptr != NULL && tm__str_to_f64(text, &value) ? value : 0;
}

const char *tm__pg_text(tm_stmt *base, int col) {
    return cell(base, col).ptr;
}

tm_str tm__pg_blob(tm_stmt *base, int col) {
    const pg_stmt *stmt = of(base);
    const tm_str text = cell(base, col);
    if (text.ptr == NULL) {
        return (tm_str){"", 0};
    }
    if (tm__pq_rows_type(stmt->rows, (uint32_t)col) != OID_BYTEA) {
        return text;
    }
    const tm_buf *bytes = &stmt->blobs[col];
    return (tm_str){bytes->data == NULL ? "" : (const char *)bytes->data, bytes->len};
}

tm_db_type tm__pg_type(tm_stmt *base, int col) {
    const tm_str text = cell(base, col);
    if (text.ptr == NULL) {
        return TM_DB_NULL;
    }
    switch (tm__pq_rows_type(of(base)->rows, (uint32_t)col)) {
    case OID_BOOL:
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
        return TM_DB_INT;
    case OID_NUMERIC:
        return memchr(text.ptr, '.', text.len) == NULL ? TM_DB_INT : TM_DB_REAL;
    case OID_FLOAT4:
    case OID_FLOAT8:
        return TM_DB_REAL;
    case OID_BYTEA:
        return TM_DB_BLOB;
    default:
        return TM_DB_TEXT;
    }
}

int tm__pg_n_cols(tm_stmt *base) {
    TM_ASSERT(of(base)->rows != NULL);
    return (int)tm__pq_rows_cols(of(base)->rows);
}
