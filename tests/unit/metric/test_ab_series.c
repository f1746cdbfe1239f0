/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/ab_series.h"

#include <string.h>

#include "test.h"

enum { UNITS = 2000 };

static uint8_t arms[UNITS];
static int64_t times[UNITS];
static double values[UNITS];

/* A unit a second; each third of the control and each second of the treatment says yes. */
static tm_ab_input made(uint64_t horizon) {
    for (uint32_t i = 0; i < UNITS; i++) {
        arms[i] = (uint8_t)(i * 7919 % 1009 % 2);
        values[i] = i * 31 % 97 % (arms[i] ? 2 : 3) == 0;
        times[i] = i * INT64_C(1000000);
    }
    return (tm_ab_input){.n_units = UNITS,
                         .arms = arms,
                         .times_us = times,
                         .delay_us = INT64_C(3600000000),
                         .n_points = 40,
                         .n_matured = UNITS,
                         .names = {"old", "new"},
                         .share = 0.5,
                         .alpha = 0.05,
                         .horizon = horizon,
                         .metric = {.name = "bought", .values = values, .kind = TM_AB_BINARY}};
}

static json_t *judge(const tm_ab_input *in) {
    json_t *out = NULL;
    assert_int_equal(tm__ab_judge(in, &out, NULL), TM_OK);
    return out;
}

static double width(const json_t *point) {
    return tm__json_f64(point, "high", 0) - tm__json_f64(point, "low", 0);
}

static void points_are_of_equal_steps_and_end_with_what_is_so_now(void **state) {
    (void)state;
    const tm_ab_input in = made(0);
    json_t *result = judge(&in);
    const json_t *points = json_object_get(result, "over_time");
    const json_t *first = json_array_get(points, 0), *last = json_array_get(points, 39);
    assert_int_equal(json_array_size(points), 40);
    assert_string_equal(tm__json_text(first, "at", ""), "1970-01-01T01:00:49Z"); /* the 50th */
    assert_string_equal(tm__json_text(last, "at", ""), "1970-01-01T01:33:19Z");
    assert_true(width(first) > 3 * width(last));
    const json_t *metric = json_object_get(result, "metric"),
                 *units = json_object_get(last, "units");
    assert_true(json_equal(json_object_get(metric, "low"), json_object_get(last, "low")));
    assert_true(
        json_equal(json_object_get(metric, "difference"), json_object_get(last, "difference")));
    assert_int_equal(json_integer_value(json_array_get(units, 0)) +
                         json_integer_value(json_array_get(units, 1)),
                     UNITS);
    json_decref(result);
}

static void units_behind_the_last_look_have_no_point(void **state) {
    (void)state;
    tm_ab_input in = made(1000);
    json_t *result = judge(&in);
    const json_t *points = json_object_get(result, "over_time");
    const json_t *last = json_array_get(points, json_array_size(points) - 1);
    const json_t *metric = json_object_get(result, "metric");
    assert_string_equal(tm__json_text(last, "at", ""), "1970-01-01T01:16:39Z"); /* the 1000th */
    assert_true(json_equal(json_object_get(metric, "high"), json_object_get(last, "high")));
    json_decref(result);
    in.times_us = NULL; /* then steps are of units */
    result = judge(&in);
    points = json_object_get(result, "over_time");
    assert_int_equal(json_array_size(points), 20);
    assert_true(json_is_null(json_object_get(json_array_get(points, 0), "at")));
    json_decref(result);
}

static void nobody_judged_has_no_points(void **state) {
    (void)state;
    tm_ab_input in = made(0);
    in.n_matured = 0;
    json_t *result = judge(&in);
    assert_int_equal(json_array_size(json_object_get(result, "over_time")), 0);
    json_decref(result);
    in.n_points = 0;
    result = judge(&in);
    assert_null(json_object_get(result, "over_time"));
    json_decref(result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_are_of_equal_steps_and_end_with_what_is_so_now),
        cmocka_unit_test(units_behind_the_last_look_have_no_point),
        cmocka_unit_test(nobody_judged_has_no_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
