/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/proc.h"
#include "test.h"

/* What a guard says of a child that ends in a way, as an exit code: 100 ended, 200 fault, + code.
 */
static int guard(int number, int code) {
    const pid_t parent = fork();
    if (parent == 0) {
        int ended = 0;
        const tm_guard g = tm__process_guard(&ended);
        if (g == TM_GUARD_CHILD) {
            const struct sigaction normal = {.sa_handler = SIG_DFL};
            (void)sigaction(number == 0 ? SIGUSR1 : number, &normal, NULL);
            (void)(number != 0 && raise(number));
            _exit(code);
        }
        _exit(g == TM_GUARD_FAULT ? 200 : ended == 128 + number ? 150 : 100 + ended);
    }
    int status = 0;
    assert_int_equal(waitpid(parent, &status, 0), parent);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void how_a_child_ended_is_told(void **state) {
    (void)state;
    assert_int_equal(guard(0, 0), 100);
    assert_int_equal(guard(0, 7), 107);
    assert_int_equal(guard(SIGBUS, 0), 200);
    assert_int_equal(guard(SIGABRT, 0), 200);
    assert_int_equal(guard(SIGKILL, 0), 150);
}

/* What asks the parent to end reaches the child. */
static void a_request_to_end_is_handed_on(void **state) {
    (void)state;
    const pid_t parent = fork();
    if (parent == 0) {
        int ended = 0;
        if (tm__process_guard(&ended) == TM_GUARD_CHILD) {
            (void)kill(getppid(), SIGTERM);
            (void)pause();
            _exit(3);
        }
        _exit(ended == 128 + SIGTERM ? 42 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(parent, &status, 0), parent);
    assert_int_equal(WEXITSTATUS(status), 42);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(how_a_child_ended_is_told),
        cmocka_unit_test(a_request_to_end_is_handed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
