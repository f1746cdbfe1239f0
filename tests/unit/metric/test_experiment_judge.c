/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/experiment_judge.h"

#include <math.h>

#include "test.h"

static void units_are_judged_by_what_their_values_are(void **state) {
    (void)state;
    tm_experiment e = {.n_metrics = 2,
                       .metrics = {{.name = "bought"}, {.name = "spend"}},
                       .names = {"old", "new"},
                       .share = 0.5,
                       .alpha = 0.05,
                       .has_times = true,
                       .units = {.n_metrics = 2}};
    json_t *result = NULL;
    for (uint64_t i = 0; i < 400; i++) {
        const tm_unit_row row = {
            .unit = i, .time_us = (int64_t)i, .arm = (uint8_t)(i * 7 % 10 % 2)};
        assert_int_equal(
            tm__units_add(&e.units, &row, (double[]){i % 3 == 0, (double)(i % 10)}, NULL), TM_OK);
    }
    assert_int_equal(tm__units_make(&e.units, NULL), TM_OK);
    assert_int_equal(tm__experiment_judge(&e, &result, NULL), TM_OK);
    const json_t *metric = json_object_get(result, "metric");
    const json_t *guard = json_array_get(json_object_get(result, "guardrails"), 0);
    assert_string_equal(tm__json_text(metric, "kind", ""), "binary");
    assert_string_equal(tm__json_text(guard, "kind", ""), "mean");
    assert_true(fabs(tm__json_f64(json_object_get(result, "rule"), "alpha", 0) - 0.045) < 1e-12);
    json_decref(result);
    tm__experiment_done(&e);
    assert_null(e.units.rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_are_judged_by_what_their_values_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
