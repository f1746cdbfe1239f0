/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

#include "mlp_case.h"

/* The target depends on the second of three columns alone: its part is the largest, for most rows
 * by far. */
static void the_column_that_matters_gets_the_score(void **state) {
    (void)state;
    enum { N = 1500 };
    model_data *data = model_data_create(N);
    for (uint32_t i = 0; i < N; i++) {
        data->yr[i] = 3.0 * data->cols[1][i];
    }
    const tm_fit_input in = {
        .task = TM_TASK_REGRESSION, .x = &data->numbers, .y = data->yr, .seed = 1};
    tm_ctx ctx = {0};
    tm_model *model = mlp_fit(&ctx, &in, "20");
    double sizes[3] = {0}, shares[4];
    for (uint64_t i = 0; i < N; i += 10) {
        model_row storage;
        double parts[5];
        assert_int_equal(
            tm__model_explain(model, model_row_view(&data->numbers, i, &storage), parts, NULL),
            TM_OK);
        for (uint32_t j = 0; j < 3; j++) {
            sizes[j] += fabs(parts[j]);
        }
        assert_true(parts[3] == 0.0);
    }
    assert_true(sizes[1] > 4.0 * (sizes[0] + sizes[2]));
    model->ops->importance(model, shares);
    assert_true(shares[1] > 0.5 && shares[3] == 0.0);
    assert_true(fabs(shares[0] + shares[1] + shares[2] - 1.0) < 1e-9);
    tm__model_free(model);
    model_data_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_column_that_matters_gets_the_score),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
