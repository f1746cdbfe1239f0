/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/pool.h"
#include "made_data.h"
#include "metric/metric.h"
#include "model/blend/blend.h"
#include "model/gbdt/gbdt_loss.h"
#include "model/gbdt/gbdt_priv.h"

static const char *const names[] = {"auto",     "squared", "absolute",  "huber",
                                    "quantile", "poisson", "gamma",     "tweedie",
                                    "logistic", "softmax", "lambdarank"};

static void names_of_the_parameter_are_in_the_order_of_their_numbers(void **state) {
    (void)state;
    tm_params params;
    tm__params_init(&tm__gbdt_ops, &params);
    assert_true(params.values[TM_GBDT_OBJECTIVE] == TM_OBJECTIVE_AUTO);
    for (uint32_t i = 0; i < TM_OBJECTIVE_END; i++) {
        assert_int_equal(tm__params_set(&tm__gbdt_ops, &params, "objective", names[i], NULL),
                         TM_OK);
        assert_true(params.values[TM_GBDT_OBJECTIVE] == i);
        assert_string_equal(tm__objective_text((tm_objective)i), names[i]);
    }
}

static void an_objective_is_for_its_task_only(void **state) {
    (void)state;
    static const tm_objective own[] = {0, TM_OBJECTIVE_LOGISTIC, TM_OBJECTIVE_SOFTMAX,
                                       TM_OBJECTIVE_SQUARED, TM_OBJECTIVE_LAMBDARANK};
    uint32_t n_allowed = 0;
    for (uint32_t task = TM_TASK_BINARY; task <= TM_TASK_RANKING; task++) {
        tm_objective found = TM_OBJECTIVE_AUTO;
        assert_int_equal(tm__objective_resolve((tm_task)task, &found, NULL), TM_OK);
        assert_int_equal(found, own[task]);
        for (uint32_t i = 1; i < TM_OBJECTIVE_END; i++) {
            tm_err err = {0};
            found = (tm_objective)i;
            const tm_status st = tm__objective_resolve((tm_task)task, &found, &err);
            assert_true(st == TM_OK || st == TM_E_USAGE);
            n_allowed += st == TM_OK;
        }
    }
    assert_int_equal(n_allowed, 1 + 1 + 7 + 2);
}

static void a_target_that_an_objective_cannot_take_is_named_by_its_row(void **state) {
    (void)state;
    static const struct {
        tm_objective objective;
        double y;
        bool is_fine;
    } cases[] = {
        {TM_OBJECTIVE_POISSON, 0, true},      {TM_OBJECTIVE_POISSON, -1, false},
        {TM_OBJECTIVE_POISSON, 1e16, false},  {TM_OBJECTIVE_TWEEDIE, 0, true},
        {TM_OBJECTIVE_TWEEDIE, -1e-9, false}, {TM_OBJECTIVE_GAMMA, 0, false},
        {TM_OBJECTIVE_GAMMA, 1e-9, true},     {TM_OBJECTIVE_LAMBDARANK, 31, true},
        {TM_OBJECTIVE_LAMBDARANK, 32, false}, {TM_OBJECTIVE_LAMBDARANK, -1, false},
        {TM_OBJECTIVE_SQUARED, 1e301, false}, {TM_OBJECTIVE_SQUARED, -1e300, true},
        {TM_OBJECTIVE_HUBER, -1e301, false},  {TM_OBJECTIVE_ABSOLUTE, NAN, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const double y[] = {1, 2, cases[i].y, 1};
        tm_err err = {0};
        const tm_status st = tm__objective_check(cases[i].objective, y, 4, &err);
        assert_int_equal(st, cases[i].is_fine ? TM_OK : TM_E_INVALID);
        if (!cases[i].is_fine) {
            assert_int_equal(err.data_row, 3);
            assert_non_null(strstr(err.message, "row 3"));
        }
    }
}

/* ---- fits ---- */

#define ROWS 2000u

typedef struct fit_data {
    made_data made;
    double *y, *weights, *out;
} fit_data;

static void data_init(fit_data *d, tm_objective objective, uint64_t seed) {
    const made_options options = {
        .n_rows = ROWS, .n_cols = 3, .levels = {0, 0, 9}, .missing = {0.1, 0, 0}, .seed = seed};
    made_init(&d->made, &options);
    d->y = tm__mem_alloc(ROWS, sizeof(double));
    d->weights = tm__mem_alloc(ROWS, sizeof(double));
    d->out = tm__mem_alloc(ROWS, sizeof(double));
    for (uint64_t row = 0; row < ROWS; row++) {
        const double a = d->made.cols[0][row], b = d->made.cols[1][row];
        const double f = (isnan(a) ? 0.5 : a) + (b > 0 ? 1 : b);
        const double u = made_random(seed + 100, row), v = made_random(seed + 200, row);
        d->weights[row] = 0.5 + v;
        d->y[row] = f + 2 * u + (v < 0.05 ? 30 : 0); /* some far off */
        if (tm__objective_is_log(objective)) {
            d->y[row] = -tm__exp(f) * tm__log(fmax(u, 1e-9)); /* exponential of mean e^f */
            d->y[row] = objective == TM_OBJECTIVE_TWEEDIE && v < 0.3 ? 0 : d->y[row];
            d->y[row] = objective == TM_OBJECTIVE_POISSON ? floor(d->y[row]) : d->y[row];
        }
    }
}

static void data_done(fit_data *d) {
    tm__mem_free(d->y);
    tm__mem_free(d->weights);
    tm__mem_free(d->out);
    made_done(&d->made);
}

static void params_init(tm_params *params, tm_objective objective, double n_trees) {
    tm__params_init(&tm__gbdt_ops, params);
    params->values[TM_GBDT_OBJECTIVE] = objective;
    params->values[TM_GBDT_TREES] = n_trees;
    params->values[TM_GBDT_LEAVES] = 8;
}

static tm_model *fit(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params) {
    tm_model *model = NULL;
    tm_err err = {0};
    if (tm__model_fit(ctx, &tm__gbdt_ops, in, params, &model, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return model;
}

static void bytes_of(const tm_model *model, tm_buf *out) {
    tm__buf_init(out, 1 << 24);
    assert_int_equal(model->ops->save(model, out, NULL), TM_OK);
}

static const tm_objective values[] = {
    TM_OBJECTIVE_SQUARED, TM_OBJECTIVE_ABSOLUTE, TM_OBJECTIVE_HUBER,  TM_OBJECTIVE_QUANTILE,
    TM_OBJECTIVE_POISSON, TM_OBJECTIVE_GAMMA,    TM_OBJECTIVE_TWEEDIE};
enum { N_VALUES = sizeof(values) / sizeof(values[0]) };

/* Loss of raw scores over that of the base. */
static double share_left(const tm_model *model, const fit_data *d, const tm_params *params) {
    tm_ctx ctx = {0};
    double chunks[1];
    double *base = tm__mem_alloc(ROWS, sizeof(double));
    const tm_loss_spec spec = tm__gbdt_loss_spec(TM_TASK_REGRESSION, 1, params);
    tm_loss loss;
    assert_int_equal(tm__loss_init(&spec, ROWS, d->y, NULL, &loss, NULL), TM_OK);
    assert_int_equal(tm__model_predict(&ctx, model, &d->made.view, d->out, NULL), TM_OK);
    assert_int_equal(tm__loss_base(&loss, base, NULL), TM_OK);
    for (uint64_t row = 1; row < ROWS; row++) {
        base[row] = base[0];
    }
    const double after = tm__loss_mean(NULL, &loss, d->out, NULL, chunks);
    const double before = tm__loss_mean(NULL, &loss, base, NULL, chunks);
    tm__mem_free(base);
    tm__loss_done(&loss);
    return after - before;
}

static void each_objective_lowers_its_own_loss_round_by_round(void **state) {
    (void)state;
    for (uint32_t i = 0; i < N_VALUES; i++) {
        fit_data d;
        tm_ctx ctx = {0};
        double last = 0;
        data_init(&d, values[i], 3);
        for (double n = 1; n < 60; n *= 3) {
            tm_params params;
            params_init(&params, values[i], n);
            params.values[TM_GBDT_QUANTILE] = 0.8;
            const tm_fit_input in = {
                .task = TM_TASK_REGRESSION, .x = &d.made.view, .y = d.y, .seed = 7};
            tm_model *model = fit(&ctx, &in, &params);
            const double left = share_left(model, &d, &params);
            if (!(left < last)) {
                fail_msg("%s: %g after %g rounds, was %g", tm__objective_text(values[i]), left, n,
                         last);
            }
            last = left;
            tm__model_free(model);
        }
        data_done(&d);
    }
}

static void threads_and_files_do_not_change_a_byte(void **state) {
    (void)state;
    for (uint32_t i = 0; i < N_VALUES; i++) {
        fit_data d;
        tm_params params;
        tm_buf first = {0}, again;
        tm_model *model = NULL, *loaded = NULL;
        data_init(&d, values[i], 4);
        params_init(&params, values[i], 10);
        params.values[TM_GBDT_ROW_SAMPLE] = 0.7;
        for (uint32_t n = 1; n <= 3; n += 2) {
            tm_ctx ctx = {.pool = tm__pool_create(n)};
            const tm_fit_input in = {.task = TM_TASK_REGRESSION,
                                     .x = &d.made.view,
                                     .y = d.y,
                                     .weights = d.weights,
                                     .x_valid = &d.made.view,
                                     .y_valid = d.y,
                                     .metric = tm__metric_find("mae"),
                                     .seed = 7};
            tm__model_free(model);
            model = fit(&ctx, &in, &params);
            bytes_of(model, &again);
            if (n == 1) {
                first = again;
            } else {
                assert_int_equal(first.len, again.len);
                assert_memory_equal(first.data, again.data, first.len);
                tm__buf_done(&again);
            }
            tm__pool_free(ctx.pool);
        }
        assert_int_equal(first.data[4], values[i] == TM_OBJECTIVE_SQUARED ? 1 : 2); /* version */
        assert_int_equal(tm__gbdt_ops.load(first.data, first.len, &loaded, NULL), TM_OK);
        assert_int_equal(tm__model_link_of(loaded),
                         tm__objective_is_log(values[i]) ? TM_LINK_EXP : TM_LINK_NONE);
        bytes_of(loaded, &again);
        assert_int_equal(first.len, again.len);
        assert_memory_equal(first.data, again.data, first.len);
        tm__buf_done(&again);
        /* A file that names the task's own objective, or another task's, was never written. */
        if (first.data[4] == 2) {
            static const uint8_t wrong[] = {0, 1, 8, 9, 10, 11, 255};
            for (uint32_t k = 0; k < sizeof(wrong); k++) {
                tm_model *none = NULL;
                first.data[24] = wrong[k];
                assert_int_equal(tm__gbdt_ops.load(first.data, first.len, &none, NULL),
                                 TM_E_INTEGRITY);
            }
        }
        tm__buf_done(&first);
        tm__model_free(loaded);
        tm__model_free(model);
        data_done(&d);
    }
}

/* Whatever the quantile, that share of targets lies below the answers. */
static void quantiles_cover_their_share(void **state) {
    (void)state;
    fit_data d;
    data_init(&d, TM_OBJECTIVE_QUANTILE, 5);
    for (double share = 0.1; share < 1; share += 0.2) {
        tm_ctx ctx = {0};
        tm_params params;
        uint32_t below = 0;
        params_init(&params, TM_OBJECTIVE_QUANTILE, 40);
        params.values[TM_GBDT_QUANTILE] = share;
        const tm_fit_input in = {.task = TM_TASK_REGRESSION, .x = &d.made.view, .y = d.y};
        tm_model *model = fit(&ctx, &in, &params);
        assert_int_equal(tm__model_predict(&ctx, model, &d.made.view, d.out, NULL), TM_OK);
        for (uint64_t row = 0; row < ROWS; row++) {
            below += d.y[row] <= d.out[row];
        }
        if (fabs(below / (double)ROWS - share) > 0.03) {
            fail_msg("%g of the targets lie below a quantile of %g", below / (double)ROWS, share);
        }
        tm__model_free(model);
    }
    data_done(&d);
}

/* Answers of a log objective are means: where the loss is least the sums of up and down agree. */
static void answers_of_logs_are_means(void **state) {
    (void)state;
    for (uint32_t i = 4; i < N_VALUES; i++) {
        fit_data d;
        tm_ctx ctx = {0};
        tm_params params;
        double sum_y = 0, sum = 0, parts[5], raw;
        data_init(&d, values[i], 6);
        params_init(&params, values[i], 100);
        const tm_fit_input in = {.task = TM_TASK_REGRESSION, .x = &d.made.view, .y = d.y};
        tm_model *model = fit(&ctx, &in, &params);
        assert_int_equal(tm__model_predict(&ctx, model, &d.made.view, d.out, NULL), TM_OK);
        raw = d.out[11];
        const tm_loss_spec spec = {.objective = values[i], .tweedie_power = 1.5};
        const double power = tm__objective_power(&spec);
        tm__model_link(tm__model_link_of(model), 1, ROWS, d.out);
        for (uint64_t row = 0; row < ROWS; row++) {
            sum_y += d.y[row] * pow(d.out[row], 1 - power);
            sum += pow(d.out[row], 2 - power);
            assert_true(d.out[row] > 0);
        }
        assert_true(fabs(sum / sum_y - 1) < 0.05);
        /* Reasons add up to the log. */
        const double *cols[MADE_COLS_MAX];
        const tm_view row = made_row(&d.made, 11, cols);
        assert_int_equal(tm__model_explain(model, &row, parts, NULL), TM_OK);
        assert_true(fabs(parts[0] + parts[1] + parts[2] + parts[4] - raw) < 1e-9);
        tm__model_free(model);
        data_done(&d);
    }
}

/* Models of a value and of its log do not add up. */
static void a_blend_is_of_one_link(void **state) {
    (void)state;
    fit_data d;
    tm_ctx ctx = {0};
    tm_model *members[2], *blend = NULL;
    const double shares[] = {0.5, 0.5};
    data_init(&d, TM_OBJECTIVE_POISSON, 7);
    const tm_fit_input in = {.task = TM_TASK_REGRESSION, .x = &d.made.view, .y = d.y};
    for (uint32_t i = 0; i < 2; i++) {
        tm_params params;
        params_init(&params, i == 0 ? TM_OBJECTIVE_POISSON : TM_OBJECTIVE_SQUARED, 3);
        members[i] = fit(&ctx, &in, &params);
    }
    assert_int_equal(tm__blend_create(members, shares, 2, &blend, NULL), TM_E_INVALID);
    tm__model_free(members[1]);
    tm_params params;
    params_init(&params, TM_OBJECTIVE_TWEEDIE, 3);
    members[1] = fit(&ctx, &in, &params);
    assert_int_equal(tm__blend_create(members, shares, 2, &blend, NULL), TM_OK);
    assert_int_equal(tm__model_link_of(blend), TM_LINK_EXP);
    tm__model_free(blend);
    data_done(&d);
}

/* ---- trees worked by hand ---- */

/* Four rows, one number, two leaves: x <= 2 and x > 2. */
static const double four[] = {1, 2, 3, 4};
static const double *const four_cols[] = {four};
static const tm_feature four_features[] = {{.name = "x"}};
static const tm_view four_view = {
    .n_rows = 4, .n_cols = 1, .cols = four_cols, .features = four_features};

static void two_leaves(tm_task task, const double *y, const double *weights, tm_params *params,
                       double *out) {
    tm_ctx ctx = {0};
    const tm_fit_input in = {.task = task, .x = &four_view, .y = y, .weights = weights};
    params->values[TM_GBDT_TREES] = 1;
    params->values[TM_GBDT_LEAVES] = 2;
    params->values[TM_GBDT_MIN_ROWS] = 1;
    params->values[TM_GBDT_RATE] = 0.5;
    tm_model *model = fit(&ctx, &in, params);
    assert_int_equal(tm__model_predict(&ctx, model, &four_view, out, NULL), TM_OK);
    tm__model_free(model);
}

static void is_near(const double *got, double a, double b, double c, double d) {
    const double want[] = {a, b, c, d};
    for (uint32_t i = 0; i < 4; i++) {
        if (!(fabs(got[i] - want[i]) < 1e-6)) { /* gradients are floats */
            fail_msg("row %u: %.9g, not %.9g", i, got[i], want[i]);
        }
    }
}

static void trees_by_hand(void **state) {
    (void)state;
    double out[4];
    tm_params params;
    /* Mean 4; leaves 1.5 and 6.5 are -2.5 and 2.5 off it, half of that is taken. */
    params_init(&params, TM_OBJECTIVE_SQUARED, 1);
    const double y[] = {1, 2, 6, 7};
    two_leaves(TM_TASK_REGRESSION, y, NULL, &params, out);
    is_near(out, 2.75, 2.75, 5.25, 5.25);
    /* l2 of 2: sums of -5 and 5 over hessians of 2 + 2. */
    params.values[TM_GBDT_L2] = 2;
    two_leaves(TM_TASK_REGRESSION, y, NULL, &params, out);
    is_near(out, 3.375, 3.375, 4.625, 4.625);
    /* Three of four are 1: log-odds ln 3, p 3/4, h 3/16; with x = 1 alone g is 3/4, h 3/16: -4; the
     * others -3/4 over 9/16: 4/3. */
    params_init(&params, TM_OBJECTIVE_AUTO, 1);
    const double classes[] = {0, 1, 1, 1};
    two_leaves(TM_TASK_BINARY, classes, NULL, &params, out);
    const double odds = log(3);
    is_near(out, odds - 2, odds + 2.0 / 3, odds + 2.0 / 3, odds + 2.0 / 3);
    /* Median 4 of 1 2 6 7; residuals -3 -2 | 2 3 have medians -2.5 and 2.5. */
    params_init(&params, TM_OBJECTIVE_ABSOLUTE, 1);
    two_leaves(TM_TASK_REGRESSION, y, NULL, &params, out);
    is_near(out, 2.75, 2.75, 5.25, 5.25);
    /* The lower quarter of 1 2 6 7 is between 1 and 2: 1.5. Slopes 3/4 | -1/4 -1/4 -1/4 split
     * behind the first row; residuals -0.5 | 0.5 4.5 5.5 have the lower quarters -0.5 and 0.5. */
    params_init(&params, TM_OBJECTIVE_QUANTILE, 1);
    params.values[TM_GBDT_QUANTILE] = 0.25;
    two_leaves(TM_TASK_REGRESSION, y, NULL, &params, out);
    is_near(out, 1.25, 1.75, 1.75, 1.75);
    /* Mean 4; leaf means 1.5 and 6.5. Down: Newton's step 3 / 8 - 1; up: log(13 / 8). */
    params_init(&params, TM_OBJECTIVE_POISSON, 1);
    two_leaves(TM_TASK_REGRESSION, y, NULL, &params, out);
    const double down = log(4) + 0.5 * (3.0 / 8 - 1), up = log(4) + 0.5 * log(13.0 / 8);
    is_near(out, down, down, up, up);
    /* A step up for gamma is the ratio's log at most: with g = 1 - y / 4 and h = y / 4, up = 13/4
     * and down = 2, Newton's step is 5/13. Down: Newton's step is (3/4 - 2) / (3/4). */
    params_init(&params, TM_OBJECTIVE_GAMMA, 1);
    two_leaves(TM_TASK_REGRESSION, y, NULL, &params, out);
    const double low = log(4) - 0.5 * (5.0 / 3), high = log(4) + 0.5 * (5.0 / 13);
    is_near(out, low, low, high, high);
}

/* ---- what goes in ---- */

static void bad_targets_and_weights_are_refused_or_answered_right(void **state) {
    (void)state;
    double out[4];
    static const double all[] = {3, 3, 3, 3}, huge[] = {1, 1, 1, 1e30}, none[] = {0, 1, 0, 1};
    const double y[] = {1, 2, 6, 7};
    for (uint32_t i = 0; i < N_VALUES; i++) {
        tm_params params;
        params_init(&params, values[i], 1);
        const bool is_log = tm__objective_is_log(values[i]);
        /* All the same: the answer is it. */
        two_leaves(TM_TASK_REGRESSION, all, NULL, &params, out);
        const double same = is_log ? log(3) : 3;
        is_near(out, same, same, same, same);
        /* One row with nearly all weight decides the start. */
        two_leaves(TM_TASK_REGRESSION, y, huge, &params, out);
        assert_true(fabs(out[3] - (is_log ? log(7) : 7)) < 1e-3);
        /* Rows without weight have no say: 2 and 7 are all there is. */
        two_leaves(TM_TASK_REGRESSION, y, none, &params, out);
        for (uint32_t row = 0; row < 4; row++) {
            const double answer = is_log ? exp(out[row]) : out[row];
            assert_true(answer > 1.5 && answer < 7.5);
        }
        /* One row. */
        tm_ctx ctx = {0};
        tm_view one = four_view;
        one.n_rows = 1;
        const tm_fit_input in = {.task = TM_TASK_REGRESSION, .x = &one, .y = &y[2]};
        tm_model *model = fit(&ctx, &in, &params);
        assert_int_equal(tm__model_predict(&ctx, model, &one, out, NULL), TM_OK);
        assert_true(fabs(out[0] - (is_log ? log(6) : 6)) < 1e-9);
        tm__model_free(model);
        /* What is no number. */
        for (uint32_t k = 0; k < 4; k++) {
            double bad_y[] = {1, 2, 6, 7}, bad_weights[] = {1, 1, 1, 1};
            (k < 2 ? bad_y : bad_weights)[1] = k % 2 == 0 ? (double)NAN : (double)INFINITY;
            const tm_fit_input bad = {
                .task = TM_TASK_REGRESSION, .x = &four_view, .y = bad_y, .weights = bad_weights};
            assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &bad, &params, &model, NULL),
                             TM_E_INVALID);
        }
    }
}

static void an_objective_of_another_task_or_with_a_wrong_target_is_refused(void **state) {
    (void)state;
    tm_ctx ctx = {0};
    tm_params params;
    tm_model *model = NULL;
    tm_err err = {0};
    const double y[] = {1, 0, 0, 1}, minus[] = {1, 2, -3, 4};
    tm_fit_input in = {.task = TM_TASK_BINARY, .x = &four_view, .y = y};
    params_init(&params, TM_OBJECTIVE_POISSON, 1);
    assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, &err), TM_E_USAGE);
    in.task = TM_TASK_REGRESSION;
    in.y = minus;
    assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, &err), TM_E_INVALID);
    assert_int_equal(err.data_row, 3);
    in.y = y;
    in.x_valid = &four_view;
    in.y_valid = minus;
    assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, &err), TM_E_INVALID);
    assert_non_null(strstr(err.hint, "validation"));
    const tm_column_rule rules[] = {{.monotone = 1}};
    in = (tm_fit_input){.task = TM_TASK_REGRESSION, .x = &four_view, .y = y, .rules = rules};
    params_init(&params, TM_OBJECTIVE_ABSOLUTE, 1);
    assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, &err),
                     TM_E_UNSUPPORTED);
}

static void trees_go_on_with_their_objective_only(void **state) {
    (void)state;
    fit_data d;
    tm_ctx ctx = {0};
    data_init(&d, TM_OBJECTIVE_GAMMA, 11);
    for (uint32_t i = 0; i < N_VALUES; i++) {
        tm_params params;
        tm_model *other = NULL;
        tm_buf whole, again;
        tm_fit_input in = {.task = TM_TASK_REGRESSION, .x = &d.made.view, .y = d.y};
        params_init(&params, values[i], 9);
        tm_model *at_once = fit(&ctx, &in, &params);
        params_init(&params, values[i], 4);
        tm_model *first = fit(&ctx, &in, &params);
        params_init(&params, values[i], 5);
        in.base = first;
        tm_model *second = fit(&ctx, &in, &params);
        bytes_of(at_once, &whole);
        bytes_of(second, &again);
        assert_int_equal(whole.len, again.len);
        assert_memory_equal(whole.data, again.data, whole.len);
        params_init(&params, values[(i + 1) % N_VALUES], 9);
        assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &other, NULL),
                         TM_E_INVALID);
        tm__buf_done(&whole);
        tm__buf_done(&again);
        tm__model_free(at_once);
        tm__model_free(first);
        tm__model_free(second);
    }
    data_done(&d);
}

static void a_fit_survives_every_failed_allocation(void **state) {
    (void)state;
    fit_data d;
    data_init(&d, TM_OBJECTIVE_QUANTILE, 12);
    for (uint32_t i = 0; i < N_VALUES; i++) {
        tm_params params;
        tm_model *model = NULL;
        uint64_t n_failed = 0;
        if (tm__objective_is_log(values[i])) {
            continue; /* nothing of their own is allocated */
        }
        params_init(&params, values[i], 2);
        const tm_fit_input in = {.task = TM_TASK_REGRESSION,
                                 .x = &d.made.view,
                                 .y = d.y,
                                 .weights = d.weights,
                                 .x_valid = &d.made.view,
                                 .y_valid = d.y,
                                 .metric = tm__metric_find("mae")};
        const uint64_t alive = tm__mem_alive();
        for (uint64_t n = 1; model == NULL; n++) {
            tm_ctx ctx = {0};
            tm__mem_fail_at(n, false);
            const tm_status st = tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, NULL);
            tm__mem_fail_at(0, false);
            assert_true(st == TM_OK ||
                        (st == TM_E_NOMEM && model == NULL && tm__mem_alive() == alive));
            n_failed += st != TM_OK;
        }
        assert_true(n_failed > 30);
        tm__model_free(model);
    }
    data_done(&d);
}

/* ---- what stops ---- */

/* Score of the model of n rounds, without early stopping. */
static double score_after(const fit_data *d, const fit_data *valid, const tm_metric_ops *metric,
                          double n) {
    tm_ctx ctx = {0};
    tm_params params;
    double score = 0;
    params_init(&params, TM_OBJECTIVE_AUTO, n);
    params.values[TM_GBDT_LEAVES] = 31;
    params.values[TM_GBDT_RATE] = 0.3;
    const tm_fit_input in = {.task = TM_TASK_BINARY, .x = &d->made.view, .y = d->y};
    tm_model *model = fit(&ctx, &in, &params);
    assert_int_equal(tm__model_predict(&ctx, model, &valid->made.view, valid->out, NULL), TM_OK);
    tm__model_link(tm__model_link_of(model), 1, ROWS, valid->out);
    const tm_score_input scored = {
        .task = TM_TASK_BINARY, .n_rows = ROWS, .y = valid->y, .pred = valid->out};
    assert_int_equal(tm__metric_score(metric, &scored, &score, NULL), TM_OK);
    tm__model_free(model);
    return score;
}

static void the_metric_that_is_asked_for_stops_in_its_direction(void **state) {
    (void)state;
    static const char *const metrics[] = {"auc", "brier", "accuracy", "logloss"};
    fit_data d, valid;
    uint32_t rounds[4];
    data_init(&d, TM_OBJECTIVE_SQUARED, 8);
    data_init(&valid, TM_OBJECTIVE_SQUARED, 9);
    for (uint32_t row = 0; row < ROWS; row++) {
        d.y[row] = d.y[row] > 1.5;
        valid.y[row] = valid.y[row] > 1.5;
    }
    for (uint32_t i = 0; i < 4; i++) {
        tm_ctx ctx = {0};
        tm_params params;
        params_init(&params, TM_OBJECTIVE_AUTO, 60);
        params.values[TM_GBDT_LEAVES] = 31;
        params.values[TM_GBDT_RATE] = 0.3;
        params.values[TM_GBDT_STOPPING] = 5;
        const tm_metric_ops *metric = tm__metric_find(metrics[i]);
        const tm_fit_input in = {.task = TM_TASK_BINARY,
                                 .x = &d.made.view,
                                 .y = d.y,
                                 .x_valid = &valid.made.view,
                                 .y_valid = valid.y,
                                 .metric = metric};
        tm_model *model = fit(&ctx, &in, &params);
        rounds[i] = model->n_rounds;
        tm__model_free(model);
        /* The round kept is better than all before it and the five after. */
        const double kept = score_after(&d, &valid, metric, rounds[i]);
        for (uint32_t n = 1; n < rounds[i] + 5; n++) {
            const double gain = tm__metric_gain(metric, kept, score_after(&d, &valid, metric, n));
            assert_true(n < rounds[i] ? gain > 0 : gain >= 0);
        }
    }
    assert_true(rounds[0] != rounds[1] || rounds[1] != rounds[2]);
    data_done(&d);
    data_done(&valid);
}

static void a_metric_that_the_validation_rows_do_not_define_is_an_error(void **state) {
    (void)state;
    tm_ctx ctx = {0};
    tm_params params;
    tm_model *model = NULL;
    const double y[] = {0, 0, 1, 1}, one_class[] = {0, 0, 0, 0};
    params_init(&params, TM_OBJECTIVE_AUTO, 5);
    const tm_fit_input in = {.task = TM_TASK_BINARY,
                             .x = &four_view,
                             .y = y,
                             .x_valid = &four_view,
                             .y_valid = one_class,
                             .metric = tm__metric_find("auc")};
    assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, NULL), TM_E_DATA);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_the_parameter_are_in_the_order_of_their_numbers),
        cmocka_unit_test(an_objective_is_for_its_task_only),
        cmocka_unit_test(a_target_that_an_objective_cannot_take_is_named_by_its_row),
        cmocka_unit_test(each_objective_lowers_its_own_loss_round_by_round),
        cmocka_unit_test(threads_and_files_do_not_change_a_byte),
        cmocka_unit_test(quantiles_cover_their_share),
        cmocka_unit_test(answers_of_logs_are_means),
        cmocka_unit_test(a_blend_is_of_one_link),
        cmocka_unit_test(trees_by_hand),
        cmocka_unit_test(bad_targets_and_weights_are_refused_or_answered_right),
        cmocka_unit_test(an_objective_of_another_task_or_with_a_wrong_target_is_refused),
        cmocka_unit_test(trees_go_on_with_their_objective_only),
        cmocka_unit_test(a_fit_survives_every_failed_allocation),
        cmocka_unit_test(the_metric_that_is_asked_for_stops_in_its_direction),
        cmocka_unit_test(a_metric_that_the_validation_rows_do_not_define_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
