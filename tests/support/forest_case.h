/* SPDX-License-Identifier: Apache-2.0 */
/* Fits of random forests on made-up rows. */
#ifndef TM_SUPPORT_FOREST_CASE_H
#define TM_SUPPORT_FOREST_CASE_H

#include "made_data.h"
#include "model/model.h"

typedef struct forest_case {
    made_data made; /* three numbers, one with gaps, and a category of 40 levels */
    double *y;
    tm_params params;
    tm_fit_input in;
} forest_case;

/** Targets of the task that follow from the columns, with noise. */
void forest_case_init(forest_case *c, tm_task task, uint64_t n_rows);
void forest_case_set(forest_case *c, const char *name, const char *value);
/** Fails the test when fitting does. */
tm_model *forest_case_fit(const forest_case *c, tm_ctx *ctx);
void forest_case_done(forest_case *c);

#endif
