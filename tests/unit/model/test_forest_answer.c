/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "forest_case.h"
#include "model/forest/forest_priv.h"

enum { ROWS = 400 };

/* Mean over trees of the share of a class, by walking them. */
static double share_of(const tm_model *model, const forest_case *c, uint64_t row, uint32_t class) {
    const tm_random_forest *self = (const tm_random_forest *)model;
    const tm_forest *trees = &self->trees;
    double sum = 0;
    for (uint32_t t = 0; t < trees->n_trees; t++) {
        uint32_t node = trees->roots[t], next;
        while ((next = tm__forest_next(trees, node, c->made.cols, row)) != node) {
            node = next;
        }
        const uint32_t leaf = (uint32_t)trees->values[node];
        double rest = 1, own = 0;
        for (uint32_t e = self->shares.starts[leaf]; e < self->shares.starts[leaf + 1]; e++) {
            rest -= (double)self->shares.shares[e];
            own += self->shares.classes[e] == class ? (double)self->shares.shares[e] : 0;
        }
        sum += own + rest * self->shares.prior[class];
    }
    return sum / trees->n_trees;
}

static void classes_are_the_mean_shares_of_leaves(void **state) {
    (void)state;
    forest_case c;
    tm_ctx ctx = {.pool = tm__pool_create(2)};
    forest_case_init(&c, TM_TASK_MULTICLASS, ROWS);
    forest_case_set(&c, "n_trees", "30");
    tm_model *model = forest_case_fit(&c, &ctx);
    double *raw = tm__mem_alloc(ROWS * 5, sizeof(double));
    assert_int_equal(tm__model_predict(&ctx, model, &c.made.view, raw, NULL), TM_OK);
    tm__model_link(tm__model_link_of(model), 5, ROWS, raw);
    for (uint64_t row = 0; row < ROWS; row += 11) {
        for (uint32_t k = 0; k < 5; k++) {
            assert_true(fabs(raw[row * 5 + k] - share_of(model, &c, row, k)) < 1e-5);
        }
    }
    tm__mem_free(raw);
    tm__model_free(model);
    tm__pool_free(ctx.pool);
    forest_case_done(&c);
}

static void two_classes_are_the_mean_of_probabilities(void **state) {
    (void)state;
    forest_case c;
    tm_ctx ctx = {0};
    forest_case_init(&c, TM_TASK_BINARY, ROWS);
    forest_case_set(&c, "n_trees", "30");
    tm_model *model = forest_case_fit(&c, &ctx);
    const tm_forest *trees = &((const tm_random_forest *)model)->trees;
    double raw[ROWS];
    assert_int_equal(tm__model_predict(&ctx, model, &c.made.view, raw, NULL), TM_OK);
    tm__model_link(tm__model_link_of(model), 1, ROWS, raw);
    for (uint64_t row = 0; row < ROWS; row++) {
        double p = 0;
        tm__forest_predict_row_ref(trees, c.made.cols, row, &p);
        assert_true(p > 0 && p < 1 && fabs(raw[row] - p) < 1e-5);
    }
    tm__model_free(model);
    forest_case_done(&c);
}

/* A column that no tree looks at explains nothing, and the one that decides most explains most. */
static void explanations_name_the_columns_that_decide(void **state) {
    (void)state;
    static const tm_task tasks[] = {TM_TASK_BINARY, TM_TASK_MULTICLASS, TM_TASK_REGRESSION};
    for (uint32_t i = 0; i < 3; i++) {
        forest_case c;
        tm_ctx ctx = {0};
        forest_case_init(&c, tasks[i], ROWS);
        memset((double *)(uintptr_t)c.made.cols[2], 0, ROWS * sizeof(double));
        forest_case_set(&c, "n_trees", "20");
        tm_model *model = forest_case_fit(&c, &ctx);
        double sums[6] = {0}, out[5 * 6];
        for (uint64_t row = 0; row < 40; row++) {
            const double *cols[MADE_COLS_MAX];
            const tm_view one = made_row(&c.made, row, cols);
            assert_int_equal(tm__model_explain(model, &one, out, NULL), TM_OK);
            for (uint32_t col = 0; col < 6; col++) {
                assert_true(isfinite(out[col]));
                sums[col] += fabs(out[col]);
            }
        }
        assert_true(sums[2] == 0 && sums[4] == 0);
        assert_true(sums[0] > sums[3] && sums[1] > 0);
        tm__model_free(model);
        forest_case_done(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_are_the_mean_shares_of_leaves),
        cmocka_unit_test(two_classes_are_the_mean_of_probabilities),
        cmocka_unit_test(explanations_name_the_columns_that_decide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
