/* SPDX-License-Identifier: Apache-2.0 */
/* Model files and rows that nothing reaches any more. Threads as registry.h. */
#ifndef TM_REGISTRY_COLLECT_H
#define TM_REGISTRY_COLLECT_H

#include "registry/registry.h"

typedef struct tm_collection {
    bool is_dry;      /* say what would go, and leave it */
    uint32_t keep;    /* the newest versions of each model, and as many rollbacks */
    int64_t older_us; /* what is younger stays */
    const tm_actor *actor;
    /* [{"model", "version"}]: these alone, whatever was said of keeping; a tag and being the
     * challenger hold none of them. TM_E_CONFLICT for one that answers requests, or is about to: a
     * champion (but in a dry run), an arm, a shadow, of a rollout, an experiment or an open turn.
     * NULL: all that nothing reaches. */
    const json_t *only;
    bool champions_too; /* of `only`: a champion goes as well, and an open turn holds nothing */
} tm_collection;

/**
 * Remove the files that no version reaches.
 *
 * A version is reached by an alias, an arm of a split route or of a running experiment, a tag, one
 * of the next `keep` rollbacks, by being among the newest `keep` of its model, or by being younger
 * than older_us. One that is not is collected: its row and its history stay, its state is
 * "collected", and its bundle goes; the snapshots that only such versions name go with it. A file
 * that no version ever named goes when it is older than older_us. A name of a file anywhere in the
 * record or the recipe of a version counts.
 *
 * *out: {"versions": [{"model", "version", "bundle_hash"}], "files": [{"file", "bytes"}], "bytes",
 * "kept"}: kept counts the versions that stay. New reference.
 *
 * Owns:    *out.
 * Errors:  those of the database and of files. A crash leaves files that the next call removes,
 *          never a version whose file is gone without its record saying so.
 * Threads: owner thread; other processes may register and promote meanwhile.
 */
TM_NODISCARD tm_status tm__registry_collect(tm_registry *registry, const tm_collection *options,
                                            json_t **out, tm_err *err);

/** tm__vault_renew() of a model file or a snapshot, unless it was removed: nobody removes it
 * meanwhile, or else it would come back. */
TM_NODISCARD tm_status tm__registry_file_renew(tm_registry *registry, const char *path,
                                               tm_err *err);

/** After an object of a model file or a snapshot was put anew: it goes again if its file was
 * removed meanwhile and nothing names it. */
TM_NODISCARD tm_status tm__registry_object_settle(tm_registry *registry, const char *path,
                                                  tm_err *err);

/** Remove the snapshot and the model file of a hash (as text; empty: none) that no version, recipe
 * or open turn names; else a no-op. For who may not keep what was learned. */
TM_NODISCARD tm_status tm__registry_file_drop(tm_registry *registry, const char *hash, tm_err *err);

#endif
