/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the traffic of a route what it was? Requests are counted by minutes and hours; the hours of
 * the last week say what is usual, and five signals are watched against them: how many requests
 * come, how long they take, how many are refused or fail, how large the share of the busiest caller
 * is, and how many rows are far from the training rows.
 *
 * Shares are watched by shift.h, the pace by pace.h, under one part of the model's budget of false
 * alarms (TM_BUDGET_TRAFFIC), alike for all signals. What is usual is between the least and the
 * largest that an hour had: of all hours for shares; of the pace at the same time of day (the hour
 * before and behind it too) once a week of days is known, before that of the last day. Hours in
 * which a signal was told are left out of what is usual for it, until half of all are such: then
 * the world has changed.
 */
#ifndef TM_MONITOR_TRAFFIC_H
#define TM_MONITOR_TRAFFIC_H

#include "base/buf.h"
#include "monitor/pace.h"
#include "monitor/shift.h"

/* ---- What is counted ---- */

#define TM_TRAFFIC_CALLERS 64u
#define TM_TRAFFIC_LATENCIES 15u

/* Places of counts of a window; those before TM_TRAFFIC_KEPT are stored by number. */
enum {
    TM_TRAFFIC_ANSWERED, /* requests by what became of them: 2xx, 4xx, 5xx */
    TM_TRAFFIC_REFUSED,
    TM_TRAFFIC_FAILED,
    TM_TRAFFIC_LATENCY, /* requests by their time: up to each bound, and behind the last */
    TM_TRAFFIC_ROWS = TM_TRAFFIC_LATENCY + TM_TRAFFIC_LATENCIES,
    TM_TRAFFIC_FAR,     /* of the rows: far from the training rows */
    TM_TRAFFIC_TOP,     /* requests of the caller that had most in its minute */
    TM_TRAFFIC_SECONDS, /* that were watched */
    TM_TRAFFIC_TOLD,    /* bits: signals that were told in it */
    TM_TRAFFIC_KEPT,
    TM_TRAFFIC_CALLER = TM_TRAFFIC_KEPT, /* requests by a hash of who called; of a minute only */
    TM_TRAFFIC_COUNTS = TM_TRAFFIC_CALLER + TM_TRAFFIC_CALLERS
};

typedef struct tm_traffic {
    uint64_t counts[TM_TRAFFIC_COUNTS];
    uint32_t keys[TM_TRAFFIC_CALLERS]; /* of the last caller: id of its key, 0: it had none */
} tm_traffic;
void tm__traffic_add(tm_traffic *io, const tm_traffic *from);
/** The cell of a time. */
uint32_t tm__traffic_latency(uint64_t ns);
/** Where a cell ends, but the last, which has no end: seconds. */
double tm__traffic_latency_bound_s(uint32_t cell);

typedef struct tm_traffic_hour { /* or a part of one */
    int64_t at_us;               /* when it began */
    uint64_t counts[TM_TRAFFIC_KEPT];
} tm_traffic_hour;

/* ---- What is watched ---- */

typedef enum tm_traffic_signal { /* numbers are stored as bits */
                                 TM_SIGNAL_VOLUME,
                                 TM_SIGNAL_LATENCY,
                                 TM_SIGNAL_ERRORS,
                                 TM_SIGNAL_CALLER,
                                 TM_SIGNAL_FAR,
                                 TM_SIGNALS
} tm_traffic_signal;
/** "volume", "latency", "errors", "caller", "far rows". */
const char *tm__signal_text(tm_traffic_signal signal);

typedef struct tm_traffic_alarm {
    tm_traffic_signal signal;
    bool is_critical;
    uint32_t cell;  /* of the latency: how long is long */
    double was, is; /* requests a minute, or a share */
    double evidence;
    int64_t since_us;
} tm_traffic_alarm;

#define TM_TRAFFIC_HOURS 672u /* kept of a route: four weeks */

typedef struct tm_traffic_route tm_traffic_route;
/** Nothing is known. NULL when out of memory. */
tm_traffic_route *tm__traffic_route_create(void);
void tm__traffic_route_free(tm_traffic_route *route);
/** Remember an hour of before; they come in order. */
void tm__traffic_route_hour(tm_traffic_route *route, const tm_traffic_hour *hour);

typedef struct tm_traffic_minute {
    tm_traffic counts; /* with SECONDS; TOP and TOLD are filled in */
    int64_t at_us;
    double share; /* of the model's budget of false alarms */
} tm_traffic_minute;
/**
 * Take a minute that is over, perhaps without requests.
 *
 * out_alarms  [TM_SIGNALS]; returns how many there are. What got better is none.
 * Errors:     TM_E_NOMEM, and then the minute counts as seen.
 * Threads:    owner thread.
 */
TM_NODISCARD tm_status tm__traffic_route_add(tm_traffic_route *route, tm_traffic_minute *minute,
                                             tm_traffic_alarm out_alarms[TM_SIGNALS],
                                             uint32_t *out_n, tm_err *err);
/** What an alarm says, what to do next (static text), and the key of the busiest caller of the
 * minute, 0: it had none. */
void tm__traffic_words(const tm_traffic_alarm *alarm, const tm_traffic_minute *minute, tm_buf *out);
const char *tm__traffic_next(const tm_traffic_alarm *alarm);

#endif
