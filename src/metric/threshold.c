/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows are walked from the surest down; between two different probabilities is a place to cut, and
 * calling nobody is one, too, where no probability is 1.
 */
#include "metric/threshold.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/str.h"

#define LIKELY 1.28            /* one-sided 90 % */
#define SURE 1.64              /* one-sided 95 % */
#define WIDE 1.959963984540054 /* two-sided */

/* ---- rules in words ---- */

static tm_status bad_rule(const char *text, const char *why, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "threshold '%.60s' %s", text, why);
    tm_err_hint(err, "Use f1, cost:FALSE_CALL:MISSED, capacity:SHARE, precision:SHARE, "
                     "recall:SHARE or a number from 0 to 1.");
    return st;
}

static tm_status parse_cost(const char *text, tm_str rest, tm_threshold_rule *out, tm_err *err) {
    const tm_str first = tm__str_cut(&rest, ':');
    tm_threshold_rule rule = {.kind = TM_RULE_COST};
    if (!tm__str_to_f64(first, &rule.false_call) || !tm__str_to_f64(rest, &rule.missed)) {
        return bad_rule(text, "has no two costs", err);
    }
    if (!(rule.false_call >= 0.0 && rule.false_call <= 1e100) ||
        !(rule.missed >= 0.0 && rule.missed <= 1e100) || !(rule.false_call + rule.missed > 0.0)) {
        return bad_rule(text, "has costs below 0, both 0 or over 1e100", err);
    }
    *out = rule;
    return TM_OK;
}

tm_status tm__threshold_parse(const char *text, tm_threshold_rule *out, tm_err *err) {
    static const struct {
        const char *name;
        tm_rule_kind kind;
    } shares[] = {{"capacity", TM_RULE_CAPACITY},
                  {"precision", TM_RULE_PRECISION},
                  {"recall", TM_RULE_RECALL}};
    tm_str rest = tm__str(text != NULL ? text : "f1");
    tm_threshold_rule rule = {.kind = TM_RULE_VALUE};
    if (tm__str_is(rest, "f1")) {
        *out = (tm_threshold_rule){.kind = TM_RULE_F1};
        return TM_OK;
    }
    if (tm__str_to_f64(rest, &rule.value)) {
        if (!(rule.value >= 0.0 && rule.value <= 1.0)) {
            return bad_rule(text, "is not from 0 to 1", err);
        }
        *out = rule;
        return TM_OK;
    }
    const tm_str word = tm__str_cut(&rest, ':');
    if (tm__str_is(word, "cost")) {
        return parse_cost(text, rest, out, err);
    }
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        if (tm__str_is(word, shares[i].name)) {
            rule.kind = shares[i].kind;
            if (!tm__str_to_f64(rest, &rule.value) || !(rule.value > 0.0 && rule.value <= 1.0)) {
                return bad_rule(text, "has no share above 0 and at most 1", err);
            }
            *out = rule;
            return TM_OK;
        }
    }
    return bad_rule(text, "is no rule", err);
}

/* ---- search ---- */

typedef struct scored_row {
    double pred, y, weight;
    uint64_t row;
} scored_row;

/* What calling the rows so far would give. */
typedef struct calls {
    double called, caught, positives, total;
    double called_squares; /* of weights */
} calls;

static int compare_scored(const void *a, const void *b) {
    const scored_row *x = a;
    const scored_row *y = b;
    if (x->pred != y->pred) {
        return x->pred > y->pred ? -1 : 1;
    }
    return x->row < y->row ? -1 : x->row > y->row;
}

static double weight_of(const tm_called_rows *rows, uint64_t i) {
    return rows->weights != NULL ? rows->weights[i] : 1.0;
}

static double share(double part, double whole) {
    return whole > 0.0 ? part / whole : 0.0;
}

/* Lower end of a share's interval, of as many rows as weights and their squares are worth (Wilson
 * 1927). */
static double lower_end(double part, double whole, double squares, double z) {
    if (!(whole > 0.0)) {
        return 0.0;
    }
    const double p = fmin(part / whole, 1.0), n = whole * whole / squares;
    const double middle = (p + z * z / (2 * n)) / (1 + z * z / n);
    return fmax(middle - z / (1 + z * z / n) * tm__sqrt(p * (1 - p) / n + z * z / (4 * n * n)),
                0.0);
}

/* How good a cut is by the rule: larger is better. Those that do not reach it come behind all that
 * do, the nearest first. */
static double merit(const tm_threshold_rule *rule, const calls *c, bool *out_reached) {
    const double precision = share(c->caught, c->called), recall = share(c->caught, c->positives);
    const double rate = share(c->called, c->total);
    const double at_least = lower_end(c->caught, c->called, c->called_squares, LIKELY);
    *out_reached = true;
    switch (rule->kind) {
    case TM_RULE_COST:
        return -(rule->false_call * (c->called - c->caught) +
                 rule->missed * (c->positives - c->caught));
    case TM_RULE_CAPACITY:
        *out_reached = rate <= rule->value;
        return *out_reached ? rate : -rate;
    case TM_RULE_PRECISION:
        *out_reached = at_least >= rule->value;
        return *out_reached ? recall : at_least - 2.0;
    case TM_RULE_RECALL:
        *out_reached = recall >= rule->value;
        return *out_reached ? precision : recall - 2.0;
    default:
        return share(2.0 * c->caught, c->called + c->positives);
    }
}

typedef struct best_cut {
    double merit;
    tm_threshold found;
} best_cut;

static void look_at(const tm_threshold_rule *rule, const calls *c, double value, best_cut *best) {
    bool is_reached = false;
    const double m = merit(rule, c, &is_reached);
    if ((is_reached && !best->found.is_reached) ||
        (is_reached == best->found.is_reached && m > best->merit)) {
        *best = (best_cut){m, {.value = value, .is_reached = is_reached}};
    }
}

static tm_status best_of_rows(const tm_threshold_rule *rule, const tm_called_rows *rows,
                              tm_threshold *out, tm_err *err) {
    calls c = {0};
    best_cut best = {.merit = -INFINITY, .found = {.value = 1.0}};
    scored_row *sorted = tm__mem_alloc(rows->n, sizeof(*sorted));
    if (sorted == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to choose a threshold");
    }
    for (uint64_t i = 0; i < rows->n; i++) {
        sorted[i] = (scored_row){rows->pred[i], rows->y[i] == 1.0, weight_of(rows, i), i};
        c.positives += sorted[i].y * sorted[i].weight;
        c.total += sorted[i].weight;
    }
    qsort(sorted, rows->n, sizeof(*sorted), compare_scored);
    if (rule->kind != TM_RULE_F1 && sorted[0].pred < 1.0) {
        look_at(rule, &c, 1.0, &best); /* nobody is called */
    }
    for (uint64_t i = 0; i < rows->n; i++) {
        c.called += sorted[i].weight;
        c.called_squares += sorted[i].weight * sorted[i].weight;
        c.caught += sorted[i].y * sorted[i].weight;
        if (i + 1 == rows->n || sorted[i + 1].pred != sorted[i].pred) {
            look_at(rule, &c, sorted[i].pred, &best);
        }
    }
    tm__mem_free(sorted);
    *out = best.found;
    return TM_OK;
}

static double cost_of_row(const tm_threshold_rule *rule, const tm_called_rows *rows, uint64_t i,
                          double value) {
    const bool is_called = rows->pred[i] >= value, is_positive = rows->y[i] == 1.0;
    return is_called == is_positive ? 0.0 : is_called ? rule->false_call : rule->missed;
}

/* Whether a threshold costs less than another by no chance. */
static bool costs_surely_less(const tm_threshold_rule *rule, const tm_called_rows *rows,
                              double value, double other) {
    double sum = 0.0, squares = 0.0, total = 0.0;
    for (uint64_t i = 0; i < rows->n; i++) {
        const double w = weight_of(rows, i);
        sum += w * (cost_of_row(rule, rows, i, other) - cost_of_row(rule, rows, i, value));
        total += w;
    }
    const double mean = share(sum, total);
    for (uint64_t i = 0; i < rows->n; i++) {
        const double off =
            cost_of_row(rule, rows, i, other) - cost_of_row(rule, rows, i, value) - mean;
        squares += weight_of(rows, i) * off * (weight_of(rows, i) * off);
    }
    return sum > SURE * tm__sqrt(squares);
}

tm_status tm__threshold_find(const tm_threshold_rule *rule, const tm_called_rows *rows,
                             tm_threshold *out, tm_err *err) {
    tm_threshold found = {.value = rule->value, .is_reached = true};
    if (rule->kind == TM_RULE_F1) {
        found.value = 0.5;
    } else if (rule->kind == TM_RULE_COST) {
        found.value = rule->false_call / (rule->false_call + rule->missed);
        found.is_by_cost = true;
    } else if (rule->kind != TM_RULE_VALUE && rows->n == 0) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "there are no validation rows to choose a threshold on");
        tm_err_hint(err, "Give a number or cost:FALSE_CALL:MISSED, or keep early stopping: a fit "
                         "without it holds none out.");
        return st;
    }
    if (rule->kind != TM_RULE_VALUE && rows->n > 0) {
        tm_threshold best = {0};
        TM_TRY(best_of_rows(rule, rows, &best, err));
        if (rule->kind != TM_RULE_COST || costs_surely_less(rule, rows, best.value, found.value)) {
            found = best;
        }
    }
    *out = found;
    return TM_OK;
}

void tm__threshold_reason(const tm_threshold_rule *rule, const tm_threshold *found, bool has_rows,
                          char *out) {
    const char *what = found->is_reached ? "" : ": none reaches it, this comes nearest";
    switch (rule->kind) {
    case TM_RULE_COST:
        (void)snprintf(out, 256,
                       found->is_by_cost
                           ? "where a call pays when a false one costs %.6g and a missed row %.6g"
                           : "the least cost on the validation rows, a false call at %.6g and a "
                             "missed row at %.6g",
                       rule->false_call, rule->missed);
        break;
    case TM_RULE_CAPACITY:
        (void)snprintf(out, 256, "at most %.6g %% of the validation rows are called%s",
                       100.0 * rule->value, what);
        break;
    case TM_RULE_PRECISION:
        (void)snprintf(
            out, 256,
            "the most found with a precision of likely %.6g or more by the validation rows%s",
            rule->value, what);
        break;
    case TM_RULE_RECALL:
        (void)snprintf(out, 256,
                       "the best precision with %.6g %% found of the positive validation rows%s",
                       100.0 * rule->value, what);
        break;
    case TM_RULE_VALUE:
        (void)snprintf(out, 256, "asked for");
        break;
    default:
        (void)snprintf(out, 256, "%s",
                       has_rows ? "the best balance of precision and recall (F1) on the "
                                  "validation rows"
                                : "one half: there were no validation rows to choose on");
    }
}

/* ---- what it reaches ---- */

static json_t *between(double value, double low, double high) {
    return json_pack("{s:o, s:o, s:o}", "value", tm__json_number(value), "low",
                     tm__json_number(fmin(low, value)), "high", tm__json_number(fmax(high, value)));
}

/* A share with its interval, of as many rows as weights and their squares are worth. */
static json_t *share_between(double part, double whole, double squares) {
    if (!(whole > 0.0)) {
        return between(0.0, 0.0, 1.0);
    }
    return between(fmin(part / whole, 1.0), lower_end(part, whole, squares, WIDE),
                   1.0 - lower_end(whole - part, whole, squares, WIDE));
}

json_t *tm__threshold_reach(const tm_threshold_rule *rule, double value,
                            const tm_called_rows *rows) {
    double caught = 0.0, cost = 0.0, cost_squares = 0.0;
    double called = 0.0, positives = 0.0, total = 0.0; /* weights, and their squares */
    double called2 = 0.0, positives2 = 0.0, total2 = 0.0;
    for (uint64_t i = 0; i < rows->n; i++) {
        const double w = weight_of(rows, i);
        const bool is_called = rows->pred[i] >= value, is_positive = rows->y[i] == 1.0;
        called += is_called ? w : 0.0;
        called2 += is_called ? w * w : 0.0;
        positives += is_positive ? w : 0.0;
        positives2 += is_positive ? w * w : 0.0;
        caught += is_called && is_positive ? w : 0.0;
        total += w;
        total2 += w * w;
        cost += w * cost_of_row(rule, rows, i, value);
    }
    const double mean = share(cost, total);
    json_t *reach = json_pack(
        "{s:o, s:o, s:o}", "precision", share_between(caught, called, called2), "recall",
        share_between(caught, positives, positives2), "rate", share_between(called, total, total2));
    if (rule->kind == TM_RULE_COST) {
        for (uint64_t i = 0; i < rows->n; i++) {
            const double off = weight_of(rows, i) * (cost_of_row(rule, rows, i, value) - mean);
            cost_squares += off * off;
        }
        const double half = WIDE * share(tm__sqrt(cost_squares), total);
        json_object_set_new(reach, "cost", between(mean, fmax(mean - half, 0.0), mean + half));
    }
    return reach;
}
