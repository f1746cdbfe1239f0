/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_case.h"

#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "serve_case.h"
#include "test.h"

static bool take_all(void *arg, tm_queue queue, uint64_t wait_ns_max) {
    (void)arg;
    (void)queue;
    (void)wait_ns_max;
    return true;
}

void worker_case_open(worker_case *c, const tm_serve_limits *limits,
                      void (*post)(void *arg, tm_conn *conn, tm_queue queue), void *arg) {
    memset(c, 0, sizeof *c);
    c->log = (tm_log){.level = TM_ERROR, .fd = -1};
    const tm_serve_limits patient = serve_case_patient(limits);
    tm__serve_limits_init(&c->limits, &patient);
    assert_int_equal(
        tm__net_listen("127.0.0.1:0", &c->listen_fd, c->address, sizeof c->address, NULL), TM_OK);
    c->prom = tm__prom_create();
    assert_non_null(c->prom);
    c->desk.prom = c->prom;
    c->shared.limits = &c->limits;
    c->shared.log = &c->log;
    c->shared.place.address = c->address;
    c->shared.post = post;
    c->shared.can_take = take_all;
    c->shared.post_arg = arg;
    c->shared.published = tm__published_create(1, 500);
    tm_current *nothing = tm__mem_zalloc(1, sizeof *nothing);
    assert_non_null(nothing);
    atomic_init(&nothing->refs, 1);
    assert_null(tm__published_swap(c->shared.published, nothing));
    c->worker = tm__worker_create(&c->shared, &c->desk);
    assert_non_null(c->worker);
    assert_true(tm__worker_start(c->worker));
}

int worker_case_connect(worker_case *c) {
    int fd = -1;
    char peer[128] = "";
    assert_int_equal(tm__net_connect(c->address, 60000, &fd, NULL), TM_OK);
    tm_poller *poller = tm__poller_create();
    tm_poll_event event;
    assert_true(tm__poller_set(poller, c->listen_fd, 1, true, false));
    assert_int_equal(tm__poller_wait(poller, &event, 1, 60000), 1);
    tm__poller_free(poller);
    const int accepted = tm__net_accept(c->listen_fd, peer, sizeof peer);
    assert_true(accepted >= 0);
    const tm_accepted given = {.fd = accepted, .peer = peer, .is_local = true};
    tm__worker_give(c->worker, &given);
    return fd;
}

void worker_case_expect(int fd, const char *bytes, const char *want) {
    char got[8192] = "";
    size_t n_got = 0;
    assert_int_equal(tm__net_write(fd, bytes, strlen(bytes)), strlen(bytes));
    while (strstr(got, want) == NULL) {
        const int64_t n = tm__net_read(fd, got + n_got, sizeof got - 1 - n_got);
        if (n <= 0) {
            print_error("'%s' did not come, but: %s\n", want, got);
        }
        assert_true(n > 0);
        n_got += (size_t)n;
        got[n_got] = '\0';
    }
}

void worker_case_close(worker_case *c) {
    atomic_store(&c->shared.stage, (int)TM_STAGE_ENDING);
    tm__worker_wake(c->worker);
    tm__worker_join(c->worker);
    tm__worker_free(c->worker);
    tm__published_free(c->shared.published);
    tm__prom_free(c->prom);
    tm__net_close(c->listen_fd);
}
