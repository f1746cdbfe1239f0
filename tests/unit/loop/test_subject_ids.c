/* SPDX-License-Identifier: Apache-2.0 */
/* Which ids a home has is tested from outside (tests/e2e/test_subject.py). */
#include "test.h"

#include "loop/subject_ids.h"
#include "temp_home.h"

static void columns_of_role_entity_come_before_the_key(void **state) {
    (void)state;
    json_t *source = json_pack("{s:[{s:s, s:s}, {s:s}], s:[s]}", "columns", "name", "who", "role",
                               "entity", "name", "event", "key", "event");
    json_t *columns = tm__subject_columns_of_source(source);
    assert_int_equal(json_array_size(columns), 1);
    assert_true(tm__json_has_text(columns, "who"));
    json_decref(columns);
    json_object_set_new(source, "columns", json_array());
    columns = tm__subject_columns_of_source(source);
    assert_true(tm__json_has_text(columns, "event"));
    json_decref(columns);
    json_decref(source);
}

static void a_text_is_compared_as_it_is_and_a_number_as_text(void **state) {
    (void)state;
    const tm_cell text = {.type = TM_TYPE_TEXT, .text = tm__str("a,\"b\"")};
    const tm_cell number = {.type = TM_TYPE_INT, .i64 = 7};
    tm_buf room;
    bool is = false;
    tm__buf_init(&room, 1000);
    assert_int_equal(tm__subject_cell_is(&text, "a,\"b\"", &room, &is, NULL), TM_OK);
    assert_true(is);
    assert_int_equal(tm__subject_cell_is(&number, "7", &room, &is, NULL), TM_OK);
    assert_true(is);
    assert_int_equal(tm__subject_cell_is(&number, "77", &room, &is, NULL), TM_OK);
    assert_false(is);
    tm__buf_done(&room);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_of_role_entity_come_before_the_key),
        cmocka_unit_test(a_text_is_compared_as_it_is_and_a_number_as_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
