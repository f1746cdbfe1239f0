/* SPDX-License-Identifier: Apache-2.0 */
#include "fitted_case.h"

static const double wide[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 100, NAN};

static void scales_are_of_mean_and_of_quartiles(void **state) {
    (void)state;
    fitted_case c;
    fitted_init(&c, wide, NULL, 11);
    fitted_fit(&c, &tm__fitted_scale, 0);
    assert_near(fitted_number(&c, 14.5), 0);
    assert_near(fitted_number(&c, 14.5 + 28.605069480775605), 1);
    assert_true(isnan(fitted_number(&c, NAN)));
    fitted_fit(&c, &tm__fitted_robust_scale, 0);
    assert_near(fitted_number(&c, 5.5), 0);
    assert_near(fitted_number(&c, 10), 1); /* quartiles 3.25 and 7.75 */
    fitted_done(&c);
}

/* The example of scikit-learn's PowerTransformer: its powers and its values. */
static void a_power_is_the_most_likely_one(void **state) {
    (void)state;
    static const double cases[2][3] = {{1, 3, 4}, {2, 2, 5}};
    static const double powers[2] = {1.38668178, -3.10053309};
    static const double wanted[2][3] = {{-1.31616039, 0.20998268, 1.1061777},
                                        {-0.70710678, -0.70710678, 1.41421356}};
    for (int k = 0; k < 2; k++) {
        fitted_case c;
        fitted_init(&c, cases[k], NULL, 3);
        fitted_fit(&c, &tm__fitted_yeo_johnson, 0);
        assert_true(fabs(c.fit.numbers[0] - powers[k]) < 1e-4);
        for (int i = 0; i < 3; i++)
            assert_true(fabs(fitted_number(&c, cases[k][i]) - wanted[k][i]) < 1e-4);
        assert_true(fitted_number(&c, -2) < fitted_number(&c, -1));
        assert_true(fitted_number(&c, -1e-9) < fitted_number(&c, 1e-9));
        fitted_done(&c);
    }
}

static void a_power_makes_skewed_numbers_even(void **state) {
    (void)state;
    double values[FITTED_ROWS], skew = 0;
    for (uint32_t i = 0; i < FITTED_ROWS; i++) /* log-normal, by its quantiles in short */
        values[i] = exp(4 * ((i + 0.5) / FITTED_ROWS - 0.5)) * (i % 2 == 0 ? 1 : 1.1);
    fitted_case c;
    fitted_init(&c, values, NULL, FITTED_ROWS);
    fitted_fit(&c, &tm__fitted_yeo_johnson, 0);
    for (uint32_t i = 0; i < FITTED_ROWS; i++)
        skew += pow(fitted_number(&c, values[i]), 3) / FITTED_ROWS;
    assert_true(fabs(skew) < 0.2);
    fitted_done(&c);
}

static void a_quantile_is_a_share_of_the_rows(void **state) {
    (void)state;
    fitted_case c;
    fitted_init(&c, wide, NULL, 11);
    fitted_fit(&c, &tm__fitted_quantile, 0);
    assert_near(fitted_number(&c, -5), 0);
    assert_near(fitted_number(&c, 1), 0);
    assert_near(fitted_number(&c, 100), 1);
    assert_near(fitted_number(&c, 1e300), 1);
    assert_near(fitted_number(&c, 4), 3.0 / 9);
    assert_near(fitted_number(&c, 4.5), 3.5 / 9);
    assert_true(isnan(fitted_number(&c, NAN)));
    fitted_done(&c);
    const double often[] = {0, 0, 0, 0, 10}; /* the middle of the shares of 0 */
    fitted_init(&c, often, NULL, 5);
    fitted_fit(&c, &tm__fitted_quantile, 0);
    assert_near(fitted_number(&c, 0), 3.0 / 8);
    assert_near(fitted_number(&c, 10), 1);
    fitted_done(&c);
}

static void bins_have_as_many_rows_or_one_width(void **state) {
    (void)state;
    fitted_case c;
    fitted_init(&c, wide, NULL, 11);
    fitted_fit(&c, &tm__fitted_bin, 2);
    assert_near(fitted_number(&c, 5), 0);
    assert_near(fitted_number(&c, 6), 1);
    fitted_fit(&c, &tm__fitted_cut, 2);
    assert_near(fitted_number(&c, 50), 0);
    assert_near(fitted_number(&c, 50.5), 1); /* an edge is the first of its bin */
    assert_near(fitted_number(&c, 1e308), 1);
    assert_near(fitted_number(&c, -1e308), 0);
    assert_true(isnan(fitted_number(&c, NAN)));
    fitted_fit(&c, &tm__fitted_bin, 255);
    for (uint32_t i = 0; i + 1 < c.fit.n_numbers; i++)
        assert_true(c.fit.numbers[i] < c.fit.numbers[i + 1]);
    fitted_done(&c);
}

static void what_is_missing_gets_the_middle_or_the_most_frequent(void **state) {
    (void)state;
    const double numbers[] = {4, NAN, 1, 1, 10};
    static const double wanted[] = {2.5, 4, 1};
    fitted_case c;
    fitted_init(&c, numbers, NULL, 5);
    for (int k = 0; k < 3; k++) {
        fitted_fit(&c, &tm__fitted_impute_number, k);
        assert_near(fitted_number(&c, NAN), wanted[k]);
        assert_near(fitted_number(&c, 77), 77);
    }
    fitted_done(&c);
}

/* Nothing but missing, one value, and values at the ends of what doubles hold. */
static void odd_columns_give_finite_or_missing(void **state) {
    (void)state;
    static const double columns[][4] = {{NAN, NAN, NAN, NAN},
                                        {3, 3, 3, 3},
                                        {1.7e308, -1.7e308, 5e-324, 0},
                                        {-0.0, 0.0, NAN, 5e-324},
                                        {9223372036854775807.0, -9223372036854775807.0, 1, 0}};
    static const double tried[] = {NAN, 0, -0.0, 3, 1.7e308, -1.7e308, 5e-324, 1e18};
    for (uint32_t i = 0; i < 7; i++) {
        const tm_fitted_fn *fn = tm__fitted_at(i);
        for (size_t k = 0; k < sizeof(columns) / sizeof(columns[0]); k++) {
            fitted_case c;
            fitted_init(&c, columns[k], NULL, 4);
            fitted_fit(&c, fn, fn->parameter == NULL ? 0 : fn->parameter->usual);
            for (size_t t = 0; t < sizeof(tried) / sizeof(tried[0]); t++) {
                const double value = fitted_number(&c, tried[t]);
                assert_true(isfinite(value) || tm__f64_bits(value) == tm__f64_bits(tm__nan()));
                assert_true(k > 0 || isnan(value)); /* learned nothing */
            }
            fitted_done(&c);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scales_are_of_mean_and_of_quartiles),
        cmocka_unit_test(a_power_is_the_most_likely_one),
        cmocka_unit_test(a_power_makes_skewed_numbers_even),
        cmocka_unit_test(a_quantile_is_a_share_of_the_rows),
        cmocka_unit_test(bins_have_as_many_rows_or_one_width),
        cmocka_unit_test(what_is_missing_gets_the_middle_or_the_most_frequent),
        cmocka_unit_test(odd_columns_give_finite_or_missing),
    };
    return cmocka_run_group_tests_name("feature_fitted_number", tests, NULL, NULL);
}
