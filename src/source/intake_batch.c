/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoded rows: a batch is what one push gave of one source.
 *
 *   u8 format (1)  u8[3] zero  u32 n_rows  u32 length of what follows  u32 CRC32C of it
 *   row:   varint number of values, then the values in the order of the columns
 *   value: u8 kind, then  0 missing | 1 false | 2 true | 3 whole number: varint, zigzag
 *                         | 4 number: 8 bytes | 5 text: varint length, bytes | 6 time: 8 bytes
 *
 * A value says what it is, so that rows stay readable when a column becomes wider or is added:
 * columns behind the last value are missing.
 */
#include <string.h>

#include "base/assert.h"
#include "base/le.h"
#include "base/mem.h"
#include "source/intake_priv.h"

#define BATCH_FORMAT 1u
#define VARINT_MAX 10u

typedef enum value_kind {
    VALUE_MISSING,
    VALUE_FALSE,
    VALUE_TRUE,
    VALUE_INT,
    VALUE_FLOAT,
    VALUE_TEXT,
    VALUE_TIME
} value_kind;

/* ---- Writing ---- */

static uint8_t *put_varint(uint8_t *to, uint64_t value) {
    for (; value >= 0x80; value >>= 7) {
        *to++ = (uint8_t)(value | 0x80);
    }
    *to++ = (uint8_t)value;
    return to;
}

static uint8_t *put_u64(uint8_t *to, uint64_t value) {
    tm__le_put_u64(to, value);
    return to + 8;
}

static uint64_t zigzag(int64_t value) {
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

size_t tm__batch_row_size(const tm_cell *cells, uint32_t n_cells) {
    size_t size = VARINT_MAX;
    for (uint32_t i = 0; i < n_cells; i++) {
        size += 1 + VARINT_MAX + (cells[i].type == TM_TYPE_TEXT ? cells[i].text.len : 0);
    }
    return size;
}

static uint8_t *put_cell(uint8_t *to, const tm_cell *cell) {
    uint64_t bits = 0;
    switch (cell->type) {
    case TM_TYPE_BOOL:
        *to++ = cell->i64 != 0 ? VALUE_TRUE : VALUE_FALSE;
        return to;
    case TM_TYPE_INT:
        *to++ = VALUE_INT;
        return put_varint(to, zigzag(cell->i64));
    case TM_TYPE_FLOAT:
        *to++ = VALUE_FLOAT;
        memcpy(&bits, &cell->f64, sizeof(bits));
        return put_u64(to, bits);
    case TM_TYPE_TEXT:
        *to++ = VALUE_TEXT;
        to = put_varint(to, cell->text.len);
        if (cell->text.len > 0) {
            memcpy(to, cell->text.ptr, cell->text.len);
        }
        return to + cell->text.len;
    case TM_TYPE_DATE:
    case TM_TYPE_TIME:
        *to++ = VALUE_TIME;
        return put_u64(to, (uint64_t)cell->i64);
    default:
        *to++ = VALUE_MISSING;
        return to;
    }
}

uint8_t *tm__batch_row_put(uint8_t *to, const tm_cell *cells, uint32_t n_cells) {
    while (n_cells > 0 && cells[n_cells - 1].type == TM_TYPE_NONE) {
        n_cells--;
    }
    to = put_varint(to, n_cells);
    for (uint32_t i = 0; i < n_cells; i++) {
        to = put_cell(to, &cells[i]);
    }
    return to;
}

void tm__batch_seal(tm_buf *batch, uint32_t n_rows) {
    TM_ASSERT(batch->len >= TM_BATCH_HEAD && batch->len <= UINT32_MAX);
    const size_t len = batch->len - TM_BATCH_HEAD;
    memset(batch->data, 0, TM_BATCH_HEAD);
    batch->data[0] = BATCH_FORMAT;
    tm__le_put_u32(batch->data + 4, n_rows);
    tm__le_put_u32(batch->data + 8, (uint32_t)len);
    tm__le_put_u32(batch->data + 12, tm__crc32c(0, batch->data + TM_BATCH_HEAD, len));
}

/* ---- Reading ---- */

static uint64_t get_varint(tm_reader *in) {
    uint64_t value = 0;
    for (uint32_t shift = 0; shift < 64; shift += 7) {
        const uint8_t byte = tm__reader_u8(in);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    in->failed = true;
    return 0;
}

static void get_cell(tm_reader *in, tm_cell *out) {
    uint64_t bits = 0;
    *out = (tm_cell){.type = TM_TYPE_NONE};
    switch (tm__reader_u8(in)) {
    case VALUE_MISSING:
        break;
    case VALUE_FALSE:
        *out = (tm_cell){.type = TM_TYPE_BOOL, .i64 = 0};
        break;
    case VALUE_TRUE:
        *out = (tm_cell){.type = TM_TYPE_BOOL, .i64 = 1};
        break;
    case VALUE_INT:
        bits = get_varint(in);
        *out = (tm_cell){.type = TM_TYPE_INT,
                         .i64 = (int64_t)((bits >> 1) ^ ((bits & 1) != 0 ? UINT64_MAX : 0))};
        break;
    case VALUE_FLOAT:
        out->type = TM_TYPE_FLOAT;
        out->f64 = tm__reader_f64(in);
        break;
    case VALUE_TEXT:
        bits = get_varint(in);
        out->type = TM_TYPE_TEXT;
        out->text.ptr = tm__reader_view(in, bits, 1);
        out->text.len = in->failed ? 0 : (size_t)bits;
        break;
    case VALUE_TIME:
        *out = (tm_cell){.type = TM_TYPE_TIME, .i64 = tm__reader_i64(in)};
        break;
    default:
        in->failed = true;
    }
}

void tm__batch_walk_rewind(void *arg) {
    tm_batch_walk *const walk = arg;
    tm__reader_init(&walk->in, walk->batch->data + TM_BATCH_HEAD, walk->batch->len - TM_BATCH_HEAD);
    walk->n_left = walk->n_rows;
}

const tm_cell *tm__batch_walk_next(void *arg) {
    tm_batch_walk *const walk = arg;
    if (walk->n_left == 0) {
        return NULL;
    }
    walk->n_left--;
    const uint64_t n = get_varint(&walk->in);
    for (uint32_t i = 0; i < walk->n_cols; i++) {
        walk->cells[i] = (tm_cell){.type = TM_TYPE_NONE};
        if (i < n) {
            get_cell(&walk->in, &walk->cells[i]);
        }
    }
    TM_ASSERT(!walk->in.failed); /* these bytes were written by this pass */
    return walk->cells;
}

tm_type tm__column_type(const tm_intake_columns *columns, uint32_t col) {
    const tm_type type = columns->schema.cols[col].type;
    return type == TM_TYPE_NONE ? TM_TYPE_TEXT : type;
}

/* True when the value may stand in the column; a date is stored as a time. */
static bool settle(tm_cell *cell, tm_type type) {
    if (cell->type == TM_TYPE_NONE || cell->type == type) {
        return true;
    }
    if (cell->type == TM_TYPE_TIME && type == TM_TYPE_DATE) {
        cell->type = TM_TYPE_DATE;
        return true;
    }
    return cell->type == TM_TYPE_INT && type == TM_TYPE_FLOAT;
}

static tm_status damaged(tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_INTEGRITY, "a batch of accepted rows is damaged");
    tm_err_hint(err, "Restore the home from a backup.");
    return st;
}

static tm_status read_row(tm_reader *in, const tm_intake_columns *columns, tm_cell *cells,
                          tm_table_builder *builder, tm_err *err) {
    const uint32_t n_cols = columns->schema.n_cols;
    const uint64_t n = get_varint(in);
    if (in->failed || n > n_cols) {
        return damaged(err);
    }
    for (uint32_t i = 0; i < n_cols; i++) {
        cells[i] = (tm_cell){.type = TM_TYPE_NONE};
        if (i < n) {
            get_cell(in, &cells[i]);
        }
        if (in->failed || !settle(&cells[i], tm__column_type(columns, i))) {
            return damaged(err);
        }
    }
    return tm__builder_add_row(builder, cells, err);
}

tm_status tm__batch_read(tm_str batch, const tm_intake_columns *columns, tm_table_builder *builder,
                         uint64_t *out_n, tm_err *err) {
    tm_reader in;
    tm__reader_init(&in, batch.ptr, batch.len);
    const uint32_t format = tm__reader_u32(&in);
    const uint32_t n_rows = tm__reader_u32(&in);
    const uint32_t len = tm__reader_u32(&in);
    const uint32_t crc = tm__reader_u32(&in);
    if (in.failed || format != BATCH_FORMAT || len != batch.len - TM_BATCH_HEAD ||
        crc != tm__crc32c(0, batch.ptr + TM_BATCH_HEAD, len)) {
        return damaged(err);
    }
    tm_cell *cells = tm__mem_alloc(columns->schema.n_cols, sizeof(*cells));
    if (cells == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a row");
    }
    tm_status st = TM_OK;
    for (uint32_t row = 0; row < n_rows && st == TM_OK; row++) {
        st = read_row(&in, columns, cells, builder, err);
    }
    tm__mem_free(cells);
    if (st == TM_OK && !tm__reader_is_done(&in)) {
        st = damaged(err);
    }
    if (st == TM_OK) {
        *out_n += n_rows;
    }
    return st;
}
