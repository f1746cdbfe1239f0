/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources as a project declares them: checked before anything is done, held against the home, and
 * brought to it. What a declaration cannot change is what a source reads and what tells its rows
 * apart, since nobody could say then which rows came before.
 *
 * Members of a spec: the name of the feed ("files": GLOB), "query", "cursor", "dir", "no_header",
 * "credentials", "cache_bytes", "every_s", "settle_s", "changed", "policy", "target", "expect"
 * ({NAME: RULE}) and "columns" ({NAME: {"type", "required", "role", "policy"}}), of which a
 * policy is one of table/privacy.h.
 */
#ifndef TM_SOURCE_DECLARE_H
#define TM_SOURCE_DECLARE_H

#include "source/intake.h"

#define TM_WATCH_EVERY_S 5  /* of a watched folder, when nothing else is said */
#define TM_STREAM_EVERY_S 1 /* of a stream that ended: it is followed again */

/** What columns may be declared to be; ends with NULL. */
extern const char *const tm__column_types[];
extern const char *const tm__column_roles[];

/** Whether a source could be added: its name, feed, policies, columns, and what its feed wants. */
TM_NODISCARD tm_status tm__source_check(const tm_intake_add *add, tm_err *err);

typedef enum tm_source_change {
    TM_SOURCE_NEW,
    TM_SOURCE_UNFINISHED, /* it was added, and then not read to the end */
    TM_SOURCE_CHANGED,
    TM_SOURCE_SAME
} tm_source_change;
/**
 * How the home differs from a declaration. *out_changes: an array of sentences, such as "every: 60
 * instead of 3600"; new reference. TM_E_CONFLICT for what cannot be changed.
 */
TM_NODISCARD tm_status tm__source_compare(const tm_home *home, const tm_intake_add *add,
                                          tm_source_change *out, json_t **out_changes, tm_err *err);
/** Bring a source that is there to a declaration, in one transaction: all of it or nothing. Whoever
 * has its columns in memory finds out before it writes. */
TM_NODISCARD tm_status tm__source_declare(const tm_home *home, const tm_intake_add *add,
                                          tm_err *err);

/** Put {"columns": ...} of a spec, NULL for none, into columns; see tm__source_declare(). */
struct tm_intake_columns;
TM_NODISCARD tm_status tm__source_declared_columns(const json_t *spec, bool has_rows,
                                                   struct tm_intake_columns *columns,
                                                   struct tm_intake_columns **out, tm_err *err);

#endif
