/* SPDX-License-Identifier: Apache-2.0 */
#include "store/parquet_values.h"

#include <string.h>

#include "base/le.h"

#define DAY_US INT64_C(86400000000)

int32_t tm__parquet_type(tm_type type) {
    static const int32_t types[] = {TM_PARQUET_BYTE_ARRAY, TM_PARQUET_BOOLEAN,    TM_PARQUET_INT64,
                                    TM_PARQUET_DOUBLE,     TM_PARQUET_BYTE_ARRAY, TM_PARQUET_INT32,
                                    TM_PARQUET_INT64};
    return types[type];
}

tm_str tm__parquet_text(const tm_column *column, uint64_t code) {
    return tm__dict_get(column->dict, (uint32_t)code);
}

void tm__parquet_put_numbers(tm_buf *out, const uint64_t *values, uint64_t n) {
    uint8_t *const to = tm__buf_reserve(out, n * sizeof(*values));
    for (uint64_t i = 0; to != NULL && i < n; i++) {
        tm__le_put_u64(to + i * sizeof(*values), values[i]);
    }
    out->len += to != NULL ? n * sizeof(*values) : 0;
}

/* A step of turning a square of 8 x 8 bytes: what is `bits` apart in two of its rows changes
 * places. */
static inline void swap_bytes(uint64_t *a, uint64_t *b, uint32_t bits, uint64_t mask) {
    const uint64_t moved = (*a >> bits ^ *b) & mask;
    *b ^= moved;
    *a ^= moved << bits;
}

/* Eight numbers: byte b of all stands together then. Written out, as no loop of it is unrolled. */
static void put_eight(uint8_t *to, const uint64_t *values, uint64_t n) {
    const uint64_t fours = UINT64_C(0x00000000ffffffff), twos = UINT64_C(0x0000ffff0000ffff),
                   ones = UINT64_C(0x00ff00ff00ff00ff);
    uint64_t v[8];
    memcpy(v, values, sizeof(v));
    swap_bytes(&v[0], &v[4], 32, fours);
    swap_bytes(&v[1], &v[5], 32, fours);
    swap_bytes(&v[2], &v[6], 32, fours);
    swap_bytes(&v[3], &v[7], 32, fours);
    swap_bytes(&v[0], &v[2], 16, twos);
    swap_bytes(&v[1], &v[3], 16, twos);
    swap_bytes(&v[4], &v[6], 16, twos);
    swap_bytes(&v[5], &v[7], 16, twos);
    swap_bytes(&v[0], &v[1], 8, ones);
    swap_bytes(&v[2], &v[3], 8, ones);
    swap_bytes(&v[4], &v[5], 8, ones);
    swap_bytes(&v[6], &v[7], 8, ones);
    for (uint32_t byte = 0; byte < 8; byte++) {
        tm__le_put_u64(to + byte * n, v[byte]);
    }
}

void tm__parquet_put_split(tm_buf *out, const uint64_t *values, uint64_t n) {
    uint8_t *const to = tm__buf_reserve(out, n * sizeof(*values));
    uint64_t i = 0;
    for (; to != NULL && i + 8 <= n; i += 8) {
        put_eight(to + i, values + i, n);
    }
    for (; to != NULL && i < n; i++) {
        for (uint32_t byte = 0; byte < sizeof(*values); byte++) {
            to[byte * n + i] = (uint8_t)(values[i] >> 8 * byte);
        }
    }
    out->len += to != NULL ? n * sizeof(*values) : 0;
}

void tm__parquet_put_bits(tm_buf *out, const uint32_t *values, uint64_t n, uint32_t width) {
    const uint64_t n_bytes = (n + 7) / 8 * width;
    uint8_t *to = tm__buf_reserve(out, n_bytes);
    uint64_t bits = 0;
    uint32_t n_bits = 0;
    if (to == NULL) {
        return;
    }
    memset(to, 0, n_bytes);
    for (uint64_t i = 0; i < n; i++) {
        bits |= (uint64_t)values[i] << n_bits;
        for (n_bits += width; n_bits >= 8; n_bits -= 8) {
            *to++ = (uint8_t)bits;
            bits >>= 8;
        }
    }
    if (n_bits > 0) {
        *to = (uint8_t)bits;
    }
    out->len += n_bytes;
}

static void put_bools(tm_buf *out, const uint64_t *values, uint64_t n) {
    for (uint64_t i = 0; i < n; i += 8) {
        uint8_t byte = 0;
        for (uint64_t k = i; k < n && k < i + 8; k++) {
            byte = (uint8_t)(byte | (values[k] == 1) << (k - i));
        }
        (void)tm__buf_byte(out, byte);
    }
}

void tm__parquet_put_plain(const tm_column *column, tm_buf *out, const uint64_t *values,
                           uint64_t n) {
    switch (tm__parquet_type(column->type)) {
    case TM_PARQUET_BOOLEAN:
        put_bools(out, values, n);
        break;
    case TM_PARQUET_INT32:
        for (uint64_t i = 0; i < n; i++) {
            (void)tm__buf_u32(out, (uint32_t)((int64_t)values[i] / DAY_US));
        }
        break;
    case TM_PARQUET_BYTE_ARRAY:
        for (uint64_t i = 0; i < n; i++) {
            (void)tm__buf_str(out, tm__parquet_text(column, values[i]));
        }
        break;
    default:
        tm__parquet_put_numbers(out, values, n);
        break;
    }
}
