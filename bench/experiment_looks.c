/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Experiments that are looked at after each unit: experiment_looks [RUNS], 10,000 without.
 *
 * First A/A tests: both arms alike, 10,000 units, a look after each. Share of the runs that find a
 * difference, by the confidence sequence alone ("any time"), by the rule of `experiment plan`
 * (looks at any time, and a last look at the last unit), by one z-test at the end, and by a z-test
 * after each unit from the hundredth on, which is what one must not do. Then A/B tests with the
 * effect that was planned for: share of the runs that find it, with the units of one look and with
 * those that the plan says, and how many units were needed; beside it five looks by O'Brien and
 * Fleming 1979, doi:10.2307/2530245. Then A/A tests with guardrails of each kind. Last, the test of
 * the arms' shares.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "metric/ab_compare.h"
#include "metric/ab_judge.h"
#include "metric/ab_plan.h"
#include "metric/ab_ratio.h"
#include "metric/any_time.h"

#define ALPHA 0.05
#define POWER 0.8
#define AA_UNITS 10000u
#define OBF_LOOKS 5u
#define OBF_LAST 2.0401 /* z of the last of five looks */
#define PEEK_FROM 100u

typedef struct kind {
    const char *name;
    tm_ab_kind kind;
    double share;
    double mean, effect; /* of BINARY the share of yes; of others the effect is in deviations */
    double (*draw)(tm_rng *rng, double mean, double effect);
} kind;

static double draw_yes(tm_rng *rng, double mean, double effect) {
    return tm__rng_f64(rng) < mean + effect ? 1 : 0;
}

static double draw_uniform(tm_rng *rng, double mean, double effect) {
    (void)mean;
    return tm__rng_f64(rng) * (1 - effect) + effect; /* the mean rises by effect / 2 */
}

static double draw_normal(tm_rng *rng, double mean, double effect) {
    const double u = 1 - tm__rng_f64(rng), v = tm__rng_f64(rng);
    return mean + effect + sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static double draw_lognormal(tm_rng *rng, double mean, double effect) {
    return exp(draw_normal(rng, mean, 0)) + effect;
}

static const kind alike[] = {
    {"yes in 20 %, 50:50", TM_AB_BINARY, 0.5, 0.2, 0, draw_yes},
    {"yes in 20 %, 90:10", TM_AB_BINARY, 0.1, 0.2, 0, draw_yes},
    {"yes in 2 %, 50:50", TM_AB_BINARY, 0.5, 0.02, 0, draw_yes},
    {"uniform in [0, 1], 50:50", TM_AB_BOUNDED, 0.5, 0, 0, draw_uniform},
    {"normal, 50:50", TM_AB_MEAN, 0.5, 0, 0, draw_normal},
    {"lognormal (sd of the log 1), 50:50", TM_AB_MEAN, 0.5, 0, 0, draw_lognormal},
    {"lognormal (sd of the log 1), 90:10", TM_AB_MEAN, 0.1, 0, 0, draw_lognormal},
};
static const kind other[] = {
    {"yes in 20 %, effect 2 points", TM_AB_BINARY, 0.5, 0.2, 0.02, draw_yes},
    {"yes in 2 %, effect half a point", TM_AB_BINARY, 0.5, 0.02, 0.005, draw_yes},
    {"normal, effect a twentieth of sd", TM_AB_MEAN, 0.5, 0, 0.05, draw_normal},
};

static void print_share(const char *name, uint64_t n, uint32_t n_runs) {
    const double p = (double)n / n_runs;
    printf("  %-58s %-6s %8.2f  +- %.2f\n", name, "%", 100 * p, 196 * sqrt(p * (1 - p) / n_runs));
}

static tm_ab_compare begin(const kind *k, double alpha, double units) {
    const tm_ab_options options = {.kind = k->kind,
                                   .high = 1,
                                   .share = k->share,
                                   .alpha = alpha,
                                   .units = units,
                                   .variance =
                                       k->kind == TM_AB_BINARY ? k->mean * (1 - k->mean) : 0};
    tm_ab_compare out;
    if (tm__ab_compare_init(&options, &out, NULL) != TM_OK) {
        fprintf(stderr, "bad options\n");
        exit(1);
    }
    return out;
}

static bool finds(const tm_ab_compare *c, double alpha) {
    tm_ab_look look;
    tm__ab_look(c->options.kind, c->arms, alpha, &look);
    return look.p <= alpha;
}

/* ---- Both arms alike ---- */

typedef struct falls {
    uint64_t any_time, rule, once, peeking;
} falls;

static void run_alike(const kind *k, uint32_t run, falls *out) {
    tm_rng rng = tm__rng_split(1, k->name, run);
    tm_ab_compare any = begin(k, ALPHA, AA_UNITS);
    tm_ab_compare early = begin(k, ALPHA / TM_AB_EARLY_PARTS, AA_UNITS);
    bool has_peeked = false;
    for (uint32_t i = 0; i < AA_UNITS; i++) {
        const uint32_t arm = tm__rng_f64(&rng) < k->share;
        const double value = k->draw(&rng, k->mean, 0);
        tm__ab_compare_add(&any, arm, value);
        tm__ab_compare_add(&early, arm, value);
        if (!has_peeked && i >= PEEK_FROM) {
            const tm_ab_arm *a = any.arms;
            const double error = sqrt(tm__ab_arm_variance(&a[0]) / (double)a[0].n +
                                      tm__ab_arm_variance(&a[1]) / (double)a[1].n);
            has_peeked = fabs(a[1].mean - a[0].mean) > 1.959964 * error && error > 0;
        }
    }
    out->any_time += any.decided_at > 0;
    out->once += finds(&any, ALPHA);
    out->rule += early.decided_at > 0 || finds(&early, ALPHA - ALPHA / TM_AB_EARLY_PARTS);
    out->peeking += has_peeked;
}

static void all_alike(uint32_t n_runs) {
    for (size_t i = 0; i < sizeof(alike) / sizeof(alike[0]); i++) {
        falls n = {0};
        printf("A/A, %s: found a difference where there is none (alpha 5 %%)\n", alike[i].name);
        for (uint32_t run = 0; run < n_runs; run++) {
            run_alike(&alike[i], run, &n);
        }
        print_share("any time: confidence sequence, a look after each unit", n.any_time, n_runs);
        print_share("rule: a look after each unit, and a last look", n.rule, n_runs);
        print_share("one z-test at the end", n.once, n_runs);
        print_share("a z-test after each unit (wrong)", n.peeking, n_runs);
    }
}

/* ---- With an effect ---- */

typedef struct power {
    uint64_t once, rule_once, rule, any_once, any_long, obf;
    double units_rule, units_any;
} power;

static tm_ab_plan plan_of(const kind *k) {
    tm_ab_plan plan;
    const tm_ab_plan_options options = {.kind = k->kind,
                                        .baseline = k->mean,
                                        .effect = k->effect,
                                        .sd = 1,
                                        .share = k->share,
                                        .alpha = ALPHA,
                                        .power = POWER};
    if (tm__ab_plan(&options, &plan, NULL) != TM_OK) {
        fprintf(stderr, "bad plan\n");
        exit(1);
    }
    return plan;
}

static bool is_right(const tm_ab_compare *c, double units) {
    return c->decided_at > 0 && (double)c->decided_at <= units && c->decided_sign > 0;
}

static void run_other(const kind *k, const tm_ab_plan *plan, uint32_t run, power *out) {
    tm_rng rng = tm__rng_split(2, k->name, run);
    tm_ab_compare any_once = begin(k, ALPHA, plan->units_once);
    tm_ab_compare any_long = begin(k, ALPHA, plan->units_any_time);
    tm_ab_compare early_once = begin(k, plan->alpha_early, plan->units_once);
    tm_ab_compare early = begin(k, plan->alpha_early, plan->units);
    unsigned look = 1; /* of OBF_LOOKS, the next */
    bool once = false, last_once = false, last = false, obf = false;
    for (double n = 1; n <= plan->units_any_time; n++) {
        const uint32_t arm = tm__rng_f64(&rng) < k->share;
        const double value = k->draw(&rng, k->mean, arm == 1 ? k->effect : 0);
        tm__ab_compare_add(&any_long, arm, value);
        if (n <= plan->units_once) {
            tm__ab_compare_add(&any_once, arm, value);
            tm__ab_compare_add(&early_once, arm, value);
        }
        if (n <= plan->units) {
            tm__ab_compare_add(&early, arm, value);
        }
        if (look <= OBF_LOOKS && n == ceil(plan->units_once * look / OBF_LOOKS)) {
            tm_ab_look at;
            tm__ab_look(k->kind, any_once.arms, ALPHA, &at);
            obf = obf || at.z >= OBF_LAST * sqrt((double)OBF_LOOKS / look);
            look++;
        }
        if (n == plan->units_once) {
            once = finds(&any_once, ALPHA);
            last_once = finds(&any_once, plan->alpha_last);
        }
        last = n == plan->units ? finds(&early, plan->alpha_last) : last;
    }
    out->once += once;
    out->obf += obf;
    out->any_once += is_right(&any_once, plan->units_once);
    out->any_long += is_right(&any_long, plan->units_any_time);
    out->rule_once += is_right(&early_once, plan->units_once) || last_once;
    out->rule += is_right(&early, plan->units) || last;
    out->units_rule += early.decided_at > 0 ? (double)early.decided_at : plan->units;
    out->units_any += any_long.decided_at > 0 ? (double)any_long.decided_at : plan->units_any_time;
}

static void print_units(const char *name, double units) {
    printf("  %-58s %-6s %8.0f\n", name, "units", units);
}

static void with_effect(uint32_t n_runs) {
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        const kind *k = &other[i];
        const tm_ab_plan plan = plan_of(k);
        power n = {0};
        for (uint32_t run = 0; run < n_runs; run++) {
            run_other(k, &plan, run, &n);
        }
        printf("A/B, %s: found it (planned power 80 %%)\n", k->name);
        print_units("units of one look (fixed horizon)", plan.units_once);
        print_share("  one z-test at the end", n.once, n_runs);
        print_share("  rule: a look after each unit, and a last look", n.rule_once, n_runs);
        print_share("  five looks by O'Brien and Fleming", n.obf, n_runs);
        print_share("  any time: confidence sequence alone", n.any_once, n_runs);
        print_units("units that the plan says for the rule", plan.units);
        print_share("  rule: a look after each unit, and a last look", n.rule, n_runs);
        print_units("  units until it was decided, mean", n.units_rule / n_runs);
        print_units("units that the plan says at most for any time", plan.units_any_time);
        print_share("  any time: confidence sequence alone", n.any_long, n_runs);
        print_units("  units until it was decided, mean", n.units_any / n_runs);
    }
}

/* ---- Guardrails, both arms alike ---- */

enum { GUARDS = 3, LOOK_EVERY = 50 };

typedef struct guarded {
    double values[1 + GUARDS][AA_UNITS];
    uint8_t arms[AA_UNITS];
    tm_ab_share slow;
} guarded;

/* True when the share of slow first answers is ever told to be higher, with a look every so often.
 */
static bool slow_breaks(const guarded *g, tm_rng *rng, double alpha) {
    tm_ab_share slow = {.name = "slow"};
    for (uint32_t i = 0; i < AA_UNITS; i++) {
        slow.n[g->arms[i]]++;
        slow.k[g->arms[i]] += tm__rng_f64(rng) < 0.05;
        if (i % LOOK_EVERY == LOOK_EVERY - 1 &&
            tm__shares_apart_any_time(slow.n, slow.k, alpha).low > 0) {
            return true;
        }
    }
    return false;
}

typedef struct guard_falls {
    uint64_t metric, units, counts, any;
} guard_falls;

static void run_guarded(guarded *g, uint32_t run, guard_falls *out) {
    static const char *const names[1 + GUARDS] = {"bought", "spent", "score", "errors"};
    tm_rng rng = tm__rng_split(4, "guards", run);
    tm_ab_metric metrics[1 + GUARDS] = {{.kind = TM_AB_BINARY},
                                        {.kind = TM_AB_MEAN},
                                        {.kind = TM_AB_BOUNDED, .high = 1},
                                        {.kind = TM_AB_BINARY, .smaller_is_better = true}};
    for (uint32_t i = 0; i < AA_UNITS; i++) {
        g->arms[i] = tm__rng_f64(&rng) < 0.5;
        g->values[0][i] = draw_yes(&rng, 0.2, 0);
        g->values[1][i] = draw_normal(&rng, 0, 0);
        g->values[2][i] = draw_uniform(&rng, 0, 0);
        g->values[3][i] = draw_yes(&rng, 0.05, 0);
    }
    for (uint32_t m = 0; m < 1 + GUARDS; m++) {
        metrics[m].name = names[m];
        metrics[m].values = g->values[m];
    }
    const double guard = tm__ab_guard_share(ALPHA, true);
    const tm_ab_input in = {.n_units = AA_UNITS,
                            .arms = g->arms,
                            .n_matured = AA_UNITS,
                            .names = {"old", "new"},
                            .share = 0.5,
                            .alpha = ALPHA - guard,
                            .alpha_guard = guard * GUARDS / (GUARDS + 1), /* the rest: slow */
                            .horizon = AA_UNITS,
                            .metric = metrics[0],
                            .guardrails = &metrics[1],
                            .n_guardrails = GUARDS};
    json_t *result = NULL;
    if (tm__ab_judge(&in, &result, NULL) != TM_OK) {
        fprintf(stderr, "cannot judge\n");
        exit(1);
    }
    const char *decision = tm__json_text(result, "decision", "");
    const bool metric =
        !json_is_null(json_object_get(json_object_get(result, "metric"), "decided"));
    const bool units = strcmp(decision, "guardrail") == 0;
    const bool counts = slow_breaks(g, &rng, guard / (GUARDS + 1));
    json_decref(result);
    out->metric += metric;
    out->units += units;
    out->counts += counts;
    out->any += metric || units || counts;
}

static void with_guardrails(uint32_t n_runs) {
    static guarded g;
    guard_falls n = {0};
    printf("A/A with four guardrails that bear nothing: found a difference or harm (alpha 5 %%)\n");
    for (uint32_t run = 0; run < n_runs; run++) {
        run_guarded(&g, run, &n);
    }
    print_share("the metric: a look after each unit, and a last look", n.metric, n_runs);
    print_share("three guardrails by unit, a look after each", n.units, n_runs);
    print_share("one of counts, a look after every fiftieth", n.counts, n_runs);
    print_share("any of them", n.any, n_runs);
}

/* ---- Shares of the arms ---- */

static uint64_t shares(double share, uint32_t n_runs, uint64_t *out_once) {
    uint64_t n = 0;
    *out_once = 0;
    for (uint32_t run = 0; run < n_runs; run++) {
        tm_rng rng = tm__rng_split(3, "shares", run);
        tm_ab_ratio ratio = {.share = 0.5};
        for (uint32_t i = 0; i < AA_UNITS; i++) {
            tm__ab_ratio_add(&ratio, tm__rng_f64(&rng) < share);
        }
        n += tm__ab_ratio_p_any_time(&ratio) < TM_AB_RATIO_ALPHA;
        *out_once += tm__ab_ratio_p(&ratio) < TM_AB_RATIO_ALPHA;
    }
    return n;
}

static void all_shares(uint32_t n_runs) {
    static const double truths[] = {0.5, 0.52, 0.54};
    for (size_t i = 0; i < 3; i++) {
        uint64_t once = 0;
        const uint64_t any = shares(truths[i], n_runs, &once);
        printf("Shares of the arms, planned 50 %%, true %.0f %%, 10,000 units: mismatch is told\n",
               100 * truths[i]);
        print_share("a look after each unit", any, n_runs);
        print_share("one look at the end", once, n_runs);
    }
}

int main(int argc, char **argv) {
    const uint32_t n_runs = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 10000;
    if (n_runs < 1) {
        fprintf(stderr, "usage: experiment_looks [RUNS]\n");
        return 2;
    }
    all_alike(n_runs);
    with_effect(n_runs);
    with_guardrails(n_runs);
    all_shares(n_runs);
    return 0;
}
