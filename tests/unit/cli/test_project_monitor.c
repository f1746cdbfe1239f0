/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/project.h"
#include "project_case.h"
#include "test.h"

static tm_status parse(const char *monitor, tm_project *out, tm_err *err) {
    return project_case_parse("monitor", monitor, out, err);
}

static void budgets_and_receivers_stand_in_the_recipe(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t days_us;
    } rates[] = {{"{false_alarms: 1 per month}", INT64_C(2592000000000)},
                 {"{false_alarms: 2 per week}", INT64_C(302400000000)},
                 {"{false_alarms: 1 per year}", INT64_C(31536000000000)}};
    tm_project project;
    tm_err err = {0};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(parse(rates[i].text, &project, &err), TM_OK);
        const json_t *const monitor = json_object_get(project.models[0].recipe, "monitor");
        assert_int_equal(tm__json_i64(monitor, "false_alarm_us", 0), rates[i].days_us);
        tm__project_done(&project);
    }
    if (parse("{alerts: [{name: ops, webhook: 'https://a.b/c', secret_file: s}, {name: am, "
              "alertmanager: 'http://c:9093'}]}",
              &project, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    const json_t *const list =
        json_object_get(json_object_get(project.models[0].recipe, "monitor"), "receivers");
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(tm__json_text(json_array_get(list, 0), "secret_file", ""), "s");
    assert_string_equal(tm__json_text(json_array_get(list, 1), "alertmanager", ""),
                        "http://c:9093");
    tm__project_done(&project);
}

static void what_is_wrong_is_told_with_its_place(void **state) {
    (void)state;
    static const char *const cases[] = {
        "{false_alarms: often}",
        "{false_alarms: 0 per month}",
        "{false_alarms: 1 in month}",
        "{alarms: 1}",
        "{alerts: ops}",
        "{alerts: [{name: a}]}",
        "{alerts: [{name: a, webhook: 'https://a'}]}",
        "{alerts: [{name: a, webhook: 'ftp://a', secret_file: s}]}",
        "{alerts: [{name: a, alertmanager: 'http://a', secret_file: s}]}",
        "{alerts: [{name: a, alertmanager: 'http://a'}, {name: a, alertmanager: 'http://b'}]}",
        "{alerts: [{name: a, alertmanager: 'http://a', colour: red}]}",
        "yes",
    };
    project_case_refuse_values("monitor", cases, sizeof(cases) / sizeof(cases[0]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budgets_and_receivers_stand_in_the_recipe),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
