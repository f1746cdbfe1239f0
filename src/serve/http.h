/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a connection to requests: llhttp in its strict build behind a gate of our own that sees
 * the head first. Knows nothing of sockets, routes or replies. One parser per connection.
 */
#ifndef TM_SERVE_HTTP_H
#define TM_SERVE_HTTP_H

#include <llhttp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "serve/serve.h"

typedef enum tm_http_state {
    TM_HTTP_HEAD,  /* reading the request line and headers */
    TM_HTTP_READY, /* head is known: the caller may refuse or discard, then feeds on */
    TM_HTTP_BODY,
    TM_HTTP_DONE,  /* a whole request: answer it, then tm__http_next() */
    TM_HTTP_BROKEN /* status and reason say why; the connection must end */
} tm_http_state;

/* Headers that anything here reads; the others are counted, checked and forgotten. */
typedef enum tm_http_field {
    TM_HTTP_HOST,
    TM_HTTP_CONTENT_TYPE,
    TM_HTTP_AUTHORIZATION,
    TM_HTTP_API_KEY,
    TM_HTTP_REQUEST_ID,
    TM_HTTP_EXPECT,
    TM_HTTP_ORIGIN,
    TM_HTTP_PREFLIGHT, /* Access-Control-Request-Method */
    TM_HTTP_ROUTE,
    TM_HTTP_UNIT, /* of a split route: who is to come to the same arm each time */
    TM_HTTP_TRANSFER_ENCODING,
    TM_HTTP_TRACEPARENT,
    TM_HTTP_TIMEOUT,
    TM_HTTP_ACCEPT,
    TM_HTTP_CONTENT_ENCODING,
    TM_HTTP_IDEMPOTENCY_KEY,
    TM_HTTP_HEADER_LENGTH, /* of the JSON before tensors of bytes */
    TM_HTTP_ACCEPT_ENCODING,
    TM_HTTP_IF_NONE_MATCH,
    TM_HTTP_COOKIE,
    TM_HTTP_CSRF, /* what a page of ours knows and others cannot: X-Csrf-Token */
    TM_HTTP_N_FIELDS
} tm_http_field;

typedef enum tm_http_method {
    TM_GET,
    TM_HEAD,
    TM_POST,
    TM_OPTIONS,
    TM_OTHER_METHOD
} tm_http_method;

typedef struct tm_http {
    const tm_serve_limits *limits; /* borrowed */
    tm_http_state state;
    unsigned status;    /* BROKEN: 400, 408, 413, ... */
    const char *reason; /* BROKEN: static text        */

    tm_http_method method;
    tm_str path;                     /* as sent: percent-encoded, starts with '/' */
    tm_str query;                    /* after '?', empty when there is none       */
    tm_str fields[TM_HTTP_N_FIELDS]; /* ptr NULL: absent; views of head */
    bool keep_alive;
    bool expects_continue;
    bool is_http10;
    bool has_body;   /* one is coming, or came */
    bool discard;    /* set by the caller at READY: body bytes are read and dropped */
    uint64_t length; /* Content-Length; UINT64_MAX for a chunked body */
    tm_buf body;

    tm_buf head;
    size_t scanned;    /* bytes of head already checked */
    size_t line_start; /* of the line being checked     */
    uint32_t n_headers, n_chunks;
    uint64_t framing_bytes; /* of a chunked body: what is not content */
    uint64_t received;      /* content bytes, also discarded ones */
    tm_str field_name, field_value;
    bool is_complete;
    llhttp_t parser;
} tm_http;

/** Put the defaults where a field of limits is 0. */
void tm__serve_limits_init(tm_serve_limits *out, const tm_serve_limits *from);

void tm__http_init(tm_http *http, const tm_serve_limits *limits);
/** Take bytes: returns how many were used. Stops at READY and DONE (call again, also with 0 bytes,
 * to leave READY) and never goes on after BROKEN. */
size_t tm__http_feed(tm_http *http, const char *data, size_t len);
/** Forget the request that was answered and begin the next. */
void tm__http_next(tm_http *http);
/** True when nothing of a request was read yet. */
bool tm__http_is_idle(const tm_http *http);
void tm__http_done(tm_http *http);

/** Percent-decode once into out (NUL-terminated); false for a bad escape, a NUL or control byte, a
 * text that would decode again, or one that does not fit. */
bool tm__http_decode(tm_str text, char *out, size_t size);
/** Value of a query parameter, or a text with ptr NULL. Not decoded. */
tm_str tm__http_query(tm_str query, const char *name);

#endif
