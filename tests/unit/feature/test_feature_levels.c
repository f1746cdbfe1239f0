/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_case.h"

static void levels_are_found_in_the_order_of_counts_then_bytes(void **state) {
    (void)state;
    tm_level_count counts[] = {{.text = TM_STR("b"), .count = 3},
                               {.text = TM_STR("a"), .count = 3},
                               {.text = TM_STR(""), .count = 9},
                               {.text = TM_STR("caf\xc3\xa9"), .count = 4}};
    tm__levels_sort(counts, 4);
    tm_levels table = {.derive = TM_DERIVE_WHOLE};
    assert_int_equal(tm__levels_make(counts, 4, &table, NULL), TM_OK);
    assert_int_equal(tm__levels_find(&table, TM_STR("")), 0);
    assert_int_equal(tm__levels_find(&table, TM_STR("caf\xc3\xa9")), 1);
    assert_int_equal(tm__levels_find(&table, TM_STR("a")), 2);
    assert_int_equal(tm__levels_find(&table, TM_STR("b")), 3);
    assert_int_equal(tm__levels_find(&table, TM_STR("B")), 4);
    tm__levels_done(&table);
}

static void a_level_given_twice_is_refused(void **state) {
    (void)state;
    const tm_level_count counts[] = {{.text = TM_STR("a")}, {.text = TM_STR("a")}};
    tm_levels table = {.derive = TM_DERIVE_WHOLE};
    assert_int_equal(tm__levels_make(counts, 2, &table, NULL), TM_E_DATA);
    assert_null(table.starts);
}

static void a_prefix_is_what_stands_before_the_first_digit(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"PC 17599", "PC"}, {"C85", "C"}, {"113803", ""}, {"LINE", "LINE"}, {"", ""}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_true(
            tm__str_is(tm__text_derive(TM_DERIVE_PREFIX, tm__str(cases[i][0])), cases[i][1]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_are_found_in_the_order_of_counts_then_bytes),
        cmocka_unit_test(a_level_given_twice_is_refused),
        cmocka_unit_test(a_prefix_is_what_stands_before_the_first_digit),
    };
    return cmocka_run_group_tests_name("feature_levels", tests, NULL, NULL);
}
