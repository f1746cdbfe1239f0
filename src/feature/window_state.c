/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One entity, event by event. The front is the newest known time, but not after the moment at which
 * an event was added: one that is known only in future (or by a wrong clock) must not push out what
 * is asked for today. With floor = front - late_us, W the widest window and N the longest by
 * number, an event leaves the rows, and goes into the sums of windows without a bound, when
 *
 *     known < floor - W   and   more than N events before the floor are kept.
 *
 * 1. No bounded window at a moment from the floor on sees an event that left.
 * 2. Every window without a bound, at such a moment, sees all of them.
 * 3. They all come before the first row: events leave from the front only, and once one left there
 *    are N before the floor for ever, so that a late one before them leaves at once too.
 */
#include "feature/window.h"

#include <string.h>

#include "base/mem.h"
#include "feature/window_priv.h"

#define CAPACITY_MIN 4u
#define FEW 64u /* different values of so few are found by looking, in 2^7 slots */

uint64_t tm__window_plan_mark(const tm_window_plan *plan) {
    uint64_t mark = tm__hash64(&plan->late_us, sizeof(plan->late_us), plan->n_cols);
    for (uint32_t i = 0; i < plan->n_cols; i++) {
        const int64_t parts[] = {plan->cols[i].type, plan->cols[i].exponent};
        mark = tm__hash64(parts, sizeof(parts), mark);
    }
    for (uint32_t i = 0; i < plan->n_features; i++) {
        const tm_window_feature *const f = &plan->features[i];
        const int64_t parts[] = {f->fn, f->column, f->width_us, f->n_last, f->lag, f->level};
        mark = tm__hash64(parts, sizeof(parts), mark);
    }
    return mark;
}

tm_window_state *tm__window_state_create(const tm_window_plan *plan) {
    tm_window_state *const s = tm__mem_zalloc(1, sizeof(*s));
    if (s == NULL) {
        return NULL;
    }
    s->n_cols = plan->n_cols;
    s->n_features = plan->n_features;
    s->mark = tm__window_plan_mark(plan);
    s->front = TM_INT_MISSING;
    s->late_us = plan->late_us;
    s->steps = tm__mem_zalloc(plan->n_features, sizeof(*s->steps));
    s->kept = tm__mem_zalloc(plan->n_features, sizeof(*s->kept));
    s->past_at = tm__mem_zalloc(plan->n_features + 1, sizeof(*s->past_at));
    if (s->steps != NULL && s->kept != NULL && s->past_at != NULL) {
        for (uint32_t i = 0; i < plan->n_features; i++) {
            const tm_window_feature *const f = &plan->features[i];
            s->steps[i] = tm__window_step(plan, i);
            s->width = f->width_us > s->width ? f->width_us : s->width;
            s->n_last = f->width_us == 0 && f->n_last > s->n_last ? f->n_last : s->n_last;
            const bool is_kept = tm__window_is_open(f) && tm__window_finds(f);
            s->past_at[i + 1] = s->past_at[i] + (is_kept ? f->lag + 1 : 0);
        }
        s->past = tm__mem_zalloc(s->past_at[plan->n_features], sizeof(*s->past));
    }
    if (s->past == NULL) {
        tm__window_state_free(s);
        return NULL;
    }
    return s;
}

void tm__window_state_free(tm_window_state *state) {
    if (state != NULL) {
        tm__mem_free(state->room);
        tm__mem_free(state->steps);
        tm__mem_free(state->kept);
        tm__mem_free(state->past);
        tm__mem_free(state->past_at);
        tm__mem_free(state);
    }
}

void tm__window_state_reset(tm_window_state *state) {
    state->front = TM_INT_MISSING;
    state->first = 0;
    state->n = 0;
    memset(state->kept, 0, state->n_features * sizeof(*state->kept));
}

int64_t tm__window_state_floor(const tm_window_state *state) {
    return tm__window_before(state->front, state->late_us);
}

uint64_t tm__window_state_events(const tm_window_state *state) {
    return state->n;
}

static int64_t known_of(const tm_window_state *s, uint64_t i) {
    return (int64_t)tm__window_row(s, i)[0];
}

/* The number of rows known before a time. */
static uint64_t rows_before(const tm_window_state *s, int64_t time) {
    uint64_t low = 0, high = s->n;
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        const bool before = known_of(s, middle) < time;
        low = before ? middle + 1 : low;
        high = before ? high : middle;
    }
    return low;
}

/* Room for one row more behind the last. */
static tm_status make_room(tm_window_state *s, tm_err *err) {
    const uint64_t width = 1 + (uint64_t)s->n_cols;
    if ((s->n + 1) * width * sizeof(uint64_t) > TM_WINDOW_STATE_BYTES) {
        const tm_status st = TM_FAIL(err, TM_E_LIMIT, "one entity has over %llu events in a window",
                                     (unsigned long long)s->n);
        tm_err_hint(err, "Make the windows narrower, or the key finer.");
        return st;
    }
    if (s->first + s->n < s->capacity) {
        return TM_OK;
    }
    if (s->n >= s->capacity / 2) {
        const uint64_t capacity = s->capacity < CAPACITY_MIN ? CAPACITY_MIN : s->capacity * 2;
        uint64_t *const room = tm__mem_alloc(capacity * width, sizeof(uint64_t));
        if (room == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory");
        }
        if (s->n > 0) {
            memcpy(room, tm__window_row(s, 0), s->n * width * sizeof(uint64_t));
        }
        tm__mem_free(s->room);
        s->room = room;
        s->capacity = capacity;
    } else if (s->n > 0) {
        memmove(s->room, tm__window_row(s, 0), s->n * width * sizeof(uint64_t));
    }
    s->first = 0;
    return TM_OK;
}

static uint64_t cell_of(const uint64_t *row, const tm_window_feature *f) {
    return f->column == TM_WINDOW_EVENTS ? 0 : row[1 + f->column];
}

static bool has_value(const tm_window_step *step, uint64_t cell) {
    return step->feature.column == TM_WINDOW_EVENTS || !tm__window_is_null(step->type, cell);
}

/* A value that leaves the rows, in its place among those that a finding feature keeps. */
static void keep_past(tm_window_state *s, uint32_t feature, tm_window_past value) {
    tm_window_past *const past = s->past + s->past_at[feature];
    const uint64_t most = s->past_at[feature + 1] - s->past_at[feature];
    uint64_t n = s->kept[feature].n, at = n;
    while (at > 0 && past[at - 1].time > value.time) {
        at--;
    }
    if (n == most) {
        if (at == 0) {
            return;
        }
        memmove(past, past + 1, (at - 1) * sizeof(*past));
        at--;
    } else {
        memmove(past + at + 1, past + at, (n - at) * sizeof(*past));
        s->kept[feature].n = n + 1;
    }
    past[at] = value;
}

static void leave_first(tm_window_state *s) {
    const uint64_t *const row = tm__window_row(s, 0);
    for (uint32_t i = 0; i < s->n_features; i++) {
        const tm_window_step *const step = &s->steps[i];
        const uint64_t cell = cell_of(row, &step->feature);
        if (!tm__window_is_open(&step->feature) || !has_value(step, cell)) {
            continue;
        }
        if (tm__window_finds(&step->feature)) {
            keep_past(s, i, (tm_window_past){(int64_t)row[0], cell});
        } else {
            tm__window_add(step, cell, (int64_t)row[0], &s->kept[i]);
        }
    }
    s->first++;
    s->n--;
}

static void leave_old(tm_window_state *s) {
    const int64_t floor = tm__window_state_floor(s), from = tm__window_before(floor, s->width);
    uint64_t n_before = known_of(s, 0) < from ? rows_before(s, floor) : 0;
    for (; n_before > s->n_last && known_of(s, 0) < from; n_before--) {
        leave_first(s);
    }
}

tm_status tm__window_state_add(tm_window_state *state, int64_t known_us, const uint64_t *cells,
                               int64_t now_us, tm_err *err) {
    tm_window_state *const s = state;
    if (known_us == TM_INT_MISSING) {
        return TM_OK;
    }
    TM_TRY(make_room(s, err));
    const uint64_t width = 1 + (uint64_t)s->n_cols;
    uint64_t at = s->n;
    if (s->n > 0 && known_us < known_of(s, s->n - 1)) {
        at = rows_before(s, known_us + 1); /* not INT64_MAX: a row is later */
        uint64_t *const row = tm__window_row(s, at);
        memmove(row + width, row, (s->n - at) * width * sizeof(uint64_t));
    }
    uint64_t *const row = tm__window_row(s, at);
    row[0] = (uint64_t)known_us;
    if (s->n_cols > 0) {
        memcpy(row + 1, cells, s->n_cols * sizeof(uint64_t));
    }
    s->n++;
    const int64_t come = known_us < now_us ? known_us : now_us;
    s->front = come > s->front ? come : s->front;
    leave_old(s);
    return TM_OK;
}

/* Rows begin .. end of the state that a window sees. */
typedef struct look {
    const tm_window_state *s;
    const tm_window_step *step;
    uint32_t feature;
    uint64_t begin, end;
    int64_t moment;
} look;

static double found(const look *l) {
    const tm_window_feature *const f = &l->step->feature;
    uint64_t left = f->lag;
    for (uint64_t i = l->end; i-- > l->begin;) {
        const uint64_t *const row = tm__window_row(l->s, i), cell = cell_of(row, f);
        if (!has_value(l->step, cell) || left-- > 0) {
            continue;
        }
        return f->fn == TM_WINDOW_AGE ? tm__window_age((int64_t)row[0], l->moment)
                                      : tm__window_number(l->step->type, cell);
    }
    const uint64_t n_past = tm__window_is_open(f) ? l->s->kept[l->feature].n : 0;
    if (n_past <= left) {
        return tm__nan();
    }
    const tm_window_past *const past = l->s->past + l->s->past_at[l->feature] + n_past - 1 - left;
    return f->fn == TM_WINDOW_AGE ? tm__window_age(past->time, l->moment)
                                  : tm__window_number(l->step->type, past->cell);
}

static double summed(const look *l) {
    const tm_window_feature *const f = &l->step->feature;
    tm_window_sums sums = {0};
    if (tm__window_is_open(f)) {
        sums = l->s->kept[l->feature];
    }
    for (uint64_t i = l->begin; i < l->end; i++) {
        const uint64_t *const row = tm__window_row(l->s, i), cell = cell_of(row, f);
        if (has_value(l->step, cell)) {
            tm__window_add(l->step, cell, (int64_t)row[0], &sums);
        }
    }
    return tm__window_value(l->step, &sums);
}

/* Slots hold a row's number plus 1; at most half of them are taken. */
static uint64_t count_new(const look *l, uint32_t *slots, uint64_t n_slots) {
    const tm_window_feature *const f = &l->step->feature;
    uint64_t n = 0;
    for (uint64_t i = l->begin; i < l->end; i++) {
        const uint64_t cell = cell_of(tm__window_row(l->s, i), f);
        if (!has_value(l->step, cell)) {
            continue;
        }
        /* Of few values at most a few collide, whoever chose them. */
        uint64_t slot = n_slots == 2 * FEW ? (cell * UINT64_C(0x9e3779b97f4a7c15)) >> 57
                                           : tm__hash64(&cell, sizeof(cell), 0) & (n_slots - 1);
        while (slots[slot] != 0 && cell_of(tm__window_row(l->s, slots[slot] - 1), f) != cell) {
            slot = (slot + 1) & (n_slots - 1);
        }
        n += slots[slot] == 0;
        slots[slot] = (uint32_t)i + 1;
    }
    return n;
}

static bool distinct(const look *l, double *out) {
    uint32_t few[2 * FEW] = {0};
    if (l->end - l->begin <= FEW) {
        *out = (double)count_new(l, few, 2 * FEW);
        return true;
    }
    uint64_t n_slots = 4 * FEW;
    while (n_slots < 2 * (l->end - l->begin)) {
        n_slots *= 2;
    }
    uint32_t *const slots = tm__mem_zalloc(n_slots, sizeof(uint32_t));
    if (slots != NULL) {
        *out = (double)count_new(l, slots, n_slots);
    }
    tm__mem_free(slots);
    return slots != NULL;
}

/* Where a feature's window begins; l->end is set, and so is the begin of the feature before, which
 * often has the same one. */
static void seek_begin(look *l, const tm_window_feature *before) {
    const tm_window_feature *const f = &l->step->feature;
    if (before == NULL || before->width_us != f->width_us || before->n_last != f->n_last) {
        l->begin = f->width_us > 0 ? rows_before(l->s, tm__window_from(l->moment, f->width_us)) : 0;
        if (f->n_last > 0 && l->end - l->begin > f->n_last) {
            l->begin = l->end - f->n_last;
        }
    }
}

tm_status tm__window_state_value(const tm_window_state *state, int64_t moment_us, double *out,
                                 tm_err *err) {
    const bool has_moment = moment_us != TM_INT_MISSING;
    if (has_moment && state->front != TM_INT_MISSING && moment_us < tm__window_state_floor(state)) {
        return TM_FAIL(err, TM_E_INVALID,
                       "a moment lies further before the newest event than the plan allows");
    }
    look l = {
        .s = state, .moment = moment_us, .end = has_moment ? rows_before(state, moment_us) : 0};
    for (uint32_t i = 0; i < state->n_features; i++) {
        const tm_window_feature *const before = l.step == NULL ? NULL : &l.step->feature;
        out[i] = tm__nan();
        if (!has_moment) {
            continue;
        }
        l.step = &state->steps[i];
        l.feature = i;
        seek_begin(&l, before);
        if (l.step->feature.fn != TM_WINDOW_DISTINCT) {
            out[i] = tm__window_finds(&l.step->feature) ? found(&l) : summed(&l);
        } else if (!distinct(&l, &out[i])) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory");
        }
    }
    return TM_OK;
}

int64_t tm__window_state_newest(const tm_window_state *state, int64_t moment_us) {
    const uint64_t n = moment_us == TM_INT_MISSING ? 0 : rows_before(state, moment_us);
    return n == 0 ? TM_INT_MISSING : known_of(state, n - 1);
}
