/* SPDX-License-Identifier: Apache-2.0 */
/* Distance of a double from a long double in units of the last place, and hashes over bits. */
#ifndef TM_UNIT_BASE_ULP_H
#define TM_UNIT_BASE_ULP_H

#include <math.h>
#include <stdio.h>

#include "base/fmath.h"
#include "base/hash.h"
#include "base/rng.h"
#include "test.h"

/* Units of the last place of the double that is nearest to want. */
static inline double ulps_off(double got, long double want) {
    if (isnan(want) || isinf((double)want)) {
        return tm__f64_bits(got) == tm__f64_bits((double)want) ? 0 : INFINITY;
    }
    int exponent;
    (void)frexpl((long double)(double)want, &exponent);
    exponent = exponent < -1021 ? -1021 : exponent;
    return (double)(fabsl((long double)got - want) / ldexpl(1.0L, exponent - 53));
}

/* Points of a range: evenly spread, or spread over magnitudes (low and high are powers of two). */
static inline double point_in(tm_rng *rng, double low, double high, int by_magnitude) {
    const double at = low + (high - low) * tm__rng_f64(rng);
    if (by_magnitude == 0) {
        return at;
    }
    const double whole = floor(at);
    const double value = ldexp(1.0 + (at - whole), (int)whole);
    return by_magnitude < 0 ? -value : value;
}

typedef struct ulp_case {
    double (*fn)(double);
    long double (*want)(long double);
    const char *name;
    double low, high;
    int by_magnitude; /* 1: low and high are exponents; -1: of negative numbers */
    double ulps_max;
} ulp_case;

static inline void check_ulps(const ulp_case *cases, size_t n_cases, unsigned n_points) {
    for (size_t i = 0; i < n_cases; i++) {
        tm_rng rng = tm__rng_split(1, cases[i].name, i);
        for (unsigned k = 0; k < n_points; k++) {
            const double x = point_in(&rng, cases[i].low, cases[i].high, cases[i].by_magnitude);
            const double off = ulps_off(cases[i].fn(x), cases[i].want(x));
            if (!(off <= cases[i].ulps_max)) {
                fail_msg("%s(%a) is %g ulps off", cases[i].name, x, off);
            }
        }
    }
}

/* Add the bits of fn over a grid that runs through all magnitudes and a small range densely. */
static inline void hash_grid(tm_hasher *hasher, double (*fn)(double)) {
    for (uint64_t i = 0; i < 40000; i++) {
        const uint64_t bits = i * UINT64_C(0x0001A36E2EB1C432);
        const double wide = fn(tm__f64_from_bits(bits));
        const double dense = fn(((double)i - 20000.0) * 0x1.9p-9);
        const uint64_t out[2] = {tm__f64_bits(wide), tm__f64_bits(dense)};
        tm__hasher_update(hasher, out, sizeof(out));
    }
}

static inline void check_golden(tm_hasher *hasher, const char *want) {
    tm_hash hash;
    char text[TM_HASH_TEXT];
    tm__hasher_final(hasher, &hash);
    tm__hash_to_text(&hash, text);
    assert_string_equal(text, want);
}

#endif
