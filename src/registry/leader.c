/* SPDX-License-Identifier: Apache-2.0 */
/*
 *      standing by ── lock taken, epoch begun ──> leading ── lock gone, or not sure ──> standing by
 *           │
 *           └── who holds the lock is silent: its session is ended, and the lock is free
 *
 * 1. The lock lives as long as the session, and the session may be made anew by any call: so each
 *    look asks whether this session holds it.
 * 2. A look that said so counts for as long as nobody can have ended the session for its silence;
 *    the server measures that from the end of the look, this side from its beginning.
 * 3. A session that holds the tables and was stopped in the middle of a transaction would keep the
 *    epoch from being begun: such are ended too.
 */
#include "registry/leader.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/pool.h"
#include "registry/registry_known.h"
#include "registry/registry_priv.h"

#define BEAT_MS 250u
#define SILENT_MS 2000u
#define ALONE_MS 60000u /* with tables in a file there is nothing to look at */

#define LOCK                                                                                       \
    "1414352207, (SELECT oid::bigint::bit(32)::int4 FROM pg_namespace WHERE nspname ="             \
    " current_schema())"
#define LOCKS                                                                                      \
    " pg_locks l WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2"                   \
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"           \
    " AND l.classid::bigint = 1414352207 AND l.objid = (SELECT oid FROM pg_namespace"              \
    " WHERE nspname = current_schema())"

struct tm_leader {
    tm_registry *registry;
    uint32_t silent_ms;
    char name[64];
    tm_mutex *lock; /* around what follows */
    tm_leader_state state;
    uint64_t sure_ns; /* so long the last look counts */
};

/* ---- What the tables say ---- */

static tm_status ask(tm_registry *registry, const char *sql, int64_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    *out = 0;
    TM_TRY(tm__stmt_init(registry->db, sql, &stmt, err));
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        *out = tm__stmt_i64(stmt, 0);
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status say_name(tm_leader *self, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(self->registry->db, "SELECT set_config('application_name', ?1, false)",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, self->name);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    tm__stmt_done(stmt);
    return st;
}

/* Who holds the lock, by name, and how long it has been silent; "" and 0 when nobody does. */
static tm_status find_holder(tm_leader *self, char name[64], int64_t *out_pid, int64_t *out_ms,
                             tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    name[0] = '\0';
    *out_pid = *out_ms = 0;
    TM_TRY(
        tm__stmt_init(self->registry->db,
                      "SELECT a.pid, a.application_name, CASE WHEN a.state = 'active' THEN 0 ELSE"
                      " (extract(epoch FROM clock_timestamp() - a.state_change) * 1000)::bigint END"
                      " FROM pg_stat_activity a WHERE a.pid = (SELECT l.pid FROM" LOCKS ")",
                      &stmt, err));
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        const char *text = tm__stmt_text(stmt, 1);
        *out_pid = tm__stmt_i64(stmt, 0);
        *out_ms = tm__stmt_is_null(stmt, 2) ? 0 : tm__stmt_i64(stmt, 2);
        (void)tm__str_copy(name, 64, tm__str(text == NULL ? "" : text));
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status end_session(tm_leader *self, int64_t pid, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(self->registry->db, "SELECT pg_terminate_backend(?1::int4)", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, pid);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    tm__stmt_done(stmt);
    return st;
}

/* Invariant 3. */
static tm_status end_hung_writers(tm_leader *self, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(
        self->registry->db,
        "SELECT count(pg_terminate_backend(l.pid)) FROM pg_locks l JOIN pg_stat_activity a"
        " ON a.pid = l.pid WHERE l.relation = 'tidemill'::regclass AND l.mode = 'RowShareLock'"
        " AND l.granted AND a.state LIKE 'idle in transaction%' AND a.state_change <"
        " clock_timestamp() - ?1::bigint * interval '1 millisecond'",
        &stmt, err));
    tm__stmt_bind_i64(stmt, 1, (int64_t)self->silent_ms);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    tm__stmt_done(stmt);
    return st;
}

/* ---- Changes ---- */

static void set_state(tm_leader *self, const tm_leader_state *state, uint64_t sure_ns) {
    tm__mutex_lock(self->lock);
    self->state = *state;
    self->sure_ns = sure_ns;
    tm__mutex_unlock(self->lock);
}

/* The lock is this session's: its epoch begins, or the lock is let go of. */
static tm_status begin(tm_leader *self, tm_leader_state *next, tm_err *err) {
    int64_t n = 0;
    tm_status st = end_hung_writers(self, err);
    st = st == TM_OK ? tm__registry_epoch_begin(self->registry, &next->epoch, err) : st;
    if (st != TM_OK) {
        const tm_status freed =
            ask(self->registry, "SELECT count(pg_advisory_unlock_all())", &n, NULL);
        (void)freed; /* with the session it is gone too */
        return st;
    }
    next->leads = true;
    next->took_us = tm__now_us();
    next->leader[0] = '\0';
    return TM_OK;
}

static tm_status stand_by(tm_leader *self, tm_leader_state *next, bool *out_again, tm_err *err) {
    int64_t pid = 0, ms = 0;
    TM_TRY(find_holder(self, next->leader, &pid, &ms, err));
    TM_TRY(ask(self->registry, "SELECT number FROM epoch", &next->epoch, err));
    *out_again = pid == 0 || ms > (int64_t)self->silent_ms;
    if (pid != 0 && *out_again) {
        TM_TRY(end_session(self, pid, err));
        next->n_ended++;
    }
    return TM_OK;
}

/* Invariant 1. */
static tm_status look(tm_leader *self, tm_leader_state *next, bool *out_again, tm_err *err) {
    int64_t n = 0;
    TM_TRY(
        ask(self->registry, "SELECT count(*) FROM" LOCKS " AND l.pid = pg_backend_pid()", &n, err));
    if (n != 0 && next->leads) {
        return TM_OK;
    }
    next->leads = false;
    next->took_us = 0;
    if (n == 0) {
        TM_TRY(say_name(self, err));
        TM_TRY(ask(self->registry, "SELECT pg_try_advisory_lock(" LOCK ")::int4", &n, err));
    }
    return n != 0 ? begin(self, next, err) : stand_by(self, next, out_again, err);
}

uint32_t tm__leader_step(tm_leader *leader) {
    tm_leader_state next;
    tm_err err = {0};
    bool again = false;
    if (!leader->state.is_shared) {
        return ALONE_MS;
    }
    tm__mutex_lock(leader->lock);
    next = leader->state;
    tm__mutex_unlock(leader->lock);
    const uint64_t begun_ns = tm__mono_ns();
    const tm_status st = look(leader, &next, &again, &err);
    next.is_known = st == TM_OK;
    next.why[0] = '\0';
    if (st != TM_OK) {
        next.leads = false;
        next.took_us = 0;
        (void)tm__str_copy(next.why, sizeof(next.why), tm__str(err.message));
    }
    set_state(leader, &next, begun_ns + leader->silent_ms * UINT64_C(1000000));
    return again ? BEAT_MS / 10 : BEAT_MS < leader->silent_ms / 4 ? BEAT_MS : leader->silent_ms / 4;
}

/* ---- The whole ---- */

tm_status tm__leader_open(const tm_home *home, const tm_leader_options *options, tm_leader **out,
                          tm_err *err) {
    tm_leader *self = tm__mem_zalloc(1, sizeof(*self));
    tm_mutex *lock = tm__mutex_create();
    if (self == NULL || lock == NULL) {
        tm__mem_free(self);
        tm__mutex_free(lock);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    self->lock = lock;
    self->silent_ms = options->silent_ms == 0 ? SILENT_MS : options->silent_ms;
    (void)tm__str_copy(self->name, sizeof(self->name), tm__str(options->name));
    self->state.is_shared = tm__home_has_server(home);
    if (!self->state.is_shared) {
        self->state.leads = self->state.is_known = true;
        self->sure_ns = UINT64_MAX;
    } else {
        const tm_status st = tm__registry_open_away(home, &self->registry, err);
        if (st != TM_OK) {
            tm__leader_close(self);
            return st;
        }
        (void)tm__leader_step(self);
    }
    *out = self;
    return TM_OK;
}

/* Invariant 2. */
void tm__leader_state(const tm_leader *leader, tm_leader_state *out) {
    tm__mutex_lock(leader->lock);
    *out = leader->state;
    out->leads = out->leads && tm__mono_ns() < leader->sure_ns;
    tm__mutex_unlock(leader->lock);
}

json_t *tm__leader_json(const tm_leader *leader) {
    tm_leader_state s;
    tm__leader_state(leader, &s);
    if (!s.is_shared) {
        return json_null();
    }
    char since[48] = "";
    const size_t n = s.leads ? tm__time_to_text(s.took_us, since) : 0;
    const char *const role = s.leads ? "leader" : s.is_known ? "standby" : "unknown";
    return json_pack("{s:s, s:I, s:o, s:s?}", "role", role, "epoch", (json_int_t)s.epoch, "since",
                     n == 0 ? json_null() : json_stringn(since, n), "leader",
                     s.leader[0] == '\0' ? NULL : s.leader);
}

void tm__leader_close(tm_leader *leader) {
    if (leader != NULL) {
        tm__registry_close(leader->registry);
        tm__mutex_free(leader->lock);
        tm__mem_free(leader);
    }
}
