/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers on disk: blocks of records of one stream, each block one row of the table.
 *
 *      streams   who answered, and the columns of the rows
 *      blocks    first_seq, n, stream, first_us, last_us, data: answers first_seq .. first_seq+n-1
 *      spans     prefix, first_id, last_id, first_seq: ids in a block that begin with this prefix
 *      moments   key, moment_us, seq: answers by a keyed hash of model and entity, and their moment
 *
 * A row of SQLite for each answer, with an index by id, costs more than to give the answer; a block
 * of some hundred costs little more than its bytes. What an index would find by id is found by
 * time: an id begins with the second in which it was made (docs/formats/home.md), the spans of that
 * second name few blocks, and a block is walked in a microsecond a hundred answers.
 *
 * Invariant: blocks do not overlap, and do not change but by an erasure (monitor_erase.c), which
 * leaves the numbers of all others; the next begins where the last one ends, or `next_seq` says.
 */
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "monitor/block_pack.h"
#include "monitor/monitor_priv.h"

#define BLOCK_BYTES ((size_t)64 << 10) /* a block is closed past them; one answer may be larger */
#define PREFIX_BYTES 8u                /* of an id: 1,024 ms */

/* ---- Reading ---- */

void tm__block_init(tm_block *block, tm_db *db) {
    *block = (tm_block){.db = db};
    tm__buf_init(&block->bytes, SIZE_MAX / 2);
}

void tm__block_done(tm_block *block) {
    tm__buf_done(&block->bytes);
}

static tm_status damaged(const tm_block *block, tm_err *err) {
    return TM_FAIL(err, TM_E_INTEGRITY, "the log has a damaged block of answers at %lld",
                   (long long)block->first_seq);
}

static void rewind_block(tm_block *block) {
    block->rest = (tm_str){(const char *)block->bytes.data, block->bytes.len};
    block->seq = block->first_seq - 1;
}

/* Read the row that the statement is at: first_seq, n, stream, data. */
static tm_status take_row(tm_block *block, tm_stmt *stmt, tm_err *err) {
    const tm_str data = tm__stmt_blob(stmt, 3);
    const int64_t first_seq = tm__stmt_i64(stmt, 0);
    tm__buf_reset(&block->bytes);
    block->first_seq = 0;
    if (tm__block_is_packed(data) && !tm__block_unpack(data, &block->bytes) &&
        !block->bytes.failed) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the log has a damaged block of answers at %lld",
                       (long long)first_seq);
    }
    if (block->bytes.failed ||
        (!tm__block_is_packed(data) && !tm__buf_append(&block->bytes, data.ptr, data.len))) {
        block->bytes.failed = false;
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    block->first_seq = first_seq;
    block->n = tm__stmt_i64(stmt, 1);
    block->stream = tm__stmt_i64(stmt, 2);
    rewind_block(block);
    return TM_OK;
}

/* The block that holds an answer; none (first_seq 0) when there is no such answer. */
static tm_status load_block(tm_block *block, int64_t seq, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(block->db,
                         "SELECT first_seq, n, stream, unseal('blocks.data', first_seq, data) FROM "
                         "blocks WHERE first_seq <= ?"
                         " ORDER BY first_seq DESC LIMIT 1",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, seq);
    bool has_row = false;
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        st = take_row(block, stmt, err);
    }
    tm__stmt_done(stmt);
    return st;
}

static bool holds(const tm_block *block, int64_t seq) {
    return block->first_seq > 0 && seq >= block->first_seq && seq < block->first_seq + block->n;
}

static tm_status next_record(tm_block *block, tm_err *err) {
    if (!tm__record_read(&block->rest, &block->record)) {
        return damaged(block, err);
    }
    block->seq++;
    return TM_OK;
}

tm_status tm__block_seek(tm_block *block, int64_t seq, tm_err *err) {
    if (!holds(block, seq)) {
        TM_TRY(load_block(block, seq, err));
        if (!holds(block, seq)) {
            return TM_FAIL(err, TM_E_NOT_FOUND, "the log has no answer %lld", (long long)seq);
        }
    }
    if (seq < block->seq || block->seq < block->first_seq) {
        rewind_block(block);
    }
    while (block->seq < seq) {
        TM_TRY(next_record(block, err));
    }
    return TM_OK;
}

static tm_str id_prefix(tm_str id) {
    return (tm_str){id.ptr, id.len < PREFIX_BYTES ? id.len : PREFIX_BYTES};
}

static tm_status find_in_block(tm_block *block, int64_t first_seq, tm_str id, int64_t *out_seq,
                               tm_err *err) {
    TM_TRY(tm__block_seek(block, first_seq, err));
    const int64_t last_seq = block->first_seq + block->n - 1;
    while (!tm__str_eq(block->record.id, id)) {
        if (block->seq == last_seq) {
            return TM_OK;
        }
        TM_TRY(next_record(block, err));
    }
    *out_seq = block->seq;
    return TM_OK;
}

tm_status tm__block_find(tm_block *block, tm_str id, int64_t *out_seq, tm_err *err) {
    *out_seq = 0;
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(block->db,
                         "SELECT first_seq FROM spans WHERE prefix = ?1 AND last_id >= ?2"
                         " AND first_id <= ?2",
                         &stmt, err));
    tm__stmt_bind_str(stmt, 1, id_prefix(id));
    tm__stmt_bind_str(stmt, 2, id);
    tm_status st = TM_OK;
    while (*out_seq == 0 && tm__stmt_next(stmt, &st, err)) {
        st = find_in_block(block, tm__stmt_i64(stmt, 0), id, out_seq, err);
    }
    tm__stmt_done(stmt);
    return st;
}

/* Answers with an event time, and those without, are apart: their moments are of two clocks. */
static int64_t key_hash(const char *model, tm_str entity, bool has_event) {
    const uint64_t seed = tm__hash64(model, strlen(model), has_event);
    return (int64_t)tm__hash64(entity.ptr, entity.len, seed);
}

static tm_status is_stream_of(tm_db *db, int64_t stream, const char *model, bool *out,
                              tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "SELECT 1 FROM streams WHERE id = ? AND model = ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, stream);
    tm__stmt_bind_text(stmt, 2, model);
    const tm_status st = tm__stmt_step(stmt, out, err);
    tm__stmt_done(stmt);
    return st;
}

/* The hash may be that of another entity. */
static tm_status has_key(tm_block *block, int64_t seq, const tm_answer_key *key, bool has_event,
                         bool *out, tm_err *err) {
    TM_TRY(tm__block_seek(block, seq, err));
    *out = (block->record.event_us != TM_INT_MISSING) == has_event &&
           block->record.entity.ptr != NULL && tm__str_eq(block->record.entity, key->entity);
    return *out ? is_stream_of(block->db, block->stream, key->model, out, err) : TM_OK;
}

/* Moments of answers from, up to. */
typedef struct moment_range {
    bool has_event;
    int64_t from_us, to_us;
} moment_range;

static tm_status find_in_range(tm_block *block, const tm_answer_key *key, moment_range range,
                               tm_found *out, int64_t *out_moment_us, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(
        block->db,
        "SELECT seq, moment_us FROM moments WHERE key = lookup_number(?) AND moment_us >= ?"
        " AND moment_us <= ? ORDER BY moment_us DESC, seq DESC",
        &stmt, err));
    tm__stmt_bind_i64(stmt, 1, key_hash(key->model, key->entity, range.has_event));
    tm__stmt_bind_i64(stmt, 2, range.from_us);
    tm__stmt_bind_i64(stmt, 3, range.to_us);
    tm_status st = TM_OK;
    *out = (tm_found){0};
    for (bool has_row = true, is_it = false; st == TM_OK && !out->has_alikes;) {
        st = tm__stmt_step(stmt, &has_row, err);
        if (st != TM_OK || !has_row) {
            break;
        }
        const int64_t seq = tm__stmt_i64(stmt, 0), moment_us = tm__stmt_i64(stmt, 1);
        if (out->seq > 0 && moment_us != *out_moment_us) {
            break;
        }
        st = has_key(block, seq, key, range.has_event, &is_it, err);
        if (st == TM_OK && is_it) {
            out->has_alikes = out->seq > 0;
            out->seq = out->seq > 0 ? out->seq : seq;
            *out_moment_us = moment_us;
        }
    }
    tm__stmt_done(stmt);
    return st;
}

/* Without a time every answer without one is meant, and the newest is taken: that is no doubt. */
static tm_status find_timeless(tm_block *block, const tm_answer_key *key, tm_found *out,
                               tm_err *err) {
    const moment_range all = {.from_us = INT64_MIN, .to_us = INT64_MAX};
    int64_t moment_us = 0;
    TM_TRY(find_in_range(block, key, all, out, &moment_us, err));
    out->has_alikes = false;
    return TM_OK;
}

tm_status tm__block_find_key(tm_block *block, const tm_answer_key *key, tm_found *out,
                             tm_err *err) {
    moment_range range = {true, key->event_us, key->event_us};
    int64_t event_us = 0, given_us = 0;
    tm_found found = {0}, given = {0};
    if (key->event_us == TM_INT_MISSING) {
        TM_TRY(find_timeless(block, key, &found, err));
    } else {
        if (__builtin_sub_overflow(key->event_us, key->within_us, &range.from_us)) {
            range.from_us = INT64_MIN + 1;
        }
        TM_TRY(find_in_range(block, key, range, &found, &event_us, err));
        range.has_event = false;
        if (key->within_us > 0) {
            TM_TRY(find_in_range(block, key, range, &given, &given_us, err));
        }
        if (given.seq > 0 && (found.seq == 0 || given_us > event_us)) {
            found = given;
        }
    }
    if (found.seq > 0) { /* the caller reads the answer */
        TM_TRY(tm__block_seek(block, found.seq, err));
    }
    *out = found;
    return TM_OK;
}

/* ---- Removing ---- */

static tm_status remove_by_two(tm_db *db, const char *sql, tm_str text, int64_t number,
                               tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, sql, &stmt, err));
    tm__stmt_bind_str(stmt, 1, text);
    tm__stmt_bind_i64(stmt, 2, number);
    return tm__stmt_run_done(stmt, err);
}

static tm_status remove_range(tm_db *db, const char *sql, int64_t from, int64_t end, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, sql, &stmt, err));
    tm__stmt_bind_i64(stmt, 1, from);
    tm__stmt_bind_i64(stmt, 2, end);
    return tm__stmt_run_done(stmt, err);
}

static tm_status remove_moment(tm_db *db, const char *model, const tm_record *record, int64_t seq,
                               tm_err *err) {
    tm_stmt *stmt = NULL;
    if (record->entity.ptr == NULL) {
        return TM_OK;
    }
    TM_TRY(tm__stmt_init(db,
                         "DELETE FROM moments WHERE key = lookup_number(?) AND moment_us = ?"
                         " AND seq = ?",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, key_hash(model, record->entity, record->event_us != TM_INT_MISSING));
    tm__stmt_bind_i64(stmt, 2, tm__record_moment(record));
    tm__stmt_bind_i64(stmt, 3, seq);
    return tm__stmt_run_done(stmt, err);
}

/* Ids of a block have few beginnings, and those beside one another mostly the same. */
tm_status tm__block_take_out_locked(tm_block *block, const char *model, int64_t first_seq,
                                    tm_err *err) {
    char last[PREFIX_BYTES + 1] = "";
    TM_TRY(tm__block_seek(block, first_seq, err));
    const int64_t end = block->first_seq + block->n;
    for (int64_t seq = first_seq; seq < end; seq++) {
        TM_TRY(tm__block_seek(block, seq, err));
        TM_TRY(remove_moment(block->db, model, &block->record, seq, err));
        const tm_str prefix = id_prefix(block->record.id);
        if (!tm__str_is(prefix, last)) {
            TM_TRY(remove_by_two(block->db, "DELETE FROM spans WHERE prefix = ? AND first_seq = ?",
                                 prefix, first_seq, err));
            (void)tm__str_copy(last, sizeof(last), prefix);
        }
    }
    block->first_seq = 0; /* what was read is gone */
    return remove_range(block->db, "DELETE FROM blocks WHERE first_seq >= ? AND first_seq < ?",
                        first_seq, end, err);
}

tm_status tm__block_remove_locked(tm_block *block, const char *model, int64_t first_seq,
                                  tm_err *err) {
    TM_TRY(tm__block_seek(block, first_seq, err));
    const int64_t end = block->first_seq + block->n;
    TM_TRY(remove_range(block->db, "DELETE FROM labels WHERE answer_seq >= ? AND answer_seq < ?",
                        first_seq, end, err));
    return tm__block_take_out_locked(block, model, first_seq, err);
}

/* ---- Writing ---- */

typedef struct tm_id_span {
    tm_str prefix, first, last; /* views into the block */
} tm_id_span;

/* A block that is being filled. */
typedef struct tm_filling {
    const tm_block_batch *batch;
    tm_stream *stream;
    int64_t first_seq;
    tm_str part;  /* of a run, records that are not in bytes yet: a block of one run is no copy */
    tm_buf bytes; /* of runs before it */
    tm_buf packed;
    uint32_t n;
    int64_t first_us, last_us;
    bool has_entities;
    tm_id_span *spans; /* [n_spans], room for one a record */
    uint32_t n_spans;
} tm_filling;

static tm_status stream_row(tm_db *db, tm_stream *stream, tm_err *err) {
    if (stream->row_id != 0) {
        return TM_OK;
    }
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "INSERT INTO streams(route, model, version, columns, arm, share)"
                         " VALUES(?, ?, ?, ?, ?, ?)"
                         " ON CONFLICT DO UPDATE SET route = route RETURNING id",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, stream->route);
    tm__stmt_bind_text(stmt, 2, stream->model);
    tm__stmt_bind_i64(stmt, 3, stream->version);
    tm__stmt_bind_text(stmt, 4, stream->columns);
    tm__stmt_bind_text(stmt, 5, stream->arm);
    tm__stmt_bind_f64(stmt, 6, stream->share);
    bool has_row = false;
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        stream->row_id = tm__stmt_i64(stmt, 0);
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__log_end(tm_db *db, int64_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(
        db,
        "SELECT max(coalesce((SELECT first_seq + n FROM blocks ORDER BY first_seq DESC LIMIT 1), "
        "1),"
        " coalesce((SELECT n FROM counters WHERE model = '' AND name = 'next_seq'), 1))",
        &stmt, err));
    bool has_row = false;
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    *out = st == TM_OK && has_row ? tm__stmt_i64(stmt, 0) : 1;
    tm__stmt_done(stmt);
    return st;
}

/* Packed; as they are when they cannot be, such as records of a spill file of another kind. */
static tm_status pack(tm_filling *f, tm_str *out, tm_err *err) {
    tm__buf_reset(&f->packed);
    const bool is_packed = tm__block_pack(f->part, &f->packed);
    if (f->packed.failed) {
        f->packed.failed = false;
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    *out = is_packed ? (tm_str){(const char *)f->packed.data, f->packed.len} : f->part;
    return TM_OK;
}

static tm_status insert_block(tm_filling *f, tm_err *err) {
    tm_stmt *stmt = NULL;
    tm_str data = {0};
    TM_TRY(pack(f, &data, err));
    TM_TRY(tm__stmt_init(f->batch->db,
                         "INSERT INTO blocks(first_seq, n, stream, first_us, last_us, data)"
                         " VALUES(?1, ?2, ?3, ?4, ?5, seal('blocks.data', ?1, ?6))",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, f->first_seq);
    tm__stmt_bind_i64(stmt, 2, f->n);
    tm__stmt_bind_i64(stmt, 3, f->stream->row_id);
    tm__stmt_bind_i64(stmt, 4, f->first_us);
    tm__stmt_bind_i64(stmt, 5, f->last_us);
    tm__stmt_bind_blob_view(stmt, 6, data.ptr, data.len);
    return tm__stmt_run_done(stmt, err);
}

static tm_status insert_span(const tm_filling *f, const tm_id_span *span, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(f->batch->db,
                         "INSERT INTO spans(prefix, last_id, first_id, first_seq)"
                         " VALUES(?, ?, ?, ?)",
                         &stmt, err));
    tm__stmt_bind_str(stmt, 1, span->prefix);
    tm__stmt_bind_str(stmt, 2, span->last);
    tm__stmt_bind_str(stmt, 3, span->first);
    tm__stmt_bind_i64(stmt, 4, f->first_seq);
    return tm__stmt_run_done(stmt, err);
}

static void add_to_spans(tm_filling *f, tm_str id) {
    const tm_str prefix = id_prefix(id);
    uint32_t i = 0;
    while (i < f->n_spans && !tm__str_eq(f->spans[i].prefix, prefix)) {
        i++;
    }
    if (i == f->n_spans) {
        f->spans[f->n_spans++] = (tm_id_span){prefix, id, id};
        return;
    }
    tm_id_span *span = &f->spans[i];
    span->first = tm__str_compare(id, span->first) < 0 ? id : span->first;
    span->last = tm__str_compare(id, span->last) > 0 ? id : span->last;
}

tm_status tm__block_add_moment_locked(tm_db *db, const char *model, const tm_record *record,
                                      int64_t seq, tm_err *err) {
    if (record->entity.ptr == NULL) {
        return TM_OK;
    }
    const bool has_event = record->event_us != TM_INT_MISSING;
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "INSERT OR IGNORE INTO moments(key, moment_us, seq)"
                         " VALUES(lookup_number(?), ?, ?)",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, key_hash(model, record->entity, has_event));
    tm__stmt_bind_i64(stmt, 2, tm__record_moment(record));
    tm__stmt_bind_i64(stmt, 3, seq);
    return tm__stmt_run_done(stmt, err);
}

static tm_status any_row(tm_stmt *stmt, bool *out, tm_err *err) {
    bool has_row = false;
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    *out = *out || has_row;
    tm__stmt_done(stmt);
    return st;
}

/* Does a label wait for an answer of the block? May say yes when none does. */
static tm_status block_is_awaited(const tm_filling *f, bool *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    *out = false;
    for (uint32_t i = 0; i < f->n_spans && !*out; i++) {
        TM_TRY(tm__stmt_init(f->batch->db,
                             "SELECT 1 FROM labels WHERE state = 0 AND prediction_id >= ?"
                             " AND prediction_id <= ? LIMIT 1",
                             &stmt, err));
        tm__stmt_bind_str(stmt, 1, f->spans[i].first);
        tm__stmt_bind_str(stmt, 2, f->spans[i].last);
        TM_TRY(any_row(stmt, out, err));
    }
    if (!f->has_entities || *out) {
        return TM_OK;
    }
    TM_TRY(tm__stmt_init(f->batch->db,
                         "SELECT 1 FROM labels WHERE state = 0 AND prediction_id IS NULL"
                         " AND model = ? LIMIT 1",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, f->stream->model);
    return any_row(stmt, out, err);
}

static tm_status take_labels(const tm_filling *f, tm_err *err) {
    bool is_awaited = false;
    TM_TRY(block_is_awaited(f, &is_awaited, err));
    tm_str rest = f->part;
    tm_record record;
    for (int64_t seq = f->first_seq; is_awaited && tm__record_read(&rest, &record); seq++) {
        const tm_fresh fresh = {&record, f->stream, seq};
        TM_TRY(tm__log_take_waiting_locked(f->batch->db, &fresh, f->batch->tally, err));
    }
    return TM_OK;
}

/* What an index of SQLite holds of each answer. */
static tm_status index_records(tm_filling *f, tm_err *err) {
    f->spans = tm__mem_alloc(f->n, sizeof *f->spans);
    if (f->spans == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    tm_str rest = f->part;
    tm_record record;
    const bool is_shadow = strcmp(f->stream->arm, TM_SHADOW_ARM) == 0;
    for (int64_t seq = f->first_seq; tm__record_read(&rest, &record); seq++) {
        add_to_spans(f, record.id);
        record.entity.ptr = is_shadow ? NULL : record.entity.ptr; /* its twin is asked for by it */
        f->has_entities = f->has_entities || record.entity.ptr != NULL;
        f->first_us = record.at_us < f->first_us ? record.at_us : f->first_us;
        f->last_us = record.at_us > f->last_us ? record.at_us : f->last_us;
        TM_TRY(tm__block_add_moment_locked(f->batch->db, f->stream->model, &record, seq, err));
    }
    return TM_OK;
}

static tm_status put_block(tm_filling *f, tm_err *err) {
    f->first_us = INT64_MAX;
    f->last_us = INT64_MIN;
    TM_TRY(index_records(f, err));
    TM_TRY(insert_block(f, err));
    for (uint32_t i = 0; i < f->n_spans; i++) {
        TM_TRY(insert_span(f, &f->spans[i], err));
    }
    return TM_OK;
}

static tm_status write_block(tm_filling *f, tm_err *err) {
    TM_TRY(put_block(f, err));
    return take_labels(f, err);
}

/* The part behind what was gathered before; then it is empty. */
static tm_status gather(tm_filling *f, tm_err *err) {
    if (!tm__buf_append(&f->bytes, f->part.ptr, f->part.len)) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    f->part = (tm_str){0};
    return TM_OK;
}

/* Write what is gathered, if anything is, and begin anew. */
static tm_status close_block(tm_filling *f, tm_err *err) {
    if (f->n == 0) {
        return TM_OK;
    }
    if (f->bytes.len > 0) {
        TM_TRY(gather(f, err));
        f->part = (tm_str){(const char *)f->bytes.data, f->bytes.len};
    }
    f->has_entities = false;
    f->n_spans = 0;
    const tm_status st = write_block(f, err);
    tm__mem_free(f->spans);
    f->spans = NULL;
    f->batch->tally->n_written += st == TM_OK ? f->n : 0;
    f->first_seq += f->n;
    f->n = 0;
    f->part = (tm_str){0};
    tm__buf_reset(&f->bytes);
    return st;
}

static tm_status is_there(const tm_filling *f, const uint8_t *bytes, size_t size, bool *out,
                          tm_err *err) {
    tm_str rest = {(const char *)bytes, size};
    tm_record record;
    tm_block block;
    int64_t seq = 0;
    tm_status st = TM_OK;
    tm__block_init(&block, f->batch->db);
    if (tm__record_read(&rest, &record)) {
        st = tm__block_find(&block, record.id, &seq, err);
    }
    *out = seq > 0;
    tm__block_done(&block);
    return st;
}

static tm_status add_run(tm_filling *f, const uint8_t *at, uint32_t n, tm_err *err) {
    TM_TRY(gather(f, err)); /* what is left of the run before */
    f->part.ptr = (const char *)at;
    for (uint32_t i = 0; i < n; i++) {
        const size_t size = tm__record_size(at);
        bool is_known = false;
        __builtin_prefetch(at + 4 * size); /* they are of another core, and mostly of one size */
        if (f->batch->must_look) {
            TM_TRY(is_there(f, at, size, &is_known, err));
        }
        at += size;
        f->part.len += is_known ? 0 : size;
        f->n += is_known ? 0 : 1;
        if (is_known) { /* what comes next is not behind the part */
            TM_TRY(gather(f, err));
            f->part.ptr = (const char *)at;
        } else if (f->bytes.len + f->part.len >= BLOCK_BYTES) {
            TM_TRY(close_block(f, err));
            f->part.ptr = (const char *)at;
        }
    }
    return TM_OK;
}

tm_status tm__block_write_locked(const tm_block_batch *batch, tm_stream *stream, tm_err *err) {
    tm_filling f = {.batch = batch, .stream = stream};
    tm__buf_init(&f.bytes, TM_MONITOR_BYTES);
    tm__buf_init(&f.packed, 4 * TM_MONITOR_BYTES);
    tm_status st = stream_row(batch->db, stream, err);
    st = st == TM_OK ? tm__log_end(batch->db, &f.first_seq, err) : st;
    const uint8_t *data = batch->runs->data;
    for (size_t at = 0; st == TM_OK && at < batch->runs->len;) {
        tm_run run;
        memcpy(&run, data + at, sizeof(run));
        at += sizeof(run);
        if (run.stream == stream) {
            st = add_run(&f, data + at, run.n, err);
        }
        at += run.size;
    }
    st = st == TM_OK ? close_block(&f, err) : st;
    tm__buf_done(&f.bytes);
    tm__buf_done(&f.packed);
    return st;
}

tm_status tm__block_put_locked(tm_db *db, tm_stream *stream, int64_t first_seq, uint32_t n,
                               tm_str records, tm_err *err) {
    const tm_block_batch batch = {.db = db};
    tm_filling f = {
        .batch = &batch, .stream = stream, .first_seq = first_seq, .part = records, .n = n};
    tm__buf_init(&f.packed, 4 * TM_MONITOR_BYTES);
    const tm_status st = put_block(&f, err);
    tm__mem_free(f.spans);
    tm__buf_done(&f.packed);
    return st;
}
