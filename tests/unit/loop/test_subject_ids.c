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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_of_role_entity_come_before_the_key)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
