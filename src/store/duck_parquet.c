/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading what store/parquet wrote. DuckDB does not tell names apart by case and reads `a` and `A`
 * as `a` and `A_1`, so the file's metadata hold the names as they are.
 */
#include "base/buf.h"
#include "base/json.h"
#include "store/duck_priv.h"
#include "store/parquet.h"

#define SQL_MAX (16u << 20)

/* Names that the file was written with; NULL in *out when it does not say. */
static tm_status read_names(tm_duck *duck, const char *path, json_t **out, tm_err *err) {
    tm_buf sql;
    tm_table *table = NULL;
    tm__buf_init(&sql, SQL_MAX);
    (void)tm__buf_text(&sql, "SELECT decode(value) FROM parquet_kv_metadata(");
    tm__duck_quote(&sql, path, '\'');
    (void)tm__buf_text(&sql, ") WHERE decode(key) = '" TM_PARQUET_NAMES_KEY "'");
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
