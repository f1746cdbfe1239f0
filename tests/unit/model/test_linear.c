/* SPDX-License-Identifier: Apache-2.0 */
/* Expected coefficients: tests/golden/model/make_coefficients.py. */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "model/linear/linear.h"
#include "model/linear/linear_priv.h"
#include "model_data.h"

static tm_model *fit(tm_ctx *ctx, const tm_fit_input *in, const char *const *set) {
    tm_params params;
    tm_model *model = NULL;
    tm_err err = {0};
    tm__params_init(&tm__linear_ops, &params);
    for (; set != NULL && *set != NULL; set += 2) {
        assert_int_equal(tm__params_set(&tm__linear_ops, &params, set[0], set[1], &err), TM_OK);
    }
    if (tm__model_fit(ctx, &tm__linear_ops, in, &params, &model, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return model;
}

static const struct golden {
    const char *name;
    tm_task task;
    bool is_weighted;
    const char *const set[7];
    double want[12]; /* slopes column by column, then intercepts */
} goldens[] = {
    {"ridge",
     TM_TASK_REGRESSION,
     false,
     {"strength", "0.01", "tol", "1e-14"},
     {2.51494144441, -10.7039776405, 2.1383509887, 100.05301755}},
    {"ridge weighted",
     TM_TASK_REGRESSION,
     true,
     {"strength", "0.01", "tol", "1e-14"},
     {2.45098557358, -10.7237024512, 2.18077541306, 100.054536265}},
    {"logistic",
     TM_TASK_BINARY,
     false,
     {"strength", "0.01", "tol", "1e-14"},
     {0.439440794757, -2.72659691086, 0.91104623419, -0.994179747346}},
    {"logistic weighted",
     TM_TASK_BINARY,
     true,
     {"strength", "0.01", "tol", "1e-14"},
     {0.400235729206, -2.71234823949, 0.967698695084, -1.04361567165}},
    {"softmax",
     TM_TASK_MULTICLASS,
     false,
     {"strength", "0.01", "tol", "1e-14"},
     {-0.421824646298, 0.0617900656535, 0.360034580644, 1.7700981758, 0.378616256178,
      -2.14871443198, -0.596483119285, -0.302321018795, 0.898804138079, -0.646545932578,
      0.338609597409, 0.30793633517}},
    {"elastic net",
     TM_TASK_REGRESSION,
     false,
     {"strength", "0.2", "tol", "1e-14", "l1_ratio", "0.7"},
     {1.88124315748, -7.80905600342, 2.25953985912, 100.05301755}},
    {"elastic logistic",
     TM_TASK_BINARY,
     false,
     {"strength", "0.05", "tol", "1e-14", "l1_ratio", "0.8"},
     {0.303578322997, -1.75841379435, 0.553320319131, -0.737600669107}},
};

static void coefficients_are_those_of_scikit_learn(void **state) {
    (void)state;
    model_data *data = model_data_create(200);
    for (size_t g = 0; g < sizeof(goldens) / sizeof(goldens[0]); g++) {
        const struct golden *golden = &goldens[g];
        const double *y = golden->task == TM_TASK_BINARY       ? data->y2
                          : golden->task == TM_TASK_MULTICLASS ? data->y3
                                                               : data->yr;
        const tm_fit_input in = {.task = golden->task,
                                 .n_classes = 3,
                                 .x = &data->numbers,
                                 .y = y,
                                 .weights = golden->is_weighted ? data->weights : NULL};
        tm_ctx ctx = {0};
        tm_model *model = fit(&ctx, &in, golden->set);
        const tm_linear *linear = (const tm_linear *)model;
        const uint32_t k = model->n_outputs;
        for (uint32_t i = 0; i < 3 * k + k; i++) {
            const double got = i < 3 * k ? linear->coefs[linear->parts[i / k].row * k + i % k]
                                         : linear->bias[i - 3 * k];
            /* a and c go together: along them the minimum is flat. */
            if (!(fabs(got - golden->want[i]) <= 1e-5 * fmax(1.0, fabs(golden->want[i])))) {
                fail_msg("%s %u: got %.12g, want %.12g", golden->name, i, got, golden->want[i]);
            }
        }
        tm__model_free(model);
    }
    model_data_free(data);
}

static tm_fit_input input_of(const model_data *data, tm_task task) {
    return (tm_fit_input){.task = task,
                          .n_classes = task == TM_TASK_MULTICLASS ? 3 : 0,
                          .x = &data->full,
                          .y = task == TM_TASK_BINARY       ? data->y2
                               : task == TM_TASK_MULTICLASS ? data->y3
                                                            : data->yr,
                          .weights = data->weights,
                          .seed = 7};
}

static const tm_task tasks[] = {TM_TASK_BINARY, TM_TASK_MULTICLASS, TM_TASK_REGRESSION};

static void a_row_alone_has_the_bits_of_a_batch_and_its_explanation_sums_to_it(void **state) {
    (void)state;
    enum { N = 5000 };
    model_data *data = model_data_create(N);
    double *batch = tm__mem_alloc(N * 3, sizeof(double));
    data->cols[0][11] = INFINITY;
    data->cols[0][12] = -INFINITY;
    data->cols[0][13] = NAN;
    for (size_t t = 0; t < 3; t++) {
        tm_fit_input in = input_of(data, tasks[t]);
        tm_ctx ctx = {0};
        const char *const set[] = {"strength", "0.001", NULL};
        tm_model *model = fit(&ctx, &in, set);
        const uint32_t k = model->n_outputs;
        assert_int_equal(tm__model_predict(&ctx, model, &data->full, batch, NULL), TM_OK);
        for (uint64_t i = 0; i < N; i += 7) {
            model_row storage;
            double row[3], parts[3 * 7];
            const tm_view *view = model_row_view(&data->full, i, &storage);
            tm__model_predict_row(model, view, row);
            assert_memory_equal(row, batch + i * k, k * sizeof(double));
            assert_int_equal(tm__model_explain(model, view, parts, NULL), TM_OK);
            for (uint32_t o = 0; o < k; o++) {
                double sum = 0.0;
                for (uint32_t p = 0; p < 7; p++) {
                    sum += parts[o * 7 + p];
                }
                assert_true(isfinite(row[o]));
                assert_true(fabs(sum - row[o]) <= 1e-12 * fmax(1.0, fabs(row[o])));
            }
        }
        tm__model_free(model);
    }
    tm__mem_free(batch);
    model_data_free(data);
}

static void contributions_have_mean_zero_over_the_training_rows(void **state) {
    (void)state;
    enum { N = 600 };
    model_data *data = model_data_create(N);
    const tm_fit_input in = input_of(data, TM_TASK_BINARY);
    tm_ctx ctx = {0};
    tm_model *model = fit(&ctx, &in, NULL);
    double sums[6] = {0}, shares[6], share = 0.0;
    for (uint64_t i = 0; i < N; i++) {
        model_row storage;
        double parts[7];
        assert_int_equal(
            tm__model_explain(model, model_row_view(&data->full, i, &storage), parts, NULL), TM_OK);
        for (uint32_t p = 0; p < 6; p++) {
            sums[p] += data->weights[i] * parts[p];
        }
    }
    model->ops->importance(model, shares);
    for (uint32_t p = 0; p < 6; p++) {
        assert_true(fabs(sums[p] / N) < 1e-6);
        assert_true(shares[p] >= 0.0);
        share += shares[p];
    }
    assert_true(fabs(share - 1.0) < 1e-12);
    tm__model_free(model);
    model_data_free(data);
}

static void save(const tm_model *model, tm_buf *out) {
    tm__buf_init(out, 1 << 24);
    assert_int_equal(model->ops->save(model, out, NULL), TM_OK);
}

static void one_two_and_three_threads_give_the_same_bytes(void **state) {
    (void)state;
    model_data *data = model_data_create(12000);
    for (size_t t = 0; t < 3; t++) {
        const tm_fit_input in = input_of(data, tasks[t]);
        tm_buf first = {0};
        for (uint32_t n_threads = 1; n_threads <= 3; n_threads++) {
            tm_ctx ctx = {.pool = tm__pool_create(n_threads)};
            const char *const set[] = {"max_iter", "12", "strength", "0.001", NULL};
            tm_model *model = fit(&ctx, &in, set);
            tm_buf bytes;
            save(model, &bytes);
            if (n_threads == 1) {
                first = bytes;
            } else {
                assert_int_equal(bytes.len, first.len);
                assert_memory_equal(bytes.data, first.data, first.len);
                tm__buf_done(&bytes);
            }
            tm__model_free(model);
            tm__pool_free(ctx.pool);
        }
        tm__buf_done(&first);
    }
    model_data_free(data);
}

static void a_saved_model_predicts_the_same_bits(void **state) {
    (void)state;
    enum { N = 300 };
    model_data *data = model_data_create(N);
    double a[N * 3], b[N * 3];
    for (size_t t = 0; t < 3; t++) {
        const tm_fit_input in = input_of(data, tasks[t]);
        tm_ctx ctx = {0};
        tm_model *model = fit(&ctx, &in, NULL), *again = NULL;
        tm_buf bytes, more;
        save(model, &bytes);
        assert_int_equal(tm__linear_ops.load(bytes.data, bytes.len, &again, NULL), TM_OK);
        assert_int_equal(tm__model_predict(&ctx, model, &data->full, a, NULL), TM_OK);
        assert_int_equal(tm__model_predict(&ctx, again, &data->full, b, NULL), TM_OK);
        assert_memory_equal(a, b, N * model->n_outputs * sizeof(double));
        save(again, &more);
        assert_int_equal(more.len, bytes.len);
        assert_memory_equal(more.data, bytes.data, bytes.len);
        tm__buf_done(&bytes);
        tm__buf_done(&more);
        tm__model_free(model);
        tm__model_free(again);
    }
    model_data_free(data);
}

static void damaged_bytes_are_refused_or_harmless(void **state) {
    (void)state;
    model_data *data = model_data_create(100);
    const tm_fit_input in = input_of(data, TM_TASK_BINARY);
    tm_ctx ctx = {0};
    tm_model *model = fit(&ctx, &in, NULL), *again = NULL;
    tm_buf bytes;
    double out[100];
    save(model, &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(tm__linear_ops.load(bytes.data, len, &again, NULL), TM_E_INTEGRITY);
    }
    /* A flipped bit of a coefficient is another model (a bundle's sums catch it), never a fault. */
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= 0x41;
        if (tm__linear_ops.load(bytes.data, bytes.len, &again, NULL) == TM_OK) {
            const tm_status st = tm__model_predict(&ctx, again, &data->full, out, NULL);
            assert_true(st == TM_OK || st == TM_E_INVALID);
            tm__model_free(again);
            assert_true(i >= 32 || (i >= 20 && i < 24)); /* the head, but for n_terms */
        }
        bytes.data[i] ^= 0x41;
    }
    tm__buf_done(&bytes);
    tm__model_free(model);
    model_data_free(data);
}

static void an_unknown_level_and_an_unknown_term_add_nothing(void **state) {
    (void)state;
    model_data *data = model_data_create(200);
    const tm_fit_input in = input_of(data, TM_TASK_BINARY);
    tm_ctx ctx = {0};
    model_row storage;
    double parts[7];
    /* Level 4 and the last terms are not in training. */
    for (uint64_t i = 0; i < 200; i++) {
        data->cols[4][i] = data->cols[4][i] == 4.0 ? 0.0 : data->cols[4][i];
    }
    tm_model *model = fit(&ctx, &in, NULL);
    data->cols[4][5] = 4.0;
    data->terms[5 * 3] = data->terms[5 * 3 + 1] = data->terms[5 * 3 + 2] = 39;
    assert_int_equal(
        tm__model_explain(model, model_row_view(&data->full, 5, &storage), parts, NULL), TM_OK);
    assert_true(parts[4] == 0.0);
    assert_true(fabs(parts[5] + ((const tm_linear *)model)->term_mean[0]) < 1e-15);
    data->cols[4][5] = 17.0; /* as if missing */
    assert_int_equal(
        tm__model_explain(model, model_row_view(&data->full, 5, &storage), parts, NULL), TM_OK);
    assert_true(parts[4] != 0.0);
    json_t *words = model->ops->describe(model);
    assert_non_null(words);
    assert_true(json_number_value(json_object_get(words, "strength")) > 0.0);
    json_decref(words);
    tm__model_free(model);
    model_data_free(data);
}

static void running_out_of_memory_leaves_nothing_behind(void **state) {
    (void)state;
    model_data *data = model_data_create(60);
    tm_fit_input in = input_of(data, TM_TASK_BINARY);
    tm_params params;
    tm__params_init(&tm__linear_ops, &params);
    for (int with_valid = 0; with_valid < 2; with_valid++) {
        tm_status st = TM_E_NOMEM;
        in.x_valid = with_valid ? in.x : NULL;
        in.y_valid = in.y;
        for (uint64_t nth = 1; st != TM_OK; nth++) {
            const uint64_t alive = tm__mem_alive();
            tm_ctx ctx = {0};
            tm_model *model = NULL;
            tm__mem_fail_at(nth, false);
            st = tm__model_fit(&ctx, &tm__linear_ops, &in, &params, &model, NULL);
            tm__mem_fail_at(0, false);
            assert_true(st == TM_OK || (st == TM_E_NOMEM && model == NULL));
            tm__model_free(model);
            assert_int_equal(tm__mem_alive(), alive);
        }
    }
    model_data_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coefficients_are_those_of_scikit_learn),
        cmocka_unit_test(a_row_alone_has_the_bits_of_a_batch_and_its_explanation_sums_to_it),
        cmocka_unit_test(contributions_have_mean_zero_over_the_training_rows),
        cmocka_unit_test(one_two_and_three_threads_give_the_same_bytes),
        cmocka_unit_test(a_saved_model_predicts_the_same_bits),
        cmocka_unit_test(damaged_bytes_are_refused_or_harmless),
        cmocka_unit_test(an_unknown_level_and_an_unknown_term_add_nothing),
        cmocka_unit_test(running_out_of_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
