/* SPDX-License-Identifier: Apache-2.0 */
/* The same checks for each learner, and learners that break them. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "model/baseline/baseline.h"
#include "model/conform.h"

/* Parameters that make a learner quick, or another one: LEARNER NAME=VALUE... */
typedef struct learner_case {
    const char *learner;
    const char *params[4][2];
} learner_case;

static const learner_case cases[] = {
    {"baseline", {{NULL}}},
    {"gbdt", {{"n_trees", "20"}}},
    {"gbdt", {{"n_trees", "20"}, {"row_sample", "0.7"}, {"column_sample", "0.7"}}},
    {"linear", {{NULL}}},
    {"linear", {{"l1_ratio", "0.5"}, {"tol", "1e-2"}, {"max_iter", "10"}}},
    {"linear", {{"solver", "descent"}, {"tol", "1e-2"}, {"max_iter", "10"}}},
    {"forest", {{"n_trees", "20"}}},
    {"forest", {{"n_trees", "20"}, {"cuts", "random"}}},
    {"mlp", {{"hidden", "32"}, {"batch", "32"}, {"epochs", "20"}}},
};

static void params_of(const learner_case *c, const tm_model_ops *ops, tm_params *out) {
    tm__params_init(ops, out);
    for (uint32_t i = 0; i < 4 && c->params[i][0] != NULL; i++) {
        assert_int_equal(tm__params_set(ops, out, c->params[i][0], c->params[i][1], NULL), TM_OK);
    }
}

static void every_learner_holds_what_learners_have_to_hold(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_model_ops *ops = tm__model_find(cases[i].learner);
        tm_params params;
        tm_conform_report report;
        assert_non_null(ops);
        params_of(&cases[i], ops, &params);
        const tm_conform_options options = {
            .params = &params, .is_constant = ops == &tm__baseline_ops, .is_quick = true};
        assert_int_equal(tm__conform_run(ops, &options, &report, NULL), TM_OK);
        for (uint32_t k = 0; k < report.n; k++) {
            if (report.results[k].verdict == TM_CONFORM_BROKEN) {
                print_error("%s (case %zu), '%s': %s\n", ops->name, i, report.results[k].name,
                            report.results[k].message);
            }
        }
        assert_int_equal(report.n_broken, 0);
    }
}

static void every_learner_of_the_list_is_checked(void **state) {
    (void)state;
    for (uint32_t i = 0; tm__model_list()[i] != NULL; i++) {
        bool is_checked = false;
        for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
            is_checked = is_checked || strcmp(cases[k].learner, tm__model_list()[i]->name) == 0;
        }
        assert_true(is_checked);
    }
}

static void another_interface_is_refused(void **state) {
    (void)state;
    tm_model_ops ops = tm__baseline_ops;
    const tm_conform_options options = {.is_constant = true};
    tm_conform_report report;
    ops.abi = TM_MODEL_ABI + 1;
    assert_int_equal(tm__conform_run(&ops, &options, &report, NULL), TM_E_UNSUPPORTED);
}

static void count_result(void *arg, const tm_conform_result *result) {
    assert_non_null(result->name);
    (*(uint32_t *)arg)++;
}

static void each_result_is_told_at_once(void **state) {
    (void)state;
    uint32_t n = 0;
    tm_conform_report report;
    const tm_conform_options options = {
        .is_constant = true, .is_quick = true, .on_result = count_result, .arg = &n};
    assert_int_equal(tm__conform_run(&tm__baseline_ops, &options, &report, NULL), TM_OK);
    assert_int_equal(n, report.n);
    assert_true(n > 15 && report.n_broken == 0);
    bool has_passed_over = false;
    for (uint32_t i = 0; i < n; i++) {
        has_passed_over = has_passed_over || report.results[i].verdict == TM_CONFORM_PASSED_OVER;
    }
    assert_true(has_passed_over); /* a constant answer learns nothing from columns */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_learner_holds_what_learners_have_to_hold),
        cmocka_unit_test(every_learner_of_the_list_is_checked),
        cmocka_unit_test(another_interface_is_refused),
        cmocka_unit_test(each_result_is_told_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
