/* SPDX-License-Identifier: Apache-2.0 */
/* How a snapshot is put in its place, whoever makes its file. */
#ifndef TM_SOURCE_SNAPSHOT_PRIV_H
#define TM_SOURCE_SNAPSHOT_PRIV_H

#include <stdbool.h>

#include "source/source.h"

/* Who writes the rows as Parquet to a path that is new, or of a file in memory, through base/fs,
 * and syncs them. */
typedef struct tm_snapshot_maker {
    tm_status (*write)(void *arg, const char *path, tm_err *err);
    void *arg;
    struct tm_bucket *bucket; /* where the file is put, too; NULL: a client of its own */
} tm_snapshot_maker;

/** Whether `dir` has the snapshot; false also when memory ran out. */
bool tm__snapshot_is_there(const char *dir, const tm_hash *hash);
/** Have it in `dir`, safely: made when it is not there, and put into the home's bucket. */
TM_NODISCARD tm_status tm__snapshot_put(const char *dir, const tm_hash *hash,
                                        const tm_snapshot_maker *maker, tm_err *err);

#endif
