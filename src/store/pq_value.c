/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values in the binary format of PostgreSQL: big-endian, and
 *
 *   date, timestamp   days, microseconds since 2000-01-01; the least and greatest are infinite
 *   numeric           n, weight, sign, scale: 16 bits each; then n digits of base 10,000, of which
 *                     the first counts 10,000^weight
 *   jsonb             a byte of version before the text
 */
#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/fmath.h"
#include "base/limits.h"
#include "base/str.h"
#include "store/pq_priv.h"

#define EPOCH_US INT64_C(946684800000000) /* 2000-01-01 */
#define EPOCH_DAY INT64_C(10957)
#define DAY_US INT64_C(86400000000)
#define NUMERIC_NEGATIVE 0x4000u
#define NUMERIC_NAN 0xC000u
#define NUMERIC_PLUS_INFINITY 0xD000u
#define NUMERIC_MINUS_INFINITY 0xF000u
#define KEPT_GROUPS 95u /* texts of numbers have a maximum */

tm_pq_kind tm__pq_kind(uint32_t oid, int modifier) {
    switch (oid) {
    case 16:
        return TM_PQ_BOOL;
    case 20:
        return TM_PQ_INT8;
    case 21:
        return TM_PQ_INT2;
    case 23:
        return TM_PQ_INT4;
    case 26:
        return TM_PQ_OID;
    case 700:
        return TM_PQ_FLOAT4;
    case 701:
        return TM_PQ_FLOAT8;
    case 1082:
        return TM_PQ_DATE;
    case 1114:
    case 1184:
        return TM_PQ_TIME;
    case 19:   /* name */
    case 25:   /* text */
    case 114:  /* json */
    case 1043: /* varchar */
        return TM_PQ_TEXT;
    case 1042:
        return TM_PQ_BLANKS;
    case 2950:
        return TM_PQ_UUID;
    case 3802:
        return TM_PQ_JSONB;
    case 1700: {
        const int precision = ((modifier - 4) >> 16) & 0xffff;
        const int scale = (modifier - 4) & 0x7ff; /* 11 bits, the highest is the sign */
        return modifier >= 4 && scale == 0 && precision <= 18 ? TM_PQ_WHOLE : TM_PQ_NUMERIC;
    }
    default:
        return TM_PQ_OTHER;
    }
}

tm_type tm__pq_kind_type(tm_pq_kind kind) {
    switch (kind) {
    case TM_PQ_BOOL:
        return TM_TYPE_BOOL;
    case TM_PQ_INT2:
    case TM_PQ_INT4:
    case TM_PQ_INT8:
    case TM_PQ_OID:
    case TM_PQ_WHOLE:
        return TM_TYPE_INT;
    case TM_PQ_FLOAT4:
    case TM_PQ_FLOAT8:
    case TM_PQ_NUMERIC:
        return TM_TYPE_FLOAT;
    case TM_PQ_DATE:
        return TM_TYPE_DATE;
    case TM_PQ_TIME:
        return TM_TYPE_TIME;
    default:
        return TM_TYPE_TEXT;
    }
}

static uint16_t get_u16(const uint8_t *p) {
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get_u32(const uint8_t *p) {
    uint32_t value = 0;
    memcpy(&value, p, sizeof(value));
    return __builtin_bswap32(value);
}

static uint64_t get_u64(const uint8_t *p) {
    uint64_t value = 0;
    memcpy(&value, p, sizeof(value));
    return __builtin_bswap64(value);
}

/* ---- Numeric ---- */

typedef struct numeric {
    uint32_t n;
    int32_t weight;
    uint32_t sign;
    const uint8_t *digits; /* [n] 16 bits */
} numeric;

static bool numeric_open(const uint8_t *data, size_t len, numeric *out) {
    if (len < 8) {
        return false;
    }
    *out = (numeric){.n = get_u16(data),
                     .weight = (int16_t)get_u16(data + 2),
                     .sign = get_u16(data + 4),
                     .digits = data + 8};
    for (uint32_t i = 0; len == 8 + (size_t)out->n * 2 && i < out->n; i++) {
        if (get_u16(out->digits + (size_t)i * 2) > 9999) {
            return false;
        }
    }
    return len == 8 + (size_t)out->n * 2;
}

/* By the text of its first 380 digits; one more stands for all behind them, so that a value beside
 * the middle between two doubles is not taken for the middle. */
static bool numeric_long(const numeric *v, double *out) {
    tm_buf text;
    const uint32_t kept = v->n < KEPT_GROUPS ? v->n : KEPT_GROUPS;
    int32_t exponent = 4 * (v->weight - (int32_t)kept + 1);
    bool has_rest = false;
    tm__buf_init(&text, 4 * KEPT_GROUPS + 32);
    (void)(v->sign != NUMERIC_NEGATIVE || tm__buf_byte(&text, '-'));
    for (uint32_t i = 0; i < v->n; i++) {
        const unsigned digit = get_u16(v->digits + (size_t)i * 2);
        has_rest = has_rest || (i >= kept && digit != 0);
        (void)(i >= kept || tm__buf_printf(&text, "%04u", digit));
    }
    exponent -= has_rest ? 1 : 0;
    (void)tm__buf_printf(&text, "%se%d", has_rest ? "1" : "", exponent);
    const bool is_good =
        !text.failed && tm__str_to_f64((tm_str){(const char *)text.data, text.len}, out);
    tm__buf_done(&text);
    return is_good;
}

static bool read_numeric(const uint8_t *data, size_t len, double *out) {
    static const double powers[] = {1e0, 1e4, 1e8, 1e12, 1e16, 1e20};
    numeric v;
    if (!numeric_open(data, len, &v)) {
        return false;
    }
    if (v.sign != 0 && v.sign != NUMERIC_NEGATIVE) {
        *out = v.sign == NUMERIC_PLUS_INFINITY    ? (double)INFINITY
               : v.sign == NUMERIC_MINUS_INFINITY ? -(double)INFINITY
                                                  : tm__nan();
        return v.sign == NUMERIC_NAN || v.sign == NUMERIC_PLUS_INFINITY ||
               v.sign == NUMERIC_MINUS_INFINITY;
    }
    uint64_t digits = 0;
    for (uint32_t i = 0; v.n <= 4 && i < v.n; i++) {
        digits = digits * 10000 + get_u16(v.digits + (size_t)i * 2);
    }
    const int32_t shift = v.weight - (int32_t)v.n + 1; /* of the last digit, in powers of 10,000 */
    if (v.n > 4 || digits > (UINT64_C(1) << 53) || shift > 5 || shift < -5) {
        return numeric_long(&v, out);
    }
    /* Both numbers are exact doubles, so the one operation rounds as it should. */
    const double size =
        shift >= 0 ? (double)digits * powers[shift] : (double)digits / powers[-shift];
    *out = v.sign == NUMERIC_NEGATIVE ? -size : size;
    return true;
}

static bool read_whole(const uint8_t *data, size_t len, int64_t *out) {
    numeric v;
    if (!numeric_open(data, len, &v)) {
        return false;
    }
    if (v.sign == NUMERIC_NAN) {
        *out = TM_INT_MISSING;
        return true;
    }
    int64_t value = 0;
    if ((v.sign != 0 && v.sign != NUMERIC_NEGATIVE) || v.weight > 4 ||
        (int32_t)v.n > v.weight + 1) {
        return v.n == 0 && (*out = 0) == 0;
    }
    for (int32_t i = 0; i <= v.weight; i++) {
        const int64_t digit = (uint32_t)i < v.n ? get_u16(v.digits + (size_t)i * 2) : INT64_C(0);
        if (__builtin_mul_overflow(value, INT64_C(10000), &value) ||
            __builtin_add_overflow(value, digit, &value)) {
            return false;
        }
    }
    *out = v.sign == NUMERIC_NEGATIVE ? -value : value;
    return true;
}

/* ---- By kind ---- */

static int64_t us_from(int64_t count, int64_t factor) {
    int64_t us = 0;
    const bool is_far =
        __builtin_mul_overflow(count, factor, &us) || __builtin_add_overflow(us, EPOCH_US, &us);
    return is_far ? TM_INT_MISSING : us;
}

static bool is_endless_date(int32_t days) {
    return days == INT32_MAX || days == INT32_MIN;
}

static bool read_date(int32_t days, int64_t *out) {
    *out = us_from(days, DAY_US);
    if (is_endless_date(days)) {
        *out = TM_INT_MISSING;
        return true;
    }
    return *out != TM_INT_MISSING;
}

static bool read_time(int64_t us, int64_t *out) {
    const bool is_endless = us == INT64_MAX || us == INT64_MIN;
    *out = is_endless ? TM_INT_MISSING : us_from(us, 1);
    return is_endless || *out != TM_INT_MISSING;
}

bool tm__pq_read_int(tm_pq_kind kind, const uint8_t *data, size_t len, int64_t *out) {
    switch (kind) {
    case TM_PQ_BOOL:
        *out = len == 1 && data[0] != 0;
        return len == 1;
    case TM_PQ_INT2:
        *out = len == 2 ? (int16_t)get_u16(data) : 0;
        return len == 2;
    case TM_PQ_INT4:
        *out = len == 4 ? (int32_t)get_u32(data) : 0;
        return len == 4;
    case TM_PQ_OID:
        *out = len == 4 ? (int64_t)get_u32(data) : 0;
        return len == 4;
    case TM_PQ_INT8:
        *out = len == 8 ? (int64_t)get_u64(data) : 0;
        return len == 8 && *out != TM_INT_MISSING;
    case TM_PQ_DATE:
        return len == 4 && read_date((int32_t)get_u32(data), out);
    case TM_PQ_TIME:
        return len == 8 && read_time((int64_t)get_u64(data), out);
    case TM_PQ_WHOLE:
        return read_whole(data, len, out);
    default:
        return false;
    }
}

bool tm__pq_read_float(tm_pq_kind kind, const uint8_t *data, size_t len, double *out) {
    if (kind == TM_PQ_NUMERIC) {
        return read_numeric(data, len, out);
    }
    if (kind == TM_PQ_FLOAT4 && len == 4) {
        const uint32_t bits = get_u32(data);
        float value = 0;
        memcpy(&value, &bits, sizeof(value));
        *out = (double)value;
        return true;
    }
    if (kind == TM_PQ_FLOAT8 && len == 8) {
        const uint64_t bits = get_u64(data);
        memcpy(out, &bits, sizeof(*out));
        return true;
    }
    return false;
}

/* ---- What does not fit ---- */

/* All digits, and where the point is. */
static bool numeric_text(const uint8_t *data, size_t len, tm_buf *out) {
    numeric v;
    if (!numeric_open(data, len, &v) || v.n == 0) {
        return false;
    }
    (void)(v.sign != NUMERIC_NEGATIVE || tm__buf_byte(out, '-'));
    for (uint32_t i = 0; i < v.n; i++) {
        (void)tm__buf_printf(out, i == 0 ? "%u" : "%04u",
                             (unsigned)get_u16(v.digits + (size_t)i * 2));
    }
    const int32_t exponent = 4 * (v.weight - (int32_t)v.n + 1);
    return exponent == 0 || tm__buf_printf(out, "e%d", exponent);
}

static bool far_time_text(int64_t us, tm_buf *out) {
    const int64_t day = us / DAY_US - (us % DAY_US < 0 ? 1 : 0);
    return tm__far_time_text(day + EPOCH_DAY, us - day * DAY_US, out);
}

bool tm__pq_far_text(tm_pq_kind kind, const uint8_t *data, size_t len, tm_buf *out) {
    switch (kind) {
    case TM_PQ_NUMERIC:
    case TM_PQ_WHOLE:
        return numeric_text(data, len, out);
    case TM_PQ_INT8:
        return len == 8 && tm__buf_printf(out, "%lld", (long long)get_u64(data));
    case TM_PQ_DATE:
        return len == 4 && tm__far_day_text((int32_t)get_u32(data) + EPOCH_DAY, out);
    case TM_PQ_TIME:
        return len == 8 && far_time_text((int64_t)get_u64(data), out);
    default:
        return false;
    }
}

/* ---- Texts ---- */

/* One byte and the rest of its character behind the limit: whoever takes it sees that it is longer.
 */
static size_t cut_len(const uint8_t *data, size_t len) {
    size_t cut = TM_MAX_TEXT_BYTES + 1;
    while (cut < len && (data[cut] & 0xC0u) == 0x80u) {
        cut++;
    }
    return cut < len ? cut : len;
}

bool tm__pq_read_text(tm_pq_kind kind, const uint8_t *data, size_t len, char *uuid_text,
                      tm_str *out) {
    static const char hex[] = "0123456789abcdef";
    if (kind == TM_PQ_UUID) {
        size_t at = 0;
        for (size_t i = 0; len == 16 && i < 16; i++) {
            if (i == 4 || i == 6 || i == 8 || i == 10) {
                uuid_text[at++] = '-';
            }
            uuid_text[at++] = hex[data[i] >> 4];
            uuid_text[at++] = hex[data[i] & 15u];
        }
        *out = (tm_str){uuid_text, at};
        return len == 16;
    }
    if (kind == TM_PQ_JSONB) {
        if (len < 1 || data[0] != 1) {
            return false;
        }
        data++;
        len--;
    }
    while (kind == TM_PQ_BLANKS && len > 0 && data[len - 1] == ' ') {
        len--;
    }
    *out = (tm_str){(const char *)data, len <= TM_MAX_TEXT_BYTES ? len : cut_len(data, len)};
    return true;
}
