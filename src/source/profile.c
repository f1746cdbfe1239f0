/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of a profile: made, merged, typed, kept as bytes. */
#include "source/profile.h"

#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "source/csv_priv.h"
#include "source/profile_priv.h"
#include "table/sketch.h"

#define SHEET_MAGIC 0x46504D54u /* "TMPF" */
#define SHEET_VERSION 1u

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for a profile");
}

tm_profile_sheet *tm__profile_create(void) {
    return tm__mem_zalloc(1, sizeof(tm_profile_sheet));
}

void tm__profile_free(tm_profile_sheet *sheet) {
    if (sheet == NULL) {
        return;
    }
    for (uint32_t col = 0; col < sheet->n_cols; col++) {
        tm__mem_free(sheet->cols[col].name);
        tm__sketch_free(sheet->cols[col].sketch);
    }
    tm__mem_free(sheet->cols);
    tm__sketch_rows_free(sheet->same);
    tm__sketch_rows_free(sheet->same_input);
    tm__mem_free(sheet);
}

static bool add_column(tm_profile_sheet *sheet, const char *name) {
    if (sheet->n_cols == sheet->capacity) {
        const uint32_t capacity = sheet->capacity * 2 + 16;
        tm_profile_column *const cols =
            tm__mem_realloc(sheet->cols, capacity, sizeof(*sheet->cols));
        if (cols == NULL) {
            return false;
        }
        sheet->cols = cols;
        sheet->capacity = capacity;
    }
    const tm_profile_column column = {.name = tm__mem_strdup(name), .sketch = tm__sketch_create()};
    if (column.name == NULL || column.sketch == NULL) {
        tm__mem_free(column.name);
        tm__sketch_free(column.sketch);
        return false;
    }
    tm__sketch_add_missing(column.sketch, sheet->n_rows);
    sheet->cols[sheet->n_cols++] = column;
    return true;
}

tm_profile_column *tm__sheet_column(tm_profile_sheet *sheet, const char *name, uint32_t at) {
    if (at < sheet->n_cols && strcmp(sheet->cols[at].name, name) == 0) {
        return &sheet->cols[at];
    }
    for (uint32_t col = 0; col < sheet->n_cols; col++) {
        if (strcmp(sheet->cols[col].name, name) == 0) {
            return &sheet->cols[col];
        }
    }
    return add_column(sheet, name) ? &sheet->cols[sheet->n_cols - 1] : NULL;
}

/* Rows that this column lacks up to n_rows are missing. */
static void fill(tm_profile_sheet *sheet) {
    for (uint32_t col = 0; col < sheet->n_cols; col++) {
        tm_sketch_counts counts;
        tm__sketch_counts(sheet->cols[col].sketch, &counts);
        tm__sketch_add_missing(sheet->cols[col].sketch, sheet->n_rows - counts.n_rows);
    }
}

void tm__profile_reset(tm_profile_sheet *sheet) {
    for (uint32_t col = 0; col < sheet->n_cols; col++) {
        tm__sketch_reset(sheet->cols[col].sketch);
        sheet->cols[col].type = TM_TYPE_NONE;
    }
    if (sheet->same != NULL) {
        tm__sketch_rows_reset(sheet->same);
    }
    if (sheet->same_input != NULL) {
        tm__sketch_rows_reset(sheet->same_input);
    }
    sheet->n_rows = 0;
}

/* --- types --- */

static tm_type widen(tm_type a, tm_type b) {
    const bool are_numbers =
        (a == TM_TYPE_INT || a == TM_TYPE_FLOAT) && (b == TM_TYPE_INT || b == TM_TYPE_FLOAT);
    const bool are_times =
        (a == TM_TYPE_DATE || a == TM_TYPE_TIME) && (b == TM_TYPE_DATE || b == TM_TYPE_TIME);
    return a == TM_TYPE_NONE || a == b ? b
           : b == TM_TYPE_NONE         ? a
           : are_numbers               ? TM_TYPE_FLOAT
           : are_times                 ? TM_TYPE_TIME
                                       : TM_TYPE_TEXT;
}

tm_type tm__profile_type(const tm_profile_column *column, bool *out_open) {
    tm_sketch_counts counts;
    *out_open = false;
    tm__sketch_counts(column->sketch, &counts);
    if (column->type != TM_TYPE_NONE) {
        return column->type;
    }
    const tm_type type = tm__csv_decide(counts.evidence);
    *out_open = type == TM_TYPE_NONE;
    return *out_open ? TM_TYPE_TEXT : type;
}

bool tm__profile_is_month_first(const tm_profile_column *column) {
    tm_sketch_counts counts;
    tm__sketch_counts(column->sketch, &counts);
    return (counts.evidence & TM_CAN_MONTH_FIRST) != 0;
}

/* --- tables and merging --- */

tm_status tm__profile_add_table(tm_profile_sheet *sheet, const tm_table *table, tm_err *err) {
    for (uint32_t col = 0; col < tm__table_cols(table); col++) {
        const tm_column *const from = tm__table_column(table, col);
        tm_profile_column *const column = tm__sheet_column(sheet, from->name, col);
        if (column == NULL ||
            !tm__sketch_add_column(column->sketch, from, 0, tm__table_rows(table))) {
            return no_memory(err);
        }
        column->type = widen(column->type, from->type);
    }
    sheet->n_rows += tm__table_rows(table);
    fill(sheet);
    return TM_OK;
}

/* Equal rows of both; those of one that were not looked at are not known for both. */
static bool merge_same(tm_sketch_rows **own, const tm_sketch_rows *from) {
    if (from == NULL) {
        return true;
    }
    *own = *own == NULL ? tm__sketch_rows_create() : *own;
    return *own != NULL && tm__sketch_rows_merge(*own, from);
}

tm_status tm__profile_merge(tm_profile_sheet *sheet, const tm_profile_sheet *from, tm_err *err) {
    for (uint32_t col = 0; col < from->n_cols; col++) {
        const tm_profile_column *const other = &from->cols[col];
        tm_profile_column *const column = tm__sheet_column(sheet, other->name, col);
        if (column == NULL || !tm__sketch_merge(column->sketch, other->sketch)) {
            return no_memory(err);
        }
        column->type = widen(column->type, other->type);
    }
    if (!merge_same(&sheet->same, from->same) ||
        !merge_same(&sheet->same_input, from->same_input)) {
        return no_memory(err);
    }
    sheet->n_rows += from->n_rows;
    fill(sheet);
    return TM_OK;
}

uint64_t tm__profile_rows(const tm_profile_sheet *sheet) {
    return sheet->n_rows;
}

/* --- bytes --- */

void tm__profile_write(const tm_profile_sheet *sheet, tm_buf *out) {
    (void)tm__buf_u32(out, SHEET_MAGIC);
    (void)tm__buf_u32(out, SHEET_VERSION);
    (void)tm__buf_u64(out, sheet->n_rows);
    (void)tm__buf_u32(out, sheet->n_cols);
    for (uint32_t col = 0; col < sheet->n_cols; col++) {
        (void)tm__buf_str(out, tm__str(sheet->cols[col].name));
        (void)tm__buf_u8(out, (uint8_t)sheet->cols[col].type);
        tm__sketch_write(sheet->cols[col].sketch, out);
    }
}

static tm_status read_column(tm_profile_sheet *sheet, tm_reader *in, tm_err *err) {
    char name[TM_MAX_COLUMN_NAME + 1];
    const tm_str text = tm__reader_str(in);
    const uint8_t type = tm__reader_u8(in);
    tm_sketch_counts counts;
    if (in->failed || type > TM_TYPE_TIME || memchr(text.ptr, '\0', text.len) != NULL ||
        !tm__str_copy(name, sizeof(name), text)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the profile of a column is damaged");
    }
    const uint32_t n_before = sheet->n_cols;
    tm_profile_column *const column = tm__sheet_column(sheet, name, n_before);
    if (column == NULL) {
        return no_memory(err);
    }
    if (sheet->n_cols == n_before) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the profile has a column twice");
    }
    tm_sketch *sketch = NULL;
    TM_TRY(tm__sketch_read(in, &sketch, err));
    tm__sketch_free(column->sketch);
    column->sketch = sketch;
    column->type = (tm_type)type;
    tm__sketch_counts(sketch, &counts);
    return counts.n_rows == sheet->n_rows
               ? TM_OK
               : TM_FAIL(err, TM_E_INTEGRITY, "columns of the profile have different rows");
}

tm_status tm__profile_read_bytes(const void *bytes, size_t len, tm_profile_sheet **out,
                                 tm_err *err) {
    tm_reader in;
    tm__reader_init(&in, bytes, len);
    const uint32_t magic = tm__reader_u32(&in), version = tm__reader_u32(&in);
    const uint64_t n_rows = tm__reader_u64(&in);
    const uint32_t n_cols = tm__reader_u32(&in);
    if (in.failed || magic != SHEET_MAGIC || n_cols > TM_MAX_COLS) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the bytes are not a profile");
    }
    if (version != SHEET_VERSION) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "the profile is of version %u, this release reads %u",
                       version, SHEET_VERSION);
    }
    tm_profile_sheet *const sheet = tm__profile_create();
    if (sheet == NULL) {
        return no_memory(err);
    }
    sheet->n_rows = n_rows;
    tm_status st = TM_OK;
    for (uint32_t col = 0; st == TM_OK && col < n_cols; col++) {
        st = read_column(sheet, &in, err);
    }
    if (st == TM_OK && !tm__reader_is_done(&in)) {
        st = TM_FAIL(err, TM_E_INTEGRITY, "the profile goes on behind its end");
    }
    if (st != TM_OK) {
        tm__profile_free(sheet);
        return st;
    }
    *out = sheet;
    return TM_OK;
}
