/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a table to a bundle: task, roles, split, features, a search between learners, refit, scores,
 * threshold, report. Knows nothing of registry or monitor: it takes tables and gives a bundle's
 * bytes.
 */
#ifndef TM_TRAIN_TRAIN_H
#define TM_TRAIN_TRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/json.h"
#include "feature/window_set.h"
#include "metric/metric.h"
#include "model/bundle.h"

typedef enum tm_split_kind {
    TM_SPLIT_AUTO,
    TM_SPLIT_RANDOM,
    TM_SPLIT_LAST,
    TM_SPLIT_TIME,
    TM_SPLIT_TIME_AT,
    TM_SPLIT_GROUP,
    TM_SPLIT_MOD,
    TM_SPLIT_NONE
} tm_split_kind;

typedef struct tm_split {
    tm_split_kind kind;
    double share;       /* of the test rows */
    char column[257];   /* TIME, TIME_AT, GROUP */
    int64_t at_us;      /* TIME_AT */
    uint32_t mod, rest; /* MOD */
} tm_split;
/** "random:0.2", "last:0.2", "time:COL:0.2", "time:COL:2015-03-01", "group:COL:0.2", "mod:5:4". */
TM_NODISCARD tm_status tm__split_parse(const char *text, tm_split *out, tm_err *err);

/* Which of the rows to learn from count, by their age: by time, or, where one of them has none, by
 * their place. */
typedef enum tm_row_window_kind {
    TM_ROWS_UNSAID, /* all of them, and the record does not speak of it */
    TM_ROWS_ALL,
    TM_ROWS_SLIDING,  /* the newest */
    TM_ROWS_WEIGHTED, /* the older a row, the less it counts */
    TM_ROWS_CUT,      /* the newest, that came since something changed */
    TM_ROWS_KINDS
} tm_row_window_kind;
typedef struct tm_row_window {
    tm_row_window_kind kind;
    uint64_t rows;     /* newest ones; WEIGHTED: by which a row counts half */
    uint64_t rows_max; /* of those that count, evenly spread, for a trial; 0: all. Not recorded */
} tm_row_window;
/** Of "all", "sliding", "weighted" and "cut"; TM_ROWS_KINDS for a text that is none. */
tm_row_window_kind tm__row_window_from_text(tm_str text);
/** {"kind", "rows"}, rows where it says any. New reference; NULL when out of memory. */
json_t *tm__row_window_json(const tm_row_window *window);
/** UNSAID of NULL; TM_E_DATA of what tm__row_window_json() cannot have made. */
TM_NODISCARD tm_status tm__row_window_from_json(const json_t *json, tm_row_window *out,
                                                tm_err *err);
/** What a row counts that `age` rows are newer than: 1, and a half for half_life of them. */
double tm__age_weight(double age, double half_life);
/** Sort rows of a table, the oldest first: by the named time column (NULL: none), or by place where
 * one of them has no time. */
TM_NODISCARD tm_status tm__rows_by_age(const tm_table *table, const char *time, uint32_t *rows,
                                       uint64_t n, tm_err *err);
/** The named column of times (NULL: none), where each of these rows [n] has one; else NULL. */
const tm_column *tm__rows_times(const tm_table *table, const char *time, const uint32_t *rows,
                                uint64_t n);

/* A trial of a search that has just ended, for who shows a search as it runs. What it points to
 * lives for the call. */
typedef struct tm_trial {
    uint32_t number;     /* of the candidate, from 1; one is tried again on more rows */
    const char *learner; /* "gbdt" */
    const json_t *params;
    const char *metric;
    bool smaller_is_better;
    double score;       /* on the validation rows of its folds */
    bool is_best;       /* so far, of those tried on as many rows */
    bool is_given_up;   /* far behind after some folds: its score is of those */
    bool is_cut;        /* by the budget, in the middle */
    uint32_t rounds;    /* kept */
    uint64_t rows;      /* it was tried on */
    uint32_t folds;     /* it was fitted on */
    double seconds;     /* it took */
    double budget_used; /* of the whole run, 0 to 1; NaN: it has none */
} tm_trial;
/* Called from the thread that trains. */
typedef void (*tm_trial_fn)(void *arg, const tm_trial *trial);

/* What a training may take of a machine that others work on, and what it would. */
typedef struct tm_admission {
    uint64_t free_bytes;  /* beside what the process holds when the training begins; 0: not known */
    uint64_t needs_bytes; /* filled: at the least, with what is held; 0: it was not come to */
    bool is_refused;      /* filled: the plan does not fit */
} tm_admission;
/** Whether what is needed can be had, with a fourth of it to spare, for a plan is the least. */
bool tm__admission_fits(uint64_t needs_bytes, uint64_t free_bytes);
/** Mark it refused: TM_E_LIMIT, in the words of all who refuse. needs: beside what is held. */
TM_NODISCARD tm_status tm__admission_refuse(tm_admission *admission, uint64_t needs_bytes,
                                            tm_err *err);

typedef struct tm_train_options {
    const char *model; /* name, for info */
    const char *target;
    tm_task task;              /* NONE: infer */
    const char *positive;      /* NULL: true, 1, yes, else the rarer */
    const char *metric;        /* that decides; NULL: default of the task */
    const char *learners;      /* comma-separated; NULL: all */
    const char *const *params; /* "gbdt.n_trees=500" */
    uint32_t n_params;
    const char *const *drop; /* column names */
    uint32_t n_drop;
    const char *const *monotone; /* "age:+1": answers never fall as age grows; -1: never rise */
    uint32_t n_monotone;
    const char *const *interact; /* "age+income": a group of columns; when there are any, columns
                                    act together only within one, and others each alone */
    uint32_t n_interact;
    const char *const *class_weights; /* "yes=5", or "balanced" alone: what training rows count */
    uint32_t n_class_weights;
    const char *const *features; /* over windows, "late_2h = mean(late) by origin over 2h", and by
                                    expression, "ratio = debt / income" */
    uint32_t n_features;
    const char *const *as; /* "zip=category": what a column means, whatever it looks like */
    uint32_t n_as;
    bool has_no_crosses;      /* no columns of several others are looked for */
    const char *const *known; /* "late=arrived": when a column is known, if not with its row */
    uint32_t n_known;
    const tm_window_source *events; /* [n_events] of features of other sources */
    uint32_t n_events;
    const json_t *events_from;      /* {NAME: as source}, stored in info.recipe; may be NULL */
    const json_t *events_snapshots; /* {NAME: hash}, stored in info; may be NULL */
    bool is_trial; /* to measure a leak: few rows, and what is not known counts as known */
    const char *time, *entity, *weight, *group; /* column names or NULL */
    const char *purpose; /* what the model is for, in a word; stored in info.recipe; may be NULL */
    int64_t label_delay_us; /* after its row's time a label is known; 0: `known` says, or with it */
    uint64_t gap_ms;        /* between rows to learn from and those that come later; 0: none */
    int64_t label_cut_us;   /* labels that were known later take no part; 0: now */
    const char
        *init_score; /* column of raw scores that fitting starts from and answers add; NULL */
    tm_split split;
    tm_row_window window;       /* of the rows to learn from; rankings have none */
    const json_t *mixture;      /* models that answer together in place of a search, as
                                   tm__mixture_json() writes them; NULL: a search */
    const char *calibrate;      /* "none", "platt", "isotonic", "temperature"; NULL: what pays */
    const char *threshold;      /* rule, as --threshold says it; NULL: f1 */
    tm_level_means level_means; /* of columns with many levels */
    bool selects;               /* columns that do not pay are left out */
    bool finds_times;           /* texts that are ISO dates or times are read as such */
    uint64_t seed;
    uint64_t work;       /* 0: by the data alone */
    uint64_t budget_ms;  /* 0: none */
    uint64_t started_ns; /* tm__mono_ns() that the budget counts from; 0: when training begins */
    uint64_t latency_us_max;   /* of a row alone; 0: 100 us */
    uint64_t bundle_bytes_max; /* 0: none */
    tm_trial_fn on_trial;      /* may be NULL */
    void *on_trial_arg;
    const json_t *columns;  /* rules of columns that had other names, which the table has by now;
                               stored in info.recipe (table/renames.h); may be NULL */
    const json_t *optional; /* [COLUMN]: rows may leave these out, also where all training rows have
                               them; those that were concerned are stored in info.optional; may be
                               NULL. tm__train_optional() makes it */
    const json_t *privacy;  /* {"columns": {COLUMN: POLICY}, "key"} of the rows (table/privacy.h);
                               stored in info.recipe; may be NULL */
    const json_t *source;   /* recipe's source part, stored in info.recipe: {"path"}, {"sql"} or
                               {"source"}; may be NULL */
    char snapshot[TM_HASH_TEXT];      /* of the training table; empty: none */
    char test_snapshot[TM_HASH_TEXT]; /* of the separate test table; empty: none */
    const tm_bundle *base;            /* go on from this model; NULL: learn anew */
    bool is_update;                   /* its own numbers move, nothing is added to them */
    bool is_repeat;                   /* of a run with budget_ms: `stops` stand for the clock */
    const uint64_t *stops;            /* [n_stops] info.stops of that run */
    uint32_t n_stops;
    tm_admission *admission; /* TM_E_LIMIT before anything is learned when the plan does not fit;
                                what is learned does not depend on it; NULL: nobody asks */
} tm_train_options;

/** Whether models of several windows can answer together (tm_train_options.mixture): they keep no
 * rules and rank nothing, TM_E_UNSUPPORTED. */
TM_NODISCARD tm_status tm__mixture_check(const tm_train_options *options, tm_task task,
                                         tm_err *err);

/* A query whose columns may look at the future. */
typedef struct tm_query_check {
    const char *sql;
    const char *dir;        /* where its files' paths begin; NULL: where the process is */
    tm_table *table, *test; /* what it gave, and test rows or NULL */
    const tm_train_options *options;
} tm_query_check;
/**
 * Run the query again on what its files held before three moments. Nothing is done without a time
 * column, or for a query that gives each row from one row.
 *
 * Errors:  TM_E_REFUSED (a column that changes by what came later, by name, with its share of the
 *          score), TM_E_UNSUPPORTED (its rows cannot be held against each other), those of reading.
 */
TM_NODISCARD tm_status tm__train_query_check(tm_ctx *ctx, const tm_query_check *in, tm_err *err);

/* Events of other sources, for features over windows of them. Zeroed: none. */
typedef struct tm_train_events {
    uint32_t n;
    tm_window_source *sources; /* [n] */
    tm_table **tables;         /* [n] references */
    json_t *named;             /* what was read, by name */
    json_t *snapshots;         /* {NAME: hash}; NULL before they are saved */
} tm_train_events;
typedef struct tm_events_place {
    const struct tm_home *home;   /* of sources; NULL: none are named */
    const char *dir;              /* where paths begin; NULL: where the process is */
    const tm_bundle *bundle;      /* whose types events have; NULL: they are inferred */
    int64_t as_of_us;             /* sources as they were then, and nothing else; 0: as they are */
    struct tm_learning *learning; /* rows without consent to it are left out; NULL: nobody learns
                                     from them */
} tm_events_place;
/** Read the events of a recipe: {NAME: {"path"}, {"sql"} or {"source"}}. */
TM_NODISCARD tm_status tm__train_events_read(tm_ctx *ctx, const tm_events_place *place,
                                             const json_t *from, tm_train_events *out, tm_err *err);
/** Keep them, so that the run can be repeated. */
TM_NODISCARD tm_status tm__train_events_save(tm_ctx *ctx, const struct tm_home *home,
                                             tm_train_events *events, tm_err *err);
/** Load them from the snapshots of a record. */
TM_NODISCARD tm_status tm__train_events_load(tm_ctx *ctx, const struct tm_home *home,
                                             const json_t *snapshots, tm_train_events *out,
                                             tm_err *err);
/** Options borrow them. */
void tm__train_events_use(const tm_train_events *events, tm_train_options *options);
void tm__train_events_done(tm_train_events *events);

/* Options that were read from a record; their texts are borrowed from it. */
typedef struct tm_recipe {
    tm_train_options options;
    const char **params, **drop, **monotone, **interact, **class_weights, **features, **known, **as;
    uint64_t *stops;
    json_t *privacy; /* owned, when whoever has the recipe made one; else NULL */
} tm_recipe;
/** What a recipe (info.recipe, or the model's in the registry) asks for. TM_E_USAGE when its split
 * is none. */
TM_NODISCARD tm_status tm__recipe_init(tm_recipe *out, const json_t *recipe, tm_err *err);
/**
 * The recipe of a training that goes on from a model: the one given (NULL: the model's own) with
 * its learner and parameters, then those given. A new reference in *out. TM_E_DATA when the model
 * does not say how it was trained.
 */
TM_NODISCARD tm_status tm__train_base_recipe(const tm_bundle *base, const json_t *from,
                                             const char *const *params, uint32_t n_params,
                                             json_t **out, tm_err *err);
/** Everything but the rows that a finished run's bytes follow from, read from its info: a run with
 * these options on its snapshots gives its bundle again. TM_E_NOT_FOUND when the record, of an
 * earlier release, does not hold it. */
TM_NODISCARD tm_status tm__recipe_init_repeat(tm_recipe *out, const json_t *info, tm_err *err);
void tm__recipe_done(tm_recipe *recipe);

/* What a version that is to come reads. */
typedef struct tm_train_reads {
    const tm_table *rows;        /* its columns */
    const char *const *features; /* [n_features] texts of the recipe */
    uint32_t n_features;
} tm_train_reads;
/**
 * What a version that comes after another one may ask of nobody: columns of the rows, and features
 * over windows, that the served one does not read, or does not insist on. Clients of before do not
 * send them, and it refuses no row for them.
 *
 * Owns:    *out is a new reference: [COLUMN].
 * Errors:  TM_E_NOMEM, TM_E_USAGE for a feature that is none.
 * Threads: any.
 */
TM_NODISCARD tm_status tm__train_optional(const tm_bundle *served, const tm_train_reads *reads,
                                          json_t **out, tm_err *err);

/* One finished run. */
typedef struct tm_train_result {
    tm_buf bundle; /* bytes */
    tm_hash bundle_hash;
    json_t
        *report; /* what train --json prints, less model version and name: task metric learner rows
                    columns seed bundle_hash seconds validation test leaderboard importance ... */
} tm_train_result;

/**
 * Rows to a bundle. A feature over a window, or an input, that is not known at its row's moment is
 * TM_E_REFUSED; two small trainings then tell what it is worth.
 *
 * test: rows that are only scored (same columns), or NULL: held out by the split. Seconds of
 * loading are the caller's to add.
 */
TM_NODISCARD tm_status tm__train_run(tm_ctx *ctx, tm_table *table, tm_table *test,
                                     const tm_train_options *options, tm_train_result *out,
                                     tm_err *err);
void tm__train_result_done(tm_train_result *result);
/**
 * What a run with these options on these rows will take, before it: {"target", "task", "metric",
 * "rows", "train_rows", "test_rows", "features", "candidates", "folds", "trials", "seconds":
 * {"run", "trial", "refit", "ends_by": "budget", "work" or "done", "units_per_second"}, "memory":
 * bytes at the least {"total", "table", "features", "fitting", "answers"}}. One candidate is fitted
 * on at most 10,000 rows; seconds are of this machine now. New reference in *out.
 */
TM_NODISCARD tm_status tm__train_plan(tm_ctx *ctx, tm_table *table, const tm_train_options *options,
                                      json_t **out, tm_err *err);
/** Hash of the options, of their snapshots, and of all else that decides a run. TM_E_NOMEM. */
TM_NODISCARD tm_status tm__train_run_hash(const tm_train_options *options, tm_hash *out,
                                          tm_err *err);
/**
 * Checkpoints of a run with these options on their snapshots, in dir, which is NULL for a rank that
 * leaves them to rank 0; for ctx->checkpoint. The same
 * run started again finds them. Not for a budget of time: what a clock cut does not come again.
 */
TM_NODISCARD tm_status tm__train_checkpoint_open(const tm_train_options *options, const char *dir,
                                                 uint64_t every_ns, struct tm_checkpoint **out,
                                                 tm_err *err);

/** Score a bundle on a table that has the target: metric report, and {"unseen": {"rows"}} where
 * rows are of a class that training did not have. New reference in *out. */
TM_NODISCARD tm_status tm__train_evaluate(tm_ctx *ctx, const tm_bundle *bundle,
                                          const tm_table *table, json_t **out, tm_err *err);
/** [{"column","share"}] of what the model learned, most first. New reference. */
json_t *tm__train_importance(const tm_program *program, const tm_model *model);
typedef struct tm_columns_options {
    const char *metric; /* NULL: the one that decided in training */
    uint64_t seed;
} tm_columns_options;
/** What each input column is worth: {metric, score, rows, repeats, seed, columns: [{column, loses,
 * spread, share, splits}]}, most first. loses: what the score gets worse by when the column is
 * shuffled among the rows, on average; spread: its standard deviation over the repeats; share: of
 * gain or weights in training; splits: of trees, for learners that have any. TM_E_USAGE for a
 * metric that is not of the task. New reference in *out. */
TM_NODISCARD tm_status tm__train_columns(tm_ctx *ctx, const tm_bundle *bundle,
                                         const tm_table *table, const tm_columns_options *options,
                                         json_t **out, tm_err *err);
/** Index of the column that an option names as `what` ("target", "time"); UINT32_MAX for the name
 * NULL. TM_E_USAGE hints at the nearest column. */
TM_NODISCARD tm_status tm__train_find_column(const tm_table *table, const char *name,
                                             const char *what, uint32_t *out, tm_err *err);
typedef struct tm_detect_options {
    const char *target;
    uint64_t seed;
    bool skips_rows;         /* equal rows are known otherwise */
    const tm_table *against; /* test rows, whose overlap is looked for; NULL: there are none */
} tm_detect_options;
/** What would ruin a model of a table: [{"kind", "severity", "column"?, "text", "hint", "evidence",
 * "place"?}]. kind is one of target_missing, one_class, constant, identifier, copy, sum,
 * after_the_fact, leak, repeated, conflicting, overlap. place is {"column"} or {"row",
 * "equals_row"}, counted from 1; the row of an overlap is one of the test rows. New reference in
 * *out; TM_E_USAGE without the target. */
TM_NODISCARD tm_status tm__train_detect(tm_ctx *ctx, tm_table *table,
                                        const tm_detect_options *options, json_t **out,
                                        tm_err *err);
/** Append what shares of equal rows mean, when it is worth a word. */
void tm__train_say_repeated(double share, uint64_t n_rows, bool is_exact, json_t *list);
void tm__train_say_conflicting(double share, uint64_t n_rows, bool is_exact, json_t *list);
typedef struct tm_value_options {
    tm_train_options train; /* roles, target, split, metric, seed; a learner of `learners` */
    uint64_t n_rows_max;    /* of the largest fit; 0: 400,000 */
    double within; /* half width that the score of a group should be known to; 0: a fifth of
                      what the model is better than a constant answer */
} tm_value_options;
/** What the rows are worth: {"target", "task", "metric", "learner", "smaller_is_better", "seed",
 * "split", "baseline", "curve": [{"rows", "share", "blocks", "fits", "score", "low", "high",
 * "error_learning", "error_test"}], "model"?, "twice"?, "last_doubling"?, "verdict", "reason",
 * "worth", "slices": groups of rows that are too few to know their score, as
 * tm__train_slices() tells them, or null}. Gains are over 0 when more rows are better. New
 * reference in *out. */
TM_NODISCARD tm_status tm__train_value(tm_ctx *ctx, tm_table *table,
                                       const tm_value_options *options, json_t **out, tm_err *err);
/** When the target of each row is known, by label_delay_us and `known`: INT64_MIN where nothing
 * says so. [rows], ends with tm__mem_free(); NULL when labels are known with their rows.
 * TM_E_USAGE. */
TM_NODISCARD tm_status tm__train_label_known(const tm_table *table, const tm_train_options *options,
                                             int64_t **out, tm_err *err);
typedef struct tm_label_rows_options {
    const char *target, *time; /* time: NULL when there is none */
    int64_t now_us;
} tm_label_rows_options;
/** Labels that stand in the rows themselves: {"rows", "labelled", "share", "time": {"column",
 * "missing", "first", "last", "newest_label_age_seconds", "oldest_label_age_seconds", "periods":
 * {"width_seconds", "list": [{"from", "rows", "labelled", "share"}]}}}, time null without such a
 * column; the age of a label is that of its row. New reference in *out. TM_E_USAGE. */
TM_NODISCARD tm_status tm__train_label_rows(const tm_table *table,
                                            const tm_label_rows_options *options, json_t **out,
                                            tm_err *err);
/** Target column of a table as class indices or values by the bundle's classes; rows whose target
 * is missing are left out of out_rows. Arrays end with tm__mem_free(). */
TM_NODISCARD tm_status tm__train_target(const tm_bundle *bundle, const tm_table *table,
                                        double **out_y, uint32_t **out_rows, uint64_t *out_n,
                                        tm_err *err);

#endif
