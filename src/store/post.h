/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP POST over libcurl, which is opened when it is first needed. It waits: for children, not
 * for threads that answer. */
#ifndef TM_STORE_POST_H
#define TM_STORE_POST_H

#include <stdint.h>

#include "base/str.h"
#include "tidemill/err.h"

#define TM_POST_HEADERS 4u

typedef struct tm_post {
    const char *url; /* http:// or https:// */
    tm_str body;
    const char *headers[TM_POST_HEADERS]; /* "Name: value"; NULL: no more */
    const char *ca_file;                  /* certificates to trust; NULL: those of the system */
    uint32_t timeout_ms;                  /* of the whole request */
} tm_post;
/**
 * Send it once; an answer from 200 to 299 is taken. Redirections are not followed, what is answered
 * is not kept.
 *
 * Errors:  TM_E_UNAVAILABLE (no libcurl, no connection, time over, another answer), TM_E_NOMEM.
 * Threads: one caller.
 */
TM_NODISCARD tm_status tm__post_send(const tm_post *post, tm_err *err);

#endif
