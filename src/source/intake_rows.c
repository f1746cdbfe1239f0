/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a table that goes in whole: its columns fit those of the source as they are, so only the
 * keys are looked at row by row. A table of which any value needs another look is read as any push
 * is, by intake_push.c, and the result is the same.
 */
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "source/expect.h"
#include "source/intake_priv.h"

#define KEY_BYTES_MAX ((size_t)64 << 20)

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for rows");
}

/* ---- Columns ---- */

static bool has_long_text(const tm_column *column) {
    const uint32_t n = column->type == TM_TYPE_TEXT ? tm__dict_count(column->dict) : 0;
    for (uint32_t code = 0; code < n; code++) {
        if (tm__dict_get(column->dict, code).len > TM_MAX_TEXT_BYTES) {
            return true;
        }
    }
    return false;
}

static bool column_fits(const tm_column *column, uint64_t n_rows, tm_type type) {
    const bool is_same = type == TM_TYPE_NONE || column->type == type ||
                         (type == TM_TYPE_FLOAT && column->type == TM_TYPE_INT) ||
                         (type == TM_TYPE_TIME && column->type == TM_TYPE_DATE);
    return (is_same || column->n_missing == n_rows) && !has_long_text(column);
}

static tm_evidence evidence_of(const tm_column *column, uint32_t col, uint64_t n_rows) {
    tm_evidence e = {.name = (char *)(uintptr_t)column->name,
                     .col = col,
                     .n_missing = column->n_missing,
                     .declared = column->type};
    const uint64_t n = n_rows - column->n_missing;
    e.n_bools = column->type == TM_TYPE_BOOL ? n : 0;
    e.n_ints = column->type == TM_TYPE_INT ? n : 0;
    e.n_floats = column->type == TM_TYPE_FLOAT ? n : 0;
    e.n_texts = column->type == TM_TYPE_TEXT ? n : 0;
    e.n_times = column->type == TM_TYPE_DATE || column->type == TM_TYPE_TIME ? n : 0;
    return e;
}

/* Columns of the source with those of the table; *out NULL when some do not fit. */
static tm_status fit_columns(const tm_push *push, tm_intake_columns *columns,
                             tm_intake_columns **out, tm_err *err) {
    const tm_table *const table = push->table;
    const uint32_t n = tm__table_cols(table);
    const uint64_t n_rows = tm__table_rows(table);
    bool fits = true;
    uint32_t n_changes = 0;
    tm_evidence *evidence = tm__mem_alloc((size_t)n + 1, sizeof(*evidence));
    *out = NULL;
    if (evidence == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < n && fits; i++) {
        const tm_column *column = tm__table_column(table, i);
        const uint32_t col = tm__intake_columns_find(columns, tm__str(column->name));
        const tm_type type = col == UINT32_MAX ? TM_TYPE_NONE : columns->schema.cols[col].type;
        fits = column_fits(column, n_rows, type);
        if (type == TM_TYPE_NONE) { /* others are as they were */
            tm_evidence *const e = &evidence[n_changes++];
            *e = evidence_of(column, col, n_rows);
            if (push->form == TM_PUSH_CSV && column->n_missing == n_rows) {
                e->declared = TM_TYPE_NONE; /* a text says no type */
            }
        }
    }
    const tm_status st =
        fits ? tm__intake_columns_fit(columns, evidence, n_changes, false, out, err) : TM_OK;
    tm__mem_free(evidence);
    return st;
}

/* False when a row lacks a value of a column that is declared to have one. */
static bool has_required(const tm_table *table, const tm_intake_columns *columns) {
    for (uint32_t i = 0; columns->rules != NULL && i < columns->schema.n_cols; i++) {
        const uint32_t at = tm__table_find(table, columns->schema.cols[i].name);
        if (tm__intake_columns_rule(columns, i)->is_required &&
            (at == UINT32_MAX || tm__table_column(table, at)->n_missing > 0)) {
            return false;
        }
    }
    return true;
}

/* ---- Keys ---- */

/* *out_fits false: a row has no key. */
static tm_status read_keys(const tm_table *table, const tm_intake_columns *columns,
                           tm_row_key *keys, bool *out_fits, tm_err *err) {
    const uint64_t n_rows = tm__table_rows(table);
    tm_cell *cells = tm__mem_zalloc((size_t)columns->schema.n_cols + 1, sizeof(*cells));
    const tm_column **from = tm__mem_alloc((size_t)columns->n_keys + 1, sizeof(*from));
    tm_buf bytes;
    tm__buf_init(&bytes, KEY_BYTES_MAX);
    tm_status st = cells == NULL || from == NULL ? no_memory(err) : TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < columns->n_keys; i++) {
        const char *name = columns->schema.cols[columns->keys[i]].name;
        const uint32_t at = tm__table_find(table, name);
        *out_fits = *out_fits && at != UINT32_MAX;
        from[i] = at == UINT32_MAX ? NULL : tm__table_column(table, at);
    }
    for (uint64_t row = 0; st == TM_OK && *out_fits && row < n_rows; row++) {
        for (uint32_t i = 0; i < columns->n_keys; i++) {
            cells[columns->keys[i]] = tm__column_cell(from[i], row);
        }
        *out_fits = tm__row_key_bytes(cells, columns, &bytes);
        keys[row] = tm__row_key(bytes.data, bytes.len);
    }
    if (st == TM_OK && bytes.failed) {
        st = no_memory(err);
    }
    tm__mem_free(cells);
    tm__mem_free(from);
    tm__buf_done(&bytes);
    return st;
}

/* ---- Changes ---- */

/* Rows of a table as cells, those that rules read. */
typedef struct table_walk {
    const tm_table *table;
    const tm_condition_column *columns; /* [n_columns] */
    const tm_column **from;             /* [n_columns]; NULL: the table lacks it */
    uint32_t n_columns;
    tm_cell *cells;
    uint64_t row, n_rows;
} table_walk;

static void rewind_table(void *arg) {
    ((table_walk *)arg)->row = 0;
}

static const tm_cell *next_of_table(void *arg) {
    table_walk *const w = arg;
    if (w->row == w->n_rows) {
        return NULL;
    }
    for (uint32_t i = 0; i < w->n_columns; i++) {
        w->cells[w->columns[i].at] =
            w->from[i] != NULL ? tm__column_cell(w->from[i], w->row) : (tm_cell){0};
    }
    w->row++;
    return w->cells;
}

/* Rules, of which one that sends rows to quarantine makes *out_fits false. */
static tm_status ask_rules(const tm_table *table, tm_rows *rows, bool *out_fits, tm_err *err) {
    table_walk w = {.table = table, .n_rows = tm__table_rows(table)};
    const tm_condition_rows all = {
        .rewind = rewind_table, .next = next_of_table, .arg = &w, .n_rows = w.n_rows};
    if (!tm__look_has_rules(rows->look)) {
        return TM_OK;
    }
    w.columns = tm__look_asked(rows->look, &w.n_columns);
    w.cells = tm__mem_zalloc((size_t)rows->columns->schema.n_cols + 1, sizeof(*w.cells));
    w.from = tm__mem_zalloc((size_t)w.n_columns + 1, sizeof(*w.from));
    const tm_status st = w.cells == NULL || w.from == NULL ? no_memory(err) : TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < w.n_columns; i++) {
        const uint32_t at = tm__table_find(table, w.columns[i].name);
        w.from[i] = at == UINT32_MAX ? NULL : tm__table_column(table, at);
    }
    while (st == TM_OK && *out_fits && next_of_table(&w) != NULL) {
        tm_finding finding;
        *out_fits = tm__look_ask(rows->look, w.cells, &finding);
    }
    if (st == TM_OK && *out_fits && w.n_rows > 0) {
        tm__look_ask_all(rows->look, &all);
    }
    tm__mem_free(w.cells);
    tm__mem_free(w.from);
    return st == TM_OK && tm__look_has_failed(rows->look) ? no_memory(err) : st;
}

/* The look of a sample; *out_fits false: some of the rows, or all, may not go in as they are. */
static tm_status look_at(const tm_table *table, tm_intake_columns *before, tm_rows *rows,
                         bool *out_fits, tm_err *err) {
    const tm_schema *schema = &rows->columns->schema;
    const uint64_t n_rows = tm__table_rows(table);
    const tm_look_input input = {.schema = schema,
                                 .n_before = before->schema.n_cols,
                                 .keys = rows->columns->keys,
                                 .n_keys = rows->columns->n_keys,
                                 .n_rows = n_rows};
    if (before->watch == NULL) {
        return TM_OK;
    }
    TM_TRY(tm__look_create(before->watch, &input, &rows->look, err));
    const bool is_new = before->version > 0 && rows->columns != before;
    if (rows->look == NULL || tm__look_is_strict(rows->look) || is_new) {
        *out_fits = false; /* each row is looked at */
        return TM_OK;
    }
    TM_TRY(ask_rules(table, rows, out_fits, err));
    if (!*out_fits) {
        return TM_OK;
    }
    tm_cell *cells = tm__mem_zalloc((size_t)schema->n_cols + 1, sizeof(*cells));
    uint64_t *given = tm__mem_zalloc((size_t)schema->n_cols + 1, sizeof(*given));
    const tm_column **from = tm__mem_zalloc((size_t)schema->n_cols + 1, sizeof(*from));
    tm_status st = cells == NULL || given == NULL || from == NULL ? no_memory(err) : TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < schema->n_cols; i++) {
        const uint32_t at = tm__table_find(table, schema->cols[i].name);
        from[i] = at == UINT32_MAX ? NULL : tm__table_column(table, at);
        given[i] = from[i] != NULL ? 1 : 0;
    }
    for (uint64_t row = tm__look_next(rows->look); st == TM_OK && row < n_rows;
         row = tm__look_next(rows->look)) {
        tm_finding finding;
        for (uint32_t i = 0; i < schema->n_cols; i++) {
            cells[i] = from[i] != NULL ? tm__column_cell(from[i], row) : (tm_cell){0};
        }
        *out_fits = tm__look_row(rows->look, cells, given, 1, &finding) && *out_fits;
    }
    *out_fits = *out_fits && tm__look_judge(rows->look) == NULL;
    st = st == TM_OK && tm__look_has_failed(rows->look) ? no_memory(err) : st;
    tm__mem_free(cells);
    tm__mem_free(given);
    tm__mem_free(from);
    return st;
}

tm_status tm__rows_of_table(const tm_push *push, tm_intake_columns *columns, tm_rows *out,
                            bool *out_fits, tm_err *err) {
    const tm_table *const table = push->table;
    tm_rows rows = {.n_rows = tm__table_rows(table)};
    tm__buf_init(&rows.batch, 0);
    tm__buf_init(&rows.bad_bytes, 0);
    if ((push->bad != NULL && push->bad->n > 0) || columns->n_private > 0) { /* row by row */
        *out_fits = false;
        return TM_OK;
    }
    TM_TRY(fit_columns(push, columns, &rows.columns, err));
    bool fits = rows.columns != NULL && has_required(table, columns);
    tm_status st = TM_OK;
    if (fits && columns->n_keys > 0) {
        rows.keys = tm__mem_alloc(rows.n_rows + 1, sizeof(*rows.keys));
        st = rows.keys == NULL ? no_memory(err)
                               : read_keys(table, rows.columns, rows.keys, &fits, err);
    }
    if (st == TM_OK && fits) {
        st = look_at(table, columns, &rows, &fits, err);
    }
    if (st != TM_OK || !fits) {
        tm__rows_done(&rows);
        *out_fits = false;
        return st;
    }
    const bool lacks_some = tm__table_cols(table) < rows.columns->schema.n_cols;
    rows.n_incomplete = lacks_some ? rows.n_rows : 0;
    *out = rows;
    *out_fits = true;
    return TM_OK;
}
