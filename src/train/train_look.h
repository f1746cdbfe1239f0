/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people look at in a finished model: scores with intervals, curves, groups of rows where it
 * is bad, what its answers do along a column, how groups of people fare. Everything follows from a
 * bundle and rows whose target is known; seconds apart, the same rows and seed give the same
 * numbers on any number of threads.
 *
 * No value of one person is told: groups have several rows, levels are those that the bundle keeps,
 * numbers are quantiles between a hundredth and ninety-nine hundredths.
 *
 * One owner thread; calls use ctx->pool.
 */
#ifndef TM_TRAIN_TRAIN_LOOK_H
#define TM_TRAIN_TRAIN_LOOK_H

#include "train/train.h"

/* Rows whose target is known, with a bundle's answers. Zeroed: none. */
typedef struct tm_look {
    tm_ctx *ctx;
    const tm_bundle *bundle;
    tm_table *table;   /* a reference */
    uint32_t *rows;    /* [n] of the table */
    double *y;         /* [n] class or value; n_classes for a class that training has not */
    double *pred;      /* [n x n_outputs] */
    double *weights;   /* [n] or NULL: 1 */
    uint32_t *queries; /* [n] rising numbers, of a ranking; else NULL */
    uint32_t *units;   /* [n] numbers below n_units of what rows belong to together (queries,
                          entities); NULL: each row is its own */
    const char *unit;  /* "rows", "queries", "entities" */
    uint64_t n, n_units;
    tm_task task;
    uint32_t n_classes, n_outputs;
    double threshold;            /* BINARY */
    const tm_metric_ops *metric; /* that decides */
    uint64_t seed;
} tm_look;

/** The rows of a table that have a target, and what the bundle answers for them. TM_E_DATA when
 * none has one, or for a class or weight that is none. */
TM_NODISCARD tm_status tm__look_init(tm_ctx *ctx, const tm_bundle *bundle, tm_table *table,
                                     uint64_t seed, tm_look *out, tm_err *err);
void tm__look_done(tm_look *look);
/**
 * The rows that a model was tested on, from its record and the snapshots that it names (test NULL:
 * it names none), split again as its recipe says, with its features over windows. events: of other
 * sources, may be NULL.
 *
 * Errors: TM_E_DATA (the record does not say enough, or it was trained without test rows),
 * TM_E_INTEGRITY (they are not as many as the record says).
 */
TM_NODISCARD tm_status tm__look_test_rows(tm_ctx *ctx, const json_t *info, tm_table *table,
                                          tm_table *test, const tm_train_events *events,
                                          tm_table **out, tm_err *err);

/* --- how good: train_sure.c, train_curves.c, train_classes.c, train_errors.c --- */

/**
 * {"unit", "units", "repeats", "rows": drawn from, "list": [{"score", "value", "low", "high",
 * "smaller_is_better", "other"?, "gain"?: {"value", "low", "high"}}]}: each score of the task with
 * its 95 % interval. other [n x n_outputs]: answers of another model for the same rows, or NULL;
 * gain is over 0 where the bundle is better than it, from the same draws.
 *
 * Source: bootstrap of percentiles (Efron 1979, doi:10.1214/aos/1176344552), of whole units; of
 * many rows, of a part, and the interval is narrowed by the root of the share (Bickel, Goetze, van
 * Zwet 1997, m out of n).
 */
TM_NODISCARD tm_status tm__look_scores(const tm_look *look, const double *other, json_t **out,
                                       tm_err *err);
/** BINARY: {"roc": {"area", "false_positive_rate", "true_positive_rate"}, "precision_recall":
 * {"area", "recall", "precision"}, "calibration": [{"rows", "prediction", "share", "low", "high"}],
 * "answers": {"bounds", "negative", "positive"}, "confusion", "called": [{"share", "threshold",
 * "precision", "recall"}]}. roc and precision_recall are null where the rows are of one class. */
TM_NODISCARD tm_status tm__look_curves(const tm_look *look, json_t **out, tm_err *err);
/** MULTICLASS: {"classes", "counts": rows of truths, columns of answers; the last of both may be
 * "(others)", "by_class": [{"class", "rows", "precision", "recall", "f1", "auc"}], "calibration":
 * as above, of the class that is named}. */
TM_NODISCARD tm_status tm__look_classes(const tm_look *look, json_t **out, tm_err *err);
/** REGRESSION: {"residuals": {"bounds", "counts", "below", "above"}, "by_answer": [{"rows",
 * "prediction", "actual", "low", "median", "high"}] of the error (truth less answer; low and high:
 * tenths), "absolute": {"p50", "p90", "p99"}, "bias": {"value", "low", "high"}}. */
TM_NODISCARD tm_status tm__look_errors(const tm_look *look, json_t **out, tm_err *err);
/** RANKING: {"queries", "by_place": [{"place", "rows", "relevance"}], "ndcg": {"bounds", "counts"}}
 */
TM_NODISCARD tm_status tm__look_ranks(const tm_look *look, json_t **out, tm_err *err);

/** How the deciding score comes about, round by round, on these rows: {"metric", "rounds",
 * "score"}; null for a model without rounds that stand alone (a blend, a linear one).
 * train_rounds.c */
TM_NODISCARD tm_status tm__look_rounds(const tm_look *look, json_t **out, tm_err *err);

/* --- for whom worse: train_weak.c, train_fairness.c --- */

/**
 * Groups of rows, of one column or two, where the model is worse than elsewhere or its answers are
 * off to one side: {"looked_at", "found", "rows_least", "of": what a row's loss is, "loss": of all
 * rows, "list": [{"columns", "groups", "rows", "share_of_rows", "kind": "worse" or "tilted",
 * "loss", "elsewhere", "answer", "truth", "constant", "p"}]}, what costs most first. p is corrected
 * for all that was looked at (Holm 1979). Not for rankings: null.
 */
TM_NODISCARD tm_status tm__look_weak(const tm_look *look, const json_t *worth, json_t **out,
                                     tm_err *err);
/**
 * How the groups of a column fare: {"column", "is_input", "groups": [...], "four_fifths"?, ...}.
 * Errors: TM_E_USAGE for a column that is not there or has no groups.
 */
TM_NODISCARD tm_status tm__look_fairness(const tm_look *look, const char *column, json_t **out,
                                         tm_err *err);

/**
 * [{"column", "group", "rows", "scores": as the list of tm__look_scores()}] of each group of a
 * column with at least 100 rows: levels of texts that the bundle keeps, else bins between
 * quantiles. other: as there. train_slices.c
 *
 * Errors: TM_E_USAGE (no such column, or a ranking), TM_E_DATA (no group has so many rows).
 */
TM_NODISCARD tm_status tm__look_slices(const tm_look *look, const double *other, const char *column,
                                       json_t **out, tm_err *err);

/* --- why, and how fast: train_dependence.c, train_look.c --- */

/** What answers do along the inputs worth most (worth: of tm__train_columns()): [{"column", "kind",
 * "values", "labels", "shares", "outputs": [{"class"?, "mean", "low", "high"}]}]. mean: of all rows
 * with that value in place of their own (Friedman 2001, doi:10.1214/aos/1013203451, sec. 8.2); low
 * and high: tenths of the single rows' answers (Goldstein et al. 2015, arXiv:1309.6392). */
TM_NODISCARD tm_status tm__look_dependence(const tm_look *look, const json_t *worth, json_t **out,
                                           tm_err *err);
/** Microseconds of one row from cells to answer, on this machine now: {"rows", "p50_us", "p99_us"}.
 */
TM_NODISCARD tm_status tm__look_latency(const tm_look *look, json_t **out, tm_err *err);

#endif
