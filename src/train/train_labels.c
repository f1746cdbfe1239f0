/* SPDX-License-Identifier: Apache-2.0 */
/* Labels in the rows themselves: how many rows have one, and how old those rows are. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "train/train_priv.h"

#define PERIODS_MAX 24
#define MINUTE_US INT64_C(60000000)
#define DAY_US (1440 * MINUTE_US)

/* Rows of a stretch of time. */
typedef struct period {
    uint64_t rows, labelled;
} period;

typedef struct label_rows {
    const tm_column *target, *time; /* time: NULL when there is none */
    uint64_t n_rows;
    uint64_t n_labelled, n_timeless;
    int64_t first_us, last_us;                   /* of rows with a time */
    int64_t first_labelled_us, last_labelled_us; /* of those that have a label too */
} label_rows;

static void look_at_rows(label_rows *r) {
    r->first_us = r->first_labelled_us = INT64_MAX;
    r->last_us = r->last_labelled_us = INT64_MIN;
    for (uint64_t row = 0; row < r->n_rows; row++) {
        const bool is_labelled = !tm__column_is_missing(r->target, row);
        r->n_labelled += is_labelled;
        if (r->time == NULL || r->time->ints[row] == TM_INT_MISSING) {
            r->n_timeless++;
            continue;
        }
        const int64_t us = r->time->ints[row];
        r->first_us = us < r->first_us ? us : r->first_us;
        r->last_us = us > r->last_us ? us : r->last_us;
        if (is_labelled) {
            r->first_labelled_us = us < r->first_labelled_us ? us : r->first_labelled_us;
            r->last_labelled_us = us > r->last_labelled_us ? us : r->last_labelled_us;
        }
    }
}

/* Floor of a quotient, also below 0. */
static int64_t periods_before(int64_t us, int64_t width_us) {
    return us / width_us - (us % width_us < 0);
}

/* The least width that people count in with which the rows fall into few periods. */
static int64_t choose_width(const label_rows *r) {
    static const int64_t widths[] = {MINUTE_US,      5 * MINUTE_US,  15 * MINUTE_US, 60 * MINUTE_US,
                                     DAY_US / 4,     DAY_US,         7 * DAY_US,     30 * DAY_US,
                                     91 * DAY_US,    365 * DAY_US,   1826 * DAY_US,  3652 * DAY_US,
                                     36524 * DAY_US, 365243 * DAY_US};
    const size_t n = sizeof(widths) / sizeof(widths[0]);
    size_t i = 0;
    while (i + 1 < n &&
           periods_before(r->last_us, widths[i]) - periods_before(r->first_us, widths[i]) >=
               PERIODS_MAX) {
        i++;
    }
    return widths[i];
}

static json_t *periods_to_json(const label_rows *r) {
    const int64_t width_us = choose_width(r), first = periods_before(r->first_us, width_us);
    period periods[PERIODS_MAX] = {0};
    json_t *list = json_array();
    for (uint64_t row = 0; row < r->n_rows; row++) {
        if (r->time->ints[row] != TM_INT_MISSING) {
            const int64_t at = periods_before(r->time->ints[row], width_us) - first;
            period *const p = &periods[at < PERIODS_MAX ? at : PERIODS_MAX - 1];
            p->rows++;
            p->labelled += !tm__column_is_missing(r->target, row);
        }
    }
    for (int64_t i = 0; i < PERIODS_MAX; i++) {
        if (periods[i].rows > 0) {
            json_array_append_new(
                list,
                json_pack("{s:o, s:I, s:I, s:o}", "from", tm__json_time((first + i) * width_us),
                          "rows", (json_int_t)periods[i].rows, "labelled",
                          (json_int_t)periods[i].labelled, "share",
                          tm__json_number((double)periods[i].labelled / (double)periods[i].rows)));
        }
    }
    return json_pack("{s:o, s:o}", "width_seconds", tm__json_number((double)width_us / 1e6), "list",
                     list);
}

static json_t *times_to_json(const label_rows *r, int64_t now_us) {
    if (r->time == NULL || r->n_timeless == r->n_rows) {
        return json_null();
    }
    json_t *out = json_pack("{s:s, s:I, s:o, s:o, s:o}", "column", r->time->name, "missing",
                            (json_int_t)r->n_timeless, "first", tm__json_time(r->first_us), "last",
                            tm__json_time(r->last_us), "periods", periods_to_json(r));
    const bool has_label = r->first_labelled_us <= r->last_labelled_us;
    json_object_set_new(out, "newest_label_age_seconds",
                        has_label ? tm__json_number((double)(now_us - r->last_labelled_us) / 1e6)
                                  : json_null());
    json_object_set_new(out, "oldest_label_age_seconds",
                        has_label ? tm__json_number((double)(now_us - r->first_labelled_us) / 1e6)
                                  : json_null());
    return out;
}

tm_status tm__train_label_rows(const tm_table *table, const tm_label_rows_options *options,
                               json_t **out, tm_err *err) {
    const uint32_t target = tm__table_find(table, options->target);
    const uint32_t time = options->time == NULL ? UINT32_MAX : tm__table_find(table, options->time);
    if (target == UINT32_MAX || (options->time != NULL && time == UINT32_MAX)) {
        const char *name = target == UINT32_MAX ? options->target : options->time;
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "there is no column '%s'", name);
        tm__table_hint_column(table, name, err);
        return st;
    }
    label_rows r = {.target = tm__table_column(table, target), .n_rows = tm__table_rows(table)};
    if (time != UINT32_MAX) {
        r.time = tm__table_column(table, time);
        if (r.time->type != TM_TYPE_DATE && r.time->type != TM_TYPE_TIME) {
            return TM_FAIL(err, TM_E_USAGE, "the time column '%s' is %s, not a date or time",
                           options->time, tm__type_text(r.time->type));
        }
    }
    look_at_rows(&r);
    json_t *made = json_pack("{s:I, s:I, s:o, s:o}", "rows", (json_int_t)r.n_rows, "labelled",
                             (json_int_t)r.n_labelled, "share",
                             r.n_rows > 0 ? tm__json_number((double)r.n_labelled / (double)r.n_rows)
                                          : json_null(),
                             "time", times_to_json(&r, options->now_us));
    return tm__json_give(TM_OK, made, out, err);
}
