/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "drift_case.h"
#include "monitor/drift.h"

static void what_moved_is_said_in_words(void **state) {
    (void)state;
    drift_case c;
    drift_case_open(&c, 1);
    const uint32_t age = drift_case_column(&c, "age"), city = drift_case_column(&c, "city");
    const struct {
        uint32_t column, cell;
        double was, is;
        const char *what, *next;
    } cases[] = {
        {age, 5, 0.01, 0.345, "missing values: 1.00 % -> 34.5 %", "upstream"},
        {age, 0, 0, 0.5, "values below the least of the training rows, 0: 0 % -> 50.0 %", "unit"},
        {age, 1, 0.25, 0.125, "values up to 20: 25.0 % -> 12.5 %", "which rows"},
        {age, 3, 1, 0.75, "values above the largest of the training rows, 79: 0 % -> 25.0 %",
         "unit"},
        {city, 0, 0.5, 0.00001, "the level 'Kiel': 50.0 % -> 0.0010 %", "which rows"},
        {city, 2, 0.5, 0.6, "less frequent levels: 50.0 % -> 60.0 %", "which rows"},
        {city, 3, 0, 0.6, "levels that training rows did not have: 0 % -> 60.0 %", "spelt"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_shift_look look = {
            .cell = cases[i].cell, .was = cases[i].was, .is = cases[i].is, .is_rise = true};
        tm_buf text;
        tm__buf_init(&text, 1000);
        tm__drift_what(c.bundle, cases[i].column, &look, &text);
        assert_string_equal((const char *)text.data, cases[i].what);
        const tm_ref_column *const column = &c.plan->reference->columns[cases[i].column];
        assert_non_null(strstr(tm__drift_next(column, &look), cases[i].next));
        tm__buf_done(&text);
    }
    drift_case_close(&c);
}

/* Words of an alarm are kept and sent, so no role is asked. */
static void values_of_masked_columns_are_not_said(void **state) {
    (void)state;
    drift_case c;
    drift_case_open(&c, 1);
    json_t *const info = (json_t *)(uintptr_t)tm__bundle_info(c.bundle);
    json_object_set_new(info, "recipe",
                        json_pack("{s:{s:{s:s, s:s}}}", "privacy", "columns", "age", "mask", "city",
                                  "mask:viewer"));
    const struct {
        uint32_t column, cell;
        const char *what;
    } cases[] = {
        {drift_case_column(&c, "age"), 1, "values up to ***: 25.0 % -> 50.0 %"},
        {drift_case_column(&c, "city"), 0, "the level '***': 25.0 % -> 50.0 %"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_shift_look look = {.cell = cases[i].cell, .was = 0.25, .is = 0.5};
        tm_buf text;
        tm__buf_init(&text, 1000);
        tm__drift_what(c.bundle, cases[i].column, &look, &text);
        assert_string_equal((const char *)text.data, cases[i].what);
        tm__buf_done(&text);
    }
    drift_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_moved_is_said_in_words),
        cmocka_unit_test(values_of_masked_columns_are_not_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
