/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model files, snapshots and segments of a home in a bucket that speaks S3, for which the home's
 * own folders are a bounded cache. HOME/bucket.json says where: {"url": "s3://BUCKET/PREFIX",
 * "credentials": ABSOLUTE, "cache": "10G", "segments": NAME}; without it, all of these do nothing,
 * and without "segments" nothing for segments.
 *
 * path is HOME/bundles/NAME, HOME/snapshots/NAME or HOME/segments/SOURCE/NAME. A file has the hash
 * of its contents as name, so an object never changes but for the key that seals it. Calls wait for
 * the network, and are TM_E_UNAVAILABLE when the bucket stays away.
 *
 * A tm_bucket keeps its client from call to call; NULL: the call opens one of its own. One caller.
 */
#ifndef TM_STORE_BUCKET_H
#define TM_STORE_BUCKET_H

#include <stdbool.h>

#include "base/buf.h"
#include "tidemill/err.h"

#define TM_HOME_BUCKET "bucket.json"
#define TM_BUCKET_DROP ".drop" /* behind a path: its object is to go, and nothing is put there */

/* All zero: nothing was asked yet. */
typedef struct tm_bucket {
    struct tm_bucket_client *client;
} tm_bucket;
void tm__bucket_done(tm_bucket *bucket);

/** Whether a home keeps files in a bucket; home is its folder. */
bool tm__bucket_is_used(const char *home);
/** Whether files of the folder of a path go into a bucket. */
TM_NODISCARD tm_status tm__bucket_takes(tm_bucket *bucket, const char *path, bool *out,
                                        tm_err *err);
/** Put a file that is whole, unless it is there; then the cache is brought within its size: what
 * was not used for the longest time goes, if it is in the bucket and was not used for ten minutes.
 * TM_E_CONFLICT for segments that are those of another home.
 */
TM_NODISCARD tm_status tm__bucket_keep(tm_bucket *bucket, const char *path, tm_err *err);
/** Put a file in the place of what is there. */
TM_NODISCARD tm_status tm__bucket_replace(tm_bucket *bucket, const char *path, tm_err *err);
/** Fetch a file that is not there; *out_fetched: it came now, and its reader must find it right or
 * remove it. TM_OK without it when the bucket has none either. */
TM_NODISCARD tm_status tm__bucket_find(tm_bucket *bucket, const char *path, bool *out_fetched,
                                       tm_err *err);
/** Remove a file that came and was not what its name says. */
void tm__bucket_refuse(const char *path);
/** Whether the bucket has it. A tm_bucket lists the folder once. */
TM_NODISCARD tm_status tm__bucket_has(tm_bucket *bucket, const char *path, bool *out, tm_err *err);
/** The first bytes of an object, as many as out can hold; none when it is not there. */
TM_NODISCARD tm_status tm__bucket_head(tm_bucket *bucket, const char *path, tm_buf *out,
                                       tm_err *err);
/** Remove the object with all its versions; the file is the caller's. */
TM_NODISCARD tm_status tm__bucket_drop(tm_bucket *bucket, const char *path, tm_err *err);
/** Names of the objects of a folder, behind it: of HOME/segments they are SOURCE/NAME. False ends
 * the list. */
TM_NODISCARD tm_status tm__bucket_list(tm_bucket *bucket, const char *dir,
                                       bool (*fn)(void *arg, const char *name), void *arg,
                                       tm_err *err);

#endif
