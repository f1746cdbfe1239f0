/* SPDX-License-Identifier: Apache-2.0 */
/* The windows by their definition: every event is looked at for every query and feature. */
#include "base/mem.h"
#include "feature/window_priv.h"

/* The rows that a window sees, oldest first. */
static uint64_t seen(const tm_window_events *events, const tm_window_feature *f, uint32_t entity,
                     int64_t moment, uint32_t *rows) {
    uint64_t n = 0;
    for (uint64_t row = 0; row < events->n_rows; row++) {
        const int64_t known = events->known_us[row];
        if (events->entities[row] != entity || known == TM_INT_MISSING || known >= moment ||
            known < tm__window_from(moment, f->width_us)) {
            continue;
        }
        uint64_t at = n++;
        for (; at > 0 && events->known_us[rows[at - 1]] > known; at--) {
            rows[at] = rows[at - 1];
        }
        rows[at] = (uint32_t)row;
    }
    if (f->n_last > 0 && n > f->n_last) {
        for (uint64_t i = 0; i < f->n_last; i++) {
            rows[i] = rows[n - f->n_last + i];
        }
        n = f->n_last;
    }
    return n;
}

static double found(const tm_window_step *step, const tm_window_events *events, int64_t moment,
                    const uint32_t *rows, uint64_t n) {
    const tm_window_feature *const f = &step->feature;
    if (f->fn == TM_WINDOW_DISTINCT) {
        uint64_t n_distinct = 0;
        for (uint64_t i = 0; i < n; i++) {
            bool is_new = true;
            for (uint64_t k = 0; k < i && is_new; k++) {
                is_new = tm__window_cell(&events->cols[f->column], rows[i]) !=
                         tm__window_cell(&events->cols[f->column], rows[k]);
            }
            n_distinct += is_new;
        }
        return (double)n_distinct;
    }
    if (n <= f->lag) {
        return tm__nan();
    }
    const uint32_t row = rows[n - 1 - f->lag];
    if (f->fn == TM_WINDOW_AGE) {
        return tm__window_age(events->known_us[row], moment);
    }
    const uint64_t cell = tm__window_cell(&events->cols[f->column], row);
    return step->type == TM_TYPE_TEXT ? (double)cell : tm__window_number(step->type, cell);
}

static double value(const tm_window_step *step, const tm_window_events *events, uint32_t entity,
                    int64_t moment, uint32_t *rows) {
    const tm_window_feature *const f = &step->feature;
    const tm_column *const column = f->column == TM_WINDOW_EVENTS ? NULL : &events->cols[f->column];
    if (entity == TM_CODE_MISSING || moment == TM_INT_MISSING) {
        return tm__nan();
    }
    tm_window_sums sums = {0};
    const uint64_t n = seen(events, f, entity, moment, rows);
    uint64_t n_values = 0;
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t cell = column == NULL ? 0 : tm__window_cell(column, rows[i]);
        if (column == NULL || !tm__window_is_null(column->type, cell)) {
            tm__window_add(step, cell, events->known_us[rows[i]], &sums);
            rows[n_values++] = rows[i];
        }
    }
    const bool is_found = f->fn == TM_WINDOW_LAST || f->fn == TM_WINDOW_LAG ||
                          f->fn == TM_WINDOW_AGE || f->fn == TM_WINDOW_DISTINCT;
    return is_found ? found(step, events, moment, rows, n_values) : tm__window_value(step, &sums);
}

tm_status tm__windows_apply_ref(const tm_window_plan *plan, const tm_window_events *events,
                                const tm_window_queries *queries, double *const *out, tm_err *err) {
    TM_TRY(tm__window_check(plan, err));
    uint32_t *const rows = tm__mem_alloc(events->n_rows, sizeof(uint32_t));
    if (rows == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    for (uint32_t i = 0; i < plan->n_features; i++) {
        const tm_window_step step = tm__window_step(plan, i);
        for (uint64_t q = 0; q < queries->n_rows; q++) {
            out[i][q] = value(&step, events, queries->entities[q], queries->moments_us[q], rows);
        }
    }
    tm__mem_free(rows);
    return TM_OK;
}
