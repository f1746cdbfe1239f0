/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sin and cos: x = n pi/2 + r, |r| <= pi/4 and a little, r as a pair of doubles.
 *
 * Up to 1e6, n has at most 20 bits, so that its products with parts of pi/2 of 33 bits are exact
 * (Cody and Waite 1980); the sum of four parts holds 152 bits. Beyond, x * 2/pi modulo 4 is
 * computed with integers from the 192 bits of 2/pi that matter for the exponent of x (Payne and
 * Hanek 1983, doi:10.1145/1057600.1057602).
 */
#include "base/fmath.h"
#include "base/fmath_priv.h"

#include <math.h>
#include <string.h>

#define CODY_WAITE_MAX 1e6
#define SHIFTER 0x1.8p52
#define TWO_OVER_PI 0x1.45f306dc9c883p-1

/* Bits of 2/pi after the point, most significant first. */
static const uint64_t two_over_pi[] = {
    UINT64_C(0xA2F9836E4E441529), UINT64_C(0xFC2757D1F534DDC0), UINT64_C(0xDB6295993C439041),
    UINT64_C(0xFE5163ABDEBBC561), UINT64_C(0xB7246E3A424DD2E0), UINT64_C(0x06492EEA09D1921C),
    UINT64_C(0xFE1DEB1CB129A73E), UINT64_C(0xE88235F52EBB4484), UINT64_C(0xE99C7026B45F7E41),
    UINT64_C(0x3991D639835339F4), UINT64_C(0x9C845F8BBDF9283B), UINT64_C(0x1FF897FFDE05980F),
    UINT64_C(0xEF2F118B5A0A6D1F), UINT64_C(0x6D367ECF27CB09B7), UINT64_C(0x4F463F669E5FEA2D),
    UINT64_C(0x7527BAC7EBE5F17B), UINT64_C(0x3D0739F78A5292EA), UINT64_C(0x6BFB5FB11F8D5D08),
    UINT64_C(0x56033046FC7B6BAB), UINT64_C(0xF0CFBC209AF4361D),
};

static unsigned reduce_small(double x, tm_pair *out) {
    const double shifted = x * TWO_OVER_PI + SHIFTER;
    const double n = shifted - SHIFTER;
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof(bits));
    const tm_pair first =
        tm__pair_of_sum(x - n * 0x1.921fb54400000p+0, -(n * 0x1.0b4611a600000p-34));
    const tm_pair second = tm__pair_of_sum(first.high, -(n * 0x1.3198a2e000000p-69));
    const double low = (first.low + second.low) - n * 0x1.b839a252049c1p-104;
    out->high = second.high + low;
    out->low = (second.high - out->high) + low;
    return (unsigned)(bits & 3u);
}

/* 64 bits of 2/pi from bit `start` after the point; bits before the point are zeros. */
static uint64_t window(int start) {
    uint64_t value = 0;
    for (int i = 0; i < 64; i += 1) {
        const int bit = start + i;
        const uint64_t set = bit < 0 ? 0 : two_over_pi[bit / 64] >> (63 - bit % 64) & 1u;
        value = value << 1 | set;
    }
    return value;
}

/* For a positive x above 1e6. */
static unsigned reduce_large(double x, tm_pair *out) {
    __extension__ typedef unsigned __int128 wide;
    uint64_t bits;
    memcpy(&bits, &x, sizeof(bits));
    const int exponent = (int)(bits >> 52) - 1075; /* x = m * 2^exponent, m has 53 bits */
    const uint64_t m = (bits & ((UINT64_C(1) << 52) - 1)) | (UINT64_C(1) << 52);
    /* x * 2/pi = m * sum of bit_i 2^(exponent - 1 - i): a bit with exponent - 1 - i >= 2 only adds
     * multiples of 4. Three words from there are 192 bits with the top one worth 2. */
    const int start = exponent - 2;
    const uint64_t w0 = window(start), w1 = window(start + 64), w2 = window(start + 128);
    const wide low = (wide)m * w2;
    const wide middle = (wide)m * w1 + (uint64_t)(low >> 64);
    const uint64_t top = m * w0 + (uint64_t)(middle >> 64);
    /* 2 bits of quadrant, then a fraction of 62 + 64 + 64 bits, rounded to the nearest quadrant. */
    unsigned quadrant = (unsigned)(top >> 62);
    wide fraction = ((wide)top << 64 | (uint64_t)middle) << 2 | (uint64_t)low >> 62;
    const int is_upper = (int)(fraction >> 127);
    if (is_upper) {
        quadrant = (quadrant + 1) & 3u;
        fraction = 0 - fraction;
    }
    /* The fraction of 128 bits as a pair of doubles, times pi/2. */
    int shift = 0;
    while (fraction >> 127 == 0 && shift < 127) {
        fraction <<= 1;
        shift++;
    }
    const uint64_t head = (uint64_t)(fraction >> 75);
    const uint64_t rest = (uint64_t)(fraction >> 11);
    const double high = ldexp((double)head, -53 - shift);
    const double low_part = ldexp((double)rest, -117 - shift);
    const double half_pi = 0x1.921fb54442d18p+0, half_pi_low = 0x1.1a62633145c07p-54;
    const tm_pair r = tm__pair_of_product(high, half_pi);
    const double low_sum = r.low + (high * half_pi_low + low_part * half_pi);
    *out = tm__pair_sum_fast(r.high, low_sum);
    if (is_upper) {
        out->high = -out->high;
        out->low = -out->low;
    }
    return quadrant;
}

static double sin_core(tm_pair r) {
    const double z = r.high * r.high;
    const double s = -0x1.5555555555555p-3 +
                     z * (0x1.1111111110bb2p-7 +
                          z * (-0x1.a01a019e83816p-13 +
                               z * (0x1.71de379654304p-19 +
                                    z * (-0x1.ae600aca92c64p-26 + z * 0x1.5e0b05bff20f2p-33))));
    return r.high + (r.high * z * s + r.low * (1.0 - 0.5 * z));
}

static double cos_core(tm_pair r) {
    const double z = r.high * r.high;
    const double c = 0x1.5555555555555p-5 +
                     z * (-0x1.6c16c16c16967p-10 +
                          z * (0x1.a01a019f4e9b4p-16 +
                               z * (-0x1.27e4fa17bf139p-22 +
                                    z * (0x1.1eeb68cd22f56p-29 + z * -0x1.907d8f29fe831p-37))));
    const double half = 0.5 * z;
    const double y = 1.0 - half;
    return y + (((1.0 - y) - half) + (z * z * c - r.high * r.low));
}

/* sin(|x| + quarter * pi/2). */
static double turn(double magnitude, unsigned quarter) {
    tm_pair r;
    const unsigned n =
        magnitude <= CODY_WAITE_MAX ? reduce_small(magnitude, &r) : reduce_large(magnitude, &r);
    const unsigned quadrant = (n + quarter) & 3u;
    const double y = (quadrant & 1u) != 0 ? cos_core(r) : sin_core(r);
    return (quadrant & 2u) != 0 ? -y : y;
}

double tm__sin(double x) {
    if (x != x || isinf(x)) {
        return tm__nan();
    }
    if (fabs(x) < 0x1p-27) {
        return x;
    }
    return x < 0 ? -turn(-x, 0) : turn(x, 0);
}

double tm__cos(double x) {
    if (x != x || isinf(x)) {
        return tm__nan();
    }
    return turn(fabs(x), 1);
}
