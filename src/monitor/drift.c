/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Detectors of all columns under one budget.
 *
 * Shares of the budget of rows: nine tenths by importance, a tenth alike for all; of all that a
 * tenth is the answers'. A column that the model hardly uses is watched, but has to move far to be
 * told.
 */
#include "monitor/drift.h"

#include "base/assert.h"
#include "base/mem.h"
#include "monitor/alert_teller.h"

#define ANSWERS_SHARE 0.1
#define ALIKE_SHARE 0.1

struct tm_drift {
    const tm_cells_plan *plan;
    int64_t budget_us;
    int64_t last_us; /* begin of the newest window; INT64_MIN: none yet */
    uint64_t n_rows;
    tm_shift **shifts;        /* [n_columns] */
    tm_drift_column *columns; /* [n_columns] */
};

static void share_out(tm_drift *self) {
    const tm_reference *const reference = self->plan->reference;
    const uint32_t n = reference->n_columns;
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += reference->columns[i].importance;
    }
    const double rest = !reference->has_output ? 1 : n == 0 ? 0 : 1 - ANSWERS_SHARE;
    for (uint32_t i = 0; i < n; i++) {
        const double by_worth = sum > 0 ? reference->columns[i].importance / sum : 1.0 / n;
        self->columns[i].weight =
            TM_BUDGET_ROWS * rest * ((1 - ALIKE_SHARE) * by_worth + ALIKE_SHARE / n);
    }
    if (reference->has_output) {
        self->columns[n].weight = TM_BUDGET_ROWS * (1 - rest);
    }
}

static tm_status make_shift(tm_drift *self, uint32_t i, tm_err *err) {
    const tm_ref_column *const c = &self->plan->reference->columns[i];
    const tm_shift_spec spec = {.n_cells = c->n_cells,
                                .n_ordered = c->n_ordered,
                                .n_blocks = c->n_blocks,
                                .counts = c->counts};
    return tm__shift_create(&spec, &self->shifts[i], err);
}

/* Detectors of the columns from first up to end. */
static tm_status create(const tm_cells_plan *plan, int64_t budget_us, uint32_t first, uint32_t end,
                        tm_drift **out, tm_err *err) {
    tm_drift *const self = tm__mem_zalloc(1, sizeof(*self));
    if (self == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to watch a model");
    }
    self->plan = plan;
    self->budget_us = budget_us > 0 ? budget_us : TM_BUDGET_US;
    self->last_us = INT64_MIN;
    self->shifts = tm__mem_zalloc((size_t)plan->n_columns + 1, sizeof(tm_shift *));
    self->columns = tm__mem_zalloc((size_t)plan->n_columns + 1, sizeof(*self->columns));
    tm_status st = self->shifts == NULL || self->columns == NULL
                       ? TM_FAIL(err, TM_E_NOMEM, "no memory to watch a model")
                       : TM_OK;
    for (uint32_t i = first; st == TM_OK && i < end; i++) {
        st = make_shift(self, i, err);
    }
    if (st != TM_OK) {
        tm__drift_free(self);
        return st;
    }
    share_out(self);
    *out = self;
    return TM_OK;
}

tm_status tm__drift_create(const tm_cells_plan *plan, int64_t budget_us, tm_drift **out,
                           tm_err *err) {
    return create(plan, budget_us, 0, plan->n_columns, out, err);
}

tm_status tm__drift_create_one(const tm_cells_plan *plan, int64_t budget_us, uint32_t column,
                               tm_drift **out, tm_err *err) {
    TM_ASSERT(column < plan->n_columns);
    return create(plan, budget_us, column, column + 1, out, err);
}

void tm__drift_free(tm_drift *drift) {
    if (drift == NULL) {
        return;
    }
    for (uint32_t i = 0; drift->shifts != NULL && i < drift->plan->n_columns; i++) {
        tm__shift_free(drift->shifts[i]);
    }
    tm__mem_free(drift->shifts);
    tm__mem_free(drift->columns);
    tm__mem_free(drift);
}

/* An alarm within a day of the one before is of the same shift, which began when that one did. */
static bool is_soon(int64_t before_us, int64_t at_us) {
    const uint64_t gap = (uint64_t)at_us - (uint64_t)before_us;
    return at_us >= before_us && gap <= UINT64_C(86400000000);
}

void tm__drift_add(tm_drift *self, const tm_counts *window, int64_t at_us, int64_t span_us) {
    const double share = tm__budget_share(self->budget_us, self->last_us, at_us, span_us);
    self->last_us = at_us;
    self->n_rows += window->counts[TM_CELLS_ROWS];
    for (uint32_t i = 0; i < self->plan->n_columns; i++) {
        tm_drift_column *const c = &self->columns[i];
        if (self->shifts[i] == NULL) {
            continue;
        }
        tm__shift_add(self->shifts[i], window->counts + self->plan->first[i], share, at_us);
        c->look = tm__shift_look(self->shifts[i]);
        c->is_new_alarm = c->weight > 0 && c->look.evidence * c->weight >= 1;
        if (c->is_new_alarm) {
            const bool goes_on = c->n_alarms > 0 && is_soon(c->alarm_us, at_us);
            const int64_t since_us = goes_on ? c->alarm.since_us : c->look.since_us;
            c->alarm = c->look;
            c->alarm.since_us = since_us;
            c->alarm_us = at_us;
            c->n_alarms++;
            tm__shift_reset(self->shifts[i]);
        }
    }
}

const tm_drift_column *tm__drift_column(const tm_drift *drift, uint32_t column) {
    return &drift->columns[column];
}

uint64_t tm__drift_rows(const tm_drift *drift) {
    return drift->n_rows;
}
