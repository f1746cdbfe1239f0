/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small HTTP/1.1 client for Tidemill's own server: one connection kept alive, JSON out and in.
 * Not for other servers: no TLS, no redirects, no proxies.
 */
#ifndef TM_SERVE_CLIENT_H
#define TM_SERVE_CLIENT_H

#include <stdint.h>

#include "base/buf.h"
#include "tidemill/err.h"

typedef struct tm_client tm_client;

typedef struct tm_client_options {
    const char *address; /* "127.0.0.1:8080", also with http:// before it */
    const char *key;     /* sent as a bearer token; NULL: none */
    uint32_t timeout_ms; /* to connect; 0: 5,000 */
} tm_client_options;

/** Owner thread. The options are copied. */
TM_NODISCARD tm_status tm__client_open(const tm_client_options *options, tm_client **out,
                                       tm_err *err);
/** One request; body NULL sends a GET, else a POST. out_reply is reset and gets the body. A status
 * other than 2xx is a failure with the problem's words. */
TM_NODISCARD tm_status tm__client_call(tm_client *client, const char *path, const tm_buf *body,
                                       tm_buf *out_reply, tm_err *err);
void tm__client_close(tm_client *client);

#endif
