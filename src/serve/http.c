/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests from bytes.
 *
 *      bytes -> gate -> head buffer -> llhttp (whole head at once) -> READY
 *      bytes -> llhttp -> body buffer -> DONE
 *
 * The head is collected before llhttp sees it. So every limit on it is one comparison, what llhttp
 * points at lies in one block, and the gate can refuse at the first byte what parsers disagree
 * about, which is what request smuggling lives on:
 *
 *   1. a LF always follows a CR and a CR is always followed by a LF; no NUL or other control byte;
 *   2. no line of the head begins with white space (obsolete folding);
 *   3. Host, Content-Length, Transfer-Encoding and the other fields read here stand once at most;
 *   4. Transfer-Encoding is exactly "chunked", never beside Content-Length, never in HTTP/1.0;
 *   5. the target begins with '/' and has no byte outside 0x21 .. 0x7E and no '#'.
 *
 * llhttp must be built with LLHTTP_STRICT_MODE: its loose tables take a bare LF in chunk lines.
 * After a request it is made new again, so nothing leaks from one request into the next.
 */
#include "serve/http.h"

#include <string.h>
#include <strings.h>

#include "base/limits.h"

#define FRAMING_BYTES_MAX (1u << 20) /* chunk lines, extensions and trailers of one body */

#define NAME(text)                                                                                 \
    { text, sizeof(text) - 1 }
static const tm_str field_names[TM_HTTP_N_FIELDS] = {
    [TM_HTTP_HOST] = NAME("host"),
    [TM_HTTP_CONTENT_TYPE] = NAME("content-type"),
    [TM_HTTP_AUTHORIZATION] = NAME("authorization"),
    [TM_HTTP_API_KEY] = NAME("x-api-key"),
    [TM_HTTP_REQUEST_ID] = NAME("x-request-id"),
    [TM_HTTP_EXPECT] = NAME("expect"),
    [TM_HTTP_ORIGIN] = NAME("origin"),
    [TM_HTTP_PREFLIGHT] = NAME("access-control-request-method"),
    [TM_HTTP_ROUTE] = NAME("x-tidemill-route"),
    [TM_HTTP_UNIT] = NAME("x-tidemill-unit"),
    [TM_HTTP_TRANSFER_ENCODING] = NAME("transfer-encoding"),
    [TM_HTTP_TRACEPARENT] = NAME("traceparent"),
    [TM_HTTP_TIMEOUT] = NAME("x-request-timeout-ms"),
    [TM_HTTP_ACCEPT] = NAME("accept"),
    [TM_HTTP_CONTENT_ENCODING] = NAME("content-encoding"),
    [TM_HTTP_IDEMPOTENCY_KEY] = NAME("idempotency-key"),
    [TM_HTTP_HEADER_LENGTH] = NAME("inference-header-content-length"),
    [TM_HTTP_ACCEPT_ENCODING] = NAME("accept-encoding"),
    [TM_HTTP_IF_NONE_MATCH] = NAME("if-none-match"),
    [TM_HTTP_COOKIE] = NAME("cookie"),
    [TM_HTTP_CSRF] = NAME("x-csrf-token"),
};
#undef NAME

void tm__serve_limits_init(tm_serve_limits *out, const tm_serve_limits *from) {
    static const tm_serve_limits otherwise = {
        .header_bytes_max = TM_MAX_HEADER_BYTES,
        .target_bytes_max = 8192,
        .headers_max = TM_MAX_HEADERS,
        .body_bytes_max = TM_MAX_BODY_BYTES,
        .bodies_bytes_max = UINT64_C(512) << 20,
        .chunks_max = 65536,
        .rows_max = TM_MAX_REQUEST_ROWS,
        .connections_max = TM_MAX_CONNECTIONS,
        .header_timeout_ms = TM_HEADER_TIMEOUT_MS,
        .io_timeout_ms = TM_IO_TIMEOUT_MS,
        .idle_timeout_ms = TM_IDLE_TIMEOUT_MS,
        .wait_ms_max = TM_WAIT_MS,
        .in_flight_max = TM_MAX_IN_FLIGHT,
        .stop_delay_ms = 300,
        .stop_timeout_ms = 8000,
    };
    const tm_serve_limits zero = {0};
    const tm_serve_limits *f = from == NULL ? &zero : from;
    tm_serve_limits r = otherwise;
#define TAKE(field) r.field = f->field != 0 ? f->field : r.field
    TAKE(header_bytes_max);
    TAKE(target_bytes_max);
    TAKE(headers_max);
    TAKE(body_bytes_max);
    TAKE(bodies_bytes_max);
    TAKE(chunks_max);
    TAKE(rows_max);
    TAKE(connections_max);
    TAKE(header_timeout_ms);
    TAKE(io_timeout_ms);
    TAKE(idle_timeout_ms);
    TAKE(wait_ms_max);
    TAKE(in_flight_max);
    TAKE(stop_delay_ms);
    TAKE(stop_timeout_ms);
#undef TAKE
    *out = r;
}

static bool refuse(tm_http *http, unsigned status, const char *reason) {
    http->state = TM_HTTP_BROKEN;
    http->status = status;
    http->reason = reason;
    http->keep_alive = false;
    return false;
}

/* Callbacks of llhttp. A negative result ends parsing; status and reason are set before. */

static int on_url(llhttp_t *parser, const char *at, size_t len) {
    tm_http *http = parser->data;
    http->path = (tm_str){at, len};
    return 0;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len) {
    tm_http *http = parser->data;
    http->field_name = (tm_str){at, len};
    http->field_value = (tm_str){at, 0};
    return 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len) {
    tm_http *http = parser->data;
    http->field_value = (tm_str){at, len};
    return 0;
}

static int on_header_value_complete(llhttp_t *parser) {
    tm_http *http = parser->data;
    if (http->state != TM_HTTP_HEAD) {
        return 0; /* trailers are dropped */
    }
    if (++http->n_headers > http->limits->headers_max) {
        refuse(http, 431, "too many header fields");
        return -1;
    }
    for (uint32_t i = 0; i < TM_HTTP_N_FIELDS; i++) {
        if (http->field_name.len == field_names[i].len &&
            strncasecmp(http->field_name.ptr, field_names[i].ptr, field_names[i].len) == 0) {
            const bool is_list = i == TM_HTTP_ACCEPT || i == TM_HTTP_ACCEPT_ENCODING ||
                                 i == TM_HTTP_IF_NONE_MATCH || i == TM_HTTP_COOKIE;
            if (http->fields[i].ptr != NULL && is_list) {
                break; /* a list may be cut in several fields: the first one counts */
            }
            if (http->fields[i].ptr != NULL) {
                refuse(http, 400, "a header field stands twice");
                return -1;
            }
            http->fields[i] = tm__str_trim(http->field_value);
            if (http->fields[i].ptr == NULL) {
                http->fields[i].ptr = "";
            }
            break;
        }
    }
    return 0;
}

static int on_headers_complete(llhttp_t *parser) {
    tm_http *http = parser->data;
    http->keep_alive = llhttp_should_keep_alive(parser) != 0;
    http->length = (parser->flags & F_CHUNKED) != 0 ? UINT64_MAX : parser->content_length;
    http->has_body = (parser->flags & F_CHUNKED) != 0 || parser->content_length > 0;
    parser->upgrade = 0; /* an offer to change the protocol may be ignored: RFC 9110, 7.8 */
    return 0;
}

static int on_chunk_header(llhttp_t *parser) {
    tm_http *http = parser->data;
    if (++http->n_chunks > http->limits->chunks_max) {
        refuse(http, 413, "too many chunks");
        return -1;
    }
    if (parser->content_length > http->limits->body_bytes_max - http->received) {
        refuse(http, 413, "the body is larger than the limit"); /* before its bytes come */
        return -1;
    }
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len) {
    tm_http *http = parser->data;
    http->received += len;
    if (http->received > http->limits->body_bytes_max) {
        refuse(http, 413, "the body is larger than the limit");
        return -1;
    }
    if (!http->discard && !tm__buf_append(&http->body, at, len)) {
        refuse(http, 503, "out of memory");
        return -1;
    }
    return 0;
}

static int on_message_complete(llhttp_t *parser) {
    tm_http *http = parser->data;
    http->is_complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_chunk_header = on_chunk_header,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

void tm__http_init(tm_http *http, const tm_serve_limits *limits) {
    memset(http, 0, sizeof *http);
    http->limits = limits;
    tm__buf_init(&http->head, (size_t)limits->header_bytes_max + 1);
    tm__buf_init(&http->body, (size_t)limits->body_bytes_max + 1);
    llhttp_init(&http->parser, HTTP_REQUEST, &settings);
    http->parser.data = http;
}

void tm__http_done(tm_http *http) {
    tm__buf_done(&http->head);
    tm__buf_done(&http->body);
}

void tm__http_next(tm_http *http) {
    const tm_serve_limits *limits = http->limits;
    tm_buf head = http->head;
    tm_buf body = http->body;
    /* A connection that waits should hold little; a busy one should not allocate each time. */
    if (head.capacity > 4096) {
        tm__buf_done(&head);
        tm__buf_init(&head, (size_t)limits->header_bytes_max + 1);
    }
    if (body.capacity > 16384) {
        tm__buf_done(&body);
        tm__buf_init(&body, (size_t)limits->body_bytes_max + 1);
    }
    tm__buf_reset(&head);
    tm__buf_reset(&body);
    memset(http, 0, sizeof *http);
    http->limits = limits;
    http->head = head;
    http->body = body;
    llhttp_init(&http->parser, HTTP_REQUEST, &settings);
    http->parser.data = http;
}

bool tm__http_is_idle(const tm_http *http) {
    return http->state == TM_HTTP_HEAD && http->head.len == 0;
}

/* From i on the first byte of the head that is a control byte, or the end; eight at a time (hasless
 * and haszero of Anderson, Bit Twiddling Hacks, which may say yes too early but not too late). */
static size_t skip_plain(const uint8_t *d, size_t i, size_t end) {
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    for (; i + 8 <= end; i += 8) {
        uint64_t word;
        memcpy(&word, d + i, sizeof word);
        const uint64_t del = word ^ (ones * 0x7F);
        if ((((word - ones * 0x20) & ~word) | ((del - ones) & ~del)) & tops) {
            break;
        }
    }
    while (i < end && d[i] >= 0x20 && d[i] != 0x7F) {
        i++;
    }
    return i;
}

/* Invariants 1 and 2 over the bytes that came; *out_end is set behind the empty line. */
static bool check_bytes(tm_http *http, bool *out_ended) {
    const uint8_t *d = http->head.data;
    *out_ended = false;
    size_t i = http->scanned;
    for (; i < http->head.len; i++) {
        const uint8_t c = d[i];
        const bool after_cr = i > 0 && d[i - 1] == '\r';
        if (c == '\n') {
            if (!after_cr) {
                return refuse(http, 400, "a line ends with a bare line feed");
            }
            if (i - http->line_start == 1) { /* the empty line */
                http->scanned = i + 1;
                *out_ended = true;
                return true;
            }
            http->line_start = i + 1;
        } else if (after_cr) {
            return refuse(http, 400, "a carriage return without a line feed");
        } else if (i == http->line_start && i > 0 && (c == ' ' || c == '\t')) {
            return refuse(http, 400, "a folded header field");
        } else if ((c < 0x20 && c != '\t' && c != '\r') || c == 0x7F) {
            return refuse(http, 400, "a control byte in the head");
        }
        if (c >= 0x20 && i > http->line_start) { /* what follows needs no rule but the last */
            i = skip_plain(d, i + 1, http->head.len) - 1;
        }
        if (http->line_start == 0 && i > http->limits->target_bytes_max + 32u) {
            return refuse(http, 414, "the request line is longer than the limit");
        }
    }
    http->scanned = i;
    return true;
}

/* Invariants 4 and 5, the protocol's version and what is asked with Expect. */
static bool check_head(tm_http *http) {
    const llhttp_t *p = &http->parser;
    if (p->http_major != 1 || p->http_minor > 1) {
        return refuse(http, 505, "the protocol is not HTTP/1.1");
    }
    http->is_http10 = p->http_minor == 0;
    http->method = p->method == HTTP_GET       ? TM_GET
                   : p->method == HTTP_HEAD    ? TM_HEAD
                   : p->method == HTTP_POST    ? TM_POST
                   : p->method == HTTP_OPTIONS ? TM_OPTIONS
                                               : TM_OTHER_METHOD;
    const tm_str target = http->path;
    if (target.len > http->limits->target_bytes_max) {
        return refuse(http, 414, "the target is longer than the limit");
    }
    for (size_t i = 0; i < target.len; i++) {
        const uint8_t c = (uint8_t)target.ptr[i];
        if (c <= 0x20 || c >= 0x7F || c == '#' || (i == 0 && c != '/')) {
            return refuse(http, 400, "the target is not a plain path");
        }
    }
    if (target.len == 0) {
        return refuse(http, 400, "the target is empty");
    }
    http->query = target;
    http->path = tm__str_cut(&http->query, '?');
    if (http->fields[TM_HTTP_HOST].ptr == NULL && !http->is_http10) {
        return refuse(http, 400, "no Host header field");
    }
    const tm_str coding = http->fields[TM_HTTP_TRANSFER_ENCODING];
    if (coding.ptr != NULL && (http->is_http10 || !tm__str_is_nocase(coding, "chunked"))) {
        return refuse(http, http->is_http10 ? 400 : 501, "the transfer coding is not chunked");
    }
    if (http->length != UINT64_MAX && http->length > http->limits->body_bytes_max) {
        return refuse(http, 413, "the body is larger than the limit");
    }
    const tm_str expect = http->fields[TM_HTTP_EXPECT];
    if (expect.ptr != NULL) {
        if (!tm__str_is_nocase(expect, "100-continue")) {
            return refuse(http, 417, "an expectation that is not 100-continue");
        }
        http->expects_continue = http->has_body && !http->is_http10;
    }
    return true;
}

/* The head begins with a word of letters, a blank and a path: then the path is known too. */
static bool has_method(tm_http *http) {
    const tm_str line = {(const char *)http->head.data, http->head.len};
    size_t n = 0;
    while (n < line.len && n <= 32 && line.ptr[n] >= 'A' && line.ptr[n] <= 'Z') {
        n++;
    }
    if (n == 0 || n > 32 || n + 2 > line.len || line.ptr[n] != ' ' || line.ptr[n + 1] != '/') {
        return false;
    }
    tm_str rest = {line.ptr + n + 1, line.len - n - 1};
    http->path = tm__str_cut(&rest, ' ');
    http->path = tm__str_cut(&http->path, '?');
    return memchr(http->path.ptr, '\n', http->path.len) == NULL;
}

static size_t feed_head(tm_http *http, const char *data, size_t len) {
    const size_t before = http->head.len;
    const size_t room = http->limits->header_bytes_max - before;
    const size_t taken = len < room ? len : room;
    if (taken > 0 && !tm__buf_append(&http->head, data, taken)) {
        refuse(http, 503, "out of memory");
        return 0;
    }
    bool ended = false;
    if (!check_bytes(http, &ended)) {
        return taken;
    }
    if (!ended) {
        if (http->head.len >= http->limits->header_bytes_max) {
            refuse(http, 431, "the header fields are larger than the limit");
        }
        return taken;
    }
    const size_t used = http->scanned - before;
    http->head.len = http->scanned;
    if (http->scanned == 2) { /* an empty line between requests: RFC 9112, 2.2 */
        tm__buf_reset(&http->head);
        http->scanned = 0;
        http->line_start = 0;
        return used;
    }
    const llhttp_errno_t e =
        llhttp_execute(&http->parser, (const char *)http->head.data, http->head.len);
    if (http->state != TM_HTTP_BROKEN) {
        if (e == HPE_INVALID_VERSION || e == HPE_PAUSED_H2_UPGRADE) {
            refuse(http, 505, "the protocol is not HTTP/1.1");
        } else if (e == HPE_INVALID_TRANSFER_ENCODING) {
            refuse(http, 501, "the transfer coding is not chunked");
        } else if (e == HPE_INVALID_METHOD && has_method(http)) {
            refuse(http, 405, "the method is not known");
        } else if (e != HPE_OK && e != HPE_PAUSED && e != HPE_PAUSED_UPGRADE) {
            refuse(http, 400, "not a well-formed HTTP request");
        } else if (check_head(http)) {
            http->state = TM_HTTP_READY;
        }
    }
    return used;
}

static size_t feed_body(tm_http *http, const char *data, size_t len) {
    if (http->is_complete) {
        http->state = TM_HTTP_DONE;
        return 0;
    }
    http->state = TM_HTTP_BODY;
    if (len == 0) {
        return 0;
    }
    const uint64_t content_before = http->received;
    const llhttp_errno_t e = llhttp_execute(&http->parser, data, len);
    size_t used = len;
    if (e == HPE_PAUSED || e == HPE_PAUSED_UPGRADE) {
        used = (size_t)(llhttp_get_error_pos(&http->parser) - data);
    } else if (e != HPE_OK) {
        if (http->state != TM_HTTP_BROKEN) {
            refuse(http, 400, "a malformed chunk");
        }
        return len;
    }
    if (http->length == UINT64_MAX) {
        http->framing_bytes += used - (http->received - content_before);
        if (http->framing_bytes > FRAMING_BYTES_MAX) {
            refuse(http, 413, "chunk lines and trailers are larger than the limit");
            return used;
        }
    }
    if (http->is_complete) {
        http->state = TM_HTTP_DONE;
    }
    return used;
}

size_t tm__http_feed(tm_http *http, const char *data, size_t len) {
    switch (http->state) {
    case TM_HTTP_HEAD:
        return len == 0 ? 0 : feed_head(http, data, len);
    case TM_HTTP_READY:
    case TM_HTTP_BODY:
        return feed_body(http, data, len);
    case TM_HTTP_DONE:
    case TM_HTTP_BROKEN:
    default:
        return 0;
    }
}

static int hex_digit(char c) {
    if (tm__is_digit(c)) {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_escape(const char *p, size_t left) {
    return left >= 3 && p[0] == '%' && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0;
}

bool tm__http_decode(tm_str text, char *out, size_t size) {
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            if (!is_escape(text.ptr + i, text.len - i)) {
                return false;
            }
            c = (char)(hex_digit(text.ptr[i + 1]) * 16 + hex_digit(text.ptr[i + 2]));
            i += 2;
        }
        if ((unsigned char)c < 0x20 || c == 0x7F || n + 1 >= size) {
            return false;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    for (size_t i = 0; i < n; i++) {
        if (is_escape(out + i, n - i)) {
            return false;
        }
    }
    return tm__str_is_utf8((tm_str){out, n});
}

tm_str tm__http_query(tm_str query, const char *name) {
    while (query.len > 0) {
        tm_str value = tm__str_cut(&query, '&');
        const tm_str key = tm__str_cut(&value, '=');
        if (tm__str_is(key, name)) {
            return value.ptr == NULL ? TM_STR("") : value;
        }
    }
    return (tm_str){NULL, 0};
}
