/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TM_MODEL_GBDT_UPDATE_H
#define TM_MODEL_GBDT_UPDATE_H

#include "model/gbdt/gbdt_priv.h"

/**
 * A model with the trees of in->base and leaves that were fitted to the rows given, each held by
 * the rows that it stands on already. Validation rows and a budget are not looked at.
 *
 * Cost:    O(n_trees * n_rows * depth / n_threads); 16 bytes a row and output.
 * Errors:  TM_E_UNSUPPORTED (monotone in a column, too many leaves), TM_E_INVALID (another
 *          objective), TM_E_NOMEM, TM_E_CANCELLED.
 * Threads: one caller; uses ctx->pool. Any pool gives the same bytes.
 */
TM_NODISCARD tm_status tm__gbdt_update(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                                       tm_model **out_model, tm_err *err);

#endif
