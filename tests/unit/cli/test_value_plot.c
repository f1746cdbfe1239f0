/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/page_priv.h"
#include "test.h"

static uint32_t count(const char *text, const char *word) {
    uint32_t n = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        n++;
    }
    return n;
}

/* A curve of n sizes whose scores follow 0.9 - 0.1 * share^-0.5. */
static json_t *make_value(int n) {
    json_t *curve = json_array();
    for (int i = 0; i < n; i++) {
        const double share = ldexp(1, i - n + 1), score = 0.9 - 0.1 / sqrt(share);
        json_array_append_new(curve,
                              json_pack("{s:i, s:f, s:f, s:f}", "rows", (int)(6400 * share),
                                        "score", score, "low", score - 0.01, "high", score + 0.01));
    }
    return json_pack("{s:s, s:b, s:o, s:{s:f, s:f, s:f}, s:{s:i, s:f, s:f, s:f}}", "metric", "auc",
                     "smaller_is_better", 0, "curve", curve, "model", "limit", 0.9, "scale", 0.1,
                     "slope", 0.5, "twice", "rows", 12800, "gain", 0.03, "low", 0.02, "high", 0.04);
}

static void a_curve_has_a_point_a_size_and_lies_in_its_frame(void **state) {
    (void)state;
    tm_buf out;
    tm__buf_init(&out, 1 << 16);
    json_t *const value = make_value(7);
    tm__page_learning_curve(&out, value);
    (void)tm__buf_byte(&out, 0);
    const char *const text = (const char *)out.data;
    assert_int_equal(count(text, "<circle"), 7);
    assert_int_equal(count(text, "class=band"), 1);
    assert_int_equal(count(text, "class=dash"), 1);
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    assert_non_null(strstr(text, "100 rows: 0.1"));
    assert_non_null(strstr(text, ">13k<"));
    for (const char *at = strstr(text, "cy="); at != NULL; at = strstr(at + 1, "cy=")) {
        const double y = strtod(at + 3, NULL);
        assert_true(y >= 10 && y <= 208);
    }
    json_decref(value);
    tm__buf_done(&out);
}

static void a_curve_without_a_fit_or_of_one_size_is_no_error(void **state) {
    (void)state;
    tm_buf out;
    json_t *const value = make_value(3), *const one = make_value(1);
    tm__buf_init(&out, 1 << 16);
    json_object_del(value, "model");
    json_object_del(value, "twice");
    tm__page_learning_curve(&out, one);
    assert_int_equal(out.len, 0);
    tm__page_learning_curve(&out, value);
    (void)tm__buf_byte(&out, 0);
    assert_int_equal(count((const char *)out.data, "<circle"), 3);
    assert_null(strstr((const char *)out.data, "class=dash"));
    json_decref(value);
    json_decref(one);
    tm__buf_done(&out);
}

static void labels_come_in_steps_with_the_declared_delay_beside_them(void **state) {
    (void)state;
    tm_buf out;
    json_t *const labels =
        json_pack("{s:f, s:{s:[{s:f, s:f}, {s:f, s:f}, {s:f, s:f}]}}", "declared_delay_seconds",
                  86400.0, "arrival", "curve", "seconds", 0.0, "share", 0.1, "seconds", 3600.0,
                  "share", 0.5, "seconds", 864000.0, "share", 0.9);
    json_t *const none = json_pack("{s:n, s:{s:[]}}", "declared_delay_seconds", "arrival", "curve");
    tm__buf_init(&out, 1 << 16);
    tm__page_arrival(&out, none);
    assert_int_equal(out.len, 0);
    tm__page_arrival(&out, labels);
    (void)tm__buf_byte(&out, 0);
    const char *const text = (const char *)out.data;
    assert_int_equal(count(text, ">declared<"), 1);
    assert_true(count(text, "text-anchor=middle") >= 3);
    assert_null(strstr(text, "nan"));
    json_decref(labels);
    json_decref(none);
    tm__buf_done(&out);
}

static void a_period_has_a_bar_for_its_rows_and_one_for_its_labels(void **state) {
    (void)state;
    tm_buf out;
    json_t *const list =
        json_pack("[{s:s, s:i, s:i}, {s:s, s:i, s:i}]", "from", "2024-01-01", "rows", 10,
                  "labelled", 10, "from", "2024-01-02", "rows", 5, "labelled", 1);
    tm__buf_init(&out, 1 << 16);
    tm__page_periods(&out, list);
    (void)tm__buf_byte(&out, 0);
    const char *const text = (const char *)out.data;
    assert_int_equal(count(text, "<rect"), 4);
    assert_non_null(strstr(text, "from 2024-01-02: 1 of 5 rows"));
    assert_non_null(strstr(text, "height=96.00"));
    json_decref(list);
    tm__buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_curve_has_a_point_a_size_and_lies_in_its_frame),
        cmocka_unit_test(a_curve_without_a_fit_or_of_one_size_is_no_error),
        cmocka_unit_test(labels_come_in_steps_with_the_declared_delay_beside_them),
        cmocka_unit_test(a_period_has_a_bar_for_its_rows_and_one_for_its_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
