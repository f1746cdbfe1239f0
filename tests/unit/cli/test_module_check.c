/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/fs.h"
#include "cli/module_check.h"

#define MODULE_FILE "build/test_module_check.so"
#define REPORT "build/test_module_check.report"

static void a_file_that_is_no_module_is_one_failed_check(void **state) {
    const char *const argv[] = {MODULE_FILE, REPORT, NULL};
    tm_buf text;
    (void)state;
    assert_int_equal(tm__fs_remove(REPORT, NULL), TM_OK);
    assert_int_equal(tm__fs_publish_secret(MODULE_FILE, "no library", 10, NULL), TM_OK);
    assert_int_equal(tm__module_child(argv), 1);
    tm__buf_init(&text, 1u << 16);
    assert_int_equal(tm__fs_read_all(REPORT, &text, NULL), TM_OK);
    assert_non_null(strstr((const char *)text.data, "\"state\":\"begun\""));
    assert_non_null(strstr((const char *)text.data, "\"state\":\"failed\""));
    assert_non_null(strstr((const char *)text.data, "cannot be loaded"));
    assert_non_null(strstr((const char *)text.data, "\"state\":\"done\""));
    tm__buf_done(&text);
    assert_int_equal(tm__fs_remove(REPORT, NULL), TM_OK);
    assert_int_equal(tm__fs_remove(MODULE_FILE, NULL), TM_OK);
}

static void a_report_that_cannot_be_written_is_an_error(void **state) {
    const char *const argv[] = {MODULE_FILE, "build/no-such-folder/report", NULL};
    (void)state;
    assert_int_equal(tm__module_child(argv), 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_is_no_module_is_one_failed_check),
        cmocka_unit_test(a_report_that_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
