/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/rng.h"
#include "base/str.h"

static void doubles_are_written_short(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {0.001, "0.001"},
        {1e-5, "1e-05"},
        {123456.789, "123456.789"},
        {0.30000000000000004, "0.30000000000000004"},
        {1e15, "1000000000000000"},
        {1e16, "1e+16"},
        {12345678901234567000.0, "1.2345678901234567e+19"},
        {9007199254740993.0, "9007199254740992"},
        {1e23, "1e+23"},
        {9.5e-5, "9.5e-05"},
        {0.000123, "0.000123"},
        {120, "120"},
        {2e-44, "2e-44"},
        {0x1p-1022, "2.2250738585072014e-308"},
        {0x1p-1021, "4.450147717014403e-308"},
        {0x1p+1023, "8.98846567431158e+307"},
        {999999999999999, "999999999999999"},
        {1.0 / 3, "0.3333333333333333"},
        {0x1p-1074, "5e-324"},
        {0x1.fffffffffffffp1023, "1.7976931348623157e+308"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {NAN, "nan"},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[32];
        const size_t len = tm__f64_to_text(cases[i].value, text);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(len, strlen(text));
    }
}

static void every_double_survives_its_text(void **state) {
    (void)state;
    tm_rng rng = tm__rng_split(1, "double", 0);
    for (unsigned i = 0; i < 150000; i++) {
        double value = tm__f64_from_bits(tm__rng_u64(&rng));
        if (i % 3 == 0) {
            value = tm__rng_f64(&rng);
        } else if (i % 3 == 1) {
            value = (double)tm__rng_below(&rng, 100000000) / 1000;
        }
        char text[32];
        double back;
        (void)tm__f64_to_text(value, text);
        if (!isfinite(value)) {
            continue;
        }
        if (!tm__str_to_f64(tm__str(text), &back) || tm__f64_bits(back) != tm__f64_bits(value)) {
            fail_msg("%.17g becomes '%s'", value, text);
        }
        /* No shorter number of digits reads back. */
        char shorter[400];
        size_t n_digits = 0;
        for (const char *c = text; *c != '\0' && *c != 'e'; c++) {
            n_digits += (*c >= '1' && *c <= '9') || (*c == '0' && n_digits > 0) ? 1u : 0u;
        }
        if (n_digits > 1 && value != floor(value)) {
            snprintf(shorter, sizeof(shorter), "%.*g", (int)n_digits - 1, value);
            if (strtod(shorter, NULL) == value) {
                fail_msg("'%s' is shorter than '%s'", shorter, text);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_are_written_short),
        cmocka_unit_test(every_double_survives_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
