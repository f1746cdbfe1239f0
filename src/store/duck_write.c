/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a table as Parquet: its rows are appended in vectors to a temporary table of DuckDB,
 * which COPY then compresses on all threads in the rows' order. A table function would save that
 * copy, but its callbacks get no pointer of ours before they call DuckDB, so they would need
 * a global.
 *
 * DuckDB does not tell names apart by case and writes `a` and `A` as `a` and `A_1`, so the file's
 * metadata hold the names as they are.
 */
#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "store/duck_priv.h"

#define SQL_MAX (16u << 20)
#define COLUMNS_KEY "tidemill_columns"
/* Distinct values of a row group up to which it has a dictionary: trying one of 24,576, as DuckDB
 * does by itself, takes a seventh of the time where values differ, and saves nothing. */
#define DICTIONARY_MAX 4096
#define TABLE_NAME "tidemill_table"
#define DAY_US INT64_C(86400000000)

static duckdb_type type_of(tm_type type) {
    switch (type) {
    case TM_TYPE_BOOL:
        return DUCKDB_TYPE_BOOLEAN;
    case TM_TYPE_INT:
        return DUCKDB_TYPE_BIGINT;
    case TM_TYPE_FLOAT:
        return DUCKDB_TYPE_DOUBLE;
    case TM_TYPE_DATE:
        return DUCKDB_TYPE_DATE;
    case TM_TYPE_TIME:
        return DUCKDB_TYPE_TIMESTAMP;
    default:
        return DUCKDB_TYPE_VARCHAR;
    }
}

static const char *sql_type(tm_type type) {
    static const char *const names[] = {"VARCHAR", "BOOLEAN", "BIGINT",   "DOUBLE",
                                        "VARCHAR", "DATE",    "TIMESTAMP"};
    return names[type];
}

/* Marks the missing values of n rows; the vector's data of such rows is not read. */
static void write_validity(const tm_duck_api *api, const tm_column *column, duckdb_vector vector,
                           uint64_t first, uint64_t n) {
    if (column->n_missing == 0) {
        return;
    }
    api->vector_ensure_validity_writable(vector);
    uint64_t *const validity = api->vector_get_validity(vector);
    memset(validity, 0xff, (n + 63) / 64 * sizeof(*validity));
    for (uint64_t i = 0; i < n; i++) {
        if (tm__column_is_missing(column, first + i)) {
            validity[i / 64] &= ~(UINT64_C(1) << (i % 64));
        }
    }
}

static void write_vector(const tm_duck_api *api, const tm_column *column, duckdb_vector vector,
                         uint64_t first, uint64_t n) {
    void *const data = api->vector_get_data(vector);
    write_validity(api, column, vector, first, n);
    switch (column->type) {
    case TM_TYPE_BOOL:
        for (uint64_t i = 0; i < n; i++) {
            ((uint8_t *)data)[i] = column->ints[first + i] == 1;
        }
        break;
    case TM_TYPE_DATE:
        for (uint64_t i = 0; i < n; i++) {
            ((int32_t *)data)[i] = (int32_t)(column->ints[first + i] / DAY_US);
        }
        break;
    case TM_TYPE_TEXT:
        for (uint64_t i = 0; i < n; i++) {
            if (column->codes[first + i] != TM_CODE_MISSING) {
                const tm_str text = tm__dict_get(column->dict, column->codes[first + i]);
                api->vector_assign_string_element_len(vector, i, text.ptr, text.len);
            }
        }
        break;
    case TM_TYPE_FLOAT:
        memcpy(data, column->floats + first, n * sizeof(double));
        break;
    default:
        memcpy(data, column->ints + first, n * sizeof(int64_t));
        break;
    }
}

static tm_status append_rows(tm_duck *duck, const tm_table *table, tm_duck_rows rows,
                             duckdb_data_chunk chunk, tm_err *err) {
    const tm_duck_api *const api = &duck->api;
    duckdb_appender appender = NULL;
    bool failed =
        api->appender_create(duck->connection, NULL, TABLE_NAME, &appender) != DuckDBSuccess;
    for (uint64_t first = rows.begin; first < rows.end && !failed; first += api->vector_size()) {
        const uint64_t left = rows.end - first;
        const uint64_t n = left < api->vector_size() ? left : api->vector_size();
        api->data_chunk_reset(chunk);
        for (uint32_t col = 0; col < tm__table_cols(table); col++) {
            write_vector(api, tm__table_column(table, col), api->data_chunk_get_vector(chunk, col),
                         first, n);
        }
        api->data_chunk_set_size(chunk, n);
        failed = api->append_data_chunk(appender, chunk) != DuckDBSuccess;
    }
    if (!failed) {
        failed = api->appender_close(appender) != DuckDBSuccess;
    }
    api->appender_destroy(&appender);
    if (failed) {
        (void)TM_FAIL(err, TM_E_NOMEM, "DuckDB has no room for the table");
        tm_err_hint(err, "Free memory, or select fewer rows or columns.");
        return TM_E_NOMEM;
    }
    return TM_OK;
}

static tm_status append_table(tm_duck *duck, const tm_table *table, tm_duck_rows rows,
                              tm_err *err) {
    const tm_duck_api *const api = &duck->api;
    const uint32_t n_cols = tm__table_cols(table);
    duckdb_logical_type *const types = tm__mem_zalloc(n_cols, sizeof(*types));
    duckdb_data_chunk chunk = NULL;
    tm_status st = TM_OK;
    if (types == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to write a table");
    }
    for (uint32_t col = 0; col < n_cols; col++) {
        types[col] = api->create_logical_type(type_of(tm__table_column(table, col)->type));
    }
    chunk = api->create_data_chunk(types, n_cols);
    st = append_rows(duck, table, rows, chunk, err);
    api->destroy_data_chunk(&chunk);
    for (uint32_t col = 0; col < n_cols; col++) {
        api->destroy_logical_type(&types[col]);
    }
    tm__mem_free(types);
    return st;
}

static tm_status exec(tm_duck *duck, tm_buf *sql, tm_err *err) {
    const tm_status st = sql->failed ? TM_FAIL(err, TM_E_NOMEM, "no memory to write a table")
                                     : tm__duck_exec(duck, (const char *)sql->data, err);
    tm__buf_reset(sql);
    return st;
}

static void append_create(const tm_table *table, tm_buf *sql) {
    (void)tm__buf_text(sql, "CREATE OR REPLACE TEMP TABLE " TABLE_NAME "(");
    for (uint32_t col = 0; col < tm__table_cols(table); col++) {
        (void)tm__buf_printf(sql, "%sc%u %s", col == 0 ? "" : ", ", col,
                             sql_type(tm__table_column(table, col)->type));
    }
    (void)tm__buf_text(sql, ")");
}

/* A dictionary takes -0.0 and 0.0 for one value and would give both the sign of the first. All rows
 * are asked, not those of a part, so that every part is written alike. */
static bool has_negative_zero(const tm_table *table) {
    for (uint32_t col = 0; col < tm__table_cols(table); col++) {
        const tm_column *const column = tm__table_column(table, col);
        for (uint64_t i = 0; column->type == TM_TYPE_FLOAT && i < tm__table_rows(table); i++) {
            if (column->floats[i] == 0 && signbit(column->floats[i])) {
                return true;
            }
        }
    }
    return false;
}

static void append_copy(const tm_table *table, const char *path, tm_buf *sql, tm_buf *names) {
    (void)tm__buf_text(sql, "COPY (SELECT ");
    for (uint32_t col = 0; col < tm__table_cols(table); col++) {
        const char *const name = tm__table_column(table, col)->name;
        (void)tm__buf_printf(sql, "%sc%u AS ", col == 0 ? "" : ", ", col);
        tm__duck_quote(sql, name, '"');
        (void)tm__buf_text(names, col == 0 ? "[" : ",");
        (void)tm__json_write_text(names, tm__str(name));
    }
    (void)tm__buf_text(names, "]");
    (void)tm__buf_text(sql, " FROM " TABLE_NAME ") TO ");
    tm__duck_quote(sql, path, '\'');
    (void)tm__buf_printf(sql,
                         " (FORMAT parquet, COMPRESSION zstd, DICTIONARY_SIZE_LIMIT %d"
                         ", USE_TMP_FILE false, KV_METADATA {" COLUMNS_KEY ": ",
                         has_negative_zero(table) ? 0 : DICTIONARY_MAX);
    if (!names->failed) {
        tm__duck_quote(sql, (const char *)names->data, '\'');
    }
    (void)tm__buf_text(sql, "})");
}

tm_status tm__duck_write_parquet(tm_duck *duck, const tm_table *table, const char *path,
                                 tm_err *err) {
    const tm_duck_rows all = {0, tm__table_rows(table)};
    return tm__duck_write_parquet_rows(duck, table, all, path, err);
}

tm_status tm__duck_write_parquet_rows(tm_duck *duck, const tm_table *table, tm_duck_rows rows,
                                      const char *path, tm_err *err) {
    if (tm__table_cols(table) == 0) {
        return TM_FAIL(err, TM_E_DATA, "a table without columns cannot be written");
    }
    tm_buf sql, names;
    tm__buf_init(&sql, SQL_MAX);
    tm__buf_init(&names, SQL_MAX);
    append_create(table, &sql);
    tm_status st = exec(duck, &sql, err);
    if (st == TM_OK) {
        st = append_table(duck, table, rows, err);
    }
    if (st == TM_OK) {
        append_copy(table, path, &sql, &names);
        st = names.failed ? TM_FAIL(err, TM_E_NOMEM, "no memory to write a table")
                          : exec(duck, &sql, err);
    }
    const tm_status dropped =
        tm__duck_exec(duck, "DROP TABLE IF EXISTS " TABLE_NAME, st == TM_OK ? err : NULL);
    tm__buf_done(&sql);
    tm__buf_done(&names);
    return st != TM_OK ? st : dropped;
}

/* Names that the file was written with; NULL in *out when it does not say. */
static tm_status read_names(tm_duck *duck, const char *path, json_t **out, tm_err *err) {
    tm_buf sql;
    tm_table *table = NULL;
    tm__buf_init(&sql, SQL_MAX);
    (void)tm__buf_text(&sql, "SELECT decode(value) FROM parquet_kv_metadata(");
    tm__duck_quote(&sql, path, '\'');
    (void)tm__buf_text(&sql, ") WHERE decode(key) = '" COLUMNS_KEY "'");
    tm_status st = sql.failed ? TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", path)
                              : tm__duck_query(duck, (const char *)sql.data, 1, &table, err);
    tm__buf_done(&sql);
    if (st != TM_OK) {
        return st;
    }
    *out = NULL;
    if (tm__table_rows(table) == 1) {
        const tm_str text = tm__column_cell(tm__table_column(table, 0), 0).text;
        st = tm__json_parse(text.ptr, text.len, 2, out, err);
    }
    tm__table_unref(table);
    return st;
}

static void append_select(const json_t *names, const char *path, tm_buf *sql) {
    const size_t n = json_array_size(names);
    (void)tm__buf_text(sql, n == 0 ? "SELECT *" : "SELECT ");
    for (size_t col = 0; col < n; col++) {
        const char *const name = json_string_value(json_array_get(names, col));
        (void)tm__buf_printf(sql, "%sc%zu AS ", col == 0 ? "" : ", ", col);
        tm__duck_quote(sql, name == NULL ? "" : name, '"');
    }
    (void)tm__buf_text(sql, " FROM read_parquet(");
    tm__duck_quote(sql, path, '\'');
    (void)tm__buf_text(sql, ")");
    for (size_t col = 0; col < n; col++) {
        (void)tm__buf_printf(sql, "%sc%zu", col == 0 ? " AS t(" : ", ", col);
    }
    (void)tm__buf_text(sql, n == 0 ? "" : ")");
}

tm_status tm__duck_read_parquet(tm_duck *duck, const char *path, tm_table **out, tm_err *err) {
    json_t *names = NULL;
    tm_buf sql;
    tm__buf_init(&sql, SQL_MAX);
    tm_status st = read_names(duck, path, &names, err);
    if (st == TM_OK) {
        append_select(names, path, &sql);
        st = sql.failed ? TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", path)
                        : tm__duck_query(duck, (const char *)sql.data, 0, out, err);
    }
    tm__buf_done(&sql);
    json_decref(names);
    return st;
}
