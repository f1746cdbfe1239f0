/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/proc.h"
#include "base/proc_priv.h"
#include "base/sandbox.h"
#include "test.h"

static int errno_of(long result) {
    return result < 0 ? errno : 0;
}

static int make_socket(void) {
    return errno_of(socket(AF_INET, SOCK_STREAM, 0));
}

static int become_true(void) {
    char *const argv[] = {(char *)(uintptr_t) "true", NULL};
    return errno_of(execv("/bin/true", argv)); /* exits 0, too, when it is allowed */
}

static int trace_the_parent(void) {
    return errno_of(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int make_a_namespace(void) {
    return errno_of(syscall(SYS_unshare, CLONE_NEWUSER));
}

static int fork_into_a_namespace(void) {
    return errno_of(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL));
}

static int load_a_kernel_module(void) {
    return errno_of(syscall(SYS_finit_module, -1, "", 0));
}

static int write_code(void) {
    void *const page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? errno : 0;
}

static int make_code_of_data(void) {
    void *const page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? 99 : errno_of(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static int work(void) {
    const int fd = open("/dev/null", O_RDWR);
    void *const block = malloc(1 << 20);
    const pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    int status = 1;
    const bool is_done = fd >= 0 && block != NULL && write(fd, "x", 1) == 1 &&
                         waitpid(child, &status, 0) == child && status == 0;
    free(block);
    return is_done ? 0 : 99;
}

/* What an act gives in a process that entered a sandbox, and on top of it NO_EXEC when asked. */
static int in_sandbox(tm_sandbox kind, bool no_exec_too, int (*act)(void)) {
    const pid_t child = fork();
    if (child == 0) {
        if (tm__sandbox_enter(kind, NULL) != TM_OK ||
            (no_exec_too && tm__sandbox_enter(TM_SANDBOX_NO_EXEC, NULL) != TM_OK) ||
            !tm__sandbox_is_entered()) {
            _exit(98);
        }
        _exit(act());
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void what_a_child_may_not_is_refused_and_its_work_is_not(void **state) {
    (void)state;
    const struct {
        const char *name;
        int (*act)(void);
        int work, network, no_exec; /* errno in each sandbox; 0: done, -1: not asked */
    } cases[] = {
        {"its work", work, 0, 0, 0},
        {"a socket", make_socket, EPERM, 0, 0},
        {"another program", become_true, 0, 0, EPERM},
        {"reading another process", trace_the_parent, ENOSYS, ENOSYS, -1},
        {"a namespace", make_a_namespace, ENOSYS, ENOSYS, -1},
        {"a process in a namespace", fork_into_a_namespace, ENOSYS, ENOSYS, -1},
        {"a module of the kernel", load_a_kernel_module, ENOSYS, ENOSYS, -1},
        {"memory to write code in", write_code, ENOSYS, ENOSYS, -1},
        {"code made of data", make_code_of_data, ENOSYS, ENOSYS, -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s\n", cases[i].name);
        assert_int_equal(in_sandbox(TM_SANDBOX_WORK, false, cases[i].act), cases[i].work);
        assert_int_equal(in_sandbox(TM_SANDBOX_NETWORK, false, cases[i].act), cases[i].network);
        if (cases[i].no_exec >= 0) {
            assert_int_equal(in_sandbox(TM_SANDBOX_NO_EXEC, false, cases[i].act), cases[i].no_exec);
        }
    }
    assert_int_equal(in_sandbox(TM_SANDBOX_WORK, true, become_true), EPERM);
    assert_int_equal(in_sandbox(TM_SANDBOX_WORK, true, make_socket), EPERM);
    assert_int_equal(in_sandbox(TM_SANDBOX_WORK, true, work), 0);
}

/* A process that a supervisor started gives up starting programs, one with children keeps it until
 * it has its supervisor, and any other keeps it. */
static void who_gives_up_starting_programs(void **state) {
    (void)state;
    const struct {
        const char *kind;
        bool opens;
        int want;
    } cases[] = {{"", false, 0},
                 {"", true, 0},
                 {TM_PROC_LEAF, false, EPERM},
                 {TM_PROC_PARENT, false, 0},
                 {TM_PROC_PARENT, true, EPERM}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const pid_t child = fork();
        if (child == 0) {
            tm_supervisor *supervisor = NULL;
            if (setenv(TM_PROC_VARIABLE, cases[i].kind, 1) != 0 || tm__child_begin(NULL) != TM_OK ||
                (cases[i].opens && tm__supervisor_open(&supervisor, NULL) != TM_OK)) {
                _exit(98);
            }
            _exit(become_true());
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(WEXITSTATUS(status), cases[i].want);
    }
}

static void a_process_with_secrets_cannot_be_read(void **state) {
    (void)state;
    const pid_t child = fork();
    if (child == 0) {
        struct rlimit core = {1, 1};
        tm__process_hide();
        const bool is_hidden = prctl(PR_GET_DUMPABLE) == 0 && getrlimit(RLIMIT_CORE, &core) == 0 &&
                               core.rlim_cur == 0 && core.rlim_max == 0;
        _exit(is_hidden ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void without_memory_there_is_no_filter_and_no_child(void **state) {
    (void)state;
    const pid_t child = fork();
    if (child == 0) {
        tm__mem_fail_at(1, true);
        _exit(tm__sandbox_enter(TM_SANDBOX_WORK, NULL) == TM_E_NOMEM ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void) {
    if (!tm__sandbox_is_there()) {
        const struct CMUnitTest tests[] = {cmocka_unit_test(a_process_with_secrets_cannot_be_read)};
        return cmocka_run_group_tests(tests, NULL, NULL);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_child_may_not_is_refused_and_its_work_is_not),
        cmocka_unit_test(who_gives_up_starting_programs),
        cmocka_unit_test(a_process_with_secrets_cannot_be_read),
        cmocka_unit_test(without_memory_there_is_no_filter_and_no_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
