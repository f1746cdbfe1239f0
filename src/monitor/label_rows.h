/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that say what came true, as labels of a model's answers: from a file, a query or a source.
 */
#ifndef TM_MONITOR_LABEL_ROWS_H
#define TM_MONITOR_LABEL_ROWS_H

#include "base/arena.h"
#include "monitor/monitor.h"

/* Where labels stand in the rows: names of columns. */
typedef struct tm_label_columns {
    const char *id;       /* of the answer; or NULL and: */
    const char *entity;   /* what it was about */
    const char *time;     /* with entity: when; NULL: the newest about it */
    const char *value;    /* NULL: the model's target */
    const char *known_at; /* when it became known; NULL: now */
} tm_label_columns;
#define TM_LABEL_ID "prediction_id" /* where nothing else is said */

typedef struct tm_label_rows_options {
    const tm_bundle *bundle; /* what its labels are like */
    const char *model;
    tm_label_columns columns;
    int64_t within_us; /* of labels by entity and time: tm_label.within_us */
    const char *origin;
    bool skips_bad; /* rows that are no label are counted; else the first one fails all */
} tm_label_rows_options;

typedef struct tm_label_rows {
    tm_arena *arena;  /* of texts */
    tm_label *labels; /* [n]; texts are the arena's, the model's and the origin's the caller's */
    uint64_t *rows;   /* [n] of the table, from 0 */
    uint64_t n;
    uint64_t n_empty; /* rows whose label is not known yet */
    uint64_t n_other; /* of n: a class that training never saw */
    uint64_t n_bad;   /* rows that name no answer, or whose label is no number where one is due */
} tm_label_rows;
/**
 * Labels of the rows of a table.
 *
 * Owns:    the caller ends *out with tm__label_rows_done(), also after a failure.
 * Errors:  TM_E_USAGE (no such column), TM_E_DATA (times that are none; with its row, what is no
 *          label), TM_E_NOMEM.
 * Threads: any.
 */
TM_NODISCARD tm_status tm__label_rows_read(const tm_table *table,
                                           const tm_label_rows_options *options, tm_label_rows *out,
                                           tm_err *err);
void tm__label_rows_done(tm_label_rows *rows);

#endif
