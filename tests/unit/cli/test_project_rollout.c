/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "cli/project.h"
#include "project_case.h"
#include "registry/rollout.h"

static tm_status parse(const char *rollout, tm_project *out, tm_err *err) {
    return project_case_parse("rollout", rollout, out, err);
}

static tm_rollout_terms declared(const char *rollout) {
    tm_project project = {0};
    tm_rollout_terms terms = {0};
    tm_err err = {0};
    bool has = false;
    if (parse(rollout, &project, &err) != TM_OK) {
        fail_msg("%s: %s", rollout, err.message);
    }
    assert_int_equal(tm__rollout_declared(project.models[0].recipe, &terms, &has, NULL), TM_OK);
    assert_true(has);
    tm__project_done(&project);
    return terms;
}

static void a_rollout_is_declared(void **state) {
    (void)state;
    const tm_rollout_terms t = declared("{shadow: 20, steps: [5, 12.5, 100], hold: 2m, rows: 50, "
                                        "errors: 0.02, latency: 0, drift: 0.3, metric: 0.1}");
    assert_true(t.shadow == 2000 && t.n_steps == 3 && t.steps[1] == 1250 && t.hold_rows == 50);
    assert_true(t.hold_us == 120000000 && t.guard.errors == 0.02 && t.guard.latency == 0);
    assert_true(t.guard.drift == 0.3 && t.guard.metric == 0.1 && !t.force);
}

static void what_it_does_not_say_is_as_by_default(void **state) {
    (void)state;
    const tm_rollout_terms t = declared("{hold: 1h}"), by_default = tm__rollout_default();
    assert_true(t.hold_us == INT64_C(3600000000) && t.hold_rows == by_default.hold_rows);
    assert_true(t.n_steps == by_default.n_steps && t.guard.drift == by_default.guard.drift);
    assert_int_equal(declared("{rows: 30}").hold_us, 0);
}

static void what_is_wrong_has_its_place(void **state) {
    static const struct {
        const char *text, *says;
        uint32_t col;
    } cases[] = {{"5", "must hold keys", 14},
                 {"{step: [1]}", "unknown key 'step'", 15},
                 {"{steps: 1}", "'steps' wants a list", 22},
                 {"{steps: [1, many]}", "'steps' wants percent", 26},
                 {"{steps: [10, 5]}", "do not rise", 14},
                 {"{hold: soon}", "'hold' wants a time", 21},
                 {"{drift: nan}", "'drift' wants a number", 22},
                 {"{errors: x}", "'errors' wants a number", 23},
                 {"{shadow: 200}", "'shadow' of a rollout", 14},
                 {"{rows: 0}", "a time or a number of answers", 14}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_project project = {0};
        tm_err err = {0};
        if (parse(cases[i].text, &project, &err) != TM_E_DATA ||
            strstr(err.message, cases[i].says) == NULL || err.data_row != 5 ||
            err.data_col != cases[i].col) {
            fail_msg("%s: %s at %llu:%u", cases[i].text, err.message,
                     (unsigned long long)err.data_row, err.data_col);
        }
        tm__project_done(&project);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rollout_is_declared),
        cmocka_unit_test(what_it_does_not_say_is_as_by_default),
        cmocka_unit_test(what_is_wrong_has_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
