/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of replay.
 *
 *   replay_stream.c   table -> rows in order, their targets, and when each label is known
 *   replay_fit.c      rows of the stream -> a model that answers others
 *   replay_score.c    answers -> score, curve
 *   replay_rules.c    rules that learn nothing
 *   replay_chances.c  what such rules say, as answers among others
 *   replay_arms.c     who answers in the policy
 *   replay_near.c     whether an arm has seen rows like the newest
 *   replay_policy.c   the policy over the stream
 *   replay_due.c      what it asks for, learned and answered
 *   replay_since.c    models of the rows since a change, until labels tell of them
 *   replay_mixture.c  what it has come to, for a training
 *   replay_truth.c    what labels say of its answers
 *   replay_amend.c    what they say of its next answers of values
 *   replay_plan.c     one model after the other: schedules, triggers, a gate
 *   replay.c          static and schedules; all of them, as JSON
 *   tune.c            what is declared beside other settings
 */
#ifndef TM_LOOP_REPLAY_PRIV_H
#define TM_LOOP_REPLAY_PRIV_H

#include "feature/feature.h"
#include "loop/replay.h"
#include "model/model.h"
#include "table/schema.h"

#define TM_REPLAY_CURVE 40u

typedef struct tm_replay_stream {
    tm_table *table; /* rows in order; owned */
    tm_schema schema;
    bool is_classes;
    bool was_sorted;
    uint64_t n_rows, first;
    uint32_t n_outputs; /* classes, in the order in which they first come; 1 of values */
    double *y;          /* [n_rows] class or value; NaN: it never comes */
    uint64_t *known;    /* [n_rows] of the rows before: how many labels are known at each row */
    uint32_t *rows;     /* [n_rows] 0, 1, 2 ... */
} tm_replay_stream;
/** Errors: as tm__replay_run(). */
TM_NODISCARD tm_status tm__replay_stream_init(tm_table *table, const tm_replay_options *options,
                                              tm_replay_stream *out, tm_err *err);
void tm__replay_stream_done(tm_replay_stream *stream);

/* What is learned, and from which rows. */
typedef struct tm_replay_recipe {
    const char *learner;
    const char *const *params; /* "NAME", "VALUE", ..., NULL */
    uint64_t begin, end;       /* rows of the stream; those without a label are passed over */
    double half_life;          /* rows by which a row counts half; 0: all count alike */
    uint64_t work;             /* units that it will take, about; 0: not known */
    uint64_t seed;
} tm_replay_recipe;
typedef struct tm_replay_model {
    uint32_t n_classes; /* in its rows; of one, and of no row, it answers `constant` */
    uint32_t *classes;  /* [n_classes] of the stream */
    double constant;    /* class or value */
    tm_program *program;
    tm_model *model;
    uint64_t work;               /* units that learning took */
    double seconds, cpu_seconds; /* of its fit: by the wall, and of all threads of the process */
} tm_replay_model;
/** *out is ended by tm__replay_model_done() in every case. */
TM_NODISCARD tm_status tm__replay_fit(tm_ctx *ctx, const tm_replay_stream *stream,
                                      const tm_replay_recipe *recipe, tm_replay_model *out,
                                      tm_err *err);
/** Several at once: side by side, a thread each, but for one that is more work than all others,
 * which has all threads before. One alone has all threads if it is much work. Models are those of
 * tm__replay_fit() in any case. n at most TM_REPLAY_FITS_MAX; each of out [n] is ended by
 * tm__replay_model_done() in every case. *seconds: of all of them together. */
#define TM_REPLAY_FITS_MAX 64u
typedef struct tm_replay_seconds {
    double wall, cpu;
} tm_replay_seconds;
TM_NODISCARD tm_status tm__replay_fit_all(tm_ctx *ctx, const tm_replay_stream *stream,
                                          const tm_replay_recipe *recipes, uint32_t n,
                                          tm_replay_model *out, tm_replay_seconds *seconds,
                                          tm_err *err);
/** Probabilities of the stream's classes, or values, of rows begin to end: out [rows x n_outputs].
 */
TM_NODISCARD tm_status tm__replay_answer(tm_ctx *ctx, const tm_replay_stream *stream,
                                         const tm_replay_model *model, uint64_t begin, uint64_t end,
                                         double *out, tm_err *err);
void tm__replay_model_done(tm_replay_model *model);

/* How one of those that answer fared. */
typedef struct tm_replay_run {
    double *answers; /* [n_rows] class or value; NaN: none, which is wrong */
    double *chances; /* [n_rows] of class `positive`, owned; NULL: not asked for */
    uint32_t positive;
    uint64_t n_retrains;
    double train_seconds, train_cpu_seconds, answer_seconds;
    double score; /* after tm__replay_score() */
} tm_replay_run;
TM_NODISCARD tm_status tm__replay_run_init(const tm_replay_stream *stream, tm_replay_run *out,
                                           tm_err *err);
void tm__replay_run_done(tm_replay_run *run);
/** The likeliest class, the first of equal ones, or the value. */
double tm__replay_pick(const tm_replay_stream *stream, const double *outputs);
/** Accuracy or -RMSE of rows begin to end that have a label; NaN when none has. */
double tm__replay_score(const tm_replay_stream *stream, const double *answers, uint64_t begin,
                        uint64_t end);
/** {"score", "retrains", "train_seconds", "train_cpu_seconds", "answer_seconds"}. New reference. */
json_t *tm__replay_run_json(const tm_replay_run *run);
/** Scores of TM_REPLAY_CURVE parts; of their ends. New references. */
json_t *tm__replay_curve(const tm_replay_stream *stream, const double *answers);
json_t *tm__replay_curve_rows(const tm_replay_stream *stream);

/* Models of one replay that another one needs too: by the rows that they learned, for all else is
 * the same. A full one keeps no more. */
#define TM_REPLAY_KEPT_MAX 256u
typedef struct tm_replay_kept {
    uint32_t n;
    struct {
        uint64_t begin, end;
        tm_replay_model model;
    } list[TM_REPLAY_KEPT_MAX];
} tm_replay_kept;
void tm__replay_kept_reset(tm_replay_kept *kept);

/* One model after the other, each of trees as boosting is commonly left at. */
typedef struct tm_replay_plan {
    uint64_t every;  /* rows; 0: by no schedule */
    uint64_t window; /* newest rows that are known; 0: all */
    bool on_errors;  /* and when the errors of the answers rise (ADWIN); of classes only */
    bool has_gate;   /* one fifth of the new rows is held out, and a model that is not better there
                        by more than gate_by answers nothing */
    double gate_by;  /* of accuracy, or RMSE */
    uint64_t seed;
    tm_replay_kept *kept; /* of plans with the same seed; NULL: none are */
} tm_replay_plan;
/** Errors: TM_E_CANCELLED, TM_E_NOMEM and those of fitting. */
TM_NODISCARD tm_status tm__replay_plan_run(tm_ctx *ctx, const tm_replay_stream *stream,
                                           const tm_replay_plan *plan, tm_replay_run *run,
                                           tm_err *err);
/** Model-free answers: the best rule's go to *out; *json says how each fared, and is a new
 * reference. */
TM_NODISCARD tm_status tm__replay_rules(const tm_replay_stream *stream,
                                        const tm_replay_options *options, tm_replay_run *out,
                                        json_t **json, tm_err *err);
/** Rows back to the same time last period: the first multiple of the period that is known, or of
 * those that may be the one that foretold best among the labels known when the first part ends. 0:
 * there is none. */
uint64_t tm__replay_lag(const tm_replay_stream *stream, const tm_replay_options *options);
/** What these rules would say as chances of classes, by how often they were right so far, or as
 * values: each out [n_rows x n_outputs], NaN where one says nothing. The last label, the one a
 * period ago, and how often each class came (of values the mean). Labels count once they are known.
 * Errors: TM_E_NOMEM. */
#define TM_REPLAY_RULES 3u
TM_NODISCARD tm_status tm__replay_rule_chances(const tm_replay_stream *stream,
                                               const tm_replay_options *options,
                                               float *const out[TM_REPLAY_RULES], tm_err *err);
/** The policy of loop_policy.h; *json is a new reference. */
TM_NODISCARD tm_status tm__replay_policy(tm_ctx *ctx, const tm_replay_stream *stream,
                                         const tm_replay_options *options, tm_replay_run *out,
                                         json_t **json, tm_err *err);

#endif
