/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "made_data.h"
#include "model/gbdt/gbdt.h"

typedef struct fitted {
    made_data data;
    double *y;
    tm_model *model;
} fitted;

static double truth(const made_data *data, uint64_t row) {
    const double a = data->cols[0][row], b = data->cols[1][row], c = data->cols[2][row];
    return (a > 0.3) + a * b + (isnan(c) ? 1.0 : 0.3 * c) + (data->cols[3][row] == 2 ? 1 : 0);
}

static void target_fill(const made_data *data, tm_task task, double *y) {
    for (uint64_t row = 0; row < data->view.n_rows; row++) {
        const double f = truth(data, row);
        const double u = made_random(77, row);
        y[row] = f + u * 0.1;
        if (task == TM_TASK_BINARY) {
            y[row] = u < tm__sigmoid(2 * f - 1);
        } else if (task == TM_TASK_MULTICLASS) {
            y[row] = f + u < 0.8 ? 0 : (f + u < 1.7 ? 1 : 2);
        }
    }
}

static void fit(tm_task task, fitted *out) {
    const made_options options = {
        .n_rows = 1500, .n_cols = 4, .levels = {0, 0, 0, 12}, .missing = {0, 0, 0.2}, .seed = 5};
    made_init(&out->data, &options);
    out->y = tm__mem_alloc(options.n_rows, sizeof(double));
    target_fill(&out->data, task, out->y);
    tm_ctx ctx = {0};
    tm_params params;
    tm_err err = {0};
    const tm_fit_input in = {
        .task = task, .n_classes = 3, .x = &out->data.view, .y = out->y, .seed = 3};
    tm__params_init(&tm__gbdt_ops, &params);
    params.values[0] = 20; /* n_trees */
    out->model = NULL;
    if (tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &out->model, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
}

static void fitted_done(fitted *f) {
    tm__model_free(f->model);
    tm__mem_free(f->y);
    made_done(&f->data);
}

static const tm_task tasks[] = {TM_TASK_BINARY, TM_TASK_MULTICLASS, TM_TASK_REGRESSION};

static void a_row_alone_has_the_bits_it_has_in_a_batch(void **state) {
    (void)state;
    for (uint32_t t = 0; t < 3; t++) {
        fitted f;
        fit(tasks[t], &f);
        tm_ctx ctx = {0};
        const uint32_t k = f.model->n_outputs;
        double *out = tm__mem_alloc(f.data.view.n_rows * k, sizeof(double));
        assert_int_equal(tm__model_predict(&ctx, f.model, &f.data.view, out, NULL), TM_OK);
        for (uint64_t row = 0; row < f.data.view.n_rows; row++) {
            const double *cols[MADE_COLS_MAX];
            double alone[3];
            const tm_view view = made_row(&f.data, row, cols);
            tm__model_predict_row(f.model, &view, alone);
            assert_memory_equal(alone, out + row * k, k * sizeof(double));
        }
        tm__mem_free(out);
        fitted_done(&f);
    }
}

static void a_saved_model_gives_the_same_bits(void **state) {
    (void)state;
    for (uint32_t t = 0; t < 3; t++) {
        fitted f;
        fit(tasks[t], &f);
        tm_buf first, second;
        tm_model *again = NULL;
        tm__buf_init(&first, 1 << 24);
        tm__buf_init(&second, 1 << 24);
        assert_int_equal(tm__gbdt_ops.save(f.model, &first, NULL), TM_OK);
        assert_int_equal(tm__gbdt_ops.load(first.data, first.len, &again, NULL), TM_OK);
        assert_int_equal(tm__gbdt_ops.save(again, &second, NULL), TM_OK);
        assert_int_equal(first.len, second.len);
        assert_memory_equal(first.data, second.data, first.len);
        const double *cols[MADE_COLS_MAX];
        double a[3], b[3];
        const tm_view view = made_row(&f.data, 7, cols);
        tm__model_predict_row(f.model, &view, a);
        tm__model_predict_row(again, &view, b);
        assert_memory_equal(a, b, f.model->n_outputs * sizeof(double));
        tm__model_free(again);
        tm__buf_done(&first);
        tm__buf_done(&second);
        fitted_done(&f);
    }
}

/* Whatever a byte becomes, loading says no or gives a model that can be walked. */
static void a_flipped_byte_never_crashes(void **state) {
    (void)state;
    fitted f;
    fit(TM_TASK_MULTICLASS, &f);
    tm_buf buf;
    tm__buf_init(&buf, 1 << 24);
    assert_int_equal(tm__gbdt_ops.save(f.model, &buf, NULL), TM_OK);
    uint64_t n_refused = 0, n_tried = 0;
    for (size_t at = 0; at < buf.len; at += at < 4000 ? 1 : 37) {
        const uint8_t was = buf.data[at];
        buf.data[at] = (uint8_t)(was ^ (1 + at % 255));
        tm_model *model = NULL;
        n_tried++;
        if (tm__gbdt_ops.load(buf.data, buf.len, &model, NULL) == TM_OK) {
            double out[3], line[3 * 6];
            const double *cols[MADE_COLS_MAX];
            const tm_view view = made_row(&f.data, at % 1500, cols);
            if (model->n_cols == 4 && model->n_outputs == 3) {
                tm__gbdt_ops.predict_row(model, &view, out);
                assert_int_equal(tm__gbdt_ops.explain(model, &view, line, NULL), TM_OK);
            }
            tm__model_free(model);
        } else {
            assert_null(model);
            n_refused++;
        }
        buf.data[at] = was;
    }
    assert_true(n_refused > n_tried / 4);
    for (size_t len = 0; len < buf.len; len += 1 + len / 16) {
        tm_model *model = NULL;
        assert_int_equal(tm__gbdt_ops.load(buf.data, len, &model, NULL), TM_E_INTEGRITY);
    }
    tm__buf_done(&buf);
    fitted_done(&f);
}

static void loading_fails_cleanly_at_each_allocation(void **state) {
    (void)state;
    fitted f;
    fit(TM_TASK_BINARY, &f);
    tm_buf buf;
    tm__buf_init(&buf, 1 << 24);
    assert_int_equal(tm__gbdt_ops.save(f.model, &buf, NULL), TM_OK);
    const uint64_t alive = tm__mem_alive();
    tm_model *model = NULL;
    tm_status st = TM_E_NOMEM;
    for (uint64_t n = 1; st != TM_OK; n++) {
        tm__mem_fail_at(n, false);
        st = tm__gbdt_ops.load(buf.data, buf.len, &model, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || (st == TM_E_NOMEM && model == NULL));
        assert_true(st == TM_OK || tm__mem_alive() == alive);
    }
    tm__model_free(model);
    tm__buf_done(&buf);
    fitted_done(&f);
}

static void importance_is_a_share_and_names_the_columns_that_matter(void **state) {
    (void)state;
    fitted f;
    fit(TM_TASK_REGRESSION, &f);
    double share[5];
    tm__gbdt_ops.importance(f.model, share);
    assert_true(fabs(share[0] + share[1] + share[2] + share[3] - 1) < 1e-12);
    assert_true(share[0] > 0.1 && share[1] > 0.1 && share[2] > 0.1 && share[3] > 0.01);
    assert_true(share[4] == 0);
    json_t *about = tm__gbdt_ops.describe(f.model);
    assert_int_equal(json_integer_value(json_object_get(about, "n_trees")), 20);
    assert_true(json_integer_value(json_object_get(about, "max_leaves")) <= 31);
    json_decref(about);
    fitted_done(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_alone_has_the_bits_it_has_in_a_batch),
        cmocka_unit_test(a_saved_model_gives_the_same_bits),
        cmocka_unit_test(a_flipped_byte_never_crashes),
        cmocka_unit_test(loading_fails_cleanly_at_each_allocation),
        cmocka_unit_test(importance_is_a_share_and_names_the_columns_that_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
