/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   news ──> unsaved ── each step ──> windows of watch.db
 *        └─> minute ── when it is over ──> detectors ── alarm ──> alert, line of the log
 *
 * Replicas with one store keep a minute when it is over, and show it to their detectors as all have
 * kept it, GRACE_US later; who is later than that is not seen by detectors, but by reports.
 *
 * Detectors of a version that comes anew see its kept windows first, in silence: what these said
 * was told by the server that counted them.
 */
#include "monitor/drift_watch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"
#include "monitor/drift_alarm.h"
#include "monitor/drift_minute.h"
#include "monitor/drift_store.h"

#define IDLE_US TM_HOUR_US /* without rows: a version that is no longer served is let go */
#define KEPT_MAX                                                                                   \
    4u /* versions of a model that may idle for so long; older ones go after a minute */
#define SWEEP_US TM_MINUTE_US
#define BACK_US (31 * TM_DAY_US) /* that detectors look back when they begin */
#define GRACE_US INT64_C(10000000)

typedef struct watched {
    struct watched *next;
    char model[TM_MAX_NAME + 1];
    uint32_t version;
    tm_bundle *bundle; /* a reference */
    tm_cells_plan *plan;
    tm_counts unsaved, minute, day; /* day: what counts for the cost, halved now and then */
    int64_t minute_us;              /* begin of the minute's; INT64_MIN: it is empty */
    int64_t seen_us; /* begin of a minute that is kept and not looked at; INT64_MIN: none */
    int64_t news_us;
    tm_drift *drift; /* NULL: not made yet */
    uint32_t n_told; /* columns whose alarm of the last minute is told; all: nothing is left */
} watched;

struct tm_drift_watch {
    tm_teller *teller;
    watched *versions;
    int64_t swept_us;
    bool is_shared; /* with other replicas */
    bool is_failing;
};

tm_drift_watch *tm__drift_watch_create(tm_teller *teller) {
    tm_drift_watch *const self = tm__mem_zalloc(1, sizeof(*self));
    if (self != NULL) {
        self->teller = teller;
        self->is_shared = tm__home_has_server(teller->home);
    }
    return self;
}

static void watched_free(watched *w) {
    tm__drift_free(w->drift);
    tm__counts_done(&w->unsaved);
    tm__counts_done(&w->minute);
    tm__counts_done(&w->day);
    tm__cells_plan_free(w->plan);
    tm__bundle_unref(w->bundle);
    tm__mem_free(w);
}

/* ---- news ---- */

static watched *find(tm_drift_watch *self, const tm_drift_news *news) {
    for (watched *w = self->versions; w != NULL; w = w->next) {
        if (w->version == news->version && strcmp(w->model, news->model) == 0 &&
            tm__hash_eq(tm__bundle_hash(w->bundle), tm__bundle_hash(news->bundle))) {
            return w;
        }
    }
    return NULL;
}

static watched *make(tm_drift_watch *self, const tm_drift_news *news) {
    watched *const w = tm__mem_zalloc(1, sizeof(*w));
    if (w == NULL) {
        return NULL;
    }
    (void)tm__str_copy(w->model, sizeof(w->model), tm__str(news->model));
    w->version = news->version;
    w->bundle = tm__bundle_ref(news->bundle);
    w->minute_us = INT64_MIN;
    w->seen_us = INT64_MIN;
    w->plan = tm__cells_plan_create(tm__bundle_reference(news->bundle));
    if (w->plan == NULL || !tm__counts_init(&w->unsaved, w->plan) ||
        !tm__counts_init(&w->minute, w->plan) || !tm__counts_init(&w->day, w->plan)) {
        watched_free(w);
        return NULL;
    }
    w->next = self->versions;
    self->versions = w;
    return w;
}

tm_status tm__drift_watch_add(tm_drift_watch *self, const tm_drift_news *news, int64_t now_us,
                              tm_err *err) {
    if (news->counts->counts[TM_CELLS_ROWS] == 0) {
        return TM_OK;
    }
    watched *w = find(self, news);
    if (w == NULL) {
        w = make(self, news);
    }
    if (w == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to watch a model");
    }
    tm__counts_add(&w->unsaved, news->counts);
    tm__counts_add(&w->minute, news->counts);
    w->minute_us =
        w->minute_us == INT64_MIN ? tm__span_begin(now_us, TM_SPAN_MINUTE) : w->minute_us;
    w->news_us = now_us;
    return TM_OK;
}

void tm__drift_watch_leave(tm_drift_watch *self,
                           bool (*stays)(void *arg, const char *model, uint32_t version),
                           void *arg) {
    for (watched **at = &self->versions; *at != NULL;) {
        watched *const w = *at;
        if (stays(arg, w->model, w->version)) {
            at = &w->next;
        } else {
            *at = w->next;
            watched_free(w);
        }
    }
}

/* ---- keep ---- */

typedef struct merging {
    const tm_cells_plan *plan;
    const tm_counts *fresh;
} merging;

static bool merge(void *arg, tm_str before, tm_buf *out) {
    const merging *const m = arg;
    tm_counts sum;
    if (!tm__counts_init(&sum, m->plan)) {
        out->failed = true;
        return true;
    }
    const bool fits = before.len == 0 || tm__counts_read(&sum, before);
    if (fits) {
        tm__counts_add(&sum, m->fresh);
        tm__counts_write(&sum, out);
    }
    tm__counts_done(&sum);
    return fits;
}

/* A clock that went back begins another minute too. */
static bool is_over(const watched *w, int64_t now_us) {
    return w->minute_us != INT64_MIN && tm__span_begin(now_us, TM_SPAN_MINUTE) != w->minute_us;
}

static bool is_due(const tm_drift_watch *self, const watched *w, int64_t now_us) {
    return w->unsaved.counts[TM_CELLS_ROWS] > 0 && (!self->is_shared || is_over(w, now_us));
}

static tm_status keep_all_locked(tm_drift_watch *self, tm_drift_store *store, int64_t now_us,
                                 tm_err *err) {
    for (watched *w = self->versions; w != NULL; w = w->next) {
        merging m = {w->plan, &w->unsaved};
        const tm_drift_window_add add = {.key = {w->model, w->version},
                                         .at_us = self->is_shared ? w->minute_us : w->news_us,
                                         .n_rows = w->unsaved.counts[TM_CELLS_ROWS],
                                         .merge = merge,
                                         .arg = &m};
        if (is_due(self, w, now_us)) {
            TM_TRY(tm__drift_store_add_locked(store, &add, err));
        }
    }
    return TM_OK;
}

static bool has_due(const tm_drift_watch *self, int64_t now_us) {
    for (const watched *w = self->versions; w != NULL; w = w->next) {
        if (is_due(self, w, now_us)) {
            return true;
        }
    }
    return false;
}

/* now_us INT64_MAX: all that there is. */
static tm_status keep(tm_drift_watch *self, int64_t now_us, tm_err *err) {
    if (!has_due(self, now_us)) {
        return TM_OK;
    }
    tm_drift_store *store = NULL;
    TM_TRY(tm__teller_store(self->teller, &store, err));
    tm_db *const db = tm__drift_store_db(store);
    TM_TRY(tm__db_begin(db, err));
    const tm_status st = tm__db_end(db, keep_all_locked(self, store, now_us, err), err);
    for (watched *w = self->versions; st == TM_OK && w != NULL; w = w->next) {
        if (is_due(self, w, now_us)) {
            tm__counts_reset(&w->unsaved);
        }
    }
    return st;
}

/* ---- look ---- */

typedef struct replay {
    watched *w;
    tm_counts window;
    int64_t end_us; /* the minute at hand is told apart */
} replay;

static bool replay_window(void *arg, const tm_drift_window *window) {
    replay *const r = arg;
    tm__counts_reset(&r->window);
    if (window->at_us < r->end_us && tm__counts_read(&r->window, window->bytes)) {
        tm__drift_add(r->w->drift, &r->window, window->at_us, tm__span_us(window->span));
    }
    return true;
}

/* Detectors that have seen what was kept; its alarms were told. */
static tm_status begin_drift(tm_drift_watch *self, watched *w, int64_t at_us, tm_err *err) {
    TM_TRY(tm__drift_create(w->plan, tm__teller_budget_us(self->teller, w->model), &w->drift, err));
    replay r = {.w = w, .end_us = at_us};
    if (!tm__counts_init(&r.window, w->plan)) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to watch a model");
    }
    const tm_drift_window_key key = {w->model, w->version};
    const tm_status st =
        tm__drift_store_read(self->teller->store, &key, at_us - BACK_US, replay_window, &r, err);
    tm__counts_done(&r.window);
    w->n_told = w->plan->n_columns;
    return st;
}

/* What counts for the cost: the last rows, older ones ever less. */
static void age_day(watched *w, const tm_counts *fresh) {
    if (w->day.counts[TM_CELLS_ROWS] > 20000) {
        for (uint32_t i = 0; i < w->day.n_counts; i++) {
            w->day.counts[i] /= 2;
        }
    }
    tm__counts_add(&w->day, fresh);
}

static tm_status look(tm_drift_watch *self, watched *w, const tm_counts *window, int64_t at_us,
                      tm_err *err) {
    if (w->drift == NULL) {
        TM_TRY(begin_drift(self, w, at_us, err));
    }
    age_day(w, window);
    tm__drift_add(w->drift, window, at_us, TM_MINUTE_US);
    w->n_told = 0;
    return TM_OK;
}

/* The minute as all replicas have kept it. */
static tm_status look_at_all(tm_drift_watch *self, watched *w, tm_err *err) {
    const tm_drift_window_key key = {w->model, w->version};
    tm_counts all;
    bool has_minute = false;
    if (!tm__counts_init(&all, w->plan)) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to watch a model");
    }
    tm_status st = tm__drift_minute(self->teller->store, &key, w->seen_us, &all, &has_minute, err);
    st = st == TM_OK && has_minute ? look(self, w, &all, w->seen_us, err) : st;
    tm__counts_done(&all);
    w->seen_us = st == TM_OK ? INT64_MIN : w->seen_us;
    return st;
}

static tm_status tell_alarm(tm_drift_watch *self, const watched *w, uint32_t column, tm_err *err) {
    const tm_drift_alarm alarm = {.bundle = w->bundle,
                                  .model = w->model,
                                  .version = w->version,
                                  .column = column,
                                  .is = w->day.counts + w->plan->first[column],
                                  .at_us = w->news_us,
                                  .of = tm__drift_column(w->drift, column)};
    return tm__drift_alarm_raise(self->teller, &alarm, err);
}

/* What cannot be told now is tried again before the next minute is looked at. */
static tm_status tell(tm_drift_watch *self, watched *w, tm_err *err) {
    for (; w->drift != NULL && w->n_told < w->plan->n_columns; w->n_told++) {
        if (tm__drift_column(w->drift, w->n_told)->is_new_alarm) {
            TM_TRY(tell_alarm(self, w, w->n_told, err));
        }
    }
    return TM_OK;
}

static tm_status end_minute(tm_drift_watch *self, watched *w, tm_err *err) {
    if (!self->is_shared) {
        TM_TRY(look(self, w, &w->minute, w->minute_us, err));
    } else if (w->seen_us != INT64_MIN) { /* a clock that jumped */
        TM_TRY(look_at_all(self, w, err));
    }
    w->seen_us = self->is_shared ? w->minute_us : INT64_MIN;
    w->minute_us = INT64_MIN;
    tm__counts_reset(&w->minute);
    return TM_OK;
}

static tm_status look_one(tm_drift_watch *self, watched *w, int64_t now_us, tm_err *err) {
    TM_TRY(tell(self, w, err));
    if (is_over(w, now_us)) {
        TM_TRY(end_minute(self, w, err));
        TM_TRY(tell(self, w, err));
    }
    if (w->seen_us != INT64_MIN && now_us - w->seen_us >= TM_MINUTE_US + GRACE_US) {
        TM_TRY(look_at_all(self, w, err));
        TM_TRY(tell(self, w, err));
    }
    return TM_OK;
}

static tm_status look_all(tm_drift_watch *self, int64_t now_us, tm_err *err) {
    for (watched *w = self->versions; w != NULL; w = w->next) {
        TM_TRY(look_one(self, w, now_us, err));
    }
    if (self->teller->store != NULL &&
        (now_us < self->swept_us || now_us - self->swept_us >= SWEEP_US)) {
        self->swept_us = now_us;
        TM_TRY(tm__alert_sweep(self->teller->store, now_us, err));
    }
    return TM_OK;
}

/* How many versions of the same model were met later: the newest are first in the list. */
static uint32_t rank_of(const tm_drift_watch *self, const watched *w) {
    uint32_t n = 0;
    for (const watched *other = self->versions; other != w; other = other->next) {
        n += strcmp(other->model, w->model) == 0 ? 1 : 0;
    }
    return n;
}

static void let_go(tm_drift_watch *self, int64_t now_us) {
    for (watched **at = &self->versions; *at != NULL;) {
        watched *const w = *at;
        const int64_t idle_us = rank_of(self, w) < KEPT_MAX ? IDLE_US : TM_MINUTE_US;
        if (w->minute_us == INT64_MIN && w->seen_us == INT64_MIN &&
            w->unsaved.counts[TM_CELLS_ROWS] == 0 && now_us - w->news_us > idle_us) {
            *at = w->next;
            watched_free(w);
        } else {
            at = &w->next;
        }
    }
}

void tm__drift_watch_step(tm_drift_watch *self, int64_t now_us) {
    tm_err err = {0};
    tm_status st = keep(self, now_us, &err);
    st = st == TM_OK && self->teller->store != NULL ? look_all(self, now_us, &err) : st;
    if (st != TM_OK && !self->is_failing) {
        tm__teller_problem(self->teller, err.message);
    }
    self->is_failing = st != TM_OK;
    let_go(self, now_us);
}

void tm__drift_watch_free(tm_drift_watch *watch) {
    if (watch == NULL) {
        return;
    }
    tm_status st = keep(watch, INT64_MAX, NULL);
    for (watched *w = watch->versions; w != NULL && watch->teller->store != NULL; w = w->next) {
        /* What the last minute says is told now: after a start it is one of those told before. */
        st = st == TM_OK && w->minute_us != INT64_MIN ? end_minute(watch, w, NULL) : st;
        st = st == TM_OK && w->seen_us != INT64_MIN ? look_at_all(watch, w, NULL) : st;
        st = st == TM_OK ? tell(watch, w, NULL) : st;
    }
    (void)st; /* some seconds, and nobody is left to try again */
    for (watched *w = watch->versions; w != NULL;) {
        watched *const next = w->next;
        watched_free(w);
        w = next;
    }
    tm__mem_free(watch);
}
