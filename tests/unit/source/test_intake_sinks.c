/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "source/sinks.h"
#include "temp_home.h"
#include "test.h"

static void add(tm_sink_store *store, const char *name, tm_status want) {
    tm_sink_row row = {.spec = json_pack("{s:s}", "model", "m"), .next_us = 5};
    tm_err err = {0};
    (void)tm__str_copy(row.name, sizeof(row.name), tm__str(name));
    assert_int_equal(tm__sink_store_add(store, &row, &err), want);
    json_decref(row.spec);
}

static void a_record_comes_back_as_it_was_saved(void **state) {
    tm_sink_store *store = NULL;
    tm_sink_row row = {0}, back = {0};
    json_t *names = NULL;
    tm_err err = {0};
    if (!tm__home_shares_intake(*state)) { /* there, who asks first makes the tables */
        assert_int_equal(tm__sink_store_open(*state, false, &store, &err), TM_E_NOT_FOUND);
    }
    assert_int_equal(tm__sink_store_open(*state, true, &store, NULL), TM_OK);
    add(store, "nightly", TM_OK);
    add(store, "a", TM_OK);
    add(store, "nightly", TM_E_CONFLICT);
    assert_int_equal(tm__sink_store_find(store, "nightly", &row, NULL), TM_OK);
    assert_string_equal(row.status, "ready");
    assert_int_equal(row.next_us, 5);
    assert_true(json_is_null(row.plan) && json_is_null(row.state) && json_is_null(row.error));
    json_decref(row.plan);
    row.plan = json_pack("{s:s}", "batch", "b");
    row.n_rows = 7;
    row.n_batches = 2;
    row.n_failures = 3;
    row.tried_us = 11;
    row.done_us = 12;
    row.next_us = 13;
    (void)tm__str_copy(row.status, sizeof(row.status), TM_STR("retrying"));
    assert_int_equal(tm__sink_store_save(store, &row, NULL), TM_OK);
    assert_int_equal(tm__sink_store_find(store, "nightly", &back, NULL), TM_OK);
    assert_true(json_equal(back.plan, row.plan));
    assert_string_equal(back.status, "retrying");
    assert_int_equal(back.n_rows + back.n_batches * 10 + back.n_failures * 100, 327);
    assert_int_equal(back.tried_us, 11);
    assert_int_equal(back.done_us, 12);
    assert_int_equal(back.next_us, 13);
    assert_int_equal(tm__sink_store_names(store, &names, NULL), TM_OK);
    assert_int_equal(json_array_size(names), 2);
    assert_string_equal(json_string_value(json_array_get(names, 0)), "a");
    json_decref(names);
    assert_int_equal(tm__sink_store_remove(store, "nightly", NULL), TM_OK);
    assert_int_equal(tm__sink_store_save(store, &row, &err), TM_E_NOT_FOUND); /* while it ran */
    assert_int_equal(tm__sink_store_remove(store, "nightli", &err), TM_E_NOT_FOUND);
    tm__sink_row_done(&row);
    tm__sink_row_done(&back);
    tm__sink_store_close(store);
}

static void a_name_that_is_not_there_has_a_near_one(void **state) {
    tm_sink_store *store = NULL;
    tm_sink_row row = {0};
    tm_err err = {0};
    assert_int_equal(tm__sink_store_open(*state, true, &store, NULL), TM_OK);
    add(store, "nightly", TM_OK);
    assert_int_equal(tm__sink_store_find(store, "nihgtly", &row, &err), TM_E_NOT_FOUND);
    assert_non_null(strstr(err.hint, "nightly"));
    row.spec = json_pack("{s:s}", "model", "other");
    (void)tm__str_copy(row.name, sizeof(row.name), TM_STR("nightly"));
    assert_int_equal(tm__sink_store_declare(store, &row, NULL), TM_OK);
    json_decref(row.spec);
    row.spec = NULL;
    assert_int_equal(tm__sink_store_find(store, "nightly", &row, NULL), TM_OK);
    assert_string_equal(tm__json_text(row.spec, "model", ""), "other");
    assert_int_equal(row.next_us, 0);
    tm__sink_row_done(&row);
    tm__sink_store_close(store);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_record_comes_back_as_it_was_saved),
        TEST(a_name_that_is_not_there_has_a_near_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
