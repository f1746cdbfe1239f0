/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "registry/registry_priv.h"
#include "test.h"

static const tm_gate full = {.better_than_champion = true,
                             .by = 0.002,
                             .metric = "auc",
                             .floors = {{"auc", 0.7}, {"logloss", 0.5}},
                             .n_floors = 2,
                             .is_sure = true,
                             .slices = {"city", "plan"},
                             .n_slices = 2,
                             .slice_floors = {{"accuracy", 0.6}},
                             .n_slice_floors = 1,
                             .calibration_max = 0.05,
                             .fair_group = "sex",
                             .fair_ratio = 0.8,
                             .latency_us_max = 200,
                             .memory_bytes_max = 200000000,
                             .load_rate = 1000,
                             .load_p99_us = 5000,
                             .load_seconds = 2,
                             .coverage_min = 0.25,
                             .coverage_after_us = 86400e6};

static void a_gate_comes_back_as_it_was(void **state) {
    (void)state;
    tm_gate back;
    json_t *json = tm__gate_to_json(&full);
    tm__gate_from_json(json, &back);
    assert_true(tm__gate_is_same(&full, &back));
    assert_string_equal(back.slices[1], "plan");
    assert_string_equal(back.floors[1].metric, "logloss");
    assert_true(back.memory_bytes_max == 200000000 && back.is_sure);
    assert_true(back.load_rate == 1000 && back.load_p99_us == 5000 && back.load_seconds == 2);
    assert_true(tm__gate_needs_load(&back) && tm__gate_needs_coverage(&back));
    assert_true(back.coverage_min == 0.25 && back.coverage_after_us == 86400e6);
    back.slice_floors[0].value = 0.61;
    assert_false(tm__gate_is_same(&full, &back));
    json_decref(json);
    const tm_gate none = {0};
    json = tm__gate_to_json(&none);
    assert_int_equal(json_object_size(json), 0);
    tm__gate_from_json(json, &back);
    assert_false(tm__gate_asks(&back));
    json_decref(json);
    tm__gate_from_json(NULL, &back);
    assert_false(tm__gate_asks(&back));
}

static void what_cannot_be_asked_is_refused(void **state) {
    (void)state;
    const tm_gate bad[] = {
        {.metric = "nice"},
        {.floors = {{"nice", 1}}, .n_floors = 1},
        {.floors = {{"auc", NAN}}, .n_floors = 1},
        {.slice_floors = {{"", 1}}, .n_slice_floors = 1},
        {.by = -1},
        {.calibration_max = INFINITY},
        {.latency_us_max = -1},
        {.coverage_min = 1.5},
        {.coverage_min = -1},
        {.load_rate = -1},
        {.load_rate = 1e7},
        {.load_rate = 1000, .load_p99_us = NAN},
    };
    assert_int_equal(tm__gate_valid(&full, NULL), TM_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(tm__gate_valid(&bad[i], NULL), TM_E_USAGE);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gate_comes_back_as_it_was),
        cmocka_unit_test(what_cannot_be_asked_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
