/* SPDX-License-Identifier: Apache-2.0 */
/* Segments in a bucket: what is done there beside the files of a home. docs/scale.md */
#ifndef TM_SOURCE_INTAKE_AWAY_H
#define TM_SOURCE_INTAKE_AWAY_H

#include "source/intake_priv.h"
#include "store/bucket.h"

#define TM_AWAY_GONE ".gone" /* behind a name: nobody names the object, and there is no file */

/** tm__snapshot_load() of a segment, fetched with a client that is kept. */
TM_NODISCARD tm_status tm__segment_load(tm_ctx *ctx, tm_bucket *bucket, const char *dir,
                                        const tm_hash *hash, tm_table **out, tm_err *err);
/** Whether a name is HASH.parquet, and what it has behind it. */
bool tm__segment_name(const char *name, tm_hash *out, const char **out_behind);

/** Whether the segments of a home go to a bucket. */
TM_NODISCARD tm_status tm__away_is_used(const tm_home *home, bool *out, tm_err *err);
/** Before a collection: objects that were to go do, those that nobody names get a mark, and files
 * that the bucket lacks are put. Does nothing for a home whose segments are at home. */
TM_NODISCARD tm_status tm__away_tend(const tm_home *home, tm_err *err);
/** Let go of a file or a mark of a segment that nobody names, in the transaction that looked; then
 * tm__away_drop(). */
TM_NODISCARD tm_status tm__away_release_locked(const char *dir, const tm_hash *hash, tm_err *err);
/** Remove the objects of a folder that were let go of. */
TM_NODISCARD tm_status tm__away_drop(tm_bucket *bucket, const char *dir, tm_err *err);
/** tm__away_drop() of all sources. */
TM_NODISCARD tm_status tm__away_drop_all(const tm_home *home, tm_err *err);

#endif
