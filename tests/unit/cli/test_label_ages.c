/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/label_ages.h"

#include <string.h>

#include "capture.h"
#include "test.h"

static const char *print(const json_t *labels) {
    tm_cli cli = {0};
    capture_begin(1);
    tm__label_ages_print(&cli, labels);
    return capture_end(1);
}

static void what_is_not_known_is_said(void **state) {
    (void)state;
    json_t *const labels =
        json_pack("{s:{s:i, s:i, s:n}, s:[{s:s, s:i, s:i, s:n, s:i}]}", "rows", "rows", 1000,
                  "labelled", 900, "time", "models", "model", "churn", "answers", 0, "labelled", 0,
                  "declared_delay_seconds", "unmatched", 3);
    const char *text = print(labels);
    assert_non_null(strstr(text, "900 of 1,000 rows have one"));
    assert_non_null(strstr(text, "no time column is named (--time)"));
    assert_non_null(strstr(text, "Labels of 'churn': 0 of 0 answers have one."));
    assert_non_null(strstr(text, "the model declares no delay"));
    assert_non_null(strstr(text, "3 match no answer yet"));
    json_decref(labels);
}

static void delays_are_lengths_of_time(void **state) {
    (void)state;
    json_t *const labels = json_pack(
        "{s:n, s:[{s:s, s:i, s:i, s:f, s:f, s:i, s:i, s:i, s:{s:f, s:f, s:f}, s:{s:f, s:n},"
        " s:[{s:n, s:i, s:s}]}]}",
        "rows", "models", "model", "churn", "answers", 200, "labelled", 100, "share", 0.5,
        "declared_delay_seconds", 86400.0 * 3, "due", 90, "overdue", 10, "later_than_declared", 4,
        "delay", "p50_seconds", 600.0, "p90_seconds", 7300.0, "p99_seconds", 259200.0, "arrival",
        "p50_seconds", 1.5, "p90_seconds", "origins", "origin", "labels", 100, "newest",
        "2026-01-02T03:04:05.000006Z");
    const char *text = print(labels);
    assert_non_null(strstr(text, "half within 10 min, 90 % 2 h, 99 % 3 d"));
    assert_non_null(strstr(text, "half 1.5 s, 90 % -"));
    assert_non_null(strstr(text, "within 3 d: 90 are still due, 10 are overdue, 4 came later"));
    assert_non_null(strstr(text, "(not recorded)"));
    assert_non_null(strstr(text, "2026-01-02T03:04:05"));
    json_decref(labels);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_known_is_said),
        cmocka_unit_test(delays_are_lengths_of_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
