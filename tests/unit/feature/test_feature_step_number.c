/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_case.h"

static double cell_of(const tm_program *program, const tm_step *step, tm_cell cell,
                      uint32_t level) {
    return tm__step_ops(step->kind)->cell(program, step, &cell, level);
}

static void missing_and_infinite_values_are_nan(void **state) {
    (void)state;
    const tm_step step = {.kind = TM_STEP_NUMBER};
    const tm_cell cells[] = {{.type = TM_TYPE_NONE},
                             {.type = TM_TYPE_FLOAT, .f64 = INFINITY},
                             {.type = TM_TYPE_FLOAT, .f64 = -NAN}};
    for (int i = 0; i < 3; i++)
        assert_int_equal(case_bits(cell_of(NULL, &step, cells[i], 0)),
                         UINT64_C(0x7ff8000000000000));
    const tm_cell big = {.type = TM_TYPE_INT, .i64 = INT64_MAX};
    assert_true(cell_of(NULL, &step, big, 0) == 9223372036854775807.0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_and_infinite_values_are_nan),
    };
    return cmocka_run_group_tests_name("feature_step_number", tests, NULL, NULL);
}
