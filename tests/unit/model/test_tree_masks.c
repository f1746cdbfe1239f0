/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/simd.h"
#include "made_forest.h"
#include "model/tree/tree_masks.h"

#define ROWS 200u
#define FOREST(...)                                                                                \
    { __VA_ARGS__ }

static const struct {
    const char *name;
    uint32_t n_planes; /* 0: no masks */
    made_forest_options options;
} cases[] = {
    {"few leaves", 4, FOREST(.n_cols = 3, .n_trees = 40, .nodes_max = 15, .thresholds = 90)},
    {"thirty-two leaves", 4,
     FOREST(.n_cols = 5, .n_trees = 60, .nodes_max = 63, .thresholds = 254)},
    {"chains of thirty-two leaves", 4,
     FOREST(.n_cols = 2, .n_trees = 30, .nodes_max = 63, .thresholds = 90, .is_chain = true)},
    {"sixty-four leaves", 8,
     FOREST(.n_cols = 9, .n_trees = 60, .nodes_max = 127, .thresholds = 200)},
    {"chains of sixty-four leaves", 8,
     FOREST(.n_cols = 2, .n_trees = 30, .nodes_max = 127, .thresholds = 90, .is_chain = true)},
    {"outputs", 4,
     FOREST(.n_outputs = 5, .n_cols = 4, .n_trees = 60, .nodes_max = 63, .thresholds = 50)},
    {"as many columns as a byte names", 4,
     FOREST(.n_cols = 120, .n_trees = 300, .nodes_max = 63, .thresholds = 50)},
    {"more leaves", 0, FOREST(.n_cols = 9, .n_trees = 60, .nodes_max = 201, .thresholds = 200)},
    {"sets", 0,
     FOREST(.n_cols = 6, .n_trees = 30, .nodes_max = 41, .thresholds = 60, .categories = 2,
            .codes = 200)},
    {"leaves alone", 0, FOREST(.n_cols = 2, .n_trees = 9, .nodes_max = 1, .thresholds = 5)},
};

/* Planes follow from the largest tree, and blocks of every length have the bits of the reference;
 * where masks are not used, the walk gives them. */
static void masks_give_the_bits_of_the_walk(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        made_forest_options options = cases[i].options;
        options.seed = 7 + i;
        options.codes = options.codes > 0 ? options.codes : 9;
        tm_forest forest;
        made_forest_init(&forest, &options);
        assert_int_equal(tm__forest_codes_create(&forest, NULL), TM_OK);
        const tm_forest_masks *masks = forest.codes->masks;
        const uint32_t n_planes = masks == NULL ? 0 : masks->n_planes, k = forest.n_outputs;
        if (n_planes != cases[i].n_planes) {
            fail_msg("%s: %u planes", cases[i].name, n_planes);
        }
        double *cells = tm__mem_alloc((size_t)options.n_cols * ROWS, sizeof(double));
        double *row_cells = tm__mem_alloc(options.n_cols, sizeof(double));
        const double **cols = tm__mem_alloc(options.n_cols, sizeof(double *));
        double *want = tm__mem_alloc((size_t)ROWS * k, sizeof(double));
        double *out = tm__mem_alloc((size_t)ROWS * k, sizeof(double));
        for (uint32_t row = 0; row < ROWS; row++) {
            made_forest_row(&options, row, row_cells);
            for (uint32_t c = 0; c < options.n_cols; c++) {
                cells[(size_t)c * ROWS + row] = row_cells[c];
                cols[c] = cells + (size_t)c * ROWS;
            }
        }
        for (uint32_t row = 0; row < ROWS; row++) {
            tm__forest_predict_row_ref(&forest, cols, row, want + (size_t)row * k);
        }
        void *block = tm__mem_alloc(1, tm__forest_codes_bytes(&forest));
        for (uint32_t n = 1; n <= ROWS && n <= tm__forest_codes_rows(forest.codes); n++) {
            memset(out, 0x5A, (size_t)ROWS * k * sizeof(double));
            tm__forest_codes_predict(&forest, cols, ROWS - n, n, block, out);
            if (memcmp(out, want + (size_t)(ROWS - n) * k, (size_t)n * k * sizeof(double)) != 0) {
                fail_msg("%s, %u rows: other bits than the reference", cases[i].name, n);
            }
        }
        tm__mem_free(block);
        tm__mem_free(out);
        tm__mem_free(want);
        tm__mem_free(cols);
        tm__mem_free(row_cells);
        tm__mem_free(cells);
        tm__forest_done(&forest);
    }
}

static void masks_are_for_machines_with_their_vectors(void **state) {
    (void)state;
    made_forest_options options = cases[1].options;
    options.codes = 9;
    tm_forest forest;
    made_forest_init(&forest, &options);
    assert_int_equal(tm__forest_codes_create(&forest, NULL), TM_OK);
    assert_int_equal(tm__forest_masks_used(forest.codes), tm__simd_machine() == TM_SIMD_AVX512);
    tm__simd_limit(TM_SIMD_AVX2);
    assert_false(tm__forest_masks_used(forest.codes));
    tm__simd_limit(TM_SIMD_AVX512);
    assert_int_equal(tm__forest_masks_stride(1), 64);
    assert_int_equal(tm__forest_masks_stride(64), 64);
    assert_int_equal(tm__forest_masks_stride(65), 128);
    tm__forest_done(&forest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_give_the_bits_of_the_walk),
        cmocka_unit_test(masks_are_for_machines_with_their_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
