/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables are moved in the order in which they were made, so that what a row refers to is there.
 * What migrations put into a new place gives way first. The hash of a table is the sum of its rows'
 * hashes: engines give rows in different orders.
 */
#include "store/db_move.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/json.h"
#include "base/mem.h"
#include "store/db_list.h"
#include "store/db_priv.h"

#define SQL_BYTES_MAX 8192u

typedef struct table_sum {
    uint64_t n_rows;
    uint64_t words[4];
} table_sum;

tm_db_standing tm__db_standing(const tm_db *db) {
    return db->version == TM_DB_FORMAT_MOVED        ? TM_DB_MOVED
           : (db->version & TM_DB_FORMAT_HALF) != 0 ? TM_DB_HALF
                                                    : TM_DB_STANDS;
}

/* ---- Rows ---- */

static void hash_value(tm_hasher *hasher, tm_stmt *stmt, int col) {
    const tm_db_type type = tm__stmt_type(stmt, col);
    const uint8_t kind = (uint8_t)type;
    tm__hasher_update(hasher, &kind, 1);
    if (type == TM_DB_INT) {
        const int64_t value = tm__stmt_i64(stmt, col);
        tm__hasher_update(hasher, &value, sizeof(value));
    } else if (type == TM_DB_REAL) {
        const double value = tm__stmt_f64(stmt, col);
        tm__hasher_update(hasher, &value, sizeof(value));
    } else if (type != TM_DB_NULL) {
        const char *text = type == TM_DB_TEXT ? tm__stmt_text(stmt, col) : NULL;
        const tm_str bytes =
            type == TM_DB_TEXT ? tm__str(text == NULL ? "" : text) : tm__stmt_blob(stmt, col);
        const uint64_t len = bytes.len;
        tm__hasher_update(hasher, &len, sizeof(len));
        tm__hasher_update(hasher, bytes.ptr, bytes.len);
    }
}

static void add_row(table_sum *sum, tm_stmt *stmt) {
    tm_hasher hasher;
    tm_hash hash;
    uint64_t words[4];
    tm__hasher_init(&hasher);
    for (int col = 0; col < tm__stmt_n_cols(stmt); col++) {
        hash_value(&hasher, stmt, col);
    }
    tm__hasher_final(&hasher, &hash);
    memcpy(words, hash.bytes, sizeof(words));
    for (uint32_t i = 0; i < 4; i++) {
        sum->words[i] += words[i];
    }
    sum->n_rows++;
}

static void bind_value(tm_stmt *to, tm_stmt *from, int col) {
    switch (tm__stmt_type(from, col)) {
    case TM_DB_INT:
        tm__stmt_bind_i64(to, col + 1, tm__stmt_i64(from, col));
        break;
    case TM_DB_REAL:
        tm__stmt_bind_f64(to, col + 1, tm__stmt_f64(from, col));
        break;
    case TM_DB_TEXT:
        tm__stmt_bind_text(to, col + 1, tm__stmt_text(from, col));
        break;
    case TM_DB_BLOB: {
        const tm_str blob = tm__stmt_blob(from, col);
        tm__stmt_bind_blob(to, col + 1, blob.ptr, blob.len);
        break;
    }
    case TM_DB_NULL:
        tm__stmt_bind_null(to, col + 1);
        break;
    }
}

/* ---- Tables ---- */

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* Columns by name: the order in which a place has them is its own. */
static tm_status put_columns(tm_db *file, const char *table, tm_buf *out, uint32_t *out_n,
                             tm_err *err) {
    tm_stmt *stmt = NULL;
    *out_n = 0;
    TM_TRY(tm__stmt_init(file, "SELECT name FROM pragma_table_info(?1) ORDER BY name", &stmt, err));
    tm__stmt_bind_text(stmt, 1, table);
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        const char *name = tm__stmt_text(stmt, 0);
        (void)tm__buf_printf(out, "%s%s", (*out_n)++ == 0 ? "" : ", ", name == NULL ? "" : name);
    }
    tm__stmt_done(stmt);
    return st == TM_OK && out->failed ? no_memory(err) : st;
}

typedef struct mover {
    tm_db *from, *to, *file; /* file: that of both which is one of SQLite */
    json_t *tables;          /* names */
    table_sum *sums;         /* of each, in `from` */
} mover;

static tm_status sum_rows(tm_db *db, const char *select, tm_stmt *insert, table_sum *out,
                          tm_err *err) {
    tm_stmt *stmt = NULL;
    *out = (table_sum){0};
    TM_TRY(tm__stmt_init(db, select, &stmt, err));
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        add_row(out, stmt);
        for (int col = 0; insert != NULL && col < tm__stmt_n_cols(stmt); col++) {
            bind_value(insert, stmt, col);
        }
        st = insert == NULL ? TM_OK : tm__stmt_run(insert, err);
    }
    tm__stmt_done(stmt);
    return st;
}

/* Numbers that the server gives go on behind those that came. */
static tm_status go_on_counting(tm_db *db, const char *table, tm_err *err) {
    tm_stmt *stmt = NULL;
    tm_buf sql;
    bool has_row = false;
    tm__buf_init(&sql, SQL_BYTES_MAX);
    (void)tm__buf_printf(
        &sql,
        "SELECT attname FROM pg_attribute WHERE attrelid = '%s'::regclass AND attidentity <> ''",
        table);
    tm_status st =
        sql.failed ? no_memory(err) : tm__stmt_init(db, (const char *)sql.data, &stmt, err);
    st = st == TM_OK ? tm__stmt_step(stmt, &has_row, err) : st;
    tm__buf_reset(&sql);
    if (st == TM_OK && has_row) {
        const char *column = tm__stmt_text(stmt, 0);
        (void)tm__buf_printf(&sql,
                             "SELECT setval(pg_get_serial_sequence('%s', '%s'), max(%s)) FROM %s"
                             " HAVING count(*) > 0",
                             table, column, column, table);
    }
    tm__stmt_done(stmt);
    stmt = NULL;
    if (st == TM_OK && has_row) {
        st = sql.failed ? no_memory(err) : tm__stmt_init(db, (const char *)sql.data, &stmt, err);
        st = st == TM_OK ? tm__stmt_step(stmt, &has_row, err) : st;
        tm__stmt_done(stmt);
    }
    tm__buf_done(&sql);
    return st;
}

static tm_status differs(const mover *m, const char *table, tm_err *err) {
    (void)TM_FAIL(err, TM_E_INTEGRITY, "the table '%s' is not in '%s' as it was in '%s'", table,
                  m->to->path, m->from->path);
    tm_err_hint(err, "Nothing was moved. Run 'tidemill doctor', and try again.");
    return TM_E_INTEGRITY;
}

static tm_status move_table(mover *m, const tm_db_part *part, table_sum *out, tm_err *err) {
    const char *const table = part->table;
    tm_buf columns, select, insert;
    tm_stmt *stmt = NULL;
    uint32_t n = 0;
    table_sum there;
    tm__buf_init(&columns, SQL_BYTES_MAX);
    tm__buf_init(&select, SQL_BYTES_MAX);
    tm__buf_init(&insert, SQL_BYTES_MAX);
    tm_status st = put_columns(m->file, table, &columns, &n, err);
    if (st == TM_OK) {
        const char *const names = (const char *)columns.data;
        (void)tm__buf_printf(&select, "SELECT %s FROM %s%s%s", names, table,
                             part->where == NULL ? "" : " WHERE ",
                             part->where == NULL ? "" : part->where);
        (void)tm__buf_printf(&insert, "INSERT INTO %s(%s) VALUES(", table, names);
        for (uint32_t col = 0; col < n; col++) {
            (void)tm__buf_text(&insert, col == 0 ? "?" : ", ?");
        }
        (void)tm__buf_text(&insert, ")");
        st = select.failed || insert.failed ? no_memory(err) : TM_OK;
    }
    st = st == TM_OK ? tm__stmt_init(m->to, (const char *)insert.data, &stmt, err) : st;
    st = st == TM_OK ? sum_rows(m->from, (const char *)select.data, stmt, out, err) : st;
    tm__stmt_done(stmt);
    st = st == TM_OK ? sum_rows(m->to, (const char *)select.data, NULL, &there, err) : st;
    if (st == TM_OK && memcmp(&there, out, sizeof(there)) != 0) {
        st = differs(m, table, err);
    }
    if (st == TM_OK && tm__db_is_postgres(m->to)) {
        st = go_on_counting(m->to, table, err);
    }
    tm__buf_done(&columns);
    tm__buf_done(&select);
    tm__buf_done(&insert);
    return st;
}

static tm_status list_tables(mover *m, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(m->file,
                         "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE"
                         " 'sqlite_%' ORDER BY rowid",
                         &stmt, err));
    TM_TRY(tm__stmt_list(stmt, tm__stmt_name, &m->tables, err));
    m->sums = tm__mem_zalloc(json_array_size(m->tables) + 1, sizeof(*m->sums));
    return m->sums == NULL ? no_memory(err) : TM_OK;
}

static tm_status empty_table(tm_db *db, const char *table, tm_err *err) {
    char sql[128];
    (void)snprintf(sql, sizeof(sql), "DELETE FROM %.100s", table);
    return tm__db_exec(db, sql, err);
}

static tm_status move_locked(mover *m, tm_err *err) {
    const size_t n = json_array_size(m->tables);
    tm_status st = TM_OK;
    for (size_t i = n; st == TM_OK && i-- > 0;) {
        st = empty_table(m->to, json_string_value(json_array_get(m->tables, i)), err);
    }
    for (size_t i = 0; st == TM_OK && i < n; i++) {
        const tm_db_part part = {json_string_value(json_array_get(m->tables, i)), NULL};
        st = move_table(m, &part, &m->sums[i], err);
    }
    return st;
}

static void sum_up(const mover *m, tm_db_moved *out) {
    tm_hasher hasher;
    *out = (tm_db_moved){.n_tables = (uint32_t)json_array_size(m->tables)};
    tm__hasher_init(&hasher);
    for (uint32_t i = 0; i < out->n_tables; i++) {
        const char *const name = json_string_value(json_array_get(m->tables, i));
        tm__hasher_update(&hasher, name, strlen(name) + 1);
        tm__hasher_update(&hasher, &m->sums[i], sizeof(m->sums[i]));
        out->n_rows += m->sums[i].n_rows;
    }
    tm__hasher_final(&hasher, &out->hash);
}

/* `to` stands from its commit on, and `from` is moved after it. */
static tm_status move_within(mover *m, uint32_t format, tm_err *err) {
    TM_TRY(list_tables(m, err));
    TM_TRY(tm__db_begin(m->to, err));
    tm_status st = move_locked(m, err);
    st = st == TM_OK ? m->to->ops->set_format(m->to, format, err) : st;
    if (st != TM_OK) {
        tm__db_rollback(m->to);
        return st;
    }
    TM_TRY(tm__db_commit(m->to, err));
    m->to->version = format;
    return m->from->ops->set_format(m->from, TM_DB_FORMAT_MOVED, err);
}

tm_status tm__db_move(tm_db *from, tm_db *to, tm_db_moved *out, tm_err *err) {
    mover m = {.from = from, .to = to, .file = tm__db_is_postgres(from) ? to : from};
    TM_ASSERT(tm__db_is_postgres(from) != tm__db_is_postgres(to));
    TM_ASSERT(tm__db_standing(from) == TM_DB_STANDS && tm__db_standing(to) == TM_DB_HALF);
    if ((to->version & ~TM_DB_FORMAT_HALF) != from->version) {
        return tm__db_version_fail(to, (int64_t)to->version, false, err);
    }
    TM_TRY(tm__db_begin(from, err));
    tm_status st = move_within(&m, from->version, err);
    if (st == TM_OK) {
        st = tm__db_commit(from, err);
        from->version = st == TM_OK ? TM_DB_FORMAT_MOVED : from->version;
    } else {
        tm__db_rollback(from);
    }
    if (st == TM_OK) {
        sum_up(&m, out);
    }
    json_decref(m.tables);
    tm__mem_free(m.sums);
    return st;
}

static tm_status copy_locked(mover *m, const tm_db_part *parts, tm_err *err) {
    size_t n = 0;
    tm_status st = TM_OK;
    for (; parts[n].table != NULL; n++) {
    }
    for (size_t i = n; st == TM_OK && i-- > 0;) {
        st = empty_table(m->to, parts[i].table, err);
    }
    for (size_t i = 0; st == TM_OK && i < n; i++) {
        table_sum sum;
        st = move_table(m, &parts[i], &sum, err);
    }
    return st;
}

tm_status tm__db_copy_parts(tm_db *from, tm_db *to, const tm_db_part *parts, tm_err *err) {
    mover m = {.from = from, .to = to, .file = to};
    TM_ASSERT(tm__db_is_postgres(from) && !tm__db_is_postgres(to));
    TM_TRY(tm__db_begin_read(from, err));
    tm_status st = tm__db_begin(to, err);
    if (st == TM_OK) {
        st = tm__db_end(to, copy_locked(&m, parts, err), err);
    }
    tm__db_rollback(from);
    return st;
}

tm_status tm__db_users(tm_db *db, int64_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    *out = 0;
    if (!tm__db_is_postgres(db)) {
        return TM_OK;
    }
    TM_TRY(tm__stmt_init(db,
                         "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                         " AND pid <> pg_backend_pid() AND application_name ="
                         " left('tidemill ' || current_schema(), 63)",
                         &stmt, err));
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    *out = st == TM_OK && has_row ? tm__stmt_i64(stmt, 0) : 0;
    tm__stmt_done(stmt);
    return st;
}
