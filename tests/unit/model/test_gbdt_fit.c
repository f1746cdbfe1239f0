/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/pool.h"
#include "made_data.h"
#include "model/gbdt/gbdt_priv.h"

typedef struct fit_data {
    made_data made;
    uint64_t n_rows;
    double *y;
    double *out; /* [n_rows x 3] */
} fit_data;

static void data_init(fit_data *d, tm_task task, const made_options *options) {
    made_init(&d->made, options);
    d->n_rows = options->n_rows;
    d->y = tm__mem_alloc(d->n_rows, sizeof(double));
    d->out = tm__mem_alloc(d->n_rows * 3, sizeof(double));
    for (uint64_t row = 0; row < d->n_rows; row++) {
        const double a = d->made.cols[0][row], b = d->made.cols[1][row];
        const double f = (isnan(a) ? 2 : a * 1.5) + (b > 0 ? 1 : b);
        const double u = made_random(31, row);
        d->y[row] = f + u;
        if (task == TM_TASK_BINARY) {
            d->y[row] = u < tm__sigmoid(2 * f);
        } else if (task == TM_TASK_MULTICLASS) {
            d->y[row] = f + u < -1 ? 0 : (f + u < 1.5 ? 1 : 2);
        }
    }
}

static void data_done(fit_data *d) {
    tm__mem_free(d->y);
    tm__mem_free(d->out);
    made_done(&d->made);
}

static const made_options small = {
    .n_rows = 900, .n_cols = 3, .levels = {0, 0, 9}, .missing = {0.1, 0, 0.1}, .seed = 2};
static const tm_task tasks[] = {TM_TASK_BINARY, TM_TASK_MULTICLASS, TM_TASK_REGRESSION};

static tm_fit_input input_of(const fit_data *d, tm_task task) {
    return (tm_fit_input){.task = task, .n_classes = 3, .x = &d->made.view, .y = d->y, .seed = 7};
}

static void params_init(tm_params *params, double n_trees) {
    tm__params_init(&tm__gbdt_ops, params);
    params->values[TM_GBDT_TREES] = n_trees;
}

static tm_model *fit(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params) {
    tm_model *model = NULL;
    tm_err err = {0};
    if (tm__model_fit(ctx, &tm__gbdt_ops, in, params, &model, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return model;
}

/* Mean loss of a model on the rows of d, in its own task. */
static double loss_of(const tm_model *model, const fit_data *d) {
    tm_ctx ctx = {0};
    const uint32_t k = model->n_outputs;
    double sum = 0;
    assert_int_equal(tm__model_predict(&ctx, model, &d->made.view, d->out, NULL), TM_OK);
    tm__model_link(tm__model_link_of(model), k, d->n_rows, d->out);
    for (uint64_t row = 0; row < d->n_rows; row++) {
        const double *p = d->out + row * k;
        if (model->task == TM_TASK_REGRESSION) {
            sum += (p[0] - d->y[row]) * (p[0] - d->y[row]);
        } else if (model->task == TM_TASK_BINARY) {
            sum -= tm__log(fmax(d->y[row] > 0 ? p[0] : 1 - p[0], 1e-15));
        } else {
            sum -= tm__log(fmax(p[(uint32_t)d->y[row]], 1e-15));
        }
    }
    return sum / (double)d->n_rows;
}

static void bytes_of(const tm_model *model, tm_buf *out) {
    tm__buf_init(out, 1 << 26);
    assert_int_equal(model->ops->save(model, out, NULL), TM_OK);
}

static void each_round_lowers_the_training_loss(void **state) {
    (void)state;
    for (uint32_t t = 0; t < 3; t++) {
        fit_data d;
        tm_ctx ctx = {0};
        data_init(&d, tasks[t], &small);
        const tm_fit_input in = input_of(&d, tasks[t]);
        double before = INFINITY, first = 0;
        for (uint32_t n = 1; n < 60; n += 4) {
            tm_params params;
            params_init(&params, n);
            tm_model *model = fit(&ctx, &in, &params);
            const double loss = loss_of(model, &d);
            assert_int_equal(model->n_rounds, n);
            assert_true(model->work_used == (uint64_t)n * 900 * 3 * model->n_outputs);
            assert_true(loss < before);
            first = n == 1 ? loss : first;
            before = loss;
            tm__model_free(model);
        }
        assert_true(before < 0.6 * first);
        data_done(&d);
    }
}

static void threads_do_not_change_a_byte(void **state) {
    (void)state;
    const made_options large = {
        .n_rows = 30000, .n_cols = 6, .levels = {0, 0, 40}, .missing = {0.1, 0, 0.1}, .seed = 2};
    for (uint32_t t = 0; t < 3; t++) {
        fit_data d;
        data_init(&d, tasks[t], &large);
        tm_buf first = {0};
        for (uint32_t n = 1; n <= 3; n++) {
            tm_ctx ctx = {.pool = tm__pool_create(n)};
            tm_params params;
            params_init(&params, 4);
            params.values[TM_GBDT_ROW_SAMPLE] = 0.8;
            params.values[TM_GBDT_COLUMN_SAMPLE] = 0.7;
            tm_fit_input in = input_of(&d, tasks[t]);
            in.x_valid = &d.made.view;
            in.y_valid = d.y;
            tm_model *model = fit(&ctx, &in, &params);
            tm_buf buf;
            bytes_of(model, &buf);
            if (n == 1) {
                first = buf;
            } else {
                assert_int_equal(buf.len, first.len);
                assert_memory_equal(buf.data, first.data, buf.len);
                tm__buf_done(&buf);
            }
            tm__model_free(model);
            tm__pool_free(ctx.pool);
        }
        tm__buf_done(&first);
        data_done(&d);
    }
}

static void early_stopping_keeps_the_best_round(void **state) {
    (void)state;
    for (uint32_t t = 0; t < 3; t++) {
        fit_data d, valid;
        made_options other = small;
        other.seed = 1000;
        tm_ctx ctx = {0};
        data_init(&d, tasks[t], &small);
        data_init(&valid, tasks[t], &other);
        tm_fit_input in = input_of(&d, tasks[t]);
        in.x_valid = &valid.made.view;
        in.y_valid = valid.y;
        tm_params params;
        params_init(&params, 300);
        params.values[TM_GBDT_STOPPING] = 10;
        tm_model *best = fit(&ctx, &in, &params);
        assert_true(best->n_rounds > 3 && best->n_rounds < 290);
        const double loss = loss_of(best, &valid);
        in.x_valid = NULL;
        for (uint32_t n = best->n_rounds - 2; n <= best->n_rounds + 5; n++) {
            params_init(&params, n);
            tm_model *model = fit(&ctx, &in, &params);
            assert_true(loss_of(model, &valid) >= loss * (1 - 1e-12));
            tm_buf a, b;
            bytes_of(best, &a);
            bytes_of(model, &b);
            if (n == best->n_rounds) { /* all but the work, bytes 24 to 31 */
                assert_int_equal(a.len, b.len);
                assert_memory_equal(a.data + 32, b.data + 32, a.len - 32);
            }
            tm__buf_done(&a);
            tm__buf_done(&b);
            tm__model_free(model);
        }
        tm__model_free(best);
        data_done(&d);
        data_done(&valid);
    }
}

static void a_spent_budget_keeps_the_trees_so_far_and_repeats(void **state) {
    (void)state;
    fit_data d;
    data_init(&d, TM_TASK_BINARY, &small);
    const tm_fit_input in = input_of(&d, TM_TASK_BINARY);
    tm_params params;
    params_init(&params, 50);
    tm_budget budget = {.work_limit = 900 * 3 * 6 - 1};
    tm_ctx ctx = {.budget = &budget};
    tm_model *model = fit(&ctx, &in, &params);
    assert_true(model->n_rounds == 6 && budget.is_cut && !budget.clock_cut);
    tm__model_free(model);
    budget = (tm_budget){.work_limit = 1}; /* one round at least */
    model = fit(&ctx, &in, &params);
    assert_int_equal(model->n_rounds, 1);
    tm__model_free(model);
    data_done(&d);
}

static void a_cancelled_fit_says_so(void **state) {
    (void)state;
    fit_data d;
    data_init(&d, TM_TASK_BINARY, &small);
    const tm_fit_input in = input_of(&d, TM_TASK_BINARY);
    volatile _Atomic bool cancel = true;
    tm_ctx ctx = {.cancel = &cancel};
    tm_params params;
    tm_model *model = NULL;
    params_init(&params, 5);
    assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, NULL),
                     TM_E_CANCELLED);
    assert_null(model);
    data_done(&d);
}

static void a_weight_of_two_is_a_row_given_twice(void **state) {
    (void)state;
    for (uint32_t t = 0; t < 3; t++) {
        fit_data d;
        tm_ctx ctx = {0};
        made_options options = small;
        options.n_rows = 1200; /* the last 400 repeat the first */
        data_init(&d, tasks[t], &options);
        for (uint32_t c = 0; c < 3; c++) {
            double *cells = d.made.cells + c * 1200;
            memcpy(cells + 800, cells, 400 * sizeof(double));
        }
        memcpy(d.y + 800, d.y, 400 * sizeof(double));
        tm_params params;
        params_init(&params, 20);
        params.values[TM_GBDT_MIN_ROWS] = 1;
        params.values[TM_GBDT_LEAVES] = 8;
        tm_fit_input in = input_of(&d, tasks[t]);
        tm_model *twice = fit(&ctx, &in, &params);
        double weights[800];
        tm_view view = d.made.view;
        const double *cols[3];
        for (uint32_t row = 0; row < 800; row++) {
            weights[row] = row < 400 ? 6 : 3; /* only ratios count */
        }
        for (uint32_t c = 0; c < 3; c++) {
            cols[c] = d.made.cols[c];
        }
        view.n_rows = 800;
        view.cols = cols;
        in.x = &view;
        in.weights = weights;
        tm_model *weighted = fit(&ctx, &in, &params);
        const double a = loss_of(twice, &d), b = loss_of(weighted, &d);
        assert_true(fabs(a - b) < 0.02 * a);
        tm__model_free(twice);
        tm__model_free(weighted);
        data_done(&d);
    }
}

static void a_target_of_one_value_is_answered_with_it(void **state) {
    (void)state;
    for (uint32_t t = 0; t < 3; t++) {
        fit_data d;
        tm_ctx ctx = {0};
        data_init(&d, tasks[t], &small);
        for (uint64_t row = 0; row < d.n_rows; row++) {
            d.y[row] = 1;
        }
        const tm_fit_input in = input_of(&d, tasks[t]);
        tm_params params;
        params_init(&params, 20);
        tm_model *model = fit(&ctx, &in, &params);
        assert_true(loss_of(model, &d) < 1e-9);
        assert_int_equal(model->n_rounds, 1);
        tm__model_free(model);
        data_done(&d);
    }
}

static void rows_of_no_weight_say_nothing(void **state) {
    (void)state;
    for (uint32_t t = 0; t < 3; t++) {
        fit_data d;
        tm_ctx ctx = {0};
        tm_buf bytes[2];
        double weights[900];
        data_init(&d, tasks[t], &small);
        for (uint32_t row = 0; row < 900; row++) {
            weights[row] = row % 3 == 0 ? 0 : 1 + row % 5;
        }
        for (uint32_t i = 0; i < 2; i++) {
            tm_params params;
            params_init(&params, 10);
            tm_fit_input in = input_of(&d, tasks[t]);
            in.weights = weights;
            tm_model *model = fit(&ctx, &in, &params);
            bytes_of(model, &bytes[i]);
            tm__model_free(model);
            for (uint32_t row = 0; row < 900; row += 3) { /* what they say is turned round */
                d.y[row] = tasks[t] == TM_TASK_REGRESSION   ? -1e298 * d.y[row]
                           : tasks[t] == TM_TASK_MULTICLASS ? 2 - d.y[row]
                                                            : 1 - d.y[row];
            }
        }
        assert_int_equal(bytes[0].len, bytes[1].len);
        assert_memory_equal(bytes[0].data, bytes[1].data, bytes[0].len);
        tm__buf_done(&bytes[0]);
        tm__buf_done(&bytes[1]);
        data_done(&d);
    }
}

/* One row of 10^30 beside rows of 1, or all rows of 10^30, or of 10^-30: answers are finite, and
 * are those of the heavy rows. */
static void weights_of_any_size_give_answers(void **state) {
    (void)state;
    for (uint32_t t = 0; t < 9; t++) {
        const tm_task task = tasks[t % 3];
        fit_data d;
        tm_ctx ctx = {0};
        double weights[900], raw[900 * 3];
        data_init(&d, task, &small);
        for (uint32_t row = 0; row < 900; row++) {
            weights[row] = t < 3 ? (row == 17 ? 1e30 : 1) : t < 6 ? 1e30 : 1e-30;
        }
        tm_params params;
        params_init(&params, 10);
        tm_fit_input in = input_of(&d, task);
        in.weights = weights;
        tm_model *model = fit(&ctx, &in, &params);
        assert_int_equal(tm__model_predict(&ctx, model, in.x, raw, NULL), TM_OK);
        for (uint32_t i = 0; i < 900 * model->n_outputs; i++) {
            assert_true(isfinite(raw[i]));
        }
        if (t < 3 && task == TM_TASK_REGRESSION) {
            assert_true(fabs(raw[17] - d.y[17]) < 1e-6);
        }
        if (t >= 3) { /* only ratios count */
            const double heavy = loss_of(model, &d);
            tm__model_free(model);
            in.weights = NULL;
            model = fit(&ctx, &in, &params);
            assert_true(fabs(loss_of(model, &d) - heavy) < 0.02 * heavy);
        }
        tm__model_free(model);
        data_done(&d);
    }
}

static void columns_of_one_value_are_passed_over(void **state) {
    (void)state;
    for (uint32_t t = 0; t < 3; t++) {
        fit_data d;
        tm_ctx ctx = {0};
        tm_params params;
        data_init(&d, tasks[t], &small);
        for (uint32_t c = 0; c < 3; c++) {
            for (uint64_t row = 0; row < d.n_rows; row++) {
                d.made.cells[c * d.n_rows + row] = c == 1 ? INFINITY : 3;
            }
        }
        const tm_fit_input in = input_of(&d, tasks[t]);
        params_init(&params, 10);
        tm_model *model = fit(&ctx, &in, &params);
        const tm_forest *forest = &((const tm_gbdt *)model)->forest;
        assert_int_equal(forest->n_nodes, forest->n_trees); /* trees of one leaf each */
        assert_true(isfinite(loss_of(model, &d)));
        assert_int_equal(model->n_rounds, 1);
        tm__model_free(model);
        data_done(&d);
    }
}

/* 40 rows and trees of up to 1024 leaves, and 40 rows of which a leaf wants 30. */
static void leaves_are_no_more_than_rows_allow(void **state) {
    (void)state;
    for (uint32_t t = 0; t < 6; t++) {
        made_options options = small;
        options.n_rows = 40;
        fit_data d;
        tm_ctx ctx = {.pool = tm__pool_create(3)};
        tm_params params;
        data_init(&d, tasks[t % 3], &options);
        const tm_fit_input in = input_of(&d, tasks[t % 3]);
        params_init(&params, 5);
        params.values[TM_GBDT_LEAVES] = 1024;
        params.values[TM_GBDT_MIN_ROWS] = t < 3 ? 1 : 30;
        tm_model *model = fit(&ctx, &in, &params);
        const tm_forest *forest = &((const tm_gbdt *)model)->forest;
        for (uint32_t tree = 0; tree < forest->n_trees; tree++) {
            const uint32_t leaves = tm__forest_leaves(forest, tree);
            assert_true(t < 3 ? leaves > 1 && leaves <= 40 : leaves == 1);
        }
        assert_int_equal(model->n_rounds, t < 3 ? 5 : 1);
        tm__model_free(model);
        tm__pool_free(ctx.pool);
        data_done(&d);
    }
}

typedef struct stop_at {
    volatile _Atomic bool cancel;
    uint32_t left;
} stop_at;

static void count_down(void *arg, const char *stage, uint64_t done, uint64_t total,
                       const char *note) {
    stop_at *s = arg;
    (void)stage;
    (void)done;
    (void)total;
    (void)note;
    s->cancel = --s->left == 0;
}

static void a_fit_may_be_cancelled_after_each_round(void **state) {
    (void)state;
    for (uint32_t t = 0; t < 3; t++) {
        fit_data d;
        tm_params params;
        data_init(&d, tasks[t], &small);
        tm_fit_input in = input_of(&d, tasks[t]);
        in.x_valid = in.x;
        in.y_valid = in.y;
        params_init(&params, 8);
        for (uint32_t at = 1; at <= 8; at++) {
            stop_at stop = {.left = at};
            tm_ctx ctx = {.cancel = &stop.cancel, .progress = count_down, .progress_arg = &stop};
            tm_model *model = NULL;
            const uint64_t alive = tm__mem_alive();
            assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, NULL),
                             TM_E_CANCELLED);
            assert_true(model == NULL && tm__mem_alive() == alive && stop.left == 0);
        }
        data_done(&d);
    }
}

static void odd_shapes_are_learned_from(void **state) {
    (void)state;
    const made_options shapes[] = {
        {.n_rows = 1, .n_cols = 2},
        {.n_rows = 2, .n_cols = 2},
        {.n_rows = 65, .n_cols = 2, .missing = {1, 1}},
        {.n_rows = 65, .n_cols = 2, .levels = {1, 300}},
    };
    for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
        for (uint32_t t = 0; t < 3; t++) {
            fit_data d;
            tm_ctx ctx = {0};
            data_init(&d, tasks[t], &shapes[s]);
            for (uint64_t row = 0; row < d.n_rows; row++) {
                d.y[row] = isfinite(d.y[row]) ? d.y[row] : 0;
            }
            tm_fit_input in = input_of(&d, tasks[t]);
            tm_params params;
            params_init(&params, 3);
            params.values[TM_GBDT_MIN_ROWS] = 1;
            params.values[TM_GBDT_ROW_SAMPLE] = 0.01;
            tm_model *model = fit(&ctx, &in, &params);
            assert_true(isfinite(loss_of(model, &d)));
            tm__model_free(model);
            tm_view empty = {.n_rows = d.n_rows}; /* text only: no dense column at all */
            in.x = &empty;
            model = fit(&ctx, &in, &params);
            assert_true(model->n_rounds > 0);
            tm__model_free(model);
            data_done(&d);
        }
    }
}

/* 60 categories, 20 rows each: half of them mean yes. A number can only say so with many splits. */
static void categories_are_learned_faster_than_their_codes(void **state) {
    (void)state;
    double loss[2];
    for (uint32_t as_number = 0; as_number < 2; as_number++) {
        made_options options = {.n_rows = 4000, .n_cols = 2, .levels = {60}, .seed = 3};
        fit_data d;
        tm_ctx ctx = {0};
        data_init(&d, TM_TASK_REGRESSION, &options);
        for (uint64_t row = 0; row < d.n_rows; row++) {
            const double yes = made_random(50, (uint64_t)d.made.cols[0][row]) < 0.5;
            d.y[row] = made_random(51, row) < 0.2 + 0.6 * yes;
        }
        d.made.features[0].is_categorical = as_number == 0;
        const tm_fit_input in = input_of(&d, TM_TASK_BINARY);
        tm_params params;
        params_init(&params, 10);
        params.values[TM_GBDT_LEAVES] = 4;
        tm_model *model = fit(&ctx, &in, &params);
        loss[as_number] = loss_of(model, &d);
        tm__model_free(model);
        data_done(&d);
    }
    assert_true(loss[0] < loss[1] - 0.05);
}

/* 70,000 levels, the most frequent first, each with an answer of its own: as codes of a category
 * the frequent ones are told apart; as a number they are not, because neighbours have nothing in
 * common. */
static void seventy_thousand_categories_are_no_number(void **state) {
    (void)state;
    const uint32_t levels = 70000, n_rows = 60000;
    double loss[2];
    for (uint32_t as_number = 0; as_number < 2; as_number++) {
        made_options options = {.n_rows = n_rows, .n_cols = 2, .levels = {levels}, .seed = 3};
        fit_data d;
        tm_ctx ctx = {.pool = tm__pool_create(2)};
        data_init(&d, TM_TASK_REGRESSION, &options);
        for (uint64_t row = 0; row < n_rows; row++) {
            const double u = made_random(60, row); /* of about 11 decades: few are frequent */
            const double code = floor(tm__exp(u * tm__log(levels + 1.0))) - 1;
            d.made.cells[row] = fmin(fmax(code, 0), levels - 1);
            d.y[row] = 4 * made_random(61, (uint64_t)d.made.cells[row]) + made_random(62, row);
        }
        d.made.features[0].is_categorical = as_number == 0;
        const tm_fit_input in = input_of(&d, TM_TASK_REGRESSION);
        tm_params params;
        params_init(&params, 20);
        tm_model *model = fit(&ctx, &in, &params);
        loss[as_number] = loss_of(model, &d);
        if (as_number == 0) {
            /* Rows alone and in a batch agree, and what is rare is one with what is missing. */
            double rare = 0, missing = 0;
            for (uint64_t row = 0; row < 2000; row++) {
                const double *cols[MADE_COLS_MAX];
                double out, x;
                const tm_view view = made_row(&d.made, row, cols);
                tm__model_predict_row(model, &view, &out);
                assert_true(out == d.out[row]);
                cols[0] = &x;
                x = 69999 - (double)row * 30;
                tm__model_predict_row(model, &view, &rare);
                x = NAN;
                tm__model_predict_row(model, &view, &missing);
                assert_true(rare == missing);
            }
        }
        tm__model_free(model);
        tm__pool_free(ctx.pool);
        data_done(&d);
    }
    /* What nobody can know: the spread of the half of the rows whose levels are rare, and noise. */
    assert_true(loss[0] < 1.03 * (0.503 * 16.0 / 12 + 1.0 / 12) && loss[0] < 0.85 * loss[1]);
}

static void what_is_missing_is_learned(void **state) {
    (void)state;
    made_options options = {.n_rows = 3000, .n_cols = 2, .missing = {0.3}, .seed = 3};
    fit_data d;
    tm_ctx ctx = {0};
    data_init(&d, TM_TASK_REGRESSION, &options);
    for (uint64_t row = 0; row < d.n_rows; row++) {
        const double x = d.made.cols[0][row];
        d.y[row] = isnan(x) ? 5 : (x > 1 ? 5 : 0); /* missing goes with the large ones */
    }
    const tm_fit_input in = input_of(&d, TM_TASK_REGRESSION);
    tm_params params;
    params_init(&params, 1);
    params.values[TM_GBDT_LEAVES] = 2;
    params.values[TM_GBDT_RATE] = 1;
    tm_model *model = fit(&ctx, &in, &params);
    assert_true(loss_of(model, &d) < 0.05);
    tm__model_free(model);
    data_done(&d);
}

static void it_fails_cleanly_at_each_allocation(void **state) {
    (void)state;
    made_options options = small;
    options.n_rows = 60;
    fit_data d;
    tm_ctx ctx = {0};
    data_init(&d, TM_TASK_MULTICLASS, &options);
    tm_fit_input in = input_of(&d, TM_TASK_MULTICLASS);
    in.x_valid = in.x;
    in.y_valid = in.y;
    tm_params params;
    params_init(&params, 2);
    params.values[TM_GBDT_ROW_SAMPLE] = 0.9;
    params.values[TM_GBDT_COLUMN_SAMPLE] = 0.9;
    const uint64_t alive = tm__mem_alive();
    tm_model *model = NULL;
    tm_status st = TM_E_NOMEM;
    uint64_t n = 1;
    for (; st != TM_OK; n++) {
        tm__mem_fail_at(n, false);
        st = tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || (st == TM_E_NOMEM && model == NULL && tm__mem_alive() == alive));
    }
    assert_true(n > 30);
    tm__model_free(model);
    data_done(&d);
}

static void explanations_sum_to_the_score(void **state) {
    (void)state;
    for (uint32_t t = 0; t < 3; t++) {
        fit_data d;
        tm_ctx ctx = {0};
        data_init(&d, tasks[t], &small);
        const tm_fit_input in = input_of(&d, tasks[t]);
        tm_params params;
        params_init(&params, 30);
        tm_model *model = fit(&ctx, &in, &params);
        for (uint64_t row = 0; row < 50; row++) {
            const double *cols[MADE_COLS_MAX];
            double out[3 * 5], raw[3];
            const tm_view view = made_row(&d.made, row, cols);
            assert_int_equal(tm__model_explain(model, &view, out, NULL), TM_OK);
            tm__model_predict_row(model, &view, raw);
            for (uint32_t k = 0; k < model->n_outputs; k++) {
                const double *line = out + k * 5;
                assert_true(line[3] == 0);
                assert_true(fabs(line[0] + line[1] + line[2] + line[4] - raw[k]) < 1e-9);
            }
        }
        tm__model_free(model);
        data_done(&d);
    }
}

static void some_rounds_and_then_more_are_all_at_once(void **state) {
    (void)state;
    const made_options shape = {
        .n_rows = 5000, .n_cols = 4, .levels = {0, 0, 40}, .missing = {0.1, 0, 0.1}, .seed = 2};
    for (uint32_t t = 0; t < 9; t++) {
        const tm_task task = tasks[t % 3];
        fit_data d;
        data_init(&d, task, &shape);
        tm_fit_input in = input_of(&d, task);
        tm_params params;
        tm_buf once, parts;
        tm_ctx ctx = {.pool = tm__pool_create(1 + t % 2)};
        const uint32_t n = 12, cut = 1 + 5 * (t / 3), second = cut == 11 ? 12 : cut + 2;
        params_init(&params, n);
        params.values[TM_GBDT_ROW_SAMPLE] = t % 2 == 0 ? 0.7 : 1;
        params.values[TM_GBDT_COLUMN_SAMPLE] = t % 4 == 0 ? 0.5 : 1;
        tm_model *whole = fit(&ctx, &in, &params);
        bytes_of(whole, &once);
        const uint32_t stops[] = {cut, second, n};
        tm_model *model = NULL;
        for (uint32_t s = 0; s < 3 && (model == NULL || model->n_rounds < n); s++) {
            params.values[TM_GBDT_TREES] = stops[s] - (model != NULL ? model->n_rounds : 0);
            in.base = model;
            tm_model *next = fit(&ctx, &in, &params);
            assert_int_equal(next->n_rounds, stops[s]);
            tm__model_free(model);
            model = next;
        }
        bytes_of(model, &parts);
        assert_int_equal(once.len, parts.len);
        assert_memory_equal(once.data, parts.data, once.len);
        tm__buf_done(&once);
        tm__buf_done(&parts);
        tm__model_free(whole);
        tm__model_free(model);
        tm__pool_free(ctx.pool);
        data_done(&d);
    }
}

static void a_model_goes_on_with_new_rows_and_keeps_its_trees(void **state) {
    (void)state;
    made_options other = small;
    other.seed = 99;
    for (uint32_t t = 0; t < 3; t++) {
        fit_data d, fresh;
        tm_ctx ctx = {0};
        tm_params params;
        data_init(&d, tasks[t], &small);
        data_init(&fresh, tasks[t], &other);
        for (uint64_t row = 0; row < fresh.n_rows; row++) { /* the world has turned */
            fresh.y[row] = tasks[t] == TM_TASK_REGRESSION   ? 20 - fresh.y[row]
                           : tasks[t] == TM_TASK_MULTICLASS ? 2 - fresh.y[row]
                                                            : 1 - fresh.y[row];
        }
        tm_fit_input in = input_of(&d, tasks[t]);
        params_init(&params, 15);
        tm_model *old = fit(&ctx, &in, &params);
        in = input_of(&fresh, tasks[t]);
        in.base = old;
        in.x_valid = &fresh.made.view;
        in.y_valid = fresh.y;
        params_init(&params, 40);
        tm_model *model = fit(&ctx, &in, &params);
        const tm_forest *a = &((const tm_gbdt *)old)->forest,
                        *b = &((const tm_gbdt *)model)->forest;
        assert_int_equal(model->n_rounds, 55);
        assert_memory_equal(a->nodes, b->nodes, a->n_nodes * sizeof(tm_tree_node));
        assert_memory_equal(a->values, b->values, a->n_nodes * sizeof(double));
        assert_true(loss_of(model, &fresh) < 0.6 * loss_of(old, &fresh));
        tm__model_free(model);
        in.x_valid = &d.made.view; /* no new tree helps on the old rows: none is kept */
        in.y_valid = d.y;
        model = fit(&ctx, &in, &params);
        assert_int_equal(model->n_rounds, 15);
        assert_true(loss_of(model, &d) == loss_of(old, &d));
        tm__model_free(model);
        tm__model_free(old);
        data_done(&d);
        data_done(&fresh);
    }
}

static void what_a_fit_cannot_go_on_from_is_refused(void **state) {
    (void)state;
    fit_data d;
    tm_ctx ctx = {0};
    tm_params params;
    tm_model *model = NULL;
    data_init(&d, TM_TASK_BINARY, &small);
    tm_fit_input in = input_of(&d, TM_TASK_BINARY);
    params_init(&params, 2);
    tm_model *old = fit(&ctx, &in, &params);
    in.base = old;
    tm_view narrow = d.made.view;
    narrow.n_cols = 2;
    in.x = &narrow;
    assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, NULL), TM_E_INVALID);
    in.x = &d.made.view;
    in.task = TM_TASK_REGRESSION;
    assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, NULL), TM_E_INVALID);
    in.task = TM_TASK_BINARY;
    const tm_model_ops *linear = tm__model_find("linear");
    tm__params_init(linear, &params);
    assert_int_equal(tm__model_fit(&ctx, linear, &in, &params, &model, NULL), TM_E_UNSUPPORTED);
    assert_null(model);
    tm__model_free(old);
    data_done(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_round_lowers_the_training_loss),
        cmocka_unit_test(threads_do_not_change_a_byte),
        cmocka_unit_test(early_stopping_keeps_the_best_round),
        cmocka_unit_test(a_spent_budget_keeps_the_trees_so_far_and_repeats),
        cmocka_unit_test(a_cancelled_fit_says_so),
        cmocka_unit_test(a_weight_of_two_is_a_row_given_twice),
        cmocka_unit_test(a_target_of_one_value_is_answered_with_it),
        cmocka_unit_test(rows_of_no_weight_say_nothing),
        cmocka_unit_test(weights_of_any_size_give_answers),
        cmocka_unit_test(columns_of_one_value_are_passed_over),
        cmocka_unit_test(leaves_are_no_more_than_rows_allow),
        cmocka_unit_test(a_fit_may_be_cancelled_after_each_round),
        cmocka_unit_test(odd_shapes_are_learned_from),
        cmocka_unit_test(categories_are_learned_faster_than_their_codes),
        cmocka_unit_test(seventy_thousand_categories_are_no_number),
        cmocka_unit_test(what_is_missing_is_learned),
        cmocka_unit_test(it_fails_cleanly_at_each_allocation),
        cmocka_unit_test(explanations_sum_to_the_score),
        cmocka_unit_test(some_rounds_and_then_more_are_all_at_once),
        cmocka_unit_test(a_model_goes_on_with_new_rows_and_keeps_its_trees),
        cmocka_unit_test(what_a_fit_cannot_go_on_from_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
