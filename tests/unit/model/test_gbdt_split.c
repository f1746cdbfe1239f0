/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "made_data.h"
#include "model/gbdt/gbdt_split.h"

#define BINS 12u

static int64_t packed(int64_t g, int64_t h) {
    return g * (INT64_C(1) << 32) + h;
}

static double score(const tm_split_rules *rules, double l2_extra, int64_t sum) {
    const double g = tm__packed_g(sum) * rules->unit_g, h = tm__packed_h(sum) * rules->unit_h;
    const double shrunk = fmax(fabs(g) - rules->l1, 0);
    return shrunk * shrunk / (h + rules->l2 + l2_extra);
}

static double gain_of(const tm_split_rules *rules, int64_t all, int64_t left) {
    return score(rules, 0, left) + score(rules, 0, all - left) - score(rules, 0, all);
}

static void split_find(const tm_split_rules *rules, const tm_bin_column *column,
                       const int64_t *cells, const tm_split_leaf *leaf, tm_split *split) {
    tm_split_scan scan = tm__split_scan_of(rules, leaf);
    tm__split_find(&scan, column, 3, cells, split);
}

/* A hessian of 1 a row: rows can be counted. */
static tm_split_leaf cells_fill(uint64_t seed, bool with_missing, int64_t *cells) {
    tm_split_leaf leaf = {0};
    for (uint32_t b = 0; b <= BINS; b++) {
        const int64_t rows = (int64_t)(made_random(seed, b) * 40);
        const int64_t g = (int64_t)((made_random(seed, 100 + b) - 0.5) * 60 * (double)rows);
        cells[b] = b < BINS || with_missing ? packed(g, rows) : 0;
        leaf.sum += cells[b];
    }
    leaf.n_rows = (uint64_t)(leaf.sum & 0xFFFFFFFF);
    return leaf;
}

static void a_number_gets_the_best_of_all_cuts_and_directions(void **state) {
    (void)state;
    const tm_bin_column column = {.n_bins = BINS};
    for (uint64_t seed = 0; seed < 200; seed++) {
        const tm_split_rules rules = {.min_rows = 20,
                                      .l1 = seed % 3 == 0 ? 2 : 0,
                                      .l2 = seed % 2 == 0 ? 5 : 0,
                                      .unit_g = 0.01,
                                      .unit_h = 1};
        int64_t cells[BINS + 8];
        const tm_split_leaf leaf = cells_fill(seed, seed % 4 > 0, cells);
        double best = 0;
        int64_t sum = 0;
        for (uint32_t b = 0; b < BINS; b++) {
            sum += cells[b];
            for (uint32_t way = 0; way < 2; way++) {
                const int64_t left = sum + (way == 1 ? cells[BINS] : 0);
                const double rows = tm__packed_h(left);
                if (rows >= 20 && rows <= (double)leaf.n_rows - 20) {
                    best = fmax(best, gain_of(&rules, leaf.sum, left));
                }
            }
        }
        tm_split split = {0};
        split_find(&rules, &column, cells, &leaf, &split);
        assert_true(fabs(split.gain - best) <= 1e-6 * (1 + score(&rules, 0, leaf.sum)));
        if (split.gain > 0) {
            int64_t left = split.missing_left ? cells[BINS] : 0;
            for (uint32_t b = 0; b <= split.bin; b++) {
                left += cells[b];
            }
            assert_true(split.column == 3 && split.left == left);
        }
    }
}

static void few_categories_are_tried_one_against_the_rest(void **state) {
    (void)state;
    const tm_bin_column column = {.n_bins = BINS, .is_categorical = true};
    const tm_split_rules rules = {.min_rows = 5, .unit_g = 0.01, .unit_h = 1};
    int64_t cells[BINS + 8] = {0};
    cells[1] = packed(100, 50);
    cells[4] = packed(-3000, 60);
    cells[9] = packed(150, 70);
    const tm_split_leaf leaf = {.sum = cells[1] + cells[4] + cells[9], .n_rows = 180};
    tm_split split = {0};
    split_find(&rules, &column, cells, &leaf, &split);
    assert_true(split.is_categorical && !split.is_sorted && !split.missing_left);
    assert_true(split.set.bits[0] == 1u << 4 && split.left == cells[4]);
    assert_true(fabs(split.gain - gain_of(&rules, leaf.sum, cells[4])) < 1e-6);
}

static void many_categories_are_grouped_by_their_gradients(void **state) {
    (void)state;
    const tm_bin_column column = {.n_bins = BINS, .is_categorical = true};
    const tm_split_rules rules = {.min_rows = 20, .unit_g = 0.01, .unit_h = 1};
    int64_t cells[BINS + 8];
    tm_split_leaf leaf = {0};
    for (uint32_t b = 0; b <= BINS; b++) { /* odd categories and missing values go together */
        const int64_t rows = 200 + b;
        cells[b] = packed((b % 2 == 1 || b == BINS ? 100 : -100) * rows, rows);
        leaf.sum += cells[b];
    }
    leaf.n_rows = (uint64_t)(leaf.sum & 0xFFFFFFFF);
    tm_split split = {0};
    split_find(&rules, &column, cells, &leaf, &split);
    uint64_t odd = 0xAAA | (UINT64_C(1) << BINS);
    assert_true(split.is_sorted);
    if (!split.missing_left) {
        odd ^= (UINT64_C(1) << (BINS + 1)) - 1;
    }
    assert_true(split.set.bits[0] == odd);
}

static void small_categories_do_not_make_splits(void **state) {
    (void)state;
    const tm_bin_column column = {.n_bins = 200, .is_categorical = true};
    const tm_split_rules rules = {.min_rows = 1, .unit_g = 0.01, .unit_h = 1};
    int64_t cells[201] = {0};
    tm_split_leaf leaf = {0};
    for (uint32_t b = 0; b < 200; b++) { /* four rows each, pure noise */
        cells[b] = packed(made_random(1, b) < 0.5 ? 400 : -400, 4);
        leaf.sum += cells[b];
    }
    leaf.n_rows = 800;
    tm_split split = {0};
    split_find(&rules, &column, cells, &leaf, &split);
    assert_true(split.gain == 0);
}

static void a_pure_leaf_or_one_with_too_few_rows_is_not_split(void **state) {
    (void)state;
    const tm_bin_column column = {.n_bins = BINS};
    tm_split_rules rules = {.min_rows = 1, .unit_g = 0.01, .unit_h = 1};
    int64_t cells[BINS + 8] = {0};
    cells[0] = packed(500, 50);
    cells[7] = packed(1000, 100);
    const tm_split_leaf pure = {.sum = cells[0] + cells[7], .n_rows = 150};
    tm_split split = {0};
    split_find(&rules, &column, cells, &pure, &split);
    assert_true(split.gain == 0);
    cells[7] = packed(-1000, 100);
    const tm_split_leaf leaf = {.sum = cells[0] + cells[7], .n_rows = 150};
    rules.min_rows = 51;
    split_find(&rules, &column, cells, &leaf, &split);
    assert_true(split.gain == 0);
    rules.min_rows = 50;
    split_find(&rules, &column, cells, &leaf, &split);
    assert_true(split.gain > 0 && split.bin == 0 && !split.missing_left);
    rules.unit_h = 0; /* no row has a weight */
    split = (tm_split){0};
    split_find(&rules, &column, cells, &leaf, &split);
    assert_true(split.gain == 0);
}

/* The columns of a leaf, some of them twice, so that gains are equal: whatever order they are
 * searched in with one scan, the first of the best is the one that a scan of its own finds. */
static void one_scan_of_all_columns_finds_the_best_of_them(void **state) {
    enum { COLUMNS = 8 };
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        const tm_split_rules rules = {.min_rows = 5, .unit_g = 0.01, .unit_h = 1};
        int64_t cells[COLUMNS][BINS + 8] = {{0}};
        tm_split_leaf leaf = cells_fill(seed, true, cells[0]);
        for (uint32_t c = 1; c < COLUMNS; c++) {
            const uint32_t from = made_random(seed, 300 + c) < 0.4 ? c - 1 : 0;
            for (uint32_t b = 0; b <= BINS; b++) { /* the same rows in another order of bins */
                cells[c][b] = cells[from][from == 0 ? (b * (c + 1)) % (BINS + 1) : b];
            }
        }
        tm_split_scan one = tm__split_scan_of(&rules, &leaf);
        tm_split own[COLUMNS] = {{0}}, with_one[COLUMNS] = {{0}};
        for (uint32_t i = 0; i < COLUMNS; i++) {
            const uint32_t c = seed % 2 == 0 ? i : COLUMNS - 1 - i;
            const tm_bin_column column = {.n_bins = BINS, .is_categorical = (seed + c) % 5 == 0};
            split_find(&rules, &column, cells[c], &leaf, &own[c]);
            tm__split_find(&one, &column, 3, cells[c], &with_one[c]);
        }
        uint32_t best = 0, best_with_one = 0;
        for (uint32_t c = 1; c < COLUMNS; c++) {
            best = own[c].gain > own[best].gain ? c : best;
            best_with_one = with_one[c].gain > with_one[best_with_one].gain ? c : best_with_one;
        }
        assert_int_equal(best, best_with_one);
        assert_memory_equal(&own[best], &with_one[best], sizeof(tm_split));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_scan_of_all_columns_finds_the_best_of_them),
        cmocka_unit_test(a_number_gets_the_best_of_all_cuts_and_directions),
        cmocka_unit_test(few_categories_are_tried_one_against_the_rest),
        cmocka_unit_test(many_categories_are_grouped_by_their_gradients),
        cmocka_unit_test(small_categories_do_not_make_splits),
        cmocka_unit_test(a_pure_leaf_or_one_with_too_few_rows_is_not_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
