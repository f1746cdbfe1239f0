/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/net.h"
#include "serve_case.h"
#include "temp_home.h"
#include "test.h"

#define N_SLOW (sizeof slow_cases / sizeof slow_cases[0])

static tm_serve_limits hasty(uint32_t times) {
    return (tm_serve_limits){.header_timeout_ms = 250 * times,
                             .io_timeout_ms = 200 * times,
                             .idle_timeout_ms = 400 * times,
                             .stop_delay_ms = 1,
                             .connections_max = 8};
}

/* Send `first`, then `drip` every 20 ms until the server closes; whether it did, at last. */
static bool drip_until_closed(serve_case *c, const char *first, const char *drip) {
    int fd = -1;
    assert_int_equal(tm__net_connect(tm__server_address(c->server), 60000, &fd, NULL), TM_OK);
    tm_poller *poller = tm__poller_create();
    assert_true(tm__poller_set(poller, fd, 1, true, false));
    (void)tm__net_write(fd, first, strlen(first));
    tm__buf_reset(&c->reply);
    bool is_closed = false;
    for (int i = 0; i < TEST_LOOKS / 20 && !is_closed; i++) {
        tm_poll_event event;
        char piece[4096];
        if (tm__poller_wait(poller, &event, 1, 20) > 0) {
            const int64_t n = tm__net_read(fd, piece, sizeof piece);
            is_closed = n == TM_NET_CLOSED;
            assert_true(tm__buf_append(&c->reply, piece, n > 0 ? (size_t)n : 0));
        } else if (drip[0] != '\0') {
            (void)tm__net_write(fd, drip, strlen(drip));
        }
    }
    assert_true(tm__buf_byte(&c->reply, 0));
    tm__poller_free(poller);
    tm__net_close(fd);
    return is_closed;
}

typedef struct slow_case {
    const char *name, *first, *drip;
    const char *reply; /* how it must begin; empty: nothing */
} slow_case;

static const slow_case slow_cases[] = {
    {"a client that says nothing", "", "", ""},
    {"half a request line", "GET /liv", "", "HTTP/1.1 408"},
    {"headers without an end", "GET / HTTP/1.1\r\nHost: x\r\n", "A: b\r\n", "HTTP/1.1 408"},
    {"a body that stops",
     "POST /v1/labels HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
     "application/json\r\nContent-Length: 1000\r\n\r\n",
     "", "HTTP/1.1 408"},
    {"a body in drops",
     "POST /v1/labels HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
     "application/json\r\nContent-Length: 1000\r\n\r\n",
     " ", "HTTP/1.1 408"},
    {"chunks in drops",
     "POST /v1/labels HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
     "application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
     "1\r\n \r\n", "HTTP/1.1 408"},
    {"a connection without a second request", "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", "",
     "HTTP/1.1 200"},
};

static bool is_shown_the_door(serve_case *c, const slow_case *s) {
    return drip_until_closed(c, s->first, s->drip) &&
           strncmp((const char *)c->reply.data, s->reply, strlen(s->reply)) == 0 &&
           (c->reply.len > 1) == (s->reply[0] != '\0');
}

/* A machine that stands still makes another case of one: that is tried again, with more time. */
static void slow_clients_are_shown_the_door(void **state) {
    bool is_done[N_SLOW] = {false};
    size_t n_done = 0;
    for (uint32_t times = 1; n_done < N_SLOW; times *= 4) {
        serve_case c;
        const tm_serve_limits limits = hasty(times);
        serve_case_open(&c, *state, &limits);
        for (size_t i = 0; i < N_SLOW; i++) {
            const bool was_done = is_done[i];
            is_done[i] = was_done || is_shown_the_door(&c, &slow_cases[i]);
            n_done += is_done[i] && !was_done ? 1 : 0;
            if (!is_done[i] && times >= 64) {
                fail_msg("%s is not shown the door", slow_cases[i].name);
            }
        }
        serve_case_close(&c);
    }
}

static void a_client_that_does_not_read_is_dropped(void **state) {
    const tm_serve_limits limits = {.io_timeout_ms = 200, .stop_delay_ms = 1};
    serve_case c;
    serve_case_open(&c, *state, &limits);
    int fd = -1;
    assert_int_equal(tm__net_connect(tm__server_address(c.server), 60000, &fd, NULL), TM_OK);
    static const char ask[] = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n";
    bool is_closed = false;
    for (int i = 0; i < TEST_LOOKS && !is_closed; i++) {
        for (int k = 0; k < 100 && !is_closed; k++) {
            is_closed = tm__net_write(fd, ask, sizeof ask - 1) < 0;
        }
        tm__sleep_ms(1);
    }
    assert_true(is_closed);
    tm__net_close(fd);
    assert_int_equal(serve_case_call(&c, "/livez", NULL, NULL), 200);
    serve_case_close(&c);
}

static void connections_past_the_limit_are_told_so(void **state) {
    const tm_serve_limits few = {.stop_delay_ms = 1, .connections_max = 8};
    serve_case c;
    serve_case_open(&c, *state, &few);
    int fds[8];
    for (int i = 0; i < 8; i++) {
        assert_int_equal(tm__net_connect(tm__server_address(c.server), 60000, &fds[i], NULL),
                         TM_OK);
    }
    serve_case_raw(&c, "", 0, 60000); /* the others were before it */
    assert_int_equal(strncmp((const char *)c.reply.data, "HTTP/1.1 503", 12), 0);
    for (int i = 0; i < 8; i++) {
        tm__net_close(fds[i]);
    }
    for (int i = 0; i < TEST_LOOKS && serve_case_call(&c, "/livez", NULL, NULL) != 200; i++) {
        tm__sleep_ms(1); /* until it has seen that they went */
    }
    assert_int_equal(c.status, 200);
    serve_case_close(&c);
}

static void refused_bodies_do_not_break_what_follows(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    static const char bytes[] =
        "POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nGET /"
        "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
        "POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
        "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    serve_case_raw(&c, bytes, sizeof bytes - 1, 60000);
    char codes[64] = "";
    size_t n = 0;
    for (const char *p = (const char *)c.reply.data; (p = strstr(p, "HTTP/1.1 ")) != NULL; p += 9) {
        n += (size_t)snprintf(codes + n, sizeof codes - n, "%.3s ", p + 9);
    }
    assert_string_equal(codes, "404 200 404 ");
    serve_case_close(&c);
}

static void bodies_together_have_a_limit(void **state) {
    const tm_serve_limits limits = {.bodies_bytes_max = 300000};
    serve_case c;
    serve_case_open(&c, *state, &limits);
    tm_buf big;
    tm__buf_init(&big, 1u << 20);
    tm__buf_text(&big, "POST /v1/labels HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                       "application/json\r\nContent-Length: 500000\r\n\r\n");
    for (int i = 0; i < 400000; i++) {
        tm__buf_byte(&big, ' ');
    }
    serve_case_raw(&c, (const char *)big.data, big.len, 60000);
    assert_int_equal(strncmp((const char *)c.reply.data, "HTTP/1.1 503", 12), 0);
    assert_non_null(strstr((const char *)c.reply.data, "Retry-After: 1\r\n"));
    assert_int_equal(serve_case_call(&c, "/livez", NULL, NULL), 200);
    tm__buf_done(&big);
    serve_case_close(&c);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_HOME(slow_clients_are_shown_the_door),
        IN_HOME(a_client_that_does_not_read_is_dropped),
        IN_HOME(connections_past_the_limit_are_told_so),
        IN_HOME(refused_bodies_do_not_break_what_follows),
        IN_HOME(bodies_together_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
