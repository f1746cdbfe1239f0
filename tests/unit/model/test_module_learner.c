/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "made_module.h"
#include "model/module/module_learner.h"
#include "model_data.h"

#define N 3000u

static made_module made;
static const tm_user_module *module;

static int add_module(void **state) {
    (void)state;
    made_module_init(&made, "mean");
    module = made_module_add(&made, 0xab);
    assert_int_equal(tm__model_add(module, NULL), TM_OK);
    return 0;
}

static tm_status fit(const tm_fit_input *in, tm_model **out, tm_err *err) {
    tm_ctx ctx = {0};
    tm_params params;
    tm__params_init(tm__model_find("mean"), &params);
    return tm__model_fit(&ctx, tm__model_find("mean"), in, &params, out, err);
}

static void it_stands_on_the_list_once_and_is_fitted_only_when_named(void **state) {
    const tm_model_ops *ops = tm__model_find("mean");
    uint32_t n = 0;
    (void)state;
    assert_int_equal(tm__model_add(module, NULL), TM_OK);
    for (const tm_model_ops *const *list = tm__model_list(); *list != NULL; list++) {
        n += *list == ops ? 1 : 0;
    }
    assert_int_equal(n, 1);
    assert_true(ops->is_external);
    assert_ptr_equal(tm__module_of(ops), module);
    assert_null(tm__module_of(tm__model_find("gbdt")));
    assert_string_equal(ops->params[0].name, "factor");
    assert_null(ops->params[2].name);
}

static void a_name_of_ours_is_refused(void **state) {
    made_module other;
    tm_err err = {0};
    tm_user_module entry = {.table = &other.table};
    (void)state;
    made_module_init(&other, "gbdt");
    assert_int_equal(tm__model_add(&entry, &err), TM_E_CONFLICT);
    other.table.name = "blend";
    assert_int_equal(tm__model_add(&entry, &err), TM_E_CONFLICT);
    other.table.learner = NULL;
    assert_int_equal(tm__model_add(&entry, &err), TM_OK);
}

static void it_fits_predicts_saves_and_loads(void **state) {
    model_data *data = model_data_create(N);
    const tm_fit_input in = {.task = TM_TASK_MULTICLASS,
                             .n_classes = 3,
                             .x = &data->numbers,
                             .y = data->y3,
                             .weights = data->weights};
    tm_model *model = NULL, *loaded = NULL;
    tm_ctx ctx = {0};
    tm_buf bytes;
    double *out = tm__mem_alloc(N * 3, sizeof(*out)), one[3], shares[4];
    tm_err err = {0};
    (void)state;
    if (fit(&in, &model, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(model->work_used, N);
    assert_int_equal(tm__model_predict(&ctx, model, &data->numbers, out, &err), TM_OK);
    model_row storage;
    tm__model_predict_row(model, model_row_view(&data->numbers, 5, &storage), one);
    assert_memory_equal(one, out + 15, sizeof(one));
    tm__buf_init(&bytes, 1u << 20);
    assert_int_equal(model->ops->save(model, &bytes, &err), TM_OK);
    assert_int_equal(tm__module_learner_head(bytes.data, bytes.len) % 64, 0);
    assert_int_equal(model->ops->load(bytes.data, bytes.len, &loaded, &err), TM_OK);
    assert_int_equal(loaded->n_outputs, 3);
    tm__model_predict_row(loaded, model_row_view(&data->numbers, 5, &storage), one);
    assert_memory_equal(one, out + 15, sizeof(one));
    model->ops->importance(model, shares);
    assert_true(shares[0] == 1 && shares[1] == 0 && shares[3] == 0);
    json_t *said = model->ops->describe(model);
    assert_string_equal(tm__json_text(said, "module", ""), "mean");
    json_decref(said);
    tm__buf_done(&bytes);
    tm__model_free(loaded);
    tm__model_free(model);
    tm__mem_free(out);
    model_data_free(data);
}

static tm_model *fit_small(model_data *data) {
    const tm_fit_input in = {.task = TM_TASK_BINARY, .x = &data->numbers, .y = data->y2};
    tm_model *model = NULL;
    assert_int_equal(fit(&in, &model, NULL), TM_OK);
    return model;
}

static void every_byte_of_the_head_counts(void **state) {
    model_data *data = model_data_create(50);
    tm_model *model = fit_small(data);
    tm_buf bytes;
    uint32_t n_taken = 0;
    (void)state;
    tm__buf_init(&bytes, 1u << 20);
    assert_int_equal(model->ops->save(model, &bytes, NULL), TM_OK);
    for (size_t len = 0; len < bytes.len; len++) {
        tm_model *loaded = NULL;
        assert_int_not_equal(model->ops->load(bytes.data, len, &loaded, NULL), TM_OK);
    }
    for (size_t i = 0; i < 52; i++) { /* before the version's text, which is only shown */
        tm_model *loaded = NULL;
        tm_err err = {0};
        bytes.data[i] ^= 0x40;
        if (model->ops->load(bytes.data, bytes.len, &loaded, &err) == TM_OK) {
            n_taken++; /* another number of columns: the bundle compares it with its features */
            assert_int_not_equal(loaded->n_cols, model->n_cols);
        } else {
            assert_true(err.status == TM_E_INTEGRITY || err.status == TM_E_UNSUPPORTED);
        }
        tm__model_free(loaded);
        bytes.data[i] ^= 0x40;
    }
    assert_true(n_taken <= 3);
    tm__buf_done(&bytes);
    tm__model_free(model);
    model_data_free(data);
}

/* ---- modules that do what they must not ---- */

static void nan_predict(const tm_module_host *host, const void *model, const tm_module_rows *rows,
                        double *out) {
    (void)host;
    (void)model;
    for (uint64_t i = 0; i < rows->n_rows; i++) {
        out[i] = (double)NAN;
    }
}

static int32_t odd_status(const tm_module_call *call, const tm_module_fit *in, void **out) {
    (void)call;
    (void)in;
    (void)out;
    return 99;
}

static int32_t no_model(const tm_module_call *call, const tm_module_fit *in, void **out) {
    (void)call;
    (void)in;
    (void)out;
    return TM_MODULE_OK;
}

static void fit_fails(model_data *data, tm_task task, tm_status status, const char *says) {
    const tm_fit_input in = {.task = task, .x = &data->numbers, .y = data->y2};
    tm_model *model = NULL;
    tm_err err = {0};
    const uint64_t alive = tm__mem_alive();
    assert_int_equal(fit(&in, &model, &err), status);
    if (strstr(err.message, says) == NULL) {
        fail_msg("%s", err.message);
    }
    assert_null(model);
    assert_int_equal(tm__mem_alive(), alive);
}

static void what_a_module_does_wrong_is_told_by_its_name(void **state) {
    model_data *data = model_data_create(50);
    const tm_module_learner good = made.learner;
    (void)state;
    made.learner.predict = nan_predict;
    fit_fails(data, TM_TASK_BINARY, TM_E_INTERNAL, "'mean' gave a score that is no finite number");
    made.learner = good;
    made.learner.fit = odd_status;
    fit_fails(data, TM_TASK_BINARY, TM_E_INTERNAL, "module 'mean' cannot fit");
    made.learner.fit = no_model;
    fit_fails(data, TM_TASK_BINARY, TM_E_INTERNAL, "gives no model");
    made.learner = good;
    fit_fails(data, TM_TASK_RANKING, TM_E_UNSUPPORTED, "not made for this task");
    tm_model *model = fit_small(data);
    model_row storage;
    double one = 0;
    made.learner.predict = nan_predict;
    tm__model_predict_row(model, model_row_view(&data->numbers, 0, &storage), &one);
    assert_true(isnan(one));
    made.learner = good;
    tm__model_free(model);
    model_data_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_stands_on_the_list_once_and_is_fitted_only_when_named),
        cmocka_unit_test(a_name_of_ours_is_refused),
        cmocka_unit_test(it_fits_predicts_saves_and_loads),
        cmocka_unit_test(every_byte_of_the_head_counts),
        cmocka_unit_test(what_a_module_does_wrong_is_told_by_its_name),
    };
    return cmocka_run_group_tests(tests, add_module, NULL);
}
