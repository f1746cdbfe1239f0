/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a state:
 *
 *     "TMWS"  u32 version  u64 mark of the plan  i64 front  u64 rows
 *     rows x (i64 known, u64 cell a column)
 *     for each feature without a bound:
 *         u64 n, then n x (i64 known, u64 cell) when it finds,
 *                or f64 extreme and (u64 low, u64 high) a sum
 *     u32 CRC32C of all before
 *
 * What is read is what could have been written: rows in order, values in their one form.
 */
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "feature/window_priv.h"

#define MAGIC "TMWS"
#define VERSION 1u

void tm__window_state_write(const tm_window_state *state, const tm_window_plan *plan, tm_buf *out) {
    const tm_window_state *const s = state;
    const size_t start = out->len;
    (void)tm__buf_append(out, MAGIC, 4);
    (void)tm__buf_u32(out, VERSION);
    (void)tm__buf_u64(out, s->mark);
    (void)tm__buf_i64(out, s->front);
    (void)tm__buf_u64(out, s->n);
    if (s->n > 0) {
        (void)tm__buf_append(out, tm__window_row(s, 0),
                             s->n * (1 + (uint64_t)s->n_cols) * sizeof(uint64_t));
    }
    for (uint32_t i = 0; i < plan->n_features; i++) {
        const tm_window_sums *const kept = &s->kept[i];
        if (!tm__window_is_open(&plan->features[i])) {
            continue;
        }
        (void)tm__buf_u64(out, kept->n);
        for (uint64_t k = 0; tm__window_finds(&plan->features[i]) && k < kept->n; k++) {
            (void)tm__buf_i64(out, s->past[s->past_at[i] + k].time);
            (void)tm__buf_u64(out, s->past[s->past_at[i] + k].cell);
        }
        if (!tm__window_finds(&plan->features[i])) {
            (void)tm__buf_f64(out, kept->extreme);
            for (uint32_t k = 0; k < s->steps[i].n_sums; k++) {
                (void)tm__buf_u64(out, (uint64_t)kept->sums[k]);
                (void)tm__buf_u64(out, (uint64_t)(kept->sums[k] >> 64));
            }
        }
    }
    if (!out->failed) {
        (void)tm__buf_u32(out, tm__crc32c(0, out->data + start, out->len - start));
    }
}

/* A cell in the one form that its type has. */
static bool is_cell(tm_type type, uint64_t cell) {
    return type == TM_TYPE_FLOAT  ? tm__window_cell_f64(tm__f64_from_bits(cell)) == cell
           : type == TM_TYPE_TEXT ? cell <= UINT32_MAX
                                  : true;
}

/* Room for n rows; that of the state before is used again. */
static bool make_room(tm_window_state *s, uint64_t n, uint64_t width) {
    if (n > s->capacity) {
        tm__mem_free(s->room);
        s->room = tm__mem_alloc(n * width, sizeof(uint64_t));
        s->capacity = s->room == NULL ? 0 : n;
    }
    s->first = 0;
    s->n = s->capacity < n ? 0 : n;
    return s->n == n;
}

static tm_status read_rows(tm_window_state *s, const tm_window_plan *plan, tm_reader *in) {
    const uint64_t width = 1 + (uint64_t)s->n_cols;
    int64_t before = INT64_MIN + 1;
    const int64_t front = tm__reader_i64(in);
    const uint64_t n = tm__reader_u64(in);
    if (in->failed || n > TM_WINDOW_STATE_BYTES / (width * sizeof(uint64_t))) {
        return TM_E_INTEGRITY;
    }
    const void *const rows = tm__reader_view(in, n * width, sizeof(uint64_t));
    if (rows == NULL) {
        return TM_E_INTEGRITY;
    }
    if (!make_room(s, n, width)) {
        return TM_E_NOMEM;
    }
    if (n > 0) {
        memcpy(s->room, rows, n * width * sizeof(uint64_t));
    }
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t *const row = tm__window_row(s, i);
        if ((int64_t)row[0] < before) {
            return TM_E_INTEGRITY;
        }
        before = (int64_t)row[0];
        for (uint32_t c = 0; c < s->n_cols; c++) {
            if (!is_cell(plan->cols[c].type, row[1 + c])) {
                return TM_E_INTEGRITY;
            }
        }
    }
    s->front = front;
    /* The newest event never leaves, and the front is not behind it. */
    return (n > 0 ? front != TM_INT_MISSING && front <= before : front == TM_INT_MISSING)
               ? TM_OK
               : TM_E_INTEGRITY;
}

static bool read_past(tm_window_state *s, uint32_t feature, tm_type type, tm_reader *in) {
    tm_window_past *const past = s->past + s->past_at[feature];
    if (s->kept[feature].n > s->past_at[feature + 1] - s->past_at[feature]) {
        return false;
    }
    int64_t before = INT64_MIN + 1;
    for (uint64_t i = 0; i < s->kept[feature].n; i++) {
        past[i].time = tm__reader_i64(in);
        past[i].cell = tm__reader_u64(in);
        const bool is_null = type != TM_TYPE_NONE && tm__window_is_null(type, past[i].cell);
        if (past[i].time < before || is_null || !is_cell(type, past[i].cell)) {
            return false;
        }
        before = past[i].time;
    }
    return s->kept[feature].n == 0 || (s->n > 0 && before <= (int64_t)tm__window_row(s, 0)[0]);
}

static bool read_kept(tm_window_state *s, const tm_window_plan *plan, tm_reader *in) {
    for (uint32_t i = 0; i < plan->n_features; i++) {
        tm_window_sums *const kept = &s->kept[i];
        if (!tm__window_is_open(&plan->features[i])) {
            continue;
        }
        const tm_window_step *const step = &s->steps[i];
        *kept = (tm_window_sums){.n = tm__reader_u64(in)};
        if (tm__window_finds(&plan->features[i])) {
            if (!read_past(s, i, step->type, in)) {
                return false;
            }
            continue;
        }
        const double extreme = tm__reader_f64(in);
        kept->extreme = extreme;
        if (tm__window_is_null(TM_TYPE_FLOAT, tm__f64_bits(extreme)) ||
            !is_cell(TM_TYPE_FLOAT, tm__f64_bits(extreme))) {
            return false;
        }
        for (uint32_t k = 0; k < step->n_sums; k++) {
            kept->sums[k] = tm__reader_u64(in);
            kept->sums[k] |= (tm_u128)tm__reader_u64(in) << 64;
        }
    }
    return !in->failed;
}

/* What stands before the rows, and the check sum behind all; leaves `in` at the front. */
static bool open_bytes(uint64_t mark, const uint8_t *data, size_t len, tm_reader *in) {
    tm_reader end;
    tm__reader_init(in, data, len < 4 ? 0 : len - 4);
    tm__reader_init(&end, data + in->len, len - in->len);
    const bool is_whole = len >= 4 && tm__reader_u32(&end) == tm__crc32c(0, data, in->len);
    const void *const magic = tm__reader_view(in, 4, 1);
    const uint32_t version = tm__reader_u32(in);
    return is_whole && magic != NULL && memcmp(magic, MAGIC, 4) == 0 && version == VERSION &&
           tm__reader_u64(in) == mark;
}

tm_status tm__window_state_reload(tm_window_state *state, const tm_window_plan *plan,
                                  const uint8_t *data, size_t len, tm_err *err) {
    tm_reader in;
    if (!open_bytes(state->mark, data, len, &in)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "no state of these windows");
    }
    tm_status st = read_rows(state, plan, &in);
    if (st == TM_OK && (!read_kept(state, plan, &in) || !tm__reader_is_done(&in))) {
        st = TM_E_INTEGRITY;
    }
    if (st != TM_OK) {
        tm__window_state_reset(state);
        return st == TM_E_NOMEM ? TM_FAIL(err, st, "out of memory")
                                : TM_FAIL(err, st, "a state of windows is damaged");
    }
    return TM_OK;
}

tm_status tm__window_state_read(const tm_window_plan *plan, const uint8_t *data, size_t len,
                                tm_window_state **out, tm_err *err) {
    tm_window_state *const s = tm__window_state_create(plan);
    const tm_status st = s == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                   : tm__window_state_reload(s, plan, data, len, err);
    if (st != TM_OK) {
        tm__window_state_free(s);
        return st;
    }
    *out = s;
    return TM_OK;
}
