/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/project.h"
#include "project_case.h"
#include "test.h"

static tm_status parse(const char *gate, tm_project *out, tm_err *err) {
    return project_case_parse("gate", gate, out, err);
}

static void all_that_can_be_asked_is_read(void **state) {
    (void)state;
    tm_project project;
    tm_err err = {0};
    if (parse("{better_than: champion, by: 0.002, metric: auc, min: {auc: 0.7, logloss: 0.5}, "
              "sure: true, slices: [city, plan], slice_min: {accuracy: 0.6}, "
              "calibration_error: 0.05, fairness: {group: sex}, latency_us: 200, memory: 200M, "
              "load: {rows_per_second: 1000, p99: 5ms, seconds: 2}, coverage: {at_least: 0.3, "
              "after: 7d}}",
              &project, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    const tm_gate *const gate = &project.models[0].gate;
    assert_true(project.models[0].has_gate && gate->better_than_champion && gate->by == 0.002);
    assert_int_equal(gate->n_floors, 2);
    assert_string_equal(gate->floors[1].metric, "logloss");
    assert_true(gate->floors[1].value == 0.5 && gate->is_sure);
    assert_int_equal(gate->n_slices, 2);
    assert_string_equal(gate->slices[1], "plan");
    assert_int_equal(gate->n_slice_floors, 1);
    assert_true(gate->calibration_max == 0.05 && gate->fair_ratio == 0.8);
    assert_string_equal(gate->fair_group, "sex");
    assert_true(gate->latency_us_max == 200 && gate->memory_bytes_max >= 200000000);
    assert_true(gate->coverage_min == 0.3 && gate->coverage_after_us == 7 * 86400e6);
    assert_true(gate->load_rate == 1000 && gate->load_p99_us == 5000 && gate->load_seconds == 2);
    tm__project_done(&project);
    assert_int_equal(parse("{sure: false, fairness: {group: sex, ratio: 0.9}}", &project, &err),
                     TM_OK);
    assert_true(!project.models[0].gate.is_sure && project.models[0].gate.fair_ratio == 0.9);
    tm__project_done(&project);
}

static void what_is_wrong_is_told_with_its_place(void **state) {
    (void)state;
    static const char *const cases[] = {
        "{better_than: me}",
        "{by: much}",
        "{by: -0.5}",
        "{metric: nice}",
        "{min: {}}",
        "{min: 0.7}",
        "{min: {nice: 0.7}}",
        "{min: {auc: high}}",
        "{sure: perhaps}",
        "{slices: city}",
        "{slices: [a, b, c, d, e, f, g, h, i]}",
        "{slices: ['']}",
        "{slice_min: [auc]}",
        "{calibration_error: 0}",
        "{calibration_error: -1}",
        "{fairness: sex}",
        "{fairness: {}}",
        "{fairness: {group: sex, ratio: 2}}",
        "{fairness: {group: sex, rate: 0.8}}",
        "{latency_us: fast}",
        "{memory: much}",
        "{memory: 0}",
        "{coverage: 0.3}",
        "{coverage: {}}",
        "{coverage: {at_least: 0.3}}",
        "{coverage: {at_least: 1.3, after: 1d}}",
        "{coverage: {at_least: 0.3, after: soon}}",
        "{coverage: {at_least: 0.3, since: 1d}}",
        "{load: 1000}",
        "{load: {}}",
        "{load: {p99: 5ms}}",
        "{load: {rows_per_second: 0}}",
        "{load: {rows_per_second: 10, p99: soon}}",
        "{load: {rows_per_second: 10, seconds: 61}}",
        "{load: {rows_per_second: 10000000}}",
        "{load: {rows_per_second: 10, rate: 1}}",
        "{cost: 1}",
    };
    project_case_refuse_values("gate", cases, sizeof(cases) / sizeof(cases[0]));
}

static void what_no_model_of_a_task_has_is_named(void **state) {
    (void)state;
    static const struct {
        const char *gate;
        tm_task task;
        const char *misfit; /* NULL: it fits */
    } cases[] = {
        {"{better_than: champion}", TM_TASK_REGRESSION, NULL},
        {"{metric: rmse}", TM_TASK_BINARY, "rmse"},
        {"{metric: rmse, min: {r2: 0.5}}", TM_TASK_REGRESSION, NULL},
        {"{min: {accuracy: 0.5, auc: 0.7}}", TM_TASK_BINARY, NULL},
        {"{min: {accuracy: 0.5, auc: 0.7}}", TM_TASK_MULTICLASS, "auc"},
        {"{slice_min: {f1: 0.5}, slices: [a]}", TM_TASK_REGRESSION, "f1"},
        {"{calibration_error: 0.1, fairness: {group: a}}", TM_TASK_BINARY, NULL},
        {"{calibration_error: 0.1}", TM_TASK_REGRESSION, "calibration_error"},
        {"{fairness: {group: a}}", TM_TASK_MULTICLASS, "fairness"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_project project;
        assert_int_equal(parse(cases[i].gate, &project, NULL), TM_OK);
        const char *const misfit = tm__project_gate_misfit(&project.models[0].gate, cases[i].task);
        assert_string_equal(misfit != NULL ? misfit : "",
                            cases[i].misfit != NULL ? cases[i].misfit : "");
        tm__project_done(&project);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_can_be_asked_is_read),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
        cmocka_unit_test(what_no_model_of_a_task_has_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
