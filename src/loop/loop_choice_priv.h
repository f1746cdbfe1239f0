/* SPDX-License-Identifier: Apache-2.0 */
/* The rows, trials and change of loop_choice.c, whose note draws them; loop_choice_trial.c. */
#ifndef TM_LOOP_LOOP_CHOICE_PRIV_H
#define TM_LOOP_LOOP_CHOICE_PRIV_H

#include "loop/loop_choice.h"

#define TM_CHOICE_CHANGE_ROWS_MIN 100u /* since a change, or for a half-life */
#define TM_CHOICE_CANDIDATES_MAX 8u

typedef struct tm_choice_candidate {
    tm_row_window window;
    bool is_tried;                 /* it has losses */
    double loss, better_by, error; /* means of a row; better than `all` */
    char why[160];                 /* it could not be tried */
} tm_choice_candidate;

typedef struct tm_choosing {
    tm_ctx *ctx;
    const tm_choice_input *in;
    tm_train_options options; /* of a trial */
    const char **params;
    uint32_t *by_age; /* [n_learn + n_gap + n_test] rows with a target, the oldest first */
    uint64_t n_learn, n_gap, n_test;
    tm_table *learn, *test;
    double *losses, *losses_all; /* [n_test] */
    uint64_t n_since;            /* newest of learn since the last change; 0: none was found */
    tm_choice_candidate list[TM_CHOICE_CANDIDATES_MAX];
    uint32_t n;
} tm_choosing;

/** Those with a known target, by age, all to be learned from until tm__choosing_cut(). */
TM_NODISCARD tm_status tm__choosing_rows(tm_choosing *c, tm_err *err);
/** Put the newest aside for the test and leave the gap before them; ready for trials. */
TM_NODISCARD tm_status tm__choosing_cut(tm_choosing *c, tm_err *err);
/** Options of the training to come in c->options, without its budget, its threshold and what of it
 * somebody keeps or hears. */
void tm__choosing_plain(tm_choosing *c);
/** What each row's answer costs (0 to 1) by a quick model of a window of others. out [rows] */
TM_NODISCARD tm_status tm__choosing_try(tm_choosing *c, tm_table *learn,
                                        const tm_row_window *window, tm_table *rows, double *out,
                                        tm_err *err);
/** What answers of a model cost, of rows that are behind those that it learned. out [rows] */
TM_NODISCARD tm_status tm__choosing_answer(tm_choosing *c, tm_table *learned,
                                           const tm_bundle *bundle, tm_table *rows, double *out,
                                           tm_err *err);
/** It was tried, and this is its mean loss. losses [n_test] */
void tm__choosing_score(const tm_choosing *c, const double *losses, tm_choice_candidate *one);
/** By how much a row of c->losses is better than one of c->losses_all, and its standard error. */
void tm__choosing_compare(const tm_choosing *c, tm_choice_candidate *one);
/** n_since by the policy's watch; 0 when nothing can be learned to watch. */
TM_NODISCARD tm_status tm__choosing_change(tm_choosing *c, tm_err *err);
/** What is wrong with rows makes a window impossible, what is wrong with the machine ends all. */
bool tm__choosing_is_of_rows(tm_status st);
void tm__choosing_done(tm_choosing *c);

#endif
