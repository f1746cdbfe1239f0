/* SPDX-License-Identifier: Apache-2.0 */
/* The acceptor: connections, signals, the end (server_priv.h: the whole server). */
#include "serve/server_priv.h"

#include "base/clock.h"

#define STOP_TURN_MS 5
#define EVENTS_MAX 16u

tm_desk *tm__server_study(tm_server *server) {
    return &server->desks[server->n_desks - 2];
}

tm_desk *tm__server_desk(tm_server *server) {
    return &server->desks[server->n_desks - 1];
}

tm_prom *tm__server_prom(tm_server *server) {
    return server->proms[server->n_desks];
}

bool tm__server_wait_for_end(tm_server *server, uint32_t wait_ms) {
    tm__mutex_lock(server->end_lock);
    if (!server->is_ending && wait_ms > 0) {
        tm__cond_wait(server->end_cond, server->end_lock, wait_ms);
    }
    const bool is_ending = server->is_ending;
    tm__mutex_unlock(server->end_lock);
    return is_ending;
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
            tm__prom_refused(tm__server_prom(server), "not from the proxy");
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
        tm__prom_refused(tm__server_prom(server), "too many connections");
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
        server->stop_ns = server->end_ns = now_ns; /* asked again: at once */
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

uint32_t tm__server_routes(tm_server *server) {
    tm__mutex_lock(server->refresh_lock);
    const uint32_t n = server->latest->n;
    tm__mutex_unlock(server->refresh_lock);
    return n;
}

tm_status tm__server_run(tm_server *server, int *out_signal, tm_err *err) {
    int signal = 0;
    (void)err;
    tm_log_event(server->log, TM_INFO, "server.started",
                 TM_FT("address", tm__door_address(server->door)),
                 TM_FI("routes", tm__server_routes(server)), TM_FI("threads", server->n_workers));
    do {
        tm_poll_event events[EVENTS_MAX];
        const uint32_t n = tm__poller_wait(server->poller, events, EVENTS_MAX,
                                           atomic_load(&server->is_stopping) ? STOP_TURN_MS : -1);
        for (uint32_t i = 0; i < n; i++) {
            if (events[i].tag == TM_TAG_LISTEN) {
                for (uint32_t k = 0; k < 64 && accept_one(server); k++) {
                }
            } else if (events[i].tag == TM_TAG_SIGNAL) {
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
