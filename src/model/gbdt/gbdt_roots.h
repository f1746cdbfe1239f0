/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histograms of all rows for the trees of a round, made together. The trees of many outputs begin
 * with the same rows and the same bins: a cell here is a vector of eight outputs' cells, which one
 * addition serves. Sums are of integers, so a root has the cells that its own rows add up to.
 */
#ifndef TM_MODEL_GBDT_ROOTS_H
#define TM_MODEL_GBDT_ROOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "model/gbdt/gbdt_bin.h"
#include "model/gbdt/gbdt_loss.h"

struct tm_pool;

#define TM_ROOTS_LANES 8u

typedef struct tm_roots {
    const tm_bins *bins;
    uint32_t n_outputs, n_groups; /* of eight outputs */
    tm_gradients *gradients;      /* [n_outputs] */
    int32_t *packed;              /* [n_groups x rows x 8] */
    int64_t *cells;               /* [n_groups x bundles x stride x 8] */
} tm_roots;

/** Whether it is worth its memory, by the shape of a fit. */
bool tm__roots_pay(uint64_t n_rows, uint64_t n_cols, uint64_t n_outputs);
/** What tm__roots_init() allocates at the most. */
uint64_t tm__roots_bytes(uint64_t n_rows, uint64_t n_cols, uint64_t n_outputs);
/** All rows of the loss; the bins outlive it. Errors: TM_E_NOMEM; *out is to be ended in any case.
 */
TM_NODISCARD tm_status tm__roots_init(const tm_loss *loss, const tm_bins *bins, tm_roots *out,
                                      tm_err *err);
/** Gradients of each output are there (tm__gradients_fit()): round them, and add up all rows. */
void tm__roots_fit(struct tm_pool *pool, tm_roots *roots);
/** The histogram of an output's root: cells [bundles x stride]; those of no code stay as they are.
 */
void tm__roots_take(const tm_roots *roots, uint32_t output, int64_t *cells);
/** The same from the output's rows, plainly; cells cleared by the caller. */
void tm__roots_take_ref(const tm_roots *roots, uint32_t output, int64_t *cells);
void tm__roots_done(tm_roots *roots);

#endif
