/* SPDX-License-Identifier: Apache-2.0 */
/* Rows for tests of learners: reproducible in Python (tests/golden/model/make_coefficients.py). */
#ifndef TM_SUPPORT_MODEL_DATA_H
#define TM_SUPPORT_MODEL_DATA_H

#include "model/model.h"

typedef struct model_data {
    tm_view numbers; /* three numbers */
    tm_view full;    /* the same, a number with missing values, a category, text terms */
    tm_sparse sparse;
    double *y2, *y3, *yr, *weights; /* [n_rows] */
    double *cols[5];
    uint64_t *starts;
    uint32_t *terms;
    float *values;
} model_data;

/** Uniform in [0, 1): value i of a stream. */
double model_uniform(uint64_t i, uint64_t stream);
model_data *model_data_create(uint64_t n_rows);
void model_data_free(model_data *data);
/** View of one row of a view. */
typedef struct model_row {
    tm_view view;
    tm_sparse sparse;
    const double *cols[5];
} model_row;
const tm_view *model_row_view(const tm_view *x, uint64_t row, model_row *storage);

#endif
