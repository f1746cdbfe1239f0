/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The window features of a model: read from words, fitted on the events that it learns from, then
 * computed for any rows as columns of their own.
 *
 * When a value became known. A row is known at its moment, the time column, and so are its columns
 * unless something else was said: "delay=arrived" (another column of the row holds the moment) or
 * "delay=+2h" (so long after it). The target and what the model may not read are not known at the
 * row's moment, so a feature of them is refused until it is said when they are: that is the leak
 * which makes a model shine in the lab alone. Nothing of them is known before its row's moment,
 * whatever a dirty column says. A key must be known with its row: the target is none, nor is a
 * column that is known later.
 */
#ifndef TM_FEATURE_WINDOW_SET_H
#define TM_FEATURE_WINDOW_SET_H

#include <jansson.h>

#include "base/buf.h"
#include "base/ctx.h"
#include "feature/window.h"
#include "feature/window_text.h"
#include "table/table.h"
#include "tidemill/err.h"

typedef struct tm_window_set tm_window_set;

typedef struct tm_window_spec {
    const char *const *texts; /* features in words, as feature/window_text.h has them */
    uint32_t n_texts;
    const char *time;         /* column of a row's moment */
    const char *const *known; /* "delay=arrived", "delay=+2h" */
    uint32_t n_known;
    const char *const *hidden; /* columns that are not known at the row's moment */
    uint32_t n_hidden;
    const char *target; /* hidden too, and never a key; NULL: none */
    bool allows_leaks;  /* features of hidden columns count as known with their row: to measure
                           what that is worth, never to keep */
} tm_window_spec;

/* When a column's values are known: at a moment of its row's own, so long after the row's, or with
 * the row. */
typedef struct tm_window_known {
    char *column, *when; /* owned; when NULL: the row's moment */
    int64_t delay_us;
} tm_window_known;
/** "late=arrived", "late=+2h". TM_E_USAGE; its texts end with tm__mem_free() in any case. */
TM_NODISCARD tm_status tm__window_known_read(const char *text, tm_window_known *out, tm_err *err);

/* Events of another source. */
typedef struct tm_window_source {
    const char *name;
    const tm_table *events;
} tm_window_source;

/* Where events are. Borrowed. */
typedef struct tm_window_tables {
    const tm_table *events; /* of the rows' own columns */
    const tm_window_source *sources;
    uint32_t n_sources;
} tm_window_tables;

/* A column that features read. */
typedef struct tm_window_need {
    const char *source; /* NULL: of the rows' own columns */
    const char *name;
    tm_type type; /* NONE before the set is fitted */
    bool of_rows; /* of the row that is asked about */
    bool of_events;
} tm_window_need;

/**
 * Read the features and when their columns are known. The spec is not kept.
 *
 * Errors:  TM_E_USAGE (words, no time column, a name twice), TM_E_REFUSED for a feature of a hidden
 *          column of which nothing says when it is known, or with such a key, TM_E_NOMEM.
 */
TM_NODISCARD tm_status tm__window_set_create(const tm_window_spec *spec, tm_window_set **out,
                                             tm_err *err);
/** Learn types and scales from events; tables->events has the rows' columns too. TM_E_NOT_FOUND,
 * TM_E_DATA: a column that is not there, or of a type that the function is not for; TM_E_USAGE: a
 * source that is not given. O(rows) for each column. */
TM_NODISCARD tm_status tm__window_set_fit(tm_window_set *set, const tm_window_tables *tables,
                                          tm_err *err);
/**
 * A fresh table: the rows, with the set's features as columns of FLOAT (missing: nothing was
 * known). rows and events have the columns that the set was fitted on; they may be one table.
 *
 * Cost, threads and limits: as tm__windows_apply(), once for the features of the same keys that
 * become known alike.
 */
TM_NODISCARD tm_status tm__window_set_apply(const tm_ctx *ctx, const tm_window_set *set,
                                            const tm_table *rows, const tm_window_tables *tables,
                                            tm_table **out, tm_err *err);
uint32_t tm__window_set_count(const tm_window_set *set);
/** The name of the column that feature i makes. */
const char *tm__window_set_name(const tm_window_set *set, uint32_t i);
/** Whether feature i looks at what is not known; false unless the spec allowed it. */
bool tm__window_set_is_leak(const tm_window_set *set, uint32_t i);
/** The columns that the features read, of each source once. */
const tm_window_need *tm__window_set_needs(const tm_window_set *set, uint32_t *out_n);
/** Whether a column only says when others are known: no input of a model. */
bool tm__window_set_is_moment(const tm_window_set *set, const char *column);
/** Whether something says that a column is known later than its row. */
bool tm__window_set_is_later(const tm_window_set *set, const char *column);
/** What is said of when columns are known: entry i of so many; *out_when NULL: *out_delay_us after
 * the row. Borrowed. */
uint32_t tm__window_set_known_count(const tm_window_set *set);
void tm__window_set_known_at(const tm_window_set *set, uint32_t i, const char **out_column,
                             const char **out_when, int64_t *out_delay_us);
void tm__window_set_free(tm_window_set *set);

/* ---- What others keep by it (feature/window_live.h) ---- */

const char *tm__window_set_time(const tm_window_set *set); /* column of a row's moment */
typedef struct tm_window_part {                            /* a feature; borrowed from the set */
    const tm_window_text *text; /* its events are of another source when it names one */
    tm_window_input input;      /* type NONE: the events themselves, or it is not fitted */
    const char *when;           /* column that says when it is known; NULL: the row's moment */
    int64_t delay_us;           /* behind that, besides the delay in words */
    bool is_late;               /* not known before its row's moment */
} tm_window_part;
tm_window_part tm__window_set_part(const tm_window_set *set, uint32_t i);
/** True when both have the same events and keys and become known alike, so that one state answers
 * both. */
bool tm__window_set_are_alike(const tm_window_set *set, uint32_t a, uint32_t b);
/** When the rows of a table become events of feature i: out_us [rows], TM_INT_MISSING never. */
TM_NODISCARD tm_status tm__window_set_known(const tm_window_set *set, uint32_t i,
                                            const tm_table *events, int64_t *out_us, tm_err *err);
/** The level of a SHARE as the storage of its column has it. */
TM_NODISCARD tm_status tm__window_set_level(const tm_window_set *set, uint32_t i,
                                            const tm_column *column, int64_t *out, tm_err *err);

/**
 * A fitted set as it stands in a model's record; NULL when out of memory:
 *
 *   {"time": "leaves",
 *    "features": [{"feature": "late_2h = mean(late) by origin over 2h", "late": true,
 *                  "type": "float", "exponent": 12}],     without type: the events themselves
 *    "known": ["late=arrives"],
 *    "columns": {"leaves": "time", "origin": "text", "late": "float", "arrives": "time"},
 *    "sources": {"payments": {"booked": "time", ...}}}
 *
 * late: what the feature looks at is not known before its row's moment, whatever its column says.
 */
json_t *tm__window_set_to_json(const tm_window_set *set);
/** Such a record; every part is checked. TM_E_DATA when it is none. */
TM_NODISCARD tm_status tm__window_set_from_json(const json_t *record, tm_window_set **out,
                                                tm_err *err);

#endif
