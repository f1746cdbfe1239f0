/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "loop/subject.h"
#include "source/intake.h"
#include "temp_home.h"

static json_t *find(const tm_home *home, const char *id, bool counts_only) {
    tm_ctx ctx = {0};
    tm_registry *registry = NULL;
    json_t *found = NULL;
    tm_dict *ids = tm__dict_create();
    const tm_subject_ask ask = {.ids = ids, .counts_only = counts_only};
    assert_int_equal(tm__dict_add(ids, tm__str(id)), 0);
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    assert_int_equal(tm__subject_find(&ctx, home, registry, &ask, &found, NULL), TM_OK);
    tm__registry_close(registry);
    tm__dict_free(ids);
    return found;
}

static void push(const tm_home *home, const char *name, const char *key, char *body) {
    tm_push_result result = {0};
    const tm_intake_add add = {.name = name, .feed = "push", .keys = &key, .n_keys = key != NULL};
    const tm_push rows = {.source = name, .form = TM_PUSH_JSON, .data = body, .len = strlen(body)};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    tm_intake *intake = tm__intake_create(home);
    assert_int_equal(tm__intake_push_wait(intake, &rows, &result, NULL), TM_OK);
    tm__intake_close(intake);
}

static void an_empty_home_knows_nobody(void **state) {
    json_t *found = find(*state, "7", false);
    assert_int_equal(json_array_size(json_object_get(found, "sources")), 0);
    assert_int_equal(json_array_size(json_object_get(found, "not_looked_into")), 0);
    assert_int_equal(tm__json_i64(found, "n_answers", -1), 0);
    json_decref(found);
}

static void rows_are_found_by_the_key_as_text(void **state) {
    char numbers[] = "[{\"id\":7,\"a\":1.5},{\"id\":77,\"a\":2},{\"id\":8,\"a\":7}]";
    char texts[] = "[{\"id\":\"7\",\"b\":\"x\"},{\"id\":\"y\",\"b\":\"7\"}]";
    char rest[] = "[{\"id\":7}]";
    push(*state, "numbers", "id", numbers);
    push(*state, "texts", "id", texts);
    push(*state, "rest", NULL, rest);
    json_t *found = find(*state, "7", false), *counts = find(*state, "7", true);
    const json_t *const sources = json_object_get(found, "sources");
    assert_int_equal(json_array_size(sources), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *const one = json_array_get(sources, i);
        assert_int_equal(tm__json_i64(one, "n", 0), 1);
        assert_int_equal(json_array_size(json_object_get(one, "rows")), 1);
        assert_null(json_object_get(json_array_get(json_object_get(counts, "sources"), i), "rows"));
    }
    const json_t *const left = json_array_get(json_object_get(found, "not_looked_into"), 0);
    assert_string_equal(tm__json_text(left, "what", ""), "source:rest");
    json_decref(found);
    json_decref(counts);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(an_empty_home_knows_nobody),
                                       TEST(rows_are_found_by_the_key_as_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
