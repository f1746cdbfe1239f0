/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "made_data.h"
#include "model/gbdt/gbdt_grow.h"

enum { ROWS = 12000, OTHERS = 5003 };

/* Rows that the bins have not seen: beyond all cuts, missing where none was, codes of no level. */
static void others_init(made_data *data) {
    const made_options options = {
        .n_rows = OTHERS, .n_cols = 3, .levels = {0, 0, 30}, .missing = {0.1, 0.1, 0.1}, .seed = 4};
    made_init(data, &options);
    data->cells[0] = INFINITY;
    data->cells[1] = -INFINITY;
    data->cells[2] = 1e300;
    data->cells[2 * OTHERS] = 77;
    data->cells[2 * OTHERS + 1] = -1;
    data->cells[2 * OTHERS + 2] = 29.5;
}

static void scores_are_those_of_the_forest(tm_pool *pool) {
    const made_options options = {
        .n_rows = ROWS, .n_cols = 3, .levels = {0, 0, 30}, .missing = {0, 0.1, 0.1}, .seed = 3};
    made_data data, others;
    tm_ctx ctx = {.pool = pool};
    tm_bins bins;
    tm_loss loss;
    tm_gradients gradients;
    tm_binned_rows rows;
    tm_forest forest;
    made_init(&data, &options);
    others_init(&others);
    double *y = tm__mem_alloc(ROWS, sizeof(double));
    double *zero = tm__mem_zalloc(ROWS, sizeof(double));
    double *by_bins = tm__mem_zalloc(OTHERS, sizeof(double));
    double *by_values = tm__mem_zalloc(OTHERS, sizeof(double));
    for (uint32_t row = 0; row < ROWS; row++) {
        const double a = data.cols[0][row], b = data.cols[1][row], c = data.cols[2][row];
        y[row] = a * (isnan(b) ? 3 : b) + ((uint32_t)(isnan(c) ? 0 : c) % 3 == 1 ? 3 : 0);
    }
    const tm_loss_spec spec = {.task = TM_TASK_REGRESSION, .n_outputs = 1};
    const tm_grow_options grow = {.max_leaves = 60, .min_rows = 20, .learning_rate = 0.3};
    assert_int_equal(tm__bins_fit(&ctx, &data.view, 64, 1, &bins, NULL), TM_OK);
    assert_int_equal(tm__loss_init(&spec, ROWS, y, NULL, &loss, NULL), TM_OK);
    assert_int_equal(tm__gradients_init(ROWS, &gradients, NULL), TM_OK);
    assert_int_equal(tm__forest_init(&forest, 1, 3, NULL), TM_OK);
    assert_int_equal(tm__binned_init(pool, &bins, &others.view, &rows, NULL), TM_OK);
    tm_grower *grower = tm__grower_create(pool, &bins, &grow);
    for (uint32_t tree = 0; tree < 3; tree++) {
        tm__gradients_fit(pool, &loss, 0, &(tm_gradients_from){.scores = zero, .key = tree},
                          &gradients);
        const tm_grow_input in = {.gradients = &gradients, .scale = loss.scale};
        assert_true(tm__grower_fit(grower, &in) > 10);
        tm__grower_add_scores(grower, zero);
        const tm_tree_draft draft = tm__grower_view(grower);
        assert_int_equal(tm__forest_add(&forest, &draft, NULL), TM_OK);
        tm__binned_add_scores(pool, &rows, tm__grower_view_binned(grower), by_bins);
        tm__forest_add_scores(&forest, tree, &others.view, 0, OTHERS, by_values);
        assert_memory_equal(by_bins, by_values, OTHERS * sizeof(double));
    }
    tm__grower_free(grower);
    tm__binned_done(&rows);
    tm__forest_done(&forest);
    tm__gradients_done(&gradients);
    tm__loss_done(&loss);
    tm__bins_done(&bins);
    tm__mem_free(y);
    tm__mem_free(zero);
    tm__mem_free(by_bins);
    tm__mem_free(by_values);
    made_done(&others);
    made_done(&data);
}

static void a_tree_gives_the_same_by_bins_and_by_values(void **state) {
    (void)state;
    tm_pool *pool = tm__pool_create(3);
    scores_are_those_of_the_forest(NULL);
    scores_are_those_of_the_forest(pool);
    tm__pool_free(pool);
}

/* One leaf is its own child. */
static void a_tree_of_one_leaf_walks_nowhere(void **state) {
    (void)state;
    uint8_t bins[3] = {0, 200, 255};
    const tm_binned_node leaf = {.left_bins = {{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}}};
    const double value = 2.5;
    double scores[3] = {0, 1, 2};
    const tm_binned_rows rows = {.n_rows = 3, .row_bytes = 1, .bins = bins};
    tm__binned_add_scores(NULL, &rows, (tm_binned_tree){&leaf, &value}, scores);
    assert_true(scores[0] == 2.5 && scores[1] == 3.5 && scores[2] == 4.5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_gives_the_same_by_bins_and_by_values),
        cmocka_unit_test(a_tree_of_one_leaf_walks_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
