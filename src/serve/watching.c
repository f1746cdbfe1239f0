/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     threads that answer ──> counters of what is served ──> collect, once a second ──> watches
 *     what is served ──> routes without their champion, versions that failed inside ──> alerts
 */
#include "serve/watching.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "monitor/error_watch.h"
#include "serve/audited.h"
#include "serve/counted.h"
#include "serve/fields.h"
#include "serve/requests.h"

struct tm_watching {
    tm_watching_place place;
    tm_teller teller;
    tm_drift_watch *rows;
    tm_error_watch *errors;
    tm_traffic_watch *traffic;
    int64_t kept_us;  /* when fields were */
    int64_t stale_us; /* when routes that are not answered by their champion were told */
    uint32_t n_stale;
    int64_t broken_us; /* when versions that failed inside were told, and their requests by then */
    uint64_t n_broken;
    bool is_failing;
};

static tm_status read_settings(void *arg, const char *model, json_t **out, tm_err *err) {
    const tm_watching_place *const place = arg;
    return tm__registry_recipe_member(place->registry, model, "monitor", out, err);
}

static void say(void *arg, const tm_alert_raise *raise, const char *text) {
    const tm_watching_place *const place = arg;
    if (raise == NULL) {
        tm_log_event(place->log, TM_WARN, "watch.not_kept", TM_FT("error", text));
        return;
    }
    tm_log_event(place->log, TM_WARN, "alert.opened", TM_FT("kind", raise->kind),
                 TM_FT("model", raise->model), TM_FI("version", raise->version),
                 TM_FT("subject", raise->subject),
                 TM_FT("severity", raise->is_critical ? "critical" : "warning"),
                 TM_FT("summary", text));
}

tm_watching *tm__watching_create(const tm_watching_place *place) {
    tm_watching *const self = tm__mem_zalloc(1, sizeof(*self));
    if (self == NULL) {
        return NULL;
    }
    self->place = *place;
    self->teller = (tm_teller){
        .home = place->home, .settings = read_settings, .say = say, .arg = &self->place};
    self->rows = tm__drift_watch_create(&self->teller);
    self->errors = tm__error_watch_create(&self->teller);
    self->traffic = tm__traffic_watch_create(&self->teller);
    if (self->rows == NULL || self->errors == NULL || self->traffic == NULL) {
        tm__watching_free(self);
        return NULL;
    }
    return self;
}

void tm__watching_free(tm_watching *watching) {
    if (watching != NULL) {
        tm__error_watch_free(watching->errors);
        tm__traffic_watch_free(watching->traffic);
        tm__drift_watch_free(watching->rows);
        tm__teller_done(&watching->teller);
        tm__mem_free(watching);
    }
}

static void collect(tm_watching *self, const tm_current *current, int64_t now_us, bool keeps) {
    const tm_moment now = {now_us, tm__mono_ns()};
    tm_status st = tm__counted_collect(current, self->rows, now_us, NULL);
    st = st == TM_OK ? tm__requests_collect(current, self->traffic, now, NULL) : st;
    st = st == TM_OK && keeps ? tm__fields_keep(current, &self->teller, now_us, NULL) : st;
    (void)st;
}

/* Fields are kept by days, so once a minute is often enough. */
void tm__watching_collect(tm_watching *watching, const tm_current *current, int64_t now_us) {
    const bool keeps = now_us < watching->kept_us || now_us - watching->kept_us >= TM_MINUTE_US;
    watching->kept_us = keeps ? now_us : watching->kept_us;
    collect(watching, current, now_us, keeps);
}

void tm__watching_end(tm_watching *watching, const tm_current *current, int64_t now_us) {
    collect(watching, current, now_us, true);
}

static tm_status see_errors(tm_watching *self, const tm_current *current, int64_t now_us,
                            tm_err *err) {
    for (uint32_t i = 0; i < current->n; i++) {
        const tm_served *const served = current->routes[i];
        const tm_error_watched watched = {served->bundle, served->model, served->version};
        if (served->bundle != NULL) {
            TM_TRY(tm__error_watch_see(self->errors, &watched, now_us, err));
        }
    }
    tm__error_watch_sweep(self->errors, now_us);
    return TM_OK;
}

/* An alert of a version for which another answers; takes the detail, NULL when out of memory. */
static tm_status raise_fallback(tm_watching *self, const tm_alert_raise *of, json_t *detail,
                                int64_t now_us, tm_err *err) {
    tm_alert_raise alert = *of;
    alert.kind = "fallback";
    alert.is_critical = true;
    alert.since_us = now_us;
    alert.at_us = now_us;
    alert.detail = detail;
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? tm__teller_raise(&self->teller, &alert, err) : st;
    json_decref(detail);
    return st;
}

static tm_status raise_stale(tm_watching *self, const tm_served *route, int64_t now_us,
                             tm_err *err) {
    static const char next[] = "Restore its file from a backup, promote another version, or roll "
                               "back: 'tidemill model verify' checks files.";
    char text[384], by[64];
    (void)snprintf(by, sizeof by, route->bundle == NULL ? "nothing answers" : "version %u answers",
                   route->version);
    (void)snprintf(text, sizeof text, "version %u cannot be served, %s: %s", route->wanted_version,
                   by, route->problem);
    json_t *const detail =
        json_pack("{s:s, s:I, s:o, s:s, s:s}", "route", route->route, "wanted",
                  (json_int_t)route->wanted_version, "serving",
                  route->bundle == NULL ? json_null() : json_integer(route->version), "problem",
                  route->problem, "next", next);
    const tm_alert_raise alert = {
        .model = route->model, .version = route->wanted_version, .subject = "", .summary = text};
    return raise_fallback(self, &alert, detail, now_us, err);
}

/* A route whose champion cannot be served: told when it begins, and each minute, so that it stays
 * open for as long. */
static tm_status see_stale(tm_watching *self, const tm_current *current, int64_t now_us,
                           tm_err *err) {
    uint32_t n_stale = 0;
    for (uint32_t i = 0; i < current->n; i++) {
        n_stale += current->routes[i]->is_stale ? 1 : 0;
    }
    if (n_stale == self->n_stale && now_us >= self->stale_us &&
        now_us - self->stale_us < TM_MINUTE_US) {
        return TM_OK;
    }
    for (uint32_t i = 0; i < current->n; i++) {
        if (current->routes[i]->is_stale) {
            TM_TRY(raise_stale(self, current->routes[i], now_us, err));
        }
    }
    self->n_stale = n_stale;
    self->stale_us = now_us;
    return TM_OK;
}

static tm_status raise_broken(tm_watching *self, tm_served *served, int64_t now_us, tm_err *err) {
    static const char next[] = "Roll back or promote another version; what of its rows is unlike "
                               "those it learned from is in 'tidemill monitor drift'.";
    char text[256];
    const uint64_t n = atomic_load_explicit(&served->n_broken, memory_order_relaxed);
    (void)snprintf(
        text, sizeof text,
        "version %u failed inside on %llu request%s; another version answers these where "
        "one is ready",
        served->version, (unsigned long long)n, n == 1 ? "" : "s");
    json_t *const detail =
        json_pack("{s:s, s:I, s:I, s:s}", "route", served->route, "wanted",
                  (json_int_t)served->version, "requests", (json_int_t)n, "next", next);
    const tm_alert_raise alert = {
        .model = served->model, .version = served->version, .subject = "inside", .summary = text};
    return raise_fallback(self, &alert, detail, now_us, err);
}

/* The i-th of a state's versions: those of routes, then those that are kept. */
static tm_served *version_at(const tm_current *current, uint32_t i) {
    return i < current->n ? current->routes[i] : current->kept[i - current->n];
}

/* Versions that fail at answering: told at the first request, then each minute in which there were
 * more. */
static tm_status see_broken(tm_watching *self, const tm_current *current, int64_t now_us,
                            tm_err *err) {
    uint64_t n = 0;
    const uint32_t n_versions = current->n + current->n_kept;
    for (uint32_t i = 0; i < n_versions; i++) {
        n += atomic_load_explicit(&version_at(current, i)->n_broken, memory_order_relaxed);
    }
    const bool is_early = now_us >= self->broken_us && now_us - self->broken_us < TM_MINUTE_US;
    if (n == 0 || n == self->n_broken || (self->n_broken > 0 && is_early)) {
        return TM_OK;
    }
    for (uint32_t i = 0; i < n_versions; i++) {
        tm_served *const served = version_at(current, i);
        if (atomic_load_explicit(&served->n_broken, memory_order_relaxed) > 0) {
            TM_TRY(raise_broken(self, served, now_us, err));
        }
    }
    self->n_broken = n;
    self->broken_us = now_us;
    return TM_OK;
}

/* Each has its turn, whatever the others could do. */
void tm__watching_step(tm_watching *watching, const tm_current *current, int64_t now_us) {
    const tm_moment now = {now_us, tm__mono_ns()};
    tm_err err = {0};
    tm__drift_watch_step(watching->rows, now_us);
    tm_status st = current == NULL ? TM_OK : see_errors(watching, current, now_us, &err);
    const tm_status stale =
        current == NULL ? TM_OK : see_stale(watching, current, now_us, st == TM_OK ? &err : NULL);
    st = st == TM_OK ? stale : st;
    const tm_status broken =
        current == NULL ? TM_OK : see_broken(watching, current, now_us, st == TM_OK ? &err : NULL);
    st = st == TM_OK ? broken : st;
    tm_err *const first = st == TM_OK ? &err : NULL;
    const tm_status traffic = tm__traffic_watch_step(watching->traffic, now, first);
    st = st == TM_OK ? traffic : st;
    const tm_status audit = tm__audited_keep(watching->place.audited, watching->place.registry,
                                             false, st == TM_OK ? &err : NULL);
    st = st == TM_OK ? audit : st;
    if (st != TM_OK && !watching->is_failing) {
        tm__teller_problem(&watching->teller, err.message);
    }
    watching->is_failing = st != TM_OK;
}

static bool is_ready(void *arg, const char *model, uint32_t version) {
    const tm_current *const current = arg;
    for (uint32_t i = 0; i < current->n + current->n_kept; i++) {
        const tm_served *const served = version_at(current, i);
        if (served->version == version && strcmp(served->model, model) == 0) {
            return true;
        }
    }
    return false;
}

void tm__watching_leave(tm_watching *watching, const tm_current *current, int64_t now_us) {
    tm_current *const arg = (tm_current *)(uintptr_t)current;
    tm__drift_watch_step(watching->rows, now_us);
    tm__drift_watch_leave(watching->rows, is_ready, arg);
    tm__error_watch_leave(watching->errors, is_ready, arg);
}

void tm__watching_audit(tm_watching *watching) {
    tm_err err = {0};
    if (tm__audited_keep(watching->place.audited, watching->place.registry, true, &err) != TM_OK) {
        tm__teller_problem(&watching->teller, err.message);
    }
}
