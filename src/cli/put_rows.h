/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a table as the body of a prediction request. */
#ifndef TM_CLI_PUT_ROWS_H
#define TM_CLI_PUT_ROWS_H

#include "base/buf.h"
#include "table/table.h"

/** Append one value as JSON. */
void tm__cli_put_value(tm_buf *out, const tm_column *column, uint64_t row);
/** Append {"rows": [...]} of rows row .. row_end - 1, but for one column (UINT32_MAX: none). */
void tm__cli_put_rows(tm_buf *out, const tm_table *table, uint64_t row, uint64_t row_end,
                      uint32_t without);

#endif
