/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "capture.h"
#include "cli/experiment_rows.h"
#include "test.h"

static json_t *result_of(bool is_odd) {
    return json_pack("{s:s, s:[{s:s}, {s:s}], s:i, s:i, s:i, s:i, s:i, s:{s:f, s:f},"
                     " s:{s:[f, f], s:b}, s:{s:s, s:[f, n], s:f, s:n, s:n, s:n}, s:[{s:s, s:[f, f],"
                     " s:f, s:f, s:f, s:s}]}",
                     "verdict", "No verdict yet.", "arms", "arm", "old\033[2J", "arm", "new",
                     "units", 12000, "matured", is_odd ? 11000 : 12000, "judged", 10500,
                     "in_both_arms", is_odd ? 7 : 0, "after_horizon", is_odd ? 500 : 0,
                     "sample_ratio", "p_value", 0.4, "any_time_p_value", 1.0, "coverage", "shares",
                     0.9, 0.8, "differs", (int)is_odd, "metric", "metric", "bought", "means", 0.25,
                     "difference", 0.01, "low", "high", "decided", "guardrails", "metric", "errors",
                     "means", 0.1, 0.2, "difference", 0.1, "low", 0.05, "high", 0.15, "state",
                     "breach");
}

static const char *print(const json_t *result, int fd) {
    tm_cli cli = {0};
    capture_begin(fd);
    tm__experiment_print(&cli, result);
    return capture_end(fd);
}

static void a_verdict_has_its_figures_under_it(void **state) {
    (void)state;
    json_t *result = result_of(false);
    const char *text = print(result, 1);
    assert_int_equal(strncmp(text, "No verdict yet.\n", 16), 0);
    assert_non_null(strstr(text, "errors"));
    assert_non_null(strstr(text, "breach"));
    assert_non_null(strstr(text, "12,000 units, 10,500 of them judged"));
    assert_null(strstr(text, "\033"));
    assert_null(strstr(text, "too young"));
    json_decref(result);
}

static void what_is_odd_is_said(void **state) {
    (void)state;
    json_t *result = result_of(true);
    const char *text = print(result, 1);
    assert_non_null(strstr(text, "1,000 units are too young"));
    assert_non_null(strstr(text, "500 units came after the last look"));
    text = print(result, 2);
    assert_non_null(strstr(text, "7 units were in both arms"));
    assert_non_null(strstr(text, "known of 90.0 % of one arm and 80.0 % of the other"));
    json_decref(result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_verdict_has_its_figures_under_it),
        cmocka_unit_test(what_is_odd_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
