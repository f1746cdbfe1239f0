/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products of matrices. Every element is one sum in the order of k that begins with its bias, a
 * product and a sum at a time: lanes are elements, never parts of a sum, so the bits are those of
 * tm__product_ref whatever the processor has, and a row alone has those that it has in a block.
 */
#include <string.h>

#include "base/pool.h"
#include "base/simd.h"
#include "model/mlp/mlp_matrix.h"

#define ROWS 8u
#define ITEM_ROWS 32u /* of one item of the pool; a multiple of ROWS */

typedef float lanes __attribute__((vector_size(64)));
#define WIDTH 16u /* floats of a vector */

/* n_rows rows and 32 columns of the product; n_rows is a constant where it is called. */
static TM_ALWAYS_INLINE void tile(const tm_product *p, size_t row, size_t col, size_t n_rows) {
    lanes sums[ROWS][2];
    for (size_t r = 0; r < n_rows; r++) {
        for (size_t v = 0; v < 2; v++) {
            sums[r][v] = (lanes){0};
            if (p->bias != NULL) {
                memcpy(&sums[r][v], p->bias + col + v * WIDTH, sizeof(lanes));
            }
        }
    }
    const float *a = p->a + row * p->a_row;
    const float *b = p->b + col;
    for (size_t k = 0; k < p->k; k++) {
        lanes b0, b1;
        memcpy(&b0, b, sizeof(b0));
        memcpy(&b1, b + WIDTH, sizeof(b1));
        for (size_t r = 0; r < n_rows; r++) {
            const float one = a[r * p->a_row];
            sums[r][0] += one * b0;
            sums[r][1] += one * b1;
        }
        a += p->a_col;
        b += p->n;
    }
    for (size_t r = 0; r < n_rows; r++) {
        for (size_t v = 0; v < 2; v++) {
            memcpy(p->out + (row + r) * p->n + col + v * WIDTH, &sums[r][v], sizeof(lanes));
        }
    }
}

static TM_ALWAYS_INLINE void rows_loop(const tm_product *p, size_t from, size_t end) {
    for (size_t col = 0; col < p->n; col += 2 * WIDTH) {
        size_t row = from;
        for (; row + ROWS <= end; row += ROWS) {
            tile(p, row, col, ROWS);
        }
        for (; row < end; row++) {
            tile(p, row, col, 1);
        }
    }
}
TM_SIMD_KERNEL(rows, (const tm_product *p, size_t from, size_t end), (p, from, end));

void tm__product(const tm_product *p) {
    rows(p, 0, p->m);
}

void tm__product_ref(const tm_product *p) {
    for (size_t i = 0; i < p->m; i++) {
        for (size_t j = 0; j < p->n; j++) {
            float sum = p->bias != NULL ? p->bias[j] : 0.0F;
            for (size_t k = 0; k < p->k; k++) {
                sum += p->a[i * p->a_row + k * p->a_col] * p->b[k * p->n + j];
            }
            p->out[i * p->n + j] = sum;
        }
    }
}

static void run_item(void *arg, uint64_t item, uint32_t worker) {
    const tm_product *p = arg;
    const size_t from = item * ITEM_ROWS, last = from + ITEM_ROWS;
    (void)worker;
    rows(p, from, last < p->m ? last : p->m);
}

void tm__product_pool(tm_ctx *ctx, const tm_product *p) {
    if (ctx == NULL || ctx->pool == NULL || p->m <= ITEM_ROWS) {
        tm__product(p);
        return;
    }
    tm_product own = *p;
    tm__pool_run(ctx->pool, (p->m + ITEM_ROWS - 1) / ITEM_ROWS, run_item, &own);
}
