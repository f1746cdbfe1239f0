/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "loop/processing.h"
#include "registry/chain.h"
#include "temp_home.h"

static void what_left_the_home_is_counted(void **state) {
    static const tm_actor actor = {.name = "cli:test"};
    tm_registry *registry = NULL;
    json_t *records = json_pack("{s:[{s:[{s:s}, {s:s}]}]}", "data", "columns", "policy",
                                "generalise:10", "policy", "generalise:ip");
    const char *const events[] = {"backup.made", "backup.made", "subject.erased"};
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        const tm_audit_note note = {.event = events[i]};
        assert_int_equal(tm__audit_append(registry, &note, &actor, NULL), TM_OK);
    }
    assert_int_equal(tm__processing_home(*state, registry, records, NULL), TM_OK);
    const json_t *const exports =
        json_object_get(json_object_get(records, "recipients"), "exports");
    assert_int_equal(json_array_size(exports), 1);
    assert_string_equal(tm__json_text(json_array_get(exports, 0), "event", ""), "backup.made");
    assert_int_equal(tm__json_i64(json_array_get(exports, 0), "n", 0), 2);
    assert_int_equal(tm__json_i64(json_object_get(records, "rights"), "erased", 0), 1);
    assert_true(
        json_is_string(json_object_get(json_object_get(records, "rights"), "last_erased_at")));
    const json_t *const security = json_object_get(records, "security");
    assert_int_equal(json_array_size(json_object_get(security, "policies")), 1);
    assert_int_equal(json_array_size(json_object_get(security, "sealed_by")), 0);
    tm__registry_close(registry);
    json_decref(records);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        what_left_the_home_is_counted, tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
