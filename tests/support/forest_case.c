/* SPDX-License-Identifier: Apache-2.0 */
#include "forest_case.h"

#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "model/forest/forest.h"

enum { COLS = 4, CLASSES = 5 };

void forest_case_init(forest_case *c, tm_task task, uint64_t n_rows) {
    const made_options options = {.n_rows = n_rows,
                                  .n_cols = COLS,
                                  .levels = {0, 0, 0, 40},
                                  .missing = {0, 0.2, 0, 0},
                                  .seed = 11};
    memset(c, 0, sizeof(*c));
    made_init(&c->made, &options);
    c->y = tm__mem_alloc(n_rows, sizeof(double));
    for (uint64_t row = 0; row < n_rows; row++) {
        const double x = c->made.cols[0][row], z = c->made.cols[1][row];
        const double s =
            x + (isnan(z) ? 1 : fabs(z)) + (c->made.cols[3][row] > 20) + made_random(12, row) - 1.5;
        c->y[row] = task == TM_TASK_REGRESSION   ? 100 + 10 * s
                    : task == TM_TASK_MULTICLASS ? fmin(fmax(floor(s + 2), 0), CLASSES - 1)
                                                 : (double)(s > 0);
    }
    tm__params_init(&tm__random_forest_ops, &c->params);
    c->in = (tm_fit_input){.task = task,
                           .n_classes = task == TM_TASK_MULTICLASS ? (uint32_t)CLASSES : 0,
                           .x = &c->made.view,
                           .y = c->y,
                           .seed = 3};
}

void forest_case_set(forest_case *c, const char *name, const char *value) {
    assert_int_equal(tm__params_set(&tm__random_forest_ops, &c->params, name, value, NULL), TM_OK);
}

tm_model *forest_case_fit(const forest_case *c, tm_ctx *ctx) {
    tm_model *model = NULL;
    tm_err err = {0};
    if (tm__model_fit(ctx, &tm__random_forest_ops, &c->in, &c->params, &model, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return model;
}

void forest_case_done(forest_case *c) {
    made_done(&c->made);
    tm__mem_free(c->y);
}
