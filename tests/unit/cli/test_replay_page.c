/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/replay_history.h"

#include <string.h>

#include "report_case.h"
#include "test.h"

static void a_page_shows_the_curve_and_each_retraining(void **state) {
    (void)state;
    tm_buf page;
    json_t *const result = report_case_json(
        "{\"target\":\"<y>\",\"metric\":\"accuracy\",\"rows\":30,\"first_rows\":10,"
        "\"policy\":{\"score\":0.75,\"turns\":[{\"row\":12,\"why\":\"change\",\"arm\":\"trees\","
        "\"from\":3,\"to\":9}]},\"schedule\":{\"score\":0.5},\"static\":{\"score\":0.5},"
        "\"trivial\":{\"score\":0.5},\"curve\":{\"row\":[20,30],\"policy\":[0.7,0.8],"
        "\"schedule\":[0.5,null],\"static\":[0.4,0.6],\"trivial\":[0.5,0.5]}}");
    tm__buf_init(&page, 1 << 22);
    tm__replay_page(result, &page);
    (void)tm__buf_byte(&page, 0);
    assert_false(page.failed);
    const char *const text = (const char *)page.data;
    report_case_check(text);
    assert_non_null(strstr(text, "0.7500"));
    assert_non_null(strstr(text, "<svg"));
    assert_non_null(strstr(text, "<tr><td>12<td>change<td>trees<td>3<td>9</tr>"));
    assert_null(strstr(text, "<y>"));
    json_decref(result);
    tm__buf_done(&page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_shows_the_curve_and_each_retraining),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
