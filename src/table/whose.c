/* SPDX-License-Identifier: Apache-2.0 */
#include "table/whose.h"

#include <string.h>

#include "base/mem.h"
#include "table/schema.h"

#define CELL_BYTES_MAX (1u << 20)

typedef struct looking {
    const tm_table *table;
    const json_t *names;
    const tm_dict *ids;
    uint8_t *out;
    uint64_t *counts; /* may be NULL */
    tm_buf text;
} looking;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static bool is_named(const json_t *names, const char *name) {
    return names == NULL || tm__json_has_text(names, name);
}

tm_status tm__whose_cell(const tm_cell *cell, const tm_dict *ids, tm_buf *room, uint32_t *out,
                         tm_err *err) {
    if (cell->type == TM_TYPE_TEXT) {
        *out = tm__dict_find(ids, cell->text);
        return TM_OK;
    }
    tm__buf_reset(room);
    if (!tm__cell_write_csv(cell, room)) {
        return no_memory(err);
    }
    *out = room->len == 0 ? TM_CODE_MISSING
                          : tm__dict_find(ids, (tm_str){(const char *)room->data, room->len});
    return TM_OK;
}

/* Whether a column before this one gives the row to the same id. */
static tm_status is_counted(looking *l, uint32_t column, uint64_t row, uint32_t id, bool *out,
                            tm_err *err) {
    *out = false;
    for (uint32_t c = 0; c < column && !*out; c++) {
        const tm_column *const before = tm__table_column(l->table, c);
        if (is_named(l->names, before->name)) {
            const tm_cell cell = tm__column_cell(before, row);
            uint32_t other = TM_CODE_MISSING;
            TM_TRY(tm__whose_cell(&cell, l->ids, &l->text, &other, err));
            *out = other == id;
        }
    }
    return TM_OK;
}

static tm_status take(looking *l, uint32_t column, uint64_t row, uint32_t id, tm_err *err) {
    bool is_it = false;
    if (l->counts != NULL && l->out[row]) {
        TM_TRY(is_counted(l, column, row, id, &is_it, err));
    }
    if (l->counts != NULL && !is_it) {
        l->counts[id]++;
    }
    l->out[row] = 1;
    return TM_OK;
}

/* Ids of the codes of a column: [n codes]; *out NULL: it holds none of them. */
static tm_status codes_of(const looking *l, const tm_dict *dict, uint32_t **out, tm_err *err) {
    const uint32_t n = tm__dict_count(dict);
    uint32_t *ids = NULL;
    for (uint32_t id = 0; id < tm__dict_count(l->ids); id++) {
        const uint32_t code = tm__dict_find(dict, tm__dict_get(l->ids, id));
        if (code == TM_CODE_MISSING) {
            continue;
        }
        if (ids == NULL) {
            ids = tm__mem_alloc(n, sizeof(*ids));
            if (ids == NULL) {
                return no_memory(err);
            }
            memset(ids, 0xff, n * sizeof(*ids));
        }
        ids[code] = id;
    }
    *out = ids;
    return TM_OK;
}

static tm_status look_at_texts(looking *l, uint32_t c, tm_err *err) {
    const tm_column *const column = tm__table_column(l->table, c);
    const uint64_t n_rows = tm__table_rows(l->table);
    uint32_t *ids = NULL;
    TM_TRY(codes_of(l, column->dict, &ids, err));
    tm_status st = TM_OK;
    for (uint64_t row = 0; ids != NULL && st == TM_OK && row < n_rows; row++) {
        const uint32_t code = column->codes[row];
        if (code != TM_CODE_MISSING && ids[code] != TM_CODE_MISSING) {
            st = take(l, c, row, ids[code], err);
        }
    }
    tm__mem_free(ids);
    return st;
}

static tm_status look_at_numbers(looking *l, uint32_t c, tm_err *err) {
    const tm_column *const column = tm__table_column(l->table, c);
    const uint64_t n_rows = tm__table_rows(l->table);
    for (uint64_t row = 0; row < n_rows; row++) {
        const tm_cell cell = tm__column_cell(column, row);
        uint32_t id = TM_CODE_MISSING;
        TM_TRY(tm__whose_cell(&cell, l->ids, &l->text, &id, err));
        TM_TRY(id == TM_CODE_MISSING ? TM_OK : take(l, c, row, id, err));
    }
    return TM_OK;
}

tm_status tm__whose_rows(const tm_table *table, const json_t *names, const tm_dict *ids,
                         uint8_t *out, uint64_t *out_n, uint64_t *counts, tm_err *err) {
    const uint64_t n_rows = tm__table_rows(table);
    looking l = {.table = table, .names = names, .ids = ids, .out = out, .counts = counts};
    tm_status st = TM_OK;
    memset(out, 0, n_rows);
    tm__buf_init(&l.text, CELL_BYTES_MAX);
    for (uint32_t c = 0; st == TM_OK && c < tm__table_cols(table); c++) {
        const tm_column *const column = tm__table_column(table, c);
        if (!is_named(names, column->name)) {
            continue;
        }
        st = column->type == TM_TYPE_TEXT ? look_at_texts(&l, c, err) : look_at_numbers(&l, c, err);
    }
    tm__buf_done(&l.text);
    TM_TRY(st);
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
