/* SPDX-License-Identifier: Apache-2.0 */
/* Queries that people write, as parts of statements. Any thread. */
#ifndef TM_STORE_SQL_TEXT_H
#define TM_STORE_SQL_TEXT_H

#include "base/buf.h"
#include "tidemill/err.h"

/** Append a query, or the name of a table, as what a SELECT may stand before: "(...) AS q".
 * TM_E_USAGE for what is plainly no query; the database has the last word. */
TM_NODISCARD tm_status tm__sql_source(const char *text, tm_buf *out, tm_err *err);
/** Why a statement could not be written, after a failure of its buffer: TM_E_NOMEM or TM_E_LIMIT.
 */
TM_NODISCARD tm_status tm__sql_failed(const tm_buf *sql, tm_err *err);
/** Append a text or a name in quotes of this kind, which are doubled in it; a NUL becomes a blank.
 */
bool tm__sql_quote(tm_buf *sql, tm_str text, char quote);

#endif
