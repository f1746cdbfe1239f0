/* SPDX-License-Identifier: Apache-2.0 */
/* Policies of columns that a query over sources hands on. */
#ifndef TM_SOURCE_SQL_PRIVACY_H
#define TM_SOURCE_SQL_PRIVACY_H

#include "base/json.h"
#include "store/home.h"
#include "table/table.h"

/**
 * What a recipe says of the columns of a query's rows, {"columns": {COLUMN: POLICY}, "key"}: a
 * column of text that holds pseudonyms of this home and nothing else has that policy, whatever it
 * is called; another one has the policy of the source's column of its name, when each of its values
 * is what the policy leaves of it. *out NULL: none.
 *
 * snapshots  sources that the query read: {NAME: ...}, as tm_sql_sources tells them.
 *
 * Errors:  TM_E_CONFLICT when two sources keep different things of columns of one name that the
 *          rows have, those of tm__privacy_key_read(), TM_E_NOMEM.
 * Threads: any.
 */
TM_NODISCARD tm_status tm__sql_privacy(const tm_home *home, const json_t *snapshots,
                                       const tm_table *table, json_t **out, tm_err *err);

#endif
