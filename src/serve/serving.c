/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     counters of all threads ──┐
 *     news of the log ──────────┼──> one object ──> serving.json
 *     what is served ───────────┘
 *
 * Rates are between now and a mark that lies one to two minutes back:
 *
 *     old mark ── 60 s ── mark ── up to 60 s ── now         rates: old mark to now
 */
#include "serve/serving.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "registry/leader.h"
#include "store/serving_file.h"
#include "tidemill/bundle.h"

#define MARK_NS UINT64_C(60000000000)
#define TEXT_BYTES_MAX ((size_t)16 << 20)

/* A route's counters at two moments. */
typedef struct marked {
    struct marked *next;
    char route[TM_MAX_NAME + 1];
    bool is_served; /* at the last writing */
    tm_prom_route old, mark;
    uint64_t old_ns, mark_ns;
} marked;

struct tm_serving {
    tm_serving_place place;
    char *path;
    marked *routes;
    uint64_t begun_ns;
};

tm_serving *tm__serving_create(const tm_serving_place *place) {
    tm_serving *const self = tm__mem_zalloc(1, sizeof(*self));
    char *const path = tm__fs_join(tm__home_path(place->home), TM_SERVING_FILE);
    if (self == NULL || path == NULL) {
        tm__mem_free(self);
        tm__mem_free(path);
        return NULL;
    }
    self->place = *place;
    self->path = path;
    self->begun_ns = tm__mono_ns();
    return self;
}

void tm__serving_free(tm_serving *serving) {
    if (serving == NULL) {
        return;
    }
    for (marked *m = serving->routes, *next = NULL; m != NULL; m = next) {
        next = m->next;
        tm__mem_free(m);
    }
    tm__mem_free(serving->path);
    tm__mem_free(serving);
}

/* A route that is new counts from the start of the server, when it had no answers. */
static marked *find_marked(tm_serving *self, const char *route) {
    marked *m = self->routes;
    while (m != NULL && strcmp(m->route, route) != 0) {
        m = m->next;
    }
    if (m == NULL && (m = tm__mem_zalloc(1, sizeof(*m))) != NULL) {
        (void)tm__str_copy(m->route, sizeof(m->route), tm__str(route));
        m->old_ns = m->mark_ns = self->begun_ns;
        m->next = self->routes;
        self->routes = m;
    }
    return m;
}

static void move_mark(marked *m, const tm_prom_route *now, uint64_t now_ns) {
    if (now_ns - m->mark_ns >= MARK_NS) {
        m->old = m->mark;
        m->old_ns = m->mark_ns;
        m->mark = *now;
        m->mark_ns = now_ns;
    }
}

static void let_go(tm_serving *self) {
    for (marked **at = &self->routes; *at != NULL;) {
        marked *const m = *at;
        if (m->is_served) {
            m->is_served = false;
            at = &m->next;
        } else {
            *at = m->next;
            tm__mem_free(m);
        }
    }
}

/* ---- one route ---- */

/* Rates of the last minute or two; processors' time since the start, for it is of a sample. */
static void add_rates(tm_serving *self, const char *route, json_t *out) {
    marked *const m = find_marked(self, route);
    const uint64_t now_ns = tm__mono_ns();
    tm_prom_route now;
    if (m == NULL) {
        json_object_set_new(out, "answers_per_second", tm__json_lost());
        return;
    }
    m->is_served = true;
    tm__prom_route(self->place.proms, self->place.n_proms, route, &now);
    const double seconds = fmax((double)(now_ns - m->old_ns) * 1e-9, 1e-3);
    const double n = (double)(now.n_rows - m->old.n_rows);
    json_object_set_new(out, "answers_per_second", tm__json_number(n / seconds));
    json_object_set_new(out, "p50_seconds", tm__json_number(tm__prom_quantile(&now, &m->old, 0.5)));
    json_object_set_new(out, "p99_seconds",
                        tm__json_number(tm__prom_quantile(&now, &m->old, 0.99)));
    json_object_set_new(out, "answered", json_integer((json_int_t)now.n_rows));
    json_object_set_new(out, "requests", json_integer((json_int_t)now.n_requests));
    json_object_set_new(out, "cpu_seconds_per_1000",
                        now.n_measured > 0 ? tm__json_number((double)now.cpu_ns * 1e-9 * 1000 /
                                                             (double)now.n_measured)
                                           : json_null());
    move_mark(m, &now, now_ns);
}

static tm_status live_of(const tm_serving *self, const tm_served *served, json_t **out,
                         tm_err *err) {
    const tm_recent_of of = {.bundle = served->bundle,
                             .model = served->model,
                             .version = served->version,
                             .estimates = true};
    tm_recent_view view = {0};
    *out = NULL;
    if (served->bundle != NULL) {
        TM_TRY(tm__recent_look(self->place.recent, &of, &view, err));
        *out = tm__recent_to_json(&view, served->version);
        tm__recent_view_done(&view);
    }
    return TM_OK;
}

/* A log that cannot be read now says nothing of one route, and all the rest is told. */
static tm_status add_route(tm_serving *self, const tm_served *served, json_t *list, tm_err *err) {
    json_t *live = NULL;
    tm_err own = {0};
    const tm_status st = live_of(self, served, &live, &own);
    json_t *const out = json_pack(
        "{s:s, s:s, s:I, s:I, s:b, s:b, s:s?, s:o?}", "route", served->route, "model",
        served->model, "version", (json_int_t)served->version, "bytes", (json_int_t)served->bytes,
        "is_loaded", served->bundle != NULL, "is_stale", served->is_stale, "problem",
        served->is_stale ? served->problem : NULL, "live", live);
    json_object_set_new(out, "live_error", st == TM_OK ? json_null() : json_string(own.message));
    add_rates(self, served->route, out);
    json_object_set_new(out, "arms",
                        tm__prom_arms(self->place.proms, self->place.n_proms, served->route));
    json_array_append_new(list, out);
    return st == TM_E_NOMEM ? TM_FAIL(err, st, "out of memory") : TM_OK;
}

/* ---- the whole ---- */

static json_t *server_of(const tm_serving *self, bool is_stopped, int64_t now_us) {
    const tm_health *const health = self->place.health;
    json_t *const out =
        json_pack("{s:s, s:s, s:s, s:o, s:o, s:I}", "state", is_stopped ? "stopped" : "running",
                  "version", tm_version_text(), "address", self->place.address, "started",
                  tm__json_time(self->place.started_us), "at", tm__json_time(now_us), "at_us",
                  (json_int_t)now_us);
    json_object_set_new(out, "cpu_seconds", tm__json_number((double)tm__cpu_ns() * 1e-9));
    json_object_set_new(out, "resident_bytes", json_integer((json_int_t)tm__prom_resident_bytes()));
    json_object_set_new(out, "disk_free_bytes",
                        atomic_load(&health->has_disk)
                            ? json_integer((json_int_t)atomic_load(&health->disk_free_bytes))
                            : json_null());
    json_object_set_new(out, "leader",
                        health->leader == NULL ? json_null() : tm__leader_json(health->leader));
    json_object_set_new(out, "log", tm__monitor_counters(self->place.monitor));
    return out;
}

/* Taken before the figures: what comes between makes them newer than it says, never older. */
static tm_status mark_of(const tm_serving *self, json_t **out, tm_err *err) {
    tm_log_mark mark;
    TM_TRY(tm__log_mark(self->place.monitor, &mark, err));
    *out = json_pack("{s:I, s:I}", "next_seq", (json_int_t)mark.next_seq, "stamp_us",
                     (json_int_t)mark.stamp_us);
    return TM_OK;
}

static tm_status write_text(const tm_serving *self, const json_t *value, tm_err *err) {
    tm_buf text;
    tm__buf_init(&text, TEXT_BYTES_MAX);
    const tm_status st = tm__json_write(&text, value, 0)
                             ? tm__fs_replace(self->path, text.data, text.len, err)
                             : TM_FAIL(err, TM_E_NOMEM, "out of memory");
    tm__buf_done(&text);
    return st;
}

tm_status tm__serving_write(tm_serving *serving, const tm_current *current, bool is_stopped,
                            int64_t now_us, tm_err *err) {
    json_t *const routes = json_array();
    json_t *mark = NULL;
    tm_err own = {0};
    tm_status st = mark_of(serving, &mark, &own) == TM_E_NOMEM
                       ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                       : TM_OK; /* a log that cannot be read now has none */
    for (uint32_t i = 0; st == TM_OK && i < current->n; i++) {
        st = add_route(serving, current->routes[i], routes, err);
    }
    let_go(serving);
    json_t *const all =
        json_pack("{s:s, s:o, s:o?, s:O}", "schema", "tidemill.serving/1", "server",
                  server_of(serving, is_stopped, now_us), "log_mark", mark, "routes", routes);
    st = st == TM_OK ? tm__json_check(err) : st;
    st = st == TM_OK ? write_text(serving, all, err) : st;
    json_decref(all);
    json_decref(routes);
    return st;
}
