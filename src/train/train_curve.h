/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a training went, as curves of few points: the best score of the search by seconds, and the
 * loss on rows that are not learned from, round by round. They are shown while it runs
 * (loop/training_told.h) and kept with what it made.
 */
#ifndef TM_TRAIN_TRAIN_CURVE_H
#define TM_TRAIN_TRAIN_CURVE_H

#include "base/json.h"
#include "train/train.h"

#define TM_CURVE_MAX 160u

/* When there are more points than n_max, every second one goes, and from then on only every second
 * one comes. */
typedef struct tm_curve {
    double x[TM_CURVE_MAX], y[TM_CURVE_MAX];
    uint32_t n, n_max, step, n_seen; /* every step-th point is kept; n_max is even */
} tm_curve;
/** No points; n_max at most TM_CURVE_MAX. */
void tm__curve_init(tm_curve *out, uint32_t n_max);
void tm__curve_add(tm_curve *self, double x, double y);

/* What is heard of a training. */
typedef struct tm_kept_curves {
    tm_ctx *ctx;
    tm_train_options options; /* a copy, whose trials are heard */
    tm_trial_fn on_trial;     /* who hears besides */
    void *on_trial_arg;
    tm_round_fn on_round;
    void *on_round_arg;
    uint64_t began_ns;
    tm_curve best, round, chosen; /* by seconds; of the fit that runs; of the best trial */
    char learner[24];             /* of the best trial; "": none was tried */
} tm_kept_curves;
/** Hear of a training of ctx and options: it is run with out->options. Who heard before still does.
 * Until tm__kept_curves_end(). */
void tm__kept_curves_begin(tm_kept_curves *out, tm_ctx *ctx, const tm_train_options *options);
void tm__kept_curves_end(tm_kept_curves *self);
/**
 * {"search": {"seconds", "score"}, "rounds": {"learner", "round", "loss"}}: lists; what has less
 * than two points is left out. New reference. Running out of memory is seen by tm__json_check().
 */
json_t *tm__kept_curves_json(const tm_kept_curves *self);

#endif
