/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From which rows a retraining learns: what was asked for, or what a test on the newest of them
 * says. Where the errors changed is found by the policy's own watch (loop_policy.h), and rows count
 * by age as its arms have them, so a replay and a retraining mean the same by a window.
 */
#ifndef TM_LOOP_LOOP_CHOICE_H
#define TM_LOOP_LOOP_CHOICE_H

#include "train/train.h"

/* What a person may ask for: "all", "sliding:5000" and "weighted:5000" say it; "sliding",
 * "weighted", "cut" and "auto" leave the rest to a test. */
typedef struct tm_window_ask {
    uint32_t kinds; /* bit set of tm_row_window_kind to choose among; one bit and rows: said */
    uint64_t rows;
} tm_window_ask;
/** TM_E_USAGE for a text that is none of them. */
TM_NODISCARD tm_status tm__window_ask(const char *text, tm_window_ask *out, tm_err *err);

typedef struct tm_choice_input {
    const char *asked;
    tm_table *train;                 /* rows to learn from; none that a gate judges by */
    uint64_t n_new;                  /* of them that the champion has not learned */
    uint64_t n_gap;                  /* rows between them and those that the model will answer */
    const tm_train_options *options; /* of the training to come */
    const tm_train_events *events;   /* of other sources */
    const tm_bundle *champion;
} tm_choice_input;
/**
 * Hold out the newest rows (a fifth of the new ones, 200 at the least), learn from each window of
 * the others with few trees (lines, where the champion is one), and take the window whose answers
 * are best. Between what is learned and what is tested lie n_gap rows, or half of the new ones
 * before the test. `all` gives way only to one that is surely better: by two standard errors of its
 * differences, of 20 runs of rows, for errors come in runs.
 *
 * *out_window  of all rows to learn from, those held out included.
 * *out_told    {"asked", "kind", "rows"?, "reason", "test_rows"?, "change_rows"?: since the last
 *              change, "tried"?: [{"kind", "rows"?, "loss"?, "better_by"?, "error"?, "why"?}]}.
 *
 * Cost:    eight fits of 60 trees on 50,000 rows at the most.
 * Errors:  TM_E_USAGE, TM_E_NOMEM, TM_E_CANCELLED, TM_E_IO. A window that cannot be learned from is
 *          told as such and not chosen.
 * Threads: one caller; any pool gives the same choice.
 */
TM_NODISCARD tm_status tm__choose_window(tm_ctx *ctx, const tm_choice_input *in,
                                         tm_row_window *out_window, json_t **out_told, tm_err *err);

#endif
