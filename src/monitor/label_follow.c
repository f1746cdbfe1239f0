/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/label_follow.h"

#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "monitor/monitor_priv.h"

struct tm_label_follow {
    tm_db *db;
};

tm_status tm__label_follow_open(const tm_home *home, tm_label_follow **out, tm_err *err) {
    tm_label_follow *const follow = tm__mem_zalloc(1, sizeof(*follow));
    if (follow == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to follow labels");
    }
    const tm_status st = tm__log_open(tm__home_log_db(home), true, &follow->db, err);
    if (st != TM_OK) {
        tm__mem_free(follow);
        return st;
    }
    *out = follow;
    return TM_OK;
}

void tm__label_follow_close(tm_label_follow *follow) {
    if (follow != NULL) {
        tm__db_close(follow->db);
        tm__mem_free(follow);
    }
}

/* ---- the table ---- */

static tm_status read_row(tm_db *db, const char *model, tm_followed *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    *out = (tm_followed){0};
    (void)tm__str_copy(out->model, sizeof(out->model), tm__str(model));
    TM_TRY(tm__stmt_init(db,
                         "SELECT joined, waiting, duplicate, conflict, ambiguous, empty, bad,"
                         " missed, spec, source_us, next, at_us, source, problem FROM followed"
                         " WHERE model = ?",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        int col = 0;
        for (; col < TM_FOLLOWED_COUNTS; col++) {
            out->n[col] = (uint64_t)tm__stmt_i64(stmt, col);
        }
        out->spec = tm__stmt_i64(stmt, col++);
        out->source_us = tm__stmt_i64(stmt, col++);
        out->next = (uint64_t)tm__stmt_i64(stmt, col++);
        out->at_us = tm__stmt_i64(stmt, col++);
        (void)tm__str_copy(out->source, sizeof(out->source), tm__str(tm__stmt_text(stmt, col++)));
        (void)tm__str_copy(out->problem, sizeof(out->problem), tm__str(tm__stmt_text(stmt, col)));
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status save_row_locked(tm_db *db, const tm_followed *row, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "INSERT OR REPLACE INTO followed(joined, waiting, duplicate, conflict,"
                         " ambiguous, empty, bad, missed, spec, source_us, next, at_us, source,"
                         " problem, model) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                         &stmt, err));
    int i = 1;
    for (; i <= TM_FOLLOWED_COUNTS; i++) {
        tm__stmt_bind_i64(stmt, i, (int64_t)row->n[i - 1]);
    }
    tm__stmt_bind_i64(stmt, i++, row->spec);
    tm__stmt_bind_i64(stmt, i++, row->source_us);
    tm__stmt_bind_i64(stmt, i++, (int64_t)row->next);
    tm__stmt_bind_i64(stmt, i++, row->at_us);
    tm__stmt_bind_text(stmt, i++, row->source);
    tm__stmt_bind_text(stmt, i++, row->problem);
    tm__stmt_bind_text(stmt, i, row->model);
    return tm__stmt_run_done(stmt, err);
}

tm_status tm__label_follow_read(tm_label_follow *follow, const char *model, tm_followed *out,
                                tm_err *err) {
    return read_row(follow->db, model, out, err);
}

/* ---- going on ---- */

static tm_status add_labels_locked(tm_db *db, const tm_label *labels, uint64_t n,
                                   tm_followed *after, tm_err *err) {
    static const tm_followed_count counts[] = {
        [TM_LABEL_JOINED] = TM_FOLLOWED_JOINED,       [TM_LABEL_WAITING] = TM_FOLLOWED_WAITING,
        [TM_LABEL_DUPLICATE] = TM_FOLLOWED_DUPLICATE, [TM_LABEL_CONFLICT] = TM_FOLLOWED_CONFLICT,
        [TM_LABEL_AMBIGUOUS] = TM_FOLLOWED_AMBIGUOUS,
    };
    tm_tally tally = {0};
    tm_block block;
    tm_status st = tm__log_stamp_locked(db, &tally.stamp_us, err);
    tm__block_init(&block, db);
    for (uint64_t i = 0; i < n && st == TM_OK; i++) {
        tm_label_result result = TM_LABEL_WAITING;
        st = tm__log_label_locked(&block, &labels[i], &tally, &result, err);
        after->n[counts[result]]++;
    }
    tm__block_done(&block);
    return st == TM_OK ? tm__log_count_tally_locked(db, &tally, err) : st;
}

static tm_status put_locked(tm_db *db, const tm_followed *before, const tm_label *labels,
                            uint64_t n, tm_followed *after, tm_err *err) {
    tm_followed now;
    TM_TRY(read_row(db, before->model, &now, err));
    if (strcmp(now.source, before->source) != 0 || now.spec != before->spec ||
        now.source_us != before->source_us || now.next != before->next) {
        return TM_FAIL(err, TM_E_CONFLICT, "another process follows the labels of '%s'",
                       before->model);
    }
    TM_TRY(n > 0 ? add_labels_locked(db, labels, n, after, err) : TM_OK);
    after->at_us = tm__now_us();
    return save_row_locked(db, after, err);
}

tm_status tm__label_follow_put(tm_label_follow *follow, const tm_followed *before,
                               const tm_label *labels, uint64_t n, tm_followed *io_after,
                               tm_err *err) {
    TM_ASSERT(n <= TM_LABEL_FOLLOW_PIECE);
    tm_followed after = *io_after;
    for (uint64_t i = 0; i < n; i++) {
        TM_TRY(tm__label_check(&labels[i], i, err));
    }
    TM_TRY(tm__db_begin(follow->db, err));
    TM_TRY(tm__db_end(follow->db, put_locked(follow->db, before, labels, n, &after, err), err));
    *io_after = after;
    return TM_OK;
}

/* ---- what it says ---- */

typedef struct asking {
    const char *model;
    tm_followed found;
} asking;

static tm_status read_followed(tm_db *db, void *arg, tm_err *err) {
    asking *const a = arg;
    return read_row(db, a->model, &a->found, err);
}

tm_status tm__monitor_followed(tm_monitor *monitor, const char *model, json_t **out, tm_err *err) {
    static const char *const names[TM_FOLLOWED_COUNTS] = {"joined",    "unknown",   "duplicates",
                                                          "conflicts", "ambiguous", "without_label",
                                                          "bad",       "missed"};
    asking a = {.model = model};
    TM_TRY(tm__log_read(monitor, read_followed, &a, err));
    const tm_followed *const found = &a.found;
    if (found->source[0] == '\0') {
        *out = json_null();
        return TM_OK;
    }
    json_t *const made =
        json_pack("{s:s, s:I}", "source", found->source, "next", (json_int_t)found->next);
    for (uint32_t i = 0; i < TM_FOLLOWED_COUNTS; i++) {
        json_object_set_new(made, names[i], json_integer((json_int_t)found->n[i]));
    }
    json_object_set_new(made, "at", tm__json_time(found->at_us));
    json_object_set_new(made, "problem",
                        found->problem[0] != '\0' ? json_string(found->problem) : json_null());
    return tm__json_give(TM_OK, made, out, err);
}
