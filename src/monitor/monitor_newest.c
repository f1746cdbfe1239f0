/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     streams of the route ─> newest blocks of each ─> newest of all, until they hold enough rows
 *                          ─> read forward from the oldest of these
 *
 * Blocks overlap in time, so "newest" is by their place in the log, which differs from the clock by
 * a commit at most.
 */
#include "monitor/monitor_newest.h"

#include "base/mem.h"
#include "monitor/monitor_priv.h"
#include "table/table.h"

#define BLOCKS_MAX 64u

typedef struct newest {
    const tm_newest_options *options;
    tm_buf *out;
    tm_columns *columns;
    int64_t firsts[BLOCKS_MAX]; /* newest first */
    int64_t counts[BLOCKS_MAX];
    uint32_t n_blocks;
    uint32_t n;
} newest;

/* Blocks that together hold as many rows as are wanted. */
static tm_status find_blocks(newest *self, tm_db *db, tm_err *err) {
    tm_stmt *stmt = NULL;
    int64_t n_rows = 0;
    TM_TRY(tm__stmt_init(db,
                         "SELECT b.first_seq, b.n FROM streams s JOIN blocks b ON b.first_seq IN"
                         " (SELECT first_seq FROM blocks WHERE stream = s.id"
                         " ORDER BY last_us DESC LIMIT ?3) WHERE s.model = ?1 AND s.route = ?2"
                         " ORDER BY b.first_seq DESC LIMIT ?3",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, self->options->model);
    tm__stmt_bind_text(stmt, 2, self->options->route);
    tm__stmt_bind_i64(stmt, 3, BLOCKS_MAX);
    tm_status st = TM_OK;
    while (n_rows < self->options->n_max && tm__stmt_next(stmt, &st, err)) {
        self->firsts[self->n_blocks] = tm__stmt_i64(stmt, 0);
        self->counts[self->n_blocks] = tm__stmt_i64(stmt, 1);
        n_rows += self->counts[self->n_blocks++];
    }
    tm__stmt_done(stmt);
    return st;
}

/* *out_full: no more fit. */
static tm_status add_row(newest *self, tm_block *block, bool *out_full, tm_err *err) {
    const tm_columns *columns = NULL;
    const size_t before = self->out->len;
    TM_TRY(tm__columns_of(block, &self->columns, &columns, err));
    if (!tm__record_cells(&block->record, columns->cells, columns->n)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the log has an answer with a damaged row");
    }
    if (!tm__row_write_json(columns->names, columns->cells, columns->n, self->out) ||
        !tm__buf_byte(self->out, '\n')) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for rows of the log");
    }
    *out_full = self->out->len > self->options->bytes_max;
    if (*out_full) {
        self->out->len = before;
    } else {
        self->n++;
    }
    return TM_OK;
}

static tm_status read_blocks(tm_db *db, void *arg, tm_err *err) {
    newest *const self = arg;
    tm_block block;
    bool is_full = false;
    int64_t n_all = 0;
    TM_TRY(find_blocks(self, db, err));
    for (uint32_t i = 0; i < self->n_blocks; i++) {
        n_all += self->counts[i];
    }
    /* Of the oldest block only what is wanted. */
    int64_t skip = n_all > self->options->n_max ? n_all - self->options->n_max : 0;
    tm_status st = TM_OK;
    tm__block_init(&block, db);
    for (uint32_t i = self->n_blocks; st == TM_OK && !is_full && i-- > 0; skip = 0) {
        const int64_t end = self->firsts[i] + self->counts[i];
        for (int64_t seq = self->firsts[i] + skip; st == TM_OK && !is_full && seq < end; seq++) {
            st = tm__block_seek(&block, seq, err);
            st = st == TM_OK ? add_row(self, &block, &is_full, err) : st;
        }
    }
    tm__block_done(&block);
    return st;
}

tm_status tm__monitor_newest(tm_monitor *monitor, const tm_newest_options *options, tm_buf *out,
                             uint32_t *out_n, tm_err *err) {
    newest self = {.options = options, .out = out};
    const tm_status st = tm__log_read(monitor, read_blocks, &self, err);
    tm__columns_free(self.columns);
    if (st == TM_OK) {
        *out_n = self.n;
    }
    return st;
}
