/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of an experiment as units: whoever or whatever was assigned to an arm, each once, in the
 * order in which they came to be judged. Rows of a table and answers of a log both become units
 * here.
 *
 * A unit's value is the mean of its rows. With a delay it is what was known so long after the
 * unit's first row, and no longer changes: units are judged in the order of their first rows.
 * Without one it is what is known now, and units stand where their first value became known.
 * Units of the same time stand in an order of chance, which the rows' places alone decide.
 */
#ifndef TM_METRIC_EXPERIMENT_UNITS_H
#define TM_METRIC_EXPERIMENT_UNITS_H

#include "metric/ab_judge.h"
#include "table/table.h"

#define TM_UNIT_METRICS_MAX (1u + TM_AB_GUARDRAILS_MAX)

/* Zeroed but for n_metrics, delay_us and now_us. */
typedef struct tm_units {
    uint32_t n_metrics;
    int64_t delay_us; /* 0: none */
    int64_t now_us;   /* a unit is matured when its delay is over by then */
    tm_dict *keys;    /* NULL: each row is a unit of its own */

    /* Rows, in the order that they were added. Owned. */
    uint64_t n_rows, n_rows_max;
    struct tm_unit_row *rows;
    double *row_values; /* [n_rows x n_metrics] */

    /* Units, once made. Owned. */
    uint64_t n, n_matured, n_in_both;
    uint8_t *arms;
    int64_t *times_us;
    double *values[TM_UNIT_METRICS_MAX];
    bool is_binary[TM_UNIT_METRICS_MAX]; /* all values are 0 or 1 */
    bool is_share[TM_UNIT_METRICS_MAX];  /* all rows are 0 or 1 */
} tm_units;

/* A row of a unit. */
typedef struct tm_unit_row {
    uint64_t unit; /* its key's code, or the row's number */
    int64_t time_us, known_us;
    uint8_t arm;
} tm_unit_row;

/** Code of a key, the same for equal texts. TM_E_NOMEM. */
TM_NODISCARD tm_status tm__units_key(tm_units *self, tm_str key, uint64_t *out, tm_err *err);
/** Add a row; values [n_metrics], NaN: none. TM_E_NOMEM. */
TM_NODISCARD tm_status tm__units_add(tm_units *self, const tm_unit_row *row, const double *values,
                                     tm_err *err);
/** Make units of all rows, once; those with rows in both arms are left out and counted.
 * TM_E_NOMEM. Cost: O(n log n). */
TM_NODISCARD tm_status tm__units_make(tm_units *self, tm_err *err);
void tm__units_done(tm_units *self);

#endif
