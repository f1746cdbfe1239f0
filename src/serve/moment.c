/* SPDX-License-Identifier: Apache-2.0 */
/*
 *      commit          all have read it            the moment
 *        │ ── 20 ms ──────> │                          │
 *        └───────────── TM_DB_LEAD_MS ─────────────────┘
 *      look ── TM_DB_KNOWN_MS ──> what is published may not answer any more without another look
 *
 * 1. The server's clock is read between two readings of this one, so its moment lies between two
 *    times here: before the first one the old version answers, after the second one the new one,
 * and who asks in between waits. Whoever was told a new version was told after the moment, by any
 *    clock; so no later question meets one that is before it.
 * 2. A look shows every change that takes effect within TM_DB_KNOWN_MS of its beginning
 *    (store/db_pg_moment.c).
 * 3. Who looked too late does not know what answers up to the moment, and waits for it.
 */
#include "serve/moment.h"

#include "base/clock.h"

#define MARGIN_NS INT64_C(2000000) /* clocks drift, and times are read in microseconds */

tm_current *tm__moment_publish(tm_published *published, tm_current *current,
                               const tm_db_moment *moment, uint64_t known_ns) {
    const int64_t left_ns = moment->left_us * 1000;
    const bool lies_ahead = moment->is_shared && left_ns + MARGIN_NS > 0;
    const uint64_t surely_ns = (uint64_t)((int64_t)moment->told_ns + left_ns + MARGIN_NS);
    const bool is_first = tm__published_view(published) == NULL;
    if (is_first || (!lies_ahead && !tm__published_is_staged(published))) {
        for (uint64_t now = tm__mono_ns(); lies_ahead && now < surely_ns; now = tm__mono_ns()) {
            tm__sleep_ms((uint32_t)((surely_ns - now) / 1000000) + 1);
        }
        return tm__published_swap(published, current);
    }
    const bool is_late = moment->asked_ns > known_ns; /* invariant 3 */
    const int64_t from_ns = (int64_t)moment->asked_ns + left_ns - MARGIN_NS;
    return tm__published_stage(published, current, is_late || from_ns < 0 ? 0 : (uint64_t)from_ns,
                               surely_ns);
}

uint64_t tm__moment_know(tm_published *published, const tm_db_moment *moment) {
    const uint64_t until_ns =
        moment->is_shared ? moment->asked_ns + TM_DB_KNOWN_MS * UINT64_C(1000000) : 0;
    tm__published_know(published, until_ns);
    return until_ns;
}

void tm__moment_log(const tm_log *log, tm_prom *prom, const tm_current *old,
                    const tm_current *now) {
    for (uint32_t i = 0; i < now->n; i++) {
        const tm_served *served = now->routes[i];
        if (old != NULL && served != tm__current_find(old, served->route)) {
            tm__prom_swap(prom);
            tm_log_event(log, TM_INFO, "model.serving", TM_FT("route", served->route),
                         TM_FT("model", served->model), TM_FI("version", served->version),
                         TM_FI("warmed", served->n_warm));
        }
    }
}
