/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     rows ──> units, by their keys: first row, arms ──> those of one arm, in order ──> values
 *
 * 1. With a delay a unit's value is made of what was there a delay after its first row, and units
 *    stand by their first rows: what is judged once stays as it is.
 * 2. Without one units stand where their first value became known: new ones come last.
 * 3. Units of one time stand by chance: files are sorted by many things, arms among them.
 */
#include "metric/experiment_units.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/rng.h"

#define ROWS_FIRST 1024u
#define TIES UINT64_C(0x7469657320676F20) /* key of the chances of invariant 3 */

/* A unit while it is put together. */
typedef struct making {
    int64_t first_us, order_us;
    uint64_t first_row;
    uint8_t arms; /* bit a: has rows in arm a; 0: no unit */
} making;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory for the units of an experiment");
}

tm_status tm__units_key(tm_units *self, tm_str key, uint64_t *out, tm_err *err) {
    if (self->keys == NULL) {
        self->keys = tm__dict_create();
    }
    const uint32_t code = self->keys == NULL ? TM_CODE_MISSING : tm__dict_add(self->keys, key);
    if (code == TM_CODE_MISSING) {
        return no_memory(err);
    }
    *out = code;
    return TM_OK;
}

static tm_status grow(tm_units *self, tm_err *err) {
    const uint64_t n_max = self->n_rows_max == 0 ? ROWS_FIRST : 2 * self->n_rows_max;
    tm_unit_row *rows = tm__mem_realloc(self->rows, n_max, sizeof(*rows));
    self->rows = rows != NULL ? rows : self->rows;
    double *values = tm__mem_realloc(self->row_values, n_max * self->n_metrics, sizeof(*values));
    self->row_values = values != NULL ? values : self->row_values;
    if (rows == NULL || values == NULL) {
        return no_memory(err);
    }
    self->n_rows_max = n_max;
    return TM_OK;
}

tm_status tm__units_add(tm_units *self, const tm_unit_row *row, const double *values, tm_err *err) {
    if (self->n_rows == self->n_rows_max) {
        TM_TRY(grow(self, err));
    }
    self->rows[self->n_rows] = *row;
    memcpy(&self->row_values[self->n_rows * self->n_metrics], values,
           self->n_metrics * sizeof(*values));
    self->n_rows++;
    return TM_OK;
}

/* ---- Making ---- */

static int64_t later(int64_t us, int64_t by_us) {
    int64_t sum = 0;
    return __builtin_add_overflow(us, by_us, &sum) ? INT64_MAX : sum;
}

static void find_firsts(const tm_units *self, making *units) {
    for (uint64_t i = 0; i < self->n_rows; i++) {
        const tm_unit_row *row = &self->rows[i];
        making *u = &units[row->unit];
        if (u->arms == 0 || row->time_us < u->first_us) {
            u->first_us = row->time_us;
        }
        u->first_row = u->arms == 0 ? i : u->first_row;
        u->arms = (uint8_t)(u->arms | (1u << row->arm));
    }
}

/* True when a row says something of its unit that counts. */
static bool is_counted(const tm_units *self, const making *u, uint64_t row, uint32_t metric) {
    const int64_t until_us = self->delay_us > 0 ? later(u->first_us, self->delay_us) : INT64_MAX;
    return self->rows[row].time_us <= until_us && self->rows[row].known_us <= until_us &&
           !isnan(self->row_values[row * self->n_metrics + metric]);
}

static void find_orders(const tm_units *self, making *units, uint64_t n_units) {
    for (uint64_t i = 0; i < n_units; i++) {
        units[i].order_us = self->delay_us > 0 ? units[i].first_us : INT64_MAX;
    }
    for (uint64_t i = 0; i < self->n_rows && self->delay_us <= 0; i++) {
        making *u = &units[self->rows[i].unit];
        if (is_counted(self, u, i, 0) && self->rows[i].known_us < u->order_us) {
            u->order_us = self->rows[i].known_us;
        }
    }
    for (uint64_t i = 0; i < n_units; i++) { /* without a value: where it began */
        units[i].order_us = units[i].order_us == INT64_MAX ? units[i].first_us : units[i].order_us;
    }
}

/* What units are sorted by, and their place among those that are made. */
typedef struct place {
    int64_t order_us;
    uint64_t chance, unit;
} place;

static int compare_places(const void *a, const void *b) {
    const place *x = a, *y = b;
    if (x->order_us != y->order_us) {
        return x->order_us < y->order_us ? -1 : 1;
    }
    return (x->chance > y->chance) - (x->chance < y->chance);
}

static tm_status take_units(tm_units *self, const making *units, const place *places, tm_err *err) {
    self->arms = tm__mem_zalloc(self->n + 1, sizeof(*self->arms));
    self->times_us = tm__mem_zalloc(self->n + 1, sizeof(*self->times_us));
    if (self->arms == NULL || self->times_us == NULL) {
        return no_memory(err);
    }
    for (uint64_t i = 0; i < self->n; i++) {
        const making *u = &units[places[i].unit];
        const int64_t due_us = later(u->first_us, self->delay_us);
        self->arms[i] = u->arms == 2 ? 1 : 0;
        self->times_us[i] = u->order_us;
        self->n_matured += self->delay_us <= 0 || due_us <= self->now_us;
    }
    return TM_OK;
}

/* Means of a metric: room[unit] counts rows. */
static tm_status take_values(tm_units *self, const making *units, const place *places,
                             uint64_t n_units, uint32_t metric, tm_err *err) {
    double *values = tm__mem_zalloc(self->n + 1, sizeof(*values));
    double *sums = tm__mem_zalloc(2 * n_units + 1, sizeof(*sums)), *counts = NULL;
    self->values[metric] = values;
    if (values == NULL || sums == NULL) {
        tm__mem_free(sums);
        return no_memory(err);
    }
    counts = sums + n_units;
    self->is_binary[metric] = self->is_share[metric] = true;
    for (uint64_t i = 0; i < self->n_rows; i++) {
        const uint64_t unit = self->rows[i].unit;
        if (is_counted(self, &units[unit], i, metric)) {
            const double value = self->row_values[i * self->n_metrics + metric];
            self->is_share[metric] = self->is_share[metric] && (value == 0 || value == 1);
            sums[unit] += value;
            counts[unit] += 1;
        }
    }
    for (uint64_t i = 0; i < self->n; i++) {
        const uint64_t unit = places[i].unit;
        values[i] = counts[unit] > 0 ? sums[unit] / counts[unit] : tm__nan();
        self->is_binary[metric] =
            self->is_binary[metric] && (isnan(values[i]) || values[i] == 0 || values[i] == 1);
    }
    tm__mem_free(sums);
    return TM_OK;
}

static void sort_units(tm_units *self, const making *units, uint64_t n_units, place *places) {
    for (uint64_t i = 0; i < n_units; i++) {
        if (units[i].arms == 3) {
            self->n_in_both++;
        } else if (units[i].arms != 0) {
            places[self->n++] = (place){units[i].order_us, tm__rng_at(TIES, units[i].first_row), i};
        }
    }
    if (self->n > 0) {
        qsort(places, self->n, sizeof(*places), compare_places);
    }
}

tm_status tm__units_make(tm_units *self, tm_err *err) {
    const uint64_t n_units = self->keys != NULL ? tm__dict_count(self->keys) : self->n_rows;
    making *units = tm__mem_zalloc(n_units + 1, sizeof(*units));
    place *places = tm__mem_zalloc(n_units + 1, sizeof(*places));
    tm_status st = units == NULL || places == NULL ? no_memory(err) : TM_OK;
    if (st == TM_OK) {
        find_firsts(self, units);
        find_orders(self, units, n_units);
        sort_units(self, units, n_units, places);
        st = take_units(self, units, places, err);
    }
    for (uint32_t m = 0; st == TM_OK && m < self->n_metrics; m++) {
        st = take_values(self, units, places, n_units, m, err);
    }
    tm__mem_free(units);
    tm__mem_free(places);
    return st;
}

void tm__units_done(tm_units *self) {
    tm__dict_free(self->keys);
    tm__mem_free(self->rows);
    tm__mem_free(self->row_values);
    tm__mem_free(self->arms);
    tm__mem_free(self->times_us);
    for (uint32_t m = 0; m < TM_UNIT_METRICS_MAX; m++) {
        tm__mem_free(self->values[m]);
    }
    memset(self, 0, sizeof(*self));
}
