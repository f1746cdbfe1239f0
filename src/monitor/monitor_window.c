/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of live scores, and the windows of time that they lie in. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "monitor/monitor_live_priv.h"

#define USUAL_MAX 48u
#define SECOND INT64_C(1000000)

/* From a minute to four weeks. */
static const int64_t usual_widths[] = {
    60 * SECOND,         300 * SECOND,        900 * SECOND,
    3600 * SECOND,       4 * 3600 * SECOND,   24 * 3600 * SECOND,
    168 * 3600 * SECOND, 672 * 3600 * SECOND, 2688 * 3600 * SECOND};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory for the answers of a report");
}

void tm__live_rows_init(tm_live_rows *rows, const tm_bundle *bundle) {
    *rows = (tm_live_rows){.bundle = bundle, .n_outputs = tm__bundle_outputs(bundle)};
}

void tm__live_rows_done(tm_live_rows *rows) {
    tm__mem_free(rows->times);
    tm__mem_free(rows->y);
    tm__mem_free(rows->weights);
    tm__mem_free(rows->pred);
}

static tm_status grow(tm_live_rows *rows, tm_err *err) {
    const uint64_t n_max = rows->n_max == 0 ? 1024 : 2 * rows->n_max;
    int64_t *times = tm__mem_realloc(rows->times, n_max, sizeof(*times));
    rows->times = times != NULL ? times : rows->times;
    double *y = tm__mem_realloc(rows->y, n_max, sizeof(*y));
    rows->y = y != NULL ? y : rows->y;
    double *weights = tm__mem_realloc(rows->weights, n_max, sizeof(*weights));
    rows->weights = weights != NULL ? weights : rows->weights;
    double *pred = tm__mem_realloc(rows->pred, n_max * rows->n_outputs, sizeof(*pred));
    rows->pred = pred != NULL ? pred : rows->pred;
    if (times == NULL || y == NULL || weights == NULL || pred == NULL) {
        return no_memory(err);
    }
    rows->n_max = n_max;
    return TM_OK;
}

tm_status tm__live_rows_add(tm_live_rows *rows, const tm_live_row *row, tm_err *err) {
    if (rows->n == rows->n_max) {
        TM_TRY(grow(rows, err));
    }
    rows->times[rows->n] = row->time_us;
    rows->y[rows->n] = row->y;
    rows->weights[rows->n] = row->weight;
    memcpy(&rows->pred[rows->n * rows->n_outputs], row->outputs, rows->n_outputs * sizeof(double));
    rows->n++;
    return TM_OK;
}

/* ---- windows ---- */

static int64_t floor_to(int64_t us, int64_t width_us) {
    const int64_t rest = us % width_us;
    return us - (rest < 0 ? rest + width_us : rest);
}

static void extent(const tm_live_rows *rows, int64_t *out_first, int64_t *out_last) {
    *out_first = *out_last = rows->times[0];
    for (uint64_t i = 1; i < rows->n; i++) {
        *out_first = rows->times[i] < *out_first ? rows->times[i] : *out_first;
        *out_last = rows->times[i] > *out_last ? rows->times[i] : *out_last;
    }
}

static uint64_t windows_between(int64_t first_us, int64_t last_us, int64_t width_us) {
    return (uint64_t)((last_us / 2 - first_us / 2) / (width_us / 2)) + 2;
}

static tm_status choose_width(const tm_live_rows *rows, int64_t asked_us, tm_windows *out,
                              tm_err *err) {
    const size_t n_usual = sizeof(usual_widths) / sizeof(usual_widths[0]);
    int64_t first_us = 0, last_us = 0;
    extent(rows, &first_us, &last_us);
    out->width_us = asked_us;
    for (size_t i = 0; out->width_us <= 0; i++) {
        if (i + 1 == n_usual || windows_between(first_us, last_us, usual_widths[i]) <= USUAL_MAX) {
            out->width_us = usual_widths[i];
        }
    }
    if (windows_between(first_us, last_us, out->width_us) > TM_LIVE_WINDOWS_MAX) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "the answers lie in more than %u windows of this width",
                    TM_LIVE_WINDOWS_MAX);
        tm_err_hint(err, "Give a wider --window, or a shorter time with --since and --until.");
        return st;
    }
    out->first_us = floor_to(first_us, out->width_us);
    out->n = (uint32_t)((last_us - out->first_us) / out->width_us) + 1;
    return TM_OK;
}

static uint32_t window_of(const tm_windows *windows, int64_t us) {
    return (uint32_t)((us - windows->first_us) / windows->width_us);
}

/* A stable counting sort: rows of a window keep the order of the log. */
static tm_status sort_rows(tm_live_rows *rows, tm_windows *windows, tm_err *err) {
    tm_live_rows sorted = {.bundle = rows->bundle, .n_outputs = rows->n_outputs, .n = rows->n};
    uint64_t *next = tm__mem_zalloc((size_t)windows->n + 1, sizeof(*next));
    sorted.times = tm__mem_alloc(rows->n, sizeof(*sorted.times));
    sorted.y = tm__mem_alloc(rows->n, sizeof(*sorted.y));
    sorted.weights = tm__mem_alloc(rows->n, sizeof(*sorted.weights));
    sorted.pred = tm__mem_alloc(rows->n * rows->n_outputs, sizeof(*sorted.pred));
    if (next == NULL || sorted.times == NULL || sorted.y == NULL || sorted.weights == NULL ||
        sorted.pred == NULL) {
        tm__mem_free(next);
        tm__live_rows_done(&sorted);
        return no_memory(err);
    }
    for (uint64_t i = 0; i < rows->n; i++) {
        windows->starts[window_of(windows, rows->times[i]) + 1]++;
    }
    for (uint32_t w = 0; w < windows->n; w++) {
        windows->starts[w + 1] += windows->starts[w];
        next[w] = windows->starts[w];
    }
    for (uint64_t i = 0; i < rows->n; i++) {
        const uint64_t to = next[window_of(windows, rows->times[i])]++;
        sorted.times[to] = rows->times[i];
        sorted.y[to] = rows->y[i];
        sorted.weights[to] = rows->weights[i];
        memcpy(&sorted.pred[to * rows->n_outputs], &rows->pred[i * rows->n_outputs],
               rows->n_outputs * sizeof(double));
    }
    tm__mem_free(next);
    sorted.n_max = rows->n;
    sorted.n_left_out = rows->n_left_out;
    tm__live_rows_done(rows);
    *rows = sorted;
    return TM_OK;
}

tm_status tm__windows_init(tm_live_rows *rows, const tm_live_options *options, tm_windows *out,
                           tm_err *err) {
    tm_windows windows = {0};
    if (rows->n > 0) {
        TM_TRY(choose_width(rows, options->window_us, &windows, err));
    }
    windows.starts = tm__mem_zalloc((size_t)windows.n + 1, sizeof(*windows.starts));
    tm_status st = windows.starts == NULL ? no_memory(err) : TM_OK;
    if (st == TM_OK && rows->n > 0) {
        st = sort_rows(rows, &windows, err);
    }
    if (st != TM_OK) {
        tm__windows_done(&windows);
        return st;
    }
    *out = windows;
    return TM_OK;
}

void tm__windows_done(tm_windows *windows) {
    tm__mem_free(windows->starts);
    windows->starts = NULL;
}

void tm__window_to_json(const tm_windows *windows, uint32_t i, json_t *out) {
    const int64_t from_us = windows->first_us + (int64_t)i * windows->width_us;
    json_object_set_new(out, "from", tm__json_time(from_us));
    json_object_set_new(out, "until", tm__json_time(from_us + windows->width_us));
}

/* ---- parts ---- */

uint64_t tm__live_labelled(const tm_live_part *part) {
    uint64_t n = 0;
    for (uint64_t i = part->from; i < part->end; i++) {
        n += isnan(part->rows->y[i]) ? 0 : 1;
    }
    return n;
}

tm_live_weight tm__live_weight(const tm_live_part *part) {
    tm_live_weight out = {0};
    for (uint64_t i = part->from; i < part->end; i++) {
        out.all += part->rows->weights[i];
        out.labelled += isnan(part->rows->y[i]) ? 0 : part->rows->weights[i];
    }
    return out;
}

static bool has_weights(const tm_live_part *part) {
    const double *const weights = part->rows->weights;
    for (uint64_t i = part->from; i < part->end; i++) {
        if (weights[i] != weights[part->from]) {
            return true;
        }
    }
    return false;
}

tm_score_input tm__live_input(const tm_live_part *part) {
    const tm_live_rows *rows = part->rows;
    return (tm_score_input){.task = tm__bundle_task(rows->bundle),
                            .n_classes = tm__bundle_classes(rows->bundle),
                            .n_rows = part->end - part->from,
                            .y = rows->n == 0 ? NULL : &rows->y[part->from],
                            .pred = rows->n == 0 ? NULL : &rows->pred[part->from * rows->n_outputs],
                            .weights = has_weights(part) ? &rows->weights[part->from] : NULL,
                            .threshold = tm__bundle_threshold(rows->bundle)};
}

tm_status tm__live_known(const tm_live_part *part, tm_score_input *out, double **out_room,
                         tm_err *err) {
    const tm_live_rows *rows = part->rows;
    const uint64_t n = tm__live_labelled(part);
    double *room = tm__mem_alloc(n * (2 + (size_t)rows->n_outputs) + 1, sizeof(*room));
    uint64_t at = 0;
    if (room == NULL) {
        return no_memory(err);
    }
    for (uint64_t i = part->from; i < part->end; i++) {
        if (!isnan(rows->y[i])) {
            room[at] = rows->y[i];
            room[n + at] = rows->weights[i];
            memcpy(&room[2 * n + at * rows->n_outputs], &rows->pred[i * rows->n_outputs],
                   rows->n_outputs * sizeof(double));
            at++;
        }
    }
    *out = tm__live_input(part);
    out->n_rows = n;
    out->y = room;
    out->weights = out->weights != NULL ? &room[n] : NULL;
    out->pred = &room[2 * n];
    *out_room = room;
    return TM_OK;
}
