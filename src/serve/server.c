/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: threads and how they meet.
 *
 *      loop     sockets, parsing, predictions, health, counters
 *      desk     one request after the other that waits for a disk: labels, models, moves, live
 *               scores. The exchange is the desk's from the post until it is on the done list.
 *      watch    looks at the registry every WATCH_MS and loads what changed, so that no request
 *               waits for a model file; frees what is no longer served
 *      tick     only for a caller's own work (the closed loop's schedule)
 *
 *      watch, desk --refresh()--> `fresh` --wake--> loop installs it as conns.current
 *
 * Invariants:
 *   1. conns.current is read and changed by the loop only; what it points to never changes.
 *   2. refresh() runs under refresh_lock, so generations are installed in order; `latest` and
 *      `before` are what it builds on, and keep the version before resident for a rollback.
 *   3. The desk puts an exchange on the done list after refresh() has put `fresh`, and the loop
 *      takes `fresh` before it takes the done list: who was told of a promotion is served by it.
 *   4. The lock `lock` is held for a few pointers only, never over work.
 *   5. An end is in order: /readyz says no, the listener closes, requests in flight are answered,
 *      threads join, the monitor writes what waits.
 */
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/pool.h"
#include "serve/conn.h"

#define WATCH_MS 20u
#define TURN_MS 50
#define EVENTS_MAX 256u
#define RETIRED_MAX 16u
#define ARENA_BYTES_MAX ((size_t)64 << 20)
#define LOGGED_BYTES_MAX ((size_t)512 << 20)

enum { TAG_LISTEN = 1, TAG_WAKE = 2, TAG_SIGNAL = 3 }; /* no connection lies at these addresses */

struct tm_server {
    const tm_home *home;
    const tm_log *log;
    tm_file *lock_file;
    tm_conns conns;
    tm_desk desk;
    tm_registry *watch_registry;
    char address[128];
    int listen_fd, wake_fd, signal_fd;
    uint32_t (*tick)(void *arg);
    void *tick_arg;

    tm_mutex *refresh_lock; /* around latest, before and generation */
    tm_current *latest, *before;
    int64_t generation;
    bool is_refresh_failing;

    tm_mutex *lock; /* around the rest */
    tm_cond *desk_cond, *watch_cond;
    tm_current *fresh;
    tm_current *retired[RETIRED_MAX];
    uint32_t n_retired;
    tm_conn *jobs, **jobs_end, *done;
    bool is_ending;

    tm_thread *desk_thread, *watch_thread, *tick_thread;
    _Atomic bool stop_asked;
    bool is_closing; /* the listener is closed */
    uint64_t stop_ns, end_ns;
};

/* True when nothing that is served changed: a history entry or a job is not worth an install. */
static bool is_same(const tm_current *a, const tm_current *b) {
    if (a->n != b->n || a->keyring.ever != b->keyring.ever || a->keyring.n != b->keyring.n) {
        return false;
    }
    for (uint32_t i = 0; i < a->keyring.n; i++) {
        const tm_known_key *k = &a->keyring.keys[i];
        const tm_known_key *l = &b->keyring.keys[i];
        if (k->role != l->role || !tm__hash_eq(&k->hash, &l->hash)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->routes[i] != b->routes[i]) {
            return false;
        }
    }
    return true;
}

/* Read the registry and give the loop what it says. Desk or watch, each with its own handle. */
static tm_status refresh(tm_server *server, tm_registry *registry, tm_err *err) {
    tm__mutex_lock(server->refresh_lock);
    tm_current *current = NULL;
    const tm_current_past past = {.latest = server->latest, .before = server->before};
    const tm_status st = tm__current_load(registry, &past, server->log, &current, err);
    const bool is_new =
        st == TM_OK && (server->latest == NULL || !is_same(server->latest, current));
    if (st == TM_OK && !is_new) {
        tm__current_unref(current);
    }
    if (is_new) {
        tm__current_unref(server->before);
        server->before = server->latest;
        server->latest = current;
        tm_current *older = NULL;
        tm__mutex_lock(server->lock);
        older = server->fresh;
        server->fresh = tm__current_ref(current);
        tm__mutex_unlock(server->lock);
        tm__current_unref(older);
    }
    tm__mutex_unlock(server->refresh_lock);
    if (is_new) {
        tm__wake_signal(server->wake_fd);
    }
    return st;
}

/* Once when it begins to fail, not at every look. */
static void log_refresh(tm_server *server, tm_status st, const tm_err *err) {
    if (st != TM_OK && !server->is_refresh_failing) {
        tm_log_event(server->log, TM_WARN, "registry.unreadable", TM_FT("error", err->message));
    }
    server->is_refresh_failing = st != TM_OK;
}

static void refresh_from_desk(void *arg) {
    tm_server *server = arg;
    tm_err err = {0};
    if (refresh(server, server->desk.registry, &err) != TM_OK) {
        tm_log_event(server->log, TM_WARN, "registry.unreadable", TM_FT("error", err.message));
    }
}

static void watch_main(void *arg) {
    tm_server *server = arg;
    for (;;) {
        tm_current *retired[RETIRED_MAX];
        tm__mutex_lock(server->lock);
        if (!server->is_ending) {
            tm__cond_wait(server->watch_cond, server->lock, WATCH_MS);
        }
        const uint32_t n_retired = server->n_retired;
        memcpy(retired, server->retired, sizeof retired);
        server->n_retired = 0;
        const bool is_ending = server->is_ending;
        tm__mutex_unlock(server->lock);
        for (uint32_t i = 0; i < n_retired; i++) {
            tm__current_unref(retired[i]);
        }
        if (is_ending) {
            return;
        }
        int64_t generation = server->generation;
        tm_err err = {0};
        tm__json_reset();
        tm_status st = tm__registry_generation(server->watch_registry, &generation, &err);
        if (st == TM_OK && generation != server->generation) {
            st = refresh(server, server->watch_registry, &err);
            server->generation = st == TM_OK ? generation : server->generation;
        }
        log_refresh(server, st, &err);
    }
}

static void desk_main(void *arg) {
    tm_server *server = arg;
    for (;;) {
        tm__mutex_lock(server->lock);
        while (server->jobs == NULL && !server->is_ending) {
            tm__cond_wait(server->desk_cond, server->lock, UINT32_MAX);
        }
        tm_conn *conn = server->jobs;
        if (conn != NULL) {
            server->jobs = conn->next_job;
            server->jobs_end = server->jobs == NULL ? &server->jobs : server->jobs_end;
        }
        tm__mutex_unlock(server->lock);
        if (conn == NULL) {
            return;
        }
        tm__json_reset();
        conn->x.match.endpoint->handle(&conn->x);
        tm__mutex_lock(server->lock);
        conn->next_job = server->done;
        server->done = conn;
        tm__mutex_unlock(server->lock);
        tm__wake_signal(server->wake_fd);
    }
}

static void tick_main(void *arg) {
    tm_server *server = arg;
    for (;;) {
        tm__json_reset();
        const uint32_t wait_ms = server->tick(server->tick_arg);
        const uint64_t until = tm__mono_ns() + wait_ms * UINT64_C(1000000);
        bool is_ending = false;
        while (!is_ending && tm__mono_ns() < until) {
            const uint64_t left_ms = (until - tm__mono_ns()) / 1000000 + 1;
            tm__mutex_lock(server->lock);
            if (!server->is_ending) {
                tm__cond_wait(server->watch_cond, server->lock,
                              left_ms < 200 ? (uint32_t)left_ms : 200u);
            }
            is_ending = server->is_ending;
            tm__mutex_unlock(server->lock);
        }
        tm__mutex_lock(server->lock);
        is_ending = server->is_ending;
        tm__mutex_unlock(server->lock);
        if (is_ending) {
            return;
        }
    }
}

static void post(void *arg, tm_conn *conn) {
    tm_server *server = arg;
    conn->next_job = NULL;
    tm__mutex_lock(server->lock);
    *server->jobs_end = conn;
    server->jobs_end = &conn->next_job;
    tm__mutex_unlock(server->lock);
    tm__cond_signal_all(server->desk_cond);
}

/* Say what a swap changes. */
static void log_swap(tm_server *server, const tm_current *old, const tm_current *new) {
    for (uint32_t i = 0; i < new->n; i++) {
        const tm_served *now = new->routes[i];
        if (now != tm__current_find(old, now->route)) {
            tm__prom_swap(server->desk.prom);
            tm_log_event(server->log, TM_INFO, "model.serving", TM_FT("route", now->route),
                         TM_FT("model", now->model), TM_FI("version", now->version));
        }
    }
}

/* Serve from fresh; the old is let go of by watch, where it costs no request time. */
static void install(tm_server *server, tm_current *fresh) {
    tm_current *old = server->conns.current;
    server->conns.current = fresh;
    log_swap(server, old, fresh);
    tm__mutex_lock(server->lock);
    const bool has_room = server->n_retired < RETIRED_MAX;
    if (has_room) {
        server->retired[server->n_retired++] = old;
    }
    tm__mutex_unlock(server->lock);
    if (!has_room) {
        tm__current_unref(old);
    }
}

/* What the other threads left for the loop; `fresh` first (invariant 3). */
static void take_news(tm_server *server) {
    tm__wake_reset(server->wake_fd);
    tm__mutex_lock(server->lock);
    tm_conn *done = server->done;
    tm_current *fresh = server->fresh;
    server->done = NULL;
    server->fresh = NULL;
    tm__mutex_unlock(server->lock);
    if (fresh != NULL) {
        install(server, fresh);
    }
    while (done != NULL) {
        tm_conn *next = done->next_job;
        tm__conn_answered(done);
        done = next;
    }
}

static void accept_some(tm_server *server) {
    static const char full[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
                               "Retry-After: 1\r\nContent-Length: 0\r\n\r\n";
    for (uint32_t i = 0; i < 64; i++) {
        char peer[128] = "";
        const int fd = tm__net_accept(server->listen_fd, peer, sizeof peer);
        if (fd < 0) {
            return;
        }
        if (server->conns.n >= server->conns.limits.connections_max) {
            tm__prom_refused(server->desk.prom, "too many connections");
            (void)tm__net_write(fd, full, sizeof full - 1);
            tm__net_close(fd);
            continue;
        }
        tm__conn_open(&server->conns, fd, peer);
    }
}

static void begin_stop(tm_server *server, uint32_t delay_ms) {
    if (server->conns.is_stopping) {
        server->end_ns = server->conns.now_ns; /* asked again: at once */
        return;
    }
    server->conns.is_stopping = true;
    server->desk.is_stopping = true;
    server->stop_ns = server->conns.now_ns + delay_ms * UINT64_C(1000000);
    server->end_ns = server->stop_ns + server->conns.limits.stop_timeout_ms * UINT64_C(1000000);
    tm_log_event(server->log, TM_INFO, "server.stopping", TM_FI("connections", server->conns.n));
}

/* True when nothing is left to wait for. */
static bool step_stop(tm_server *server) {
    tm_conns *conns = &server->conns;
    if (!conns->is_stopping || conns->now_ns < server->stop_ns) {
        return false;
    }
    if (!server->is_closing) {
        server->is_closing = true;
        tm__poller_remove(conns->poller, server->listen_fd);
        tm__net_close(server->listen_fd);
        server->listen_fd = -1;
    }
    tm__conns_close_idle(conns);
    return conns->n == 0 || conns->now_ns >= server->end_ns;
}

static void handle_event(tm_server *server, const tm_poll_event *event, int *signal) {
    int number = 0;
    switch (event->tag) {
    case TAG_LISTEN:
        accept_some(server);
        break;
    case TAG_WAKE:
        break; /* the news are taken each turn */
    case TAG_SIGNAL:
        while ((number = tm__signal_next(server->signal_fd)) != 0) {
            if (number == 2 || number == 15) { /* SIGINT, SIGTERM: numbers of POSIX */
                *signal = *signal != 0 ? *signal : number;
                begin_stop(server, number == 2 ? 0 : server->conns.limits.stop_delay_ms);
            }
        }
        break;
    default:
        tm__conn_event((tm_conn *)(uintptr_t)event->tag, event);
        break;
    }
}

tm_status tm__server_run(tm_server *server, int *out_signal, tm_err *err) {
    tm_conns *conns = &server->conns;
    tm_poll_event *events = tm__mem_alloc(EVENTS_MAX, sizeof *events);
    uint64_t swept_ns = 0;
    int signal = 0;
    if (events == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    tm_log_event(server->log, TM_INFO, "server.started", TM_FT("address", server->address),
                 TM_FI("routes", conns->current->n));
    for (;;) {
        const uint32_t n = tm__poller_wait(conns->poller, events, EVENTS_MAX, TURN_MS);
        conns->now_ns = tm__mono_ns();
        /* Events before news and sweeps: these end connections that the events still name. */
        for (uint32_t i = 0; i < n; i++) {
            handle_event(server, &events[i], &signal);
        }
        take_news(server);
        if (conns->now_ns - swept_ns > TURN_MS * UINT64_C(1000000)) {
            swept_ns = conns->now_ns;
            tm__conns_sweep(conns);
        }
        tm__prom_connections(server->desk.prom, conns->n);
        if (atomic_load(&server->stop_asked) && !conns->is_stopping) {
            begin_stop(server, conns->limits.stop_delay_ms);
        }
        if (step_stop(server)) {
            break;
        }
    }
    tm__mem_free(events);
    tm_log_event(server->log, TM_INFO, "server.stopped",
                 TM_FI("requests", tm__prom_total(server->desk.prom)));
    *out_signal = signal;
    return TM_OK;
}

void tm__server_stop(tm_server *server) {
    atomic_store(&server->stop_asked, true);
    tm__wake_signal(server->wake_fd);
}

const char *tm__server_address(const tm_server *server) {
    return server->address;
}

static bool remove_temp(void *arg, const char *name) {
    char *path = tm__fs_join(arg, name);
    if (path != NULL) {
        const tm_status st = tm__fs_remove(path, NULL);
        (void)st; /* what cannot go now goes at the next start */
    }
    tm__mem_free(path);
    return true;
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
    const tm_monitor_options options = {.can_write = true};
    TM_TRY(tm__registry_open(server->home, &server->watch_registry, err));
    TM_TRY(tm__registry_open(server->home, &server->desk.registry, err));
    TM_TRY(tm__monitor_open(server->home, &options, &server->desk.monitor, err));
    char *temp = tm__mem_strdup(tm__home_temp(server->home));
    if (temp != NULL && tm__fs_info(temp).kind == TM_PATH_DIR) {
        const tm_status listed = tm__fs_list(temp, remove_temp, temp, NULL);
        (void)listed;
    }
    tm__mem_free(temp);
    TM_TRY(tm__registry_epoch_begin(server->desk.registry, &epoch, err));
    TM_TRY(tm__registry_generation(server->watch_registry, &server->generation, err));
    return refresh(server, server->watch_registry, err);
}

static tm_status open_listener(tm_server *server, const char *listen, tm_err *err) {
    if (!tm__net_is_loopback(listen) && server->conns.current->keyring.n == 0) {
        (void)TM_FAIL(err, TM_E_NOT_ALLOWED, "'%s' is not loopback, and there is no key to ask for",
                      listen);
        tm_err_hint(err, "Make a key with 'tidemill key create', or listen on 127.0.0.1.");
        return TM_E_NOT_ALLOWED;
    }
    TM_TRY(
        tm__net_listen(listen, &server->listen_fd, server->address, sizeof server->address, err));
    server->conns.address = server->address;
    server->signal_fd = tm__signal_open();
    const bool ok =
        tm__poller_set(server->conns.poller, server->listen_fd, TAG_LISTEN, true, false) &&
        tm__poller_set(server->conns.poller, server->wake_fd, TAG_WAKE, true, false) &&
        (server->signal_fd < 0 ||
         tm__poller_set(server->conns.poller, server->signal_fd, TAG_SIGNAL, true, false));
    return ok ? TM_OK : TM_FAIL(err, TM_E_UNAVAILABLE, "cannot watch sockets");
}

static tm_status open_parts(tm_server *server, tm_err *err) {
    tm_conns *conns = &server->conns;
    server->lock = tm__mutex_create();
    server->refresh_lock = tm__mutex_create();
    server->desk_cond = tm__cond_create();
    server->watch_cond = tm__cond_create();
    server->desk.prom = tm__prom_create();
    server->desk.arena = tm__arena_create(ARENA_BYTES_MAX);
    server->wake_fd = tm__wake_open();
    conns->poller = tm__poller_create();
    conns->scratch = tm__mem_alloc(1, TM_CONN_READ_BYTES);
    if (server->lock == NULL || server->refresh_lock == NULL || server->desk_cond == NULL ||
        server->watch_cond == NULL || server->desk.prom == NULL || server->desk.arena == NULL ||
        server->wake_fd < 0 || conns->poller == NULL || conns->scratch == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    tm__buf_init(&server->desk.rows, LOGGED_BYTES_MAX);
    tm__buf_init(&server->desk.answers, LOGGED_BYTES_MAX);
    server->jobs_end = &server->jobs;
    server->desk.refresh = refresh_from_desk;
    server->desk.refresh_arg = server;
    server->desk.started_us = tm__now_us();
    conns->desk = &server->desk;
    conns->log = server->log;
    conns->post = post;
    conns->post_arg = server;
    conns->now_ns = tm__mono_ns();
    return TM_OK;
}

static tm_status open_threads(tm_server *server, tm_err *err) {
    server->watch_thread = tm__thread_create(watch_main, server, "tm-watch");
    server->desk_thread = tm__thread_create(desk_main, server, "tm-desk");
    const bool ticks = server->tick != NULL;
    server->tick_thread = ticks ? tm__thread_create(tick_main, server, "tm-tick") : NULL;
    if (server->watch_thread == NULL || server->desk_thread == NULL ||
        (ticks && server->tick_thread == NULL)) {
        return TM_FAIL(err, TM_E_UNAVAILABLE, "no memory or no room for a thread");
    }
    return TM_OK;
}

tm_status tm__server_open(const tm_home *home, const tm_serve_options *options, tm_server **out,
                          tm_err *err) {
    tm_server *server = tm__mem_zalloc(1, sizeof *server);
    if (server == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    server->home = home;
    server->log = options->log;
    server->tick = options->tick;
    server->tick_arg = options->tick_arg;
    server->listen_fd = -1;
    server->wake_fd = -1;
    server->signal_fd = -1;
    tm__serve_limits_init(&server->conns.limits, options->limits);
    tm_status st = open_parts(server, err);
    st = st != TM_OK ? st : open_home(server, err);
    if (st == TM_OK) {
        server->conns.current = server->fresh;
        server->fresh = NULL;
        st = open_listener(server, options->listen, err);
    }
    st = st != TM_OK ? st : open_threads(server, err);
    if (st != TM_OK) {
        tm__server_close(server);
        return st;
    }
    *out = server;
    return TM_OK;
}

/* Threads exist only when all that they share does. */
static void join_threads(tm_server *server) {
    if (server->lock != NULL && server->desk_cond != NULL && server->watch_cond != NULL) {
        tm__mutex_lock(server->lock);
        server->is_ending = true;
        tm__mutex_unlock(server->lock);
        tm__cond_signal_all(server->desk_cond);
        tm__cond_signal_all(server->watch_cond);
    }
    tm__thread_join(server->desk_thread);
    tm__thread_join(server->watch_thread);
    tm__thread_join(server->tick_thread);
}

void tm__server_close(tm_server *server) {
    if (server == NULL) {
        return;
    }
    join_threads(server);
    tm__conns_close_all(&server->conns);
    for (uint32_t i = 0; i < server->n_retired; i++) {
        tm__current_unref(server->retired[i]);
    }
    tm__current_unref(server->conns.current);
    tm__current_unref(server->fresh);
    tm__current_unref(server->latest);
    tm__current_unref(server->before);
    tm__monitor_close(server->desk.monitor);
    tm__registry_close(server->desk.registry);
    tm__registry_close(server->watch_registry);
    if (server->listen_fd >= 0) {
        tm__net_close(server->listen_fd);
    }
    if (server->signal_fd >= 0) {
        tm__net_close(server->signal_fd);
    }
    if (server->wake_fd >= 0) {
        tm__net_close(server->wake_fd);
    }
    tm__poller_free(server->conns.poller);
    tm__mem_free(server->conns.scratch);
    tm__prom_free(server->desk.prom);
    tm__arena_free(server->desk.arena);
    tm__buf_done(&server->desk.rows);
    tm__buf_done(&server->desk.answers);
    tm__buf_done(&server->desk.live_text);
    tm__cond_free(server->desk_cond);
    tm__cond_free(server->watch_cond);
    tm__mutex_free(server->lock);
    tm__mutex_free(server->refresh_lock);
    tm__file_close(server->lock_file);
    tm__mem_free(server);
}
