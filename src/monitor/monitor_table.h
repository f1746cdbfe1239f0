/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a table as the log keeps them when a server is asked for them: the inputs of a model,
 * then its time and its entity where they are none of these.
 */
#ifndef TM_MONITOR_MONITOR_TABLE_H
#define TM_MONITOR_MONITOR_TABLE_H

#include "monitor/monitor.h"
#include "table/privacy.h"

#define TM_TABLE_LOG_NONE UINT32_MAX

typedef struct tm_table_log {
    const char **names;       /* [n], of the bundle */
    const tm_column **from;   /* [n] of the table; NULL: it lacks the column */
    tm_cell *cells;           /* [n] of the row at hand; the caller's where from is NULL */
    tm_privacy *privacy;      /* [n] policies of columns; NULL: none has one */
    char *rooms;              /* [n][TM_PRIVACY_ROOM] texts that they made */
    const tm_hash *key;       /* of the bundle; NULL: it has none */
    uint32_t n, time, entity; /* places of both; TM_TABLE_LOG_NONE: the model has none */
} tm_table_log;
/** The columns of a bundle, which must outlive it. TM_E_NOMEM. */
TM_NODISCARD tm_status tm__table_log_init(tm_table_log *self, const tm_bundle *bundle, tm_err *err);
/** Take the rows of a table from now on; what it lacks is missing. */
void tm__table_log_use(tm_table_log *self, const tm_table *table);
/* One row of the table and its answer. */
typedef struct tm_table_answer {
    uint64_t row;
    char id[27];
    const double *outputs; /* [n_outputs] */
    uint32_t n_outputs;
} tm_table_answer;
/** Append it as the log keeps it, after the policies of columns: a value that one cannot be applied
 * to is missing. False when out of memory (out->failed). Owner thread. */
bool tm__table_log_append(tm_table_log *self, const tm_table_answer *answer, tm_buf *out);
void tm__table_log_done(tm_table_log *self);

#endif
