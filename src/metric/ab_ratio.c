/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/ab_ratio.h"

#include "base/fmath.h"
#include "metric/special.h"

#define PRIOR_UNITS 500.0 /* evidence is largest for experiments of some thousand units */

void tm__ab_ratio_add(tm_ab_ratio *self, uint32_t arm) {
    const double share = arm == 1 ? self->share : 1 - self->share;
    const double before = (double)(self->n[0] + self->n[1]);
    /* What the beta distribution expected of this unit, over what the plan did. */
    self->log_evidence +=
        tm__log((PRIOR_UNITS * share + (double)self->n[arm]) / ((PRIOR_UNITS + before) * share));
    self->log_most = self->log_evidence > self->log_most ? self->log_evidence : self->log_most;
    self->n[arm]++;
}

double tm__ab_ratio_p(const tm_ab_ratio *self) {
    const double n = (double)(self->n[0] + self->n[1]);
    if (n == 0) {
        return 1;
    }
    const double off = (double)self->n[1] - n * self->share;
    return tm__chi2_above(off * off / (n * self->share * (1 - self->share)), 1);
}

double tm__ab_ratio_p_any_time(const tm_ab_ratio *self) {
    return tm__exp(-self->log_most);
}
