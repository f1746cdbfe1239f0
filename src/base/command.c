/* SPDX-License-Identifier: Apache-2.0 */
#include "base/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs_priv.h"

typedef struct running {
    const char *name; /* of the program */
    pid_t pid;
    int fd; /* what it writes */
    uint64_t until_ns;
} running;

static tm_status set_up(posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes, int out) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    const bool is_set =
        posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0) == 0 &&
        posix_spawn_file_actions_adddup2(files, out, 1) == 0 &&
        posix_spawn_file_actions_addclosefrom_np(files, 3) == 0 &&
        posix_spawnattr_setpgroup(attributes, 0) == 0 &&
        posix_spawnattr_setsigmask(attributes, &none) == 0 &&
        posix_spawnattr_setsigdefault(attributes, &all) == 0 &&
        posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                 POSIX_SPAWN_SETSIGDEF) == 0;
    return is_set ? TM_OK : TM_E_NOMEM;
}

static tm_status start(const tm_command *command, int out, pid_t *pid, tm_err *err) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    char why[TM_ERRNO_TEXT];
    if (posix_spawn_file_actions_init(&files) != 0) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a command");
    }
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&files);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a command");
    }
    tm_status st = set_up(&files, &attributes, out);
    const int code = st != TM_OK ? ENOMEM
                                 : posix_spawn(pid, command->argv[0], &files, &attributes,
                                               (char *const *)(uintptr_t)command->argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return code == 0 ? TM_OK
                     : TM_FAIL(err, TM_E_UNAVAILABLE, "cannot run '%s': %s", command->argv[0],
                               tm__errno_text(code, why));
}

/* Wait for bytes; false when time is over. */
static bool wait_for(const running *r) {
    const uint64_t now = tm__mono_ns();
    struct pollfd one = {.fd = r->fd, .events = POLLIN};
    if (now >= r->until_ns) {
        return false;
    }
    const uint64_t left_ms = (r->until_ns - now) / 1000000 + 1;
    return poll(&one, 1, left_ms > 60000 ? 60000 : (int)left_ms) >= 0 || errno == EINTR;
}

static tm_status too_slow(const running *r, tm_err *err) {
    return TM_FAIL(err, TM_E_UNAVAILABLE, "'%s' takes too long", r->name);
}

/* All that it writes until it closes its output. */
static tm_status read_all(const running *r, char *out, size_t n_max, tm_err *err) {
    size_t len = 0;
    for (;;) {
        if (!wait_for(r)) {
            return too_slow(r, err);
        }
        const ssize_t n = read(r->fd, out + len, n_max - len);
        if (n == 0) {
            out[len] = '\0';
            return TM_OK;
        }
        len += n > 0 ? (size_t)n : 0;
        if (len == n_max) {
            return TM_FAIL(err, TM_E_LIMIT, "'%s' writes %zu bytes or more", r->name, n_max);
        }
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            return TM_FAIL(err, TM_E_UNAVAILABLE, "cannot read what '%s' writes", r->name);
        }
    }
}

/* It closed its output and should end; whatever is left of its group is killed. */
static tm_status await(const running *r, tm_err *err) {
    int status = 0;
    pid_t ended = 0;
    while ((ended = waitpid(r->pid, &status, WNOHANG)) == 0 && tm__mono_ns() < r->until_ns) {
        tm__sleep_ms(1);
    }
    if (ended == 0) {
        return too_slow(r, err);
    }
    (void)kill(-r->pid, SIGKILL);
    if (ended == r->pid && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return TM_OK;
    }
    return ended == r->pid && WIFEXITED(status)
               ? TM_FAIL(err, TM_E_UNAVAILABLE, "'%s' ended with code %d", r->name,
                         WEXITSTATUS(status))
               : TM_FAIL(err, TM_E_UNAVAILABLE, "'%s' was killed", r->name);
}

static void end(const running *r) {
    (void)kill(-r->pid, SIGKILL);
    (void)kill(r->pid, SIGKILL);
    while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

tm_status tm__command_run(const tm_command *command, char *out, size_t n_max, tm_err *err) {
    int fds[2];
    running r = {.name = command->argv[0],
                 .until_ns = tm__mono_ns() + command->seconds_max * UINT64_C(1000000000)};
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return TM_FAIL(err, TM_E_UNAVAILABLE, "cannot make a pipe for '%s'", r.name);
    }
    tm_status st = start(command, fds[1], &r.pid, err);
    close(fds[1]);
    r.fd = fds[0];
    if (st == TM_OK) {
        st = read_all(&r, out, n_max, err);
        st = st == TM_OK ? await(&r, err) : st;
        if (st != TM_OK) {
            end(&r);
        }
    }
    close(fds[0]);
    if (st != TM_OK) {
        explicit_bzero(out, n_max);
    }
    return st;
}
