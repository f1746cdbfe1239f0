/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/label_count.h"

#include "monitor/monitor_priv.h"

#define STREAMS "(SELECT id FROM streams WHERE model = ?1)"

typedef struct counting {
    const tm_label_ask *ask;
    tm_label_counted counted;
} counting;

static void bind(tm_stmt *stmt, const tm_label_ask *ask) {
    tm__stmt_bind_text(stmt, 1, ask->model);
    tm__stmt_bind_i64(stmt, 2, ask->from_us);
    tm__stmt_bind_i64(stmt, 3, ask->until_us);
}

/* One number by a query of the model and the time. */
static tm_status number(tm_db *db, const tm_label_ask *ask, const char *sql, uint64_t *out,
                        tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, sql, &stmt, err));
    bind(stmt, ask);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    *out = st == TM_OK && has_row ? (uint64_t)tm__stmt_i64(stmt, 0) : 0;
    tm__stmt_done(stmt);
    return st;
}

static tm_status count_in_block(counting *c, tm_block *block, int64_t first_seq, tm_err *err) {
    TM_TRY(tm__block_seek(block, first_seq, err));
    const int64_t end = block->first_seq + block->n;
    for (int64_t seq = first_seq; seq < end; seq++) {
        TM_TRY(tm__block_seek(block, seq, err));
        const int64_t us = block->record.at_us;
        c->counted.n_answers += us >= c->ask->from_us && us < c->ask->until_us;
    }
    return TM_OK;
}

/* Blocks that an end of the time lies in. */
static tm_status count_ends(counting *c, tm_db *db, tm_err *err) {
    tm_stmt *stmt = NULL;
    tm_block block;
    TM_TRY(tm__stmt_init(db,
                         "SELECT first_seq FROM blocks WHERE stream IN " STREAMS
                         " AND last_us >= ?2 AND first_us < ?3"
                         " AND NOT (first_us >= ?2 AND last_us < ?3)",
                         &stmt, err));
    bind(stmt, c->ask);
    tm__block_init(&block, db);
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        st = count_in_block(c, &block, tm__stmt_i64(stmt, 0), err);
    }
    tm__block_done(&block);
    tm__stmt_done(stmt);
    return st;
}

static tm_status count(tm_db *db, void *arg, tm_err *err) {
    counting *const c = arg;
    c->counted = (tm_label_counted){0};
    TM_TRY(number(db, c->ask,
                  "SELECT sum(n) FROM blocks WHERE stream IN " STREAMS
                  " AND last_us < ?3 AND first_us >= ?2",
                  &c->counted.n_answers, err));
    TM_TRY(number(db, c->ask,
                  "SELECT count(*) FROM labels WHERE state = 1 AND stream IN " STREAMS
                  " AND at_us >= ?2 AND at_us < ?3",
                  &c->counted.n_labelled, err));
    return count_ends(c, db, err);
}

tm_status tm__label_count(tm_monitor *monitor, const tm_label_ask *ask, tm_label_counted *out,
                          tm_err *err) {
    counting c = {.ask = ask};
    TM_TRY(tm__log_read(monitor, count, &c, err));
    *out = c.counted;
    return TM_OK;
}
