/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/project.h"
#include "project_case.h"
#include "test.h"

static tm_status parse(const char *columns, tm_project *out, tm_err *err) {
    return project_case_parse("columns", columns, out, err);
}

static void what_is_said_stands_in_the_recipe(void **state) {
    (void)state;
    tm_project project;
    assert_int_equal(parse("{income: {was: salary, scale: 0.001, offset: -2}, area: {was: [a, b], "
                           "missing: accept}}",
                           &project, NULL),
                     TM_OK);
    const json_t *const rules = json_object_get(project.models[0].recipe, "columns");
    const json_t *const income = json_object_get(rules, "income");
    assert_string_equal(json_string_value(json_array_get(json_object_get(income, "was"), 0)),
                        "salary");
    assert_true(tm__json_f64(income, "scale", 0) == 0.001);
    assert_true(tm__json_f64(income, "offset", 0) == -2);
    assert_int_equal(json_array_size(json_object_get(json_object_get(rules, "area"), "was")), 2);
    tm__project_done(&project);
}

static void what_is_wrong_is_told_with_its_place(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"x", "hold keys"},
        {"{a: x}", "hold keys"},
        {"{a: {scale: 2}}", "no former name"},
        {"{a: {was: b, scale: nan}}", "a number"},
        {"{a: {was: {b: c}}}", "names of columns"},
        {"{a: {was: [[b]]}}", "one value"},
        {"{a: {missing: [refuse]}}", "one value"},
        {"{a: {was: b}, b: {}}", "named twice"},
        {"{late: {was: b}}", "is the target of 'late'"},
        {"{b: {was: late}}", "is the target of 'late'"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_project project;
        tm_err err = {0};
        assert_int_equal(parse(cases[i][0], &project, &err), TM_E_DATA);
        if (strstr(err.message, cases[i][1]) == NULL) {
            fail_msg("%s: %s", cases[i][0], err.message);
        }
        assert_true(err.data_row >= 2);
        tm__project_done(&project);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_stands_in_the_recipe),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
