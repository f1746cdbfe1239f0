/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     blocks of the time ──> records ─┐
 *     labels by answer number ────────┴──> rows
 *
 * In pieces, each one read transaction: a long walk keeps no write-ahead log from being taken over.
 * Blocks never change, so pieces fit together.
 */
#include "monitor/monitor_walk.h"

#include <string.h>

#include "base/mem.h"
#include "monitor/monitor_priv.h"

#define PIECE_BLOCKS 64u

/* What the records of a stream share. */
typedef struct walk_stream {
    struct walk_stream *next;
    int64_t id;
    char *route, *arm; /* owned */
    uint32_t version;
    double share;
} walk_stream;

typedef struct walking {
    const tm_walk_options *options;
    tm_status (*fn)(void *arg, const tm_walk_row *row, tm_err *err);
    void *arg;
    tm_columns *columns;
    walk_stream *streams;
    double *outputs; /* [outputs_max], owned */
    uint32_t outputs_max;
    int64_t next_seq, end_seq;
} walking;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* ---- Streams ---- */

static tm_status stream_add(walking *w, tm_stmt *stmt, int64_t id, tm_err *err) {
    walk_stream *const made = tm__mem_zalloc(1, sizeof(*made));
    if (made == NULL) {
        return no_memory(err);
    }
    made->next = w->streams;
    w->streams = made;
    made->id = id;
    made->route = tm__mem_strdup(tm__stmt_text(stmt, 0));
    made->arm = tm__mem_strdup(tm__stmt_text(stmt, 1));
    made->version = (uint32_t)tm__stmt_i64(stmt, 2);
    made->share = tm__stmt_f64(stmt, 3);
    return made->route != NULL && made->arm != NULL ? TM_OK : no_memory(err);
}

static tm_status stream_get(walking *w, tm_db *db, int64_t id, const walk_stream **out,
                            tm_err *err) {
    for (*out = w->streams; *out != NULL; *out = (*out)->next) {
        if ((*out)->id == id) {
            return TM_OK;
        }
    }
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, "SELECT route, arm, version, share FROM streams WHERE id = ?", &stmt,
                         err));
    tm__stmt_bind_i64(stmt, 1, id);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        st = has_row ? stream_add(w, stmt, id, err)
                     : TM_FAIL(err, TM_E_INTEGRITY, "the log lacks a stream of answers");
    }
    tm__stmt_done(stmt);
    *out = w->streams;
    return st;
}

static void walking_done(walking *w) {
    for (walk_stream *s = w->streams, *next = NULL; s != NULL; s = next) {
        next = s->next;
        tm__mem_free(s->route);
        tm__mem_free(s->arm);
        tm__mem_free(s);
    }
    tm__columns_free(w->columns);
    tm__mem_free(w->outputs);
}

/* ---- Rows ---- */

static tm_status read_outputs(walking *w, const tm_record *record, tm_err *err) {
    if (record->n_outputs > w->outputs_max) {
        tm__mem_free(w->outputs);
        w->outputs = tm__mem_alloc(record->n_outputs, sizeof(double));
        w->outputs_max = w->outputs == NULL ? 0 : record->n_outputs;
        if (w->outputs == NULL) {
            return no_memory(err);
        }
    }
    for (uint32_t i = 0; i < record->n_outputs; i++) {
        w->outputs[i] = tm__record_output(record, i);
    }
    return TM_OK;
}

static tm_status take_row(walking *w, tm_block *block, const walk_stream *stream, tm_stmt *label,
                          tm_err *err) {
    const tm_record *const record = &block->record;
    const tm_columns *columns = NULL;
    TM_TRY(tm__columns_of(block, &w->columns, &columns, err));
    if (!tm__record_cells(record, columns->cells, columns->n)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the log has an answer with a damaged row");
    }
    TM_TRY(read_outputs(w, record, err));
    tm_walk_row row = {.number = block->seq,
                       .stream = block->stream,
                       .at_us = record->at_us,
                       .event_us = record->event_us,
                       .entity = record->entity,
                       .route = stream->route,
                       .arm = stream->arm,
                       .version = stream->version,
                       .share = stream->share,
                       .latency_us = record->latency_us,
                       .n_cells = columns->n,
                       .n_outputs = record->n_outputs,
                       .names = columns->names,
                       .cells = columns->cells,
                       .outputs = w->outputs};
    (void)tm__str_copy(row.id, sizeof(row.id), record->id);
    if (label != NULL) {
        row.label = tm__stmt_text(label, 1);
        row.known_us = tm__stmt_i64(label, 2);
        row.joined_us = tm__stmt_i64(label, 3);
        row.origin = tm__stmt_text(label, 4);
    }
    return w->fn(w->arg, &row, err);
}

/* labels stands at the first label of the block, if there is one. */
static tm_status walk_block(walking *w, tm_block *block, int64_t first_seq, tm_stmt *labels,
                            tm_err *err) {
    const walk_stream *stream = NULL;
    bool has_label = false;
    TM_TRY(tm__block_seek(block, first_seq, err));
    TM_TRY(stream_get(w, block->db, block->stream, &stream, err));
    const int64_t end = block->first_seq + block->n;
    tm__stmt_bind_i64(labels, 1, first_seq);
    tm__stmt_bind_i64(labels, 2, end);
    TM_TRY(tm__stmt_step(labels, &has_label, err));
    for (int64_t seq = first_seq; seq < end; seq++) {
        TM_TRY(tm__block_seek(block, seq, err));
        while (has_label && tm__stmt_i64(labels, 0) < seq) {
            TM_TRY(tm__stmt_step(labels, &has_label, err));
        }
        const int64_t us = block->record.at_us;
        if (us >= w->options->from_us && us < w->options->until_us) {
            const bool is_it = has_label && tm__stmt_i64(labels, 0) == seq;
            TM_TRY(take_row(w, block, stream, is_it ? labels : NULL, err));
        }
    }
    return TM_OK;
}

static tm_status walk_labelled(walking *w, tm_block *block, int64_t first_seq, tm_err *err) {
    tm_stmt *labels = NULL;
    TM_TRY(tm__stmt_init(block->db,
                         "SELECT answer_seq, " TM_LABEL_VALUE
                         ", observed_us, joined_us, origin FROM labels"
                         " WHERE answer_seq >= ? AND answer_seq < ? ORDER BY answer_seq",
                         &labels, err));
    const tm_status st = walk_block(w, block, first_seq, labels, err);
    tm__stmt_done(labels);
    return st;
}

static tm_status find_end(tm_db *db, void *arg, tm_err *err) {
    walking *const w = arg;
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, "SELECT first_seq + n FROM blocks ORDER BY first_seq DESC LIMIT 1",
                         &stmt, err));
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    w->end_seq = st == TM_OK && has_row ? tm__stmt_i64(stmt, 0) : 0;
    tm__stmt_done(stmt);
    return st;
}

static tm_status walk_piece(tm_db *db, void *arg, tm_err *err) {
    walking *const w = arg;
    tm_stmt *stmt = NULL;
    tm_block block;
    int64_t firsts[PIECE_BLOCKS];
    uint32_t n = 0;
    TM_TRY(tm__stmt_init(db,
                         "SELECT first_seq FROM blocks WHERE first_seq >= ?1 AND first_seq < ?2"
                         " AND stream IN (SELECT id FROM streams WHERE model = ?3 AND"
                         " (?4 = 0 OR version = ?4)) AND last_us >= ?5 AND first_us < ?6"
                         " ORDER BY first_seq",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, w->next_seq);
    tm__stmt_bind_i64(stmt, 2, w->end_seq);
    tm__stmt_bind_text(stmt, 3, w->options->model);
    tm__stmt_bind_i64(stmt, 4, w->options->version);
    tm__stmt_bind_i64(stmt, 5, w->options->from_us);
    tm__stmt_bind_i64(stmt, 6, w->options->until_us);
    tm_status st = TM_OK;
    while (n < PIECE_BLOCKS && tm__stmt_next(stmt, &st, err)) {
        firsts[n++] = tm__stmt_i64(stmt, 0);
    }
    tm__stmt_done(stmt);
    tm__block_init(&block, db);
    for (uint32_t i = 0; st == TM_OK && i < n; i++) {
        st = walk_labelled(w, &block, firsts[i], err);
    }
    tm__block_done(&block);
    w->next_seq = n == PIECE_BLOCKS ? firsts[n - 1] + 1 : w->end_seq;
    return st;
}

tm_status tm__monitor_walk(tm_monitor *monitor, const tm_walk_options *options,
                           tm_status (*fn)(void *arg, const tm_walk_row *row, tm_err *err),
                           void *arg, tm_err *err) {
    walking w = {.options = options, .fn = fn, .arg = arg, .next_seq = 1};
    tm_status st = tm__log_read(monitor, find_end, &w, err);
    while (st == TM_OK && w.next_seq < w.end_seq) {
        st = tm__log_read(monitor, walk_piece, &w, err);
    }
    walking_done(&w);
    return st;
}
