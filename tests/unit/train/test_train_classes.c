/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "look_case.h"
#include "test.h"
#include "train/train_look_priv.h"

/* Truths 0 0 0 1 1 2, answers 0 0 1 1 1 0: counted by hand. */
static void classes_are_counted_by_truth_and_answer(void **state) {
    (void)state;
    double y[] = {0, 0, 0, 1, 1, 2};
    double pred[] = {0.8, 0.1, 0.1, 0.6, 0.3, 0.1, 0.2, 0.7, 0.1,
                     0.1, 0.8, 0.1, 0.3, 0.4, 0.3, 0.5, 0.2, 0.3};
    tm_look look = look_case_make(TM_TASK_MULTICLASS, NULL, y, pred, 6);
    json_t *out = NULL;
    assert_int_equal(tm__look_classes(&look, &out, NULL), TM_OK);
    static const int want[3][3] = {{2, 1, 0}, {0, 2, 0}, {1, 0, 0}};
    const json_t *counts = json_object_get(out, "counts");
    assert_int_equal(json_array_size(counts), 3);
    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < 3; k++) {
            assert_int_equal(json_integer_value(json_array_get(json_array_get(counts, i), k)),
                             want[i][k]);
        }
    }
    const json_t *first = json_array_get(json_object_get(out, "by_class"), 0);
    assert_true(fabs(tm__json_f64(first, "precision", 0) - 2.0 / 3) < 1e-12);
    assert_true(fabs(tm__json_f64(first, "recall", 0) - 2.0 / 3) < 1e-12);
    /* Of the class: 0.8 0.6 0.2 against 0.1 0.3 0.5: seven of nine pairs. */
    assert_true(fabs(tm__json_f64(first, "auc", 0) - 7.0 / 9) < 1e-12);
    assert_int_equal(json_array_size(json_object_get(out, "calibration")) > 0, 1);
    json_decref(out);
    look_case_done(&look);
}

static void a_class_that_training_has_not_is_among_the_others(void **state) {
    (void)state;
    double y[] = {0, 3}, pred[] = {0.8, 0.1, 0.1, 0.6, 0.3, 0.1};
    tm_look look = look_case_make(TM_TASK_MULTICLASS, NULL, y, pred, 2);
    json_t *out = NULL;
    assert_int_equal(tm__look_classes(&look, &out, NULL), TM_OK);
    const json_t *classes = json_object_get(out, "classes");
    assert_string_equal(json_string_value(json_array_get(classes, 3)), "(others)");
    json_decref(out);
    look_case_done(&look);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_are_counted_by_truth_and_answer),
        cmocka_unit_test(a_class_that_training_has_not_is_among_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
