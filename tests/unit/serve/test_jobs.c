/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "serve/jobs.h"
#include "test.h"
#include "worker_case.h"

static const char models[] = "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n";

/* Endpoints of the test answer in the place of those that a path names. */
typedef struct job_case {
    worker_case c;
    tm_jobs *jobs;
    const tm_endpoint *endpoint;
    tm_desk desks[2];
} job_case;

static void post(void *arg, tm_conn *conn, tm_queue queue) {
    job_case *j = arg;
    (void)queue;
    conn->x.match.endpoint = j->endpoint;
    tm__jobs_post(j->jobs, conn);
}

static _Atomic int n_waiting;
static _Atomic bool may_go_on;

static void answer_when_two_wait(tm_exchange *x) {
    atomic_fetch_add(&n_waiting, 1);
    for (int i = 0; i < TEST_LOOKS && !(atomic_load(&n_waiting) >= 2 && atomic_load(&may_go_on));
         i++) {
        tm__sleep_ms(1);
    }
    x->match.endpoint = tm__endpoint_get(0); /* the counters want one of the table */
    x->status = 200;
    tm__buf_printf(&x->reply, "{\"desk\":%u}", x->desk->index);
}

static void open_case(job_case *j, const tm_endpoint *endpoint, uint32_t n_threads) {
    memset(j, 0, sizeof *j);
    atomic_store(&n_waiting, 0);
    atomic_store(&may_go_on, false);
    j->endpoint = endpoint;
    j->desks[0].index = 7;
    j->desks[1].index = 8;
    j->jobs = tm__jobs_create("test", j->desks, n_threads);
    assert_non_null(j->jobs);
    worker_case_open(&j->c, NULL, post, j);
}

static void close_case(job_case *j) {
    tm__jobs_free(j->jobs);
    worker_case_close(&j->c);
}

static void two_threads_answer_two_at_once_each_with_its_own_desk(void **state) {
    (void)state;
    static const tm_endpoint endpoint = {.handle = answer_when_two_wait};
    job_case j;
    open_case(&j, &endpoint, 2);
    const int one = worker_case_connect(&j.c);
    const int two = worker_case_connect(&j.c);
    (void)tm__net_write(one, models, sizeof models - 1);
    (void)tm__net_write(two, models, sizeof models - 1);
    for (int i = 0; i < TEST_LOOKS && atomic_load(&n_waiting) < 2; i++) {
        tm__sleep_ms(1);
    }
    assert_int_equal(atomic_load(&n_waiting), 2);
    atomic_store(&may_go_on, true);
    worker_case_expect(one, "", "{\"desk\":");
    worker_case_expect(two, "", "{\"desk\":");
    tm__net_close(one);
    tm__net_close(two);
    close_case(&j);
}

static void answer_in_order(tm_exchange *x) {
    x->match.endpoint = tm__endpoint_get(0);
    x->status = 200;
    tm__buf_printf(&x->reply, "{\"number\":%d}", atomic_fetch_add(&n_waiting, 1));
}

static void what_waits_is_answered_in_order_also_at_the_end(void **state) {
    (void)state;
    static const tm_endpoint endpoint = {.handle = answer_in_order};
    job_case j;
    open_case(&j, &endpoint, 1);
    const int fd = worker_case_connect(&j.c);
    for (int i = 0; i < 10; i++) {
        char want[32];
        (void)snprintf(want, sizeof want, "{\"number\":%d}", i);
        worker_case_expect(fd, models, want);
    }
    (void)tm__net_write(fd, models, sizeof models - 1);
    for (int i = 0; i < TEST_LOOKS && atomic_load(&n_waiting) < 11; i++) {
        tm__sleep_ms(1);
    }
    tm__net_close(fd);
    close_case(&j);
    assert_int_equal(atomic_load(&n_waiting), 11);
    tm__jobs_free(NULL);
}

static void wait_until(uint32_t n) {
    for (int i = 0; i < TEST_LOOKS && (uint32_t)atomic_load(&n_waiting) < n; i++) {
        tm__sleep_ms(1);
    }
    assert_int_equal(atomic_load(&n_waiting), n);
}

static void a_queue_says_when_a_turn_would_come_too_late(void **state) {
    (void)state;
    static const tm_endpoint endpoint = {.handle = answer_when_two_wait};
    job_case j;
    open_case(&j, &endpoint, 1);
    const int one = worker_case_connect(&j.c);
    const int two = worker_case_connect(&j.c);
    assert_true(tm__jobs_can_take(j.jobs, 1, 0)); /* nobody is before it */
    (void)tm__net_write(one, models, sizeof models - 1);
    wait_until(1);                                /* the thread has it */
    assert_true(tm__jobs_can_take(j.jobs, 1, 0)); /* nothing is known of its cost yet */
    (void)tm__net_write(two, models, sizeof models - 1);
    for (int i = 0; i < TEST_LOOKS && tm__jobs_can_take(j.jobs, 1, UINT64_MAX); i++) {
        tm__sleep_ms(1);
    }
    assert_false(tm__jobs_can_take(j.jobs, 1, UINT64_MAX)); /* one waits, and more may not */
    assert_true(tm__jobs_can_take(j.jobs, 2, 0));
    atomic_fetch_add(&n_waiting, 1);
    tm__sleep_ms(2);
    atomic_store(&may_go_on, true);
    worker_case_expect(one, "", "{\"desk\":");
    worker_case_expect(two, "", "{\"desk\":");
    /* Now a byte is known to cost at least a thousandth of a millisecond. */
    atomic_store(&may_go_on, false);
    (void)tm__net_write(one, models, sizeof models - 1);
    wait_until(4);
    (void)tm__net_write(two, models, sizeof models - 1);
    for (int i = 0; i < TEST_LOOKS && tm__jobs_can_take(j.jobs, 9, 0); i++) {
        tm__sleep_ms(1);
    }
    assert_false(tm__jobs_can_take(j.jobs, 9, 0));
    assert_true(tm__jobs_can_take(j.jobs, 9, UINT64_C(100000000000)));
    atomic_store(&may_go_on, true);
    worker_case_expect(one, "", "{\"desk\":");
    worker_case_expect(two, "", "{\"desk\":");
    tm__net_close(one);
    tm__net_close(two);
    close_case(&j);
}

static _Atomic bool was_handled;

static void hold_then_note(tm_exchange *x) {
    if (atomic_fetch_add(&n_waiting, 1) == 0) {
        for (int i = 0; i < TEST_LOOKS && !atomic_load(&may_go_on); i++) {
            tm__sleep_ms(1);
        }
    } else {
        atomic_store(&was_handled, true);
    }
    x->match.endpoint = tm__endpoint_get(0);
    x->status = 200;
    tm__buf_text(&x->reply, "{\"done\":true}");
}

static void what_is_too_late_is_not_done(void **state) {
    (void)state;
    static const tm_endpoint endpoint = {.handle = hold_then_note};
    static const char hurried[] = "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n"
                                  "X-Request-Timeout-Ms: 5\r\n\r\n";
    job_case j;
    open_case(&j, &endpoint, 1);
    const int one = worker_case_connect(&j.c);
    const int two = worker_case_connect(&j.c);
    (void)tm__net_write(one, models, sizeof models - 1);
    wait_until(1);
    j.endpoint = tm__endpoint_get(0); /* is not called */
    (void)tm__net_write(two, hurried, sizeof hurried - 1);
    for (int i = 0; i < TEST_LOOKS && tm__jobs_can_take(j.jobs, 1, UINT64_MAX); i++) {
        tm__sleep_ms(1); /* until it waits */
    }
    tm__sleep_ms(6);
    atomic_store(&may_go_on, true);
    worker_case_expect(one, "", "{\"done\":true}");
    worker_case_expect(two, "", "problem:deadline");
    assert_false(atomic_load(&was_handled));
    tm__net_close(one);
    tm__net_close(two);
    close_case(&j);
}

/* Ten parts, of which the first two wait for each other: somebody must help. */
static _Atomic int n_parts, n_meeting;
static _Atomic uint32_t worked; /* bits of the desks */

static bool do_part(void *arg, tm_desk *desk) {
    (void)arg;
    const int part = atomic_fetch_add(&n_parts, 1);
    if (part >= 10) {
        return false;
    }
    atomic_fetch_or(&worked, 1u << desk->index);
    atomic_fetch_add(&n_meeting, part < 2 ? 1 : 0);
    for (int i = 0; i < TEST_LOOKS && part < 2 && atomic_load(&n_meeting) < 2; i++) {
        tm__sleep_ms(1);
    }
    tm__sleep_ms(part == 9 ? 20 : 0); /* the owner waits for who has the last one */
    atomic_fetch_add(&n_waiting, 1);
    return true;
}

static void share(tm_exchange *x) {
    const tm_shared_work work = {.step = do_part};
    x->match.endpoint = tm__endpoint_get(0);
    x->status = 200;
    tm__jobs_share(x->desk->crew, &work, x->desk);
    tm__buf_printf(&x->reply, "{\"parts\":%d}", atomic_load(&n_waiting));
}

static void who_waits_helps_and_the_owner_waits_for_all(void **state) {
    (void)state;
    static const tm_endpoint endpoint = {.handle = share};
    for (uint32_t n_threads = 1; n_threads <= 2; n_threads++) {
        job_case j;
        open_case(&j, &endpoint, n_threads);
        atomic_store(&n_parts, 0);
        atomic_store(&worked, 0);
        atomic_store(&n_meeting, n_threads == 1 ? 2 : 0);
        const int fd = worker_case_connect(&j.c);
        worker_case_expect(fd, models, "{\"parts\":10}");
        assert_int_equal(atomic_load(&worked) & ~(3u << 7), 0);
        assert_true(n_threads == 1 || atomic_load(&worked) == 3u << 7);
        tm__net_close(fd);
        close_case(&j);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_threads_answer_two_at_once_each_with_its_own_desk),
        cmocka_unit_test(what_waits_is_answered_in_order_also_at_the_end),
        cmocka_unit_test(a_queue_says_when_a_turn_would_come_too_late),
        cmocka_unit_test(what_is_too_late_is_not_done),
        cmocka_unit_test(who_waits_helps_and_the_owner_waits_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
