/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x^y = exp(y log x). y log x may be 745, and its absolute error becomes the relative error of the
 * result, so log x is computed to about 2^-68 with pairs of doubles (Dekker 1971,
 * doi:10.1007/BF01397083): log(1 + f) = 2 s (1 + z/3 + z^2/5 + z^3 T(z)), s = f / (2 + f), z = s^2,
 * where T needs one double only because z^3 < 2^-15.
 */
#include "base/fmath.h"
#include "base/fmath_priv.h"

#include <math.h>
#include <stdbool.h>

#define LN2_HIGH 0x1.62e42fefa0000p-1
#define LN2_LOW 0x1.cf79abc9e3b3ap-40
#define LN2_LOWEST (-0x1.ff0342542fc33p-94)

static tm_pair pair_product(tm_pair a, tm_pair b) {
    const tm_pair p = tm__pair_of_product(a.high, b.high);
    return tm__pair_sum_fast(p.high, p.low + (a.high * b.low + a.low * b.high));
}

static tm_pair pair_sum(tm_pair a, tm_pair b) {
    const tm_pair s = tm__pair_of_sum(a.high, b.high);
    return tm__pair_sum_fast(s.high, s.low + (a.low + b.low));
}

/* log(x) for a positive finite x. */
static tm_pair log_pair(double x) {
    int exponent;
    double m = frexp(x, &exponent);
    if (m < 0x1.6a09e667f3bcdp-1) {
        m *= 2.0;
        exponent--;
    }
    const double k = (double)exponent;
    const double f = m - 1.0;
    const tm_pair d = tm__pair_sum_fast(2.0, f);
    const double s0 = f / d.high;
    const tm_pair back = tm__pair_of_product(s0, d.high);
    const tm_pair s = tm__pair_sum_fast(s0, (((f - back.high) - back.low) - s0 * d.low) / d.high);
    const tm_pair z = pair_product(s, s);
    const double zh = z.high;
    double tail = 0x1.92def57541b21p-5;
    static const double terms[] = {0x1.8374ca1e0e959p-5, 0x1.af3cc372304dbp-5, 0x1.e1e186efd184dp-5,
                                   0x1.111111883096bp-4, 0x1.3b13b13a64a8ap-4, 0x1.745d1745d1f51p-4,
                                   0x1.c71c71c71c71ap-4, 0x1.2492492492492p-3};
    for (unsigned i = 0; i < sizeof(terms) / sizeof(terms[0]); i++) {
        tail = tail * zh + terms[i];
    }
    const tm_pair third = {0x1.5555555555555p-2, 0x1.5555555555555p-56};
    const tm_pair fifth = {0x1.999999999999ap-3, -0x1.999999999999ap-57};
    tm_pair series = tm__pair_sum_fast(fifth.high, fifth.low + tail * zh);
    series = pair_sum(third, pair_product(z, series));
    series = pair_sum((tm_pair){1.0, 0.0}, pair_product(z, series));
    tm_pair y = pair_product((tm_pair){2.0 * s.high, 2.0 * s.low}, series);
    /* k * LN2_HIGH is exact: the constant has 38 bits. */
    const tm_pair low = tm__pair_of_product(k, LN2_LOW);
    y = pair_sum((tm_pair){low.high, low.low + k * LN2_LOWEST}, y);
    return pair_sum((tm_pair){k * LN2_HIGH, 0.0}, y);
}

static bool is_integer(double y) {
    return fabs(y) >= 0x1p53 || floor(y) == y;
}

static bool is_odd(double y) {
    return fabs(y) < 0x1p53 && floor(y) == y && floor(y * 0.5) * 2.0 != y;
}

/* x^y for positive finite x other than 1 and finite y other than 0. */
static double pow_positive(double x, double y) {
    const tm_pair l = log_pair(x);
    const double rough = l.high * y;
    if (rough > 746.0) {
        return INFINITY;
    }
    if (rough < -746.0) {
        return 0.0;
    }
    const tm_pair p = tm__pair_of_product(y, l.high);
    const tm_pair e = tm__pair_sum_fast(p.high, p.low + y * l.low);
    return tm__exp_sum(e.high, e.low);
}

/* The special cases are those of C17, F.10.4.4. */
double tm__pow(double x, double y) {
    if (x == 1.0 || y == 0.0) {
        return 1.0;
    }
    if (x != x || y != y) {
        return tm__nan();
    }
    const bool is_negative = signbit(x) && is_odd(y);
    const double magnitude = fabs(x);
    double result;
    if (isinf(y)) {
        if (magnitude == 1.0) {
            return 1.0;
        }
        result = (magnitude > 1.0) == (y > 0) ? INFINITY : 0.0;
    } else if (magnitude == 0.0 || isinf(magnitude)) {
        result = (magnitude == 0.0) == (y > 0) ? 0.0 : INFINITY;
    } else if (x < 0 && !is_integer(y)) {
        return tm__nan();
    } else {
        result = magnitude == 1.0 ? 1.0 : pow_positive(magnitude, y);
    }
    return is_negative ? -result : result;
}
