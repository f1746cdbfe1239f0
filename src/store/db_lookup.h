/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of SQL that stand for what rows are found by, where nobody has to read it back:
 *
 *   lookup_text(text)       32 hexadecimal digits: a hash under the database's own key
 *   lookup_number(number)   an integer, likewise
 *
 * The same value has the same hash in one database, so columns of them keep their indices; who has
 * not the key can neither go back nor test a guess. The key is the one row of the table `lookup`,
 * a sealed cell where the home is sealed. Null stays null; a database without that table has
 * values as they are.
 *
 * Not for: what must be read again (store/db_seal.h), or another database's values.
 */
#ifndef TM_STORE_DB_LOOKUP_H
#define TM_STORE_DB_LOOKUP_H

#include <sqlite3.h>

#include "store/db.h"

/* In a migration, before tm__db_lookup_make_locked(). */
#define TM_LOOKUP_TABLE                                                                            \
    "CREATE TABLE lookup(id INTEGER PRIMARY KEY CHECK(id = 1), key BLOB NOT NULL) STRICT;"

/** Give the functions to a connection, which keeps the key while it is open. */
TM_NODISCARD tm_status tm__db_lookup_init(sqlite3 *handle, tm_err *err);
/** In a transaction: make the key of a database whose table is empty. */
TM_NODISCARD tm_status tm__db_lookup_make_locked(tm_db *db, tm_err *err);

#endif
