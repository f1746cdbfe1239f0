/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How requests differ from the columns that a version reads, by days (watch.db, table fields):
 * names that it does not know, columns that rows leave out, values of another type that could be
 * read all the same, and values that could not. Only names and counts are kept, never a value; of
 * names that it does not know at most TM_FIELD_NAMES a day, the others together.
 */
#ifndef TM_MONITOR_FIELD_DAYS_H
#define TM_MONITOR_FIELD_DAYS_H

#include "base/json.h"
#include "model/bundle.h"
#include "monitor/drift_store.h"

#define TM_FIELD_NAMES 32u
#define TM_FIELD_NAME_MAX 64u /* bytes kept of a name that is not known, whole characters */
#define TM_FIELD_DAYS 62u     /* kept of a version */

typedef enum tm_field_kind {                         /* numbers are stored */
                             TM_FIELD_REFUSED = 0,   /* a value that is none of its column */
                             TM_FIELD_ABSENT = 1,    /* a row without the column */
                             TM_FIELD_UNKNOWN = 2,   /* a name; once a row, or once a table */
                             TM_FIELD_CONVERTED = 3, /* a value of another type that fits */
                             TM_FIELD_ROWS = 4,      /* rows that were read; without a name */
                             TM_FIELD_RENAMED = 5,   /* a value under a name of before */
                             TM_FIELD_KINDS
} tm_field_kind;

typedef struct tm_field_add {
    tm_drift_window_key key;
    int64_t at_us;
    tm_field_kind kind;
    const char *name; /* "" of a name that is not known: all others than those kept */
    uint64_t n;
} tm_field_add;
/** In a transaction: add to the day of a moment. Errors: those of the store. */
TM_NODISCARD tm_status tm__field_days_add_locked(tm_drift_store *store, const tm_field_add *add,
                                                 tm_err *err);
/** In a transaction: the newest days of a version stay. */
TM_NODISCARD tm_status tm__field_days_drop_locked(tm_drift_store *store,
                                                  const tm_drift_window_key *key, tm_err *err);

/**
 * What is kept of a version: [{"field" (null: other names), "state": "refused", "absent",
 * "unknown", "converted" or "renamed", "times", "since", "last": days, "was", "is": times for each
 * row on the days before the newest one, and on that (null: no rows)}], by state, those seen most
 * first.
 *
 * Owns: *out is a new reference.  Errors: TM_E_NOMEM, TM_E_INTEGRITY, those of the store.
 * Threads: any.
 */
TM_NODISCARD tm_status tm__field_days_report(const tm_home *home, const tm_drift_window_key *key,
                                             json_t **out, tm_err *err);

/** Add to what is absent what an answer is worth less without it: "worth": {"loss": "logloss" or
 * "rmse", "value"}, the column's share of the model's importance in what the model gains on a
 * constant answer; nothing without a reference. */
void tm__field_days_price(const tm_bundle *bundle, json_t *fields);

#endif
