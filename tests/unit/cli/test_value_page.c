/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/value_page.h"

#include <string.h>

#include "test.h"

static const char evil[] = "</style><script>alert('1')</script>\"&\x01";

static json_t *make_value(void) {
    return json_pack(
        "{s:s, s:s, s:s, s:b, s:f, s:{s:i, s:i}, s:[{s:i, s:i, s:f}, {s:i, s:i, s:f}], s:s, s:s,"
        " s:{s:f, s:f, s:i, s:i, s:[{s:s, s:s, s:i, s:i, s:n, s:i}]},"
        " s:{s:n, s:[{s:s, s:i, s:i, s:n, s:n, s:[{s:s, s:i}]}]}}",
        "target", evil, "metric", "logloss", "learner", "linear", "smaller_is_better", 1,
        "baseline", 0.69, "split", "train_rows", 800, "test_rows", 200, "curve", "rows", 400,
        "fits", 2, "score", 0.5, "rows", 800, "fits", 1, "score", 0.4, "verdict", "cannot_tell",
        "reason", "the rows are too few for a curve", "slices", "within", 0.1, "whole", 0.02,
        "groups", 4, "thin", 1, "worst", "column", evil, "group", evil, "rows", 9, "test_rows", 0,
        "half_width", "test_rows_needed", 40, "labels", "rows", "models", "model", evil, "answers",
        5, "labelled", 0, "share", "due", "origins", "origin", evil, "labels", 3);
}

static void texts_of_the_data_are_escaped_and_what_is_not_known_is_said(void **state) {
    (void)state;
    json_t *const value = make_value();
    tm_buf page;
    assert_non_null(value);
    tm__buf_init(&page, 1 << 20);
    tm__value_page(value, evil, &page);
    (void)tm__buf_byte(&page, 0);
    const char *const text = (const char *)page.data;
    assert_false(page.failed);
    assert_null(strstr(text, "<script"));
    assert_null(strchr(text, '\x01'));
    assert_null(strstr(text, "http://"));
    assert_null(strstr(text, "nan"));
    assert_non_null(strstr(text, "<b>Cannot tell</b>"));
    assert_non_null(strstr(text, "The rows are too few for a curve."));
    assert_non_null(strstr(text, "no row"));
    assert_non_null(strstr(text, "<dt>still due</dt><dd>unknown</dd>"));
    json_decref(value);
    tm__buf_done(&page);
}

static void a_page_of_labels_alone_has_no_curve(void **state) {
    (void)state;
    json_t *const value = json_pack("{s:{s:n, s:[]}}", "labels", "rows", "models");
    tm_buf page;
    tm__buf_init(&page, 1 << 20);
    tm__value_page(value, "churn", &page);
    (void)tm__buf_byte(&page, 0);
    assert_null(strstr((const char *)page.data, "Would more rows help?"));
    assert_non_null(strstr((const char *)page.data, "<h1>churn</h1>"));
    json_decref(value);
    tm__buf_done(&page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_the_data_are_escaped_and_what_is_not_known_is_said),
        cmocka_unit_test(a_page_of_labels_alone_has_no_curve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
