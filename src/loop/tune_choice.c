/* SPDX-License-Identifier: Apache-2.0 */
/*
 *      rows     | teach | answered, chosen on      | answered, priced on      |
 *      blocks           | 0 1 2 ...             19 | 20 21 ...             39 |
 *
 * 1. Chosen is among all products of trigger, window, gate and threshold at once, by what counts:
 *    costs where the recipe declares them, else the metric. A threshold costs no replay.
 * 2. A gate, a window and a threshold go back to the declared one where they are not surely better
 *    than it with all else the same. That is asked of the first half as well, so that
 * 3. the second half is looked at once, for the whole proposal: its interval owes nothing to how
 *    many were tried.
 */
#include <stdlib.h>

#include "base/fmath.h"
#include "base/rng.h"
#include "base/sort.h"
#include "loop/tune_priv.h"

#define HALF (TM_TUNE_BLOCKS / 2u)
#define DRAWS 1000u

/* A setting with a threshold. */
typedef struct choice {
    const tm_tuning_setting *setting;
    uint32_t step;
} choice;

double tm__tune_threshold(const tm_tuning *t, uint32_t step) {
    return step == TM_TUNE_STEPS ? t->options->threshold : 0.05 * (double)(step + 1);
}

static bool has_costs(const tm_tuning *t) {
    return t->positive != UINT32_MAX;
}

/* [TM_TUNE_BLOCKS] of what counts. */
static const double *lost_by(const tm_tuning *t, choice c) {
    return has_costs(t) ? c.setting->cost[c.step] : c.setting->loss;
}

/* ---- gains ---- */

/* Of blocks [n]: what b is better than a by, in the metric. */
static double gain_of(const tm_tuning *t, const double *a, const double *b, const uint32_t *blocks,
                      uint32_t n, bool is_cost) {
    double sum_a = 0, sum_b = 0, rows = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum_a += a[blocks[i]];
        sum_b += b[blocks[i]];
        rows += t->n[blocks[i]];
    }
    if (!(rows > 0)) {
        return 0;
    }
    return t->stream.is_classes || is_cost ? (sum_a - sum_b) / rows
                                           : tm__sqrt(sum_a / rows) - tm__sqrt(sum_b / rows);
}

static double gain_between(const tm_tuning *t, const double *a, const double *b, uint32_t begin,
                           bool is_cost) {
    uint32_t blocks[HALF];
    for (uint32_t i = 0; i < HALF; i++) {
        blocks[i] = begin + i;
    }
    return gain_of(t, a, b, blocks, HALF, is_cost);
}

typedef struct gain {
    double value, low, high;
} gain;

/* On a half, whose blocks are drawn again. */
static gain price(const tm_tuning *t, const double *a, const double *b, uint32_t begin,
                  bool is_cost) {
    double drawn[DRAWS];
    tm_rng rng = tm__rng_split(t->options->replay.seed, "tune", 0);
    for (uint32_t d = 0; d < DRAWS; d++) {
        uint32_t blocks[HALF];
        for (uint32_t i = 0; i < HALF; i++) {
            blocks[i] = begin + (uint32_t)tm__rng_below(&rng, HALF);
        }
        drawn[d] = gain_of(t, a, b, blocks, HALF, is_cost);
    }
    qsort(drawn, DRAWS, sizeof(drawn[0]), tm__compare_f64);
    return (gain){gain_between(t, a, b, begin, is_cost), drawn[DRAWS / 40],
                  drawn[DRAWS - 1 - DRAWS / 40]};
}

/* Of what counts. */
static gain price_choice(const tm_tuning *t, choice a, choice b, uint32_t begin) {
    return price(t, lost_by(t, a), lost_by(t, b), begin, has_costs(t));
}

static bool is_better(const tm_tuning *t, choice than, choice c) {
    return gain_between(t, lost_by(t, than), lost_by(t, c), 0, has_costs(t)) > 0;
}

static json_t *gain_json(gain g) {
    return json_pack("{s:o, s:o, s:o}", "value", tm__json_number(g.value), "low",
                     tm__json_number(g.low), "high", tm__json_number(g.high));
}

static bool same(double a, double b) {
    return !(a < b) && !(a > b);
}

/* Settings that are like a plan, but for the window or the gate. */
typedef struct likeness {
    bool any_window, any_gate;
} likeness;

static bool is_like(const tm_replay_plan *a, const tm_replay_plan *b, likeness l) {
    return a->every == b->every && a->on_errors == b->on_errors &&
           (l.any_window || a->window == b->window) && (l.any_gate || same(a->gate_by, b->gate_by));
}

const tm_tuning_setting *tm__tune_find(const tm_tuning *t, const tm_replay_plan *plan) {
    for (uint32_t i = 0; i < t->n_settings; i++) {
        if (is_like(&t->list[i].plan, plan, (likeness){false, false})) {
            return &t->list[i];
        }
    }
    return NULL;
}

/* ---- the choice ---- */

static choice declared_of(const tm_tuning *t) {
    return (choice){&t->list[0], TM_TUNE_STEPS};
}

/* The best of all on the first half; of equal ones the one that is declared, or tried first. */
static choice best_of_all(const tm_tuning *t) {
    choice best = declared_of(t);
    for (uint32_t i = 0; i < t->n_settings; i++) {
        choice c = {&t->list[i], TM_TUNE_STEPS};
        best = is_better(t, best, c) ? c : best;
        for (c.step = 0; has_costs(t) && c.step < TM_TUNE_STEPS; c.step++) {
            best = is_better(t, best, c) ? c : best;
        }
    }
    return best;
}

/* With one part as it is declared; setting NULL: that was not tried. */
static choice with_declared(const tm_tuning *t, choice c, uint32_t part) {
    const tm_replay_plan *const now = &t->list[0].plan;
    tm_replay_plan plan = c.setting->plan;
    if (part == 0) {
        plan.gate_by = now->gate_by;
    } else if (part == 1) {
        plan.window = now->window;
    }
    return (choice){tm__tune_find(t, &plan), part == 2 ? TM_TUNE_STEPS : c.step};
}

/* Back to what is declared where the choice is not surely better than it. */
static choice without_doubt(const tm_tuning *t, choice best) {
    for (uint32_t part = 0; part < 3; part++) {
        const choice plain = with_declared(t, best, part);
        const bool is_it = plain.setting == best.setting && plain.step == best.step;
        if (plain.setting != NULL && !is_it && !(price_choice(t, plain, best, 0).low > 0)) {
            best = plain;
        }
    }
    return best;
}

/* The best one on the first half of those that are like a choice and have another window; NULL:
 * none. */
static const tm_tuning_setting *best_other_window(const tm_tuning *t, choice with) {
    const tm_replay_plan *const plan = &with.setting->plan;
    choice best = {NULL, with.step};
    for (uint32_t i = 0; i < t->n_settings; i++) {
        const choice c = {&t->list[i], with.step};
        if (c.setting->plan.window != plan->window &&
            is_like(&c.setting->plan, plan, (likeness){true, false}) &&
            (best.setting == NULL || is_better(t, best, c))) {
            best = c;
        }
    }
    return best.setting;
}

/* ---- what it says ---- */

static json_t *setting_json(const tm_tuning_setting *s) {
    return json_pack("{s:I, s:o, s:b, s:o, s:o, s:I, s:f}", "new_rows", (json_int_t)s->plan.every,
                     "window_rows",
                     s->plan.window > 0 ? json_integer((json_int_t)s->plan.window) : json_null(),
                     "on_errors", (int)s->plan.on_errors, "gate_by",
                     tm__json_number(s->plan.gate_by), "score", tm__json_number(s->score),
                     "retrains", (json_int_t)s->n_retrains, "train_seconds", s->train_seconds);
}

/* As recipe and gate have it. */
static json_t *difference_of(const tm_tuning *t, choice best) {
    const tm_replay_plan *const now = &t->list[0].plan, *const plan = &best.setting->plan;
    json_t *const difference = json_object();
    if (plan->every != now->every || plan->on_errors != now->on_errors ||
        plan->window != now->window) {
        json_t *const retrain = json_object();
        if (plan->every > 0) {
            json_object_set_new(retrain, "new_rows", json_integer((json_int_t)plan->every));
        }
        if (plan->on_errors) {
            json_object_set_new(retrain, "on", json_pack("[s]", "performance"));
        }
        if (plan->window > 0) {
            json_object_set_new(retrain, "window",
                                json_sprintf("sliding:%llu", (unsigned long long)plan->window));
        }
        json_object_set_new(difference, "retrain", retrain);
    }
    if (!same(plan->gate_by, now->gate_by)) {
        json_object_set_new(difference, "gate",
                            json_pack("{s:s, s:o}", "better_than", "champion", "by",
                                      tm__json_number(plan->gate_by)));
    }
    if (best.step != TM_TUNE_STEPS) {
        json_object_set_new(difference, "threshold",
                            json_sprintf("%.2f", tm__tune_threshold(t, best.step)));
    }
    return difference;
}

/* Of the threshold alone, beside the one by which the champion calls. */
static void say_threshold(const tm_tuning *t, choice best, json_t *out) {
    const choice plain = {best.setting, TM_TUNE_STEPS};
    json_object_set_new(out, "threshold",
                        !has_costs(t)
                            ? json_null()
                            : json_pack("{s:o, s:o, s:o}", "value",
                                        tm__json_number(tm__tune_threshold(t, best.step)), "was",
                                        tm__json_number(t->options->threshold), "gain",
                                        gain_json(price_choice(t, plain, best, HALF))));
}

static void say_window(const tm_tuning *t, choice best, json_t *out) {
    const choice other = {best_other_window(t, best), best.step};
    json_object_set_new(out, "window",
                        other.setting == NULL
                            ? json_null()
                            : json_pack("{s:I, s:o}", "rows",
                                        (json_int_t)other.setting->plan.window, "gain",
                                        gain_json(price_choice(t, best, other, HALF))));
}

static void say_rows(const tm_tuning *t, json_t *out) {
    const uint64_t n = t->stream.n_rows - t->stream.first;
    json_object_set_new(out, "rows", json_integer((json_int_t)t->stream.n_rows));
    json_object_set_new(out, "chosen_on", json_integer((json_int_t)(n / 2)));
    json_object_set_new(out, "priced_on", json_integer((json_int_t)(n - n / 2)));
}

json_t *tm__tune_tell(const tm_tuning *t) {
    const char *const metric = t->stream.is_classes ? "accuracy" : "rmse";
    json_t *const out = json_object(), *const all = json_array();
    const choice best = without_doubt(t, best_of_all(t));
    const gain g = price_choice(t, declared_of(t), best, HALF);
    json_t *difference = g.low > 0 ? difference_of(t, best) : json_null();
    for (uint32_t i = 1; i < t->n_settings; i++) {
        json_array_append_new(all, setting_json(&t->list[i]));
    }
    json_object_set_new(out, "target", json_string(t->options->replay.target));
    json_object_set_new(out, "metric", json_string(metric));
    json_object_set_new(out, "objective", json_string(has_costs(t) ? "cost" : metric));
    say_rows(t, out);
    json_object_set_new(out, "declared", setting_json(&t->list[0]));
    json_object_set_new(out, "settings", all);
    json_object_set_new(out, "best", setting_json(best.setting));
    json_object_set_new(out, "gain", gain_json(g));
    json_object_set_new(out, "metric_gain",
                        gain_json(price(t, t->list[0].loss, best.setting->loss, HALF, false)));
    json_object_set(out, "not_replayed", t->not_replayed);
    say_window(t, best, out);
    say_threshold(t, best, out);
    json_object_set_new(out, "difference", difference);
    return out;
}
