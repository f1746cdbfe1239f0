/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "look_case.h"
#include "test.h"
#include "train/train_look_priv.h"

static json_t *curves_of(double *y, double *pred, uint64_t n) {
    tm_look look = look_case_make(TM_TASK_BINARY, NULL, y, pred, n);
    json_t *curves = NULL;
    assert_int_equal(tm__look_curves(&look, &curves, NULL), TM_OK);
    look_case_done(&look);
    return curves;
}

static void near_list(const json_t *object, const char *name, const double *want, size_t n) {
    assert_int_equal(json_array_size(json_object_get(object, name)), n);
    for (size_t i = 0; i < n; i++) {
        assert_true(fabs(look_case_at(object, name, i) - want[i]) < 1e-12);
    }
}

/* The example of scikit-learn's roc_curve() and precision_recall_curve(). */
static void curves_are_those_of_scikit_learn(void **state) {
    (void)state;
    double y[] = {0, 0, 1, 1}, pred[] = {0.1, 0.4, 0.35, 0.8};
    json_t *curves = curves_of(y, pred, 4);
    const json_t *roc = json_object_get(curves, "roc");
    const json_t *pr = json_object_get(curves, "precision_recall");
    assert_true(fabs(tm__json_f64(roc, "area", 0) - 0.75) < 1e-12);
    near_list(roc, "false_positive_rate", (const double[]){0, 0, 0.5, 0.5, 1}, 5);
    near_list(roc, "true_positive_rate", (const double[]){0, 0.5, 0.5, 1, 1}, 5);
    assert_true(fabs(tm__json_f64(pr, "area", 0) - 0.8333333333333333) < 1e-12);
    near_list(pr, "recall", (const double[]){0.5, 0.5, 1, 1}, 4);
    near_list(pr, "precision", (const double[]){1, 0.5, 2.0 / 3, 0.5}, 4);
    const json_t *confusion = json_object_get(curves, "confusion");
    assert_int_equal(tm__json_i64(confusion, "true_positives", 0), 1);
    assert_int_equal(tm__json_i64(confusion, "false_negatives", 0), 1);
    assert_int_equal(tm__json_i64(confusion, "true_negatives", 0), 2);
    json_decref(curves);
}

static void a_long_curve_has_few_points_and_all_of_its_rows(void **state) {
    (void)state;
    enum { N = 20000 };
    static double y[N], pred[N];
    for (uint64_t i = 0; i < N; i++) {
        pred[i] = (double)(tm__rng_at(1, i) >> 11) * 0x1p-53;
        y[i] = (double)(tm__rng_at(2, i) >> 11) * 0x1p-53 < pred[i];
    }
    json_t *curves = curves_of(y, pred, N);
    const json_t *roc = json_object_get(curves, "roc");
    const json_t *fpr = json_object_get(roc, "false_positive_rate");
    const size_t n = json_array_size(fpr);
    assert_true(n > 50 && n <= 202);
    double area = 0, rows = 0;
    for (size_t i = 1; i < n; i++) {
        const double x0 = look_case_at(roc, "false_positive_rate", i - 1);
        const double x1 = look_case_at(roc, "false_positive_rate", i);
        assert_true(x1 >= x0);
        area += (x1 - x0) *
                (look_case_at(roc, "true_positive_rate", i - 1) +
                 look_case_at(roc, "true_positive_rate", i)) /
                2;
    }
    assert_true(fabs(area - tm__json_f64(roc, "area", 0)) < 1e-3);
    const json_t *calibration = json_object_get(curves, "calibration"), *part = NULL;
    size_t i = 0;
    json_array_foreach(calibration, i, part) {
        rows += tm__json_f64(part, "rows", 0);
        assert_true(fabs(tm__json_f64(part, "prediction", 0) - tm__json_f64(part, "share", 9)) <
                    0.05);
        assert_true(tm__json_f64(part, "low", 9) <= tm__json_f64(part, "share", 0));
    }
    assert_int_equal(i, 10);
    assert_true(rows == N);
    json_decref(curves);
}

static void one_class_has_no_curve_and_equal_answers_are_one_part(void **state) {
    (void)state;
    double y[] = {1, 1, 1}, pred[] = {0.7, 0.7, 0.7};
    json_t *curves = curves_of(y, pred, 3);
    assert_true(json_is_null(json_object_get(curves, "roc")));
    const json_t *calibration = json_object_get(curves, "calibration");
    assert_int_equal(json_array_size(calibration), 1);
    assert_int_equal(tm__json_i64(json_array_get(calibration, 0), "rows", 0), 3);
    json_decref(curves);
}

/* R: 4 of 10 rows called are the surest 0.4 of them. */
static void calling_a_share_of_the_rows_counts_whole_ties(void **state) {
    (void)state;
    double y[10], pred[10];
    for (int i = 0; i < 10; i++) {
        y[i] = i < 5;
        pred[i] = i < 4 ? 0.9 : 0.1;
    }
    json_t *curves = curves_of(y, pred, 10);
    const json_t *called = json_object_get(curves, "called");
    const json_t *first = json_array_get(called, 0);
    assert_true(tm__json_f64(first, "precision", 0) == 1);
    assert_true(tm__json_f64(first, "recall", 0) == 0.8);
    assert_true(tm__json_f64(first, "threshold", 0) == 0.9);
    json_decref(curves);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(curves_are_those_of_scikit_learn),
        cmocka_unit_test(a_long_curve_has_few_points_and_all_of_its_rows),
        cmocka_unit_test(one_class_has_no_curve_and_equal_answers_are_one_part),
        cmocka_unit_test(calling_a_share_of_the_rows_counts_whole_ties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
