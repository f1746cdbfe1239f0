/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   labels ── in the order of answers: each block is read once ──> errors ── sorted by when labels
 *   joined ──> minutes ── a look at each ──> changes
 *
 * 1. Errors are in [0, 1]; what is none (a label of no class, another number of outputs) is left
 * out.
 * 2. Chances of looks add up to TM_BUDGET_ERRORS in the budget's time.
 */
#include "monitor/label_errors.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "monitor/alert_teller.h"
#include "monitor/monitor_priv.h"

#define LOOK_LEAST 32u /* labels of a look, as ADWIN has it: more looks have less chance each */
#define RMSE_MOST 4.0  /* an error of so many times the test's RMSE and more is one of 1 */

/* ---- errors ---- */

double tm__errors_scale(const tm_bundle *bundle) {
    const tm_task task = tm__bundle_task(bundle);
    if (task == TM_TASK_RANKING) {
        return tm__nan();
    }
    if (task != TM_TASK_REGRESSION) {
        return 1;
    }
    const tm_reference *const reference = tm__bundle_reference(bundle);
    const json_t *const info = tm__bundle_info(bundle);
    double rmse = tm__json_f64(json_object_get(info, "test"), "rmse", tm__nan());
    if (reference != NULL && reference->loss_kind == TM_REF_LOSS_SQUARED) {
        rmse = tm__sqrt(reference->loss);
    }
    return rmse > 0 && isfinite(rmse) ? RMSE_MOST * rmse : tm__nan();
}

const char *tm__errors_name(const tm_bundle *bundle) {
    return tm__bundle_task(bundle) == TM_TASK_REGRESSION ? "absolute" : "brier";
}

/* outputs [n]: probability of the positive class, or one for each class. A class that training
 * never saw (y = the number of classes) had no probability. */
static double brier(const tm_record *record, double y) {
    const uint32_t n = record->n_outputs;
    double sum = 0;
    if (n == 1) {
        const double p = tm__record_output(record, 0);
        return y == 1 ? (1 - p) * (1 - p) : y == 0 ? p * p : 1;
    }
    for (uint32_t k = 0; k < n; k++) {
        const double gap = tm__record_output(record, k) - (y == (double)k ? 1 : 0);
        sum += gap * gap;
    }
    return (sum + (y >= (double)n ? 1 : 0)) / 2;
}

/* ---- reading ---- */

typedef struct reading {
    const tm_bundle *bundle;
    const tm_errors_ask *ask;
    double scale;
    tm_label_errors *out;
    uint64_t n_max;
} reading;

static tm_status add(reading *r, tm_label_error row, tm_err *err) {
    tm_label_errors *const out = r->out;
    if (out->n == r->n_max) {
        const uint64_t n_max = r->n_max == 0 ? 256 : 2 * r->n_max;
        tm_label_error *const rows = tm__mem_realloc(out->rows, n_max, sizeof(*rows));
        if (rows == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for the errors of labels");
        }
        out->rows = rows;
        r->n_max = n_max;
    }
    out->rows[out->n++] = row;
    return TM_OK;
}

static tm_status take(reading *r, const tm_record *record, const char *label, int64_t joined_us,
                      tm_err *err) {
    double y = 0;
    if (record->n_outputs != tm__bundle_outputs(r->bundle) ||
        !tm__label_number(r->bundle, tm__str(label), &y)) {
        return TM_OK;
    }
    const bool is_number = tm__bundle_task(r->bundle) == TM_TASK_REGRESSION;
    const double error =
        is_number ? fabs(y - tm__record_output(record, 0)) / r->scale : brier(record, y);
    const double capped = error > 1 ? 1 : error;
    return isnan(capped) ? TM_OK : add(r, (tm_label_error){joined_us, capped}, err);
}

static tm_status read_all(tm_db *db, void *arg, tm_err *err) {
    reading *const r = arg;
    tm_block block;
    tm_stmt *stmt = NULL;
    /* In the order of answers, so that each block is read once. */
    TM_TRY(tm__stmt_init(
        db,
        "SELECT answer_seq, " TM_LABEL_VALUE ", joined_us FROM (SELECT seq,"
        " answer_seq, value, joined_us FROM labels WHERE state = 1 AND stream IN (SELECT id FROM"
        " streams WHERE model = ?1 AND version = ?2) AND joined_us > ?3"
        " ORDER BY joined_us DESC LIMIT ?4) ORDER BY answer_seq",
        &stmt, err));
    tm__stmt_bind_text(stmt, 1, r->ask->model);
    tm__stmt_bind_i64(stmt, 2, r->ask->version);
    tm__stmt_bind_i64(stmt, 3, r->ask->after_us);
    tm__stmt_bind_i64(stmt, 4, (int64_t)TM_ERRORS_LABELS_MAX);
    tm__block_init(&block, db);
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        st = tm__block_seek(&block, tm__stmt_i64(stmt, 0), err);
        if (st == TM_OK) {
            st = take(r, &block.record, tm__stmt_text(stmt, 1), tm__stmt_i64(stmt, 2), err);
        }
    }
    tm__block_done(&block);
    tm__stmt_done(stmt);
    return st;
}

/* Labels of one commit joined at one moment: they keep the order of their answers, so errors that
 * are equal in time are told apart by their place. */
typedef struct placed {
    tm_label_error row;
    uint64_t place;
} placed;

static int compare(const void *a, const void *b) {
    const placed *const x = a, *const y = b;
    if (x->row.joined_us != y->row.joined_us) {
        return x->row.joined_us < y->row.joined_us ? -1 : 1;
    }
    return x->place < y->place ? -1 : 1;
}

static tm_status sort(tm_label_errors *io, tm_err *err) {
    placed *const rows = tm__mem_alloc(io->n + 1, sizeof(*rows));
    if (rows == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the errors of labels");
    }
    for (uint64_t i = 0; i < io->n; i++) {
        rows[i] = (placed){io->rows[i], i};
    }
    qsort(rows, io->n, sizeof(*rows), compare);
    for (uint64_t i = 0; i < io->n; i++) {
        io->rows[i] = rows[i].row;
    }
    tm__mem_free(rows);
    return TM_OK;
}

tm_status tm__errors_read(tm_monitor *monitor, const tm_bundle *bundle, const tm_errors_ask *ask,
                          tm_label_errors *out, tm_err *err) {
    tm_label_errors all = {0};
    reading r = {.bundle = bundle, .ask = ask, .scale = tm__errors_scale(bundle), .out = &all};
    tm_status st = isnan(r.scale) ? TM_OK : tm__log_read(monitor, read_all, &r, err);
    st = st == TM_OK ? sort(&all, err) : st;
    if (st != TM_OK) {
        tm__mem_free(all.rows);
        return st;
    }
    *out = all;
    return TM_OK;
}

/* ---- detecting ---- */

/* What goes on within a day of the change before, the same way, is that change. */
static void note_change(tm_errors *self, const tm_adwin_cut *cut) {
    const bool is_rise = cut->is > cut->was;
    tm_error_change *const last =
        self->n_changes == 0 ? NULL : &self->changes[(self->n_changes - 1) % TM_ERRORS_CHANGES];
    if (last != NULL && is_rise == (last->cut.is > last->cut.was) &&
        self->minute_us >= last->at_us && self->minute_us - last->at_us < TM_DAY_US) {
        last->cut.is = cut->is;
        last->cut.n_is += cut->n_is;
        return;
    }
    self->changes[self->n_changes++ % TM_ERRORS_CHANGES] =
        (tm_error_change){*cut, self->minute_us + TM_MINUTE_US};
}

void tm__errors_end_minute(tm_errors *self) {
    tm_adwin_cut cut;
    if (!self->has_minute) {
        return;
    }
    self->has_minute = false;
    if (self->n_unlooked < LOOK_LEAST) {
        return;
    }
    const int64_t before_us = self->has_looked ? self->looked_us : INT64_MIN;
    const double chance = TM_BUDGET_ERRORS * tm__budget_share(self->budget_us, before_us,
                                                              self->minute_us, TM_MINUTE_US);
    self->has_looked = true;
    self->looked_us = self->minute_us;
    self->n_unlooked = 0;
    if (tm__adwin_look(&self->adwin, chance, &cut)) {
        note_change(self, &cut);
    }
}

void tm__errors_add(tm_errors *self, const tm_label_error *row) {
    const int64_t minute_us = tm__span_begin(row->joined_us, TM_SPAN_MINUTE);
    if (self->has_minute && minute_us != self->minute_us) {
        tm__errors_end_minute(self);
    }
    self->has_minute = true;
    self->minute_us = minute_us;
    self->until_us = row->joined_us;
    self->n_unlooked++;
    tm__adwin_push(&self->adwin, row->error, row->joined_us);
}

/* ---- telling ---- */

static json_t *changes_of(const tm_errors *self, double scale) {
    json_t *const list = json_array();
    for (uint64_t i = 0; i < self->n_changes && i < TM_ERRORS_CHANGES; i++) {
        const tm_error_change *const c =
            &self->changes[(self->n_changes - 1 - i) % TM_ERRORS_CHANGES];
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:b}", "since",
                            tm__json_time(c->cut.since_us), "told", tm__json_time(c->at_us), "was",
                            tm__json_number(scale * c->cut.was), "is",
                            tm__json_number(scale * c->cut.is), "before", (json_int_t)c->cut.n_was,
                            "labels", (json_int_t)c->cut.n_is, "rose", c->cut.is > c->cut.was));
    }
    return list;
}

tm_status tm__errors_report(tm_monitor *monitor, const tm_bundle *bundle, const tm_errors_ask *ask,
                            int64_t budget_us, json_t **out, tm_err *err) {
    tm_errors self = {.budget_us = budget_us > 0 ? budget_us : TM_BUDGET_US};
    tm_label_errors rows = {0};
    const double scale = tm__errors_scale(bundle);
    TM_TRY(tm__errors_read(monitor, bundle, ask, &rows, err));
    for (uint64_t i = 0; i < rows.n; i++) {
        tm__errors_add(&self, &rows.rows[i]);
    }
    tm__errors_end_minute(&self);
    json_t *const report =
        json_pack("{s:o, s:I, s:o, s:I, s:o}", "error",
                  isnan(scale) ? json_null() : json_string(tm__errors_name(bundle)), "labels",
                  (json_int_t)rows.n, "mean", tm__json_number(scale * tm__adwin_mean(&self.adwin)),
                  "window", (json_int_t)self.adwin.n, "changes", changes_of(&self, scale));
    tm__mem_free(rows.rows);
    TM_TRY(tm__json_check(err));
    *out = report;
    return TM_OK;
}
