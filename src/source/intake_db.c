/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake.db: docs/formats/home.md has the tables.
 *
 *   sources ─┬─ columns    each version of its columns, with what changed
 *            ├─ batches    accepted rows that are in no segment yet
 *            ├─ segments   files of rows, older than those of batches
 *            ├─ keys       of batches, until a run has them       ┐ together: the key
 *            ├─ runs       files of keys                          ┘ of every accepted row
 *            ├─ pushes     idempotency keys and what they were answered
 *            └─ quarantine rows that were not accepted
 *   lookup     keys for hashes of pushes' and rows' keys
 */
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "source/intake_priv.h"
#include "source/intake_shared.h"
#include "store/db_lookup.h"
#include "store/db_seal.h"

#define INTAKE_APPLICATION_ID 0x544D494Eu /* "TMIN" */

/* Lines of names and origins of rows in quarantine are texts, or sealed cells; keys of pushes are
 * hashed. `hashed`: by how many of the keys of `lookup` hashes of rows' keys are. */
static tm_status seal_names_locked(tm_db *db, tm_err *err) {
    static const char tables[] =
        "ALTER TABLE keys ADD COLUMN hashed INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE runs ADD COLUMN hashed INTEGER NOT NULL DEFAULT 0;"
        "UPDATE pushes SET key = lookup_text(key), body = lookup_rows(body, 0);"
        "CREATE TABLE cells(seq INTEGER PRIMARY KEY AUTOINCREMENT,"
        " source INTEGER NOT NULL REFERENCES sources, at_us INTEGER NOT NULL,"
        " origin ANY NOT NULL, row INTEGER NOT NULL, col TEXT NOT NULL, reason TEXT NOT NULL,"
        " detail TEXT NOT NULL, bytes BLOB NOT NULL, names ANY NOT NULL, dialect ANY NOT NULL)"
        " STRICT;"
        "INSERT INTO sqlite_sequence SELECT 'cells', seq FROM sqlite_sequence"
        " WHERE name = 'quarantine';"
        "INSERT INTO cells SELECT seq, source, at_us, seal('quarantine.origin', seq, origin), row,"
        " col, reason, detail, bytes, seal('quarantine.names', seq, names),"
        " seal('quarantine.dialect', seq, dialect) FROM quarantine ORDER BY seq;"
        "DROP TABLE quarantine; ALTER TABLE cells RENAME TO quarantine;"
        "CREATE INDEX quarantine_of_source ON quarantine(source, seq);";
    if (tm__db_is_postgres(db)) { /* of several homes: no key of one seals or hashes there */
        TM_TRY(tm__db_exec(db,
                           "ALTER TABLE keys ADD COLUMN hashed INTEGER NOT NULL DEFAULT 0;"
                           "ALTER TABLE runs ADD COLUMN hashed INTEGER NOT NULL DEFAULT 0;",
                           err));
        return tm__intake_shared_make(db, err);
    }
    TM_TRY(tm__db_lookup_make_locked(db, err));
    return tm__db_exec(db, tables, err);
}

static const tm_migration migrations[] = {
    {1,
     "CREATE TABLE sources(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
     " kind INTEGER NOT NULL, origin TEXT, keys TEXT NOT NULL, created_us INTEGER NOT NULL,"
     " last_us INTEGER NOT NULL DEFAULT 0, accepted INTEGER NOT NULL DEFAULT 0,"
     " duplicates INTEGER NOT NULL DEFAULT 0, quarantined INTEGER NOT NULL DEFAULT 0,"
     " coerced INTEGER NOT NULL DEFAULT 0, incomplete INTEGER NOT NULL DEFAULT 0) STRICT;"
     "CREATE TABLE columns(source INTEGER NOT NULL REFERENCES sources, version INTEGER NOT NULL,"
     " at_us INTEGER NOT NULL, columns TEXT NOT NULL, changes TEXT NOT NULL,"
     " PRIMARY KEY(source, version)) STRICT;"
     "CREATE TABLE batches(seq INTEGER PRIMARY KEY AUTOINCREMENT,"
     " source INTEGER NOT NULL REFERENCES sources, at_us INTEGER NOT NULL,"
     " n_rows INTEGER NOT NULL, n_bytes INTEGER NOT NULL, rows BLOB NOT NULL) STRICT;"
     "CREATE INDEX batches_of_source ON batches(source, seq, n_rows, n_bytes);"
     "CREATE TABLE keys(seq INTEGER PRIMARY KEY AUTOINCREMENT,"
     " source INTEGER NOT NULL REFERENCES sources, hashes BLOB NOT NULL) STRICT;"
     "CREATE INDEX keys_of_source ON keys(source, seq);"
     "CREATE TABLE runs(source INTEGER NOT NULL REFERENCES sources, hash BLOB NOT NULL,"
     " n INTEGER NOT NULL, level INTEGER NOT NULL, PRIMARY KEY(source, hash)) STRICT;"
     "CREATE TABLE segments(seq INTEGER PRIMARY KEY AUTOINCREMENT,"
     " source INTEGER NOT NULL REFERENCES sources, hash BLOB NOT NULL, n_rows INTEGER NOT NULL,"
     " created_us INTEGER NOT NULL) STRICT;"
     "CREATE INDEX segments_of_source ON segments(source, seq);"
     "CREATE TABLE pushes(source INTEGER NOT NULL REFERENCES sources, key TEXT NOT NULL,"
     " body BLOB NOT NULL, accepted INTEGER NOT NULL, duplicates INTEGER NOT NULL,"
     " quarantined INTEGER NOT NULL, at_us INTEGER NOT NULL, PRIMARY KEY(source, key)) STRICT;"
     "CREATE INDEX pushes_by_time ON pushes(at_us);"
     "CREATE TABLE quarantine(seq INTEGER PRIMARY KEY AUTOINCREMENT,"
     " source INTEGER NOT NULL REFERENCES sources, at_us INTEGER NOT NULL,"
     " origin TEXT NOT NULL, row INTEGER NOT NULL, col TEXT NOT NULL, reason TEXT NOT NULL,"
     " detail TEXT NOT NULL, bytes BLOB NOT NULL) STRICT;"
     "CREATE INDEX quarantine_of_source ON quarantine(source, seq);",
     NULL},
    {2,
     "ALTER TABLE sources ADD COLUMN feed TEXT NOT NULL DEFAULT 'push';"
     "ALTER TABLE sources ADD COLUMN spec TEXT NOT NULL DEFAULT '{}';"
     "ALTER TABLE sources ADD COLUMN state TEXT NOT NULL DEFAULT 'null';"
     "ALTER TABLE sources ADD COLUMN status TEXT NOT NULL DEFAULT 'ready';"
     "ALTER TABLE sources ADD COLUMN error TEXT NOT NULL DEFAULT 'null';"
     "ALTER TABLE sources ADD COLUMN tried_us INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE sources ADD COLUMN pulled_us INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE sources ADD COLUMN next_us INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE sources ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE sources ADD COLUMN history TEXT NOT NULL DEFAULT 'null';"
     "ALTER TABLE quarantine ADD COLUMN names TEXT NOT NULL DEFAULT '';"
     "UPDATE sources SET feed = CASE kind WHEN 2 THEN 'files' ELSE 'sql' END,"
     " spec = json_object(CASE kind WHEN 2 THEN 'files' ELSE 'sql' END, origin),"
     " state = '{\"done\":true}' WHERE kind > 1;"
     "ALTER TABLE sources DROP COLUMN kind;"
     "ALTER TABLE sources DROP COLUMN origin;"
     "ALTER TABLE segments ADD COLUMN n_bytes INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE segments ADD COLUMN parts BLOB;"
     "CREATE TABLE taken(source INTEGER NOT NULL REFERENCES sources, item TEXT NOT NULL,"
     " mark TEXT NOT NULL, PRIMARY KEY(source, item)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE anomalies(source INTEGER NOT NULL REFERENCES sources, kind TEXT NOT NULL,"
     " col TEXT NOT NULL, n INTEGER NOT NULL, first_us INTEGER NOT NULL, last_us INTEGER NOT NULL,"
     " detail TEXT NOT NULL, PRIMARY KEY(source, kind, col)) STRICT;"
     "CREATE TABLE profiles(source INTEGER NOT NULL REFERENCES sources, segment BLOB NOT NULL,"
     " profile BLOB NOT NULL, PRIMARY KEY(source, segment)) STRICT;"
     "CREATE TABLE sinks(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, spec TEXT NOT NULL,"
     " state TEXT NOT NULL DEFAULT 'null', plan TEXT NOT NULL DEFAULT 'null',"
     " status TEXT NOT NULL DEFAULT 'ready', error TEXT NOT NULL DEFAULT 'null',"
     " created_us INTEGER NOT NULL, tried_us INTEGER NOT NULL DEFAULT 0,"
     " done_us INTEGER NOT NULL DEFAULT 0, next_us INTEGER NOT NULL DEFAULT 0,"
     " failures INTEGER NOT NULL DEFAULT 0, n_rows INTEGER NOT NULL DEFAULT 0,"
     " n_batches INTEGER NOT NULL DEFAULT 0) STRICT;",
     NULL},
    {3,
     "ALTER TABLE quarantine ADD COLUMN dialect TEXT NOT NULL DEFAULT '';"
     "ALTER TABLE pushes ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE sources ADD COLUMN quarantine_bytes INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE sources ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE sources ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE sources ADD COLUMN removed_bytes INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE sources ADD COLUMN removed_us INTEGER NOT NULL DEFAULT 0;"
     "UPDATE sources SET quarantine_bytes = (SELECT coalesce(sum(length(bytes) +"
     " length(CAST(names AS BLOB))), 0) FROM quarantine WHERE source = sources.id);",
     NULL},
    /* Nothing is changed: releases before would store what policies of columns keep out. */
    {4, "UPDATE sources SET id = id WHERE 1 = 0;", NULL},
    /* Releases before would not look for segments in the bucket, nor know of a common folder. */
    {5, TM_LOOKUP_TABLE, seal_names_locked},
    {0, NULL, NULL},
};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

char *tm__intake_dir(const tm_home *home, const char *what, const char *source) {
    char *dir = tm__fs_join(tm__home_intake_dir(home), what);
    char *path = dir == NULL ? NULL : tm__fs_join(dir, source);
    tm__mem_free(dir);
    return path;
}

static tm_status db_open(const tm_home *home, bool can_write, tm_db **out, tm_err *err) {
    const tm_db_options options = {
        .create = can_write,
        .read_only = !can_write,
        .migrations = migrations,
        .application_id = INTAKE_APPLICATION_ID,
        .part = TM_INTAKE_PART,
    };
    tm_db *db = NULL;
    TM_TRY(tm__db_open(tm__home_intake_db(home), &options, &db, err));
    const tm_status st = tm__intake_shared_join(home, db, can_write, err);
    if (st != TM_OK) {
        tm__db_close(db);
        return st;
    }
    *out = db;
    return TM_OK;
}

/* A file whose making was broken off has no tables yet, and a reader cannot recover a log: both are
 * mended by whoever may write. */
tm_status tm__intake_db_open(const tm_home *home, bool can_write, tm_db **out, tm_err *err) {
    tm_db *mended = NULL;
    if (!can_write && db_open(home, false, out, NULL) == TM_OK) {
        return TM_OK;
    }
    TM_TRY(db_open(home, true, &mended, err));
    if (can_write) {
        *out = mended;
        return TM_OK;
    }
    tm__db_close(mended);
    return db_open(home, false, out, err);
}

/* ---- Sources ---- */

void tm__source_row_done(tm_source_row *row) {
    json_decref(row->spec);
    json_decref(row->state);
    json_decref(row->error);
    json_decref(row->keys);
    *row = (tm_source_row){0};
}

static tm_status parse(const char *text, json_t **out, tm_err *err) {
    return text == NULL ? no_memory(err)
                        : tm__json_parse(text, strlen(text), TM_MAX_JSON_DEPTH, out, err);
}

#define SOURCE_COLUMNS                                                                             \
    "id, name, feed, spec, state, status, error, tried_us, pulled_us, next_us, failures, keys,"    \
    " created_us, last_us, accepted, duplicates, quarantined, coerced, incomplete,"                \
    " quarantine_bytes, dropped, removed, removed_bytes, removed_us"

static tm_status source_read(tm_stmt *stmt, tm_source_row *out, tm_err *err) {
    tm_source_row row = {
        .id = tm__stmt_i64(stmt, 0),
        .tried_us = tm__stmt_i64(stmt, 7),
        .pulled_us = tm__stmt_i64(stmt, 8),
        .next_us = tm__stmt_i64(stmt, 9),
        .n_failures = (uint32_t)tm__stmt_i64(stmt, 10),
        .created_us = tm__stmt_i64(stmt, 12),
        .last_us = tm__stmt_i64(stmt, 13),
        .n_accepted = (uint64_t)tm__stmt_i64(stmt, 14),
        .n_duplicates = (uint64_t)tm__stmt_i64(stmt, 15),
        .n_quarantined = (uint64_t)tm__stmt_i64(stmt, 16),
        .n_coerced = (uint64_t)tm__stmt_i64(stmt, 17),
        .n_incomplete = (uint64_t)tm__stmt_i64(stmt, 18),
        .quarantine_bytes = (uint64_t)tm__stmt_i64(stmt, 19),
        .n_dropped = (uint64_t)tm__stmt_i64(stmt, 20),
        .n_removed = (uint64_t)tm__stmt_i64(stmt, 21),
        .removed_bytes = (uint64_t)tm__stmt_i64(stmt, 22),
        .removed_us = tm__stmt_i64(stmt, 23),
    };
    (void)tm__str_copy(row.name, sizeof(row.name), tm__str(tm__stmt_text(stmt, 1)));
    (void)tm__str_copy(row.feed, sizeof(row.feed), tm__str(tm__stmt_text(stmt, 2)));
    (void)tm__str_copy(row.status, sizeof(row.status), tm__str(tm__stmt_text(stmt, 5)));
    tm_status st = parse(tm__stmt_text(stmt, 3), &row.spec, err);
    st = st == TM_OK ? parse(tm__stmt_text(stmt, 4), &row.state, err) : st;
    st = st == TM_OK ? parse(tm__stmt_text(stmt, 6), &row.error, err) : st;
    st = st == TM_OK ? parse(tm__stmt_text(stmt, 11), &row.keys, err) : st;
    if (st != TM_OK) {
        tm__source_row_done(&row);
        return st;
    }
    *out = row;
    return TM_OK;
}

/* The nearest name as a hint, when there is one. */
static void hint_source(tm_db *db, const char *name, tm_err *err) {
    const char *names[64] = {0};
    uint32_t n = 0;
    tm_stmt *stmt = NULL;
    if (tm__stmt_init(db, "SELECT name FROM sources ORDER BY name LIMIT 64", &stmt, NULL) !=
        TM_OK) {
        return;
    }
    char *copies[64] = {0};
    for (tm_status st = TM_OK; n < 64 && tm__stmt_next(stmt, &st, NULL);) {
        copies[n] = tm__mem_strdup(tm__stmt_text(stmt, 0));
        names[n] = copies[n];
        n += copies[n] != NULL ? 1 : 0;
    }
    tm__stmt_done(stmt);
    const char *nearest = tm__str_nearest(tm__str(name), names, n);
    if (nearest != NULL) {
        tm_err_hint(err, "Did you mean '%s'?", nearest);
    } else {
        tm_err_hint(err, "'tidemill data ls' lists sources; 'tidemill data add' makes one.");
    }
    for (uint32_t i = 0; i < n; i++) {
        tm__mem_free(copies[i]);
    }
}

tm_status tm__intake_db_source(tm_db *db, const char *name, tm_source_row *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, "SELECT " SOURCE_COLUMNS " FROM sources WHERE name = ?", &stmt, err));
    tm__stmt_bind_text(stmt, 1, name);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        st = source_read(stmt, out, err);
    }
    tm__stmt_done(stmt);
    if (st == TM_OK && !has_row) {
        st = TM_FAIL(err, TM_E_NOT_FOUND, "there is no source '%s'", name);
        hint_source(db, name, err);
    }
    return st;
}

tm_status tm__intake_db_version(tm_db *db, int64_t source, int64_t created_us, uint32_t *out,
                                tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db,
                         "SELECT coalesce((SELECT max(version) FROM columns WHERE source = id), 0)"
                         " FROM sources WHERE id = ? AND created_us = ?",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    tm__stmt_bind_i64(stmt, 2, created_us);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        *out = (uint32_t)tm__stmt_i64(stmt, 0);
    }
    tm__stmt_done(stmt);
    if (st == TM_OK && !has_row) {
        st = TM_FAIL(err, TM_E_NOT_FOUND, "the source was removed");
        tm_err_hint(err, "'tidemill data ls' lists those that are there.");
    }
    return st;
}

tm_status tm__intake_db_columns(tm_db *db, const tm_source_row *source, tm_intake_columns **out,
                                tm_err *err) {
    return tm__intake_db_columns_at(db, source, INT64_MAX, out, err);
}

tm_status tm__intake_db_columns_at(tm_db *db, const tm_source_row *source, int64_t until_us,
                                   tm_intake_columns **out, tm_err *err) {
    const char *keys[64];
    const uint32_t n_keys = (uint32_t)json_array_size(source->keys);
    tm_stmt *stmt = NULL;
    bool has_row = false;
    json_t *json = NULL;
    tm_intake_columns *columns = NULL;
    uint32_t version = 0;
    if (n_keys > 64) {
        return TM_FAIL(err, TM_E_LIMIT, "more than 64 key columns");
    }
    for (uint32_t i = 0; i < n_keys; i++) {
        keys[i] = json_string_value(json_array_get(source->keys, i));
    }
    TM_TRY(tm__stmt_init(db,
                         "SELECT version, columns FROM columns WHERE source = ?"
                         " ORDER BY at_us <= ? DESC, version DESC LIMIT 1",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source->id);
    tm__stmt_bind_i64(stmt, 2, until_us);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        const char *text = tm__stmt_text(stmt, 1);
        version = (uint32_t)tm__stmt_i64(stmt, 0);
        st = text == NULL ? no_memory(err) : parse(text, &json, err);
    }
    tm__stmt_done(stmt);
    if (st == TM_OK) {
        st = tm__intake_columns_from_json(json, keys, n_keys, &columns, err);
    }
    if (st == TM_OK) {
        columns->version = version;
        *out = columns;
    }
    json_decref(json);
    return st;
}

tm_status tm__intake_db_add_source_locked(tm_db *db, const tm_intake_add *add, int64_t *out_id,
                                          tm_err *err) {
    tm_stmt *stmt = NULL;
    tm_buf keys, spec;
    json_t *list = json_array(), *none = json_object();
    for (uint32_t i = 0; i < add->n_keys; i++) {
        json_array_append_new(list, json_string(add->keys[i]));
    }
    tm__buf_init(&keys, 1u << 20);
    tm__buf_init(&spec, 1u << 20);
    tm_status st = tm__json_write(&keys, list, 0) &&
                           tm__json_write(&spec, add->spec != NULL ? add->spec : none, 0)
                       ? TM_OK
                       : no_memory(err);
    json_decref(list);
    json_decref(none);
    if (st == TM_OK) {
        st = tm__stmt_init(db,
                           "INSERT INTO sources(name, feed, spec, status, keys, created_us)"
                           " VALUES(?,?,?,?,?,?) ON CONFLICT(name) DO NOTHING",
                           &stmt, err);
    }
    if (st == TM_OK) {
        const bool is_push = strcmp(add->feed, "push") == 0;
        tm__stmt_bind_text(stmt, 1, add->name);
        tm__stmt_bind_text(stmt, 2, add->feed);
        tm__stmt_bind_text(stmt, 3, (const char *)spec.data);
        tm__stmt_bind_text(stmt, 4, is_push ? "ready" : "adding");
        tm__stmt_bind_text(stmt, 5, (const char *)keys.data);
        tm__stmt_bind_i64(stmt, 6, tm__now_us());
        st = tm__stmt_run_done(stmt, err);
    }
    if (st == TM_OK && tm__db_changes(db) == 0) {
        st = TM_FAIL(err, TM_E_CONFLICT, "there is a source '%s' already", add->name);
        tm_err_hint(err, "Choose another name, or look at it with 'tidemill data show %s'.",
                    add->name);
    }
    if (st == TM_OK) {
        *out_id = tm__db_last_id(db);
    }
    tm__buf_done(&keys);
    tm__buf_done(&spec);
    return st;
}

static bool json_text(const json_t *json, tm_buf *out) {
    tm__buf_init(out, 64u << 20);
    return tm__json_write(out, json, 0);
}

tm_status tm__intake_db_set_state_locked(tm_db *db, int64_t source, const json_t *before,
                                         const json_t *after, tm_err *err) {
    tm_stmt *stmt = NULL;
    tm_buf old_text, new_text;
    const bool has_old = json_text(before, &old_text);
    const bool has_new = json_text(after, &new_text);
    tm_status st = has_old && has_new ? TM_OK : no_memory(err);
    if (st == TM_OK) {
        st = tm__stmt_init(db,
                           "UPDATE sources SET state = ?, failures = 0 WHERE id = ? AND state = ?",
                           &stmt, err);
    }
    if (st == TM_OK) {
        tm__stmt_bind_text(stmt, 1, (const char *)new_text.data);
        tm__stmt_bind_i64(stmt, 2, source);
        tm__stmt_bind_text(stmt, 3, (const char *)old_text.data);
        st = tm__stmt_run_done(stmt, err);
    }
    if (st == TM_OK && tm__db_changes(db) == 0) {
        st = TM_FAIL(err, TM_E_CONFLICT, "another process reads this source");
        tm_err_hint(err, "Nothing is lost; let the other one go on.");
    }
    tm__buf_done(&old_text);
    tm__buf_done(&new_text);
    return st;
}

tm_status tm__intake_db_mark(tm_db *db, int64_t source, const char *item, json_t **out,
                             tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, "SELECT mark FROM taken WHERE source = ? AND item = ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    tm__stmt_bind_text(stmt, 2, item);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        const char *const text = tm__stmt_text(stmt, 0);
        st = text == NULL ? no_memory(err)
                          : tm__json_parse(text, strlen(text), TM_MAX_JSON_DEPTH, out, err);
    } else if (st == TM_OK) {
        *out = json_null();
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__intake_db_set_mark_locked(tm_db *db, int64_t source, const char *item,
                                        const json_t *mark, tm_err *err) {
    tm_stmt *stmt = NULL;
    tm_buf text;
    tm_status st = json_text(mark, &text) ? TM_OK : no_memory(err);
    if (st == TM_OK) {
        st = tm__stmt_init(db,
                           "INSERT INTO taken(source, item, mark) VALUES(?, ?, ?)"
                           " ON CONFLICT(source, item) DO UPDATE SET mark = excluded.mark",
                           &stmt, err);
    }
    if (st == TM_OK) {
        tm__stmt_bind_i64(stmt, 1, source);
        tm__stmt_bind_text(stmt, 2, item);
        tm__stmt_bind_text(stmt, 3, (const char *)text.data);
        st = tm__stmt_run_done(stmt, err);
    }
    tm__buf_done(&text);
    return st;
}

tm_status tm__intake_db_set_outcome_locked(tm_db *db, int64_t source,
                                           const tm_intake_outcome *outcome, tm_err *err) {
    tm_stmt *stmt = NULL;
    tm_buf error;
    tm_status st = json_text(outcome->error, &error) ? TM_OK : no_memory(err);
    if (st == TM_OK) {
        st = tm__stmt_init(db,
                           "UPDATE sources SET status = ?, error = ?, tried_us = ?, pulled_us = ?,"
                           " next_us = ?, failures = ? WHERE id = ?",
                           &stmt, err);
    }
    if (st == TM_OK) {
        tm__stmt_bind_text(stmt, 1, outcome->status);
        tm__stmt_bind_text(stmt, 2, (const char *)error.data);
        tm__stmt_bind_i64(stmt, 3, outcome->tried_us);
        tm__stmt_bind_i64(stmt, 4, outcome->pulled_us);
        tm__stmt_bind_i64(stmt, 5, outcome->next_us);
        tm__stmt_bind_i64(stmt, 6, outcome->n_failures);
        tm__stmt_bind_i64(stmt, 7, source);
        st = tm__stmt_run_done(stmt, err);
    }
    tm__buf_done(&error);
    return st;
}

tm_status tm__intake_db_history(tm_db *db, int64_t source, json_t **out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, "SELECT history FROM sources WHERE id = ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        const char *text = has_row ? tm__stmt_text(stmt, 0) : "null";
        st = text == NULL ? no_memory(err) : parse(text, out, err);
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__intake_db_set_history_locked(tm_db *db, int64_t source, const json_t *history,
                                           tm_err *err) {
    tm_stmt *stmt = NULL;
    tm_buf text;
    tm_status st = json_text(history, &text) ? TM_OK : no_memory(err);
    if (st == TM_OK) {
        st = tm__stmt_init(db, "UPDATE sources SET history = ? WHERE id = ?", &stmt, err);
    }
    if (st == TM_OK) {
        tm__stmt_bind_text(stmt, 1, (const char *)text.data);
        tm__stmt_bind_i64(stmt, 2, source);
        st = tm__stmt_run_done(stmt, err);
    }
    tm__buf_done(&text);
    return st;
}

tm_status tm__intake_db_add_findings_locked(tm_db *db, int64_t source, const tm_look *look,
                                            tm_err *err) {
    uint32_t n = 0;
    const tm_finding *findings = tm__look_findings(look, &n);
    for (uint32_t i = 0; i < n; i++) {
        tm_stmt *stmt = NULL;
        TM_TRY(tm__stmt_init(db,
                             "INSERT INTO anomalies(source, kind, col, n, first_us, last_us,"
                             " detail) VALUES(?1,?2,?3,?4,?5,?5,?6) ON CONFLICT(source, kind, col)"
                             " DO UPDATE SET n = anomalies.n + ?4, last_us = ?5, detail = ?6",
                             &stmt, err));
        tm__stmt_bind_i64(stmt, 1, source);
        tm__stmt_bind_text(stmt, 2, tm__change_names[findings[i].kind]);
        tm__stmt_bind_text(stmt, 3, findings[i].column);
        tm__stmt_bind_i64(stmt, 4, (int64_t)findings[i].n);
        tm__stmt_bind_i64(stmt, 5, tm__now_us());
        tm__stmt_bind_text(stmt, 6, findings[i].detail);
        TM_TRY(tm__stmt_run_done(stmt, err));
    }
    return TM_OK;
}

tm_status tm__intake_db_add_columns_locked(tm_db *db, int64_t source,
                                           const tm_intake_columns *columns, tm_err *err) {
    tm_stmt *stmt = NULL;
    tm_buf text, changes;
    json_t *json = tm__intake_columns_to_json(columns);
    json_t *none = json_array();
    tm__buf_init(&text, 64u << 20);
    tm__buf_init(&changes, 64u << 20);
    const bool is_written =
        tm__json_write(&text, json, 0) &&
        tm__json_write(&changes, columns->changes != NULL ? columns->changes : none, 0);
    tm_status st = is_written ? TM_OK : no_memory(err);
    if (st == TM_OK) {
        st = tm__stmt_init(db,
                           "INSERT INTO columns(source, version, at_us, columns, changes)"
                           " VALUES(?,?,?,?,?)",
                           &stmt, err);
    }
    if (st == TM_OK) {
        tm__stmt_bind_i64(stmt, 1, source);
        tm__stmt_bind_i64(stmt, 2, columns->version);
        tm__stmt_bind_i64(stmt, 3, tm__now_us());
        tm__stmt_bind_text(stmt, 4, (const char *)text.data);
        tm__stmt_bind_text(stmt, 5, (const char *)changes.data);
        st = tm__stmt_run_done(stmt, err);
    }
    json_decref(json);
    json_decref(none);
    tm__buf_done(&text);
    tm__buf_done(&changes);
    return st;
}

/* ---- Rows ---- */

tm_status tm__intake_db_add_batch_locked(tm_db *db, int64_t source, uint64_t n_rows, tm_str batch,
                                         tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "INSERT INTO batches(seq, source, at_us, n_rows, n_bytes, rows)"
                         " SELECT n.seq, ?1, ?2, ?3, ?4, seal('batches.rows', n.seq, ?5)"
                         " FROM (" TM_NEXT_SEQ("batches") ") n",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    tm__stmt_bind_i64(stmt, 2, tm__now_us());
    tm__stmt_bind_i64(stmt, 3, (int64_t)n_rows);
    tm__stmt_bind_i64(stmt, 4, (int64_t)batch.len);
    tm__stmt_bind_blob(stmt, 5, batch.ptr, batch.len);
    return tm__stmt_run_done(stmt, err);
}

tm_status tm__intake_db_add_keys_locked(tm_db *db, int64_t source, const tm_keys_put *put,
                                        tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "INSERT INTO keys(source, hashes, hashed) VALUES(?,?,?)", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    tm__stmt_bind_blob(stmt, 2, put->keys, put->n * sizeof(*put->keys));
    tm__stmt_bind_i64(stmt, 3, put->n_hashed);
    return tm__stmt_run_done(stmt, err);
}

/* Parts as they are stored: 8 bytes of time and 8 of a count each, little-endian. */
static bool parts_write(const tm_segment *segment, int64_t now_us, tm_buf *out) {
    tm__buf_init(out, 64u << 20);
    if (segment->parts == NULL) {
        tm__buf_i64(out, now_us);
        tm__buf_i64(out, (int64_t)segment->n_rows);
    }
    for (uint32_t i = 0; segment->parts != NULL && i < segment->n_parts; i++) {
        tm__buf_i64(out, segment->parts[i].at_us);
        tm__buf_i64(out, (int64_t)segment->parts[i].n_rows);
    }
    return !out->failed;
}

/* The same rows in another segment have the same profile. */
static tm_status add_profile_locked(tm_db *db, int64_t source, const tm_segment *segment,
                                    tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "INSERT INTO profiles(source, segment, profile)"
                         " VALUES(?1, ?2, seal('profiles.profile', ?1 || '.' || hex(?2), ?3))"
                         " ON CONFLICT(source, segment) DO UPDATE SET profile = excluded.profile",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    tm__stmt_bind_blob(stmt, 2, segment->hash.bytes, TM_HASH_BYTES);
    tm__stmt_bind_blob(stmt, 3, segment->profile.ptr, segment->profile.len);
    return tm__stmt_run_done(stmt, err);
}

tm_status tm__intake_db_add_segment_locked(tm_db *db, int64_t source, const tm_segment *segment,
                                           tm_err *err) {
    tm_stmt *stmt = NULL;
    tm_buf parts;
    const int64_t now_us = tm__now_us();
    tm_status st = parts_write(segment, now_us, &parts) ? TM_OK : no_memory(err);
    if (st == TM_OK) {
        st = tm__stmt_init(db,
                           "INSERT INTO segments(source, hash, n_rows, created_us, n_bytes, parts)"
                           " VALUES(?,?,?,?,?,?)",
                           &stmt, err);
    }
    if (st == TM_OK) {
        tm__stmt_bind_i64(stmt, 1, source);
        tm__stmt_bind_blob(stmt, 2, segment->hash.bytes, TM_HASH_BYTES);
        tm__stmt_bind_i64(stmt, 3, (int64_t)segment->n_rows);
        tm__stmt_bind_i64(stmt, 4, now_us);
        tm__stmt_bind_i64(stmt, 5, (int64_t)segment->n_bytes);
        tm__stmt_bind_blob(stmt, 6, parts.data, parts.len);
        st = tm__stmt_run_done(stmt, err);
    }
    tm__buf_done(&parts);
    if (st == TM_OK && segment->profile.len > 0) {
        st = add_profile_locked(db, source, segment, err);
    }
    return st;
}

tm_status tm__intake_db_count_locked(tm_db *db, int64_t source, const tm_source_row *by,
                                     tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "UPDATE sources SET accepted = accepted + ?, duplicates = duplicates + ?,"
                         " quarantined = quarantined + ?, coerced = coerced + ?,"
                         " incomplete = incomplete + ?, last_us = max(last_us, ?) WHERE id = ?",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, (int64_t)by->n_accepted);
    tm__stmt_bind_i64(stmt, 2, (int64_t)by->n_duplicates);
    tm__stmt_bind_i64(stmt, 3, (int64_t)by->n_quarantined);
    tm__stmt_bind_i64(stmt, 4, (int64_t)by->n_coerced);
    tm__stmt_bind_i64(stmt, 5, (int64_t)by->n_incomplete);
    tm__stmt_bind_i64(stmt, 6, by->last_us);
    tm__stmt_bind_i64(stmt, 7, source);
    return tm__stmt_run_done(stmt, err);
}

/* ---- Idempotency keys ---- */

tm_status tm__intake_db_find_push(tm_db *db, int64_t source, tm_str key, const tm_hash *body,
                                  tm_push_result *out, bool *out_found, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "SELECT body = lookup_rows(?3, 0), accepted, duplicates, quarantined,"
                         " dropped FROM pushes WHERE source = ?1 AND key = lookup_text(?2)",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    tm__stmt_bind_str(stmt, 2, key);
    tm__stmt_bind_blob(stmt, 3, body->bytes, TM_HASH_BYTES);
    tm_status st = tm__stmt_step(stmt, out_found, err);
    if (st == TM_OK && *out_found) {
        out->accepted = (uint64_t)tm__stmt_i64(stmt, 1);
        out->duplicates = (uint64_t)tm__stmt_i64(stmt, 2);
        out->quarantined = (uint64_t)tm__stmt_i64(stmt, 3);
        out->dropped = (uint64_t)tm__stmt_i64(stmt, 4);
        out->is_repeat = true;
        if (tm__stmt_i64(stmt, 0) == 0) {
            st = TM_FAIL(err, TM_E_CONFLICT,
                         "the idempotency key was used for a push with other rows");
            tm_err_hint(err, "Use a key of its own for each push, and the same one to repeat it.");
        }
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__intake_db_add_push_locked(tm_db *db, int64_t source, tm_str key, const tm_hash *body,
                                        const tm_push_result *result, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "INSERT INTO pushes(source, key, body, accepted, duplicates, quarantined,"
                         " at_us, dropped) VALUES(?,lookup_text(?),lookup_rows(?, 0),?,?,?,?,?)",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    tm__stmt_bind_str(stmt, 2, key);
    tm__stmt_bind_blob(stmt, 3, body->bytes, TM_HASH_BYTES);
    tm__stmt_bind_i64(stmt, 4, (int64_t)result->accepted);
    tm__stmt_bind_i64(stmt, 5, (int64_t)result->duplicates);
    tm__stmt_bind_i64(stmt, 6, (int64_t)result->quarantined);
    tm__stmt_bind_i64(stmt, 7, tm__now_us());
    tm__stmt_bind_i64(stmt, 8, (int64_t)result->dropped);
    return tm__stmt_run_done(stmt, err);
}

tm_status tm__intake_db_drop_pushes_locked(tm_db *db, int64_t before_us, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "DELETE FROM pushes WHERE at_us < ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, before_us);
    return tm__stmt_run_done(stmt, err);
}

/* ---- Keys ---- */

tm_status tm__intake_db_add_run_locked(tm_db *db, int64_t source, const tm_run_put *put,
                                       tm_err *err) {
    tm_stmt *stmt = NULL;
    for (uint32_t i = 0; put->merged != NULL && i < TM_KEY_FAN; i++) {
        const tm_key_run_info old = tm__key_run_info(put->merged->from[i]);
        TM_TRY(tm__stmt_init(db, "DELETE FROM runs WHERE source = ? AND hash = ?", &stmt, err));
        tm__stmt_bind_i64(stmt, 1, source);
        tm__stmt_bind_blob(stmt, 2, old.hash.bytes, TM_HASH_BYTES);
        TM_TRY(tm__stmt_run_done(stmt, err));
    }
    if (put->merged == NULL) {
        TM_TRY(tm__stmt_init(db, "DELETE FROM keys WHERE source = ? AND seq <= ?", &stmt, err));
        tm__stmt_bind_i64(stmt, 1, source);
        tm__stmt_bind_i64(stmt, 2, put->last_key);
        TM_TRY(tm__stmt_run_done(stmt, err));
    }
    TM_TRY(tm__stmt_init(db, "INSERT INTO runs(source, hash, n, level, hashed) VALUES(?,?,?,?,?)",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    tm__stmt_bind_blob(stmt, 2, put->info.hash.bytes, TM_HASH_BYTES);
    tm__stmt_bind_i64(stmt, 3, (int64_t)put->info.n);
    tm__stmt_bind_i64(stmt, 4, put->info.level);
    tm__stmt_bind_i64(stmt, 5, put->n_hashed);
    return tm__stmt_run_done(stmt, err);
}

static tm_status load_runs(tm_db *db, int64_t source, const char *dir, tm_key_set *set,
                           tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "SELECT hash, n, level FROM runs WHERE source = ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        const tm_str hash = tm__stmt_blob(stmt, 0);
        tm_key_run_info info = {.n = (uint64_t)tm__stmt_i64(stmt, 1),
                                .level = (uint32_t)tm__stmt_i64(stmt, 2)};
        tm_key_run *loaded = NULL;
        if (hash.len != TM_HASH_BYTES) {
            st = TM_FAIL(err, TM_E_INTEGRITY, "the list of key files is damaged");
            break;
        }
        memcpy(info.hash.bytes, hash.ptr, TM_HASH_BYTES);
        st = tm__key_run_open(dir, &info, &loaded, err);
        if (st == TM_OK) {
            st = tm__key_set_give(set, loaded, err);
        }
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status add_hashes(tm_key_set *set, tm_str hashes, tm_err *err) {
    bool has_failed = hashes.len % sizeof(tm_row_key) != 0;
    for (size_t i = 0; i < hashes.len / sizeof(tm_row_key) && !has_failed; i++) {
        tm_row_key key;
        memcpy(&key, hashes.ptr + i * sizeof(key), sizeof(key));
        (void)tm__key_set_add(set, key, &has_failed);
    }
    return has_failed ? no_memory(err) : TM_OK;
}

/* Keys without the runs' are added last: looking them up finds none. */
tm_status tm__intake_db_load_keys(tm_db *db, int64_t source, const char *dir, tm_key_set *set,
                                  tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(load_runs(db, source, dir, set, err));
    TM_TRY(tm__stmt_init(db, "SELECT hashes FROM keys WHERE source = ? ORDER BY seq", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        st = add_hashes(set, tm__stmt_blob(stmt, 0), err);
    }
    tm__stmt_done(stmt);
    return st;
}
