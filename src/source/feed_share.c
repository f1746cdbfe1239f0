/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two tables beside those of sources, made when they are first needed:
 *
 *   reader   number, source, and the session (pid, when it began): it lives while the server has it
 *   share    source, partition, number of who reads it (0: nobody), how far it is behind
 *
 *   look ──> readers that live, parts ──> divide ── some are ours to take ──> transaction: look
 *                                                                             again, take
 *
 * 1. Looking takes no lock. Who is wrong about what it may take finds out in the transaction.
 * 2. How far the source has come (`state`) is a sum over homes, so it is added to and never
 *    compared; what a block went on from is the mark of its partition.
 * 3. A reader that was stopped in the middle of a transaction keeps all writers out. Whoever looks
 *    ends its session when it did nothing for as long as ends a lease.
 */
#include "source/feed_share.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "source/intake_priv.h"

/* A session that said nothing for so long is over: a block is read and made ready in less. */
#define LIVING                                                                                     \
    "WITH living AS (SELECT r.number, r.counts FROM reader r JOIN pg_stat_activity a"              \
    " ON a.pid = r.pid AND CAST(extract(epoch FROM a.backend_start) * 1000000 AS BIGINT) ="        \
    " r.begun_us WHERE r.source = ?1 AND (a.state = 'active' OR a.state_change >"                  \
    " clock_timestamp() - interval '10 seconds')) "

struct tm_share {
    tm_db *db;
    int64_t source, number;
    bool counts;
    tm_share_part *parts; /* [n] */
    uint32_t n;
};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for the partitions of a source");
}

bool tm__share_is_for(const tm_home *home, const char *feed, const json_t *spec,
                      const json_t *keys) {
    return tm__home_shares_intake(home) && strcmp(feed, "kafka") == 0 &&
           json_object_get(spec, "event_time") == NULL && json_object_get(spec, "group") == NULL &&
           json_array_size(keys) == 0;
}

/* ---- Beginning ---- */

/* These rows say who works now, and nothing that is worth keeping. */
static tm_status make_tables_locked(tm_db *db, tm_err *err) {
    return tm__db_exec(
        db,
        "CREATE TABLE IF NOT EXISTS reader(number INTEGER PRIMARY KEY, source INTEGER NOT NULL,"
        " pid INTEGER NOT NULL, begun_us INTEGER NOT NULL, counts INTEGER NOT NULL) STRICT;"
        "CREATE TABLE IF NOT EXISTS share(source INTEGER NOT NULL, part INTEGER NOT NULL,"
        " reader INTEGER NOT NULL, behind INTEGER NOT NULL, PRIMARY KEY(source, part)) STRICT,"
        " WITHOUT ROWID;",
        err);
}

static tm_status run(tm_share *s, const char *sql, int64_t second, int64_t third, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(s->db, sql, &stmt, err));
    tm__stmt_bind_i64(stmt, 1, s->source);
    tm__stmt_bind_i64(stmt, 2, second);
    tm__stmt_bind_i64(stmt, 3, third);
    return tm__stmt_run_done(stmt, err);
}

/* Invariant 3. */
static tm_status end_hung(const tm_share *s, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(s->db,
                         "SELECT count(pg_terminate_backend(a.pid)) FROM pg_locks l JOIN"
                         " pg_stat_activity a ON a.pid = l.pid JOIN reader r ON r.pid = a.pid"
                         " WHERE r.source = ?1 AND l.relation = 'tidemill'::regclass AND l.mode ="
                         " 'RowShareLock' AND l.granted AND a.state LIKE 'idle in transaction%'"
                         " AND a.state_change < clock_timestamp() - interval '10 seconds'",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, s->source);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    tm__stmt_done(stmt);
    return st;
}

static tm_status has_tables(const tm_share *s, bool *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(s->db, "SELECT 1 FROM pg_class WHERE oid = to_regclass('reader')", &stmt,
                         err));
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    *out = has_row;
    tm__stmt_done(stmt);
    return st;
}

static tm_status join_locked(tm_share *s, tm_err *err) {
    TM_TRY(make_tables_locked(s->db, err));
    TM_TRY(run(s,
               "DELETE FROM reader WHERE source = ?1 AND number >= ?2 AND number < ?3 AND"
               " number NOT IN (" LIVING "SELECT number FROM living)",
               0, INT64_MAX, err));
    TM_TRY(run(s,
               "INSERT INTO reader(source, counts, pid, begun_us) SELECT ?1, ?2, pid,"
               " CAST(extract(epoch FROM backend_start) * 1000000 AS BIGINT)"
               " FROM pg_stat_activity WHERE pid = pg_backend_pid() AND ?3 = 0",
               s->counts ? 1 : 0, 0, err));
    s->number = tm__db_last_id(s->db);
    return TM_OK;
}

static tm_status in_transaction(tm_share *s, tm_status (*what)(tm_share *s, tm_err *err),
                                tm_err *err) {
    TM_TRY(tm__db_begin(s->db, err));
    return tm__db_end(s->db, what(s, err), err);
}

void tm__share_free(tm_share *s) {
    if (s != NULL) {
        tm__mem_free(s->parts);
        tm__mem_free(s);
    }
}

tm_status tm__share_open(tm_db *db, int64_t source, bool counts, tm_share **out, tm_err *err) {
    tm_share *const s = tm__mem_zalloc(1, sizeof(*s));
    if (s == NULL) {
        return no_memory(err);
    }
    *s = (tm_share){.db = db, .source = source, .counts = counts};
    bool is_made = false;
    tm_status st = has_tables(s, &is_made, err);
    st = st == TM_OK && is_made ? end_hung(s, err) : st;
    st = st == TM_OK ? in_transaction(s, join_locked, err) : st;
    if (st != TM_OK) {
        tm__share_free(s);
        return st;
    }
    *out = s;
    return TM_OK;
}

bool tm__share_counts(const tm_share *s) {
    return s->counts;
}

/* ---- Looking ---- */

uint32_t tm__share_divide(tm_share_part *parts, uint32_t n_parts, uint32_t n_readers,
                          uint32_t rank) {
    const uint32_t most =
        n_readers == 0 ? n_parts : n_parts / n_readers + (rank < n_parts % n_readers ? 1 : 0);
    uint32_t n_ours = 0, n_free = 0;
    for (uint32_t i = 0; i < n_parts; i++) {
        n_free += parts[i] == TM_SHARE_FREE ? 1 : 0;
        n_ours += parts[i] == TM_SHARE_OURS ? 1 : 0;
        if (parts[i] == TM_SHARE_OURS && n_ours > most) {
            parts[i] = TM_SHARE_EXCESS;
        }
    }
    const uint32_t room = n_ours < most ? most - n_ours : 0;
    return room < n_free ? room : n_free;
}

static tm_status count_readers(const tm_share *s, uint32_t *out_n, uint32_t *out_rank,
                               tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false, is_there = false;
    TM_TRY(tm__stmt_init(s->db,
                         LIVING "SELECT count(CASE WHEN counts = 1 THEN 1 END),"
                                " count(CASE WHEN counts = 1 AND number < ?2 THEN 1 END),"
                                " count(CASE WHEN number = ?2 THEN 1 END) FROM living",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, s->source);
    tm__stmt_bind_i64(stmt, 2, s->number);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        *out_n = (uint32_t)tm__stmt_i64(stmt, 0);
        *out_rank = (uint32_t)tm__stmt_i64(stmt, 1);
        is_there = tm__stmt_i64(stmt, 2) == 1;
    }
    tm__stmt_done(stmt);
    if (st == TM_OK && !is_there) {
        st = TM_FAIL(err, TM_E_UNAVAILABLE, "the connection to PostgreSQL was made anew");
        tm_err_hint(err, "Another home may read the partitions of this one; it begins again.");
    }
    return st;
}

static tm_status read_parts(tm_share *s, tm_err *err) {
    tm_stmt *stmt = NULL;
    memset(s->parts, 0, s->n * sizeof(*s->parts));
    TM_TRY(tm__stmt_init(s->db,
                         LIVING "SELECT part, CASE WHEN reader = ?2 THEN 2 WHEN reader IN"
                                " (SELECT number FROM living) THEN 1 ELSE 0 END FROM share"
                                " WHERE source = ?1",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, s->source);
    tm__stmt_bind_i64(stmt, 2, s->number);
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        const int64_t part = tm__stmt_i64(stmt, 0);
        if (part >= 0 && part < (int64_t)s->n) {
            s->parts[part] = (tm_share_part)tm__stmt_i64(stmt, 1);
        }
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status look(tm_share *s, uint32_t *out_n, tm_err *err) {
    uint32_t n_readers = 0, rank = 0;
    TM_TRY(count_readers(s, &n_readers, &rank, err));
    TM_TRY(read_parts(s, err));
    *out_n = tm__share_divide(s->parts, s->n, s->counts ? n_readers : 0, rank);
    return TM_OK;
}

static tm_status take_locked(tm_share *s, tm_err *err) {
    uint32_t n = 0;
    TM_TRY(look(s, &n, err));
    for (uint32_t i = 0; i < s->n && n > 0; i++) {
        if (s->parts[i] == TM_SHARE_FREE) {
            TM_TRY(run(s,
                       "INSERT INTO share(source, part, reader, behind) VALUES(?1, ?2, ?3, 0)"
                       " ON CONFLICT(source, part) DO UPDATE SET reader = excluded.reader",
                       (int64_t)i, s->number, err));
            s->parts[i] = TM_SHARE_OURS;
            n--;
        }
    }
    return TM_OK;
}

tm_status tm__share_look(tm_share *s, uint32_t n_parts, tm_err *err) {
    uint32_t n = 0;
    if (n_parts > s->n) {
        tm_share_part *const parts = tm__mem_realloc(s->parts, n_parts, sizeof(*parts));
        if (parts == NULL) {
            return no_memory(err);
        }
        s->parts = parts;
        s->n = n_parts;
    }
    if (s->n == 0) {
        return TM_OK;
    }
    TM_TRY(end_hung(s, err));
    TM_TRY(look(s, &n, err));
    if (n == 0) {
        return TM_OK;
    }
    const tm_status st = in_transaction(s, take_locked, err);
    if (st != TM_OK) {
        memset(s->parts, 0, s->n * sizeof(*s->parts));
    }
    return st;
}

tm_share_part tm__share_part_of(const tm_share *s, uint32_t part) {
    return part < s->n ? s->parts[part] : TM_SHARE_FREE;
}

tm_status tm__share_give(tm_share *s, uint32_t part, tm_err *err) {
    s->parts[part] = TM_SHARE_FREE;
    TM_TRY(tm__db_begin(s->db, err));
    const tm_status st =
        run(s, "UPDATE share SET reader = 0 WHERE source = ?1 AND part = ?2 AND reader = ?3",
            (int64_t)part, s->number, err);
    return tm__db_end(s->db, st, err);
}

/* ---- Blocks ---- */

static tm_status lost(const char *item, tm_err *err) {
    (void)TM_FAIL(err, TM_E_UNAVAILABLE, "another home reads partition %s of this source", item);
    tm_err_hint(err, "Nothing of it was taken twice; the next reading goes on with what is left.");
    return TM_E_UNAVAILABLE;
}

static tm_status hold_locked(tm_share *s, const tm_feed_block *block, tm_err *err) {
    tm_stmt *stmt = NULL;
    int64_t part = 0;
    if (!tm__str_to_i64(tm__str(block->item), &part)) {
        return lost(block->item, err);
    }
    TM_TRY(tm__stmt_init(s->db,
                         "UPDATE share SET behind = ?1 WHERE source = ?2 AND part = ?3"
                         " AND reader = ?4",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, tm__json_i64(block->state, "behind", 0));
    tm__stmt_bind_i64(stmt, 2, s->source);
    tm__stmt_bind_i64(stmt, 3, part);
    tm__stmt_bind_i64(stmt, 4, s->number);
    const tm_status st = tm__stmt_run_done(stmt, err);
    return st == TM_OK && tm__db_changes(s->db) == 0 ? lost(block->item, err) : st;
}

static tm_status check_mark_locked(const tm_share *s, const tm_feed_block *block, tm_err *err) {
    json_t *mark = NULL;
    TM_TRY(tm__intake_db_mark(s->db, s->source, block->item, &mark, err));
    const bool is_same = json_equal(mark, block->mark_before) == 1;
    json_decref(mark);
    return is_same ? TM_OK : lost(block->item, err);
}

/* The state as it is, and how far all partitions are behind. New reference. */
static tm_status read_state_locked(const tm_share *s, json_t **out, int64_t *out_behind,
                                   tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(s->db,
                         "SELECT state, (SELECT CAST(coalesce(sum(behind), 0) AS BIGINT) FROM share"
                         " WHERE source = ?1) FROM sources WHERE id = ?1",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, s->source);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    const char *const text = st == TM_OK && has_row ? tm__stmt_text(stmt, 0) : NULL;
    if (text != NULL) {
        *out_behind = tm__stmt_i64(stmt, 1);
        st = tm__json_parse(text, strlen(text), TM_MAX_JSON_DEPTH, out, err);
    } else if (st == TM_OK) {
        st = TM_FAIL(err, TM_E_NOT_FOUND, "the source was removed meanwhile");
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__share_put_locked(tm_share *s, const tm_feed_block *block, tm_err *err) {
    static const char *const counts[] = {"read", "empty"};
    json_t *before = NULL;
    int64_t behind = 0;
    TM_TRY(hold_locked(s, block, err));
    TM_TRY(check_mark_locked(s, block, err));
    TM_TRY(read_state_locked(s, &before, &behind, err));
    json_t *const after = json_object();
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        json_object_set_new(after, counts[i],
                            json_integer(tm__json_i64(before, counts[i], 0) +
                                         tm__json_i64(block->state, counts[i], 0)));
    }
    json_object_set_new(after, "behind", json_integer(behind));
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? tm__intake_db_set_state_locked(s->db, s->source, before, after, err) : st;
    json_decref(before);
    json_decref(after);
    return st;
}
