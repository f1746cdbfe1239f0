/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of a feed into a source, each in one transaction with the state behind it.
 *
 *   block ──> rows, keys ──┬─ few ──> a batch     ┐
 *                          └─ many ─> a segment   ┴─> transaction: rows, quarantine, state
 *
 * Batches stand behind all segments, and a row never changes its place: so those that wait become a
 * segment before one of a block is added.
 *
 * The state of before is part of the commit: when another process was there first, it fails and
 * nothing of the block is kept. A lock beside it only saves the work.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "source/feed_share.h"
#include "source/intake_priv.h"
#include "source/intake_retain.h"
#include "source/source.h"

#define SEGMENT_ROWS_MIN 20000u /* of a block that does not go through the database */
#define BLOCK_ROWS_MAX TM_MAX_ROWS
#define WAITS_MAX 3u /* for batches that other homes add all the time */

struct tm_intake_pull {
    tm_ctx *ctx;
    const tm_home *home;
    tm_file *lock;
    tm_db *db;
    tm_source_row source;
    tm_intake_columns *opened; /* columns as they were: a feed looks at them all along */
    tm_intake_columns *columns;
    tm_source_writer *writer;
    char *segments_dir;
    tm_bucket bucket; /* where segments go, too */
    json_t *state;
    tm_share *share; /* NULL: nobody else reads it */
    bool is_crowded; /* a segment has no place between the batches of others */
};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* ---- Opening ---- */

void tm__intake_pull_close(tm_intake_pull *pull) {
    if (pull == NULL) {
        return;
    }
    json_decref(pull->state);
    tm__share_free(pull->share);
    tm__source_writer_free(pull->writer);
    tm__intake_columns_unref(pull->opened);
    tm__intake_columns_unref(pull->columns);
    tm__source_row_done(&pull->source);
    tm__mem_free(pull->segments_dir);
    tm__bucket_done(&pull->bucket);
    tm__db_close(pull->db);
    tm__file_close(pull->lock);
    tm__mem_free(pull);
}

static tm_status take_lock(tm_intake_pull *pull, const char *name, tm_err *err) {
    char file[TM_MAX_NAME + 8];
    char *dir = tm__fs_join(tm__home_path(pull->home), "pull");
    (void)snprintf(file, sizeof(file), "%s.lock", name);
    char *path = dir == NULL ? NULL : tm__fs_join(dir, file);
    tm_status st = path == NULL ? no_memory(err) : tm__fs_mkdir(dir, err);
    if (st == TM_OK) {
        st = tm__lock_open(path, &pull->lock, err);
    }
    if (st == TM_E_CONFLICT) {
        st = TM_FAIL(err, TM_E_CONFLICT, "another process reads source '%s'", name);
        tm_err_hint(err, "Let it end: nothing is read twice.");
    }
    tm__mem_free(dir);
    tm__mem_free(path);
    return st;
}

static tm_status load(tm_intake_pull *pull, const char *name, tm_err *err) {
    TM_TRY(tm__intake_db_source(pull->db, name, &pull->source, err));
    if (strcmp(pull->source.feed, "push") == 0) {
        const tm_status st = TM_FAIL(err, TM_E_CONFLICT, "source '%s' is pushed to", name);
        tm_err_hint(err, "Its rows come by POST /v1/sources/%s/rows.", name);
        return st;
    }
    if (strcmp(pull->source.status, "paused") == 0 ||
        (strcmp(pull->source.status, "stopped") == 0 &&
         json_object_get(pull->source.error, "kind") != NULL)) {
        return tm__intake_stands_still(&pull->source, err);
    }
    TM_TRY(tm__intake_db_columns(pull->db, &pull->source, &pull->columns, err));
    pull->opened = tm__intake_columns_ref(pull->columns);
    TM_TRY(tm__source_writer_watch(pull->home, pull->db, &pull->source, pull->columns, err));
    TM_TRY(tm__source_writer_create(pull->home, &pull->source, pull->columns, &pull->writer, err));
    pull->segments_dir = tm__intake_dir(pull->home, "segments", name);
    pull->state = json_incref(pull->source.state);
    return pull->segments_dir == NULL ? no_memory(err) : TM_OK;
}

tm_status tm__intake_pull_open(tm_ctx *ctx, const tm_home *home, const char *name,
                               tm_intake_pull **out, tm_err *err) {
    tm_db *db = NULL;
    TM_TRY(tm__intake_db_open_there(home, true, &db, err));
    tm_intake_pull *pull = tm__mem_zalloc(1, sizeof(*pull));
    if (pull == NULL) {
        tm__db_close(db);
        return no_memory(err);
    }
    *pull = (tm_intake_pull){.ctx = ctx, .home = home, .db = db};
    tm_status st = tm__intake_db_source(db, name, &pull->source, err); /* before a lock is made */
    tm__source_row_done(&pull->source);
    if (st == TM_OK) {
        st = take_lock(pull, name, err);
    }
    if (st == TM_OK) {
        st = load(pull, name, err);
    }
    if (st != TM_OK) {
        tm__intake_pull_close(pull);
        return st;
    }
    *out = pull;
    return TM_OK;
}

const tm_source_row *tm__intake_pull_source(const tm_intake_pull *pull) {
    return &pull->source;
}

const tm_schema *tm__intake_pull_schema(const tm_intake_pull *pull) {
    return &pull->columns->schema;
}

tm_status tm__intake_pull_mark(void *arg, const char *item, json_t **out, tm_err *err) {
    const tm_intake_pull *const pull = arg;
    return tm__intake_db_mark(pull->db, pull->source.id, item, out, err);
}

/* ---- A block ---- */

static tm_status save_segment(tm_intake_pull *pull, const tm_table *table, tm_segment *out,
                              tm_err *err) {
    out->n_rows = tm__table_rows(table);
    TM_TRY(
        tm__snapshot_save_by(pull->ctx, &pull->bucket, pull->segments_dir, table, &out->hash, err));
    return tm__segment_size(pull->segments_dir, out, err);
}

/* It may have been paused while it is read, or stopped by another home that reads it too. */
static tm_status check_status_locked(tm_intake_pull *pull, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(pull->db, "SELECT status FROM sources WHERE id = ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, pull->source.id);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    const tm_str status = tm__str(st == TM_OK && has_row ? tm__stmt_text(stmt, 0) : "");
    const bool is_divided = pull->share != NULL && tm__share_counts(pull->share);
    if (tm__str_is(status, "paused") || (is_divided && tm__str_is(status, "stopped"))) {
        (void)tm__str_copy(pull->source.status, sizeof(pull->source.status), status);
        st = tm__intake_stands_still(&pull->source, err);
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status find_batch_locked(tm_intake_pull *pull, bool *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(pull->db, "SELECT 1 FROM batches WHERE source = ? AND n_rows > 0 LIMIT 1",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, pull->source.id);
    const tm_status st = tm__stmt_step(stmt, out, err);
    tm__stmt_done(stmt);
    return st;
}

/* On tables of several homes a hand may read a source beside its leader: that stops no source. */
static tm_status set_state_locked(const tm_intake_pull *pull, const json_t *after, tm_err *err) {
    const tm_status st =
        tm__intake_db_set_state_locked(pull->db, pull->source.id, pull->state, after, err);
    if (st != TM_E_CONFLICT || !tm__home_shares_intake(pull->home)) {
        return st;
    }
    (void)TM_FAIL(err, TM_E_UNAVAILABLE, "another home read source '%s' meanwhile",
                  pull->source.name);
    tm_err_hint(err, "Nothing of it was taken twice; the next reading goes on behind that one.");
    return TM_E_UNAVAILABLE;
}

/* *out_waits: nothing was done, because batches wait that would come behind the segment. */
static tm_status commit(tm_intake_pull *pull, const tm_source_put *put, const tm_feed_block *block,
                        tm_push_result *result, bool *out_waits, tm_err *err) {
    *out_waits = false;
    TM_TRY(tm__db_begin(pull->db, err));
    tm_status st = tm__source_writer_check_locked(pull->writer, pull->db, err);
    if (st == TM_OK) {
        st = check_status_locked(pull, err);
    }
    st = st == TM_OK ? tm__source_writer_fresh_locked(pull->writer, pull->db, err) : st;
    if (st == TM_OK && put->segment != NULL) {
        st = find_batch_locked(pull, out_waits, err);
    }
    if (st == TM_OK && *out_waits) {
        tm__db_rollback(pull->db);
        return TM_OK;
    }
    if (st == TM_OK) {
        st = pull->share != NULL ? tm__share_put_locked(pull->share, block, err)
                                 : set_state_locked(pull, block->state, err);
    }
    if (st == TM_OK && put->segment != NULL) {
        st = tm__intake_file_check_locked(pull->segments_dir, TM_INTAKE_SEGMENT,
                                          &put->segment->hash, err);
    }
    if (st == TM_OK) {
        st = tm__source_writer_put_locked(pull->writer, pull->db, put, result, err);
    }
    if (st == TM_OK && block->item != NULL) {
        st =
            tm__intake_db_set_mark_locked(pull->db, pull->source.id, block->item, block->mark, err);
    }
    return tm__db_end(pull->db, st, err);
}

/* Another process that makes segments of them has done so when it is in conflict with us. */
static tm_status move_batches(tm_intake_pull *pull, tm_err *err) {
    uint64_t n_rows = 0;
    const tm_status st =
        tm__intake_compact(pull->ctx, pull->home, pull->source.name, 1, &n_rows, err);
    return st == TM_E_CONFLICT ? TM_OK : st;
}

/* The rows of a batch, or of a table that takes its place. */
static tm_status put(tm_intake_pull *pull, const tm_feed_block *block, tm_rows *rows,
                     const tm_table *table, tm_push_result *result, tm_err *err) {
    tm_segment segment = {0};
    const bool is_segment = table != NULL && rows->n_rows > 0;
    if (is_segment) {
        TM_TRY(save_segment(pull, table, &segment, err));
    }
    const tm_source_put one = {
        .rows = rows, .origin = block->origin, .segment = is_segment ? &segment : NULL};
    bool waits = true;
    for (uint32_t i = 0; waits; i++) {
        TM_TRY(commit(pull, &one, block, result, &waits, err));
        if (waits && pull->share != NULL && i == WAITS_MAX) {
            pull->is_crowded = true;
            return TM_FAIL(err, TM_E_UNAVAILABLE, "other homes add rows all the time");
        }
        if (waits) {
            TM_TRY(move_batches(pull, err));
        }
    }
    return TM_OK;
}

static tm_status put_rows(tm_intake_pull *pull, const tm_feed_block *block, tm_rows *rows,
                          tm_push_result *result, tm_err *err) {
    tm_table *table = NULL;
    TM_TRY(tm__source_writer_load(pull->writer, pull->db, err));
    TM_TRY(tm__source_writer_unique(pull->writer, rows, NULL, &result->duplicates, err));
    tm__batch_seal(&rows->batch, (uint32_t)rows->n_rows);
    tm_status st = TM_OK;
    if (rows->n_rows >= SEGMENT_ROWS_MIN && !pull->is_crowded) {
        st = tm__rows_table(rows, &table, err);
    }
    st = st == TM_OK ? put(pull, block, rows, table, result, err) : st;
    tm__table_unref(table);
    return st;
}

static tm_status put_table(tm_intake_pull *pull, const tm_feed_block *block, tm_rows *rows,
                           tm_table *whole, tm_push_result *result, tm_err *err) {
    tm_table *table = NULL;
    uint32_t *kept = tm__mem_alloc(rows->n_rows + 1, sizeof(*kept));
    tm_status st =
        kept == NULL ? no_memory(err) : tm__source_writer_load(pull->writer, pull->db, err);
    if (st == TM_OK) {
        st = tm__source_writer_unique(pull->writer, rows, kept, &result->duplicates, err);
    }
    if (st == TM_OK && result->duplicates > 0) {
        st = tm__table_take_rows(whole, kept, rows->n_rows, &table, err);
    } else if (st == TM_OK) {
        table = tm__table_ref(whole);
    }
    st = st == TM_OK ? put(pull, block, rows, table, result, err) : st;
    tm__table_unref(table);
    tm__mem_free(kept);
    return st;
}

static tm_status stop(tm_intake_pull *pull, const tm_rows *rows, tm_err *err) {
    TM_TRY(tm__db_begin(pull->db, err));
    TM_TRY(tm__db_end(pull->db, tm__source_writer_stop_locked(pull->writer, pull->db, rows, err),
                      err));
    return tm__stopped(pull->source.name, &rows->stop, err);
}

/* Without a key column every row would go to quarantine. */
static tm_status check_keys(const tm_intake_pull *pull, const tm_table *rows, tm_err *err) {
    for (uint32_t i = 0; rows != NULL && i < pull->columns->n_keys; i++) {
        const char *name = pull->columns->schema.cols[pull->columns->keys[i]].name;
        if (tm__table_find(rows, name) == UINT32_MAX) {
            const tm_status st =
                TM_FAIL(err, TM_E_DATA, "key column '%s' is not in the data", name);
            tm_err_hint(err, "Name columns of the data with --key.");
            return st;
        }
    }
    return TM_OK;
}

/* Read the block's rows; *out_whole is a table that stands for them, if there is one. */
static tm_status read_block(tm_intake_pull *pull, const tm_feed_block *block, tm_rows *out,
                            tm_table **out_whole, tm_err *err) {
    tm_push push = {.source = pull->source.name,
                    .form = block->rows != NULL ? TM_PUSH_TABLE : block->form,
                    .data = block->data,
                    .len = block->len,
                    .bad = block->bad,
                    .numbers = block->numbers,
                    .cursor = block->cursor,
                    .first_row = block->first_row,
                    .first_line = block->first_line,
                    .from_zero = block->from_zero,
                    .late = block->late,
                    .n_late = block->n_late,
                    .late_column = block->late_column,
                    .csv = block->csv,
                    .n_rows_max = BLOCK_ROWS_MAX};
    tm_table *table = NULL;
    bool is_whole = false;
    TM_TRY(check_keys(pull, block->rows, err));
    if (block->rows != NULL) {
        table = tm__table_ref(block->rows);
    } else if (block->n_late == 0 && !pull->is_crowded) {
        TM_TRY(tm__text_table(pull->ctx, &push, pull->columns, SEGMENT_ROWS_MIN, &table, err));
    }
    push.table = table;
    tm_status st = TM_OK;
    if (table != NULL && tm__table_rows(table) >= SEGMENT_ROWS_MIN) {
        st = tm__rows_of_table(&push, pull->columns, out, &is_whole, err);
    }
    if (st == TM_OK && !is_whole) {
        st = tm__rows_read(&push, pull->columns, out, err);
    }
    if (st == TM_OK && is_whole) {
        *out_whole = tm__table_ref(table);
    }
    tm__table_unref(table);
    return st;
}

static tm_status take(tm_intake_pull *pull, const tm_feed_block *block, tm_push_result *out,
                      tm_err *err) {
    tm_rows rows = {0};
    tm_table *whole = NULL;
    *out = (tm_push_result){.status = TM_OK};
    TM_TRY(tm__intake_has_room(pull->home, pull->db, &pull->source, err));
    TM_TRY(read_block(pull, block, &rows, &whole, err));
    const tm_status st = rows.is_stopped ? stop(pull, &rows, err)
                         : whole != NULL ? put_table(pull, block, &rows, whole, out, err)
                                         : put_rows(pull, block, &rows, out, err);
    tm__table_unref(whole);
    tm__source_writer_settle(pull->writer, st == TM_OK);
    if (st == TM_OK) {
        json_decref(pull->state);
        pull->state = json_deep_copy(block->state);
        tm__intake_columns_unref(pull->columns);
        pull->columns = tm__intake_columns_ref(rows.columns);
        tm__source_writer_tend(pull->writer, pull->db, true);
    }
    tm__rows_done(&rows);
    return st == TM_OK && pull->state == NULL ? no_memory(err) : st;
}

tm_status tm__intake_pull_take(tm_intake_pull *pull, const tm_feed_block *block,
                               tm_push_result *out, tm_err *err) {
    tm_err first = {0};
    pull->is_crowded = false;
    const tm_status st = take(pull, block, out, &first);
    if (st == TM_E_UNAVAILABLE && pull->is_crowded) {
        return take(pull, block, out, err); /* as a batch, which stands behind all others */
    }
    if (st != TM_OK && err != NULL) {
        *err = first;
    }
    return st;
}

/* ---- With other homes ---- */

tm_status tm__intake_pull_divide(tm_intake_pull *pull, bool follows, tm_err *err) {
    const tm_source_row *const source = &pull->source;
    const bool from_end = strcmp(tm__json_text(source->spec, "from", "start"), "end") == 0;
    if (!tm__share_is_for(pull->home, source->feed, source->spec, source->keys) ||
        (from_end && json_is_null(source->state))) { /* one looks where the end is */
        return TM_OK;
    }
    return tm__share_open(pull->db, source->id, follows, &pull->share, err);
}

tm_share *tm__intake_pull_share(const tm_intake_pull *pull) {
    return pull->share;
}

tm_status tm__intake_pull_goes_on(tm_intake_pull *pull, tm_err *err) {
    return pull->share == NULL ? TM_OK : check_status_locked(pull, err);
}
