/* SPDX-License-Identifier: Apache-2.0 */
/* Products of small matrices of floats, with bits that no thread and no vector width changes. */
#ifndef TM_MODEL_MLP_MATRIX_H
#define TM_MODEL_MLP_MATRIX_H

#include <stddef.h>

#include "base/ctx.h"

/* out [m x n] = bias + a [m x k] b [k x n], each sum in the order of k. a's element (i, j) is at
 * i * a_row + j * a_col; b and out are row-major; n is a multiple of 32. */
typedef struct tm_product {
    const float *a, *b;
    const float *bias; /* [n] that sums begin with; NULL: 0 */
    float *out;
    size_t m, n, k, a_row, a_col;
} tm_product;

/** On the caller's thread. */
void tm__product(const tm_product *p);
/** The same by its definition. */
void tm__product_ref(const tm_product *p);
/** Rows shared out among the pool's threads; ctx may be NULL. */
void tm__product_pool(tm_ctx *ctx, const tm_product *p);

#endif
