/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file: "PAR1", row groups (each a chunk of every column), footer, its length, "PAR1".
 *
 * Chunks of some columns are made at a time, by as many threads as there are, and written in their
 * order. So what is held does not grow with the columns, and the bytes do not hang on threads.
 */
#include "store/parquet.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/pool.h"
#include "store/parquet_chunk.h"
#include "store/parquet_values.h"

#define MAGIC "PAR1"
#define CREATED_BY "tidemill version 1"
#define FOOTER_BYTES_MAX (1u << 30)
enum { MAGIC_BYTES = 4, COLUMNS_AT_A_TIME = 16, OPTIONAL = 1 };
enum { CONVERTED_UTF8 = 0, CONVERTED_DATE = 6, CONVERTED_MICROS = 10, CONVERTED_INT64 = 18 };
enum { LOGICAL_TEXT = 1, LOGICAL_DATE = 6, LOGICAL_TIME = 8, UNIT_MICROS = 2 };

typedef struct writing {
    tm_ctx *ctx;
    const tm_table *table;
    tm_file *file;
    int64_t at; /* bytes written so far */
    tm_row_span rows;
    tm_buf groups; /* of the footer */
    uint64_t n_groups;
    tm_parquet_chunk chunks[COLUMNS_AT_A_TIME];
} writing;

/* --- row groups --- */

static void make_chunk(void *arg, uint64_t item, uint32_t worker) {
    writing *const w = arg;
    (void)worker;
    tm__parquet_chunk_make(&w->chunks[item]);
}

static tm_status write_bytes(writing *w, const void *data, size_t len, tm_err *err) {
    TM_TRY(tm__file_write(w->file, data, len, err));
    w->at += (int64_t)len;
    return TM_OK;
}

typedef struct group {
    tm_row_span rows;
    tm_buf columns; /* as the footer describes them */
    int64_t place;
    uint64_t raw_bytes;
} group;

static tm_status write_chunk(writing *w, const tm_parquet_chunk *chunk, group *to, tm_err *err) {
    if (chunk->status != TM_OK) {
        return TM_FAIL(err, chunk->status, "no memory to write column '%s'", chunk->column->name);
    }
    tm__parquet_chunk_describe(chunk, w->at, &to->columns);
    to->raw_bytes += chunk->raw_bytes;
    return write_bytes(w, chunk->bytes.data, chunk->bytes.len, err);
}

static tm_status write_columns(writing *w, uint32_t first, uint32_t n, group *to, tm_err *err) {
    tm_status st = TM_OK;
    if (tm__ctx_cancelled(w->ctx)) {
        return TM_FAIL(err, TM_E_CANCELLED, "writing was cancelled");
    }
    for (uint32_t i = 0; i < n; i++) {
        w->chunks[i] =
            (tm_parquet_chunk){.column = tm__table_column(w->table, first + i), .rows = to->rows};
    }
    tm__pool_run(w->ctx->pool, n, make_chunk, w);
    for (uint32_t i = 0; i < n; i++) {
        st = st == TM_OK ? write_chunk(w, &w->chunks[i], to, err) : st;
        tm__parquet_chunk_done(&w->chunks[i]);
    }
    return st;
}

static void describe_group(writing *w, const group *of) {
    tm_thrift at = {.out = &w->groups};
    tm__thrift_list(&at, 1, TM_THRIFT_STRUCT, tm__table_cols(w->table));
    (void)tm__buf_append(&w->groups, of->columns.data, of->columns.len);
    tm__thrift_i64(&at, 2, (int64_t)of->raw_bytes);
    tm__thrift_i64(&at, 3, (int64_t)(of->rows.end - of->rows.begin));
    tm__thrift_i64(&at, 5, of->place);
    tm__thrift_i64(&at, 6, w->at - of->place);
    tm__thrift_end(&at);
    w->n_groups++;
}

static tm_status check_room(const tm_buf *buf, tm_err *err) {
    const tm_status st = tm__buf_status(buf);
    return st == TM_OK ? TM_OK
                       : TM_FAIL(err, st, "%s for the footer of a file of Parquet",
                                 st == TM_E_NOMEM ? "no memory" : "no room");
}

static tm_status write_group(writing *w, tm_row_span rows, tm_err *err) {
    const uint32_t n_cols = tm__table_cols(w->table);
    group g = {.rows = rows, .place = w->at};
    tm_status st = TM_OK;
    tm__buf_init(&g.columns, FOOTER_BYTES_MAX);
    for (uint32_t col = 0; st == TM_OK && col < n_cols; col += COLUMNS_AT_A_TIME) {
        const uint32_t n = n_cols - col < COLUMNS_AT_A_TIME ? n_cols - col : COLUMNS_AT_A_TIME;
        st = write_columns(w, col, n, &g, err);
    }
    st = st == TM_OK ? check_room(&g.columns, err) : st;
    if (st == TM_OK) {
        describe_group(w, &g);
        st = check_room(&w->groups, err);
    }
    tm__buf_done(&g.columns);
    return st;
}

/* --- the footer --- */

static void put_logical(tm_type type, tm_thrift *of) {
    tm_thrift logical = tm__thrift_struct(of, 10);
    if (type == TM_TYPE_TIME) {
        tm_thrift time = tm__thrift_struct(&logical, LOGICAL_TIME);
        tm__thrift_bool(&time, 1, false); /* in no zone */
        tm_thrift unit = tm__thrift_struct(&time, 2);
        tm_thrift micros = tm__thrift_struct(&unit, UNIT_MICROS);
        tm__thrift_end(&micros);
        tm__thrift_end(&unit);
        tm__thrift_end(&time);
    } else {
        tm_thrift plain =
            tm__thrift_struct(&logical, type == TM_TYPE_DATE ? LOGICAL_DATE : LOGICAL_TEXT);
        tm__thrift_end(&plain);
    }
    tm__thrift_end(&logical);
}

static void put_column(const tm_column *column, tm_buf *out) {
    static const int32_t converted[] = {
        CONVERTED_UTF8, -1, CONVERTED_INT64, -1, CONVERTED_UTF8, CONVERTED_DATE, CONVERTED_MICROS};
    const tm_type type = column->type;
    tm_thrift of = {.out = out};
    tm__thrift_i32(&of, 1, tm__parquet_type(type));
    tm__thrift_i32(&of, 3, OPTIONAL);
    tm__thrift_str(&of, 4, tm__str(column->name));
    if (converted[type] >= 0) {
        tm__thrift_i32(&of, 6, converted[type]);
    }
    if (converted[type] >= 0 && converted[type] != CONVERTED_INT64) {
        put_logical(type, &of);
    }
    tm__thrift_end(&of);
}

static void put_schema(const tm_table *table, tm_thrift *footer) {
    const uint32_t n_cols = tm__table_cols(table);
    tm__thrift_list(footer, 2, TM_THRIFT_STRUCT, (uint64_t)n_cols + 1);
    tm_thrift root = {.out = footer->out};
    tm__thrift_str(&root, 4, tm__str("rows"));
    tm__thrift_i32(&root, 5, (int32_t)n_cols);
    tm__thrift_end(&root);
    for (uint32_t col = 0; col < n_cols; col++) {
        put_column(tm__table_column(table, col), footer->out);
    }
}

/* The names once more: DuckDB does not tell names apart by case and gives others then. */
static tm_status put_names(const tm_table *table, tm_thrift *footer, tm_err *err) {
    tm_buf names;
    tm__buf_init(&names, FOOTER_BYTES_MAX);
    for (uint32_t col = 0; col < tm__table_cols(table); col++) {
        (void)tm__buf_text(&names, col == 0 ? "[" : ",");
        (void)tm__json_write_text(&names, tm__str(tm__table_column(table, col)->name));
    }
    (void)tm__buf_text(&names, "]");
    const tm_status st = check_room(&names, err);
    if (st == TM_OK) {
        tm_thrift pair = {.out = footer->out};
        tm__thrift_list(footer, 5, TM_THRIFT_STRUCT, 1);
        tm__thrift_str(&pair, 1, tm__str(TM_PARQUET_NAMES_KEY));
        tm__thrift_str(&pair, 2, (tm_str){(const char *)names.data, names.len});
        tm__thrift_end(&pair);
    }
    tm__buf_done(&names);
    return st;
}

/* That bounds are in the order of the column's type. */
static void put_orders(uint32_t n_cols, tm_thrift *footer) {
    tm__thrift_list(footer, 7, TM_THRIFT_STRUCT, n_cols);
    for (uint32_t col = 0; col < n_cols; col++) {
        tm_thrift order = {.out = footer->out};
        tm_thrift by_type = tm__thrift_struct(&order, 1);
        tm__thrift_end(&by_type);
        tm__thrift_end(&order);
    }
}

static tm_status write_footer(writing *w, tm_buf *out, tm_err *err) {
    tm_thrift footer = {.out = out};
    tm__thrift_i32(&footer, 1, 1);
    put_schema(w->table, &footer);
    tm__thrift_i64(&footer, 3, (int64_t)(w->rows.end - w->rows.begin));
    tm__thrift_list(&footer, 4, TM_THRIFT_STRUCT, w->n_groups);
    (void)tm__buf_append(out, w->groups.data, w->groups.len);
    TM_TRY(put_names(w->table, &footer, err));
    tm__thrift_str(&footer, 6, tm__str(CREATED_BY));
    put_orders(tm__table_cols(w->table), &footer);
    tm__thrift_end(&footer);
    (void)tm__buf_u32(out, (uint32_t)out->len);
    (void)tm__buf_text(out, MAGIC);
    TM_TRY(check_room(out, err));
    return write_bytes(w, out->data, out->len, err);
}

static tm_status write_all(writing *w, tm_err *err) {
    tm_buf footer;
    TM_TRY(write_bytes(w, MAGIC, MAGIC_BYTES, err));
    for (uint64_t row = w->rows.begin; row < w->rows.end; row += TM_PARQUET_GROUP_ROWS) {
        const uint64_t left = w->rows.end - row;
        const uint64_t n = left < TM_PARQUET_GROUP_ROWS ? left : TM_PARQUET_GROUP_ROWS;
        TM_TRY(write_group(w, (tm_row_span){row, row + n}, err));
    }
    tm__buf_init(&footer, FOOTER_BYTES_MAX);
    const tm_status st = write_footer(w, &footer, err);
    tm__buf_done(&footer);
    return st;
}

tm_status tm__parquet_write(tm_ctx *ctx, const tm_table *table, tm_row_span rows, tm_file *file,
                            tm_err *err) {
    if (tm__table_cols(table) == 0) {
        return TM_FAIL(err, TM_E_DATA, "a table without columns cannot be written");
    }
    writing w = {.ctx = ctx, .table = table, .file = file, .rows = rows};
    tm__buf_init(&w.groups, FOOTER_BYTES_MAX);
    const tm_status st = write_all(&w, err);
    tm__buf_done(&w.groups);
    return st;
}

tm_status tm__parquet_write_path(tm_ctx *ctx, const tm_table *table, const char *path,
                                 tm_err *err) {
    tm_file *file = NULL;
    TM_TRY(tm__file_open(path, TM_OPEN_TRUNCATE, &file, err));
    tm_status st =
        tm__parquet_write(ctx, table, (tm_row_span){0, tm__table_rows(table)}, file, err);
    st = st == TM_OK ? tm__file_sync(file, err) : st;
    tm__file_close(file);
    return st;
}
