/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a long training on disk, so that it goes on after a kill and ends in the same bytes.
 *
 * A training is a row of fits that follows from its rows and its options. Each fit has a file,
 * named by its number: its state every so often while it runs, its model when it is done. A
 * training that starts again takes the models of fits that were done, goes on in the one that was
 * not, and learns the rest. A file counts only for a fit of the very same input: everything that
 * decides it is hashed.
 *
 * Files are replaced whole (base/fs). Times of writing follow the clock; what is learned never
 * does.
 */
#ifndef TM_MODEL_CHECKPOINT_H
#define TM_MODEL_CHECKPOINT_H

#include "model/model.h"

typedef struct tm_checkpoint tm_checkpoint;

/**
 * Take over a training's files: dir/name.1, dir/name.2, ... while dir/name.lock is held. every_ns:
 * the least time between two states of a fit; 0 after each round.
 *
 * dir is NULL for a rank that is not the first of ctx->comm: it keeps nothing, and gets from rank 0
 * what an earlier run left.
 *
 * Errors:  TM_E_CONFLICT when another process has it.
 */
TM_NODISCARD tm_status tm__checkpoint_open(const char *dir, const char *name, uint64_t every_ns,
                                           tm_checkpoint **out, tm_err *err);
/* What trainings that were stopped left in a folder. */
typedef struct tm_checkpoint_rest {
    uint32_t n; /* trainings */
    uint64_t bytes;
} tm_checkpoint_rest;
/** Look, and with can_remove end what nobody took up in TM_CHECKPOINT_DAYS and no process holds;
 * *out: what is left. A folder that is not there holds nothing. */
TM_NODISCARD tm_status tm__checkpoint_clean(const char *dir, bool can_remove,
                                            tm_checkpoint_rest *out, tm_err *err);
/** A fit of a learner, or what is left of it; for tm__model_fit(). */
TM_NODISCARD tm_status tm__checkpoint_fit(tm_ctx *ctx, const tm_model_ops *ops,
                                          const tm_fit_input *in, const tm_params *params,
                                          tm_model **out, tm_err *err);
/** In a fit: the state that an earlier process left of it, or NULL. It lives until the fit ends. */
const void *tm__checkpoint_state(const tm_checkpoint *self, size_t *out_len);
/** In a fit: whether a state should be saved now. */
bool tm__checkpoint_is_due(const tm_checkpoint *checkpoint);
/** In a fit: replace its state. */
TM_NODISCARD tm_status tm__checkpoint_save(tm_ctx *ctx, const void *state, size_t len, tm_err *err);
/** Fits that were taken from disk, and rounds of work that a state saved. */
uint32_t tm__checkpoint_found(const tm_checkpoint *self);
/** The training is done: its files are of no use any more. */
TM_NODISCARD tm_status tm__checkpoint_remove(tm_checkpoint *checkpoint, tm_err *err);
/** Models that were loaded from it end before it. */
void tm__checkpoint_close(tm_checkpoint *self);

#endif
