/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the S3 client share:
 *
 *     s3_api.c          libcurl as a table of functions
 *     s3_credentials.c  the file with keys, place and form of addresses
 *     s3_request.c      one request: address, signature, tries, what an error means
 *     s3.c              list and get
 *     s3_put.c          put, in parts when it is large
 *     s3_drop.c         delete, with all versions of an object
 *     s3_cache.c        files of objects, within a size
 *     bucket_place.c    where files of a home are, and whose
 *     bucket.c          files of a home, both ways
 */
#ifndef TM_STORE_S3_PRIV_H
#define TM_STORE_S3_PRIV_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "base/buf.h"
#include "base/rng.h"
#include "store/s3.h"

#define TM_CURL_FUNCTIONS(X)                                                                       \
    X(easy_cleanup)                                                                                \
    X(easy_getinfo)                                                                                \
    X(easy_init)                                                                                   \
    X(easy_perform)                                                                                \
    X(easy_reset)                                                                                  \
    X(easy_setopt)                                                                                 \
    X(easy_strerror)                                                                               \
    X(global_init)                                                                                 \
    X(slist_append)                                                                                \
    X(slist_free_all)

typedef struct tm_curl_api {
#define X(name) __typeof__(&curl_##name) name;
    TM_CURL_FUNCTIONS(X)
#undef X
} tm_curl_api;

/** Open the library and find all of TM_CURL_FUNCTIONS; it stays loaded. name NULL: Debian's. */
TM_NODISCARD tm_status tm__curl_api_load(const char *name, tm_curl_api *out, tm_err *err);

/* ---- Credentials ---- */

#define TM_S3_SETTING_MAX 2048u

typedef struct tm_s3_credentials {
    char access_key[256], secret_key[256];
    char session_token[TM_S3_SETTING_MAX]; /* may be empty */
    char region[64];
    char endpoint[512]; /* scheme://host[:port], without a slash behind it */
    char ca_bundle[512];
    bool is_path_style;
} tm_s3_credentials;
TM_NODISCARD tm_status tm__s3_credentials_read(const char *path, tm_s3_credentials *out,
                                               tm_err *err);

/* ---- Requests ---- */

struct tm_s3 {
    tm_curl_api api;
    CURL *curl;
    tm_ctx *ctx; /* may be NULL */
    tm_s3_options options;
    char *credentials_path;
    tm_s3_credentials credentials;
    tm_rng jitter;
};

typedef struct tm_s3_request {
    const char *bucket;
    const char *key;      /* NULL: the bucket itself */
    const char *query;    /* encoded, sorted by name; NULL: none */
    const char *if_match; /* NULL: no condition */
    uint64_t start, len;  /* of the object; len 0: no range is named */
    const char *method;   /* NULL: GET */
    tm_str body;          /* of PUT and POST */
} tm_s3_request;

typedef struct tm_s3_answer {
    tm_buf body;
    long status;
    uint64_t range_start, range_end, range_total; /* of 206 */
    char etag[TM_S3_ETAG_MAX];
    bool is_marker; /* a delete left a mark before versions that stay */
} tm_s3_answer;
void tm__s3_answer_init(tm_s3_answer *answer, uint64_t body_bytes_max);
void tm__s3_answer_done(tm_s3_answer *answer);

/** Ask until there is an answer of 200, 204 or 206. */
TM_NODISCARD tm_status tm__s3_ask(tm_s3 *s3, const tm_s3_request *request, tm_s3_answer *answer,
                                  tm_err *err);

/** Percent-encode all but letters, digits and -_.~, and '/' where it is kept. */
bool tm__s3_encode(tm_buf *out, tm_str text, bool keeps_slash);
/** Address of a request. */
bool tm__s3_url(const tm_s3_credentials *credentials, const tm_s3_request *request, tm_buf *out);

/* One answer to a request that is not what was asked for. */
typedef struct tm_s3_refusal {
    long status;
    tm_str body;        /* XML, or not */
    const char *region; /* that the server named; may be empty */
    const char *bucket;
    const char *key; /* may be NULL */
    int64_t skew_s;  /* the server's clock less ours; 0: not known */
    bool is_change;  /* it was asked to put or to remove */
} tm_s3_refusal;
/** What a refusal means to its reader. *out_again: it may pass by itself. */
TM_NODISCARD tm_status tm__s3_refused(const tm_s3_refusal *refusal, bool *out_again, tm_err *err);

/* ---- Files of objects ---- */

/* A folder that is a cache. */
typedef struct tm_s3_cache_room {
    const char *dir;
    uint64_t size_bytes, more_bytes; /* of all files; what is to come */
    size_t n_files;
    int64_t recent_us;                           /* what was used since then stays */
    bool (*may_go)(void *arg, const char *name); /* NULL: whatever is there */
    void *arg;
    bool is_full; /* of tm__s3_cache_is_full() */
} tm_s3_cache_room;
TM_NODISCARD tm_status tm__s3_cache_is_full(tm_s3_cache_room *io, tm_err *err);
/** Take files away, those that were not used for the longest time first, until there is room. */
TM_NODISCARD tm_status tm__s3_cache_make_room(const tm_s3_cache_room *room, tm_err *err);
/** Fetch an object to a path; it is there whole or not at all. */
TM_NODISCARD tm_status tm__s3_get_to(tm_s3 *s3, const tm_s3_object *object, const char *path,
                                     tm_err *err);

/* ---- Lists ---- */

typedef struct tm_s3_page {
    const tm_s3_list *list;
    uint64_t n_objects;
    bool is_stopped;   /* by the caller */
    bool is_truncated; /* there is more */
    tm_buf token;      /* with which it goes on */
    tm_buf last_key;
} tm_s3_page;
void tm__s3_page_init(tm_s3_page *page, const tm_s3_list *list);
void tm__s3_page_done(tm_s3_page *page);
/** Read one answer of ListObjectsV2 and give its objects to the list. */
TM_NODISCARD tm_status tm__s3_page_read(tm_s3_page *page, tm_str body, tm_err *err);

#endif
