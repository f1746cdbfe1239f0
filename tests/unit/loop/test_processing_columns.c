/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "loop/processing_columns.h"

static void values_tell_before_the_name_does(void **state) {
    json_t *set = json_pack("{s:[], s:[]}", "columns", "gaps");
    json_t *source = json_pack("{s:[{s:s, s:s}, {s:s, s:s, s:s}, {s:s, s:s}]}", "columns", "name",
                               "email", "type", "text", "name", "phone", "type", "text", "policy",
                               "drop", "name", "n", "type", "int");
    json_t *profile = json_pack("{s:[{s:s, s:{s:s}}]}", "columns", "name", "email", "personal",
                                "what", "phone numbers");
    tm__processing_columns_of_source(set, source, profile);
    const json_t *const columns = json_object_get(set, "columns");
    assert_string_equal(tm__json_text(json_array_get(columns, 0), "personal", ""), "phone numbers");
    assert_string_equal(tm__json_text(json_array_get(columns, 1), "personal", ""), "phone numbers");
    assert_null(json_object_get(json_array_get(columns, 2), "personal"));
    /* The one without a policy is named, the one with is not. */
    assert_int_equal(json_array_size(json_object_get(set, "gaps")), 1);
    assert_string_equal(json_string_value(json_array_get(json_object_get(set, "gaps"), 0)),
                        "a policy for 'email' (phone numbers)");
    json_decref(set);
    json_decref(source);
    json_decref(profile);
    (void)state;
}

static void a_version_without_a_file_has_none(void **state) {
    json_t *set = json_pack("{s:[], s:[]}", "columns", "gaps");
    const tm_version gone = {.model = "late", .number = 1, .state = "collected"};
    assert_int_equal(tm__processing_columns_of_version(NULL, &gone, set, NULL), TM_OK);
    assert_int_equal(json_array_size(json_object_get(set, "columns")), 0);
    json_decref(set);
    (void)state;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(values_tell_before_the_name_does),
                                       cmocka_unit_test(a_version_without_a_file_has_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
