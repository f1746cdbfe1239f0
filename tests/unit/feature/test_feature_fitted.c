/* SPDX-License-Identifier: Apache-2.0 */
#include "fitted_case.h"

#include "feature/feature_expr_fn.h"

static void the_table_is_in_the_order_of_its_numbers(void **state) {
    (void)state;
    uint32_t n = 0;
    for (; tm__fitted_at(n) != NULL; n++) {
        const tm_fitted_fn *fn = tm__fitted_at(n);
        assert_int_equal(fn->number, n + 1);
        assert_ptr_equal(tm__fitted_get(n + 1), fn);
        assert_ptr_equal(tm__fitted_find(tm__str(fn->name), fn->args, (uint32_t)strlen(fn->args)),
                         fn);
        assert_string_equal(tm__fitted_named(tm__str(fn->name))->name, fn->name);
        assert_null(tm__expr_fn_named(tm__str(fn->name))); /* one name, one meaning */
        assert_true(strlen(fn->args) >= 1 && strlen(fn->args) <= 2);
        assert_non_null(fn->fit);
        assert_non_null(fn->is_valid);
        assert_non_null(fn->run);
    }
    assert_true(n >= 13);
    assert_null(tm__fitted_get(0));
    assert_null(tm__fitted_get(n + 1));
    assert_null(tm__fitted_named(TM_STR("log")));
    assert_ptr_equal(tm__fitted_named(TM_STR("SCALE")), &tm__fitted_scale);
    assert_null(tm__fitted_find(TM_STR("scale"), "S", 1));
    assert_ptr_equal(tm__fitted_find(TM_STR("impute"), "S", 1), &tm__fitted_impute_text);
}

static void parameters_have_bounds_and_words(void **state) {
    (void)state;
    double value = -1;
    char words[80];
    assert_true(tm__fitted_number(&tm__fitted_bin, 10, &value) && value == 10);
    assert_false(tm__fitted_number(&tm__fitted_bin, 1, &value));
    assert_false(tm__fitted_number(&tm__fitted_bin, 2.5, &value));
    assert_false(tm__fitted_number(&tm__fitted_bin, NAN, &value));
    assert_false(tm__fitted_number(&tm__fitted_scale, 1, &value));
    assert_false(tm__fitted_number(&tm__fitted_impute_number, 1, &value));
    assert_true(tm__fitted_word(&tm__fitted_impute_number, TM_STR("mean"), &value) && value == 1);
    assert_true(tm__fitted_word(&tm__fitted_impute_text, TM_STR("most_frequent"), &value));
    assert_false(tm__fitted_word(&tm__fitted_impute_text, TM_STR("mean"), &value));
    assert_false(tm__fitted_word(&tm__fitted_bin, TM_STR("mean"), &value));
    tm__fitted_wanted(&tm__fitted_bin, words, sizeof(words));
    assert_string_equal(words, "a whole number from 2 to 255");
    tm__fitted_wanted(&tm__fitted_impute_number, words, sizeof(words));
    assert_string_equal(words, "'median' or 'mean' or 'most_frequent'");
}

static const double numbers[] = {1, 2, 2, NAN, 8, 5, 3, 1, 9, 4};
static const char *const texts[] = {"a", "b", "b", "b", NULL, "c", "a", "caf\xc3\xa9", "a", "b"};

/* What a call that learned nothing gives is missing; bytes come back as they were. */
static void every_function_is_saved_and_loaded(void **state) {
    (void)state;
    for (uint32_t i = 0; tm__fitted_at(i) != NULL; i++) {
        const tm_fitted_fn *fn = tm__fitted_at(i);
        fitted_case c;
        fitted_init(&c, fn->args[0] == 'N' ? numbers : NULL, texts, 10);
        c.fit.fn = fn->number;
        const tm_expr_value args[2] = {fn->args[0] == 'N' ? (tm_expr_value){.number = 2.5}
                                                          : (tm_expr_value){.text = TM_STR("b")},
                                       {.text = TM_STR("b")}};
        const tm_expr_value nothing = tm__fitted_run(&c.fit, args);
        assert_true(fn->result == 'N' ? isnan(nothing.number) : nothing.text.ptr == NULL);
        assert_true(tm__fitted_is_valid(&c.fit));
        fitted_fit(&c, fn, fn->parameter == NULL ? 0 : fn->parameter->usual);
        const tm_expr_value first = tm__fitted_run(&c.fit, args);
        assert_true(fn->result == 'N' ? isfinite(first.number) : first.text.ptr != NULL);
        tm_buf bytes, again;
        tm_reader in;
        tm_expr_fit loaded;
        tm__buf_init(&bytes, 1 << 16);
        tm__buf_init(&again, 1 << 16);
        assert_true(tm__fitted_save(&c.fit, &bytes));
        tm__reader_init(&in, bytes.data, bytes.len);
        assert_int_equal(tm__fitted_load(&in, &loaded, NULL), TM_OK);
        assert_true(tm__reader_is_done(&in) && tm__fitted_is_valid(&loaded));
        const tm_expr_value second = tm__fitted_run(&loaded, args);
        assert_true(fn->result == 'N' ? first.number == second.number
                                      : tm__str_eq(first.text, second.text));
        assert_true(tm__fitted_save(&loaded, &again));
        assert_int_equal(again.len, bytes.len);
        assert_memory_equal(again.data, bytes.data, bytes.len);
        for (size_t len = 0; len < bytes.len; len++) {
            tm_expr_fit cut;
            tm__reader_init(&in, bytes.data, len);
            assert_int_equal(tm__fitted_load(&in, &cut, NULL), TM_E_DATA);
        }
        tm__fitted_done(&loaded);
        tm__buf_done(&bytes);
        tm__buf_done(&again);
        fitted_done(&c);
    }
}

/* What was learned by one function is not taken for what another one learns. */
static void what_cannot_be_run_is_refused(void **state) {
    (void)state;
    static const struct {
        uint16_t fn;
        double numbers[4];
        uint32_t n;
    } cases[] = {
        {1, {1, 0}, 2},
        {1, {1, -1}, 2},
        {1, {INFINITY, 1}, 2},
        {1, {1}, 1},
        {2, {1, 2, 3}, 3},
        {3, {5, 0, 1}, 3},
        {3, {1, 0, 0}, 3},
        {3, {1, 0}, 2},
        {4, {1, 1, 0, 1}, 4},
        {4, {1, 2, 0.5, 0.2}, 4},
        {4, {1, 2, 0, 1.5}, 4},
        {4, {1, 2, 0}, 3},
        {5, {2, 1}, 2},
        {5, {NAN}, 1},
        {6, {1, 1}, 2},
        {7, {NAN}, 1},
        {7, {1, 2}, 2},
        {8, {1}, 1},
        {9, {1}, 1},
        {10, {1}, 1},
        {11, {1}, 1},
        {12, {1, 2}, 2},
        {13, {1}, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_expr_fit fit = {.fn = cases[i].fn,
                                 .numbers = (double *)(uintptr_t)cases[i].numbers,
                                 .n_numbers = cases[i].n};
        assert_false(tm__fitted_is_valid(&fit));
    }
}

static void no_memory_is_an_error_and_no_leak(void **state) {
    (void)state;
    for (uint32_t i = 0; tm__fitted_at(i) != NULL; i++) {
        const tm_fitted_fn *fn = tm__fitted_at(i);
        tm_status st = TM_E_NOMEM;
        for (uint64_t nth = 1; st != TM_OK; nth++) {
            fitted_case c;
            fitted_init(&c, fn->args[0] == 'N' ? numbers : NULL, texts, 10);
            const uint64_t alive = tm__mem_alive();
            c.fit.fn = fn->number;
            c.in.parameter = fn->parameter == NULL ? 0 : fn->parameter->usual;
            tm__mem_fail_at(nth, false);
            st = fn->fit(&c.in, &c.fit, NULL);
            tm__mem_fail_at(0, false);
            assert_true(st == TM_OK || st == TM_E_NOMEM);
            tm__fitted_done(&c.fit);
            assert_int_equal(tm__mem_alive(), alive);
            fitted_done(&c);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_in_the_order_of_its_numbers),
        cmocka_unit_test(parameters_have_bounds_and_words),
        cmocka_unit_test(every_function_is_saved_and_loaded),
        cmocka_unit_test(what_cannot_be_run_is_refused),
        cmocka_unit_test(no_memory_is_an_error_and_no_leak),
    };
    return cmocka_run_group_tests_name("feature_fitted", tests, NULL, NULL);
}
