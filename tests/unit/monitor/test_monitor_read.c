/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor_case.h"

#include <string.h>

#include "base/clock.h"

static void a_value_is_a_number_and_junk_is_left_out(void **state) {
    static const tm_given given[] = {
        {1, 100, NO_TIME, NULL, "{}", 2.0, "1.5"},
        {1, 200, NO_TIME, NULL, "{}", 3.0, "3"},
        {1, 300, NO_TIME, NULL, "{}", 3.0, "three"},
    };
    tm_monitor *monitor = open_monitor(*state);
    tm_bundle *bundle =
        tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 1, .task = "regression"});
    log_answers(monitor, given, 3, 0);
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

static void a_class_is_known_however_it_is_written(void **state) {
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    double y = 7;
    assert_true(tm__label_number(bundle, TM_STR("no"), &y) && y == 0);
    assert_true(tm__label_number(bundle, TM_STR("yes"), &y) && y == 1);
    assert_true(tm__label_number(bundle, TM_STR("maybe"), &y) && y == 2); /* training had none */
    /* What a program sends for yes and no. */
    assert_true(tm__label_number(bundle, TM_STR("true"), &y) && y == 1);
    assert_true(tm__label_number(bundle, TM_STR("1"), &y) && y == 1);
    assert_true(tm__label_number(bundle, TM_STR("YES"), &y) && y == 1);
    assert_true(tm__label_number(bundle, TM_STR("false"), &y) && y == 0);
    assert_true(tm__label_number(bundle, TM_STR("0"), &y) && y == 0);
    tm__bundle_unref(bundle);
}

static void one_answer_is_found_by_its_id(void **state) {
    static const tm_given given[] = {{1, 100, NO_TIME, NULL, "{\"x\": 2}", 0.5, "yes"}};
    tm_monitor *monitor = open_monitor(*state);
    json_t *found = NULL;
    log_answers(monitor, given, 1, 0);
    assert_int_equal(tm__monitor_find(monitor, "0", &found, NULL), TM_OK);
    assert_string_equal(tm__json_text(found, "label", ""), "yes");
    assert_int_equal(tm__json_i64(json_object_get(found, "row"), "x", 0), 2);
    json_decref(found);
    assert_int_equal(tm__monitor_find(monitor, "1", &found, NULL), TM_E_NOT_FOUND);
    tm__monitor_close(monitor);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_value_is_a_number_and_junk_is_left_out),
        TEST(a_class_is_known_however_it_is_written),
        TEST(one_answer_is_found_by_its_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
