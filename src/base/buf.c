/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 1. len <= capacity <= size_max, and data has capacity + 1 bytes: data[len] is always 0.
 * 2. After a failure nothing more is appended, so what is there is a clean beginning.
 * Numbers are put together byte by byte: the bytes do not depend on the machine, and compilers make
 * one load or store of it.
 */
#include "base/buf.h"

#include <endian.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/fmath.h"
#include "base/mem.h"

#define BUF_MIN 256u

void tm__buf_init(tm_buf *buf, size_t size_max) {
    *buf = (tm_buf){.size_max = size_max};
}

tm_status tm__buf_status(const tm_buf *buf) {
    return !buf->failed ? TM_OK : buf->no_memory ? TM_E_NOMEM : TM_E_LIMIT;
}

uint8_t *tm__buf_reserve(tm_buf *buf, size_t len) {
    if (buf->failed || len > buf->size_max - buf->len) {
        buf->failed = true;
        return NULL;
    }
    const size_t want = buf->len + len;
    if (buf->data == NULL || want > buf->capacity) {
        size_t capacity = buf->capacity < BUF_MIN ? BUF_MIN : buf->capacity;
        while (capacity < want) {
            capacity = capacity > SIZE_MAX / 2 ? want : capacity * 2;
        }
        capacity = capacity > buf->size_max ? buf->size_max : capacity;
        /* One byte more for the NUL that follows the last byte. */
        uint8_t *data = capacity == SIZE_MAX ? NULL : tm__mem_realloc(buf->data, capacity + 1, 1);
        if (data == NULL) {
            buf->failed = true;
            buf->no_memory = true;
            return NULL;
        }
        data[buf->len] = 0;
        buf->data = data;
        buf->capacity = capacity;
    }
    return buf->data + buf->len;
}

static void advance(tm_buf *buf, size_t len) {
    buf->len += len;
    buf->data[buf->len] = 0;
}

bool tm__buf_append_grown(tm_buf *buf, const void *data, size_t len) {
    uint8_t *room = tm__buf_reserve(buf, len);
    if (room == NULL) {
        return false;
    }
    if (len > 0) {
        memcpy(room, data, len);
    }
    advance(buf, len);
    return true;
}

bool tm__buf_decimal(tm_buf *buf, uint64_t value) {
    char text[20];
    char *const end = text + sizeof(text);
    char *at = end;
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return tm__buf_append(buf, at, (size_t)(end - at));
}

bool tm__buf_printf(tm_buf *buf, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    const int len = vsnprintf(NULL, 0, fmt, args);
    uint8_t *room = NULL;
    if (len < 0) {
        buf->failed = true;
    } else {
        room = tm__buf_reserve(buf, (size_t)len);
    }
    if (room != NULL) {
        vsnprintf((char *)room, (size_t)len + 1, fmt, again);
        advance(buf, (size_t)len);
    }
    va_end(again);
    va_end(args);
    return room != NULL;
}

static bool append_le(tm_buf *buf, uint64_t value, size_t len) {
    uint8_t bytes[8];
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
    return tm__buf_append(buf, bytes, len);
}

bool tm__buf_u8(tm_buf *buf, uint8_t value) {
    return tm__buf_byte(buf, value);
}

bool tm__buf_u16(tm_buf *buf, uint16_t value) {
    return append_le(buf, value, 2);
}

bool tm__buf_u32(tm_buf *buf, uint32_t value) {
    return append_le(buf, value, 4);
}

bool tm__buf_u64(tm_buf *buf, uint64_t value) {
    return append_le(buf, value, 8);
}

bool tm__buf_i64(tm_buf *buf, int64_t value) {
    return append_le(buf, (uint64_t)value, 8);
}

bool tm__buf_f64(tm_buf *buf, double value) {
    return append_le(buf, tm__f64_bits(value), 8);
}

bool tm__buf_f64s(tm_buf *buf, const double *values, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        (void)tm__buf_f64(buf, values[i]);
    }
    return !buf->failed;
}

bool tm__buf_str(tm_buf *buf, tm_str text) {
    if (text.len > UINT32_MAX) {
        buf->failed = true;
        return false;
    }
    /* Both or nothing: a length without its bytes would be a lie. */
    if (tm__buf_reserve(buf, text.len + 4) == NULL) {
        return false;
    }
    return tm__buf_u32(buf, (uint32_t)text.len) && tm__buf_append(buf, text.ptr, text.len);
}

bool tm__buf_align(tm_buf *buf, size_t align) {
    TM_ASSERT(align != 0 && (align & (align - 1)) == 0);
    const size_t pad = (align - (buf->len & (align - 1))) & (align - 1);
    uint8_t *room = tm__buf_reserve(buf, pad);
    if (room == NULL) {
        return false;
    }
    memset(room, 0, pad);
    advance(buf, pad);
    return true;
}

void tm__buf_reset(tm_buf *buf) {
    buf->len = 0;
    buf->failed = false;
    buf->no_memory = false;
    if (buf->data != NULL) {
        buf->data[0] = 0;
    }
}

uint8_t *tm__buf_take(tm_buf *buf, size_t *out_len) {
    uint8_t *data = buf->data;
    if (out_len != NULL) {
        *out_len = buf->len;
    }
    tm__buf_init(buf, buf->size_max);
    return data;
}

void tm__buf_done(tm_buf *buf) {
    tm__mem_free(buf->data);
    *buf = (tm_buf){0};
}

void tm__reader_init(tm_reader *reader, const void *data, size_t len) {
    *reader = (tm_reader){.data = data, .len = len};
}

const void *tm__reader_view(tm_reader *reader, uint64_t n, size_t size) {
    static const uint8_t nothing[1] = {0};
    size_t bytes;
    if (reader->failed || n > SIZE_MAX || !tm__size_mul((size_t)n, size, &bytes) ||
        bytes > reader->len - reader->pos) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *view = reader->data == NULL ? nothing : reader->data + reader->pos;
    reader->pos += bytes;
    return view;
}

/* Inlined with a constant length, it is one load: files of models are millions of these. */
static inline uint64_t read_le(tm_reader *reader, size_t len) {
    if (reader->failed || len > reader->len - reader->pos) {
        reader->failed = true;
        return 0;
    }
    uint64_t value = 0;
    memcpy(&value, reader->data + reader->pos, len);
    reader->pos += len;
    return le64toh(value);
}

uint8_t tm__reader_u8(tm_reader *reader) {
    return (uint8_t)read_le(reader, 1);
}

uint16_t tm__reader_u16(tm_reader *reader) {
    return (uint16_t)read_le(reader, 2);
}

uint32_t tm__reader_u32(tm_reader *reader) {
    return (uint32_t)read_le(reader, 4);
}

uint64_t tm__reader_u64(tm_reader *reader) {
    return read_le(reader, 8);
}

int64_t tm__reader_i64(tm_reader *reader) {
    return (int64_t)read_le(reader, 8);
}

double tm__reader_f64(tm_reader *reader) {
    return tm__f64_from_bits(read_le(reader, 8));
}

bool tm__reader_f64s(tm_reader *reader, double *out, uint64_t n) {
    bool are_finite = true;
    for (uint64_t i = 0; i < n; i++) {
        out[i] = tm__reader_f64(reader);
        are_finite = are_finite && isfinite(out[i]);
    }
    return are_finite;
}

tm_str tm__reader_str(tm_reader *reader) {
    const uint32_t len = tm__reader_u32(reader);
    const char *text = tm__reader_view(reader, len, 1);
    return text == NULL ? (tm_str){"", 0} : (tm_str){text, len};
}

void tm__reader_align(tm_reader *reader, size_t align) {
    TM_ASSERT(align != 0 && (align & (align - 1)) == 0);
    (void)tm__reader_view(reader, (align - (reader->pos & (align - 1))) & (align - 1), 1);
}

bool tm__reader_is_done(const tm_reader *reader) {
    return !reader->failed && reader->pos == reader->len;
}
