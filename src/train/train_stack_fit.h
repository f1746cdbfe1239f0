/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second layer of a stack: weights of members for each output, and a bias, fitted to the truth
 * of rows that the members did not learn from.
 */
#ifndef TM_TRAIN_TRAIN_STACK_FIT_H
#define TM_TRAIN_TRAIN_STACK_FIT_H

#include "model/model.h"

#define TM_STACK_MEMBERS 8u /* TM_MAX_STACK of the search */

typedef struct tm_stack_rows {
    tm_link link; /* NONE, EXP, SIGMOID or SOFTMAX */
    uint32_t n_classes;
    uint32_t n_outputs, n_members; /* members: 1 to TM_STACK_MEMBERS */
    uint64_t n;
    const double *raw[TM_STACK_MEMBERS]; /* [n x n_outputs] each */
    const double *y;                     /* [n]; rows of a class that is none do not count */
    const double *weights;               /* [n] or NULL */
} tm_stack_rows;

/** Whether a second layer knows what to do with a link. */
bool tm__stack_knows(tm_link link);
/**
 * Least log-loss, or squared error, with weights of at least 0 and a ridge towards those given.
 *
 * strength  rows that the weights given count as much as.
 * weights   [n_members x n_outputs] in: what is shrunk to; out: fitted.
 * bias      [n_outputs] in and out.
 *
 * They stay as they are where nothing lowers the penalised loss, and where sums are not finite.
 *
 * Cost:    at most 20 passes over rows x outputs x members^2.  Errors: TM_E_NOMEM.
 * Source:  Wolpert 1992, doi:10.1016/S0893-6080(05)80023-1; weights of at least 0: Breiman 1996,
 *          doi:10.1007/BF00117832.
 */
TM_NODISCARD tm_status tm__stack_fit(const tm_stack_rows *rows, double strength, double *weights,
                                     double *bias, tm_err *err);
/** Raw scores of the second layer, out [n x n_outputs]. */
void tm__stack_apply(const tm_stack_rows *rows, const double *weights, const double *bias,
                     double *out);
/** Log-loss or squared error of each row, its weight included: out [n] by raw scores, which become
 * answers. */
void tm__stack_losses(const tm_stack_rows *rows, double *raw, double *out);

#endif
