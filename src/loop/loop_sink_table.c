/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of PostgreSQL. A batch is one transaction:
 *
 *   BEGIN ─ is the batch in tidemill_batches? ─ yes ─> nothing to do
 *         └ COPY to a temporary table ─ INSERT ... ON CONFLICT (key) DO UPDATE ─ note the batch ─
 * COMMIT
 *
 * So a connection that breaks in the COMMIT leaves no doubt: the next try finds the batch or not.
 * The table is made when it is not there; one that is must have the columns.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/sort.h"
#include "loop/loop_sink_priv.h"
#include "store/pq.h"

#define SQL_BYTES_MAX ((size_t)4 << 20)

typedef struct table_target {
    tm_sink_run *run;
    const char *dsn_file;
    tm_str schema; /* ptr NULL: where the search path leads */
    tm_str table;
    tm_pq *pq;        /* NULL: not connected */
    bool has_batches; /* tidemill_batches is there */
} table_target;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for a statement");
}

/* Run what was composed; rows may be NULL. */
static tm_status run_sql(table_target *t, tm_buf *sql, tm_pq_rows **rows, tm_err *err) {
    const tm_status st = sql->failed
                             ? no_memory(err)
                             : tm__pq_query(t->pq, (const char *)sql->data, NULL, 0, rows, err);
    tm__buf_reset(sql);
    return st;
}

static void append_name(const table_target *t, tm_str name, tm_buf *sql) {
    if (t->schema.ptr != NULL) {
        (void)tm__pq_quote(sql, t->schema, '"');
        (void)tm__buf_text(sql, ".");
    }
    (void)tm__pq_quote(sql, name, '"');
}

static void append_columns(const tm_table *result, const char *before, tm_buf *sql) {
    for (uint32_t i = 0; i < tm__table_cols(result); i++) {
        (void)tm__buf_text(sql, i == 0 ? "" : ", ");
        (void)tm__buf_text(sql, before);
        (void)tm__pq_quote(sql, tm__str(tm__table_column(result, i)->name), '"');
    }
}

static void append_key(const tm_sink_run *run, tm_buf *sql) {
    for (uint32_t i = 0; i < run->n_keys; i++) {
        (void)tm__buf_text(sql, i == 0 ? "" : ", ");
        (void)tm__pq_quote(sql, tm__str(run->keys[i]), '"');
    }
    if (run->n_keys == 0) {
        (void)tm__buf_text(sql, "prediction_id");
    }
}

/* ---- Tables ---- */

static tm_status is_there(table_target *t, tm_str name, bool *out, tm_err *err) {
    tm_buf sql, quoted;
    tm_pq_rows *rows = NULL;
    tm__buf_init(&sql, SQL_BYTES_MAX);
    tm__buf_init(&quoted, SQL_BYTES_MAX);
    append_name(t, name, &quoted);
    (void)tm__buf_text(&sql, "SELECT to_regclass(");
    (void)tm__pq_quote(&sql, (tm_str){(const char *)quoted.data, quoted.len}, '\'');
    (void)tm__buf_text(&sql, ") IS NOT NULL");
    sql.failed = sql.failed || quoted.failed;
    const tm_status st = run_sql(t, &sql, &rows, err);
    *out = st == TM_OK && tm__str_is(tm__pq_rows_text(rows, 0, 0), "t");
    tm__pq_rows_free(rows);
    tm__buf_done(&sql);
    tm__buf_done(&quoted);
    return st;
}

static const char *type_of(const tm_column *column) {
    if (tm__str_is(tm__str(column->name), "scored_at")) {
        return "timestamptz";
    }
    if (tm__str_is(tm__str(column->name), "version")) {
        return "integer";
    }
    switch (column->type) {
    case TM_TYPE_BOOL:
        return "boolean";
    case TM_TYPE_INT:
        return "bigint";
    case TM_TYPE_FLOAT:
        return "double precision";
    case TM_TYPE_DATE:
        return "date";
    case TM_TYPE_TIME:
        return "timestamp";
    default:
        return "text";
    }
}

static tm_status make_table(table_target *t, const tm_table *result, tm_err *err) {
    tm_buf sql;
    tm__buf_init(&sql, SQL_BYTES_MAX);
    (void)tm__buf_text(&sql, "CREATE TABLE ");
    append_name(t, t->table, &sql);
    (void)tm__buf_text(&sql, " (");
    for (uint32_t i = 0; i < tm__table_cols(result); i++) {
        const tm_column *column = tm__table_column(result, i);
        (void)tm__pq_quote(&sql, tm__str(column->name), '"');
        (void)tm__buf_printf(&sql, " %s, ", type_of(column));
    }
    (void)tm__buf_text(&sql, "PRIMARY KEY (");
    append_key(t->run, &sql);
    (void)tm__buf_text(&sql, "))");
    const tm_status st = run_sql(t, &sql, NULL, err);
    tm__buf_done(&sql);
    return st;
}

static bool has_column(const tm_pq_rows *rows, const char *name) {
    for (uint32_t i = 0; i < tm__pq_rows_cols(rows); i++) {
        if (strcmp(tm__pq_rows_name(rows, i), name) == 0) {
            return true;
        }
    }
    return false;
}

static tm_status check_table(table_target *t, const tm_table *result, tm_err *err) {
    tm_buf sql;
    tm_pq_rows *rows = NULL;
    tm__buf_init(&sql, SQL_BYTES_MAX);
    (void)tm__buf_text(&sql, "SELECT * FROM ");
    append_name(t, t->table, &sql);
    (void)tm__buf_text(&sql, " LIMIT 0");
    tm_status st = run_sql(t, &sql, &rows, err);
    for (uint32_t i = 0; st == TM_OK && i < tm__table_cols(result); i++) {
        const tm_column *column = tm__table_column(result, i);
        if (!has_column(rows, column->name)) {
            st = TM_FAIL(err, TM_E_CONFLICT, "table '%.*s' has no column '%s'", (int)t->table.len,
                         t->table.ptr, column->name);
            tm_err_hint(err,
                        "Add it (ALTER TABLE ... ADD COLUMN \"%.80s\" %s), or name a table that "
                        "is not there yet: it is made with the right columns.",
                        column->name, type_of(column));
        }
    }
    tm__pq_rows_free(rows);
    tm__buf_done(&sql);
    return st;
}

/* ON CONFLICT needs an index that says what a conflict is. */
static tm_status check_index(table_target *t, tm_err *err) {
    tm_buf sql;
    tm_pq_rows *rows = NULL;
    tm__buf_init(&sql, SQL_BYTES_MAX);
    (void)tm__buf_text(&sql, "SELECT (SELECT array_agg(a.attname::text ORDER BY a.attname::text)"
                             " FROM pg_attribute a WHERE a.attrelid = i.indrelid AND"
                             " a.attnum = ANY(i.indkey)) = (SELECT array_agg(k ORDER BY k) FROM"
                             " unnest(ARRAY[");
    for (uint32_t i = 0; i < t->run->n_keys; i++) {
        (void)tm__buf_text(&sql, i == 0 ? "" : ", ");
        (void)tm__pq_quote(&sql, tm__str(t->run->keys[i]), '\'');
    }
    (void)tm__buf_text(&sql, t->run->n_keys == 0 ? "'prediction_id'" : "");
    (void)tm__buf_text(&sql,
                       "]::text[]) k) FROM pg_index i WHERE i.indisunique AND i.indpred IS NULL"
                       " AND i.indexprs IS NULL AND i.indrelid = ");
    tm_buf quoted;
    tm__buf_init(&quoted, SQL_BYTES_MAX);
    append_name(t, t->table, &quoted);
    (void)tm__pq_quote(&sql, (tm_str){(const char *)quoted.data, quoted.len}, '\'');
    (void)tm__buf_text(&sql, "::regclass");
    sql.failed = sql.failed || quoted.failed;
    tm__buf_done(&quoted);
    tm_status st = run_sql(t, &sql, &rows, err);
    bool is_found = false;
    for (uint64_t i = 0; st == TM_OK && i < tm__pq_rows_count(rows); i++) {
        is_found = is_found || tm__str_is(tm__pq_rows_text(rows, i, 0), "t");
    }
    if (st == TM_OK && !is_found) {
        st =
            TM_FAIL(err, TM_E_CONFLICT, "table '%.*s' has no unique index over the key of the sink",
                    (int)t->table.len, t->table.ptr);
        tm_err_hint(err, "Make one over the columns of --key (without a key: over prediction_id), "
                         "or name a table that is not there yet.");
    }
    tm__pq_rows_free(rows);
    tm__buf_done(&sql);
    return st;
}

static tm_status ready_table(table_target *t, const tm_table *result, tm_err *err) {
    bool has_table = false;
    TM_TRY(is_there(t, t->table, &has_table, err));
    if (!has_table) {
        return make_table(t, result, err);
    }
    TM_TRY(check_table(t, result, err));
    return check_index(t, err);
}

/* ---- Batches ---- */

static tm_status ready_batches(table_target *t, tm_err *err) {
    tm_buf sql;
    if (t->has_batches) {
        return TM_OK;
    }
    TM_TRY(is_there(t, TM_STR("tidemill_batches"), &t->has_batches, err));
    if (t->has_batches) {
        return TM_OK;
    }
    tm__buf_init(&sql, SQL_BYTES_MAX);
    (void)tm__buf_text(&sql, "CREATE TABLE IF NOT EXISTS ");
    append_name(t, TM_STR("tidemill_batches"), &sql);
    (void)tm__buf_text(&sql,
                       " (batch_id text PRIMARY KEY, sink text NOT NULL, target text NOT NULL,"
                       " model text NOT NULL, version integer NOT NULL, n_rows bigint NOT NULL,"
                       " written_at timestamptz NOT NULL DEFAULT now())");
    const tm_status st = run_sql(t, &sql, NULL, err);
    tm__buf_done(&sql);
    return st;
}

static tm_status find_batch(table_target *t, const tm_sink_batch *batch, bool *out, tm_err *err) {
    tm_buf sql;
    tm_pq_rows *rows = NULL;
    tm__buf_init(&sql, SQL_BYTES_MAX);
    (void)tm__buf_text(&sql, "SELECT 1 FROM ");
    append_name(t, TM_STR("tidemill_batches"), &sql);
    (void)tm__buf_text(&sql, " WHERE batch_id = ");
    (void)tm__pq_quote(&sql, tm__str(batch->id), '\'');
    const tm_status st = run_sql(t, &sql, &rows, err);
    *out = st == TM_OK && tm__pq_rows_count(rows) > 0;
    tm__pq_rows_free(rows);
    tm__buf_done(&sql);
    return st;
}

static tm_status note_batch(table_target *t, const tm_sink_batch *batch, tm_err *err) {
    tm_buf sql;
    tm__buf_init(&sql, SQL_BYTES_MAX);
    (void)tm__buf_text(&sql, "INSERT INTO ");
    append_name(t, TM_STR("tidemill_batches"), &sql);
    (void)tm__buf_text(&sql, " (batch_id, sink, target, model, version, n_rows) VALUES (");
    const tm_str texts[] = {tm__str(batch->id), tm__str(t->run->row.name), t->table,
                            tm__str(batch->model)};
    for (size_t i = 0; i < 4; i++) {
        (void)tm__pq_quote(&sql, texts[i], '\'');
        (void)tm__buf_text(&sql, ", ");
    }
    (void)tm__buf_printf(&sql, "%u, %llu)", batch->version, (unsigned long long)batch->n_rows);
    const tm_status st = run_sql(t, &sql, NULL, err);
    tm__buf_done(&sql);
    return st;
}

/* ---- Rows ---- */

static tm_status copy_rows(table_target *t, const tm_table *result, tm_err *err) {
    tm_buf sql;
    tm__buf_init(&sql, SQL_BYTES_MAX);
    (void)tm__buf_text(&sql, "CREATE TEMPORARY TABLE tidemill_rows ON COMMIT DROP AS SELECT ");
    append_columns(result, "", &sql);
    (void)tm__buf_text(&sql, " FROM ");
    append_name(t, t->table, &sql);
    (void)tm__buf_text(&sql, " WITH NO DATA");
    tm_status st = run_sql(t, &sql, NULL, err);
    if (st == TM_OK) {
        (void)tm__buf_text(&sql, "COPY pg_temp.tidemill_rows (");
        append_columns(result, "", &sql);
        (void)tm__buf_text(&sql, ") FROM STDIN");
        st = sql.failed ? no_memory(err) : tm__pq_copy_open(t->pq, (const char *)sql.data, err);
    }
    if (st == TM_OK) {
        st = tm__pq_copy_rows(t->pq, result, 0, tm__table_rows(result), err);
        if (st == TM_OK) {
            st = tm__pq_copy_close(t->pq, NULL, err);
        } else {
            tm__pq_copy_cancel(t->pq);
        }
    }
    tm__buf_done(&sql);
    return st;
}

/* Whether two rows of a batch may have the same key: one statement cannot update a row twice. */
static tm_status may_repeat(const tm_sink_run *run, const tm_table *result, bool *out,
                            tm_err *err) {
    const uint64_t n = tm__table_rows(result);
    uint64_t *hashes = tm__mem_alloc(n, sizeof(*hashes));
    uint32_t *cols = tm__mem_alloc(run->n_keys + 1, sizeof(*cols));
    *out = false;
    if (hashes == NULL || cols == NULL) {
        tm__mem_free(hashes);
        tm__mem_free(cols);
        return no_memory(err);
    }
    for (uint32_t i = 0; i < run->n_keys; i++) {
        cols[i] = tm__table_find(result, run->keys[i]);
    }
    if (run->n_keys > 0) {
        tm__table_row_hashes(result, cols, run->n_keys, hashes);
        qsort(hashes, n, sizeof(*hashes), tm__compare_u64);
        for (uint64_t i = 1; i < n && !*out; i++) {
            *out = hashes[i] == hashes[i - 1];
        }
    }
    tm__mem_free(hashes);
    tm__mem_free(cols);
    return TM_OK;
}

/* Of rows with the same key the last one counts: ids ascend with the rows. */
static tm_status upsert(table_target *t, const tm_table *result, tm_err *err) {
    tm_buf sql;
    bool repeats = false;
    TM_TRY(may_repeat(t->run, result, &repeats, err));
    tm__buf_init(&sql, SQL_BYTES_MAX);
    (void)tm__buf_text(&sql, "INSERT INTO ");
    append_name(t, t->table, &sql);
    (void)tm__buf_text(&sql, " (");
    append_columns(result, "", &sql);
    (void)tm__buf_text(&sql, ") SELECT ");
    if (repeats) {
        (void)tm__buf_text(&sql, "DISTINCT ON (");
        append_key(t->run, &sql);
        (void)tm__buf_text(&sql, ") ");
    }
    append_columns(result, "", &sql);
    (void)tm__buf_text(&sql, " FROM pg_temp.tidemill_rows");
    if (repeats) {
        (void)tm__buf_text(&sql, " ORDER BY ");
        append_key(t->run, &sql);
        (void)tm__buf_text(&sql, ", prediction_id COLLATE \"C\" DESC");
    }
    (void)tm__buf_text(&sql, " ON CONFLICT (");
    append_key(t->run, &sql);
    (void)tm__buf_text(&sql, ") DO UPDATE SET ");
    for (uint32_t i = 0; i < tm__table_cols(result); i++) {
        const tm_str name = tm__str(tm__table_column(result, i)->name);
        (void)tm__buf_text(&sql, i == 0 ? "" : ", ");
        (void)tm__pq_quote(&sql, name, '"');
        (void)tm__buf_text(&sql, " = EXCLUDED.");
        (void)tm__pq_quote(&sql, name, '"');
    }
    const tm_status st = run_sql(t, &sql, NULL, err);
    tm__buf_done(&sql);
    return st;
}

static tm_status write_locked(table_target *t, const tm_sink_batch *batch, tm_err *err) {
    bool is_written = false;
    TM_TRY(ready_batches(t, err));
    TM_TRY(find_batch(t, batch, &is_written, err));
    if (is_written) {
        return TM_OK;
    }
    TM_TRY(ready_table(t, batch->result, err));
    TM_TRY(copy_rows(t, batch->result, err));
    TM_TRY(upsert(t, batch->result, err));
    return note_batch(t, batch, err);
}

static tm_status write_batch(void *self, const tm_sink_batch *batch, tm_err *err) {
    table_target *t = self;
    const tm_pq_options options = {.cancel = t->run->ctx->cancel};
    if (t->pq == NULL) {
        TM_TRY(tm__pq_open(t->dsn_file, &options, &t->pq, err));
        /* Each batch ends with a commit that is durable on the server, whatever its default is. */
        TM_TRY(tm__pq_exec(t->pq, "SET synchronous_commit = on; SET client_min_messages = warning",
                           err));
    }
    TM_TRY(tm__pq_exec(t->pq, "BEGIN", err));
    const tm_status st = write_locked(t, batch, err);
    if (st != TM_OK) {
        const tm_status undone = tm__pq_exec(t->pq, "ROLLBACK", NULL);
        (void)undone; /* a connection that is lost has rolled back too */
        return st;
    }
    TM_TRY(tm__pq_exec(t->pq, "COMMIT", err));
    t->has_batches = true;
    return TM_OK;
}

static void close_target(void *self) {
    table_target *t = self;
    if (t != NULL) {
        tm__pq_close(t->pq);
        tm__mem_free(t);
    }
}

tm_status tm__sink_table_open(tm_sink_run *run, tm_sink_target *out, tm_err *err) {
    const json_t *postgres = json_object_get(json_object_get(run->row.spec, "write"), "postgres");
    table_target *t = tm__mem_zalloc(1, sizeof(*t));
    if (t == NULL) {
        return no_memory(err);
    }
    t->run = run;
    t->dsn_file = tm__json_text(postgres, "dsn_file", "");
    t->table = tm__str(tm__json_text(postgres, "table", ""));
    const char *dot = memchr(t->table.ptr, '.', t->table.len);
    if (dot != NULL) {
        t->schema = (tm_str){t->table.ptr, (size_t)(dot - t->table.ptr)};
        t->table = (tm_str){dot + 1, t->table.len - t->schema.len - 1};
    }
    *out = (tm_sink_target){.write = write_batch, .close = close_target, .self = t};
    return TM_OK;
}
