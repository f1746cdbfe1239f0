/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli/project.h"
#include "loop/loop_trigger.h"
#include "project_case.h"
#include "test.h"

static tm_status parse(const char *retrain, tm_project *out, tm_err *err) {
    return project_case_parse("retrain", retrain, out, err);
}

static void terms_stand_in_the_recipe(void **state) {
    (void)state;
    tm_project project;
    tm_trigger_terms terms;
    tm_err err = {0};
    if (parse("{every: 7d, on: [drift, schema], new_rows: 1000, new_labels: 20, worse_than: 0.75,"
              " drift_cost: 0.01, cool_down: 10m, per_day: 2h}",
              &project, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    tm__trigger_terms(project.models[0].recipe, &terms);
    tm__project_done(&project);
    assert_int_equal(terms.every_us, 7 * INT64_C(86400000000));
    assert_true(terms.on_drift && terms.on_schema && !terms.on_performance);
    assert_int_equal(terms.new_rows, 1000);
    assert_int_equal(terms.new_labels, 20);
    assert_true(terms.has_bound && terms.bound == 0.75 && terms.drift_cost == 0.01);
    assert_int_equal(terms.cool_down_us, INT64_C(600000000));
    assert_int_equal(terms.per_day_us, INT64_C(7200000000));
}

static void a_window_and_a_way_stand_in_the_recipe(void **state) {
    (void)state;
    static const char *const windows[] = {"all", "sliding:5000", "weighted", "cut", "auto"};
    for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
        char text[64];
        tm_project project;
        (void)snprintf(text, sizeof(text), "{window: %s}", windows[i]);
        assert_int_equal(parse(text, &project, NULL), TM_OK);
        const json_t *const retrain = json_object_get(project.models[0].recipe, "retrain");
        assert_string_equal(tm__json_text(retrain, "window", ""), windows[i]);
        tm__project_done(&project);
    }
    tm_project project;
    assert_int_equal(parse("{how: update}", &project, NULL), TM_OK);
    const json_t *const retrain = json_object_get(project.models[0].recipe, "retrain");
    assert_string_equal(tm__json_text(retrain, "how", ""), "update");
    tm__project_done(&project);
}

static void what_is_wrong_is_told_with_its_place(void **state) {
    (void)state;
    static const char *const cases[] = {"{every: 0s}",
                                        "{every: often}",
                                        "{on: drift}",
                                        "{on: [weather]}",
                                        "{new_rows: 0}",
                                        "{new_labels: -1}",
                                        "{worse_than: low}",
                                        "{per_day: 0s}",
                                        "{every: [7d]}",
                                        "{drift_cost: 0.01}",
                                        "{colour: red}",
                                        "daily",
                                        "{on: [[drift]]}",
                                        "{worse_than: nan}",
                                        "{how: refit}",
                                        "{how: [update]}",
                                        "{window: sideways}",
                                        "{window: [all]}",
                                        "{window: sliding:1}",
                                        "{window: cut:50}",
                                        "{window: sliding:5000000000000000000000000000000}"};
    project_case_refuse_values("retrain", cases, sizeof(cases) / sizeof(cases[0]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_stand_in_the_recipe),
        cmocka_unit_test(a_window_and_a_way_stand_in_the_recipe),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
