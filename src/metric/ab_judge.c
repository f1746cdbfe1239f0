/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     units ──────────────────────────> ratio of the arms
 *       │ matured, up to the horizon
 *       ├──> metric: confidence sequence, at the horizon one last look
 *       └──> guardrails: a confidence sequence each, against "worse by the margin"
 *     counts ──> guardrails of shares, the same
 *     all of it ──> decision ──> words (ab_words.c)
 *
 * The order of a decision: arms that cannot be compared, harm, difference, time.
 */
#include "metric/ab_judge.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "metric/ab_judge_priv.h"
#include "metric/ab_plan.h"
#include "metric/any_time.h"
#include "metric/special.h"

/* ---- The walk over units ---- */

static tm_status begin_metric(const tm_ab_input *in, const tm_ab_metric *metric, double alpha,
                              double null, tm_ab_compare *out, tm_err *err) {
    const tm_ab_options options = {.kind = metric->kind,
                                   .low = metric->low,
                                   .high = metric->high,
                                   .share = in->share,
                                   .alpha = alpha,
                                   .units = (double)in->horizon,
                                   .variance = metric->variance,
                                   .null = null};
    return tm__ab_compare_init(&options, out, err);
}

static tm_status begin(tm_ab_judging *j, tm_err *err) {
    const tm_ab_input *in = j->in;
    j->alpha_early = in->horizon > 0 ? in->alpha / TM_AB_EARLY_PARTS : in->alpha;
    j->alpha_last = in->horizon > 0 ? in->alpha - j->alpha_early : 0;
    j->ratio.share = in->share;
    TM_TRY(begin_metric(in, &in->metric, j->alpha_early, 0, &j->metric, err));
    for (uint32_t g = 0; g < in->n_guardrails; g++) {
        const tm_ab_metric *m = &in->guardrails[g];
        TM_TRY(begin_metric(in, m, tm__ab_guard_alpha(j),
                            m->smaller_is_better ? m->margin : -m->margin, &j->guardrails[g], err));
    }
    return TM_OK;
}

static void walk(tm_ab_judging *j) {
    const tm_ab_input *in = j->in;
    for (uint64_t i = 0; i < in->n_units; i++) {
        tm__ab_ratio_add(&j->ratio, in->arms[i]);
    }
    for (uint64_t i = 0; i < in->n_matured; i++) {
        const uint32_t arm = in->arms[i];
        if (in->horizon > 0 && tm__ab_compare_units(&j->metric) == in->horizon) {
            j->n_after = in->n_matured - i;
            break;
        }
        j->last = i;
        j->n_matured[arm]++;
        if (!isnan(in->metric.values[i])) {
            const bool was_decided = j->metric.decided_at > 0;
            tm__ab_compare_add(&j->metric, arm, in->metric.values[i]);
            j->decided_unit = !was_decided && j->metric.decided_at > 0 ? i : j->decided_unit;
        }
        for (uint32_t g = 0; g < in->n_guardrails; g++) {
            if (!isnan(in->guardrails[g].values[i])) {
                tm__ab_compare_add(&j->guardrails[g], arm, in->guardrails[g].values[i]);
            }
        }
        const bool is_full = in->horizon > 0 && tm__ab_compare_units(&j->metric) == in->horizon;
        tm__ab_series_look(&j->series, in, &j->metric, i, is_full || i + 1 == in->n_matured);
    }
}

/* Two shares of matured units that have a value, by chi-squared. */
static double coverage_p(const tm_ab_judging *j) {
    const double n[2] = {(double)j->n_matured[0], (double)j->n_matured[1]};
    const double k[2] = {(double)j->metric.arms[0].n, (double)j->metric.arms[1].n};
    const double all = (k[0] + k[1]) / (n[0] + n[1]);
    if (!(n[0] > 0 && n[1] > 0 && all > 0 && all < 1)) {
        return 1;
    }
    const double off = k[1] / n[1] - k[0] / n[0];
    return tm__chi2_above(off * off / (all * (1 - all) * (1 / n[0] + 1 / n[1])), 1);
}

/* ---- What it comes to ---- */

static int better_sign(const tm_ab_metric *metric) {
    return metric->smaller_is_better ? -1 : 1;
}

uint32_t tm__ab_guards(const tm_ab_judging *j) {
    return j->in->n_guardrails + j->in->n_shares;
}

double tm__ab_guard_alpha(const tm_ab_judging *j) {
    return j->in->alpha_guard / tm__ab_guards(j);
}

static tm_ab_guard guard_of_units(const tm_ab_judging *j, uint32_t g) {
    const tm_ab_compare *c = &j->guardrails[g];
    tm_ab_guard out = {.name = j->in->guardrails[g].name};
    for (uint32_t a = 0; a < 2; a++) {
        out.means[a] = c->arms[a].n > 0 ? c->arms[a].mean : tm__nan();
    }
    tm__ab_compare_interval(c, &out.low, &out.high);
    out.sign = c->decided_at > 0 ? c->decided_sign * better_sign(&j->in->guardrails[g]) : 0;
    return out;
}

static tm_ab_guard guard_of_counts(const tm_ab_judging *j, const tm_ab_share *share) {
    tm_ab_guard out = {share->name, {tm__nan(), tm__nan()}, tm__nan(), tm__nan(), 0};
    for (uint32_t a = 0; a < 2; a++) {
        out.means[a] = share->n[a] > 0 ? (double)share->k[a] / (double)share->n[a] : tm__nan();
    }
    if (share->n[0] > 0 && share->n[1] > 0) {
        const tm_share_range apart =
            tm__shares_apart_any_time(share->n, share->k, tm__ab_guard_alpha(j));
        out.low = apart.low;
        out.high = apart.high;
        out.sign = apart.low > share->margin ? -1 : apart.high < share->margin ? 1 : 0;
    }
    return out;
}

tm_ab_guard tm__ab_guard(const tm_ab_judging *j, uint32_t g) {
    const uint32_t n = j->in->n_guardrails;
    return g < n ? guard_of_units(j, g) : guard_of_counts(j, &j->in->shares[g - n]);
}

static const char *decide(tm_ab_judging *j) {
    const tm_ab_input *in = j->in;
    const bool is_off_now = tm__ab_ratio_p(&j->ratio) < TM_AB_RATIO_ALPHA;
    const bool was_off = tm__ab_ratio_p_any_time(&j->ratio) < TM_AB_RATIO_ALPHA;
    j->is_mismatch = was_off || (in->is_looked_at_once && is_off_now);
    j->is_in_turns = j->is_mismatch && !is_off_now;
    j->coverage_p = coverage_p(j);
    j->is_at_horizon = in->horizon > 0 && tm__ab_compare_units(&j->metric) == in->horizon;
    tm__ab_look(in->metric.kind, j->metric.arms, in->alpha, &j->once);
    tm__ab_look(in->metric.kind, j->metric.arms, j->is_at_horizon ? j->alpha_last : in->alpha,
                &j->last_look);
    int sign = j->metric.decided_at > 0 ? j->metric.decided_sign : 0;
    j->by = sign != 0 ? "any_time" : NULL;
    if (sign == 0 && j->is_at_horizon && j->last_look.p <= j->alpha_last) {
        sign = j->last_look.difference < 0 ? -1 : 1;
        j->by = "last_look";
        j->decided_unit = j->last;
    }
    j->sign = sign * better_sign(&in->metric);
    if (j->is_mismatch) {
        return "mismatch";
    }
    for (uint32_t g = 0; g < tm__ab_guards(j); g++) {
        if (tm__ab_guard(j, g).sign < 0) {
            return "guardrail";
        }
    }
    return j->sign > 0        ? "treatment_better"
           : j->sign < 0      ? "treatment_worse"
           : j->is_at_horizon ? "no_difference"
                              : "wait";
}

/* ---- As an object ---- */

static json_t *pair(double a, double b) {
    return json_pack("[o, o]", tm__json_number(a), tm__json_number(b));
}

static json_t *time_of(const tm_ab_input *in, uint64_t unit) {
    return in->times_us == NULL ? json_null() : tm__json_time(in->times_us[unit]);
}

static json_t *look_to_json(const tm_ab_look *look) {
    return json_pack("{s:o, s:o, s:o, s:o}", "z", tm__json_number(look->z), "p_value",
                     tm__json_number(look->p), "low", tm__json_number(look->low), "high",
                     tm__json_number(look->high));
}

static json_t *metric_to_json(const tm_ab_metric *metric, const tm_ab_compare *c) {
    double low = 0, high = 0;
    const bool has_both = c->arms[0].n > 0 && c->arms[1].n > 0;
    const double nan = tm__nan();
    const double difference = has_both ? c->arms[1].mean - c->arms[0].mean : nan;
    tm__ab_compare_interval(c, &low, &high);
    return json_pack(
        "{s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "metric", metric->name,
        "kind", tm__ab_kind_text(metric->kind), "smaller_is_better", metric->smaller_is_better,
        "means",
        pair(c->arms[0].n > 0 ? c->arms[0].mean : nan, c->arms[1].n > 0 ? c->arms[1].mean : nan),
        "deviations",
        pair(tm__sqrt(tm__ab_arm_variance(&c->arms[0])),
             tm__sqrt(tm__ab_arm_variance(&c->arms[1]))),
        "difference", tm__json_number(difference), "low", tm__json_number(low), "high",
        tm__json_number(high), "level", tm__json_number(1 - c->options.alpha), "relative",
        tm__json_number(difference / c->arms[0].mean), "skewness",
        metric->kind == TM_AB_MEAN ? tm__json_number(tm__ab_compare_skew(c)) : json_null(),
        "any_time_p_value", tm__json_number(tm__ab_compare_p(c)));
}

static json_t *primary_to_json(const tm_ab_judging *j) {
    json_t *out = metric_to_json(&j->in->metric, &j->metric);
    json_object_set_new(out, "one_look", look_to_json(&j->once));
    if (j->is_at_horizon && j->metric.decided_at == 0) { /* the last look is what holds now */
        json_object_set_new(out, "low", tm__json_number(j->last_look.low));
        json_object_set_new(out, "high", tm__json_number(j->last_look.high));
        json_object_set_new(out, "level", tm__json_number(1 - j->alpha_last));
    }
    const uint64_t units =
        j->metric.decided_at > 0 ? j->metric.decided_at : tm__ab_compare_units(&j->metric);
    json_object_set_new(out, "decided",
                        j->by == NULL
                            ? json_null()
                            : json_pack("{s:I, s:o, s:s}", "units", (json_int_t)units, "at",
                                        time_of(j->in, j->decided_unit), "by", j->by));
    return out;
}

static json_t *counts_to_json(const tm_ab_judging *j, const tm_ab_share *share,
                              const tm_ab_guard *guard) {
    return json_pack("{s:s, s:s, s:b, s:o, s:[I, I], s:[I, I], s:o, s:o, s:o, s:o}", "metric",
                     guard->name, "kind", "counts", "smaller_is_better", true, "means",
                     pair(guard->means[0], guard->means[1]), "units", (json_int_t)share->n[0],
                     (json_int_t)share->n[1], "bad", (json_int_t)share->k[0],
                     (json_int_t)share->k[1], "difference",
                     tm__json_number(guard->means[1] - guard->means[0]), "low",
                     tm__json_number(guard->low), "high", tm__json_number(guard->high), "level",
                     tm__json_number(1 - tm__ab_guard_alpha(j)));
}

static json_t *guardrails_to_json(const tm_ab_judging *j) {
    const tm_ab_input *in = j->in;
    json_t *list = json_array();
    for (uint32_t g = 0; g < tm__ab_guards(j); g++) {
        const tm_ab_guard guard = tm__ab_guard(j, g);
        const bool is_units = g < in->n_guardrails;
        const tm_ab_share *share = is_units ? NULL : &in->shares[g - in->n_guardrails];
        json_t *entry = is_units ? metric_to_json(&in->guardrails[g], &j->guardrails[g])
                                 : counts_to_json(j, share, &guard);
        json_object_set_new(entry, "margin",
                            tm__json_number(is_units ? in->guardrails[g].margin : share->margin));
        json_object_set_new(entry, "state",
                            json_string(guard.sign < 0   ? "breach"
                                        : guard.sign > 0 ? "kept"
                                                         : "open"));
        json_array_append_new(list, entry);
    }
    return list;
}

static json_t *arms_to_json(const tm_ab_judging *j) {
    const double shares[2] = {1 - j->in->share, j->in->share};
    json_t *list = json_array();
    for (uint32_t a = 0; a < 2; a++) {
        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:o, s:I, s:I, s:I}", "arm", j->in->names[a], "role",
                      a == 0 ? "control" : "treatment", "share", tm__json_number(shares[a]),
                      "units", (json_int_t)j->ratio.n[a], "judged", (json_int_t)j->metric.arms[a].n,
                      "without_value", (json_int_t)(j->n_matured[a] - j->metric.arms[a].n)));
    }
    return list;
}

static json_t *rule_to_json(const tm_ab_judging *j) {
    const tm_ab_input *in = j->in;
    const bool has_end = in->horizon > 0;
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "kind",
                     has_end ? "horizon" : "any_time", "alpha", tm__json_number(in->alpha),
                     "alpha_early", tm__json_number(j->alpha_early), "alpha_last",
                     has_end ? tm__json_number(j->alpha_last) : json_null(), "alpha_guardrails",
                     tm__ab_guards(j) > 0 ? tm__json_number(in->alpha_guard) : json_null(),
                     "horizon", has_end ? json_integer((json_int_t)in->horizon) : json_null(),
                     "tuned_for", tm__json_number(j->metric.options.units));
}

static json_t *coverage_to_json(const tm_ab_judging *j) {
    const double nan = tm__nan();
    double shares[2];
    for (uint32_t a = 0; a < 2; a++) {
        shares[a] =
            j->n_matured[a] > 0 ? (double)j->metric.arms[a].n / (double)j->n_matured[a] : nan;
    }
    return json_pack("{s:o, s:o, s:b}", "shares", pair(shares[0], shares[1]), "p_value",
                     tm__json_number(j->coverage_p), "differs", j->coverage_p < TM_AB_RATIO_ALPHA);
}

static json_t *to_json(tm_ab_judging *j, const char *decision) {
    const tm_ab_input *in = j->in;
    char words[TM_AB_WORDS_MAX];
    tm__ab_words(j, decision, words, sizeof(words));
    json_t *out = json_pack("{s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I}", "decision", decision,
                            "verdict", words, "arms", arms_to_json(j), "units",
                            (json_int_t)in->n_units, "matured", (json_int_t)in->n_matured, "judged",
                            (json_int_t)tm__ab_compare_units(&j->metric), "after_horizon",
                            (json_int_t)j->n_after, "in_both_arms", (json_int_t)in->n_in_both);
    json_object_set_new(out, "rule", rule_to_json(j));
    json_object_set_new(out, "sample_ratio",
                        json_pack("{s:o, s:o, s:s, s:b, s:b}", "p_value",
                                  tm__json_number(tm__ab_ratio_p(&j->ratio)), "any_time_p_value",
                                  tm__json_number(tm__ab_ratio_p_any_time(&j->ratio)), "looks",
                                  in->is_looked_at_once ? "one" : "any", "mismatch", j->is_mismatch,
                                  "took_turns", j->is_in_turns));
    json_object_set_new(out, "coverage", coverage_to_json(j));
    json_t *const metric = primary_to_json(j);
    json_object_set_new(out, "metric", metric);
    json_object_set_new(out, "guardrails", guardrails_to_json(j));
    if (in->n_points > 0) {
        json_object_set_new(out, "over_time", tm__ab_series_take(&j->series, metric));
    }
    return out;
}

tm_status tm__ab_judge(const tm_ab_input *in, json_t **out, tm_err *err) {
    tm_ab_judging j = {.in = in, .series = {.n_points = in->n_points}};
    if (in->n_guardrails > TM_AB_GUARDRAILS_MAX || in->n_shares > TM_AB_GUARDRAILS_MAX ||
        tm__ab_guards(&j) > TM_AB_GUARDRAILS_MAX) {
        return TM_FAIL(err, TM_E_INVALID, "an experiment has more than %u guardrails",
                       TM_AB_GUARDRAILS_MAX);
    }
    TM_TRY(begin(&j, err));
    walk(&j);
    const char *decision = decide(&j);
    json_t *made = to_json(&j, decision);
    const tm_status st = tm__json_check(err);
    if (st == TM_OK) {
        *out = made;
    } else {
        json_decref(made);
    }
    return st;
}
