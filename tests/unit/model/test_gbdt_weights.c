/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "made_data.h"
#include "model/gbdt/gbdt_priv.h"
#include "model/gbdt/gbdt_weights.h"
#include "model/linear/linear.h"

static const struct {
    const char *name;
    tm_task task;
    double y[5], weights[5];
    bool is_weighted;
    tm_class_weights classes;
    tm_status want_status;
    double want[5]; /* the first 0: none are made */
} cases[] = {
    {"none", TM_TASK_BINARY, {0, 1, 1, 1, 1}, {0}, false, {false, 1}, TM_OK, {0}},
    {"positive", TM_TASK_BINARY, {0, 1, 1, 0, 1}, {0}, false, {false, 3}, TM_OK, {1, 3, 3, 1, 3}},
    {"balanced",
     TM_TASK_BINARY,
     {0, 1, 1, 1, 1},
     {0},
     false,
     {true, 1},
     TM_OK,
     {2.5, .625, .625, .625, .625}},
    {"both",
     TM_TASK_BINARY,
     {0, 1, 1, 1, 1},
     {0},
     false,
     {true, 2},
     TM_OK,
     {2.5, 1.25, 1.25, 1.25, 1.25}},
    {"own weights",
     TM_TASK_BINARY,
     {0, 0, 1, 1, 1},
     {1, 3, 1, 1, 2},
     true,
     {true, 1},
     TM_OK,
     {1, 3, 1, 1, 2}},
    {"three classes, one without rows",
     TM_TASK_MULTICLASS,
     {0, 0, 0, 1, 1},
     {0},
     false,
     {true, 1},
     TM_OK,
     {5.0 / 9, 5.0 / 9, 5.0 / 9, 5.0 / 6, 5.0 / 6}},
    {"positive of three",
     TM_TASK_MULTICLASS,
     {0, 0, 0, 1, 2},
     {0},
     false,
     {false, 2},
     TM_E_USAGE,
     {0}},
    {"balanced values",
     TM_TASK_REGRESSION,
     {0, 1, 2, 3, 4},
     {0},
     false,
     {true, 1},
     TM_E_USAGE,
     {0}},
    {"positive value",
     TM_TASK_REGRESSION,
     {0, 1, 2, 3, 4},
     {0},
     false,
     {false, 2},
     TM_E_USAGE,
     {0}},
};

static void weights_by_hand(void **state) {
    (void)state;
    const tm_view x = {.n_rows = 5};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_fit_input in = {.task = cases[i].task,
                                 .n_classes = 3,
                                 .x = &x,
                                 .y = cases[i].y,
                                 .weights = cases[i].is_weighted ? cases[i].weights : NULL};
        double *made = NULL;
        assert_int_equal(tm__class_weights_apply(&in, &cases[i].classes, &made, NULL),
                         cases[i].want_status);
        assert_int_equal(made != NULL, cases[i].want[0] > 0);
        for (uint32_t row = 0; made != NULL && row < 5; row++) {
            if (!(fabs(made[row] - cases[i].want[row]) < 1e-14)) {
                fail_msg("%s: row %u has %g, not %g", cases[i].name, row, made[row],
                         cases[i].want[row]);
            }
        }
        tm__mem_free(made);
    }
}

/* ---- fits ---- */

enum { ROWS = 1500 };

typedef struct weight_data {
    made_data made;
    double y[ROWS], classes[ROWS], weights[ROWS], init[3 * ROWS], a[3 * ROWS], b[3 * ROWS];
} weight_data;

static weight_data *data_create(void) {
    const made_options options = {.n_rows = ROWS, .n_cols = 2, .seed = 6};
    weight_data *d = tm__mem_zalloc(1, sizeof(*d));
    made_init(&d->made, &options);
    for (uint32_t row = 0; row < ROWS; row++) {
        const double f = d->made.cols[0][row] + 0.5 * d->made.cols[1][row];
        d->y[row] = f + made_random(7, row) > 2.2; /* a tenth */
        d->classes[row] = f < -1 ? 0 : (f < 1.5 ? 1 : 2);
        d->weights[row] = d->y[row] > 0 ? 4 : 1;
    }
    return d;
}

static void data_free(weight_data *d) {
    made_done(&d->made);
    tm__mem_free(d);
}

static tm_model *fit(const tm_fit_input *in, const tm_params *params) {
    tm_ctx ctx = {0};
    tm_model *model = NULL;
    tm_err err = {0};
    if (tm__model_fit(&ctx, &tm__gbdt_ops, in, params, &model, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return model;
}

static void raw_of(const tm_model *model, const weight_data *d, double *out) {
    tm_ctx ctx = {0};
    assert_int_equal(tm__model_predict(&ctx, model, &d->made.view, out, NULL), TM_OK);
}

static void a_weight_of_the_positive_class_is_a_weight_of_its_rows(void **state) {
    (void)state;
    weight_data *d = data_create();
    tm_params params;
    tm__params_init(&tm__gbdt_ops, &params);
    params.values[TM_GBDT_TREES] = 10;
    tm_fit_input in = {.task = TM_TASK_BINARY, .x = &d->made.view, .y = d->y};
    params.values[TM_GBDT_POSITIVE] = 4;
    tm_model *by_class = fit(&in, &params);
    params.values[TM_GBDT_POSITIVE] = 1;
    in.weights = d->weights;
    tm_model *by_row = fit(&in, &params);
    raw_of(by_class, d, d->a);
    raw_of(by_row, d, d->b);
    assert_memory_equal(d->a, d->b, ROWS * sizeof(double));
    tm__model_free(by_class);
    tm__model_free(by_row);
    data_free(d);
}

static void balanced_classes_start_even(void **state) {
    (void)state;
    weight_data *d = data_create();
    tm_params params;
    uint32_t n_called = 0, n_called_plain = 0;
    tm__params_init(&tm__gbdt_ops, &params);
    params.values[TM_GBDT_TREES] = 20;
    const tm_fit_input in = {.task = TM_TASK_BINARY, .x = &d->made.view, .y = d->y};
    tm_model *plain = fit(&in, &params);
    params.values[TM_GBDT_CLASS_WEIGHTS] = 1;
    tm_model *balanced = fit(&in, &params);
    assert_true(fabs(((tm_gbdt *)balanced)->forest.base[0]) < 1e-9);
    assert_true(((tm_gbdt *)plain)->forest.base[0] < -1);
    raw_of(plain, d, d->a);
    raw_of(balanced, d, d->b);
    for (uint32_t row = 0; row < ROWS; row++) {
        n_called_plain += d->a[row] > 0;
        n_called += d->b[row] > 0;
    }
    assert_true(n_called > n_called_plain);
    tm__model_free(plain);
    tm__model_free(balanced);
    data_free(d);
}

/* ---- initial scores ---- */

static double logloss(const weight_data *d, const double *raw) {
    double sum = 0;
    for (uint32_t row = 0; row < ROWS; row++) {
        const double s = raw[row];
        sum += fmax(s, 0) - s * d->y[row] + log1p(exp(-fabs(s)));
    }
    return sum / ROWS;
}

static void training_starts_from_the_scores_given(void **state) {
    (void)state;
    weight_data *d = data_create();
    tm_params params;
    tm__params_init(&tm__gbdt_ops, &params);
    params.values[TM_GBDT_TREES] = 5;
    tm_fit_input in = {.task = TM_TASK_BINARY, .x = &d->made.view, .y = d->y, .seed = 5};
    tm_model *first = fit(&in, &params);
    raw_of(first, d, d->init);
    in.init_scores = d->init;
    in.x_valid = &d->made.view;
    in.y_valid = d->y;
    in.init_scores_valid = d->init;
    tm_model *second = fit(&in, &params);
    raw_of(second, d, d->a);
    assert_true(((tm_gbdt *)second)->forest.base[0] == 0);
    for (uint32_t row = 0; row < ROWS; row++) {
        d->b[row] = d->init[row] + d->a[row];
    }
    /* Both together are ten rounds: far better than five, and than the second alone. */
    assert_true(logloss(d, d->b) < 0.9 * logloss(d, d->init));
    assert_true(logloss(d, d->b) < 0.9 * logloss(d, d->a));
    /* Scores that know the answer leave nothing to learn but to be surer by a step of Newton, 1. */
    for (uint32_t row = 0; row < ROWS; row++) {
        d->init[row] = d->y[row] > 0 ? 40 : -40;
    }
    tm_model *third = fit(&in, &params);
    raw_of(third, d, d->a);
    for (uint32_t row = 0; row < ROWS; row++) {
        assert_true(fabs(d->a[row]) < 5 * 0.11);
    }
    tm__model_free(first);
    tm__model_free(second);
    tm__model_free(third);
    data_free(d);
}

static void scores_of_classes_are_by_row(void **state) {
    (void)state;
    weight_data *d = data_create();
    tm_params params;
    tm__params_init(&tm__gbdt_ops, &params);
    params.values[TM_GBDT_TREES] = 1;
    for (uint32_t row = 0; row < ROWS; row++) {
        d->init[row * 3 + (uint32_t)d->classes[row]] = 40;
    }
    const tm_fit_input in = {.task = TM_TASK_MULTICLASS,
                             .n_classes = 3,
                             .x = &d->made.view,
                             .y = d->classes,
                             .init_scores = d->init};
    tm_model *model = fit(&in, &params);
    raw_of(model, d, d->a);
    for (uint32_t i = 0; i < 3 * ROWS; i++) {
        assert_true(fabs(d->a[i]) < 0.11);
    }
    tm__model_free(model);
    data_free(d);
}

static void wrong_scores_are_refused(void **state) {
    (void)state;
    weight_data *d = data_create();
    tm_ctx ctx = {0};
    tm_params params;
    tm_model *model = NULL;
    tm_err err = {0};
    tm__params_init(&tm__gbdt_ops, &params);
    tm_fit_input in = {
        .task = TM_TASK_BINARY, .x = &d->made.view, .y = d->y, .init_scores = d->init};
    static const double wrong[] = {NAN, INFINITY, -1e301};
    for (uint32_t i = 0; i < 3; i++) {
        d->init[6] = wrong[i];
        assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, &err),
                         TM_E_INVALID);
        assert_non_null(strstr(err.message, "row 7"));
    }
    d->init[6] = 0;
    in.x_valid = &d->made.view;
    in.y_valid = d->y;
    assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, &err), TM_E_INVALID);
    tm__params_init(&tm__linear_ops, &params);
    in.init_scores_valid = d->init;
    assert_int_equal(tm__model_fit(&ctx, &tm__linear_ops, &in, &params, &model, &err),
                     TM_E_UNSUPPORTED);
    data_free(d);
}

static void weights_of_classes_survive_failed_allocations(void **state) {
    (void)state;
    const double y[] = {0, 1, 1};
    const tm_view x = {.n_rows = 3};
    const tm_fit_input in = {.task = TM_TASK_BINARY, .x = &x, .y = y};
    const tm_class_weights classes = {.is_balanced = true, .positive = 1};
    double *made = NULL;
    for (uint64_t n = 1; n <= 3; n++) {
        tm__mem_fail_at(n, false);
        const tm_status st = tm__class_weights_apply(&in, &classes, &made, NULL);
        tm__mem_fail_at(0, false);
        assert_int_equal(st, n < 3 ? TM_E_NOMEM : TM_OK);
        assert_int_equal(made != NULL, n == 3);
    }
    tm__mem_free(made);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_by_hand),
        cmocka_unit_test(a_weight_of_the_positive_class_is_a_weight_of_its_rows),
        cmocka_unit_test(balanced_classes_start_even),
        cmocka_unit_test(weights_of_classes_survive_failed_allocations),
        cmocka_unit_test(training_starts_from_the_scores_given),
        cmocka_unit_test(scores_of_classes_are_by_row),
        cmocka_unit_test(wrong_scores_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
