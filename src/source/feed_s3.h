/* SPDX-License-Identifier: Apache-2.0 */
/* The feed of buckets, for feed.c. */
#ifndef TM_SOURCE_FEED_S3_H
#define TM_SOURCE_FEED_S3_H

#include "source/feed.h"

TM_NODISCARD tm_status tm__feed_s3_check(const json_t *spec, bool has_key, tm_err *err);
TM_NODISCARD tm_status tm__feed_s3_read(tm_ctx *ctx, const tm_feed_input *in,
                                        const tm_feed_sink *sink, tm_err *err);
/** Whether a key is one of a pattern: a prefix; or with stars, all of it: '*' is all but '/', '**'
 * all, '?' one that is not '/', "[a-z]" one of some. */
bool tm__feed_s3_matches(const char *pattern, const char *key);

#endif
