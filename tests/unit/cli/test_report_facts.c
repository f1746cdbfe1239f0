/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fmath.h"
#include "cli/report_page_priv.h"
#include "report_case.h"

static bool has(const json_t *list, const char *text) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (strstr(json_string_value(json_array_get(list, i)), text) != NULL) {
            return true;
        }
    }
    return false;
}

static void sentences_say_what_was_measured_and_no_more(void **state) {
    (void)state;
    json_t *report = report_case("binary");
    json_t *list = tm__report_sentences(report);
    assert_string_equal(tm__report_verdict(report), "good");
    assert_true(has(list, "Its logloss is 0.41 (0.38 to 0.44); a constant answer has 0.69."));
    assert_true(has(list, "it finds 60 of 100 rows"));
    assert_true(has(list, "It is better than version 1 of 'm'"));
    assert_true(has(list, "which flatters it"));
    assert_true(has(list, "b ="));
    json_decref(list);
    json_object_del(report, "scores");
    json_object_del(report, "weak");
    json_object_set_new(report, "worth", json_object());
    json_object_set_new(report, "task", json_string("ranking"));
    list = tm__report_sentences(report);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    json_decref(report);
}

static void intervals_are_told_as_they_were_measured(void **state) {
    (void)state;
    json_t *report = report_case("regression");
    json_t *list = tm__report_sentences(report);
    assert_true(has(list, "Intervals for 90 % held the truth for 91.5 % of the test rows; on "
                          "average they are 12 wide."));
    assert_true(has(list, "off by at most 1.5"));
    json_decref(list);
    json_decref(report);
}

static void limits_name_groups_leaks_and_time(void **state) {
    (void)state;
    json_t *report = report_case("binary");
    json_t *list = tm__report_limits(report);
    assert_true(has(list, "how scores hold later was not measured"));
    assert_true(has(list, "gives the target away (score 0.99)"));
    assert_true(has(list, "it says 0.2 on average, and 0.5 is true"));
    assert_false(has(list, "--group"));
    json_decref(list);
    json_decref(report);
}

static void numbers_groups_and_trials_are_short(void **state) {
    (void)state;
    char out[64];
    assert_string_equal(tm__report_number_text(1234567, out, sizeof(out)), "1234567");
    assert_string_equal(tm__report_number_text(0.123456, out, sizeof(out)), "0.1235");
    assert_string_equal(tm__report_number_text(tm__nan(), out, sizeof(out)), "-");
    json_t *group = report_case_json("{\"columns\":[\"a\",\"b\"],\"groups\":[\"from 3\",\"x\"]}");
    assert_string_equal(tm__report_group_text(group, out, sizeof(out)), "a from 3 and b = x");
    json_t *trial = report_case_json("{\"learner\":\"blend\",\"params\":{}}");
    assert_string_equal(tm__report_trial_text(trial, out, sizeof(out)), "the best together");
    json_t *sure = report_case_json("{\"value\":0.5,\"low\":null,\"high\":null}");
    assert_string_equal(tm__report_interval_text(sure, out, sizeof(out)), "0.5");
    json_decref(group);
    json_decref(trial);
    json_decref(sure);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentences_say_what_was_measured_and_no_more),
        cmocka_unit_test(intervals_are_told_as_they_were_measured),
        cmocka_unit_test(limits_name_groups_leaks_and_time),
        cmocka_unit_test(numbers_groups_and_trials_are_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
