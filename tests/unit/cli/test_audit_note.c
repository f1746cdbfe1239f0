/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "cli/audit_note.h"
#include "temp_home.h"

static void a_deed_is_an_entry_by_its_user(void **state) {
    tm_registry *registry = NULL;
    json_t *list = NULL;
    int64_t next = 0;
    const tm_cli_deed deed = {.event = "source.pulled",
                              .kind = "source",
                              .name = "flights",
                              .subject_id = tm__str("4711"),
                              .details = json_pack("{s:i}", "rows", 3)};
    const tm_cli_deed bare = {.event = "backup.made", .kind = "home"};
    assert_int_equal(tm__cli_audit(*state, &deed, NULL), TM_OK);
    assert_int_equal(tm__cli_audit(*state, &bare, NULL), TM_OK);
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    assert_int_equal(tm__audit_list(registry, &(tm_audit_filter){0}, &list, &next, NULL), TM_OK);
    const json_t *const first = json_array_get(list, 0), *const second = json_array_get(list, 1);
    assert_string_equal(tm__json_text(first, "object", ""), "source:flights");
    assert_memory_equal(tm__json_text(first, "actor", ""), "cli:", 4);
    assert_int_equal(tm__json_i64(json_object_get(first, "details"), "rows", 0), 3);
    assert_null(strstr(tm__json_text(first, "subject", ""), "4711"));
    assert_string_equal(tm__json_text(second, "object", ""), "home");
    assert_true(json_is_null(json_object_get(second, "subject")));
    json_decref(list);
    tm__registry_close(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        a_deed_is_an_entry_by_its_user, tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
