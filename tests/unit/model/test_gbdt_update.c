/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/pool.h"
#include "made_data.h"
#include "metric/metric.h"
#include "model/gbdt/gbdt_priv.h"

enum { ROWS = 900, TREES = 30 };

/* Rows whose target turns round when is_turned. */
typedef struct update_data {
    made_data made;
    double y[ROWS];
    tm_fit_input in;
} update_data;

static void data_init(update_data *d, tm_task task, uint64_t seed, bool is_turned) {
    const made_options options = {
        .n_rows = ROWS, .n_cols = 3, .levels = {0, 0, 9}, .missing = {0.1, 0, 0.1}, .seed = seed};
    made_init(&d->made, &options);
    for (uint64_t row = 0; row < ROWS; row++) {
        const double a = d->made.cols[0][row], b = d->made.cols[1][row];
        const double f = ((isnan(a) ? 2 : a * 1.5) + (b > 0 ? 1 : b)) * (is_turned ? -1 : 1);
        const double u = made_random(seed + 30, row);
        d->y[row] = task == TM_TASK_BINARY       ? (double)(u < tm__sigmoid(2 * f))
                    : task == TM_TASK_MULTICLASS ? (f + u < -1 ? 0 : (f + u < 1.5 ? 1 : 2))
                                                 : 5 + f + u;
    }
    d->in =
        (tm_fit_input){.task = task, .n_classes = 3, .x = &d->made.view, .y = d->y, .seed = seed};
}

static tm_model *fit(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params) {
    tm_model *model = NULL;
    tm_err err = {0};
    if (tm__model_fit(ctx, &tm__gbdt_ops, in, params, &model, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return model;
}

static tm_params params_of(tm_objective objective) {
    tm_params params;
    tm__params_init(&tm__gbdt_ops, &params);
    params.values[TM_GBDT_TREES] = TREES;
    params.values[TM_GBDT_OBJECTIVE] = objective;
    return params;
}

static tm_buf bytes_of(const tm_model *model) {
    tm_buf bytes;
    tm__buf_init(&bytes, (size_t)1 << 24);
    assert_int_equal(tm__gbdt_ops.save(model, &bytes, NULL), TM_OK);
    return bytes;
}

/* Mean loss of the task: of squares, or of logs. */
static double loss_of(tm_ctx *ctx, const tm_model *model, const update_data *d) {
    const uint32_t k = model->n_outputs;
    double *const out = tm__mem_alloc((size_t)ROWS * k, sizeof(double)), score = 0;
    assert_non_null(out);
    assert_int_equal(tm__model_predict(ctx, model, &d->made.view, out, NULL), TM_OK);
    tm__model_link(tm__model_link_of(model), k, ROWS, out);
    const tm_score_input in = {
        .task = d->in.task, .n_classes = 3, .n_rows = ROWS, .y = d->y, .pred = out};
    const tm_metric_ops *const metric =
        tm__metric_find(d->in.task == TM_TASK_REGRESSION ? "rmse" : "logloss");
    assert_int_equal(tm__metric_score(metric, &in, &score, NULL), TM_OK);
    tm__mem_free(out);
    return score;
}

static const struct {
    tm_task task;
    tm_objective objective;
} kinds[] = {{TM_TASK_BINARY, TM_OBJECTIVE_AUTO},      {TM_TASK_MULTICLASS, TM_OBJECTIVE_AUTO},
             {TM_TASK_REGRESSION, TM_OBJECTIVE_AUTO},  {TM_TASK_REGRESSION, TM_OBJECTIVE_ABSOLUTE},
             {TM_TASK_REGRESSION, TM_OBJECTIVE_HUBER}, {TM_TASK_REGRESSION, TM_OBJECTIVE_POISSON}};

/* In the loss that each objective lowers, whatever it is, turned rows cost less afterwards. */
static void a_world_that_has_turned_moves_the_leaves(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        update_data old, turned;
        tm_ctx ctx = {0};
        const tm_params params = params_of(kinds[i].objective);
        data_init(&old, kinds[i].task, 2, false);
        data_init(&turned, kinds[i].task, 3, true);
        if (kinds[i].objective == TM_OBJECTIVE_POISSON) {
            for (uint64_t row = 0; row < ROWS; row++) {
                old.y[row] = fmax(old.y[row], 0);
                turned.y[row] = fmax(turned.y[row], 0);
            }
        }
        tm_model *const base = fit(&ctx, &old.in, &params);
        turned.in.base = base;
        turned.in.is_update = true;
        tm_model *const moved = fit(&ctx, &turned.in, &params);
        assert_true(loss_of(&ctx, moved, &turned) < loss_of(&ctx, base, &turned));
        const tm_forest *const a = &((const tm_gbdt *)base)->forest;
        const tm_forest *const b = &((const tm_gbdt *)moved)->forest;
        assert_int_equal(a->n_nodes, b->n_nodes);
        assert_memory_equal(a->nodes, b->nodes, a->n_nodes * sizeof(*a->nodes));
        assert_int_equal(moved->n_rounds, base->n_rounds);
        tm__model_free(moved);
        tm__model_free(base);
        made_done(&turned.made);
        made_done(&old.made);
    }
}

static void the_bytes_do_not_depend_on_threads_and_load_again(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) - 1; i++) {
        update_data old, turned;
        const tm_params params = params_of(kinds[i].objective);
        tm_buf first;
        data_init(&old, kinds[i].task, 2, false);
        data_init(&turned, kinds[i].task, 3, true);
        tm_ctx alone = {0};
        tm_model *const base = fit(&alone, &old.in, &params);
        turned.in.base = base;
        turned.in.is_update = true;
        for (uint32_t n_threads = 1; n_threads <= 4; n_threads *= 2) {
            tm_ctx ctx = {.pool = n_threads > 1 ? tm__pool_create(n_threads) : NULL};
            tm_model *const moved = fit(&ctx, &turned.in, &params);
            tm_buf bytes = bytes_of(moved);
            if (n_threads == 1) {
                tm_model *loaded = NULL;
                assert_int_equal(tm__gbdt_ops.load(bytes.data, bytes.len, &loaded, NULL), TM_OK);
                tm__model_free(loaded);
                first = bytes;
            } else {
                assert_int_equal(bytes.len, first.len);
                assert_memory_equal(bytes.data, first.data, first.len);
                tm__buf_done(&bytes);
            }
            tm__model_free(moved);
            tm__pool_free(ctx.pool);
        }
        tm__buf_done(&first);
        tm__model_free(base);
        made_done(&turned.made);
        made_done(&old.made);
    }
}

/* One surprising row beside the many that a leaf stands on. */
static void a_row_alone_hardly_moves_a_leaf(void **state) {
    (void)state;
    update_data old;
    tm_ctx ctx = {0};
    const tm_params params = params_of(TM_OBJECTIVE_AUTO);
    double row_cols[3], y = 0, before, after;
    const double *cols[3] = {&row_cols[0], &row_cols[1], &row_cols[2]};
    data_init(&old, TM_TASK_BINARY, 2, false);
    tm_model *const base = fit(&ctx, &old.in, &params);
    for (uint32_t c = 0; c < 3; c++) {
        row_cols[c] = old.made.cols[c][0];
    }
    const tm_view row = {.n_rows = 1, .n_cols = 3, .cols = cols};
    tm__model_predict_row(base, &row, &before);
    y = before > 0 ? 0 : 1;
    tm_fit_input one = old.in;
    one.x = &row;
    one.y = &y;
    one.base = base;
    one.is_update = true;
    tm_model *const moved = fit(&ctx, &one, &params);
    tm__model_predict_row(moved, &row, &after);
    assert_true(after != before && fabs(after - before) < 1);
    assert_true((after < before) == (before > 0));
    tm__model_free(moved);
    tm__model_free(base);
    made_done(&old.made);
}

static void what_cannot_be_updated_is_refused(void **state) {
    (void)state;
    update_data old;
    tm_ctx ctx = {0};
    const tm_params params = params_of(TM_OBJECTIVE_AUTO);
    const tm_params absolute = params_of(TM_OBJECTIVE_ABSOLUTE);
    const tm_column_rule rules[3] = {{.monotone = 1}, {.input = 1}, {.input = 2}};
    tm_model *none = NULL;
    data_init(&old, TM_TASK_REGRESSION, 2, false);
    tm_model *const base = fit(&ctx, &old.in, &params);
    tm_fit_input in = old.in;
    in.base = base;
    in.is_update = true;
    assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &absolute, &none, NULL), TM_E_INVALID);
    in.rules = rules;
    assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &none, NULL),
                     TM_E_UNSUPPORTED);
    assert_null(none);
    tm__model_free(base);
    made_done(&old.made);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_world_that_has_turned_moves_the_leaves),
        cmocka_unit_test(the_bytes_do_not_depend_on_threads_and_load_again),
        cmocka_unit_test(a_row_alone_hardly_moves_a_leaf),
        cmocka_unit_test(what_cannot_be_updated_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
