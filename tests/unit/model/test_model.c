/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "model/model.h"

static const tm_param_def defs[] = {
    {"depth", TM_PARAM_INT, 6, 1, 12, "how deep", NULL},
    {"rate", TM_PARAM_FLOAT, 0.5, 0, 1, "how fast", NULL},
    {"way", TM_PARAM_CHOICE, 0, 0, 0, "where to", "left|right|up"},
    {.name = NULL},
};

/* A learner that answers its one parameter. */
static tm_status echo_fit(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                          tm_model **out_model, tm_err *err);
static void echo_free(tm_model *model) {
    (void)model;
}
static tm_status echo_predict(tm_ctx *ctx, const tm_model *model, const tm_view *x, double *out,
                              tm_err *err) {
    (void)ctx;
    (void)err;
    for (uint64_t i = 0; i < x->n_rows * model->n_outputs; i++) {
        out[i] = 1.0;
    }
    return TM_OK;
}
static const tm_model_ops echo = {.name = "echo",
                                  .abi = TM_MODEL_ABI,
                                  .params = defs,
                                  .fit = echo_fit,
                                  .predict = echo_predict,
                                  .free = echo_free};
static tm_model fitted;
static tm_status echo_fit(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                          tm_model **out_model, tm_err *err) {
    (void)ctx;
    (void)params;
    (void)err;
    fitted = (tm_model){.ops = &echo,
                        .task = in->task,
                        .n_outputs = in->task == TM_TASK_MULTICLASS ? in->n_classes : 1,
                        .n_cols = in->x->n_cols};
    *out_model = &fitted;
    return TM_OK;
}

static const double column[] = {1, 2, 3};
static const double *const columns[] = {column, column};
static const tm_feature features[] = {{.name = "a"}, {.name = "b"}};
static const tm_view view = {.n_rows = 3, .n_cols = 1, .cols = columns, .features = features};
static const tm_view wide = {.n_rows = 3, .n_cols = 2, .cols = columns, .features = features};
static const tm_view empty = {.n_rows = 0, .n_cols = 1, .cols = columns, .features = features};

static void parameters_start_at_their_defaults_and_are_set_by_name(void **state) {
    (void)state;
    tm_params params;
    tm__params_init(&echo, &params);
    assert_true(tm__params_get(&echo, &params, "depth") == 6);
    assert_int_equal(tm__params_set(&echo, &params, "depth", "3", NULL), TM_OK);
    assert_int_equal(tm__params_set(&echo, &params, "rate", "0.25", NULL), TM_OK);
    assert_true(tm__params_get(&echo, &params, "depth") == 3);
    assert_true(tm__params_get(&echo, &params, "rate") == 0.25);
}

static void a_wrong_parameter_is_refused_with_what_would_be_right(void **state) {
    (void)state;
    static const struct {
        const char *name, *text, *hint;
    } cases[] = {
        {"depht", "3", "Did you mean 'echo.depth'?"},
        {"depth", "2.5", "Give an integer from 1 to 12; the default is 6."},
        {"depth", "13", "Give an integer from 1 to 12; the default is 6."},
        {"rate", "-1", "Give a number from 0 to 1; the default is 0.5."},
        {"rate", "fast", "Write it as echo.rate=0.5."},
        {"way", "down", "It is one of left|right|up."},
        {"way", "", "It is one of left|right|up."},
        {"way", "1", "It is one of left|right|up."},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_params params;
        tm_err err = {0};
        tm__params_init(&echo, &params);
        assert_int_equal(tm__params_set(&echo, &params, cases[i].name, cases[i].text, &err),
                         TM_E_USAGE);
        assert_string_equal(err.hint, cases[i].hint);
        assert_true(tm__params_get(&echo, &params, "depth") == 6);
    }
}

static void parameters_are_told_as_json(void **state) {
    (void)state;
    tm_params params;
    tm__params_init(&echo, &params);
    assert_int_equal(tm__params_set(&echo, &params, "rate", "0.125", NULL), TM_OK);
    assert_int_equal(tm__params_set(&echo, &params, "way", "right", NULL), TM_OK);
    json_t *json = tm__params_to_json(&echo, &params);
    assert_non_null(json);
    assert_true(json_is_integer(json_object_get(json, "depth")));
    assert_string_equal(tm__json_text(json, "way", ""), "right");
    json_decref(json);
}

static void fitting_checks_what_learners_rely_on(void **state) {
    (void)state;
    static const double y[] = {0, 1, 1}, third[] = {0, 1, 2}, half[] = {0, 0.5, 1};
    static const double nan_y[] = {0, NAN, 1}, minus[] = {1, -1, 1}, zero[] = {0, 0, 0};
    static const struct {
        const char *name;
        tm_fit_input in;
        tm_status want;
    } cases[] = {
        {"right", {.task = TM_TASK_BINARY, .x = &view, .y = y}, TM_OK},
        {"no task", {.x = &view, .y = y}, TM_E_INVALID},
        {"third class", {.task = TM_TASK_BINARY, .x = &view, .y = third}, TM_E_INVALID},
        {"half a class", {.task = TM_TASK_BINARY, .x = &view, .y = half}, TM_E_INVALID},
        {"nan", {.task = TM_TASK_REGRESSION, .x = &view, .y = nan_y}, TM_E_INVALID},
        {"minus", {.task = TM_TASK_BINARY, .x = &view, .y = y, .weights = minus}, TM_E_INVALID},
        {"zero", {.task = TM_TASK_BINARY, .x = &view, .y = y, .weights = zero}, TM_E_INVALID},
        {"no rows", {.task = TM_TASK_BINARY, .x = &empty, .y = y}, TM_E_DATA},
        {"one class",
         {.task = TM_TASK_MULTICLASS, .n_classes = 1, .x = &view, .y = y},
         TM_E_INVALID},
        {"valid columns",
         {.task = TM_TASK_BINARY, .x = &view, .y = y, .x_valid = &wide, .y_valid = y},
         TM_E_INVALID},
        {"valid class",
         {.task = TM_TASK_BINARY, .x = &view, .y = y, .x_valid = &view, .y_valid = third},
         TM_E_INVALID},
        {"valid empty",
         {.task = TM_TASK_BINARY, .x = &view, .y = y, .x_valid = &empty, .y_valid = y},
         TM_E_DATA},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_ctx ctx = {0};
        tm_params params;
        tm_model *model = NULL;
        tm_err err = {0};
        tm__params_init(&echo, &params);
        const tm_status st = tm__model_fit(&ctx, &echo, &cases[i].in, &params, &model, &err);
        if (st != cases[i].want) {
            fail_msg("%s: %d, not %d (%s)", cases[i].name, st, cases[i].want, err.message);
        }
        assert_true((model != NULL) == (st == TM_OK));
    }
}

static void predicting_wants_the_columns_of_fitting(void **state) {
    (void)state;
    const double y[] = {0, 1, 1};
    const tm_fit_input in = {.task = TM_TASK_BINARY, .x = &view, .y = y};
    tm_ctx ctx = {0};
    tm_params params;
    tm_model *model = NULL;
    double out[3];
    tm__params_init(&echo, &params);
    assert_int_equal(tm__model_fit(&ctx, &echo, &in, &params, &model, NULL), TM_OK);
    assert_int_equal(tm__model_predict(&ctx, model, &view, out, NULL), TM_OK);
    assert_int_equal(tm__model_predict(&ctx, model, &wide, out, NULL), TM_E_INVALID);
    assert_false(tm__model_can_explain(model));
    assert_int_equal(tm__model_explain(model, &view, out, NULL), TM_E_UNSUPPORTED);
    tm__model_free(model);
    tm__model_free(NULL);
}

static void links_give_probabilities_without_overflow(void **state) {
    (void)state;
    double z[] = {0.0, 800.0, -800.0}, k[] = {1000.0, 1000.0, -1000.0, 1.0, 2.0, 3.0};
    double value[] = {5.0};
    tm__model_link(TM_LINK_SIGMOID, 1, 3, z);
    assert_true(z[0] == 0.5 && z[1] == 1.0 && z[2] >= 0.0 && z[2] < 1e-300);
    tm__model_link(TM_LINK_SOFTMAX, 3, 2, k);
    assert_true(k[0] == 0.5 && k[1] == 0.5 && k[2] == 0.0);
    assert_true(fabs(k[3] - 0.090030573170380462) < 1e-15);
    double logs[] = {0, 2, -1e300, 1e300};
    tm__model_link(TM_LINK_EXP, 1, 4, logs);
    assert_true(logs[0] == 1 && fabs(logs[1] - exp(2)) < 1e-14);
    assert_true(logs[2] > 0 && isfinite(logs[3]) && logs[3] > 1e300);
    tm__model_link(TM_LINK_NONE, 1, 1, value);
    assert_true(value[0] == 5.0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_start_at_their_defaults_and_are_set_by_name),
        cmocka_unit_test(a_wrong_parameter_is_refused_with_what_would_be_right),
        cmocka_unit_test(parameters_are_told_as_json),
        cmocka_unit_test(fitting_checks_what_learners_rely_on),
        cmocka_unit_test(predicting_wants_the_columns_of_fitting),
        cmocka_unit_test(links_give_probabilities_without_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
