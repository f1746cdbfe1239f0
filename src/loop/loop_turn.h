/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One turn of the wheel, as the process that works on it knows it. Its rows, recipe and orders are
 * in the story of registry/turn.h, so that whoever takes it up after a kill learns from the same
 * rows.
 */
#ifndef TM_LOOP_LOOP_TURN_H
#define TM_LOOP_LOOP_TURN_H

#include "base/fs.h"
#include "loop/loop_priv.h"
#include "registry/turn.h"
#include "train/train_look.h"

#define TM_TURN_TRIES 3u          /* that may be killed; then it has failed */
#define TM_WATCH_LABELS 1000u     /* that a promoted version is watched for, unless declared */
#define TM_WATCH_LABELS_LEAST 50u /* at the first look; twice as many at each one after it */
#define TM_WATCH_US (INT64_C(7 * 86400) * 1000000)
#define TM_WATCH_ALPHA 0.01 /* of going back without a reason, at any of the looks */

/* How a version is learned: loop_how.h. */
typedef enum tm_turn_how {
    TM_HOW_RECIPE,
    TM_HOW_TREES,
    TM_HOW_UPDATE,
    TM_HOW_POLICY,
    TM_HOW_AUTO
} tm_turn_how;

typedef struct tm_retraining {
    const tm_home *home;
    const tm_retrain_options *options;
    tm_actor actor;
    tm_file *lock;
    tm_registry *registry;
    tm_monitor *monitor;
    tm_turn turn;
    tm_version champion, candidate;
    tm_bundle *champion_bundle, *candidate_bundle;
    json_t *recipe, *left_out;
    json_t *feedback;     /* label_guard.h; NULL: none */
    tm_learning learning; /* rows that are read are for it; what it leaves out is told */
    tm_harvest harvest;
    tm_train_events events; /* of other sources */
    uint32_t n_resumed;     /* fits that a checkpoint gave */
    bool promotes;
    uint64_t work, budget_ms;
    tm_turn_how how;
    json_t *how_recipe;     /* of one that goes on from the champion's model */
    tm_admission admission; /* of the training */
    tm_row_window window;   /* of rows to learn from; UNSAID before it is chosen, or asked for */
} tm_retraining;

/** One training at a time in a home: TM_E_CONFLICT while another process has it. */
TM_NODISCARD tm_status tm__turn_lock(const tm_home *home, tm_file **out, tm_err *err);

/** Why a turn seems worth it, besides what asked for it: {"alerts": [{"kind", "summary", "opened"}]
 * that are open, "live": {"labels", "value", "better_end"} or null, "fruitless_before"}. New
 * reference. */
TM_NODISCARD tm_status tm__turn_evidence(const tm_retraining *r, json_t **out, tm_err *err);
/** What a training tried, the best first: [{"learner", "score", "chosen"}], ten at the most and the
 * chosen one. New reference; NULL when out of memory. */
json_t *tm__turn_candidates(const json_t *report);

/** Save rows and orders, and begin the turn, or go on with one that waited without rows. The lock
 * is held. */
TM_NODISCARD tm_status tm__turn_open(tm_ctx *ctx, tm_retraining *r, tm_err *err);
/** Load rows (none of a turn that waits without) and orders of an open turn. It counts as a try:
 * TM_E_REFUSED, and the turn has failed, when it was tried often enough. */
TM_NODISCARD tm_status tm__turn_take_up(tm_ctx *ctx, tm_retraining *r, tm_err *err);
/** A try that was asked to stop does not count. */
TM_NODISCARD tm_status tm__turn_not_tried(tm_registry *registry, tm_turn *turn);

/** From training to registering: train on the rows of the turn, save the bundle. */
TM_NODISCARD tm_status tm__turn_train(tm_ctx *ctx, tm_retraining *r, tm_err *err);
/** From registering to judging: prove the bundle, register it as the next version. */
TM_NODISCARD tm_status tm__turn_register(tm_ctx *ctx, tm_retraining *r, tm_err *err);
/** Tell the history an event of the turn. Takes details; NULL is TM_E_NOMEM. */
TM_NODISCARD tm_status tm__turn_note(tm_retraining *r, const char *event, uint32_t version,
                                     json_t *details, tm_err *err);

/** The gate is open: promote, begin the rollout that the model declares, or leave the version to a
 * person. What was done of it before a kill is found. */
TM_NODISCARD tm_status tm__turn_close(tm_retraining *r, tm_err *err);
/** See what became of a rollout: the turn goes on to watching, ends, or stays. */
TM_NODISCARD tm_status tm__turn_follow(tm_registry *registry, tm_turn *turn, tm_err *err);
/**
 * Compare the version with the champion before it on the labels that neither it nor its gate knew.
 * When it is surely worse, the one before comes back; when it was watched for long enough, the turn
 * ends.
 */
TM_NODISCARD tm_status tm__turn_watch(tm_ctx *ctx, tm_retraining *r, tm_err *err);

/* How a version fares beside the one before it. */
typedef struct tm_regret {
    uint64_t n;
    double now, before; /* mean loss of a row: Brier's, or the squared error over the variance */
    double low;         /* of now - before, at the least, with 1 - TM_WATCH_ALPHA at all looks */
} tm_regret;
/** What each row's answer cost, 0 to 1: Brier's loss of classes, of values the squared error over
 * four variances of the rows, 1 at the most. out [look->n] */
void tm__regret_losses(const tm_look *look, double *out);
/** losses: [n] of both, differences within -1 to 1. Source: empirical Bernstein sequences, HRMS
 * (metric/uniform.h) theorem 4. */
void tm__regret_judge(const double *now, const double *before, uint64_t n, tm_regret *out);

/* What an open turn asks of the daemon. */
typedef enum tm_turn_need {
    TM_TURN_FREE,  /* nothing: the next may begin when it is due */
    TM_TURN_WAIT,  /* somebody works on it, or it waits for memory */
    TM_TURN_GO_ON, /* a child is to go on with it */
    TM_TURN_LOOK   /* a child is to look at the labels */
} tm_turn_need;
struct tm_evidence;
/** Cheap, for each look of a daemon; what a rollout came to is noted in passing. memory_max: as of
 * tm_loop_place. */
TM_NODISCARD tm_status tm__turn_need(const tm_home *home, tm_registry *registry,
                                     struct tm_evidence *evidence, const char *model,
                                     uint64_t memory_max, tm_turn_need *out, tm_err *err);

#endif
