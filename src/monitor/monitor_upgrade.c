/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Format 1 of log.db had a row of SQLite for each answer, with its row as JSON; format 2 has blocks
 * of records. Answers keep their numbers: format 1 removed none, so they are 1, 2, 3, ... Format 3
 * finds an answer also by the time before that of its label. Format 6 has keyed hashes of entities,
 * which another key hashes once more.
 */
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "monitor/monitor_priv.h"
#include "store/db_lookup.h"

#define GROUP_BYTES ((size_t)1 << 20)

static const char upgrade_labels[] =
    "INSERT INTO joined SELECT l.seq, prediction_id, l.model, l.entity, l.event_us, value,"
    " observed_us, received_us, state, answer_seq,"
    " (SELECT stream FROM blocks WHERE first_seq <= answer_seq ORDER BY first_seq DESC LIMIT 1),"
    " a.at_us, a.labelled_us FROM labels l LEFT JOIN answers a ON a.seq = l.answer_seq;"
    "DROP TABLE labels; DROP TABLE answers; ALTER TABLE joined RENAME TO labels;" TM_LABEL_INDICES;

/* Answers of one stream, one after the other, to be written together. */
typedef struct tm_upgrade {
    tm_db *db;
    tm_stream *streams;
    tm_stream *stream; /* of the group */
    tm_buf runs;
    tm_tally tally;
    tm_cell *cells;
    uint32_t n_cells_max;
} tm_upgrade;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static tm_status write_group(tm_upgrade *u, tm_err *err) {
    const tm_block_batch batch = {.db = u->db, .runs = &u->runs, .tally = &u->tally};
    const tm_status st = u->stream == NULL ? TM_OK : tm__block_write_locked(&batch, u->stream, err);
    tm__buf_reset(&u->runs);
    return st;
}

/* The columns of a row: the names of its JSON, as JSON. */
static char *columns_of(const json_t *row) {
    json_t *names = json_array();
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)row, name, value) {
        (void)json_array_append_new(names, json_string(name));
    }
    tm_buf text;
    tm__buf_init(&text, SIZE_MAX / 2);
    const bool ok = tm__json_write(&text, names, 0);
    json_decref(names);
    if (!ok) {
        tm__buf_done(&text);
        return NULL;
    }
    size_t len = 0;
    return (char *)tm__buf_take(&text, &len);
}

static tm_status find_stream(tm_upgrade *u, tm_stmt *stmt, const json_t *row, tm_stream **out,
                             tm_err *err) {
    char *columns = columns_of(row);
    if (columns == NULL) {
        return no_memory(err);
    }
    const tm_stream spec = {.route = (char *)(uintptr_t)tm__stmt_text(stmt, 4),
                            .arm = (char[]){""},
                            .share = 1,
                            .model = (char *)(uintptr_t)tm__stmt_text(stmt, 5),
                            .version = (uint32_t)tm__stmt_i64(stmt, 6),
                            .columns = columns,
                            .n_columns = (uint32_t)json_object_size(row)};
    *out = tm__stream_find(&u->streams, &spec);
    tm__mem_free(columns);
    return *out == NULL ? no_memory(err) : TM_OK;
}

static tm_status row_cells(tm_upgrade *u, const json_t *row, tm_err *err) {
    const uint32_t n = (uint32_t)json_object_size(row);
    if (n > u->n_cells_max) {
        tm_cell *grown = tm__mem_realloc(u->cells, n, sizeof(*grown));
        if (grown == NULL) {
            return no_memory(err);
        }
        u->cells = grown;
        u->n_cells_max = n;
    }
    uint32_t i = 0;
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)row, name, value) {
        tm_cell *cell = &u->cells[i++];
        *cell = (tm_cell){.type = TM_TYPE_NONE};
        if (json_is_boolean(value)) {
            *cell = (tm_cell){.type = TM_TYPE_BOOL, .i64 = json_is_true(value)};
        } else if (json_is_integer(value)) {
            *cell = (tm_cell){.type = TM_TYPE_INT, .i64 = json_integer_value(value)};
        } else if (json_is_real(value)) {
            *cell = (tm_cell){.type = TM_TYPE_FLOAT, .f64 = json_real_value(value)};
        } else if (json_is_string(value)) {
            *cell = (tm_cell){.type = TM_TYPE_TEXT,
                              .text = {json_string_value(value), json_string_length(value)}};
        }
    }
    return TM_OK;
}

static tm_status append_answer(tm_upgrade *u, tm_stmt *stmt, const json_t *row, tm_err *err) {
    const tm_str outputs = tm__stmt_blob(stmt, 8);
    const uint32_t n_outputs = (uint32_t)(outputs.len / sizeof(double));
    TM_TRY(row_cells(u, row, err));
    double *values = tm__mem_alloc(n_outputs, sizeof(*values)); /* aligned */
    if (values == NULL) {
        return no_memory(err);
    }
    memcpy(values, outputs.ptr, n_outputs * sizeof(*values));
    tm_answer answer = {.event_us = tm__stmt_i64(stmt, 2),
                        .entity = {tm__stmt_text(stmt, 3), 0},
                        .cells = u->cells,
                        .outputs = values,
                        .n_cells = (uint32_t)json_object_size(row),
                        .n_outputs = n_outputs};
    answer.entity.len = answer.entity.ptr == NULL ? 0 : strlen(answer.entity.ptr);
    (void)tm__str_copy(answer.id, sizeof(answer.id), tm__str(tm__stmt_text(stmt, 0)));
    tm_run run = {.stream = u->stream, .n = 1};
    const size_t head_at = u->runs.len;
    const bool ok =
        tm__buf_append(&u->runs, &run, sizeof(run)) && tm__answer_append(&answer, &u->runs);
    tm__mem_free(values);
    if (!ok) {
        return no_memory(err);
    }
    run.size = (uint32_t)(u->runs.len - head_at - sizeof(run));
    memcpy(u->runs.data + head_at, &run, sizeof(run));
    (void)tm__record_stamp(u->runs.data + head_at + sizeof(run), tm__stmt_i64(stmt, 1),
                           (uint32_t)tm__stmt_i64(stmt, 9));
    return TM_OK;
}

static tm_status take_answer(tm_upgrade *u, tm_stmt *stmt, tm_err *err) {
    const char *text = tm__stmt_text(stmt, 7);
    json_t *row = NULL;
    TM_TRY(tm__json_parse(text, strlen(text), TM_MAX_JSON_DEPTH, &row, err));
    tm_stream *stream = NULL;
    tm_status st = find_stream(u, stmt, row, &stream, err);
    if (st == TM_OK && (stream != u->stream || u->runs.len > GROUP_BYTES)) {
        st = write_group(u, err);
        u->stream = stream;
    }
    st = st == TM_OK ? append_answer(u, stmt, row, err) : st;
    json_decref(row);
    return st;
}

static tm_status check_numbers(tm_db *db, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "SELECT count(*) = coalesce(max(seq), 0) FROM answers", &stmt, err));
    bool has_row = false;
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && tm__stmt_i64(stmt, 0) != 1) {
        st = TM_FAIL(err, TM_E_INTEGRITY, "the log lacks answers that it numbered");
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status take_answers(tm_upgrade *u, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(check_numbers(u->db, err));
    TM_TRY(tm__stmt_init(u->db,
                         "SELECT id, at_us, event_us, entity, route, model, version, row, outputs,"
                         " latency_us FROM answers ORDER BY seq",
                         &stmt, err));
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        st = take_answer(u, stmt, err);
    }
    tm__stmt_done(stmt);
    return st == TM_OK ? write_group(u, err) : st;
}

tm_status tm__log_upgrade_locked(tm_db *db, tm_err *err) {
    tm_upgrade u = {.db = db};
    tm__buf_init(&u.runs, SIZE_MAX / 2);
    tm_status st = take_answers(&u, err);
    st = st == TM_OK ? tm__db_exec(db, upgrade_labels, err) : st;
    tm__buf_done(&u.runs);
    tm__streams_free(u.streams);
    tm__mem_free(u.cells);
    return st;
}

/* ---- From 2 to 3 ---- */

static tm_status list_block(tm_block *block, int64_t first_seq, const char *model, tm_err *err) {
    TM_TRY(tm__block_seek(block, first_seq, err));
    const int64_t end = block->first_seq + block->n;
    for (int64_t seq = first_seq; seq < end; seq++) {
        TM_TRY(tm__block_seek(block, seq, err));
        TM_TRY(tm__block_add_moment_locked(block->db, model, &block->record, seq, err));
    }
    return TM_OK;
}

tm_status tm__log_moments_locked(tm_db *db, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "SELECT first_seq, model FROM blocks JOIN streams ON id = stream"
                         " ORDER BY first_seq",
                         &stmt, err));
    tm_block block;
    tm_status st = TM_OK;
    tm__block_init(&block, db);
    while (tm__stmt_next(stmt, &st, err)) {
        st = list_block(&block, tm__stmt_i64(stmt, 0), tm__stmt_text(stmt, 1), err);
    }
    tm__block_done(&block);
    tm__stmt_done(stmt);
    return st;
}

/* ---- From 5 to 6, and from one key to the next ---- */

#define HASH_ANEW(how)                                                                             \
    "UPDATE labels SET entity = lookup_text" how "(entity) WHERE entity IS NOT NULL;"              \
    "CREATE TABLE kept AS SELECT key, moment_us, seq FROM moments;"                                \
    "DELETE FROM moments;"                                                                         \
    "INSERT INTO moments(key, moment_us, seq) SELECT lookup_number" how "(key) AS k, moment_us,"   \
    " seq FROM kept ORDER BY k, moment_us, seq;"                                                   \
    "DROP TABLE kept;"

tm_status tm__log_lookup_locked(tm_db *db, tm_err *err) {
    static const char tables[] =
        /* What their pages held is still to be overwritten. */
        "INSERT OR REPLACE INTO counters(model, name, n) SELECT '', 'must_vacuum', 1 WHERE EXISTS"
        " (SELECT 1 FROM labels WHERE entity IS NOT NULL) OR EXISTS (SELECT 1 FROM "
        "moments);" HASH_ANEW("");
    TM_TRY(tm__db_lookup_make_locked(db, err));
    return tm__db_exec(db, tables, err);
}

tm_status tm__log_lookup_more_locked(tm_db *db, tm_err *err) {
    return tm__db_exec(db, TM_LOOKUP_MORE HASH_ANEW("_again"), err);
}
