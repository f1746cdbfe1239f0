/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   news ──> minute ── when it is over ──> detectors ── alarm ──> alert
 *                  └─> unsaved ── each minute ──> hour of watch.db
 *
 * 1. A minute ends when the clock is in another one, or after 90 seconds of a clock that stands.
 * 2. How long it was is told by the steady clock alone.
 * 3. A minute is taken once: what fails before that leaves it to grow, what fails behind it is
 * tried again without it.
 */
#include "monitor/traffic_watch.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "monitor/traffic_store.h"

#define IDLE_US TM_HOUR_US
#define MINUTE_MOST_NS UINT64_C(90000000000) /* where the clock stands still */
#define NS 1000000000.0

typedef struct watched {
    struct watched *next;
    char route[TM_MAX_NAME + 1], model[TM_MAX_NAME + 1];
    uint32_t version;
    tm_traffic_minute minute;
    uint64_t begin_ns;       /* of the minute */
    int64_t news_us;         /* when there was news */
    int64_t before_us;       /* begin of the minute before; INT64_MIN: none */
    tm_traffic_hour unsaved; /* seconds 0: nothing */
    tm_traffic_route *state; /* NULL: what is kept was not read yet */
    tm_traffic_minute last;  /* of which alarms are told */
    tm_traffic_alarm alarms[TM_SIGNALS];
    uint32_t n_alarms, n_told;
} watched;

struct tm_traffic_watch {
    tm_teller *teller;
    watched *routes;
};

tm_traffic_watch *tm__traffic_watch_create(tm_teller *teller) {
    tm_traffic_watch *const self = tm__mem_zalloc(1, sizeof(*self));
    if (self != NULL) {
        self->teller = teller;
    }
    return self;
}

static void watched_free(watched *w) {
    tm__traffic_route_free(w->state);
    tm__mem_free(w);
}

static int64_t hour_of(int64_t us) {
    const int64_t rest = us % TM_HOUR_US;
    return us - (rest < 0 ? rest + TM_HOUR_US : rest);
}

static void begin_minute(watched *w, tm_moment now) {
    w->minute = (tm_traffic_minute){.at_us = tm__span_begin(now.now_us, TM_SPAN_MINUTE)};
    w->begin_ns = now.mono_ns;
}

static watched *get(tm_traffic_watch *self, const tm_traffic_news *news, tm_moment now) {
    watched *w = self->routes;
    while (w != NULL && strcmp(w->route, news->route) != 0) {
        w = w->next;
    }
    if (w == NULL && (w = tm__mem_zalloc(1, sizeof(*w))) != NULL) {
        (void)tm__str_copy(w->route, sizeof(w->route), tm__str(news->route));
        w->before_us = INT64_MIN;
        begin_minute(w, now);
        w->next = self->routes;
        self->routes = w;
    }
    return w;
}

tm_status tm__traffic_watch_add(tm_traffic_watch *self, const tm_traffic_news *news, tm_moment now,
                                tm_err *err) {
    watched *const w = get(self, news, now);
    if (w == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to watch the traffic of a route");
    }
    (void)tm__str_copy(w->model, sizeof(w->model), tm__str(news->model));
    w->version = news->version;
    w->news_us = now.now_us;
    tm__traffic_add(&w->minute.counts, news->counts);
    return TM_OK;
}

/* ---- keep ---- */

static void take_hour(void *arg, const tm_traffic_hour *hour) {
    tm__traffic_route_hour(arg, hour);
}

static tm_status load(watched *w, tm_drift_store *store, tm_err *err) {
    tm_traffic_route *const state = tm__traffic_route_create();
    if (state == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to watch the traffic of a route");
    }
    const tm_status st = tm__traffic_store_read(store, w->route, take_hour, state, err);
    if (st == TM_OK) {
        w->state = state;
    } else {
        tm__traffic_route_free(state);
    }
    return st;
}

/* What could not be kept within its hour is lost. */
static void note_unsaved(watched *w, const tm_traffic_minute *minute) {
    const int64_t hour_us = hour_of(minute->at_us);
    if (w->unsaved.at_us != hour_us) {
        w->unsaved = (tm_traffic_hour){.at_us = hour_us};
    }
    for (uint32_t i = 0; i < TM_TRAFFIC_KEPT; i++) {
        const uint64_t n = minute->counts.counts[i];
        w->unsaved.counts[i] =
            i == TM_TRAFFIC_TOLD ? w->unsaved.counts[i] | n : w->unsaved.counts[i] + n;
    }
}

static tm_status save(watched *w, tm_drift_store *store, tm_err *err) {
    if (w->unsaved.counts[TM_TRAFFIC_SECONDS] == 0) {
        return TM_OK;
    }
    tm_db *const db = tm__drift_store_db(store);
    TM_TRY(tm__db_begin(db, err));
    const tm_status st =
        tm__db_end(db, tm__traffic_store_add_locked(store, w->route, &w->unsaved, err), err);
    if (st == TM_OK) {
        w->unsaved = (tm_traffic_hour){.at_us = w->unsaved.at_us};
    }
    return st;
}

/* ---- tell ---- */

static tm_status raise(tm_traffic_watch *self, const watched *w, const tm_traffic_alarm *alarm,
                       tm_err *err) {
    const char *const signal = tm__signal_text(alarm->signal);
    char subject[TM_MAX_NAME + 32];
    const bool is_own = strcmp(w->route, w->model) == 0;
    tm_buf text;
    (void)snprintf(subject, sizeof(subject), "%s%s%s", signal, is_own ? "" : " of ",
                   is_own ? "" : w->route);
    tm__buf_init(&text, 4096);
    tm__traffic_words(alarm, &w->last, &text);
    json_t *const detail =
        json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:s}", "route", w->route, "signal", signal, "was",
                  tm__json_number(alarm->was), "is", tm__json_number(alarm->is), "evidence",
                  tm__json_number(alarm->evidence), "evidence_needed",
                  tm__json_number(TM_SIGNALS / TM_BUDGET_TRAFFIC), "next", tm__traffic_next(alarm));
    const tm_alert_raise alert = {.model = w->model,
                                  .version = w->version,
                                  .kind = "traffic",
                                  .subject = subject,
                                  .is_critical = alarm->is_critical,
                                  .since_us = alarm->since_us,
                                  .at_us = w->last.at_us,
                                  .summary = text.failed ? signal : (const char *)text.data,
                                  .detail = detail};
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? tm__teller_raise(self->teller, &alert, err) : st;
    tm__buf_done(&text);
    json_decref(detail);
    return st;
}

static tm_status tell(tm_traffic_watch *self, watched *w, tm_err *err) {
    for (; w->n_told < w->n_alarms; w->n_told++) {
        TM_TRY(raise(self, w, &w->alarms[w->n_told], err));
    }
    return TM_OK;
}

static tm_status look(tm_traffic_watch *self, watched *w, tm_moment now, tm_err *err) {
    tm_drift_store *store = NULL;
    TM_TRY(tm__teller_store(self->teller, &store, err));
    if (w->state == NULL) {
        TM_TRY(load(w, store, err));
    }
    TM_TRY(tell(self, w, err)); /* what could not be told of the minute before */
    w->minute.counts.counts[TM_TRAFFIC_SECONDS] =
        (uint64_t)((double)(now.mono_ns - w->begin_ns) / NS + 0.5);
    w->minute.share = tm__budget_share(tm__teller_budget_us(self->teller, w->model), w->before_us,
                                       w->minute.at_us, TM_MINUTE_US);
    const tm_status st = tm__traffic_route_add(w->state, &w->minute, w->alarms, &w->n_alarms, err);
    w->n_told = 0;
    w->last = w->minute;
    w->before_us = w->minute.at_us;
    note_unsaved(w, &w->minute);
    begin_minute(w, now);
    TM_TRY(st);
    TM_TRY(tell(self, w, err));
    return save(w, store, err);
}

/* A clock that went back begins another minute too. */
static bool is_over(const watched *w, tm_moment now) {
    return tm__span_begin(now.now_us, TM_SPAN_MINUTE) != w->minute.at_us ||
           now.mono_ns - w->begin_ns > MINUTE_MOST_NS;
}

tm_status tm__traffic_watch_step(tm_traffic_watch *self, tm_moment now, tm_err *err) {
    tm_status st = TM_OK;
    for (watched **at = &self->routes; *at != NULL;) {
        watched *const w = *at;
        if (st == TM_OK && is_over(w, now)) {
            st = look(self, w, now, err);
        }
        if (now.now_us - w->news_us > IDLE_US) {
            *at = w->next;
            watched_free(w);
        } else {
            at = &w->next;
        }
    }
    return st;
}

void tm__traffic_watch_free(tm_traffic_watch *watch) {
    if (watch == NULL) {
        return;
    }
    for (watched *w = watch->routes, *next = NULL; w != NULL; w = next) {
        next = w->next;
        if (watch->teller->store != NULL) {
            const tm_status st = save(w, watch->teller->store, NULL);
            (void)st; /* a minute, and nobody is left to try again */
        }
        watched_free(w);
    }
    tm__mem_free(watch);
}
