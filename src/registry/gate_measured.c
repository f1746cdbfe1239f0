/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of a gate that rows with their truth, or a measurement on this
 * machine, decide; the form of `measured` is in
 * registry.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "metric/metric.h"
#include "registry/registry_priv.h"

typedef struct measuring {
    const tm_gate *gate;
    const json_t *measured;
    const char *rows; /* on which */
    tm_gate_verdict *out;
} measuring;

static const json_t *find_score(const json_t *scores, const char *name) {
    const json_t *item = NULL;
    size_t i = 0;
    json_array_foreach((json_t *)(uintptr_t)scores, i, item) {
        if (strcmp(tm__json_text(item, "score", ""), name) == 0) {
            return item;
        }
    }
    return NULL;
}

/* Why something was not measured. */
static const char *why_not(const measuring *m, const char *what) {
    return tm__json_text(json_object_get(m->measured, "errors"), what, "nothing was measured");
}

/* The end of an interval that speaks against the version; the value itself when there is none. */
static double worse_end(const json_t *interval, bool is_loss) {
    const double value = tm__json_f64(interval, "value", tm__nan());
    return tm__json_f64(interval, is_loss ? "high" : "low", value);
}

/* ---- Floors whose interval must meet them ---- */

static void check_floor(const measuring *m, const tm_gate_floor *floor, const json_t *scores,
                        const char *where) {
    char check[400], bound[40];
    const tm_metric_ops *const metric = tm__metric_find(floor->metric);
    const json_t *const score = find_score(scores, floor->metric);
    (void)snprintf(check, sizeof(check), "min %s%s%s", floor->metric, where[0] != '\0' ? " " : "",
                   where);
    tm__gate_number(floor->value, bound);
    if (metric == NULL || score == NULL) {
        tm__gate_say(m->out, check, false, "%s%s%s cannot be held against %s: %s", floor->metric,
                     where[0] != '\0' ? " where " : "", where, bound, why_not(m, "rows"));
        return;
    }
    const double value = tm__json_f64(score, "value", tm__nan());
    const double end = m->gate->is_sure ? worse_end(score, metric->is_loss) : value;
    const bool is_met = metric->is_loss ? end <= floor->value : end >= floor->value;
    tm__gate_say(m->out, check, is_met, "%s %.4f (%.4f to %.4f)%s%s on %s %s the %s of %s",
                 floor->metric, value, tm__json_f64(score, "low", value),
                 tm__json_f64(score, "high", value), where[0] != '\0' ? " where " : "", where,
                 m->rows, is_met ? "meets" : "misses", metric->is_loss ? "ceiling" : "floor",
                 bound);
}

static void check_sure_gain(const measuring *m, const char *metric) {
    const json_t *const score = find_score(json_object_get(m->measured, "scores"), metric);
    const json_t *const gain = json_object_get(score, "gain");
    static const char check[] = "surely better_than champion";
    if (!json_is_object(gain)) {
        tm__gate_say(m->out, check, false, "the gain in %s is not known: %s", metric,
                     why_not(m, "rows"));
        return;
    }
    const double low = tm__json_f64(gain, "low", -INFINITY);
    if (m->gate->is_refit) {
        const double high = tm__json_f64(gain, "high", -INFINITY);
        const bool is_as_good = high >= -m->gate->by;
        tm__gate_say(m->out, "not surely worse than champion", is_as_good,
                     "a gain in %s of %.4g (%.4g to %.4g) of the same recipe on fewer rows, on %s,"
                     " is %s by more than %.6g",
                     metric, tm__json_f64(gain, "value", 0), low, high, m->rows,
                     is_as_good ? "not surely worse" : "surely worse", m->gate->by);
        return;
    }
    const bool is_met = low > 0 && low >= m->gate->by;
    tm__gate_say(m->out, check, is_met, "a gain in %s of %.4g (%.4g to %.4g) on %s is %s by %.6g",
                 metric, tm__json_f64(gain, "value", 0), low, tm__json_f64(gain, "high", 0),
                 m->rows, is_met ? "surely better" : "not surely better", m->gate->by);
}

/* ---- Slices ---- */

static void slice_text(const json_t *slice, char *out, size_t size) {
    (void)snprintf(out, size, "%.100s = %.100s", tm__json_text(slice, "column", ""),
                   tm__json_text(slice, "group", ""));
}

/* True when it was compared with the champion. */
static bool check_slice(const measuring *m, const json_t *slice, const char *metric) {
    const json_t *const scores = json_object_get(slice, "scores");
    const json_t *const gain = json_object_get(find_score(scores, metric), "gain");
    char where[210], check[230];
    slice_text(slice, where, sizeof(where));
    (void)snprintf(check, sizeof(check), "slice %s", where);
    if (json_is_object(gain)) {
        const double high = tm__json_f64(gain, "high", INFINITY);
        tm__gate_say(m->out, check, !(high < 0),
                     "%s where %s (%lld rows): a gain of %.4g (%.4g to %.4g)", metric, where,
                     (long long)tm__json_i64(slice, "rows", 0), tm__json_f64(gain, "value", 0),
                     tm__json_f64(gain, "low", 0), high);
    }
    for (uint32_t i = 0; i < m->gate->n_slice_floors; i++) {
        check_floor(m, &m->gate->slice_floors[i], scores, where);
    }
    return json_is_object(gain);
}

static void check_slices(const measuring *m, const char *metric) {
    const bool is_alone = tm__json_bool(m->measured, "alone", false);
    for (uint32_t c = 0; c < m->gate->n_slices; c++) {
        const char *const column = m->gate->slices[c];
        const json_t *slice = NULL;
        size_t i = 0, n = 0, n_compared = 0;
        json_array_foreach(json_object_get(m->measured, "slices"), i, slice) {
            if (strcmp(tm__json_text(slice, "column", ""), column) == 0) {
                n_compared += check_slice(m, slice, metric) || is_alone ? 1 : 0;
                n++;
            }
        }
        if (n_compared == 0) {
            char check[TM_GATE_COLUMN + 16];
            (void)snprintf(check, sizeof(check), "slices %s", column);
            tm__gate_say(m->out, check, false, "the groups of '%.100s' were not compared: %s",
                         column,
                         n == 0 ? why_not(m, column)
                                : "there are too few rows that neither version learned from");
        }
    }
}

/* ---- Calibration, fairness, cost ---- */

static void check_calibration(const measuring *m) {
    const json_t *const ece = find_score(json_object_get(m->measured, "scores"), "ece");
    const double limit = m->gate->calibration_max;
    if (ece == NULL) {
        tm__gate_say(m->out, "calibration_error", false, "the calibration error is not known: %s",
                     why_not(m, "ece"));
        return;
    }
    const double value = tm__json_f64(ece, "value", tm__nan());
    const double end = m->gate->is_sure ? worse_end(ece, true) : value;
    tm__gate_say(m->out, "calibration_error", end <= limit,
                 "a calibration error of %.4f (%.4f to %.4f) on %s is %s %.6g", value,
                 tm__json_f64(ece, "low", value), tm__json_f64(ece, "high", value), m->rows,
                 end <= limit ? "within" : "over", limit);
}

static void check_fairness(const measuring *m) {
    const json_t *const fifths =
        json_object_get(json_object_get(m->measured, "fairness"), "four_fifths");
    const json_t *const ratio = json_object_get(fifths, "ratio");
    const char *const column = m->gate->fair_group;
    if (!json_is_object(ratio)) {
        tm__gate_say(m->out, "fairness", false, "the groups of '%.100s' were not compared: %s",
                     column,
                     json_object_get(m->measured, "fairness") != NULL
                         ? "fewer than two of them have enough rows"
                         : why_not(m, "fairness"));
        return;
    }
    const double value = tm__json_f64(ratio, "value", tm__nan());
    const double end = m->gate->is_sure ? worse_end(ratio, false) : value;
    tm__gate_say(m->out, "fairness", end >= m->gate->fair_ratio,
                 "of the groups of '%.100s', '%.60s' is called positive %.3g (%.3g to %.3g) times "
                 "as often as '%.60s' on %s; asked are %.6g",
                 column, tm__json_text(fifths, "least", ""), value,
                 tm__json_f64(ratio, "low", value), tm__json_f64(ratio, "high", value),
                 tm__json_text(fifths, "most", ""), m->rows, m->gate->fair_ratio);
}

static void check_here(const measuring *m, const char *check, const char *what, double limit) {
    const json_t *const here = json_object_get(m->measured, "here");
    const double value = tm__json_f64(here, check, tm__nan());
    if (limit <= 0) {
        return;
    }
    if (isnan(value)) {
        tm__gate_say(m->out, check, false, "%s is not known: %s", what, why_not(m, "here"));
        return;
    }
    const bool is_met = value <= limit;
    tm__gate_say(m->out, check, is_met, "%s of %.6g, measured here, is %s the %.6g asked", what,
                 value, is_met ? "within" : "over", limit);
}

/* Behind by more than a hundredth of what was due is not keeping up. */
static void check_load(const measuring *m) {
    const json_t *const load = json_object_get(m->measured, "load");
    const tm_gate *const gate = m->gate;
    char limit[64] = "";
    if (!json_is_object(load)) {
        tm__gate_say(m->out, "load", false, "its answers to %.6g rows a second are not known: %s",
                     gate->load_rate, why_not(m, "load"));
        return;
    }
    const double rate = tm__json_f64(load, "rows_per_second", 0);
    const double p99 = tm__json_f64(load, "p99_us", INFINITY);
    const bool keeps_up = rate >= 0.99 * gate->load_rate;
    const bool is_quick = gate->load_p99_us <= 0 || p99 <= gate->load_p99_us;
    const long long n_refused = (long long)tm__json_i64(load, "refused", 0);
    if (gate->load_p99_us > 0) {
        (void)snprintf(limit, sizeof(limit), " (at most %.6g asked)", gate->load_p99_us);
    }
    tm__gate_say(m->out, "load", keeps_up && is_quick && n_refused == 0,
                 "of %.6g rows a second for %.3g s it answered %.6g a second, 99 of 100 within "
                 "%.6g us%s, and refused %lld (%s)",
                 gate->load_rate, tm__json_f64(load, "seconds", 0), rate, p99, limit, n_refused,
                 tm__json_text(load, "rows", ""));
}

bool tm__gate_covers(const tm_gate *gate, uint64_t n_answers, uint64_t n_labelled,
                     char out_text[TM_GATE_COVERAGE_TEXT]) {
    const double share = n_answers > 0 ? (double)n_labelled / (double)n_answers : 0;
    const double days = (double)gate->coverage_after_us / 86400e6;
    const bool is_met = n_answers > 0 && share >= gate->coverage_min;
    (void)snprintf(out_text, TM_GATE_COVERAGE_TEXT,
                   "of %llu answers that are older than %.4g day%s %.1f %% have a label, %s the "
                   "%.1f %% asked",
                   (unsigned long long)n_answers, days, days == 1 ? "" : "s", 100 * share,
                   is_met ? "at least" : "below", 100 * gate->coverage_min);
    return is_met;
}

/* Labels that came for some answers alone say what is true of those alone. */
static void check_coverage(const measuring *m) {
    const json_t *const coverage = json_object_get(m->measured, "coverage");
    const int64_t n = tm__json_i64(coverage, "answers", 0);
    char text[TM_GATE_COVERAGE_TEXT];
    if (n <= 0) {
        tm__gate_say(m->out, "coverage", false, "how many answers get a label is not known: %s",
                     coverage == NULL ? why_not(m, "coverage")
                                      : "none that was given lately is old enough");
        return;
    }
    const bool is_met = tm__gate_covers(m->gate, (uint64_t)n,
                                        (uint64_t)tm__json_i64(coverage, "labelled", 0), text);
    tm__gate_say(m->out, "coverage", is_met, "%s", text);
}

void tm__gate_check_measured(const tm_gate *gate, const char *metric, const json_t *measured,
                             tm_gate_verdict *out) {
    const measuring m = {.gate = gate,
                         .measured = measured,
                         .rows = tm__json_text(measured, "rows", "no rows"),
                         .out = out};
    for (uint32_t i = 0; gate->is_sure && i < gate->n_floors; i++) {
        check_floor(&m, &gate->floors[i], json_object_get(measured, "scores"), "");
    }
    if (gate->is_sure && gate->better_than_champion) {
        check_sure_gain(&m, metric);
    }
    check_slices(&m, metric);
    if (gate->calibration_max > 0) {
        check_calibration(&m);
    }
    if (gate->fair_group[0] != '\0') {
        check_fairness(&m);
    }
    check_here(&m, "latency_us", "latency", gate->latency_us_max);
    check_here(&m, "bytes", "memory", (double)gate->memory_bytes_max);
    if (tm__gate_needs_load(gate)) {
        check_load(&m);
    }
    if (tm__gate_needs_coverage(gate)) {
        check_coverage(&m);
    }
}
