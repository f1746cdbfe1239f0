/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of SQL that stand for what rows are found by, where nobody has to read it back:
 *
 *   lookup_text(text)       32 hexadecimal digits: a hash under the database's own key
 *   lookup_number(number)   an integer, likewise
 *   lookup_rows(keys, n)    of 16 bytes each, that the first n keys hashed already
 *   lookup_count()          how many keys there are; 0 without the table
 *
 * The same value has the same hash in one database, so columns of them keep their indices; who has
 * not the keys can neither go back nor test a guess. The keys are the one row of the table
 * `lookup`, a sealed cell where the home is sealed. Null stays null; a database without that table
 * has values as they are.
 *
 * A value is hashed with the first key, what comes of it with the next one, and so on: a new key is
 * put behind the others, and hashes that are there are hashed once more without what they were made
 * of. Who knows the keys of before knows nothing of those that are made then.
 *
 *   UPDATE lookup SET key = seal('lookup.key', id, lookup_more(unseal('lookup.key', id, key)))
 *   UPDATE t SET a = lookup_text_again(a), b = lookup_number_again(b)     in one transaction
 *
 * Not for: what must be read again (store/db_seal.h), or another database's values.
 */
#ifndef TM_STORE_DB_LOOKUP_H
#define TM_STORE_DB_LOOKUP_H

#include <sqlite3.h>
#include <stdint.h>

#include "store/db.h"

/* In a migration, before tm__db_lookup_make_locked(). */
#define TM_LOOKUP_TABLE                                                                            \
    "CREATE TABLE lookup(id INTEGER PRIMARY KEY CHECK(id = 1), key BLOB NOT NULL) STRICT;"

/* A key more, in a transaction with all that the others hashed: see above. The connection must be
 * closed when it fails. */
#define TM_LOOKUP_MORE                                                                             \
    "UPDATE lookup SET key = seal('lookup.key', id, lookup_more(unseal('lookup.key', id, key)));"

/** Give the functions to a connection, which keeps the keys until the database changes. */
TM_NODISCARD tm_status tm__db_lookup_init(sqlite3 *handle, tm_err *err);
/** In a transaction: make the key of a database whose table is empty. */
TM_NODISCARD tm_status tm__db_lookup_make_locked(tm_db *db, tm_err *err);

/* Keys for hashes of rows' keys, as lookup_rows() uses them. */
typedef struct tm_lookup_rows {
    uint64_t (*keys)[2]; /* [n_keys] */
    uint32_t n_keys;
} tm_lookup_rows;
/** Those of a database now; which has the table. End it with tm__lookup_rows_done(). */
TM_NODISCARD tm_status tm__lookup_rows_read(tm_db *db, tm_lookup_rows *out, tm_err *err);
/** Hash 16 bytes, that the first n_before keys hashed already, with the others. Any thread. */
void tm__lookup_row(const tm_lookup_rows *rows, uint32_t n_before, uint64_t bytes[2]);
void tm__lookup_rows_done(tm_lookup_rows *rows);

#endif
