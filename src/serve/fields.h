/* SPDX-License-Identifier: Apache-2.0 */
/* How rows of requests differ from the columns of an entry that is served, counted by the threads
 * that read them (monitor/field_days.h). Of names that the model does not know the first
 * TM_FIELD_NAMES are told apart, whatever comes. */
#ifndef TM_SERVE_FIELDS_H
#define TM_SERVE_FIELDS_H

#include "monitor/alert_teller.h"
#include "monitor/field_days.h"
#include "serve/serve_priv.h"

typedef struct tm_fields tm_fields;
/** For so many columns and threads; names [n_columns] are the caller's, and outlive it. NULL when
 * out of memory. */
tm_fields *tm__fields_create(const char *const *names, uint32_t n_columns, uint32_t n_threads);
void tm__fields_free(tm_fields *fields);

/** Count one of a column (ROWS: any). The thread's own; a plain store. fields may be NULL. */
void tm__fields_count(tm_fields *fields, uint32_t thread, tm_field_kind kind, uint32_t column);
/** Count a name that is no column's. Any thread; without a lock. */
void tm__fields_unknown(tm_fields *fields, tm_str name);

/** Keep what came since the last call; nothing is opened when nothing did. What cannot be kept is
 * kept the next time. One thread at a time. */
TM_NODISCARD tm_status tm__fields_keep(const tm_current *current, tm_teller *teller, int64_t now_us,
                                       tm_err *err);

#endif
