/* SPDX-License-Identifier: Apache-2.0 */
/* A verdict for people who are no statisticians. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "metric/ab_judge_priv.h"

/* "lies between -0.002 and +0.012", or that nothing is known. */
static const char *interval_text(double low, double high, char *out, size_t size) {
    if (isnan(low) || isnan(high)) {
        (void)snprintf(out, size, "is not known yet");
    } else {
        (void)snprintf(out, size, "lies between %+.4g and %+.4g", low, high);
    }
    return out;
}

static const char *metric_interval(const tm_ab_judging *j, char *out, size_t size) {
    double low = j->last_look.low, high = j->last_look.high;
    if (!j->is_at_horizon || j->metric.decided_at > 0) {
        tm__ab_compare_interval(&j->metric, &low, &high);
    }
    return interval_text(low, high, out, size);
}

static void say_mismatch(const tm_ab_judging *j, char *out, size_t size) {
    if (j->is_in_turns) {
        (void)snprintf(out, size,
                       "The arms cannot be compared: they hold their shares, but took turns: many "
                       "units of '%.64s' come after one another, then many of '%.64s'. If that is "
                       "the order of the file alone, say when units were assigned; else whatever "
                       "changed in between is in the difference.",
                       j->in->names[0], j->in->names[1]);
        return;
    }
    const double n = (double)(j->ratio.n[0] + j->ratio.n[1]);
    const double p =
        j->in->is_looked_at_once ? tm__ab_ratio_p(&j->ratio) : tm__ab_ratio_p_any_time(&j->ratio);
    (void)snprintf(out, size,
                   "The arms cannot be compared: '%.64s' has %llu units and '%.64s' %llu, where "
                   "%.0f and %.0f were planned (p = %.2g). Something sorts units into arms or "
                   "loses some of one; find it before you believe any figure.",
                   j->in->names[0], (unsigned long long)j->ratio.n[0], j->in->names[1],
                   (unsigned long long)j->ratio.n[1], n * (1 - j->in->share), n * j->in->share, p);
}

static void say_guardrail(const tm_ab_judging *j, char *out, size_t size) {
    char interval[80];
    for (uint32_t g = 0; g < tm__ab_guards(j); g++) {
        const tm_ab_guard guard = tm__ab_guard(j, g);
        if (guard.sign < 0) {
            (void)snprintf(out, size,
                           "Stop: '%.64s' does harm. Its %.64s is %.4g, where '%.64s' has %.4g; "
                           "the difference %s (%.4g %%, at any time).",
                           j->in->names[1], guard.name, guard.means[1], j->in->names[0],
                           guard.means[0],
                           interval_text(guard.low, guard.high, interval, sizeof(interval)),
                           100 * (1 - tm__ab_guard_alpha(j)));
            return;
        }
    }
}

static void say_difference(const tm_ab_judging *j, char *out, size_t size) {
    char interval[80];
    const bool is_early = j->metric.decided_at > 0;
    (void)snprintf(
        out, size,
        "'%.64s' is %s: its %.64s is %.4g, where '%.64s' has %.4g. The difference %s (%.4g "
        "%%, %s)%s.",
        j->in->names[1], j->sign > 0 ? "better" : "worse", j->in->metric.name,
        j->metric.arms[1].mean, j->in->names[0], j->metric.arms[0].mean,
        metric_interval(j, interval, sizeof(interval)),
        100 * (1 - (is_early ? j->alpha_early : j->alpha_last)),
        is_early ? "at any time" : "at the last look",
        is_early && j->in->horizon > 0 && !j->is_at_horizon ? "; you may stop now" : "");
}

/* A few large values make up the difference: no interval is right. */
static bool is_skewed(const tm_ab_judging *j) {
    return j->in->metric.kind == TM_AB_MEAN && tm__ab_compare_skew(&j->metric) > TM_AB_SKEW_MOST;
}

static void say_skewed(const tm_ab_judging *j, char *out, size_t size) {
    (void)snprintf(out, size,
                   "No verdict yet, after %llu units: a few large values of %.64s make up the "
                   "difference, and where it lies cannot be said. Judge a capped value, or whether "
                   "there was any.",
                   (unsigned long long)tm__ab_compare_units(&j->metric), j->in->metric.name);
}

static void say_open(const tm_ab_judging *j, bool is_over, char *out, size_t size) {
    char interval[80];
    const unsigned long long n = (unsigned long long)tm__ab_compare_units(&j->metric);
    metric_interval(j, interval, sizeof(interval));
    if (is_over) {
        (void)snprintf(out, size,
                       "No difference of %.64s was shown at the %llu units that were planned: it "
                       "%s (%.4g %%). Keep '%.64s' unless '%.64s' is worth it for another "
                       "reason.",
                       j->in->metric.name, n, interval, 100 * (1 - j->alpha_last), j->in->names[0],
                       j->in->names[1]);
    } else if (j->in->horizon > 0) {
        (void)snprintf(out, size,
                       "No verdict yet, after %llu of %llu units: the difference of %.64s %s "
                       "(%.4g %%, at any time).",
                       n, (unsigned long long)j->in->horizon, j->in->metric.name, interval,
                       100 * (1 - j->alpha_early));
    } else {
        (void)snprintf(out, size,
                       "No verdict yet, after %llu units: the difference of %.64s %s (%.4g %%, "
                       "at any time). Go on, or stop without a winner; looking costs nothing.",
                       n, j->in->metric.name, interval, 100 * (1 - j->alpha_early));
    }
}

/* Behind a verdict that none is broken by. */
static void add_guardrails(const tm_ab_judging *j, char *out, size_t size) {
    const uint32_t n = tm__ab_guards(j);
    const size_t len = strlen(out);
    uint32_t n_kept = 0;
    for (uint32_t g = 0; g < n; g++) {
        n_kept += tm__ab_guard(j, g).sign > 0;
    }
    if (n > 0) {
        (void)snprintf(out + len, size - len, " No guardrail is broken; %u of %u %s surely kept.",
                       n_kept, n, n_kept == 1 ? "is" : "are");
    }
}

void tm__ab_words(const tm_ab_judging *j, const char *decision, char *out, size_t size) {
    out[0] = '\0';
    if (strcmp(decision, "mismatch") == 0) {
        say_mismatch(j, out, size);
        return;
    }
    if (strcmp(decision, "guardrail") == 0) {
        say_guardrail(j, out, size);
        return;
    }
    if (j->sign != 0) {
        say_difference(j, out, size);
    } else if (strcmp(decision, "wait") == 0 && is_skewed(j)) {
        say_skewed(j, out, size);
    } else {
        say_open(j, strcmp(decision, "no_difference") == 0, out, size);
    }
    add_guardrails(j, out, size);
}
