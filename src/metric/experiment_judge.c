/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/experiment_judge.h"

#include <string.h>

#include "metric/ab_plan.h"

void tm__experiment_done(tm_experiment *self) {
    tm__units_done(&self->units);
    memset(self, 0, sizeof(*self));
}

/* What a metric's values are, now that units have them. */
static void settle(const tm_experiment *e, uint32_t m, tm_ab_metric *out) {
    *out = e->metrics[m];
    out->values = e->units.values[m];
    if (out->kind == TM_AB_BOUNDED) {
        return; /* said so */
    }
    out->kind = e->units.is_binary[m]  ? TM_AB_BINARY
                : e->units.is_share[m] ? TM_AB_BOUNDED
                                       : TM_AB_MEAN;
    out->low = 0;
    out->high = 1;
    out->variance = out->kind == TM_AB_BINARY && m == 0 ? e->baseline * (1 - e->baseline) : 0;
}

tm_status tm__experiment_judge(tm_experiment *self, json_t **out, tm_err *err) {
    tm_ab_metric metrics[TM_UNIT_METRICS_MAX];
    for (uint32_t m = 0; m < self->n_metrics; m++) {
        settle(self, m, &metrics[m]);
    }
    const tm_units *u = &self->units;
    const double guard = tm__ab_guard_share(self->alpha, self->n_metrics > 1 || self->n_shares > 0);
    const tm_ab_input in = {.n_units = u->n,
                            .arms = u->arms,
                            .times_us = self->has_times ? u->times_us : NULL,
                            .delay_us = u->delay_us,
                            .n_points = self->n_points,
                            .n_matured = u->n_matured,
                            .n_in_both = u->n_in_both,
                            .names = {self->names[0], self->names[1]},
                            .share = self->share,
                            .alpha = self->alpha - guard,
                            .alpha_guard = guard,
                            .horizon = self->horizon,
                            .is_looked_at_once = self->is_looked_at_once,
                            .metric = metrics[0],
                            .guardrails = &metrics[1],
                            .n_guardrails = self->n_metrics - 1,
                            .shares = self->shares,
                            .n_shares = self->n_shares};
    return tm__ab_judge(&in, out, err);
}
