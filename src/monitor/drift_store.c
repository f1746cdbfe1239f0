/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of watch.db; docs/formats/home.md has the columns. */
#include "monitor/drift_store.h"

#include <string.h>

#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"

#define APPLICATION_ID 0x544D5754u /* "TMWT" */
#define PART "watch"
#define WINDOW_BYTES_MAX ((size_t)8 << 20)

static const tm_migration migrations[] = {
    {1,
     "CREATE TABLE windows(model TEXT NOT NULL, version INTEGER NOT NULL, span INTEGER NOT NULL,"
     " at_us INTEGER NOT NULL, n_rows INTEGER NOT NULL, data BLOB NOT NULL,"
     " PRIMARY KEY(model, version, span, at_us)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE alerts(id INTEGER PRIMARY KEY, key TEXT NOT NULL, model TEXT NOT NULL,"
     " version INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,"
     " severity TEXT NOT NULL, state INTEGER NOT NULL, n INTEGER NOT NULL,"
     " since_us INTEGER NOT NULL, opened_us INTEGER NOT NULL, last_us INTEGER NOT NULL,"
     " ended_us INTEGER NOT NULL, silent_until_us INTEGER NOT NULL, actor TEXT NOT NULL,"
     " summary TEXT NOT NULL, detail TEXT NOT NULL) STRICT;"
     "CREATE INDEX alerts_key ON alerts(key, state);"
     "CREATE INDEX alerts_model ON alerts(model, last_us);"
     "CREATE TABLE deliveries(id INTEGER PRIMARY KEY, alert INTEGER NOT NULL REFERENCES alerts(id),"
     " receiver TEXT NOT NULL, event TEXT NOT NULL, body TEXT NOT NULL, at_us INTEGER NOT NULL,"
     " next_us INTEGER NOT NULL, n_tries INTEGER NOT NULL, state INTEGER NOT NULL,"
     " error TEXT NOT NULL) STRICT;"
     "CREATE INDEX deliveries_next ON deliveries(state, next_us);",
     NULL},
    {2,
     "CREATE TABLE traffic(route TEXT NOT NULL, at_us INTEGER NOT NULL, cell INTEGER NOT NULL,"
     " n INTEGER NOT NULL, PRIMARY KEY(route, at_us, cell)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE fields(model TEXT NOT NULL, version INTEGER NOT NULL, at_us INTEGER NOT NULL,"
     " kind INTEGER NOT NULL, name TEXT NOT NULL, n INTEGER NOT NULL,"
     " PRIMARY KEY(model, version, at_us, kind, name)) STRICT, WITHOUT ROWID;",
     NULL},
    {0, NULL, NULL}};

struct tm_drift_store {
    tm_db *db;
};

int64_t tm__span_us(tm_drift_span span) {
    static const int64_t us[TM_SPANS] = {TM_MINUTE_US, TM_HOUR_US, TM_DAY_US};
    return us[span];
}

int64_t tm__span_begin(int64_t at_us, tm_drift_span span) {
    const int64_t us = tm__span_us(span), rest = at_us % us;
    return at_us - (rest < 0 ? rest + us : rest);
}

/* On a server all replicas have one. */
static const char *path_of(const tm_home *home) {
    return tm__home_has_server(home) ? tm__home_meta_db(home) : tm__home_watch_db(home);
}

static tm_status db_open(const char *path, bool can_write, tm_db **out, tm_err *err) {
    const tm_db_options options = {.part = PART,
                                   .create = can_write,
                                   .read_only = !can_write,
                                   .migrations = migrations,
                                   .application_id = APPLICATION_ID};
    return tm__db_open(path, &options, out, err);
}

/* Of an earlier release: who reads first brings it up. One of a later release is refused again. */
static tm_status db_open_any(const char *path, bool can_write, tm_db **out, tm_err *err) {
    tm_err own = {0};
    tm_db *writer = NULL;
    tm_status st = db_open(path, can_write, out, &own);
    if (st == TM_E_UNSUPPORTED && !can_write && db_open(path, true, &writer, NULL) == TM_OK) {
        tm__db_close(writer);
        st = db_open(path, false, out, &own);
    }
    if (st != TM_OK && err != NULL) {
        *err = own;
    }
    return st;
}

tm_status tm__drift_store_open(const tm_home *home, bool can_write, tm_drift_store **out,
                               tm_err *err) {
    *out = NULL;
    const char *const path = path_of(home);
    tm_drift_store *const self = tm__mem_zalloc(1, sizeof(*self));
    tm_status st = self == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for what is watched") : TM_OK;
    if (st == TM_OK && (can_write || tm__fs_info(path).kind == TM_PATH_FILE)) {
        st = db_open_any(path, can_write, &self->db, err);
        st = st == TM_E_NOT_FOUND && !can_write ? TM_OK : st; /* it is just being made */
    }
    if (st == TM_OK && self->db != NULL) {
        *out = self;
    } else {
        tm__mem_free(self);
    }
    return st;
}

void tm__drift_store_close(tm_drift_store *store) {
    if (store != NULL) {
        tm__db_close(store->db);
        tm__mem_free(store);
    }
}

tm_db *tm__drift_store_db(tm_drift_store *store) {
    return store->db;
}

/* ---- as a whole ---- */

tm_status tm__drift_store_copy(const tm_home *home, const tm_ctx *ctx, const char *to,
                               tm_err *err) {
    tm_db *db = NULL;
    if (tm__home_has_server(home)) { /* pg_dump has them */
        return TM_OK;
    }
    tm_status st = db_open_any(path_of(home), false, &db, err);
    st = st == TM_OK ? tm__db_copy(db, ctx, to, err) : st;
    tm__db_close(db);
    return st == TM_E_NOT_FOUND ? TM_OK : st;
}

tm_status tm__drift_store_move_open(const char *path, bool is_moving, bool can_make, tm_db **out,
                                    tm_err *err) {
    const tm_db_options options = {.part = PART,
                                   .create = can_make,
                                   .is_moving = is_moving,
                                   .migrations = migrations,
                                   .application_id = APPLICATION_ID};
    return tm__db_open(path, &options, out, err);
}

tm_status tm__drift_store_check(const tm_home *home, bool read_only, uint32_t *out_format,
                                tm_err *err) {
    const tm_db_options options = {.part = PART,
                                   .read_only = read_only,
                                   .migrations = migrations,
                                   .application_id = APPLICATION_ID};
    tm_db *db = NULL;
    TM_TRY(tm__db_open(path_of(home), &options, &db, err));
    tm_status st = tm__db_check(db, err);
    st = st == TM_OK ? tm__db_format(db, out_format, err) : st;
    tm__db_close(db);
    return st;
}

/* ---- add ---- */

static void bind_key(tm_stmt *stmt, const tm_drift_window_key *key, tm_drift_span span) {
    tm__stmt_bind_text(stmt, 1, key->model);
    tm__stmt_bind_i64(stmt, 2, key->version);
    tm__stmt_bind_i64(stmt, 3, span);
}

/* What a window has; *out_rows 0 and no bytes: it is not there. */
static tm_status load_window(tm_db *db, const tm_drift_window_add *add, tm_drift_span span,
                             tm_buf *out, int64_t *out_rows, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    *out_rows = 0;
    TM_TRY(tm__stmt_init(db,
                         "SELECT n_rows, data FROM windows WHERE model = ? AND version = ?"
                         " AND span = ? AND at_us = ?",
                         &stmt, err));
    bind_key(stmt, &add->key, span);
    tm__stmt_bind_i64(stmt, 4, tm__span_begin(add->at_us, span));
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        const tm_str bytes = tm__stmt_blob(stmt, 1);
        *out_rows = tm__stmt_i64(stmt, 0);
        (void)tm__buf_append(out, bytes.ptr, bytes.len);
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status save_window(tm_db *db, const tm_drift_window_add *add, tm_drift_span span,
                             int64_t n_rows, const tm_buf *bytes, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "INSERT INTO windows(model, version, span, at_us, n_rows, data)"
                         " VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT(model, version, span,"
                         " at_us) DO UPDATE SET"
                         " n_rows = excluded.n_rows, data = excluded.data",
                         &stmt, err));
    bind_key(stmt, &add->key, span);
    tm__stmt_bind_i64(stmt, 4, tm__span_begin(add->at_us, span));
    tm__stmt_bind_i64(stmt, 5, n_rows);
    tm__stmt_bind_blob(stmt, 6, bytes->data, bytes->len);
    return tm__stmt_run_done(stmt, err);
}

/* The newest windows stay. */
static tm_status drop_old(tm_db *db, const tm_drift_window_key *key, tm_drift_span span,
                          tm_err *err) {
    static const uint32_t kept[TM_SPANS] = {TM_KEPT_MINUTES, TM_KEPT_HOURS, TM_KEPT_DAYS};
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "DELETE FROM windows WHERE model = ?1 AND version = ?2 AND span = ?3"
                         " AND at_us <= (SELECT at_us FROM windows WHERE model = ?1"
                         " AND version = ?2 AND span = ?3 ORDER BY at_us DESC LIMIT 1 OFFSET ?4)",
                         &stmt, err));
    bind_key(stmt, key, span);
    tm__stmt_bind_i64(stmt, 4, kept[span]);
    return tm__stmt_run_done(stmt, err);
}

static tm_status add_span(tm_db *db, const tm_drift_window_add *add, tm_drift_span span,
                          tm_err *err) {
    tm_buf before, after;
    int64_t n_rows = 0;
    tm__buf_init(&before, WINDOW_BYTES_MAX);
    tm__buf_init(&after, WINDOW_BYTES_MAX);
    tm_status st = load_window(db, add, span, &before, &n_rows, err);
    if (st == TM_OK) {
        const tm_str bytes = {(const char *)before.data, before.len};
        if (!add->merge(add->arg, bytes, &after)) { /* of an earlier version of this number */
            tm__buf_reset(&after);
            n_rows = 0;
            (void)add->merge(add->arg, (tm_str){NULL, 0}, &after);
        }
        st = before.failed || after.failed
                 ? TM_FAIL(err, TM_E_NOMEM, "no memory for what was counted")
                 : save_window(db, add, span, n_rows + (int64_t)add->n_rows, &after, err);
    }
    tm__buf_done(&before);
    tm__buf_done(&after);
    return st == TM_OK && n_rows == 0 ? drop_old(db, &add->key, span, err) : st;
}

tm_status tm__drift_store_add_locked(tm_drift_store *store, const tm_drift_window_add *add,
                                     tm_err *err) {
    for (int span = 0; span < TM_SPANS; span++) {
        TM_TRY(add_span(store->db, add, (tm_drift_span)span, err));
    }
    return TM_OK;
}

/* ---- read ---- */

/* The oldest window of a span, INT64_MAX: there is none. */
static tm_status oldest(tm_db *db, const tm_drift_window_key *key, tm_drift_span span, int64_t *out,
                        tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    *out = INT64_MAX;
    TM_TRY(tm__stmt_init(db,
                         "SELECT min(at_us) FROM windows WHERE model = ? AND version = ?"
                         " AND span = ?",
                         &stmt, err));
    bind_key(stmt, key, span);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row && !tm__stmt_is_null(stmt, 0)) {
        *out = tm__stmt_i64(stmt, 0);
    }
    tm__stmt_done(stmt);
    return st;
}

/* From where a span is read to where the finer one begins: whole windows of the coarser one. */
static tm_status cut(tm_db *db, const tm_drift_window_key *key, tm_drift_span span, int64_t *out,
                     tm_err *err) {
    int64_t at = 0, first = 0;
    TM_TRY(oldest(db, key, span, &at, err));
    TM_TRY(oldest(db, key, (tm_drift_span)(span + 1), &first, err));
    if (at == INT64_MAX) {
        *out = INT64_MAX;
        return TM_OK;
    }
    const int64_t begin = tm__span_begin(at, (tm_drift_span)(span + 1));
    /* Nothing older than the finer windows: they have all; else the first one may lack a part. */
    *out = first >= begin ? begin : begin + tm__span_us((tm_drift_span)(span + 1));
    return TM_OK;
}

typedef struct reading {
    tm_db *db;
    const tm_drift_window_key *key;
    tm_drift_window_fn fn;
    void *arg;
    bool is_over;
} reading;

static tm_status read_span(reading *r, tm_drift_span span, int64_t from_us, int64_t end_us,
                           tm_err *err) {
    tm_stmt *stmt = NULL;
    tm_status st = TM_OK;
    if (r->is_over || from_us >= end_us) {
        return TM_OK;
    }
    TM_TRY(tm__stmt_init(r->db,
                         "SELECT at_us, n_rows, data FROM windows WHERE model = ? AND version = ?"
                         " AND span = ? AND at_us >= ? AND at_us < ? ORDER BY at_us",
                         &stmt, err));
    bind_key(stmt, r->key, span);
    tm__stmt_bind_i64(stmt, 4, from_us);
    tm__stmt_bind_i64(stmt, 5, end_us);
    while (!r->is_over && tm__stmt_next(stmt, &st, err)) {
        const tm_drift_window window = {.span = span,
                                        .at_us = tm__stmt_i64(stmt, 0),
                                        .n_rows = (uint64_t)tm__stmt_i64(stmt, 1),
                                        .bytes = tm__stmt_blob(stmt, 2)};
        r->is_over = !r->fn(r->arg, &window);
    }
    tm__stmt_done(stmt);
    return st;
}

static int64_t latest_of(int64_t a, int64_t b) {
    return a > b ? a : b;
}

tm_status tm__drift_store_read(tm_drift_store *store, const tm_drift_window_key *key,
                               int64_t from_us, tm_drift_window_fn fn, void *arg, tm_err *err) {
    reading r = {.db = store->db, .key = key, .fn = fn, .arg = arg};
    int64_t minutes = 0, hours = 0;
    TM_TRY(cut(store->db, key, TM_SPAN_MINUTE, &minutes, err));
    TM_TRY(cut(store->db, key, TM_SPAN_HOUR, &hours, err));
    hours = hours < minutes ? hours : minutes;
    TM_TRY(read_span(&r, TM_SPAN_DAY, from_us, hours, err));
    TM_TRY(read_span(&r, TM_SPAN_HOUR, latest_of(from_us, hours), minutes, err));
    return read_span(&r, TM_SPAN_MINUTE, latest_of(from_us, minutes), INT64_MAX, err);
}
