/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report_page.h"

#include "report_case.h"

static uint32_t count(const char *text, const char *word) {
    uint32_t n = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        n++;
    }
    return n;
}

/* A page of each task: escaped, with a title and a description for each picture and a table behind
 * it, in the order in which people ask. */
static void a_page_is_whole_for_every_task(void **state) {
    (void)state;
    static const char *const tasks[] = {"binary", "multiclass", "regression", "ranking"};
    for (size_t i = 0; i < 4; i++) {
        tm_buf page;
        json_t *report = report_case(tasks[i]);
        tm__buf_init(&page, 1 << 22);
        tm__report_page(report, &page);
        (void)tm__buf_byte(&page, 0);
        assert_false(page.failed);
        const char *const text = (const char *)page.data;
        report_case_check(text);
        assert_int_equal(count(text, "<svg"), count(text, "<desc>"));
        assert_int_equal(count(text, "<svg"), count(text, "</details></figure>"));
        assert_int_equal(count(text, "<figure>"), count(text, "</figure>"));
        assert_int_equal(count(text, "<div"), count(text, "</div>"));
        static const char *const order[] = {"In plain words", "id=good",  "id=bad", "id=fair",
                                            "id=why",         "id=along", "id=made"};
        const char *at = text;
        for (size_t k = 0; k < sizeof(order) / sizeof(order[0]); k++) {
            at = strstr(at, order[k]);
            assert_non_null(at);
        }
        json_decref(report);
        tm__buf_done(&page);
    }
}

static void what_was_not_measured_is_not_there(void **state) {
    (void)state;
    tm_buf page;
    json_t *report = report_case("binary");
    json_object_del(report, "fairness");
    json_object_set_new(report, "against", json_null());
    tm__buf_init(&page, 1 << 22);
    tm__report_page(report, &page);
    (void)tm__buf_byte(&page, 0);
    assert_null(strstr((const char *)page.data, "Four-fifths"));
    assert_non_null(strstr((const char *)page.data, "groups of people fare was not measured"));
    json_decref(report);
    tm__buf_done(&page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_is_whole_for_every_task),
        cmocka_unit_test(what_was_not_measured_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
