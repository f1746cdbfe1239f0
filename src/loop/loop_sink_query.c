/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a query to PostgreSQL. A run reads all of them in the order of the sink's key, from one
 * moment. The state holds the key of the last row that is done: {"after": [texts]}; a run that was
 * stopped goes on behind it, from another moment, and the next whole run begins at the first row.
 *
 * The rows of a batch are put in a file (loop_sink_spool.c) before its plan is committed, since the
 * table may change before the batch is made again.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "loop/loop_sink_priv.h"
#include "store/pq.h"

#define QUERY_BYTES_MAX ((size_t)4 << 20)

typedef struct query_input {
    tm_sink_run *run;
    tm_pq *pq;
    tm_pq_reader *reader; /* NULL: not begun */
    tm_table *held;       /* read and in no batch yet */
    tm_table *batch;      /* of the plan that was made last */
    bool has_all;         /* nothing is left to read */
} query_input;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for the rows of a query");
}

/* ---- The query ---- */

static void append_keys(const tm_sink_run *run, tm_buf *sql) {
    for (uint32_t i = 0; i < run->n_keys; i++) {
        (void)tm__buf_text(sql, i == 0 ? "" : ", ");
        (void)tm__pq_quote(sql, tm__str(run->keys[i]), '"');
    }
}

static void append_query(const tm_sink_run *run, const char *query, tm_buf *sql) {
    const json_t *after = json_object_get(run->ahead, "after");
    tm_str text = tm__str_trim(tm__str(query));
    while (text.len > 0 && text.ptr[text.len - 1] == ';') {
        text = tm__str_trim((tm_str){text.ptr, text.len - 1});
    }
    (void)tm__buf_text(sql, "SELECT * FROM (");
    (void)tm__buf_append(sql, text.ptr, text.len);
    (void)tm__buf_text(sql, "\n) AS tidemill_rows");
    if (json_array_size(after) == run->n_keys) {
        (void)tm__buf_text(sql, " WHERE (");
        append_keys(run, sql);
        (void)tm__buf_text(sql, ") > (");
        for (uint32_t i = 0; i < run->n_keys; i++) {
            (void)tm__buf_text(sql, i == 0 ? "" : ", ");
            (void)tm__pq_quote(sql, tm__str(json_string_value(json_array_get(after, i))), '\'');
        }
        (void)tm__buf_text(sql, ")");
    }
    (void)tm__buf_text(sql, " ORDER BY ");
    append_keys(run, sql);
}

static tm_status begin_reading(query_input *input, tm_err *err) {
    const json_t *postgres =
        json_object_get(json_object_get(input->run->row.spec, "read"), "postgres");
    const tm_pq_options options = {.cancel = input->run->ctx->cancel, .is_read_only = true};
    tm_buf sql;
    tm__buf_init(&sql, QUERY_BYTES_MAX);
    append_query(input->run, tm__json_text(postgres, "query", ""), &sql);
    tm_status st = sql.failed ? no_memory(err)
                              : tm__pq_open(tm__json_text(postgres, "dsn_file", ""), &options,
                                            &input->pq, err);
    if (st == TM_OK) {
        const tm_pq_select select = {.query = (const char *)sql.data};
        st = tm__pq_reader_open(input->pq, &select, &input->reader, err);
    }
    tm__buf_done(&sql);
    return st;
}

/* ---- Rows ---- */

/* Put rows behind those that are held. */
static tm_status hold(query_input *input, tm_table *rows, tm_err *err) {
    tm_table *both = NULL;
    if (input->held == NULL) {
        input->held = rows;
        return TM_OK;
    }
    const tm_status st = tm__table_concat(input->held, rows, &both, err);
    tm__table_unref(rows);
    if (st == TM_OK) {
        tm__table_unref(input->held);
        input->held = both;
    }
    return st;
}

static uint64_t n_held(const query_input *input) {
    return input->held == NULL ? 0 : tm__table_rows(input->held);
}

static tm_status fill(query_input *input, tm_err *err) {
    if (input->reader == NULL && !input->has_all) {
        TM_TRY(begin_reading(input, err));
    }
    while (!input->has_all && n_held(input) < input->run->batch_rows) {
        tm_table *rows = NULL, *cursor = NULL;
        TM_TRY(tm__pq_reader_next(input->reader, &rows, &cursor, NULL, err));
        tm__table_unref(cursor);
        if (rows == NULL) {
            input->has_all = true;
        } else {
            TM_TRY(hold(input, rows, err));
        }
    }
    return TM_OK;
}

static tm_status take_range(tm_table *table, uint64_t first, uint64_t n, tm_table **out,
                            tm_err *err) {
    uint32_t *rows = tm__mem_alloc(n, sizeof(*rows));
    if (rows == NULL) {
        return no_memory(err);
    }
    for (uint64_t i = 0; i < n; i++) {
        rows[i] = (uint32_t)(first + i);
    }
    const tm_status st = tm__table_take_rows(table, rows, n, out, err);
    tm__mem_free(rows);
    return st;
}

/* The next batch from what is held. */
static tm_status cut(query_input *input, tm_err *err) {
    const uint64_t n = n_held(input), n_batch = input->run->batch_rows;
    tm_table *rest = NULL;
    tm__table_unref(input->batch);
    input->batch = NULL;
    if (n <= n_batch) {
        input->batch = input->held;
        input->held = NULL;
        return TM_OK;
    }
    TM_TRY(take_range(input->held, 0, n_batch, &input->batch, err));
    TM_TRY(take_range(input->held, n_batch, n - n_batch, &rest, err));
    tm__table_unref(input->held);
    input->held = rest;
    return TM_OK;
}

/* ---- Keys ---- */

static tm_status bad_key(const char *name, const char *what, uint64_t row, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_DATA, "key column '%s' %s", name, what);
    tm_err_hint(err, "The key tells rows apart and orders them: leave such rows out, or cast the "
                     "column to text in the query.");
    tm_err_at(err, NULL, row, 0);
    return st;
}

static tm_status check_keys(const query_input *input, tm_err *err) {
    for (uint32_t i = 0; i < input->run->n_keys; i++) {
        const char *name = input->run->keys[i];
        const uint32_t at = tm__table_find(input->batch, name);
        if (at == UINT32_MAX) {
            return bad_key(name, "is not in the query", 0, err);
        }
        const tm_column *column = tm__table_column(input->batch, at);
        if (column->type == TM_TYPE_FLOAT) {
            return bad_key(name, "is a number with a fraction", 0, err);
        }
        for (uint64_t row = 0; column->n_missing > 0 && row < tm__table_rows(input->batch); row++) {
            if (tm__column_is_missing(column, row)) {
                return bad_key(name, "has no value", row + 1, err);
            }
        }
    }
    return TM_OK;
}

/* Text of a key that PostgreSQL reads back as the same value. */
static json_t *key_text(const tm_column *column, uint64_t row) {
    char text[64];
    const tm_cell cell = tm__column_cell(column, row);
    size_t n = 0;
    switch (cell.type) {
    case TM_TYPE_TEXT:
        return json_stringn(cell.text.ptr, cell.text.len);
    case TM_TYPE_BOOL:
        return json_string(cell.i64 != 0 ? "true" : "false");
    case TM_TYPE_DATE:
        n = tm__date_to_text(cell.i64, text);
        break;
    case TM_TYPE_TIME:
        n = tm__time_to_text(cell.i64, text);
        break;
    default:
        n = (size_t)snprintf(text, sizeof(text), "%lld", (long long)cell.i64);
        break;
    }
    return json_stringn(text, n);
}

static json_t *last_keys(const query_input *input) {
    const uint64_t last = tm__table_rows(input->batch) - 1;
    json_t *keys = json_array();
    for (uint32_t i = 0; i < input->run->n_keys; i++) {
        const uint32_t at = tm__table_find(input->batch, input->run->keys[i]);
        json_array_append_new(keys, key_text(tm__table_column(input->batch, at), last));
    }
    return keys;
}

/* ---- The input ---- */

static tm_status plan_next(void *self, json_t *plan, bool *out_has, tm_err *err) {
    query_input *input = self;
    tm_hash hash;
    char text[TM_HASH_TEXT];
    TM_TRY(fill(input, err));
    *out_has = n_held(input) > 0;
    if (!*out_has) {
        return TM_OK;
    }
    TM_TRY(cut(input, err));
    TM_TRY(check_keys(input, err));
    char *path = tm__sink_spool_path(input->run, tm__json_i64(plan, "number", 0));
    const tm_status st =
        path == NULL ? no_memory(err) : tm__sink_spool_write(path, input->batch, &hash, err);
    tm__mem_free(path);
    TM_TRY(st);
    tm__hash_to_text(&hash, text);
    json_object_set_new(plan, "first",
                        json_integer((json_int_t)tm__json_i64(input->run->ahead, "next", 0)));
    json_object_set_new(plan, "rows", json_integer((json_int_t)tm__table_rows(input->batch)));
    json_object_set_new(plan, "after", last_keys(input));
    json_object_set_new(plan, "spool", json_string(text));
    return TM_OK;
}

static tm_status read_rows(void *self, const json_t *plan, tm_table **out, tm_err *err) {
    query_input *input = self;
    tm_hash hash;
    if (input->batch != NULL) { /* planned by this run */
        *out = input->batch;
        input->batch = NULL;
        return TM_OK;
    }
    if (!tm__hash_from_text(tm__json_text(plan, "spool", ""), &hash)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the plan of a batch names no rows");
    }
    char *path = tm__sink_spool_path(input->run, tm__json_i64(plan, "number", 0));
    const tm_status st = path == NULL ? no_memory(err) : tm__sink_spool_read(path, &hash, out, err);
    tm__mem_free(path);
    return st;
}

static tm_status note_done(void *self, const json_t *plan, json_t *state, tm_err *err) {
    (void)self;
    (void)err;
    const json_int_t next = tm__json_i64(plan, "first", 0) + tm__json_i64(plan, "rows", 0);
    json_object_set_new(state, "next", json_integer(next));
    json_object_set(state, "after", json_object_get(plan, "after"));
    return TM_OK;
}

static tm_status finish(void *self, json_t *state, tm_err *err) {
    (void)self;
    (void)err;
    (void)json_object_del(state, "after");
    json_object_set_new(state, "next", json_integer(0));
    return TM_OK;
}

static tm_status clean(void *self, tm_err *err) {
    query_input *input = self;
    tm_status st = TM_OK;
    for (int number = 0; st == TM_OK && number < 2; number++) {
        char *path = tm__sink_spool_path(input->run, number);
        st = path == NULL ? no_memory(err) : tm__fs_remove(path, err);
        tm__mem_free(path);
    }
    return st;
}

static void close_input(void *self) {
    query_input *input = self;
    if (input != NULL) {
        tm__pq_reader_free(input->reader);
        tm__pq_close(input->pq);
        tm__table_unref(input->held);
        tm__table_unref(input->batch);
        tm__mem_free(input);
    }
}

tm_status tm__sink_query_open(tm_sink_run *run, tm_sink_input *out, tm_err *err) {
    query_input *input = tm__mem_zalloc(1, sizeof(*input));
    if (input == NULL) {
        return no_memory(err);
    }
    input->run = run;
    *out = (tm_sink_input){.plan = plan_next,
                           .read = read_rows,
                           .done = note_done,
                           .finish = finish,
                           .clean = clean,
                           .close = close_input,
                           .self = input};
    return TM_OK;
}
