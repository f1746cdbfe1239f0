/* SPDX-License-Identifier: Apache-2.0 */
/* The threads that look: watch, tick, beat. */
#include "serve/server_priv.h"

#include "base/clock.h"
#include "base/fs.h"
#include "serve/quota.h"
#include "serve/settling.h"

#define COUNT_TURNS 50u /* of the watch, from one look at what was counted to the next */
#define STORE_TURNS 5u  /* of the watch, from one look for an online store to the next */

void tm__server_look_at_answers(tm_server *server) {
    tm_current *const current = tm__server_latest(server);
    if (current != NULL) {
        tm__watching_collect(server->watching, current, tm__now_us());
    }
    tm__watching_step(server->watching, current, tm__now_us());
    tm__current_unref(current);
}

/* A disk that hangs makes the watch wait, not who asks. */
static void look_at_disk(tm_server *server) {
    uint64_t bytes = 0;
    const bool is_known = tm__fs_free_bytes(tm__home_path(server->home), &bytes);
    atomic_store(&server->health.disk_free_bytes, bytes);
    atomic_store(&server->health.has_disk, is_known);
}

void tm__server_keep_quotas(tm_server *server) {
    tm_err err = {0};
    tm_current *const current = tm__server_latest(server);
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

/* What an erasure let answer until now. `moves` loads what is left. */
static void retire(tm_server *server) {
    tm_err err = {0};
    bool is_due = false;
    const tm_status st =
        tm__retire_look(server->watch_registry, &server->retiring, tm__now_us(), &is_due, &err);
    if (st != TM_OK && !server->is_retiring_failing) {
        tm_log_event(server->log, TM_WARN, "retirement.failed", TM_FT("error", err.message));
    }
    server->is_retiring_failing = st != TM_OK;
    if (is_due) {
        atomic_store(&server->must_move, true);
    }
}

void tm__server_tell_status(tm_server *server, bool is_stopped) {
    tm_err err = {0};
    tm_current *const current = tm__server_latest(server);
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

void tm__server_watch(void *arg) {
    tm_server *server = arg;
    uint32_t n_turns = 0;
    tm_settling settling = {0};
    const tm_settling_place settles = {server->home, server->monitor, tm__server_refresh_from_watch,
                                       tm__server_is_settled, server};
    tm__thread_lower();
    look_at_disk(server);
    tm__server_tell_status(server, false);
    while (!tm__server_wait_for_end(server, TM_SERVER_WATCH_MS)) {
        tm__server_free_retired(server);
        tm__settling_step(&settling, &settles);
        const bool must_reload = atomic_exchange(&server->must_reload, false);
        if (must_reload || ++n_turns % (1000 / TM_SERVER_WATCH_MS) == 0) {
            tm__door_reload(server->door, must_reload, server->log);
            look_at_disk(server);
            tm__server_keep_quotas(server);
            tm__json_reset();
            retire(server);
            tm__away_keep(&server->away, server->watch_registry, atomic_load(&server->n_published));
        }
        if (n_turns % COUNT_TURNS == 0) {
            tm__json_reset();
            tm__server_look_at_answers(server);
            tm__server_tell_status(server, false);
            tm__expiry_step(&server->expiry, (tm_expiry_now){tm__mono_ns(), tm__now_us()});
        }
        if ((n_turns % STORE_TURNS == 0 && tm__server_has_new_store(server)) || must_reload) {
            atomic_store(&server->must_move, true);
        }
        if (atomic_exchange(&server->must_keep, false)) { /* now that what is served is published */
            tm__server_keep_ready(server);
        }
    }
}

void tm__server_tick(void *arg) {
    const tm_ticking *const tick = arg;
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
        is_ending = tm__server_wait_for_end(server, 0);
        for (; !is_ending && now < until; now = tm__mono_ns()) {
            const uint64_t left_ms = (until - now) / 1000000 + 1;
            is_ending = tm__server_wait_for_end(server, left_ms < 200 ? (uint32_t)left_ms : 200u);
        }
    }
}
