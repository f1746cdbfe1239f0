/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels that come late. A row's target is known so long after its time, or at the moment that a
 * column holds.
 *
 *     time ──────────●──────────────●───────────|──────────────|────>
 *                    row            its label   first test row  cut
 *                                   known: it may be learned from
 *
 * 1. What was not known at the cut (now, or --as-of) takes no part at all, also not as a test row:
 * of rows so young the quick labels alone are there, and they are not like the rest.
 * 2. With a split by time nothing is learned from that was not known before the first test row: a
 *    model that had been trained then would not have had it.
 * 3. A label whose column holds no moment is there, so it was known at the cut; when is not known,
 * so it is not learned from before test rows.
 * 4. The cut that is recorded is the latest moment that takes part, not the clock: rows that are
 * the same give the same bytes, whenever they are learned from.
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "train/train_priv.h"

typedef struct label_time {
    const tm_column *time, *when; /* when NULL: so long after the row's time */
    int64_t delay_us;
} label_time;

static bool is_moment(const tm_column *column) {
    return column->type == TM_TYPE_DATE || column->type == TM_TYPE_TIME;
}

static tm_status find_moments(const tm_table *table, const char *name, const tm_column **out,
                              tm_err *err) {
    const uint32_t col = tm__table_find(table, name);
    if (col == UINT32_MAX) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "there is no column '%s'", name);
        tm__table_hint_column(table, name, err);
        return st;
    }
    *out = tm__table_column(table, col);
    return is_moment(*out) ? TM_OK
                           : TM_FAIL(err, TM_E_USAGE, "column '%s' is %s, not a date or time", name,
                                     tm__type_text((*out)->type));
}

/* What is said of the target among the columns that are known late. */
static tm_status read_known(const tm_table *table, const tm_train_options *options, label_time *out,
                            bool *out_found, tm_err *err) {
    for (uint32_t i = 0; i < options->n_known; i++) {
        tm_window_known known = {0};
        tm_status st = tm__window_known_read(options->known[i], &known, err);
        if (st == TM_OK && strcmp(known.column, options->target) == 0) {
            *out_found = true;
            out->delay_us = known.delay_us;
            st = known.when != NULL ? find_moments(table, known.when, &out->when, err) : TM_OK;
        }
        tm__mem_free(known.column);
        tm__mem_free(known.when);
        TM_TRY(st);
    }
    return TM_OK;
}

static tm_status find_times(const tm_table *table, const tm_train_options *options, label_time *out,
                            bool *out_found, tm_err *err) {
    *out_found = false;
    TM_TRY(read_known(table, options, out, out_found, err));
    if (*out_found && options->label_delay_us > 0) {
        return TM_FAIL(err, TM_E_USAGE, "it is said twice when '%s' is known", options->target);
    }
    if (options->label_delay_us > 0) {
        *out_found = true;
        out->delay_us = options->label_delay_us;
    }
    if (!*out_found) {
        return TM_OK;
    }
    if (options->time != NULL) {
        TM_TRY(find_moments(table, options->time, &out->time, err));
    } else if (out->when == NULL) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "a delay of labels needs a time column");
        tm_err_hint(err, "Give --time COL: a label is known so long after its row's time.");
        return st;
    }
    return TM_OK;
}

static int64_t known_at(const label_time *l, uint64_t row) {
    const int64_t time = l->time != NULL ? l->time->ints[row] : TM_INT_MISSING;
    int64_t known = 0;
    if (l->when != NULL) {
        known = l->when->ints[row];
        return known == TM_INT_MISSING ? TM_LABEL_NEVER_SAID : known > time ? known : time;
    }
    if (time == TM_INT_MISSING) {
        return TM_LABEL_NEVER_SAID;
    }
    return __builtin_add_overflow(time, l->delay_us, &known) ? INT64_MAX : known;
}

tm_status tm__train_label_known(const tm_table *table, const tm_train_options *options,
                                int64_t **out, tm_err *err) {
    label_time times = {0};
    bool is_said = false;
    TM_TRY(find_times(table, options, &times, &is_said, err));
    *out = NULL;
    if (!is_said) {
        return TM_OK;
    }
    const uint64_t n_rows = tm__table_rows(table);
    int64_t *const known_us = tm__mem_alloc(n_rows + 1, sizeof(*known_us));
    if (known_us == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the times of labels");
    }
    for (uint64_t row = 0; row < n_rows; row++) {
        known_us[row] = known_at(&times, row);
    }
    *out = known_us;
    return TM_OK;
}

tm_status tm__train_mature(tm_train_data *data, const tm_train_options *options, tm_err *err) {
    const int64_t cut_us = options->label_cut_us != 0 ? options->label_cut_us : tm__now_us();
    uint64_t n_left = 0;
    TM_TRY(tm__train_label_known(data->table, options, &data->label_known_us, err));
    if (data->label_known_us == NULL) {
        return TM_OK;
    }
    data->label_cut_us = INT64_MIN;
    for (uint64_t row = 0; row < data->n_rows; row++) {
        const int64_t known_us = data->label_known_us[row];
        if (isnan(data->y[row])) {
            continue;
        }
        if (known_us > cut_us) {
            data->y[row] = NAN;
            data->n_unmatured++;
        } else {
            n_left++;
            data->label_cut_us = known_us > data->label_cut_us ? known_us : data->label_cut_us;
        }
    }
    if (n_left == 0 && data->n_unmatured > 0) {
        return TM_FAIL(err, TM_E_DATA, "none of %llu labels of '%s' was known at the cut",
                       (unsigned long long)data->n_unmatured, options->target);
    }
    return TM_OK;
}
