/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>

#include "serve/audited.h"
#include "temp_home.h"

static const tm_endpoint labels = {.name = "labels", .permission = TM_PERMISSION_LABEL};
static const tm_endpoint keys = {.name = "keys", .permission = TM_PERMISSION_AUDIT};

static json_t *entries(tm_registry *registry, const char *event) {
    json_t *list = NULL;
    int64_t next = 0;
    const tm_audit_filter filter = {.event = event};
    assert_int_equal(tm__audit_list(registry, &filter, &list, &next, NULL), TM_OK);
    return list;
}

static int64_t requests(const json_t *list) {
    int64_t n = 0;
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(list, i, item) {
        n += tm__json_i64(json_object_get(item, "details"), "requests", 0);
    }
    return n;
}

static void requests_are_counted_and_appended_together(void **state) {
    tm_registry *registry = NULL;
    tm_audited *const audited = tm__audited_create();
    assert_non_null(audited);
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    for (int i = 0; i < 5; i++) {
        tm__audited_count(audited, &labels, "key:A", 200);
    }
    tm__audited_count(audited, &labels, "key:A", 400); /* neither refused nor taken */
    tm__audited_count(audited, &keys, "key:A", 200);   /* read, which is no import */
    tm__audited_count(audited, &keys, "key:A", 403);
    tm__audited_count(audited, NULL, "", 401);
    tm__audited_count(NULL, NULL, "", 401);
    assert_int_equal(tm__audited_keep(audited, registry, true, NULL), TM_OK);
    assert_int_equal(tm__audited_keep(audited, registry, true, NULL), TM_OK);
    json_t *imported = entries(registry, "http.imported"),
           *refused = entries(registry, "http.refused");
    assert_int_equal(json_array_size(imported), 1);
    assert_int_equal(requests(imported), 5);
    assert_string_equal(tm__json_text(json_array_get(imported, 0), "object", ""),
                        "endpoint:labels");
    assert_int_equal(json_array_size(refused), 2);
    assert_string_equal(tm__json_text(json_array_get(refused, 0), "outcome", ""), "refused");
    json_decref(imported);
    json_decref(refused);
    tm__registry_close(registry);
    tm__audited_free(audited);
    tm__audited_free(NULL);
}

static void none_goes_uncounted_when_callers_are_many(void **state) {
    tm_registry *registry = NULL;
    tm_audited *const audited = tm__audited_create();
    assert_non_null(audited);
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    for (int i = 0; i < 150; i++) {
        char actor[16];
        (void)snprintf(actor, sizeof(actor), "key:%d", i);
        tm__audited_count(audited, &keys, actor, 403);
    }
    tm__audited_count(audited, &labels, "key:late", 200); /* no refusal, whoever else was */
    assert_int_equal(tm__audited_keep(audited, registry, true, NULL), TM_OK);
    json_t *refused = entries(registry, "http.refused");
    json_t *imported = entries(registry, "http.imported");
    assert_int_equal(json_array_size(refused), 128);
    assert_int_equal(requests(refused), 150);
    assert_int_equal(requests(imported), 1);
    json_decref(imported);
    json_decref(refused);
    tm__registry_close(registry);
    tm__audited_free(audited);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(requests_are_counted_and_appended_together),
                                       TEST(none_goes_uncounted_when_callers_are_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
