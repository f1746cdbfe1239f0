/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor_report_case.h"

#include "capture.h"

static void words_have_findings_scores_and_windows(void **state) {
    (void)state;
    tm_cli cli = {.quiet = true};
    json_t *report = monitor_report_case();
    capture_begin(1);
    tm__monitor_words_print(&cli, report);
    const char *text = capture_end(1);
    assert_non_null(strstr(text, "(binary): 300 answers, 180 of them with a label"));
    assert_non_null(strstr(text, "! logloss is worse than in the test (0.41)"));
    assert_non_null(strstr(text, "? Where "));
    assert_non_null(strstr(text, "- 60 % of the answers have a label"));
    assert_non_null(strstr(text, "logloss by windows of 24 h, by when they were answered"));
    assert_non_null(strstr(text, "2026-01-03T00:00"));
    assert_non_null(strstr(text, "a is so"));
    json_decref(report);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_have_findings_scores_and_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
