/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of SQL that seal cells of a home's databases, and open them:
 *
 *   seal('blocks.data', first_seq, data)     by the first key of the home; as it was without one
 *   unseal('blocks.data', first_seq, data)   what was sealed; as it was where it is plain or null
 *   sealed_by(data)                          id of the key; an empty text for a plain cell, and for
 *                                            one of before cells were bound to their row
 *
 * The first two arguments name the place that the cell is bound to: its table and column, and a
 * number or text that its row has alone and keeps. A key that is not at hand is TM_E_NOT_ALLOWED; a
 * cell that is damaged, of another place or of a later release TM_E_INTEGRITY of the statement.
 */
#ifndef TM_STORE_DB_SEAL_H
#define TM_STORE_DB_SEAL_H

#include <sqlite3.h>

#include "store/db.h"

/** Give them to a connection to the database at a path. It keeps the keys of the home while it is
 * open, and reads them anew when encryption.json changed. */
TM_NODISCARD tm_status tm__db_seal_init(sqlite3 *handle, const char *path, tm_err *err);

/* A column whose cells are sealed. */
typedef struct tm_sealed_column {
    const char *count; /* SELECT of its cells that ?1 did not seal */
    const char *renew; /* UPDATE that seals at most ?3 of those behind the row ?2 anew */
    uint32_t n_max;    /* in a transaction */
} tm_sealed_column;
/** How many cells the key of an id did not seal; with is_renewing they are sealed by the first key
 * of the home before, some in a transaction. */
TM_NODISCARD tm_status tm__db_seal_renew(tm_db *db, const tm_sealed_column *column, const char *key,
                                         bool is_renewing, uint64_t *out_n, tm_err *err);

/** Write the database anew, so that no free page has what a cell held before it was sealed; left
 * undone, and no failure, while somebody else reads or writes. Cost: its size in memory. */
TM_NODISCARD tm_status tm__db_seal_wipe(tm_db *db, tm_err *err);

/* The number that the next row of a table with AUTOINCREMENT has: as `seq`, in a transaction that
 * writes. */
#define TM_NEXT_SEQ(table)                                                                         \
    "SELECT 1 + coalesce((SELECT seq FROM sqlite_sequence WHERE name = '" table "'), 0) AS seq"

/* The statements of a column: `key` is its table's primary key, an integer above 0, `row` what
 * cells are bound to, `n` how many are sealed in a transaction. */
#define TM_SEALED_COLUMN(table, key, row, column, n)                                               \
    {                                                                                              \
        "SELECT count(*) FROM " table " WHERE " column " IS NOT NULL AND sealed_by(" column        \
        ") IS NOT ?1",                                                                             \
            "UPDATE " table " SET " column " = seal('" table "." column "', " row                  \
            ", unseal('" table "." column "', " row ", " column ")) WHERE " key " IN (SELECT " key \
            " FROM " table " WHERE " key " > ?2 AND " column " IS NOT NULL AND sealed_by(" column  \
            ") IS NOT ?1 ORDER BY " key " LIMIT ?3) RETURNING " key,                               \
            n                                                                                      \
    }

#endif
