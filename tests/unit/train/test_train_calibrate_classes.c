/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

#include "calibrate_data.h"

static void a_temperature_is_found(void **state) {
    (void)state;
    static const double scales[] = {0.4, 1, 2};
    for (unsigned i = 0; i < 3; i++) {
        calibrate_data data;
        tm_calibration map;
        calibrate_data_init(&data, 20000, 4, scales[i], 0, i);
        assert_int_equal(tm__temperature_fit(&data.rows, &map, NULL), TM_OK);
        assert_int_equal(map.n_outputs, 4);
        for (uint32_t k = 0; k < 4; k++) {
            assert_true(fabs(map.scales[k] - scales[i]) < 0.05 * scales[i] + 0.02);
            assert_true(map.shifts[k] == 0);
        }
        tm__calibration_done(&map);
        calibrate_data_done(&data);
    }
}

static void a_shift_of_one_class_is_found(void **state) {
    (void)state;
    calibrate_data data;
    tm_calibration map;
    calibrate_data_init(&data, 20000, 3, 0.7, 1.2, 9);
    assert_int_equal(tm__vector_fit(&data.rows, &map, NULL), TM_OK);
    for (uint32_t k = 0; k < 3; k++) {
        assert_true(fabs(map.scales[k] - 0.7) < 0.06);
    }
    assert_true(fabs(map.shifts[0] - map.shifts[1] - 1.2) < 0.1);
    assert_true(fabs(map.shifts[2] - map.shifts[1]) < 0.1);
    tm__calibration_done(&map);
    calibrate_data_done(&data);
}

static void scores_that_fall_with_the_truth_have_no_map(void **state) {
    (void)state;
    calibrate_data data;
    tm_calibration map;
    calibrate_data_init(&data, 5000, 3, -1, 0, 3);
    assert_int_equal(tm__temperature_fit(&data.rows, &map, NULL), TM_OK);
    assert_int_equal(map.kind, TM_CALIBRATION_NONE);
    assert_int_equal(tm__vector_fit(&data.rows, &map, NULL), TM_OK);
    assert_int_equal(map.kind, TM_CALIBRATION_NONE);
    calibrate_data_done(&data);
}

static void absurd_scores_are_taken(void **state) {
    (void)state;
    calibrate_data data;
    tm_calibration map;
    calibrate_data_init(&data, 1000, 3, 1, 0, 4);
    for (uint64_t i = 0; i < 3000; i += 7) {
        data.raw[i] = i % 2 == 0 ? 1e300 : -1e300;
    }
    for (unsigned v = 0; v < 2; v++) {
        assert_int_equal((v == 0 ? tm__temperature_fit : tm__vector_fit)(&data.rows, &map, NULL),
                         TM_OK);
        assert_true(map.kind == TM_CALIBRATION_NONE || tm__calibration_is_sound(&map));
        tm__calibration_done(&map);
    }
    calibrate_data_done(&data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_temperature_is_found),
        cmocka_unit_test(a_shift_of_one_class_is_found),
        cmocka_unit_test(scores_that_fall_with_the_truth_have_no_map),
        cmocka_unit_test(absurd_scores_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
