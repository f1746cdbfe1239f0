/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor: a process of one thread that starts, watches and ends children.
 *
 *              START            SIGTERM sent                 5 s later
 *   (nothing) ------> running -------------> stopping ------------------> SIGKILL sent
 *                        |  limit or STOP        |                             |
 *                        +-----------------------+-----------------------------+--> ended
 *
 * 1. Each child leads a process group; signals go to the group, and what is left of a group when
 *    its leader ended is killed before the leader's number can be used again.
 * 2. A child dies with the supervisor (PR_SET_PDEATHSIG). The supervisor sees the end of the
 *    program as the end of the socket, whatever ended it, and then kills all groups.
 * 3. Signals of a terminal or a service manager are ignored here: only the program decides.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs_priv.h"
#include "base/kept_secret.h"
#include "base/mem.h"
#include "base/proc_priv.h"
#include "base/sandbox.h"

#define GRACE_NS UINT64_C(5000000000)
#define NEVER UINT64_MAX

typedef struct child {
    uint64_t term_ns; /* when SIGTERM is due; NEVER: no limit, or sent already */
    uint64_t kill_ns; /* when SIGKILL is due; NEVER: not stopping              */
    pid_t pid;
    bool is_running;
    int exit_code;
    int signal;
} child;

/* children[id - 1] has number id; ended ones stay, so that their state can be asked. */
typedef struct supervisor {
    child *children;
    size_t n_children;
    size_t capacity;
    int fd;
    int signal_fd;
} supervisor;

/* A request to start, as views into the message. */
typedef struct start_request {
    uint64_t memory_bytes_max, data_bytes_max;
    uint32_t seconds_max;
    bool has_network, has_children;
    int64_t epoch; /* 0: as this process has it */
    const char *stdout_path;
    const char *stderr_path;
    char **argv;
} start_request;

/* What a child that cannot become its program writes into the pipe before it ends. */
typedef struct start_failure {
    int number;
    char verb[32];
} start_failure;

static void signal_group(const child *one, int number) {
    if (kill(-one->pid, number) != 0) {
        (void)kill(one->pid, number);
    }
}

static void stop_child(child *one) {
    if (one->is_running && one->kill_ns == NEVER) {
        signal_group(one, SIGTERM);
        one->term_ns = NEVER;
        one->kill_ns = tm__mono_ns() + GRACE_NS;
    }
}

static void reap_children(supervisor *self) {
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) {
            return;
        }
        /* The leader is a zombie still, so its number names this group and no other. */
        (void)kill(-info.si_pid, SIGKILL);
        int status = 0;
        (void)waitpid(info.si_pid, &status, 0);
        for (size_t i = 0; i < self->n_children; i++) {
            child *one = &self->children[i];
            if (one->is_running && one->pid == info.si_pid) {
                one->is_running = false;
                one->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
                one->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
            }
        }
    }
}

/* Send the signals that are due; returns milliseconds to the next, -1 when none waits. */
static int keep_limits(supervisor *self) {
    const uint64_t now = tm__mono_ns();
    uint64_t next = NEVER;
    for (size_t i = 0; i < self->n_children; i++) {
        child *one = &self->children[i];
        if (!one->is_running) {
            continue;
        }
        if (one->term_ns <= now) {
            stop_child(one);
        }
        if (one->kill_ns <= now) {
            signal_group(one, SIGKILL);
            one->kill_ns = now + GRACE_NS; /* Again, should something have joined the group. */
        }
        next = one->term_ns < next ? one->term_ns : next;
        next = one->kill_ns < next ? one->kill_ns : next;
    }
    if (next == NEVER) {
        return -1;
    }
    const uint64_t left_ms = next <= now ? 0 : (next - now) / 1000000 + 1;
    return left_ms > 60000 ? 60000 : (int)left_ms;
}

/* In the child. */
__attribute__((noreturn)) static void fail_start(int pipe_fd, const char *verb) {
    start_failure failure = {.number = errno};
    (void)tm__str_copy(failure.verb, sizeof(failure.verb), tm__str(verb));
    while (write(pipe_fd, &failure, sizeof(failure)) < 0 && errno == EINTR) {
    }
    _exit(127);
}

/* In the child: put a file, or /dev/null for an empty path, in the place of fd. */
static bool redirect(int fd, const char *path, int flags) {
    const int opened =
        path[0] == '\0' ? open("/dev/null", O_RDWR) : open(path, flags, (mode_t)0600);
    if (opened < 0) {
        return false;
    }
    if (opened != fd) {
        if (dup2(opened, fd) < 0) {
            return false;
        }
        close(opened);
    }
    return true;
}

/* In the child: no core dump, no more memory than was said, and the filter of system calls. */
static bool hold_back(const start_request *request) {
    const struct rlimit no_core = {0, 0};
    const struct rlimit memory = {request->memory_bytes_max, request->memory_bytes_max};
    const struct rlimit data = {request->data_bytes_max, request->data_bytes_max};
    const tm_sandbox kind = request->has_network ? TM_SANDBOX_NETWORK : TM_SANDBOX_WORK;
    (void)setrlimit(RLIMIT_CORE, &no_core);
    char epoch[24];
    (void)snprintf(epoch, sizeof(epoch), "%lld", (long long)request->epoch);
    errno = EPERM; /* of a filter; libseccomp's own numbers are none of errno */
    return setenv(TM_PROC_VARIABLE, request->has_children ? TM_PROC_PARENT : TM_PROC_LEAF, 1) ==
               0 &&
           (request->epoch == 0 || setenv(TM_PROC_EPOCH, epoch, 1) == 0) &&
           (request->memory_bytes_max == 0 || setrlimit(RLIMIT_AS, &memory) == 0) &&
           (request->data_bytes_max == 0 || setrlimit(RLIMIT_DATA, &data) == 0) &&
           tm__sandbox_enter(kind, NULL) == TM_OK;
}

/* In the child: become the program. */
__attribute__((noreturn)) static void become(const start_request *request, pid_t parent,
                                             int pipe_fd) {
    (void)setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        fail_start(pipe_fd, "bind the life of");
    }
    if (getppid() != parent) {
        _exit(127); /* The supervisor died before the line above. */
    }
    const struct sigaction normal = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) {
        (void)sigaction(number, &normal, NULL);
    }
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    const int flags = O_WRONLY | O_CREAT | O_TRUNC;
    if (!redirect(0, "", 0) || !redirect(1, request->stdout_path, flags) ||
        !redirect(2, request->stderr_path, flags)) {
        fail_start(pipe_fd, "open the output files of");
    }
    if (!tm__kept_hand_on() || !hold_back(request)) {
        fail_start(pipe_fd, "hold back");
    }
    (void)execv(request->argv[0], request->argv);
    fail_start(pipe_fd, "run");
}

static child *add_child(supervisor *self) {
    if (self->n_children == self->capacity) {
        const size_t capacity = self->capacity == 0 ? 16 : self->capacity * 2;
        child *children = tm__mem_realloc(self->children, capacity, sizeof(*children));
        if (children == NULL) {
            return NULL;
        }
        self->children = children;
        self->capacity = capacity;
    }
    return &self->children[self->n_children];
}

static tm_status start_child(supervisor *self, const start_request *request, tm_err *err) {
    child *one = add_child(self);
    int fds[2];
    if (one == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while starting a child");
    }
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return TM_FAIL(err, TM_E_UNAVAILABLE, "cannot make a pipe for a child");
    }
    const pid_t self_pid = getpid();
    const pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        become(request, self_pid, fds[1]);
    }
    close(fds[1]);
    if (pid < 0) {
        close(fds[0]);
        return TM_FAIL(err, TM_E_UNAVAILABLE, "cannot fork a child");
    }
    (void)setpgid(pid,
                  pid); /* Also here: whoever is first. Fails once the child runs its program. */
    start_failure failure = {0};
    ssize_t n;
    do {
        n = read(fds[0], &failure, sizeof(failure));
    } while (n < 0 && errno == EINTR);
    close(fds[0]);
    if (n > 0) {
        (void)waitpid(pid, NULL, 0);
        char why[TM_ERRNO_TEXT];
        return TM_FAIL(err, TM_E_UNAVAILABLE, "cannot %s '%s': %s", failure.verb, request->argv[0],
                       tm__errno_text(failure.number, why));
    }
    *one = (child){.pid = pid, .is_running = true, .term_ns = NEVER, .kill_ns = NEVER};
    if (request->seconds_max != 0) {
        one->term_ns = tm__mono_ns() + (uint64_t)request->seconds_max * UINT64_C(1000000000);
    }
    self->n_children++;
    return TM_OK;
}

/* A copy of a text in the message, NUL-terminated; freed with the list it is put in. */
static char *read_text(tm_reader *in) {
    const tm_str text = tm__reader_str(in);
    return in->failed ? NULL : tm__mem_strndup(text.ptr, text.len);
}

static tm_status handle_start(supervisor *self, tm_reader *in, tm_err *err) {
    start_request request = {.memory_bytes_max = tm__reader_u64(in)};
    request.data_bytes_max = tm__reader_u64(in);
    request.seconds_max = tm__reader_u32(in);
    request.has_network = tm__reader_u8(in) != 0;
    request.has_children = tm__reader_u8(in) != 0;
    request.epoch = tm__reader_i64(in);
    char *stdout_path = read_text(in);
    char *stderr_path = read_text(in);
    const uint32_t n = tm__reader_u32(in);
    /* Each text has four bytes of length, which bounds n by the message. */
    const bool is_sane = !in->failed && n > 0 && n <= in->len / 4;
    char **argv = is_sane ? tm__mem_zalloc((size_t)n + 1, sizeof(*argv)) : NULL;
    bool is_read = argv != NULL && stdout_path != NULL && stderr_path != NULL;
    for (uint32_t i = 0; is_read && i < n; i++) {
        argv[i] = read_text(in);
        is_read = argv[i] != NULL;
    }
    tm_status st;
    if (is_read) {
        request.stdout_path = stdout_path;
        request.stderr_path = stderr_path;
        request.argv = argv;
        st = start_child(self, &request, err);
    } else {
        st = in->failed || !is_sane
                 ? TM_FAIL(err, TM_E_INVALID, "a child needs a program")
                 : TM_FAIL(err, TM_E_NOMEM, "out of memory while starting a child");
    }
    for (uint32_t i = 0; argv != NULL && i < n; i++) {
        tm__mem_free(argv[i]);
    }
    tm__mem_free(argv);
    tm__mem_free(stdout_path);
    tm__mem_free(stderr_path);
    return st;
}

/* What a command of before says now. */
static bool handle_renewal(const supervisor *self, tm_reader *in) {
    char said[TM_KEPT_TEXT] = "";
    tm_err err = {0};
    char *const name = read_text(in);
    const tm_status st = name == NULL ? TM_FAIL(&err, TM_E_NOMEM, "out of memory for a command")
                                      : tm__kept_run_again(name, said, &err);
    tm_buf reply;
    tm__buf_init(&reply, TM_PROC_MESSAGE_MAX);
    (void)tm__buf_u32(&reply, (uint32_t)st);
    (void)tm__buf_str(&reply, tm__str(st == TM_OK ? said : err.message));
    (void)tm__buf_str(&reply, tm__str(err.hint));
    const bool is_sent = !reply.failed && tm__proc_send(self->fd, &reply);
    if (reply.data != NULL) {
        explicit_bzero(reply.data, reply.len);
    }
    explicit_bzero(said, sizeof(said));
    tm__buf_done(&reply);
    tm__mem_free(name);
    return is_sent;
}

/* Answer one message; false when the program asked to close or is gone. */
static bool handle_message(supervisor *self, const tm_buf *message) {
    tm_reader in;
    tm__reader_init(&in, message->data, message->len);
    tm_err err = {0};
    tm_status st = TM_OK;
    uint64_t id = 0;
    const uint8_t op = tm__reader_u8(&in);
    if (op == TM_PROC_CLOSE) {
        return false;
    }
    if (op == TM_PROC_RENEW) {
        return handle_renewal(self, &in);
    }
    if (op == TM_PROC_START) {
        st = handle_start(self, &in, &err);
        id = self->n_children;
    } else {
        id = tm__reader_u64(&in);
        reap_children(self);
        if (id == 0 || id > self->n_children) {
            st = TM_FAIL(&err, TM_E_NOT_FOUND, "no child has number %llu", (unsigned long long)id);
        } else if (op == TM_PROC_STOP) {
            stop_child(&self->children[id - 1]);
        }
    }
    const child nothing = {0};
    const child *one = st == TM_OK ? &self->children[id - 1] : &nothing;
    tm_buf reply;
    tm__buf_init(&reply, TM_PROC_MESSAGE_MAX);
    (void)tm__buf_u32(&reply, (uint32_t)st);
    (void)tm__buf_str(&reply, tm__str(err.message));
    (void)tm__buf_str(&reply, tm__str(err.hint));
    (void)tm__buf_u64(&reply, id);
    (void)tm__buf_u8(&reply, one->is_running ? 1 : 0);
    (void)tm__buf_i64(&reply, one->exit_code);
    (void)tm__buf_i64(&reply, one->signal);
    const bool is_sent = !reply.failed && tm__proc_send(self->fd, &reply);
    tm__buf_done(&reply);
    return is_sent;
}

static size_t count_running(const supervisor *self) {
    size_t n = 0;
    for (size_t i = 0; i < self->n_children; i++) {
        n += self->children[i].is_running ? 1 : 0;
    }
    return n;
}

static void drain_signals(const supervisor *self) {
    struct signalfd_siginfo info;
    while (read(self->signal_fd, &info, sizeof(info)) > 0) {
    }
}

/* End all children: with notice when the program closed in order, at once when it died. */
static void end_children(supervisor *self, bool with_notice) {
    for (size_t i = 0; i < self->n_children; i++) {
        child *one = &self->children[i];
        if (one->is_running && !with_notice) {
            signal_group(one, SIGKILL);
            one->kill_ns = tm__mono_ns() + GRACE_NS;
        }
        stop_child(one);
    }
    for (reap_children(self); count_running(self) > 0; reap_children(self)) {
        struct pollfd one = {.fd = self->signal_fd, .events = POLLIN};
        (void)poll(&one, 1, keep_limits(self));
        drain_signals(self);
    }
}

/* Close everything but the standard streams and fd, so that no file, lock or socket of the program
 * lives on here. */
static void close_others(int fd) {
    if (fd > 3) {
        (void)close_range(3, (unsigned)fd - 1, 0);
    }
    (void)close_range((unsigned)fd + 1, ~0u, 0);
}

void tm__supervisor_main(int fd) {
    supervisor self = {.fd = fd};
    close_others(fd);
    tm__kept_lock();
    /* Whoever reads the program's output must see its end when the program ends. */
    (void)redirect(0, "", 0);
    (void)redirect(1, "", 0);
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_NAME, "tidemill-super");
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT, SIGTTOU, SIGTTIN, SIGTSTP};
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
        (void)sigaction(ignored[i], &ignore, NULL);
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    if (sigprocmask(SIG_SETMASK, &set, NULL) != 0 ||
        (self.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0) {
        _exit(70);
    }
    bool with_notice = false;
    for (;;) {
        struct pollfd fds[2] = {{.fd = fd, .events = POLLIN},
                                {.fd = self.signal_fd, .events = POLLIN}};
        (void)poll(fds, 2, keep_limits(&self));
        if ((fds[1].revents & POLLIN) != 0) {
            drain_signals(&self);
            reap_children(&self);
        }
        if (fds[0].revents == 0) {
            continue;
        }
        tm_buf message;
        tm__buf_init(&message, TM_PROC_MESSAGE_MAX);
        const bool is_received = tm__proc_receive(fd, &message);
        const bool goes_on = is_received && handle_message(&self, &message);
        with_notice = is_received && message.len == 1;
        tm__buf_done(&message);
        if (!goes_on) {
            break;
        }
    }
    end_children(&self, with_notice);
    _exit(0);
}
