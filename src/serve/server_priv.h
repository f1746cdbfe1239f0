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
 *      moves      looks at the registry every TM_SERVER_WATCH_MS and loads what is to be served
 *                 now, so that no request waits for a model file
 *      watch      of low priority: opens what is to be kept ready besides, frees what is no longer
 *                 served, counts, tells
 *      tick       only for a caller's own work (the closed loop's schedule)
 *      beat       same, of what must not wait for that (who leads)
 *
 *      moves, desk --refresh()--> published pointer <--view-- workers
 *
 *      server.c          the acceptor: connections, signals, the end
 *      server_refresh.c  what is served: read, made ready, published, let go (`moves`)
 *      server_watch.c    the other threads of its own: watch, tick, beat
 *      server_open.c     all parts made and started, and ended
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
 *      needs.
 *   5. What the desk moves to was made ready before: a version that cannot be served is refused
 *      with nothing changed. What another process moved to is made ready by `moves`, and what is
 *      served stays when it cannot be.
 *   6. An end is in order: /readyz says no, the listener closes, requests in flight are answered,
 *      threads join, the monitor writes what waits.
 */
#ifndef TM_SERVE_SERVER_PRIV_H
#define TM_SERVE_SERVER_PRIV_H

#include <stdatomic.h>

#include "base/fs.h"
#include "base/pool.h"
#include "registry/retire.h"
#include "serve/audited.h"
#include "serve/away.h"
#include "serve/desk.h"
#include "serve/door.h"
#include "serve/expiry.h"
#include "serve/jobs.h"
#include "serve/moment.h"
#include "serve/probe.h"
#include "serve/serving.h"
#include "serve/session.h"
#include "serve/shadow.h"
#include "serve/watching.h"
#include "serve/worker.h"
#include "source/parquet_rows.h"

#define TM_SERVER_WATCH_MS 20u /* from one look at the registry to the next */

enum { TM_TAG_LISTEN = 1, TM_TAG_WAKE = 2, TM_TAG_SIGNAL = 3 }; /* of the poller */

/* Work of the caller's, again and again in a thread of its own. */
typedef struct tm_ticking {
    tm_server *server;
    uint32_t (*fn)(void *arg);
    void *arg;
    tm_thread *thread;
} tm_ticking;

struct tm_server {
    const tm_home *home;
    const tm_log *log;
    tm_file *lock_file;
    tm_serve_limits limits;
    tm_door *door;
    tm_poller *poller;
    int wake_fd, signal_fd;
    tm_ticking tick, beat; /* fn NULL: none */
    uint64_t memory_max;   /* of bundles; 0: no limit */

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
    tm_served *prepared;      /* for the move that the desk is about to make */
    uint64_t store;           /* generation of the online store that was found whole; 0: none */
    _Atomic bool must_reload; /* the watch is to look at all that was declared or opened */
    _Atomic bool must_move;   /* `moves` is to load whatever the generation is */
    _Atomic bool must_keep;   /* something else is served: the watch is to open what is kept */
    _Atomic uint64_t n_published;
    tm_away away;              /* `moves` and the watch, each its part */
    int64_t moves_us;          /* tm_db_moment of what was published last */
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

    tm_retire_watch retiring; /* the watch's */
    bool is_retiring_failing;

    uint64_t quotas_kept; /* see tm__quota_save(); the watch's, then who closes */
    bool is_quota_failing;

    tm_mutex *end_lock; /* around is_ending */
    tm_cond *end_cond;
    bool is_ending;
    tm_thread *moves_thread, *watch_thread;
    _Atomic bool stop_asked;
    uint64_t stop_ns, end_ns;
};

/* --- server.c --- */

/** The desk of requests that read much of the log. */
tm_desk *tm__server_study(tm_server *server);
/** The desk of what waits for a disk. */
tm_desk *tm__server_desk(tm_server *server);
/** The counters of the acceptor, which `moves` and the watch share: nobody else counts the same. */
tm_prom *tm__server_prom(tm_server *server);
/** True when the server ends within wait_ms. Any thread. */
bool tm__server_wait_for_end(tm_server *server, uint32_t wait_ms);

/* --- server_refresh.c --- */

/** Read the registry and publish what it says. Each thread has its own handle. opened (may be NULL)
 * is kept when it is still wanted. */
TM_NODISCARD tm_status tm__server_refresh(tm_server *server, tm_registry *registry,
                                          tm_served *opened, tm_err *err);
/** What is served now, to be let go by the caller; NULL before anything was published. */
tm_current *tm__server_latest(tm_server *server);
/** Of the desk (arg is the server): load a version, before the registry moves to it (invariant 5).
 */
TM_NODISCARD tm_status tm__server_prepare(void *arg, const char *model, uint32_t version,
                                          tm_err *err);
/** Of the desk (arg is the server): publish what it moved to, and wait until all answer by it. */
void tm__server_refresh_from_desk(void *arg);
/** Of the watch: open what is to be kept ready, one after the other. What else is served meanwhile
 * makes it begin anew. */
void tm__server_keep_ready(tm_server *server);
/** Of the watch: let go of what nobody adds to any more; what it has counted may be waited for on a
 * disk. */
void tm__server_free_retired(tm_server *server);
/** Of the watch: true when another online store than the one that is used was found whole. */
bool tm__server_has_new_store(tm_server *server);
/** Of the watch (arg is the server): publish what an erasure left; false when it could not. */
bool tm__server_refresh_from_watch(void *arg);
/** Of the watch (arg is the server): true when nobody answers by what was before. */
bool tm__server_is_settled(void *arg);
/** The thread `moves`; arg is the server. */
void tm__server_moves(void *arg);

/* --- server_watch.c --- */

/** Of the watch, then of who closes: what rows were like that were answered, and what came true. */
void tm__server_look_at_answers(tm_server *server);
/** Same: keep what keys have used of their day. Once a second, and at the end. */
void tm__server_keep_quotas(tm_server *server);
/** Same: what `tidemill status` reads. Once a second, and at the end. */
void tm__server_tell_status(tm_server *server, bool is_stopped);
/** The thread `watch`; arg is the server. */
void tm__server_watch(void *arg);
/** The threads `tick` and `beat`; arg is a tm_ticking. */
void tm__server_tick(void *arg);

#endif
