/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/profile_policies.h"

#include <string.h>

#include "source/intake.h"
#include "temp_home.h"
#include "test.h"

static json_t *profile_of(void) {
    return json_pack("{s:[{s:s, s:{s:s, s:s}}, {s:s, s:{s:s, s:s}}, {s:s, s:{s:s, s:s}}, {s:s}]}",
                     "columns", "name", "phone", "personal", "what", "phone numbers", "policy",
                     "drop", "name", "born", "personal", "what", "birth dates", "policy",
                     "generalise:year", "name", "last ip", "personal", "what", "network addresses",
                     "policy", "generalise:ip", "name", "spend");
}

static const char *member(const json_t *profile, size_t i, const char *name) {
    const json_t *const column = json_array_get(json_object_get(profile, "columns"), i);
    return tm__json_text(json_object_get(column, "personal"), name, "");
}

static void what_is_declared_is_not_proposed_and_keys_stay_keys(void **state) {
    const tm_home *const home = *state;
    const char *const keys[] = {"phone"};
    json_t *profile = profile_of();
    json_t *spec = json_pack("{s:{s:{s:s}, s:{s:s}}}", "columns", "phone", "type", "text", "born",
                             "policy", "generalise:month");
    const tm_intake_add add = {
        .name = "s", .feed = "push", .spec = spec, .keys = keys, .n_keys = 1};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    assert_int_equal(tm__profile_policies_declared(home, "s", profile, NULL), TM_OK);
    assert_string_equal(member(profile, 0, "policy"), "pseudonym");
    assert_string_equal(member(profile, 1, "policy"), "");
    assert_string_equal(member(profile, 1, "declared"), "generalise:month");
    assert_string_equal(member(profile, 2, "policy"), "generalise:ip");
    assert_int_equal(tm__profile_policies_declared(home, "none", profile, NULL), TM_E_NOT_FOUND);
    json_decref(profile);
    json_decref(spec);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_declared_is_not_proposed_and_keys_stay_keys,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests_name("profile_policies", tests, NULL, NULL);
}
