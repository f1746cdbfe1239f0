/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intervals and expectations, both from influence values: how much a score would rise if a row had
 * a little more weight, times the weight of all rows. Their mean is 0, and the variance of the
 * score is theirs over n (Hampel 1974, doi:10.1080/01621459.1974.10482962).
 *
 *   a mean          loss of the row - mean
 *   a ratio A / B   (a - (A / B) b) / mean of b         f1, precision, recall, each f1 of macro_f1
 *   auc             positive: (share of negatives below - auc) / share of positives, and so on
 */
#include "metric/metric_sure.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "metric/metric_priv.h"

#define Z95 1.959963984540054
#define ROWS_LEAST 10.0

void tm__share_interval(double share, double n, double *out_low, double *out_high) {
    const double z = Z95;
    if (!(n > 0)) {
        *out_low = 0;
        *out_high = 1;
        return;
    }
    const double wide = 1 + z * z / n;
    const double centre = (share + z * z / (2 * n)) / wide;
    const double half = z * tm__sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / wide;
    *out_low = fmax(centre - half, 0);
    *out_high = fmin(centre + half, 1);
}

/* ---- influence values ---- */

static double weight_of_all(const tm_score_input *in) {
    tm_sum sum = {0};
    for (uint64_t i = 0; i < in->n_rows; i++) {
        tm__sum_add(&sum, tm__score_weight(in, i));
    }
    return tm__sum_get(&sum);
}

static bool is_metric(const tm_metric_ops *metric, const char *name) {
    return strcmp(metric->name, name) == 0;
}

static void of_mean(const tm_metric_ops *metric, const tm_score_input *in, double score,
                    double *out) {
    for (uint64_t i = 0; i < in->n_rows; i++) {
        out[i] = metric->row(in, i) - score;
    }
}

static void of_rmse(const tm_score_input *in, double score, double *out) {
    for (uint64_t i = 0; i < in->n_rows; i++) {
        const double off = in->pred[i] - in->y[i];
        out[i] = score > 0 ? (off * off - score * score) / (2 * score) : 0;
    }
}

static void of_ratio(const tm_metric_ops *metric, const tm_score_input *in, double score,
                     double *out) {
    const double right = is_metric(metric, "f1") ? 2 : 1;
    const double wrong = is_metric(metric, "recall") ? 0 : 1;
    const double missed = is_metric(metric, "precision") ? 0 : 1;
    tm_sum whole = {0};
    for (uint64_t i = 0; i < in->n_rows; i++) {
        const bool is_called = tm__score_class(in, i) == 1, is_positive = in->y[i] == 1.0;
        const double part = is_called && is_positive ? right : 0;
        const double all = is_called ? (is_positive ? right : wrong) : is_positive ? missed : 0;
        out[i] = part - score * all;
        tm__sum_add(&whole, tm__score_weight(in, i) * all);
    }
    const double mean = tm__sum_get(&whole) / weight_of_all(in);
    for (uint64_t i = 0; i < in->n_rows; i++) {
        out[i] = mean > 0 ? out[i] / mean : 0;
    }
}

static tm_status of_macro_f1(const tm_score_input *in, double *out, tm_err *err) {
    const uint32_t n = in->n_classes + 1;
    double *hits = tm__mem_zalloc((size_t)n * 2, sizeof(*hits)), *whole = hits + n;
    uint32_t n_occur = 0;
    if (hits == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory counting %u classes", n);
    }
    for (uint64_t i = 0; i < in->n_rows; i++) {
        const uint32_t truth = (uint32_t)in->y[i], answer = tm__score_class(in, i);
        const double w = tm__score_weight(in, i);
        hits[truth] += truth == answer ? w : 0;
        whole[truth] += w;
        whole[answer] += w;
    }
    for (uint32_t k = 0; k < n; k++) {
        n_occur += whole[k] > 0;
    }
    const double all = weight_of_all(in);
    for (uint64_t i = 0; i < in->n_rows; i++) {
        const uint32_t truth = (uint32_t)in->y[i], answer = tm__score_class(in, i);
        double sum = truth == answer ? 2 / (whole[truth] / all) : 0;
        sum -= whole[truth] > 0 ? 2 * hits[truth] / whole[truth] / (whole[truth] / all) : 0;
        sum -= whole[answer] > 0 ? 2 * hits[answer] / whole[answer] / (whole[answer] / all) : 0;
        out[i] = sum / n_occur;
    }
    tm__mem_free(hits);
    return TM_OK;
}

static void of_r2(const tm_score_input *in, double score, double *out) {
    const double all = weight_of_all(in);
    tm_sum sum = {0}, spread = {0};
    for (uint64_t i = 0; i < in->n_rows; i++) {
        tm__sum_add(&sum, tm__score_weight(in, i) * in->y[i]);
    }
    const double mean = tm__sum_get(&sum) / all;
    for (uint64_t i = 0; i < in->n_rows; i++) {
        const double off = in->y[i] - mean;
        tm__sum_add(&spread, tm__score_weight(in, i) * (off * off));
    }
    const double variance = tm__sum_get(&spread) / all;
    for (uint64_t i = 0; i < in->n_rows; i++) {
        const double error = in->pred[i] - in->y[i], off = in->y[i] - mean;
        out[i] = variance > 0 ? ((1 - score) * off * off - error * error) / variance : 0;
    }
}

/* Walks down the order twice: positives above each negative, then negatives below each positive. */
static tm_status of_auc(const tm_score_input *in, double score, double *out, tm_err *err) {
    uint32_t *order = tm__score_order(in->pred, in->n_rows);
    double weights[2] = {0, 0}, above[2] = {0, 0};
    if (order == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory sorting %llu predictions",
                       (unsigned long long)in->n_rows);
    }
    for (uint64_t i = 0; i < in->n_rows; i++) {
        weights[in->y[i] == 1.0] += tm__score_weight(in, i);
    }
    const double all = weights[0] + weights[1];
    for (uint64_t from = 0, end = 0; from < in->n_rows; from = end) {
        double tie[2] = {0, 0};
        for (end = from; end < in->n_rows && in->pred[order[end]] == in->pred[order[from]]; end++) {
            tie[in->y[order[end]] == 1.0] += tm__score_weight(in, order[end]);
        }
        for (uint64_t i = from; i < end; i++) {
            const bool is_positive = in->y[order[i]] == 1.0;
            const double beaten = is_positive ? (weights[0] - above[0] - 0.5 * tie[0]) / weights[0]
                                              : (above[1] + 0.5 * tie[1]) / weights[1];
            out[order[i]] = (beaten - score) * all / weights[is_positive];
        }
        above[0] += tie[0];
        above[1] += tie[1];
    }
    tm__mem_free(order);
    return TM_OK;
}

/* False when the score has none. */
static bool has_influence(const tm_metric_ops *metric) {
    return !is_metric(metric, "ece") && !is_metric(metric, "average_precision") &&
           !is_metric(metric, "ndcg@10");
}

static tm_status influence(const tm_metric_ops *metric, const tm_score_input *in, double score,
                           double *out, tm_err *err) {
    if (is_metric(metric, "auc")) {
        return of_auc(in, score, out, err);
    }
    if (is_metric(metric, "macro_f1")) {
        return of_macro_f1(in, out, err);
    }
    if (is_metric(metric, "r2")) {
        of_r2(in, score, out);
    } else if (is_metric(metric, "rmse")) {
        of_rmse(in, score, out);
    } else if (is_metric(metric, "f1") || is_metric(metric, "precision") ||
               is_metric(metric, "recall")) {
        of_ratio(metric, in, score, out);
    } else {
        of_mean(metric, in, score, out);
    }
    return TM_OK;
}

static double score_least(const tm_metric_ops *metric) {
    return is_metric(metric, "r2") ? -INFINITY : 0;
}

static double score_most(const tm_metric_ops *metric) {
    const bool is_open =
        is_metric(metric, "logloss") || is_metric(metric, "rmse") || is_metric(metric, "mae");
    return is_open ? INFINITY : 1;
}

static void set_normal(const tm_metric_ops *metric, double deviation, tm_score_range *out) {
    out->low = fmax(out->value - Z95 * deviation, score_least(metric));
    out->high = fmin(out->value + Z95 * deviation, score_most(metric));
}

/* ---- intervals ---- */

/* Rows that a share is of; NaN: the score is none. */
static double share_of(const tm_metric_ops *metric, const tm_score_input *in) {
    const bool is_precision = is_metric(metric, "precision"),
               is_recall = is_metric(metric, "recall");
    double n = 0;
    if (is_metric(metric, "accuracy")) {
        return (double)in->n_rows;
    }
    if (!is_precision && !is_recall) {
        return tm__nan();
    }
    for (uint64_t i = 0; i < in->n_rows; i++) {
        n += is_precision ? tm__score_class(in, i) == 1 : in->y[i] == 1.0;
    }
    return n;
}

/* Rows that a normal interval stands on. */
static double rows_behind(const tm_metric_ops *metric, const tm_score_input *in) {
    double n_positive = 0;
    if (!is_metric(metric, "auc")) {
        return (double)in->n_rows;
    }
    for (uint64_t i = 0; i < in->n_rows; i++) {
        n_positive += in->y[i] == 1.0;
    }
    return fmin(n_positive, (double)in->n_rows - n_positive);
}

static tm_status set_interval(const tm_metric_ops *metric, const tm_score_input *in,
                              tm_score_range *out, tm_err *err) {
    const double n = (double)in->n_rows, behind = rows_behind(metric, in);
    double *values = NULL;
    tm_sum square = {0};
    if (!has_influence(metric) || behind < ROWS_LEAST) {
        return TM_OK;
    }
    values = tm__mem_alloc(in->n_rows, sizeof(*values));
    if (values == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for the interval of a score");
    }
    const tm_status st = influence(metric, in, out->value, values, err);
    for (uint64_t i = 0; st == TM_OK && i < in->n_rows; i++) {
        tm__sum_add(&square, values[i] * values[i]);
    }
    tm__mem_free(values);
    TM_TRY(st);
    const double variance = tm__sum_get(&square) / n / n;
    if (is_metric(metric, "auc") &&
        !(variance > 0)) { /* no pair is out of order: that is luck too */
        tm__share_interval(out->value, behind, &out->low, &out->high);
    } else {
        set_normal(metric, tm__sqrt(variance), out);
    }
    return TM_OK;
}

tm_status tm__metric_interval(const tm_metric_ops *metric, const tm_score_input *in,
                              tm_score_range *out, tm_err *err) {
    tm_score_range range = {.low = tm__nan(), .high = tm__nan()};
    TM_TRY(tm__metric_score(metric, in, &range.value, err));
    const double n = share_of(metric, in);
    if (n >= 0) {
        tm__share_interval(range.value, n, &range.low, &range.high);
    } else {
        TM_TRY(set_interval(metric, in, &range, err));
    }
    *out = range;
    return TM_OK;
}

/* ---- expectations ---- */

/* Each row as often as there are classes: [n_rows x n_classes]. */
typedef struct copies {
    tm_score_input in;
    double *y, *pred, *weights, *influence; /* owned */
    uint32_t n_classes;
} copies;

static void copies_done(copies *c) {
    tm__mem_free(c->y);
    tm__mem_free(c->pred);
    tm__mem_free(c->weights);
    tm__mem_free(c->influence);
}

static double chance_of(const tm_score_input *in, uint64_t row, uint32_t k) {
    if (in->task == TM_TASK_BINARY) {
        return k == 1 ? in->pred[row] : 1.0 - in->pred[row];
    }
    return in->pred[row * in->n_classes + k];
}

static tm_status copies_init(const tm_score_input *in, copies *out, tm_err *err) {
    const uint32_t n = in->task == TM_TASK_BINARY ? 2 : in->n_classes;
    const uint32_t n_outputs = in->task == TM_TASK_BINARY ? 1 : n;
    size_t n_rows = 0, n_pred = 0;
    *out = (copies){.in = *in, .n_classes = n};
    if (!tm__size_mul(in->n_rows, n, &n_rows) || !tm__size_mul(n_rows, n_outputs, &n_pred)) {
        return TM_FAIL(err, TM_E_LIMIT, "too many rows for an expected score");
    }
    out->y = tm__mem_alloc(n_rows, sizeof(double));
    out->pred = tm__mem_alloc(n_pred, sizeof(double));
    out->weights = tm__mem_alloc(n_rows, sizeof(double));
    out->influence = tm__mem_alloc(n_rows, sizeof(double));
    if (out->y == NULL || out->pred == NULL || out->weights == NULL || out->influence == NULL) {
        copies_done(out);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for an expected score");
    }
    for (uint64_t i = 0; i < in->n_rows; i++) {
        for (uint32_t k = 0; k < n; k++) {
            out->y[i * n + k] = k;
            out->weights[i * n + k] = chance_of(in, i, k);
            memcpy(&out->pred[(i * n + k) * n_outputs], &in->pred[i * n_outputs],
                   n_outputs * sizeof(double));
        }
    }
    out->in.n_rows = n_rows;
    out->in.y = out->y;
    out->in.pred = out->pred;
    out->in.weights = out->weights;
    return TM_OK;
}

/* Variance of the score were truths drawn by their chances. */
static double drawn_variance(const copies *c, uint64_t n_rows) {
    tm_sum sum = {0};
    for (uint64_t i = 0; i < n_rows; i++) {
        double mean = 0, square = 0, all = 0;
        for (uint32_t k = 0; k < c->n_classes; k++) {
            const double w = c->weights[i * c->n_classes + k];
            const double value = c->influence[i * c->n_classes + k];
            mean += w * value;
            square += w * value * value;
            all += w;
        }
        tm__sum_add(&sum, all > 0 ? fmax(square - mean * mean / all, 0) : 0);
    }
    return tm__sum_get(&sum) / ((double)n_rows * (double)n_rows);
}

tm_status tm__metric_expect(const tm_metric_ops *metric, const tm_score_input *in,
                            tm_score_range *out, tm_err *err) {
    tm_score_range range = {.low = tm__nan(), .high = tm__nan()};
    copies c;
    if ((in->task != TM_TASK_BINARY && in->task != TM_TASK_MULTICLASS) ||
        is_metric(metric, "ece")) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "'%s' cannot be expected from probabilities",
                       metric->name);
    }
    TM_TRY(copies_init(in, &c, err));
    tm_status st = tm__metric_score(metric, &c.in, &range.value, err);
    if (st == TM_OK && has_influence(metric)) {
        st = influence(metric, &c.in, range.value, c.influence, err);
        if (st == TM_OK) {
            set_normal(metric, tm__sqrt(drawn_variance(&c, in->n_rows)), &range);
        }
    }
    copies_done(&c);
    if (st == TM_OK) {
        *out = range;
    }
    return st;
}
