/* SPDX-License-Identifier: Apache-2.0 */
/* Where the files of a home are in its bucket: bucket_place.c for bucket.c. */
#ifndef TM_STORE_BUCKET_PRIV_H
#define TM_STORE_BUCKET_PRIV_H

#include "base/json.h"
#include "store/bucket.h"
#include "store/s3_priv.h"

#define TM_HOME_BUCKET_OWNER "bucket.owner"

/* A home's bucket.json, and what was learned since it was read. */
typedef struct tm_bucket_client {
    char *home;
    char *credentials;
    char bucket[64];
    tm_buf prefix;     /* of keys; empty, or ends with '/' */
    char segments[65]; /* folder of the segments; empty: they are not in the bucket */
    uint64_t cache_bytes;
    tm_s3 *s3; /* NULL until something is asked */
    bool is_owner;
    tm_buf names_of; /* prefix of keys whose names are at hand */
    json_t *names;   /* {NAME: true}; NULL: none are */
} tm_bucket_client;

/* A file of a home and its object. */
typedef struct tm_bucket_placed {
    tm_bucket_client *client; /* NULL: it has none */
    tm_buf key;
    bool is_segment;
} tm_bucket_placed;

/** Where a path's object is. The bucket keeps the client. Ended with tm__bucket_placed_done(), also
 * after an error. */
TM_NODISCARD tm_status tm__bucket_place(tm_bucket *bucket, const char *path, tm_bucket_placed *out,
                                        tm_err *err);
/** Whether a path lies in a home that has a bucket, without a look at what is written of it. */
TM_NODISCARD tm_status tm__bucket_is_near(const char *path, bool *out, tm_err *err);
void tm__bucket_placed_done(tm_bucket_placed *placed);
/** The client can be asked. */
TM_NODISCARD tm_status tm__bucket_connect(tm_bucket_client *client, tm_err *err);
/** Before segments are put or removed: TM_E_CONFLICT when they are those of another home. */
TM_NODISCARD tm_status tm__bucket_claim(tm_bucket_client *client, tm_err *err);

#endif
