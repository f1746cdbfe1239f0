/* SPDX-License-Identifier: Apache-2.0 */
/* A small design with numbers, gaps, a category and terms, for tests of what minimises. */
#ifndef TM_SUPPORT_LINEAR_CASE_H
#define TM_SUPPORT_LINEAR_CASE_H

#include "model/linear/linear_priv.h"
#include "model_data.h"

enum { LINEAR_CASE_ROWS = 400, LINEAR_CASE_PARAMS = 200 };

typedef struct linear_case {
    model_data *data;
    tm_fit_input in;
    uint32_t rows[LINEAR_CASE_ROWS];
    tm_linear_code code;
    tm_design design;
} linear_case;

void linear_case_init(tm_ctx *ctx, tm_task task, linear_case *out);
void linear_case_done(linear_case *self);
/** How far the subgradient at theta is from holding 0, and how many penalised ones are 0. */
double linear_case_slope(const tm_design *design, const tm_solve_options *options,
                         const double *theta, uint32_t *out_n_zero);
/** The objective at theta. */
double linear_case_value(const tm_design *design, const tm_solve_options *options,
                         const double *theta);

#endif
