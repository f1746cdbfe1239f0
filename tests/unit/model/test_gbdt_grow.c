/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "made_data.h"
#include "model/gbdt/gbdt_grow.h"

#define ROWS 20000u

typedef struct grow_data {
    made_data data;
    tm_bins bins;
    tm_loss loss;
    tm_gradients gradients;
    double *y, *scores;
} grow_data;

static void data_init(grow_data *d) {
    const made_options options = {
        .n_rows = ROWS, .n_cols = 3, .levels = {0, 0, 30}, .missing = {0, 0.1, 0.1}, .seed = 3};
    tm_ctx ctx = {0};
    made_init(&d->data, &options);
    d->y = tm__mem_alloc(ROWS, sizeof(double));
    d->scores = tm__mem_zalloc(ROWS, sizeof(double));
    for (uint32_t row = 0; row < ROWS; row++) {
        const double a = d->data.cols[0][row], b = d->data.cols[1][row], c = d->data.cols[2][row];
        d->y[row] = (a > 0.5 ? 4 : 0) + (isnan(b) || b < 0 ? 1 : 2) * a +
                    ((uint32_t)(isnan(c) ? 0 : c) % 3 == 1 ? 3 : 0);
    }
    assert_int_equal(tm__bins_fit(&ctx, &d->data.view, 64, 1, &d->bins, NULL), TM_OK);
    const tm_loss_spec spec = {.task = TM_TASK_REGRESSION, .n_outputs = 1};
    assert_int_equal(tm__loss_init(&spec, ROWS, d->y, NULL, &d->loss, NULL), TM_OK);
    assert_int_equal(tm__gradients_init(ROWS, &d->gradients, NULL), TM_OK);
    tm__gradients_fit(NULL, &d->loss, 0, &(tm_gradients_from){.scores = d->scores, .key = 5},
                      &d->gradients);
}

static void data_done(grow_data *d) {
    tm__bins_done(&d->bins);
    tm__loss_done(&d->loss);
    tm__gradients_done(&d->gradients);
    tm__mem_free(d->y);
    tm__mem_free(d->scores);
    made_done(&d->data);
}

/* Grow one tree into a forest of its own; scores [ROWS] get its answers. */
static void tree_fit(const grow_data *d, tm_pool *pool, const tm_grow_options *options,
                     const uint64_t *rows, const bool *columns, tm_forest *out, double *scores) {
    tm_grower *grower = tm__grower_create(pool, &d->bins, options);
    const tm_grow_input in = {
        .gradients = &d->gradients, .scale = d->loss.scale, .rows = rows, .columns = columns};
    assert_non_null(grower);
    const uint32_t n_leaves = tm__grower_fit(grower, &in);
    const tm_tree_draft draft = tm__grower_view(grower);
    assert_int_equal(draft.n_nodes, 2 * n_leaves - 1);
    assert_int_equal(tm__forest_init(out, 1, d->data.view.n_cols, NULL), TM_OK);
    assert_int_equal(tm__forest_add(out, &draft, NULL), TM_OK);
    memset(scores, 0, ROWS * sizeof(double));
    tm__grower_add_scores(grower, scores);
    tm__grower_free(grower);
}

static bool forests_equal(const tm_forest *a, const tm_forest *b) {
    tm_buf first, second;
    tm__buf_init(&first, 1 << 20);
    tm__buf_init(&second, 1 << 20);
    assert_int_equal(tm__forest_save(a, &first, NULL), TM_OK);
    assert_int_equal(tm__forest_save(b, &second, NULL), TM_OK);
    const bool equal = first.len == second.len && memcmp(first.data, second.data, first.len) == 0;
    tm__buf_done(&first);
    tm__buf_done(&second);
    return equal;
}

static const tm_grow_options plain = {.max_leaves = 40, .min_rows = 20, .learning_rate = 1};

static void leaf_values_are_the_means_of_their_rows(void **state) {
    (void)state;
    grow_data d;
    tm_forest forest;
    data_init(&d);
    double *scores = tm__mem_alloc(ROWS, sizeof(double));
    tree_fit(&d, NULL, &plain, NULL, NULL, &forest, scores);
    assert_int_equal(tm__forest_leaves(&forest, 0), 40);
    double *sums = tm__mem_zalloc(forest.n_nodes, sizeof(double));
    uint32_t *counts = tm__mem_zalloc(forest.n_nodes, sizeof(uint32_t));
    double error = 0, spread = 0;
    for (uint32_t row = 0; row < ROWS; row++) {
        uint32_t at = 0;
        while ((forest.nodes[at].meta & TM_NODE_LEAF) == 0) {
            at = tm__forest_next(&forest, at, d.data.cols, row);
        }
        sums[at] += d.y[row];
        counts[at]++;
        assert_true(scores[row] == forest.values[at]);
        error += (d.y[row] - scores[row]) * (d.y[row] - scores[row]);
        spread += d.y[row] * d.y[row];
    }
    for (uint32_t i = 0; i < forest.n_nodes; i++) {
        if ((forest.nodes[i].meta & TM_NODE_LEAF) != 0) {
            assert_true(counts[i] >= 20 && counts[i] == forest.covers[i]);
            assert_true(fabs(forest.values[i] - sums[i] / counts[i]) < 1e-6);
        }
    }
    assert_true(error < 0.03 * spread);
    tm__mem_free(sums);
    tm__mem_free(counts);
    tm__mem_free(scores);
    tm__forest_done(&forest);
    data_done(&d);
}

static void neither_threads_nor_few_histograms_change_a_tree(void **state) {
    (void)state;
    grow_data d;
    tm_forest one, other;
    data_init(&d);
    double *scores = tm__mem_alloc(ROWS, sizeof(double));
    double *others = tm__mem_alloc(ROWS, sizeof(double));
    tree_fit(&d, NULL, &plain, NULL, NULL, &one, scores);
    for (uint32_t n = 1; n <= 4; n++) {
        tm_pool *pool = tm__pool_create(n);
        tm_grow_options options = plain;
        options.hist_bytes_max = n == 3 ? 0 : 1; /* 1: as few as it can do with */
        tree_fit(&d, pool, &options, NULL, NULL, &other, others);
        assert_true(forests_equal(&one, &other));
        assert_memory_equal(scores, others, ROWS * sizeof(double));
        tm__forest_done(&other);
        tm__pool_free(pool);
    }
    tm__forest_done(&one);
    tm__mem_free(scores);
    tm__mem_free(others);
    data_done(&d);
}

static void limits_are_kept(void **state) {
    (void)state;
    grow_data d;
    tm_forest forest;
    data_init(&d);
    double *scores = tm__mem_alloc(ROWS, sizeof(double));
    tm_grow_options options = plain;
    options.max_depth = 2;
    tree_fit(&d, NULL, &options, NULL, NULL, &forest, scores);
    assert_true(forest.depth_max == 2 && tm__forest_leaves(&forest, 0) == 4);
    tm__forest_done(&forest);
    options = plain;
    options.min_rows = 3000;
    tree_fit(&d, NULL, &options, NULL, NULL, &forest, scores);
    for (uint32_t i = 0; i < forest.n_nodes; i++) {
        assert_true(forest.covers[i] >= 3000);
    }
    tm__forest_done(&forest);
    options.min_rows = ROWS;
    tree_fit(&d, NULL, &options, NULL, NULL, &forest, scores);
    assert_int_equal(forest.n_nodes, 1);
    tm__forest_done(&forest);
    options = plain;
    options.l2 = 1e30;
    tree_fit(&d, NULL, &options, NULL, NULL, &forest, scores);
    assert_true(fabs(scores[0]) < 1e-20);
    tm__forest_done(&forest);
    options = plain;
    options.l1 = 1e9;
    tree_fit(&d, NULL, &options, NULL, NULL, &forest, scores);
    assert_true(forest.n_nodes == 1 && scores[0] == 0);
    tm__forest_done(&forest);
    tm__mem_free(scores);
    data_done(&d);
}

static void rows_and_columns_left_out_do_not_count_but_get_answers(void **state) {
    (void)state;
    grow_data d;
    tm_forest forest;
    data_init(&d);
    double *scores = tm__mem_alloc(ROWS, sizeof(double));
    uint64_t *rows = tm__mem_zalloc(ROWS / 64 + 1, sizeof(uint64_t));
    const bool columns[3] = {false, true, true};
    uint32_t n = 0;
    for (uint32_t row = 0; row < ROWS; row++) {
        if (made_random(8, row) < 0.5) {
            rows[row / 64] |= UINT64_C(1) << (row % 64);
            n++;
        }
    }
    tree_fit(&d, NULL, &plain, rows, columns, &forest, scores);
    assert_int_equal(forest.covers[0], n);
    for (uint32_t i = 0; i < forest.n_nodes; i++) {
        assert_true((forest.nodes[i].meta & TM_NODE_LEAF) != 0 ||
                    (forest.nodes[i].meta & TM_NODE_COLUMN) != 0);
    }
    for (uint32_t row = 0; row < ROWS; row++) {
        double out;
        tm__forest_predict_row(&forest, d.data.cols, row, &out);
        assert_true(out == scores[row]);
    }
    tm__mem_free(rows);
    tm__mem_free(scores);
    tm__forest_done(&forest);
    data_done(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaf_values_are_the_means_of_their_rows),
        cmocka_unit_test(neither_threads_nor_few_histograms_change_a_tree),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(rows_and_columns_left_out_do_not_count_but_get_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
