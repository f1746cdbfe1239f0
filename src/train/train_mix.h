/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw answers of a search's best candidates on validation rows, and shares of them: what a blend
 * and a stack are chosen by. Not for other files than train_{mix,blend,stack}.
 */
#ifndef TM_TRAIN_TRAIN_MIX_H
#define TM_TRAIN_TRAIN_MIX_H

#include "train/train_search_priv.h"

#define TM_MIX_POOL 12u /* candidates to choose from */
#define TM_MIX_HALVES                                                                              \
    2u                /* of the validation rows: what is chosen on one is judged on the other      \
                       */
#define TM_MIX_ALL 2u /* both halves */
#define TM_FOLDS_ALL UINT32_MAX

/* Which of the validation rows. */
typedef struct tm_mix_rows {
    uint32_t half;   /* 0, 1 or TM_MIX_ALL */
    uint32_t fold;   /* of the rung, or TM_FOLDS_ALL */
    bool is_in_time; /* halves are the earlier and the later rows */
} tm_mix_rows;

/* Validation rows to choose or to judge on, and raw answers on them. */
typedef struct tm_mixer {
    const tm_search *search;
    uint32_t n_outputs;
    uint64_t n_rows;
    double *y, *weights; /* [n_rows]; weights NULL: 1 */
    uint32_t *queries;
    uint32_t pool[TM_MIX_POOL]; /* candidates, the best first */
    uint32_t n_pool;
    double *raw[TM_MIX_POOL]; /* [n_rows x n_outputs] */
    double *sum;              /* of the raw answers chosen so far */
    double *trial;            /* linked answers of a trial */
} tm_mixer;

/* How often each of the pool was chosen. */
typedef struct tm_mix {
    uint32_t counts[TM_MIX_POOL];
    uint32_t n;
} tm_mix;

/** The half that a validation row is in: rows, or queries, in turn. */
uint32_t tm__mix_half(const tm_search *search, uint64_t row);
/** At most CELLS_MAX answers of each candidate: choosing must stay cheap. Ends with
 * tm__mixer_done(). TM_E_NOMEM. */
TM_NODISCARD tm_status tm__mixer_init(tm_mixer *out, const tm_search *search, tm_mix_rows which,
                                      tm_err *err);
void tm__mixer_done(tm_mixer *mixer);
/** Shares by greedy selection; errors of the loss, when it is not defined on the rows. */
TM_NODISCARD tm_status tm__mix_choose(tm_mixer *mixer, tm_mix *out, tm_err *err);
/** Loss of shares; the smooth one of the task, whatever decides the search. */
TM_NODISCARD tm_status tm__mix_judge(tm_mixer *mixer, const tm_mix *chosen, double *out,
                                     tm_err *err);

/* ---- train_blend.c ---- */
/** Raw answers to all validation rows [n_valid x n_outputs] become answers, and are scored by the
 * metric that decides. */
TM_NODISCARD tm_status tm__blend_score(const tm_search *search, double *raw, double *out,
                                       tm_err *err);

/* ---- train_stack.c ---- */
/** Raw answers of a second layer to all validation rows, each half by what was fitted on the other
 * one: out [n_valid x n_outputs]. */
void tm__stack_raw(const tm_search *search, const tm_stack halves[TM_MIX_HALVES], double *out);
/** Try a second layer in place of a blend's shares, which were chosen on each half of the rows and
 * on all of them; search->stacking says what came of it. Nothing is done where there can be none.
 */
TM_NODISCARD tm_status tm__stack_choose(tm_search *search, const tm_mixer halves[TM_MIX_HALVES],
                                        const tm_mix chosen[TM_MIX_HALVES], const tm_mixer *all,
                                        const tm_mix *chosen_of_all, tm_err *err);

#endif
