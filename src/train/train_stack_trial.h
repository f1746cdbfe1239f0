/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Second layers fitted on some rows and judged on others. Not for other files than train_stack*.
 */
#ifndef TM_TRAIN_TRAIN_STACK_TRIAL_H
#define TM_TRAIN_TRAIN_STACK_TRIAL_H

#include "train/train_mix.h"
#include "train/train_stack_fit.h"

#define TM_STACK_STRENGTHS 3u
/** Of the ridge, in rows. */
extern const double tm__stack_strength[TM_STACK_STRENGTHS];

/* Whose losses: of the blend's shares, of these with a scale and a bias, of each strength. */
enum {
    TM_LOSS_MIXED,
    TM_LOSS_SCALED,
    TM_LOSS_STACKED,
    TM_LOSS_KINDS = TM_LOSS_STACKED + TM_STACK_STRENGTHS
};

/* Losses of rows by weights that were chosen without them. */
typedef struct tm_stack_trial {
    uint64_t n;
    uint64_t ends[TM_MIX_HALVES];  /* of the rows judged by what was fitted on half 0, on half 1 */
    double *losses[TM_LOSS_KINDS]; /* [n] */
} tm_stack_trial;

/** Room for n_max rows. */
TM_NODISCARD tm_status tm__stack_trial_init(tm_stack_trial *out, uint64_t n_max, tm_err *err);
void tm__stack_trial_done(tm_stack_trial *trial);
/** The blend's own weights: shares, and no bias. *out ends with tm__stack_done(). */
TM_NODISCARD tm_status tm__stack_of(const tm_mixer *mixer, const tm_mix *mix, tm_stack *out,
                                    tm_err *err);
void tm__stack_done(tm_stack *stack);
/** Rows of a mixer with the raw answers of a stack's members; borrowed from the mixer. */
tm_stack_rows tm__stack_rows_of(const tm_mixer *mixer, const tm_stack *stack);
/** Fit on some rows with the shares of `mix`, judge on others: their losses are appended. made:
 * NULL, or [TM_STACK_STRENGTHS] what was fitted. */
TM_NODISCARD tm_status tm__stack_try_pair(const tm_mixer *fit, const tm_mixer *test,
                                          const tm_mix *mix, tm_stack_trial *t, tm_stack *made,
                                          tm_err *err);
/** Each fold by itself: weights of one half of it, judged on the other. In time order, where there
 * is one: of the earlier half, judged on the later, and the other way round. */
TM_NODISCARD tm_status tm__stack_try_folds(const tm_search *search,
                                           const tm_mix chosen[TM_MIX_HALVES], tm_stack_trial *t,
                                           tm_err *err);

#endif
