/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alerts: what went wrong, told once.
 *
 *     raise ──> open ── ack ──> acknowledged ─┐
 *                │  ^                          ├── resolve, or nothing more for a day ──> resolved
 *       silence  v  │ its time is over         │
 *             silenced ────────────────────────┘
 *
 * An alert of the same model, kind and subject that is not resolved takes what is raised again: it
 * counts and tells nobody. What is to be told lies in the store as deliveries until a receiver has
 * taken it (loop/loop_alerts.c sends them); nothing here waits for a network.
 */
#ifndef TM_MONITOR_ALERT_H
#define TM_MONITOR_ALERT_H

#include "base/json.h"
#include "monitor/drift_store.h"

typedef enum tm_alert_state { /* numbers are stored */
                              TM_ALERT_OPEN = 0,
                              TM_ALERT_ACKNOWLEDGED = 1,
                              TM_ALERT_SILENCED = 2,
                              TM_ALERT_RESOLVED = 3,
                              TM_ALERT_STATES
} tm_alert_state;
/** "open", "acknowledged", "silenced", "resolved". */
const char *tm__alert_state_text(tm_alert_state state);

#define TM_ALERT_QUIET_US TM_DAY_US /* without news: resolved by itself */

typedef struct tm_alert_raise {
    const char *model;
    uint32_t version;
    const char *kind;    /* "drift", "traffic", "performance" */
    const char *subject; /* column, or what else is meant; "" for the model itself */
    bool is_critical;
    int64_t since_us; /* when it began to show */
    int64_t at_us;    /* now */
    const char *summary;
    const json_t *detail;         /* object; for machines */
    const char *const *receivers; /* [n_receivers] whom to tell: names of tidemill.yaml */
    uint32_t n_receivers;
} tm_alert_raise;
/** Raise in a transaction of its own; *out_told: it is new, or open again. */
TM_NODISCARD tm_status tm__alert_raise(tm_drift_store *store, const tm_alert_raise *raise,
                                       bool *out_told, tm_err *err);

/** When an alert of this key was last raised, resolved ones too; INT64_MIN: never. */
TM_NODISCARD tm_status tm__alert_last(tm_drift_store *store, const tm_alert_raise *key,
                                      int64_t *out_us, tm_err *err);

typedef struct tm_alert_filter {
    const char *model; /* NULL: all */
    bool all;          /* those resolved too */
    uint32_t n_max;    /* 0: 1000 */
} tm_alert_filter;
/**
 * Alerts, the newest first: a list of {"id", "model", "version", "kind", "subject", "severity",
 * "state", "times", "since", "opened", "last", "resolved", "silent_until", "by", "summary",
 * "detail"}; empty without a store.
 *
 * Owns: *out is a new reference.  Errors: TM_E_NOMEM, those of the store.  Threads: any.
 */
TM_NODISCARD tm_status tm__alert_list(const tm_home *home, const tm_alert_filter *filter,
                                      json_t **out, tm_err *err);

typedef struct tm_alert_move {
    int64_t id;
    tm_alert_state to; /* TM_ALERT_OPEN ends a silence */
    int64_t until_us;  /* of a silence */
    int64_t now_us;
    const char *actor;
    const char *model; /* NULL: whatever it is of; else TM_E_NOT_FOUND for another's */
} tm_alert_move;
/** TM_E_NOT_FOUND without such an alert, TM_E_CONFLICT for one that is resolved. */
TM_NODISCARD tm_status tm__alert_move(tm_drift_store *store, const tm_alert_move *move,
                                      tm_err *err);
/** Resolve what had no news for a day, and is not silenced. A clock that went back resolves
 * nothing. */
TM_NODISCARD tm_status tm__alert_sweep(tm_drift_store *store, int64_t now_us, tm_err *err);

/* ---- Deliveries ---- */

#define TM_DELIVERY_TRIES 12u /* over about a day and a half */

typedef struct tm_delivery {
    int64_t id;
    const char *receiver, *event; /* "opened", "resolved" */
    const char *body;             /* JSON of the alert */
    int64_t at_us;
    uint32_t n_tries;
} tm_delivery;
/** Those whose turn has come, oldest first; false from fn ends it. */
typedef bool (*tm_delivery_fn)(void *arg, const tm_delivery *delivery);
TM_NODISCARD tm_status tm__delivery_due(tm_drift_store *store, int64_t now_us, tm_delivery_fn fn,
                                        void *arg, tm_err *err);
/** How a try went: problem NULL is taken, else it is tried again later, up to TM_DELIVERY_TRIES. */
TM_NODISCARD tm_status tm__delivery_done(tm_drift_store *store, int64_t id, const char *problem,
                                         int64_t now_us, tm_err *err);

#endif
