/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/project.h"
#include "project_case.h"
#include "test.h"

static tm_status parse(const char *labels, tm_project *out, tm_err *err) {
    return project_case_parse("labels", labels, out, err);
}

static void what_is_said_stands_in_the_recipe(void **state) {
    (void)state;
    tm_project project;
    tm_err err = {0};
    if (parse("{delay: 1d, within: 2h, origin: branch, source: outcomes, entity: customer, time: "
              "asked_at, "
              "label: came, known_at: told_at}",
              &project, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    const json_t *const labels = json_object_get(project.models[0].recipe, "labels");
    assert_int_equal(tm__json_i64(labels, "delay_us", 0), INT64_C(86400000000));
    assert_int_equal(tm__json_i64(labels, "within_us", 0), INT64_C(7200000000));
    assert_string_equal(tm__json_text(labels, "origin", ""), "branch");
    assert_string_equal(tm__json_text(labels, "source", ""), "outcomes");
    assert_string_equal(tm__json_text(labels, "entity", ""), "customer");
    assert_string_equal(tm__json_text(labels, "time", ""), "asked_at");
    assert_string_equal(tm__json_text(labels, "label", ""), "came");
    assert_string_equal(tm__json_text(labels, "known_at", ""), "told_at");
    tm__project_done(&project);
}

static void what_is_wrong_is_told_with_its_place(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"{delay: soon}", "delay"},
        {"{within: -1h}", "within"},
        {"{source: ''}", "source"},
        {"{origin: ''}", "origin"},
        {"{source: [a]}", ""},
        {"{colour: red}", "colour"},
        {"{entity: customer}", "none is named"},
        {"{source: a, id: b, entity: c}", "both an 'id' and an 'entity'"},
        {"{source: a, time: t}", "for labels by 'entity'"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_project project;
        tm_err err = {0};
        assert_int_equal(parse(cases[i][0], &project, &err), TM_E_DATA);
        assert_int_equal(err.data_row, 5);
        assert_non_null(strstr(err.message, cases[i][1]));
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
