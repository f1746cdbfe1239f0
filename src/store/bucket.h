/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model files and snapshots of a home in a bucket that speaks S3, for which the home's own folders
 * are a bounded cache. HOME/bucket.json says where: {"url": "s3://BUCKET/PREFIX", "credentials":
 * ABSOLUTE, "cache": "10G"}; without it, all of these do nothing.
 *
 * path is HOME/bundles/NAME or HOME/snapshots/NAME, and PREFIX/bundles/NAME its object. A file has
 * the hash of its contents as name, so an object never changes. Calls wait for the network, and are
 * TM_E_UNAVAILABLE when the bucket stays away. Any thread.
 */
#ifndef TM_STORE_BUCKET_H
#define TM_STORE_BUCKET_H

#include <stdbool.h>

#include "tidemill/err.h"

#define TM_HOME_BUCKET "bucket.json"

/** Whether a home keeps files in a bucket; home is its folder. */
bool tm__bucket_is_used(const char *home);
/** Put a file that is whole, unless it is there; then the cache is brought within its size: what
 * was not used for the longest time goes, if it is in the bucket and was not used for ten minutes.
 */
TM_NODISCARD tm_status tm__bucket_keep(const char *path, tm_err *err);
/** Fetch a file that is not there; *out_fetched: it came now, and its reader must find it right or
 * remove it. TM_OK without it when the bucket has none either. */
TM_NODISCARD tm_status tm__bucket_find(const char *path, bool *out_fetched, tm_err *err);
/** Remove a file that came and was not what its name says. */
void tm__bucket_refuse(const char *path);
/** Whether the bucket has it. */
TM_NODISCARD tm_status tm__bucket_has(const char *path, bool *out, tm_err *err);
/** Remove the object; the file is the caller's. */
TM_NODISCARD tm_status tm__bucket_drop(const char *path, tm_err *err);
/** Names of the objects of a folder, HOME/bundles or HOME/snapshots. False ends the list. */
TM_NODISCARD tm_status tm__bucket_list(const char *dir, bool (*fn)(void *arg, const char *name),
                                       void *arg, tm_err *err);

#endif
