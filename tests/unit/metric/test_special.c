/* SPDX-License-Identifier: Apache-2.0 */
/* Expected values: mpmath with 40 digits. */
#include "metric/special.h"

#include <math.h>

#include "test.h"

static void want(double got, double value, double relative) {
    if (!(fabs(got - value) <= relative * fabs(value))) {
        fail_msg("%.17g, wanted %.17g", got, value);
    }
}

static void gamma_is_that_of_the_tables(void **state) {
    (void)state;
    static const double cases[][2] = {{1e-10, 23.025850929882733}, {0.1, 2.252712651734206},
                                      {0.5, 0.5723649429247001},   {3.7, 1.4280723266653883},
                                      {10, 12.801827480081469},    {1e5, 1051287.708973657},
                                      {1e9, 19723265827.503717}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        want(tm__log_gamma(cases[i][0]), cases[i][1], 1e-13);
    }
    want(tm__log_gamma(1) + 1, 1, 1e-13);
    want(tm__log_gamma(2) + 1, 1, 1e-13);
    assert_true(isnan(tm__log_gamma(0)) && isnan(tm__log_gamma(-1)) && isnan(tm__log_gamma(NAN)));
}

static void incomplete_gamma_holds_in_both_tails(void **state) {
    (void)state;
    static const struct {
        double a, x, below, above;
    } cases[] = {{0.5, 1e-4, 0.011283415555849617, 0.98871658444415038},
                 {0.5, 2, 0.95449973610364159, 0.045500263896358414},
                 {3, 2.5, 0.45618688411667048, 0.54381311588332952},
                 {50, 30, 0.00051889146254803429, 0.99948110853745197},
                 {50, 90, 0.99999835050149828, 1.6494985017178248e-6},
                 {1e4, 10100, 0.84134875044717962, 0.15865124955282038},
                 {1e6, 1003000, 0.99863825935378241, 0.0013617406462175915}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        want(tm__gamma_below(cases[i].a, cases[i].x), cases[i].below, 1e-10);
        want(tm__gamma_above(cases[i].a, cases[i].x), cases[i].above, 1e-10);
    }
    assert_true(tm__gamma_below(2, 0) == 0 && tm__gamma_above(2, 0) == 1);
    assert_true(tm__gamma_below(2, INFINITY) == 1 && tm__gamma_above(2, INFINITY) == 0);
    assert_true(isnan(tm__gamma_below(0, 1)) && isnan(tm__gamma_above(1, -1)));
}

static void both_sides_of_a_point_are_one(void **state) {
    (void)state;
    for (double a = 0.05; a < 1e5; a *= 3.3) {
        for (double x = 0.01 * a; x < 4 * a + 10; x *= 1.7) {
            want(tm__gamma_below(a, x) + tm__gamma_above(a, x), 1, 1e-13);
        }
    }
}

static void the_normal_law_and_back(void **state) {
    (void)state;
    want(tm__normal_above(0), 0.5, 1e-15);
    want(tm__normal_above(1.959963984540054), 0.025, 1e-13);
    want(tm__normal_above(-1), 0.8413447460685429, 1e-14);
    want(tm__normal_above(8), 6.220960574271785e-16, 1e-12);
    want(tm__normal_above(35), 1.124910706472406e-268, 1e-11);
    want(tm__normal_upper(0.025), 1.959963984540054, 1e-14);
    want(tm__normal_upper(0.8), -0.8416212335729142, 1e-13);
    want(tm__normal_upper(1e-12), 7.034483825301131, 1e-13);
    for (double p = 1e-250; p < 1; p = p < 0.01 ? p * 37 : p + 0.01) {
        want(tm__normal_above(tm__normal_upper(p)), p, 1e-11);
    }
    assert_true(tm__normal_upper(0) == INFINITY && tm__normal_upper(1) == -INFINITY);
    assert_true(isnan(tm__normal_upper(-0.1)) && isnan(tm__normal_upper(NAN)) &&
                isnan(tm__normal_above(NAN)));
}

static void chi_squared_is_the_square_of_a_normal(void **state) {
    (void)state;
    want(tm__chi2_above(3.841458820694124, 1), 0.05, 1e-12);
    want(tm__chi2_above(18.307038053275146, 10), 0.05, 1e-12);
    for (double z = 0.1; z < 20; z += 0.3) {
        want(tm__chi2_above(z * z, 1), 2 * tm__normal_above(z), 1e-13);
    }
}

static void the_gap_of_the_logarithm_is_smooth(void **state) {
    (void)state;
    want(tm__log1p_gap(1e-8), 4.9999999666666669e-17, 1e-14);
    want(tm__log1p_gap(-0.05), 0.0012932943875505335, 1e-13);
    want(tm__log1p_gap(3), 3 - 1.3862943611198906, 1e-14);
    want(tm__log1p_gap(0.0999999999), tm__log1p_gap(0.1000000001), 1e-8);
    want(tm__log1p_gap(-0.0999999999), tm__log1p_gap(-0.1000000001), 1e-8);
    assert_true(tm__log1p_gap(0) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gamma_is_that_of_the_tables),
        cmocka_unit_test(incomplete_gamma_holds_in_both_tails),
        cmocka_unit_test(both_sides_of_a_point_are_one),
        cmocka_unit_test(the_normal_law_and_back),
        cmocka_unit_test(chi_squared_is_the_square_of_a_normal),
        cmocka_unit_test(the_gap_of_the_logarithm_is_smooth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
