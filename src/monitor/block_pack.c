/* SPDX-License-Identifier: Apache-2.0 */
/*
 *      mark u32 = 1 | bytes of the records | record, record, ...
 *      record   flags | latency | time less the one before | event less the one before
 *               | id: milliseconds less those before, 10 bytes; or 26 bytes as they are
 *               | number of outputs, each 8 bytes | bytes of the entity, the entity
 *               | values, each a tag and what it says; a tag that ends them
 *
 * Numbers are 7 bits a byte, low ones first; signed ones as 0, -1, 1, -2, ... A decimal is a whole
 * number over a power of ten, which IEEE division gives back to the bit on every machine; how many
 * digits a column has is tried on its first values and kept, and one whose values are no decimals
 * is left alone for some records.
 */
#include "monitor/block_pack.h"

#include <math.h>
#include <string.h>

#include "guard/guard.h"
#include "monitor/monitor_priv.h"

#define MARK 1u /* less than the bytes of any record */
#define SLACK 16u
#define HEAD_MOST 96u  /* bytes of a packed record before its outputs, at the most */
#define RATIO_MOST 32u /* records over packed bytes, at the most */
#define DIGITS_MAX 15u /* behind the point */
#define HINTS 256u     /* columns whose digits are kept apart */
#define MISSES_MAX 4u  /* values of a column that were no decimals, before it is left alone */
#define ALONE 64u      /* records for which it is */
#define EXACT_MOST 0x1p51
#define ROUNDING 0x1.8p52
#define RANDOM_BYTES 10u

enum { HAS_EVENT = 1, HAS_ENTITY = 2, HAS_PLAIN_ID = 4, ALL_FLAGS = 7 };
/* Tags. Of numbers the low four bits are how many bytes follow. */
enum {
    TAG_NONE = 0,
    TAG_FALSE = 1,
    TAG_TRUE = 2,
    TAG_END = 3, /* behind the last value */
    TAG_INT = 0x10,
    TAG_DATE = 0x20,
    TAG_TIME = 0x30,
    TAG_FLOAT = 0x40,
    TAG_TEXT = 0x50,
    TAG_DECIMAL = 0x80 /* digits << 3 | bytes - 1 */
};
/* Places in a record. */
enum { LATENCY_AT = 4, AT_US_AT = 8, EVENT_AT = 16, ID_AT = 24, OUTPUTS_AT = 52, ENTITY_AT = 56 };
#define NO_ENTITY UINT32_MAX

static const double powers[DIGITS_MAX + 1] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                              1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

static uint64_t zigzag(int64_t value) {
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static int64_t unzigzag(uint64_t value) {
    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

static int64_t less(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a - (uint64_t)b); /* wraps, and comes back */
}

static int64_t plus(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* What the next record is told by. */
typedef struct before {
    int64_t at_us, event_us, ms;
} before;

/* ---- ids ---- */

/* 0, which less one is 255, for a character that is in no id. */
static const uint8_t digits_plus_one[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
    ['G'] = 17, ['H'] = 18, ['J'] = 19, ['K'] = 20, ['M'] = 21, ['N'] = 22, ['P'] = 23, ['Q'] = 24,
    ['R'] = 25, ['S'] = 26, ['T'] = 27, ['V'] = 28, ['W'] = 29, ['X'] = 30, ['Y'] = 31, ['Z'] = 32};

/* n characters, five bits each; *io_seen has a bit above these when one is in no id. */
static inline uint64_t read_digits(const uint8_t *text, int n, uint8_t *io_seen) {
    uint64_t bits = 0;
    for (int i = 0; i < n; i++) {
        const uint8_t digit = (uint8_t)(digits_plus_one[text[i]] - 1);
        *io_seen |= digit;
        bits = bits << 5 | digit;
    }
    return bits;
}

/* The 48 bits of milliseconds and 80 others of an id; false for one that is none. */
static bool read_id(const uint8_t *id, int64_t *out_ms, uint8_t rest[RANDOM_BYTES]) {
    uint8_t seen = 0;
    const uint64_t head = read_digits(id, 10, &seen);
    const uint64_t high = __builtin_bswap64(read_digits(id + 10, 8, &seen) << 24);
    const uint64_t low = __builtin_bswap64(read_digits(id + 18, 8, &seen) << 24);
    *out_ms = (int64_t)head;
    memcpy(rest, &high, RANDOM_BYTES / 2);
    memcpy(rest + RANDOM_BYTES / 2, &low, RANDOM_BYTES / 2);
    return seen < 32 && head >> 48 == 0;
}

static void write_id(int64_t ms, const uint8_t rest[RANDOM_BYTES], uint8_t *out) {
    char text[TM_ID_TEXT + 1];
    tm_id_parts parts = {.at_us = ms * 1000, .high = (uint16_t)(rest[0] << 8 | rest[1])};
    for (uint32_t i = 2; i < RANDOM_BYTES; i++) {
        parts.low = parts.low << 8 | rest[i];
    }
    tm__id_write(&parts, text);
    memcpy(out, text, TM_ID_TEXT);
}

/* ---- packing ---- */

static uint8_t *put_number(uint8_t *at, uint64_t value) {
    while (value >= 128) {
        *at++ = (uint8_t)(value | 128);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

static uint32_t bytes_of(uint64_t value) {
    return value == 0 ? 0 : (64u - (uint32_t)__builtin_clzll(value) + 7u) / 8u;
}

/* What is known of the columns of a block. */
typedef struct hint {
    uint8_t digits, n_misses, n_alone;
} hint;

/* The nearest whole number is found by an addition that leaves no room for parts of one. */
static inline bool is_decimal(double value, uint32_t digits, int64_t *out) {
    const double scaled = value * powers[digits];
    const double whole = (scaled + ROUNDING) - ROUNDING;
    const bool is_it = whole / powers[digits] == value && fabs(scaled) < EXACT_MOST &&
                       (whole != 0 || !signbit(value));
    *out = is_it ? (int64_t)whole : 0;
    return is_it;
}

static bool search_decimal(hint *h, double value, int64_t *out) {
    for (uint32_t digits = 0; digits <= DIGITS_MAX; digits++) {
        if (is_decimal(value, digits, out)) {
            h->digits = (uint8_t)digits;
            return true;
        }
    }
    if (++h->n_misses >= MISSES_MAX) {
        h->n_misses = 0;
        h->n_alone = ALONE;
    }
    return false;
}

static inline bool find_decimal(hint *h, double value, int64_t *out) {
    if (h->n_alone > 0) {
        h->n_alone--;
        return false;
    }
    return is_decimal(value, h->digits, out) || search_decimal(h, value, out);
}

static inline uint8_t *put_float(uint8_t *at, hint *h, const uint8_t *from) {
    double value = 0;
    int64_t whole = 0;
    memcpy(&value, from, sizeof(value));
    if (!find_decimal(h, value, &whole)) {
        *at = TAG_FLOAT;
        memcpy(at + 1, from, sizeof(value));
        return at + 1 + sizeof(value);
    }
    const uint64_t bits = zigzag(whole);
    const uint32_t n = bytes_of(bits | 1); /* one at least */
    *at = (uint8_t)(TAG_DECIMAL | (uint32_t)h->digits << 3 | (n - 1));
    memcpy(at + 1, &bits, sizeof(bits)); /* n of them count */
    return at + 1 + n;
}

static uint8_t *put_whole(uint8_t *at, uint32_t tag, const uint8_t *from) {
    int64_t value = 0;
    memcpy(&value, from, sizeof(value));
    const uint64_t bits = zigzag(value);
    const uint32_t n = bytes_of(bits);
    *at = (uint8_t)(tag | n);
    memcpy(at + 1, &bits, sizeof(bits));
    return at + 1 + n;
}

/* A value of a record; its bytes are at *io_from and before end. NULL: it is none. out has room. */
static uint8_t *put_cell(uint8_t *out, hint *h, const uint8_t **io_from, const uint8_t *end) {
    static const uint8_t sizes[] = {
        [TM_TYPE_NONE] = 0, [TM_TYPE_BOOL] = 1, [TM_TYPE_INT] = 8, [TM_TYPE_FLOAT] = 8,
        [TM_TYPE_TEXT] = 4, [TM_TYPE_DATE] = 8, [TM_TYPE_TIME] = 8};
    const uint8_t type = **io_from, *const from = *io_from + 1;
    if (type == TM_TYPE_FLOAT && end - from >= 8) { /* most of them */
        *io_from = from + 8;
        return put_float(out, h, from);
    }
    if (type >= sizeof(sizes) || (size_t)(end - from) < sizes[type]) {
        return NULL;
    }
    *io_from = from + sizes[type];
    uint32_t len = 0;
    switch (type) {
    case TM_TYPE_NONE:
        *out = TAG_NONE;
        return out + 1;
    case TM_TYPE_BOOL:
        *out = *from == 0 ? TAG_FALSE : TAG_TRUE;
        return *from > 1 ? NULL : out + 1;
    case TM_TYPE_TEXT:
        memcpy(&len, from, sizeof(len));
        if (len > (size_t)(end - from) - sizeof(len)) {
            return NULL;
        }
        *out = TAG_TEXT;
        out = put_number(out + 1, len);
        memcpy(out, from + sizeof(len), len);
        *io_from += len;
        return out + len;
    case TM_TYPE_INT:
        return put_whole(out, TAG_INT, from);
    case TM_TYPE_DATE:
        return put_whole(out, TAG_DATE, from);
    default:
        return put_whole(out, TAG_TIME, from);
    }
}

static int64_t i64_at(const uint8_t *record, uint32_t at) {
    int64_t value = 0;
    memcpy(&value, record + at, sizeof(value));
    return value;
}

static uint32_t u32_at(const uint8_t *record, uint32_t at) {
    uint32_t value = 0;
    memcpy(&value, record + at, sizeof(value));
    return value;
}

static uint8_t *put_head(uint8_t *at, const uint8_t *record, before *io) {
    const int64_t at_us = i64_at(record, AT_US_AT), event_us = i64_at(record, EVENT_AT);
    const bool has_event = event_us != TM_INT_MISSING;
    const bool has_entity = u32_at(record, ENTITY_AT) != NO_ENTITY;
    uint8_t rest[RANDOM_BYTES];
    int64_t ms = 0;
    const bool is_id = read_id(record + ID_AT, &ms, rest);
    *at++ = (uint8_t)((has_event ? HAS_EVENT : 0) | (has_entity ? HAS_ENTITY : 0) |
                      (is_id ? 0 : HAS_PLAIN_ID));
    at = put_number(at, u32_at(record, LATENCY_AT));
    at = put_number(at, zigzag(less(at_us, io->at_us)));
    io->at_us = at_us;
    if (has_event) {
        at = put_number(at, zigzag(less(event_us, io->event_us)));
        io->event_us = event_us;
    }
    if (is_id) {
        at = put_number(at, zigzag(less(ms, io->ms)));
        io->ms = ms;
        memcpy(at, rest, RANDOM_BYTES);
        return at + RANDOM_BYTES;
    }
    memcpy(at, record + ID_AT, TM_ID_TEXT);
    return at + TM_ID_TEXT;
}

/* Bytes of a record's outputs and entity, or SIZE_MAX when they are not in it. */
static size_t tail_of(const uint8_t *record, size_t size) {
    const uint64_t n_outputs = u32_at(record, OUTPUTS_AT);
    const uint32_t entity = u32_at(record, ENTITY_AT);
    const uint64_t bytes = n_outputs * sizeof(double) + (entity == NO_ENTITY ? 0 : entity);
    return bytes <= size - TM_RECORD_HEAD ? (size_t)bytes : SIZE_MAX;
}

/* Two bytes for each of a record and HEAD_MOST hold it packed. */
static uint8_t *put_record(uint8_t *at, hint *hints, const uint8_t *record, size_t size,
                           before *io) {
    static const uint8_t zeros[2] = {0};
    const uint32_t n_outputs = u32_at(record, OUTPUTS_AT), entity = u32_at(record, ENTITY_AT);
    const size_t tail = tail_of(record, size);
    if (tail == SIZE_MAX || memcmp(record + ID_AT + TM_ID_TEXT, zeros, sizeof(zeros)) != 0) {
        return NULL;
    }
    at = put_head(at, record, io);
    at = put_number(at, n_outputs);
    memcpy(at, record + TM_RECORD_HEAD, n_outputs * sizeof(double));
    at += n_outputs * sizeof(double);
    if (entity != NO_ENTITY) {
        at = put_number(at, entity);
        memcpy(at, record + TM_RECORD_HEAD + n_outputs * sizeof(double), entity);
        at += entity;
    }
    const uint8_t *from = record + TM_RECORD_HEAD + tail, *const end = record + size;
    for (uint32_t i = 0; from < end; i++) {
        at = put_cell(at, &hints[i % HINTS], &from, end);
        if (at == NULL) {
            return NULL;
        }
    }
    *at = TAG_END;
    return at + 1;
}

bool tm__block_pack(tm_str records, tm_buf *out) {
    hint hints[HINTS] = {0};
    before last = {0};
    uint8_t head[16];
    const uint32_t mark = MARK;
    const uint8_t *at = (const uint8_t *)records.ptr, *const end = at + records.len;
    (void)tm__buf_append(out, &mark, sizeof(mark));
    (void)tm__buf_append(out, head, (size_t)(put_number(head, records.len) - head));
    while (at < end) {
        const size_t left = (size_t)(end - at);
        const size_t size = left < TM_RECORD_HEAD ? 0 : tm__record_size(at);
        if (size < TM_RECORD_HEAD || size > left) {
            return false;
        }
        uint8_t *const room = tm__buf_reserve(out, HEAD_MOST + 2 * size + SLACK);
        const uint8_t *const after = room == NULL ? NULL : put_record(room, hints, at, size, &last);
        if (after == NULL) {
            return false;
        }
        out->len += (size_t)(after - room);
        at += size;
    }
    return !out->failed;
}

/* ---- unpacking ---- */

static uint64_t get_number(tm_reader *in) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const uint8_t byte = tm__reader_u8(in);
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            in->failed = in->failed || (shift == 63 && byte > 1);
            return value;
        }
    }
    in->failed = true;
    return 0;
}

/* A number of n bytes, n at most eight. */
static uint64_t get_bytes(tm_reader *in, uint32_t n) {
    uint64_t value = 0;
    const char *const bytes = n > 8 ? NULL : tm__reader_view(in, n, 1);
    if (bytes == NULL) {
        in->failed = true;
        return 0;
    }
    memcpy(&value, bytes, n);
    return value;
}

static void add_whole(tm_buf *out, uint8_t type, uint64_t bits) {
    (void)tm__buf_u8(out, type);
    (void)tm__buf_i64(out, unzigzag(bits));
}

static void get_text(tm_reader *in, tm_buf *out) {
    const uint64_t len = get_number(in);
    const char *const text = len > UINT32_MAX ? NULL : tm__reader_view(in, len, 1);
    if (text == NULL) {
        in->failed = true;
        return;
    }
    (void)tm__buf_u8(out, TM_TYPE_TEXT);
    (void)tm__buf_u32(out, (uint32_t)len);
    (void)tm__buf_append(out, text, (size_t)len);
}

static void add_float(tm_buf *out, uint64_t bits) {
    (void)tm__buf_u8(out, TM_TYPE_FLOAT);
    (void)tm__buf_u64(out, bits); /* as they were: also of a NaN */
}

static void get_decimal(tm_reader *in, uint8_t tag, tm_buf *out) {
    const uint64_t bits = get_bytes(in, (tag & 7u) + 1u);
    const double value = (double)unzigzag(bits) / powers[tag >> 3 & 15u];
    uint64_t raw = 0;
    memcpy(&raw, &value, sizeof(raw));
    add_float(out, raw);
}

/* A value behind those before; false when it was the end of them. */
static bool get_cell(tm_reader *in, tm_buf *out) {
    const uint8_t tag = tm__reader_u8(in);
    const uint32_t n = tag & 15u;
    if (tag == TAG_END) {
        return false;
    }
    if (tag >= TAG_DECIMAL) {
        get_decimal(in, tag, out);
    } else if (tag == TAG_NONE) {
        (void)tm__buf_u8(out, TM_TYPE_NONE);
    } else if (tag == TAG_FALSE || tag == TAG_TRUE) {
        (void)tm__buf_u8(out, TM_TYPE_BOOL);
        (void)tm__buf_u8(out, tag == TAG_TRUE);
    } else if (tag == TAG_FLOAT) {
        add_float(out, get_bytes(in, 8));
    } else if (tag == TAG_TEXT) {
        get_text(in, out);
    } else if ((tag & 0xF0) == TAG_INT || (tag & 0xF0) == TAG_DATE || (tag & 0xF0) == TAG_TIME) {
        add_whole(out,
                  (tag & 0xF0) == TAG_INT    ? TM_TYPE_INT
                  : (tag & 0xF0) == TAG_DATE ? TM_TYPE_DATE
                                             : TM_TYPE_TIME,
                  get_bytes(in, n));
    } else {
        in->failed = true;
    }
    return true;
}

static void get_head(tm_reader *in, uint8_t flags, before *io, tm_buf *out) {
    const uint64_t latency = get_number(in);
    uint8_t id[TM_ID_TEXT] = {0};
    in->failed = in->failed || latency > UINT32_MAX || flags > ALL_FLAGS;
    io->at_us = plus(io->at_us, unzigzag(get_number(in)));
    io->event_us =
        (flags & HAS_EVENT) != 0 ? plus(io->event_us, unzigzag(get_number(in))) : io->event_us;
    if ((flags & HAS_PLAIN_ID) == 0) {
        io->ms = plus(io->ms, unzigzag(get_number(in)));
        const char *const rest = tm__reader_view(in, RANDOM_BYTES, 1);
        in->failed = in->failed || io->ms < 0 || io->ms >> 48 != 0;
        if (!in->failed) {
            write_id(io->ms, (const uint8_t *)rest, id);
        }
    } else {
        const char *const plain = tm__reader_view(in, TM_ID_TEXT, 1);
        if (plain != NULL) {
            memcpy(id, plain, TM_ID_TEXT);
        }
    }
    (void)tm__buf_u32(out, 0); /* its bytes, when they are known */
    (void)tm__buf_u32(out, (uint32_t)latency);
    (void)tm__buf_i64(out, io->at_us);
    (void)tm__buf_i64(out, (flags & HAS_EVENT) != 0 ? io->event_us : TM_INT_MISSING);
    (void)tm__buf_append(out, id, sizeof(id));
    (void)tm__buf_u16(out, 0);
}

static void get_record(tm_reader *in, before *io, tm_buf *out) {
    const size_t start = out->len;
    const uint8_t flags = tm__reader_u8(in);
    get_head(in, flags, io, out);
    const uint64_t n_outputs = get_number(in);
    const char *const outputs =
        n_outputs > UINT32_MAX ? NULL : tm__reader_view(in, n_outputs, sizeof(double));
    const bool has_entity = (flags & HAS_ENTITY) != 0;
    const uint64_t len = has_entity && outputs != NULL ? get_number(in) : 0;
    const char *const entity =
        len > UINT32_MAX - 1 || outputs == NULL ? NULL : tm__reader_view(in, len, 1);
    if (in->failed || outputs == NULL || entity == NULL) {
        in->failed = true;
        return;
    }
    (void)tm__buf_u32(out, (uint32_t)n_outputs);
    (void)tm__buf_u32(out, has_entity ? (uint32_t)len : NO_ENTITY);
    (void)tm__buf_append(out, outputs, (size_t)n_outputs * sizeof(double));
    (void)tm__buf_append(out, entity, (size_t)len);
    while (!in->failed && !out->failed && get_cell(in, out)) {
    }
    const size_t size = out->len - start;
    if (!in->failed && !out->failed && size <= UINT32_MAX) {
        const uint32_t told = (uint32_t)size;
        memcpy(out->data + start, &told, sizeof(told));
    }
}

bool tm__block_is_packed(tm_str data) {
    uint32_t mark = 0;
    if (data.len < sizeof(mark)) {
        return false;
    }
    memcpy(&mark, data.ptr, sizeof(mark));
    return mark == MARK;
}

bool tm__block_unpack(tm_str data, tm_buf *out) {
    tm_reader in;
    before last = {0};
    tm__reader_init(&in, data.ptr, data.len);
    const size_t start = out->len;
    const uint32_t mark = tm__reader_u32(&in);
    const uint64_t len = get_number(&in);
    if (in.failed || mark != MARK || len / RATIO_MOST > data.len ||
        tm__buf_reserve(out, (size_t)len + SLACK) == NULL) {
        return false;
    }
    while (!in.failed && !out->failed && out->len - start < len) {
        get_record(&in, &last, out);
    }
    return tm__reader_is_done(&in) && !out->failed && out->len - start == len;
}
