/* SPDX-License-Identifier: Apache-2.0 */
/* Loops over the units and the parameters of a network, at the level of vectors that is allowed. */
#ifndef TM_MODEL_MLP_KERNEL_H
#define TM_MODEL_MLP_KERNEL_H

#include <stddef.h>

/** Below 0 becomes 0. */
void tm__rectify(float *acts, size_t n);
void tm__rectify_ref(float *acts, size_t n);
/** Gradients of units that were 0 become 0, the others grow by scale. */
void tm__rectify_back(const float *acts, float scale, float *grads, size_t n);
void tm__rectify_back_ref(const float *acts, float scale, float *grads, size_t n);
/** Sums over rows [n x width], in their order: out [width]. */
void tm__rows_sum(const float *rows, size_t n, size_t width, float *out);
void tm__rows_sum_ref(const float *rows, size_t n, size_t width, float *out);

/* A step of AdamW over parameters: first and second are the moments, fix1 and fix2 what their
 * first steps lack, keep what the decay of weights leaves (Loshchilov and Hutter 2019, algorithm
 * 2). */
typedef struct tm_adam {
    float *params, *first, *second;
    const float *grad;
    float rate, fix1, fix2, keep;
} tm_adam;
/** Parameters from .. end - 1. */
void tm__adam_step(const tm_adam *a, size_t from, size_t end);
void tm__adam_step_ref(const tm_adam *a, size_t from, size_t end);
extern const float tm__adam_beta[2];

#endif
