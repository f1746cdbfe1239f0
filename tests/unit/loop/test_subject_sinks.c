/* SPDX-License-Identifier: Apache-2.0 */
/* What a sink wrote is tested from outside (tests/e2e/test_subject.py). */
#include "test.h"

#include "loop/subject_sinks.h"
#include "temp_home.h"

static void a_home_without_sinks_has_written_nothing(void **state) {
    json_t *found = json_pack("{s:[{}]}", "sources"), *out = json_array();
    assert_int_equal(tm__subject_say_sinks(*state, found, out, NULL), TM_OK);
    assert_int_equal(json_array_size(out), 0);
    json_decref(found);
    json_decref(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        a_home_without_sinks_has_written_nothing, tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
