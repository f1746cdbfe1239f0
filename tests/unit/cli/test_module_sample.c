/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

#include "cli/module_check.h"

static void rows_have_what_learners_meet(void **state) {
    tm_module_sample_rows *rows = tm__module_sample_create(200);
    uint32_t n_gaps = 0, n_zero = 0, n_huge = 0;
    double classes[3] = {0};
    (void)state;
    assert_non_null(rows);
    assert_int_equal(rows->x.n_cols, TM_SAMPLE_COLS);
    for (uint64_t i = 0; i < 200; i++) {
        n_gaps += isnan(rows->x.cols[1][i]) ? 1 : 0;
        n_zero += rows->weights[i] == 0 ? 1 : 0;
        assert_true(isnan(rows->x.cols[3][i]));
        assert_true(rows->x.cols[4][i] < rows->x.features[4].n_levels);
        assert_true(rows->y[0][i] == 0 || rows->y[0][i] == 1);
        classes[(uint32_t)rows->y[1][i]] += 1;
    }
    assert_true(n_gaps > 10 && n_gaps < 100 && n_zero > 10);
    assert_true(classes[0] > 10 && classes[1] > 10 && classes[2] > 10);
    for (uint64_t i = 0; i < rows->odd.n_rows; i++) {
        n_huge += fabs(rows->odd.cols[0][i]) > 1e299 ? 1 : 0;
        assert_false(isinf(rows->odd.cols[0][i]));
    }
    assert_true(n_huge > 2 && isnan(rows->odd.cols[0][0]));
    tm__module_sample_free(rows);
    tm__module_sample_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_have_what_learners_meet)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
