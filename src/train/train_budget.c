/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of a budget.
 *
 * A budget is work or a clock. By work, all sizes follow from units that fits reported. By the
 * clock, the moment at which a part ends is a matter of time and thus of the machine; but nothing
 * is decided by such a moment except through tm__budget_is_late(), whose answers are kept. So a run
 * is repeated by its answers, whatever moments the parts had then.
 */
#include "train/train_search_priv.h"

#include "base/fmath.h"

static bool is_repeat(const tm_budget *budget) {
    return budget->stops != NULL && budget->stops->is_repeat;
}

static uint64_t work_left(const tm_budget *budget) {
    return budget->work_limit > budget->work_used ? budget->work_limit - budget->work_used : 0;
}

/* What is left of the clock, in ns; 0 without one. For sizes of parts only: what a run hears from
 * the clock are the answers to tm__budget_is_late(). */
static uint64_t left_ns(const tm_budget *budget) {
    const uint64_t now =
        budget->deadline_ns > 0 && !is_repeat(budget) ? tm__budget_now_ns(budget) : 0;
    return now > 0 && budget->deadline_ns > now ? budget->deadline_ns - now : 0;
}

tm_budget tm__budget_part(const tm_budget *whole, double share) {
    tm_budget part = {.stops = whole->stops};
    if (whole->work_limit > 0) {
        part.work_limit = (uint64_t)((double)work_left(whole) * share);
        part.work_limit = part.work_limit == 0 ? 1 : part.work_limit;
    }
    if (is_repeat(whole)) {
        part.deadline_ns = whole->deadline_ns; /* never looked at: the stops answer */
    } else if (whole->deadline_ns > 0) {
        part.deadline_ns = tm__budget_now_ns(whole) + (uint64_t)((double)left_ns(whole) * share);
    }
    return part;
}

bool tm__budget_has_room(tm_budget *budget, tm_need need) {
    if (budget->work_limit > 0 && (double)work_left(budget) < need.work) {
        return false;
    }
    return !tm__budget_is_late(budget, need.ns > 0 ? (uint64_t)need.ns : 0);
}

double tm__budget_used(const tm_budget *budget) {
    if (budget == NULL) {
        return tm__nan();
    }
    if (budget->work_limit > 0) {
        const double used = (double)budget->work_used / (double)budget->work_limit;
        return used < 1.0 ? used : 1.0;
    }
    if (budget->deadline_ns == 0 || budget->started_ns == 0 || is_repeat(budget)) {
        return tm__nan();
    }
    const uint64_t now = tm__budget_now_ns(budget);
    const double used =
        (double)(now - budget->started_ns) / (double)(budget->deadline_ns - budget->started_ns);
    return used < 1.0 ? used : 1.0;
}
