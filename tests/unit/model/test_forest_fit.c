/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "forest_case.h"
#include "model/forest/forest_priv.h"

enum { ROWS = 3000 };

/* Mean squared error of a fit on the even rows, on the odd ones. */
static double error_of(const forest_case *all, uint32_t n_trees) {
    forest_case c = *all;
    tm_ctx ctx = {0};
    char text[16];
    double *weights = tm__mem_alloc(ROWS, sizeof(double)), sum = 0;
    double *raw = tm__mem_alloc(ROWS, sizeof(double));
    for (uint64_t row = 0; row < ROWS; row++) {
        weights[row] = row % 2 == 0;
    }
    (void)snprintf(text, sizeof(text), "%u", n_trees);
    forest_case_set(&c, "n_trees", text);
    c.in.weights = weights;
    tm_model *model = forest_case_fit(&c, &ctx);
    assert_int_equal(tm__model_predict(&ctx, model, &c.made.view, raw, NULL), TM_OK);
    for (uint64_t row = 1; row < ROWS; row += 2) {
        sum += (raw[row] - c.y[row]) * (raw[row] - c.y[row]);
    }
    tm__model_free(model);
    tm__mem_free(weights);
    tm__mem_free(raw);
    return sum / (ROWS / 2.0);
}

/* The noise of the targets is uniform, 10 wide: 8.3 cannot be learned. */
static void more_trees_are_better_and_near_what_can_be_learned(void **state) {
    (void)state;
    static const char *const cuts[] = {"best", "random"};
    for (uint32_t i = 0; i < 2; i++) {
        forest_case c;
        forest_case_init(&c, TM_TASK_REGRESSION, ROWS);
        forest_case_set(&c, "cuts", cuts[i]);
        forest_case_set(&c, "column_sample", "1");
        const double one = error_of(&c, 1), many = error_of(&c, 60);
        assert_true(many < 0.8 * one && many < 14 && many > 8);
        forest_case_done(&c);
    }
}

static void a_budget_that_is_spent_leaves_whole_batches_of_trees(void **state) {
    (void)state;
    for (tm_task task = TM_TASK_BINARY; task <= TM_TASK_MULTICLASS; task++) {
        forest_case c;
        tm_budget budget = {.work_limit = 1};
        tm_ctx ctx = {.budget = &budget}, plain = {0};
        forest_case_init(&c, task, 200);
        tm_model *cut = forest_case_fit(&c, &ctx);
        assert_true(cut->n_rounds == 16 && budget.is_cut);
        forest_case_set(&c, "n_trees", "16");
        tm_model *whole = forest_case_fit(&c, &plain);
        double a[1000], b[1000];
        assert_int_equal(tm__model_predict(&plain, cut, &c.made.view, a, NULL), TM_OK);
        assert_int_equal(tm__model_predict(&plain, whole, &c.made.view, b, NULL), TM_OK);
        assert_memory_equal(a, b, 200 * cut->n_outputs * sizeof(double));
        tm__model_free(cut);
        tm__model_free(whole);
        forest_case_done(&c);
    }
}

static void memory_stays_within_what_was_said(void **state) {
    (void)state;
    static const tm_task tasks[] = {TM_TASK_BINARY, TM_TASK_MULTICLASS, TM_TASK_REGRESSION};
    for (uint32_t i = 0; i < 9; i++) {
        forest_case c;
        tm_pool *pool = tm__pool_create(1 + i % 3);
        forest_case_init(&c, tasks[i / 3], 40000);
        forest_case_set(&c, "n_trees", "20");
        forest_case_set(&c, "min_rows_in_leaf", i % 2 == 0 ? "1" : "20");
        forest_case_set(&c, "cuts", i % 3 == 0 ? "random" : "best");
        const uint64_t held = tm__mem_bytes();
        const uint64_t needs = tm__random_forest_needs(&c.in, &c.params, 1 + i % 3);
        tm_ctx ctx = {.pool = pool, .memory_limit = held + needs};
        tm__mem_bytes_reset();
        tm_model *model = forest_case_fit(&c, &ctx);
        const uint64_t peak = tm__mem_bytes_peak() - held;
        assert_true(peak <= needs && needs <= peak * 12);
        assert_true(model->bytes_planned == held + needs);
        tm__model_free(model);
        ctx.memory_limit = tm__mem_bytes() + needs - 1;
        tm_err err = {0};
        assert_int_equal(
            tm__model_fit(&ctx, &tm__random_forest_ops, &c.in, &c.params, &model, &err),
            TM_E_LIMIT);
        assert_non_null(strstr(err.hint, "forest.n_trees"));
        tm__pool_free(pool);
        forest_case_done(&c);
    }
}

static void a_target_that_cannot_be_summed_is_named(void **state) {
    (void)state;
    forest_case c;
    tm_ctx ctx = {0};
    tm_model *model = NULL;
    tm_err err = {0};
    forest_case_init(&c, TM_TASK_REGRESSION, 100);
    c.y[41] = 1e305;
    assert_int_equal(tm__model_fit(&ctx, &tm__random_forest_ops, &c.in, &c.params, &model, &err),
                     TM_E_INVALID);
    assert_non_null(strstr(err.message, "42"));
    forest_case_done(&c);
}

static void targets_of_any_size_are_learned_alike(void **state) {
    (void)state;
    static const double sizes[] = {1e-60, 1, 1e90};
    for (uint32_t i = 0; i < 3; i++) {
        forest_case c;
        tm_ctx ctx = {0};
        double raw[500], sum = 0, spread = 0;
        forest_case_init(&c, TM_TASK_REGRESSION, 500);
        for (uint32_t row = 0; row < 500; row++) {
            c.y[row] = (c.y[row] - 100) * sizes[i];
        }
        tm_model *model = forest_case_fit(&c, &ctx);
        assert_int_equal(tm__model_predict(&ctx, model, &c.made.view, raw, NULL), TM_OK);
        for (uint32_t row = 0; row < 500; row++) {
            const double d = (raw[row] - c.y[row]) / sizes[i], y = c.y[row] / sizes[i];
            sum += d * d;
            spread += y * y;
        }
        assert_true(sum < 0.1 * spread);
        tm__model_free(model);
        forest_case_done(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_trees_are_better_and_near_what_can_be_learned),
        cmocka_unit_test(a_budget_that_is_spent_leaves_whole_batches_of_trees),
        cmocka_unit_test(memory_stays_within_what_was_said),
        cmocka_unit_test(a_target_that_cannot_be_summed_is_named),
        cmocka_unit_test(targets_of_any_size_are_learned_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
