/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from it is tested from outside (tests/e2e/test_privacy.py). */
#include "loop/subject_ids.h"
#include "source/intake.h"
#include "temp_home.h"
#include "test.h"

static void only_where_a_subject_has_one(void **state) {
    const tm_home *const home = *state;
    const char *const keys[] = {"email"};
    tm_registry *registry = NULL;
    bool has = true;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    assert_int_equal(tm__subject_has_pseudonyms(home, registry, &has, NULL), TM_OK);
    assert_false(has);
    json_t *spec = json_pack("{s:{s:{s:s}}}", "columns", "email", "policy", "pseudonym");
    const tm_intake_add add = {
        .name = "s", .feed = "push", .spec = spec, .keys = keys, .n_keys = 1};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    json_decref(spec);
    assert_int_equal(tm__subject_has_pseudonyms(home, registry, &has, NULL), TM_OK);
    assert_true(has);
    tm__registry_close(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        only_where_a_subject_has_one, tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests_name("subject_pseudonym", tests, NULL, NULL);
}
