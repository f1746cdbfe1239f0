/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serving while the tables are away (PostgreSQL only): by what was last known of them, for so long
 * and no longer, also when the server starts then (registry/registry_known.h). Nothing of it is
 * done for a home with its tables in a file.
 */
#ifndef TM_SERVE_AWAY_H
#define TM_SERVE_AWAY_H

#include "base/log.h"
#include "registry/registry.h"
#include "serve/serve_priv.h"

#define TM_AWAY_US_MAX (INT64_C(7) * 86400 * 1000000)

typedef struct tm_away {
    const tm_home *home;
    const tm_log *log;
    tm_health *health;
    int64_t max_us;     /* that answers go on; 0: TM_AWAY_US_MAX */
    uint64_t n_kept;    /* what was published when the copy was made */
    int64_t written_us; /* the time that was noted last */
    bool is_failing;
} tm_away;

/** The tables were heard at this monotonic time, or could not be. `moves`, before it the opening.
 */
void tm__away_hear(tm_away *away, uint64_t heard_ns);
void tm__away_lose(tm_away *away);
/** What is known, to start by it. TM_E_UNAVAILABLE when that is nothing, or too old. */
TM_NODISCARD tm_status tm__away_begin(tm_away *away, tm_registry **out, tm_err *err);
/** Keep what is known for a start: rows when n_published is another than at the last call, and the
 * time. Of the watch, then of who closes. */
void tm__away_keep(tm_away *away, tm_registry *registry, uint64_t n_published);

/** Whether what is served may answer still. Any thread. */
bool tm__away_is_good(const tm_health *health, uint64_t now_ns);
/** Seconds since the tables were heard. Any thread. */
int64_t tm__away_age_s(const tm_health *health, int64_t now_us);

#endif
