/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Validation rows in few cells of like answers: what a model keeps of them, so that a rule which
 * needs rows can choose another threshold long after the rows are gone.
 */
#ifndef TM_METRIC_THRESHOLD_CELLS_H
#define TM_METRIC_THRESHOLD_CELLS_H

#include "metric/threshold.h"

/**
 * {"answers": [n], "weights": [n]}: the surest first; a cell has the weight of the rows whose
 * answer is at least its own and below that of the cell before. Equal answers are in one cell. Each
 * cell reaches a sixteenth further than the one before, from a thousandth of the rows on, so that a
 * share is met to a sixteenth of it, whatever it is; 120 cells or so.
 *
 * Owns:    a new reference; NULL when out of memory.  Cost: O(n log n).
 * Errors:  none.  Threads: any.
 */
json_t *tm__threshold_cells(const tm_called_rows *rows);
/** As tm__threshold_find() on the rows of cells, for CAPACITY; the others ask for truths, or for
 * no rows.
 *
 * Owns:    nothing of cells, which may come from a file of anybody.
 * Errors:  TM_E_UNSUPPORTED (another rule), TM_E_INVALID (no cells, or none that could be),
 *          TM_E_NOMEM.  Threads: any. */
TM_NODISCARD tm_status tm__threshold_of_cells(const tm_threshold_rule *rule, const json_t *cells,
                                              tm_threshold *out, tm_err *err);

#endif
