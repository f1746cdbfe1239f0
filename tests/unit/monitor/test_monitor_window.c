/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

#include "base/mem.h"
#include "monitor/monitor_live_priv.h"
#include "temp_home.h"
#include "tiny_bundle.h"

#define HOUR INT64_C(3600000000)

static void add(tm_live_rows *rows, int64_t us, double y) {
    const double output = (double)rows->n / 100;
    const tm_live_row row = {us, y, 1, &output};
    assert_int_equal(tm__live_rows_add(rows, &row, NULL), TM_OK);
}

static void rows_of_a_window_lie_beside_one_another_in_their_order(void **state) {
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm_live_rows rows;
    tm_windows windows;
    const tm_live_options options = {.window_us = HOUR};
    tm__live_rows_init(&rows, bundle);
    for (int i = 0; i < 3000; i++) { /* also before 1970 */
        add(&rows, (i % 5 - 2) * HOUR + i, i % 2 == 0 ? NAN : 1);
    }
    assert_int_equal(tm__windows_init(&rows, &options, &windows, NULL), TM_OK);
    assert_int_equal(windows.n, 5);
    assert_int_equal(windows.first_us, -2 * HOUR);
    for (uint32_t w = 0; w < 5; w++) {
        assert_int_equal(windows.starts[w + 1] - windows.starts[w], 600);
        for (uint64_t i = windows.starts[w]; i < windows.starts[w + 1]; i++) {
            assert_true(rows.times[i] >= ((int64_t)w - 2) * HOUR);
            assert_true(rows.times[i] < ((int64_t)w - 1) * HOUR);
            assert_true(i == windows.starts[w] || rows.pred[i] > rows.pred[i - 1]);
        }
    }
    const tm_live_part part = {&rows, windows.starts[1], windows.starts[2]};
    tm_score_input known;
    double *room = NULL;
    assert_int_equal(tm__live_labelled(&part), 300);
    assert_int_equal(tm__live_known(&part, &known, &room, NULL), TM_OK);
    assert_int_equal(known.n_rows, 300);
    assert_true(known.y[0] == 1 && known.pred[0] == 0.01);
    tm__mem_free(room);
    tm__windows_done(&windows);
    tm__live_rows_done(&rows);
    tm__bundle_unref(bundle);
}

static void the_usual_width_makes_a_few_dozen_windows(void **state) {
    static const struct {
        int64_t span_us, want_us;
    } cases[] = {{0, 60000000},
                 {40 * INT64_C(60000000), 60000000},
                 {24 * HOUR, HOUR},
                 {30 * 24 * HOUR, 24 * HOUR},
                 {365 * 24 * HOUR, 672 * HOUR}};
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    const tm_live_options options = {0};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_live_rows rows;
        tm_windows windows;
        tm__live_rows_init(&rows, bundle);
        add(&rows, 0, 1);
        add(&rows, cases[i].span_us, 0);
        assert_int_equal(tm__windows_init(&rows, &options, &windows, NULL), TM_OK);
        assert_int_equal(windows.width_us, cases[i].want_us);
        tm__windows_done(&windows);
        tm__live_rows_done(&rows);
    }
    tm__bundle_unref(bundle);
}

static void without_rows_there_is_no_window(void **state) {
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm_live_rows rows;
    tm_windows windows;
    const tm_live_options options = {0};
    tm__live_rows_init(&rows, bundle);
    assert_int_equal(tm__windows_init(&rows, &options, &windows, NULL), TM_OK);
    assert_int_equal(windows.n, 0);
    tm__windows_done(&windows);
    tm__live_rows_done(&rows);
    tm__bundle_unref(bundle);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    static const struct CMUnitTest tests[] = {
        TEST(rows_of_a_window_lie_beside_one_another_in_their_order),
        TEST(the_usual_width_makes_a_few_dozen_windows),
        TEST(without_rows_there_is_no_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
