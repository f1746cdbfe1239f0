/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which map, if any, makes the better probabilities of a search's raw answers.
 *
 *   validation rows -> five parts, by a hash of their place or in time order -> each method fitted
 *   on four of them and scored on the fifth -> one method, or none -> fitted on all
 *
 * Invariants:
 *   1. No row is scored by a map that was fitted on it, and none is answered by one in what
 *      validation reports.
 *   2. A method replaces a simpler one, or none, only when its log-loss is surely less: by SURE
 *      standard errors of the difference; in time order, where rows next to each other are alike,
 * in each of the five parts besides.
 */
#include "train/train_calibrate.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/rng.h"

#define PARTS 5u
#define VALUES_MAX 500000u /* raw answers that maps are fitted on; more rows say no more */
#define ROWS_MAX 100000u
#define ROWS_MIN 100u
#define CLASS_ROWS_MIN 10u
#define ISOTONIC_ROWS_MIN 1000u
#define SURE 1.64   /* one-sided 95 % */
#define FLOOR 1e-15 /* of a probability in a log-loss, as in metric.c */

typedef struct method {
    const char *name; /* of the option, and in records */
    bool for_two, for_more;
    uint64_t rows_min; /* unless it was asked for */
    uint64_t class_rows_min;
    tm_status (*fit)(const tm_calibrate_rows *rows, tm_calibration *out, tm_err *err);
} method;

/* Simplest first. */
static const method methods[] = {
    {"temperature", false, true, ROWS_MIN, 0, tm__temperature_fit},
    {"platt", true, false, ROWS_MIN, CLASS_ROWS_MIN, tm__platt_fit},
    {"platt", false, true, ROWS_MIN, CLASS_ROWS_MIN, tm__vector_fit},
    {"isotonic", true, false, ISOTONIC_ROWS_MIN, CLASS_ROWS_MIN, tm__isotonic_fit},
};
#define METHODS (sizeof(methods) / sizeof(methods[0]))

typedef struct trial {
    const method *method;
    tm_calibration maps[PARTS];
    double *losses;     /* [n rows] by the map that was fitted without the row */
    double logloss;     /* weighted mean */
    double gain, error; /* of the mean over the answers as they are, and its standard error */
    bool is_whole;      /* every part has a map */
} trial;

typedef struct job {
    tm_search *search;
    double *raw; /* [search->n_valid x k] */
    tm_link link;
    uint32_t k; /* outputs */
    uint32_t n_classes;
    bool is_time_ordered;
    bool scales_alone; /* the likeliest class stays what it is, unless a method was asked for */
    uint64_t key;      /* of the parts */
    uint64_t n;        /* rows that maps are fitted on */
    uint64_t *rows;    /* [n] their places among the validation rows */
    double *before;    /* [n] losses of the answers as they are */
    double *fit_raw;   /* [n x k] rows of a fit */
    double *fit_y, *fit_weights;
    double *pred; /* [k] */
    trial trials[METHODS];
    uint32_t n_trials;
    const trial *best; /* NULL: none */
    const char *reason;
    json_t *tried;
} job;

static void job_done(job *j) {
    for (uint32_t t = 0; t < j->n_trials; t++) {
        for (uint32_t part = 0; part < PARTS; part++) {
            tm__calibration_done(&j->trials[t].maps[part]);
        }
        tm__mem_free(j->trials[t].losses);
    }
    tm__mem_free(j->raw);
    tm__mem_free(j->rows);
    tm__mem_free(j->before);
    tm__mem_free(j->fit_raw);
    tm__mem_free(j->fit_y);
    tm__mem_free(j->fit_weights);
    tm__mem_free(j->pred);
    json_decref(j->tried);
}

/* [n_valid x outputs] raw answers on validation rows of what was chosen, in *out, which ends with
 * tm__mem_free(). TM_E_NOMEM. */
static tm_status valid_raw(const tm_search *search, double **out, tm_err *err) {
    const uint64_t n = search->n_valid * tm__train_outputs(search->data);
    double *raw = tm__mem_alloc(n, sizeof(double));
    if (raw == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for validation answers");
    }
    const tm_status st = tm__blend_raw(search, raw, err);
    if (st != TM_OK) {
        tm__mem_free(raw);
        return st;
    }
    *out = raw;
    return TM_OK;
}

static double weight_of(const job *j, uint64_t row) {
    return j->search->valid_weights != NULL ? j->search->valid_weights[row] : 1.0;
}

static uint32_t part_of(const job *j, uint64_t row) {
    return j->is_time_ordered ? (uint32_t)(row * PARTS / j->search->n_valid)
                              : (uint32_t)(tm__rng_at(j->key, row) % PARTS);
}

static double loss_of_row(job *j, const tm_calibration *map, uint64_t row) {
    memcpy(j->pred, j->raw + row * j->k, j->k * sizeof(double));
    tm__calibration_apply(map, 1, j->pred);
    tm__model_link(j->link, j->k, 1, j->pred);
    const uint32_t truth = (uint32_t)j->search->valid_y[row];
    const double p = j->k > 1 ? j->pred[truth] : truth == 1 ? j->pred[0] : 1.0 - j->pred[0];
    return -tm__log(p < FLOOR ? FLOOR : p);
}

/* Rows to fit on: spread over all; those that count and are of a class that the model knows. */
static tm_status choose_rows(job *j, tm_err *err) {
    const tm_search *s = j->search;
    const uint64_t most = VALUES_MAX / j->k < ROWS_MAX ? VALUES_MAX / j->k : ROWS_MAX;
    const uint64_t n = s->n_valid < most ? s->n_valid : most;
    j->rows = tm__mem_alloc(n, sizeof(*j->rows));
    j->before = tm__mem_alloc(n, sizeof(double));
    j->fit_raw = tm__mem_alloc(n * j->k, sizeof(double));
    j->fit_y = tm__mem_alloc(n, sizeof(double));
    j->fit_weights = tm__mem_alloc(n, sizeof(double));
    j->pred = tm__mem_alloc(j->k, sizeof(double));
    if (j->rows == NULL || j->before == NULL || j->fit_raw == NULL || j->fit_y == NULL ||
        j->fit_weights == NULL || j->pred == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a calibration");
    }
    const tm_calibration none = {0};
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t row = i * s->n_valid / n;
        if (s->valid_y[row] < j->n_classes && weight_of(j, row) > 0.0) {
            j->before[j->n] = loss_of_row(j, &none, row);
            j->rows[j->n++] = row;
        }
    }
    return TM_OK;
}

/* Rows but those of a part (PARTS: all), their weights brought to a mean of 1. */
static tm_calibrate_rows gather(job *j, uint32_t without) {
    uint64_t n = 0;
    double sum = 0.0;
    for (uint64_t i = 0; i < j->n; i++) {
        const uint64_t row = j->rows[i];
        if (part_of(j, row) == without) {
            continue;
        }
        memcpy(j->fit_raw + n * j->k, j->raw + row * j->k, j->k * sizeof(double));
        j->fit_y[n] = j->search->valid_y[row];
        j->fit_weights[n] = weight_of(j, row);
        sum += j->fit_weights[n++];
    }
    for (uint64_t i = 0; i < n; i++) {
        j->fit_weights[i] *= (double)n / sum;
    }
    return (tm_calibrate_rows){
        .n_outputs = j->k, .n = n, .raw = j->fit_raw, .y = j->fit_y, .weights = j->fit_weights};
}

/* Rows of the rarest class. */
static uint64_t count_rarest(const job *j) {
    uint64_t least = UINT64_MAX;
    for (uint32_t c = 0; c < j->n_classes; c++) {
        uint64_t n = 0;
        for (uint64_t i = 0; i < j->n; i++) {
            n += j->search->valid_y[j->rows[i]] == c;
        }
        least = n < least ? n : least;
    }
    return least;
}

/* Weighted mean of a - b (b NULL: of a), and its standard error. */
static double mean_loss(const job *j, const double *a, const double *b, double *out_error) {
    double weights = 0.0, sum = 0.0, squares = 0.0;
    for (uint64_t i = 0; i < j->n; i++) {
        const double w = weight_of(j, j->rows[i]);
        weights += w;
        sum += w * (a[i] - (b != NULL ? b[i] : 0.0));
    }
    const double mean = sum / weights;
    for (uint64_t i = 0; i < j->n; i++) {
        const double w = weight_of(j, j->rows[i]);
        const double off = a[i] - (b != NULL ? b[i] : 0.0) - mean;
        squares += w * off * (w * off);
    }
    *out_error = tm__sqrt(squares) / weights;
    return mean;
}

/* Whether the losses b are less than a by no chance. */
static bool is_surely_less(const job *j, const double *b, const double *a) {
    double error = 0.0, sums[PARTS] = {0};
    const double gain = mean_loss(j, a, b, &error);
    for (uint64_t i = 0; i < j->n; i++) {
        sums[part_of(j, j->rows[i])] += weight_of(j, j->rows[i]) * (a[i] - b[i]);
    }
    for (uint32_t part = 0; part < PARTS && j->is_time_ordered; part++) {
        if (!(sums[part] > 0.0)) {
            return false;
        }
    }
    return gain > SURE * error;
}

static tm_status try_method(job *j, const method *m, tm_err *err) {
    trial *t = &j->trials[j->n_trials++];
    double ignored = 0.0;
    *t = (trial){.method = m, .is_whole = true, .losses = tm__mem_alloc(j->n, sizeof(double))};
    if (t->losses == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a calibration");
    }
    for (uint32_t part = 0; part < PARTS; part++) {
        const tm_calibrate_rows rows = gather(j, part);
        if (rows.n > 0) {
            TM_TRY(m->fit(&rows, &t->maps[part], err));
        }
        t->is_whole = t->is_whole && t->maps[part].kind != TM_CALIBRATION_NONE;
    }
    if (!t->is_whole) {
        return TM_OK;
    }
    for (uint64_t i = 0; i < j->n; i++) {
        t->losses[i] = loss_of_row(j, &t->maps[part_of(j, j->rows[i])], j->rows[i]);
    }
    t->logloss = mean_loss(j, t->losses, NULL, &ignored);
    t->gain = mean_loss(j, j->before, t->losses, &t->error);
    json_array_append_new(j->tried,
                          json_pack("{s:s, s:o, s:o, s:o}", "method", m->name, "logloss",
                                    tm__json_number(t->logloss), "gain", tm__json_number(t->gain),
                                    "error", tm__json_number(t->error)));
    return TM_OK;
}

static bool is_for(const job *j, const method *m) {
    return j->k == 1 ? m->for_two : m->for_more;
}

/* The simplest method that nothing surely beats. */
static tm_status try_methods(job *j, const char *asked, tm_err *err) {
    for (uint32_t i = 0; i < METHODS; i++) {
        const bool is_asked = asked != NULL && strcmp(asked, methods[i].name) == 0;
        const bool shifts = j->scales_alone && methods[i].fit != tm__temperature_fit;
        if (!is_for(j, &methods[i]) || (asked != NULL && !is_asked) || (shifts && !is_asked) ||
            (!is_asked && j->n < methods[i].rows_min) ||
            count_rarest(j) < methods[i].class_rows_min) {
            continue;
        }
        TM_TRY(try_method(j, &methods[i], err));
        const trial *t = &j->trials[j->n_trials - 1];
        const double *before = j->best != NULL ? j->best->losses : j->before;
        if (t->is_whole && (is_asked || is_surely_less(j, t->losses, before))) {
            j->best = t;
        }
    }
    j->reason =
        j->best == NULL
            ? (asked != NULL ? "the scores do not rise with the truths of the validation rows"
                             : "no map has a log-loss on validation rows that is surely less")
        : asked != NULL ? "asked for"
                        : "the least log-loss on validation rows, each scored by a map of "
                          "the others";
    return TM_OK;
}

/* Validation answers as maps give them that were fitted on other rows. */
static void answer_again(job *j) {
    tm_search *s = j->search;
    for (uint64_t row = 0; row < s->n_valid; row++) {
        double *out = s->valid_pred + row * j->k;
        memcpy(out, j->raw + row * j->k, j->k * sizeof(double));
        tm__calibration_apply(&j->best->maps[part_of(j, row)], 1, out);
        tm__model_link(j->link, j->k, 1, out);
    }
}

static json_t *record_of(const job *j, const tm_calibration *map) {
    const bool is_none = map->kind == TM_CALIBRATION_NONE;
    json_t *record = json_pack("{s:s, s:s}", "method", is_none ? "none" : j->best->method->name,
                               "reason", j->reason);
    if (j->n > 0) {
        double ignored = 0.0;
        const double before = mean_loss(j, j->before, NULL, &ignored);
        json_object_set_new(record, "rows", json_integer((json_int_t)j->n));
        json_object_set_new(record, "logloss",
                            json_pack("{s:o, s:o}", "before", tm__json_number(before), "after",
                                      tm__json_number(is_none ? before : j->best->logloss)));
    }
    if (j->tried != NULL) {
        json_object_set(record, "tried", j->tried);
    }
    return record;
}

/* What was asked for must be for the task, and have rows. */
static tm_status check_asked(const job *j, const char *asked, tm_err *err) {
    bool is_known = false, is_task = false;
    for (uint32_t i = 0; i < METHODS; i++) {
        const bool is_it = strcmp(asked, methods[i].name) == 0;
        is_known = is_known || is_it;
        is_task = is_task || (is_it && is_for(j, &methods[i]));
    }
    if (!is_known) {
        return TM_FAIL(err, TM_E_USAGE, "'%.40s' is no way to calibrate", asked);
    }
    if (!is_task) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "'%s' does not calibrate %u classes", asked, j->n_classes);
        tm_err_hint(err, "Use --calibrate %s, or leave it out.",
                    j->k == 1 ? "platt or isotonic" : "temperature or platt");
        return st;
    }
    return TM_OK;
}

static uint64_t class_rows_min(const job *j, const char *asked) {
    uint64_t least = 0;
    for (uint32_t i = 0; i < METHODS; i++) {
        if (strcmp(asked, methods[i].name) == 0 && is_for(j, &methods[i])) {
            least = methods[i].class_rows_min;
        }
    }
    return least;
}

static tm_status no_rows(const char *asked, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_USAGE, "there are too few validation rows to calibrate by '%s'", asked);
    tm_err_hint(err,
                "It needs %u of each class. Leave --calibrate out, give more rows, or keep "
                "early stopping: a fit without it holds none out.",
                CLASS_ROWS_MIN);
    return st;
}

/* Answers of a fit that the budget ended, of which the refit has many times the rounds: a map of
 * theirs would bend answers that are surer already. */
static bool is_hurried(const tm_search *s) {
    return s->n_blend == 1 && s->candidates[s->best].is_hurried;
}

static tm_status calibrate(job *j, const char *asked, tm_calibration *out, tm_err *err) {
    const tm_search *s = j->search;
    if (asked != NULL) {
        TM_TRY(check_asked(j, asked, err));
    }
    if (s->valid_pred != NULL) {
        TM_TRY(valid_raw(s, &j->raw, err));
        TM_TRY(choose_rows(j, err));
    }
    if (j->n < (asked != NULL ? 1 : ROWS_MIN) ||
        (asked != NULL && count_rarest(j) < class_rows_min(j, asked))) {
        j->reason =
            s->valid_pred != NULL ? "too few validation rows" : "there were no validation rows";
        return asked != NULL ? no_rows(asked, err) : TM_OK;
    }
    if (asked == NULL && is_hurried(s)) {
        j->reason = "the budget ended the fit that answered the validation rows";
        return TM_OK;
    }
    j->tried = json_array();
    TM_TRY(try_methods(j, asked, err));
    if (j->best == NULL) {
        return TM_OK;
    }
    const tm_calibrate_rows rows = gather(j, PARTS);
    TM_TRY(j->best->method->fit(&rows, out, err));
    if (out->kind == TM_CALIBRATION_NONE) {
        j->best = NULL;
        j->reason = "the scores do not rise with the truths of the validation rows";
        return TM_OK;
    }
    answer_again(j);
    return TM_OK;
}

/* Weights that moved were fitted to the log-loss itself, on all the rows that a map would have a
 * fifth of: of two classes, without a map before there is none now. Of more, what moved far is too
 * sure of itself, and a temperature mends it. */
static bool is_moved(const tm_search *search) {
    const tm_bundle *const base = search->options->base;
    if (search->data->task != TM_TASK_BINARY || !search->options->is_update || base == NULL ||
        !tm__bundle_model(base)->ops->weighs_before) {
        return false;
    }
    const json_t *const before = json_object_get(tm__bundle_info(base), "calibration");
    return strcmp(tm__json_text(before, "method", "none"), "none") == 0;
}

tm_status tm__train_calibrate(tm_search *search, tm_calibration *out, json_t **out_record,
                              tm_err *err) {
    const tm_task task = search->data->task;
    const char *option = search->options->calibrate;
    const bool is_auto = option == NULL || strcmp(option, "auto") == 0;
    const bool is_off = !is_auto && strcmp(option, "none") == 0;
    tm_calibration map = {0};
    if (task != TM_TASK_BINARY && task != TM_TASK_MULTICLASS) {
        if (!is_auto && !is_off) {
            const tm_status st =
                TM_FAIL(err, TM_E_USAGE, "a %s target has no probabilities", tm__task_text(task));
            tm_err_hint(err, "Leave --calibrate out.");
            return st;
        }
        *out_record = json_null();
        return TM_OK;
    }
    job j = {.search = search,
             .k = tm__train_outputs(search->data),
             .n_classes = search->data->n_classes,
             .is_time_ordered = search->data->is_time_ordered,
             .link = task == TM_TASK_BINARY ? TM_LINK_SIGMOID : TM_LINK_SOFTMAX,
             .key = tm__rng_split(search->options->seed, "train.calibrate", 0).key,
             .reason = "asked for"};
    if (search->options->mixture != NULL && task == TM_TASK_MULTICLASS) {
        /* The newest rows have the classes of an hour, which a shift for each would learn. */
        j.scales_alone = true;
        j.is_time_ordered = false;
    }
    const bool is_as_before = is_auto && is_moved(search);
    j.reason = is_as_before ? "as before the update" : j.reason;
    tm_status st =
        is_off || is_as_before ? TM_OK : calibrate(&j, is_auto ? NULL : option, &map, err);
    if (st == TM_OK) {
        *out_record = record_of(&j, &map);
        *out = map;
    } else {
        tm__calibration_done(&map);
    }
    job_done(&j);
    return st;
}
