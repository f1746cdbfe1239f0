/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of some answers: of those with a label, what the others may make of them, and what all of
 * them let expect. */
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "metric/metric_sure.h"
#include "monitor/monitor_live_priv.h"

/* Numbers of one expected score in memory; of more rows some are taken, evenly. */
#define EXPECT_NUMBERS ((uint64_t)1 << 26)

static const tm_score_range unknown_range = {NAN, NAN, NAN};

static bool is_of(const tm_metric_ops *metric, const tm_bundle *bundle) {
    /* Answers of a ranking are logged without their queries. */
    const tm_task task = tm__bundle_task(bundle);
    return task != TM_TASK_RANKING && (metric->tasks & (1u << task)) != 0;
}

/* A score that some rows do not define is not known; any other failure is one. */
static tm_status known_or_none(tm_status st, const tm_err *own, tm_score_range *range,
                               tm_err *err) {
    if (st == TM_OK) {
        return st;
    }
    *range = unknown_range;
    if (st == TM_E_DATA || st == TM_E_UNSUPPORTED) {
        return TM_OK;
    }
    if (err != NULL) {
        *err = *own;
    }
    return st;
}

static tm_status realised(const tm_metric_ops *metric, const tm_score_input *known,
                          tm_score_range *out, tm_err *err) {
    tm_err own = {0};
    *out = unknown_range;
    if (known->n_rows == 0) {
        return TM_OK;
    }
    if (known->weights != NULL) { /* how sure a weighted score is, nothing here knows */
        return known_or_none(tm__metric_score(metric, known, &out->value, &own), &own, out, err);
    }
    return known_or_none(tm__metric_interval(metric, known, out, &own), &own, out, err);
}

static tm_status bounds(const tm_metric_ops *metric, const tm_live_part *part, tm_score_range *out,
                        tm_err *err) {
    const tm_score_input all = tm__live_input(part);
    tm_err own = {0};
    *out = unknown_range;
    if (all.n_rows == 0 || all.weights != NULL) {
        return TM_OK;
    }
    return known_or_none(tm__metric_bounds(metric, &all, out, &own), &own, out, err);
}

/* A label of a class that training never saw is no truth that the bounds know; it counts as wrong
 * in the score itself, so there the bounds would not hold. */
static bool has_other_class(const tm_score_input *known) {
    for (uint64_t i = 0; i < known->n_rows && known->n_classes > 0; i++) {
        if (known->y[i] >= (double)known->n_classes) {
            return true;
        }
    }
    return false;
}

static json_t *score_entry(const tm_metric_ops *metric) {
    json_t *entry = json_object();
    json_object_set_new(entry, "score", json_string(metric->name));
    json_object_set_new(entry, "smaller_is_better", json_boolean(metric->is_loss));
    return entry;
}

static void set_range(json_t *entry, const tm_score_range *range) {
    json_object_set_new(entry, "value", tm__json_number(range->value));
    json_object_set_new(entry, "low", tm__json_number(range->low));
    json_object_set_new(entry, "high", tm__json_number(range->high));
}

static tm_status add_score(const tm_metric_ops *metric, const tm_live_part *part,
                           const tm_score_input *known, bool has_bounds, json_t *list,
                           tm_err *err) {
    tm_score_range range, open = unknown_range;
    TM_TRY(realised(metric, known, &range, err));
    if (has_bounds) {
        TM_TRY(bounds(metric, part, &open, err));
    }
    json_t *entry = score_entry(metric);
    set_range(entry, &range);
    json_object_set_new(entry, "worst", tm__json_number(metric->is_loss ? open.high : open.low));
    json_object_set_new(entry, "best", tm__json_number(metric->is_loss ? open.low : open.high));
    json_array_append_new(list, entry);
    return TM_OK;
}

tm_status tm__live_scores(const tm_live_part *part, bool has_bounds, json_t **out, tm_err *err) {
    tm_score_input known;
    double *room = NULL;
    TM_TRY(tm__live_known(part, &known, &room, err));
    json_t *list = json_array();
    tm_status st = TM_OK;
    const bool may_bound = has_bounds && !has_other_class(&known);
    for (uint32_t i = 0; st == TM_OK && tm__metric_list()[i] != NULL; i++) {
        const tm_metric_ops *metric = tm__metric_list()[i];
        if (part->end > part->from && is_of(metric, part->rows->bundle)) {
            st = add_score(metric, part, &known, may_bound, list, err);
        }
    }
    tm__mem_free(room);
    return tm__json_give(st, list, out, err);
}

/* ---- without labels ---- */

/* Some of the rows, evenly, where all would not fit: pred is copied. */
typedef struct thinned {
    tm_score_input in;
    double *pred; /* owned; NULL: all of them */
} thinned;

static tm_status thin(const tm_score_input *in, thinned *out, tm_err *err) {
    const uint64_t n_outputs = in->task == TM_TASK_BINARY ? 1 : in->n_classes;
    const uint64_t n_classes = in->task == TM_TASK_BINARY ? 2 : in->n_classes;
    const uint64_t n_max = EXPECT_NUMBERS / (n_outputs * n_classes);
    *out = (thinned){.in = *in};
    if (in->n_rows <= n_max) {
        return TM_OK;
    }
    out->pred = tm__mem_alloc(n_max * n_outputs, sizeof(double));
    if (out->pred == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for an expected score");
    }
    for (uint64_t i = 0; i < n_max; i++) {
        const uint64_t row = i * in->n_rows / n_max;
        memcpy(&out->pred[i * n_outputs], &in->pred[row * n_outputs], n_outputs * sizeof(double));
    }
    out->in.n_rows = n_max;
    out->in.pred = out->pred;
    return TM_OK;
}

static tm_status expected(const tm_metric_ops *metric, const tm_bundle *bundle,
                          const tm_score_input *in, tm_score_range *out, tm_err *err) {
    tm_err own = {0};
    *out = unknown_range;
    if (in->n_rows == 0 || in->weights != NULL) {
        return TM_OK;
    }
    if (in->task == TM_TASK_REGRESSION) {
        tm__live_expect_errors(metric, tm__bundle_conformal(bundle), in, out);
        return TM_OK;
    }
    thinned some;
    TM_TRY(thin(in, &some, err));
    const tm_status st = tm__metric_expect(metric, &some.in, out, &own);
    tm__mem_free(some.pred);
    return known_or_none(st, &own, out, err);
}

static tm_status add_estimate(const tm_metric_ops *metric, const tm_live_part *part,
                              const tm_score_input *known, json_t *list, tm_err *err) {
    const tm_score_input all = tm__live_input(part);
    tm_score_range range, of_labelled, real;
    TM_TRY(expected(metric, part->rows->bundle, &all, &range, err));
    if (isnan(range.value)) {
        return TM_OK;
    }
    TM_TRY(expected(metric, part->rows->bundle, known, &of_labelled, err));
    TM_TRY(realised(metric, known, &real, err));
    json_t *entry = score_entry(metric);
    set_range(entry, &range);
    json_object_set_new(entry, "of_labelled", tm__json_number(of_labelled.value));
    json_object_set_new(entry, "realised", tm__json_number(real.value));
    json_array_append_new(list, entry);
    return TM_OK;
}

tm_status tm__live_estimates(const tm_live_part *part, json_t **out, tm_err *err) {
    tm_score_input known;
    double *room = NULL;
    TM_TRY(tm__live_known(part, &known, &room, err));
    json_t *list = json_array();
    tm_status st = TM_OK;
    for (uint32_t i = 0; st == TM_OK && tm__metric_list()[i] != NULL; i++) {
        const tm_metric_ops *metric = tm__metric_list()[i];
        if (is_of(metric, part->rows->bundle)) {
            st = add_estimate(metric, part, &known, list, err);
        }
    }
    tm__mem_free(room);
    return tm__json_give(st, list, out, err);
}
