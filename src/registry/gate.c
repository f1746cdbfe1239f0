/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each thing that is asked is one check, with what was found in words. A gate is open when all are;
 * what could not be measured is no. gate_measured.c has those that measurements decide.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "metric/metric.h"
#include "registry/registry_priv.h"

/* A gain that differs from what is asked by less than this is rounding, not quality. */
#define TM_GATE_EPSILON 1e-12

bool tm__registry_score(const json_t *info, const char *metric, double *out) {
    static const char *const places[] = {"test", "validation"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const json_t *value = json_object_get(json_object_get(info, places[i]), metric);
        if (json_is_number(value)) {
            *out = json_number_value(value);
            return true;
        }
    }
    return false;
}

static tm_figures figures_of(double a, double b) {
    tm_figures out;
    for (int digits = 4; digits <= 16; digits += 4) {
        snprintf(out.a, sizeof(out.a), "%.*f", digits, a);
        snprintf(out.b, sizeof(out.b), "%.*f", digits, b);
        if (a == b || strcmp(out.a, out.b) != 0) {
            break;
        }
    }
    return out;
}

void tm__gate_number(double value, char out[40]) {
    snprintf(out, 40, "%.6g", value);
}

void tm__gate_say(tm_gate_verdict *verdict, const char *check, bool is_open, const char *fmt, ...) {
    char said[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(said, sizeof(said), fmt, args);
    va_end(args);
    json_array_append_new(verdict->checks, json_pack("{s:s, s:b, s:s}", "check", check, "open",
                                                     is_open, "said", said));
    if (verdict->is_open != is_open) { /* the first refusal: what was met is no reason any more */
        if (is_open) {
            return;
        }
        verdict->is_open = false;
        verdict->reason[0] = '\0';
    }
    const size_t used = strlen(verdict->reason);
    snprintf(verdict->reason + used, sizeof(verdict->reason) - used, "%s%s", used == 0 ? "" : "; ",
             said);
}

static void check_floor(const tm_gate_floor *floor, const tm_version *candidate,
                        tm_gate_verdict *out) {
    const tm_metric_ops *metric = tm__metric_find(floor->metric);
    double score = 0;
    char floor_text[40], check[48];
    tm__gate_number(floor->value, floor_text);
    snprintf(check, sizeof(check), "min %s", floor->metric);
    if (metric == NULL || !tm__registry_score(candidate->info, floor->metric, &score)) {
        tm__gate_say(out, check, false, "it has no %s of its own to hold against the %s",
                     floor->metric, floor_text);
        return;
    }
    const bool is_met = metric->is_loss ? score <= floor->value : score >= floor->value;
    const tm_figures text = figures_of(score, floor->value);
    const char *bound = metric->is_loss ? "ceiling" : "floor";
    if (is_met) {
        tm__gate_say(out, check, true, "%s %s on its own test meets the %s of %s", metric->name,
                     text.a, bound, floor_text);
    } else {
        tm__gate_say(out, check, false, "%s %s on its own test is %s the %s of %s", metric->name,
                     text.a, metric->is_loss ? "above" : "below", bound, floor_text);
    }
}

static void check_better(const tm_gate *gate, const char *metric_name, const tm_gate_scores *scores,
                         tm_gate_verdict *out) {
    const tm_metric_ops *metric = tm__metric_find(metric_name);
    static const char check[] = "better_than champion";
    char by_text[40], gain_text[40];
    if (scores == NULL || !scores->has_comparison || metric == NULL) {
        tm__gate_say(out, check, false,
                     "there are no rows on which it and the champion could both be scored");
        return;
    }
    if (!isfinite(scores->candidate) || !isfinite(scores->champion)) {
        tm__gate_say(out, check, false, "%s cannot be computed on %s", metric->name, scores->rows);
        return;
    }
    const double gain = tm__metric_gain(metric, scores->candidate, scores->champion);
    const bool is_better = gain > 0 && gain >= gate->by - TM_GATE_EPSILON;
    const tm_figures text = figures_of(scores->candidate, scores->champion);
    tm__gate_number(gate->by, by_text);
    if (gate->is_refit) {
        const bool is_as_good = gain >= -gate->by - TM_GATE_EPSILON;
        tm__gate_say(out, "as good as champion", is_as_good,
                     "%s %s of the same recipe on fewer rows is %sworse than champion's %s by more"
                     " than %s on %s",
                     metric->name, text.a, is_as_good ? "not " : "", text.b, by_text, scores->rows);
    } else if (is_better) {
        snprintf(gain_text, sizeof(gain_text), "%.4g", gain);
        tm__gate_say(out, check, true, "%s %s is better than champion's %s by %s on %s",
                     metric->name, text.a, text.b, gain_text, scores->rows);
    } else {
        tm__gate_say(out, check, false, "%s %s is not better than champion's %s%s%s on %s",
                     metric->name, text.a, text.b, gate->by > 0 ? " by " : "",
                     gate->by > 0 ? by_text : "", scores->rows);
    }
}

bool tm__gate_needs_rows(const tm_gate *gate) {
    return (gate->is_sure && (gate->n_floors > 0 || gate->better_than_champion)) ||
           gate->n_slices > 0 || gate->calibration_max > 0 || gate->fair_group[0] != '\0';
}

bool tm__gate_needs_here(const tm_gate *gate) {
    return gate->latency_us_max > 0 || gate->memory_bytes_max > 0;
}

bool tm__gate_needs_coverage(const tm_gate *gate) {
    return gate->coverage_min > 0;
}

bool tm__gate_needs_load(const tm_gate *gate) {
    return gate->load_rate > 0;
}

bool tm__gate_asks(const tm_gate *gate) {
    return gate->better_than_champion || gate->n_floors > 0 || tm__gate_needs_rows(gate) ||
           tm__gate_needs_here(gate) || tm__gate_needs_load(gate) || tm__gate_needs_coverage(gate);
}

void tm__gate_check(const tm_gate *gate, const tm_version *candidate, const tm_gate_scores *scores,
                    tm_gate_verdict *out) {
    tm_gate_verdict verdict = {.is_open = true, .checks = json_array()};
    const char *metric =
        gate->metric[0] != '\0' ? gate->metric : tm__json_text(candidate->info, "metric", "");
    if (gate->better_than_champion) {
        check_better(gate, metric, scores, &verdict);
    }
    for (uint32_t i = 0; i < gate->n_floors; i++) {
        check_floor(&gate->floors[i], candidate, &verdict);
    }
    tm__gate_check_measured(gate, metric, scores == NULL ? NULL : scores->measured, &verdict);
    if (verdict.reason[0] == '\0') {
        snprintf(verdict.reason, sizeof(verdict.reason), "the gate asks for nothing");
    }
    *out = verdict;
}

void tm__gate_verdict_done(tm_gate_verdict *verdict) {
    json_decref(verdict->checks);
    verdict->checks = NULL;
}
