/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of scores and those that are plain sums over rows. Definitions are scikit-learn's, with
 * these choices where it leaves one:
 *
 * 1. A row of a class unseen in training (y = n_classes) scores the floor in log-loss and is wrong
 *    in accuracy; where the positive class is asked for, it is simply not positive.
 * 2. A ratio of nothing by nothing (precision without a predicted positive) is 0.
 * 3. ece has 15 bins of equal width over the probability of the positive class.
 * 4. Sums run in row order through tm_sum, so a score has the same bits everywhere.
 */
#include "metric/metric.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "metric/metric_priv.h"

#define FLOOR 1e-15
#define ECE_BINS 15u
#define BINARY (1u << TM_TASK_BINARY)
#define MULTICLASS (1u << TM_TASK_MULTICLASS)
#define REGRESSION (1u << TM_TASK_REGRESSION)
#define RANKING (1u << TM_TASK_RANKING)

static double mean_of(const tm_sum *sum, const tm_sum *weight) {
    return tm__sum_get(sum) / tm__sum_get(weight);
}

static double ratio(double a, double b) {
    return b > 0.0 ? a / b : 0.0;
}

static double threshold_of(const tm_score_input *in) {
    return in->threshold > 0.0 ? in->threshold : 0.5;
}

uint32_t tm__score_class(const tm_score_input *in, uint64_t row) {
    if (in->task == TM_TASK_BINARY) {
        return in->pred[row] >= threshold_of(in);
    }
    const double *p = in->pred + row * in->n_classes;
    uint32_t best = 0;
    for (uint32_t k = 1; k < in->n_classes; k++) {
        best = p[k] > p[best] ? k : best;
    }
    return best;
}

/* Probability that the answer gave to the class which came. */
static double probability_of_truth(const tm_score_input *in, uint64_t row) {
    const uint32_t truth = (uint32_t)in->y[row];
    if (in->task == TM_TASK_BINARY) {
        if (truth > 1) {
            return 0.0;
        }
        return truth == 1 ? in->pred[row] : 1.0 - in->pred[row];
    }
    return truth < in->n_classes ? in->pred[row * in->n_classes + truth] : 0.0;
}

static double row_logloss(const tm_score_input *in, uint64_t row) {
    const double p = probability_of_truth(in, row);
    return -tm__log(p < FLOOR ? FLOOR : p);
}

static double row_accuracy(const tm_score_input *in, uint64_t row) {
    return tm__score_class(in, row) == (uint32_t)in->y[row] ? 1.0 : 0.0;
}

static double row_brier(const tm_score_input *in, uint64_t row) {
    const double off = in->pred[row] - (in->y[row] == 1.0 ? 1.0 : 0.0);
    return off * off;
}

static double row_error(const tm_score_input *in, uint64_t row) {
    return fabs(in->pred[row] - in->y[row]);
}

static double mean_row(const tm_score_input *in, double (*row)(const tm_score_input *, uint64_t)) {
    tm_sum sum = {0}, weight = {0};
    for (uint64_t i = 0; i < in->n_rows; i++) {
        const double w = tm__score_weight(in, i);
        tm__sum_add(&sum, w * row(in, i));
        tm__sum_add(&weight, w);
    }
    return mean_of(&sum, &weight);
}

static tm_status score_logloss(const tm_score_input *in, double *out, tm_err *err) {
    (void)err;
    *out = mean_row(in, row_logloss);
    return TM_OK;
}

static tm_status score_accuracy(const tm_score_input *in, double *out, tm_err *err) {
    (void)err;
    *out = mean_row(in, row_accuracy);
    return TM_OK;
}

static tm_status score_brier(const tm_score_input *in, double *out, tm_err *err) {
    (void)err;
    *out = mean_row(in, row_brier);
    return TM_OK;
}

/* Weight of rows by truth and answer: [0] called and right, [1] called and wrong, [2] missed. */
static void count_calls(const tm_score_input *in, double out[3]) {
    tm_sum sums[3] = {0};
    for (uint64_t i = 0; i < in->n_rows; i++) {
        const bool is_called = tm__score_class(in, i) == 1, is_positive = in->y[i] == 1.0;
        if (is_called || is_positive) {
            const unsigned cell = !is_called ? 2u : is_positive ? 0u : 1u;
            tm__sum_add(&sums[cell], tm__score_weight(in, i));
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        out[i] = tm__sum_get(&sums[i]);
    }
}

static tm_status score_precision(const tm_score_input *in, double *out, tm_err *err) {
    double calls[3];
    (void)err;
    count_calls(in, calls);
    *out = ratio(calls[0], calls[0] + calls[1]);
    return TM_OK;
}

static tm_status score_recall(const tm_score_input *in, double *out, tm_err *err) {
    double calls[3];
    (void)err;
    count_calls(in, calls);
    *out = ratio(calls[0], calls[0] + calls[2]);
    return TM_OK;
}

static tm_status score_f1(const tm_score_input *in, double *out, tm_err *err) {
    double calls[3];
    (void)err;
    count_calls(in, calls);
    *out = ratio(2.0 * calls[0], 2.0 * calls[0] + calls[1] + calls[2]);
    return TM_OK;
}

static tm_status score_ece(const tm_score_input *in, double *out, tm_err *err) {
    tm_sum gap[ECE_BINS] = {0};
    tm_sum weight = {0};
    double sum = 0.0;
    (void)err;
    for (uint64_t i = 0; i < in->n_rows; i++) {
        const double place = floor(in->pred[i] * ECE_BINS), w = tm__score_weight(in, i);
        const uint32_t bin = place < ECE_BINS - 1.0 ? (uint32_t)place : ECE_BINS - 1;
        /* |mean p - share| times the weight of a bin is |sum of w (p - y)|. */
        tm__sum_add(&gap[bin], w * (in->pred[i] - (in->y[i] == 1.0 ? 1.0 : 0.0)));
        tm__sum_add(&weight, w);
    }
    for (uint32_t b = 0; b < ECE_BINS; b++) {
        sum += fabs(tm__sum_get(&gap[b]));
    }
    *out = sum / tm__sum_get(&weight);
    return TM_OK;
}

/* Mean f1 over the classes that occur in truths or answers, as scikit-learn has it. */
static tm_status score_macro_f1(const tm_score_input *in, double *out, tm_err *err) {
    const uint32_t n = in->n_classes + 1; /* the last is "unseen" */
    tm_sum *sums = tm__mem_zalloc((size_t)n * 3, sizeof(*sums));
    uint8_t *occurs = tm__mem_zalloc(n, 1);
    double total = 0.0;
    uint32_t n_occur = 0;
    if (sums == NULL || occurs == NULL) {
        tm__mem_free(sums);
        tm__mem_free(occurs);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory counting %u classes", n);
    }
    tm_sum *hits = sums, *called = sums + n, *came = sums + 2 * (size_t)n;
    for (uint64_t i = 0; i < in->n_rows; i++) {
        const uint32_t truth = (uint32_t)in->y[i], answer = tm__score_class(in, i);
        const double w = tm__score_weight(in, i);
        tm__sum_add(&came[truth], w);
        tm__sum_add(&called[answer], w);
        tm__sum_add(&hits[truth], truth == answer ? w : 0.0);
        occurs[truth] = occurs[answer] = 1;
    }
    for (uint32_t k = 0; k < n; k++) {
        total +=
            ratio(2.0 * tm__sum_get(&hits[k]), tm__sum_get(&called[k]) + tm__sum_get(&came[k]));
        n_occur += occurs[k];
    }
    tm__mem_free(sums);
    tm__mem_free(occurs);
    *out = total / n_occur;
    return TM_OK;
}

static double row_square(const tm_score_input *in, uint64_t row) {
    const double off = in->pred[row] - in->y[row];
    return off * off;
}

static tm_status score_rmse(const tm_score_input *in, double *out, tm_err *err) {
    (void)err;
    *out = sqrt(mean_row(in, row_square));
    return TM_OK;
}

static tm_status score_mae(const tm_score_input *in, double *out, tm_err *err) {
    (void)err;
    *out = mean_row(in, row_error);
    return TM_OK;
}

static tm_status score_r2(const tm_score_input *in, double *out, tm_err *err) {
    tm_sum sum = {0}, weight = {0}, spread = {0};
    const double square = mean_row(in, row_square);
    (void)err;
    for (uint64_t i = 0; i < in->n_rows; i++) {
        tm__sum_add(&sum, tm__score_weight(in, i) * in->y[i]);
        tm__sum_add(&weight, tm__score_weight(in, i));
    }
    const double mean = mean_of(&sum, &weight);
    for (uint64_t i = 0; i < in->n_rows; i++) {
        const double off = in->y[i] - mean;
        tm__sum_add(&spread, tm__score_weight(in, i) * (off * off));
    }
    const double variance = mean_of(&spread, &weight);
    if (variance > 0.0) {
        *out = 1.0 - square / variance;
    } else {
        *out = square > 0.0 ? 0.0 : 1.0;
    }
    return TM_OK;
}

/* ---- the list ---- */

static const tm_metric_ops auc = {
    "auc",
    false,
    BINARY,
    tm__score_auc,
    "Area under the ROC curve: chance that a positive row scores above a negative one; ties count "
    "half.",
    NULL};
static const tm_metric_ops logloss = {
    "logloss",
    true,
    BINARY | MULTICLASS,
    score_logloss,
    "Mean negative log of the probability of what came, floored at 1e-15.",
    row_logloss};
static const tm_metric_ops accuracy = {
    "accuracy",  false, BINARY | MULTICLASS, score_accuracy, "Share of rows whose answer is right.",
    row_accuracy};
static const tm_metric_ops brier = {
    "brier",  true, BINARY, score_brier, "Mean squared error of the probability (Brier 1950).",
    row_brier};
static const tm_metric_ops average_precision = {
    "average_precision",
    false,
    BINARY,
    tm__score_average_precision,
    "Mean precision over the positive rows in falling order of score.",
    NULL};
static const tm_metric_ops f1 = {
    "f1", false, BINARY, score_f1, "Harmonic mean of precision and recall at the threshold.", NULL};
static const tm_metric_ops precision = {"precision",
                                        false,
                                        BINARY,
                                        score_precision,
                                        "Share of rows called positive that are, at the threshold.",
                                        NULL};
static const tm_metric_ops recall = {"recall",
                                     false,
                                     BINARY,
                                     score_recall,
                                     "Share of positive rows called positive, at the threshold.",
                                     NULL};
static const tm_metric_ops ece = {
    "ece",
    true,
    BINARY,
    score_ece,
    "Expected calibration error: mean gap of probability and share over 15 bins of equal width.",
    NULL};
static const tm_metric_ops macro_f1 = {"macro_f1",
                                       false,
                                       MULTICLASS,
                                       score_macro_f1,
                                       "Mean f1 over the classes that occur in truths or answers.",
                                       NULL};
static const tm_metric_ops rmse = {
    "rmse", true, REGRESSION, score_rmse, "Root of the mean squared error.", NULL};
static const tm_metric_ops mae = {"mae",    true, REGRESSION, score_mae, "Mean absolute error.",
                                  row_error};
static const tm_metric_ops r2 = {"r2",
                                 false,
                                 REGRESSION,
                                 score_r2,
                                 "Share of the variance explained; 0 is the mean, below is worse.",
                                 NULL};
static const tm_metric_ops ndcg10 = {
    "ndcg@10",
    false,
    RANKING,
    tm__score_ndcg10,
    "Discounted gain 2^relevance - 1 of the first ten rows of a query over the best possible "
    "(Burges 2005); mean over queries, 1 for a query without a relevant row, ties averaged.",
    NULL};

static const tm_metric_ops *const metrics[] = {
    &auc,  &logloss,   &accuracy, &brier,  &average_precision,
    &f1,   &precision, &recall,   &ece,    &macro_f1,
    &rmse, &mae,       &r2,       &ndcg10, NULL,
};

const tm_metric_ops *const *tm__metric_list(void) {
    return metrics;
}

const tm_metric_ops *tm__metric_find(const char *name) {
    for (uint32_t i = 0; metrics[i] != NULL; i++) {
        if (strcmp(metrics[i]->name, name) == 0) {
            return metrics[i];
        }
    }
    return NULL;
}

const char *tm__metric_default(tm_task task) {
    switch (task) {
    case TM_TASK_BINARY:
    case TM_TASK_MULTICLASS:
        return "logloss";
    case TM_TASK_RANKING:
        return "ndcg@10";
    default:
        return "rmse";
    }
}

double tm__metric_gain(const tm_metric_ops *metric, double a, double b) {
    return metric->is_loss ? b - a : a - b;
}

/* ---- checked calls ---- */

typedef struct row_check {
    uint32_t n_outputs;
    bool may_lack; /* a truth: NaN */
} row_check;

static tm_status check_row(const tm_score_input *in, uint64_t row, row_check check, tm_err *err) {
    const bool is_class = in->task == TM_TASK_BINARY || in->task == TM_TASK_MULTICLASS;
    const double y = in->y[row], top = in->task == TM_TASK_BINARY ? 2.0 : (double)in->n_classes;
    const bool is_left_out = check.may_lack && isnan(y);
    if (!is_left_out && (!isfinite(y) || (is_class && !(y >= 0.0 && y <= top && floor(y) == y)))) {
        return TM_FAIL(err, TM_E_INVALID, "target of row %llu is not a %s",
                       (unsigned long long)(row + 1), is_class ? "class" : "finite number");
    }
    for (uint32_t k = 0; k < check.n_outputs; k++) {
        const double p = in->pred[row * check.n_outputs + k];
        if (!isfinite(p) || (is_class && !(p >= 0.0 && p <= 1.0))) {
            return TM_FAIL(err, TM_E_INVALID, "prediction of row %llu is not a %s",
                           (unsigned long long)(row + 1),
                           is_class ? "probability" : "finite number");
        }
    }
    if (in->weights != NULL && !(isfinite(in->weights[row]) && in->weights[row] >= 0.0)) {
        return TM_FAIL(err, TM_E_INVALID, "weight of row %llu is negative or not finite",
                       (unsigned long long)(row + 1));
    }
    return TM_OK;
}

tm_status tm__score_check(const tm_score_input *in, bool may_lack, tm_err *err) {
    const row_check check = {in->task == TM_TASK_MULTICLASS ? in->n_classes : 1, may_lack};
    double weight = 0.0;
    if (in->n_rows == 0) {
        return TM_FAIL(err, TM_E_DATA, "no rows to score");
    }
    if (in->n_rows > UINT32_MAX) {
        return TM_FAIL(err, TM_E_LIMIT, "more than %u rows to score", UINT32_MAX);
    }
    if (in->task == TM_TASK_RANKING && in->groups == NULL) {
        return TM_FAIL(err, TM_E_INVALID, "ranking scores need the query of each row");
    }
    for (uint64_t i = 0; i < in->n_rows; i++) {
        TM_TRY(check_row(in, i, check, err));
        weight += tm__score_weight(in, i);
    }
    if (!(weight > 0.0 && isfinite(weight))) {
        return TM_FAIL(err, TM_E_DATA, "weights have no finite sum above 0");
    }
    return TM_OK;
}

tm_status tm__metric_score(const tm_metric_ops *metric, const tm_score_input *in, double *out,
                           tm_err *err) {
    if ((metric->tasks & (1u << in->task)) == 0) {
        return TM_FAIL(err, TM_E_USAGE, "metric '%s' is not for %s", metric->name,
                       tm__task_text(in->task));
    }
    TM_TRY(tm__score_check(in, false, err));
    return metric->score(in, out, err);
}

tm_status tm__metric_report(const tm_score_input *in, json_t **out, tm_err *err) {
    TM_TRY(tm__score_check(in, false, err));
    json_t *report = json_object();
    bool is_whole = report != NULL;
    for (uint32_t i = 0; is_whole && metrics[i] != NULL; i++) {
        double value = 0.0;
        if ((metrics[i]->tasks & (1u << in->task)) == 0) {
            continue;
        }
        /* A score that these rows do not define (auc with one class) is null. */
        const tm_status st = metrics[i]->score(in, &value, NULL);
        if (st != TM_OK && st != TM_E_DATA) {
            is_whole = false;
            break;
        }
        is_whole = json_object_set_new(report, metrics[i]->name,
                                       st == TM_OK ? tm__json_number(value) : json_null()) == 0;
    }
    if (!is_whole || json_object_set_new(report, "n_rows", json_integer((json_int_t)in->n_rows))) {
        json_decref(report);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a report of scores");
    }
    *out = report;
    return TM_OK;
}
