/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/project.h"
#include "monitor/log_terms.h"
#include "project_case.h"
#include "test.h"

static tm_status parse(const char *log, tm_project *out, tm_err *err) {
    return project_case_parse("log", log, out, err);
}

static void terms_stand_in_the_recipe(void **state) {
    (void)state;
    tm_project project;
    tm_err err = {0};
    tm_log_terms terms = tm__log_terms_default;
    if (parse("{policy: sample:0.1, queue: 500, spill_bytes: 2G, keep: 90d, keep_bytes: 10M}",
              &project, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    tm__log_terms_read(json_object_get(project.models[0].recipe, "log"), &terms);
    tm__project_done(&project);
    assert_int_equal(terms.policy, TM_LOG_SAMPLE);
    assert_true(terms.share == 0.1);
    assert_int_equal(terms.queue_max, 500);
    assert_int_equal(terms.spill_bytes, UINT64_C(2) << 30);
    assert_int_equal(terms.keep_us, 90 * INT64_C(86400000000));
    assert_int_equal(terms.keep_bytes, 10u << 20);
}

static void what_is_wrong_is_told_with_its_place(void **state) {
    (void)state;
    static const char *const cases[] = {"{policy: lose}",    "{policy: sample}", "{queue: 0}",
                                        "{queue: many}",     "{keep: never}",    "{keep: 0s}",
                                        "{spill_bytes: -1}", "{colour: red}",    "drop",
                                        "{policy: [drop]}"};
    project_case_refuse_values("log", cases, sizeof(cases) / sizeof(cases[0]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_stand_in_the_recipe),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
