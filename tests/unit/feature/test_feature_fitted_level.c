/* SPDX-License-Identifier: Apache-2.0 */
#include "fitted_case.h"

#include <stdio.h>

static const char *const cities[] = {"Delft",  "Delft", "Delft", "Gouda", "Gouda",
                                     "Leiden", NULL,    "",      "",      "Delft"};
static const double prices[] = {1, 2, 6, 10, NAN, 50, 7, 20, 40, NAN};

static void the_most_frequent_level_stands_for_none(void **state) {
    (void)state;
    fitted_case c;
    fitted_init(&c, NULL, cities, 10);
    fitted_fit(&c, &tm__fitted_impute_text, 0);
    assert_true(tm__str_is(fitted_text(&c, NULL).text, "Delft"));
    assert_true(tm__str_is(fitted_text(&c, "Paris").text, "Paris"));
    c.in.min_count = 5; /* nobody's own value is kept */
    fitted_fit(&c, &tm__fitted_impute_text, 0);
    assert_null(fitted_text(&c, NULL).text.ptr);
    fitted_done(&c);
}

static void a_frequency_is_a_share_of_the_rows(void **state) {
    (void)state;
    fitted_case c;
    fitted_init(&c, NULL, cities, 10);
    fitted_fit(&c, &tm__fitted_frequency, 0);
    assert_near(fitted_text(&c, "Delft").number, 0.4);
    assert_near(fitted_text(&c, "").number, 0.2);
    assert_near(fitted_text(&c, "Leiden").number, 0); /* came once: as if never seen */
    assert_near(fitted_text(&c, "Paris").number, 0);
    assert_true(isnan(fitted_text(&c, NULL).number));
    fitted_done(&c);
}

static void rare_and_new_levels_are_one(void **state) {
    (void)state;
    fitted_case c;
    fitted_init(&c, NULL, cities, 10);
    fitted_fit(&c, &tm__fitted_pool_rare, 0.3);
    assert_true(tm__str_is(fitted_text(&c, "Delft").text, "Delft"));
    assert_true(tm__str_is(fitted_text(&c, "Gouda").text, "other"));
    assert_true(tm__str_is(fitted_text(&c, "Paris").text, "other"));
    assert_null(fitted_text(&c, NULL).text.ptr);
    fitted_fit(&c, &tm__fitted_pool_rare, 0);
    assert_true(tm__str_is(fitted_text(&c, "Gouda").text, "Gouda"));
    assert_true(tm__str_is(fitted_text(&c, "Leiden").text, "other"));
    fitted_done(&c);
}

static void a_group_has_the_number_of_its_rows(void **state) {
    (void)state;
    static const struct {
        const tm_fitted_fn *fn;
        double delft, all;
    } cases[] = {{&tm__fitted_mean_by, 3, 17},
                 {&tm__fitted_median_by, 2, 8.5},
                 {&tm__fitted_std_by, 2.160246899469287, 17.240939649566666}};
    for (int k = 0; k < 3; k++) {
        fitted_case c;
        fitted_init(&c, prices, cities, 10);
        fitted_fit(&c, cases[k].fn, 0);
        assert_near(fitted_by(&c, 5, "Delft"), cases[k].delft);
        assert_near(fitted_by(&c, NAN, "Delft"), cases[k].delft); /* of the group, whatever x */
        assert_true(fabs(fitted_by(&c, 5, "Paris") - cases[k].all) < 1e-5);
        assert_true(fitted_by(&c, 5, "Leiden") == fitted_by(&c, 5, "Paris"));
        assert_true(fitted_by(&c, 5, "Gouda") == fitted_by(&c, 5, "Paris")); /* one number alone */
        assert_true(isnan(fitted_by(&c, 5, NULL)));
        fitted_done(&c);
    }
}

/* A million texts, of which a few come often: those alone are kept. */
static void a_million_levels_leave_the_frequent_ones(void **state) {
    (void)state;
    enum { N = 1000000 };
    double *numbers = tm__mem_alloc(N, sizeof(double));
    uint32_t *codes = tm__mem_alloc(N, sizeof(uint32_t)), *rows = tm__mem_alloc(N, 4);
    tm_dict *dict = tm__dict_create();
    for (uint32_t i = 0; i < N; i++) {
        char text[32];
        const bool is_often = i % 10 == 0;
        snprintf(text, sizeof(text), "%s%u", is_often ? "often" : "k", is_often ? i / 10 % 7 : i);
        codes[i] = tm__dict_add(dict, tm__str(text));
        numbers[i] = is_often ? i / 10 % 7 : 3;
        rows[i] = i;
    }
    const tm_column x = {.name = "x", .type = TM_TYPE_FLOAT, .floats = numbers};
    const tm_column s = {.name = "s", .type = TM_TYPE_TEXT, .codes = codes, .dict = dict};
    const tm_fitted_fn *const fns[] = {&tm__fitted_impute_text, &tm__fitted_frequency,
                                       &tm__fitted_pool_rare,   &tm__fitted_mean_by,
                                       &tm__fitted_median_by,   &tm__fitted_std_by};
    for (size_t k = 0; k < sizeof(fns) / sizeof(fns[0]); k++) {
        const tm_fitted_rows in = {.columns = {k < 3 ? &s : &x, &s},
                                   .rows = rows,
                                   .n_rows = N,
                                   .min_count = 5,
                                   .parameter = k == 2 ? 0.01 : 0};
        tm_expr_fit fit = {.fn = fns[k]->number};
        const tm_expr_value args[2] = {{.text = TM_STR("often3")}, {.text = TM_STR("often3")}};
        assert_int_equal(fns[k]->fit(&in, &fit, NULL), TM_OK);
        assert_int_equal(fit.levels->n, k == 0 ? 1 : 7);
        if (k == 1)
            assert_true(fabs(tm__fitted_run(&fit, args).number - 0.1 / 7) < 1e-5);
        if (k == 3 || k == 4)
            assert_near(tm__fitted_run(&fit, args).number, 3);
        tm__fitted_done(&fit);
    }
    tm__dict_free(dict);
    tm__mem_free(numbers);
    tm__mem_free(codes);
    tm__mem_free(rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_frequent_level_stands_for_none),
        cmocka_unit_test(a_frequency_is_a_share_of_the_rows),
        cmocka_unit_test(rare_and_new_levels_are_one),
        cmocka_unit_test(a_group_has_the_number_of_its_rows),
        cmocka_unit_test(a_million_levels_leave_the_frequent_ones),
    };
    return cmocka_run_group_tests_name("feature_fitted_level", tests, NULL, NULL);
}
