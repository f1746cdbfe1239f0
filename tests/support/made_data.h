/* SPDX-License-Identifier: Apache-2.0 */
/* Views with made-up rows, for tests of learners. */
#ifndef TM_SUPPORT_MADE_DATA_H
#define TM_SUPPORT_MADE_DATA_H

#include "feature/feature.h"

#define MADE_COLS_MAX 16u

/* Numbers uniform in [-2, 2], or codes below levels[c]; a share of cells is missing. */
typedef struct made_options {
    uint64_t n_rows;
    uint32_t n_cols;
    uint32_t levels[MADE_COLS_MAX]; /* 0: a number */
    double missing[MADE_COLS_MAX];
    uint64_t seed;
} made_options;

typedef struct made_data {
    tm_view view;
    double *cells; /* [n_cols x n_rows] */
    const double *cols[MADE_COLS_MAX];
    tm_feature features[MADE_COLS_MAX];
} made_data;

void made_init(made_data *data, const made_options *options);
/** Uniform in [0, 1), by seed and number. */
double made_random(uint64_t seed, uint64_t number);
/** View of one row; the arrays are the caller's. */
tm_view made_row(const made_data *data, uint64_t row, const double *cols[MADE_COLS_MAX]);
void made_done(made_data *data);

#endif
