/* SPDX-License-Identifier: Apache-2.0 */
/* The proof that a version is served as it was trained, before it is published. */
#ifndef TM_CLI_PUBLISH_PARITY_H
#define TM_CLI_PUBLISH_PARITY_H

#include "base/ctx.h"
#include "feature/window_set.h"
#include "model/bundle.h"
#include "table/table.h"

#define TM_PROOF_ROWS 256u

/**
 * Replay rows of a table, up to TM_PROOF_ROWS of them evenly spread, through what a request goes
 * through, and hold the answers to those of the batch path that training scores with.
 *
 * table    training rows: with the model's inputs as columns, but for features over windows.
 * others   events of other sources that such features look at; its own events are not read.
 * out      {"parity": {"rows", "golden"}}: evidence for the version's record. New reference.
 *
 * Errors:  TM_E_INTEGRITY: one bit differs, or a request could not bring a row; names the row.
 * Threads: one caller; uses ctx->pool.
 */
TM_NODISCARD tm_status tm__publish_prove(tm_ctx *ctx, const tm_bundle *bundle, tm_table *table,
                                         const tm_window_tables *others, json_t **out, tm_err *err);

#endif
