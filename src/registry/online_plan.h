/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the online store keeps for a version whose features look at windows of events, and how it is
 * answered from: said once for the daemon, which keeps it, and for the server, which reads it.
 *
 * A model's recipe may say {"online": {"source": NAME, "max_lag_us": N, "late_us": N,
 * "stale": "refuse" | "missing", "absent": "missing" | "refuse"}}; docs/serving.md has the reasons.
 */
#ifndef TM_REGISTRY_ONLINE_PLAN_H
#define TM_REGISTRY_ONLINE_PLAN_H

#include "base/json.h"
#include "feature/window_live.h"

#define TM_ONLINE_MAX_LAG_US (INT64_C(300) * 1000000) /* when nothing else is said */

typedef struct tm_online_terms {
    char source[129];       /* whose rows are the events, of features that name no other; empty: of
                               no source of the home */
    int64_t max_lag_us;     /* further behind the store is stale */
    int64_t late_us;        /* so far before its newest event an entity may be asked about */
    bool stale_is_missing;  /* else a request that needs what is stale is refused */
    bool absent_is_refused; /* else an entity without events is answered as one */
} tm_online_terms;

typedef struct tm_online_plan {
    tm_online_terms terms;
    tm_window_set *set;
    tm_window_live *live;
    tm_hash *marks; /* [tm__window_live_count(live)] of views of the store */
} tm_online_plan;

/** True when a version (info of its bundle) has features over windows. */
bool tm__online_plan_has(const json_t *info);
/** What a recipe says of it; info (may be NULL) names the source when the recipe does not. */
TM_NODISCARD tm_status tm__online_terms_read(const json_t *info, const json_t *recipe,
                                             tm_online_terms *out, tm_err *err);
/** recipe: the model's, JSON null or NULL: none. TM_E_DATA when either is damaged, TM_E_UNSUPPORTED
 * for a feature that cannot be kept, TM_E_NOMEM. */
TM_NODISCARD tm_status tm__online_plan_read(const json_t *info, const json_t *recipe,
                                            tm_online_plan *out, tm_err *err);
/** The source whose rows are a group's events; empty: none of the home's. */
const char *tm__online_plan_source(const tm_online_plan *plan, uint32_t group);
/** Whether each group has one. */
bool tm__online_plan_has_sources(const tm_online_plan *plan);
void tm__online_plan_done(tm_online_plan *plan);

#endif
