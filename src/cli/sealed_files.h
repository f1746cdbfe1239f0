/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a home that can be sealed, and how they stand. One owner thread. */
#ifndef TM_CLI_SEALED_FILES_H
#define TM_CLI_SEALED_FILES_H

#include "base/ctx.h"
#include "registry/registry.h"
#include "store/home.h"

typedef struct tm_sealed_count {
    uint64_t n_sealed;  /* with the key that seals now */
    uint64_t n_earlier; /* with another one */
    uint64_t n_plain;
    uint64_t n_renewed; /* of n_sealed, by this call */
    uint64_t n_cells;   /* of the databases that this key did not seal */
    bool must_wipe;     /* free pages of log.db may hold what was in clear */
} tm_sealed_count;

typedef struct tm_sealed_walk {
    const char *key;       /* id of the key that seals now; "": none does */
    tm_registry *registry; /* write every file anew that this key did not seal; NULL: look only */
    bool asks_bucket;      /* where files are in one: their objects, too */
} tm_sealed_walk;

/** Objects of a folder of the home, each by its head: those that stand otherwise are put anew, and
 * those of which there is no file are counted as one. For tm__sealed_walk(). */
TM_NODISCARD tm_status tm__sealed_objects(const tm_ctx *ctx, const char *dir,
                                          const tm_sealed_walk *walk, tm_sealed_count *count,
                                          tm_err *err);
/** Look at segments, snapshots, model files, checkpoints and online features. With a registry those
 * that stand otherwise are sealed one by one (but checkpoints, which are short-lived): a kill
 * leaves each whole and the next call goes on. */
TM_NODISCARD tm_status tm__sealed_walk(const tm_ctx *ctx, const tm_home *home,
                                       const tm_sealed_walk *walk, tm_sealed_count *out,
                                       tm_err *err);

#endif
