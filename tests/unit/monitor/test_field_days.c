/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "monitor/field_days.h"
#include "temp_home.h"

static void add(tm_drift_store *store, int64_t day, tm_field_kind kind, const char *name,
                uint64_t n) {
    tm_db *const db = tm__drift_store_db(store);
    const tm_field_add one = {
        .key = {"m", 1}, .at_us = day * TM_DAY_US + 7, .kind = kind, .name = name, .n = n};
    assert_int_equal(tm__db_begin(db, NULL), TM_OK);
    assert_int_equal(tm__field_days_add_locked(store, &one, NULL), TM_OK);
    assert_int_equal(tm__field_days_drop_locked(store, &one.key, NULL), TM_OK);
    assert_int_equal(tm__db_commit(db, NULL), TM_OK);
}

static json_t *report_of(const tm_home *home) {
    const tm_drift_window_key key = {"m", 1};
    json_t *list = NULL;
    assert_int_equal(tm__field_days_report(home, &key, &list, NULL), TM_OK);
    return list;
}

static void a_field_that_vanished_shows_by_its_shares(void **state) {
    tm_drift_store *store = NULL;
    json_t *list = report_of(*state);
    assert_int_equal(json_array_size(list), 0); /* nothing was ever kept */
    json_decref(list);
    assert_int_equal(tm__drift_store_open(*state, true, &store, NULL), TM_OK);
    add(store, 10, TM_FIELD_ROWS, "", 1000);
    add(store, 10, TM_FIELD_ABSENT, "age", 10);
    add(store, 11, TM_FIELD_ROWS, "", 200);
    add(store, 11, TM_FIELD_ABSENT, "age", 100);
    add(store, 11, TM_FIELD_ABSENT, "age", 90);
    add(store, 11, TM_FIELD_REFUSED, "city", 3);
    add(store, 11, TM_FIELD_CONVERTED, "zip", 2);
    tm__drift_store_close(store);
    list = report_of(*state);
    assert_int_equal(json_array_size(list), 3);
    assert_string_equal(tm__json_text(json_array_get(list, 0), "state", ""), "refused");
    const json_t *const age = json_array_get(list, 1);
    assert_string_equal(tm__json_text(age, "field", ""), "age");
    assert_string_equal(tm__json_text(age, "since", ""), "1970-01-11");
    assert_string_equal(tm__json_text(age, "last", ""), "1970-01-12");
    assert_int_equal(tm__json_i64(age, "times", 0), 200);
    assert_true(fabs(tm__json_f64(age, "was", 0) - 0.01) < 1e-12);
    assert_true(fabs(tm__json_f64(age, "is", 0) - 0.95) < 1e-12);
    assert_string_equal(tm__json_text(json_array_get(list, 2), "state", ""), "converted");
    json_decref(list);
}

static void names_of_a_day_are_bounded_whatever_comes(void **state) {
    tm_drift_store *store = NULL;
    char name[32];
    assert_int_equal(tm__drift_store_open(*state, true, &store, NULL), TM_OK);
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof(name), "x%d", i);
        add(store, 5, TM_FIELD_UNKNOWN, name, 1);
    }
    add(store, 5, TM_FIELD_UNKNOWN, "x3", 1); /* one that has its place */
    tm__drift_store_close(store);
    json_t *const list = report_of(*state);
    assert_int_equal(json_array_size(list), TM_FIELD_NAMES + 1);
    const json_t *const others = json_array_get(list, 0);
    assert_true(json_is_null(json_object_get(others, "field")));
    assert_int_equal(tm__json_i64(others, "times", 0), 200 - TM_FIELD_NAMES);
    assert_true(json_is_null(json_object_get(others, "is"))); /* no rows were counted */
    assert_int_equal(tm__json_i64(json_array_get(list, 1), "times", 0), 2);
    json_decref(list);
}

static void the_newest_days_are_kept(void **state) {
    tm_drift_store *store = NULL;
    assert_int_equal(tm__drift_store_open(*state, true, &store, NULL), TM_OK);
    for (int64_t day = -3; day < (int64_t)TM_FIELD_DAYS + 20; day++) {
        add(store, day, TM_FIELD_ROWS, "", 10);
        add(store, day, TM_FIELD_ABSENT, "age", 1);
    }
    tm__drift_store_close(store);
    json_t *const list = report_of(*state);
    assert_int_equal(tm__json_i64(json_array_get(list, 0), "times", 0), TM_FIELD_DAYS);
    json_decref(list);
}

#define HOME(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        HOME(a_field_that_vanished_shows_by_its_shares),
        HOME(names_of_a_day_are_bounded_whatever_comes),
        HOME(the_newest_days_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
