/* SPDX-License-Identifier: Apache-2.0 */
/* All parts of a server, made and started, and ended. */
#include "serve/server_priv.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/net.h"
#include "registry/registry_known.h"
#include "serve/declared_log.h"
#include "serve/prepare.h"
#include "serve/quota.h"
#include "serve/remembered.h"

#define THREADS_MAX 256u

static void post(void *arg, tm_conn *conn, tm_queue queue) {
    tm_server *server = arg;
    tm__jobs_post(server->queues[queue], conn);
}

static bool can_take(void *arg, tm_queue queue, uint64_t wait_ns_max) {
    tm_server *server = arg;
    return tm__jobs_can_take(server->queues[queue], server->limits.in_flight_max, wait_ns_max);
}

static bool has_room(void *arg) {
    tm_server *server = arg;
    const uint32_t n_max = server->limits.in_flight_max;
    return tm__jobs_can_take(server->queues[TM_QUEUE_DESK], n_max, UINT64_MAX) &&
           tm__jobs_can_take(server->queues[TM_QUEUE_BATCH], n_max,
                             server->limits.wait_ms_max * UINT64_C(1000000));
}

/* What is served at first: by the tables, or by what is known of them. */
static tm_status load_first(tm_server *server, tm_err *err) {
    tm_db_moment moment = {0};
    tm_registry *known = NULL;
    tm_err why = {0};
    tm_status st = tm__registry_moment(server->moves_registry, &moment, &why);
    if (st == TM_OK) {
        TM_TRY(tm__server_refresh(server, server->watch_registry, NULL, err));
        server->generation = moment.generation;
        server->known_ns = tm__moment_know(server->shared.published, &moment);
        if (moment.is_shared) {
            tm__away_hear(&server->away, moment.asked_ns);
        }
        return TM_OK;
    }
    if (st != TM_E_UNAVAILABLE || !tm__home_has_server(server->home)) {
        if (err != NULL) {
            *err = why;
        }
        return st;
    }
    TM_TRY(tm__away_begin(&server->away, &known, err));
    st = tm__server_refresh(server, known, NULL, err);
    tm__registry_close(known);
    server->generation = -1;
    return st;
}

static tm_status open_home(tm_server *server, tm_err *err) {
    char *path = tm__fs_join(tm__home_path(server->home), "serve.lock");
    if (path == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const tm_status st = tm__lock_open(path, &server->lock_file, err);
    tm__mem_free(path);
    if (st == TM_E_CONFLICT) {
        (void)TM_FAIL(err, TM_E_CONFLICT, "another server works on '%s'",
                      tm__home_path(server->home));
        tm_err_hint(err, "Stop it first, or choose another home with --home.");
    }
    TM_TRY(st);
    /* Both databases are admitted before anything changes. */
    int64_t epoch = 0;
    const tm_monitor_options options = {.can_write = true, .terms = &server->log_terms};
    TM_TRY(tm__registry_open_away(server->home, &server->watch_registry, err));
    TM_TRY(tm__registry_open_away(server->home, &server->moves_registry, err));
    TM_TRY(tm__registry_open_away(server->home, &tm__server_desk(server)->registry, err));
    TM_TRY(tm__registry_open_away(server->home, &tm__server_study(server)->registry, err));
    TM_TRY(tm__monitor_open(server->home, &options, &server->monitor, err));
    server->intake = tm__intake_create(server->home);
    server->parquet = tm__parquet_create(server->home, server->supervisor);
    server->audited = tm__audited_create();
    const tm_watching_place place = {server->home, server->watch_registry, server->audited,
                                     server->log};
    server->watching = tm__watching_create(&place);
    if (server->intake == NULL || server->parquet == NULL || server->audited == NULL ||
        server->watching == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    server->recent = tm__recent_create(server->monitor);
    if (server->recent == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    for (uint32_t i = 0; i < server->n_desks; i++) {
        server->desks[i].recent = server->recent;
        server->desks[i].home = server->home;
        server->desks[i].audited = server->audited;
        server->desks[i].monitor = server->monitor;
        server->desks[i].intake = server->intake;
        server->desks[i].parquet = server->parquet;
    }
    tm__home_temp_reset(server->home);
    if (!tm__home_has_server(server->home)) { /* there, who leads begins one (registry/leader.h) */
        TM_TRY(tm__registry_epoch_begin(tm__server_desk(server)->registry, &epoch, err));
    }
    TM_TRY(load_first(server, err));
    const tm_quota_time now = {.now_us = tm__now_us(), .now_ns = tm__mono_ns()};
    tm_err damage = {0};
    const tm_status kept = tm__quota_load(server->home, &server->latest->keyring, now, &damage);
    if (kept == TM_E_DATA) { /* counted anew: no reason not to serve */
        tm_log_event(server->log, TM_WARN, "quota.unreadable", TM_FT("error", damage.message));
        return TM_OK;
    }
    if (kept != TM_OK && err != NULL) {
        *err = damage;
    }
    return kept;
}

static tm_status open_door(tm_server *server, const tm_serve_options *options, tm_err *err) {
    TM_TRY(tm__door_open(options, server->latest->keyring.n > 0, &server->door, err));
    server->shared.place = tm__door_place(server->door);
    server->signal_fd = tm__signal_open();
    const bool ok =
        tm__poller_set(server->poller, tm__door_fd(server->door), TM_TAG_LISTEN, true, false) &&
        tm__poller_set(server->poller, server->wake_fd, TM_TAG_WAKE, true, false) &&
        (server->signal_fd < 0 ||
         tm__poller_set(server->poller, server->signal_fd, TM_TAG_SIGNAL, true, false));
    return ok ? TM_OK : TM_FAIL(err, TM_E_UNAVAILABLE, "cannot watch sockets");
}

static tm_status open_desks(tm_server *server, tm_err *err) {
    server->desks = tm__mem_zalloc(server->n_desks, sizeof *server->desks);
    server->proms = tm__mem_zalloc(server->n_desks + 1, sizeof(tm_prom *));
    if (server->desks == NULL || server->proms == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    for (uint32_t i = 0; i <= server->n_desks; i++) {
        server->proms[i] = tm__prom_create();
        if (server->proms[i] == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory");
        }
    }
    for (uint32_t i = 0; i < server->n_desks; i++) {
        if (!tm__desk_init(&server->desks[i], i)) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory");
        }
        server->desks[i].prom = server->proms[i];
        server->desks[i].proms = server->proms;
        server->desks[i].n_proms = server->n_desks + 1;
        server->desks[i].is_stopping = &server->is_stopping;
        server->desks[i].health = &server->health;
        server->desks[i].sessions = server->sessions;
        server->desks[i].has_room = has_room;
        server->desks[i].refresh_arg = server;
    }
    tm__server_desk(server)->refresh = tm__server_refresh_from_desk;
    tm__server_desk(server)->prepare = tm__server_prepare;
    tm__server_study(server)->remembered = tm__remembered_create();
    return tm__server_study(server)->remembered != NULL ? TM_OK
                                                        : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static tm_status open_parts(tm_server *server, tm_err *err) {
    server->refresh_lock = tm__mutex_create();
    server->end_lock = tm__mutex_create();
    server->end_cond = tm__cond_create();
    server->sessions = tm__sessions_create();
    server->wake_fd = tm__wake_open();
    server->poller = tm__poller_create();
    server->shared.limits = &server->limits;
    server->shared.log = server->log;
    server->shared.post = post;
    server->shared.can_take = can_take;
    server->shared.post_arg = server;
    server->shared.published = tm__published_create(server->n_workers, TM_PUBLISHED_WAITS);
    server->workers = tm__mem_zalloc(server->n_workers, sizeof(tm_worker *));
    if (server->refresh_lock == NULL || server->end_lock == NULL || server->end_cond == NULL ||
        server->wake_fd < 0 || server->poller == NULL || server->shared.published == NULL ||
        server->workers == NULL || server->sessions == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    return open_desks(server, err);
}

static tm_status open_serving(tm_server *server, tm_err *err) {
    const tm_serving_place place = {.home = server->home,
                                    .address = tm__door_address(server->door),
                                    .started_us = tm__server_desk(server)->started_us,
                                    .proms = server->proms,
                                    .n_proms = server->n_desks + 1,
                                    .monitor = server->monitor,
                                    .recent = server->recent,
                                    .health = &server->health};
    server->serving = tm__serving_create(&place);
    return server->serving != NULL ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static bool start_ticking(tm_ticking *tick, const char *name) {
    tick->thread = tick->fn == NULL ? NULL : tm__thread_create(tm__server_tick, tick, name);
    return tick->fn == NULL || tick->thread != NULL;
}

/* Last, when all that threads share exists (and after tm__signal_open(), whose mask they inherit).
 */
static tm_status open_threads(tm_server *server, tm_err *err) {
    const uint32_t n = server->n_workers;
    for (uint32_t i = 0; i < n; i++) {
        server->workers[i] = tm__worker_create(&server->shared, &server->desks[i]);
        if (server->workers[i] == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory");
        }
    }
    server->queues[TM_QUEUE_BATCH] = tm__jobs_create("tm-batch", &server->desks[n], n);
    server->queues[TM_QUEUE_DESK] = tm__jobs_create("tm-desk", tm__server_desk(server), 1);
    server->queues[TM_QUEUE_STUDY] = tm__jobs_create("tm-study", tm__server_study(server), 1);
    server->shadows = tm__shadows_create(&server->desks[2 * n], server->log, &server->limits);
    for (uint32_t i = 0; i < 2 * n; i++) {
        server->desks[i].shadows = server->shadows;
    }
    bool ok = server->shadows != NULL;
    for (uint32_t i = 0; i < TM_QUEUES; i++) {
        ok = ok && server->queues[i] != NULL;
    }
    for (uint32_t i = 0; ok && i < n; i++) {
        ok = tm__worker_start(server->workers[i]);
    }
    if (ok) {
        server->moves_thread = tm__thread_create(tm__server_moves, server, "tm-moves");
        server->watch_thread = tm__thread_create(tm__server_watch, server, "tm-watch");
        ok = server->moves_thread != NULL && server->watch_thread != NULL;
    }
    ok = ok && start_ticking(&server->tick, "tm-tick") && start_ticking(&server->beat, "tm-beat");
    return ok ? TM_OK : TM_FAIL(err, TM_E_UNAVAILABLE, "no memory or no room for a thread");
}

tm_status tm__server_open(const tm_home *home, const tm_serve_options *options, tm_server **out,
                          tm_err *err) {
    tm_server *server = tm__mem_zalloc(1, sizeof *server);
    if (server == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    server->home = home;
    server->log = options->log;
    server->supervisor = options->supervisor;
    server->probe =
        (tm_probe){.home = home, .supervisor = options->supervisor, .log = options->log};
    server->expiry =
        (tm_expiry){.home = home, .log = options->log, .wait_us = options->label_wait_us};
    server->away = (tm_away){.home = home,
                             .log = options->log,
                             .health = &server->health,
                             .max_us = options->away_max_us};
    server->tick = (tm_ticking){server, options->tick, options->tick_arg, NULL};
    server->beat = (tm_ticking){server, options->beat, options->beat_arg, NULL};
    server->health.leader = options->leader;
    server->memory_max = options->memory_max;
    server->wake_fd = -1;
    server->signal_fd = -1;
    server->n_workers = options->threads > 0 ? options->threads : tm__cpu_count();
    server->n_workers = server->n_workers > THREADS_MAX ? THREADS_MAX : server->n_workers;
    server->n_desks = 2 * server->n_workers + 3;
    (void)tm__net_raise_limit(); /* one file a connection; `doctor` tells the most there may be */
    tm__serve_limits_init(&server->limits, options->limits);
    tm_status st = tm__declared_log_policy(options->log_policy, &server->log_terms, err);
    st = st != TM_OK ? st : open_parts(server, err);
    st = st != TM_OK ? st : open_home(server, err);
    st = st != TM_OK ? st : open_door(server, options, err);
    if (st == TM_OK && options->access_log != NULL) {
        st = tm__access_log_open(options->access_log, server->log, &server->shared.access_log, err);
    }
    st = st != TM_OK ? st : open_serving(server, err);
    st = st != TM_OK ? st : open_threads(server, err);
    if (st != TM_OK) {
        tm__server_close(server);
        return st;
    }
    *out = server;
    return TM_OK;
}

/* Workers first: then nobody posts any more. What the queues still have is answered, into nothing
 * if need be, before connections are freed. */
static void join_threads(tm_server *server) {
    if (server->end_lock != NULL && server->end_cond != NULL) {
        tm__mutex_lock(server->end_lock);
        server->is_ending = true;
        tm__mutex_unlock(server->end_lock);
        tm__cond_signal_all(server->end_cond);
    }
    if (server->parquet != NULL) {
        tm__parquet_stop(server->parquet);
    }
    atomic_store(&server->shared.stage, (int)TM_STAGE_ENDING);
    for (uint32_t i = 0; server->workers != NULL && i < server->n_workers; i++) {
        if (server->workers[i] != NULL) {
            tm__worker_wake(server->workers[i]);
            tm__worker_join(server->workers[i]);
        }
    }
    for (uint32_t i = 0; i < TM_QUEUES; i++) {
        tm__jobs_free(server->queues[i]);
    }
    tm__shadows_stop(server->shadows);
    tm__parquet_free(server->parquet);
    tm__intake_close(server->intake); /* answers pushes that wait for the disk */
    tm__thread_join(server->moves_thread);
    tm__thread_join(server->watch_thread);
    tm__thread_join(server->tick.thread);
    tm__thread_join(server->beat.thread);
    if (server->watch_thread != NULL) {
        tm__server_keep_quotas(server);
        tm__away_keep(&server->away, server->watch_registry, atomic_load(&server->n_published));
        for (tm_current *old = server->retired; old != NULL; old = old->next_retired) {
            tm__watching_end(server->watching, old, tm__now_us());
        }
        if (server->latest != NULL) {
            tm__watching_end(server->watching, server->latest, tm__now_us());
        }
        tm__server_look_at_answers(server);
        tm__watching_audit(server->watching);
        tm__server_tell_status(server, true);
    }
}

static void free_desks(tm_server *server) {
    for (uint32_t i = 0; server->desks != NULL && i < server->n_desks; i++) {
        tm__desk_done(&server->desks[i]);
    }
    for (uint32_t i = 0; server->proms != NULL && i <= server->n_desks; i++) {
        tm__prom_free(server->proms[i]);
    }
    tm__mem_free(server->proms);
    tm__mem_free(server->desks);
}

static void close_fd(int fd) {
    if (fd >= 0) {
        tm__net_close(fd);
    }
}

void tm__server_close(tm_server *server) {
    if (server == NULL) {
        return;
    }
    join_threads(server);
    for (uint32_t i = 0; server->workers != NULL && i < server->n_workers; i++) {
        tm__worker_free(server->workers[i]);
    }
    tm__shadows_free(server->shadows); /* connections may have had copies */
    tm__access_log_close(server->shared.access_log);
    for (tm_current *old = server->retired, *next = NULL; old != NULL; old = next) {
        next = old->next_retired;
        tm__current_unref(old);
    }
    tm__published_free(server->shared.published);
    tm__current_unref(server->latest);
    tm__served_unref(server->prepared);
    tm__serving_free(server->serving);
    tm__sessions_free(server->sessions);
    tm__recent_free(server->recent);
    tm__monitor_close(server->monitor);
    free_desks(server);
    tm__watching_free(server->watching);
    tm__audited_free(server->audited);
    tm__registry_close(server->watch_registry);
    tm__registry_close(server->moves_registry);
    tm__door_free(server->door);
    close_fd(server->signal_fd);
    close_fd(server->wake_fd);
    tm__poller_free(server->poller);
    tm__mem_free(server->workers);
    tm__cond_free(server->end_cond);
    tm__mutex_free(server->end_lock);
    tm__mutex_free(server->refresh_lock);
    tm__file_close(server->lock_file);
    tm__mem_free(server);
}
