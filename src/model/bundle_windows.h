/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Features over windows that a model reads, for rows outside of training: from the events before
 * them, or as the rows have them. A bundle's info holds the fitted set as "windows", as
 * feature/window_set.h says.
 */
#ifndef TM_MODEL_BUNDLE_WINDOWS_H
#define TM_MODEL_BUNDLE_WINDOWS_H

#include "feature/window_set.h"
#include "model/bundle.h"
#include "table/schema.h"

/* The events that rows are told of. Borrowed. */
typedef struct tm_bundle_history {
    tm_window_tables tables;
    bool has_rows; /* the rows themselves are among the events */
} tm_bundle_history;

bool tm__bundle_has_windows(const tm_bundle *bundle);
/** The fitted set of a bundle that has one. The caller frees. TM_E_DATA when its record is damaged.
 */
TM_NODISCARD tm_status tm__bundle_windows(const tm_bundle *bundle, tm_window_set **out,
                                          tm_err *err);
/** Types to read rows and their history with: the model's inputs, and what its features look at. */
TM_NODISCARD tm_status tm__bundle_rows_schema(const tm_bundle *bundle, tm_schema *out, tm_err *err);
/** Types to read the events of another source with. */
TM_NODISCARD tm_status tm__bundle_events_schema(const tm_bundle *bundle, const char *source,
                                                tm_schema *out, tm_err *err);
/**
 * The rows with the names that the model reads and its features over windows; the table itself,
 * referenced, where nothing is to be added.
 *
 * history  NULL: the rows must have the features as columns, which are taken as they are. Rows that
 *          are not among the events count as events too: what they lack is missing there, and
 *          says nothing.
 *
 * Errors:  TM_E_DATA (no history, or none of the rows' own kind, and a feature that is no column; a
 * feature that is one, with a history), TM_E_USAGE (a history for a model without such features),
 * and those of tm__window_set_apply(). Threads: as tm__window_set_apply().
 */
TM_NODISCARD tm_status tm__bundle_widen(const tm_ctx *ctx, const tm_bundle *bundle, tm_table *rows,
                                        const tm_bundle_history *history, tm_table **out,
                                        tm_err *err);

#endif
