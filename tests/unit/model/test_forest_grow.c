/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "forest_case.h"
#include "model/forest/forest_priv.h"

enum { ROWS = 500 };

static const tm_forest *trees_of(const tm_model *model) {
    return &((const tm_random_forest *)model)->trees;
}

static uint32_t leaf_of(const tm_forest *trees, uint32_t tree, const forest_case *c, uint64_t row) {
    uint32_t node = trees->roots[tree], next = tm__forest_next(trees, node, c->made.cols, row);
    while (next != node) {
        node = next;
        next = tm__forest_next(trees, node, c->made.cols, row);
    }
    return node;
}

static void one_tree_on_all_rows_and_columns_knows_its_rows(void **state) {
    (void)state;
    forest_case c;
    tm_ctx ctx = {0};
    forest_case_init(&c, TM_TASK_REGRESSION, ROWS);
    forest_case_set(&c, "n_trees", "1");
    forest_case_set(&c, "row_sample", "1");
    forest_case_set(&c, "column_sample", "1");
    forest_case_set(&c, "min_rows_in_leaf", "1");
    tm_model *model = forest_case_fit(&c, &ctx);
    double raw[ROWS];
    assert_int_equal(tm__model_predict(&ctx, model, &c.made.view, raw, NULL), TM_OK);
    for (uint32_t row = 0; row < ROWS; row++) {
        assert_true(fabs(raw[row] - c.y[row]) < 0.3); /* but for rows in the same bins */
    }
    tm__model_free(model);
    forest_case_done(&c);
}

static void leaves_hold_the_means_of_their_rows(void **state) {
    (void)state;
    forest_case c;
    tm_ctx ctx = {0};
    forest_case_init(&c, TM_TASK_REGRESSION, ROWS);
    forest_case_set(&c, "n_trees", "1");
    forest_case_set(&c, "row_sample", "1");
    forest_case_set(&c, "max_leaves", "12");
    forest_case_set(&c, "min_rows_in_leaf", "15");
    tm_model *model = forest_case_fit(&c, &ctx);
    const tm_forest *trees = trees_of(model);
    assert_true(tm__forest_leaves(trees, 0) == 12);
    for (uint32_t node = 0; node < trees->n_nodes; node++) {
        double sum = 0;
        uint32_t n = 0;
        for (uint64_t row = 0; row < ROWS; row++) {
            if (leaf_of(trees, 0, &c, row) == node) {
                sum += c.y[row];
                n++;
            }
        }
        if (n > 0) {
            assert_true(n >= 15 && n == trees->covers[node]);
            assert_true(fabs(trees->base[0] + trees->values[node] - sum / n) < 1e-4);
        }
    }
    tm__model_free(model);
    forest_case_done(&c);
}

static void depth_and_rows_are_bounded_for_both_cuts(void **state) {
    (void)state;
    static const char *const cuts[] = {"best", "random"};
    for (uint32_t i = 0; i < 2; i++) {
        forest_case c;
        tm_ctx ctx = {0};
        forest_case_init(&c, TM_TASK_MULTICLASS, ROWS);
        forest_case_set(&c, "cuts", cuts[i]);
        forest_case_set(&c, "n_trees", "7");
        forest_case_set(&c, "max_depth", "4");
        forest_case_set(&c, "min_rows_in_leaf", "9");
        tm_model *model = forest_case_fit(&c, &ctx);
        const tm_forest *trees = trees_of(model);
        assert_true(trees->n_trees == 7 && trees->depth_max <= 4 && trees->depth_max > 1);
        for (uint32_t node = 0; node < trees->n_nodes; node++) {
            assert_true(trees->covers[node] >= 9);
        }
        tm__model_free(model);
        forest_case_done(&c);
    }
}

/* Categories that have no order of their own are told apart. */
static void categories_are_put_in_order_by_the_target(void **state) {
    (void)state;
    forest_case c;
    tm_ctx ctx = {0};
    forest_case_init(&c, TM_TASK_BINARY, ROWS);
    for (uint64_t row = 0; row < ROWS; row++) {
        c.y[row] = (uint64_t)c.made.cols[3][row] * 7 % 3 == 0;
    }
    forest_case_set(&c, "n_trees", "20");
    forest_case_set(&c, "column_sample", "1");
    tm_model *model = forest_case_fit(&c, &ctx);
    double raw[ROWS], share[5];
    uint32_t n_right = 0;
    assert_int_equal(tm__model_predict(&ctx, model, &c.made.view, raw, NULL), TM_OK);
    for (uint64_t row = 0; row < ROWS; row++) {
        n_right += (raw[row] > 0) == (c.y[row] > 0);
    }
    assert_true(n_right > ROWS * 98 / 100);
    model->ops->importance(model, share);
    assert_true(share[3] > 0.8);
    tm__model_free(model);
    forest_case_done(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_tree_on_all_rows_and_columns_knows_its_rows),
        cmocka_unit_test(leaves_hold_the_means_of_their_rows),
        cmocka_unit_test(depth_and_rows_are_bounded_for_both_cuts),
        cmocka_unit_test(categories_are_put_in_order_by_the_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
