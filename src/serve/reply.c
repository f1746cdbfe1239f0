/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies: JSON, problem documents (RFC 9457) and the head of an HTTP response. A problem names
 * what is wrong, the row and the column; never a value, a path or anything of the inside. What a
 * 5xx means in detail is in the log, under the request's id.
 */
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/serve_priv.h"
#include "serve/shadow.h"

static const struct {
    unsigned status;
    const char *title;
} titles[] = {
    {200, "OK"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

static const char *problem_title(unsigned status) {
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) {
        if (titles[i].status == status) {
            return titles[i].title;
        }
    }
    return status < 400 ? "OK" : status < 500 ? "Bad Request" : "Internal Server Error";
}

static void member(tm_buf *out, const char *name, const char *value) {
    tm__buf_printf(out, "\"%s\":", name);
    tm__json_write_text(out, tm__str(value));
}

static void write_errors(tm_exchange *x) {
    tm__buf_text(&x->reply, ",\"errors\":[");
    for (uint32_t i = 0; i < x->n_errors; i++) {
        const tm_row_error *e = &x->errors[i];
        tm__buf_text(&x->reply, i == 0 ? "{" : ",{");
        if (e->has_row) {
            tm__buf_printf(&x->reply, "\"row\":%llu,", (unsigned long long)e->row);
        }
        if (e->column[0] != '\0') {
            member(&x->reply, "column", e->column);
            tm__buf_byte(&x->reply, ',');
        }
        member(&x->reply, "detail", e->detail);
        tm__buf_byte(&x->reply, '}');
    }
    tm__buf_byte(&x->reply, ']');
}

static tm_error_shape shape_of(const tm_exchange *x) {
    if (x->match.endpoint != NULL) {
        return x->match.endpoint->errors;
    }
    return x->http != NULL && tm__str_has_prefix(x->http->path, "/v2/") ? TM_ERRORS_V2
                                                                        : TM_ERRORS_PROBLEM;
}

static const char *mlflow_code(unsigned status) {
    switch (status) {
    case 401:
        return "UNAUTHENTICATED";
    case 403:
        return "PERMISSION_DENIED";
    case 404:
        return "RESOURCE_DOES_NOT_EXIST";
    case 429:
        return "REQUEST_LIMIT_EXCEEDED";
    case 500:
        return "INTERNAL_ERROR";
    case 503:
        return "TEMPORARILY_UNAVAILABLE";
    default:
        return "BAD_REQUEST";
    }
}

/* An error as another protocol has it: what is wrong and what to do in one text. */
static void reply_text(tm_exchange *x, tm_error_shape shape, const char *detail, const char *hint) {
    tm_buf text;
    tm__buf_init(&text, 4096);
    tm__buf_text(&text, detail);
    if (hint != NULL && hint[0] != '\0') {
        tm__buf_printf(&text, ". %s", hint);
    }
    x->content_type = "application/json";
    if (shape == TM_ERRORS_MLFLOW) {
        tm__buf_printf(&x->reply, "{\"error_code\":\"%s\",\"message\":", mlflow_code(x->status));
    } else {
        tm__buf_text(&x->reply, "{\"error\":");
    }
    tm__json_write_text(&x->reply, text.failed ? tm__str(detail)
                                               : (tm_str){(const char *)text.data, text.len});
    tm__buf_byte(&x->reply, '}');
    tm__buf_done(&text);
}

void tm__problem_reply(tm_exchange *x, unsigned status, const char *slug, const char *detail,
                       const char *hint) {
    tm__buf_reset(&x->reply);
    x->status = status;
    x->header_len = 0;
    x->cache = NULL;
    x->head_static = NULL;
    x->head_own[0] = '\0';
    const tm_error_shape shape = shape_of(x);
    if (shape != TM_ERRORS_PROBLEM) {
        reply_text(x, shape, detail, hint);
        return;
    }
    x->content_type = "application/problem+json";
    tm_buf *out = &x->reply;
    tm__buf_printf(out, "{\"type\":\"urn:tidemill:problem:%s\",\"title\":\"%s\",\"status\":%u,",
                   slug, problem_title(status), status);
    member(out, "detail", detail);
    if (hint != NULL && hint[0] != '\0') {
        tm__buf_byte(out, ',');
        member(out, "hint", hint);
    }
    tm__buf_printf(out, ",\"instance\":\"urn:tidemill:request:%s\"", x->request_id);
    if (x->n_errors > 0) {
        write_errors(x);
    }
    tm__buf_byte(out, '}');
}

void tm__problem_from_err(tm_exchange *x, const tm_err *err) {
    const unsigned status = tm_status_http(err->status);
    char slug[32];
    (void)tm__str_copy(slug, sizeof slug, tm__str(tm_status_text(err->status)));
    for (char *p = slug; *p != '\0'; p++) {
        *p = *p == ' ' ? '-' : *p;
    }
    if (status == 500 || err->status == TM_E_NOMEM) {
        tm_log_event(x->log, TM_ERROR, "http.failed", TM_FT("request", x->request_id),
                     TM_FT("error", err->message), TM_FT("status", tm_status_text(err->status)));
        tm__problem_reply(x, status, slug,
                          err->status == TM_E_NOMEM ? "the server has no memory for this"
                                                    : "the server could not do this",
                          "The log of the server says why, under this request's id.");
        return;
    }
    tm__problem_reply(x, status, slug, err->message, err->hint);
}

bool tm__problem_row(tm_exchange *x, const tm_row_error *error) {
    if (x->errors == NULL) {
        x->errors = tm__mem_alloc(TM_ERRORS_MAX, sizeof *x->errors);
    }
    if (x->errors == NULL || x->n_errors == TM_ERRORS_MAX) {
        return false;
    }
    x->errors[x->n_errors++] = *error;
    return x->n_errors < TM_ERRORS_MAX;
}

void tm__reply_json(tm_exchange *x, json_t *value) {
    tm__buf_reset(&x->reply);
    x->status = 200;
    x->content_type = "application/json";
    if (value == NULL || !tm__json_write(&x->reply, value, 0)) {
        tm__problem_reply(x, 503, "out-of-memory", "out of memory", NULL);
    }
    json_decref(value);
}

static void put_two(char *out, uint32_t value) {
    out[0] = (char)('0' + value / 10);
    out[1] = (char)('0' + value % 10);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", RFC 9110, 5.6.7. By hand, as what follows: every reply has it,
 * and printf took a tenth of the time of a prediction. */
static void write_date(tm_buf *out, int64_t now_us) {
    static const char days[] = "MonTueWedThuFriSatSun";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[] = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    tm_civil c;
    tm__civil_from_us(now_us, &c);
    memcpy(text + 6, days + (size_t)c.weekday * 3, 3);
    put_two(text + 11, c.day);
    memcpy(text + 14, months + (size_t)(c.month - 1) * 3, 3);
    put_two(text + 18, (uint32_t)(c.year / 100 % 100));
    put_two(text + 20, (uint32_t)(c.year % 100));
    put_two(text + 23, c.hour);
    put_two(text + 26, c.minute);
    put_two(text + 29, c.second);
    tm__buf_append(out, text, sizeof text - 1);
}

static inline void field(tm_buf *out, const char *name, const char *value) {
    tm__buf_text(out, name);
    tm__buf_text(out, value);
    tm__buf_text(out, "\r\n");
}

static void number_field(tm_buf *out, const char *name, uint64_t value) {
    tm__buf_text(out, name);
    tm__buf_decimal(out, value);
    tm__buf_text(out, "\r\n");
}

/* For browsers: which page may read this. Origin and methods are of our own lists. */
static void write_cross_origin(const tm_exchange *x, tm_buf *out) {
    static const char headers[] =
        "Access-Control-Allow-Headers: Authorization, X-Api-Key, Content-Type, Content-Encoding, "
        "Accept, X-Request-Id, X-Request-Timeout-Ms, X-Tidemill-Route, traceparent\r\n"
        "Access-Control-Max-Age: 600\r\n";
    static const char exposed[] =
        "Access-Control-Expose-Headers: X-Request-Id, X-Tidemill-Model, X-Tidemill-Version, "
        "X-Tidemill-Arm, Retry-After\r\n";
    tm__buf_text(out, "Vary: Origin\r\nAccess-Control-Allow-Origin: ");
    tm__buf_append(out, x->access.origin.ptr, x->access.origin.len);
    tm__buf_text(out, "\r\n");
    if (x->preflight != NULL) {
        field(out, "Access-Control-Allow-Methods: ", x->preflight);
    }
    tm__buf_text(out, x->preflight != NULL ? headers : exposed);
}

bool tm__reply_write(const tm_exchange *x, const tm_reply_frame *frame, tm_buf *out) {
    char status[] = "HTTP/1.1 200 ";
    status[9] = (char)('0' + x->status / 100 % 10);
    put_two(status + 10, x->status % 100);
    field(out, status, problem_title(x->status));
    write_date(out, frame->now_us);
    if (x->status != 204 && x->status != 304) { /* no body: RFC 9110, 15.3.5 and 15.4.5 */
        field(out, "Content-Type: ", x->content_type);
        number_field(out, "Content-Length: ", x->reply.len);
    }
    field(out, "X-Request-Id: ", x->request_id);
    field(out, "Cache-Control: ", x->cache != NULL ? x->cache : "no-store");
    tm__buf_text(out, "X-Content-Type-Options: nosniff\r\n");
    tm__buf_text(out, x->head_static != NULL ? x->head_static : "");
    tm__buf_text(out, x->head_own);
    if (x->has_model) {
        /* Names of models are checked when they are made; nothing else of a client stands here. */
        field(out, "X-Tidemill-Model: ", x->model);
        number_field(out, "X-Tidemill-Version: ", x->version);
        field(out, "X-Tidemill-Arm: ", tm__arm_text(x->arm));
    }
    if (x->access.origin.ptr != NULL) {
        write_cross_origin(x, out);
    }
    if (x->header_len > 0) {
        tm__buf_printf(out, "Inference-Header-Content-Length: %zu\r\n", x->header_len);
    }
    if (x->status == 401) {
        tm__buf_text(out, "WWW-Authenticate: Bearer\r\n");
    }
    if (x->status == 405 && frame->allow != NULL && frame->allow[0] != '\0') {
        tm__buf_printf(out, "Allow: %s\r\n", frame->allow);
    }
    if (x->retry_after_s > 0) {
        tm__buf_printf(out, "Retry-After: %u\r\n", x->retry_after_s);
    }
    if (x->trace.trace_id[0] != '\0') {
        tm__buf_printf(out, "traceparent: 00-%s-%s-%s\r\n", x->trace.trace_id, x->trace.span_id,
                       x->trace.flags);
    }
    tm__buf_text(out, frame->close ? "Connection: close\r\n\r\n" : "\r\n");
    if (!frame->is_head) {
        tm__buf_append(out, x->reply.data, x->reply.len);
    }
    return !out->failed;
}

void tm__exchange_reset(tm_exchange *x) {
    if (x->reply.capacity > 65536) {
        const size_t size_max = x->reply.size_max;
        tm__buf_done(&x->reply);
        tm__buf_init(&x->reply, size_max);
    }
    tm__buf_reset(&x->reply);
    if (x->holds_current) {
        tm__current_unref(x->current);
    }
    tm__mem_free(x->errors);
    tm__mirror_free(x->mirror);
    x->mirror = NULL;
    x->current = NULL;
    x->served = NULL;
    x->holds_current = false;
    x->trace.trace_id[0] = '\0';
    x->errors = NULL;
    x->n_errors = 0;
    x->status = 0;
    x->has_model = false;
    x->media = TM_MEDIA_NONE;
    x->header_len = 0;
    x->retry_after_s = 0;
    x->preflight = NULL;
    x->cache = NULL;
    x->head_static = NULL;
    x->head_own[0] = '\0';
    x->access.origin = (tm_str){NULL, 0};
    x->helped_ns = 0;
    atomic_store_explicit(&x->is_gone, false, memory_order_relaxed);
    x->content_type = "application/json";
    memset(&x->match, 0, sizeof x->match);
    memset(&x->access, 0, sizeof x->access);
}
