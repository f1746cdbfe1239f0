/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a query, as a stream.
 *
 *   BEGIN (read only, repeatable read)
 *   describe the query ──> names and types ──> COPY (SELECT ... ) TO STDOUT (binary)
 *                                                 │ a row a message
 *                                                 └──> storage of a block's columns, cell by cell
 *
 * 1. A COPY is what a cursor would be, with the plan for all of its rows (of a cursor the server
 *    expects that a tenth is fetched, and uses one process), without a round trip a portion, and
 *    with a single row in memory here: the server waits while the socket is full.
 * 2. The query stands in parentheses of a prepared statement before anything else is done with it,
 *    so it is one SELECT, or the server refuses it. What it calls cannot write.
 * 3. Types that have no kind here are asked for as the server's own text.
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"
#include "store/pq_priv.h"
#include "store/sql_text.h"

#define SQL_BYTES_MAX (16u << 20)
#define BLOCK_ROWS 65536u
#define BLOCK_ROWS_MIN 256u
#define BLOCK_BYTES (16u << 20)
#define SIGNATURE "PGCOPY\n\377\r\n" /* and its NUL */
#define SIGNATURE_BYTES 11u
#define FAR_BYTES_MAX ((size_t)1 << 20) /* a number has at most 147,455 digits there */

typedef struct field {
    char *name;
    tm_pq_kind kind;
    tm_type type;
    bool is_sortable_text;
} field;

/* Storage of one column of the block that is filled. */
typedef struct target {
    int64_t *ints;
    double *floats;
    uint32_t *codes;
    tm_dict *dict;
} target;

struct tm_pq_reader {
    tm_pq *pq;
    uint32_t n_cols;
    uint32_t n_fields; /* n_cols, and one more for the cursor's exact value */
    field *fields;
    target *targets;
    uint64_t rows_max, n_rows; /* of a block; read so far */
    bool has_head, has_ended, check_utf8;
    tm_bad_values *bad; /* of the block; NULL: a bad value ends the reading */
};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory while reading from PostgreSQL");
}

void tm__pq_reader_free(tm_pq_reader *reader) {
    if (reader == NULL) {
        return;
    }
    reader->pq->is_copying = false;
    if (reader->has_ended && tm__pq_check(reader->pq, NULL) == TM_OK) {
        if (tm__pq_exec(reader->pq, "ROLLBACK", NULL) != TM_OK) {
            reader->pq->is_lost = true;
        }
    } else {
        reader->pq->is_lost = true; /* rows are on their way: this connection is of no more use */
    }
    for (uint32_t i = 0; reader->fields != NULL && i < reader->n_fields; i++) {
        tm__mem_free(reader->fields[i].name);
    }
    tm__mem_free(reader->fields);
    tm__mem_free(reader->targets);
    tm__mem_free(reader);
}

/* ---- The query ---- */

static tm_status describe(tm_pq *pq, const char *source, PGresult **out, tm_err *err) {
    tm_buf sql;
    tm__buf_init(&sql, SQL_BYTES_MAX);
    tm_status st = tm__buf_printf(&sql, "SELECT * FROM ") && tm__buf_text(&sql, source)
                       ? TM_OK
                       : tm__buf_status(&sql);
    if (st != TM_OK) {
        st = tm__sql_failed(&sql, err);
    } else if (pq->api.PQsendPrepare(pq->conn, "", (const char *)sql.data, 0, NULL) == 0) {
        st = tm__pq_lost(pq, err);
    } else {
        st = tm__pq_finish(pq, NULL, err);
    }
    tm__buf_done(&sql);
    TM_TRY(st);
    if (pq->api.PQsendDescribePrepared(pq->conn, "") == 0) {
        return tm__pq_lost(pq, err);
    }
    return tm__pq_finish(pq, out, err);
}

static tm_status learn_fields(tm_pq_reader *reader, const PGresult *result, tm_err *err) {
    const tm_pq_api *const api = &reader->pq->api;
    const int n = api->PQnfields(result);
    if (n <= 0) {
        return TM_FAIL(err, TM_E_USAGE, "the query gives no columns");
    }
    reader->fields = tm__mem_zalloc((size_t)n + 1, sizeof(*reader->fields));
    reader->targets = tm__mem_zalloc((size_t)n + 1, sizeof(*reader->targets));
    if (reader->fields == NULL || reader->targets == NULL) {
        return no_memory(err);
    }
    reader->n_cols = reader->n_fields = (uint32_t)n;
    for (int i = 0; i < n; i++) {
        field *const f = &reader->fields[i];
        const uint32_t oid = api->PQftype(result, i);
        f->kind = tm__pq_kind(oid, api->PQfmod(result, i));
        f->type = tm__pq_kind_type(f->kind);
        f->is_sortable_text = f->kind == TM_PQ_BLANKS || (f->kind == TM_PQ_TEXT && oid != 114);
        f->name = tm__mem_strdup(api->PQfname(result, i));
        if (f->name == NULL) {
            return no_memory(err);
        }
        for (int j = 0; j < i; j++) {
            if (strcmp(reader->fields[j].name, f->name) == 0) {
                (void)TM_FAIL(err, TM_E_USAGE, "two columns are named '%s'", f->name);
                tm_err_hint(err, "Give one of them another name in the query: x AS y.");
                return TM_E_USAGE;
            }
        }
    }
    return TM_OK;
}

static tm_status find_cursor(const tm_pq_reader *reader, const char *name, uint32_t *out,
                             tm_err *err) {
    const char **names = tm__mem_alloc(reader->n_cols, sizeof(*names));
    if (names == NULL) {
        return no_memory(err);
    }
    *out = UINT32_MAX;
    for (uint32_t i = 0; i < reader->n_cols; i++) {
        names[i] = reader->fields[i].name;
        *out = strcmp(names[i], name) == 0 ? i : *out;
    }
    tm_status st = TM_OK;
    if (*out == UINT32_MAX) {
        const char *const near = tm__str_nearest(tm__str(name), names, reader->n_cols);
        st = TM_FAIL(err, TM_E_USAGE, "the query has no column '%s' to go by", name);
        tm_err_hint(err, near == NULL ? "--cursor names one of its columns." : "Is it '%s'?", near);
    } else {
        const field *const f = &reader->fields[*out];
        const bool is_ordered =
            f->type != TM_TYPE_BOOL &&
            (f->type != TM_TYPE_TEXT || f->is_sortable_text || f->kind == TM_PQ_UUID);
        if (!is_ordered) {
            st = TM_FAIL(err, TM_E_USAGE, "column '%s' has no order to go by", name);
            tm_err_hint(err, "A cursor is a number, a date, a time, a text or a uuid.");
        }
    }
    tm__mem_free(names);
    return st;
}

/* ---- COPY ---- */

static void add_name(const field *f, tm_buf *sql) {
    (void)tm__buf_text(sql, "q.");
    (void)tm__sql_quote(sql, tm__str(f->name), '"');
}

static void add_cursor(const field *f, tm_buf *sql) {
    add_name(f, sql);
    /* Of the bytes, as values are compared here; a language's order may call two texts the same. */
    (void)(!f->is_sortable_text || tm__buf_text(sql, " COLLATE \"C\""));
}

static void add_conditions(const field *f, const tm_pq_select *select, tm_buf *sql) {
    (void)tm__buf_text(sql, " WHERE ");
    add_name(f, sql);
    (void)tm__buf_text(sql, " IS NOT NULL");
    if (f->type == TM_TYPE_DATE || f->type == TM_TYPE_TIME) {
        (void)tm__buf_text(sql, " AND isfinite(");
        add_name(f, sql);
        (void)tm__buf_text(sql, ")");
    } else if (f->type == TM_TYPE_FLOAT) { /* NaN is the greatest there */
        (void)tm__buf_text(sql, " AND ");
        add_name(f, sql);
        (void)tm__buf_text(sql, " > '-Infinity' AND ");
        add_name(f, sql);
        (void)tm__buf_text(sql, " < 'Infinity'");
    }
    if (select->after.ptr != NULL) {
        (void)tm__buf_text(sql, " AND ");
        add_cursor(f, sql);
        (void)tm__buf_text(sql, " >= ");
        (void)tm__sql_quote(sql, select->after, '\'');
    }
    if (select->until_us != 0) {
        char text[40];
        const size_t len = tm__time_to_text(select->until_us, text);
        (void)tm__buf_text(sql, " AND ");
        add_cursor(f, sql);
        (void)tm__buf_text(sql, " < ");
        (void)tm__sql_quote(sql, (tm_str){text, len}, '\'');
    }
    (void)tm__buf_text(sql, " ORDER BY ");
    add_cursor(f, sql);
}

static tm_status start_copy(tm_pq_reader *reader, const char *source, const tm_pq_select *select,
                            uint32_t cursor, tm_err *err) {
    tm_pq *const pq = reader->pq;
    tm_buf sql;
    tm__buf_init(&sql, SQL_BYTES_MAX);
    (void)tm__buf_text(&sql, "COPY (SELECT ");
    for (uint32_t i = 0; i < reader->n_fields; i++) {
        const field *const f = &reader->fields[i < reader->n_cols ? i : cursor];
        const bool as_text = i == reader->n_cols || f->kind == TM_PQ_OTHER;
        (void)(i == 0 || tm__buf_text(&sql, ", "));
        add_name(f, &sql);
        (void)(!as_text || tm__buf_text(&sql, "::text"));
    }
    (void)(tm__buf_text(&sql, " FROM ") && tm__buf_text(&sql, source));
    if (cursor != UINT32_MAX) {
        add_conditions(&reader->fields[cursor], select, &sql);
    }
    (void)tm__buf_text(&sql, ") TO STDOUT (FORMAT binary)");
    tm_status st = tm__buf_status(&sql);
    if (st != TM_OK) {
        st = tm__sql_failed(&sql, err);
    } else if (pq->api.PQsendQuery(pq->conn, (const char *)sql.data) == 0) {
        st = tm__pq_lost(pq, err);
    }
    tm__buf_done(&sql);
    TM_TRY(st);
    PGresult *result = NULL;
    TM_TRY(tm__pq_next(pq, &result, err));
    if (result == NULL) {
        return tm__pq_lost(pq, err);
    }
    if (pq->api.PQresultStatus(result) != PGRES_COPY_OUT) {
        st = tm__pq_result_fail(pq, result, err);
        tm__pq_drain(pq);
        reader->has_ended = true;
    }
    pq->api.PQclear(result);
    return st;
}

/* Everything up to the first row. */
static tm_status start(tm_pq_reader *reader, const tm_pq_select *select, tm_err *err) {
    tm_pq *const pq = reader->pq;
    uint32_t cursor = UINT32_MAX;
    PGresult *result = NULL;
    tm_buf source;
    tm__buf_init(&source, SQL_BYTES_MAX);
    tm_status st = tm__sql_source(select->query, &source, err);
    if (st == TM_OK && source.failed) {
        st = tm__sql_failed(&source, err);
    }
    st = st != TM_OK ? st : tm__pq_exec(pq, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
    st = st != TM_OK ? st : describe(pq, (const char *)source.data, &result, err);
    st = st != TM_OK ? st : learn_fields(reader, result, err);
    if (st == TM_OK && select->cursor != NULL) {
        st = find_cursor(reader, select->cursor, &cursor, err);
    }
    if (st == TM_OK && cursor != UINT32_MAX) {
        const field *const f = &reader->fields[cursor];
        reader->n_fields += f->kind == TM_PQ_NUMERIC ? 1 : 0;
        if (reader->n_fields > reader->n_cols) {
            reader->fields[reader->n_cols].kind = TM_PQ_TEXT;
            reader->fields[reader->n_cols].type = TM_TYPE_TEXT;
        }
        if (select->until_us != 0 && f->type != TM_TYPE_TIME) {
            st = TM_FAIL(err, TM_E_USAGE, "column '%s' is no time, so nothing in it settles",
                         f->name);
            tm_err_hint(err, "--settle goes with a cursor of type timestamp or timestamptz.");
        }
    }
    st = st != TM_OK ? st : start_copy(reader, (const char *)source.data, select, cursor, err);
    pq->api.PQclear(result);
    tm__buf_done(&source);
    return st;
}

tm_status tm__pq_reader_open(tm_pq *pq, const tm_pq_select *select, tm_pq_reader **out,
                             tm_err *err) {
    TM_ASSERT(!pq->is_copying);
    TM_TRY(tm__pq_check(pq, err));
    tm_pq_reader *reader = tm__mem_zalloc(1, sizeof(*reader));
    if (reader == NULL) {
        return no_memory(err);
    }
    reader->pq = pq;
    const char *const encoding = pq->api.PQparameterStatus(pq->conn, "server_encoding");
    reader->check_utf8 = encoding == NULL || strcmp(encoding, "SQL_ASCII") == 0;
    reader->has_ended = true; /* no rows are on their way yet */
    const tm_status st = start(reader, select, err);
    if (st != TM_OK) {
        tm__pq_reader_free(reader);
        return st;
    }
    reader->has_ended = false;
    pq->is_copying = true;
    const uint32_t fitting = BLOCK_BYTES / 8 / reader->n_fields;
    reader->rows_max = fitting < BLOCK_ROWS_MIN ? BLOCK_ROWS_MIN
                       : fitting < BLOCK_ROWS   ? fitting
                                                : BLOCK_ROWS;
    *out = reader;
    return TM_OK;
}

/* ---- Rows ---- */

static tm_status strange_value(const tm_pq_reader *reader, uint32_t col, tm_err *err) {
    const char *const name = reader->fields[col].name;
    (void)TM_FAIL(err, TM_E_DATA, "a value of column '%s' is not as PostgreSQL sends it", name);
    tm_err_hint(err, "Cast it in the query: \"%s\"::text.", name);
    tm_err_at(err, NULL, reader->n_rows + 1, col + 1);
    return TM_E_DATA;
}

static void put_missing(const tm_pq_reader *reader, uint32_t col, uint64_t row) {
    const target *const t = &reader->targets[col];
    if (t->codes != NULL) {
        t->codes[row] = TM_CODE_MISSING;
    } else if (t->floats != NULL) {
        t->floats[row] = tm__nan();
    } else {
        t->ints[row] = TM_INT_MISSING;
    }
}

/* The value of a row has no place in its column: it is put aside, or ends the reading. */
static tm_status bad_value(tm_pq_reader *reader, const tm_bad_value *value, tm_err *err) {
    const char *const name = reader->fields[value->col].name;
    if (reader->bad != NULL) {
        put_missing(reader, value->col, value->row);
        return tm__bad_values_add(reader->bad, value) ? TM_OK : no_memory(err);
    }
    (void)TM_FAIL(err, TM_E_DATA, "column '%s': %s", name, tm__bad_kind_text(value->kind));
    tm_err_hint(err, "Cast it in the query: \"%s\"::text.", name);
    tm_err_at(err, NULL, reader->n_rows + 1, value->col + 1);
    return TM_E_DATA;
}

static tm_status read_text(tm_pq_reader *reader, uint32_t col, uint64_t row, tm_str bytes,
                           tm_err *err) {
    char uuid[40];
    tm_str text;
    const target *const t = &reader->targets[col];
    if (!tm__pq_read_text(reader->fields[col].kind, (const uint8_t *)bytes.ptr, bytes.len, uuid,
                          &text)) {
        return strange_value(reader, col, err);
    }
    if (reader->check_utf8 && !tm__str_is_utf8(text)) {
        const tm_bad_value value = {
            .row = (uint32_t)row, .col = col, .kind = TM_BAD_ENCODING, .value = text};
        return bad_value(reader, &value, err);
    }
    t->codes[row] = tm__dict_add(t->dict, text);
    return t->codes[row] == TM_CODE_MISSING ? no_memory(err) : TM_OK;
}

static tm_status far_value(tm_pq_reader *reader, uint32_t col, uint64_t row, tm_str bytes,
                           tm_err *err) {
    const field *const f = &reader->fields[col];
    tm_buf text;
    tm__buf_init(&text, FAR_BYTES_MAX);
    const bool is_good =
        tm__pq_far_text(f->kind, (const uint8_t *)bytes.ptr, bytes.len, &text) && !text.failed;
    const tm_bad_value value = {.row = (uint32_t)row,
                                .col = col,
                                .kind = f->type == TM_TYPE_FLOAT ? TM_BAD_NUMBER
                                        : f->type == TM_TYPE_INT ? TM_BAD_WHOLE
                                                                 : TM_BAD_TIME,
                                .value = {(const char *)text.data, text.len}};
    const tm_status st = is_good          ? bad_value(reader, &value, err)
                         : text.no_memory ? no_memory(err)
                                          : strange_value(reader, col, err);
    tm__buf_done(&text);
    return st;
}

static tm_status read_value(tm_pq_reader *reader, uint32_t col, uint64_t row, tm_str bytes,
                            tm_err *err) {
    const field *const f = &reader->fields[col];
    const target *const t = &reader->targets[col];
    const uint8_t *const data = (const uint8_t *)bytes.ptr;
    if (f->type == TM_TYPE_TEXT) {
        return read_text(reader, col, row, bytes, err);
    }
    const bool is_good = f->type == TM_TYPE_FLOAT
                             ? tm__pq_read_float(f->kind, data, bytes.len, &t->floats[row])
                             : tm__pq_read_int(f->kind, data, bytes.len, &t->ints[row]);
    return is_good ? TM_OK : far_value(reader, col, row, bytes, err);
}

/* One message; *out_end for the one that says that there are no more. */
static tm_status read_row(tm_pq_reader *reader, tm_str bytes, uint64_t row, bool *out_end,
                          tm_err *err) {
    const uint8_t *p = (const uint8_t *)bytes.ptr;
    const uint8_t *const end = p + bytes.len;
    if (!reader->has_head) {
        if (bytes.len < SIGNATURE_BYTES + 8 || memcmp(p, SIGNATURE, SIGNATURE_BYTES) != 0) {
            return TM_FAIL(err, TM_E_DATA, "the server sends no COPY in binary");
        }
        uint32_t extra = 0;
        memcpy(&extra, p + SIGNATURE_BYTES + 4, sizeof(extra));
        extra = __builtin_bswap32(extra);
        p += SIGNATURE_BYTES + 8;
        if (extra > (size_t)(end - p)) {
            return TM_FAIL(err, TM_E_DATA, "the server sends no COPY in binary");
        }
        p += extra;
        reader->has_head = true;
        if (p == end) {
            *out_end = false;
            return TM_OK; /* rows come in messages of their own */
        }
    }
    const uint32_t n = end - p < 2 ? 0 : (uint32_t)(p[0] << 8 | p[1]);
    *out_end = n == 0xffff;
    if (*out_end || n != reader->n_fields) {
        return *out_end ? TM_OK
                        : TM_FAIL(err, TM_E_DATA, "the server sends a row of another shape");
    }
    p += 2;
    for (uint32_t col = 0; col < n; col++) {
        uint32_t len = 0;
        if (end - p < 4) {
            return TM_FAIL(err, TM_E_DATA, "the server sends a row that is cut short");
        }
        memcpy(&len, p, sizeof(len));
        len = __builtin_bswap32(len);
        p += 4;
        if (len == UINT32_MAX) {
            put_missing(reader, col, row);
            continue;
        }
        if (len > (size_t)(end - p)) {
            return TM_FAIL(err, TM_E_DATA, "the server sends a row that is cut short");
        }
        TM_TRY(read_value(reader, col, row, (tm_str){(const char *)p, len}, err));
        p += len;
    }
    reader->n_rows++;
    return TM_OK;
}

/* The next message of the COPY; *out NULL at its end. */
static tm_status next_message(tm_pq_reader *reader, char **out, size_t *out_len, tm_err *err) {
    tm_pq *const pq = reader->pq;
    for (;;) {
        const int len = pq->api.PQgetCopyData(pq->conn, out, 1);
        if (len > 0) {
            *out_len = (size_t)len;
            return TM_OK;
        }
        *out = NULL;
        if (len < 0) {
            reader->has_ended = true;
            return tm__pq_finish(pq, NULL, err); /* says whether it was the end or a failure */
        }
        TM_TRY(tm__pq_wait(pq, false, err));
        if (pq->api.PQconsumeInput(pq->conn) == 0) {
            return tm__pq_lost(pq, err);
        }
    }
}

/* Columns [from, end) of the fields as a table to fill. */
static tm_status block_open(tm_pq_reader *reader, uint32_t from, uint32_t end,
                            tm_table_builder **out, tm_err *err) {
    tm_table_builder *builder = tm__builder_create();
    tm_status st = builder == NULL ? no_memory(err) : TM_OK;
    for (uint32_t i = from; st == TM_OK && i < end; i++) {
        const field *const f = &reader->fields[i];
        st = tm__builder_add_column(builder, f->name == NULL ? "cursor" : f->name, f->type, err);
    }
    st = st != TM_OK ? st : tm__builder_reserve(builder, reader->rows_max, err);
    if (st != TM_OK) {
        tm__builder_free(builder);
        return st;
    }
    for (uint32_t i = from; i < end; i++) {
        reader->targets[i] = (target){.ints = tm__builder_ints(builder, i - from),
                                      .floats = tm__builder_floats(builder, i - from),
                                      .codes = tm__builder_codes(builder, i - from),
                                      .dict = tm__builder_dict(builder, i - from)};
    }
    *out = builder;
    return TM_OK;
}

static tm_status fill(tm_pq_reader *reader, uint64_t *out_rows, tm_err *err) {
    uint64_t row = 0;
    size_t n_bytes = 0;
    while (!reader->has_ended && row < reader->rows_max && n_bytes < BLOCK_BYTES) {
        char *message = NULL;
        size_t len = 0;
        bool is_end = false;
        TM_TRY(next_message(reader, &message, &len, err));
        if (message == NULL) {
            break;
        }
        const uint64_t before = reader->n_rows;
        const tm_status st = read_row(reader, (tm_str){message, len}, row, &is_end, err);
        reader->pq->api.PQfreemem(message);
        TM_TRY(st);
        row += reader->n_rows - before;
        n_bytes += len;
    }
    *out_rows = row;
    return TM_OK;
}

tm_status tm__pq_reader_next(tm_pq_reader *reader, tm_table **out, tm_table **out_cursor,
                             tm_bad_values *bad, tm_err *err) {
    tm_table_builder *rows = NULL, *exact = NULL;
    tm_table *table = NULL, *cursor = NULL;
    uint64_t n = 0;
    reader->bad = bad;
    tm_status st = block_open(reader, 0, reader->n_cols, &rows, err);
    if (st == TM_OK && reader->n_fields > reader->n_cols) {
        st = block_open(reader, reader->n_cols, reader->n_fields, &exact, err);
    }
    st = st != TM_OK ? st : fill(reader, &n, err);
    if (st == TM_OK && n > 0) {
        tm__builder_set_rows(rows, n);
        st = tm__builder_finish(rows, &table, err);
        rows = NULL;
    }
    if (st == TM_OK && n > 0 && exact != NULL) {
        tm__builder_set_rows(exact, n);
        st = tm__builder_finish(exact, &cursor, err);
        exact = NULL;
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
