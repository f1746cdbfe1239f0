/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of a home from a file of SQLite to PostgreSQL and back. Files of the home stay. */
#ifndef TM_REGISTRY_REGISTRY_MOVE_H
#define TM_REGISTRY_REGISTRY_MOVE_H

#include "store/db_move.h"
#include "store/home.h"

typedef struct tm_store_place {
    const char *dsn_file; /* absolute */
    const char *schema;
} tm_store_place;
/**
 * Move them to a schema that has no tables, or (to NULL) to meta.db; afterwards the home says so to
 * who opens it. The caller holds the home's lock of servers. What was killed goes on when it is
 * called again; *out is then 0 of what was moved before.
 *
 * Errors:  TM_E_CONFLICT when they are there already, when there are other tables, or somebody
 * works on them; TM_E_UNSUPPORTED of another release; TM_E_INTEGRITY. The home says then what it
 *          said, and nothing of it changed.
 * Threads: one caller.
 */
TM_NODISCARD tm_status tm__registry_move(const tm_home *home, const tm_store_place *to,
                                         tm_db_moved *out, tm_err *err);

#endif
