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

/** *out: how far the rows that a version answers lie behind what it learned: the rows of the gate,
 * and half of those that come until the next turn, if they are as many as came since the last. */
TM_NODISCARD tm_status tm__mixture_ahead(const tm_retraining *r, uint64_t *out, tm_err *err);

struct tm_choosing;
typedef struct tm_mixture_question {
    const struct tm_choosing *rows; /* those to learn from, by age, of options and a champion */
    uint64_t ahead;                 /* rows between them and the ones that are answered */
    uint64_t rows_max;              /* no older ones are replayed */
    uint64_t work_max, budget_ms;   /* that the replay may take; 0: any */
} tm_mixture_question;
/**
 * *out: tm__replay_mixture() of the newest 20,000 rows, or of ten times as many as labels are late,
 * 100,000 at the most, and of columns that the champion reads.
 *
 * Owns:    *out is a new reference.
 * Errors:  those of tm__mixture_check() and tm__replay_mixture(); TM_E_DATA for rows too few to
 *          tell anything, TM_E_LIMIT when a budget is spent.
 */
TM_NODISCARD tm_status tm__mixture_find(tm_ctx *ctx, const tm_mixture_question *in, json_t **out,
                                        tm_err *err);
/** Find them for the turn, of its rows with a known label, or those of a window that was said;
 * into story.how.policy, saved. Errors: as tm__mixture_find(). */
TM_NODISCARD tm_status tm__mixture_choose(tm_ctx *ctx, tm_retraining *r,
                                          const tm_train_options *options, tm_err *err);

#endif
