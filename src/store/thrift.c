/* SPDX-License-Identifier: Apache-2.0 */
#include "store/thrift.h"

#define SHORT_MAX 14 /* most elements that fit the header of a list */

void tm__thrift_varint(tm_buf *out, uint64_t value) {
    for (; value >= 0x80; value >>= 7) {
        (void)tm__buf_byte(out, (uint8_t)(value | 0x80));
    }
    (void)tm__buf_byte(out, (uint8_t)value);
}

void tm__thrift_number(tm_buf *out, int64_t value) {
    tm__thrift_varint(out, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}

void tm__thrift_text(tm_buf *out, tm_str text) {
    tm__thrift_varint(out, text.len);
    (void)tm__buf_append(out, text.ptr, text.len);
}

/* What comes before the value of a field. */
static void field(tm_thrift *at, int32_t id, uint8_t type) {
    const int32_t step = id - at->last;
    if (step > 0 && step <= 15) {
        (void)tm__buf_byte(at->out, (uint8_t)(step << 4 | type));
    } else {
        (void)tm__buf_byte(at->out, type);
        tm__thrift_number(at->out, id);
    }
    at->last = id;
}

void tm__thrift_i32(tm_thrift *at, int32_t id, int32_t value) {
    field(at, id, TM_THRIFT_I32);
    tm__thrift_number(at->out, value);
}

void tm__thrift_i64(tm_thrift *at, int32_t id, int64_t value) {
    field(at, id, TM_THRIFT_I64);
    tm__thrift_number(at->out, value);
}

void tm__thrift_bool(tm_thrift *at, int32_t id, bool value) {
    field(at, id, value ? TM_THRIFT_TRUE : TM_THRIFT_FALSE);
}

void tm__thrift_str(tm_thrift *at, int32_t id, tm_str value) {
    field(at, id, TM_THRIFT_BINARY);
    tm__thrift_text(at->out, value);
}

void tm__thrift_list(tm_thrift *at, int32_t id, uint8_t type, uint64_t n) {
    field(at, id, TM_THRIFT_LIST);
    (void)tm__buf_byte(at->out, (uint8_t)((n <= SHORT_MAX ? n : 15) << 4 | type));
    if (n > SHORT_MAX) {
        tm__thrift_varint(at->out, n);
    }
}

tm_thrift tm__thrift_struct(tm_thrift *at, int32_t id) {
    field(at, id, TM_THRIFT_STRUCT);
    return (tm_thrift){.out = at->out};
}

void tm__thrift_end(tm_thrift *at) {
    (void)tm__buf_byte(at->out, TM_THRIFT_STOP);
}
