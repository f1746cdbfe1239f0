/* SPDX-License-Identifier: Apache-2.0 */
/* test_kernels.c has the kernels against the reference; here is what the reference has to find. */
#include "test.h"

#include "model/gbdt/gbdt_cut.h"

static int64_t cell(int32_t g, uint32_t h) {
    return (int64_t)g * (INT64_C(1) << 32) + h;
}

/*
 * Four bins with sums (-6, 2), (-2, 2), nothing, (8, 4): the leaf has G = 0, H = 8. The cut after
 * the first scores 36 / 2 + 36 / 6 = 24, that after the second 64 / 4 + 64 / 4 = 32; after the
 * empty third it is the same cut, and the first of equals counts.
 */
static void the_best_cut_of_four_bins(void **state) {
    (void)state;
    const int64_t cells[8] = {cell(-6, 2), cell(-2, 2), 0, cell(8, 4), cell(99, 99)};
    const struct {
        double l1, l2, h_low, h_high;
        double score;
        uint32_t bin;
    } cases[] = {
        {0, 0, 1, 7, 32, 1},
        {0, 0, 1, 3, 24, 0}, /* a left side of 4 is too large */
        {0, 0, 1, 1, 0, 0},  /* none fits */
        {0, 4, 1, 7, 64.0 / 8 + 64.0 / 8, 1},
        {3, 0, 1, 7, 25.0 / 4 + 25.0 / 4, 1}, /* |G| - 3 on both sides */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_cut_rules rules = {.h = 8,
                                    .l1 = cases[i].l1,
                                    .l2 = cases[i].l2,
                                    .h_low = cases[i].h_low,
                                    .h_high = cases[i].h_high};
        tm_cut fast = {0}, plain = {0};
        tm__cut_find(&rules, cells, 4, &fast);
        tm__cut_find_ref(&rules, cells, 4, &plain);
        assert_true(fast.score == cases[i].score && plain.score == cases[i].score);
        assert_int_equal(fast.bin, cases[i].bin);
        assert_int_equal(plain.bin, cases[i].bin);
    }
}

/* Missing rows (-4, 1) go left with every cut: after the first bin -10 and 3 against 10 and 6. */
static void missing_rows_go_with_the_left_side(void **state) {
    (void)state;
    const int64_t cells[8] = {cell(-6, 2), cell(2, 2), cell(8, 4)};
    const tm_cut_rules rules = {.h = 9, .with = cell(-4, 1), .h_low = 1, .h_high = 8};
    tm_cut cut = {0};
    tm__cut_find(&rules, cells, 3, &cut);
    assert_true(cut.score == 100.0 / 3 + 100.0 / 6 && cut.bin == 0);
    assert_int_equal(cut.left, cell(-10, 3));
    cut.score = 50; /* no worse than what is known: it stays */
    cut.bin = 77;
    tm__cut_find(&rules, cells, 3, &cut);
    assert_int_equal(cut.bin, 77);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_cut_of_four_bins),
        cmocka_unit_test(missing_rows_go_with_the_left_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
