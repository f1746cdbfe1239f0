/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/recent_totals.h"

#include "base/mem.h"
#include "monitor/monitor_priv.h"

void tm__recent_totals_done(tm_recent_totals *totals) {
    tm__mem_free(totals->list);
    *totals = (tm_recent_totals){0};
}

static tm_recent_total *find_total(const tm_recent_totals *self, int64_t stream) {
    for (uint32_t i = 0; i < self->n; i++) {
        if (self->list[i].stream == stream) {
            return &self->list[i];
        }
    }
    return NULL;
}

static tm_status add_total(tm_recent_totals *self, const tm_recent_total *more, tm_err *err) {
    tm_recent_total *t = find_total(self, more->stream);
    if (t == NULL && self->n == self->n_room) {
        const uint32_t room = self->n_room == 0 ? 16 : 2 * self->n_room;
        tm_recent_total *grown = tm__mem_realloc(self->list, room, sizeof(*grown));
        if (grown == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory for live scores");
        }
        self->list = grown;
        self->n_room = room;
    }
    if (t == NULL) {
        self->list[self->n++] = *more;
        return TM_OK;
    }
    t->n += more->n;
    t->first_us = more->first_us < t->first_us ? more->first_us : t->first_us;
    t->last_us = more->last_us > t->last_us ? more->last_us : t->last_us;
    return TM_OK;
}

/* All at first, by the index alone; then those from next_seq on, a row each. */
tm_status tm__recent_totals_read(tm_recent_totals *self, tm_db *db, tm_err *err) {
    tm_stmt *stmt = NULL;
    int64_t end = 0;
    TM_TRY(tm__log_end(db, &end, err));
    if (end == self->next_seq) {
        return TM_OK;
    }
    if (self->next_seq == 0) {
        self->n = 0; /* of a first look that failed half way */
        TM_TRY(tm__stmt_init(db,
                             "SELECT stream, sum(n), min(first_us), max(last_us) FROM blocks"
                             " GROUP BY stream",
                             &stmt, err));
    } else {
        TM_TRY(tm__stmt_init(db,
                             "SELECT stream, n, first_us, last_us FROM blocks"
                             " WHERE first_seq >= ? ORDER BY first_seq",
                             &stmt, err));
        tm__stmt_bind_i64(stmt, 1, self->next_seq);
    }
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        const tm_recent_total more = {tm__stmt_i64(stmt, 0), (uint64_t)tm__stmt_i64(stmt, 1),
                                      tm__stmt_i64(stmt, 2), tm__stmt_i64(stmt, 3)};
        st = add_total(self, &more, err);
    }
    tm__stmt_done(stmt);
    /* Half of the news cannot be taken back: then all is counted anew. */
    self->next_seq = st == TM_OK ? end : 0;
    return st;
}

const tm_recent_total *tm__recent_totals_find(const tm_recent_totals *totals, int64_t stream) {
    return find_total(totals, stream);
}
