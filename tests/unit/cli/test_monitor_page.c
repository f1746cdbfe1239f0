/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor_report_case.h"

static uint32_t count(const char *text, const char *word) {
    uint32_t n = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        n++;
    }
    return n;
}

static void a_page_is_whole_and_what_matters_comes_first(void **state) {
    (void)state;
    tm_buf page;
    json_t *report = monitor_report_case();
    tm__buf_init(&page, 1 << 22);
    tm__monitor_page(report, &page);
    (void)tm__buf_byte(&page, 0);
    assert_false(page.failed);
    const char *const text = (const char *)page.data;
    report_case_check(text);
    assert_int_equal(count(text, "<svg"), count(text, "<desc>"));
    assert_int_equal(count(text, "<figure>"), count(text, "</figure>"));
    assert_int_equal(count(text, "<div"), count(text, "</div>"));
    static const char *const order[] = {"id=found", "<li class=bad>", "<li class=plain>",
                                        "id=time",  "id=labels",      "id=bad",
                                        "id=scores"};
    const char *at = strstr(text, "<h2 id=found");
    for (size_t k = 0; k < sizeof(order) / sizeof(order[0]); k++) {
        at = strstr(at, order[k]);
        assert_non_null(at);
    }
    json_decref(report);
    tm__buf_done(&page);
}

static void a_page_without_answers_has_no_plot(void **state) {
    (void)state;
    tm_buf page;
    json_t *report = report_case_json(
        "{\"model\":\"m\",\"metric\":\"rmse\",\"test\":null,\"live\":{\"scores\":[],\"windows\":[],"
        "\"slices\":null},\"estimated\":{\"scores\":[],\"windows\":[],\"assumes\":[]},"
        "\"coverage\":{\"answers\":0,\"labelled\":0,\"share\":null},\"findings\":[]}");
    tm__buf_init(&page, 1 << 22);
    tm__monitor_page(report, &page);
    (void)tm__buf_byte(&page, 0);
    assert_null(strstr((const char *)page.data, "<svg"));
    assert_non_null(strstr((const char *)page.data, "There is no answer in this time."));
    json_decref(report);
    tm__buf_done(&page);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_is_whole_and_what_matters_comes_first),
        cmocka_unit_test(a_page_without_answers_has_no_plot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
