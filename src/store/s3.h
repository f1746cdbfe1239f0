/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of a bucket that speaks S3: listed by prefix, fetched (into a bounded cache), and put.
 * libcurl is opened when it is first needed, and signs (AWS Signature Version 4).
 *
 * 1. Credentials come from a file of the user, are kept in memory only, and stand in no message.
 * 2. An object is read as it was listed or not at all: every part is asked for with its ETag.
 * 3. What may pass (no answer, 429, 500 to 504) is asked again after a wait that doubles; then it
 *    is TM_E_UNAVAILABLE. What a person must mend is another status, with a hint.
 * 4. No address comes from an answer: redirects are errors.
 * 5. When the server says that keys have expired, their file is read again, and other keys in it
 * are used.
 *
 * Not for a thread that serves: calls wait for the network.
 */
#ifndef TM_STORE_S3_H
#define TM_STORE_S3_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/str.h"
#include "tidemill/err.h"

typedef struct tm_s3 tm_s3;

typedef struct tm_s3_options {
    const char *credentials; /* a file; docs/data.md has its form */
    uint32_t n_tries;        /* 0: 5 */
    uint32_t wait_ms;        /* before the second try; 0: 200 */
    uint32_t stall_s;        /* give a try up when next to nothing comes for so long; 0: 30 */
    uint64_t part_bytes;     /* of an object that are asked for at a time; 0: 8 MiB */
} tm_s3_options;

/** The file stays where it is. ctx stays the caller's and is asked whether to stop; NULL: never.
 * TM_E_UNAVAILABLE with the package's name when libcurl is not there; TM_E_USAGE for a file of
 * credentials that is not one.
 */
TM_NODISCARD tm_status tm__s3_open(tm_ctx *ctx, const tm_s3_options *options, tm_s3 **out,
                                   tm_err *err);
void tm__s3_close(tm_s3 *s3);

#define TM_S3_KEY_MAX 1024u
#define TM_S3_ETAG_MAX 128u

typedef struct tm_s3_object {
    const char *bucket;
    const char *key;
    const char *etag; /* as the server writes it */
    uint64_t size_bytes;
} tm_s3_object; /* texts: borrowed */

/** False for what cannot be the name of a bucket. */
bool tm__s3_is_bucket(tm_str name);

typedef struct tm_s3_list {
    const char *bucket, *prefix;
    const char *after;                                 /* only keys behind this one; NULL: all */
    bool (*fn)(void *arg, const tm_s3_object *object); /* false ends the list */
    void *arg;
} tm_s3_list;
/** Objects whose key begins with a prefix, in the order in which the server gives them. */
TM_NODISCARD tm_status tm__s3_list(tm_s3 *s3, const tm_s3_list *list, tm_err *err);

/** Write an object to a new file, whole and synced. TM_E_UNAVAILABLE when it changed since it was
 * listed, TM_E_NOT_FOUND when it is gone; then there is no file. */
TM_NODISCARD tm_status tm__s3_get(tm_s3 *s3, const tm_s3_object *object, const char *path,
                                  tm_err *err);

/** Put a file as an object, in parts of part_bytes (at least 5 MiB where there is more than one;
 * 10,000 at most, else TM_E_LIMIT); it is there whole or not at all. Each part is signed with its
 * SHA-256. Cost: memory of a part. */
typedef struct tm_s3_place {
    const char *bucket;
    const char *key;
} tm_s3_place;
TM_NODISCARD tm_status tm__s3_put(tm_s3 *s3, const tm_s3_place *place, const char *path,
                                  tm_err *err);
/** With all its versions, where the bucket keeps them: TM_E_NOT_ALLOWED when some stay because the
 * key may not remove them (or a lock keeps them). One that is not there is no error. */
TM_NODISCARD tm_status tm__s3_drop(tm_s3 *s3, const tm_s3_place *place, tm_err *err);

typedef struct tm_s3_cache {
    const char *dir;     /* made when it is not there */
    uint64_t size_bytes; /* of all its files, 0: 4 GiB; a larger object is TM_E_LIMIT */
    uint32_t n_files;    /* 0: 1000 */
} tm_s3_cache;
/**
 * Path of an object's bytes in the cache, fetched when they are not there; the caller frees it.
 * What was not used for the longest time makes room. A file is named by server, bucket, key, ETag
 * and size, and has that size. It may make room for another process's objects once it is the
 * oldest: open it at once.
 */
TM_NODISCARD tm_status tm__s3_cache_get(tm_s3 *s3, const tm_s3_cache *cache,
                                        const tm_s3_object *object, char **out_path, tm_err *err);

#endif
