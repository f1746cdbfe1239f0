/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A training says how far it is, for who watches it from another process: the dashboard of a
 * server, `tidemill status`. It writes jobs/training.ID.json (store/training_file.h), at most twice
 * a second and never more than some dozens of KiB, and removes it when it ends.
 *
 * What cannot be written is not told: a training never fails for it.
 */
#ifndef TM_LOOP_TRAINING_TOLD_H
#define TM_LOOP_TRAINING_TOLD_H

#include "base/ctx.h"
#include "store/home.h"
#include "train/train.h"

typedef struct tm_training_told tm_training_told;

/**
 * Tell of a training of ctx and options. Who hears of its progress and its trials already hears of
 * them still. because: why it runs, in words.
 *
 * Owns:    copies what it needs of texts; ctx and options must not be used for a training after
 *          tm__training_told_end(), which the caller calls with the same two.
 * Errors:  NULL when out of memory: nothing is told.
 * Threads: that which trains.
 * Cost:    a small file twice a second, without a sync.
 */
tm_training_told *tm__training_told_begin(const tm_home *home, const char *because, tm_ctx *ctx,
                                          tm_train_options *options);
/** Stop, and remove the file; ctx and options are as they were. NULL: nothing. */
void tm__training_told_end(tm_training_told *told, tm_ctx *ctx, tm_train_options *options);

#endif
