/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/fs.h"
#include "cli/doctor.h"
#include "support.h"
#include "test.h"

static tm_status check(tm_checks *checks, const char *text, tm_err *err) {
    char path[128];
    test_folder_join(&test_dir, "a.json", path, sizeof(path));
    assert_int_equal(tm__fs_publish(path, text, strlen(text), NULL), TM_OK);
    *checks = (tm_checks){.n = 0};
    tm__check_add(checks, "sqlite", TM_CHECK_OK, NULL, "3.40.1");
    tm__check_add(checks, "openssl", TM_CHECK_OK, NULL, "OpenSSL 3.0.19 27 Jan 2026");
    return tm__check_advisories(checks, path, err);
}

static void versions_are_compared_by_their_numbers(void **state) {
    (void)state;
    assert_true(tm__version_compare("3.40.1", "3.9") > 0);
    assert_true(tm__version_compare("1.0.18", "1.0.18.1") < 0);
    assert_int_equal(tm__version_compare("3.0.19", "3.0.19"), 0);
    assert_int_equal(tm__version_compare("2", "2.0"), 0);
}

static void what_concerns_a_version_here_is_a_warning(void **state) {
    (void)state;
    static tm_checks checks;
    const char *const text =
        "{\"date\": \"2026-11-28\", \"advisories\": ["
        "{\"id\": \"CVE-1\", \"library\": \"sqlite\", \"below\": \"3.50.2\", \"about\": \"x\"},"
        "{\"id\": \"CVE-2\", \"library\": \"sqlite\", \"below\": \"3.40.1\"},"
        "{\"id\": \"CVE-3\", \"library\": \"openssl\", \"from\": \"3.1\"},"
        "{\"id\": \"CVE-4\", \"library\": \"nothere\"}]}";
    assert_int_equal(check(&checks, text, NULL), TM_OK);
    assert_int_equal(checks.n, 4);
    assert_string_equal(checks.list[2].found, "sqlite 3.40.1: CVE-1: x");
    assert_int_equal(checks.list[2].state, TM_CHECK_WARN);
    assert_string_equal(checks.list[3].found, "4 of 2026-11-28, 1 of a version in use");
}

static void what_is_no_list_is_refused(void **state) {
    (void)state;
    static tm_checks checks;
    const char *const bad[] = {"{}", "[]", "{\"advisories\": [{\"id\": \"CVE-1\"}]}",
                               "{\"advisories\": {}}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(check(&checks, bad[i], NULL), TM_E_DATA);
        assert_int_equal(checks.n, 2);
    }
}

static void the_list_that_comes_along_is_one(void **state) {
    (void)state;
    static tm_checks checks;
    checks = (tm_checks){.n = 0};
    assert_int_equal(tm__check_advisories(&checks, "packaging/advisories.json", NULL), TM_OK);
    assert_int_equal(checks.n, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_compared_by_their_numbers),
        cmocka_unit_test_setup_teardown(what_concerns_a_version_here_is_a_warning, test_dir_make,
                                        test_dir_remove),
        cmocka_unit_test_setup_teardown(what_is_no_list_is_refused, test_dir_make, test_dir_remove),
        cmocka_unit_test(the_list_that_comes_along_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
