/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/away.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "registry/registry_known.h"

#define NOTE_US INT64_C(60000000) /* the time that was noted is at most so much too old */

static int64_t max_us(const tm_away *away) {
    return away->max_us > 0 ? away->max_us : TM_AWAY_US_MAX;
}

void tm__away_hear(tm_away *away, uint64_t heard_ns) {
    tm_health *const health = away->health;
    if (atomic_load(&health->is_away)) {
        tm_log_event(away->log, TM_INFO, "tables.back",
                     TM_FI("seconds", tm__away_age_s(health, tm__now_us())));
    }
    atomic_store(&health->heard_us, tm__now_us());
    atomic_store(&health->good_until_ns, heard_ns + (uint64_t)max_us(away) * 1000);
    atomic_store(&health->is_away, false);
}

void tm__away_lose(tm_away *away) {
    if (!atomic_exchange(&away->health->is_away, true)) {
        tm_log_event(away->log, TM_WARN, "tables.away",
                     TM_FI("heard_seconds_ago", tm__away_age_s(away->health, tm__now_us())),
                     TM_FI("answers_for_seconds", max_us(away) / 1000000));
    }
}

tm_status tm__away_begin(tm_away *away, tm_registry **out, tm_err *err) {
    tm_health *const health = away->health;
    int64_t heard_us = 0;
    tm_registry *registry = NULL;
    const tm_status st = tm__registry_known_open(away->home, &registry, &heard_us, NULL);
    if (st == TM_E_NOMEM) {
        return TM_FAIL(err, st, "out of memory");
    }
    const int64_t now_us = tm__now_us();
    const int64_t age_us = now_us > heard_us ? now_us - heard_us : 0;
    if (st != TM_OK || age_us > max_us(away)) {
        tm__registry_close(registry);
        (void)TM_FAIL(err, TM_E_UNAVAILABLE, "PostgreSQL is away, and %s",
                      st != TM_OK ? "this home knows nothing of its tables yet"
                                  : "what this home knows of its tables is too old");
        tm_err_hint(err, "Look whether the server runs%s",
                    st != TM_OK ? "." : ", or allow more with --away-max.");
        return TM_E_UNAVAILABLE;
    }
    atomic_store(&health->heard_us, heard_us);
    atomic_store(&health->good_until_ns, tm__mono_ns() + (uint64_t)(max_us(away) - age_us) * 1000);
    tm__away_lose(away);
    *out = registry;
    return TM_OK;
}

void tm__away_keep(tm_away *away, tm_registry *registry, uint64_t n_published) {
    const int64_t heard_us = atomic_load(&away->health->heard_us);
    tm_err err = {0};
    tm_status st = TM_OK;
    if (heard_us == 0 || atomic_load(&away->health->is_away)) {
        return;
    }
    if (n_published != away->n_kept) {
        st = tm__registry_known_keep(registry, &err);
        away->n_kept = st == TM_OK ? n_published : away->n_kept;
        away->written_us = st == TM_OK ? 0 : away->written_us;
    }
    if (st == TM_OK && heard_us - away->written_us >= NOTE_US) {
        st = tm__registry_known_hear(away->home, heard_us, &err);
        away->written_us = heard_us;
    }
    if (st != TM_OK && !away->is_failing) {
        tm_log_event(away->log, TM_WARN, "tables.not_kept", TM_FT("error", err.message));
    }
    away->is_failing = st != TM_OK;
}

bool tm__away_is_good(const tm_health *health, uint64_t now_ns) {
    const uint64_t until_ns = health == NULL ? 0 : atomic_load(&health->good_until_ns);
    return until_ns == 0 || now_ns <= until_ns;
}

int64_t tm__away_age_s(const tm_health *health, int64_t now_us) {
    const int64_t heard_us = atomic_load(&health->heard_us);
    return now_us > heard_us ? (now_us - heard_us) / 1000000 : 0;
}
