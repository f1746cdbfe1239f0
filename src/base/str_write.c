/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shortest decimal that reads back as the same double, and of those the nearest (Giulietti
 * 2020, "The Schubfach way to render doubles"). With v = c 2^q, everything that reads back as v
 * lies between (4c - 2) 2^q / 4 and (4c + 2) 2^q / 4 (the lower one is half as far when c is a
 * power of two). k is chosen so that this interval, in units of 10^k, holds one or a few whole
 * numbers; if a multiple of ten of them is inside, it is the shortest, else the nearest whole
 * number is. The products by 10^-k are rounded to odd: their last bit says that something was cut
 * off, which is all that comparisons with multiples of four need.
 */
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/pow10_priv.h"
#include "base/str.h"

typedef struct shortest {
    uint64_t digits;
    int exp10;
} shortest;

static uint64_t round_to_odd(tm_wide power, uint64_t factor) {
    const tm_wide low = tm__wide_product(power.low, factor);
    tm_wide high = tm__wide_product(power.high, factor);
    high.high += __builtin_add_overflow(high.low, low.high, &high.low) ? 1 : 0;
    return high.high | (high.low > 1 ? 1u : 0u);
}

/* floor(q log10(2)), or floor(log10(3/4 * 2^q)); the sum keeps the shift of a positive number. */
static int decimal_exponent(int q, bool is_power_of_two) {
    const int64_t scaled = INT64_C(1262611) * q - (is_power_of_two ? 524031 : 0);
    return (int)((scaled + (INT64_C(512) << 22)) >> 22) - 512;
}

static shortest find_shortest(uint64_t bits) {
    const uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    const int biased = (int)(bits >> 52);
    const uint64_t c = biased == 0 ? fraction : fraction | UINT64_C(1) << 52;
    const int q = biased == 0 ? -1074 : biased - 1075;
    const bool is_power_of_two = fraction == 0 && biased > 1;
    const int k = decimal_exponent(q, is_power_of_two);
    const int shift = q + tm__pow10_exponent(-k) + 1;
    tm_wide power = tm__pow10(-k);
    if (-k < 0 || -k > TM_POW10_EXACT) {
        power.high += ++power.low == 0 ? 1 : 0; /* rounded up */
    }
    /* Four times the value and its ends; an odd c does not own its ends (ties go to even). */
    const uint64_t low_end = 4 * c - 2 + (is_power_of_two ? 1 : 0);
    const uint64_t low = round_to_odd(power, low_end << shift) + (c & 1);
    const uint64_t value = round_to_odd(power, 4 * c << shift);
    const uint64_t high = round_to_odd(power, (4 * c + 2) << shift) - (c & 1);
    const uint64_t s = value / 4;
    if (s >= 10) {
        const uint64_t tens = s / 10;
        const bool is_below_in = low <= 40 * tens;
        const bool is_above_in = 40 * tens + 40 <= high;
        if (is_below_in != is_above_in) {
            return (shortest){tens + (is_above_in ? 1 : 0), k + 1};
        }
    }
    const bool is_below_in = low <= 4 * s;
    const bool is_above_in = 4 * s + 4 <= high;
    if (is_below_in != is_above_in) {
        return (shortest){s + (is_above_in ? 1 : 0), k};
    }
    const uint64_t middle = 4 * s + 2;
    const bool is_up = value > middle || (value == middle && (s & 1) != 0);
    return (shortest){s + (is_up ? 1 : 0), k};
}

/* Digits of a whole number, most significant first; returns how many. */
static size_t write_digits(uint64_t value, char *out) {
    char reversed[20];
    size_t n = 0;
    do {
        reversed[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    for (size_t i = 0; i < n; i++) {
        out[i] = reversed[n - 1 - i];
    }
    return n;
}

static char *put(char *out, const char *bytes, size_t n) {
    memcpy(out, bytes, n);
    return out + n;
}

/* Digits with their point: plain from 0.0001 to below 10^16, else with an exponent. */
static char *place_point(char *out, const char *digits, int n, int exp10) {
    static const char zeros[] = "0000000000000000";
    const int n_whole = n + exp10; /* digits before the point */
    if (n_whole > 16 || n_whole < -3) {
        *out++ = digits[0];
        if (n > 1) {
            *out++ = '.';
            out = put(out, digits + 1, (size_t)n - 1);
        }
        const int exponent = n_whole - 1;
        *out++ = 'e';
        *out++ = exponent < 0 ? '-' : '+';
        const unsigned magnitude = (unsigned)(exponent < 0 ? -exponent : exponent);
        if (magnitude < 10) {
            *out++ = '0';
        }
        return out + write_digits(magnitude, out);
    }
    if (n_whole <= 0) {
        out = put(out, "0.", 2);
        out = put(out, zeros, (size_t)-n_whole);
        return put(out, digits, (size_t)n);
    }
    if (n_whole >= n) {
        out = put(out, digits, (size_t)n);
        return put(out, zeros, (size_t)(n_whole - n));
    }
    out = put(out, digits, (size_t)n_whole);
    *out++ = '.';
    return put(out, digits + n_whole, (size_t)(n - n_whole));
}

size_t tm__f64_to_text(double value, char *out) {
    if (!isfinite(value)) {
        const char *word = isnan(value) ? "nan" : value < 0 ? "-inf" : "inf";
        (void)tm__str_copy(out, 32, tm__str(word));
        return strlen(word);
    }
    char *end = out;
    if (signbit(value)) {
        *end++ = '-';
    }
    const double magnitude = fabs(value);
    /* Whole numbers hold all their digits. */
    shortest best = {.digits = 0};
    if (magnitude < 0x1p53 && floor(magnitude) == magnitude) {
        best.digits = (uint64_t)magnitude;
    } else {
        best = find_shortest(tm__f64_bits(magnitude));
    }
    while (best.digits != 0 && best.digits % 10 == 0) {
        best.digits /= 10;
        best.exp10++;
    }
    char digits[20];
    const size_t n = write_digits(best.digits, digits);
    end = place_point(end, digits, (int)n, best.exp10);
    *end = '\0';
    return (size_t)(end - out);
}
