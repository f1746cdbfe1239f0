/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "loop/subject_refit.h"
#include "temp_home.h"

static void a_record_that_does_not_say_all_is_refused(void **state) {
    static const char *const infos[] = {"{}", "{\"continues\":{\"bundle_hash\":\"x\"}}"};
    for (size_t i = 0; i < 2; i++) {
        tm_err err = {0};
        tm_version version = {.model = "late", .number = 3, .info = json_loads(infos[i], 0, NULL)};
        assert_int_equal(tm__subject_can_refit(*state, &version, &err), TM_E_CONFLICT);
        assert_memory_equal(err.message, "'late@3' cannot be fitted anew: ", 32);
        tm__version_done(&version);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        a_record_that_does_not_say_all_is_refused, tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
