/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report_plot.h"

#include <math.h>

#include "base/fmath.h"
#include "report_case.h"

static void values_lie_where_the_scales_say(void **state) {
    (void)state;
    const tm_plot plot = {.x_low = 0, .x_high = 10, .y_low = -1, .y_high = 1};
    assert_true(tm__plot_x(&plot, 0) == 74 && tm__plot_x(&plot, 10) == 428);
    assert_true(tm__plot_y(&plot, -1) == 222 && tm__plot_y(&plot, 1) == 10);
    const tm_plot flat = {.x_low = 3, .x_high = 3};
    assert_true(isfinite(tm__plot_x(&flat, 3)) && isfinite(tm__plot_y(&flat, 0)));
}

static void a_line_parts_where_a_value_is_missing_and_names_are_escaped(void **state) {
    (void)state;
    tm_buf out;
    tm__buf_init(&out, 1 << 20);
    json_t *xs = report_case_json("[0,1,2,3,4]"), *ys = report_case_json("[1,2,null,3,4]");
    const tm_plot plot = {.out = &out, .x_high = 4, .y_high = 4, .x_title = EVIL, .y_title = EVIL};
    tm__plot_begin(&plot, EVIL, EVIL);
    tm__plot_line(&plot, "f", xs, ys);
    tm__plot_band(&plot, xs, ys, ys);
    tm__plot_dot(&plot, "b", 1, 2, EVIL);
    tm__plot_bar(&plot, "b", 1, 2, 0, 2, EVIL);
    tm__plot_text_x(&plot, 1, "middle", EVIL);
    tm__plot_end(&plot, EVIL);
    tm__plot_table(&out, 2, (const char *const[]){EVIL, "y"}, (const json_t *const[]){xs, ys});
    (void)tm__buf_byte(&out, 0);
    const char *const text = (const char *)out.data;
    report_case_check(text);
    uint32_t n = 0;
    for (const char *at = strstr(text, "<polyline"); at != NULL; at = strstr(at + 1, "<polyline")) {
        n++;
    }
    assert_int_equal(n, 2);
    assert_non_null(strstr(text, "&ndash;"));
    assert_non_null(strstr(text, "</details></figure>"));
    json_decref(xs);
    json_decref(ys);
    tm__buf_done(&out);
}

static void ranges_and_columns_pass_over_what_is_no_number(void **state) {
    (void)state;
    double low = INFINITY, high = -INFINITY;
    json_t *list = report_case_json("[{\"a\":1},{\"a\":null},{\"b\":9},{\"a\":-3}]");
    json_t *column = tm__plot_column(list, "a");
    assert_int_equal(json_array_size(column), 4);
    tm__plot_widen(column, &low, &high);
    assert_true(low == -3 && high == 1);
    assert_true(isnan(tm__plot_at(column, 1)) && isnan(tm__plot_at(column, 9)));
    json_decref(list);
    json_decref(column);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_lie_where_the_scales_say),
        cmocka_unit_test(a_line_parts_where_a_value_is_missing_and_names_are_escaped),
        cmocka_unit_test(ranges_and_columns_pass_over_what_is_no_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
