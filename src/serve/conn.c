/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections.
 *
 *      OPEN --handed over-----------> BUSY --answered--> OPEN
 *      OPEN --last reply flushed----> LINGER --end or 2 s--> gone
 *      BUSY --peer gone-------------> DEAD --answered--> gone
 *
 * Invariants:
 *   1. Requests of one connection are answered one after the other, in order; what came behind the
 *      one being answered waits in `pending`, which is at most one read.
 *   2. A connection that waits for anything has a deadline: headers and bodies cannot be dripped.
 *   3. `out` grows by one reply at a time: the next request is looked at only when less than
 *      OUT_BYTES_MAX waits to be read by the peer.
 *   4. Who may call is decided when the head is known, before a byte of the body is kept.
 *   5. While a batch thread has the exchange, `out` is its too (it makes room there), and nothing
 *      is sent.
 */
#include "serve/conn.h"
#include "serve/unpack.h"

#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/access_log.h"
#include "serve/audited.h"
#include "serve/away.h"
#include "serve/requests.h"
#include "serve/session.h"

#define BATCH_BYTES 32768u      /* larger bodies are answered by a batch thread */
#define LARGE_BODY_BYTES 16384u /* smaller ones are not counted together with others' */
#define OUT_BYTES_MAX (256u << 10)
#define REPLY_BYTES_MIN 1024u
#define REPLY_BYTES_MAX (256u << 20)
#define DISCARD_BYTES_MAX 65536u /* of a refused request, to keep its connection */
#define LINGER_MS 2000u
#define DEADLINE_MS_MAX 3600000u
#define BODY_BYTES_PER_S 1024u /* slower than this, after the header timeout, is an attack */
#define MS UINT64_C(1000000)

static int64_t read_bytes(tm_conn *conn, void *out, size_t len) {
    return conn->tls != NULL ? tm__tls_read(conn->tls, out, len) : tm__net_read(conn->fd, out, len);
}

static int64_t write_bytes(tm_conn *conn, const void *data, size_t len) {
    return conn->tls != NULL ? tm__tls_write(conn->tls, data, len)
                             : tm__net_write(conn->fd, data, len);
}

static bool tls_wants_write(const tm_conn *conn) {
    return conn->tls != NULL && tm__tls_wants_write(conn->tls);
}

static void later(tm_conn *conn, uint32_t ms) {
    conn->deadline_ns = conn->conns->now_ns + ms * MS;
}

static size_t out_waiting(const tm_conn *conn) {
    return conn->out.len - conn->out_pos;
}

/* Invariant 5. */
static bool has_lent_out(const tm_conn *conn) {
    return conn->state == TM_CONN_BUSY && conn->is_batch;
}

static void unlink_conn(tm_conn *conn) {
    tm_conns *conns = conn->conns;
    if (conn->prev != NULL) {
        conn->prev->next = conn->next;
    } else {
        conns->first = conn->next;
    }
    if (conn->next != NULL) {
        conn->next->prev = conn->prev;
    }
    conns->n--;
    atomic_fetch_sub(conns->n_open, 1);
}

static void free_conn(tm_conn *conn) {
    tm__key_forget(&conn->key_memory);
    tm__exchange_reset(&conn->x);
    tm__buf_done(&conn->x.reply);
    tm__http_done(&conn->http);
    tm__buf_done(&conn->pending);
    tm__buf_done(&conn->out);
    unlink_conn(conn);
    tm__mem_free(conn);
}

static void uncount_body(tm_conn *conn) {
    if (conn->body_counted > 0) {
        atomic_fetch_sub(conn->conns->body_bytes, conn->body_counted);
        conn->body_counted = 0;
    }
}

/* Close the socket; the rest goes too unless another thread works on it. */
static void end_conn(tm_conn *conn) {
    tm_conns *conns = conn->conns;
    if (conn->fd >= 0) {
        tm__poller_remove(conns->poller, conn->fd);
        if (conn->tls != NULL) {
            tm__tls_finish(conn->tls);
            tm__tls_free(conn->tls);
            conn->tls = NULL;
        }
        tm__net_close(conn->fd);
        conn->fd = -1;
    }
    uncount_body(conn);
    const bool is_busy = conn->state == TM_CONN_BUSY;
    conn->state = TM_CONN_DEAD;
    if (is_busy) {
        atomic_store_explicit(&conn->x.is_gone, true, memory_order_relaxed);
    } else {
        free_conn(conn);
    }
}

/* Watch for what the state needs; false when the connection had to end. */
static bool watch(tm_conn *conn) {
    const bool want_read =
        !conn->at_end && (conn->state == TM_CONN_LINGER ||
                          (conn->state == TM_CONN_OPEN && out_waiting(conn) < OUT_BYTES_MAX &&
                           conn->pending.len == 0 && !conn->close_after_flush));
    const bool want_write =
        (!has_lent_out(conn) && out_waiting(conn) > 0) || (want_read && tls_wants_write(conn));
    if (conn->is_watched && want_read == conn->want_read && want_write == conn->want_write) {
        return true;
    }
    conn->is_watched = true;
    conn->want_read = want_read;
    conn->want_write = want_write;
    if (!tm__poller_set(conn->conns->poller, conn->fd, (uint64_t)(uintptr_t)conn, want_read,
                        want_write)) {
        end_conn(conn);
        return false;
    }
    return true;
}

tm_conn *tm__conn_create(tm_conns *conns, const tm_accepted *accepted) {
    tm_conn *conn = tm__mem_zalloc(1, sizeof *conn);
    if (conn != NULL && accepted->tls != NULL) {
        conn->tls = tm__tls_accept(accepted->tls, accepted->fd);
        if (conn->tls == NULL) {
            tm__mem_free(conn);
            conn = NULL;
        }
    }
    tm__tls_unref(accepted->tls);
    if (conn == NULL) {
        tm__net_close(accepted->fd);
        return NULL;
    }
    conn->conns = conns;
    conn->fd = accepted->fd;
    conn->is_local = accepted->is_local;
    conn->is_fresh = true;
    (void)tm__str_copy(conn->peer, sizeof conn->peer, tm__str(accepted->peer));
    conn->caller = tm__requests_caller(conn->peer);
    tm__http_init(&conn->http, &conns->limits);
    tm__buf_init(&conn->pending, (size_t)2 * TM_CONN_READ_BYTES);
    tm__buf_init(&conn->out, (size_t)REPLY_BYTES_MAX + OUT_BYTES_MAX + 65536);
    tm__buf_init(&conn->x.reply, REPLY_BYTES_MAX);
    conn->x.out = &conn->out;
    conn->x.log = conns->log;
    conn->x.limits = &conns->limits;
    conn->x.http = &conn->http;
    conn->x.content_type = "application/json"; /* as after each exchange */
    conn->x.desk = conns->desk;
    return conn;
}

void tm__conn_begin(tm_conn *conn) {
    tm_conns *conns = conn->conns;
    conn->next = conns->first;
    if (conns->first != NULL) {
        conns->first->prev = conn;
    }
    conns->first = conn;
    conns->n++;
    later(conn, conns->limits.header_timeout_ms);
    (void)watch(conn);
}

/* The id that a client gave, if it is a harmless word, else a fresh one. */
static void name_request(tm_exchange *x) {
    const tm_str given = x->http->fields[TM_HTTP_REQUEST_ID];
    bool is_good = given.len > 0 && given.len < TM_REQUEST_ID_TEXT;
    for (size_t i = 0; is_good && i < given.len; i++) {
        const char c = given.ptr[i];
        is_good = tm__is_alnum(c) || c == '-' || c == '_' || c == '.';
    }
    if (is_good) {
        (void)tm__str_copy(x->request_id, sizeof x->request_id, given);
    } else {
        tm__id_next(&x->desk->ids, x->request_id);
    }
}

static bool query_is_known(const tm_exchange *x, tm_str *out_name) {
    tm_str rest = x->http->query;
    while (rest.len > 0) {
        tm_str pair = tm__str_cut(&rest, '&');
        const tm_str name = tm__str_cut(&pair, '=');
        bool found = name.len == 0;
        for (uint32_t i = 0; !found && i < TM_QUERY_MAX && x->match.endpoint->query[i] != NULL;
             i++) {
            found = tm__str_is(name, x->match.endpoint->query[i]);
        }
        if (!found) {
            *out_name = name;
            return false;
        }
    }
    return true;
}

/* What a body is said to be; one of the kinds that the endpoint takes, or NONE. */
static tm_media find_media(const tm_endpoint *endpoint, tm_str content_type) {
    static const struct {
        const char *name;
        tm_media media;
    } kinds[] = {
        {"application/json", TM_MEDIA_JSON},
        {"application/x-ndjson", TM_MEDIA_LINES},
        {"application/jsonl", TM_MEDIA_LINES},
        {"text/csv", TM_MEDIA_CSV},
        {"application/vnd.apache.parquet", TM_MEDIA_PARQUET},
        {"application/x-parquet", TM_MEDIA_PARQUET},
        {"", TM_MEDIA_BYTES},
        {"application/octet-stream", TM_MEDIA_BYTES},
    };
    const tm_str name = tm__str_trim(tm__str_cut(&content_type, ';'));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (tm__str_is_nocase(name, kinds[i].name)) {
            return (endpoint->media & kinds[i].media) != 0 ? kinds[i].media : TM_MEDIA_NONE;
        }
    }
    return TM_MEDIA_NONE;
}

static void refuse_media(tm_exchange *x) {
    const unsigned media = x->match.endpoint->media;
    char hint[192] = "";
    if (media != 0) {
        (void)snprintf(hint, sizeof hint, "Send 'Content-Type: application/json'%s%s%s.",
                       (media & TM_MEDIA_LINES) != 0 ? " or 'application/x-ndjson'" : "",
                       (media & TM_MEDIA_CSV) != 0 ? " or 'text/csv'" : "",
                       (media & TM_MEDIA_PARQUET) != 0 ? " or 'application/vnd.apache.parquet'"
                                                       : "");
    }
    tm__problem_reply(x, 415, "content-type",
                      media == TM_MEDIA_JSON ? "the body must be application/json"
                      : media != 0           ? "the body is of a type that is not taken here"
                                             : "this takes no body",
                      hint);
}

/* How long the client waits, if it says so; false when what it says is no time. */
static bool read_deadline(tm_conn *conn) {
    const tm_str text = conn->http.fields[TM_HTTP_TIMEOUT];
    uint64_t ms = 0;
    conn->x.deadline_ns = UINT64_MAX;
    if (text.ptr == NULL) {
        return true;
    }
    if (!tm__str_to_u64(text, &ms) || ms < 1 || ms > DEADLINE_MS_MAX) {
        return false;
    }
    conn->x.deadline_ns = conn->conns->now_ns + ms * MS;
    return true;
}

/* How long this exchange may wait for its turn from now on. */
static uint64_t patience_ns(const tm_conn *conn, uint64_t now_ns) {
    const uint64_t most = conn->conns->limits.wait_ms_max * MS;
    const uint64_t left = conn->x.deadline_ns > now_ns ? conn->x.deadline_ns - now_ns : 0;
    return left < most ? left : most;
}

/* Costs microseconds, so that the answers that can still be in time get the rest. */
static void refuse_overload(tm_conn *conn, const char *reason) {
    tm_exchange *x = &conn->x;
    tm__prom_refused(conn->conns->desk->prom, reason);
    x->retry_after_s = 1;
    tm__problem_reply(x, 503, "overloaded", reason, "Send it again later, or send less at once.");
}

static bool queue_takes(tm_conn *conn, tm_queue queue) {
    tm_conns *conns = conn->conns;
    /* What waits for a disk is not worth less when it is late: desk and study take all that has
     * room. */
    const uint64_t wait_ns =
        queue != TM_QUEUE_BATCH ? UINT64_MAX : patience_ns(conn, conns->now_ns);
    if (!conns->can_take(conns->post_arg, queue, wait_ns)) {
        refuse_overload(conn, queue != TM_QUEUE_BATCH
                                  ? "too many requests wait for the disk"
                                  : "more large batches than can be scored in time");
        return false;
    }
    return true;
}

/* The model that a request is about, from its head: that of the route or the model in its path, or
 * that of the route which answers where none is named. */
static tm_str asked_model(const tm_conn *conn, const tm_current *current) {
    const tm_match *match = &conn->x.match;
    tm_str name = {NULL, 0};
    if (match->endpoint == NULL) {
        return name;
    }
    if (strstr(match->endpoint->path, "{model}") != NULL ||
        strstr(match->endpoint->path, "{route}") != NULL) {
        name = tm__str(match->params[0]);
    } else if (match->endpoint->permission == TM_PERMISSION_PREDICT) {
        name = conn->http.fields[TM_HTTP_ROUTE];
        if (name.ptr == NULL && current->n == 1) {
            name = tm__str(current->routes[0]->route);
        }
    }
    /* In protocols that know no routes, {model} of what predicts is one. */
    const bool is_model_itself = strstr(match->endpoint->path, "{model}") != NULL &&
                                 match->endpoint->permission != TM_PERMISSION_PREDICT;
    for (uint32_t i = 0; name.ptr != NULL && i < current->n; i++) {
        if (tm__str_is(name, current->routes[i]->route) && !is_model_itself) {
            return tm__str(current->routes[i]->model);
        }
    }
    return name;
}

/* A browser asks whether a page may send a request: answered without a key, which it does not send
 * then, and for allowed origins only. True when it was one. */
static bool answer_preflight(tm_conn *conn) {
    tm_exchange *x = &conn->x;
    const tm_http *http = &conn->http;
    if (http->method != TM_OPTIONS || http->fields[TM_HTTP_PREFLIGHT].ptr == NULL ||
        !x->match.path_exists) {
        return false;
    }
    const tm_str origin = tm__access_find_origin(&conn->conns->place, http->fields[TM_HTTP_ORIGIN]);
    if (origin.ptr == NULL) {
        tm__problem_reply(x, 403, "denied", "pages of this origin may not call this server",
                          "Start the server with --allow-origin to let a site in.");
    } else {
        x->access.origin = origin;
        x->preflight = x->match.allow;
        x->status = 204;
    }
    return true;
}

/* Clients ask for the same path again and again: then the match is that of the request before. */
static void match_endpoint(tm_conn *conn) {
    const tm_str path = conn->http.path;
    const bool is_same = conn->matched_len > 0 && conn->matched_len == path.len &&
                         conn->matched_method == conn->http.method &&
                         memcmp(conn->matched, path.ptr, path.len) == 0;
    if (is_same) {
        conn->x.match = conn->match;
        return;
    }
    conn->matched_len = 0;
    tm__endpoint_match(conn->http.method, path, &conn->x.match);
    if (conn->x.match.endpoint != NULL && path.len <= sizeof conn->matched) {
        memcpy(conn->matched, path.ptr, path.len);
        conn->matched_len = (uint32_t)path.len;
        conn->matched_method = conn->http.method;
        conn->match = conn->x.match;
    }
}

/* A browser that signed in: by a cookie, when the request has no key. */
static void add_session(const tm_conn *conn, const tm_current *current, tm_access_request *request,
                        char key[9]) {
    const tm_http *const http = &conn->http;
    const tm_str cookie = http->fields[TM_HTTP_COOKIE];
    if (cookie.ptr != NULL && request->authorization.ptr == NULL && request->api_key.ptr == NULL &&
        current->keyring.ever &&
        tm__sessions_find(conn->conns->desk->sessions, cookie, request->now_us, key)) {
        request->session_key = key;
        request->changes_state = http->method != TM_GET && http->method != TM_HEAD;
        request->has_csrf = tm__session_is_csrf(cookie, http->fields[TM_HTTP_CSRF]);
    }
}

/* Who may ask is known for so long, too. True when x->status says so. */
static bool refuse_without_tables(tm_conn *conn) {
    tm_exchange *x = &conn->x;
    if (x->match.endpoint == NULL || x->match.endpoint->permission == TM_PERMISSION_PUBLIC ||
        tm__away_is_good(conn->conns->desk->health, tm__mono_ns())) {
        return false;
    }
    x->retry_after_s = 1;
    tm__problem_reply(x, 503, "tables-away",
                      "the tables are away for longer than what is known of them may answer",
                      "Ask another replica, or wait until PostgreSQL is back.");
    return true;
}

/* What can be refused from the head alone; x->status says whether it was. */
static void check_request(tm_conn *conn) {
    tm_exchange *x = &conn->x;
    const tm_http *http = &conn->http;
    const tm_current *current = tm__published_view(conn->conns->published);
    match_endpoint(conn);
    const tm_endpoint *endpoint = x->match.endpoint;
    x->access.origin = (tm_str){NULL, 0};
    if (answer_preflight(conn)) {
        return;
    }
    char session_key[9];
    tm_access_request request = {
        .permission = endpoint != NULL ? endpoint->permission : TM_PERMISSION_PREDICT,
        .authorization = http->fields[TM_HTTP_AUTHORIZATION],
        .api_key = http->fields[TM_HTTP_API_KEY],
        .memory = &conn->key_memory,
        .host = http->fields[TM_HTTP_HOST],
        .origin = http->fields[TM_HTTP_ORIGIN],
        .peer_is_loopback = conn->is_local,
        .place = conn->conns->place,
        .is_tls = conn->tls != NULL,
        .model = asked_model(conn, current),
        .is_general = endpoint == NULL || endpoint->is_general || endpoint->is_scoped,
        .now_us = tm__now_us(),
        .now_ns = conn->conns->now_ns,
    };
    add_session(conn, current, &request, session_key);
    if (refuse_without_tables(conn)) {
        return;
    }
    tm__access_check(&current->keyring, &request, &x->access);
    if (x->access.status == 401 || x->access.status == 429 ||
        (endpoint != NULL && x->access.status != 200)) {
        x->retry_after_s = x->access.retry_after_s;
        tm__problem_reply(x, x->access.status,
                          x->access.status == 401   ? "no-valid-key"
                          : x->access.status == 429 ? "rate"
                                                    : "denied",
                          x->access.reason, x->access.hint);
        return;
    }
    if (endpoint == NULL) {
        if (x->match.path_exists) {
            tm__problem_reply(x, 405, "method", "the path does not take this method", NULL);
        } else {
            tm__problem_reply(x, 404, "no-such-path", "there is nothing at this path",
                              "/openapi.json lists all paths.");
        }
        return;
    }
    tm_str unknown = {NULL, 0};
    if (!read_deadline(conn)) {
        tm__problem_reply(x, 400, "bad-request",
                          "X-Request-Timeout-Ms is not a number from 1 to 3600000", NULL);
    } else if (!query_is_known(x, &unknown)) {
        tm__problem_reply(x, 400, "unknown-parameter",
                          "the query has a parameter that is not known",
                          "/openapi.json lists the parameters of each path.");
    } else if (http->has_body) {
        x->media = find_media(endpoint, http->fields[TM_HTTP_CONTENT_TYPE]);
        if (x->media == TM_MEDIA_NONE) {
            refuse_media(x);
        } else if (endpoint->permission == TM_PERMISSION_PREDICT && http->length != UINT64_MAX &&
                   http->length > BATCH_BYTES) {
            (void)queue_takes(conn, TM_QUEUE_BATCH); /* before the body comes */
        }
    }
}

static const char no_memory[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
                                "Retry-After: 1\r\nContent-Length: 0\r\n\r\n";

static void log_access(tm_conn *conn, size_t out_bytes) {
    tm_conns *conns = conn->conns;
    if (conns->has_access_log) {
        const tm_access_entry entry = {.peer = conn->peer,
                                       .out_bytes = out_bytes,
                                       .now_ns = tm__mono_ns(),
                                       .now_us = tm__now_us()};
        tm__access_log_write(&conn->x, &entry, &conns->lines);
    }
}

/* Of a route that is served; what was refused before one was looked for is of none. */
static void count_request(const tm_conn *conn) {
    const tm_exchange *const x = &conn->x;
    const tm_endpoint *const endpoint = x->match.endpoint;
    const tm_served *served = x->served;
    if (served == NULL && x->current != NULL && endpoint != NULL &&
        endpoint->permission == TM_PERMISSION_PREDICT) {
        served = tm__current_find(x->current, x->match.params[0]); /* refused for want of time */
    }
    if (served != NULL && served->requests != NULL) {
        const tm_request_end end = {.thread = conn->conns->desk->index,
                                    .status = x->status,
                                    .ns = tm__mono_ns() - x->arrived_ns,
                                    .caller = conn->caller,
                                    .actor = x->access.actor};
        tm__requests_count(served->requests, &end);
    }
}

/* Write the reply of the exchange; the connection is ready for the next request afterwards. */
static void finish(tm_conn *conn) {
    tm_exchange *x = &conn->x;
    tm_conns *conns = conn->conns;
    const bool is_partial = conn->http.state != TM_HTTP_DONE;
    bool close = is_partial || !conn->http.keep_alive || conn->http.is_http10 ||
                 conns->is_stopping || conn->at_end;
    tm__prom_request(conns->desk->prom, x->match.endpoint, x->status);
    count_request(conn);
    tm__audited_count(conns->desk->audited, x->match.endpoint, x->access.actor, x->status);
    const tm_reply_frame frame = {
        .close = close,
        .is_head = conn->http.method == TM_HEAD && conn->http.state != TM_HTTP_BROKEN,
        .now_us = tm__now_us(),
        .allow = x->match.allow,
    };
    if (x->reply.failed) {
        tm__problem_reply(x, 503, "out-of-memory", "no memory for the reply, or it does not fit",
                          "Ask for fewer rows.");
    }
    const size_t before = conn->out.len;
    if (!tm__reply_write(x, &frame, &conn->out)) {
        conn->out.len = before; /* half a reply is worse than none */
        conn->out.failed = false;
        close = true;
        /* Of what may have been done nothing is said: then the end of the connection is the reply.
         */
        if (out_waiting(conn) == 0 && (x->status >= 400 || conn->http.method == TM_GET)) {
            (void)write_bytes(conn, no_memory, sizeof no_memory - 1);
        }
    }
    conn->close_after_flush = close;
    log_access(conn, conn->out.len - before);
    tm__exchange_reset(x);
    uncount_body(conn);
    if (!close) {
        tm__http_next(&conn->http);
        conn->is_fresh = false;
    }
    later(conn,
          out_waiting(conn) > 0 ? conns->limits.io_timeout_ms : conns->limits.idle_timeout_ms);
}

/* The head is known. */
static void begin(tm_conn *conn) {
    tm_exchange *x = &conn->x;
    tm_http *http = &conn->http;
    name_request(x);
    x->arrived_ns = 0;
    tm__trace_init(&x->trace, http->fields[TM_HTTP_TRACEPARENT]);
    check_request(conn);
    later(conn, conn->conns->limits.io_timeout_ms);
    conn->body_since_ns = conn->conns->now_ns;
    if (x->status != 0) {
        if (http->has_body && (http->length > DISCARD_BYTES_MAX || http->expects_continue)) {
            finish(conn);
        } else {
            http->discard = true;
        }
    } else if (http->expects_continue) {
        tm__buf_text(&conn->out, "HTTP/1.1 100 Continue\r\n\r\n");
    }
}

/* True when others would wait too long for this one: by what is known without a look into the
 * body. */
static bool is_batch(const tm_exchange *x) {
    const tm_buf *body = &x->http->body;
    if (x->match.endpoint->permission != TM_PERMISSION_PREDICT) {
        return x->match.endpoint->on_batch;
    }
    return body->len > BATCH_BYTES || tm__unpack_is_needed(x);
}

/* The kernel does not say when a request came, but it came after the last time that the worker
 * asked. */
static bool has_waited_too_long(const tm_conn *conn) {
    const tm_exchange *x = &conn->x;
    return x->arrived_ns > x->deadline_ns ||
           (x->arrived_ns > conn->conns->ready_ns &&
            x->arrived_ns - conn->conns->ready_ns > conn->conns->limits.wait_ms_max * MS);
}

static void hand_over(tm_conn *conn, tm_queue queue) {
    tm_exchange *x = &conn->x;
    (void)tm__current_ref(x->current);
    x->holds_current = true;
    conn->state = TM_CONN_BUSY;
    x->wants_batch = false;
    conn->is_batch = queue == TM_QUEUE_BATCH;
    conn->deadline_ns = UINT64_MAX;
    conn->conns->post(conn->conns->post_arg, conn, queue);
}

static void answer_here(tm_conn *conn) {
    tm_exchange *x = &conn->x;
    const tm_endpoint *endpoint = x->match.endpoint;
    if (endpoint->permission == TM_PERMISSION_PREDICT && has_waited_too_long(conn)) {
        refuse_overload(conn, "more requests than can be answered in time");
    } else if (tm__unpack_body(x)) {
        x->is_on_worker = true;
        endpoint->handle(x);
        x->is_on_worker = false;
    }
}

/* The whole request is here. */
static void dispatch(tm_conn *conn) {
    tm_exchange *x = &conn->x;
    if (x->status == 0) {
        x->arrived_ns = tm__mono_ns();
        bool has_waited = false;
        x->current = tm__published_answer(conn->conns->published, &has_waited);
        if (has_waited) { /* nobody else is late by it */
            conn->conns->ready_ns = tm__mono_ns();
        }
        tm__json_reset();
        const tm_endpoint *endpoint = x->match.endpoint;
        /* Room for a short reply comes first: what is done durably must not lack the memory to say
         * so. */
        if (tm__buf_reserve(&x->reply, REPLY_BYTES_MIN) == NULL ||
            tm__buf_reserve(&conn->out, 2 * REPLY_BYTES_MIN) == NULL) {
            conn->out.failed = false;
            tm__problem_reply(x, 503, "out-of-memory", "out of memory", NULL);
            finish(conn);
            return;
        }
        const bool is_here = !endpoint->on_desk && !endpoint->on_study && !is_batch(x);
        if (is_here) {
            answer_here(conn);
        }
        const tm_queue queue = endpoint->on_desk    ? TM_QUEUE_DESK
                               : endpoint->on_study ? TM_QUEUE_STUDY
                                                    : TM_QUEUE_BATCH;
        if ((!is_here || x->wants_batch) && queue_takes(conn, queue)) {
            hand_over(conn, queue);
            return;
        }
    }
    finish(conn);
}

static void refuse_broken(tm_conn *conn) {
    tm_exchange *x = &conn->x;
    tm__exchange_reset(x);
    name_request(x);
    if (conn->http.status == 405) { /* a reply to it names the methods that there are */
        tm__endpoint_match(TM_OTHER_METHOD, conn->http.path, &x->match);
        conn->http.status = x->match.path_exists ? 405 : 404;
    }
    tm__prom_refused(conn->conns->desk->prom, conn->http.reason);
    tm__problem_reply(x, conn->http.status, "bad-request", conn->http.reason, NULL);
    x->retry_after_s = conn->http.status == 503 ? 1 : 0;
    finish(conn);
}

static void count_body(tm_conn *conn) {
    tm_conns *conns = conn->conns;
    if (conn->http.body.len < LARGE_BODY_BYTES || conn->http.body.len == conn->body_counted) {
        return;
    }
    const uint64_t more = conn->http.body.len - conn->body_counted;
    const uint64_t all = atomic_fetch_add(conns->body_bytes, more) + more;
    conn->body_counted = conn->http.body.len;
    if (all > conns->limits.bodies_bytes_max && conn->http.state == TM_HTTP_BODY) {
        conn->http.state = TM_HTTP_BROKEN;
        conn->http.status = 503;
        conn->http.reason = "too many large requests at once";
    }
}

/* Parse and answer as far as invariants 1 and 3 allow; returns bytes used. */
static size_t advance(tm_conn *conn, const char *data, size_t len) {
    size_t pos = 0;
    while (conn->state == TM_CONN_OPEN && !conn->close_after_flush) {
        if (out_waiting(conn) >= OUT_BYTES_MAX) {
            break;
        }
        const bool was_idle = tm__http_is_idle(&conn->http);
        const size_t used = tm__http_feed(&conn->http, data + pos, len - pos);
        pos += used;
        switch (conn->http.state) {
        case TM_HTTP_READY:
            begin(conn);
            break;
        case TM_HTTP_DONE:
            count_body(conn);
            dispatch(conn);
            break;
        case TM_HTTP_BROKEN:
            refuse_broken(conn);
            break;
        case TM_HTTP_BODY:
            if (used > 0) {
                later(conn, conn->conns->limits.io_timeout_ms);
            }
            count_body(conn);
            if (conn->http.state == TM_HTTP_BROKEN) {
                refuse_broken(conn);
                break;
            }
            if (pos == len) {
                return pos;
            }
            break;
        case TM_HTTP_HEAD:
        default:
            if (was_idle && !tm__http_is_idle(&conn->http)) {
                later(conn, conn->conns->limits.header_timeout_ms);
            }
            if (pos == len) {
                return pos;
            }
            break;
        }
    }
    return pos;
}

/* Send what waits; false when the connection had to end. */
static bool flush(tm_conn *conn) {
    while (out_waiting(conn) > 0) {
        const int64_t n = write_bytes(conn, conn->out.data + conn->out_pos, out_waiting(conn));
        if (n == TM_NET_AGAIN) {
            return true;
        }
        if (n < 0) {
            end_conn(conn);
            return false;
        }
        conn->out_pos += (size_t)n;
        if (conn->state != TM_CONN_BUSY) {
            later(conn, conn->conns->limits.io_timeout_ms);
        }
    }
    if (conn->out.capacity > 65536) {
        const size_t size_max = conn->out.size_max;
        tm__buf_done(&conn->out);
        tm__buf_init(&conn->out, size_max);
    }
    tm__buf_reset(&conn->out);
    conn->out_pos = 0;
    if (conn->state == TM_CONN_OPEN && conn->close_after_flush) {
        if (conn->at_end) {
            end_conn(conn);
            return false;
        }
        if (conn->tls != NULL) {
            tm__tls_finish(conn->tls);
        }
        tm__net_shutdown_write(conn->fd);
        conn->state = TM_CONN_LINGER;
        later(conn, LINGER_MS);
    } else if (conn->state == TM_CONN_OPEN && tm__http_is_idle(&conn->http) && !conn->is_fresh) {
        later(conn, conn->conns->limits.idle_timeout_ms);
    }
    return true;
}

/* Go on with what waits in pending, and send; false when the connection had to end. */
static bool pump(tm_conn *conn) {
    for (;;) {
        if (conn->pending.len > 0 && conn->state == TM_CONN_OPEN) {
            const size_t used = advance(conn, (const char *)conn->pending.data, conn->pending.len);
            memmove(conn->pending.data, conn->pending.data + used, conn->pending.len - used);
            conn->pending.len -= used;
            if (conn->pending.len == 0 || conn->close_after_flush) {
                tm__buf_done(&conn->pending);
                tm__buf_init(&conn->pending, (size_t)2 * TM_CONN_READ_BYTES);
            }
        }
        if (has_lent_out(conn)) {
            break;
        }
        const size_t waiting = out_waiting(conn);
        if (!flush(conn)) {
            return false;
        }
        if (conn->pending.len == 0 || conn->state != TM_CONN_OPEN || out_waiting(conn) > 0 ||
            waiting == 0) {
            break;
        }
    }
    if (conn->at_end && conn->state == TM_CONN_OPEN && out_waiting(conn) == 0) {
        end_conn(conn);
        return false;
    }
    return watch(conn);
}

static void read_some(tm_conn *conn) {
    tm_conns *conns = conn->conns;
    const int64_t n = read_bytes(conn, conns->scratch, TM_CONN_READ_BYTES);
    if (n == TM_NET_AGAIN) {
        (void)watch(conn); /* a handshake may have to write now */
        return;
    }
    if (n < 0) {
        conn->at_end = true;
        if (conn->state == TM_CONN_LINGER) {
            end_conn(conn);
            return;
        }
        (void)pump(conn);
        return;
    }
    if (conn->state == TM_CONN_LINGER) {
        return;
    }
    const size_t used = advance(conn, conns->scratch, (size_t)n);
    conn->at_end = conn->tls != NULL && tm__tls_is_over(conn->tls);
    if (used < (size_t)n && !conn->close_after_flush &&
        !tm__buf_append(&conn->pending, conns->scratch + used, (size_t)n - used)) {
        end_conn(conn);
        return;
    }
    (void)pump(conn);
}

void tm__conn_event(tm_conn *conn, const tm_poll_event *event) {
    if (conn->state == TM_CONN_DEAD) {
        return;
    }
    if (event->is_closed && (!event->can_read || !conn->want_read)) {
        end_conn(conn);
        return;
    }
    if (event->can_write && conn->want_write && !pump(conn)) {
        return;
    }
    if ((event->can_read || (event->can_write && tls_wants_write(conn))) && conn->want_read) {
        read_some(conn);
    }
}

void tm__conn_answered(tm_conn *conn) {
    conn->x.desk = conn->conns->desk;
    if (conn->state == TM_CONN_DEAD) {
        tm__prom_request(conn->conns->desk->prom, conn->x.match.endpoint, conn->x.status);
        log_access(conn, 0);
        free_conn(conn);
        return;
    }
    conn->state = TM_CONN_OPEN;
    finish(conn);
    (void)pump(conn);
}

static void expire(tm_conn *conn) {
    const bool is_reading =
        conn->state == TM_CONN_OPEN && out_waiting(conn) == 0 && !tm__http_is_idle(&conn->http);
    if (!is_reading || conn->http.state == TM_HTTP_BROKEN) {
        end_conn(conn);
        return;
    }
    conn->http.state = TM_HTTP_BROKEN;
    conn->http.status = 408;
    conn->http.reason = "the request took too long to arrive";
    refuse_broken(conn);
    (void)pump(conn);
}

void tm__conns_sweep(tm_conns *conns) {
    for (tm_conn *conn = conns->first, *next = NULL; conn != NULL; conn = next) {
        next = conn->next;
        bool is_late = conns->now_ns >= conn->deadline_ns;
        if (conn->state == TM_CONN_OPEN && conn->http.state == TM_HTTP_BODY) {
            const uint64_t allowed_ns = conns->limits.header_timeout_ms * MS +
                                        conn->http.received / BODY_BYTES_PER_S * 1000 * MS;
            is_late = is_late || conns->now_ns - conn->body_since_ns > allowed_ns;
        }
        if (has_lent_out(conn) && tm__net_has_ended(conn->fd)) {
            end_conn(conn); /* a large batch is not scored for nobody */
            continue;
        }
        if (is_late && conn->state != TM_CONN_BUSY && conn->state != TM_CONN_DEAD) {
            expire(conn);
        }
    }
}

void tm__conns_close_idle(tm_conns *conns) {
    for (tm_conn *conn = conns->first, *next = NULL; conn != NULL; conn = next) {
        next = conn->next;
        if (conn->state == TM_CONN_OPEN && out_waiting(conn) == 0 && conn->pending.len == 0 &&
            tm__http_is_idle(&conn->http)) {
            end_conn(conn);
        }
    }
}

void tm__conns_close_all(tm_conns *conns) {
    for (tm_conn *conn = conns->first, *next = NULL; conn != NULL; conn = next) {
        next = conn->next;
        if (conn->state == TM_CONN_DEAD) {
            free_conn(conn);
        } else {
            conn->state = TM_CONN_OPEN;
            end_conn(conn);
        }
    }
}
