/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "loop/subject_consent.h"
#include "source/intake.h"
#include "temp_home.h"

static void nothing_said_is_told_apart_for_each_purpose(void **state) {
    static const char *const key = "id";
    tm_ctx ctx = {0};
    json_t *spec = json_pack("{s:s, s:{s:s}}", "purpose", "ads, care", "consent", "column", "ok");
    const tm_intake_add add = {
        .name = "people", .feed = "push", .keys = &key, .n_keys = 1, .spec = spec};
    json_t *source = NULL, *said = NULL;
    assert_int_equal(tm__intake_add(*state, &add, NULL), TM_OK);
    assert_int_equal(tm__intake_show(*state, "people", &source, NULL), TM_OK);
    assert_int_equal(tm__subject_consent(&ctx, *state, source, "7", &said, NULL), TM_OK);
    assert_int_equal(json_array_size(said), 2);
    assert_string_equal(tm__json_text(json_array_get(said, 1), "for", ""), "care");
    assert_true(json_is_null(json_object_get(json_array_get(said, 0), "given")));
    json_decref(said);
    json_object_del(json_object_get(source, "spec"), "consent");
    assert_int_equal(tm__subject_consent(&ctx, *state, source, "7", &said, NULL), TM_OK);
    assert_null(said);
    json_decref(source);
    json_decref(spec);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        nothing_said_is_told_apart_for_each_purpose, tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
