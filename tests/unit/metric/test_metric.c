/* SPDX-License-Identifier: Apache-2.0 */
/* Expected values: tests/golden/metric/make_expected.py. */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "metric/metric.h"

#define N_ROWS(a) (sizeof(a) / sizeof((a)[0]))

static const double y2[] = {1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1};
static const double p2[] = {0.9, 0.1, 0.8, 0.35, 0.4, 0.4, 0.4, 0.2, 0.65, 0.7, 0.05, 0.999};
static const double w2[] = {1, 2, 0.5, 1, 1, 3, 1, 0, 2, 1, 1, 0.25};
static const double y3[] = {0, 1, 2, 2, 1, 0, 0, 2};
static const double p3[] = {0.7, 0.2, 0.1, 0.3, 0.4, 0.3, 0.25, 0.5,  0.25, 0.1, 0.2, 0.7,
                            0.6, 0.3, 0.1, 0.4, 0.4, 0.2, 0.05, 0.05, 0.9,  0.2, 0.3, 0.5};
static const double w3[] = {1, 2, 1, 0.5, 1, 1, 3, 1};
static const double yr[] = {3.5, -1.0, 2.25, 7.0, 0.5};
static const double pr[] = {2.5, 0.0, 2.0, 8.0, 0.75};
static const double wr[] = {1, 2, 0.5, 1, 3};

static const struct expected {
    tm_task task;
    const char *name;
    double plain, weighted;
} expected[] = {
    {TM_TASK_BINARY, "auc", 0.83333333333333326, 0.78260869565217384},
    {TM_TASK_BINARY, "logloss", 0.44431847941570091, 0.47666550763993959},
    {TM_TASK_BINARY, "accuracy", 0.75, 0.78181818181818186},
    {TM_TASK_BINARY, "brier", 0.15145841666666668, 0.16072729090909088},
    {TM_TASK_BINARY, "average_precision", 0.84861111111111098, 0.75669749157056909},
    {TM_TASK_BINARY, "f1", 0.72727272727272718, 0.7142857142857143},
    {TM_TASK_BINARY, "precision", 0.80000000000000004, 0.78947368421052633},
    {TM_TASK_BINARY, "recall", 0.66666666666666663, 0.65217391304347827},
    {TM_TASK_BINARY, "ece", 0.21258333333333335, 0.25456363636363638},
    {TM_TASK_MULTICLASS, "accuracy", 0.625, 0.52380952380952384},
    {TM_TASK_MULTICLASS, "logloss", 1.1031347463981922, 1.4813805503046009},
    {TM_TASK_MULTICLASS, "macro_f1", 0.61111111111111105, 0.53174603174603174},
    {TM_TASK_REGRESSION, "rmse", 0.79056941504209488, 0.75},
    {TM_TASK_REGRESSION, "mae", 0.69999999999999996, 0.65000000000000002},
    {TM_TASK_REGRESSION, "r2", 0.91677762982689748, 0.91567419005580075},
};

static tm_score_input input_of(tm_task task, bool is_weighted) {
    switch (task) {
    case TM_TASK_BINARY:
        return (tm_score_input){.task = task,
                                .n_classes = 2,
                                .n_rows = N_ROWS(y2),
                                .y = y2,
                                .pred = p2,
                                .weights = is_weighted ? w2 : NULL};
    case TM_TASK_MULTICLASS:
        return (tm_score_input){.task = task,
                                .n_classes = 3,
                                .n_rows = N_ROWS(y3),
                                .y = y3,
                                .pred = p3,
                                .weights = is_weighted ? w3 : NULL};
    default:
        return (tm_score_input){.task = task,
                                .n_rows = N_ROWS(yr),
                                .y = yr,
                                .pred = pr,
                                .weights = is_weighted ? wr : NULL};
    }
}

static double score(const char *name, const tm_score_input *in) {
    tm_err err = {0};
    double out = NAN;
    const tm_metric_ops *metric = tm__metric_find(name);
    assert_non_null(metric);
    if (tm__metric_score(metric, in, &out, &err) != TM_OK) {
        fail_msg("%s: %s", name, err.message);
    }
    return out;
}

static void scores_are_those_of_scikit_learn(void **state) {
    (void)state;
    for (size_t i = 0; i < N_ROWS(expected); i++) {
        for (int is_weighted = 0; is_weighted < 2; is_weighted++) {
            const tm_score_input in = input_of(expected[i].task, is_weighted);
            const double want = is_weighted ? expected[i].weighted : expected[i].plain;
            const double got = score(expected[i].name, &in);
            if (!(fabs(got - want) <= 1e-14 * fmax(1.0, fabs(want)))) {
                fail_msg("%s: got %.17g, want %.17g", expected[i].name, got, want);
            }
        }
    }
}

static void log_loss_has_a_floor_for_what_was_ruled_out_and_for_unseen_classes(void **state) {
    (void)state;
    const double y[] = {1, 3}, p[] = {1, 0, 0, 0.5, 0.25, 0.25};
    const double yb[] = {1, 2}, pb[] = {0, 1};
    const tm_score_input in = {
        .task = TM_TASK_MULTICLASS, .n_classes = 3, .n_rows = 2, .y = y, .pred = p};
    const tm_score_input binary = {
        .task = TM_TASK_BINARY, .n_classes = 2, .n_rows = 2, .y = yb, .pred = pb};
    const double floor_loss = -log(1e-15);
    assert_true(fabs(score("logloss", &in) - floor_loss) < 1e-12);
    assert_true(fabs(score("logloss", &binary) - floor_loss) < 1e-12);
    assert_true(score("accuracy", &in) == 0.0);
    assert_true(score("accuracy", &binary) == 0.0);
    /* Class 1 was answered 0, "unseen" 0, class 0 and the like by answers only. */
    assert_true(score("macro_f1", &in) == 0.0);
}

static void ratios_of_nothing_are_zero(void **state) {
    (void)state;
    const double y[] = {0, 0}, p[] = {0.1, 0.2};
    const tm_score_input in = {
        .task = TM_TASK_BINARY, .n_classes = 2, .n_rows = 2, .y = y, .pred = p};
    assert_true(score("f1", &in) == 0.0);
    assert_true(score("precision", &in) == 0.0);
    assert_true(score("recall", &in) == 0.0);
}

static void a_threshold_moves_the_call(void **state) {
    (void)state;
    tm_score_input in = input_of(TM_TASK_BINARY, false);
    in.threshold = 0.35;
    assert_true(score("recall", &in) == 1.0);
    assert_true(fabs(score("precision", &in) - 6.0 / 9.0) < 1e-15);
}

static void bad_input_is_refused(void **state) {
    (void)state;
    const double bad_y[] = {0, 3}, y[] = {0, 1}, p[] = {0.5, 0.5}, high[] = {0.5, 1.5};
    const double nan_p[] = {NAN, 0.5}, zero[] = {0, 0}, minus[] = {1, -1};
    const struct {
        const char *metric;
        tm_score_input in;
        tm_status want;
    } cases[] = {
        {"logloss", {.task = TM_TASK_BINARY, .n_rows = 2, .y = bad_y, .pred = p}, TM_E_INVALID},
        {"logloss", {.task = TM_TASK_BINARY, .n_rows = 2, .y = y, .pred = high}, TM_E_INVALID},
        {"logloss", {.task = TM_TASK_BINARY, .n_rows = 2, .y = y, .pred = nan_p}, TM_E_INVALID},
        {"logloss",
         {.task = TM_TASK_BINARY, .n_rows = 2, .y = y, .pred = p, .weights = minus},
         TM_E_INVALID},
        {"logloss",
         {.task = TM_TASK_BINARY, .n_rows = 2, .y = y, .pred = p, .weights = zero},
         TM_E_DATA},
        {"logloss", {.task = TM_TASK_BINARY, .n_rows = 0, .y = y, .pred = p}, TM_E_DATA},
        {"auc", {.task = TM_TASK_REGRESSION, .n_rows = 2, .y = y, .pred = p}, TM_E_USAGE},
        {"auc", {.task = TM_TASK_BINARY, .n_rows = 2, .y = zero, .pred = p}, TM_E_DATA},
        {"rmse", {.task = TM_TASK_REGRESSION, .n_rows = 2, .y = y, .pred = nan_p}, TM_E_INVALID},
        {"ndcg@10", {.task = TM_TASK_RANKING, .n_rows = 2, .y = y, .pred = p}, TM_E_INVALID},
    };
    for (size_t i = 0; i < N_ROWS(cases); i++) {
        tm_err err = {0};
        double out = -7.0;
        assert_int_equal(
            tm__metric_score(tm__metric_find(cases[i].metric), &cases[i].in, &out, &err),
            cases[i].want);
        assert_true(out == -7.0);
        assert_true(err.message[0] != '\0');
    }
    assert_null(tm__metric_find("gini"));
}

static void a_report_has_every_score_of_its_task_and_null_where_undefined(void **state) {
    (void)state;
    const double y[] = {0, 0}, p[] = {0.1, 0.2};
    tm_score_input in = input_of(TM_TASK_BINARY, false);
    tm_err err = {0};
    json_t *report = NULL;
    assert_int_equal(tm__metric_report(&in, &report, &err), TM_OK);
    assert_int_equal(json_object_size(report), 10);
    assert_int_equal(json_integer_value(json_object_get(report, "n_rows")), 12);
    assert_true(fabs(json_real_value(json_object_get(report, "auc")) - 0.8333333333) < 1e-9);
    json_decref(report);
    in = (tm_score_input){.task = TM_TASK_BINARY, .n_rows = 2, .y = y, .pred = p};
    assert_int_equal(tm__metric_report(&in, &report, &err), TM_OK);
    assert_true(json_is_null(json_object_get(report, "auc")));
    assert_int_equal(err.status, TM_OK);
    json_decref(report);
    in.n_rows = 0;
    report = NULL;
    assert_int_equal(tm__metric_report(&in, &report, &err), TM_E_DATA);
    assert_null(report);
}

static void running_out_of_memory_leaves_nothing_behind(void **state) {
    (void)state;
    const char *const names[] = {"auc", "average_precision", "macro_f1"};
    for (size_t i = 0; i < N_ROWS(names); i++) {
        const tm_score_input in = input_of(i < 2 ? TM_TASK_BINARY : TM_TASK_MULTICLASS, false);
        tm_status st = TM_E_NOMEM;
        for (uint64_t nth = 1; st != TM_OK; nth++) {
            const uint64_t alive = tm__mem_alive();
            double out = -7.0;
            tm__mem_fail_at(nth, false);
            st = tm__metric_score(tm__metric_find(names[i]), &in, &out, NULL);
            tm__mem_fail_at(0, false);
            assert_int_equal(tm__mem_alive(), alive);
            assert_true(st == TM_OK || (st == TM_E_NOMEM && out == -7.0));
            assert_true(nth < 10);
        }
    }
}

static void gains_point_to_better_and_defaults_exist(void **state) {
    (void)state;
    assert_true(tm__metric_gain(tm__metric_find("auc"), 0.8, 0.7) > 0.0);
    assert_true(tm__metric_gain(tm__metric_find("rmse"), 0.8, 0.7) < 0.0);
    for (unsigned task = TM_TASK_BINARY; task <= TM_TASK_RANKING; task++) {
        const tm_metric_ops *metric = tm__metric_find(tm__metric_default((tm_task)task));
        assert_non_null(metric);
        assert_true((metric->tasks & (1u << task)) != 0);
    }
    for (uint32_t i = 0; tm__metric_list()[i] != NULL; i++) {
        assert_ptr_equal(tm__metric_find(tm__metric_list()[i]->name), tm__metric_list()[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_scikit_learn),
        cmocka_unit_test(log_loss_has_a_floor_for_what_was_ruled_out_and_for_unseen_classes),
        cmocka_unit_test(ratios_of_nothing_are_zero),
        cmocka_unit_test(a_threshold_moves_the_call),
        cmocka_unit_test(bad_input_is_refused),
        cmocka_unit_test(a_report_has_every_score_of_its_task_and_null_where_undefined),
        cmocka_unit_test(running_out_of_memory_leaves_nothing_behind),
        cmocka_unit_test(gains_point_to_better_and_defaults_exist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
