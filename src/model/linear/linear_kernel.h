/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The innermost loops of linear_loss.c, over a block of rows. Numbers of an output lie one behind
 * the other, a block's room for each: z [n_outputs x TM_LINEAR_BLOCK]. Sums over rows are in the
 * order of rows, or in 8 lanes where it is said: a kernel has the bits of its reference at every
 * level of vectors (tests/unit/model/test_kernels.c).
 */
#ifndef TM_MODEL_LINEAR_LINEAR_KERNEL_H
#define TM_MODEL_LINEAR_LINEAR_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define TM_LINEAR_BLOCK 256u /* rows */
#define TM_LINEAR_RUN 4u     /* columns that are gone through together */

/** out [n] */
void tm__linear_widen(const float *x, uint64_t n, double *out);

/** z += theta x, column after column: theta [TM_LINEAR_RUN x k],
 * x [TM_LINEAR_RUN x TM_LINEAR_BLOCK]. */
void tm__linear_add_run(const double *x, const double *theta, uint64_t n, size_t k, double *z);
void tm__linear_add_run_ref(const double *x, const double *theta, uint64_t n, size_t k, double *z);

/** Sum of r[i] * x[i] in eight lanes. */
double tm__linear_dot(const float *x, const double *r, uint64_t n);
double tm__linear_dot_ref(const float *x, const double *r, uint64_t n);

/** Outputs up to a multiple of 8: how long a row of tm__linear_by_row() is. */
size_t tm__linear_row_lanes(size_t k);
/** z by rows: out [row lanes / 8 x TM_LINEAR_BLOCK x 8], 0 past the last output. */
void tm__linear_by_row(const double *z, uint64_t n, size_t k, double *out);
/** sums [TM_LINEAR_RUN x k] += x' r, row after row; by_row of tm__linear_by_row(). */
void tm__linear_gather_run(const double *x, const double *by_row, uint64_t n, size_t k,
                           double *sums);
void tm__linear_gather_run_ref(const double *x, const double *by_row, uint64_t n, size_t k,
                               double *sums);
/** sums [k] += r, row after row. */
void tm__linear_sum_rows(const double *by_row, uint64_t n, size_t k, double *sums);

/** Of a softmax: the greatest of a row's outputs, which is taken from all of them. top [n] */
void tm__linear_below_top(uint64_t n, size_t k, double *top, double *z);
/** Sums over outputs, in their order: out [n]. */
void tm__linear_sum_outputs(const double *z, uint64_t n, size_t k, double *out);
typedef struct tm_class_rows {
    const double *y, *w, *sums; /* [n] class, weight, sum of the exps */
    double output;
} tm_class_rows;
/** Exps of the output become w (exp / sum - [y is the output]), in place: z [n]. */
void tm__linear_class_residuals(const tm_class_rows *rows, uint64_t n, double *z);

#endif
