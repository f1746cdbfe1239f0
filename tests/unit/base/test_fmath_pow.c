/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "ulp.h"

static void errors_stay_below_one_ulp(void **state) {
    (void)state;
    tm_rng rng = tm__rng_split(1, "pow", 0);
    for (unsigned i = 0; i < 300000; i++) {
        double x = point_in(&rng, -1074, 1024, 1);
        double y = point_in(&rng, -20, 2, i % 2 == 0 ? 1 : -1);
        if (i % 3 == 0) {
            x = point_in(&rng, 0.9, 1.1, 0);
            y = point_in(&rng, -6000, 6000, 0);
        } else if (i % 3 == 1) {
            x = point_in(&rng, -60, 60, 1);
            y = point_in(&rng, -17, 17, 0);
        }
        const double off = ulps_off(tm__pow(x, y), powl(x, y));
        if (!(off <= 1.0)) {
            fail_msg("pow(%a, %a) is %g ulps off", x, y, off);
        }
    }
}

static void exact_powers_are_exact(void **state) {
    (void)state;
    for (int n = -1074; n <= 1023; n++) {
        assert_true(tm__pow(2, n) == ldexp(1, n));
    }
    double power = 1;
    for (int n = 0; n <= 33; n++, power *= 3) {
        assert_true(tm__pow(3, n) == power);
        assert_true(tm__pow(-3, n) == (n % 2 == 0 ? power : -power));
    }
    for (int n = 1; n < 1000; n++) {
        assert_true(tm__pow((double)n * n, 0.5) == n);
        assert_true(tm__pow(n, 1) == n);
        assert_true(tm__pow(n, 2) == (double)n * n);
    }
}

/* The libc follows C17, F.10.4.4; all pairs of 27 special values. */
static void special_cases_are_those_of_c17(void **state) {
    (void)state;
    static const double values[] = {
        0.0,        -0.0,       0.5,       -0.5,   1,           -1,         1.5,
        -1.5,       2,          -2,        3,      -3,          0x1p53,     -0x1p53,
        0x1p53 - 1, 1 - 0x1p53, 1e300,     -1e300, 1e-300,      -1e-300,    0x1p-1074,
        -0x1p-1074, INFINITY,   -INFINITY, NAN,    1 + 0x1p-52, 1 - 0x1p-53};
    const unsigned n = sizeof(values) / sizeof(values[0]);
    for (unsigned i = 0; i < n * n; i++) {
        const double x = values[i / n], y = values[i % n];
        const double got = tm__pow(x, y), want = pow(x, y);
        const int is_special = isnan(want) || isinf(want) || want == 0 || fabs(want) == 1;
        if (is_special ? tm__f64_bits(got) != tm__f64_bits(want) : ulps_off(got, powl(x, y)) > 1) {
            fail_msg("pow(%a, %a) = %a, not %a", x, y, got, want);
        }
    }
}

static void the_bits_are_the_same_everywhere(void **state) {
    (void)state;
    tm_hasher hasher;
    tm__hasher_init(&hasher);
    for (uint64_t i = 0; i < 40000; i++) {
        const double x = tm__f64_from_bits(i * UINT64_C(0x0000D1B71758E219));
        const double y = ((double)(i % 1999) - 1000.0) * 0x1.1p-7;
        const uint64_t bits = tm__f64_bits(tm__pow(x, y));
        tm__hasher_update(&hasher, &bits, sizeof(bits));
    }
    check_golden(&hasher, "84912424c8e841c7f1b533e1c9457f01397b90297241b0b17ead490e2c15e987");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_stay_below_one_ulp),
        cmocka_unit_test(exact_powers_are_exact),
        cmocka_unit_test(special_cases_are_those_of_c17),
        cmocka_unit_test(the_bits_are_the_same_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
