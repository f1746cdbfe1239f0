/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "source/intake.h"
#include "source/strict.h"
#include "temp_home.h"

static void names_are_asked_when_a_source_is_declared(void **state) {
    static const char *const keys[] = {"email"};
    tm_err err = {0};
    json_t *open = json_pack("{s:{s:{}}}", "columns", "phone");
    json_t *strict = json_pack("{s:s, s:{s:{}}}", "personal", "declared", "columns", "phone");
    json_t *said = json_pack("{s:s, s:{s:{s:s}, s:{s:s}}}", "personal", "declared", "columns",
                             "phone", "policy", "drop", "email", "policy", "plain");
    json_t *wrong = json_pack("{s:s}", "personal", "often");
    assert_int_equal(tm__strict_check(open, keys, 1, NULL), TM_OK);
    assert_int_equal(tm__strict_check(strict, keys, 1, &err), TM_E_USAGE);
    assert_non_null(strstr(err.message, "'phone'"));
    assert_int_equal(tm__strict_check(said, keys, 1, NULL), TM_OK);
    json_object_del(json_object_get(said, "columns"), "email");
    assert_int_equal(tm__strict_check(said, keys, 1, &err), TM_E_USAGE);
    assert_non_null(strstr(err.message, "'email'"));
    assert_int_equal(tm__strict_check(wrong, NULL, 0, NULL), TM_E_USAGE);
    json_decref(open);
    json_decref(strict);
    json_decref(said);
    json_decref(wrong);
    (void)state;
}

static void values_are_asked_before_rows_are_learned_from(void **state) {
    char rows[] = "[{\"contact\":\"anna@planted.example\"},{\"contact\":\"b@planted.example\"}]";
    tm_ctx ctx = {0};
    tm_err err = {0};
    tm_push_result result = {0};
    json_t *spec = json_pack("{s:s}", "personal", "declared");
    const tm_intake_add add = {.name = "people", .feed = "push", .spec = spec};
    const tm_push push = {
        .source = "people", .form = TM_PUSH_JSON, .data = rows, .len = strlen(rows)};
    assert_int_equal(tm__intake_add(*state, &add, NULL), TM_OK);
    assert_int_equal(tm__strict_check_rows(&ctx, *state, "people", NULL), TM_OK); /* no row yet */
    tm_intake *intake = tm__intake_create(*state);
    assert_int_equal(tm__intake_push_wait(intake, &push, &result, NULL), TM_OK);
    tm__intake_close(intake);
    assert_int_equal(tm__strict_check_rows(&ctx, *state, "people", &err), TM_E_NOT_ALLOWED);
    assert_non_null(strstr(err.message, "'contact'"));
    assert_null(strstr(err.message, "planted"));
    json_t *set = json_pack("{s:{s:{s:s}}}", "columns", "contact", "policy", "plain");
    assert_int_equal(tm__intake_set(*state, "people", set, NULL), TM_OK);
    assert_int_equal(tm__strict_check_rows(&ctx, *state, "people", NULL), TM_OK);
    json_decref(set);
    json_decref(spec);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_asked_when_a_source_is_declared),
        cmocka_unit_test_setup_teardown(values_are_asked_before_rows_are_learned_from,
                                        tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
