/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/net.h"

static void a_pipe_is_no_terminal(void **state) {
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_false(tm__tty_is(fds[0]));
    assert_int_equal(tm__tty_width(fds[0]), 80);
    close(fds[0]);
    close(fds[1]);
    assert_false(tm__tty_is(-1));
}

static void a_terminal_knows_its_width(void **state) {
    (void)state;
    const int master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    assert_true(tm__tty_is(master));
    assert_int_equal(tm__tty_width(master), 80);
    const struct winsize size = {.ws_col = 123, .ws_row = 10};
    assert_int_equal(ioctl(master, TIOCSWINSZ, &size), 0);
    assert_int_equal(tm__tty_width(master), 123);
    close(master);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipe_is_no_terminal),
        cmocka_unit_test(a_terminal_knows_its_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
