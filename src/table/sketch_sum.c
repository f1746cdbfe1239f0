/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums of doubles without rounding, so that no order of addition can matter: one long integer that
 * holds every double (Kulisch), in limbs of 32 bits with room for carries above.
 *
 * 1. A limb takes 2^30 additions before carries must be passed on.
 * 2. After that every limb but the last lies in 0 .. 2^32 - 1 and the last bears the sign: one
 *    number has one form, which is what is written.
 */
#include <math.h>

#include "base/assert.h"
#include "base/fmath.h"
#include "table/sketch_priv.h"

#define LIMB_MASK INT64_C(0xffffffff)
#define LIMB_SIZE 4294967296.0
#define PENDING_MAX (1u << 30)
#define EXPONENT_MIN (-1074) /* of the lowest bit */

static void carry(tm_exact *sum) {
    int64_t over = 0;
    for (uint32_t i = 0; i + 1 < TM_EXACT_LIMBS; i++) {
        const int64_t limb = sum->limbs[i] + over;
        sum->limbs[i] = limb & LIMB_MASK;
        over = limb >> 32;
    }
    sum->limbs[TM_EXACT_LIMBS - 1] += over;
    sum->n_pending = 0;
}

void tm__exact_add(tm_exact *sum, double value) {
    const uint64_t bits = tm__f64_bits(value);
    const uint32_t exponent = (uint32_t)(bits >> 52) & 0x7ffu;
    TM_ASSERT(exponent != 0x7ff);
    uint64_t digits = bits & ((UINT64_C(1) << 52) - 1);
    digits |= exponent == 0 ? 0 : UINT64_C(1) << 52;
    const uint32_t at = exponent == 0 ? 0 : exponent - 1;
    const uint32_t limb = at / 32, shift = at % 32;
    const uint64_t low = (digits & 0xffffffffu) << shift;
    const uint64_t high = ((digits >> 32) << shift) + (low >> 32);
    const int64_t sign = (int64_t)(bits >> 63) * -2 + 1;
    sum->limbs[limb] += sign * (int64_t)(low & 0xffffffffu);
    sum->limbs[limb + 1] += sign * (int64_t)(high & 0xffffffffu);
    sum->limbs[limb + 2] += sign * (int64_t)(high >> 32);
    if (++sum->n_pending >= PENDING_MAX) {
        carry(sum);
    }
}

/* A product of two halves is exact (Dekker 1971, doi:10.1007/BF01397083). */
static double product(double a, double b, double *out_rest) {
    const double high = a * b;
    const double big_a = 134217729.0 * a, big_b = 134217729.0 * b;
    const double a1 = big_a - (big_a - a), b1 = big_b - (big_b - b);
    const double a2 = a - a1, b2 = b - b1;
    *out_rest = ((a1 * b1 - high) + a1 * b2 + a2 * b1) + a2 * b2;
    return high;
}

void tm__exact_add_square(tm_exact *sum, double value) {
    double rest = 0;
    tm__exact_add(sum, product(value, value, &rest));
    if (rest != 0) {
        tm__exact_add(sum, rest);
    }
}

void tm__exact_merge(tm_exact *sum, const tm_exact *from) {
    tm_exact other = *from;
    carry(sum);
    carry(&other);
    for (uint32_t i = 0; i < TM_EXACT_LIMBS; i++) {
        sum->limbs[i] += other.limbs[i];
    }
    carry(sum);
}

tm_exact_value tm__exact_value(const tm_exact *sum) {
    tm_exact whole = *sum;
    carry(&whole);
    const bool is_negative = whole.limbs[TM_EXACT_LIMBS - 1] < 0;
    for (uint32_t i = 0; is_negative && i < TM_EXACT_LIMBS; i++) {
        whole.limbs[i] = -whole.limbs[i];
    }
    carry(&whole);
    uint32_t top = TM_EXACT_LIMBS - 1;
    while (top > 0 && whole.limbs[top] == 0) {
        top--;
    }
    /* Five limbs from the top: 128 bits or more, each limb added without loss. */
    tm_exact_value out = {.exponent = EXPONENT_MIN + 32 * (int)top};
    double unit = is_negative ? -1 : 1;
    for (uint32_t i = 0; i < 5 && i <= top; i++) {
        const double limb = (double)whole.limbs[top - i] * unit;
        const double high = out.high + limb;
        const double part = high - out.high;
        out.low += (out.high - (high - part)) + (limb - part);
        out.high = high;
        unit /= LIMB_SIZE;
    }
    const double high = out.high + out.low;
    out.low -= high - out.high;
    out.high = high;
    return out;
}

void tm__exact_write(const tm_exact *sum, tm_buf *out) {
    tm_exact whole = *sum;
    carry(&whole);
    uint32_t first = 0, end = TM_EXACT_LIMBS;
    while (first < TM_EXACT_LIMBS && whole.limbs[first] == 0) {
        first++;
    }
    while (end > first && whole.limbs[end - 1] == 0) {
        end--;
    }
    (void)tm__buf_u8(out, (uint8_t)first);
    (void)tm__buf_u8(out, (uint8_t)end);
    for (uint32_t i = first; i < end; i++) {
        (void)tm__buf_i64(out, whole.limbs[i]);
    }
}

bool tm__exact_read(tm_exact *sum, tm_reader *in) {
    const uint32_t first = tm__reader_u8(in), end = tm__reader_u8(in);
    if (end > TM_EXACT_LIMBS || (first > end && first != TM_EXACT_LIMBS)) {
        return false;
    }
    for (uint32_t i = first; i < end; i++) {
        const int64_t limb = tm__reader_i64(in);
        const int64_t most = INT64_C(1) << 40;
        const bool fits =
            i + 1 < TM_EXACT_LIMBS ? limb >= 0 && limb <= LIMB_MASK : limb > -most && limb < most;
        if (!fits) {
            return false;
        }
        sum->limbs[i] = limb;
    }
    return !in->failed;
}
