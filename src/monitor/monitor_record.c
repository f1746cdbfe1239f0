/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer as bytes, little-endian; docs/formats/home.md has the table. Written on the way of a
 * request, so it is one reservation and plain stores; read where people wait, so every length is
 * checked.
 */
#include <string.h>

#include "base/hash.h"
#include "base/le.h"
#include "monitor/monitor_priv.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are stored as they lie");

enum { LATENCY_AT = 4, AT_US_AT = 8, EVENT_AT = 16, ID_AT = 24, OUTPUTS_AT = 52, ENTITY_AT = 56 };
#define NO_ENTITY UINT32_MAX
#define CELL_BYTES 9u /* a type and a number */

static uint8_t *put_cell(uint8_t *at, const tm_cell *cell) {
    *at++ = (uint8_t)cell->type;
    switch (cell->type) {
    case TM_TYPE_NONE:
        return at;
    case TM_TYPE_BOOL:
        *at = cell->i64 != 0;
        return at + 1;
    case TM_TYPE_FLOAT:
        memcpy(at, &cell->f64, 8);
        return at + 8;
    case TM_TYPE_TEXT:
        tm__le_put_u32(at, (uint32_t)cell->text.len);
        if (cell->text.len > 0) {
            memcpy(at + 4, cell->text.ptr, cell->text.len);
        }
        return at + 4 + cell->text.len;
    default:
        tm__le_put_u64(at, (uint64_t)cell->i64);
        return at + 8;
    }
}

bool tm__answer_append(const tm_answer *answer, tm_buf *out) {
    const size_t n_outputs_bytes = (size_t)answer->n_outputs * sizeof(double);
    size_t most = TM_RECORD_HEAD + n_outputs_bytes + answer->entity.len +
                  (size_t)answer->n_cells * CELL_BYTES;
    for (uint32_t i = 0; i < answer->n_cells; i++) {
        most += answer->cells[i].type == TM_TYPE_TEXT ? answer->cells[i].text.len : 0;
    }
    if (most > UINT32_MAX) {
        out->failed = true;
        return false;
    }
    uint8_t *record = tm__buf_reserve(out, most);
    if (record == NULL) {
        return false;
    }
    memset(record, 0, TM_RECORD_HEAD);
    tm__le_put_u64(record + EVENT_AT, (uint64_t)answer->event_us);
    memcpy(record + ID_AT, answer->id, TM_ID_TEXT);
    tm__le_put_u32(record + OUTPUTS_AT, answer->n_outputs);
    const bool has_entity = answer->entity.ptr != NULL;
    tm__le_put_u32(record + ENTITY_AT, has_entity ? (uint32_t)answer->entity.len : NO_ENTITY);
    uint8_t *at = record + TM_RECORD_HEAD;
    if (n_outputs_bytes > 0) {
        memcpy(at, answer->outputs, n_outputs_bytes);
        at += n_outputs_bytes;
    }
    if (has_entity && answer->entity.len > 0) {
        memcpy(at, answer->entity.ptr, answer->entity.len);
        at += answer->entity.len;
    }
    for (uint32_t i = 0; i < answer->n_cells; i++) {
        at = put_cell(at, &answer->cells[i]);
    }
    tm__le_put_u32(record, (uint32_t)(at - record));
    out->len += (size_t)(at - record);
    out->data[out->len] = 0;
    return true;
}

size_t tm__record_stamp(uint8_t *record, int64_t at_us, uint32_t latency_us) {
    tm__le_put_u64(record + AT_US_AT, (uint64_t)at_us);
    tm__le_put_u32(record + LATENCY_AT, latency_us);
    return tm__record_size(record);
}

size_t tm__answer_size(const uint8_t *answer) {
    return tm__record_size(answer);
}

size_t tm__answer_outputs(const uint8_t *answer, char out_id[27], double *outputs) {
    uint32_t n = 0;
    memcpy(out_id, answer + ID_AT, TM_ID_TEXT);
    out_id[TM_ID_TEXT] = '\0';
    memcpy(&n, answer + OUTPUTS_AT, sizeof(n));
    memcpy(outputs, answer + TM_RECORD_HEAD, (size_t)n * sizeof(double));
    return tm__record_size(answer);
}

size_t tm__record_size(const uint8_t *record) {
    uint32_t size = 0;
    memcpy(&size, record, sizeof(size));
    return size;
}

uint64_t tm__record_hash(const uint8_t *record, uint64_t key) {
    return tm__hash64(record + ID_AT, TM_ID_TEXT, key);
}

static tm_str id_view(const char *bytes) {
    size_t len = 0;
    while (len < TM_ID_TEXT && bytes[len] != '\0') {
        len++;
    }
    return (tm_str){bytes, len};
}

bool tm__record_read(tm_str *rest, tm_record *out) {
    tm_reader reader;
    tm__reader_init(&reader, rest->ptr, rest->len);
    const uint32_t size = tm__reader_u32(&reader);
    if (reader.failed || size < TM_RECORD_HEAD || size > rest->len) {
        return false;
    }
    tm__reader_init(&reader, rest->ptr, size);
    reader.pos = LATENCY_AT;
    out->latency_us = tm__reader_u32(&reader);
    out->at_us = tm__reader_i64(&reader);
    out->event_us = tm__reader_i64(&reader);
    out->id = id_view(tm__reader_view(&reader, TM_ID_TEXT, 1));
    reader.pos = OUTPUTS_AT;
    out->n_outputs = tm__reader_u32(&reader);
    const uint32_t entity_len = tm__reader_u32(&reader);
    reader.pos = TM_RECORD_HEAD;
    out->outputs = tm__reader_view(&reader, out->n_outputs, sizeof(double));
    const bool has_entity = entity_len != NO_ENTITY;
    out->entity.ptr = has_entity ? tm__reader_view(&reader, entity_len, 1) : NULL;
    out->entity.len = has_entity ? entity_len : 0;
    if (reader.failed) {
        return false;
    }
    out->cells = (tm_str){rest->ptr + reader.pos, size - reader.pos};
    rest->ptr += size;
    rest->len -= size;
    return true;
}

int64_t tm__record_moment(const tm_record *record) {
    return record->event_us != TM_INT_MISSING ? record->event_us : record->at_us;
}

double tm__record_output(const tm_record *record, uint32_t index) {
    double value = 0;
    memcpy(&value, record->outputs + (size_t)index * sizeof(value), sizeof(value));
    return value;
}

static tm_cell read_cell(tm_reader *reader) {
    tm_cell cell = {.type = (tm_type)tm__reader_u8(reader)};
    switch (cell.type) {
    case TM_TYPE_NONE:
        break;
    case TM_TYPE_BOOL:
        cell.i64 = tm__reader_u8(reader) != 0;
        break;
    case TM_TYPE_FLOAT:
        cell.f64 = tm__reader_f64(reader);
        break;
    case TM_TYPE_TEXT:
        cell.text = tm__reader_str(reader);
        break;
    case TM_TYPE_INT:
    case TM_TYPE_DATE:
    case TM_TYPE_TIME:
        cell.i64 = tm__reader_i64(reader);
        break;
    default:
        reader->failed = true;
        break;
    }
    return cell;
}

bool tm__record_cells(const tm_record *record, tm_cell *out, uint32_t n) {
    tm_reader reader;
    tm__reader_init(&reader, record->cells.ptr, record->cells.len);
    for (uint32_t i = 0; i < n && !reader.failed; i++) {
        out[i] = read_cell(&reader);
    }
    return tm__reader_is_done(&reader);
}
