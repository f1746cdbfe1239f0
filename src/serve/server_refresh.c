/* SPDX-License-Identifier: Apache-2.0 */
/* What is served: read, made ready, published, and let go. */
#include "serve/server_priv.h"

#include "base/clock.h"
#include "base/mem.h"
#include "serve/declared_log.h"
#include "serve/prepare.h"
#include "store/online.h"

static void retire_locked(tm_server *server, tm_current *old) {
    if (old != NULL) {
        old->next_retired = server->retired;
        server->retired = old;
    }
}

static void publish_locked(tm_server *server, tm_current *current, const tm_db_moment *moment) {
    const uint32_t wait_ms = tm__published_wait_ms(server->shared.published);
    if (moment->moves_us != server->moves_us) { /* of the change before */
        tm__sleep_ms(wait_ms);
    }
    server->moves_us = moment->moves_us;
    retire_locked(server, tm__published_settle(server->shared.published));
    const tm_current *const old = server->latest;
    retire_locked(server, tm__moment_publish(server->shared.published, tm__current_ref(current),
                                             moment, server->known_ns));
    tm__moment_log(server->log, tm__server_prom(server), old, current); /* counted by nobody else */
    tm__current_unref(server->latest);
    server->latest = current;
    atomic_fetch_add(&server->n_published, 1);
}

tm_current *tm__server_latest(tm_server *server) {
    tm__mutex_lock(server->refresh_lock);
    tm_current *const current = server->latest == NULL ? NULL : tm__current_ref(server->latest);
    tm__mutex_unlock(server->refresh_lock);
    return current;
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

tm_status tm__server_refresh(tm_server *server, tm_registry *registry, tm_served *opened,
                             tm_err *err) {
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

tm_status tm__server_prepare(void *arg, const char *model, uint32_t version, tm_err *err) {
    tm_server *server = arg;
    tm_registry *registry = tm__server_desk(server)->registry;
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

void tm__server_keep_ready(tm_server *server) {
    uint32_t next = 0;
    tm_served *opened = NULL;
    tm_status st = TM_OK;
    do {
        const tm_current_past past = past_of(server);
        tm__json_reset();
        st = tm__current_keep(server->watch_registry, &past, server->log, &next, &opened, NULL);
        tm__current_unref((tm_current *)past.latest);
        if (st == TM_OK && opened != NULL) {
            st = tm__server_refresh(server, server->watch_registry, opened, NULL);
            tm__served_unref(opened);
        }
    } while (st == TM_OK && opened != NULL && !atomic_load(&server->must_keep) &&
             !tm__server_wait_for_end(server, 0));
    if (st != TM_OK) { /* for want of memory, or of the registry, which `moves` tells */
        atomic_store(&server->must_keep, true);
    }
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

/* A model is the largest of what comes and goes here, and after it lies what came meanwhile. */
void tm__server_free_retired(tm_server *server) {
    tm_current *const past = take_past(server);
    for (tm_current *old = past, *next = NULL; old != NULL; old = next) {
        next = old->next_retired;
        tm__watching_end(server->watching, old, tm__now_us());
        tm__current_unref(old);
    }
    if (past != NULL) {
        tm__mem_trim();
    }
}

/* Once when it begins to fail, not at every look. */
static void log_refresh(tm_server *server, tm_status st, const tm_err *err) {
    if (st != TM_OK && !server->is_refresh_failing) {
        tm_log_event(server->log, TM_WARN, "registry.unreadable", TM_FT("error", err->message));
    }
    server->is_refresh_failing = st != TM_OK;
}

void tm__server_refresh_from_desk(void *arg) {
    tm_server *server = arg;
    tm_err err = {0};
    if (tm__server_refresh(server, tm__server_desk(server)->registry, NULL, &err) != TM_OK) {
        tm_log_event(server->log, TM_WARN, "registry.unreadable", TM_FT("error", err.message));
    }
    tm__mutex_lock(server->refresh_lock);
    tm__served_unref(server->prepared); /* it is published now, or nobody wants it */
    server->prepared = NULL;
    const uint32_t wait_ms = tm__published_wait_ms(server->shared.published);
    tm__mutex_unlock(server->refresh_lock);
    tm__sleep_ms(wait_ms); /* invariant 3 */
}

bool tm__server_has_new_store(tm_server *server) {
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

bool tm__server_refresh_from_watch(void *arg) {
    tm_server *const server = arg;
    if (tm__online_newest(server->home) == 0) { /* it was removed: nothing is to answer of it */
        tm__mutex_lock(server->refresh_lock);
        server->store = 0;
        tm__mutex_unlock(server->refresh_lock);
    }
    return tm__server_refresh(server, server->watch_registry, NULL, NULL) == TM_OK;
}

bool tm__server_is_settled(void *arg) {
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

void tm__server_moves(void *arg) {
    tm_server *server = arg;
    while (!tm__server_wait_for_end(server, TM_SERVER_WATCH_MS)) {
        tm_err err = {0};
        tm_db_moment moment = {.is_shared = tm__home_has_server(server->home)};
        tm__json_reset();
        tm_status st = tm__registry_moment(server->moves_registry, &moment, &err);
        const bool is_heard = st == TM_OK;
        const bool must_move = atomic_exchange(&server->must_move, false);
        if (st == TM_OK && (must_move || moment.generation != server->generation)) {
            st = tm__server_refresh(server, server->moves_registry, NULL, &err);
            server->generation = st == TM_OK ? moment.generation : server->generation;
        }
        if (st == TM_OK) {
            server->known_ns = tm__moment_know(server->shared.published, &moment);
        } else { /* who is cut off answers by what is there */
            tm__published_know(server->shared.published, 0);
        }
        if (is_heard && moment.is_shared) {
            tm__away_hear(&server->away, moment.asked_ns);
        } else if (moment.is_shared) {
            tm__away_lose(&server->away);
        }
        if (st != TM_OK && must_move) {
            atomic_store(&server->must_move, true);
        }
        log_refresh(server, st, &err);
    }
}
