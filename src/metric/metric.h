/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One definition of each score, used by training, evaluation, monitoring and gates. Sums run in row
 * order (or a fixed chunk order), so a score has the same bits on any number of threads. Checked
 * against scikit-learn.
 */
#ifndef TM_METRIC_METRIC_H
#define TM_METRIC_METRIC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "table/task.h"
#include "tidemill/err.h"

/* What is scored. pred: BINARY [n] probability of class 1; MULTICLASS [n x n_classes] row-major
 * probabilities; REGRESSION [n] values. */
typedef struct tm_score_input {
    tm_task task;
    uint32_t n_classes;
    uint64_t n_rows;
    const double *y; /* [n] class index or value; a class unseen in training is n_classes (scores
                        the floor) */
    const double *pred;
    const double *weights;  /* NULL: 1 */
    const uint32_t *groups; /* ranking: query number of each row, ascending; else NULL */
    double threshold;       /* BINARY: for accuracy, f1, precision, recall; 0 means 0.5 */
} tm_score_input;

typedef struct tm_metric_ops {
    const char *name; /* "auc" */
    bool is_loss;     /* smaller is better */
    uint32_t tasks;   /* bit mask, 1 << tm_task */
    tm_status (*score)(const tm_score_input *in, double *out, tm_err *err);
    const char *doc; /* one sentence with its source */
    /* What a row counts, of a score that is a mean over rows; else NULL. */
    double (*row)(const tm_score_input *in, uint64_t row);
} tm_metric_ops;

/* Names: auc logloss accuracy brier average_precision f1 precision recall ece (binary); accuracy
 * logloss macro_f1 (multiclass); rmse mae r2 (regression); ndcg@10 (ranking). */
const tm_metric_ops *tm__metric_find(const char *name);
/** NULL-terminated list. */
const tm_metric_ops *const *tm__metric_list(void);
TM_NODISCARD tm_status tm__metric_score(const tm_metric_ops *metric, const tm_score_input *in,
                                        double *out, tm_err *err);
/** Default metric of a task: auc is reported, but logloss / rmse decide. */
const char *tm__metric_default(tm_task task);
/** Difference in the direction of better: positive when a is better than b. */
double tm__metric_gain(const tm_metric_ops *metric, double a, double b);
/** The object of train --json: all metrics of the task and n_rows. New reference. */
TM_NODISCARD tm_status tm__metric_report(const tm_score_input *in, json_t **out, tm_err *err);

#endif
