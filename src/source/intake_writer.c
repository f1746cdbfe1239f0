/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How rows go into one source: the part of whoever writes intake.db that outlives a transaction.
 *
 *   rows ── keys that are new ──> transaction: columns, batch or segment, keys, counters,
 * quarantine │                     └─ settle: as the file has it, after a commit or a failure └─ a
 * million recent keys ──> run ──> eight runs ──> one   (a thread beside it)
 *
 * The set of keys has those of a group before its commit; when that fails the set is dropped and
 * loaded anew from the file.
 */
#include <stdatomic.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/pool.h"
#include "source/intake_keys.h"
#include "source/intake_priv.h"
#include "store/db_lookup.h"
#include "store/privacy_key.h"

/* Runs being merged beside the writer. */
typedef struct merging {
    tm_key_merge merge;
    tm_key_run *run; /* the result */
    tm_status status;
    _Atomic bool is_done;
    tm_thread *thread; /* NULL: none */
} merging;

/* Keys that were set aside becoming a run. */
typedef struct saving {
    const tm_key_set *keys;
    int64_t last_key; /* of the file: it and those before are in it */
    tm_key_run *run;  /* the result */
    tm_status status;
    _Atomic bool is_done;
    tm_thread *thread; /* NULL: none */
} saving;

struct tm_source_writer {
    const tm_home *home;
    int64_t id, created_us;
    uint32_t version_saved, version_group; /* of columns, in the file and with this group */
    uint64_t n_accepted; /* rows of the source that the keys know; another home may add some */
    bool is_keyed;
    bool is_push;    /* its history is saved every few seconds, not with each block */
    tm_watch *watch; /* NULL: none */
    char *keys_dir;
    uint32_t n_recent_max; /* keys in memory before they become a run; 0: as the set has it */
    tm_key_set *keys;      /* NULL: not loaded */
    tm_lookup_rows lookup; /* that its keys are hashed with */
    saving saving;
    merging merging;
};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

int64_t tm__source_writer_id(const tm_source_writer *writer) {
    return writer->id;
}

tm_status tm__source_writer_create(const tm_home *home, const tm_source_row *source,
                                   const tm_intake_columns *columns, tm_source_writer **out,
                                   tm_err *err) {
    tm_source_writer *w = tm__mem_zalloc(1, sizeof(*w));
    char *dir = tm__intake_dir(home, "keys", source->name);
    if (w == NULL || dir == NULL) {
        tm__mem_free(w);
        tm__mem_free(dir);
        return no_memory(err);
    }
    w->home = home;
    w->id = source->id;
    w->created_us = source->created_us;
    w->keys_dir = dir;
    const int64_t n_recent = tm__json_i64(source->spec, "recent_keys", 0);
    w->n_recent_max = n_recent > 0 && n_recent < UINT32_MAX ? (uint32_t)n_recent : 0;
    w->is_keyed = columns->n_keys > 0;
    w->is_push = strcmp(source->feed, "push") == 0;
    w->watch = tm__watch_ref(columns->watch);
    w->version_saved = w->version_group = columns->version;
    *out = w;
    return TM_OK;
}

/* ---- Keys ---- */

static void merge_main(void *arg) {
    merging *m = arg;
    m->status = tm__key_merge_run(&m->merge, &m->run, NULL);
    atomic_store(&m->is_done, true);
}

static void merge_end(merging *m) {
    tm__thread_join(m->thread);
    m->thread = NULL;
}

static void save_main(void *arg) {
    saving *s = arg;
    s->status = tm__key_set_save(s->keys, &s->run, NULL);
    atomic_store(&s->is_done, true);
}

static void save_end(saving *s) {
    tm__thread_join(s->thread);
    s->thread = NULL;
}

static void drop_keys(tm_source_writer *w) {
    if (w->saving.thread != NULL) {
        save_end(&w->saving);
        tm__key_run_close(w->saving.run);
        w->saving.run = NULL;
    }
    if (w->merging.thread != NULL) {
        merge_end(&w->merging);
        tm__key_run_close(w->merging.run);
        w->merging.run = NULL;
    }
    tm__key_set_free(w->keys);
    w->keys = NULL;
    tm__lookup_rows_done(&w->lookup);
}

void tm__source_writer_free(tm_source_writer *writer) {
    if (writer == NULL) {
        return;
    }
    drop_keys(writer);
    tm__watch_unref(writer->watch);
    tm__mem_free(writer->keys_dir);
    tm__mem_free(writer);
}

void tm__source_writer_retire(tm_source_writer *writer) {
    drop_keys(writer);
}

tm_status tm__source_writer_check_locked(const tm_source_writer *w, tm_db *db, tm_err *err) {
    uint32_t version = 0;
    TM_TRY(tm__intake_db_version(db, w->id, w->created_us, &version, err));
    if (version != w->version_group) {
        const tm_status st =
            TM_FAIL(err, TM_E_UNAVAILABLE, "the columns of the source were changed meanwhile");
        tm_err_hint(err, "Nothing of it was taken; send or read it again.");
        return st;
    }
    return TM_OK;
}

/* What the tables say of its rows and keys at one moment. */
static tm_status look_at_rows(const tm_source_writer *w, tm_db *db, uint64_t *out_accepted,
                              int64_t *out_last_key, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db,
                         "SELECT accepted, coalesce((SELECT max(seq) FROM keys WHERE source = ?1),"
                         " 0) FROM sources WHERE id = ?1",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, w->id);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    *out_accepted = st == TM_OK && has_row ? (uint64_t)tm__stmt_i64(stmt, 0) : 0;
    *out_last_key = st == TM_OK && has_row ? tm__stmt_i64(stmt, 1) : 0;
    tm__stmt_done(stmt);
    return st;
}

/* Whether the home has another key since the set was hashed. */
static tm_status has_new_key(const tm_source_writer *w, tm_db *db, bool *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, "SELECT lookup_count()", &stmt, err));
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    *out = st == TM_OK && tm__stmt_i64(stmt, 0) != (int64_t)w->lookup.n_keys;
    tm__stmt_done(stmt);
    return st;
}

/* Of tables that other homes write to as well, whether they added rows; no key of one home hashes
 * there. */
static tm_status is_behind(const tm_source_writer *w, tm_db *db, bool *out, tm_err *err) {
    uint64_t n_accepted = 0;
    int64_t last_key = 0;
    *out = false;
    if (!w->is_keyed) {
        return TM_OK;
    }
    if (!tm__db_is_postgres(db)) {
        return has_new_key(w, db, out, err);
    }
    TM_TRY(look_at_rows(w, db, &n_accepted, &last_key, err));
    *out = n_accepted != w->n_accepted;
    return TM_OK;
}

tm_status tm__source_writer_fresh_locked(const tm_source_writer *w, tm_db *db, tm_err *err) {
    bool has_more = false;
    if (!tm__db_is_postgres(db)) {
        return TM_OK;
    }
    TM_TRY(is_behind(w, db, &has_more, err));
    if (has_more) {
        const tm_status st =
            TM_FAIL(err, TM_E_UNAVAILABLE, "rows came into the source by another home meanwhile");
        tm_err_hint(err, "Nothing of it was taken; it is read again.");
        return st;
    }
    return TM_OK;
}

static tm_status load(tm_source_writer *w, tm_db *db, tm_err *err) {
    const tm_keys_place place = {.db = db, .dir = w->keys_dir, .source = w->id};
    int64_t last_key = 0;
    /* First: rows that come in between make it look behind, never ahead. */
    TM_TRY(look_at_rows(w, db, &w->n_accepted, &last_key, err));
    TM_TRY(tm__intake_keys_renew(&place, err));
    TM_TRY(tm__lookup_rows_read(db, &w->lookup, err));
    return tm__intake_db_load_keys(db, w->id, w->keys_dir, w->keys, err);
}

tm_status tm__source_writer_load(tm_source_writer *w, tm_db *db, tm_err *err) {
    bool must_load = false;
    if (!w->is_keyed) {
        return TM_OK;
    }
    if (w->keys != NULL) {
        TM_TRY(is_behind(w, db, &must_load, err));
        if (!must_load) {
            return TM_OK;
        }
        drop_keys(w);
    }
    w->keys = tm__key_set_create(w->keys_dir, w->n_recent_max);
    if (w->keys == NULL) {
        return no_memory(err);
    }
    const tm_status st = load(w, db, err);
    if (st != TM_OK) {
        drop_keys(w);
    }
    return st;
}

static tm_status store_run(tm_source_writer *w, tm_db *db, const tm_run_put *put) {
    TM_TRY(tm__db_begin(db, NULL));
    tm_status st = tm__source_writer_check_locked(w, db, NULL);
    if (st == TM_OK) {
        st = tm__intake_file_check_locked(w->keys_dir, TM_INTAKE_KEYS, &put->info.hash, NULL);
    }
    if (st == TM_OK) {
        st = tm__intake_db_add_run_locked(db, w->id, put, NULL);
    }
    return tm__db_end(db, st, NULL);
}

/* Recent keys to a run. What fails is tried again with the next group; the set is right meanwhile,
 * or dropped. */
static void save_begin(tm_source_writer *w, tm_db *db) {
    saving *s = &w->saving;
    if (!tm__key_set_is_frozen(w->keys)) {
        uint64_t n_accepted = 0; /* a run has all keys up to the last one, or is not made */
        if (!tm__key_set_is_full(w->keys) ||
            look_at_rows(w, db, &n_accepted, &s->last_key, NULL) != TM_OK ||
            n_accepted != w->n_accepted || !tm__key_set_freeze(w->keys)) {
            return;
        }
    }
    s->keys = w->keys;
    s->run = NULL;
    atomic_store(&s->is_done, false);
    s->thread = tm__thread_create(save_main, s, "key-save"); /* NULL: later */
}

static void save_finish(tm_source_writer *w, tm_db *db) {
    saving *s = &w->saving;
    save_end(s);
    tm_key_run *run = s->run;
    s->run = NULL;
    if (s->status != TM_OK) {
        return;
    }
    const tm_run_put put = {
        .info = tm__key_run_info(run), .last_key = s->last_key, .n_hashed = w->lookup.n_keys};
    if (store_run(w, db, &put) != TM_OK) {
        tm__key_run_close(run);
        return;
    }
    tm__key_set_forget(w->keys);
    if (tm__key_set_give(w->keys, run, NULL) != TM_OK) {
        drop_keys(w);
    }
}

static void merge_finish(tm_source_writer *w, tm_db *db) {
    merging *m = &w->merging;
    merge_end(m);
    tm_key_run *run = m->run;
    m->run = NULL;
    if (m->status != TM_OK) {
        return;
    }
    const tm_run_put put = {
        .info = tm__key_run_info(run), .merged = &m->merge, .n_hashed = w->lookup.n_keys};
    if (store_run(w, db, &put) != TM_OK) {
        tm__key_run_close(run);
        return;
    }
    /* A backup may be copying what was merged. */
    tm_file *lock = tm__intake_files_lock(w->home);
    m->merge.keeps_files = lock == NULL || tm__home_shares_intake(w->home); /* others read them */
    if (tm__key_set_replace(w->keys, &m->merge, run, NULL) != TM_OK) {
        drop_keys(w);
    }
    tm__file_close(lock);
}

void tm__source_writer_tend(tm_source_writer *w, tm_db *db, bool waits) {
    merging *m = &w->merging;
    /* Two tables of keys are in memory at the most: when the next one is full, too, it waits. */
    if (w->saving.thread != NULL &&
        (atomic_load(&w->saving.is_done) || tm__key_set_is_full(w->keys))) {
        save_finish(w, db);
    }
    if (w->keys != NULL && w->saving.thread == NULL) {
        save_begin(w, db);
    }
    if (w->saving.thread != NULL && waits) {
        save_finish(w, db);
    }
    if (m->thread != NULL && atomic_load(&m->is_done)) {
        merge_finish(w, db);
    }
    if (w->keys != NULL && m->thread == NULL && tm__key_set_merge_due(w->keys, &m->merge)) {
        m->run = NULL;
        atomic_store(&m->is_done, false);
        m->thread = tm__thread_create(merge_main, m, "key-merge"); /* NULL: later */
    }
}

static void move_in_batch(tm_rows *rows, uint64_t row, size_t *to) {
    const size_t start = row == 0 ? TM_BATCH_HEAD : rows->ends[row - 1];
    const size_t len = rows->ends[row] - start;
    if (*to != start) {
        memmove(rows->batch.data + *to, rows->batch.data + start, len);
    }
    *to += len;
}

tm_status tm__source_writer_unique(tm_source_writer *w, tm_rows *rows, uint32_t *kept,
                                   uint64_t *out_duplicates, tm_err *err) {
    uint64_t n = 0;
    size_t to = TM_BATCH_HEAD;
    bool has_failed = false;
    *out_duplicates = 0;
    if (!w->is_keyed) {
        return TM_OK;
    }
    for (uint64_t i = 0; i < rows->n_rows; i++) {
        uint64_t words[2] = {rows->keys[i].high, rows->keys[i].low};
        tm__lookup_row(&w->lookup, 0, words);
        const tm_row_key key = {words[0], words[1]};
        if (!tm__key_set_add(w->keys, key, &has_failed)) {
            continue;
        }
        if (kept != NULL) {
            kept[n] = (uint32_t)i;
        } else {
            move_in_batch(rows, i, &to);
        }
        rows->keys[n++] = key;
    }
    if (has_failed) {
        return no_memory(err);
    }
    *out_duplicates = rows->n_rows - n;
    rows->n_rows = n;
    rows->batch.len = kept != NULL ? 0 : to;
    return TM_OK;
}

/* ---- Changes ---- */

static bool needs_key(const tm_intake_columns *columns) {
    bool needs = false;
    for (uint32_t i = 0; columns->n_private > 0 && i < columns->schema.n_cols; i++) {
        needs = needs || columns->rules[i].privacy.kind == TM_PRIVACY_PSEUDONYM;
    }
    return needs;
}

tm_status tm__source_writer_watch(const tm_home *home, tm_db *db, const tm_source_row *source,
                                  tm_intake_columns *columns, tm_err *err) {
    json_t *history = NULL;
    if (needs_key(columns)) {
        TM_TRY(tm__privacy_key_read(home, &columns->privacy_key, err));
        columns->has_privacy_key = true;
    }
    TM_TRY(tm__intake_db_history(db, source->id, &history, err));
    const tm_status st = tm__watch_create(source->spec, history, &columns->watch, err);
    json_decref(history);
    return st;
}

static tm_status save_history_locked(tm_source_writer *w, tm_db *db, bool always, tm_err *err) {
    json_t *history = tm__watch_save(w->watch, always);
    const tm_status st =
        history == NULL ? TM_OK : tm__intake_db_set_history_locked(db, w->id, history, err);
    json_decref(history);
    return st;
}

static tm_status save_once(tm_source_writer *w, tm_db *db) {
    tm__json_reset();
    TM_TRY(tm__db_begin(db, NULL));
    tm_status st = tm__source_writer_check_locked(w, db, NULL);
    if (st == TM_OK) {
        st = save_history_locked(w, db, true, NULL);
    }
    return tm__db_end(db, st, NULL);
}

tm_status tm__source_writer_save(tm_source_writer *w, tm_db *db) {
    const tm_status st = w->watch == NULL ? TM_OK : save_once(w, db);
    /* Nobody comes after this to save it. */
    return st == TM_E_NOMEM ? save_once(w, db) : st;
}

void tm__stopped_hint(const char *name, const char *kind, tm_err *err) {
    if (strcmp(kind, tm__change_names[TM_CHANGE_EXPECTATION]) == 0) {
        tm_err_hint(
            err,
            "Mend the rows or the rule ('tidemill data set %s --expect \"NAME: RULE\"'), then "
            "'tidemill data resume %s'.",
            name, name);
    } else {
        tm_err_hint(err, "'tidemill data resume %s' takes the change as the new normal.", name);
    }
}

void tm__finding_reason(const tm_finding *f, tm_bad_row *out) {
    const bool is_rule = f->kind == TM_CHANGE_EXPECTATION;
    *out = (tm_bad_row){.reason = (tm_row_reason)(TM_ROW_CHANGE + f->kind)};
    (void)tm__str_copy(out->column, sizeof(out->column), tm__str(is_rule ? f->place : f->column));
    (void)tm__str_copy(out->detail, sizeof(out->detail), tm__str(f->detail));
}

/* Column and detail as a sentence; that of a rule is one. */
static void stop_text(const tm_finding *stop, char out[256]) {
    if (stop->kind == TM_CHANGE_EXPECTATION) {
        (void)tm__str_copy(out, 256, tm__str(stop->detail));
    } else {
        (void)snprintf(out, 256, "%s '%s': %s",
                       stop->kind == TM_CHANGE_NEW_COLUMN ? "a new column" : "column", stop->column,
                       stop->detail);
    }
}

static json_t *stop_json(const tm_finding *stop) {
    char message[256];
    tm_err how = {0};
    stop_text(stop, message);
    tm__stopped_hint("NAME", tm__change_names[stop->kind], &how);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s}", "status", "conflict", "message",
                     message, "kind", tm__change_names[stop->kind], "column", stop->column,
                     "detail", stop->detail, "at", tm__json_time(tm__now_us()), "hint", how.hint);
}

tm_status tm__source_writer_stop_locked(tm_source_writer *w, tm_db *db, const tm_rows *rows,
                                        tm_err *err) {
    json_t *error = stop_json(&rows->stop);
    const tm_intake_outcome outcome = {
        .status = "stopped", .error = error, .tried_us = tm__now_us()};
    tm_status st =
        rows->look == NULL ? TM_OK : tm__intake_db_add_findings_locked(db, w->id, rows->look, err);
    st = st == TM_OK ? tm__intake_db_set_outcome_locked(db, w->id, &outcome, err) : st;
    json_decref(error);
    return st == TM_OK ? save_history_locked(w, db, true, err) : st;
}

tm_status tm__stopped(const char *name, const tm_finding *stop, tm_err *err) {
    char text[256];
    tm_err how = {0};
    stop_text(stop, text);
    tm__stopped_hint(name, tm__change_names[stop->kind], &how);
    const tm_status st =
        stop->kind == TM_CHANGE_EXPECTATION
            ? TM_FAIL(err, TM_E_CONFLICT, "source '%s' is stopped: %s", name, text)
            : TM_FAIL(err, TM_E_CONFLICT, "source '%s' is stopped by %s: column '%s': %s", name,
                      tm__change_names[stop->kind], stop->column, stop->detail);
    tm_err_hint(err, "Nothing of the batch was taken. %s", how.hint);
    return st;
}

/* ---- In a transaction ---- */

tm_status tm__source_writer_put_locked(tm_source_writer *w, tm_db *db, const tm_source_put *put,
                                       tm_push_result *result, tm_err *err) {
    tm_rows *rows = put->rows;
    if (rows->columns->version > w->version_group) {
        TM_TRY(tm__intake_db_add_columns_locked(db, w->id, rows->columns, err));
        w->version_group = rows->columns->version;
    }
    if (put->segment != NULL) {
        TM_TRY(tm__intake_db_add_segment_locked(db, w->id, put->segment, err));
    } else if (rows->n_rows > 0) {
        tm__batch_seal(&rows->batch, (uint32_t)rows->n_rows);
        const tm_str batch = {(const char *)rows->batch.data, rows->batch.len};
        TM_TRY(tm__intake_db_add_batch_locked(db, w->id, rows->n_rows, batch, err));
    }
    if (rows->n_rows > 0 && w->is_keyed) {
        const tm_keys_put keys = {rows->keys, rows->n_rows, w->lookup.n_keys};
        TM_TRY(tm__intake_db_add_keys_locked(db, w->id, &keys, err));
    }
    TM_TRY(tm__intake_db_add_bad_locked(db, w->id, put->origin, rows, &result->dropped, err));
    result->accepted = rows->n_rows;
    result->quarantined = rows->n_bad - result->dropped;
    const tm_source_row by = {.n_accepted = rows->n_rows,
                              .n_duplicates = result->duplicates,
                              .n_coerced = rows->n_coerced,
                              .n_incomplete = rows->n_incomplete,
                              .last_us = rows->n_rows > 0 ? tm__now_us() : 0};
    TM_TRY(tm__intake_db_count_locked(db, w->id, &by, err));
    w->n_accepted += rows->n_rows;
    if (rows->look != NULL) {
        TM_TRY(tm__intake_db_add_findings_locked(db, w->id, rows->look, err));
        if (!rows->is_refused && !tm__look_keep(rows->look)) {
            return no_memory(err);
        }
        TM_TRY(save_history_locked(w, db, !w->is_push, err));
    }
    return TM_OK;
}

void tm__source_writer_settle(tm_source_writer *w, bool is_committed) {
    if (is_committed) {
        w->version_saved = w->version_group;
    } else {
        w->version_group = w->version_saved;
        drop_keys(w);
    }
}
