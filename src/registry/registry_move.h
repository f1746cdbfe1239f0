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
/* Tables of the home in a file of their own, or in a schema beside: who knows them opens them. */
typedef struct tm_store_beside {
    const char *file; /* in the home: "watch.db" */
    /* At the file, or by the file that says where in PostgreSQL. TM_E_NOT_FOUND: there are none.
     * is_moving: as tm_db_options has it; else brings what is there to the last format. */
    tm_status (*open)(const char *path, bool is_moving, bool can_make, tm_db **out, tm_err *err);
} tm_store_beside;
/**
 * Move them to a schema that has no tables, or (to NULL) to meta.db; afterwards the home says so to
 * who opens it. The caller holds the home's lock of servers. What was killed goes on when it is
 * called again; *out is then 0 of what was moved before. Those beside go along (beside NULL: there
 * are none): whether they can is known before the first row is moved, and *out counts them too.
 *
 * Errors:  TM_E_CONFLICT when they are there already, when there are other tables, or somebody
 * works on them; TM_E_UNSUPPORTED of another release; TM_E_INTEGRITY. The home says then what it
 *          said, and nothing of it changed.
 * Threads: one caller.
 */
TM_NODISCARD tm_status tm__registry_move(const tm_home *home, const tm_store_place *to,
                                         const tm_store_beside *beside, tm_db_moved *out,
                                         tm_err *err);

#endif
