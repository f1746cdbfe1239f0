/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "serve/http.h"
#include "test.h"

static tm_serve_limits limits_with(uint32_t header_bytes_max, uint64_t body_bytes_max) {
    const tm_serve_limits from = {.header_bytes_max = header_bytes_max,
                                  .body_bytes_max = body_bytes_max};
    tm_serve_limits out;
    tm__serve_limits_init(&out, &from);
    return out;
}

/* Feed data in pieces of `step` bytes until a request is done or broken; returns bytes used. */
static size_t feed(tm_http *http, const char *data, size_t len, size_t step) {
    size_t used = 0;
    for (;;) {
        if (http->state == TM_HTTP_DONE || http->state == TM_HTTP_BROKEN) {
            return used;
        }
        if (http->state == TM_HTTP_READY) {
            (void)tm__http_feed(http, data + used, 0);
            if (http->state == TM_HTTP_DONE) {
                return used;
            }
        }
        const size_t n = len - used < step ? len - used : step;
        if (n == 0) {
            return used;
        }
        used += tm__http_feed(http, data + used, n);
    }
}

typedef struct http_case {
    const char *name;
    const char *bytes;
    tm_http_state state;
    unsigned status; /* BROKEN */
} http_case;

static const http_case cases[] = {
    {"a plain GET", "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", TM_HTTP_DONE, 0},
    {"a body with a length", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
     TM_HTTP_DONE, 0},
    {"a chunked body",
     "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
     TM_HTTP_DONE, 0},
    {"chunk extensions and trailers",
     "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: "
     "u\r\n\r\n",
     TM_HTTP_DONE, 0},
    {"an offer to upgrade is ignored",
     "GET /a HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", TM_HTTP_DONE, 0},
    {"half a head waits", "GET /a HTTP/1.1\r\nHost: x\r\n", TM_HTTP_HEAD, 0},
    {"half a body waits", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab",
     TM_HTTP_BODY, 0},
    {"length and chunked",
     "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: "
     "chunked\r\n\r\n0\r\n\r\n",
     TM_HTTP_BROKEN, 400},
    {"chunked and length",
     "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: "
     "3\r\n\r\n0\r\n\r\n",
     TM_HTTP_BROKEN, 400},
    {"two lengths that differ",
     "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
     TM_HTTP_BROKEN, 400},
    {"two lengths that agree",
     "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
     TM_HTTP_BROKEN, 400},
    {"a list of lengths", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc",
     TM_HTTP_BROKEN, 400},
    {"a length with a sign", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
     TM_HTTP_BROKEN, 400},
    {"a length beyond 64 bits",
     "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
     TM_HTTP_BROKEN, 400},
    {"a chunk of more bytes than a body may have",
     "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
     TM_HTTP_BROKEN, 413},
    {"a coding that is not chunked",
     "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", TM_HTTP_BROKEN, 501},
    {"a coding after chunked",
     "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
     TM_HTTP_BROKEN, 501},
    {"a coding before chunked",
     "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
     TM_HTTP_BROKEN, 501},
    {"chunked with a tab inside",
     "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \tchunked\tx\r\n\r\n0\r\n\r\n",
     TM_HTTP_BROKEN, 501},
    {"chunked in HTTP/1.0",
     "POST /a HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", TM_HTTP_BROKEN,
     400},
    {"a method that is not known", "QUERY /a HTTP/1.1\r\nHost: x\r\n\r\n", TM_HTTP_BROKEN, 405},
    {"a method in small letters", "query /a HTTP/1.1\r\nHost: x\r\n\r\n", TM_HTTP_BROKEN, 400},
    {"a method without a path", "QUERY a HTTP/1.1\r\nHost: x\r\n\r\n", TM_HTTP_BROKEN, 400},
    {"a bare LF after the request line", "GET /a HTTP/1.1\nHost: x\r\n\r\n", TM_HTTP_BROKEN, 400},
    {"bare LFs at the end", "GET /a HTTP/1.1\r\nHost: x\n\n", TM_HTTP_BROKEN, 400},
    {"a bare CR in a header", "GET /a HTTP/1.1\r\nHost: x\rA: b\r\n\r\n", TM_HTTP_BROKEN, 400},
    {"a bare LF in a chunk line",
     "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
     TM_HTTP_BROKEN, 400},
    {"a bare LF after chunk data",
     "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n",
     TM_HTTP_BROKEN, 400},
    {"chunk data longer than said",
     "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
     TM_HTTP_BROKEN, 400},
    {"a chunk size with 0x",
     "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
     TM_HTTP_BROKEN, 400},
    {"a chunk size beyond 64 bits",
     "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
     "chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n",
     TM_HTTP_BROKEN, 400},
    {"a folded header", "GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", TM_HTTP_BROKEN, 400},
    {"a blank before a colon", "GET /a HTTP/1.1\r\nHost : x\r\n\r\n", TM_HTTP_BROKEN, 400},
    {"a blank before the first header", "GET /a HTTP/1.1\r\n Host: x\r\n\r\n", TM_HTTP_BROKEN, 400},
    {"no Host", "GET /a HTTP/1.1\r\n\r\n", TM_HTTP_BROKEN, 400},
    {"two Hosts", "GET /a HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", TM_HTTP_BROKEN, 400},
    {"an absolute target", "GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n", TM_HTTP_BROKEN, 400},
    {"a target with bytes above ASCII", "GET /\xC3\xA4 HTTP/1.1\r\nHost: x\r\n\r\n", TM_HTTP_BROKEN,
     400},
    {"a target with a fragment", "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", TM_HTTP_BROKEN, 400},
    {"an unknown method", "BREW /a HTTP/1.1\r\nHost: x\r\n\r\n", TM_HTTP_BROKEN, 405},
    {"CONNECT", "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", TM_HTTP_BROKEN, 400},
    {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", TM_HTTP_BROKEN, 505},
    {"HTTP/1.2", "GET /a HTTP/1.2\r\nHost: x\r\n\r\n", TM_HTTP_BROKEN, 505},
    {"a TLS hello", "\x16\x03\x01\x02", TM_HTTP_BROKEN, 400},
    {"an expectation nobody knows",
     "POST /a HTTP/1.1\r\nHost: x\r\nExpect: coffee\r\nContent-Length: 1\r\n\r\na", TM_HTTP_BROKEN,
     417},
    {"a length over the limit", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n",
     TM_HTTP_BROKEN, 413},
};

static void requests_end_as_they_must_at_any_cut(void **state) {
    (void)state;
    const tm_serve_limits limits = limits_with(0, 1000);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t step = 1; step < 200; step = step * 2 + 1) {
            const http_case *c = &cases[i];
            tm_http http;
            tm__http_init(&http, &limits);
            (void)feed(&http, c->bytes, strlen(c->bytes), step);
            if (http.state != c->state || (c->status != 0 && http.status != c->status)) {
                print_error("%s (pieces of %zu): state %d status %u %s\n", c->name, step,
                            (int)http.state, http.status, http.reason != NULL ? http.reason : "");
            }
            assert_int_equal(http.state, c->state);
            if (c->status != 0) {
                assert_int_equal(http.status, c->status);
            }
            tm__http_done(&http);
        }
    }
}

static void a_nul_in_the_head_is_refused(void **state) {
    (void)state;
    static const char bytes[] = "GET /a HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n";
    const tm_serve_limits limits = limits_with(0, 0);
    tm_http http;
    tm__http_init(&http, &limits);
    (void)feed(&http, bytes, sizeof bytes - 1, 7);
    assert_int_equal(http.state, TM_HTTP_BROKEN);
    assert_int_equal(http.status, 400);
    tm__http_done(&http);
}

static void pipelined_requests_come_one_by_one(void **state) {
    (void)state;
    static const char bytes[] = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                                "\r\nPOST /b?q=1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                                "chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
                                "GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    const tm_serve_limits limits = limits_with(0, 0);
    for (size_t step = 1; step < 300; step = step * 3 + 1) {
        tm_http http;
        tm__http_init(&http, &limits);
        size_t at = feed(&http, bytes, sizeof bytes - 1, step);
        assert_int_equal(http.state, TM_HTTP_DONE);
        assert_true(tm__str_is(http.path, "/a"));
        assert_string_equal((const char *)http.body.data, "abc");
        assert_true(http.keep_alive);
        tm__http_next(&http);
        at += feed(&http, bytes + at, sizeof bytes - 1 - at, step);
        assert_true(tm__str_is(http.path, "/b"));
        assert_true(tm__str_is(http.query, "q=1"));
        assert_string_equal((const char *)http.body.data, "def");
        tm__http_next(&http);
        at += feed(&http, bytes + at, sizeof bytes - 1 - at, step);
        assert_true(tm__str_is(http.path, "/c"));
        assert_false(http.keep_alive);
        assert_int_equal(at, sizeof bytes - 1);
        tm__http_done(&http);
    }
}

static void limits_hold_to_the_byte(void **state) {
    (void)state;
    char bytes[4096];
    for (int over = 0; over <= 1; over++) {
        const tm_serve_limits limits = limits_with(1000, 0);
        const int pad = 1000 - (int)strlen("GET / HTTP/1.1\r\nHost: x\r\nA: \r\n\r\n") + over;
        const int n =
            snprintf(bytes, sizeof bytes, "GET / HTTP/1.1\r\nHost: x\r\nA: %0*d\r\n\r\n", pad, 0);
        tm_http http;
        tm__http_init(&http, &limits);
        (void)feed(&http, bytes, (size_t)n, 64);
        assert_int_equal(http.state, over != 0 ? TM_HTTP_BROKEN : TM_HTTP_DONE);
        assert_int_equal(http.status, over != 0 ? 431 : 0);
        tm__http_done(&http);
    }
    const tm_serve_limits from = {.target_bytes_max = 100};
    tm_serve_limits limits;
    tm__serve_limits_init(&limits, &from);
    for (int over = 0; over <= 1; over++) {
        const int n =
            snprintf(bytes, sizeof bytes, "GET /%0*d HTTP/1.1\r\nHost: x\r\n\r\n", 99 + over, 0);
        tm_http http;
        tm__http_init(&http, &limits);
        (void)feed(&http, bytes, (size_t)n, 4096);
        assert_int_equal(http.status, over != 0 ? 414 : 0);
        tm__http_done(&http);
    }
}

static void many_headers_and_many_chunks_are_refused(void **state) {
    (void)state;
    const tm_serve_limits from = {.headers_max = 10, .chunks_max = 5};
    tm_serve_limits limits;
    tm__serve_limits_init(&limits, &from);
    tm_http http;
    tm__http_init(&http, &limits);
    const char *head = "GET / HTTP/1.1\r\nHost: x\r\n";
    (void)feed(&http, head, strlen(head), 100);
    for (int i = 0; i < 10; i++) {
        (void)feed(&http, "A: b\r\n", 6, 6);
    }
    (void)feed(&http, "\r\n", 2, 2);
    assert_int_equal(http.status, 431);
    tm__http_done(&http);

    tm__http_init(&http, &limits);
    head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    (void)feed(&http, head, strlen(head), 100);
    for (int i = 0; i < 6; i++) {
        (void)feed(&http, "1\r\na\r\n", 6, 6);
    }
    assert_int_equal(http.status, 413);
    tm__http_done(&http);
}

static void a_body_that_is_discarded_still_counts(void **state) {
    (void)state;
    const tm_serve_limits limits = limits_with(0, 10);
    tm_http http;
    tm__http_init(&http, &limits);
    const char *bytes = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    size_t used = 0;
    while (http.state != TM_HTTP_READY) {
        used += tm__http_feed(&http, bytes + used, strlen(bytes) - used);
    }
    http.discard = true;
    (void)feed(&http, "5\r\nabcde\r\n", 10, 10);
    assert_int_equal(http.body.len, 0);
    (void)feed(&http, "6\r\nabcdef\r\n", 11, 11);
    assert_int_equal(http.status, 413);
    tm__http_done(&http);
}

static void targets_decode_once(void **state) {
    (void)state;
    char out[16];
    assert_true(tm__http_decode(TM_STR("a%20b%C3%A4"), out, sizeof out));
    assert_string_equal(out, "a b\xC3\xA4");
    assert_false(tm__http_decode(TM_STR("%2541"), out, sizeof out));
    assert_false(tm__http_decode(TM_STR("a%00"), out, sizeof out));
    assert_false(tm__http_decode(TM_STR("a%0a"), out, sizeof out));
    assert_false(tm__http_decode(TM_STR("a%"), out, sizeof out));
    assert_false(tm__http_decode(TM_STR("a%4"), out, sizeof out));
    assert_false(tm__http_decode(TM_STR("%C3"), out, sizeof out));
    assert_false(tm__http_decode(TM_STR("0123456789abcdef"), out, sizeof out));
    assert_true(tm__str_is(tm__http_query(TM_STR("a=1&b=2"), "b"), "2"));
    assert_null(tm__http_query(TM_STR("a=1&bb=2"), "b").ptr);
    assert_non_null(tm__http_query(TM_STR("a&b"), "b").ptr);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_end_as_they_must_at_any_cut),
        cmocka_unit_test(a_nul_in_the_head_is_refused),
        cmocka_unit_test(pipelined_requests_come_one_by_one),
        cmocka_unit_test(limits_hold_to_the_byte),
        cmocka_unit_test(many_headers_and_many_chunks_are_refused),
        cmocka_unit_test(a_body_that_is_discarded_still_counts),
        cmocka_unit_test(targets_decode_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
