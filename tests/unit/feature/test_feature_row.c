/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "feature_case.h"

static void rows_and_columns_give_the_same_bits(void **state) {
    (void)state;
    const tm_task tasks[] = {TM_TASK_BINARY, TM_TASK_MULTICLASS, TM_TASK_REGRESSION};
    for (int t = 0; t < 3; t++) {
        fit_case c;
        case_init(&c, tasks[t], 600);
        assert_int_equal(case_fit(&c, NULL), TM_OK);
        assert_rows_equal_columns(c.program, c.table);
        tm_table *other = case_table(99, 300, 5000); /* with levels and words never seen */
        assert_rows_equal_columns(c.program, other);
        tm__table_unref(other);
        case_done(&c);
    }
}

static void a_row_of_nothing_has_every_feature(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_BINARY, 300);
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    tm_row_scratch *scratch = tm__row_scratch_create(c.program);
    tm_cell cells[CASE_COLS] = {0};
    const tm_view *view = tm__program_apply_row(c.program, scratch, cells);
    assert_int_equal(view->n_cols, tm__program_features(c.program));
    const uint32_t color = case_feature(c.program, "color");
    assert_true(view->cols[color][0] == view->features[color].n_levels - 1);
    assert_true(isnan(view->cols[case_feature(c.program, "price")][0]));
    tm__row_scratch_free(scratch);
    case_done(&c);
}

/* Each of its allocations is needed: with any of them failing there is no scratch, and no leak. */
static void a_scratch_is_whole_or_not_there(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_BINARY, 300);
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    const uint64_t n_before = tm__mem_calls();
    tm__row_scratch_free(tm__row_scratch_create(c.program));
    const uint64_t n_calls = tm__mem_calls() - n_before;
    const uint64_t n_alive = tm__mem_alive();
    assert_true(n_calls > 6);
    for (uint64_t nth = 1; nth <= n_calls; nth++) {
        tm__mem_fail_at(nth, false);
        tm_row_scratch *scratch = tm__row_scratch_create(c.program);
        tm__mem_fail_at(0, false);
        assert_null(scratch);
        assert_int_equal(tm__mem_alive(), n_alive);
    }
    case_done(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_columns_give_the_same_bits),
        cmocka_unit_test(a_row_of_nothing_has_every_feature),
        cmocka_unit_test(a_scratch_is_whole_or_not_there),
    };
    return cmocka_run_group_tests_name("feature_row", tests, NULL, NULL);
}
