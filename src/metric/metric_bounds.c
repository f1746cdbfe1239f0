/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What truths that are still to come may make of a score.
 *
 * A sum over rows is bounded row by row. A ratio of counts is bounded by calling each unknown row
 * what hurts, or helps, most; all three counts move the same way, so that one choice is worst. Of
 * auc: with k unknown rows positive it is largest when these are the k that score highest, since
 * changing places of a positive and a negative that scores above it never lowers it. So all k are
 * walked through, each from the one before:
 *
 *     scores fall ──>   + - ? ? + ? - ?
 *                           ^ becomes a positive: no longer beaten by the positives above it,
 *                             and beats the negatives below it
 */
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "metric/metric_priv.h"
#include "metric/metric_sure.h"

/* Rows by answer and truth. */
typedef struct counts {
    double hits, false_calls, misses, others;
    double unknown_called, unknown_others;
} counts;

static bool is_known(const tm_score_input *in, uint64_t row) {
    return !isnan(in->y[row]);
}

static counts count_rows(const tm_score_input *in) {
    counts c = {0};
    for (uint64_t i = 0; i < in->n_rows; i++) {
        const bool is_called = tm__score_class(in, i) == 1;
        double *const cell = !is_known(in, i)  ? (is_called ? &c.unknown_called : &c.unknown_others)
                             : in->y[i] == 1.0 ? (is_called ? &c.hits : &c.misses)
                                               : (is_called ? &c.false_calls : &c.others);
        *cell += 1;
    }
    return c;
}

static double ratio(double a, double b) {
    return b > 0 ? a / b : 0;
}

static void bound_ratio(const char *name, const tm_score_input *in, tm_score_range *out) {
    const counts c = count_rows(in);
    const double right = c.hits, best = c.hits + c.unknown_called;
    if (strcmp(name, "precision") == 0) {
        const double called = best + c.false_calls;
        out->low = ratio(right, called);
        out->high = ratio(best, called);
    } else if (strcmp(name, "recall") == 0) {
        out->low = ratio(right, right + c.misses + c.unknown_others);
        out->high = ratio(best, best + c.misses);
    } else {
        const double off = c.false_calls + c.misses;
        out->low = ratio(2 * right, 2 * right + off + c.unknown_called + c.unknown_others);
        out->high = ratio(2 * best, 2 * best + off);
    }
}

/* ---- sums over rows ---- */

static void bound_mean(const tm_metric_ops *metric, const tm_score_input *in, tm_score_range *out) {
    const uint32_t n_classes = in->task == TM_TASK_BINARY ? 2 : in->n_classes;
    tm_sum low = {0}, high = {0};
    for (uint64_t i = 0; i < in->n_rows; i++) {
        double least = INFINITY, most = -INFINITY;
        for (uint32_t k = 0; k < n_classes; k++) {
            const double y = is_known(in, i) ? in->y[i] : k;
            tm_score_input one = *in; /* the row alone */
            one.n_rows = 1;
            one.y = &y;
            one.pred = &in->pred[i * (in->task == TM_TASK_BINARY ? 1 : n_classes)];
            const double value = metric->row(&one, 0);
            least = fmin(least, value);
            most = fmax(most, value);
            if (is_known(in, i)) {
                break;
            }
        }
        tm__sum_add(&low, least);
        tm__sum_add(&high, most);
    }
    out->low = tm__sum_get(&low) / (double)in->n_rows;
    out->high = tm__sum_get(&high) / (double)in->n_rows;
}

/* ---- auc ---- */

typedef struct walk {
    double positives, negatives; /* truths that are known */
    double unknown;
    double n_moved; /* unknown rows taken as positive */
    double pairs;   /* that are in order */
    double best;    /* NaN: no pair of classes yet */
} walk;

static void look(walk *w) {
    const double all = (w->positives + w->n_moved) * (w->negatives + w->unknown - w->n_moved);
    if (all > 0) {
        const double auc = w->pairs / all;
        w->best = isnan(w->best) || auc > w->best ? auc : w->best;
    }
}

/* Rows of one score: a positives, b negatives, c unknown; before and behind are those that the walk
 * has passed and has not. */
typedef struct tie {
    double a, b, c;
} tie;

static tie tie_of(const tm_score_input *in, const uint32_t *order, uint64_t from, uint64_t end) {
    tie t = {0};
    for (uint64_t i = from; i < end; i++) {
        const double y = in->y[order[i]];
        *(isnan(y) ? &t.c : y == 1.0 ? &t.a : &t.b) += 1;
    }
    return t;
}

static uint64_t tie_end(const tm_score_input *in, const uint32_t *order, uint64_t from) {
    uint64_t end = from;
    while (end < in->n_rows && in->pred[order[end]] == in->pred[order[from]]) {
        end++;
    }
    return end;
}

/* The largest auc when scores fall along the order. */
static double best_auc(const tm_score_input *in, const uint32_t *order) {
    walk w = {.best = tm__nan()};
    double above = 0;
    for (uint64_t from = 0, end = 0; from < in->n_rows; from = end) { /* unknown: all negative */
        end = tie_end(in, order, from);
        const tie t = tie_of(in, order, from, end);
        w.pairs += (t.b + t.c) * (above + 0.5 * t.a);
        above += t.a;
        w.positives += t.a;
        w.negatives += t.b;
        w.unknown += t.c;
    }
    double positives = 0, below = w.negatives + w.unknown;
    look(&w);
    for (uint64_t from = 0, end = 0; from < in->n_rows; from = end) {
        end = tie_end(in, order, from);
        const tie t = tie_of(in, order, from, end);
        below -= t.b + t.c;
        for (uint64_t i = 0; i < (uint64_t)t.c; i++) {
            const double j = (double)i; /* of the tie have moved */
            w.pairs += below + 0.5 * (t.b + t.c - 1 - j) - positives - 0.5 * (t.a + j);
            w.n_moved += 1;
            look(&w);
        }
        positives += t.a + t.c;
    }
    return w.best;
}

static tm_status bound_auc(const tm_score_input *in, tm_score_range *out, tm_err *err) {
    uint32_t *order = tm__score_order(in->pred, in->n_rows);
    if (order == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory sorting %llu predictions",
                       (unsigned long long)in->n_rows);
    }
    out->high = best_auc(in, order);
    for (uint64_t i = 0; i < in->n_rows / 2; i++) {
        const uint32_t swap = order[i];
        order[i] = order[in->n_rows - 1 - i];
        order[in->n_rows - 1 - i] = swap;
    }
    out->low = 1.0 - best_auc(in, order); /* of scores turned round, auc is 1 less it */
    tm__mem_free(order);
    return TM_OK;
}

/* ---- macro f1 ---- */

/* Each class by itself: what is unknown all wrong for it, or all right where it was named. */
static tm_status bound_macro_f1(const tm_score_input *in, tm_score_range *out, tm_err *err) {
    const uint32_t n = in->n_classes;
    double *cells = tm__mem_zalloc((size_t)n * 4, sizeof(*cells));
    double unknown = 0, low = 0, high = 0;
    if (cells == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory counting %u classes", n);
    }
    double *hits = cells, *called = cells + n, *came = called + n, *open = came + n;
    uint32_t n_low = 0, n_high = 0;
    for (uint64_t i = 0; i < in->n_rows; i++) {
        const uint32_t answer = tm__score_class(in, i);
        called[answer] += 1;
        if (!is_known(in, i)) {
            open[answer] += 1;
            unknown += 1;
        } else if (in->y[i] < n) {
            came[(uint32_t)in->y[i]] += 1;
            hits[answer] += in->y[i] == answer;
        }
    }
    for (uint32_t k = 0; k < n; k++) {
        low += ratio(2 * hits[k], called[k] + came[k] + unknown - open[k]);
        high += ratio(2 * (hits[k] + open[k]), called[k] + came[k] + open[k]);
        n_low += called[k] + came[k] + unknown > 0;
        n_high += called[k] + came[k] > 0;
    }
    tm__mem_free(cells);
    out->low = low / n_low;
    out->high = high / n_high;
    return TM_OK;
}

/* ---- checked call ---- */

static tm_status known_rows(const tm_score_input *in, double **out_y, double **out_pred,
                            uint64_t *out_n, tm_err *err) {
    const uint32_t n_outputs = in->task == TM_TASK_MULTICLASS ? in->n_classes : 1;
    double *y = tm__mem_alloc(in->n_rows, sizeof(*y));
    double *pred = tm__mem_alloc(in->n_rows * n_outputs, sizeof(*pred));
    uint64_t n = 0;
    if (y == NULL || pred == NULL) {
        tm__mem_free(y);
        tm__mem_free(pred);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for the bounds of a score");
    }
    for (uint64_t i = 0; i < in->n_rows; i++) {
        if (is_known(in, i)) {
            y[n] = in->y[i];
            memcpy(&pred[n++ * n_outputs], &in->pred[i * n_outputs], n_outputs * sizeof(*pred));
        }
    }
    *out_y = y;
    *out_pred = pred;
    *out_n = n;
    return TM_OK;
}

/* value of the rows with a truth; NaN where they do not define it. */
static tm_status score_known(const tm_metric_ops *metric, const tm_score_input *in, double *out,
                             tm_err *err) {
    tm_score_input known = *in;
    double *y = NULL, *pred = NULL;
    *out = tm__nan();
    TM_TRY(known_rows(in, &y, &pred, &known.n_rows, err));
    known.y = y;
    known.pred = pred;
    tm_status st = TM_OK;
    if (known.n_rows > 0) {
        tm_err own = {0};
        st = tm__metric_score(metric, &known, out, &own);
        if (st != TM_OK && st != TM_E_DATA && err != NULL) {
            *err = own;
        }
        st = st == TM_E_DATA ? TM_OK : st;
    }
    tm__mem_free(y);
    tm__mem_free(pred);
    return st;
}

tm_status tm__metric_bounds(const tm_metric_ops *metric, const tm_score_input *in,
                            tm_score_range *out, tm_err *err) {
    tm_score_range range = {.low = tm__nan(), .high = tm__nan()};
    const bool is_class = in->task == TM_TASK_BINARY || in->task == TM_TASK_MULTICLASS;
    TM_TRY(score_known(metric, in, &range.value, err));
    if (in->n_rows == 0 || !is_class) {
        *out = range;
        return TM_OK;
    }
    TM_TRY(tm__score_check(in, true, err));
    if (strcmp(metric->name, "auc") == 0) {
        TM_TRY(bound_auc(in, &range, err));
    } else if (strcmp(metric->name, "macro_f1") == 0) {
        TM_TRY(bound_macro_f1(in, &range, err));
    } else if (metric->row != NULL) {
        bound_mean(metric, in, &range);
    } else if (strcmp(metric->name, "ece") != 0 && strcmp(metric->name, "average_precision") != 0) {
        bound_ratio(metric->name, in, &range);
    }
    *out = range;
    return TM_OK;
}
