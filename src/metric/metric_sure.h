/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is not in a score itself: how sure it is, what rows whose truth is not known yet may still
 * make of it, and what it is expected to be when the probabilities are right.
 *
 * Not for draws of whole groups of rows: rows are taken as drawn one by one (train/train_sure.c
 * draws entities and queries).
 */
#ifndef TM_METRIC_METRIC_SURE_H
#define TM_METRIC_METRIC_SURE_H

#include "metric/metric.h"

/* A score between two others; NaN: not known. */
typedef struct tm_score_range {
    double value, low, high;
} tm_score_range;

/** 95 % interval of a share of n (Wilson 1927, doi:10.1080/01621459.1927.10502953). n 0: 0 to 1. */
void tm__share_interval(double share, double n, double *out_low, double *out_high);

/**
 * A score and its 95 % interval. Shares (accuracy, precision, recall): Wilson's. Others: normal,
 * with the variance of the score's influence values (the delta method; of auc it is that of DeLong
 * et al. 1988, doi:10.2307/2531595), cut to what the score can be. low and high are NaN for a score
 * without influence values (ece, average_precision, ndcg), and for fewer than 10 rows, of auc fewer
 * than 10 of each class. Weights must be NULL.
 *
 * Errors:  as tm__metric_score().
 * Threads: any.
 * Cost:    as the score, twice.
 */
TM_NODISCARD tm_status tm__metric_interval(const tm_metric_ops *metric, const tm_score_input *in,
                                           tm_score_range *out, tm_err *err);

/**
 * The least and the largest that a score can become when the truths that are not known come: y is
 * NaN in their rows. value is that of the rows with a truth (NaN: none). Truths are classes that
 * training had. Exact: accuracy, logloss (with its floor), brier, precision, recall, f1, auc (of
 * all ways to share out the classes). macro_f1: reached above, perhaps not below. Others, and all
 * of a regression, have no bounds: low and high are NaN. Weights must be NULL.
 *
 * Errors:  TM_E_INVALID (a truth or probability that is none), TM_E_NOMEM.
 * Threads: any.
 * Cost:    O(n log n) for auc, else O(n n_classes).
 */
TM_NODISCARD tm_status tm__metric_bounds(const tm_metric_ops *metric, const tm_score_input *in,
                                         tm_score_range *out, tm_err *err);

/**
 * What a score of these rows is expected to be, were each class as likely as the answers say; y and
 * weights are not read. Each row counts for every class with its probability, so a score is that of
 * the expected confusion matrix or of the expected pairs. low and high hold 95 % of what it would
 * be were truths drawn so; NaN where the score has no influence values. Not for regression and
 * ranking (TM_E_UNSUPPORTED), nor for ece, which it would make 0.
 *
 * Errors:  those, TM_E_DATA (the probabilities leave no pair of classes), TM_E_NOMEM.
 * Threads: any.
 * Cost:    the score's of n_rows x n_classes rows.
 * Source:  Bialek et al. 2024, arXiv:2401.08348 (CBPE), sec. 3; NannyML's documentation.
 */
TM_NODISCARD tm_status tm__metric_expect(const tm_metric_ops *metric, const tm_score_input *in,
                                         tm_score_range *out, tm_err *err);

#endif
