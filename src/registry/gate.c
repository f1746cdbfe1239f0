/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
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

/* Four digits, or as many as it takes to tell the two figures apart. */
typedef struct tm_figures {
    char a[40], b[40];
} tm_figures;

static tm_figures figures(double a, double b) {
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

/* A threshold as a person would write it. */
static void plain_number(double value, char out[40]) {
    snprintf(out, 40, "%.6g", value);
}

static void refuse(tm_gate_verdict *out, const char *reason) {
    out->is_open = false;
    snprintf(out->reason, sizeof(out->reason), "%s", reason);
}

/* Add a clause to the reason of an open verdict. */
static void add_clause(tm_gate_verdict *out, const char *clause) {
    const size_t used = strlen(out->reason);
    snprintf(out->reason + used, sizeof(out->reason) - used, "%s%s", used == 0 ? "" : "; ", clause);
}

static void check_floor(const tm_gate *gate, const tm_version *candidate, tm_gate_verdict *out) {
    const tm_metric_ops *metric = tm__metric_find(gate->min_metric);
    double score = 0;
    char reason[400], floor_text[40];
    plain_number(gate->min_value, floor_text);
    if (metric == NULL || !tm__registry_score(candidate->info, gate->min_metric, &score)) {
        snprintf(reason, sizeof(reason), "it has no %s of its own to hold against the %s",
                 gate->min_metric, floor_text);
        refuse(out, reason);
        return;
    }
    const bool is_met = metric->is_loss ? score <= gate->min_value : score >= gate->min_value;
    const tm_figures text = figures(score, gate->min_value);
    const char *bound = metric->is_loss ? "ceiling" : "floor";
    if (is_met) {
        snprintf(reason, sizeof(reason), "%s %s on its own test meets the %s of %s", metric->name,
                 text.a, bound, floor_text);
        add_clause(out, reason);
    } else {
        snprintf(reason, sizeof(reason), "%s %s on its own test is %s the %s of %s", metric->name,
                 text.a, metric->is_loss ? "above" : "below", bound, floor_text);
        refuse(out, reason);
    }
}

static void check_better(const tm_gate *gate, const char *metric_name, const tm_gate_scores *scores,
                         tm_gate_verdict *out) {
    const tm_metric_ops *metric = tm__metric_find(metric_name);
    char reason[400], by_text[40];
    if (scores == NULL || !scores->has_comparison || metric == NULL) {
        refuse(out, "there are no rows on which it and the champion could both be scored");
        return;
    }
    if (!isfinite(scores->candidate) || !isfinite(scores->champion)) {
        snprintf(reason, sizeof(reason), "%s cannot be computed on %s", metric->name, scores->rows);
        refuse(out, reason);
        return;
    }
    const double gain = tm__metric_gain(metric, scores->candidate, scores->champion);
    const bool is_better = gain > 0 && gain >= gate->by - TM_GATE_EPSILON;
    const tm_figures text = figures(scores->candidate, scores->champion);
    plain_number(gate->by, by_text);
    if (is_better) {
        char gain_text[40];
        snprintf(gain_text, sizeof(gain_text), "%.4g", gain);
        snprintf(reason, sizeof(reason), "%s %s is better than champion's %s by %s on %s",
                 metric->name, text.a, text.b, gain_text, scores->rows);
        add_clause(out, reason);
    } else if (gate->by > 0) {
        snprintf(reason, sizeof(reason), "%s %s is not better than champion's %s by %s on %s",
                 metric->name, text.a, text.b, by_text, scores->rows);
        refuse(out, reason);
    } else {
        snprintf(reason, sizeof(reason), "%s %s is not better than champion's %s on %s",
                 metric->name, text.a, text.b, scores->rows);
        refuse(out, reason);
    }
}

void tm__gate_check(const tm_gate *gate, const tm_version *candidate, const tm_gate_scores *scores,
                    tm_gate_verdict *out) {
    tm_gate_verdict verdict = {.is_open = true};
    if (gate->better_than_champion) {
        const char *metric =
            gate->metric[0] != '\0' ? gate->metric : tm__json_text(candidate->info, "metric", "");
        check_better(gate, metric, scores, &verdict);
    }
    if (verdict.is_open && gate->min_metric[0] != '\0') {
        check_floor(gate, candidate, &verdict);
    }
    if (verdict.reason[0] == '\0') {
        add_clause(&verdict, "the gate asks for nothing");
    }
    *out = verdict;
}
