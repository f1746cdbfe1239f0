/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures of intervals.
 *
 *   validation rows -> residuals -> by each method the mean width at 0.9 -> one method -> its
 * scores
 *
 * A spread and the scores that are divided by it come from different rows, or the scores would be
 * too small.
 */
#include "train/train_conformal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/rng.h"

#define ROWS_MAX 200000u
#define ROWS_MIN 10u
#define SCALED_ROWS_MIN 500u
#define SPREAD_FIFTHS 2u
#define GROUP_ROWS 50u
#define GROUPS_MAX 32u
#define PRIOR_ROWS 10.0 /* that the mean of all counts in a group's */
#define LEAST 1e-3      /* of the mean of all: a spread is not 0 */
#define TRIAL_LEVEL 0.9
#define PAYS 0.97
#define SCORE_MAX 1e150 /* as the file allows */

typedef struct measured {
    double answer, residual; /* truth less answer */
    uint32_t fifth;
} measured;

typedef struct method {
    const char *name;
    bool is_scaled, is_signed;
} method;

static const method methods[] = {
    {"absolute", false, false},
    {"signed", false, true},
    {"scaled", true, false},
    {"scaled-signed", true, true},
};
#define METHODS (sizeof(methods) / sizeof(methods[0]))

typedef struct job {
    const tm_search *search;
    measured *rows; /* [n] sorted by answer */
    uint64_t n;
    double *scores, *others; /* [n] */
    double *at, *spread;     /* [GROUPS_MAX] */
    uint32_t n_knots;
} job;

static int compare_measured(const void *a, const void *b) {
    const measured *x = a;
    const measured *y = b;
    if (x->answer != y->answer) {
        return x->answer < y->answer ? -1 : 1;
    }
    return x->residual < y->residual ? -1 : x->residual > y->residual;
}

static void job_done(job *j) {
    tm__mem_free(j->rows);
    tm__mem_free(j->scores);
    tm__mem_free(j->others);
    tm__mem_free(j->at);
    tm__mem_free(j->spread);
}

static double probability_of_truth(const tm_search *s, uint64_t row, uint32_t k) {
    const double *p = s->valid_pred + row * k;
    const uint32_t truth = (uint32_t)s->valid_y[row];
    return truth >= s->data->n_classes ? 0.0 : k > 1 ? p[truth] : truth == 1 ? p[0] : 1.0 - p[0];
}

/* Rows that count, spread over all when there are many. Of classes the score stands as residual. */
static tm_status read_rows(job *j, tm_err *err) {
    const tm_search *s = j->search;
    const uint64_t n = s->n_valid < ROWS_MAX ? s->n_valid : ROWS_MAX;
    const uint32_t k = tm__train_outputs(s->data);
    const bool is_number = s->data->task == TM_TASK_REGRESSION;
    const uint64_t key = tm__rng_split(s->options->seed, "train.conformal", 0).key;
    j->rows = tm__mem_alloc(n, sizeof(*j->rows));
    j->scores = tm__mem_alloc(n, sizeof(double));
    j->others = tm__mem_alloc(n, sizeof(double));
    j->at = tm__mem_alloc(GROUPS_MAX, sizeof(double));
    j->spread = tm__mem_alloc(GROUPS_MAX, sizeof(double));
    if (j->rows == NULL || j->scores == NULL || j->others == NULL || j->at == NULL ||
        j->spread == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the intervals");
    }
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t row = i * s->n_valid / n;
        if (s->valid_weights != NULL && !(s->valid_weights[row] > 0.0)) {
            continue;
        }
        const double off = is_number ? s->valid_y[row] - s->valid_pred[row]
                                     : 1.0 - probability_of_truth(s, row, k);
        j->rows[j->n++] = (measured){.answer = is_number ? s->valid_pred[row] : 0.0,
                                     .residual = fmin(fmax(off, -SCORE_MAX), SCORE_MAX),
                                     .fifth = (uint32_t)(tm__rng_at(key, row) % 5u)};
    }
    qsort(j->rows, j->n, sizeof(*j->rows), compare_measured);
    return TM_OK;
}

/* One knot: the mean size of residuals of a group at its mean answer. */
static void add_knot(job *j, double answers, double sizes, uint64_t n, double mean) {
    const double at = answers / (double)n;
    const double size = (sizes + PRIOR_ROWS * mean) / ((double)n + PRIOR_ROWS);
    if (n > 0 && isfinite(at) && (j->n_knots == 0 || at > j->at[j->n_knots - 1])) {
        j->at[j->n_knots] = at;
        j->spread[j->n_knots++] = fmax(size, LEAST * mean);
    }
}

/* Mean residuals of groups of like answers, by the rows that are given to it; one knot when they
 * say nothing. */
static void fit_spread(job *j) {
    uint64_t n = 0, n_group = 0;
    double total = 0.0, answers = 0.0, sizes = 0.0;
    for (uint64_t i = 0; i < j->n; i++) {
        if (j->rows[i].fifth < SPREAD_FIFTHS) {
            total += fabs(j->rows[i].residual);
            n++;
        }
    }
    const double mean = n > 0 ? total / (double)n : 0.0;
    const uint64_t n_groups = n / GROUP_ROWS < GROUPS_MAX ? n / GROUP_ROWS : GROUPS_MAX;
    j->n_knots = 0;
    if (n_groups < 2 || !(mean > 0.0 && mean < SCORE_MAX)) {
        return;
    }
    uint64_t seen = 0;
    for (uint64_t i = 0; i < j->n; i++) {
        if (j->rows[i].fifth >= SPREAD_FIFTHS) {
            continue;
        }
        answers += j->rows[i].answer;
        sizes += fabs(j->rows[i].residual);
        n_group++;
        seen++;
        if (seen * n_groups / n > (seen - 1) * n_groups / n) {
            add_knot(j, answers, sizes, n_group, mean);
            answers = sizes = 0.0;
            n_group = 0;
        }
    }
}

static void free_knots(tm_conformal *c) {
    tm__mem_free(c->at);
    tm__mem_free(c->spread);
    c->at = c->spread = NULL;
}

static tm_status set_knots(const job *j, bool is_scaled, tm_conformal *out, tm_err *err) {
    const uint32_t n = is_scaled ? j->n_knots : 1;
    out->at = tm__mem_zalloc(n, sizeof(double));
    out->spread = tm__mem_zalloc(n, sizeof(double));
    if (out->at == NULL || out->spread == NULL) {
        free_knots(out);
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the intervals");
    }
    out->n_knots = n;
    if (is_scaled) {
        memcpy(out->at, j->at, n * sizeof(double));
        memcpy(out->spread, j->spread, n * sizeof(double));
    } else {
        out->spread[0] = 1.0;
    }
    return TM_OK;
}

/* Intervals by one method; without the rows of the spread where it is scaled, or is compared with
 * such. */
static tm_status measure(job *j, const method *m, bool without, tm_conformal *out, tm_err *err) {
    tm_conformal c = {.kind = TM_CONFORMAL_NUMBER};
    uint64_t n = 0;
    TM_TRY(set_knots(j, m->is_scaled, &c, err));
    for (uint64_t i = 0; i < j->n; i++) {
        const measured *row = &j->rows[i];
        if ((m->is_scaled || without) && row->fifth < SPREAD_FIFTHS) {
            continue;
        }
        const double off = row->residual / tm__conformal_spread(&c, row->answer);
        const double cut = fmin(fmax(off, -SCORE_MAX), SCORE_MAX);
        j->scores[n] = m->is_signed ? cut : fabs(cut);
        j->others[n++] = -cut;
    }
    c.n_rows = n;
    tm_status st = tm__conformal_keep(j->scores, n, &c.above, err);
    if (st == TM_OK && m->is_signed) {
        st = tm__conformal_keep(j->others, n, &c.below, err);
    }
    if (st != TM_OK) {
        tm__conformal_done(&c);
        return st;
    }
    *out = c;
    return TM_OK;
}

/* Mean width at the trial level over the rows that have no part in a spread. */
static double mean_width(const job *j, const tm_conformal *c) {
    tm_conformal_at at;
    double sum = 0.0;
    uint64_t n = 0;
    if (tm__conformal_find(c, TRIAL_LEVEL, &at, NULL) != TM_OK) {
        return INFINITY;
    }
    for (uint64_t i = 0; i < j->n; i++) {
        if (j->rows[i].fifth >= SPREAD_FIFTHS) {
            const tm_conformal_range range = tm__conformal_range(c, &at, j->rows[i].answer);
            sum += range.high - range.low;
            n++;
        }
    }
    return n > 0 ? sum / (double)n : INFINITY;
}

static tm_status choose_number(job *j, tm_conformal *out, const char **out_method, tm_err *err) {
    const method *best = &methods[0];
    double least = INFINITY;
    if (j->n >= SCALED_ROWS_MIN) {
        fit_spread(j);
    }
    for (size_t i = 0; i < METHODS; i++) {
        tm_conformal c;
        if ((methods[i].is_scaled && j->n_knots < 2) ||
            (i > 0 && j->n < (methods[i].is_signed ? SCALED_ROWS_MIN / 5 : ROWS_MIN))) {
            continue;
        }
        TM_TRY(measure(j, &methods[i], j->n_knots >= 2, &c, err));
        const double width = mean_width(j, &c);
        tm__conformal_done(&c);
        if (width < PAYS * least || i == 0) {
            least = width;
            best = &methods[i];
        }
    }
    *out_method = best->name;
    return measure(j, best, false, out, err);
}

static tm_status measure_classes(job *j, tm_conformal *out, tm_err *err) {
    tm_conformal c = {.kind = TM_CONFORMAL_CLASSES, .n_rows = j->n};
    for (uint64_t i = 0; i < j->n; i++) {
        j->scores[i] = j->rows[i].residual;
    }
    TM_TRY(tm__conformal_keep(j->scores, j->n, &c.above, err));
    *out = c;
    return TM_OK;
}

static json_t *record_of(const job *j, const tm_conformal *c, const char *method_name) {
    const bool is_none = c->kind == TM_CONFORMAL_NONE;
    json_t *record = json_pack("{s:s, s:s}", "method", is_none ? "none" : method_name, "reason",
                               is_none ? "there were too few validation rows to measure on"
                               : c->kind == TM_CONFORMAL_CLASSES
                                   ? "one less the probability of the class that came"
                                   : "the narrowest at 0.9, by more than 3 % where it is "
                                     "not the simplest");
    if (is_none) {
        return record;
    }
    json_object_set_new(record, "rows", json_integer((json_int_t)c->n_rows));
    json_object_set_new(record, "level_max", tm__json_number(tm__conformal_level_max(c)));
    if (j->search->data->is_time_ordered) {
        json_object_set_new(record, "order",
                            json_string("rows to come are later than those measured on: nothing "
                                        "promises that they are alike; see 'test'"));
    }
    return record;
}

tm_status tm__train_conformal(const tm_search *search, bool is_positive, tm_conformal *out,
                              json_t **out_record, tm_err *err) {
    const tm_task task = search->data->task;
    job j = {.search = search};
    tm_conformal c = {0};
    const char *method_name = "probability";
    tm_status st = TM_OK;
    if (search->valid_pred != NULL && task != TM_TASK_RANKING) {
        st = read_rows(&j, err);
    }
    if (st == TM_OK && j.n >= ROWS_MIN) {
        st = task == TM_TASK_REGRESSION ? choose_number(&j, &c, &method_name, err)
                                        : measure_classes(&j, &c, err);
        c.is_positive = st == TM_OK && task == TM_TASK_REGRESSION && is_positive;
    }
    if (st == TM_OK) {
        *out_record = record_of(&j, &c, method_name);
        *out = c;
    }
    job_done(&j);
    return st;
}

/* ---- what they reach ---- */

typedef struct reached {
    uint64_t n_covered;
    double size; /* sum of widths or of classes */
} reached;

static reached cover(const tm_conformal *c, const tm_conformal_at *at, const tm_covered_rows *rows,
                     bool *held) {
    reached r = {0};
    for (uint64_t i = 0; i < rows->n; i++) {
        const double *p = rows->pred + i * rows->n_outputs;
        if (c->kind == TM_CONFORMAL_NUMBER) {
            const tm_conformal_range range = tm__conformal_range(c, at, p[0]);
            r.n_covered += rows->y[i] >= range.low && rows->y[i] <= range.high;
            r.size += range.high - range.low;
            continue;
        }
        const uint32_t n_held = tm__conformal_set(at, p, rows->n_outputs, held);
        const uint32_t n_classes = rows->n_outputs > 1 ? rows->n_outputs : 2;
        r.n_covered += rows->y[i] < n_classes && held[(uint32_t)rows->y[i]];
        r.size += n_held;
    }
    return r;
}

json_t *tm__train_covered(const tm_conformal *c, const tm_covered_rows *rows) {
    static const double levels[] = {0.5, 0.8, 0.9, 0.95, 0.99};
    const double z = 1.959963984540054, n = (double)rows->n;
    json_t *list = json_array();
    bool *held = tm__mem_alloc((size_t)rows->n_outputs + 1, sizeof(bool));
    if (held == NULL) {
        json_decref(list);
        return NULL;
    }
    for (size_t i = 0; list != NULL && i < sizeof(levels) / sizeof(levels[0]); i++) {
        tm_conformal_at at;
        if (tm__conformal_find(c, levels[i], &at, NULL) != TM_OK) {
            continue;
        }
        const reached r = cover(c, &at, rows, held);
        const double p = (double)r.n_covered / n;
        const double middle = (p + z * z / (2 * n)) / (1 + z * z / n);
        const double half = z / (1 + z * z / n) * tm__sqrt(p * (1 - p) / n + z * z / (4 * n * n));
        json_array_append_new(list,
                              json_pack("{s:o, s:o, s:o, s:o, s:o}", "level",
                                        tm__json_number(levels[i]), "covered", tm__json_number(p),
                                        "low", tm__json_number(fmin(fmax(middle - half, 0.0), p)),
                                        "high", tm__json_number(fmax(fmin(middle + half, 1.0), p)),
                                        c->kind == TM_CONFORMAL_NUMBER ? "width" : "classes",
                                        tm__json_number(r.size / n)));
    }
    tm__mem_free(held);
    return list;
}
