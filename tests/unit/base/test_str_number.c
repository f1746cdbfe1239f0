/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/rng.h"
#include "base/str.h"

static void decimals_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double value;
    } cases[] = {
        {"0", 0.0},
        {"-0", -0.0},
        {"+1", 1},
        {"1.", 1},
        {".5", 0.5},
        {"-.5e1", -5},
        {"1e5", 1e5},
        {"1E+05", 1e5},
        {"100e-2", 1},
        {"0.1", 0.1},
        {"8.692932128906250000e-01", 0.869293212890625},
        {"9007199254740993", 9007199254740992.0},
        {"9007199254740992.5000000000000000000001", 9007199254740992.0},
        {"9007199254740993.00000000000000000000001", 9007199254740994.0},
        {"1e22", 1e22},
        {"1e23", 1e23},
        {"123456789012345678901234567890", 123456789012345678901234567890.0},
        {"4.9e-324", 0x1p-1074},
        {"2.4703282292062327e-324", 0.0},
        {"2.2250738585072011e-308", 0x1.ffffffffffffep-1023},
        {"1.7976931348623157e308", 0x1.fffffffffffffp1023},
        {"0e999999999999999999999", 0.0},
        {"0.000000000000000000000000000000000000001e39", 1},
        {"1000000000000000000000000000000e-30", 1},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double value = 77;
        if (!tm__str_to_f64(tm__str(cases[i].text), &value) ||
            tm__f64_bits(value) != tm__f64_bits(cases[i].value)) {
            fail_msg("'%s' gives %.17g", cases[i].text, value);
        }
    }
}

static void what_is_no_decimal_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",    " 1",    "1 ",    "nan",       "inf",      "-inf",  "0x10",  "1e",
        "1e+", "e5",    ".",     "-",         "+",        "--1",   "1.2.3", "1_0",
        "1,5", "1e5.0", "1e400", "-1e999999", "Infinity", "0x1p3", "1f",    "\xD9\xA1"};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double value = 77;
        int64_t whole = 77;
        if (tm__str_to_f64(tm__str(cases[i]), &value) || value != 77 ||
            tm__str_to_i64(tm__str(cases[i]), &whole) || whole != 77) {
            fail_msg("'%s' is taken for a number", cases[i]);
        }
    }
    double value;
    char text[500];
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const bool is_large = strcmp(cases[i], "1e400") == 0 || strcmp(cases[i], "-1e999999") == 0;
        assert_int_equal(tm__str_is_number(tm__str(cases[i])), is_large);
    }
    assert_true(tm__str_is_number(TM_STR("-12.5e3")) && tm__str_is_number(TM_STR(".5")));
    memset(text, '1', sizeof(text));
    assert_false(tm__str_to_f64((tm_str){text, 401}, &value));
    text[0] = '0';
    text[1] = '.';
    assert_true(tm__str_to_f64((tm_str){text, 400}, &value));
    assert_false(tm__str_to_f64((tm_str){"1\0", 2}, &value));
    int64_t whole;
    memset(text, '0', sizeof(text));
    assert_true(tm__str_to_i64((tm_str){text, 400}, &whole) && whole == 0);
    assert_false(tm__str_to_i64((tm_str){text, 401}, &whole));
}

/* glibc's strtod rounds correctly and is the oracle. */
static void reading_rounds_correctly(void **state) {
    (void)state;
    tm_rng rng = tm__rng_split(1, "decimal", 0);
    for (unsigned i = 0; i < 200000; i++) {
        char text[64];
        const int n_digits = 1 + (int)tm__rng_below(&rng, 19);
        const int exponent =
            i % 4 == 0 ? (int)tm__rng_below(&rng, 60) - 40 : (int)tm__rng_below(&rng, 630) - 340;
        snprintf(text, sizeof(text), "%.*f", (int)tm__rng_below(&rng, 12), tm__rng_f64(&rng) * 1e6);
        if (i % 2 == 0) {
            snprintf(text, sizeof(text), "%.*llue%d", n_digits,
                     (unsigned long long)tm__rng_u64(&rng), exponent);
        }
        double value = INFINITY; /* what is too large is refused */
        const bool is_read = tm__str_to_f64(tm__str(text), &value);
        if (is_read == isinf(value) || tm__f64_bits(value) != tm__f64_bits(strtod(text, NULL))) {
            fail_msg("'%s'", text);
        }
    }
}

static void whole_numbers_are_read_to_their_ends(void **state) {
    (void)state;
    int64_t i64;
    uint64_t u64;
    assert_true(tm__str_to_i64(TM_STR("-9223372036854775808"), &i64) && i64 == INT64_MIN);
    assert_true(tm__str_to_i64(TM_STR("+9223372036854775807"), &i64) && i64 == INT64_MAX);
    assert_false(tm__str_to_i64(TM_STR("9223372036854775808"), &i64));
    assert_false(tm__str_to_i64(TM_STR("-9223372036854775809"), &i64));
    assert_false(tm__str_to_i64(TM_STR("-+1"), &i64));
    assert_true(tm__str_to_u64(TM_STR("18446744073709551615"), &u64) && u64 == UINT64_MAX);
    assert_false(tm__str_to_u64(TM_STR("18446744073709551616"), &u64));
    assert_false(tm__str_to_u64(TM_STR("-1"), &u64));
    assert_false(tm__str_to_u64((tm_str){NULL, 0}, &u64));
    assert_false(tm__str_to_u64(TM_STR("1e3"), &u64));
}

static void durations_have_units(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {{"90s", 90000000},
                 {"90", -1},
                 {"1.5", -1},
                 {"15m", INT64_C(900000000)},
                 {"24h", INT64_C(86400000000)},
                 {"7d", INT64_C(604800000000)},
                 {"2w", INT64_C(1209600000000)},
                 {"500ms", 500000},
                 {"5us", 5},
                 {"1.5s", 1500000},
                 {"0", 0},
                 {"-1s", -1},
                 {"s", -1},
                 {"", -1},
                 {"1y", -1},
                 {"1 s", -1},
                 {"99999999999999999w", -1},
                 {"1e300w", -1}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t us = -1;
        (void)tm__str_to_duration_us(tm__str(cases[i].text), &us);
        if (us != cases[i].us) {
            fail_msg("'%s' gives %lld", cases[i].text, (long long)us);
        }
    }
}

static void a_duration_without_a_unit_is_asked_for_one(void **state) {
    (void)state;
    static const struct {
        const char *text, *hint;
    } cases[] = {{"7", "Which unit: 7s, 7m, 7h or 7d?"},
                 {"12345.67", "Which unit: 12345.67s, 12345.67m, 12345.67h or 12345.67d?"},
                 {"123456789", "like"},
                 {"-7", "like"},
                 {"soon", "like"},
                 {"", "like"}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[64];
        assert_string_equal(tm__duration_hint(tm__str(cases[i].text), "like", out), cases[i].hint);
    }
}

static void the_locale_does_not_matter(void **state) {
    (void)state;
    const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "C.UTF-8"};
    for (unsigned i = 0; i < 4 && setlocale(LC_ALL, names[i]) == NULL; i++) {
    }
    double value;
    char text[32];
    assert_true(tm__str_to_f64(TM_STR("1.23456789012345678901"), &value));
    assert_true(value == 1.23456789012345678901);
    (void)tm__f64_to_text(1.0 / 3, text);
    assert_string_equal(text, "0.3333333333333333");
    setlocale(LC_ALL, "C");
}

static void sizes_have_units(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        uint64_t want;
    } cases[] = {
        {"0", true, 0},
        {"17", true, 17},
        {"4k", true, 4096},
        {"4K", true, 4096},
        {"512M", true, 536870912},
        {"1.5g", true, 1610612736},
        {"2G", true, 2147483648},
        {"1T", true, 1099511627776},
        {"2GiB", true, 2147483648},
        {"iB", false, 0},
        {"7iB", true, 7},
        {"", false, 0},
        {"G", false, 0},
        {"-1M", false, 0},
        {"1MB", false, 0},
        {"nanG", false, 0},
        {"9999999T", false, 0},
        {"1 G", false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t got = 0;
        assert_int_equal(tm__str_to_bytes(tm__str(cases[i].text), &got), cases[i].ok);
        assert_true(got == cases[i].want);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_are_read),
        cmocka_unit_test(what_is_no_decimal_is_refused),
        cmocka_unit_test(reading_rounds_correctly),
        cmocka_unit_test(whole_numbers_are_read_to_their_ends),
        cmocka_unit_test(durations_have_units),
        cmocka_unit_test(a_duration_without_a_unit_is_asked_for_one),
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(the_locale_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
