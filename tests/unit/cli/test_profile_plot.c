/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
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

static void a_histogram_has_a_bar_a_count_and_labels_at_its_ends(void **state) {
    (void)state;
    json_t *const column =
        json_pack("{s:{s:[f,f,f,f,f], s:[i,i,i,i], s:b, s:i, s:i}}", "histogram", "bounds", 0.0,
                  2.5, 5.0, 7.5, 10.0, "counts", 4, 0, 2, 1, "whole", 0, "below", 0, "above", 3);
    tm_buf out;
    assert_non_null(column);
    tm__buf_init(&out, 1 << 16);
    tm__page_histogram(&out, column);
    const char *const text = (const char *)out.data;
    assert_int_equal(count(text, "<rect"), 4);
    assert_int_equal(count(text, "height=112.00"), 1); /* the highest fills the plot */
    assert_int_equal(count(text, "height=0.00"), 1);
    assert_int_equal(count(text, "height=56.00"), 1);
    assert_non_null(strstr(text, "text-anchor=start>0</text>"));
    assert_non_null(strstr(text, "text-anchor=end>10</text>"));
    assert_non_null(strstr(text, "0 rows below, 3 above"));
    json_decref(column);
    tm__buf_done(&out);
}

static void nothing_is_drawn_for_nothing(void **state) {
    (void)state;
    tm_buf out;
    tm__buf_init(&out, 1 << 16);
    tm__page_target(&out, NULL);
    tm__page_correlations(&out, NULL);
    assert_int_equal(out.len, 0);
    tm__buf_done(&out);
}

static void signs_and_colours_of_correlations_agree(void **state) {
    (void)state;
    json_t *const c = json_pack("{s:[s,s], s:[[f,f],[f,f]]}", "columns", "a", "b", "values", 1.0,
                                -0.5, -0.5, 1.0);
    tm_buf out;
    assert_non_null(c);
    tm__buf_init(&out, 1 << 16);
    tm__page_correlations(&out, c);
    const char *const text = (const char *)out.data;
    assert_int_equal(count(text, "var(--low) 35%"), 2);
    assert_int_equal(count(text, "&minus;0.50"), 2);
    assert_int_equal(count(text, "<td></td>"), 2);
    json_decref(c);
    tm__buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_histogram_has_a_bar_a_count_and_labels_at_its_ends),
        cmocka_unit_test(nothing_is_drawn_for_nothing),
        cmocka_unit_test(signs_and_colours_of_correlations_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
