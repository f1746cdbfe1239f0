/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"

static void a_true_fact_costs_nothing(void **state) {
    (void)state;
    int n = 0;
    TM_ASSERT(++n == 1);
    assert_int_equal(n, 1);
}

static void a_false_fact_ends_the_process(void **state) {
    (void)state;
    const pid_t pid = fork();
    if (pid == 0) {
        fclose(stderr);
        TM_ASSERT(1 == 2);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_true_fact_costs_nothing),
        cmocka_unit_test(a_false_fact_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
