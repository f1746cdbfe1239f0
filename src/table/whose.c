/* SPDX-License-Identifier: Apache-2.0 */
#include "table/whose.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "table/schema.h"

#define CELL_BYTES_MAX (1u << 20)

static bool is_named(const json_t *names, const char *name) {
    return names == NULL || tm__json_has_text(names, name);
}

static void look_at_texts(const tm_column *column, uint64_t n_rows, const char *id, uint8_t *out) {
    const uint32_t code = tm__dict_find(column->dict, tm__str(id));
    for (uint64_t row = 0; row < n_rows && code != TM_CODE_MISSING; row++) {
        out[row] |= column->codes[row] == code;
    }
}

static bool look_at_numbers(const tm_column *column, uint64_t n_rows, const char *id, tm_buf *text,
                            uint8_t *out) {
    for (uint64_t row = 0; row < n_rows; row++) {
        const tm_cell cell = tm__column_cell(column, row);
        tm__buf_reset(text);
        if (!tm__cell_write_csv(&cell, text)) {
            return false;
        }
        out[row] |= text->len > 0 && tm__str_is((tm_str){(const char *)text->data, text->len}, id);
    }
    return true;
}

tm_status tm__whose_rows(const tm_table *table, const json_t *names, const char *id, uint8_t *out,
                         uint64_t *out_n, tm_err *err) {
    const uint64_t n_rows = tm__table_rows(table);
    tm_buf text;
    bool ok = true;
    memset(out, 0, n_rows);
    tm__buf_init(&text, CELL_BYTES_MAX);
    for (uint32_t c = 0; ok && c < tm__table_cols(table); c++) {
        const tm_column *const column = tm__table_column(table, c);
        if (!is_named(names, column->name)) {
            continue;
        }
        if (column->type == TM_TYPE_TEXT) {
            look_at_texts(column, n_rows, id, out);
        } else {
            ok = look_at_numbers(column, n_rows, id, &text, out);
        }
    }
    tm__buf_done(&text);
    if (!ok) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    *out_n = 0;
    for (uint64_t row = 0; row < n_rows; row++) {
        *out_n += out[row];
    }
    return TM_OK;
}

tm_status tm__whose_others(tm_table *table, const uint8_t *is_theirs, tm_table **out, tm_err *err) {
    const uint64_t n_rows = tm__table_rows(table);
    uint32_t *rows = tm__mem_alloc(n_rows + 1, sizeof(*rows));
    uint64_t n = 0;
    if (rows == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    for (uint64_t row = 0; row < n_rows; row++) {
        rows[n] = (uint32_t)row;
        n += is_theirs[row] ? 0 : 1;
    }
    const tm_status st = tm__table_take_rows(table, rows, n, out, err);
    tm__mem_free(rows);
    return st;
}
