/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "table/sketch.h"
#include "test.h"

static void few_rows_are_exact(void **state) {
    (void)state;
    tm_sketch_rows *const rows = tm__sketch_rows_create();
    tm_sketch_same same;
    (void)tm__sketch_rows_same(rows, &same);
    assert_true(same.is_exact && same.share_repeated == 0 && same.distinct == 0);
    for (uint64_t i = 0; i < 1000; i++) {
        assert_true(tm__sketch_rows_add(rows, i % 800, i < 900 ? 7 : 8));
    }
    /* 200 repeat one of the first; the last 100 of them with another target, so 200 conflict. */
    (void)tm__sketch_rows_same(rows, &same);
    assert_true(same.is_exact);
    assert_true(same.distinct == 800);
    assert_true(fabs(same.share_repeated - 0.2) < 1e-12);
    assert_true(fabs(same.share_conflicting - 0.2) < 1e-12);
    tm__sketch_rows_free(rows);
}

static void many_rows_are_a_fair_sample(void **state) {
    (void)state;
    tm_sketch_rows *const rows = tm__sketch_rows_create();
    tm_sketch_same same;
    const uint64_t n = 400000;
    for (uint64_t i = 0; i < n; i++) {
        /* one of ten comes twice, and a quarter of those conflicts */
        const uint64_t row = i % 11 == 10 ? i - 10 : i;
        assert_true(tm__sketch_rows_add(rows, row, i % 44 == 43 ? 2 : 1));
    }
    (void)tm__sketch_rows_same(rows, &same);
    assert_false(same.is_exact);
    assert_true(fabs(same.share_repeated - 1.0 / 11) < 0.006);
    assert_true(fabs(same.share_conflicting - 2.0 / 44) < 0.006);
    assert_true(fabs(same.distinct / ((double)n * 10 / 11) - 1) < 0.02);
    tm__sketch_rows_free(rows);
}

static void any_cut_gives_the_same_answer(void **state) {
    (void)state;
    tm_sketch_rows *const all = tm__sketch_rows_create();
    tm_sketch_rows *const merged = tm__sketch_rows_create();
    tm_sketch_rows *parts[3];
    tm_sketch_same a, b;
    for (uint32_t p = 0; p < 3; p++) {
        parts[p] = tm__sketch_rows_create();
    }
    for (uint64_t i = 0; i < 150000; i++) {
        assert_true(tm__sketch_rows_add(all, i % 90000, i % 5));
        assert_true(tm__sketch_rows_add(parts[i % 7 % 3], i % 90000, i % 5));
    }
    assert_true(tm__sketch_rows_merge(merged, parts[2]));
    assert_true(tm__sketch_rows_merge(merged, parts[0]));
    assert_true(tm__sketch_rows_merge(merged, parts[1]));
    assert_true(tm__sketch_rows_same(all, &a) && tm__sketch_rows_same(merged, &b));
    assert_int_equal(a.n_kept, b.n_kept);
    assert_true(a.share_repeated == b.share_repeated && a.distinct == b.distinct);
    assert_true(a.share_conflicting == b.share_conflicting && a.is_exact == b.is_exact);
    tm__sketch_rows_free(all);
    tm__sketch_rows_free(merged);
    for (uint32_t p = 0; p < 3; p++) {
        tm__sketch_rows_free(parts[p]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_rows_are_exact),
        cmocka_unit_test(many_rows_are_a_fair_sample),
        cmocka_unit_test(any_cut_gives_the_same_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
