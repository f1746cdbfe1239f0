/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One training run from inside: its rows, its target, its folds and its candidates. Not for other
 * folders.
 */
#ifndef TM_TRAIN_TRAIN_PRIV_H
#define TM_TRAIN_TRAIN_PRIV_H

#include "train/train.h"

#define TM_MAX_FOLDS 5u
/* Without a budget: about a minute of boosting on two cores for a large table, less for a small
 * one. */
#define TM_WORK_DEFAULT UINT64_C(6000000000)
#define TM_MAX_CANDIDATES 128u

/* What the rows are and where each goes. */
typedef struct tm_train_data {
    tm_table *table; /* training rows, then those of a separate test table; a reference of ours */
    uint64_t n_rows;
    uint64_t n_own; /* rows before the separate test table */
    tm_schema schema;
    uint32_t target, time, entity, weight, group, score; /* columns, UINT32_MAX: there is none */
    tm_task task;
    uint32_t n_classes;
    char **classes;  /* [n_classes], owned */
    double *y;       /* [n_rows]; NaN where the target is missing, n_classes for an unseen class */
    double *weights; /* [n_rows] or NULL */
    double *class_weights; /* [n_classes] what a row counts in fitting besides; NULL: 1 */
    bool is_balanced;      /* class_weights follow from the rows of each fit */
    uint64_t *queries;     /* RANKING: [n_rows] what tells queries apart; else NULL */
    tm_split split;        /* with AUTO resolved */
    const char *split_reason;
    bool is_time_ordered;
    tm_level_means level_means;
    const char **exprs; /* [n_exprs] of options->features, then of crosses; the list is owned */
    uint32_t n_exprs;
    char **crosses; /* [n_crosses] expressions that pay, owned: train_crosses.c */
    uint32_t n_crosses;
    tm_as *as; /* [n_as] what columns mean, as asked; names are borrowed from the schema */
    uint32_t n_as;
    uint32_t *train; /* rows to learn from, in time order when is_time_ordered */
    uint64_t n_train;
    uint32_t *before; /* [n_before] rows that a window left out, in their order; NULL: none */
    uint64_t n_before;
    uint32_t *test;
    uint64_t n_test;
    uint64_t n_target_missing;
    int64_t *label_known_us; /* [n_rows] when the target is known, as far as something says so:
                                INT64_MIN for a missing one; NULL: nothing does */
    int64_t label_cut_us;    /* the latest of them that takes part */
    uint64_t n_unmatured;    /* rows whose target was not known at the cut */
    int64_t gap_us;          /* that rows to learn from lie before those that come later */
    uint64_t n_embargoed;    /* rows to learn from that were left out before the first test row */
} tm_train_data;

/* Numbers for one fit and its validation. */
typedef struct tm_fold {
    tm_program *program;
    tm_matrix *x, *x_valid;
    double *y, *y_valid;
    double *weights, *weights_valid;   /* NULL when there are none */
    uint32_t *queries, *queries_valid; /* RANKING: rising numbers; else NULL */
    uint32_t *valid_rows;              /* rows of the table */
    bool has_scores;                   /* the last column is what fitting starts from */
    uint64_t n, n_valid;
} tm_fold;

/* A learner with its parameters, and how it did. */
typedef struct tm_candidate {
    const tm_model_ops *ops;
    tm_params params;
    tm_link link;      /* of its raw answers */
    double *raw;       /* [n_valid x n_outputs] raw answers on validation rows, or NULL; owned */
    double share;      /* weight in the blend; 0: not in it */
    double score;      /* of the deciding metric on validation rows; NaN before it was tried */
    uint32_t n_rounds; /* mean over folds of the rounds that early stopping kept */
    double strength_chosen; /* geometric mean over folds of what the learner chose itself; 1e-12:
                               nothing */
    uint64_t n_rows;        /* of the last rung that it was tried on */
    uint64_t n_fit_rows;    /* of one of its fits there */
    uint32_t n_folds;       /* fitted there */
    double so_far[TM_MAX_FOLDS]; /* [n_folds] scores of the first folds together */
    bool is_spared;              /* the first of its learner: tried on all folds */
    bool is_given_up;            /* far behind after some of the folds */
    bool is_hurried;             /* refitted for as many rounds as there is time for */
    bool is_cut;                 /* the budget ended its last trial before its natural end */
    uint64_t work;               /* units its last trial took */
    double seconds;
} tm_candidate;

/* A second layer over the raw answers of candidates. */
#define TM_MAX_STACK 8u
typedef struct tm_stack {
    uint32_t n; /* members; 0: none */
    uint32_t candidates[TM_MAX_STACK];
    double *weights; /* [n x n_outputs], owned */
    double *bias;    /* [n_outputs], owned */
} tm_stack;

/* What came of trying one. */
typedef struct tm_stacking {
    const char *reason; /* that it is used, or is not; NULL: there was nothing to try */
    bool is_used;
    tm_stack whole;       /* fitted on all validation rows */
    tm_stack halves[2];   /* fitted on each half; validation answers are those to the other half */
    double strength;      /* of its ridge */
    double gain;          /* share of the blend's loss, on rows that neither saw */
    double gain_in_folds; /* the same within folds; NaN when there is one, or it did not matter */
    double score, blend_score; /* of the deciding metric, on such rows */
} tm_stacking;

/* One fit of a trial, and what it found. */
typedef struct tm_trial_fit {
    uint32_t candidate; /* of the search */
    uint32_t fold;      /* of the rung */
    double share;       /* of what the budget has left, when it is made ahead */
} tm_trial_fit;
typedef struct tm_trial_found {
    tm_status status;
    tm_link link; /* of the raw answers */
    bool is_cut;
    uint64_t rounds, work;
    uint64_t spent;             /* of the budget */
    uint64_t cut_above, cut_at; /* when that ended it: as in tm_budget */
    double log_strength, seconds;
} tm_trial_found;
#define TM_AHEAD_MAX 16u
/* A fit that a rank made before it was its turn. */
typedef struct tm_ahead {
    tm_trial_fit fit;
    tm_trial_found found;
    tm_err err;
    double *raw; /* [n_valid of the fold x n_outputs], owned */
} tm_ahead;

typedef struct tm_search {
    tm_train_data *data; /* the final fit drops columns that no feature comes from */
    const tm_train_options *options;
    const tm_metric_ops *metric;
    tm_candidate candidates[TM_MAX_CANDIDATES];
    uint32_t n_candidates;
    uint32_t best;
    bool has_best;          /* on the last rung */
    uint64_t rung_rows;     /* of the last rung */
    tm_budget *whole;       /* while it runs: of which trials have parts */
    double ns_row_features; /* that the features of a row took */
    bool has_terms;         /* of texts, that linear learners and scores of trees look up */
    double ns_row_predict;  /* and its answer by the slowest candidate */
    uint64_t tail_ns;       /* set aside of the clock for what follows the last fit */
    uint32_t n_blend;       /* candidates with a share; 1: no blend, the best alone */
    double blend_score;     /* of the blend or stack on validation rows */
    tm_stacking stacking;
    double
        *valid_pred; /* [n_valid x n_outputs] answers of the best or the blend on validation rows */
    double *valid_y;
    double *valid_weights;
    uint32_t *valid_queries; /* RANKING */
    uint64_t n_valid;
    tm_fit_before before;              /* of an update */
    uint64_t valid_ends[TM_MAX_FOLDS]; /* [n_valid_folds] behind the rows of each fold */
    uint32_t n_valid_folds;
    double seconds_features;
    tm_ahead ahead[TM_AHEAD_MAX];
    uint32_t n_ahead;
} tm_search;

/* train_run.c */
/** The metric of a name, NULL: the task's own. TM_E_USAGE when it is not for the task. */
TM_NODISCARD tm_status tm__train_metric(const char *name, tm_task task, const tm_metric_ops **out,
                                        tm_err *err);
/* train_data.c */
TM_NODISCARD tm_status tm__train_data_init(tm_train_data *data, tm_table *table, tm_table *test,
                                           const tm_train_options *options, tm_err *err);
void tm__train_data_done(tm_train_data *data);
/* train_windows.c: features over windows */
typedef struct tm_train_windows {
    tm_window_set *set;     /* NULL: nothing is said of windows */
    tm_table *table, *test; /* with the features' columns; test may be NULL */
} tm_train_windows;
/** The set of the options, not fitted; NULL when nothing is said of windows. */
TM_NODISCARD tm_status tm__train_windows_set(const tm_train_options *options, tm_window_set **out,
                                             tm_err *err);
/** TM_E_REFUSED for a feature of what is not known at its row's moment. */
TM_NODISCARD tm_status tm__train_windows_init(tm_ctx *ctx, tm_table *table, tm_table *test,
                                              const tm_train_options *options,
                                              tm_train_windows *out, tm_err *err);
/** Columns that say when others are known are no inputs; TM_E_REFUSED for an input that is known
 * later than its row. Nothing is done without a set. */
TM_NODISCARD tm_status tm__train_windows_roles(tm_train_data *data, const tm_window_set *set,
                                               bool is_trial, tm_err *err);
void tm__train_windows_done(tm_train_windows *windows);
/* train_row_window.c */
/** Leave out rows to learn from, or weigh them. TM_E_UNSUPPORTED for a ranking, TM_E_DATA when too
 * few are left. */
TM_NODISCARD tm_status tm__train_row_window(tm_train_data *data, const tm_row_window *window,
                                            tm_err *err);
/* train_leak.c */
/** At most n_max rows, evenly spread; returns how many. */
uint64_t tm__train_thin(uint32_t *rows, uint64_t n, uint64_t n_max);
/** A trial learns from and tests on some of the rows. */
void tm__train_trial_thin(tm_train_data *data);
typedef struct tm_leak_input {
    const tm_train_options *options;
    const char *const *drop; /* [n_drop] columns that are refused besides what the options say */
    uint32_t n_drop;
} tm_leak_input;
/** Append to a refusal what the scores are with what is refused and without it. */
TM_NODISCARD tm_status tm__train_leak_tell(tm_ctx *ctx, tm_table *table, tm_table *test,
                                           const tm_leak_input *in, tm_err *refusal, tm_err *err);
/* train_mature.c: labels that come late; nothing is done when nothing says so. */
/** Targets that were not known at the cut are as good as missing: after the target, before the
 * split. TM_E_USAGE without a time column, TM_E_DATA when none is known. */
TM_NODISCARD tm_status tm__train_mature(tm_train_data *data, const tm_train_options *options,
                                        tm_err *err);
#define TM_LABEL_NEVER_SAID INT64_MIN /* of label_known_us */
/* train_gap.c */
/** TM_E_USAGE for a gap without rows in order of time. */
TM_NODISCARD tm_status tm__train_gap_check(const tm_train_data *data, tm_err *err);
/** Leave out of rows [n_rows] those whose target was not known before the first of `later`, and
 * those within the gap before it; returns how many stay, in their order. */
uint64_t tm__train_gap(const tm_train_data *data, const uint32_t *later, uint64_t n_later,
                       uint32_t *rows, uint64_t n_rows);
/* train_target.c: task, classes and y. */
TM_NODISCARD tm_status tm__train_target_fit(tm_train_data *data, const tm_train_options *options,
                                            tm_err *err);
/** Text of a target cell as a class name, in out [>= 64 bytes or the text itself]. */
tm_str tm__train_class_text(const tm_column *column, uint64_t row, char *out);
/* train_features.c */
/** Those of options->features that are (no) features over windows, in order; *out ends with
 * tm__mem_free(). */
TM_NODISCARD tm_status tm__train_features(const tm_train_options *options, bool wants_windows,
                                          const char ***out, uint32_t *out_n, tm_err *err);
/** Expressions of the options: dropped columns that they read become inputs for them. TM_E_USAGE
 * with the place of what is wrong in one. */
TM_NODISCARD tm_status tm__train_exprs(tm_train_data *data, const tm_train_options *options,
                                       tm_err *err);
/** Meanings that the options ask for: "zip=category"; a column that is to be dropped is. TM_E_USAGE
 * for a column that is not there, a meaning that is none, and one that values of its type cannot
 * have. */
TM_NODISCARD tm_status tm__train_as(tm_train_data *data, const tm_train_options *options,
                                    tm_err *err);
/** With options->finds_times, add to the meanings: texts of which nearly all are ISO dates or times
 * are read as such, whatever a file's types say. own: the rows that the schema comes from. */
TM_NODISCARD tm_status tm__train_times(tm_train_data *data, const tm_table *own,
                                       const tm_train_options *options, tm_err *err);
/** Whether an expression of the data reads a column of its schema. */
bool tm__train_is_read(const tm_train_data *data, uint32_t col);
/* train_crosses.c */
/** Adds columns of several others to the expressions of the data where they pay: *out, when they
 * were looked for, lists them with their gain. Costs some fits of a fixed size. */
TM_NODISCARD tm_status tm__train_crosses(tm_ctx *ctx, tm_search *search, json_t **out, tm_err *err);
/* train_weights.c: weights of classes; nothing is done when there are none. */
TM_NODISCARD tm_status tm__class_weights_init(tm_train_data *data, const tm_train_options *options,
                                              tm_err *err);
/** Weights of both sides of a fold are multiplied by those of the classes; balanced ones follow
 * from the rows to fit on. */
TM_NODISCARD tm_status tm__class_weights_fold(const tm_train_data *data, tm_fold *fold,
                                              tm_err *err);
/* train_query.c: queries of a ranking; nothing is done for another task. */
TM_NODISCARD tm_status tm__queries_init(tm_train_data *data, tm_err *err);
/** Each query on one side only, and its rows together: after the split. */
TM_NODISCARD tm_status tm__queries_settle(tm_train_data *data, tm_err *err);
/** What tells the queries of a table's rows apart; ends with tm__mem_free(). TM_E_DATA names a row
 * without one. */
TM_NODISCARD tm_status tm__queries_read(const tm_table *table, uint32_t group, uint64_t **out,
                                        tm_err *err);
/** Rows of a query together, queries in the order of their first rows. */
TM_NODISCARD tm_status tm__queries_gather(const uint64_t *queries, uint32_t *rows, uint64_t n,
                                          tm_err *err);
/** A ranking's rows gathered, their targets with them; *out: numbers of their queries, ends with
 * tm__mem_free(). Nothing is done for another task. TM_E_DATA when the group column is not there.
 */
TM_NODISCARD tm_status tm__queries_of_bundle(const tm_bundle *bundle, const tm_table *table,
                                             uint32_t *rows, double *y, uint64_t n, uint32_t **out,
                                             tm_err *err);
/** Place of a cut of gathered rows near `from` that divides no query: before it when a query is
 * before it, else behind the first one; n when all rows are of one query. */
uint64_t tm__queries_cut(const uint64_t *queries, const uint32_t *rows, uint64_t n, uint64_t from);
/** Rising numbers of gathered rows' queries [n]; NULL when out of memory. */
uint32_t *tm__queries_number(const uint64_t *queries, const uint32_t *rows, uint64_t n);
/* train_split.c: train and test rows. */
/** Sort rows by a time column; a missing time comes first, so that it is never in the future. */
TM_NODISCARD tm_status tm__rows_by_time(const tm_column *column, uint32_t *rows, uint64_t n,
                                        tm_err *err);
TM_NODISCARD tm_status tm__train_split_rows(tm_train_data *data, const tm_train_options *options,
                                            tm_err *err);
/* train_fold.c */
/** How the features of a training are learned; it borrows from data. */
tm_program_options tm__train_program_options(const tm_train_data *data, uint64_t seed);
/* Rows of the table to fit on and to validate on; owned. */
typedef struct tm_fold_rows {
    uint32_t *fit, *valid;
    uint64_t n_fit, n_valid;
} tm_fold_rows;
void tm__fold_rows_done(tm_fold_rows *rows);
TM_NODISCARD tm_status tm__fold_init(tm_ctx *ctx, tm_fold *fold, const tm_train_data *data,
                                     const tm_fold_rows *rows, uint64_t seed, tm_err *err);
/** The same by a program that is there, of which the fold gets its own. */
TM_NODISCARD tm_status tm__fold_init_by(tm_ctx *ctx, tm_fold *fold, const tm_train_data *data,
                                        const tm_fold_rows *rows, const tm_program *program,
                                        tm_err *err);
void tm__fold_done(tm_fold *fold);
/** What learners see of a fold's numbers: all but the initial score, which is the last column. */
tm_view tm__fold_view(const tm_fold *fold, const tm_matrix *matrix);
/** Initial scores of the rows, or NULL. */
const double *tm__fold_scores(const tm_fold *fold, const tm_matrix *matrix);
/** Number of answers a row. */
uint32_t tm__train_outputs(const tm_train_data *data);
/** Fold of each training row (by position): 0 .. n_folds-1; a time-ordered run has one fold, the
 * last fifth. */
uint32_t tm__fold_count(const tm_train_data *data, uint64_t n_cells);
/* Which of how many folds to cut. */
typedef struct tm_fold_cut {
    uint32_t n_folds, fold;
    uint64_t seed;
} tm_fold_cut;
/** A side of a fold is empty: TM_E_DATA. A fold of many may be: it is passed over. */
TM_NODISCARD tm_status tm__fold_check(const tm_train_data *data, const tm_fold_rows *rows,
                                      tm_err *err);
TM_NODISCARD tm_status tm__fold_rows_init(tm_fold_rows *out, const tm_train_data *data,
                                          const uint32_t *rows, uint64_t n_rows,
                                          const tm_fold_cut *cut, tm_err *err);
/* train_search.c */
TM_NODISCARD tm_status tm__search_run(tm_ctx *ctx, tm_search *search, tm_err *err);
void tm__search_done(tm_search *search);
/** Fit the only candidate on a fold, keep the model, and keep its answers on the validation rows as
 * the best. */
TM_NODISCARD tm_status tm__search_fit_kept(tm_ctx *ctx, tm_search *search, const tm_fold *fold,
                                           tm_model **out, tm_err *err);
/* train_budget.c */
/** A budget for one part: its share of what the whole has left. */
tm_budget tm__budget_part(const tm_budget *whole, double share);
/* train_blend.c */
/** Give the candidates with raw answers their shares, and settle the validation answers. */
TM_NODISCARD tm_status tm__blend_choose(tm_search *search, tm_err *err);
/** Validation answers of the shares, or the second layer, as they are, and their score. */
TM_NODISCARD tm_status tm__blend_settle(tm_search *search, tm_err *err);
/** Raw answers of the same on validation rows, out [n_valid x n_outputs]. TM_E_INTERNAL when a
 * member has none. */
TM_NODISCARD tm_status tm__blend_raw(const tm_search *search, double *out, tm_err *err);
/* train_stack.c */
void tm__stacking_done(tm_stacking *self);
/* train_fit.c */
typedef struct tm_final {
    json_t *params; /* of the model; of a blend: its members; owned */
    tm_program *program;
    tm_model *model;
    double seconds_features;
} tm_final;
TM_NODISCARD tm_status tm__final_fit(tm_ctx *ctx, tm_search *search, tm_final *out, tm_err *err);
TM_NODISCARD tm_status tm__single_fit(tm_ctx *ctx, tm_search *search, tm_final *out, tm_err *err);
/** Features of the final model: its fold is made again without the columns that none comes from. */
TM_NODISCARD tm_status tm__final_fold(tm_ctx *ctx, const tm_search *search,
                                      const tm_fold_rows *rows, tm_fold *out, tm_err *err);
/* train_mixture.c: models that answer together by shares that are given (options.mixture) */
/** The parts are the candidates. TM_E_UNSUPPORTED for a ranking, rules and scores to begin with;
 * TM_E_DATA for what tm__mixture_json() cannot have made. */
TM_NODISCARD tm_status tm__mixture_candidates(tm_search *search, tm_err *err);
/** TM_E_DATA when no part has rows of two classes. */
TM_NODISCARD tm_status tm__mixture_fit(tm_ctx *ctx, tm_search *search, tm_final *out, tm_err *err);
/* train_update.c */
/** The threshold of an update that no rule is given for: the base's, where no rows chose that one
 * or there are none now; false: find it. */
bool tm__update_threshold(const tm_train_options *options, bool has_validation, double *out);
/** The base of the options with numbers that moved with the rows (options.is_update). */
TM_NODISCARD tm_status tm__update_fit(tm_ctx *ctx, tm_search *search, tm_final *out, tm_err *err);
void tm__final_done(tm_final *final);
/* train_candidate.c */
TM_NODISCARD tm_status tm__candidates_init(tm_search *search, tm_err *err);
/** Value of a parameter, or `otherwise` where the learner has none of that name. */
double tm__candidate_param(const tm_candidate *candidate, const char *name, double otherwise);
/* train_draw.c */
/** A further candidate near the best ones; false when no learner has anything to vary. */
bool tm__candidate_draw(tm_search *search, tm_candidate *out, uint32_t draw);
/** "gbdt.n_trees=500" parts; true when any names this learner or none. */
TM_NODISCARD tm_status tm__candidate_params(const tm_train_options *options,
                                            const tm_model_ops *ops, tm_params *params,
                                            uint32_t *out_n_set, tm_err *err);
/* train_plan.c */
/* Bytes at the moment that takes most. */
typedef struct tm_train_plan {
    uint64_t held;     /* the table, targets and splits */
    uint64_t features; /* numbers of rows */
    uint64_t fitting;  /* what the hungriest candidate takes at the least */
    uint64_t answers;  /* of the rows to validate or test on */
} tm_train_plan;
/** What a training needs at the least, before it begins; TM_E_LIMIT when that is over
 * ctx->memory_limit, or more than the options' admission lets it take. Nothing is done without
 * both.
 */
TM_NODISCARD tm_status tm__train_plan_check(tm_ctx *ctx, const tm_search *search, bool is_single,
                                            tm_train_plan *out, tm_err *err);
/* train_rules.c */
bool tm__train_has_rules(const tm_train_options *options);
/** Rules name features of the data, monotone ones numbers. TM_E_USAGE. */
TM_NODISCARD tm_status tm__train_rules_check(const tm_train_data *data,
                                             const tm_train_options *options, tm_err *err);
/** Rules of a program's features, in *out, which the caller frees; NULL when there are none. */
TM_NODISCARD tm_status tm__train_rules_init(const tm_train_options *options,
                                            const tm_program *program, tm_column_rule **out,
                                            tm_err *err);
/* train_continue.c; nothing is done without options->base */
TM_NODISCARD tm_status tm__train_base_check(const tm_train_data *data,
                                            const tm_train_options *options, tm_err *err);
/** The model to go on from, or NULL. */
const tm_model *tm__train_base_model(const tm_train_options *options);
/** Give a fold the features of the model to go on from. */
TM_NODISCARD tm_status tm__train_base_fold(tm_ctx *ctx, const tm_train_data *data,
                                           const tm_train_options *options,
                                           const tm_fold_rows *rows, tm_fold *fold, tm_err *err);
/** {"bundle_hash", "rounds", "how"?: "update", "weight_before"?} of the model gone on from to
 * `model`. New reference. */
json_t *tm__train_base_info(const tm_train_options *options, const tm_model *model);
/* train_report.c */
/** [{"column","score"}]: input columns that alone reach AUC, accuracy or r2 of 0.98. New reference.
 */
TM_NODISCARD tm_status tm__train_leaks(tm_ctx *ctx, const tm_train_data *data, uint64_t seed,
                                       json_t **out, tm_err *err);
/* train_detect.c */
/** Append a finding; takes evidence. column may be NULL. */
void tm__train_find(json_t *list, const char *kind, const char *column, json_t *evidence,
                    const char *hint, const char *text);
/**
 * train_numbers.c: append "mostly_numbers" for each text column of which all but a few values are
 * numbers, and "formatted_numbers" where they are so as people write them ($1,279.40). roles:
 * features alone are looked at; NULL: all columns. Two passes; TM_E_NOMEM.
 */
TM_NODISCARD tm_status tm__train_find_numbers(const tm_table *table, uint32_t target,
                                              const tm_schema *roles, json_t *list, tm_err *err);
/**
 * train_sum.c: append "sum" when the target is exactly the sum or difference of two or more number
 * columns in every row. roles: features alone count; NULL: all columns.
 *
 * Limits: the first 256 number columns, with at most 5 % missing.  Cost: O(columns^3) and one pass.
 */
TM_NODISCARD tm_status tm__train_find_sum(const tm_table *table, uint32_t target,
                                          const tm_schema *roles, json_t *list, tm_err *err);
/** Findings about the rows of a run: repeated, contradicting, in both sides of its split. */
TM_NODISCARD tm_status tm__train_find_rows(tm_ctx *ctx, const tm_train_data *data, json_t **out,
                                           tm_err *err);
/** [{"column","share"}] largest first; shares sum to 1. New reference; NULL when out of memory. */
/** Share of each input in what the model learned: out [inputs], sums to 1, or 0 when it learned
 * nothing; false when out of memory. */
bool tm__train_shares(const tm_program *program, const tm_model *model, double *out);
/* train_power.c: a score as limit - scale * share^-slope; more is better. */
#define TM_POWER_POINTS 8u
#define TM_POWER_PARTS 20u
typedef struct tm_power {
    double limit, scale, slope;
} tm_power;
/* Scores by share of the rows, rising. */
typedef struct tm_power_points {
    uint32_t n, n_parts;
    double shares[TM_POWER_POINTS];
    double means[TM_POWER_POINTS];
    double errors[TM_POWER_POINTS]; /* of the means, over 0, by the rows to learn from */
    double moves[TM_POWER_POINTS][TM_POWER_PARTS]; /* of the means, by leaving out a part of the
                                                      test rows; each point's sum is 0 */
} tm_power_points;
typedef struct tm_interval {
    double value, low, high; /* 95 % */
} tm_interval;
double tm__power_at(const tm_power *power, double share);
/** At least three points. out_gain: from share 1 to share 2. */
void tm__power_fit(const tm_power_points *points, uint64_t seed, tm_power *out,
                   tm_interval *out_gain);
/** What the points but the last, of four or more, foretell of the last one's gain over the one
 * before it, what was measured, and how far apart they are. */
void tm__power_foretell(const tm_power_points *points, uint64_t seed, tm_interval *out_foretold,
                        tm_interval *out_measured, tm_interval *out_apart);
/* train_slice.c */
typedef struct tm_slice_input {
    const tm_train_data *data;
    const char *metric;
    double error;  /* standard deviation of the score of all test rows, by which these are */
    double within; /* half width that the score of a group should be known to; over 0 */
} tm_slice_input;
/** Groups of rows whose score is not known well enough: {"within", "whole": the half width of all
 * test rows, "groups", "thin": how many, "columns": [{"column", "groups", "thin",
 * "share_of_rows"}], "worst": [{"column", "group", "rows", "test_rows", "half_width",
 * "test_rows_needed", "test_positives"?}]}. half_width is null where no row counts. New reference
 * in *out. */
TM_NODISCARD tm_status tm__train_slices(const tm_slice_input *in, json_t **out, tm_err *err);
/* train_info.c: new references. */
json_t *tm__split_to_json(const tm_split *split);
json_t *tm__train_recipe(const tm_train_options *options);
json_t *tm__train_stops(const tm_stops *stops);
json_t *tm__train_leaderboard(const tm_search *search);
/** What came of a second layer, when there was one to try. */
json_t *tm__train_stacking(const tm_search *search);
json_t *tm__train_labels_info(const tm_train_data *data);
json_t *tm__train_split_info(const tm_train_data *data, uint64_t n_valid);
/** Let rows leave out what tm_train_options.optional names: [COLUMN] of those that the program
 * insisted on, and of features over windows, on which a server insists; a new reference; NULL:
 * none. */
json_t *tm__train_loosen(const tm_train_options *options, tm_program *program);
json_t *tm__train_left_out(const tm_train_data *data, const json_t *program);

#endif
