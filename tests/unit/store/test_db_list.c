/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "db_case.h"
#include "store/db_list.h"

static json_t *nothing(tm_stmt *stmt) {
    (void)stmt;
    return NULL;
}

static void rows_become_a_list_in_their_order(void **state) {
    (void)state;
    tm_db *db = db_case_open(&db_case_make);
    tm_stmt *stmt = NULL;
    json_t *list = NULL;
    assert_int_equal(tm__stmt_init(db, "SELECT name FROM t ORDER BY name", &stmt, NULL), TM_OK);
    assert_int_equal(tm__stmt_list(stmt, tm__stmt_name, &list, NULL), TM_OK);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    assert_int_equal(db_case_insert(db, "b", NULL), TM_OK);
    assert_int_equal(db_case_insert(db, "a", NULL), TM_OK);
    assert_int_equal(tm__stmt_init(db, "SELECT name FROM t ORDER BY name", &stmt, NULL), TM_OK);
    assert_int_equal(tm__stmt_list(stmt, tm__stmt_name, &list, NULL), TM_OK);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_value(json_array_get(list, 0)), "a");
    json_decref(list);
    tm__db_close(db);
}

static void an_item_without_memory_leaves_the_result_alone(void **state) {
    (void)state;
    tm_db *db = db_case_open(&db_case_make);
    tm_stmt *stmt = NULL;
    json_t *list = NULL;
    assert_int_equal(db_case_insert(db, "a", NULL), TM_OK);
    assert_int_equal(tm__stmt_init(db, "SELECT name FROM t", &stmt, NULL), TM_OK);
    assert_int_equal(tm__stmt_list(stmt, nothing, &list, NULL), TM_E_NOMEM);
    assert_null(list);
    tm__db_close(db);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, db_case_set_up, db_case_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(rows_become_a_list_in_their_order),
        TEST(an_item_without_memory_leaves_the_result_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
