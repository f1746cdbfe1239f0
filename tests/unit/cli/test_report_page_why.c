/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report_page_priv.h"
#include "report_case.h"

static void both_kinds_of_groups_are_told(void **state) {
    (void)state;
    tm_buf out;
    json_t *report = report_case("binary");
    const char *text = report_case_text(tm__report_put_weak, report, &out);
    report_case_check(text);
    assert_non_null(strstr(text, "worse than elsewhere"));
    assert_non_null(strstr(text, "off to one side"));
    assert_non_null(strstr(text, "<td>b = x</td>"));
    assert_non_null(strstr(text, "1.0e-09"));
    tm__buf_done(&out);
    json_object_set_new(report, "weak", report_case_json("{\"looked_at\":40,\"list\":[]}"));
    text = report_case_text(tm__report_put_weak, report, &out);
    assert_non_null(strstr(text, "No group of rows was found"));
    tm__buf_done(&out);
    json_decref(report);
}

static void the_rule_and_few_rows_are_marked(void **state) {
    (void)state;
    tm_buf out;
    json_t *report = report_case("binary");
    const char *text = report_case_text(tm__report_put_fairness, report, &out);
    report_case_check(text);
    assert_non_null(strstr(text, "it does not hold"));
    assert_non_null(strstr(text, "few rows"));
    assert_non_null(strstr(text, "none that the model sees"));
    assert_null(strstr(text, ">positive, found<")); /* nobody has it */
    tm__buf_done(&out);
    json_decref(report);
}

static void columns_have_bars_and_curves(void **state) {
    (void)state;
    tm_buf out;
    json_t *report = report_case("binary");
    const char *text = report_case_text(tm__report_put_worth, report, &out);
    report_case_check(text);
    assert_non_null(strstr(text, "width:100.00%"));
    assert_non_null(strstr(text, "width:0.00%")); /* a worth below nothing has no bar */
    tm__buf_done(&out);
    text = report_case_text(tm__report_put_dependence, report, &out);
    report_case_check(text);
    assert_non_null(strstr(text, "3: 0.3"));
    assert_null(strstr(text, "(missing): "));
    assert_non_null(strstr(text, "class=band"));
    tm__buf_done(&out);
    json_decref(report);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_kinds_of_groups_are_told),
        cmocka_unit_test(the_rule_and_few_rows_are_marked),
        cmocka_unit_test(columns_have_bars_and_curves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
