/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: threads and how they meet.
 *
 *      acceptor   the caller's thread: takes connections and signals, gives each connection to the
 *                 worker that has fewest, and sees the end through
 *      workers    epoll loops: parsing, predictions, health (worker.c)
 *      batch      as many threads: large predictions, so that no connection waits for another's
 *      desk       one request after the other that waits for a disk: labels, models, moves, live
 *                 scores, counters
 *      study      same for what reads much of the log: no move waits for it (jobs.c: all three)
 *      moves      looks at the registry every WATCH_MS and loads what is to be served now, so that
 *                 no request waits for a model file
 *      watch      of low priority: opens what is to be kept ready besides, frees what is no longer
 *                 served, counts, tells
 *      tick       only for a caller's own work (the closed loop's schedule)
 *      beat       same, of what must not wait for that (who leads)
 *
 *      moves, desk --refresh()--> published pointer <--view-- workers
 *
 * Invariants:
 *   1. What is published never changes, and goes when no worker can still look at it
 *      (published.c) and no exchange holds a reference.
 *   2. refresh() runs under refresh_lock, so generations are published in order; `latest`
 *      is what it builds on, and keeps versions ready that are not served: for a rollback, and for
 *      requests that name them. What is only kept is opened outside the lock: no move waits for it.
 *   3. The desk answers after refresh() has published: who was told of a promotion is served by it,
 *      on whatever connection.
 *   4. Locks are held for a few pointers only, but refresh_lock, which no request of a worker
 * needs.
 *   5. What the desk moves to was made ready before: a version that cannot be served is refused
 *      with nothing changed. What another process moved to is made ready by `moves`, and what is
 *      served stays when it cannot be.
 *   6. An end is in order: /readyz says no, the listener closes, requests in flight are answered,
 *      threads join, the monitor writes what waits.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/pool.h"
#include "serve/arms.h"
#include "serve/audited.h"
#include "serve/declared_log.h"
#include "serve/desk.h"
#include "serve/door.h"
#include "serve/expiry.h"
#include "serve/fill.h"
#include "serve/jobs.h"
#include "serve/moment.h"
#include "serve/prepare.h"
#include "serve/probe.h"
#include "serve/quota.h"
#include "serve/remembered.h"
#include "serve/serving.h"
#include "serve/session.h"
#include "serve/settling.h"
#include "serve/shadow.h"
#include "serve/watching.h"
#include "serve/worker.h"
#include "source/parquet_rows.h"
#include "store/online.h"

#define WATCH_MS 20u
#define SAME_MS 100     /* moments of two changes are further apart */
#define COUNT_TURNS 50u /* of the watch, from one look at what was counted to the next */
#define STORE_TURNS 5u  /* of the watch, from one look for an online store to the next */
#define STOP_TURN_MS 5
#define EVENTS_MAX 16u
#define THREADS_MAX 256u

enum { TAG_LISTEN = 1, TAG_WAKE = 2, TAG_SIGNAL = 3 };

/* Work of the caller's, again and again in a thread of its own. */
typedef struct ticking {
    tm_server *server;
    uint32_t (*fn)(void *arg);
    void *arg;
    tm_thread *thread;
} ticking;

struct tm_server {
    const tm_home *home;
    const tm_log *log;
    tm_file *lock_file;
    tm_serve_limits limits;
    tm_door *door;
    tm_poller *poller;
    int wake_fd, signal_fd;
    ticking tick, beat;  /* fn NULL: none */
    uint64_t memory_max; /* of bundles; 0: no limit */

    /* Desks of the workers, of the batch threads, of the shadows, of the study and of the desk, in
     * this order; so the counters, with those of the acceptor behind them. */
    uint32_t n_workers, n_desks;
    tm_desk *desks;  /* [n_desks] */
    tm_prom **proms; /* [n_desks + 1] */
    tm_worker_shared shared;
    tm_worker **workers;        /* [n_workers] */
    tm_jobs *queues[TM_QUEUES]; /* by tm_queue */
    tm_shadows *shadows;
    _Atomic bool is_stopping;
    tm_health health;

    tm_monitor *monitor;
    tm_intake *intake;
    tm_supervisor *supervisor; /* NULL: none */
    tm_parquet *parquet;
    tm_registry *watch_registry, *moves_registry;
    tm_watching *watching;  /* the watch's, then who closes */
    tm_audited *audited;    /* any thread */
    tm_mutex *refresh_lock; /* around what follows */
    tm_current *latest, *retired;
    tm_served *prepared;       /* for the move that the desk is about to make */
    uint64_t store;            /* generation of the online store that was found whole; 0: none */
    _Atomic bool must_reload;  /* the watch is to look at all that was declared or opened */
    _Atomic bool must_move;    /* `moves` is to load whatever the generation is */
    _Atomic bool must_keep;    /* something else is served: the watch is to open what is kept */
    int64_t generation;        /* that of `moves` */
    _Atomic uint64_t known_ns; /* see tm__moment_know() */
    tm_probe probe;            /* the watch's */
    bool is_refresh_failing;

    tm_log_terms log_terms;       /* of models that declare none */
    tm_expiry expiry;             /* of labels: the watch's */
    tm_recent *recent;            /* how versions fare: the desk's and the watch's */
    struct tm_sessions *sessions; /* any thread */
    tm_serving *serving;          /* the watch's, then who closes */
    bool is_serving_failing;

    uint64_t quotas_kept; /* see tm__quota_save(); the watch's, then who closes */
    bool is_quota_failing;

    tm_mutex *end_lock; /* around is_ending */
    tm_cond *end_cond;
    bool is_ending;
    tm_thread *moves_thread, *watch_thread;
    _Atomic bool stop_asked;
    uint64_t stop_ns, end_ns;
};

static tm_desk *the_study(tm_server *server) {
    return &server->desks[server->n_desks - 2];
}

static tm_desk *the_desk(tm_server *server) {
    return &server->desks[server->n_desks - 1];
}

static tm_prom *acceptors_prom(tm_server *server) {
    return server->proms[server->n_desks];
}

static void retire_locked(tm_server *server, tm_current *old) {
    if (old != NULL) {
        old->next_retired = server->retired;
        server->retired = old;
    }
}

static void publish_locked(tm_server *server, tm_current *current, const tm_db_moment *moment) {
    const uint32_t wait_ms = tm__published_wait_ms(server->shared.published);
    if (moment->left_us / 1000 > (int64_t)wait_ms + SAME_MS) { /* of the change before */
        tm__sleep_ms(wait_ms);
    }
    retire_locked(server, tm__published_settle(server->shared.published));
    const tm_current *const old = server->latest;
    retire_locked(server, tm__moment_publish(server->shared.published, tm__current_ref(current),
                                             moment, server->known_ns));
    tm__moment_log(server->log, acceptors_prom(server), old, current); /* counted by nobody else */
    tm__current_unref(server->latest);
    server->latest = current;
}

static tm_current_past past_locked(const tm_server *server) {
    return (tm_current_past){.latest = server->latest,
                             .prepared = server->prepared,
                             .home = server->home,
                             .store = server->store,
                             .monitor = server->monitor,
                             .log = server->log,
                             .n_desks = server->n_desks,
                             .memory_max = server->memory_max};
}

/* Read the registry and publish what it says. Each thread has its own handle. opened (may be NULL)
 * is kept when it is still wanted. */
static tm_status refresh(tm_server *server, tm_registry *registry, tm_served *opened, tm_err *err) {
    tm__mutex_lock(server->refresh_lock);
    tm_current *current = NULL;
    tm_current_past past = past_locked(server);
    past.opened = opened;
    tm_status st = tm__current_load(registry, &past, server->log, &current, err);
    if (st == TM_OK) {
        st = tm__declared_log_read(current, registry, server->monitor, &server->log_terms, err);
    }
    tm_db_moment moment = {0}; /* asked for after what is published was read */
    st = st == TM_OK ? tm__registry_moment(registry, &moment, err) : st;
    if (st != TM_OK) {
        tm__current_unref(current);
        current = NULL;
    }
    if (st == TM_OK && server->latest != NULL && tm__current_is_same(server->latest, current)) {
        tm__current_unref(current);
    } else if (st == TM_OK) {
        publish_locked(server, current, &moment);
    }
    tm__mutex_unlock(server->refresh_lock);
    if (st == TM_OK && opened == NULL) {
        atomic_store(&server->must_keep, true);
    }
    return st;
}

/* What is served, to make something ready beside it without the lock. */
static tm_current_past past_of(tm_server *server) {
    tm__mutex_lock(server->refresh_lock);
    tm_current_past past = past_locked(server);
    past.prepared = NULL;
    past.latest = tm__current_ref(server->latest);
    tm__mutex_unlock(server->refresh_lock);
    return past;
}

/* Desk: load a version, before the registry moves to it (invariant 5). */
static tm_status prepare_from_desk(void *arg, const char *model, uint32_t version, tm_err *err) {
    tm_server *server = arg;
    tm_registry *registry = the_desk(server)->registry;
    char name[TM_MAX_NAME + 16];
    tm_version wanted = {0};
    tm_served *served = NULL;
    (void)snprintf(name, sizeof name, "%s@%u", model, version);
    TM_TRY(tm__registry_find(registry, name, &wanted, err));
    const tm_current_past past = past_of(server);
    const tm_status st = tm__current_prepare(registry, &past, &wanted, &served, err);
    tm__current_unref((tm_current *)past.latest);
    if (st == TM_OK) {
        tm__mutex_lock(server->refresh_lock);
        tm_served *const before = server->prepared;
        server->prepared = served;
        tm__mutex_unlock(server->refresh_lock);
        tm__served_unref(before);
    }
    tm__version_done(&wanted);
    return st;
}

/* True when the server ends within wait_ms. */
static bool wait_for_end(tm_server *server, uint32_t wait_ms) {
    tm__mutex_lock(server->end_lock);
    if (!server->is_ending && wait_ms > 0) {
        tm__cond_wait(server->end_cond, server->end_lock, wait_ms);
    }
    const bool is_ending = server->is_ending;
    tm__mutex_unlock(server->end_lock);
    return is_ending;
}

/* The watch: open what is to be kept ready, one after the other. What else is served meanwhile
 * makes it begin anew. */
static void keep_ready(tm_server *server) {
    uint32_t next = 0;
    tm_served *opened = NULL;
    tm_status st = TM_OK;
    do {
        const tm_current_past past = past_of(server);
        tm__json_reset();
        st = tm__current_keep(server->watch_registry, &past, server->log, &next, &opened, NULL);
        tm__current_unref((tm_current *)past.latest);
        if (st == TM_OK && opened != NULL) {
            st = refresh(server, server->watch_registry, opened, NULL);
            tm__served_unref(opened);
        }
    } while (st == TM_OK && opened != NULL && !atomic_load(&server->must_keep) &&
             !wait_for_end(server, 0));
    if (st != TM_OK) { /* for want of memory, or of the registry, which `moves` tells */
        atomic_store(&server->must_keep, true);
    }
}

/* The watch: what rows were like that were answered, and what came true. */
static void look_at_answers(tm_server *server) {
    tm__mutex_lock(server->refresh_lock);
    tm_current *current = server->latest == NULL ? NULL : tm__current_ref(server->latest);
    tm__mutex_unlock(server->refresh_lock);
    if (current != NULL) {
        tm__watching_collect(server->watching, current, tm__now_us());
    }
    tm__watching_step(server->watching, current, tm__now_us());
    tm__current_unref(current);
}

/* Those that nobody looks at any more (invariant 1), taken out of the list. */
static tm_current *take_past(tm_server *server) {
    tm_current *past = NULL;
    tm__mutex_lock(server->refresh_lock);
    retire_locked(server, tm__published_settle(server->shared.published));
    for (tm_current **at = &server->retired; *at != NULL;) {
        tm_current *old = *at;
        if (atomic_load(&old->refs) == 1 && /* no exchange holds it, nor can one take it up */
            tm__published_is_past(server->shared.published, old->retired_epoch)) {
            *at = old->next_retired;
            old->next_retired = past;
            past = old;
        } else {
            at = &old->next_retired;
        }
    }
    tm__mutex_unlock(server->refresh_lock);
    return past;
}

/* Let go of what nobody adds to any more; what it has counted may be waited for on a disk. */
static void free_retired(tm_server *server) {
    for (tm_current *old = take_past(server), *next = NULL; old != NULL; old = next) {
        next = old->next_retired;
        tm__watching_end(server->watching, old, tm__now_us());
        tm__current_unref(old);
    }
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
    if (refresh(server, the_desk(server)->registry, NULL, &err) != TM_OK) {
        tm_log_event(server->log, TM_WARN, "registry.unreadable", TM_FT("error", err.message));
    }
    tm__mutex_lock(server->refresh_lock);
    tm__served_unref(server->prepared); /* it is published now, or nobody wants it */
    server->prepared = NULL;
    const uint32_t wait_ms = tm__published_wait_ms(server->shared.published);
    tm__mutex_unlock(server->refresh_lock);
    tm__sleep_ms(wait_ms); /* invariant 3 */
}

/* True when another online store than the one that is used was found whole. */
static bool has_new_store(tm_server *server) {
    tm__mutex_lock(server->refresh_lock);
    uint64_t store = server->store;
    tm__mutex_unlock(server->refresh_lock);
    tm__probe_step(&server->probe, &store);
    tm__mutex_lock(server->refresh_lock);
    const bool is_new = store != server->store;
    server->store = store;
    tm__mutex_unlock(server->refresh_lock);
    return is_new;
}

static bool refresh_from_watch(void *arg) {
    tm_server *const server = arg;
    if (tm__online_newest(server->home) == 0) { /* it was removed: nothing is to answer of it */
        tm__mutex_lock(server->refresh_lock);
        server->store = 0;
        tm__mutex_unlock(server->refresh_lock);
    }
    return refresh(server, server->watch_registry, NULL, NULL) == TM_OK;
}

static bool is_settled(void *arg) {
    tm_server *const server = arg;
    tm__mutex_lock(server->refresh_lock);
    const tm_online *const online = server->latest->online;
    const bool is =
        server->retired == NULL && tm__published_wait_ms(server->shared.published) == 0 &&
        (online == NULL || tm__online_generation(online) == tm__online_newest(server->home));
    tm_current *const current = tm__current_ref(server->latest);
    tm__mutex_unlock(server->refresh_lock);
    if (is) {
        tm__watching_leave(server->watching, current, tm__now_us());
    }
    tm__current_unref(current);
    return is;
}

/* A disk that hangs makes the watch wait, not who asks. */
static void look_at_disk(tm_server *server) {
    uint64_t bytes = 0;
    const bool is_known = tm__fs_free_bytes(tm__home_path(server->home), &bytes);
    atomic_store(&server->health.disk_free_bytes, bytes);
    atomic_store(&server->health.has_disk, is_known);
}

/* Keep what keys have used of their day: the watch's, once a second, and at the end. */
static void keep_quotas(tm_server *server) {
    tm_err err = {0};
    tm__mutex_lock(server->refresh_lock);
    tm_current *current = server->latest == NULL ? NULL : tm__current_ref(server->latest);
    tm__mutex_unlock(server->refresh_lock);
    if (current == NULL) {
        return;
    }
    const tm_quota_time now = {.now_us = tm__now_us(), .now_ns = tm__mono_ns()};
    const tm_status st =
        tm__quota_save(server->home, &current->keyring, now, &server->quotas_kept, &err);
    if (st != TM_OK && !server->is_quota_failing) {
        tm_log_event(server->log, TM_WARN, "quota.not_kept", TM_FT("error", err.message));
    }
    server->is_quota_failing = st != TM_OK;
    tm__current_unref(current);
}

/* What `tidemill status` reads: the watch's, once a second, and at the end. */
static void tell_status(tm_server *server, bool is_stopped) {
    tm_err err = {0};
    tm__mutex_lock(server->refresh_lock);
    tm_current *current = server->latest == NULL ? NULL : tm__current_ref(server->latest);
    tm__mutex_unlock(server->refresh_lock);
    if (current == NULL) {
        return;
    }
    tm__json_reset();
    if (is_stopped) { /* what waits is part of what was answered; what cannot be written is told by
                         the log's counters */
        const tm_status synced = tm__monitor_sync(server->monitor, NULL);
        (void)synced;
    }
    const tm_status st =
        tm__serving_write(server->serving, current, is_stopped, tm__now_us(), &err);
    if (st != TM_OK && !server->is_serving_failing) {
        tm_log_event(server->log, TM_WARN, "status.not_kept", TM_FT("error", err.message));
    }
    server->is_serving_failing = st != TM_OK;
    tm__json_reset(); /* what could not be made is told by now */
    tm__current_unref(current);
}

static void moves_main(void *arg) {
    tm_server *server = arg;
    while (!wait_for_end(server, WATCH_MS)) {
        tm_err err = {0};
        tm_db_moment moment = {.is_shared = tm__home_has_server(server->home)};
        tm__json_reset();
        tm_status st = tm__registry_moment(server->moves_registry, &moment, &err);
        const bool must_move = atomic_exchange(&server->must_move, false);
        if (st == TM_OK && (must_move || moment.generation != server->generation)) {
            st = refresh(server, server->moves_registry, NULL, &err);
            server->generation = st == TM_OK ? moment.generation : server->generation;
        }
        if (st == TM_OK) {
            server->known_ns = tm__moment_know(server->shared.published, &moment);
        } else { /* who is cut off answers by what is there */
            tm__published_know(server->shared.published, 0);
        }
        if (st != TM_OK && must_move) {
            atomic_store(&server->must_move, true);
        }
        log_refresh(server, st, &err);
    }
}

static void watch_main(void *arg) {
    tm_server *server = arg;
    uint32_t n_turns = 0;
    tm_settling settling = {0};
    const tm_settling_place settles = {server->home, server->monitor, refresh_from_watch,
                                       is_settled, server};
    tm__thread_lower();
    look_at_disk(server);
    tell_status(server, false);
    while (!wait_for_end(server, WATCH_MS)) {
        free_retired(server);
        tm__settling_step(&settling, &settles);
        const bool must_reload = atomic_exchange(&server->must_reload, false);
        if (must_reload || ++n_turns % (1000 / WATCH_MS) == 0) {
            tm__door_reload(server->door, must_reload, server->log);
            look_at_disk(server);
            keep_quotas(server);
        }
        if (n_turns % COUNT_TURNS == 0) {
            tm__json_reset();
            look_at_answers(server);
            tell_status(server, false);
            tm__expiry_step(&server->expiry, (tm_expiry_now){tm__mono_ns(), tm__now_us()});
        }
        if ((n_turns % STORE_TURNS == 0 && has_new_store(server)) || must_reload) {
            atomic_store(&server->must_move, true);
        }
        if (atomic_exchange(&server->must_keep, false)) { /* now that what is served is published */
            keep_ready(server);
        }
    }
}

static void tick_main(void *arg) {
    const ticking *const tick = arg;
    tm_server *const server = tick->server;
    bool is_ending = false;
    while (!is_ending) {
        tm__json_reset();
        const uint32_t wait_ms = tick->fn(tick->arg);
        if (wait_ms == TM_TICK_STOP) {
            tm__server_stop(server);
            return;
        }
        const uint64_t until = tm__mono_ns() + wait_ms * UINT64_C(1000000);
        uint64_t now = tm__mono_ns();
        is_ending = wait_for_end(server, 0);
        for (; !is_ending && now < until; now = tm__mono_ns()) {
            const uint64_t left_ms = (until - now) / 1000000 + 1;
            is_ending = wait_for_end(server, left_ms < 200 ? (uint32_t)left_ms : 200u);
        }
    }
}

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

static uint32_t count_open(tm_server *server) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < server->n_workers; i++) {
        n += tm__worker_load(server->workers[i]);
    }
    return n;
}

/* Returns false when nobody waits to be accepted. */
static bool accept_one(tm_server *server) {
    static const char full[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
                               "Retry-After: 1\r\nContent-Length: 0\r\n\r\n";
    tm_accepted accepted;
    const tm_door_result result = tm__door_accept(server->door, &accepted);
    if (result != TM_DOOR_LET_IN) {
        if (result == TM_DOOR_SENT_AWAY) {
            tm__prom_refused(acceptors_prom(server), "not from the proxy");
        }
        return result != TM_DOOR_NOBODY;
    }
    tm_worker *least = NULL;
    uint32_t n_least = UINT32_MAX;
    uint32_t n_all = 0;
    for (uint32_t i = 0; i < server->n_workers; i++) {
        const uint32_t n = tm__worker_load(server->workers[i]);
        n_all += n;
        if (n < n_least) {
            n_least = n;
            least = server->workers[i];
        }
    }
    if (n_all >= server->limits.connections_max) {
        tm__prom_refused(acceptors_prom(server), "too many connections");
        if (accepted.tls == NULL) {
            (void)tm__net_write(accepted.fd, full, sizeof full - 1);
        }
        tm__tls_unref(accepted.tls);
        tm__net_close(accepted.fd);
    } else {
        tm__worker_give(least, &accepted);
    }
    return true;
}

static void set_stage(tm_server *server, tm_stage stage) {
    atomic_store(&server->shared.stage, (int)stage);
    for (uint32_t i = 0; i < server->n_workers; i++) {
        tm__worker_wake(server->workers[i]);
    }
}

static void begin_stop(tm_server *server, uint32_t delay_ms) {
    const uint64_t now_ns = tm__mono_ns();
    if (atomic_load(&server->is_stopping)) {
        server->end_ns = now_ns; /* asked again: at once */
        return;
    }
    atomic_store(&server->is_stopping, true);
    server->stop_ns = now_ns + delay_ms * UINT64_C(1000000);
    server->end_ns = server->stop_ns + server->limits.stop_timeout_ms * UINT64_C(1000000);
    set_stage(server, TM_STAGE_STOPPING);
    tm_log_event(server->log, TM_INFO, "server.stopping", TM_FI("connections", count_open(server)));
}

/* True when nothing is left to wait for. */
static bool step_stop(tm_server *server) {
    const uint64_t now_ns = tm__mono_ns();
    if (!atomic_load(&server->is_stopping) || now_ns < server->stop_ns) {
        return false;
    }
    if (tm__door_fd(server->door) >= 0) {
        while (accept_one(server)) { /* who is connected already is answered */
        }
        tm__poller_remove(server->poller, tm__door_fd(server->door));
        tm__door_shut(server->door);
        set_stage(server, TM_STAGE_DRAINING);
    }
    return count_open(server) == 0 || now_ns >= server->end_ns;
}

/* SIGHUP. */
static void reload(tm_server *server) {
    if (server->shared.access_log != NULL) {
        tm__access_log_reopen(server->shared.access_log);
    }
    atomic_store(&server->must_reload, true);
    tm_log_event(server->log, TM_INFO, "server.reloading",
                 TM_FT("address", tm__door_address(server->door)));
}

static void take_signals(tm_server *server, int *signal) {
    int number = 0;
    while ((number = tm__signal_next(server->signal_fd)) != 0) {
        if (number == 2 || number == 15) { /* SIGINT, SIGTERM: numbers of POSIX */
            *signal = *signal != 0 ? *signal : number;
            begin_stop(server, number == 2 ? 0 : server->limits.stop_delay_ms);
        } else if (number == 1) { /* SIGHUP */
            reload(server);
        }
    }
}

tm_status tm__server_run(tm_server *server, int *out_signal, tm_err *err) {
    int signal = 0;
    (void)err;
    tm__mutex_lock(server->refresh_lock);
    const uint32_t n_routes = server->latest->n;
    tm__mutex_unlock(server->refresh_lock);
    tm_log_event(server->log, TM_INFO, "server.started",
                 TM_FT("address", tm__door_address(server->door)), TM_FI("routes", n_routes),
                 TM_FI("threads", server->n_workers));
    do {
        tm_poll_event events[EVENTS_MAX];
        const uint32_t n = tm__poller_wait(server->poller, events, EVENTS_MAX,
                                           atomic_load(&server->is_stopping) ? STOP_TURN_MS : -1);
        for (uint32_t i = 0; i < n; i++) {
            if (events[i].tag == TAG_LISTEN) {
                for (uint32_t k = 0; k < 64 && accept_one(server); k++) {
                }
            } else if (events[i].tag == TAG_SIGNAL) {
                take_signals(server, &signal);
            } else {
                tm__wake_reset(server->wake_fd);
            }
        }
        if (atomic_load(&server->stop_asked) && !atomic_load(&server->is_stopping)) {
            begin_stop(server, server->limits.stop_delay_ms);
        }
    } while (!step_stop(server));
    tm_log_event(server->log, TM_INFO, "server.stopped",
                 TM_FI("requests", tm__prom_total(server->proms, server->n_desks + 1)));
    *out_signal = signal;
    return TM_OK;
}

void tm__server_stop(tm_server *server) {
    atomic_store(&server->stop_asked, true);
    tm__wake_signal(server->wake_fd);
}

const char *tm__server_address(const tm_server *server) {
    return tm__door_address(server->door);
}

bool tm__server_has_tls(const tm_server *server) {
    return tm__door_has_tls(server->door);
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
    TM_TRY(tm__registry_open(server->home, &server->watch_registry, err));
    TM_TRY(tm__registry_open(server->home, &server->moves_registry, err));
    TM_TRY(tm__registry_open(server->home, &the_desk(server)->registry, err));
    TM_TRY(tm__registry_open(server->home, &the_study(server)->registry, err));
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
        TM_TRY(tm__registry_epoch_begin(the_desk(server)->registry, &epoch, err));
    }
    TM_TRY(tm__registry_generation(server->moves_registry, &server->generation, err));
    TM_TRY(refresh(server, server->watch_registry, NULL, err));
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
        tm__poller_set(server->poller, tm__door_fd(server->door), TAG_LISTEN, true, false) &&
        tm__poller_set(server->poller, server->wake_fd, TAG_WAKE, true, false) &&
        (server->signal_fd < 0 ||
         tm__poller_set(server->poller, server->signal_fd, TAG_SIGNAL, true, false));
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
    the_desk(server)->refresh = refresh_from_desk;
    the_desk(server)->prepare = prepare_from_desk;
    the_study(server)->remembered = tm__remembered_create();
    return the_study(server)->remembered != NULL ? TM_OK
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
    server->shared.published = tm__published_create(server->n_workers);
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
                                    .started_us = the_desk(server)->started_us,
                                    .proms = server->proms,
                                    .n_proms = server->n_desks + 1,
                                    .monitor = server->monitor,
                                    .recent = server->recent,
                                    .health = &server->health};
    server->serving = tm__serving_create(&place);
    return server->serving != NULL ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static bool start_ticking(ticking *tick, const char *name) {
    tick->thread = tick->fn == NULL ? NULL : tm__thread_create(tick_main, tick, name);
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
    server->queues[TM_QUEUE_DESK] = tm__jobs_create("tm-desk", the_desk(server), 1);
    server->queues[TM_QUEUE_STUDY] = tm__jobs_create("tm-study", the_study(server), 1);
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
        server->moves_thread = tm__thread_create(moves_main, server, "tm-moves");
        server->watch_thread = tm__thread_create(watch_main, server, "tm-watch");
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
    server->tick = (ticking){server, options->tick, options->tick_arg, NULL};
    server->beat = (ticking){server, options->beat, options->beat_arg, NULL};
    server->health.leader = options->leader;
    server->memory_max = options->memory_max;
    server->wake_fd = -1;
    server->signal_fd = -1;
    server->n_workers = options->threads > 0 ? options->threads : tm__cpu_count();
    server->n_workers = server->n_workers > THREADS_MAX ? THREADS_MAX : server->n_workers;
    server->n_desks = 2 * server->n_workers + 3;
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
        keep_quotas(server);
        for (tm_current *old = server->retired; old != NULL; old = old->next_retired) {
            tm__watching_end(server->watching, old, tm__now_us());
        }
        if (server->latest != NULL) {
            tm__watching_end(server->watching, server->latest, tm__now_us());
        }
        look_at_answers(server);
        tm__watching_audit(server->watching);
        tell_status(server, true);
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
