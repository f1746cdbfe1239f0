/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "mlp_case.h"

static void save(const tm_model *model, tm_buf *out) {
    tm__buf_init(out, (size_t)1 << 26);
    assert_int_equal(model->ops->save(model, out, NULL), TM_OK);
}

static void a_row_alone_has_the_bits_of_a_batch_and_its_explanation_sums_to_it(void **state) {
    (void)state;
    enum { N = 900 };
    model_data *data = model_data_create(N);
    double *batch = tm__mem_alloc(N * 3, sizeof(double));
    data->cols[0][11] = INFINITY;
    data->cols[0][12] = -INFINITY;
    data->cols[0][13] = NAN;
    for (size_t t = 0; t < 3; t++) {
        tm_fit_input in = mlp_input(data, mlp_tasks[t]);
        tm_ctx ctx = {0};
        tm_model *model = mlp_fit(&ctx, &in, "2");
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
                assert_true(fabs(sum - row[o]) <= 1e-9 * fmax(1.0, fabs(row[o])));
            }
        }
        tm__model_free(model);
    }
    tm__mem_free(batch);
    model_data_free(data);
}

static void a_saved_model_predicts_the_same_bits_and_damage_is_refused_or_harmless(void **state) {
    (void)state;
    model_data *data = model_data_create(300);
    for (size_t t = 0; t < 3; t++) {
        tm_fit_input in = mlp_input(data, mlp_tasks[t]);
        tm_ctx ctx = {0};
        tm_model *model = mlp_fit(&ctx, &in, "1");
        tm_model *loaded = NULL;
        tm_buf bytes;
        double a[900], b[900];
        save(model, &bytes);
        assert_int_equal(tm__mlp_ops.load(bytes.data, bytes.len, &loaded, NULL), TM_OK);
        assert_int_equal(tm__model_predict(&ctx, model, in.x, a, NULL), TM_OK);
        assert_int_equal(tm__model_predict(&ctx, loaded, in.x, b, NULL), TM_OK);
        assert_memory_equal(a, b, 300 * model->n_outputs * sizeof(double));
        tm__model_free(loaded);
        for (size_t at = 0; at < bytes.len; at += at < 600 ? 1 : 977) {
            for (uint32_t bit = 0; bit < 8; bit += 7) {
                bytes.data[at] ^= (uint8_t)(1u << bit);
                loaded = NULL;
                const tm_status st = tm__mlp_ops.load(bytes.data, bytes.len, &loaded, NULL);
                assert_true(st == TM_OK || st == TM_E_INTEGRITY || st == TM_E_UNSUPPORTED);
                if (st == TM_OK && loaded->n_cols == 5 && loaded->n_outputs <= 3) {
                    model_row storage;
                    double out[3];
                    tm__model_predict_row(loaded, model_row_view(in.x, 3, &storage), out);
                    assert_true(isfinite(out[0]));
                }
                tm__model_free(loaded);
                bytes.data[at] ^= (uint8_t)(1u << bit);
            }
        }
        for (size_t len = 0; len < bytes.len; len += len < 600 ? 1 : 977) {
            loaded = NULL;
            assert_int_not_equal(tm__mlp_ops.load(bytes.data, len, &loaded, NULL), TM_OK);
        }
        tm__buf_done(&bytes);
        tm__model_free(model);
    }
    model_data_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_alone_has_the_bits_of_a_batch_and_its_explanation_sums_to_it),
        cmocka_unit_test(a_saved_model_predicts_the_same_bits_and_damage_is_refused_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
