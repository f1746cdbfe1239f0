/* SPDX-License-Identifier: Apache-2.0 */
/* A child that may die of a damaged file that it maps, and a parent that is told so. */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/proc.h"
#include "base/sandbox.h"

static bool is_fault(int number) {
    return number == SIGSEGV || number == SIGBUS || number == SIGABRT || number == SIGFPE;
}

static bool hold_back(void) {
    return tm__sandbox_enter(TM_SANDBOX_WORK, NULL) == TM_OK &&
           tm__sandbox_enter(TM_SANDBOX_NO_EXEC, NULL) == TM_OK;
}

/* Wait for the child, and hand on what asks this process to end. */
static int wait_for(pid_t child, const sigset_t *set) {
    int status = 0;
    for (;;) {
        const pid_t ended = waitpid(child, &status, WNOHANG);
        if (ended == child) {
            return status;
        }
        const int number = sigwaitinfo(set, NULL);
        if (number == SIGTERM || number == SIGINT) {
            (void)kill(child, number);
        }
    }
}

tm_guard tm__process_guard(int *out_code) {
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, &before) != 0) {
        return TM_GUARD_CHILD; /* without a guard, then */
    }
    const pid_t parent = getpid(), child = fork();
    if (child <= 0) {
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        if (child == 0 &&
            (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || !hold_back())) {
            _exit(70);
        }
        return TM_GUARD_CHILD;
    }
    const int status = wait_for(child, &set);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (WIFEXITED(status)) {
        *out_code = WEXITSTATUS(status);
        return TM_GUARD_ENDED;
    }
    *out_code = 128 + WTERMSIG(status);
    return is_fault(WTERMSIG(status)) ? TM_GUARD_FAULT : TM_GUARD_ENDED;
}
