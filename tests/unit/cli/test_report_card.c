/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report_card.h"

#include "report_case.h"

static void a_card_has_all_headings_and_no_markup_of_the_data(void **state) {
    (void)state;
    static const char *const tasks[] = {"binary", "multiclass", "regression", "ranking"};
    static const char *const headings[] = {
        "# m, version 2", "## Model",          "## Intended use",
        "## Data",        "## How good it is", "## For whom it is worse",
        "## Limits",      "## How to use it",  "## Provenance"};
    for (size_t i = 0; i < 4; i++) {
        tm_buf card;
        json_t *report = report_case(tasks[i]);
        tm__buf_init(&card, 1 << 20);
        tm__report_card(report, &card);
        (void)tm__buf_byte(&card, 0);
        assert_false(card.failed);
        const char *text = (const char *)card.data;
        report_case_check(text);
        assert_null(strstr(text, "&|*")); /* no bare bar, star or tick of a name */
        const char *at = text;
        for (size_t k = 0; k < sizeof(headings) / sizeof(headings[0]); k++) {
            at = strstr(at, headings[k]);
            assert_non_null(at);
        }
        json_decref(report);
        tm__buf_done(&card);
    }
}

static void what_was_not_found_is_said(void **state) {
    (void)state;
    tm_buf card;
    json_t *report = report_case("binary");
    json_object_set_new(report, "weak", report_case_json("{\"looked_at\":40,\"list\":[]}"));
    tm__buf_init(&card, 1 << 20);
    tm__report_card(report, &card);
    (void)tm__buf_byte(&card, 0);
    assert_non_null(strstr((const char *)card.data, "No group of rows was found"));
    assert_non_null(strstr((const char *)card.data, "four-fifths rule does not hold"));
    json_decref(report);
    tm__buf_done(&card);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card_has_all_headings_and_no_markup_of_the_data),
        cmocka_unit_test(what_was_not_found_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
