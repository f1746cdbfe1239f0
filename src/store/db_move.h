/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All rows of a database into an empty one of another engine, and the place of then marked as left:
 *
 *   from   stands ───────────────────────────────> moved      its last transaction
 *   to     (nothing) ──> half ──> stands                      rows, counts and hashes: one more
 *
 * A kill leaves `from` as it stands and `to` half, which is refused by name and may be moved to
 * again; or both stand, or `from` is moved and `to` stands: then what is left to do is to say where
 * the tables are. Not for copying a file of SQLite: tm__db_copy().
 */
#ifndef TM_STORE_DB_MOVE_H
#define TM_STORE_DB_MOVE_H

#include "base/hash.h"
#include "store/db.h"

typedef enum tm_db_standing { TM_DB_STANDS, TM_DB_HALF, TM_DB_MOVED } tm_db_standing;
/** How a place stands that was opened with tm_db_options.is_moving. */
tm_db_standing tm__db_standing(const tm_db *db);

typedef struct tm_db_moved {
    uint32_t n_tables;
    uint64_t n_rows;
    tm_hash hash; /* of all values of all tables, whatever the order of rows */
} tm_db_moved;
/**
 * Move what stands in `from` to `to`, which is half; one of them is a file of SQLite. Both were
 * opened with is_moving and have the same tables. Nobody else writes in `from` from the beginning
 * on, nor afterwards.
 *
 * Errors:  TM_E_INTEGRITY when `to` does not give back what was written there; those of either.
 * `to` is half then, and `from` stands. Limits:  with `from` in PostgreSQL one table is held in
 * memory. Threads: one caller.
 */
TM_NODISCARD tm_status tm__db_move(tm_db *from, tm_db *to, tm_db_moved *out, tm_err *err);
/* Rows of a table: literals; where NULL: all of them. */
typedef struct tm_db_part {
    const char *table, *where;
} tm_db_part;
/**
 * Copy rows as they are at one moment from PostgreSQL into a file with the same tables, in place of
 * what is there. parts end with a table NULL; what a row refers to comes before it.
 * Errors and limits: as tm__db_move(). `from` is only read, and goes on.
 */
TM_NODISCARD tm_status tm__db_copy_parts(tm_db *from, tm_db *to, const tm_db_part *parts,
                                         tm_err *err);
/** Sessions of this program besides that one on the tables of a schema; 0 for a file. */
TM_NODISCARD tm_status tm__db_users(tm_db *db, int64_t *out, tm_err *err);

#endif
