/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor_report_case.h"

static void what_is_bad_comes_first_with_its_beginning(void **state) {
    (void)state;
    json_t *report = monitor_report_case();
    const json_t *list = json_object_get(report, "findings");
    assert_string_equal(tm__json_text(json_array_get(list, 0), "level", ""), "bad");
    assert_true(monitor_report_has(list, "bad", "in each window since 2026-01-02T00:00"));
    assert_true(monitor_report_has(list, "bad", "100 labels are overdue"));
    assert_true(monitor_report_has(list, "bad", "1,234 answers were given and not logged"));
    assert_true(monitor_report_has(list, "warn", "3 labels disagreed"));
    assert_true(monitor_report_has(list, "warn", "2 labels are no class that the model knows"));
    assert_true(monitor_report_has(list, "warn", "below 3 (40 labelled rows) the loss is 0.3"));
    assert_true(monitor_report_has(list, "warn", "cannot be trusted here"));
    assert_true(monitor_report_has(list, "warn", "moved since 2026-01-02T00:00: less than 3"));
    assert_true(monitor_report_has(list, "bad", "Alert 7 (drift, open)"));
    assert_true(monitor_report_has(list, "note", "lies between 0.9 and 0.3"));
    assert_true(monitor_report_has(list, "note", "3 labels wait for an answer"));
    json_decref(report);
}

static void a_quiet_report_says_so(void **state) {
    (void)state;
    json_t *report = report_case_json(
        "{\"metric\":\"accuracy\",\"test\":{\"accuracy\":0.8},\"live\":{\"scores\":[{\"score\":"
        "\"accuracy\",\"smaller_is_better\":false,\"value\":0.81,\"low\":0.78,\"high\":0.84}],"
        "\"windows\":[]},\"estimated\":{\"scores\":[{\"score\":\"accuracy\",\"value\":0.8,"
        "\"low\":0.78,\"high\":0.82,\"of_labelled\":0.8}]},\"coverage\":{\"answers\":9,"
        "\"labelled\":9,\"share\":1}}");
    json_t *list = tm__monitor_findings(report);
    assert_true(monitor_report_has(list, "note", "no clear difference"));
    assert_true(monitor_report_has(list, "note", "By the answers alone accuracy is expected"));
    assert_int_equal(json_array_size(list), 2);
    json_decref(list);
    json_decref(report);
}

static void without_answers_or_labels_that_is_told(void **state) {
    (void)state;
    json_t *report = report_case_json(
        "{\"metric\":\"rmse\",\"test\":null,\"live\":{\"scores\":[],\"windows\":[]},"
        "\"estimated\":{\"scores\":[]},\"coverage\":{\"answers\":0,\"labelled\":0}}");
    json_t *list = tm__monitor_findings(report);
    assert_true(monitor_report_has(list, "warn", "There is no answer in this time."));
    json_decref(list);
    json_object_set_new(json_object_get(report, "coverage"), "answers", json_integer(5));
    list = tm__monitor_findings(report);
    assert_true(monitor_report_has(list, "note", "No answer has a label yet"));
    json_decref(list);
    json_decref(report);
}

static void an_estimate_that_got_worse_is_a_warning(void **state) {
    (void)state;
    json_t *report = report_case_json(
        "{\"metric\":\"auc\",\"test\":{\"auc\":0.8},\"live\":{\"scores\":[],\"windows\":[]},"
        "\"estimated\":{\"scores\":[{\"score\":\"auc\",\"value\":0.7,\"low\":0.68,\"high\":0.72,"
        "\"of_labelled\":null}]},\"coverage\":{\"answers\":5,\"labelled\":0,\"share\":0}}");
    json_t *list = tm__monitor_findings(report);
    assert_true(monitor_report_has(list, "warn", "expected to be 0.7 (0.68 to 0.72), worse"));
    json_decref(list);
    json_decref(report);
}

/* 400 answers with their labels after a test of n rows. */
#define AFTER_TEST_OF(n)                                                                           \
    "{\"metric\":\"auc\",\"test\":{\"auc\":0.8,\"n_rows\":" n                                      \
    "},\"live\":{\"scores\":[{\"score\":\"auc\",\"value\":0.7,\"low\":0.68,\"high\":0.72}],"       \
    "\"windows\":[]},\"estimated\":{\"scores\":[{\"score\":\"auc\",\"value\":0.7,\"low\":0.68,"    \
    "\"high\":0.72,\"of_labelled\":0.7}]},\"coverage\":{\"answers\":400,\"labelled\":400,"         \
    "\"share\":1}}"

static void a_test_of_few_rows_is_in_doubt_itself(void **state) {
    (void)state;
    json_t *few = report_case_json(AFTER_TEST_OF("8")),
           *many = report_case_json(AFTER_TEST_OF("40000"));
    json_t *list = tm__monitor_findings(few);
    assert_true(monitor_report_has(list, "note", "no clear difference"));
    assert_true(monitor_report_has(list, "note", "By the answers alone auc is expected"));
    json_decref(list);
    list = tm__monitor_findings(many);
    assert_true(monitor_report_has(list, "bad", "it got worse"));
    assert_true(monitor_report_has(list, "warn", "rows have moved"));
    json_decref(list);
    json_decref(few);
    json_decref(many);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_bad_comes_first_with_its_beginning),
        cmocka_unit_test(a_quiet_report_says_so),
        cmocka_unit_test(without_answers_or_labels_that_is_told),
        cmocka_unit_test(an_estimate_that_got_worse_is_a_warning),
        cmocka_unit_test(a_test_of_few_rows_is_in_doubt_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
