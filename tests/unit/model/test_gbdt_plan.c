/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "made_data.h"
#include "model/gbdt/gbdt_plan.h"
#include "model/gbdt/gbdt_priv.h"

typedef struct plan_case {
    tm_task task;
    uint64_t n_rows, n_valid;
    uint32_t n_cols, levels, n_threads, n_classes;
    double trees, leaves, sample;
    bool weights;
    const char *param[2]; /* and its value */
} plan_case;

static const plan_case cases[] = {
    {TM_TASK_BINARY, 50000, 0, 8, 0, 1, 2, 5, 31, 1, false, {NULL}},
    {TM_TASK_BINARY, 50000, 20000, 8, 40, 3, 2, 5, 255, 0.5, true, {NULL}},
    {TM_TASK_REGRESSION, 300000, 0, 3, 0, 2, 0, 3, 63, 1, true, {NULL}},
    {TM_TASK_REGRESSION, 40000, 9000, 5, 0, 2, 0, 4, 31, 1, true, {"objective", "quantile"}},
    {TM_TASK_MULTICLASS, 20000, 5000, 6, 9, 4, 7, 4, 31, 1, false, {NULL}},
    {TM_TASK_BINARY, 3000, 0, 16, 200, 2, 2, 60, 1024, 1, false, {NULL}},
    {TM_TASK_REGRESSION, 200, 0, 2, 0, 1, 0, 2, 1024, 1, false, {NULL}},
    {TM_TASK_BINARY, 60000, 0, 2, 0, 1, 2, 2, 8, 1, false, {"class_weights", "balanced"}},
    {TM_TASK_RANKING, 30000, 8000, 4, 0, 2, 0, 3, 31, 1, false, {NULL}},
};

typedef struct plan_data {
    made_data made, valid;
    double *y, *y_valid, *weights;
    uint32_t *queries;
    tm_params params;
    tm_fit_input in;
} plan_data;

static double *targets(const plan_case *c, const made_data *made) {
    const uint64_t n = made->view.n_rows;
    double *y = tm__mem_alloc(n, sizeof(double));
    for (uint64_t row = 0; row < n; row++) {
        const double x = made->cols[0][row] + made_random(5, row);
        y[row] = c->task == TM_TASK_REGRESSION   ? x
                 : c->task == TM_TASK_RANKING    ? floor(made_random(6, row) * 4)
                 : c->task == TM_TASK_MULTICLASS ? floor(made_random(6, row) * c->n_classes)
                                                 : (double)(x > 0.5);
    }
    return y;
}

static void data_init(plan_data *d, const plan_case *c) {
    made_options options = {.n_rows = c->n_rows, .n_cols = c->n_cols, .seed = 3};
    options.levels[1] = c->levels;
    made_init(&d->made, &options);
    options.n_rows = c->n_valid;
    options.seed = 4;
    made_init(&d->valid, &options);
    d->y = targets(c, &d->made);
    d->y_valid = targets(c, &d->valid);
    d->weights = tm__mem_alloc(c->n_rows, sizeof(double));
    d->queries = tm__mem_alloc(c->n_rows, sizeof(uint32_t));
    for (uint64_t row = 0; row < c->n_rows; row++) {
        d->queries[row] = (uint32_t)(row / 5);
        d->weights[row] = 1 + (double)(row % 3);
    }
    tm__params_init(&tm__gbdt_ops, &d->params);
    d->params.values[TM_GBDT_TREES] = c->trees;
    d->params.values[TM_GBDT_LEAVES] = c->leaves;
    d->params.values[TM_GBDT_MIN_ROWS] = 1;
    d->params.values[TM_GBDT_ROW_SAMPLE] = c->sample;
    if (c->param[0] != NULL) {
        assert_int_equal(tm__params_set(&tm__gbdt_ops, &d->params, c->param[0], c->param[1], NULL),
                         TM_OK);
    }
    d->in = (tm_fit_input){.task = c->task,
                           .n_classes = c->n_classes,
                           .x = &d->made.view,
                           .y = d->y,
                           .weights = c->weights ? d->weights : NULL,
                           .x_valid = c->n_valid > 0 ? &d->valid.view : NULL,
                           .y_valid = d->y_valid,
                           .queries = c->task == TM_TASK_RANKING ? d->queries : NULL,
                           .queries_valid = c->task == TM_TASK_RANKING ? d->queries : NULL};
}

static void data_done(plan_data *d) {
    tm__mem_free(d->y);
    tm__mem_free(d->y_valid);
    tm__mem_free(d->weights);
    tm__mem_free(d->queries);
    made_done(&d->made);
    made_done(&d->valid);
}

/* Fit; the bytes of the model, and what was allocated for it at the most. */
static tm_status fit(const plan_data *d, tm_pool *pool, uint64_t limit, tm_buf *bytes,
                     uint64_t *out_peak, tm_err *err) {
    tm_ctx ctx = {.pool = pool, .memory_limit = limit > 0 ? tm__mem_bytes() + limit : 0};
    tm_model *model = NULL;
    const uint64_t before = tm__mem_bytes();
    tm__mem_bytes_reset();
    const tm_status st = tm__model_fit(&ctx, &tm__gbdt_ops, &d->in, &d->params, &model, err);
    *out_peak = tm__mem_bytes_peak() - before;
    tm__buf_init(bytes, 1 << 28);
    if (st == TM_OK) {
        assert_true(model->bytes_planned >= before + *out_peak);
        assert_int_equal(model->ops->save(model, bytes, NULL), TM_OK);
        tm__model_free(model);
    }
    return st;
}

static void what_is_allocated_stays_within_the_plan_and_near_it(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        plan_data d;
        tm_gbdt_plan plan;
        tm_buf bytes;
        uint64_t peak = 0;
        tm_pool *pool = tm__pool_create(cases[i].n_threads);
        data_init(&d, &cases[i]);
        assert_int_equal(tm__gbdt_plan(&d.in, &d.params, cases[i].n_threads, 0, &plan, NULL),
                         TM_OK);
        assert_int_equal(fit(&d, pool, 0, &bytes, &peak, NULL), TM_OK);
        assert_true(peak <= plan.total_bytes);
        /* Trees are as many and as large as they may be, which few become. */
        assert_true(plan.total_bytes - plan.tree_bytes < 3 * peak / 2 + (UINT64_C(4) << 20));
        tm__buf_done(&bytes);
        data_done(&d);
        tm__pool_free(pool);
    }
}

static void a_limit_is_kept_and_changes_no_byte_or_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        plan_data d;
        tm_gbdt_plan plan;
        tm_buf want;
        uint64_t peak = 0;
        uint32_t n_fits = 0, n_refused = 0;
        tm_pool *pool = tm__pool_create(cases[i].n_threads);
        data_init(&d, &cases[i]);
        assert_int_equal(tm__gbdt_plan(&d.in, &d.params, cases[i].n_threads, 0, &plan, NULL),
                         TM_OK);
        assert_int_equal(fit(&d, pool, 0, &want, &peak, NULL), TM_OK);
        for (uint32_t part = 0; part < 4; part++) {
            const uint64_t limit = plan.total_bytes / 10 * (10 - 3 * part) + 1000;
            tm_err err = {0};
            tm_buf got;
            const tm_status st = fit(&d, pool, limit, &got, &peak, &err);
            if (st == TM_OK) {
                assert_true(peak <= limit);
                assert_int_equal(got.len, want.len);
                assert_memory_equal(got.data, want.data, got.len);
                n_fits++;
            } else {
                assert_int_equal(st, TM_E_LIMIT);
                assert_non_null(strstr(err.message, "boosting needs "));
                assert_non_null(strstr(err.hint, "Most of it, "));
                assert_true(peak < 4096);
                n_refused++;
            }
            tm__buf_done(&got);
        }
        assert_true(n_fits > 0 && n_refused > 0);
        tm__buf_done(&want);
        data_done(&d);
        tm__pool_free(pool);
    }
}

static void a_smaller_pool_of_histograms_is_tried_before_it_is_refused(void **state) {
    (void)state;
    plan_data d;
    tm_gbdt_plan all, least;
    const plan_case c = {TM_TASK_BINARY, 3000, 0, 16, 0, 1, 2, 3, 255, 1, false, {NULL}};
    data_init(&d, &c);
    assert_int_equal(tm__gbdt_plan(&d.in, &d.params, 1, 0, &all, NULL), TM_OK);
    const uint64_t hist = 16 * 256 * 8;
    const uint64_t limit = all.total_bytes - all.slots_bytes + 10 * (hist + 1);
    assert_int_equal(tm__gbdt_plan(&d.in, &d.params, 1, limit, &least, NULL), TM_OK);
    assert_true(all.slots_bytes == 255 * (hist + 1) && least.slots_bytes == 10 * (hist + 1));
    assert_int_equal(tm__gbdt_plan(&d.in, &d.params, 1, limit - 7 * (hist + 1), &least, NULL),
                     TM_E_LIMIT);
    data_done(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_allocated_stays_within_the_plan_and_near_it),
        cmocka_unit_test(a_limit_is_kept_and_changes_no_byte_or_is_refused),
        cmocka_unit_test(a_smaller_pool_of_histograms_is_tried_before_it_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
