/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading what live scores are made of, and putting it together.
 *
 *     answers of the time, labels beside them ──> rows ──> windows ──> scores, bounds, estimates
 *     labels that joined in the time ───────────> rows ──> windows ──> scores
 *
 * 1. An answer is in one window, by when it was given or by its row's time.
 * 2. A label is in one arrival, by when it joined; its answer may be older than all windows.
 */
#include "monitor/monitor_live.h"

#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "monitor/monitor_live_priv.h"
#include "monitor/monitor_priv.h"

#define STREAMS                                                                                    \
    "(SELECT id FROM streams WHERE model = ?1 AND (?2 = 0 AND arm != 'shadow' OR version = ?2))"

typedef struct reading {
    const tm_live_options *options;
    tm_live_rows *rows, *arrived;
    uint64_t n_dropped;
    double *outputs; /* [n_outputs], room */
    int64_t stream;  /* whose share is known; 0: none */
    double share;
} reading;

/* ---- rows ---- */

/* The share of a stream's answers that is logged; most have one after the other of the same. */
static tm_status share_of(reading *r, const tm_block *block, double *out, tm_err *err) {
    if (block->stream != r->stream) {
        tm_stmt *stmt = NULL;
        bool has_row = false;
        TM_TRY(tm__stmt_init(block->db, "SELECT share FROM streams WHERE id = ?", &stmt, err));
        tm__stmt_bind_i64(stmt, 1, block->stream);
        const tm_status st = tm__stmt_step(stmt, &has_row, err);
        r->share = st == TM_OK && has_row ? tm__stmt_f64(stmt, 0) : 1;
        r->stream = block->stream;
        tm__stmt_done(stmt);
        TM_TRY(st);
    }
    *out = r->share;
    return TM_OK;
}

static tm_status add_row(reading *r, tm_live_rows *rows, const tm_block *block, int64_t time_us,
                         const char *label, tm_err *err) {
    const tm_record *const record = &block->record;
    double share = 1;
    double y = tm__nan();
    const bool has_label = label != NULL && tm__label_number(rows->bundle, tm__str(label), &y);
    if (record->n_outputs != rows->n_outputs || (label != NULL && !has_label)) {
        rows->n_left_out++; /* of a version with other classes, or no number */
        return TM_OK;
    }
    if (rows->n == TM_LIVE_ROWS_MAX) {
        const tm_status st =
            TM_FAIL(err, TM_E_LIMIT, "more than %llu answers lie in the time asked for",
                    (unsigned long long)TM_LIVE_ROWS_MAX);
        tm_err_hint(err, "Ask for a shorter time with --since and --until.");
        return st;
    }
    for (uint32_t i = 0; i < rows->n_outputs; i++) {
        r->outputs[i] = tm__record_output(record, i);
    }
    TM_TRY(share_of(r, block, &share, err));
    const tm_live_row row = {time_us, has_label ? y : tm__nan(), 1 / share, r->outputs};
    return tm__live_rows_add(rows, &row, err);
}

static int64_t time_of(const reading *r, const tm_record *record) {
    return r->options->is_by_row ? tm__record_moment(record) : record->at_us;
}

static bool is_within(const reading *r, int64_t us) {
    return us >= r->options->from_us && us < r->options->until_us;
}

/* Answers of a block; labels stands at the first label of an answer that is not before them. */
static tm_status take_block(reading *r, tm_block *block, int64_t first_seq, tm_stmt *labels,
                            bool *has_label, tm_err *err) {
    TM_TRY(tm__block_seek(block, first_seq, err));
    const int64_t end = block->first_seq + block->n;
    for (int64_t seq = first_seq; seq < end; seq++) {
        TM_TRY(tm__block_seek(block, seq, err));
        while (*has_label && tm__stmt_i64(labels, 0) < seq) {
            TM_TRY(tm__stmt_step(labels, has_label, err));
        }
        const int64_t us = time_of(r, &block->record);
        const bool is_it = *has_label && tm__stmt_i64(labels, 0) == seq;
        if (is_within(r, us)) {
            TM_TRY(add_row(r, r->rows, block, us, is_it ? tm__stmt_text(labels, 1) : NULL, err));
        }
    }
    return TM_OK;
}

static tm_status walk(reading *r, tm_block *block, tm_stmt *blocks, tm_stmt *labels, tm_err *err) {
    bool has_block = true, has_label = false;
    TM_TRY(tm__stmt_step(labels, &has_label, err));
    for (;;) {
        TM_TRY(tm__stmt_step(blocks, &has_block, err));
        if (!has_block) {
            return TM_OK;
        }
        TM_TRY(take_block(r, block, tm__stmt_i64(blocks, 0), labels, &has_label, err));
    }
}

static void bind(const reading *r, tm_stmt *stmt, int64_t from_us, int64_t until_us) {
    tm__stmt_bind_text(stmt, 1, r->options->model);
    tm__stmt_bind_i64(stmt, 2, r->options->version);
    tm__stmt_bind_i64(stmt, 3, from_us);
    tm__stmt_bind_i64(stmt, 4, until_us);
}

static tm_status read_answers(reading *r, tm_block *block, tm_err *err) {
    /* A row's time says nothing of when it was answered. */
    const int64_t from_us = r->options->is_by_row ? INT64_MIN : r->options->from_us;
    const int64_t until_us = r->options->is_by_row ? INT64_MAX : r->options->until_us;
    tm_stmt *blocks = NULL, *labels = NULL;
    tm_status st = tm__stmt_init(block->db,
                                 "SELECT first_seq FROM blocks WHERE stream IN " STREAMS
                                 " AND last_us >= ?3 AND first_us < ?4 ORDER BY first_seq",
                                 &blocks, err);
    if (st == TM_OK) {
        st = tm__stmt_init(block->db,
                           "SELECT answer_seq, " TM_LABEL_VALUE
                           " FROM labels WHERE state = 1 AND stream IN " STREAMS
                           " AND at_us >= ?3 AND at_us < ?4 ORDER BY answer_seq",
                           &labels, err);
    }
    if (st == TM_OK) {
        bind(r, blocks, from_us, until_us);
        bind(r, labels, from_us, until_us);
        st = walk(r, block, blocks, labels, err);
    }
    tm__stmt_done(blocks);
    tm__stmt_done(labels);
    return st;
}

static tm_status read_arrivals(reading *r, tm_block *block, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(
        block->db,
        "SELECT answer_seq, " TM_LABEL_VALUE ", joined_us FROM labels WHERE state = 1"
        " AND stream IN " STREAMS " AND joined_us >= ?3 AND joined_us < ?4 ORDER BY answer_seq",
        &stmt, err));
    bind(r, stmt, r->options->is_by_row ? INT64_MIN : r->options->from_us,
         r->options->is_by_row ? INT64_MAX : r->options->until_us);
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        st = tm__block_seek(block, tm__stmt_i64(stmt, 0), err);
        if (st == TM_OK) {
            st = add_row(r, r->arrived, block, tm__stmt_i64(stmt, 2), tm__stmt_text(stmt, 1), err);
        }
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status read_dropped(reading *r, tm_db *db, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "SELECT coalesce(sum(dropped), 0) FROM lanes WHERE model = ?", &stmt,
                         err));
    tm__stmt_bind_text(stmt, 1, r->options->model);
    bool has_row = false;
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    r->n_dropped = st == TM_OK && has_row ? (uint64_t)tm__stmt_i64(stmt, 0) : 0;
    tm__stmt_done(stmt);
    return st;
}

static tm_status read_all(tm_db *db, void *arg, tm_err *err) {
    reading *r = arg;
    tm_block block;
    tm__block_init(&block, db);
    tm_status st = read_answers(r, &block, err);
    if (st == TM_OK) {
        st = read_arrivals(r, &block, err);
    }
    if (st == TM_OK) {
        st = read_dropped(r, db, err);
    }
    tm__block_done(&block);
    return st;
}

/* ---- what it says ---- */

static json_t *share_labelled(const tm_live_weight *weight) {
    return weight->all > 0 ? tm__json_number(weight->labelled / weight->all) : json_null();
}

static tm_status add_windows(const tm_live_rows *rows, const tm_windows *windows, json_t *live,
                             json_t *estimated, tm_err *err) {
    for (uint32_t i = 0; i < windows->n; i++) {
        const tm_live_part part = {rows, windows->starts[i], windows->starts[i + 1]};
        const uint64_t n = part.end - part.from, n_labelled = tm__live_labelled(&part);
        const tm_live_weight weight = tm__live_weight(&part);
        json_t *scores = NULL, *expected = NULL;
        TM_TRY(tm__live_scores(&part, true, &scores, err));
        json_t *entry = json_pack("{s:I, s:I, s:o, s:o}", "answers", (json_int_t)n, "labelled",
                                  (json_int_t)n_labelled, "coverage", share_labelled(&weight),
                                  "scores", scores);
        tm__window_to_json(windows, i, entry);
        json_array_append_new(live, entry);
        TM_TRY(tm__live_estimates(&part, &expected, err));
        entry = json_pack("{s:I, s:o}", "answers", (json_int_t)n, "scores", expected);
        tm__window_to_json(windows, i, entry);
        json_array_append_new(estimated, entry);
    }
    return tm__json_check(err);
}

static tm_status add_arrivals(tm_live_rows *rows, const tm_live_options *options, json_t *out,
                              tm_err *err) {
    tm_windows windows = {0};
    TM_TRY(tm__windows_init(rows, options, &windows, err));
    tm_status st = TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < windows.n; i++) {
        const tm_live_part part = {rows, windows.starts[i], windows.starts[i + 1]};
        json_t *scores = NULL;
        st = tm__live_scores(&part, false, &scores, err);
        if (st == TM_OK) {
            json_t *entry = json_pack("{s:I, s:o}", "labels", (json_int_t)(part.end - part.from),
                                      "scores", scores);
            tm__window_to_json(&windows, i, entry);
            json_array_append_new(out, entry);
        }
    }
    tm__windows_done(&windows);
    return st;
}

/* Labels of a class that training never saw. */
static uint64_t count_other(const tm_live_rows *rows) {
    const uint32_t n_classes = tm__bundle_classes(rows->bundle);
    uint64_t n = 0;
    for (uint64_t i = 0; i < rows->n && n_classes > 0; i++) {
        n += rows->y[i] >= n_classes;
    }
    return n;
}

static json_t *coverage_to_json(const reading *r) {
    const tm_live_part all = {r->rows, 0, r->rows->n};
    const tm_live_weight weight = tm__live_weight(&all);
    return json_pack("{s:I, s:I, s:I, s:o, s:o, s:I, s:I}", "answers", (json_int_t)all.end,
                     "labelled", (json_int_t)tm__live_labelled(&all), "other_class",
                     (json_int_t)count_other(r->rows), "stand_for", tm__json_number(weight.all),
                     "share", share_labelled(&weight), "left_out", (json_int_t)r->rows->n_left_out,
                     "dropped", (json_int_t)r->n_dropped);
}

static json_t *moment_to_json(int64_t us) {
    return us == INT64_MIN || us == INT64_MAX ? json_null() : tm__json_time(us);
}

static tm_status fill(const reading *r, const tm_windows *windows, json_t *out, tm_err *err) {
    const tm_live_part all = {r->rows, 0, r->rows->n};
    json_t *live = json_object(), *estimated = tm__live_estimate_about(r->rows->bundle);
    json_t *seen = json_array(), *expected = json_array(), *arrivals = json_array();
    json_t *scores = NULL, *estimates = NULL;
    json_object_set_new(out, "live", live);
    json_object_set_new(out, "estimated", estimated);
    json_object_set_new(out, "coverage", coverage_to_json(r));
    json_object_set_new(live, "windows", seen);
    json_object_set_new(live, "arrivals", arrivals);
    json_object_set_new(estimated, "windows", expected);
    TM_TRY(tm__live_scores(&all, true, &scores, err));
    json_object_set_new(live, "scores", scores);
    TM_TRY(tm__live_estimates(&all, &estimates, err));
    json_object_set_new(estimated, "scores", estimates);
    TM_TRY(add_windows(r->rows, windows, seen, expected, err));
    tm_live_options by_arrival = *r->options;
    by_arrival.window_us = windows->n > 0 ? windows->width_us : r->options->window_us;
    TM_TRY(add_arrivals(r->arrived, &by_arrival, arrivals, err));
    return tm__json_check(err);
}

static tm_status report_of(const reading *r, json_t **out, tm_err *err) {
    tm_windows windows = {0};
    TM_TRY(tm__windows_init(r->rows, r->options, &windows, err));
    const bool is_given = windows.n > 0 || r->options->window_us > 0;
    const int64_t width_us = windows.n > 0 ? windows.width_us : r->options->window_us;
    json_t *report = json_pack(
        "{s:s, s:o, s:o, s:o}", "clock", r->options->is_by_row ? "row" : "answered", "from",
        moment_to_json(r->options->from_us), "until", moment_to_json(r->options->until_us),
        "window_seconds", is_given ? tm__json_number((double)width_us / 1e6) : json_null());
    tm_status st = tm__json_check(err);
    if (st == TM_OK) {
        st = fill(r, &windows, report, err);
    }
    tm__windows_done(&windows);
    if (st == TM_OK) {
        *out = report;
    } else {
        json_decref(report);
    }
    return st;
}

tm_status tm__monitor_live_report(tm_monitor *monitor, const tm_bundle *bundle,
                                  const tm_live_options *options, json_t **out, tm_err *err) {
    tm_live_rows rows, arrived;
    tm__live_rows_init(&rows, bundle);
    tm__live_rows_init(&arrived, bundle);
    reading r = {.options = options, .rows = &rows, .arrived = &arrived};
    r.outputs = tm__mem_zalloc((size_t)rows.n_outputs + 1, sizeof(double));
    tm_status st = r.outputs == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory") : TM_OK;
    if (st == TM_OK) {
        st = tm__log_read(monitor, read_all, &r, err);
    }
    if (st == TM_OK) {
        st = report_of(&r, out, err);
    }
    tm__mem_free(r.outputs);
    tm__live_rows_done(&rows);
    tm__live_rows_done(&arrived);
    return st;
}
