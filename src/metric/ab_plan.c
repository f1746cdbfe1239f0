/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/ab_plan.h"

#include <math.h>

#include "base/fmath.h"
#include "metric/special.h"
#include "metric/uniform.h"

#define UNITS_MAX 1e15

static tm_status refuse(const char *what, const char *hint, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_INVALID, "%s", what);
    tm_err_hint(err, "%s", hint);
    return st;
}

static tm_status check(const tm_ab_plan_options *o, tm_err *err) {
    const double after = o->baseline + o->effect;
    if (!(o->alpha > 0 && o->alpha < 0.5) || !(o->power > 0.5 && o->power < 1)) {
        return refuse("alpha is not below a half, or power not above it",
                      "Usual are an alpha of 0.05 and a power of 0.8.", err);
    }
    if (!(o->share > 0 && o->share < 1)) {
        return refuse("an arm has no share of the units", "Give each arm a share over 0.", err);
    }
    if (!isfinite(after) || o->effect == 0) {
        return refuse("the effect is 0 or no number",
                      "Name the smallest difference that would change what you do.", err);
    }
    if (o->kind == TM_AB_BINARY &&
        !(o->baseline > 0 && o->baseline < 1 && after > 0 && after < 1)) {
        return refuse("the baseline, or it with the effect, is no share between 0 and 1",
                      "Give shares as 0.18, not as 18 %.", err);
    }
    if (o->kind != TM_AB_BINARY && !(o->sd > 0 && isfinite(o->sd))) {
        return refuse("the standard deviation of the metric is not known",
                      "Take it from earlier data: the deviation of one unit's value.", err);
    }
    return TM_OK;
}

/* Square root of the units that make the standard errors of the difference one: under no
 * difference, and under the effect. */
typedef struct scales {
    double none, some;
} scales;

static scales scales_of(const tm_ab_plan_options *o) {
    const double a = 1 - o->share, b = o->share;
    if (o->kind != TM_AB_BINARY) {
        const double both = o->sd * tm__sqrt(1 / a + 1 / b);
        return (scales){both, both};
    }
    const double p = o->baseline, q = p + o->effect, all = a * p + b * q;
    return (scales){tm__sqrt(all * (1 - all) * (1 / a + 1 / b)),
                    tm__sqrt(p * (1 - p) / a + q * (1 - q) / b)};
}

static double units_for(const tm_ab_plan_options *o, scales s, double z_alpha) {
    const double root = (z_alpha * s.none + tm__normal_upper(1 - o->power) * s.some) / o->effect;
    return ceil(root * root);
}

static double power_of(const tm_ab_plan_options *o, scales s, double z_alpha, double units) {
    const double drift = fabs(o->effect) * tm__sqrt(units);
    return tm__normal_above((z_alpha * s.none - drift) / s.some);
}

double tm__ab_guard_share(double alpha, bool has_guardrails) {
    return has_guardrails ? alpha / TM_AB_GUARD_PARTS : 0;
}

tm_status tm__ab_plan(const tm_ab_plan_options *options, tm_ab_plan *out, tm_err *err) {
    TM_TRY(check(options, err));
    const scales s = scales_of(options);
    const double alpha = options->alpha;
    tm_ab_plan plan = {.alpha_early = alpha / TM_AB_EARLY_PARTS,
                       .alpha_last = alpha - alpha / TM_AB_EARLY_PARTS};
    const double z_once = tm__normal_upper(alpha / 2);
    const double z_last = tm__normal_upper(plan.alpha_last / 2);
    /* Of a boundary that is lowest at the last unit. */
    const double z_any_time = tm__normal_mixture(1, alpha, tm__mixture_rho(1, alpha));
    plan.units_once = units_for(options, s, z_once);
    plan.units = units_for(options, s, z_last);
    plan.units_any_time = units_for(options, s, z_any_time);
    plan.power_at_once = power_of(options, s, z_last, plan.units_once);
    if (!(plan.units_any_time < UNITS_MAX)) {
        return refuse("the effect is too small for any experiment",
                      "Look for a larger effect, or a metric that varies less.", err);
    }
    *out = plan;
    return TM_OK;
}
