/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "calibrate_data.h"

static void a_line_of_log_odds_is_found(void **state) {
    (void)state;
    static const double lines[][2] = {{1, 0}, {0.5, 0.3}, {2, -1}, {1, -3}};
    for (unsigned i = 0; i < 4; i++) {
        calibrate_data data;
        tm_calibration map;
        calibrate_data_init(&data, 40000, 1, lines[i][0], lines[i][1], i);
        assert_int_equal(tm__platt_fit(&data.rows, &map, NULL), TM_OK);
        assert_int_equal(map.kind, TM_CALIBRATION_SCALE);
        assert_true(fabs(map.scales[0] - lines[i][0]) < 0.08);
        assert_true(fabs(map.shifts[0] - lines[i][1]) < 0.12);
        tm__calibration_done(&map);
        calibrate_data_done(&data);
    }
}

/* The smoothed targets of one positive and one negative row: log-odds are finite and symmetric. */
static void rows_told_apart_get_no_certainty(void **state) {
    (void)state;
    const double raw[] = {-5, -4, 4, 5}, y[] = {0, 0, 1, 1}, weights[] = {1, 1, 1, 1};
    const tm_calibrate_rows rows = {.n_outputs = 1, .n = 4, .raw = raw, .y = y, .weights = weights};
    tm_calibration map;
    double z[] = {-5, 5};
    assert_int_equal(tm__platt_fit(&rows, &map, NULL), TM_OK);
    tm__calibration_apply(&map, 2, z);
    assert_true(tm__sigmoid(z[1]) > 0.7 && tm__sigmoid(z[1]) < 0.8); /* about 3 / 4 */
    assert_true(fabs(z[0] + z[1]) < 1e-6);
    tm__calibration_done(&map);
}

static void scores_that_fall_with_the_truth_have_no_map(void **state) {
    (void)state;
    calibrate_data data;
    tm_calibration map;
    calibrate_data_init(&data, 5000, 1, -1, 0, 3);
    assert_int_equal(tm__platt_fit(&data.rows, &map, NULL), TM_OK);
    assert_int_equal(map.kind, TM_CALIBRATION_NONE);
    assert_int_equal(tm__isotonic_fit(&data.rows, &map, NULL), TM_OK);
    /* pooled to very few blocks: whatever is left rises */
    assert_true(map.kind == TM_CALIBRATION_NONE || map.n_knots < 30);
    tm__calibration_done(&map);
    calibrate_data_done(&data);
}

/* A step of probabilities, which no line of log-odds has, is found but for its edge. */
static void a_step_is_found(void **state) {
    (void)state;
    calibrate_data data;
    tm_calibration map;
    calibrate_data_init(&data, 30000, 1, 1, 0, 7);
    for (uint64_t i = 0; i < data.rows.n; i++) {
        data.y[i] = data.raw[i] > 0.5 ? i % 10 < 9 : i % 10 < 2;
    }
    assert_int_equal(tm__isotonic_fit(&data.rows, &map, NULL), TM_OK);
    assert_int_equal(map.kind, TM_CALIBRATION_LINE);
    assert_true(tm__calibration_is_sound(&map));
    const double at[] = {-1, -0.5, 1.2, 1.5};
    for (unsigned i = 0; i < 4; i++) {
        double z = at[i];
        tm__calibration_apply(&map, 1, &z);
        if (!(fabs(tm__sigmoid(z) - (i < 2 ? 0.2 : 0.9)) < 0.05)) {
            fail_msg("%g becomes %g", at[i], tm__sigmoid(z));
        }
    }
    tm__calibration_done(&map);
    calibrate_data_done(&data);
}

/* Pooled means are those of the definition: the largest mean from the left of the least to the
 * right. */
static void few_rows_are_pooled_as_the_definition_says(void **state) {
    (void)state;
    enum { N = 12 };
    const double y[N] = {0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1};
    double raw[N], weights[N], want[N];
    for (unsigned i = 0; i < N; i++) {
        raw[i] = i;
        weights[i] = 1;
    }
    for (unsigned i = 0; i < N; i++) {
        double best = -1;
        for (unsigned a = 0; a <= i; a++) {
            double least = 2;
            for (unsigned b = i; b < N; b++) {
                double sum = 0;
                for (unsigned c = a; c <= b; c++) {
                    sum += y[c];
                }
                least = fmin(least, sum / (b - a + 1));
            }
            best = fmax(best, least);
        }
        want[i] = best;
    }
    const tm_calibrate_rows rows = {.n_outputs = 1, .n = N, .raw = raw, .y = y, .weights = weights};
    tm_calibration map;
    assert_int_equal(tm__isotonic_fit(&rows, &map, NULL), TM_OK);
    uint32_t knot = 0;
    for (unsigned i = 0; i < N;) {
        unsigned end = i;
        while (end < N && want[end] == want[i]) {
            end++;
        }
        assert_true(knot < map.n_knots);
        assert_true(fabs(map.at[knot] - (i + end - 1) / 2.0) < 1e-12);
        if (want[i] > 0 && want[i] < 1) {
            assert_true(fabs(tm__sigmoid(map.to[knot]) - want[i]) < 1e-12);
        }
        knot++;
        i = end;
    }
    assert_int_equal(knot, map.n_knots);
    tm__calibration_done(&map);
}

static void equal_scores_and_absurd_ones_are_taken(void **state) {
    (void)state;
    enum { N = 400 };
    double raw[N], y[N], weights[N];
    for (unsigned i = 0; i < N; i++) {
        raw[i] = i % 4 == 3 ? 1e300 : i % 4 == 2 ? -1e300 : i % 2;
        y[i] = i % 8 < 5 ? i % 2 : 1 - i % 2;
        weights[i] = i % 5 == 0 ? 0 : 1.25;
    }
    const tm_calibrate_rows rows = {.n_outputs = 1, .n = N, .raw = raw, .y = y, .weights = weights};
    tm_calibration map;
    assert_int_equal(tm__isotonic_fit(&rows, &map, NULL), TM_OK);
    assert_true(map.kind == TM_CALIBRATION_NONE || tm__calibration_is_sound(&map));
    tm__calibration_done(&map);
    assert_int_equal(tm__platt_fit(&rows, &map, NULL), TM_OK);
    assert_true(map.kind == TM_CALIBRATION_NONE || tm__calibration_is_sound(&map));
    tm__calibration_done(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_log_odds_is_found),
        cmocka_unit_test(rows_told_apart_get_no_certainty),
        cmocka_unit_test(scores_that_fall_with_the_truth_have_no_map),
        cmocka_unit_test(a_step_is_found),
        cmocka_unit_test(few_rows_are_pooled_as_the_definition_says),
        cmocka_unit_test(equal_scores_and_absurd_ones_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
