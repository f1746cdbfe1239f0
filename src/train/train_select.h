/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which columns a search goes without, and why: what repeats another, what follows another, what
 * tells nothing of held-out rows. Never by test rows.
 */
#ifndef TM_TRAIN_TRAIN_SELECT_H
#define TM_TRAIN_TRAIN_SELECT_H

#include "train/train_search_priv.h"

typedef struct tm_selection {
    bool is_off;
    bool was_worse;      /* there were suspects, and the score fell without them */
    const char *outcome; /* static words */
    uint64_t n_rows, n_valid;
    json_t *dropped; /* [{"column", "reason", "loses", "share", "null_share"}] */
} tm_selection;

/**
 * Give columns that do not pay the role DROPPED, with their reasons. All stay without
 * options->selects, or where a person said what columns have to do.
 *
 * Owns:    *out ends with tm__selection_done(); untouched on failure.
 * Cost:    at most a twentieth of ctx->budget, which is there: some fits of 60 trees on at most
 * 10,000 rows. Errors:  those of fitting; TM_E_DATA when no row can be held out. Threads: one
 * caller; uses ctx->pool. The same choice for any number of threads.
 */
TM_NODISCARD tm_status tm__train_select(tm_ctx *ctx, tm_search *search, tm_selection *out,
                                        tm_err *err);
/** {"mode", "outcome", "rows", "validation_rows", "dropped"}. New reference. */
json_t *tm__selection_to_json(const tm_selection *selection);
void tm__selection_done(tm_selection *selection);

#endif
