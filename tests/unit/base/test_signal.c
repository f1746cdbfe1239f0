/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/net.h"

/* Run fn in a process of its own; its wait status. */
static int in_child(int (*fn)(void)) {
    const pid_t pid = fork();
    if (pid == 0) {
        _exit(fn());
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static int read_signals(void) {
    const int fd = tm__signal_open();
    if (fd < 0 || tm__signal_next(fd) != 0) {
        return 1;
    }
    kill(getpid(), SIGHUP);
    kill(getpid(), SIGPIPE); /* ignored */
    if (tm__signal_next(fd) != SIGHUP || tm__signal_next(fd) != 0) {
        return 2;
    }
    kill(getpid(), SIGTERM);
    kill(getpid(), SIGINT);
    const int first = tm__signal_next(fd), second = tm__signal_next(fd);
    return first + second == SIGTERM + SIGINT && tm__signal_next(fd) == 0 ? 0 : 3;
}

static void signals_are_read_from_a_file(void **state) {
    (void)state;
    assert_int_equal(in_child(read_signals), 0);
}

static int tell_of_no_pipe(void) {
    tm__signal_pipe(0);
    tm__signal_pipe(ENOSPC);
    signal(SIGPIPE, SIG_IGN);
    tm__signal_pipe(EPIPE);
    return 5;
}

static int tell_of_a_pipe(void) {
    signal(SIGPIPE, SIG_DFL);
    tm__signal_pipe(EPIPE);
    return 5;
}

static void a_reader_that_has_gone_ends_the_process_unless_it_ignores_that(void **state) {
    (void)state;
    const int ignored = in_child(tell_of_no_pipe), ended = in_child(tell_of_a_pipe);
    assert_true(WIFEXITED(ignored) && WEXITSTATUS(ignored) == 5);
    assert_true(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGPIPE);
}

static int cancel_once(void) {
    static volatile _Atomic bool flag;
    static volatile _Atomic int number;
    tm__signal_cancel(&flag, &number);
    kill(getpid(), SIGTERM);
    for (unsigned i = 0; i < TEST_LOOKS && !flag; i++) {
        tm__sleep_ms(1);
    }
    return flag && number == SIGTERM ? 0 : 1;
}

static void the_first_signal_sets_the_flag(void **state) {
    (void)state;
    assert_int_equal(in_child(cancel_once), 0);
}

static int cancel_twice(void) {
    (void)cancel_once();
    kill(getpid(), SIGINT);
    tm__sleep_ms(2000);
    return 0;
}

static void the_second_signal_ends_the_process(void **state) {
    (void)state;
    const int status = in_child(cancel_twice);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_are_read_from_a_file),
        cmocka_unit_test(a_reader_that_has_gone_ends_the_process_unless_it_ignores_that),
        cmocka_unit_test(the_first_signal_sets_the_flag),
        cmocka_unit_test(the_second_signal_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
