/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers from text without the locale of the process.
 *
 * Reading a double: the grammar is checked here ([+-] digits [. digits] [e [+-] digits], with a
 * digit on at least one side of the point). The value is digits * 10^exp10, and then
 *
 * 1. digits of at most 53 bits with |exp10| <= 22: both are exact doubles and one multiplication or
 *    division rounds once, which is the correct result (Clinger 1990, doi:10.1145/93542.93557);
 * 2. digits of at most 63 bits: the product with 128 bits of the power of ten is below the value
 *    and at most one unit of the power times the digits away; when both ends round to the same
 *    double, it is the correct one (after Lemire 2021, doi:10.1002/spe.2984);
 * 3. all else (more digits, subnormal numbers, what 2 cannot tell) goes to strtod_l with the C
 *    locale, which glibc rounds correctly.
 */
#include <locale.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/pow10_priv.h"
#include "base/str.h"

#define NUMBER_BYTES_MAX 400u /* 1e-320 written out has 340 */
#define EXACT_MAX (UINT64_C(1) << 53)
#define DIGITS_MAX ((UINT64_MAX - 9) / 10) /* another digit still fits */

static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* The C locale needs no memory in glibc and is the same object each time; it is never freed. */
static locale_t c_locale(void) {
    static _Atomic(locale_t) cached;
    locale_t locale = atomic_load_explicit(&cached, memory_order_acquire);
    if (locale == (locale_t)0) {
        locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
        TM_ASSERT(locale != (locale_t)0);
        atomic_store_explicit(&cached, locale, memory_order_release);
    }
    return locale;
}

typedef struct decimal {
    uint64_t digits; /* significant digits without trailing zeros */
    int64_t exp10;
    bool is_negative;
    bool is_exact; /* digits holds all of them: at least the first 19 */
} decimal;

/* Add digits up to the next other byte; n_zeros are zeros seen and not added yet. */
static size_t scan_digits(tm_str a, size_t pos, decimal *out, uint64_t *n_zeros, bool is_fraction) {
    for (; pos < a.len && tm__is_digit(a.ptr[pos]); pos++) {
        out->exp10 -= is_fraction ? 1 : 0;
        if (a.ptr[pos] == '0') {
            *n_zeros += out->digits != 0 ? 1 : 0;
            continue;
        }
        for (; *n_zeros > 0 && out->is_exact; (*n_zeros)--) {
            out->is_exact = out->digits <= DIGITS_MAX;
            out->digits *= out->is_exact ? 10 : 1;
        }
        out->is_exact = out->is_exact && out->digits <= DIGITS_MAX;
        if (out->is_exact) {
            out->digits = out->digits * 10 + (uint64_t)(a.ptr[pos] - '0');
        }
    }
    return pos;
}

/* Check the grammar of the whole text; false when it is no decimal number. */
static bool scan_decimal(tm_str a, decimal *out) {
    *out = (decimal){.is_exact = true};
    uint64_t n_zeros = 0;
    size_t pos = 0;
    if (pos < a.len && (a.ptr[pos] == '+' || a.ptr[pos] == '-')) {
        out->is_negative = a.ptr[pos] == '-';
        pos++;
    }
    const size_t start = pos;
    pos = scan_digits(a, pos, out, &n_zeros, false);
    size_t n_digits = pos - start;
    if (pos < a.len && a.ptr[pos] == '.') {
        const size_t point = ++pos;
        pos = scan_digits(a, pos, out, &n_zeros, true);
        n_digits += pos - point;
    }
    if (n_digits == 0) {
        return false;
    }
    out->exp10 += (int64_t)n_zeros;
    if (pos < a.len && (a.ptr[pos] == 'e' || a.ptr[pos] == 'E')) {
        pos++;
        bool is_negative = false;
        if (pos < a.len && (a.ptr[pos] == '+' || a.ptr[pos] == '-')) {
            is_negative = a.ptr[pos] == '-';
            pos++;
        }
        const size_t exponent = pos;
        int64_t value = 0;
        for (; pos < a.len && tm__is_digit(a.ptr[pos]); pos++) {
            value = value < 100000 ? value * 10 + (a.ptr[pos] - '0') : value;
        }
        if (pos == exponent) {
            return false;
        }
        out->exp10 += is_negative ? -value : value;
    }
    return pos == a.len;
}

/* Bits of the double nearest to (high * 2^128 + middle * 2^64 + low) * 2^exponent, ties to even; 0
 * when it is no normal number. The top bit of high or the one below it is set. */
static uint64_t round_bits(tm_wide top, uint64_t low, int exponent) {
    if (top.high >> 63 == 0) {
        top.high = top.high << 1 | top.low >> 63;
        top.low = top.low << 1 | low >> 63;
        low <<= 1;
        exponent--;
    }
    uint64_t mantissa = top.high >> 11;
    const uint64_t rest = top.high & 0x7FF;
    const bool is_tie = rest == 0x400 && top.low == 0 && low == 0;
    mantissa += is_tie ? mantissa & 1u : rest >> 10;
    /* 2^53 rounds up to the next power of two; the sum below carries into the exponent. */
    const int biased = exponent + 191 + 1023;
    if (biased < 1 || biased > 2045) {
        return 0;
    }
    return ((uint64_t)biased << 52) + (mantissa - (UINT64_C(1) << 52));
}

/* Way 2; false when the ends of the interval round to two doubles. */
static bool multiply_wide(uint64_t digits, int exp10, double *out) {
    const int n_shift = __builtin_clzll(digits);
    const uint64_t w = digits << n_shift;
    const tm_wide power = tm__pow10(exp10);
    tm_wide top = tm__wide_product(w, power.high);
    const tm_wide bottom = tm__wide_product(w, power.low);
    top.high += __builtin_add_overflow(top.low, bottom.high, &top.low) ? 1 : 0;
    const int exponent = tm__pow10_exponent(exp10) - 127 - n_shift;
    const uint64_t bits = round_bits(top, bottom.low, exponent);
    if (exp10 < 0 || exp10 > TM_POW10_EXACT) {
        uint64_t low;
        if (__builtin_add_overflow(bottom.low, w, &low)) {
            top.high += ++top.low == 0 ? 1 : 0;
        }
        /* The value lies between the ends and is neither, so that a tie at one end is none. */
        if (round_bits(top, low, exponent) != bits) {
            return false;
        }
    }
    memcpy(out, &bits, sizeof(bits));
    return bits != 0;
}

bool tm__str_is_number(tm_str a) {
    decimal number;
    return a.len > 0 && a.len <= NUMBER_BYTES_MAX && scan_decimal(a, &number);
}

bool tm__str_to_f64(tm_str a, double *out) {
    decimal number;
    if (a.len == 0 || a.len > NUMBER_BYTES_MAX || !scan_decimal(a, &number)) {
        return false;
    }
    if (number.is_exact && number.digits <= EXACT_MAX &&
        (number.digits == 0 || (number.exp10 >= -22 && number.exp10 <= 22))) {
        double value = (double)number.digits;
        if (number.digits != 0) {
            value = number.exp10 < 0 ? value / powers[-number.exp10] : value * powers[number.exp10];
        }
        *out = number.is_negative ? -value : value;
        return true;
    }
    double near;
    if (number.is_exact && number.exp10 >= TM_POW10_MIN && number.exp10 <= 308 &&
        multiply_wide(number.digits, (int)number.exp10, &near)) {
        *out = number.is_negative ? -near : near;
        return true;
    }
    char text[NUMBER_BYTES_MAX + 1];
    memcpy(text, a.ptr, a.len);
    text[a.len] = '\0';
    const double value = strtod_l(text, NULL, c_locale());
    if (isinf(value)) {
        return false;
    }
    *out = value;
    return true;
}

bool tm__str_to_u64(tm_str a, uint64_t *out) {
    uint64_t value = 0;
    const size_t start = a.len > 0 && a.ptr[0] == '+' ? 1 : 0;
    for (size_t i = start; i < a.len; i++) {
        if (!tm__is_digit(a.ptr[i]) || __builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(a.ptr[i] - '0'), &value)) {
            return false;
        }
    }
    if (a.len == start || a.len > NUMBER_BYTES_MAX) {
        return false;
    }
    *out = value;
    return true;
}

bool tm__str_to_i64(tm_str a, int64_t *out) {
    const bool is_negative = a.len > 0 && a.ptr[0] == '-';
    uint64_t value;
    if (is_negative) {
        a = (tm_str){a.ptr + 1, a.len - 1};
        if (a.len > 0 && a.ptr[0] == '+') {
            return false;
        }
    }
    if (!tm__str_to_u64(a, &value) || value > (uint64_t)INT64_MAX + (is_negative ? 1u : 0u)) {
        return false;
    }
    *out = is_negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

bool tm__str_to_duration_us(tm_str a, int64_t *out) {
    static const struct {
        const char *suffix;
        int64_t us;
    } units[] = {
        {"us", 1},
        {"ms", 1000},
        {"s", 1000000},
        {"m", INT64_C(60000000)},
        {"h", INT64_C(3600000000)},
        {"d", INT64_C(86400000000)},
        {"w", INT64_C(604800000000)},
    };
    int64_t us = 0;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (tm__str_has_suffix(a, units[i].suffix)) {
            us = units[i].us;
            a.len -= strlen(units[i].suffix);
            break;
        }
    }
    int64_t whole;
    int64_t product;
    if (tm__str_to_i64(a, &whole)) {
        if (whole < 0 || (us == 0 && whole > 0) || __builtin_mul_overflow(whole, us, &product)) {
            return false;
        }
        *out = product;
        return true;
    }
    double value;
    if (us == 0 || !tm__str_to_f64(a, &value) || value < 0 || value * (double)us >= 0x1p63) {
        return false;
    }
    *out = (int64_t)floor(value * (double)us + 0.5);
    return true;
}

const char *tm__duration_hint(tm_str a, const char *like, char *out) {
    double value = 0;
    const int n = (int)a.len;
    if (a.len > 8 || !tm__str_to_f64(a, &value) || value < 0) {
        return like;
    }
    (void)snprintf(out, 64, "Which unit: %.*ss, %.*sm, %.*sh or %.*sd?", n, a.ptr, n, a.ptr, n,
                   a.ptr, n, a.ptr);
    return out;
}

bool tm__str_to_bytes(tm_str a, uint64_t *out) {
    static const char suffixes[] = "kKmMgGtT";
    double value, unit = 1;
    a.len -= tm__str_has_suffix(a, "iB") ? 2 : 0; /* 2GiB is 2G */
    const char *found = a.len > 0 ? memchr(suffixes, a.ptr[a.len - 1], sizeof(suffixes) - 1) : NULL;
    if (found != NULL) {
        for (long power = (found - suffixes) / 2; power >= 0; power--) {
            unit *= 1024;
        }
        a.len--;
    }
    if (!tm__str_to_f64(a, &value) || !(value >= 0 && value * unit < 0x1p63)) {
        return false;
    }
    *out = (uint64_t)floor(value * unit + 0.5);
    return true;
}
