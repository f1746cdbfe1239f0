/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/net.h"

/* A signal handler can reach its targets through static storage only. */
static volatile _Atomic bool *_Atomic cancel_flag;
static volatile _Atomic int *_Atomic cancel_signal;

int tm__signal_open(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (sigaction(SIGPIPE, &ignore, NULL) != 0 || pthread_sigmask(SIG_BLOCK, &set, NULL) != 0) {
        return -1;
    }
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int tm__signal_next(int fd) {
    struct signalfd_siginfo info;
    ssize_t n;
    do {
        n = read(fd, &info, sizeof(info));
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(info) ? (int)info.ssi_signo : 0;
}

static void on_cancel(int number) {
    const int saved = errno;
    /* The next one of either kind ends the process. */
    const struct sigaction normal = {.sa_handler = SIG_DFL};
    (void)sigaction(SIGINT, &normal, NULL);
    (void)sigaction(SIGTERM, &normal, NULL);
    volatile _Atomic int *out_signal = atomic_load(&cancel_signal);
    volatile _Atomic bool *flag = atomic_load(&cancel_flag);
    if (out_signal != NULL) {
        atomic_store(out_signal, number);
    }
    if (flag != NULL) {
        atomic_store(flag, true);
    }
    errno = saved;
}

void tm__signal_cancel(volatile _Atomic bool *flag, volatile _Atomic int *out_signal) {
    atomic_store(&cancel_flag, flag);
    atomic_store(&cancel_signal, out_signal);
    struct sigaction action = {.sa_handler = on_cancel, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGTERM);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

/* Threads of a pool block signals, so what the system sent to the one that wrote came to nothing.
 */
void tm__signal_pipe(int error) {
    if (error == EPIPE) {
        (void)kill(getpid(), SIGPIPE);
    }
}
