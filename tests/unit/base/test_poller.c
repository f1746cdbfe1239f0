/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/net.h"
#include "base/pool.h"

static void events_say_what_can_be_done(void **state) {
    (void)state;
    int fds[2];
    tm_poll_event events[4];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    tm_poller *poller = tm__poller_create();
    assert_true(tm__poller_set(poller, fds[0], 77, true, false));
    assert_int_equal(tm__poller_wait(poller, events, 4, 0), 0);
    assert_int_equal(tm__net_write(fds[1], "x", 1), 1);
    for (unsigned i = 0; i < 2; i++) { /* level-triggered: it stays */
        assert_int_equal(tm__poller_wait(poller, events, 4, 60000), 1);
        assert_true(events[0].tag == 77 && events[0].can_read && !events[0].can_write &&
                    !events[0].is_closed);
    }
    assert_true(tm__poller_set(poller, fds[0], 78, false, true));
    assert_int_equal(tm__poller_wait(poller, events, 4, 60000), 1);
    assert_true(events[0].tag == 78 && !events[0].can_read && events[0].can_write);
    assert_true(tm__poller_set(poller, fds[0], 79, false, false));
    assert_int_equal(tm__poller_wait(poller, events, 4, 0), 0);
    close(fds[1]);
    assert_int_equal(tm__poller_wait(poller, events, 4, 60000), 1);
    assert_true(events[0].tag == 79 && events[0].is_closed);
    tm__poller_remove(poller, fds[0]);
    assert_int_equal(tm__poller_wait(poller, events, 4, 0), 0);
    assert_false(tm__poller_set(poller, -1, 1, true, false));
    close(fds[0]);
    tm__poller_free(poller);
    tm__poller_free(NULL);
}

static void wake(void *arg) {
    tm__sleep_ms(3);
    tm__wake_signal(*(int *)arg);
    tm__wake_signal(*(int *)arg);
}

static void another_thread_wakes_the_loop(void **state) {
    (void)state;
    int fd = tm__wake_open();
    tm_poll_event event;
    tm_poller *poller = tm__poller_create();
    assert_true(tm__poller_set(poller, fd, 5, true, false));
    tm_thread *thread = tm__thread_create(wake, &fd, "wake");
    assert_int_equal(tm__poller_wait(poller, &event, 1, 60000), 1);
    tm__thread_join(thread);
    tm__wake_reset(fd);
    tm__wake_reset(fd);
    assert_int_equal(tm__poller_wait(poller, &event, 1, 0), 0);
    tm__poller_free(poller);
    tm__net_close(fd);
}

static void running_out_of_memory_is_reported(void **state) {
    (void)state;
    tm__mem_fail_at(1, false);
    assert_null(tm__poller_create());
    tm__mem_fail_at(0, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_say_what_can_be_done),
        cmocka_unit_test(another_thread_wakes_the_loop),
        cmocka_unit_test(running_out_of_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
