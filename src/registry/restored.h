/* SPDX-License-Identifier: Apache-2.0 */
/*
 * That a home came out of a backup, for its audit chain. An entry needs the home's signing key,
 * which is in no backup: whoever kept it puts it back after the restore, and a key that was made
 * meanwhile would stand in the chain for ever. So the entry waits in restored.json, and stands
 * before the first one that the home appends, in the same commit.
 */
#ifndef TM_REGISTRY_RESTORED_H
#define TM_REGISTRY_RESTORED_H

#include "base/json.h"
#include "registry/registry.h"

/* What was restored. */
typedef struct tm_restored {
    const char *actor; /* who did it */
    const char *hash;  /* of the backup's file */
    const char *taken; /* when it was made */
} tm_restored;

/** Leave it in the home that a registry is open on, before anything is appended. The file is
 * synced. */
TM_NODISCARD tm_status tm__registry_restored(tm_registry *registry, const tm_restored *restored,
                                             tm_err *err);

/** What waits: {"actor", "details"}, a new reference, or NULL. What is in the chain already is
 * removed. Called in the transaction that appends. */
TM_NODISCARD tm_status tm__restored_find_locked(const tm_registry *registry, json_t **out,
                                                tm_err *err);

/** What waits and is not in the chain yet, likewise; reads only, and needs no registry. Errors:
 * TM_E_INTEGRITY for a file that does not say it, those of the database. */
TM_NODISCARD tm_status tm__restored_waiting(const tm_home *home, json_t **out, tm_err *err);

#endif
