/* SPDX-License-Identifier: Apache-2.0 */
/* What fmath.c, fmath_pow.c and fmath_trig.c share. */
#ifndef TM_BASE_FMATH_PRIV_H
#define TM_BASE_FMATH_PRIV_H

/** exp(x + x_low) for |x_low| far below |x|; 0 or infinity outside the range of doubles; not for
 * NaN. */
double tm__exp_sum(double x, double x_low);

/* A number as the sum of two doubles that do not overlap. */
typedef struct tm_pair {
    double high, low;
} tm_pair;

/* Sum with its error, where |large| >= |small|. */
static inline tm_pair tm__pair_sum_fast(double large, double small) {
    const double high = large + small;
    return (tm_pair){high, (large - high) + small};
}

/* Sum with its error (Knuth). */
static inline tm_pair tm__pair_of_sum(double a, double b) {
    const double high = a + b;
    const double of_b = high - a;
    return (tm_pair){high, (a - (high - of_b)) + (b - of_b)};
}

/* A double as two halves of 26 bits, whose products are exact (Veltkamp). */
static inline tm_pair tm__pair_of_halves(double a) {
    const double t = a * 134217729.0;
    const double high = t - (t - a);
    return (tm_pair){high, a - high};
}

/* Product with its error (Dekker); for factors below 2^996. */
static inline tm_pair tm__pair_of_product(double a, double b) {
    const tm_pair p = tm__pair_of_halves(a), q = tm__pair_of_halves(b);
    const double high = a * b;
    const double sum = (p.high * q.high - high) + p.high * q.low + p.low * q.high;
    return (tm_pair){high, sum + p.low * q.low};
}

#endif
