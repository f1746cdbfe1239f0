/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <sys/stat.h>

#include "check_case.h"
#include "cli/doctor.h"
#include "temp_home.h"

static void open_doors_are_a_warning(void **state) {
    const char *const path = tm__home_path(*state);
    tm_checks checks = {.n = 0};
    tm__check_place(&checks, path);
    assert_int_equal(check_case_find(&checks, "home")->state, TM_CHECK_OK);
    assert_int_equal(check_case_find(&checks, "mode")->state, TM_CHECK_OK);
    assert_int_equal(chmod(path, 0755), 0);
    checks.n = 0;
    tm__check_place(&checks, path);
    assert_int_equal(check_case_find(&checks, "mode")->state, TM_CHECK_WARN);
    assert_string_equal(check_case_find(&checks, "mode")->found, "0755");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(open_doors_are_a_warning, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
