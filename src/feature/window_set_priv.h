/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a set of features over windows share. */
#ifndef TM_FEATURE_WINDOW_SET_PRIV_H
#define TM_FEATURE_WINDOW_SET_PRIV_H

#include "feature/window.h"
#include "feature/window_set.h"
#include "feature/window_text.h"

typedef struct tm_window_member {
    tm_window_text text;
    const tm_window_known *known; /* NULL: with the row */
    tm_window_input input;        /* fitted; type NONE: the events themselves */
    bool is_late;                 /* hidden: not before its row's moment */
    bool is_leak;                 /* looks at what is not known; only where that is allowed */
} tm_window_member;

struct tm_window_set {
    char *time;
    uint32_t n_features, n_known, n_needs;
    tm_window_member *features; /* [n_features] */
    tm_window_known *known;     /* [n_known] */
    tm_window_need *needs;      /* [n_needs], their names are of the others */
};

/* window_set.c */
TM_NODISCARD tm_status tm__window_no_memory(tm_err *err);
/** When a column is said to be known; NULL: nothing is said of it. */
const tm_window_known *tm__window_known_find(const tm_window_set *set, const char *column);
/** List the columns that the features read; without types. */
TM_NODISCARD tm_status tm__window_needs_init(tm_window_set *set, tm_err *err);
/** The events of a feature; TM_E_USAGE when its source is not given. */
TM_NODISCARD tm_status tm__window_events_find(const tm_window_member *f,
                                              const tm_window_tables *tables, const tm_table **out,
                                              tm_err *err);
/** TM_E_DATA when a fitted feature asks a text for more than whether it is the same as another:
 * what numbers a table gives to its texts means nothing in another table. */
TM_NODISCARD tm_status tm__window_member_check(const tm_window_member *feature, tm_err *err);
/** A column that a feature reads. TM_E_NOT_FOUND, and of moments TM_E_DATA when it has none. */
TM_NODISCARD tm_status tm__window_column_find(const tm_table *table, const char *name,
                                              const char *who, const tm_column **out, tm_err *err);
TM_NODISCARD tm_status tm__window_moments_find(const tm_table *table, const char *name,
                                               const char *who, const tm_column **out, tm_err *err);

#endif
