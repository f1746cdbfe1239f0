/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report_page_priv.h"
#include "report_case.h"

static void trials_members_and_hashes_are_there(void **state) {
    (void)state;
    tm_buf out;
    json_t *report = report_case("binary");
    json_object_set_new(json_array_get(json_object_get(report, "leaderboard"), 1), "share",
                        json_real(0.25));
    json_object_set_new(report, "rounds",
                        report_case_json("{\"metric\":\"logloss\",\"rounds\":[1,20,40],"
                                         "\"score\":[0.6,0.45,0.41]}"));
    const char *text = report_case_text(tm__report_put_made, report, &out);
    report_case_check(text);
    assert_non_null(strstr(text, "boosted trees, 31 leaves, rate 0.1, 40 rounds"));
    assert_non_null(strstr(text, "width:25.00%"));
    assert_non_null(strstr(text, "a member"));
    assert_non_null(strstr(text, "40 rounds: 0.41"));
    assert_non_null(strstr(text, "chosen"));
    assert_non_null(strstr(text, "abcdef"));
    tm__buf_done(&out);
    json_decref(report);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trials_members_and_hashes_are_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
