/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdlib.h>

#include "serve/handle.h"

static void a_part_is_found_whatever_its_case(void **state) {
    (void)state;
    assert_true(tm__handle_has("Income_EUR", "eur"));
    assert_true(tm__handle_has("Income_EUR", ""));
    assert_true(tm__handle_has("", ""));
    assert_true(tm__handle_has("aab", "AB"));
    assert_false(tm__handle_has("income", "incomes"));
    assert_false(tm__handle_has("", "x"));
}

static void a_page_of_a_list_is_left(void **state) {
    static const struct {
        uint32_t from, count;
        const char *left;
    } cases[] = {
        {1, UINT32_MAX, "[0,1,2,3]"},   {2, 2, "[1,2]"}, {4, 9, "[3]"}, {5, 1, "[]"},
        {UINT32_MAX, UINT32_MAX, "[]"}, {1, 1, "[0]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_list_page page = {.from = cases[i].from, .count = cases[i].count};
        json_t *const list = json_pack("[i, i, i, i]", 0, 1, 2, 3);
        assert_int_equal(tm__handle_cut(&page, list), 4);
        char *const text = json_dumps(list, JSON_COMPACT);
        assert_string_equal(text, cases[i].left);
        free(text);
        json_decref(list);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_is_found_whatever_its_case),
        cmocka_unit_test(a_page_of_a_list_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
