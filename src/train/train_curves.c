/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Curves of a model of two classes: each walks the rows once in falling order of the answer, equal
 * answers as one step, and keeps points that are a hundredth of the way apart, so that a curve of a
 * million rows is as small as one of a thousand. Areas are those of metric/, of all rows.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "metric/metric_sure.h"
#include "train/train_look_priv.h"

enum { BINS = 25, PARTS = 10, CALLED = 8 };

#define STEP 0.01

typedef struct ranked_row {
    double pred, weight;
    double truth; /* 0 or 1 */
    uint64_t at;
} ranked_row;

/* By falling answer; ties by place, so that sums have one order. */
static int compare_ranked(const void *a, const void *b) {
    const ranked_row *x = a, *y = b;
    if (x->pred != y->pred) {
        return x->pred > y->pred ? -1 : 1;
    }
    return x->at < y->at ? -1 : x->at > y->at;
}

typedef struct walk {
    const tm_look *look;
    ranked_row *rows; /* [n] sorted */
    uint64_t n;
    double positives, negatives; /* weights */
} walk;

static bool walk_init(walk *w, const tm_look *look) {
    *w = (walk){.look = look, .n = look->n};
    w->rows = tm__mem_alloc(look->n, sizeof(*w->rows));
    if (w->rows == NULL) {
        return false;
    }
    for (uint64_t i = 0; i < look->n; i++) {
        w->rows[i] =
            (ranked_row){look->pred[i], tm__look_weight(look, i), tm__look_truth(look, i), i};
        w->positives += w->rows[i].truth > 0 ? w->rows[i].weight : 0;
        w->negatives += w->rows[i].truth > 0 ? 0 : w->rows[i].weight;
    }
    qsort(w->rows, w->n, sizeof(*w->rows), compare_ranked);
    return true;
}

/* Row after the last one with the answer of row i; weights of both classes are added. */
static uint64_t walk_tie(const walk *w, uint64_t i, double *positives, double *negatives) {
    const double pred = w->rows[i].pred;
    for (; i < w->n && w->rows[i].pred == pred; i++) {
        *(w->rows[i].truth > 0 ? positives : negatives) += w->rows[i].weight;
    }
    return i;
}

static double area_of(const tm_look *look, const char *metric) {
    double area = tm__nan();
    const tm_score_input in = {.task = look->task,
                               .n_classes = look->n_classes,
                               .n_rows = look->n,
                               .y = look->y,
                               .pred = look->pred,
                               .weights = look->weights,
                               .threshold = look->threshold};
    const tm_status st = tm__metric_score(tm__metric_find(metric), &in, &area, NULL);
    return st == TM_OK ? area : tm__nan();
}

static void put(json_t *list, double value) {
    json_array_append_new(list, tm__json_number(value));
}

/* Both curves in one walk. */
static void say_curves(const walk *w, json_t *out) {
    json_t *fpr = json_array(), *tpr = json_array(), *recall = json_array(),
           *precision = json_array();
    double tp = 0, fp = 0, last_x = 0, last_y = 0, last_r = -1, last_p = -1;
    put(fpr, 0);
    put(tpr, 0);
    for (uint64_t i = 0; i < w->n;) {
        i = walk_tie(w, i, &tp, &fp);
        const double x = fp / w->negatives, y = tp / w->positives, p = tp / (tp + fp);
        if (i == w->n || x - last_x + y - last_y >= STEP) {
            put(fpr, x);
            put(tpr, y);
            last_x = x;
            last_y = y;
        }
        if (tp + fp > 0 && (i == w->n || y - last_r >= STEP || fabs(p - last_p) >= 5 * STEP)) {
            put(recall, y);
            put(precision, p);
            last_r = y;
            last_p = p;
        }
    }
    json_object_set_new(out, "roc",
                        json_pack("{s:o, s:o, s:o}", "area",
                                  tm__json_number(area_of(w->look, "auc")), "false_positive_rate",
                                  fpr, "true_positive_rate", tpr));
    json_object_set_new(out, "precision_recall",
                        json_pack("{s:o, s:o, s:o, s:o}", "area",
                                  tm__json_number(area_of(w->look, "average_precision")),
                                  "share_of_positives",
                                  tm__json_number(w->positives / (w->positives + w->negatives)),
                                  "recall", recall, "precision", precision));
}

/* What calling the surest share of the rows would do. */
static json_t *say_called(const walk *w) {
    static const double shares[CALLED] = {0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75};
    json_t *list = json_array();
    double tp = 0, fp = 0, threshold = 1;
    uint64_t i = 0;
    for (uint32_t k = 0; k < CALLED; k++) {
        const double wanted = shares[k] * (w->positives + w->negatives);
        while (i < w->n && tp + fp < wanted * (1 - 1e-12)) {
            threshold = w->rows[i].pred;
            i = walk_tie(w, i, &tp, &fp);
        }
        json_array_append_new(list,
                              json_pack("{s:f, s:o, s:o, s:o}", "share", shares[k], "threshold",
                                        tm__json_number(threshold), "precision",
                                        tm__json_number(tp + fp > 0 ? tp / (tp + fp) : 0), "recall",
                                        tm__json_number(w->positives > 0 ? tp / w->positives : 0)));
    }
    return list;
}

/* --- reliability, of any probabilities of a truth --- */

static json_t *say_part(const ranked_row *rows, uint64_t from, uint64_t end) {
    double sum = 0, hits = 0, weight = 0, low = 0, high = 1;
    for (uint64_t i = from; i < end; i++) {
        sum += rows[i].weight * rows[i].pred;
        hits += rows[i].weight * rows[i].truth;
        weight += rows[i].weight;
    }
    const double share = weight > 0 ? hits / weight : 0;
    tm__share_interval(share, (double)(end - from), &low, &high);
    return json_pack("{s:I, s:o, s:o, s:o, s:o}", "rows", (json_int_t)(end - from), "prediction",
                     tm__json_number(weight > 0 ? sum / weight : 0), "share",
                     tm__json_number(share), "low", tm__json_number(low), "high",
                     tm__json_number(high));
}

json_t *tm__look_reliability(const double *pred, const double *truth, const double *weights,
                             uint64_t n) {
    ranked_row *rows = tm__mem_alloc(n, sizeof(*rows));
    json_t *list = json_array();
    if (rows == NULL || list == NULL) {
        tm__mem_free(rows);
        json_decref(list);
        return tm__json_lost();
    }
    for (uint64_t i = 0; i < n; i++) {
        rows[i] = (ranked_row){pred[i], weights != NULL ? weights[i] : 1, truth[i], i};
    }
    qsort(rows, n, sizeof(*rows), compare_ranked);
    /* From the least answer up; rows with one answer are never parted. */
    for (uint64_t end = n, part = PARTS; end > 0 && part > 0; part--) {
        uint64_t from = n - (uint64_t)((double)n * (double)(PARTS - part + 1) / PARTS + 0.5);
        from = from < end ? from : end - 1;
        while (from > 0 && rows[from - 1].pred == rows[from].pred) {
            from--;
        }
        json_array_append_new(list, say_part(rows, from, end));
        end = from;
    }
    tm__mem_free(rows);
    return list;
}

static json_t *say_calibration(const tm_look *look) {
    double *truth = tm__mem_alloc(look->n, sizeof(*truth));
    if (truth == NULL) {
        return tm__json_lost();
    }
    for (uint64_t i = 0; i < look->n; i++) {
        truth[i] = tm__look_truth(look, i);
    }
    json_t *list = tm__look_reliability(look->pred, truth, look->weights, look->n);
    tm__mem_free(truth);
    return list;
}

/* --- counts --- */

/* How answers of each class are spread. */
static json_t *say_answers(const tm_look *look) {
    uint64_t counts[2][BINS] = {{0}};
    json_t *bounds = json_array(), *sides[2] = {json_array(), json_array()};
    for (uint64_t i = 0; i < look->n; i++) {
        const double place = look->pred[i] * BINS;
        const uint32_t bin = place < BINS - 1 ? (uint32_t)place : BINS - 1;
        counts[tm__look_truth(look, i) > 0][bin]++;
    }
    for (uint32_t b = 0; b <= BINS; b++) {
        put(bounds, (double)b / BINS);
    }
    for (uint32_t side = 0; side < 2; side++) {
        for (uint32_t b = 0; b < BINS; b++) {
            json_array_append_new(sides[side], json_integer((json_int_t)counts[side][b]));
        }
    }
    return json_pack("{s:o, s:o, s:o}", "bounds", bounds, "negative", sides[0], "positive",
                     sides[1]);
}

static json_t *say_confusion(const tm_look *look) {
    uint64_t counts[2][2] = {{0}};
    for (uint64_t i = 0; i < look->n; i++) {
        counts[tm__look_truth(look, i) > 0][look->pred[i] >= look->threshold]++;
    }
    return json_pack("{s:o, s:I, s:I, s:I, s:I}", "threshold", tm__json_number(look->threshold),
                     "true_positives", (json_int_t)counts[1][1], "false_positives",
                     (json_int_t)counts[0][1], "false_negatives", (json_int_t)counts[1][0],
                     "true_negatives", (json_int_t)counts[0][0]);
}

tm_status tm__look_curves(const tm_look *look, json_t **out, tm_err *err) {
    walk w;
    if (!walk_init(&w, look)) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the curves of %llu rows",
                       (unsigned long long)look->n);
    }
    json_t *curves = json_pack("{s:n, s:n}", "roc", "precision_recall");
    if (w.positives > 0 && w.negatives > 0) {
        say_curves(&w, curves);
    }
    json_object_set_new(curves, "calibration", say_calibration(look));
    json_object_set_new(curves, "answers", say_answers(look));
    json_object_set_new(curves, "confusion", say_confusion(look));
    json_object_set_new(curves, "called", say_called(&w));
    tm__mem_free(w.rows);
    return tm__json_give(TM_OK, curves, out, err);
}
