/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report_words.h"

#include "capture.h"
#include "report_case.h"

static void a_report_is_told_in_words(void **state) {
    (void)state;
    static const char *const tasks[] = {"binary", "multiclass", "regression", "ranking"};
    for (size_t i = 0; i < 4; i++) {
        tm_cli cli = {.quiet = true};
        json_t *report = report_case(tasks[i]);
        capture_begin(1);
        tm__report_words_print(&cli, report);
        const char *text = capture_end(1);
        assert_non_null(strstr(text, "m version 2"));
        assert_non_null(strstr(text, "logloss"));
        assert_non_null(strstr(text, "one row takes 2.5 us"));
        assert_null(strstr(text, " nan"));
        json_decref(report);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_is_told_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
