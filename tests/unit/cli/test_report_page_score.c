/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report_page_priv.h"
#include "report_case.h"

static void plots_of_each_task_are_drawn_from_its_numbers(void **state) {
    (void)state;
    static const struct {
        const char *task, *want[4];
    } cases[] = {
        {"binary",
         {"area 0.7500",
          "class=f points='74.00,222.00 74.00,116.00 251.00,116.00 251.00,10.00 "
          "428.00,10.00 '",
          "said 0.2, true 0.25 of 100 rows", "0.50 to 1.00: 100 rows"}},
        {"multiclass", {"(others)", "<td>90 %</td>", "&ndash;", "is called"}},
        {"regression", {"class=band", "said 20: 19 of 7 rows", "-1 to 0: 5", "<td>91.5 %</td>"}},
        {"ranking", {"place 1: 2.5", "0.5 to 1: 7", "ndcg@10", "Queries by"}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_buf out;
        json_t *report = report_case(cases[i].task);
        const char *text = report_case_text(tm__report_put_curves, report, &out);
        report_case_check(text);
        for (size_t k = 0; k < 4; k++) {
            if (strstr(text, cases[i].want[k]) == NULL) {
                fail_msg("%s: no '%s'", cases[i].task, cases[i].want[k]);
            }
        }
        json_decref(report);
        tm__buf_done(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plots_of_each_task_are_drawn_from_its_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
