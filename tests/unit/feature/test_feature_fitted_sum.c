/* SPDX-License-Identifier: Apache-2.0 */
#include "fitted_case.h"

static void values_are_those_that_are_there(void **state) {
    (void)state;
    const double numbers[] = {3, NAN, -0.0, INFINITY, 1, -INFINITY};
    fitted_case c;
    uint64_t n = 0;
    fitted_init(&c, numbers, NULL, 6);
    double *values = tm__fitted_values(&c.in, UINT64_MAX, &n);
    assert_int_equal(n, 3);
    assert_true(values[0] == 3 && values[1] == 0 && !signbit(values[1]) && values[2] == 1);
    tm__mem_free(values);
    values = tm__fitted_values(&c.in, 3, &n); /* rows 0, 2 and 4 */
    assert_int_equal(n, 3);
    assert_true(values[2] == 1);
    tm__mem_free(values);
    fitted_done(&c);
}

static void quantiles_are_in_proportion_between_neighbours(void **state) {
    (void)state;
    const double sorted[] = {1, 2, 4, 8};
    assert_near(tm__fitted_quantile_of(sorted, 4, 0), 1);
    assert_near(tm__fitted_quantile_of(sorted, 4, 1), 8);
    assert_near(tm__fitted_quantile_of(sorted, 4, 0.5), 3);
    assert_near(tm__fitted_quantile_of(sorted, 4, 0.25), 1.75);
    assert_near(tm__fitted_quantile_of(sorted, 1, 0.7), 1);
    const double far[] = {-1.7e308, 1.7e308};
    assert_near(tm__fitted_quantile_of(far, 2, 0.5), 0);
    const double often[] = {1, 2, 2, 5, 5};
    assert_near(tm__fitted_mode_of(often, 5), 2);
    assert_near(tm__fitted_mode_of(often, 1), 1);
}

static void moments_are_finite_whatever_the_size(void **state) {
    (void)state;
    static const struct {
        double values[3], mean, spread;
        uint32_t n;
    } cases[] = {
        {{1, 2, 3}, 2, 0.816496580927726, 3},
        {{7}, 7, 0, 1},
        {{0.1, 0.1, 0.1}, 0.1, 0, 3},
        {{-1.7e308, 1.7e308}, 0, 1.7e308, 2},
        {{1e300, 3e300}, 2e300, 1e300, 2},
        {{9223372036854775807.0, -9223372036854775807.0}, 0, 9223372036854775807.0, 2},
        {{5e-320, 15e-320}, 10e-320, 5e-320, 2},
        {{0, 0, 0}, 0, 0, 3},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double mean = NAN, spread = NAN;
        tm__fitted_moments(cases[i].values, cases[i].n, &mean, &spread);
        assert_true(fabs(mean - cases[i].mean) <= fabs(cases[i].mean) * 1e-6);
        assert_true(fabs(spread - cases[i].spread) <= cases[i].spread * 1e-6);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_that_are_there),
        cmocka_unit_test(quantiles_are_in_proportion_between_neighbours),
        cmocka_unit_test(moments_are_finite_whatever_the_size),
    };
    return cmocka_run_group_tests_name("feature_fitted_sum", tests, NULL, NULL);
}
