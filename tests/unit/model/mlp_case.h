/* SPDX-License-Identifier: Apache-2.0 */
/* Small networks on made rows, for the tests of mlp/. */
#ifndef TM_TEST_MLP_CASE_H
#define TM_TEST_MLP_CASE_H

#include "base/mem.h"
#include "model/mlp/mlp.h"
#include "model_data.h"

static const tm_task mlp_tasks[] = {TM_TASK_BINARY, TM_TASK_MULTICLASS, TM_TASK_REGRESSION};

static inline tm_fit_input mlp_input(const model_data *data, tm_task task) {
    return (tm_fit_input){.task = task,
                          .n_classes = task == TM_TASK_MULTICLASS ? 3 : 0,
                          .x = &data->full,
                          .y = task == TM_TASK_BINARY       ? data->y2
                               : task == TM_TASK_MULTICLASS ? data->y3
                                                            : data->yr,
                          .weights = data->weights,
                          .seed = 7};
}

/* A small network, so that tests are quick. */
static inline tm_params mlp_small(const char *epochs) {
    tm_params params;
    const char *const set[] = {"hidden", "64", "batch", "64", "epochs", epochs};
    tm__params_init(&tm__mlp_ops, &params);
    for (uint32_t i = 0; i < 6; i += 2) {
        assert_int_equal(tm__params_set(&tm__mlp_ops, &params, set[i], set[i + 1], NULL), TM_OK);
    }
    return params;
}

static inline tm_model *mlp_fit(tm_ctx *ctx, const tm_fit_input *in, const char *epochs) {
    const tm_params params = mlp_small(epochs);
    tm_model *model = NULL;
    tm_err err = {0};
    if (tm__model_fit(ctx, &tm__mlp_ops, in, &params, &model, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return model;
}

#endif
