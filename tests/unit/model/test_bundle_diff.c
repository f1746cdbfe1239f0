/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "bundle_data.h"
#include "model/bundle_diff.h"
#include "test.h"

static json_t *parse(const char *text) {
    json_t *value = NULL;
    assert_int_equal(tm__json_parse(text, strlen(text), 64, &value, NULL), TM_OK);
    return value;
}

static void members_that_differ_are_told_by_their_place(void **state) {
    (void)state;
    json_t *a = parse("{\"same\":1,\"x\":{\"y\":{\"z\":1,\"k\":2}},\"gone\":[1],\"list\":[1,2]}");
    json_t *b = parse("{\"same\":1,\"x\":{\"y\":{\"z\":3,\"k\":2}},\"new\":null,\"list\":[2,1]}");
    json_t *list = tm__diff_objects(a, b);
    static const char *const keys[] = {"gone", "list", "new", "x.y.z"};
    assert_int_equal(json_array_size(list), 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(tm__json_text(json_array_get(list, i), "key", ""), keys[i]);
    }
    assert_true(json_is_null(json_object_get(json_array_get(list, 0), "b")));
    assert_int_equal(tm__json_i64(json_array_get(list, 3), "b", 0), 3);
    json_decref(list);
    list = tm__diff_objects(a, a);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    list = tm__diff_objects(NULL, NULL);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    json_decref(a);
    json_decref(b);
}

static void records_of_one_model_differ_in_nothing(void **state) {
    (void)state;
    bundle_data *data = bundle_data_create(60, TM_TASK_BINARY, "gbdt");
    tm_bundle *bundle = bundle_data_open(data);
    json_t *diff = NULL;
    assert_int_equal(tm__diff_records(bundle, bundle, &diff, NULL), TM_OK);
    const json_t *columns = json_object_get(json_object_get(diff, "data"), "columns");
    assert_int_equal(json_array_size(json_object_get(columns, "added")), 0);
    assert_int_equal(json_array_size(json_object_get(columns, "changed")), 0);
    assert_int_equal(json_array_size(json_object_get(diff, "params")), 0);
    assert_int_equal(json_array_size(json_object_get(diff, "recipe")), 0);
    json_decref(diff);
    tm__bundle_unref(bundle);
    bundle_data_free(data);
}

static void answers_are_counted(void **state) {
    (void)state;
    bundle_data *data = bundle_data_create(60, TM_TASK_BINARY, "baseline");
    tm_bundle *bundle = bundle_data_open(data);
    const double t = tm__bundle_threshold(bundle);
    const double a[] = {t, t, t + 0.1}, b[] = {t, t - 0.2, t + 0.2};
    const tm_diff_answers in = {.a = bundle, .b = bundle, .of_a = a, .of_b = b, .n_rows = 3};
    json_t *answers = NULL;
    assert_int_equal(tm__diff_predictions(&in, &answers, NULL), TM_OK);
    assert_int_equal(tm__json_i64(answers, "rows", 0), 3);
    assert_int_equal(tm__json_i64(answers, "same", 0), 1);
    assert_int_equal(tm__json_i64(answers, "decided_otherwise", 0), 1);
    assert_true(fabs(tm__json_f64(answers, "max", 0) - 0.2) < 1e-12);
    assert_true(fabs(tm__json_f64(answers, "mean", 0) - 0.1) < 1e-12);
    assert_true(fabs(tm__json_f64(answers, "p50", 0) - 0.1) < 1e-12);
    json_decref(answers);
    tm__bundle_unref(bundle);
    bundle_data_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_that_differ_are_told_by_their_place),
        cmocka_unit_test(records_of_one_model_differ_in_nothing),
        cmocka_unit_test(answers_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
