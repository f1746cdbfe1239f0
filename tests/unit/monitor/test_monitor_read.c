/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor_case.h"

#include <string.h>

#include "base/clock.h"

static void the_live_score_is_that_of_the_labelled_answers(void **state) {
    static const tm_given given[] = {
        {1, 100, NO_TIME, NULL, "{}", 0.9, "yes"}, {1, 200, NO_TIME, NULL, "{}", 0.2, "no"},
        {1, 300, NO_TIME, NULL, "{}", 0.4, "yes"}, {2, 400, NO_TIME, NULL, "{}", 0.1, "yes"},
        {1, 500, NO_TIME, NULL, "{}", 0.3, NULL},
    };
    tm_monitor *monitor = open_monitor(*state);
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm_live live = {0};
    assert_int_equal(tm__monitor_live(monitor, bundle, "tiny", 0, 0, &live, NULL), TM_OK);
    assert_int_equal(live.n_answers, 0);
    assert_null(live.scores);
    log_answers(monitor, given, 5, 0);
    assert_int_equal(tm__monitor_live(monitor, bundle, "tiny", 1, 0, &live, NULL), TM_OK);
    assert_int_equal(live.n_answers, 4);
    assert_int_equal(live.n_labelled, 3);
    assert_true(live.coverage == 0.75);
    assert_int_equal(live.first_us, 100);
    assert_int_equal(live.last_us, 500);
    assert_true(tm__json_f64(live.scores, "auc", 0) == 1.0);
    assert_int_equal(tm__json_i64(live.scores, "n_rows", 0), 3);
    /* Two of three are right at the threshold of a half. */
    assert_true(tm__json_f64(live.scores, "accuracy", 0) > 0.66);
    assert_true(tm__json_f64(live.scores, "accuracy", 0) < 0.67);
    tm__live_done(&live);
    assert_int_equal(tm__monitor_live(monitor, bundle, "tiny", 0, 200, &live, NULL), TM_OK);
    assert_int_equal(live.n_answers, 4);
    assert_int_equal(tm__json_i64(live.scores, "n_rows", 0), 3);
    tm__live_done(&live);
    tm__bundle_unref(bundle);
    tm__monitor_close(monitor);
}

static void a_value_is_scored_as_a_number_and_junk_is_left_out(void **state) {
    static const tm_given given[] = {
        {1, 100, NO_TIME, NULL, "{}", 2.0, "1.5"},
        {1, 200, NO_TIME, NULL, "{}", 3.0, "3"},
        {1, 300, NO_TIME, NULL, "{}", 3.0, "three"},
    };
    tm_monitor *monitor = open_monitor(*state);
    tm_bundle *bundle =
        tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 1, .task = "regression"});
    tm_live live = {0};
    log_answers(monitor, given, 3, 0);
    assert_int_equal(tm__monitor_live(monitor, bundle, "tiny", 0, 0, &live, NULL), TM_OK);
    assert_int_equal(tm__json_i64(live.scores, "n_rows", 0), 2);
    assert_true(tm__json_f64(live.scores, "mae", 0) == 0.25);
    tm__live_done(&live);
    tm_table *table = NULL;
    assert_int_equal(tm__monitor_labelled(monitor, bundle, "tiny", 0, &table, NULL), TM_OK);
    assert_int_equal(tm__table_rows(table), 2);
    const tm_column *y = tm__table_column(table, tm__table_find(table, "y"));
    assert_int_equal(y->type, TM_TYPE_FLOAT);
    assert_true(y->floats[0] == 1.5);
    tm__table_unref(table);
    tm__bundle_unref(bundle);
    tm__monitor_close(monitor);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_live_score_is_that_of_the_labelled_answers),
        TEST(a_value_is_scored_as_a_number_and_junk_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
