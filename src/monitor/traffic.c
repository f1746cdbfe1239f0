/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   minute ──> hour at hand ── when it is over ──> hours (a ring) ──> what is usual
 *        └───> detectors ── evidence of an alarm ──> alarm; the hour has its bit
 *
 * 1. Detectors of shares are made when what is usual is first known, and held against the newest
 *    week of hours at each hour; evidence goes on.
 * 2. What is usual has no hour that is not over, so an outage does not become usual while it lasts.
 * 3. Hours are in the order in which they came; of their time only the hour of the day is read, so
 *    a clock that jumps makes nothing old.
 */
#include "monitor/traffic.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "monitor/alert_teller.h"

#define WEEK 168u
#define DAYS_LEAST 7u /* that had the time of day before it is held against itself */
#define RECENT 24u    /* hours, before that */
#define RECENT_LEAST 20u
#define SHARES_LEAST 3u /* hours that know a share */
#define REQUESTS_LEAST 500u
#define SECONDS_LEAST 600u /* of an hour that says something of the pace */
#define CRITICAL_FAILED 0.1
#define DAY_HOURS 24

static const uint64_t latency_bounds_us[TM_TRAFFIC_LATENCIES - 1] = {
    50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 1000000, 5000000};

/* The cells that a signal's shares are of. */
typedef struct share_kind {
    uint32_t first, n_cells, n_ordered;
} share_kind;
static const share_kind kinds[TM_SIGNALS] = {
    [TM_SIGNAL_LATENCY] = {TM_TRAFFIC_LATENCY, TM_TRAFFIC_LATENCIES, TM_TRAFFIC_LATENCIES},
    [TM_SIGNAL_ERRORS] = {TM_TRAFFIC_ANSWERED, 3, 0},
    [TM_SIGNAL_CALLER] = {TM_TRAFFIC_TOP, 2, 0},
    [TM_SIGNAL_FAR] = {TM_TRAFFIC_FAR, 2, 0},
};

struct tm_traffic_route {
    tm_traffic_hour hours[TM_TRAFFIC_HOURS]; /* hour k of all is at k % TM_TRAFFIC_HOURS */
    uint64_t n_hours;
    tm_traffic_hour now; /* at hand */
    bool has_now, is_known[TM_SIGNALS];
    tm_shift *shifts[TM_SIGNALS]; /* NULL: not known yet; of the pace never */
    tm_pace pace;
    tm_pace_usual usual;
};

/* ---- counting ---- */

void tm__traffic_add(tm_traffic *io, const tm_traffic *from) {
    for (uint32_t i = 0; i < TM_TRAFFIC_COUNTS; i++) {
        io->counts[i] += from->counts[i];
    }
    for (uint32_t i = 0; i < TM_TRAFFIC_CALLERS; i++) {
        io->keys[i] = from->counts[TM_TRAFFIC_CALLER + i] > 0 ? from->keys[i] : io->keys[i];
    }
}

double tm__traffic_latency_bound_s(uint32_t cell) {
    TM_ASSERT(cell + 1 < TM_TRAFFIC_LATENCIES);
    return (double)latency_bounds_us[cell] * 1e-6;
}

uint32_t tm__traffic_latency(uint64_t ns) {
    uint32_t cell = 0;
    while (cell + 1 < TM_TRAFFIC_LATENCIES && ns > latency_bounds_us[cell] * 1000) {
        cell++;
    }
    return cell;
}

static uint64_t requests_of(const uint64_t *counts) {
    return counts[TM_TRAFFIC_ANSWERED] + counts[TM_TRAFFIC_REFUSED] + counts[TM_TRAFFIC_FAILED];
}

static uint32_t busiest(const tm_traffic *window) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < TM_TRAFFIC_CALLERS; i++) {
        best = window->counts[TM_TRAFFIC_CALLER + i] > window->counts[TM_TRAFFIC_CALLER + best]
                   ? i
                   : best;
    }
    return best;
}

/* Cells of a signal: what it is about, and all others of the whole. */
static void cells_of(tm_traffic_signal signal, const uint64_t *counts, uint64_t *out) {
    const share_kind *const kind = &kinds[signal];
    if (signal == TM_SIGNAL_CALLER || signal == TM_SIGNAL_FAR) {
        const uint64_t all =
            signal == TM_SIGNAL_FAR ? counts[TM_TRAFFIC_ROWS] : requests_of(counts);
        const uint64_t part = counts[kind->first] < all ? counts[kind->first] : all;
        out[0] = part;
        out[1] = all - part;
        return;
    }
    memcpy(out, counts + kind->first, kind->n_cells * sizeof(*out));
}

/* ---- what is usual ---- */

tm_traffic_route *tm__traffic_route_create(void) {
    return tm__mem_zalloc(1, sizeof(tm_traffic_route));
}

void tm__traffic_route_free(tm_traffic_route *route) {
    for (int signal = 0; route != NULL && signal < TM_SIGNALS; signal++) {
        tm__shift_free(route->shifts[signal]);
    }
    tm__mem_free(route);
}

static const tm_traffic_hour *hour_back(const tm_traffic_route *route, uint64_t back) {
    return &route->hours[(route->n_hours - 1 - back) % TM_TRAFFIC_HOURS];
}

static uint64_t hours_known(const tm_traffic_route *route, uint64_t n_max) {
    const uint64_t n = route->n_hours < TM_TRAFFIC_HOURS ? route->n_hours : TM_TRAFFIC_HOURS;
    return n < n_max ? n : n_max;
}

static bool was_told(const tm_traffic_hour *hour, tm_traffic_signal signal) {
    return (hour->counts[TM_TRAFFIC_TOLD] >> signal & 1) != 0;
}

/* Whether hours in which the signal was told count as usual: they are half of all. */
static bool is_told_usual(const tm_traffic_route *route, tm_traffic_signal signal) {
    const uint64_t n = hours_known(route, WEEK);
    uint64_t n_told = 0;
    for (uint64_t i = 0; i < n; i++) {
        n_told += was_told(hour_back(route, i), signal) ? 1 : 0;
    }
    return 2 * n_told >= n;
}

static tm_status learn_shares(tm_traffic_route *route, tm_traffic_signal signal, tm_err *err) {
    uint64_t counts[WEEK * TM_TRAFFIC_LATENCIES], all = 0;
    const share_kind *const kind = &kinds[signal];
    const bool takes_told = is_told_usual(route, signal);
    tm_shift_spec spec = {.n_cells = kind->n_cells, .n_ordered = kind->n_ordered, .counts = counts};
    for (uint64_t i = 0; i < hours_known(route, WEEK); i++) {
        const tm_traffic_hour *const hour = hour_back(route, i);
        if (takes_told || !was_told(hour, signal)) {
            uint64_t *const cells = counts + (size_t)spec.n_blocks * kind->n_cells;
            uint64_t n = 0;
            cells_of(signal, hour->counts, cells);
            for (uint32_t k = 0; k < kind->n_cells; k++) {
                n += cells[k];
            }
            spec.n_blocks += n > 0 ? 1 : 0;
            all += n;
        }
    }
    if (spec.n_blocks < SHARES_LEAST || all < REQUESTS_LEAST) {
        return TM_OK; /* what was known before, if anything, stays */
    }
    route->is_known[signal] = true;
    return route->shifts[signal] == NULL ? tm__shift_create(&spec, &route->shifts[signal], err)
                                         : tm__shift_rebase(route->shifts[signal], &spec, err);
}

static int hour_of_day(int64_t at_us) {
    const int64_t hour = at_us / TM_HOUR_US - (at_us % TM_HOUR_US < 0 ? 1 : 0);
    return (int)((hour % DAY_HOURS + DAY_HOURS) % DAY_HOURS);
}

static bool is_near(const tm_traffic_hour *hour, int64_t at_us) {
    const int apart = (hour_of_day(hour->at_us) - hour_of_day(at_us) + DAY_HOURS) % DAY_HOURS;
    return apart <= 1 || apart == DAY_HOURS - 1;
}

typedef struct paces {
    uint64_t counts[TM_TRAFFIC_HOURS];
    double minutes[TM_TRAFFIC_HOURS];
    uint32_t n, n_days; /* days: hours of the very time of day */
} paces;

static void take_pace(paces *p, const tm_traffic_hour *hour) {
    p->counts[p->n] = requests_of(hour->counts);
    p->minutes[p->n++] = (double)hour->counts[TM_TRAFFIC_SECONDS] / 60;
}

/* Hours of this time of day, or with is_recent of the last day. */
static void find_paces(const tm_traffic_route *route, int64_t at_us, bool is_recent, paces *out) {
    const bool takes_told = is_told_usual(route, TM_SIGNAL_VOLUME);
    out->n = out->n_days = 0;
    for (uint64_t i = 0; i < hours_known(route, is_recent ? RECENT : TM_TRAFFIC_HOURS); i++) {
        const tm_traffic_hour *const hour = hour_back(route, i);
        if (hour->counts[TM_TRAFFIC_SECONDS] >= SECONDS_LEAST &&
            (takes_told || !was_told(hour, TM_SIGNAL_VOLUME)) &&
            (is_recent || is_near(hour, at_us))) {
            take_pace(out, hour);
            out->n_days += hour_of_day(hour->at_us) == hour_of_day(at_us) ? 1 : 0;
        }
    }
}

static void learn_pace(tm_traffic_route *route, int64_t at_us) {
    paces p;
    find_paces(route, at_us, false, &p);
    if (p.n_days < DAYS_LEAST) {
        find_paces(route, at_us, true, &p);
    }
    route->is_known[TM_SIGNAL_VOLUME] = p.n_days >= DAYS_LEAST || p.n >= RECENT_LEAST;
    if (route->is_known[TM_SIGNAL_VOLUME]) {
        route->usual = tm__pace_usual(p.counts, p.minutes, p.n);
    }
}

void tm__traffic_route_hour(tm_traffic_route *route, const tm_traffic_hour *hour) {
    route->hours[route->n_hours++ % TM_TRAFFIC_HOURS] = *hour;
}

static tm_status begin_hour(tm_traffic_route *route, int64_t at_us, tm_err *err) {
    tm_status st = TM_OK;
    if (route->has_now) {
        tm__traffic_route_hour(route, &route->now);
    }
    route->has_now = true;
    route->now = (tm_traffic_hour){.at_us = at_us};
    for (int signal = 0; signal < TM_SIGNALS; signal++) {
        if (signal == TM_SIGNAL_VOLUME) {
            learn_pace(route, at_us);
        } else if (st == TM_OK) {
            st = learn_shares(route, (tm_traffic_signal)signal, err);
        }
    }
    return st;
}

/* ---- minutes ---- */

/* A signal that got better is looked at anew, and is no alarm. */
static bool is_worse(tm_traffic_signal signal, const tm_shift_look *look) {
    switch (signal) {
    case TM_SIGNAL_LATENCY:
        return !look->is_rise; /* of the requests up to a time */
    case TM_SIGNAL_ERRORS:
        return look->is_rise == (look->cell != 0);
    default:
        return look->is_rise == (look->cell == 0);
    }
}

static bool add_shares(tm_traffic_route *route, tm_traffic_signal signal,
                       const tm_traffic_minute *minute, tm_traffic_alarm *out) {
    uint64_t cells[TM_TRAFFIC_LATENCIES];
    tm_shift *const shift = route->shifts[signal];
    if (!route->is_known[signal] || shift == NULL) {
        return false;
    }
    cells_of(signal, minute->counts.counts, cells);
    tm__shift_add(shift, cells, minute->share, minute->at_us);
    const tm_shift_look look = tm__shift_look(shift);
    if (look.evidence * TM_BUDGET_TRAFFIC / TM_SIGNALS < 1) {
        return false;
    }
    tm__shift_reset(shift);
    /* Told as the share of what is bad: of the others than those answered, and so on. */
    const bool is_turned = signal == TM_SIGNAL_LATENCY ||
                           (signal == TM_SIGNAL_ERRORS ? look.cell == 0 : look.cell == 1);
    *out = (tm_traffic_alarm){.signal = signal,
                              .cell = look.cell,
                              .was = is_turned ? 1 - look.was : look.was,
                              .is = is_turned ? 1 - look.is : look.is,
                              .evidence = look.evidence,
                              .since_us = look.since_us};
    out->is_critical = signal == TM_SIGNAL_ERRORS && out->is > out->was + CRITICAL_FAILED;
    return is_worse(signal, &look);
}

static bool add_pace(tm_traffic_route *route, const tm_traffic_minute *minute,
                     tm_traffic_alarm *out) {
    const double minutes = (double)minute->counts.counts[TM_TRAFFIC_SECONDS] / 60;
    const tm_pace_window window = {.n = requests_of(minute->counts.counts),
                                   .minutes = minutes,
                                   .share = minute->share,
                                   .at_us = minute->at_us};
    if (!route->is_known[TM_SIGNAL_VOLUME] || !(minutes > 0)) {
        return false;
    }
    tm__pace_add(&route->pace, &route->usual, &window);
    const tm_pace_look look = tm__pace_look(&route->pace);
    if (look.evidence * TM_BUDGET_TRAFFIC / TM_SIGNALS < 1) {
        return false;
    }
    tm__pace_reset(&route->pace);
    *out = (tm_traffic_alarm){.signal = TM_SIGNAL_VOLUME,
                              .was = look.is_rise ? route->usual.high : route->usual.low,
                              .is = look.is,
                              .evidence = look.evidence,
                              .since_us = look.since_us,
                              .is_critical = look.is == 0};
    return true;
}

tm_status tm__traffic_route_add(tm_traffic_route *route, tm_traffic_minute *minute,
                                tm_traffic_alarm out_alarms[TM_SIGNALS], uint32_t *out_n,
                                tm_err *err) {
    uint64_t *const counts = minute->counts.counts;
    const int64_t rest = minute->at_us % TM_HOUR_US;
    const int64_t hour_us = minute->at_us - (rest < 0 ? rest + TM_HOUR_US : rest);
    tm_status st = TM_OK;
    *out_n = 0;
    counts[TM_TRAFFIC_TOP] = counts[TM_TRAFFIC_CALLER + busiest(&minute->counts)];
    if (!route->has_now || route->now.at_us != hour_us) {
        st = begin_hour(route, hour_us, err);
    }
    for (int signal = 0; signal < TM_SIGNALS; signal++) {
        tm_traffic_alarm *const out = &out_alarms[*out_n];
        const bool is_alarm = signal == TM_SIGNAL_VOLUME
                                  ? add_pace(route, minute, out)
                                  : add_shares(route, (tm_traffic_signal)signal, minute, out);
        *out_n += is_alarm ? 1 : 0;
        counts[TM_TRAFFIC_TOLD] |= is_alarm ? UINT64_C(1) << signal : 0;
    }
    for (uint32_t i = 0; i < TM_TRAFFIC_KEPT; i++) {
        route->now.counts[i] = i == TM_TRAFFIC_TOLD ? route->now.counts[i] | counts[i]
                                                    : route->now.counts[i] + counts[i];
    }
    return st;
}

/* ---- words ---- */

const char *tm__signal_text(tm_traffic_signal signal) {
    static const char *const names[TM_SIGNALS] = {"volume", "latency", "errors", "caller",
                                                  "far rows"};
    return names[signal];
}

void tm__traffic_words(const tm_traffic_alarm *alarm, const tm_traffic_minute *minute,
                       tm_buf *out) {
    static const char *const what[TM_SIGNALS] = {
        [TM_SIGNAL_LATENCY] = "requests that take longer than",
        [TM_SIGNAL_ERRORS] = "requests that are refused or fail",
        [TM_SIGNAL_CALLER] = "requests of the busiest caller",
        [TM_SIGNAL_FAR] = "rows that are far from the training rows"};
    char text[160];
    if (alarm->signal == TM_SIGNAL_VOLUME) {
        (void)snprintf(text, sizeof(text),
                       "requests a minute: %s %.4g are usual at this time -> %.4g",
                       alarm->is > alarm->was ? "up to" : "at least", alarm->was, alarm->is);
    } else {
        char bound[32] = "";
        if (alarm->signal == TM_SIGNAL_LATENCY) {
            (void)snprintf(bound, sizeof(bound), " %.4g ms",
                           (double)latency_bounds_us[alarm->cell] / 1000);
        }
        (void)snprintf(text, sizeof(text), "%s%s: %.3g %% -> %.3g %%", what[alarm->signal], bound,
                       100 * alarm->was, 100 * alarm->is);
    }
    tm__buf_text(out, text);
    const uint32_t key = minute->counts.keys[busiest(&minute->counts)];
    if (alarm->signal == TM_SIGNAL_CALLER) {
        (void)snprintf(text, sizeof(text), key != 0 ? ", key %08X" : ", an address without a key",
                       key);
        tm__buf_text(out, text);
    }
}

const char *tm__traffic_next(const tm_traffic_alarm *alarm) {
    switch (alarm->signal) {
    case TM_SIGNAL_VOLUME:
        return alarm->is > alarm->was
                   ? "Look at who calls more (a retry loop, a new client); a quota of a key bounds "
                     "it."
                   : "Look at whether clients can reach the server and have stopped or moved.";
    case TM_SIGNAL_LATENCY:
        return "Look at the machine (processors, memory, disk) and at the size of requests; "
               "/metrics has the stages of a request.";
    case TM_SIGNAL_ERRORS:
        return "Look at the replies in the access log: a client sends rows that the model does not "
               "take, or the server cannot answer.";
    case TM_SIGNAL_CALLER:
        return "Look whether this caller does what it should: a loop, a scraper, a key that "
               "leaked. "
               "A quota bounds it, 'tidemill key revoke' ends it.";
    default:
        return "Look at 'tidemill monitor drift' for the columns that moved; answers for such rows "
               "are guesses.";
    }
}
