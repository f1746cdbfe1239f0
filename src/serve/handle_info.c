/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health, metrics, status and the description of the interface.
 *
 * Metrics are made on the desk: the counters of all threads are read as they stand; of the log what
 * is new is read, at most every LIVE_NS.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "monitor/alert.h"
#include "monitor/monitor_recent.h"
#include "registry/hooks.h"
#include "registry/leader.h"
#include "registry/rollout.h"
#include "serve/arms.h"
#include "serve/away.h"
#include "serve/fill.h"
#include "serve/handle.h"
#include "store/serving_file.h"
#include "tidemill/bundle.h"

#define LIVE_NS UINT64_C(2000000000)
#define DISK_BYTES_MIN (UINT64_C(64) << 20) /* less is a warning: logs and models need it */
#define LIVE_TEXT_BYTES_MAX (4u << 20)

void tm__handle_livez(tm_exchange *x) {
    x->status = 200;
    x->content_type = "application/json";
    tm__buf_text(&x->reply, "{\"status\":\"ok\"}");
}

void tm__handle_version(tm_exchange *x) {
    tm__reply_json(x, json_pack("{s:s}", "version", tm_version_text()));
}

void tm__handle_openapi(tm_exchange *x) {
    const tm_str text = tm__endpoint_openapi();
    x->status = 200;
    x->content_type = "application/json";
    tm__buf_append(&x->reply, text.ptr, text.len);
}

/* One line of /readyz?verbose, as Kubernetes writes it. */
static void put_check(tm_buf *out, const char *name, bool ok, const char *detail) {
    tm__buf_printf(out, "[%c]%s %s%s%s\n", ok ? '+' : '-', name, ok ? "ok" : "failed",
                   detail[0] != '\0' ? ": " : "", detail);
}

/* Once keys exist, who has none learns how many models there are, and not which. */
static void put_route(tm_exchange *x, uint32_t i) {
    const tm_served *served = x->current->routes[i];
    char name[TM_MAX_NAME + 16], detail[160];
    if (x->current->keyring.ever) {
        (void)snprintf(name, sizeof name, "route:%u", i + 1);
    } else {
        (void)snprintf(name, sizeof name, "route:%s", served->route);
    }
    if (served->is_stale) {
        (void)snprintf(detail, sizeof detail,
                       "version %u cannot be served, the log says why; %s version %u",
                       served->wanted_version, served->bundle == NULL ? "nor could" : "serving",
                       served->version);
    } else {
        (void)snprintf(detail, sizeof detail, "version %u", served->version);
    }
    put_check(&x->reply, name, !served->is_stale, detail);
}

static void put_log(tm_exchange *x) {
    char detail[96];
    json_t *counters = tm__monitor_counters(x->desk->monitor);
    const bool is_broken = json_is_true(json_object_get(counters, "broken"));
    (void)snprintf(detail, sizeof detail, "%lld written, %lld waiting, %lld dropped",
                   (long long)tm__json_i64(counters, "written", 0),
                   (long long)tm__json_i64(counters, "queued", 0),
                   (long long)tm__json_i64(counters, "dropped", 0));
    put_check(&x->reply, "log", counters != NULL && !is_broken, detail);
    json_decref(counters);
}

static void put_disk(tm_exchange *x) {
    char detail[64];
    const bool is_known = atomic_load(&x->desk->health->has_disk);
    const uint64_t bytes = atomic_load(&x->desk->health->disk_free_bytes);
    (void)snprintf(detail, sizeof detail, is_known ? "%.1f GiB free" : "not known yet",
                   (double)bytes / 1073741824);
    put_check(&x->reply, "disk", !is_known || bytes >= DISK_BYTES_MIN, detail);
}

static void put_keys(tm_exchange *x) {
    char detail[64];
    (void)snprintf(detail, sizeof detail,
                   x->current->keyring.ever ? "%u keys" : "none yet: only this machine may ask",
                   x->current->keyring.n);
    put_check(&x->reply, "keys", true, detail);
}

/* How old what is known of the tables is. False when it may not answer any more. */
static bool tell_tables(const tm_exchange *x, char *out, size_t size) {
    const tm_health *const health = x->desk->health;
    const bool is_good = tm__away_is_good(health, tm__mono_ns());
    (void)snprintf(out, size, "%s, heard %lld s ago",
                   !is_good                        ? "away for too long"
                   : atomic_load(&health->is_away) ? "away: answers by what was known"
                                                   : "there",
                   (long long)tm__away_age_s(health, tm__now_us()));
    return is_good;
}

static bool has_tables(const tm_exchange *x) {
    return atomic_load(&x->desk->health->heard_us) != 0;
}

static void put_tables(tm_exchange *x) {
    char detail[96];
    if (has_tables(x)) {
        const bool is_good = tell_tables(x, detail, sizeof detail);
        put_check(&x->reply, "tables", is_good, detail);
    }
}

static void reply_verbose(tm_exchange *x, bool is_ready) {
    const bool is_stopping = atomic_load(x->desk->is_stopping);
    put_check(&x->reply, "running", !is_stopping, is_stopping ? "stopping" : "");
    for (uint32_t i = 0; i < x->current->n; i++) {
        put_route(x, i);
    }
    put_log(x);
    put_disk(x);
    put_check(&x->reply, "queue", x->desk->has_room(x->desk->refresh_arg), "");
    put_keys(x);
    put_tables(x);
    tm__buf_text(&x->reply, is_ready ? "readyz check passed\n" : "readyz check failed\n");
    x->status = is_ready ? 200 : 503;
    x->content_type = "text/plain; charset=utf-8";
}

/* Public, so it says how many and not which. */
void tm__handle_readyz(tm_exchange *x) {
    uint32_t n_broken = 0;
    uint32_t n_stale = 0;
    for (uint32_t i = 0; i < x->current->n; i++) {
        n_broken += x->current->routes[i]->bundle == NULL ? 1 : 0;
        n_stale += x->current->routes[i]->is_stale ? 1 : 0;
    }
    const bool is_stopping = atomic_load(x->desk->is_stopping);
    char tables[96];
    const bool is_known = tell_tables(x, tables, sizeof tables);
    const bool is_ready = !is_stopping && n_broken == 0 && is_known;
    if (tm__http_query(x->http->query, "verbose").ptr != NULL) {
        reply_verbose(x, is_ready);
        return;
    }
    char detail[128];
    (void)snprintf(detail, sizeof detail, "%u routes, %u without a model, %u on an older version",
                   x->current->n, n_broken, n_stale - n_broken);
    json_t *reply = json_pack("{s:s, s:[{s:s, s:b, s:s}, {s:s, s:b, s:s}]}", "status",
                              is_ready ? "ready" : "not ready", "checks", "name", "models", "ok",
                              n_broken == 0, "detail", detail, "name", "running", "ok",
                              !is_stopping, "detail", is_stopping ? "stopping" : "yes");
    if (has_tables(x)) {
        json_array_append_new(
            json_object_get(reply, "checks"),
            json_pack("{s:s, s:b, s:s}", "name", "tables", "ok", is_known, "detail", tables));
    }
    tm__reply_json(x, reply);
    if (x->status == 200 && !is_ready) {
        x->status = 503;
    }
}

/* A version as it fares now; false when nothing is served or the log cannot be read. The caller
 * ends the view. */
static bool look_at(tm_exchange *x, const tm_served *served, tm_recent_view *out, bool *is_lost) {
    const tm_recent_of of = {.bundle = served == NULL ? NULL : served->bundle,
                             .model = served == NULL ? "" : served->model,
                             .version = served == NULL ? 0 : served->version,
                             .estimates = true};
    const tm_status st =
        of.bundle == NULL ? TM_E_NOT_FOUND : tm__recent_look(x->desk->recent, &of, out, NULL);
    *is_lost = *is_lost || st == TM_E_NOMEM;
    return st == TM_OK;
}

/* A family's lines stand together: those of labelled answers are kept for after the scores. */
static void write_live(tm_buf *out, tm_buf *labelled, const tm_served *served,
                       const tm_recent_view *live) {
    const char *key = NULL;
    json_t *value = NULL;
    tm__buf_printf(labelled, "tidemill_labelled_answers{route=\"%s\",version=\"%u\"} %llu\n",
                   served->route, served->version, (unsigned long long)live->n_labelled);
    json_object_foreach(live->scores, key, value) {
        if (json_is_real(value)) {
            char number[32];
            number[tm__f64_to_text(json_real_value(value), number)] = '\0';
            tm__buf_printf(out,
                           "tidemill_live_metric{route=\"%s\",version=\"%u\",metric=\"%s\"} %s\n",
                           served->route, served->version, key, number);
        }
    }
}

/* An intake.db that cannot be read now is told by /readyz and doctor; its counters are left out. */
static void write_sources(const tm_desk *desk, tm_buf *out) {
    json_t *sources = NULL;
    const tm_home *const home = tm__intake_home(desk->intake);
    if (tm__fs_info(tm__home_intake_db(home)).kind == TM_PATH_FILE) {
        const tm_status st = tm__intake_list(home, &sources, NULL);
        out->failed = out->failed || st == TM_E_NOMEM;
        tm__prom_sources(sources, out);
        json_decref(sources);
    }
}

/* Alerts that cannot be read now are left out. */
static void write_alerts(const tm_exchange *x, tm_buf *out) {
    json_t *alerts = NULL;
    const tm_status st =
        tm__alert_list(tm__intake_home(x->desk->intake), &(tm_alert_filter){0}, &alerts, NULL);
    out->failed = out->failed || st == TM_E_NOMEM;
    if (st == TM_OK) {
        tm__prom_alerts(x->current, alerts, out);
    }
    json_decref(alerts);
}

/* Same of receivers. */
static void write_receivers(const tm_exchange *x, tm_buf *out) {
    json_t *receivers = NULL;
    const tm_status st = tm__hooks_list(x->desk->registry, NULL, &receivers, NULL);
    out->failed = out->failed || st == TM_E_NOMEM;
    if (st == TM_OK) {
        tm__prom_receivers(receivers, out);
    }
    json_decref(receivers);
}

/* Null: there is none, or how it stands cannot be read now. */
static json_t *rollout_of(tm_exchange *x, const tm_served *served) {
    tm_rollout rollout = {0};
    bool has = false;
    const tm_status st =
        tm__registry_rollout(x->desk->registry, served->model, &rollout, &has, NULL);
    json_t *out = st == TM_E_NOMEM     ? tm__json_lost()
                  : st == TM_OK && has ? tm__rollout_json(&rollout)
                                       : json_null();
    tm__rollout_done(&rollout);
    return out;
}

/* Same of rollouts. */
static void write_rollouts(tm_exchange *x, tm_buf *out) {
    json_t *routes = json_array();
    for (uint32_t i = 0; i < x->current->n; i++) {
        const tm_served *served = x->current->routes[i];
        json_array_append_new(routes, json_pack("{s:s, s:o}", "route", served->route, "rollout",
                                                rollout_of(x, served)));
    }
    tm__prom_rollouts(routes, out);
    json_decref(routes);
}

static void make_live_text(tm_exchange *x) {
    tm_desk *desk = x->desk;
    tm_buf *out = &desk->live_text;
    tm_buf labelled;
    tm__buf_init(&labelled, LIVE_TEXT_BYTES_MAX);
    if (out->size_max == 0) {
        tm__buf_init(out, LIVE_TEXT_BYTES_MAX);
    }
    tm__buf_reset(out);
    tm__buf_printf(out,
                   "# HELP tidemill_live_metric Score of the newest answers whose truth is known, "
                   "at most %u.\n# TYPE tidemill_live_metric gauge\n",
                   TM_RECENT_LABELS);
    tm__buf_text(&labelled, "# HELP tidemill_labelled_answers Answers whose truth is known.\n"
                            "# TYPE tidemill_labelled_answers gauge\n");
    for (uint32_t i = 0; i < x->current->n; i++) {
        const tm_served *served = x->current->routes[i];
        tm_recent_view live = {0};
        if (look_at(x, served, &live, &out->failed)) {
            write_live(out, &labelled, served, &live);
        }
        tm__recent_view_done(&live);
    }
    tm__buf_append(out, labelled.data, labelled.len);
    out->failed = out->failed || labelled.failed;
    tm__buf_done(&labelled);
    write_alerts(x, out);
    write_receivers(x, out);
    write_rollouts(x, out);
    write_sources(desk, out);
    tm__prom_online(desk->filler, x->current->online, desk->arena, out);
    json_t *counters = tm__monitor_counters(desk->monitor);
    tm__prom_log(counters, out);
    out->failed = out->failed || !tm__json_is_whole();
    json_decref(counters);
}

void tm__handle_metrics(tm_exchange *x) {
    tm_desk *desk = x->desk;
    const uint64_t now = tm__mono_ns();
    tm__prom_write(desk->proms, desk->n_proms, &x->reply);
    tm__prom_process(desk->started_us, &x->reply);
    if (desk->health->leader != NULL) {
        tm__prom_leader(desk->health->leader, &x->reply);
    }
    tm__prom_tables(desk->health, &x->reply);
    if (desk->live_ns == 0 || now - desk->live_ns > LIVE_NS) {
        make_live_text(x);
        desk->live_ns = desk->live_text.failed ? 0 : now;
    }
    tm__buf_append(&x->reply, desk->live_text.data, desk->live_text.len);
    x->reply.failed = x->reply.failed || desk->live_text.failed;
    x->status = 200;
    x->content_type = "text/plain; version=0.0.4; charset=utf-8";
}

json_t *tm__handle_live(tm_exchange *x, const tm_served *served) {
    tm_recent_view live = {0};
    bool is_lost = false;
    json_t *out = look_at(x, served, &live, &is_lost) ? tm__recent_to_json(&live, served->version)
                                                      : json_null();
    tm__recent_view_done(&live);
    if (is_lost) {
        json_decref(out);
        out = tm__json_lost();
    }
    return out;
}

/* Versions that are ready besides: requests may name them, and moves to them cost a pointer. */
static json_t *kept_versions(const tm_current *current, const char *route) {
    json_t *out = json_array();
    for (uint32_t i = 0; i < current->n_kept; i++) {
        if (strcmp(current->kept[i]->route, route) == 0) {
            json_array_append_new(out, json_integer((json_int_t)current->kept[i]->version));
        }
    }
    return out;
}

/* Versions between which requests are split, in percent; what is not ready falls to the champion.
 * Empty: all is the champion's. */
static json_t *arm_list(const tm_current *current, const tm_served *served) {
    const tm_arms *arms = tm__current_arms(current, served);
    json_t *out = json_array();
    for (uint32_t i = 0; arms != NULL && i < arms->route.n_arms; i++) {
        json_array_append_new(out, json_pack("{s:I, s:f, s:b}", "version",
                                             (json_int_t)arms->route.arms[i].version, "weight",
                                             arms->route.arms[i].weight / 100.0, "ready",
                                             arms->served[i] != NULL));
    }
    return out;
}

/* {"version", "share"} of the version that sees requests and answers none, with what came of it;
 * null: there is none that is ready. */
static json_t *shadow_of(const tm_exchange *x, const tm_served *served) {
    const tm_arms *arms = tm__current_shadow(x->current, served);
    if (arms == NULL) {
        return json_null();
    }
    json_t *all = tm__prom_arms(x->desk->proms, x->desk->n_proms, served->route);
    json_t *out = tm__serving_shadow(all, arms->route.shadow.version);
    json_object_set_new(out, "version", json_integer((json_int_t)arms->route.shadow.version));
    json_object_set_new(out, "share", json_real(arms->route.shadow.weight / 100.0));
    json_decref(all);
    return out;
}

static json_t *route_status(tm_exchange *x, const tm_served *served) {
    return json_pack("{s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:I, s:s, s:b, s:b, s:o}", "route",
                     served->route, "model", served->model, "version", (json_int_t)served->version,
                     "ready", kept_versions(x->current, served->route), "arms",
                     arm_list(x->current, served), "shadow", shadow_of(x, served), "rollout",
                     rollout_of(x, served), "bytes", (json_int_t)served->bytes, "arm", "champion",
                     "is_loaded", served->bundle != NULL, "is_stale", served->is_stale, "live",
                     tm__handle_live(x, served));
}

void tm__handle_status(tm_exchange *x) {
    json_t *routes = json_array();
    char started[40];
    const tm_leader *const leader = x->desk->health->leader;
    (void)tm__time_to_text(x->desk->started_us, started);
    for (uint32_t i = 0; routes != NULL && i < x->current->n; i++) {
        (void)json_array_append_new(routes, route_status(x, x->current->routes[i]));
    }
    tm__reply_json(x, json_pack("{s:s, s:s, s:s, s:I, s:b, s:o, s:o, s:o}", "schema",
                                "tidemill.status/1", "version", tm_version_text(), "started",
                                started, "uptime_s",
                                (json_int_t)((tm__now_us() - x->desk->started_us) / 1000000),
                                "has_keys", x->current->keyring.ever, "routes", routes, "log",
                                tm__monitor_counters(x->desk->monitor), "leader",
                                leader == NULL ? json_null() : tm__leader_json(leader)));
}
