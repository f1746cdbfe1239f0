/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_case.h"

static double cell_of(const tm_program *program, const tm_step *step, tm_cell cell,
                      uint32_t level) {
    return tm__step_ops(step->kind)->cell(program, step, &cell, level);
}

static void codes_past_the_kept_levels_are_other_and_missing(void **state) {
    (void)state;
    tm_levels table = {.n = 5};
    const tm_program program = {.tables = &table, .n_tables = 1};
    const tm_step step = {.kind = TM_STEP_CATEGORY, .item = 3};
    const double want[] = {0, 1, 2, 3, 3, 3, 4};
    for (uint32_t level = 0; level < 7; level++)
        assert_true(cell_of(&program, &step, (tm_cell){0}, level) == want[level]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_past_the_kept_levels_are_other_and_missing),
    };
    return cmocka_run_group_tests_name("feature_step_level", tests, NULL, NULL);
}
