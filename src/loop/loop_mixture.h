/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A retraining by the policy: its rows are replayed up to now, and the models that had a say in the
 * end, with their windows and shares, are what is learned.
 */
#ifndef TM_LOOP_LOOP_MIXTURE_H
#define TM_LOOP_LOOP_MIXTURE_H

#include "loop/loop_turn.h"

/** What the turn has found, for tm_train_options.mixture; NULL: none, or it learns in another
 * way. Borrowed from its story. */
const json_t *tm__mixture_of(const tm_retraining *r);
/**
 * Find them, into story.how.policy, saved: tm__replay_mixture() of the newest 100,000 rows with a
 * known label, and of columns that the champion reads.
 *
 * Errors:  TM_E_UNSUPPORTED for a ranking, TM_E_DATA for rows too few to tell anything, those of
 *          tm__replay_mixture().
 */
TM_NODISCARD tm_status tm__mixture_choose(tm_ctx *ctx, tm_retraining *r,
                                          const tm_train_options *options, tm_err *err);

#endif
