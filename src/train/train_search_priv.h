/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a search: rungs (rows in folds), trials (one candidate on a rung), costs (what a
 * model may take at prediction). Not for other files than train_{search,rung,trial,cost,candidate,
 * steps,draw,mix,blend,stack,team,fit}.
 */
#ifndef TM_TRAIN_TRAIN_SEARCH_PRIV_H
#define TM_TRAIN_TRAIN_SEARCH_PRIV_H

#include "train/train_priv.h"

/* What something takes, by either currency of a budget. */
typedef struct tm_need {
    double work; /* units */
    double ns;
} tm_need;

#define TM_SEARCH_SHARE                                                                            \
    0.65 /* of a budget, for a search of all rows; refits and seeds have the rest */

/* ---- train_budget.c ---- */
/** Whether a budget has room for it; the clock is asked once, and only where there is one. */
bool tm__budget_has_room(tm_budget *budget, tm_need need);
/** Share of it that is used, 0 to 1; NaN without a limit. For people: no decision looks at it. */
double tm__budget_used(const tm_budget *budget);

/* ---- train_rung.c ---- */
/* Rows of one size in folds, made one by one, and the pooled truth of their validation rows. */
typedef struct tm_rung {
    tm_fold folds[TM_MAX_FOLDS];
    uint32_t n_folds;   /* made */
    uint32_t n_planned; /* that its size asks for */
    uint32_t next;      /* fold of the cut that was not looked at yet */
    uint32_t *rows;     /* [n_rows] of the table */
    uint64_t n_rows;
    uint64_t n_valid; /* over the folds made */
    double *y;        /* [n_valid] */
    double *weights;  /* [n_valid] or NULL */
    uint32_t *queries;
    double seconds_fold; /* that features of one fold took */
} tm_rung;
/** A sample of at most n_max training rows, and its first fold. TM_E_DATA when no row can be held
 * out. */
TM_NODISCARD tm_status tm__rung_init(tm_ctx *ctx, tm_rung *out, tm_search *search, uint64_t n_max,
                                     tm_err *err);
/** Make folds until there are n_folds, or all that are planned. */
TM_NODISCARD tm_status tm__rung_fill(tm_ctx *ctx, tm_rung *rung, tm_search *search,
                                     uint32_t n_folds, tm_err *err);
void tm__rung_done(tm_rung *rung);
/** A sample of the training rows that keeps their order. out [n_train]; the number of rows. */
uint64_t tm__rung_sample(const tm_train_data *data, uint64_t seed, uint64_t n_max, uint32_t *out);
/** The truth of its validation rows becomes the search's: raw answers of its candidates belong to
 * it. */
void tm__rung_take_truth(tm_rung *rung, tm_search *search);
/** Whether the deciding score is defined on the validation rows; auc wants rows of both classes. */
bool tm__rung_is_defined(const tm_rung *rung, const tm_search *search);
/** Pool the truth of the folds made. */
TM_NODISCARD tm_status tm__rung_pool(tm_rung *rung, tm_err *err);

/* ---- train_ahead.c ---- */
/** How many fits may be made at once, each on another rank; 0: only one after the other. */
uint32_t tm__ahead_room(const tm_ctx *ctx);
/**
 * Make n of these fits now, each on a rank and within its share of ctx->budget; at most
 * tm__ahead_room().
 * Nothing for one fit alone, or when the first was made already. All ranks call it. A fit that
 * failed is told when it is found.
 */
TM_NODISCARD tm_status tm__ahead_fit(tm_ctx *ctx, tm_search *search, const tm_rung *rung,
                                     const tm_trial_fit *fits, uint32_t n, tm_err *err);
/** What was found ahead, if it is what a fit within this budget finds; else NULL. */
const tm_ahead *tm__ahead_find(const tm_search *search, tm_trial_fit fit, const tm_budget *budget);
void tm__ahead_done(tm_search *search);

/* ---- train_trial.c ---- */
/** One fit within ctx->budget; raw [n_valid of the fold x n_outputs]. */
TM_NODISCARD tm_status tm__trial_fit(tm_ctx *ctx, tm_search *search, const tm_rung *rung,
                                     tm_trial_fit fit, double *raw, tm_trial_found *out,
                                     tm_err *err);
/* One candidate on the folds of a rung, fold by fold. */
typedef struct tm_trial_run {
    uint32_t candidate; /* of the search */
    uint32_t n_folds;   /* fitted */
    uint64_t n_valid;   /* rows answered */
    double *raw;
    uint64_t rounds, work;
    double log_strength, seconds;
    bool is_cut;
} tm_trial_run;
/** The next fold, within ctx->budget. */
TM_NODISCARD tm_status tm__trial_fold(tm_ctx *ctx, tm_search *search, const tm_rung *rung,
                                      tm_trial_run *trial, tm_err *err);
/** The folds that are left, each with an equal part of ctx->budget; a trial that is far behind the
 * best one on the same rows is given up. Then what it found goes to the candidate, and is told. */
TM_NODISCARD tm_status tm__trial_finish(tm_ctx *ctx, tm_search *search, const tm_rung *rung,
                                        tm_trial_run *trial, tm_err *err);
void tm__trial_done(tm_trial_run *trial);
/** Indices of the best candidates tried so far on all rows of the rung, best first. */
uint32_t tm__search_rank(const tm_search *search, uint32_t *out, uint32_t n_max);
/** Link and score raw answers on the truth of a rung. */
TM_NODISCARD tm_status tm__trial_score(const tm_search *search, const tm_rung *rung,
                                       const tm_trial_run *trial, tm_link link, double *out,
                                       tm_err *err);

/* ---- train_candidate.c ---- */
/** Rounds and patience that follow from the other parameters and from what answers may cost. */
void tm__candidate_settle(const tm_search *search, tm_candidate *candidate);
/** Set a parameter of its learner, within its bounds; nothing where it has none of that name. */
void tm__candidate_set(tm_candidate *candidate, const char *name, double value);

/* ---- train_steps.c ---- */
/** Rounds that a trial of boosting should reach at its learning rate; 1 for others. */
double tm__steps_wanted(const tm_candidate *candidate);
/** A larger learning rate for boosting; false where there is none larger, or parameters were given.
 */
bool tm__steps_lengthen(const tm_search *search, tm_candidate *candidate);
/** Steps so large that a fit of the fold reaches far enough within a part of the budget, by what
 * its last trial took; is_last: the refit makes no more rounds. */
void tm__steps_fit(const tm_search *search, tm_candidate *candidate, const tm_fold *fold,
                   bool is_last, tm_budget *part);

/* ---- train_search.c ---- */
/** What a refit of a candidate on all rows will take, by its last trial. */
tm_need tm__search_refit_need(const tm_search *search, const tm_candidate *candidate);

/* ---- train_team.c ---- */
bool tm__candidate_has(const tm_model_ops *ops, const char *param);
/** Fit and put together all candidates with a share; `share` of the training rows is in `in`. Sets
 * model and params of *out. */
TM_NODISCARD tm_status tm__team_fit(tm_ctx *ctx, tm_search *search, const tm_fit_input *in,
                                    double share, tm_final *out, tm_err *err);

/* ---- train_cost.c ---- */
/* Of rounds that the budget ended on a sample: many times the rows carry at least so many more. */
#define TM_ROUNDS_HURRIED 2.5
/* What models may cost where they answer, of which all follows from their parameters and rounds. */
typedef struct tm_cost {
    double us;    /* a row alone, at most, of a model that lies in a cache */
    double bytes; /* in the bundle */
} tm_cost;
/** Whether the options allow what costs so much together; latency has a default, size none. */
bool tm__cost_fits(const tm_train_options *options, const tm_cost *cost);
void tm__cost_add(tm_cost *sum, tm_cost one);
/* What the rows say of it: a node that asks for a category's level costs more than one that
 * compares numbers. */
typedef struct tm_cost_shape {
    uint32_t n_outputs;
    bool has_levels;
} tm_cost_shape;
tm_cost_shape tm__cost_shape(const tm_train_data *data);
/** A model of `rounds` rounds; 0 for what has no rounds. */
tm_cost tm__cost_of(const tm_candidate *candidate, tm_cost_shape shape, double rounds);
/** Rounds at most that stay within the limit; at least 1. */
double tm__cost_rounds(const tm_train_options *options, const tm_candidate *candidate,
                       tm_cost_shape shape);
/** What every row takes before a model is asked, beyond a constant. */
tm_cost tm__cost_of_row(const tm_search *search);
/** A second layer over n members. */
tm_cost tm__cost_of_stack(uint32_t n_members, uint32_t n_outputs);
/** Rounds of the refit. */
double tm__cost_refit_rounds(const tm_candidate *candidate);

#endif
