/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "monitor/monitor_live_priv.h"
#include "temp_home.h"
#include "tiny_bundle.h"

static void add_weighted(tm_live_rows *rows, double y, double output, double weight) {
    const tm_live_row row = {.y = y, .weight = weight, .outputs = &output};
    assert_int_equal(tm__live_rows_add(rows, &row, NULL), TM_OK);
}

static void add(tm_live_rows *rows, double y, double output) {
    add_weighted(rows, y, output, 1);
}

static const json_t *find(const json_t *list, const char *name) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (strcmp(tm__json_text(json_array_get(list, i), "score", ""), name) == 0) {
            return json_array_get(list, i);
        }
    }
    return NULL;
}

static double member(const json_t *list, const char *name, const char *member_name) {
    return tm__json_f64(find(list, name), member_name, -1);
}

static void a_loss_is_worst_where_it_is_largest(void **state) {
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm_live_rows rows;
    json_t *scores = NULL;
    tm__live_rows_init(&rows, bundle);
    add(&rows, 1, 0.8);
    add(&rows, 0, 0.3);
    add(&rows, NAN, 0.9);
    const tm_live_part all = {&rows, 0, 3};
    assert_int_equal(tm__live_scores(&all, true, &scores, NULL), TM_OK);
    assert_true(member(scores, "brier", "worst") > member(scores, "brier", "best"));
    assert_true(fabs(member(scores, "brier", "worst") - (0.04 + 0.09 + 0.81) / 3) < 1e-12);
    assert_true(member(scores, "auc", "worst") < member(scores, "auc", "best"));
    assert_true(member(scores, "auc", "value") == 1);
    assert_true(json_is_null(json_object_get(find(scores, "ece"), "worst")));
    json_decref(scores);
    tm__live_rows_done(&rows);
    tm__bundle_unref(bundle);
}

/* Of a log that kept a tenth of some answers and all of others: each counts for those it stands
 * for. */
static void answers_count_for_those_that_they_stand_for(void **state) {
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm_live_rows rows;
    json_t *scores = NULL, *estimates = NULL;
    tm__live_rows_init(&rows, bundle);
    add_weighted(&rows, 1, 0.8, 10); /* right, and stands for ten */
    add_weighted(&rows, 0, 0.8, 1);
    add_weighted(&rows, 0, 0.9, 1);
    add_weighted(&rows, NAN, 0.9, 8);
    const tm_live_part all = {&rows, 0, 4}, alike = {&rows, 1, 3};
    assert_int_equal(tm__live_scores(&all, true, &scores, NULL), TM_OK);
    assert_true(fabs(member(scores, "accuracy", "value") - 10.0 / 12) < 1e-12);
    assert_true(json_is_null(json_object_get(find(scores, "accuracy"), "low")));
    assert_true(json_is_null(json_object_get(find(scores, "accuracy"), "worst")));
    json_decref(scores);
    const tm_live_weight weight = tm__live_weight(&all);
    assert_true(weight.all == 20 && weight.labelled == 12);
    assert_int_equal(tm__live_estimates(&all, &estimates, NULL), TM_OK);
    assert_int_equal(json_array_size(estimates), 0);
    json_decref(estimates);
    assert_int_equal(tm__live_scores(&alike, true, &scores, NULL), TM_OK);
    assert_true(member(scores, "accuracy", "value") == 0);
    assert_false(json_is_null(json_object_get(find(scores, "accuracy"), "worst")));
    json_decref(scores);
    tm__live_rows_done(&rows);
    tm__bundle_unref(bundle);
}

static void a_class_that_training_never_saw_opens_no_bounds(void **state) {
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm_live_rows rows;
    json_t *scores = NULL;
    tm__live_rows_init(&rows, bundle);
    add(&rows, 2, 0.8);
    add(&rows, 1, 0.8);
    add(&rows, NAN, 0.9);
    const tm_live_part all = {&rows, 0, 3};
    assert_int_equal(tm__live_scores(&all, true, &scores, NULL), TM_OK);
    assert_true(member(scores, "accuracy", "value") == 0.5);
    assert_true(json_is_null(json_object_get(find(scores, "accuracy"), "worst")));
    json_decref(scores);
    tm__live_rows_done(&rows);
    tm__bundle_unref(bundle);
}

static void without_labels_there_is_an_estimate_and_no_score(void **state) {
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm_live_rows rows;
    json_t *scores = NULL, *estimates = NULL;
    tm__live_rows_init(&rows, bundle);
    for (int i = 0; i < 50; i++) {
        add(&rows, NAN, 0.02 * i);
    }
    const tm_live_part all = {&rows, 0, 50};
    assert_int_equal(tm__live_scores(&all, true, &scores, NULL), TM_OK);
    assert_true(json_is_null(json_object_get(find(scores, "auc"), "value")));
    assert_true(member(scores, "accuracy", "worst") == 0);
    assert_int_equal(tm__live_estimates(&all, &estimates, NULL), TM_OK);
    assert_true(member(estimates, "auc", "low") < member(estimates, "auc", "value"));
    assert_true(member(estimates, "auc", "value") > 0.7);
    assert_true(json_is_null(json_object_get(find(estimates, "auc"), "realised")));
    assert_true(json_is_null(json_object_get(find(estimates, "auc"), "of_labelled")));
    assert_null(find(estimates, "ece"));
    json_decref(scores);
    json_decref(estimates);
    tm__live_rows_done(&rows);
    tm__bundle_unref(bundle);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    static const struct CMUnitTest tests[] = {
        TEST(answers_count_for_those_that_they_stand_for),
        TEST(a_loss_is_worst_where_it_is_largest),
        TEST(a_class_that_training_never_saw_opens_no_bounds),
        TEST(without_labels_there_is_an_estimate_and_no_score),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
