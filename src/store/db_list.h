/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a statement as a list of JSON. */
#ifndef TM_STORE_DB_LIST_H
#define TM_STORE_DB_LIST_H

#include "base/json.h"

#include "store/db.h"

/** All rows of a bound statement as an array of what item makes of each; ends the statement. item
 * gives NULL when there is no memory. The caller owns *out, which a failure leaves alone. */
TM_NODISCARD tm_status tm__stmt_list(tm_stmt *stmt, json_t *(*item)(tm_stmt *stmt), json_t **out,
                                     tm_err *err);
/** An item: the text of the first column. */
json_t *tm__stmt_name(tm_stmt *stmt);

#endif
