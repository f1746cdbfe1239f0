/* SPDX-License-Identifier: Apache-2.0 */
#include "expr_case.h"
#include "feature/feature_expr_fn.h"

static void arithmetic_binds_as_people_write_it(void **state) {
    (void)state;
    static const expr_pair pairs[] = {
        {"a + b * 2", "3"},
        {"(a + b) * 2", "10"},
        {"a - b - 1", "8"},
        {"-a ^ 2", "-49"},
        {"2 ^ 3 ^ b", "1.080059738892306"},
        {"a / 2 / 2", "1.75"},
        {"a % 4", "3"},
        {"b % 5", "3"},
        {"- - a", "7"},
        {"a*-b", "14"},
        {"1e3 + .5 * a", "1003.5"},
        {"\"my col\" + a", "10"},
        {"a+b", "5"},
        {"sign(b) * abs(b)", "-2"},
    };
    assert_expressions(pairs, sizeof(pairs) / sizeof(pairs[0]));
}

static void what_no_number_can_be_is_missing(void **state) {
    (void)state;
    static const expr_pair pairs[] = {
        {"a / z", "missing"},
        {"z / z", "missing"},
        {"a % z", "missing"},
        {"log(z)", "missing"},
        {"log(b)", "missing"},
        {"sqrt(b)", "missing"},
        {"exp(a * 1000)", "missing"},
        {"b ^ 0.5", "missing"},
        {"a * m", "missing"},
        {"1e308 * 10 * a", "missing"},
        {"m = m", "missing"},
        {"m < 1", "missing"},
        {"log1p(b)", "missing"},
        {"not m", "missing"},
        {"-m", "missing"},
        {"if(m, 1, 2)", "missing"},
        {"if(a > 1, m, 2)", "missing"},
        {"m in (1, 2)", "missing"},
        {"sqrt(49) = a", "1"},
        {"min(m, m)", "missing"},
        {"cycle_sin(6, a - 1 - z) + 0 * a", "0"},
        {"cycle_cos(a - 1, 24) + 1", "1"},
        {"round(cycle_sin(a - 1, 24) * 1e9)", "1000000000"},
        {"round(cycle_sin(b * 3 - 24, 24) * 1e9)", "-1000000000"},
        {"cycle_sin(a, z)", "missing"},
        {"cycle_cos(a, b)", "missing"},
        {"cycle_sin(m, a)", "missing"},
    };
    assert_expressions(pairs, sizeof(pairs) / sizeof(pairs[0]));
}

static void logic_has_three_values(void **state) {
    (void)state;
    static const expr_pair pairs[] = {
        {"z and m", "0"},
        {"m and z", "0"},
        {"a and m", "missing"},
        {"a or m", "1"},
        {"m or a", "1"},
        {"z or m", "missing"},
        {"a and b", "1"},
        {"not z", "1"},
        {"not a or z", "0"},
        {"a > 1 and b < 0", "1"},
        {"not a = 7", "0"},
        {"true and a", "1"},
        {"false or z", "0"},
        {"is_missing(m)", "1"},
        {"is_missing(a)", "0"},
        {"is_missing(u) + is_missing(v)", "2"},
        {"a <> 7", "0"},
        {"a == 7", "1"},
        {"a >= 7 and a <= 7", "1"},
        {"a != b", "1"},
    };
    assert_expressions(pairs, sizeof(pairs) / sizeof(pairs[0]));
}

static void choices_take_values_of_one_type(void **state) {
    (void)state;
    static const expr_pair pairs[] = {
        {"if(a > 5, 1, 2)", "1"},
        {"if(a < 5, 'low', 'high')", "'high'"},
        {"if(a > 5, t, d)", "2024-03-01T14:25:10Z"},
        {"if(a > 5, missing, 2)", "missing"},
        {"if(a > 5, missing, 'x')", "missing"},
        {"if(a < 5, missing, 'x')", "'x'"},
        {"if(a > 5, v, missing)", "missing"},
        {"coalesce(m, b, a)", "-2"},
        {"coalesce(u, 'none')", "'none'"},
        {"coalesce(v, t)", "2024-03-01T14:25:10Z"},
        {"min(a, m, b)", "-2"},
        {"max(a, m, b)", "7"},
        {"a in (1, 7)", "1"},
        {"a not in (1, 7)", "0"},
        {"s in ('x', u, 'y')", "0"},
        {"u in ('x')", "missing"},
        {"round(a / 2)", "4"},
        {"round(-a / 2)", "-4"},
        {"floor(-a / 2) + ceil(a / 2)", "0"},
        {"sin(z) + cos(z)", "1"},
        {"if(a > 1, 1, 'x')", "feature 'x': 'if' does not take a number, a number and a text at "
                              "character 5"},
    };
    assert_expressions(pairs, sizeof(pairs) / sizeof(pairs[0]));
}

static void the_table_is_in_the_order_of_its_numbers(void **state) {
    (void)state;
    for (uint32_t i = 1; tm__expr_fn_get(i) != NULL; i++) {
        const tm_expr_fn *fn = tm__expr_fn_get(i);
        assert_int_equal(fn->number, i);
        assert_ptr_equal(tm__expr_fn_find(tm__str(fn->name), fn->args, (uint32_t)strlen(fn->args)),
                         fn);
    }
    assert_null(tm__expr_fn_get(0));
    assert_null(tm__expr_fn_named(TM_STR("sum")));
    assert_string_equal(tm__expr_fn_nearest(TM_STR("contain")), "contains");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic_binds_as_people_write_it),
        cmocka_unit_test(what_no_number_can_be_is_missing),
        cmocka_unit_test(logic_has_three_values),
        cmocka_unit_test(choices_take_values_of_one_type),
        cmocka_unit_test(the_table_is_in_the_order_of_its_numbers),
    };
    return cmocka_run_group_tests_name("feature_expr_fn", tests, NULL, NULL);
}
