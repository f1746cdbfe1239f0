/* SPDX-License-Identifier: Apache-2.0 */
/* Several classes: which is taken for which, how good each is, and whether the class that is named
 * is right as often as its probability says. Classes past CLASSES_MAX are counted together. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "train/train_look_priv.h"

enum { CLASSES_MAX = 20, ONE_BY_ONE = 50 };

typedef struct told_class {
    uint32_t class;
    double rows; /* of its truth */
} told_class;

typedef struct confusion {
    const tm_look *look;
    uint32_t n;       /* told, with "(others)" when is_cut */
    bool is_cut;      /* or when a class came that training has not */
    uint32_t *place;  /* [n_classes + 1] of each class among those told */
    told_class *told; /* most rows first */
    double *counts;   /* [n x n]: truths, answers */
} confusion;

static int compare_told(const void *a, const void *b) {
    const told_class *x = a, *y = b;
    if (x->rows != y->rows) {
        return x->rows > y->rows ? -1 : 1;
    }
    return x->class < y->class ? -1 : x->class > y->class;
}

static bool confusion_init(confusion *c) {
    const tm_look *look = c->look;
    const uint32_t n_all = look->n_classes;
    bool has_unseen = false;
    c->told = tm__mem_zalloc(n_all, sizeof(*c->told));
    c->place = tm__mem_zalloc((size_t)n_all + 1, sizeof(*c->place));
    if (c->told == NULL || c->place == NULL) {
        return false;
    }
    for (uint32_t k = 0; k < n_all; k++) {
        c->told[k].class = k;
    }
    for (uint64_t i = 0; i < look->n; i++) {
        has_unseen = has_unseen || look->y[i] >= n_all;
        if (look->y[i] < n_all) {
            c->told[(uint32_t)look->y[i]].rows++;
        }
    }
    qsort(c->told, n_all, sizeof(*c->told), compare_told);
    const uint32_t n_told = n_all < CLASSES_MAX ? n_all : CLASSES_MAX;
    c->is_cut = n_all > CLASSES_MAX || has_unseen;
    c->n = n_told + (c->is_cut ? 1 : 0);
    for (uint32_t k = 0; k <= n_all; k++) {
        c->place[k] = n_told;
    }
    for (uint32_t k = 0; k < n_told; k++) {
        c->place[c->told[k].class] = k;
    }
    c->counts = tm__mem_zalloc((size_t)c->n * c->n, sizeof(double));
    for (uint64_t i = 0; c->counts != NULL && i < look->n; i++) {
        c->counts[c->place[(uint32_t)look->y[i]] * c->n + c->place[tm__look_class(look, i)]]++;
    }
    return c->counts != NULL;
}

/* Chance that a row of the class has more of its probability than one of another. */
static double auc_of(const tm_look *look, uint32_t class, double *y, double *pred) {
    double area = tm__nan();
    for (uint64_t i = 0; i < look->n; i++) {
        y[i] = look->y[i] == (double)class;
        pred[i] = look->pred[i * look->n_outputs + class];
    }
    const tm_score_input in = {.task = TM_TASK_BINARY,
                               .n_classes = 2,
                               .n_rows = look->n,
                               .y = y,
                               .pred = pred,
                               .weights = look->weights};
    const tm_status st = tm__metric_score(tm__metric_find("auc"), &in, &area, NULL);
    return st == TM_OK ? area : tm__nan();
}

static json_t *say_class(const confusion *c, uint32_t k, double *y, double *pred) {
    double came = 0, called = 0;
    const double hits = c->counts[k * c->n + k];
    for (uint32_t j = 0; j < c->n; j++) {
        came += c->counts[k * c->n + j];
        called += c->counts[j * c->n + k];
    }
    return json_pack("{s:s, s:I, s:o, s:o, s:o, s:o}", "class",
                     tm__bundle_class(c->look->bundle, c->told[k].class), "rows", (json_int_t)came,
                     "precision", tm__json_number(called > 0 ? hits / called : 0), "recall",
                     tm__json_number(came > 0 ? hits / came : 0), "f1",
                     tm__json_number(came + called > 0 ? 2 * hits / (came + called) : 0), "auc",
                     c->look->n_classes <= ONE_BY_ONE
                         ? tm__json_number(auc_of(c->look, c->told[k].class, y, pred))
                         : json_null());
}

static json_t *say_confusion(const confusion *c, double *y, double *pred) {
    const tm_look *look = c->look;
    json_t *classes = json_array(), *counts = json_array(), *by_class = json_array();
    for (uint32_t k = 0; k < c->n; k++) {
        const bool is_others = c->is_cut && k + 1 == c->n;
        json_t *row = json_array();
        json_array_append_new(
            classes,
            json_string(is_others ? "(others)" : tm__bundle_class(look->bundle, c->told[k].class)));
        for (uint32_t j = 0; j < c->n; j++) {
            json_array_append_new(row, json_integer((json_int_t)c->counts[k * c->n + j]));
        }
        json_array_append_new(counts, row);
        if (!is_others) {
            json_array_append_new(by_class, say_class(c, k, y, pred));
        }
    }
    for (uint64_t i = 0; i < look->n; i++) {
        y[i] = tm__look_truth(look, i);
        pred[i] = tm__look_answer(look, i);
    }
    return json_pack("{s:o, s:o, s:o, s:o}", "classes", classes, "counts", counts, "by_class",
                     by_class, "calibration",
                     tm__look_reliability(pred, y, look->weights, look->n));
}

tm_status tm__look_classes(const tm_look *look, json_t **out, tm_err *err) {
    confusion c = {.look = look};
    double *y = tm__mem_alloc(look->n, sizeof(*y)), *pred = tm__mem_alloc(look->n, sizeof(*pred));
    tm_status st = TM_OK;
    if (y == NULL || pred == NULL || !confusion_init(&c)) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory to count classes");
    } else {
        json_t *classes = say_confusion(&c, y, pred);
        st = tm__json_check(err);
        if (st == TM_OK) {
            *out = classes;
        } else {
            json_decref(classes);
        }
    }
    tm__mem_free(c.told);
    tm__mem_free(c.place);
    tm__mem_free(c.counts);
    tm__mem_free(y);
    tm__mem_free(pred);
    return st;
}
