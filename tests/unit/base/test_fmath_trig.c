/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "ulp.h"

static void errors_stay_below_one_ulp(void **state) {
    (void)state;
    static const ulp_case cases[] = {
        {tm__sin, sinl, "sin", -4, 4, 0, 1.0},       {tm__cos, cosl, "cos", -4, 4, 0, 1.0},
        {tm__sin, sinl, "sin", -1e6, 1e6, 0, 1.0},   {tm__cos, cosl, "cos", -1e6, 1e6, 0, 1.0},
        {tm__sin, sinl, "sin", -60, 20, 1, 1.0},     {tm__cos, cosl, "cos", -60, 20, -1, 1.0},
        {tm__sin, sinl, "sin", 19, 62, 1, 1.0},      {tm__cos, cosl, "cos", 19, 62, 1, 1.0},
        {tm__sin, sinl, "sin", 62, 1023.9, -1, 1.0}, {tm__cos, cosl, "cos", 62, 1023.9, 1, 1.0},
    };
    check_ulps(cases, sizeof(cases) / sizeof(cases[0]), 100000);
}

/* Doubles next to multiples of pi/2, where the argument cancels most. */
static void multiples_of_a_quarter_turn_are_close(void **state) {
    (void)state;
    for (unsigned n = 1; n < 700000; n += n < 2000 ? 1 : 997) {
        const double x = (double)(n * 1.57079632679489661923132169163975144L);
        if (ulps_off(tm__sin(x), sinl(x)) > 1 || ulps_off(tm__cos(x), cosl(x)) > 1) {
            fail_msg("%u quarter turns", n);
        }
    }
    /* The double nearest to a multiple of pi/2 (Muller 2016, table 11.1). */
    const double worst = 6381956970095103.0 * 0x1p797;
    assert_true(fabs(tm__cos(worst)) < 5e-19 && fabs(tm__cos(worst)) > 4e-19);
    assert_true(fabs(tm__sin(worst)) == 1);
}

static void edges_are_exact(void **state) {
    (void)state;
    assert_true(tm__f64_bits(tm__sin(-0.0)) == tm__f64_bits(-0.0));
    assert_true(tm__sin(0x1p-1074) == 0x1p-1074);
    assert_true(tm__cos(0) == 1 && tm__cos(0x1p-1074) == 1);
    const double bad[] = {INFINITY, -INFINITY, NAN, -NAN};
    for (unsigned i = 0; i < 4; i++) {
        assert_true(isnan(tm__sin(bad[i])) && !signbit(tm__sin(bad[i])));
        assert_true(isnan(tm__cos(bad[i])) && !signbit(tm__cos(bad[i])));
    }
    for (double x = 0.1; x < 1e9; x *= 1.7) {
        assert_true(tm__sin(-x) == -tm__sin(x) && tm__cos(-x) == tm__cos(x));
    }
}

static void the_bits_are_the_same_everywhere(void **state) {
    (void)state;
    tm_hasher hasher;
    tm__hasher_init(&hasher);
    hash_grid(&hasher, tm__sin);
    hash_grid(&hasher, tm__cos);
    check_golden(&hasher, "86554c0b91177f021c2c85b8be7acd5f633909994ee0a6442752ebcb57d4fd6a");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_stay_below_one_ulp),
        cmocka_unit_test(multiples_of_a_quarter_turn_are_close),
        cmocka_unit_test(edges_are_exact),
        cmocka_unit_test(the_bits_are_the_same_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
