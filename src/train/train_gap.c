/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies too near before the rows that come later: labels that were not known yet, and rows
 * within a gap (purging and embargo: de Prado 2018, Advances in Financial Machine Learning, 7.4).
 * Test rows, and the validation rows of a search, are then as far from what was learned as rows to
 * come will be.
 */
#include "train/train_priv.h"

tm_status tm__train_gap_check(const tm_train_data *data, tm_err *err) {
    if (data->gap_us == 0 || (data->is_time_ordered && data->time != UINT32_MAX)) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_USAGE,
                                 "a gap lies before rows that come later, and "
                                 "these are tested on in no order of time");
    tm_err_hint(err, "Name the column with the time of a row (--time COL), and test on the newest "
                     "rows: --split time:COL:0.2, or later ones with --test.");
    return st;
}

static bool is_near(const tm_train_data *data, uint32_t row, int64_t first_us) {
    const int64_t time = tm__table_column(data->table, data->time)->ints[row];
    if (data->label_known_us != NULL && (data->label_known_us[row] == TM_LABEL_NEVER_SAID ||
                                         data->label_known_us[row] >= first_us)) {
        return true;
    }
    return data->gap_us > 0 && time != TM_INT_MISSING && time > first_us - data->gap_us;
}

uint64_t tm__train_gap(const tm_train_data *data, const uint32_t *later, uint64_t n_later,
                       uint32_t *rows, uint64_t n_rows) {
    /* The last rows of a file are not said to be the newest. */
    const bool has_labels = data->label_known_us != NULL && data->split.kind != TM_SPLIT_LAST;
    if (data->time == UINT32_MAX || n_later == 0 || (data->gap_us == 0 && !has_labels)) {
        return n_rows;
    }
    const int64_t *const times = tm__table_column(data->table, data->time)->ints;
    int64_t first_us = INT64_MAX;
    uint64_t n = 0;
    for (uint64_t i = 0; i < n_later; i++) {
        const int64_t time = times[later[i]];
        first_us = time != TM_INT_MISSING && time < first_us ? time : first_us;
    }
    for (uint64_t i = 0; i < n_rows; i++) {
        if (!is_near(data, rows[i], first_us)) {
            rows[n++] = rows[i];
        }
    }
    return n;
}
