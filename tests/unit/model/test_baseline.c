/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

#include "base/mem.h"
#include "model/baseline/baseline.h"

static const double column[] = {1, 2, 3, 4, 5};
static const double *const columns[] = {column};
static const tm_feature features[] = {{.name = "a"}};
static const tm_view view = {.n_rows = 5, .n_cols = 1, .cols = columns, .features = features};
static const double weights[] = {1, 1, 2, 0, 1};

static tm_model *fit(tm_task task, uint32_t n_classes, const double *y, const double *w) {
    const tm_fit_input in = {
        .task = task, .n_classes = n_classes, .x = &view, .y = y, .weights = w};
    tm_ctx ctx = {0};
    tm_params params;
    tm_model *model = NULL;
    tm_err err = {0};
    tm__params_init(&tm__baseline_ops, &params);
    if (tm__model_fit(&ctx, &tm__baseline_ops, &in, &params, &model, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return model;
}

static void answers_are_shares_and_means_of_the_weighted_rows(void **state) {
    (void)state;
    const double y2[] = {1, 0, 1, 1, 0}, y3[] = {0, 1, 2, 2, 2}, yr[] = {1, 2, 3, 100, 5};
    tm_ctx ctx = {0};
    double out[15];
    tm_model *model = fit(TM_TASK_BINARY, 2, y2, NULL);
    assert_int_equal(tm__model_predict(&ctx, model, &view, out, NULL), TM_OK);
    tm__model_link(TM_LINK_SIGMOID, 1, 5, out);
    assert_true(fabs(out[0] - 3.5 / 6.0) < 1e-15 && out[4] == out[0]);
    tm__model_free(model);
    model = fit(TM_TASK_MULTICLASS, 3, y3, NULL);
    assert_int_equal(tm__model_predict(&ctx, model, &view, out, NULL), TM_OK);
    tm__model_link(TM_LINK_SOFTMAX, 3, 5, out);
    assert_true(fabs(out[2] - 3.5 / 6.5) < 1e-15);
    assert_true(fabs(out[12] + out[13] + out[14] - 1.0) < 1e-15);
    tm__model_free(model);
    model = fit(TM_TASK_REGRESSION, 0, yr, weights);
    assert_int_equal(tm__model_predict(&ctx, model, &view, out, NULL), TM_OK);
    assert_true(fabs(out[0] - 14.0 / 5.0) < 1e-15);
    tm__model_free(model);
}

static void a_target_of_one_class_keeps_finite_odds(void **state) {
    (void)state;
    const double y[] = {1, 1, 1, 1, 1};
    tm_model *model = fit(TM_TASK_BINARY, 2, y, NULL);
    double out = NAN;
    const tm_view row = {.n_rows = 1, .n_cols = 1, .cols = columns, .features = features};
    tm__model_predict_row(model, &row, &out);
    assert_true(isfinite(out) && out > 0.0);
    tm__model_free(model);
}

static void a_saved_model_loads_and_a_damaged_one_does_not(void **state) {
    (void)state;
    const double y3[] = {0, 1, 2, 2, 2};
    tm_model *model = fit(TM_TASK_MULTICLASS, 3, y3, weights), *again = NULL;
    tm_buf buf;
    double a[3], b[3];
    const tm_view row = {.n_rows = 1, .n_cols = 1, .cols = columns, .features = features};
    tm__buf_init(&buf, 1 << 20);
    assert_int_equal(model->ops->save(model, &buf, NULL), TM_OK);
    assert_int_equal(tm__baseline_ops.load(buf.data, buf.len, &again, NULL), TM_OK);
    tm__model_predict_row(model, &row, a);
    tm__model_predict_row(again, &row, b);
    assert_memory_equal(a, b, sizeof(a));
    tm__model_free(again);
    for (size_t len = 0; len < buf.len; len++) {
        again = NULL;
        assert_int_equal(tm__baseline_ops.load(buf.data, len, &again, NULL), TM_E_INTEGRITY);
        assert_null(again);
    }
    /* Magic, version, task and outputs; columns and scores may be any, a bundle's sums guard them.
     */
    for (size_t i = 0; i < 16; i++) {
        buf.data[i] ^= 0x80;
        assert_int_not_equal(tm__baseline_ops.load(buf.data, buf.len, &again, NULL), TM_OK);
        buf.data[i] ^= 0x80;
    }
    tm__buf_done(&buf);
    tm__model_free(model);
}

static void an_explanation_is_the_mean_alone(void **state) {
    (void)state;
    const double y[] = {1, 2, 3, 4, 5};
    tm_model *model = fit(TM_TASK_REGRESSION, 0, y, NULL);
    const tm_view row = {.n_rows = 1, .n_cols = 1, .cols = columns, .features = features};
    double out[3] = {9, 9, 9}, shares[2] = {9, 9};
    assert_int_equal(tm__model_explain(model, &row, out, NULL), TM_OK);
    assert_true(out[0] == 0.0 && out[1] == 0.0 && out[2] == 3.0);
    model->ops->importance(model, shares);
    assert_true(shares[0] == 0.0 && shares[1] == 0.0);
    json_t *words = model->ops->describe(model);
    assert_non_null(words);
    json_decref(words);
    tm__model_free(model);
}

static void running_out_of_memory_leaves_nothing_behind(void **state) {
    (void)state;
    const double y[] = {1, 2, 3, 4, 5};
    const tm_fit_input in = {.task = TM_TASK_REGRESSION, .x = &view, .y = y};
    tm_ctx ctx = {0};
    tm_params params;
    tm_status st = TM_E_NOMEM;
    tm__params_init(&tm__baseline_ops, &params);
    for (uint64_t nth = 1; st != TM_OK; nth++) {
        const uint64_t alive = tm__mem_alive();
        tm_model *model = NULL;
        tm__mem_fail_at(nth, false);
        st = tm__model_fit(&ctx, &tm__baseline_ops, &in, &params, &model, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || st == TM_E_NOMEM);
        tm__model_free(model);
        assert_int_equal(tm__mem_alive(), alive);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_shares_and_means_of_the_weighted_rows),
        cmocka_unit_test(a_target_of_one_class_keeps_finite_odds),
        cmocka_unit_test(a_saved_model_loads_and_a_damaged_one_does_not),
        cmocka_unit_test(an_explanation_is_the_mean_alone),
        cmocka_unit_test(running_out_of_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
