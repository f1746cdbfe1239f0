/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <sys/resource.h>

#include "base/clock.h"
#include "check_case.h"
#include "cli/doctor.h"

static void bytes_have_the_unit_that_people_say(void **state) {
    (void)state;
    char text[32];
    assert_string_equal(tm__bytes_text(0, text, sizeof(text)), "0 bytes");
    assert_string_equal(tm__bytes_text(1023, text, sizeof(text)), "1023 bytes");
    assert_string_equal(tm__bytes_text(1536, text, sizeof(text)), "1.5 KiB");
    assert_string_equal(tm__bytes_text(UINT64_C(24) << 30, text, sizeof(text)), "24 GiB");
    assert_string_equal(tm__bytes_text(UINT64_C(5) << 50, text, sizeof(text)), "5120 TiB");
}

static void every_line_that_is_not_ok_says_what_to_do(void **state) {
    (void)state;
    static tm_checks checks;
    tm__check_machine(&checks);
    tm__check_libraries(&checks);
    assert_true(checks.n > 15 && checks.n < TM_CHECKS_MAX);
    for (uint32_t i = 0; i < checks.n; i++) {
        const tm_check *check = &checks.list[i];
        assert_true(check->found[0] != '\0');
        assert_true(check->state == TM_CHECK_OK || check->advice != NULL);
        for (uint32_t j = 0; j < i; j++) {
            assert_string_not_equal(check->name, checks.list[j].name);
        }
    }
}

static void a_low_limit_is_a_warning(void **state) {
    (void)state;
    static tm_checks checks;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NPROC, &before), 0);
    const struct rlimit low = {.rlim_cur = 63, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NPROC, &low), 0);
    tm__check_machine(&checks);
    assert_int_equal(setrlimit(RLIMIT_NPROC, &before), 0);
    assert_int_equal(check_case_find(&checks, "processes")->state, TM_CHECK_WARN);
    assert_string_equal(check_case_find(&checks, "processes")->found, "63");
}

static void a_clock_of_another_age_is_bad(void **state) {
    (void)state;
    static tm_checks checks;
    tm__clock_fix(0);
    tm__check_machine(&checks);
    tm__clock_fix(INT64_MIN);
    assert_int_equal(check_case_find(&checks, "clock")->state, TM_CHECK_BAD);
    assert_string_equal(check_case_find(&checks, "clock")->found, "1970-01-01 00:00 UTC");
}

static void too_many_lines_are_left_out(void **state) {
    (void)state;
    static tm_checks checks;
    for (uint32_t i = 0; i < TM_CHECKS_MAX + 5; i++) {
        tm__check_add(&checks, "x", TM_CHECK_OK, NULL, "%u", i);
    }
    assert_int_equal(checks.n, TM_CHECKS_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_have_the_unit_that_people_say),
        cmocka_unit_test(every_line_that_is_not_ok_says_what_to_do),
        cmocka_unit_test(a_low_limit_is_a_warning),
        cmocka_unit_test(a_clock_of_another_age_is_bad),
        cmocka_unit_test(too_many_lines_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
