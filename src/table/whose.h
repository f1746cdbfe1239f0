/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a row is: the rows of a table in which a column holds an id. Values are compared as text,
 * so the number 7 and the text "7" are one id. Any thread. */
#ifndef TM_TABLE_WHOSE_H
#define TM_TABLE_WHOSE_H

#include "base/json.h"
#include "table/table.h"

/**
 * names   list of the columns that may hold the id; those that the table lacks are passed over.
 *         NULL: all of them.
 * out     [n rows] 1 where one of them does; out_n counts these.
 * Errors: TM_E_NOMEM.  Cost: a comparison a text, some 0.2 us a number.
 */
TM_NODISCARD tm_status tm__whose_rows(const tm_table *table, const json_t *names, const char *id,
                                      uint8_t *out, uint64_t *out_n, tm_err *err);
/** A table of the rows that are not theirs. Errors: TM_E_NOMEM. The
 * dictionaries of its columns may still hold the id: they go when it is written and read back. */
TM_NODISCARD tm_status tm__whose_others(tm_table *table, const uint8_t *is_theirs, tm_table **out,
                                        tm_err *err);

#endif
