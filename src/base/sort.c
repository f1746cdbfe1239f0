/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sort.h"

#include <string.h>

#include "base/mem.h"

enum { DIGITS = 6, DIGIT_BITS = 11, DIGIT_VALUES = 1 << DIGIT_BITS };

#define SIGN (UINT64_C(1) << 63)

/* Bits whose order as a whole number is that of the numbers. */
static uint64_t key_of(double x) {
    uint64_t bits = 0;
    memcpy(&bits, &x, sizeof(bits));
    return (bits & SIGN) != 0 ? ~bits : bits | SIGN;
}

static double value_of(uint64_t key) {
    const uint64_t bits = (key & SIGN) != 0 ? key & ~SIGN : ~key;
    double x = 0;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

static uint32_t digit_of(uint64_t key, uint32_t digit) {
    return (uint32_t)(key >> (digit * DIGIT_BITS)) & (DIGIT_VALUES - 1);
}

/* One pass: keys in the order of a digit, and of their places where it is the same. */
static void deal(const uint64_t *keys, uint64_t *out, uint32_t digit, uint64_t n) {
    uint32_t at[DIGIT_VALUES] = {0};
    uint32_t start = 0;
    for (uint64_t i = 0; i < n; i++) {
        at[digit_of(keys[i], digit)]++;
    }
    for (uint32_t v = 0; v < DIGIT_VALUES; v++) {
        const uint32_t n_of = at[v];
        at[v] = start;
        start += n_of;
    }
    for (uint64_t i = 0; i < n; i++) {
        out[at[digit_of(keys[i], digit)]++] = keys[i];
    }
}

bool tm__sort_f64(double *values, uint64_t n) {
    uint64_t *keys = tm__mem_alloc(n, sizeof(*keys));
    uint64_t *other = tm__mem_alloc(n, sizeof(*other));
    const bool has_room = keys != NULL && other != NULL;
    if (has_room) {
        for (uint64_t i = 0; i < n; i++) {
            keys[i] = key_of(values[i]);
        }
        for (uint32_t digit = 0; digit < DIGITS; digit++) {
            deal(keys, other, digit, n);
            uint64_t *const swap = keys;
            keys = other;
            other = swap;
        }
        for (uint64_t i = 0; i < n; i++) {
            values[i] = value_of(keys[i]);
        }
    }
    tm__mem_free(keys);
    tm__mem_free(other);
    return has_room;
}

int tm__compare_f64(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int tm__compare_i64(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int tm__compare_u64(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}
