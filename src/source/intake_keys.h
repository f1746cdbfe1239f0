/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of rows are 128 bits of a hash, hashed again by each of the database's own keys
 * (store/db_lookup.h), so that nobody who has the files alone can test a guess. Batches of them and
 * runs say by how many they are; a release before, or a new key since, leaves them behind.
 */
#ifndef TM_SOURCE_INTAKE_KEYS_H
#define TM_SOURCE_INTAKE_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/db.h"

/* Of one source. */
typedef struct tm_keys_place {
    tm_db *db;
    const char *dir; /* of its runs */
    int64_t source;
    bool removes; /* files that are replaced, else they wait for the collection; not in a
                     transaction of the caller's, which may be rolled back */
} tm_keys_place;
/** Hash those that are behind with the keys that they lack: a run becomes some of recent keys, one
 * run in a transaction, or all in that of the caller. May go on after it was stopped. Cost: a
 * million keys in some tenths of a second. TM_E_INTEGRITY: a run is damaged. */
TM_NODISCARD tm_status tm__intake_keys_renew(const tm_keys_place *place, tm_err *err);
/** How many batches and runs of all sources are behind. */
TM_NODISCARD tm_status tm__intake_keys_behind(tm_db *db, uint64_t *out, tm_err *err);

#endif
