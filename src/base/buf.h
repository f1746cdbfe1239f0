/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer born with its maximum, and a reader over bytes that cannot run past the
 * end. An append that fails leaves a mark (`failed`), so that a writer may check once at the end.
 */
#ifndef TM_BASE_BUF_H
#define TM_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"
#include "tidemill/err.h"

typedef struct tm_buf {
    uint8_t *data; /* [len], owned; a NUL follows the last byte when data is not NULL */
    size_t len;
    size_t capacity;
    size_t size_max;
    bool failed;    /* an append did not fit or memory ran out; later appends do nothing */
    bool no_memory; /* it was memory */
} tm_buf;

/** An empty buffer that will not grow past size_max bytes. */
void tm__buf_init(tm_buf *buf, size_t size_max);
/** Why the buffer failed: TM_E_NOMEM, or TM_E_LIMIT when its maximum was passed. */
TM_NODISCARD tm_status tm__buf_status(const tm_buf *buf);
/** Append; false (and buf->failed) when the maximum is passed or memory ran out. Short texts are
 * appended often, so what needs no growth is done in place. */
bool tm__buf_append_grown(tm_buf *buf, const void *data, size_t len);       /* may grow */
static inline bool tm__buf_put(tm_buf *buf, const void *data, size_t len) { /* there is room */
    memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = 0;
    return true;
}
static inline bool tm__buf_append(tm_buf *buf, const void *data, size_t len) {
    const bool fits = buf->data != NULL && len > 0 && len <= buf->capacity - buf->len;
    return fits && !buf->failed ? tm__buf_put(buf, data, len)
                                : tm__buf_append_grown(buf, data, len);
}
static inline bool tm__buf_text(tm_buf *buf, const char *text) {
    return tm__buf_append(buf, text, strlen(text));
}
static inline bool tm__buf_byte(tm_buf *buf, uint8_t byte) {
    return tm__buf_append(buf, &byte, 1);
}
/** Append a number in decimal. */
bool tm__buf_decimal(tm_buf *buf, uint64_t value);
bool tm__buf_printf(tm_buf *buf, const char *fmt, ...) TM_PRINTF(2, 3);
/** Little-endian numbers; f64 is its IEEE bits with NaN made canonical. */
bool tm__buf_u8(tm_buf *buf, uint8_t value);
bool tm__buf_u16(tm_buf *buf, uint16_t value);
bool tm__buf_u32(tm_buf *buf, uint32_t value);
bool tm__buf_u64(tm_buf *buf, uint64_t value);
bool tm__buf_i64(tm_buf *buf, int64_t value);
bool tm__buf_f64(tm_buf *buf, double value);
bool tm__buf_f64s(tm_buf *buf, const double *values, uint64_t n);
/** u32 length, then the bytes. */
bool tm__buf_str(tm_buf *buf, tm_str text);
/** Zero bytes until len is a multiple of align (a power of two). */
bool tm__buf_align(tm_buf *buf, size_t align);
/** Make room for len more bytes and return where they start; len is not changed. NULL on failure.
 */
uint8_t *tm__buf_reserve(tm_buf *buf, size_t len);
/** Keep the capacity, forget the bytes and the failure. */
void tm__buf_reset(tm_buf *buf);
/** Move the bytes out; the caller ends them with tm__mem_free(). */
uint8_t *tm__buf_take(tm_buf *buf, size_t *out_len);
void tm__buf_done(tm_buf *buf);

/* Reads what tm_buf wrote. A read past the end sets `failed` and gives zeros. */
typedef struct tm_reader {
    const uint8_t *data; /* borrowed */
    size_t len;
    size_t pos;
    bool failed;
} tm_reader;

void tm__reader_init(tm_reader *reader, const void *data, size_t len);
uint8_t tm__reader_u8(tm_reader *reader);
uint16_t tm__reader_u16(tm_reader *reader);
uint32_t tm__reader_u32(tm_reader *reader);
uint64_t tm__reader_u64(tm_reader *reader);
int64_t tm__reader_i64(tm_reader *reader);
double tm__reader_f64(tm_reader *reader);
/** n of them to out; true when all are finite. */
bool tm__reader_f64s(tm_reader *reader, double *out, uint64_t n);
/** View into the reader's bytes. */
tm_str tm__reader_str(tm_reader *reader);
/** View of n * size bytes and step over them; NULL (and failed) when there are fewer. */
const void *tm__reader_view(tm_reader *reader, uint64_t n, size_t size);
/** Step to the next multiple of align from the start. */
void tm__reader_align(tm_reader *reader, size_t align);
/** True when everything was read and nothing failed. */
bool tm__reader_is_done(const tm_reader *reader);

#endif
