/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers from and to text without the locale of the process.
 *
 * Reading a double: the grammar is checked here ([+-] digits [. digits] [e [+-] digits], with a
 * digit on at least one side of the point). When the digits make an integer of at most 53 bits and
 * the power of ten is at most 22, both are exact doubles and one multiplication or division rounds
 * once, which is the correct result (Clinger 1990, doi:10.1145/93542.93557). All else goes to
 * strtod_l with the C locale, which glibc rounds correctly.
 *
 * Writing a double: what has at most six places is found by trying (the same exact division proves
 * it); the rest is the first of 15, 16 and 17 digits that reads back.
 */
#include <locale.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/str.h"

#define NUMBER_BYTES_MAX 400u /* 1e-320 written out has 340 */
#define EXACT_MAX (UINT64_C(1) << 53)

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
    bool is_exact; /* digits holds all of them */
} decimal;

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Add digits up to the next other byte; n_zeros are zeros seen and not added yet. */
static size_t scan_digits(tm_str a, size_t pos, decimal *out, uint64_t *n_zeros, bool is_fraction) {
    for (; pos < a.len && is_digit(a.ptr[pos]); pos++) {
        out->exp10 -= is_fraction ? 1 : 0;
        if (a.ptr[pos] == '0') {
            *n_zeros += out->digits != 0 ? 1 : 0;
            continue;
        }
        for (; *n_zeros > 0 && out->is_exact; (*n_zeros)--) {
            out->is_exact = out->digits < EXACT_MAX;
            out->digits *= 10;
        }
        out->is_exact = out->is_exact && out->digits < EXACT_MAX;
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
        for (; pos < a.len && is_digit(a.ptr[pos]); pos++) {
            value = value < 100000 ? value * 10 + (a.ptr[pos] - '0') : value;
        }
        if (pos == exponent) {
            return false;
        }
        out->exp10 += is_negative ? -value : value;
    }
    return pos == a.len;
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
        if (!is_digit(a.ptr[i]) || __builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(a.ptr[i] - '0'), &value)) {
            return false;
        }
    }
    if (a.len == start) {
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
    int64_t us = 1000000;
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
        if (whole < 0 || __builtin_mul_overflow(whole, us, &product)) {
            return false;
        }
        *out = product;
        return true;
    }
    double value;
    if (!tm__str_to_f64(a, &value) || value < 0 || value * (double)us >= 0x1p63) {
        return false;
    }
    *out = (int64_t)floor(value * (double)us + 0.5);
    return true;
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

/* Write a value with at most six places; 0 when it has more or is large. The fewest places that
 * read back make the shortest text, because the digits before the point are given. */
static size_t write_short(double value, char *out) {
    if (value != 0 && (value < 1e-3 || value >= 1e15)) {
        return 0;
    }
    for (unsigned places = 0; places <= 6; places++) {
        const double scaled = floor(value * powers[places] + 0.5);
        if (scaled >= 1e15) {
            return 0;
        }
        if (scaled / powers[places] != value) {
            continue;
        }
        const uint64_t digits = (uint64_t)scaled;
        const uint64_t unit = (uint64_t)powers[places];
        size_t len = write_digits(digits / unit, out);
        if (places > 0) {
            out[len++] = '.';
            uint64_t fraction = digits % unit;
            for (unsigned i = places; i > 0; i--) {
                out[len + i - 1] = (char)('0' + fraction % 10);
                fraction /= 10;
            }
            len += places;
        }
        return len;
    }
    return 0;
}

/* What printf wrote in the locale of the process, with a plain point. */
static size_t plain_point(const char *text, char *out) {
    size_t len = 0;
    for (const char *c = text; *c != '\0'; c++) {
        if (is_digit(*c) || *c == '-' || *c == '+' || *c == 'e') {
            out[len++] = *c;
        } else if (len > 0 && out[len - 1] != '.') {
            out[len++] = '.';
        }
    }
    out[len] = '\0';
    return len;
}

size_t tm__f64_to_text(double value, char *out) {
    if (!isfinite(value)) {
        const tm_str word = isnan(value) ? TM_STR("nan")
                            : value < 0  ? TM_STR("-inf")
                                         : TM_STR("inf");
        tm__str_copy(out, 32, word);
        return word.len;
    }
    size_t len = 0;
    if (signbit(value)) {
        out[len++] = '-';
    }
    const double magnitude = fabs(value);
    const size_t n = write_short(magnitude, out + len);
    if (n > 0) {
        out[len + n] = '\0';
        return len + n;
    }
    /* Every decimal of 15 digits survives a normal double; subnormal ones hold fewer. */
    for (int digits = magnitude < 0x1p-1022 ? 1 : 15;; digits++) {
        char text[48];
        snprintf(text, sizeof(text), "%.*g", digits, magnitude);
        const size_t end = len + plain_point(text, out + len);
        if (digits == 17 || strtod_l(out + len, NULL, c_locale()) == magnitude) {
            return end;
        }
    }
}
