/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "test.h"
#include "worker_case.h"

static const char livez[] = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
static const char version[] = "GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n";

typedef struct held {
    tm_conn *_Atomic conn;
    tm_queue queue;
} held;

static void hold(void *arg, tm_conn *conn, tm_queue queue) {
    held *h = arg;
    h->queue = queue;
    atomic_store(&h->conn, conn);
}

static tm_conn *wait_for(held *h) {
    for (int i = 0; i < TEST_LOOKS && atomic_load(&h->conn) == NULL; i++) {
        tm__sleep_ms(1);
    }
    tm_conn *conn = atomic_load(&h->conn);
    assert_non_null(conn);
    return conn;
}

static void answer(tm_conn *conn) {
    conn->x.status = 200;
    tm__buf_text(&conn->x.reply, "{\"late\":true}");
    tm__worker_answered(conn);
}

/* A prediction of n bytes, as one text. */
static char *make_large(size_t n, const char *query) {
    static char bytes[200000];
    const int head = snprintf(bytes, sizeof bytes,
                              "POST /v1/routes/r/predict%s HTTP/1.1\r\nHost: localhost\r\n"
                              "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                              query, n);
    memset(bytes + head, ' ', n);
    bytes[(size_t)head + n] = '\0';
    return bytes;
}

static void others_are_answered_while_a_large_request_is_not(void **state) {
    (void)state;
    worker_case c;
    held h = {.queue = TM_QUEUE_DESK};
    worker_case_open(&c, NULL, hold, &h);
    const int slow = worker_case_connect(&c);
    const int quick = worker_case_connect(&c);
    assert_int_equal(tm__worker_load(c.worker), 2);
    /* What comes behind it on its connection waits. */
    char *bytes = make_large(100000, "");
    (void)strcat(bytes, livez);
    assert_int_equal(tm__net_write(slow, bytes, strlen(bytes)), strlen(bytes));
    tm_conn *conn = wait_for(&h);
    assert_int_equal(h.queue, TM_QUEUE_BATCH);
    for (int i = 0; i < 20; i++) {
        worker_case_expect(quick, livez, "{\"status\":\"ok\"}");
    }
    answer(conn);
    worker_case_expect(slow, "", "{\"status\":\"ok\"}");
    tm__net_close(slow);
    tm__net_close(quick);
    for (int i = 0; i < TEST_LOOKS && tm__worker_load(c.worker) > 0; i++) {
        tm__sleep_ms(1);
    }
    assert_int_equal(tm__worker_load(c.worker), 0);
    worker_case_close(&c);
}

static void what_is_handed_over_depends_on_what_it_asks(void **state) {
    (void)state;
    static const struct {
        const char *name, *query, *path;
        size_t bytes;
        bool is_handed_over;
        tm_queue queue;
    } cases[] = {
        {"few rows", "", NULL, 1000, false, TM_QUEUE_BATCH},
        {"more rows", "", NULL, 10000, false, TM_QUEUE_BATCH},
        {"many rows", "", NULL, 40000, true, TM_QUEUE_BATCH},
        {"models", "", "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", 0, true,
         TM_QUEUE_DESK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        worker_case c;
        held h = {.queue = TM_QUEUE_DESK};
        worker_case_open(&c, NULL, hold, &h);
        const int fd = worker_case_connect(&c);
        const char *bytes =
            cases[i].path != NULL ? cases[i].path : make_large(cases[i].bytes, cases[i].query);
        assert_int_equal(tm__net_write(fd, bytes, strlen(bytes)), strlen(bytes));
        if (cases[i].is_handed_over) {
            tm_conn *conn = wait_for(&h);
            assert_int_equal(h.queue, cases[i].queue);
            answer(conn);
            worker_case_expect(fd, "", "{\"late\":true}");
        } else { /* there is no such route, and no body either */
            worker_case_expect(fd, "", "HTTP/1.1 404");
            assert_null(atomic_load(&h.conn));
        }
        tm__net_close(fd);
        worker_case_close(&c);
    }
}

static void an_answer_for_a_client_that_left_harms_nobody(void **state) {
    (void)state;
    worker_case c;
    held h = {.queue = TM_QUEUE_DESK};
    worker_case_open(&c, NULL, hold, &h);
    const int gone = worker_case_connect(&c);
    const int here = worker_case_connect(&c);
    const char *bytes = make_large(100000, "");
    assert_int_equal(tm__net_write(gone, bytes, strlen(bytes)), strlen(bytes));
    tm_conn *conn = wait_for(&h);
    tm__net_close(gone);
    worker_case_expect(here, version, "\"version\":");
    answer(conn);
    worker_case_expect(here, version, "\"version\":");
    tm__net_close(here);
    worker_case_close(&c);
}

static void a_worker_ends_with_connections_open(void **state) {
    (void)state;
    worker_case c;
    held h = {.queue = TM_QUEUE_DESK};
    worker_case_open(&c, NULL, hold, &h);
    const int fd = worker_case_connect(&c);
    worker_case_expect(fd, livez, "{\"status\":\"ok\"}");
    worker_case_close(&c);
    char byte = 0;
    assert_int_equal(tm__net_read(fd, &byte, 1), TM_NET_CLOSED);
    tm__net_close(fd);
}

/* Keeps the worker itself busy, as many requests before would. */
static void hold_up(void *arg, tm_conn *conn, tm_queue queue) {
    _Atomic int *step = arg;
    (void)queue;
    atomic_store(step, 1);
    for (int i = 0; i < TEST_LOOKS && atomic_load(step) < 2; i++) {
        tm__sleep_ms(1);
    }
    tm__sleep_ms(20);
    answer(conn);
}

/* A worker whose thread is kept from its CPU in the wrong moment takes that for a wait. */
static void is_in_time(int fd, const char *bytes) {
    char got[4096];
    bool is_refused = true;
    for (int i = 0; i < TEST_LOOKS && is_refused; i++) {
        memset(got, 0, sizeof got);
        assert_int_equal(tm__net_write(fd, bytes, strlen(bytes)), strlen(bytes));
        assert_true(tm__net_read(fd, got, sizeof got - 1) > 0);
        is_refused = strstr(got, "HTTP/1.1 503") != NULL;
    }
    assert_non_null(strstr(got, "HTTP/1.1 404")); /* there is no such route */
}

static void who_waited_too_long_is_told_to_come_again(void **state) {
    (void)state;
    static const char predict[] = "POST /v1/routes/r/predict HTTP/1.1\r\nHost: localhost\r\n"
                                  "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    static const tm_serve_limits limits = {.wait_ms_max = 5};
    worker_case c;
    _Atomic int step = 0;
    worker_case_open(&c, &limits, hold_up, &step);
    const int slow = worker_case_connect(&c);
    const int late = worker_case_connect(&c);
    const int health = worker_case_connect(&c);
    is_in_time(late, predict);
    bool is_refused = false;
    for (int i = 0; i < TEST_LOOKS && !is_refused; i++) {
        const char *bytes = make_large(100000, "");
        char got[4096] = "";
        atomic_store(&step, 0);
        assert_int_equal(tm__net_write(slow, bytes, strlen(bytes)), strlen(bytes));
        while (atomic_load(&step) == 0) {
            tm__sleep_ms(1);
        }
        (void)tm__net_write(late, predict, sizeof predict - 1);
        (void)tm__net_write(health, livez, sizeof livez - 1);
        atomic_store(&step, 2);
        assert_true(tm__net_read(late, got, sizeof got - 1) > 0);
        is_refused = strstr(got, "HTTP/1.1 503") != NULL;
        assert_true(is_refused || strstr(got, "HTTP/1.1 404") != NULL);
        assert_int_equal(strstr(got, "Retry-After: 1") != NULL, is_refused);
        worker_case_expect(health, "", "{\"status\":\"ok\"}");
        worker_case_expect(slow, "", "{\"late\":true}");
    }
    assert_true(is_refused);
    is_in_time(late, predict);
    tm__net_close(slow);
    tm__net_close(late);
    tm__net_close(health);
    worker_case_close(&c);
}

static void a_deadline_must_be_a_time(void **state) {
    (void)state;
    static const struct {
        const char *value, *want;
    } cases[] = {
        {"100", "HTTP/1.1 404"},     {"3600000", "HTTP/1.1 404"}, {"0", "HTTP/1.1 400"},
        {"3600001", "HTTP/1.1 400"}, {"-5", "HTTP/1.1 400"},      {"1e3", "HTTP/1.1 400"},
        {"", "HTTP/1.1 400"},
    };
    worker_case c;
    held h = {.queue = TM_QUEUE_DESK};
    worker_case_open(&c, NULL, hold, &h);
    const int fd = worker_case_connect(&c);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char bytes[512];
        (void)snprintf(bytes, sizeof bytes,
                       "POST /v1/routes/r/predict HTTP/1.1\r\nHost: localhost\r\n"
                       "X-Request-Timeout-Ms: %s\r\nContent-Type: application/json\r\n"
                       "Content-Length: 2\r\n\r\n{}",
                       cases[i].value);
        worker_case_expect(fd, bytes, cases[i].want);
    }
    tm__net_close(fd);
    worker_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_are_answered_while_a_large_request_is_not),
        cmocka_unit_test(what_is_handed_over_depends_on_what_it_asks),
        cmocka_unit_test(an_answer_for_a_client_that_left_harms_nobody),
        cmocka_unit_test(who_waited_too_long_is_told_to_come_again),
        cmocka_unit_test(a_deadline_must_be_a_time),
        cmocka_unit_test(a_worker_ends_with_connections_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
