/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/pool.h"
#include "base/simd.h"
#include "mlp_case.h"

static void save(const tm_model *model, tm_buf *out) {
    tm__buf_init(out, (size_t)1 << 26);
    assert_int_equal(model->ops->save(model, out, NULL), TM_OK);
}

/* The target is the sign of a product, which no sum of columns tells. */
static void it_learns_what_a_linear_model_cannot(void **state) {
    (void)state;
    enum { N = 3000, TEST = 1000 };
    model_data *data = model_data_create(N);
    double *pred = tm__mem_alloc(N, sizeof(double));
    for (uint32_t i = 0; i < N; i++) {
        for (uint32_t j = 0; j < 2; j++) {
            data->cols[j][i] = model_uniform(i, 40 + j) - 0.5;
        }
        data->y2[i] = data->cols[0][i] * data->cols[1][i] > 0.0;
    }
    tm_view train = data->numbers;
    train.n_rows = N - TEST;
    const tm_fit_input in = {.task = TM_TASK_BINARY, .x = &train, .y = data->y2, .seed = 1};
    tm_ctx ctx = {0};
    tm_model *model = mlp_fit(&ctx, &in, "30");
    uint32_t n_right = 0;
    assert_int_equal(tm__model_predict(&ctx, model, &data->numbers, pred, NULL), TM_OK);
    for (uint32_t i = N - TEST; i < N; i++) {
        n_right += (pred[i] > 0.0) == (data->y2[i] > 0.5);
    }
    assert_true(n_right > TEST * 9 / 10);
    tm__model_free(model);
    tm__mem_free(pred);
    model_data_free(data);
}

static void threads_and_vectors_change_no_byte(void **state) {
    (void)state;
    model_data *data = model_data_create(700);
    for (size_t t = 0; t < 3; t++) {
        tm_fit_input in = mlp_input(data, mlp_tasks[t]);
        tm_buf first = {0};
        in.x_valid = in.x;
        in.y_valid = in.y;
        for (uint32_t n_threads = 1; n_threads <= 3; n_threads++) {
            for (int level = TM_SIMD_PLAIN; level <= (int)tm__simd_machine(); level++) {
                tm_buf bytes;
                tm_ctx ctx = {.pool = tm__pool_create(n_threads)};
                tm__simd_limit((tm_simd)level);
                tm_model *model = mlp_fit(&ctx, &in, "2");
                save(model, &bytes);
                if (first.data == NULL) {
                    first = bytes;
                } else {
                    assert_int_equal(bytes.len, first.len);
                    assert_memory_equal(bytes.data, first.data, first.len);
                    tm__buf_done(&bytes);
                }
                tm__model_free(model);
                tm__pool_free(ctx.pool);
            }
        }
        tm__buf_done(&first);
    }
    model_data_free(data);
}

static void a_spent_budget_leaves_a_model_and_no_epoch_the_prior(void **state) {
    (void)state;
    model_data *data = model_data_create(400);
    tm_fit_input in = mlp_input(data, TM_TASK_BINARY);
    tm_budget budget = {.work_limit = 1};
    tm_ctx ctx = {.budget = &budget};
    in.weights = NULL;
    tm_model *model = mlp_fit(&ctx, &in, "50");
    assert_int_equal(model->n_rounds, 1);
    assert_true(budget.is_cut);
    tm__model_free(model);
    _Atomic bool cancel = true;
    ctx = (tm_ctx){.cancel = &cancel};
    const tm_params params = mlp_small("3");
    assert_int_equal(tm__model_fit(&ctx, &tm__mlp_ops, &in, &params, &model, NULL), TM_E_CANCELLED);
    model_data_free(data);
}

static void running_out_of_memory_leaves_nothing_behind(void **state) {
    (void)state;
    model_data *data = model_data_create(60);
    tm_fit_input in = mlp_input(data, TM_TASK_BINARY);
    const tm_params params = mlp_small("1");
    tm_status st = TM_E_NOMEM;
    in.x_valid = in.x;
    in.y_valid = in.y;
    for (uint64_t nth = 1; st != TM_OK; nth++) {
        const uint64_t alive = tm__mem_alive();
        tm_ctx ctx = {0};
        tm_model *model = NULL;
        tm__mem_fail_at(nth, false);
        st = tm__model_fit(&ctx, &tm__mlp_ops, &in, &params, &model, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || (st == TM_E_NOMEM && model == NULL));
        tm__model_free(model);
        assert_int_equal(tm__mem_alive(), alive);
    }
    model_data_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_learns_what_a_linear_model_cannot),
        cmocka_unit_test(threads_and_vectors_change_no_byte),
        cmocka_unit_test(a_spent_budget_leaves_a_model_and_no_epoch_the_prior),
        cmocka_unit_test(running_out_of_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
