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
 * whatever a dirty column says.
 */
#ifndef TM_FEATURE_WINDOW_SET_H
#define TM_FEATURE_WINDOW_SET_H

#include <jansson.h>

#include "base/ctx.h"
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
} tm_window_spec;

/**
 * Read the features and when their columns are known. The spec is not kept.
 *
 * Errors:  TM_E_USAGE (words, no time column, a name twice), TM_E_REFUSED for a feature of a hidden
 *          column of which nothing says when it is known, TM_E_NOMEM.
 */
TM_NODISCARD tm_status tm__window_set_create(const tm_window_spec *spec, tm_window_set **out,
                                             tm_err *err);
/** Learn types and scales from events. TM_E_NOT_FOUND, TM_E_DATA: a column that is not there, or of
 * a type that the function is not for. O(rows) for each column. */
TM_NODISCARD tm_status tm__window_set_fit(tm_window_set *set, const tm_table *events, tm_err *err);
/**
 * A fresh table: the rows, with the set's features as columns of FLOAT (missing: nothing was
 * known). rows and events have the columns that the set was fitted on; they may be one table.
 *
 * Cost, threads and limits: as tm__windows_apply(), once for the features of the same keys that
 * become known alike.
 */
TM_NODISCARD tm_status tm__window_set_apply(const tm_ctx *ctx, const tm_window_set *set,
                                            const tm_table *rows, const tm_table *events,
                                            tm_table **out, tm_err *err);
uint32_t tm__window_set_count(const tm_window_set *set);
/** The name of the column that feature i makes. */
const char *tm__window_set_name(const tm_window_set *set, uint32_t i);
/** The column that holds when another one is known, of feature i; NULL: none does. */
const char *tm__window_set_when(const tm_window_set *set, uint32_t i);
void tm__window_set_free(tm_window_set *set);

/** A fitted set as it stands in a model's record; NULL when out of memory. */
json_t *tm__window_set_to_json(const tm_window_set *set);
/** Such a record; every part is checked. TM_E_DATA when it is none. */
TM_NODISCARD tm_status tm__window_set_from_json(const json_t *record, tm_window_set **out,
                                                tm_err *err);

#endif
