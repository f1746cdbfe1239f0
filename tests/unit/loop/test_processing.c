/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "loop/processing.h"
#include "source/intake.h"
#include "temp_home.h"

static json_t *records_of(const tm_home *home) {
    tm_ctx ctx = {0};
    tm_registry *registry = NULL;
    json_t *records = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    assert_int_equal(tm__processing(&ctx, home, registry, &records, NULL), TM_OK);
    tm__registry_close(registry);
    return records;
}

static const json_t *column_of(const json_t *set, const char *name) {
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(json_object_get(set, "columns"), i, one) {
        if (strcmp(tm__json_text(one, "column", ""), name) == 0) {
            return one;
        }
    }
    return NULL;
}

static void an_empty_home_has_no_data(void **state) {
    json_t *records = records_of(*state);
    assert_int_equal(json_array_size(json_object_get(records, "data")), 0);
    assert_int_equal(tm__json_i64(json_object_get(records, "rights"), "erased", -1), 0);
    json_decref(records);
}

static void a_source_says_what_is_declared_and_what_is_not(void **state) {
    static const char *const key = "email";
    char rows[] = "[{\"email\":\"a@b.example\",\"contact\":\"b@c.example\",\"born\":\"1985-01-17\","
                  "\"spend\":1}]";
    json_t *spec = json_pack("{s:s, s:i, s:{s:{s:s}}}", "purpose", "care, fraud", "retention_s",
                             86400, "columns", "email", "policy", "generalise:prefix:3");
    const tm_intake_add add = {
        .name = "people", .feed = "push", .keys = &key, .n_keys = 1, .spec = spec};
    const tm_push push = {
        .source = "people", .form = TM_PUSH_JSON, .data = rows, .len = strlen(rows)};
    tm_push_result result = {0};
    assert_int_equal(tm__intake_add(*state, &add, NULL), TM_OK);
    tm_intake *intake = tm__intake_create(*state);
    assert_int_equal(tm__intake_push_wait(intake, &push, &result, NULL), TM_OK);
    tm__intake_close(intake);
    json_t *records = records_of(*state);
    const json_t *const set = json_array_get(json_object_get(records, "data"), 0);
    assert_int_equal(json_array_size(json_object_get(set, "purposes")), 2);
    assert_int_equal(tm__json_i64(set, "retention_seconds", 0), 86400);
    assert_string_equal(tm__json_text(column_of(set, "email"), "policy", ""),
                        "generalise:prefix:3");
    /* By its values, and by its name. */
    assert_string_equal(tm__json_text(column_of(set, "contact"), "personal", ""),
                        "e-mail addresses");
    assert_string_equal(tm__json_text(column_of(set, "born"), "personal", ""), "birth dates");
    assert_null(tm__json_text(column_of(set, "spend"), "personal", NULL));
    assert_int_equal(json_array_size(json_object_get(set, "gaps")), 2);
    assert_true(tm__json_has_text(json_object_get(json_object_get(records, "security"), "policies"),
                                  "generalise"));
    json_decref(records);
    json_decref(spec);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(an_empty_home_has_no_data),
                                       TEST(a_source_says_what_is_declared_and_what_is_not)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
