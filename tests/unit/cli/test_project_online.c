/* SPDX-License-Identifier: Apache-2.0 */

#include "base/mem.h"
#include "cli/project.h"
#include "project_case.h"
#include "test.h"

static tm_status parse(const char *online, tm_project *out, tm_err *err) {
    return project_case_parse("online", online, out, err);
}

static void what_is_said_stands_in_the_recipe(void **state) {
    (void)state;
    tm_project project;
    tm_err err = {0};
    if (parse("{source: events, max_lag: 5m, late: 2h, stale: missing, absent: refuse}", &project,
              &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    const json_t *const online = json_object_get(project.models[0].recipe, "online");
    assert_string_equal(tm__json_text(online, "source", ""), "events");
    assert_int_equal(tm__json_i64(online, "max_lag_us", 0), 300000000);
    assert_int_equal(tm__json_i64(online, "late_us", 0), INT64_C(7200000000));
    assert_string_equal(tm__json_text(online, "stale", ""), "missing");
    assert_string_equal(tm__json_text(online, "absent", ""), "refuse");
    tm__project_done(&project);
    assert_int_equal(parse("{late: 0s}", &project, NULL), TM_OK);
    assert_int_equal(
        tm__json_i64(json_object_get(project.models[0].recipe, "online"), "late_us", -1), 0);
    tm__project_done(&project);
}

static void what_is_wrong_is_told_with_its_place(void **state) {
    (void)state;
    static const struct {
        const char *online, *message;
    } cases[] = {
        {"{stale: often}", "'stale' wants refuse or missing"},
        {"{max_lag: 0s}", "'max_lag' wants a time such as 5m or 1h"},
        {"{late: soon}", "'late' wants a time such as 5m or 1h"},
        {"{lag: 5m}", "unknown key 'lag'"},
        {"yes", "'online' must hold keys"},
        {"{late: 1h, late: 2h}", "the key 'late' stands twice"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_project project;
        tm_err err = {0};
        assert_int_equal(parse(cases[i].online, &project, &err), TM_E_DATA);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(err.data_row, 5);
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
