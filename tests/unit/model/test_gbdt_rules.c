/* SPDX-License-Identifier: Apache-2.0 */
/* What a person may demand of trees: monotone columns, groups of columns, least leaves and gains.
 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/pool.h"
#include "made_data.h"
#include "model/gbdt/gbdt_priv.h"

enum { ROWS = 2500, COLS = 4, STEPS = 61 };

typedef struct rules_data {
    made_data made;
    double y[ROWS];
} rules_data;

/* Columns 0 and 1 are numbers, 2 a category, 3 a number with missing values. The target rises along
 * column 0 in the mean, but waves so much that free trees follow the waves down. */
static void data_init(rules_data *d, tm_task task, uint64_t seed) {
    const made_options options = {.n_rows = ROWS,
                                  .n_cols = COLS,
                                  .levels = {0, 0, 9, 0},
                                  .missing = {0.05, 0, 0.1, 0.3},
                                  .seed = seed};
    made_init(&d->made, &options);
    for (uint64_t row = 0; row < ROWS; row++) {
        const double a = d->made.cols[0][row], b = d->made.cols[1][row], c = d->made.cols[2][row];
        const double x = isnan(a) ? 0 : a;
        const double f = 0.5 * x + tm__sin(5 * x) - 0.7 * b * b + 0.4 * x * b +
                         (isnan(c) ? 0 : (double)((uint32_t)c % 3) * 0.4 * x);
        const double u = made_random(seed + 77, row);
        d->y[row] = task == TM_TASK_BINARY ? (double)(u < tm__sigmoid(f)) : f + u;
    }
}

static tm_model *model_fit(const tm_fit_input *in, const tm_params *params) {
    tm_ctx ctx = {0};
    tm_model *model = NULL;
    tm_err err = {0};
    if (tm__model_fit(&ctx, &tm__gbdt_ops, in, params, &model, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return model;
}

/* Steps against the order `way` along a column, over all rows and a grid of its values. */
static uint64_t falls(const tm_model *model, const made_data *made, uint32_t col, int way) {
    uint64_t n = 0;
    for (uint64_t row = 0; row < made->view.n_rows; row++) {
        const double *cols[MADE_COLS_MAX];
        tm_view view = made_row(made, row, cols);
        double x, before = 0;
        cols[col] = &x;
        for (uint32_t step = 0; step < STEPS; step++) {
            double out;
            x = -2.2 + 4.4 * step / (STEPS - 1);
            tm__model_predict_row(model, &view, &out);
            n += step > 0 && (way > 0 ? out < before : out > before);
            before = out;
        }
    }
    return n;
}

static void a_monotone_column_is_monotone_for_every_row(void **state) {
    (void)state;
    const struct {
        double leaves, rate, l1, l2, sample, value_max;
        int way[2];
    } cases[] = {
        {31, 0.1, 0, 0, 1, 0, {1, 0}},     {31, 0.3, 0, 1, 1, 0, {-1, 0}},
        {8, 1, 3, 0, 1, 0, {1, -1}},       {63, 0.2, 0, 0, 0.5, 0, {1, 1}},
        {15, 0.5, 0.5, 5, 1, 0.1, {1, 0}}, {2, 0.3, 0, 0, 1, 0, {-1, -1}},
    };
    uint64_t n_free = 0;
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (uint32_t t = 0; t < 2; t++) {
            const tm_task task = t == 0 ? TM_TASK_BINARY : TM_TASK_REGRESSION;
            rules_data d;
            tm_params params;
            data_init(&d, task, 10 + i);
            tm__params_init(&tm__gbdt_ops, &params);
            params.values[TM_GBDT_TREES] = 25;
            params.values[TM_GBDT_LEAVES] = cases[i].leaves;
            params.values[TM_GBDT_RATE] = cases[i].rate;
            params.values[TM_GBDT_L1] = cases[i].l1;
            params.values[TM_GBDT_L2] = cases[i].l2;
            params.values[TM_GBDT_ROW_SAMPLE] = cases[i].sample;
            params.values[TM_GBDT_VALUE_MAX] = cases[i].value_max;
            params.values[TM_GBDT_MIN_ROWS] = 5;
            tm_column_rule rules[COLS] = {{.monotone = (int8_t)cases[i].way[0]},
                                          {.monotone = (int8_t)cases[i].way[1]}};
            tm_fit_input in = {
                .task = task, .x = &d.made.view, .y = d.y, .seed = i, .rules = rules};
            tm_model *model = model_fit(&in, &params);
            double gains[COLS + 1];
            model->ops->importance(model, gains);
            for (uint32_t c = 0; c < 2; c++) {
                if (cases[i].way[c] != 0) {
                    assert_true(falls(model, &d.made, c, cases[i].way[c]) == 0);
                }
            }
            if (cases[i].way[0] > 0) {
                assert_true(gains[0] > 0.01); /* the column is used all the same */
            }
            tm__model_free(model);
            in.rules = NULL;
            model = model_fit(&in, &params);
            n_free += falls(model, &d.made, 0, cases[i].way[0]) > 0; /* the test can fail */
            tm__model_free(model);
            made_done(&d.made);
        }
    }
    assert_int_equal(n_free, 12);
}

static void what_cannot_be_monotone_is_refused(void **state) {
    (void)state;
    rules_data d;
    tm_ctx ctx = {0};
    tm_params params;
    tm_model *model = NULL;
    tm_err err;
    data_init(&d, TM_TASK_BINARY, 4);
    d.made.features[2].name = "colour";
    tm__params_init(&tm__gbdt_ops, &params);
    tm_column_rule rules[COLS] = {{.monotone = 0}, {.monotone = 0}, {.monotone = 1}};
    tm_fit_input in = {
        .task = TM_TASK_BINARY, .x = &d.made.view, .y = d.y, .rules = rules, .n_classes = 3};
    assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, &err), TM_E_INVALID);
    assert_string_equal(err.message, "column 'colour' has categories, which have no order");
    rules[2].monotone = 0;
    rules[0].monotone = 1;
    in.task = TM_TASK_MULTICLASS;
    assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, &err),
                     TM_E_UNSUPPORTED);
    in.task = TM_TASK_BINARY;
    const tm_model_ops *linear = tm__model_find("linear");
    tm__params_init(linear, &params);
    assert_int_equal(tm__model_fit(&ctx, linear, &in, &params, &model, &err), TM_E_UNSUPPORTED);
    assert_string_equal(err.message, "learner 'linear' cannot keep rules of columns");
    assert_null(model);
    made_done(&d.made);
}

/* Each path's columns lie in one group, or all come from one input. */
static void check_paths(const tm_forest *forest, uint32_t at, const tm_column_rule *rules,
                        uint64_t seen, uint32_t *out_widest) {
    const tm_tree_node *node = &forest->nodes[at];
    if ((node->meta & TM_NODE_LEAF) == 0) {
        seen |= UINT64_C(1) << (node->meta & TM_NODE_COLUMN);
        check_paths(forest, node->left, rules, seen, out_widest);
        check_paths(forest, node->left + 1, rules, seen, out_widest);
        return;
    }
    uint64_t groups = UINT64_MAX;
    uint32_t n = 0, input = UINT32_MAX;
    bool one_input = true;
    for (uint32_t c = 0; c < COLS; c++) {
        if (((seen >> c) & 1) != 0) {
            groups &= rules[c].groups;
            one_input = one_input && (n == 0 || rules[c].input == input);
            input = rules[c].input;
            n++;
        }
    }
    *out_widest = n > *out_widest ? n : *out_widest;
    assert_true(n == 0 || groups != 0 || one_input);
}

static void columns_act_together_only_within_their_groups(void **state) {
    (void)state;
    rules_data d;
    tm_params params;
    data_init(&d, TM_TASK_REGRESSION, 8);
    tm__params_init(&tm__gbdt_ops, &params);
    params.values[TM_GBDT_TREES] = 20;
    params.values[TM_GBDT_MIN_ROWS] = 5;
    const struct {
        tm_column_rule rules[COLS];
        uint32_t widest; /* columns on the widest path */
    } cases[] = {
        {{{0, 0, 1}, {0, 1, 1}, {0, 2, 2}, {0, 3, 2}}, 2},
        {{{0, 0, 1}, {0, 1, 3}, {0, 2, 2}, {0, 3, 0}}, 2},
        {{{0, 0, 0}, {0, 1, 0}, {0, 2, 0}, {0, 3, 0}}, 1},
        {{{0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 3, 0}}, 3}, /* one input makes three of them */
        {{{1, 0, 7}, {-1, 1, 4}, {0, 2, 5}, {0, 3, 4}}, 4},
    };
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_fit_input in = {.task = TM_TASK_REGRESSION,
                                 .x = &d.made.view,
                                 .y = d.y,
                                 .rules = cases[i].rules,
                                 .has_groups = true};
        tm_model *model = model_fit(&in, &params);
        const tm_forest *forest = &((const tm_gbdt *)model)->forest;
        uint32_t widest = 0;
        for (uint32_t t = 0; t < forest->n_trees; t++) {
            check_paths(forest, forest->roots[t], cases[i].rules, 0, &widest);
        }
        assert_int_equal(widest, cases[i].widest);
        tm__model_free(model);
    }
    made_done(&d.made);
}

static uint32_t leaves_of(const tm_model *model) {
    const tm_forest *forest = &((const tm_gbdt *)model)->forest;
    uint32_t n = 0;
    for (uint32_t t = 0; t < forest->n_trees; t++) {
        n += tm__forest_leaves(forest, t);
    }
    return n;
}

/*
 * Worked by hand: y = 0 0 0 0 6 6 6 6 9 9 over x = 0 .. 9, squared error, one tree, rate 1, no
 * penalty. The mean is 4.2; gradients are mean - y: 4.2 x 4, -1.8 x 4, -4.8 x 2, hessians 1.
 *   x < 4   left sum 16.8 of 4 rows, right -16.8 of 6:  gain 16.8^2/4 + 16.8^2/6 = 117.6
 *   x < 8   left sum 9.6 of 8 rows, right -9.6 of 2:    gain 9.6^2/8 + 9.6^2/2  = 57.6
 * so the root is cut at x < 4, and its right side (-7.2 of 4, -9.6 of 2, all -16.8 of 6) gains
 *   7.2^2/4 + 9.6^2/2 - 16.8^2/6 = 12.96 + 46.08 - 47.04 = 12.
 */
static void a_tree_worked_by_hand_has_these_leaves(void **state) {
    (void)state;
    const struct {
        double min_gain, min_hessian, value_max, l2;
        int8_t way;
        double want[3]; /* of x = 0, x = 5, x = 9 */
    } cases[] = {
        {0, 1e-3, 0, 0, 0, {0, 6, 9}},     /* means of the three runs */
        {11.9, 1e-3, 0, 0, 0, {0, 6, 9}},  /* 12 is more */
        {12.1, 1e-3, 0, 0, 0, {0, 7, 7}},  /* (4 * 6 + 2 * 9) / 6 */
        {117.5, 1e-3, 0, 0, 0, {0, 7, 7}}, /* 117.6 is more */
        {117.7, 1e-3, 0, 0, 0, {4.2, 4.2, 4.2}},
        {0, 3, 0, 0, 0, {0, 6, 8}},           /* two rows have no hessian of 3: 6 6 6 and 6 9 9 */
        {0, 1e-3, 2, 0, 0, {2.2, 6, 6.2}},    /* -4.2 and 4.8 are cut to 2 either way */
        {0, 1e-3, 0, 2, 0, {1.4, 6.3, 6.3}},  /* 4.2 - 16.8/6, 4.2 + 16.8/8; then 7.2^2/6 + 9.6^2/4
                                                 is less than 16.8^2/8 */
        {0, 1e-3, 0, 0, 1, {0, 6, 9}},        /* it rises already */
        {0, 1e-3, 0, 0, -1, {4.2, 4.2, 4.2}}, /* no cut falls */
    };
    double x[10];
    const double *cols[1] = {x};
    const double y[10] = {0, 0, 0, 0, 6, 6, 6, 6, 9, 9};
    const tm_feature feature = {.name = "x"};
    const tm_view view = {.n_rows = 10, .n_cols = 1, .cols = cols, .features = &feature};
    for (uint32_t row = 0; row < 10; row++) {
        x[row] = row;
    }
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_params params;
        tm_ctx ctx = {0};
        double out[10];
        tm__params_init(&tm__gbdt_ops, &params);
        params.values[TM_GBDT_TREES] = 1;
        params.values[TM_GBDT_LEAVES] = 3;
        params.values[TM_GBDT_RATE] = 1;
        params.values[TM_GBDT_MIN_ROWS] = 1;
        params.values[TM_GBDT_MIN_GAIN] = cases[i].min_gain;
        params.values[TM_GBDT_MIN_HESSIAN] = cases[i].min_hessian;
        params.values[TM_GBDT_VALUE_MAX] = cases[i].value_max;
        params.values[TM_GBDT_L2] = cases[i].l2;
        const tm_column_rule rule = {.monotone = cases[i].way};
        const tm_fit_input in = {.task = TM_TASK_REGRESSION, .x = &view, .y = y, .rules = &rule};
        tm_model *model = model_fit(&in, &params);
        assert_int_equal(tm__model_predict(&ctx, model, &view, out, NULL), TM_OK);
        const double got[3] = {out[0], out[5], out[9]};
        for (uint32_t k = 0; k < 3; k++) {
            if (!(fabs(got[k] - cases[i].want[k]) < 1e-6)) {
                fail_msg("case %u, value %u: %.9g, not %.9g", i, k, got[k], cases[i].want[k]);
            }
        }
        tm__model_free(model);
    }
}

/*
 * Worked by hand: the middle limits what grows below. One row each of x = 0, 1, 2, 3 with y = 0, 8,
 * 6, 10 (mean 6), rising along x, rate 1. Gradients 6, -2, 0, -4.
 *   x < 1: 36/1 + 36/3 = 48;  x < 2: 16/2 + 16/2 = 16;  x < 3: 16/3 + 16 = 21.3
 * The root is cut at x < 1: values -6 and 2, middle -2: the right side's leaves are over -2. There
 *   x < 2: values 2 and 2: no gain;  x < 3: values 1 and 4: 4/2 + 16 - 36/3 = 6.
 * The leaf of 1 and 2 (values 2 and 0) may not be cut: it would fall. Answers 0, 7, 7, 10.
 */
static void a_monotone_tree_worked_by_hand(void **state) {
    (void)state;
    const double x[4] = {0, 1, 2, 3}, y[4] = {0, 8, 6, 10};
    const double want[2][4] = {{0, 7, 7, 10}, {0, 8, 6, 10}};
    const double *cols[1] = {x};
    const tm_feature feature = {.name = "x"};
    const tm_view view = {.n_rows = 4, .n_cols = 1, .cols = cols, .features = &feature};
    for (uint32_t is_free = 0; is_free < 2; is_free++) {
        tm_params params;
        tm_ctx ctx = {0};
        double out[4];
        tm__params_init(&tm__gbdt_ops, &params);
        params.values[TM_GBDT_TREES] = 1;
        params.values[TM_GBDT_RATE] = 1;
        params.values[TM_GBDT_MIN_ROWS] = 1;
        const tm_column_rule rule = {.monotone = is_free == 0};
        const tm_fit_input in = {.task = TM_TASK_REGRESSION, .x = &view, .y = y, .rules = &rule};
        tm_model *model = model_fit(&in, &params);
        assert_int_equal(tm__model_predict(&ctx, model, &view, out, NULL), TM_OK);
        for (uint32_t row = 0; row < 4; row++) {
            if (!(fabs(out[row] - want[is_free][row]) < 1e-6)) {
                fail_msg("free %u, row %u: %.9g", is_free, row, out[row]);
            }
        }
        tm__model_free(model);
    }
}

static void rules_that_demand_nothing_change_no_byte(void **state) {
    (void)state;
    rules_data d;
    tm_params params;
    data_init(&d, TM_TASK_BINARY, 5);
    tm__params_init(&tm__gbdt_ops, &params);
    params.values[TM_GBDT_TREES] = 10;
    const tm_column_rule none[COLS] = {{0}};
    tm_buf bytes[2];
    for (uint32_t i = 0; i < 2; i++) {
        const tm_fit_input in = {
            .task = TM_TASK_BINARY, .x = &d.made.view, .y = d.y, .rules = i == 0 ? NULL : none};
        tm_model *model = model_fit(&in, &params);
        assert_true(leaves_of(model) > 100);
        tm__buf_init(&bytes[i], 1 << 26);
        assert_int_equal(model->ops->save(model, &bytes[i], NULL), TM_OK);
        tm__model_free(model);
    }
    assert_int_equal(bytes[0].len, bytes[1].len);
    assert_memory_equal(bytes[0].data, bytes[1].data, bytes[0].len);
    tm__buf_done(&bytes[0]);
    tm__buf_done(&bytes[1]);
    made_done(&d.made);
}

static void threads_do_not_change_a_byte_of_trees_with_rules(void **state) {
    (void)state;
    const made_options options = {.n_rows = 20000,
                                  .n_cols = COLS,
                                  .levels = {0, 0, 40, 0},
                                  .missing = {0.05, 0, 0.1, 0.3},
                                  .seed = 9};
    const tm_column_rule rules[COLS] = {{1, 0, 1}, {-1, 1, 3}, {0, 2, 2}, {0, 3, 1}};
    made_data made;
    tm_params params;
    tm_buf first = {0};
    made_init(&made, &options);
    double *y = tm__mem_alloc(options.n_rows, sizeof(double));
    for (uint64_t row = 0; row < options.n_rows; row++) {
        y[row] = made.cols[1][row] - 2 * made_random(1, row) * made.cols[3][row];
        y[row] = isnan(y[row]) ? 3 : y[row];
    }
    tm__params_init(&tm__gbdt_ops, &params);
    params.values[TM_GBDT_TREES] = 8;
    params.values[TM_GBDT_VALUE_MAX] = 0.5;
    params.values[TM_GBDT_MIN_GAIN] = 0.1;
    for (uint32_t n = 1; n <= 4; n++) {
        tm_ctx ctx = {.pool = tm__pool_create(n)};
        const tm_fit_input in = {.task = TM_TASK_REGRESSION,
                                 .x = &made.view,
                                 .y = y,
                                 .rules = rules,
                                 .has_groups = true};
        tm_model *model = NULL;
        tm_buf bytes;
        assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, NULL), TM_OK);
        tm__buf_init(&bytes, 1 << 26);
        assert_int_equal(model->ops->save(model, &bytes, NULL), TM_OK);
        assert_true(leaves_of(model) > 40);
        if (n == 1) {
            first = bytes;
        } else {
            assert_int_equal(bytes.len, first.len);
            assert_memory_equal(bytes.data, first.data, bytes.len);
            tm__buf_done(&bytes);
        }
        tm__model_free(model);
        tm__pool_free(ctx.pool);
    }
    tm__buf_done(&first);
    tm__mem_free(y);
    made_done(&made);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_monotone_column_is_monotone_for_every_row),
        cmocka_unit_test(what_cannot_be_monotone_is_refused),
        cmocka_unit_test(columns_act_together_only_within_their_groups),
        cmocka_unit_test(a_tree_worked_by_hand_has_these_leaves),
        cmocka_unit_test(a_monotone_tree_worked_by_hand),
        cmocka_unit_test(rules_that_demand_nothing_change_no_byte),
        cmocka_unit_test(threads_do_not_change_a_byte_of_trees_with_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
