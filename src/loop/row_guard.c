/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   hash of each row's origin ── sorted ──> counts ──> the 63 largest ── names
 *   new rows ── the champion's answers ──> labels with their origin ──> label_origins.h
 */
#include "loop/row_guard.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/sort.h"
#include "loop/label_guard.h"
#include "model/bundle_windows.h"
#include "monitor/label_origins.h"
#include "train/train_look.h"

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for the origins of rows");
}

const char *tm__row_guard_column(const json_t *recipe) {
    return tm__json_text(json_object_get(recipe, "labels"), "origin", NULL);
}

/* "COLUMN=VALUE", cut before a character that has no room. False when out of memory. */
static bool name_of(const tm_table *table, uint32_t col, uint64_t row,
                    char out[TM_ROW_ORIGIN_SIZE]) {
    const tm_column *const column = tm__table_column(table, col);
    const tm_cell cell = tm__column_cell(column, row);
    tm_buf text;
    tm__buf_init(&text, TM_MAX_TEXT_BYTES + TM_ROW_ORIGIN_SIZE);
    bool ok = tm__buf_text(&text, column->name) && tm__buf_text(&text, "=");
    ok = ok && (cell.type == TM_TYPE_TEXT ? tm__buf_append(&text, cell.text.ptr, cell.text.len)
                                          : tm__cell_write_csv(&cell, &text));
    if (ok) {
        size_t n = text.len < TM_ROW_ORIGIN_SIZE ? text.len : TM_ROW_ORIGIN_SIZE - 1;
        while (n < text.len && n > 0 && (text.data[n] & 0xC0) == 0x80) {
            n--;
        }
        (void)tm__str_copy(out, TM_ROW_ORIGIN_SIZE, (tm_str){(const char *)text.data, n});
    }
    tm__buf_done(&text);
    return ok;
}

/* ---- who there is ---- */

typedef struct origin {
    uint64_t hash, n;
} origin;

typedef struct origins {
    const tm_table *table;
    uint32_t col;
    uint64_t *hashes;            /* [rows of the table] of the column */
    uint32_t n, n_names;         /* of those listed; one more when there are others */
    origin list[TM_ORIGINS_MAX]; /* the largest, 63 at most */
    char names[TM_ORIGINS_MAX][TM_ROW_ORIGIN_SIZE];
} origins;

/* Keep the largest in front; of equal ones the first. */
static void keep(origins *o, origin found) {
    uint32_t at = o->n;
    while (at > 0 && o->list[at - 1].n < found.n) {
        at--;
    }
    const uint32_t n_max = TM_ORIGINS_MAX - 1;
    if (at >= n_max) {
        return;
    }
    const uint32_t n_moved = (o->n < n_max ? o->n : n_max - 1) - at;
    memmove(&o->list[at + 1], &o->list[at], n_moved * sizeof(origin));
    o->list[at] = found;
    o->n += o->n < n_max;
}

static uint32_t find(const origins *o, uint64_t hash) {
    for (uint32_t i = 0; i < o->n; i++) {
        if (o->list[i].hash == hash) {
            return i;
        }
    }
    return o->n;
}

static tm_status count(origins *o, const tm_row_list *news, tm_err *err) {
    uint64_t *const sorted = tm__mem_alloc(news->n, sizeof(*sorted));
    if (sorted == NULL) {
        return no_memory(err);
    }
    for (uint64_t i = 0; i < news->n; i++) {
        sorted[i] = o->hashes[news->rows[i]];
    }
    qsort(sorted, news->n, sizeof(*sorted), tm__compare_u64);
    for (uint64_t i = 0, end = 0; i < news->n; i = end) {
        while (end < news->n && sorted[end] == sorted[i]) {
            end++;
        }
        keep(o, (origin){.hash = sorted[i], .n = end - i});
    }
    tm__mem_free(sorted);
    bool ok = true;
    for (uint64_t i = 0; i < news->n && ok; i++) {
        const uint32_t at = find(o, o->hashes[news->rows[i]]);
        if (at == o->n) {
            (void)tm__str_copy(o->names[at], TM_ROW_ORIGIN_SIZE, tm__str("others"));
        } else if (o->names[at][0] == '\0') {
            ok = name_of(o->table, o->col, news->rows[i], o->names[at]);
        }
        o->n_names = at + 1 > o->n_names ? at + 1 : o->n_names;
    }
    return ok ? TM_OK : no_memory(err);
}

/* ---- what the champion says of them ---- */

/* The newest new rows with what the champion reads. */
static tm_status read_rows(tm_ctx *ctx, const tm_row_guard *guard, tm_table *source,
                           const tm_row_list *newest, tm_table **out, tm_err *err) {
    const tm_events_place place = {.home = guard->home,
                                   .dir = tm__json_text(guard->recipe, "dir", NULL)};
    tm_train_events events = {0};
    tm_table *rows = NULL;
    TM_TRY(tm__table_take_rows(source, newest->rows, newest->n, &rows, err));
    if (!tm__bundle_has_windows(guard->bundle)) {
        *out = rows;
        return TM_OK;
    }
    tm_status st =
        tm__train_events_read(ctx, &place, json_object_get(guard->recipe, "events"), &events, err);
    const tm_bundle_history history = {
        .tables = {.events = source, .sources = events.sources, .n_sources = events.n}};
    st = st == TM_OK ? tm__bundle_widen(ctx, guard->bundle, rows, &history, out, err) : st;
    tm__train_events_done(&events);
    tm__table_unref(rows);
    return st;
}

static int64_t time_of(const tm_table *table, uint32_t col, uint64_t row) {
    const tm_cell cell = col == UINT32_MAX ? (tm_cell){.type = TM_TYPE_NONE}
                                           : tm__column_cell(tm__table_column(table, col), row);
    return cell.type == TM_TYPE_TIME ? cell.i64 : 0; /* the same time */
}

static tm_status judge(const tm_look *look, const origins *o, const tm_row_list *newest,
                       const tm_row_guard *guard, json_t **out, tm_err *err) {
    const uint32_t time =
        tm__table_find(look->table, tm__json_text(tm__bundle_info(guard->bundle), "time", ""));
    tm_origin_label *const labels = tm__mem_alloc(look->n, sizeof(*labels));
    const char *names[TM_ORIGINS_MAX];
    uint64_t n = 0;
    if (labels == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < o->n_names; i++) {
        names[i] = o->names[i];
    }
    for (uint64_t i = 0; i < look->n; i++) {
        tm_origin_label *const label = &labels[n];
        if (tm__origin_label(guard->bundle, look->pred + i * look->n_outputs, look->n_outputs,
                             look->y[i], label)) {
            label->at_us = time_of(look->table, time, look->rows[i]);
            label->origin = find(o, o->hashes[newest->rows[look->rows[i]]]);
            n++;
        }
    }
    const tm_origin_labels all = {
        .bundle = guard->bundle, .names = names, .n_names = o->n_names, .labels = labels, .n = n};
    const tm_status st = tm__origins_tell(&all, out, err);
    tm__mem_free(labels);
    return st;
}

/* Rows of which none can be judged are the training's to refuse. */
static tm_status look_at(tm_ctx *ctx, const tm_row_guard *guard, tm_table *source,
                         const tm_row_list *newest, const origins *o, json_t **out, tm_err *err) {
    tm_table *rows = NULL;
    tm_look look = {0};
    tm_err own = {0};
    TM_TRY(read_rows(ctx, guard, source, newest, &rows, err));
    tm_status st = tm__look_init(ctx, guard->bundle, rows, 0, &look, &own);
    tm__table_unref(rows);
    if (st == TM_E_DATA) {
        *out = json_array();
        return tm__json_check(err);
    }
    if (st != TM_OK && err != NULL) {
        *err = own;
    }
    st = st == TM_OK ? judge(&look, o, newest, guard, out, err) : st;
    tm__look_done(&look);
    return st;
}

tm_status tm__row_guard_act(tm_ctx *ctx, const tm_row_guard *guard, tm_table *source,
                            const tm_row_list *news, json_t *names, tm_err *err) {
    const char *const column = tm__row_guard_column(guard->recipe);
    json_t *found = NULL;
    if (column == NULL || tm__bundle_task(guard->bundle) == TM_TASK_RANKING) {
        return TM_OK;
    }
    const uint32_t col = tm__table_find(source, column);
    if (col == UINT32_MAX) {
        const tm_status st = TM_FAIL(err, TM_E_DATA, "there is no origin column '%s'", column);
        tm_err_hint(err,
                    "'labels: {origin: ...}' names a column of the rows that are learned from.");
        return st;
    }
    if (news->n == 0) {
        return TM_OK;
    }
    const uint64_t n = news->n < TM_ORIGIN_ROWS_MAX ? news->n : TM_ORIGIN_ROWS_MAX;
    const tm_row_list newest = {.rows = news->rows + (news->n - n), .n = n};
    origins *const o = tm__mem_zalloc(1, sizeof(*o));
    tm_status st = o == NULL ? no_memory(err) : TM_OK;
    if (st == TM_OK) {
        o->table = source;
        o->col = col;
        o->hashes = tm__mem_alloc(tm__table_rows(source), sizeof(*o->hashes));
        st = o->hashes == NULL ? no_memory(err) : TM_OK;
    }
    if (st == TM_OK) {
        tm__table_row_hashes(source, &col, 1, o->hashes);
        st = count(o, &newest, err);
    }
    st = st == TM_OK ? look_at(ctx, guard, source, &newest, o, &found, err) : st;
    st = st == TM_OK
             ? tm__label_guard_found(guard->registry, guard->model, found, guard->actor, names, err)
             : st;
    json_decref(found);
    tm__mem_free(o != NULL ? o->hashes : NULL);
    tm__mem_free(o);
    return st;
}

/* ---- leaving out ---- */

static bool names_column(const json_t *names, const char *column) {
    const json_t *name = NULL;
    size_t i = 0;
    const size_t len = strlen(column);
    json_array_foreach((json_t *)(uintptr_t)names, i, name) {
        const char *const text = json_string_value(name);
        if (text != NULL && strncmp(text, column, len) == 0 && text[len] == '=') {
            return true;
        }
    }
    return false;
}

/* Where each kept row comes to; UINT32_MAX: it goes. */
static tm_status place_rows(const json_t *names, const tm_table *source, uint32_t col,
                            uint32_t *places, uint32_t *kept, uint64_t *out_n, tm_err *err) {
    const uint64_t n_rows = tm__table_rows(source);
    uint64_t n = 0;
    for (uint64_t i = 0; i < n_rows; i++) {
        char name[TM_ROW_ORIGIN_SIZE];
        if (!name_of(source, col, i, name)) {
            return no_memory(err);
        }
        const bool goes = tm__json_has_text(names, name);
        places[i] = goes ? UINT32_MAX : (uint32_t)n;
        if (!goes) {
            kept[n++] = (uint32_t)i;
        }
    }
    *out_n = n;
    return TM_OK;
}

tm_status tm__row_guard_leave_out(const json_t *recipe, const json_t *names, tm_table **source,
                                  tm_row_list *news, uint64_t *out_n, tm_err *err) {
    const char *const column = tm__row_guard_column(recipe);
    const uint32_t col = column != NULL ? tm__table_find(*source, column) : UINT32_MAX;
    const uint64_t n_rows = tm__table_rows(*source);
    uint64_t n_kept = 0, n_news = 0;
    tm_table *left = NULL;
    *out_n = 0;
    if (col == UINT32_MAX || !names_column(names, column)) {
        return TM_OK;
    }
    uint32_t *const places = tm__mem_alloc(n_rows, sizeof(*places));
    uint32_t *const kept = tm__mem_alloc(n_rows, sizeof(*kept));
    tm_status st = places == NULL || kept == NULL
                       ? no_memory(err)
                       : place_rows(names, *source, col, places, kept, &n_kept, err);
    if (st == TM_OK && n_kept < n_rows) {
        st = tm__table_take_rows(*source, kept, n_kept, &left, err);
    }
    if (st == TM_OK && n_kept < n_rows) {
        for (uint64_t i = 0; i < news->n; i++) {
            if (places[news->rows[i]] != UINT32_MAX) {
                news->rows[n_news++] = places[news->rows[i]];
            }
        }
        news->n = n_news;
        tm__table_unref(*source);
        *source = left;
        *out_n = n_rows - n_kept;
    }
    tm__mem_free(places);
    tm__mem_free(kept);
    return st;
}
