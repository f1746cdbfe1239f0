/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exp and log, and what is built on them. Bits must not depend on compiler, libc or CPU, hence:
 *
 * 1. Only + - * / and integer operations on the bits, each rounded once (SSE2, no contraction).
 * 2. No branch depends on a value where a selection does: loops over arrays stay vectors, and a
 *    vector of any width holds the same operations a lane.
 * 3. Constants are hexadecimal; polynomials are interpolations at Chebyshev nodes, computed with
 *    300 bits and rounded.
 *
 * exp: x = k ln2 + r, |r| <= ln2 / 2; k ln2 is taken away in two parts, of which the first is
 * exact, and what the second loses is kept in c. exp(r) = 1 + r + (r^2 Q(r) + c), where 1 + r is
 * added with its error. About 0.6 ulp. 2^k is applied as two factors, so that subnormal results
 * are rounded once.
 *
 * log: x = 2^k (1 + f), 1 + f in [sqrt(1/2), sqrt(2)), s = f / (2 + f), and log(1 + f) = f - f^2/2
 * + s (f^2/2 + R(s^2)), the odd series of atanh arranged so that the rounding of s is multiplied
 * by a small number. k ln2 + f is added with its error. About 0.6 ulp.
 */
#include "base/fmath.h"

#ifdef __FAST_MATH__
#error "-ffast-math would change the bits of model files"
#endif

#include <stdbool.h>
#include <string.h>

#include "base/fmath_priv.h"
#include "base/simd.h"

#define SHIFTER 0x1.8p52 /* adding it leaves a rounded integer in the low bits */
#define LN2_HIGH 0x1.62e42fefa0000p-1
#define LN2_LOW 0x1.cf79abc9e3b3ap-40
#define ONE_OVER_LN2 0x1.71547652b82fep+0
#define TINY 0x1p-54
#define BITS_INF UINT64_C(0x7FF0000000000000)
#define BITS_NAN UINT64_C(0x7FF8000000000000)
#define BITS_ROOT_HALF UINT64_C(0x3FE6A09E667F3BCD)

static TM_ALWAYS_INLINE uint64_t bits_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static TM_ALWAYS_INLINE double from_bits(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

double tm__nan(void) {
    return from_bits(BITS_NAN);
}

uint64_t tm__f64_bits(double x) {
    return x != x ? BITS_NAN : bits_of(x);
}

double tm__f64_from_bits(uint64_t bits) {
    const double x = from_bits(bits);
    return x != x ? from_bits(BITS_NAN) : x;
}

double tm__sqrt(double x) {
    return x < 0 || x != x ? tm__nan() : __builtin_sqrt(x);
}

/* x = k ln2 + r + c. k is an integer as a double and, with a bias of 2048, as biased_k. */
typedef struct reduced {
    double k, r, c;
    uint64_t biased_k;
} reduced;

static TM_ALWAYS_INLINE reduced reduce_exp(double x, double x_low) {
    const double shifted = x * ONE_OVER_LN2 + SHIFTER;
    const double k = shifted - SHIFTER;
    const double high = x - k * LN2_HIGH;
    const double low = k * LN2_LOW - x_low;
    const double r = high - low;
    return (reduced){.k = k,
                     .r = r,
                     .c = (high - r) - low,
                     .biased_k = bits_of(shifted) - bits_of(SHIFTER) + 2048};
}

/* r^2 Q(r) + c: exp(r + c) - 1 - r. */
static TM_ALWAYS_INLINE double exp_tail(double r, double c) {
    const double r2 = r * r;
    const double r4 = r2 * r2;
    const double q0 = (0x1.0000000000000p-1 + r * 0x1.5555555555557p-3) +
                      r2 * (0x1.5555555555556p-5 + r * 0x1.11111111100dcp-7);
    const double q1 = (0x1.6c16c16c162d4p-10 + r * 0x1.a01a01abe7fe1p-13) +
                      r2 * (0x1.a01a01a6d889cp-16 + r * 0x1.71de0231960ebp-19);
    const double q2 =
        (0x1.27e4db646b17ep-22 + r * 0x1.af4de97ca4194p-26) + r2 * 0x1.1f730349868cep-29;
    return r2 * (q0 + r4 * (q1 + r4 * q2)) + c;
}

/* y * 2^k for a y near 1. */
static TM_ALWAYS_INLINE double scale_by(double y, uint64_t biased_k) {
    const uint64_t half = biased_k >> 1;
    return y * from_bits((half - 1) << 52) * from_bits((biased_k - half - 1) << 52);
}

/* exp(x + x_low); results outside the range of doubles become 0 or infinity. */
static TM_ALWAYS_INLINE double exp_core(double x, double x_low) {
    double inside = x < -746.0 ? -746.0 : x;
    inside = inside > 710.0 ? 710.0 : inside;
    const reduced a = reduce_exp(inside, x_low);
    const double y = 1.0 + a.r;
    const double lost = (1.0 - y) + a.r;
    return scale_by(y + (lost + exp_tail(a.r, a.c)), a.biased_k);
}

static TM_ALWAYS_INLINE double exp_any(double x) {
    const double y = exp_core(x, 0.0);
    return x != x ? from_bits(BITS_NAN) : y;
}

double tm__exp(double x) {
    return exp_any(x);
}

double tm__exp_sum(double x, double x_low) {
    return exp_core(x, x_low);
}

static TM_ALWAYS_INLINE double sigmoid_any(double x) {
    const double e = exp_core(x < 0 ? x : -x, 0.0);
    const double y = (x < 0 ? e : 1.0) / (1.0 + e);
    return x != x ? from_bits(BITS_NAN) : y;
}

double tm__sigmoid(double x) {
    return sigmoid_any(x);
}

static TM_ALWAYS_INLINE void exp_of_loop(const double *x, double *out, size_t n) {
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        out[i] = exp_any(x[i]);
    }
}

static TM_ALWAYS_INLINE void sigmoid_of_loop(const double *x, double *out, size_t n) {
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        out[i] = sigmoid_any(x[i]);
    }
}

TM_SIMD_KERNEL(exp_of, (const double *x, double *out, size_t n), (x, out, n));
TM_SIMD_KERNEL(sigmoid_of, (const double *x, double *out, size_t n), (x, out, n));

void tm__exp_array(const double *x, double *out, size_t n) {
    exp_of(x, out, n);
}

void tm__sigmoid_array(const double *x, double *out, size_t n) {
    sigmoid_of(x, out, n);
}

/* 2^k - 1 + 2^k (r + tail): the two large terms are added with their error. */
double tm__expm1(double x) {
    if (x != x) {
        return tm__nan();
    }
    if (x > 709.0 || x < -40.0) {
        return exp_core(x, 0.0) - 1.0;
    }
    if (x > -TINY && x < TINY) {
        return x;
    }
    const reduced a = reduce_exp(x, 0.0);
    const double tail = exp_tail(a.r, a.c);
    if (a.k == 0) {
        return a.r + tail;
    }
    if (a.k > 60) {
        return exp_core(x, 0.0);
    }
    const double scale = from_bits((a.biased_k - 2048 + 1023) << 52);
    const double whole = scale - 1.0;
    const double part = scale * a.r;
    const double sum = whole + part;
    const double of_part = sum - whole;
    const double lost = (whole - (sum - of_part)) + (part - of_part);
    return sum + (lost + scale * tail);
}

/* k ln2 + log(1 + f) + c, with 1 + f in [sqrt(1/2), sqrt(2)) and c far below f. */
static TM_ALWAYS_INLINE double log_core(double k, double f, double c) {
    const double s = f / (2.0 + f);
    const double z = s * s;
    const double z2 = z * z;
    const double r_odd =
        0x1.5555555555558p-1 +
        z2 * (0x1.2492492df281ap-2 + z2 * (0x1.7462b51cb66b1p-3 + z2 * 0x1.2b5900de53b32p-3));
    const double r_even =
        0x1.99999999952d7p-2 + z2 * (0x1.c71c62e3f11e6p-3 + z2 * 0x1.39fe51a7c18f9p-3);
    const double r = z * (r_odd + z * r_even);
    const double half_square = 0.5 * f * f;
    const double high = k * LN2_HIGH;
    const double sum = high + f;
    const double lost = k == 0 ? 0.0 : (high - sum) + f;
    return sum + (lost - (half_square - (s * (half_square + r) + (k * LN2_LOW + c))));
}

/* x = 2^k (1 + f) for a normal positive x. */
static TM_ALWAYS_INLINE double split_log(double x, double *out_k) {
    const uint64_t bits = bits_of(x);
    /* 1024 more than k, so that the shift is one of a positive number. */
    const uint64_t biased = (bits - BITS_ROOT_HALF + (UINT64_C(1024) << 52)) >> 52;
    *out_k = from_bits(biased | bits_of(0x1p52)) - (0x1p52 + 1024.0);
    return from_bits(bits - ((biased - 1024) << 52)) - 1.0;
}

static TM_ALWAYS_INLINE double log_any(double x) {
    const double is_small = x < 0x1p-1022 ? 1.0 : 0.0;
    double k;
    const double f = split_log(x < 0x1p-1022 ? x * 0x1p54 : x, &k);
    double y = log_core(k - 54.0 * is_small, f, 0.0);
    y = x == 0 ? -from_bits(BITS_INF) : y;
    y = x == from_bits(BITS_INF) ? x : y;
    return x < 0 || x != x ? from_bits(BITS_NAN) : y;
}

double tm__log(double x) {
    return log_any(x);
}

/* log(sum + lost) = log(sum) + lost / sum, up to far below an ulp. */
static TM_ALWAYS_INLINE double log1p_any(double x) {
    const double sum = 1.0 + x;
    const double lost = x > 1.0 ? 1.0 - (sum - x) : x - (sum - 1.0);
    const bool is_near = x > -0.29 && x < 0.41;
    double k;
    const double f = split_log(sum, &k);
    const double c = x > 0x1p60 ? 0.0 : lost / sum;
    double y = log_core(is_near ? 0.0 : k, is_near ? x : f, is_near ? 0.0 : c);
    y = x > -TINY && x < TINY ? x : y;
    y = x == -1.0 ? -from_bits(BITS_INF) : y;
    y = x == from_bits(BITS_INF) ? x : y;
    return x < -1.0 || x != x ? from_bits(BITS_NAN) : y;
}

double tm__log1p(double x) {
    return log1p_any(x);
}

static TM_ALWAYS_INLINE void log_of_loop(const double *x, double *out, size_t n) {
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        out[i] = log_any(x[i]);
    }
}

static TM_ALWAYS_INLINE void log1p_of_loop(const double *x, double *out, size_t n) {
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        out[i] = log1p_any(x[i]);
    }
}

TM_SIMD_KERNEL(log_of, (const double *x, double *out, size_t n), (x, out, n));
TM_SIMD_KERNEL(log1p_of, (const double *x, double *out, size_t n), (x, out, n));

void tm__log_array(const double *x, double *out, size_t n) {
    log_of(x, out, n);
}

void tm__log1p_array(const double *x, double *out, size_t n) {
    log1p_of(x, out, n);
}
