/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a row is: the rows of a table in which a column holds an id of a set. Values are compared
 * as text, so the number 7 and the text "7" are one id. Any thread. */
#ifndef TM_TABLE_WHOSE_H
#define TM_TABLE_WHOSE_H

#include "base/buf.h"
#include "base/json.h"
#include "table/table.h"

/**
 * names   list of the columns that may hold an id; those that the table lacks are passed over.
 *         NULL: all of them.
 * ids     a set of them.
 * out     [n rows] 1 where one of them holds one; out_n counts these.
 * counts  [n ids] the rows of each are added: a row that two columns give to two ids counts for
 *         both. NULL: not asked for.
 * Errors: TM_E_NOMEM.  Cost: a look-up a text of a dictionary, some 0.2 us a number.
 */
TM_NODISCARD tm_status tm__whose_rows(const tm_table *table, const json_t *names,
                                      const tm_dict *ids, uint8_t *out, uint64_t *out_n,
                                      uint64_t *counts, tm_err *err);
/** The id that a cell is, a text as it is, another value as text; TM_CODE_MISSING: none of them.
 * room: for that. TM_E_NOMEM. */
TM_NODISCARD tm_status tm__whose_cell(const tm_cell *cell, const tm_dict *ids, tm_buf *room,
                                      uint32_t *out, tm_err *err);
/** A table of the rows that are not theirs. Errors: TM_E_NOMEM. The
 * dictionaries of its columns may still hold the id: they go when it is written and read back. */
TM_NODISCARD tm_status tm__whose_others(tm_table *table, const uint8_t *is_theirs, tm_table **out,
                                        tm_err *err);

#endif
