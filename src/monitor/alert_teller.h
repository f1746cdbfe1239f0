/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What watches a model has in common: the store, which is made when there is something to keep; the
 * model's settings; and how an alarm becomes an alert that whoever is to know is told.
 */
#ifndef TM_MONITOR_ALERT_TELLER_H
#define TM_MONITOR_ALERT_TELLER_H

#include "monitor/alert.h"

#define TM_BUDGET_US (30 * TM_DAY_US) /* one false alarm in this time */
/* One budget for all that is watched of a model. */
#define TM_BUDGET_ROWS 0.8    /* columns and answers: drift.h */
#define TM_BUDGET_ERRORS 0.1  /* of labelled answers: error_watch.h */
#define TM_BUDGET_TRAFFIC 0.1 /* traffic_watch.h */

/* Fill in what comes before `store`; owner thread. */
typedef struct tm_teller {
    const tm_home *home;
    /* What tidemill.yaml says below `monitor` of a model, or *out NULL. NULL: nothing. */
    tm_status (*settings)(void *arg, const char *model, json_t **out, tm_err *err);
    /* An alert that is new (text: what it says), or (raise NULL) why nothing could be kept. */
    void (*say)(void *arg, const tm_alert_raise *raise, const char *text);
    void *arg;
    tm_drift_store *store; /* NULL: not opened yet */
} tm_teller;

/** The store, made when missing; the teller's. */
TM_NODISCARD tm_status tm__teller_store(tm_teller *teller, tm_drift_store **out, tm_err *err);
/** Time in which a model may have one false alarm. */
int64_t tm__teller_budget_us(const tm_teller *teller, const char *model);
/** The part of a budget that a window may use: of what passed since the one before (INT64_MIN:
 * there was none) at least its own time, and of a pause or a clock that jumped at most a day. */
double tm__budget_share(int64_t budget_us, int64_t before_us, int64_t at_us, int64_t span_us);
/** Raise to the receivers of its model's settings, which are filled in, and say it when it is new.
 */
TM_NODISCARD tm_status tm__teller_raise(tm_teller *teller, const tm_alert_raise *raise,
                                        tm_err *err);
void tm__teller_problem(const tm_teller *teller, const char *text);
void tm__teller_done(tm_teller *teller);

#endif
