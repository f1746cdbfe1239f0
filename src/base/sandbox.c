/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filter is a list of what is allowed, made by libseccomp, which knows the numbers of each
 * machine. A name that the machine or the library does not know is left out.
 *
 * 1. What is not on the list answers ENOSYS: the C library then takes the older call, as it must on
 *    older kernels. clone3 hides its flags behind a pointer, so it is never on the list.
 * 2. A thread or process may be made, a namespace may not.
 * 3. A second filter (no exec) only takes away: the kernel takes the strictest answer.
 */
#include "base/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/module.h"
#include "base/sanitized.h"

#define NAMESPACES                                                                                 \
    ((scmp_datum_t)(CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |     \
                    CLONE_NEWUTS | CLONE_NEWCGROUP))

static const char *const files[] = {"read",
                                    "write",
                                    "readv",
                                    "writev",
                                    "pread64",
                                    "pwrite64",
                                    "preadv",
                                    "pwritev",
                                    "preadv2",
                                    "pwritev2",
                                    "open",
                                    "openat",
                                    "openat2",
                                    "creat",
                                    "close",
                                    "close_range",
                                    "lseek",
                                    "_llseek",
                                    "stat",
                                    "lstat",
                                    "fstat",
                                    "stat64",
                                    "lstat64",
                                    "fstat64",
                                    "newfstatat",
                                    "fstatat64",
                                    "statx",
                                    "statfs",
                                    "fstatfs",
                                    "statfs64",
                                    "fstatfs64",
                                    "access",
                                    "faccessat",
                                    "faccessat2",
                                    "readlink",
                                    "readlinkat",
                                    "getdents",
                                    "getdents64",
                                    "mkdir",
                                    "mkdirat",
                                    "rmdir",
                                    "rename",
                                    "renameat",
                                    "renameat2",
                                    "link",
                                    "linkat",
                                    "symlink",
                                    "symlinkat",
                                    "unlink",
                                    "unlinkat",
                                    "chmod",
                                    "fchmod",
                                    "fchmodat",
                                    "chown",
                                    "fchown",
                                    "fchownat",
                                    "truncate",
                                    "ftruncate",
                                    "truncate64",
                                    "ftruncate64",
                                    "fallocate",
                                    "fsync",
                                    "fdatasync",
                                    "sync_file_range",
                                    "syncfs",
                                    "flock",
                                    "fcntl",
                                    "fcntl64",
                                    "ioctl",
                                    "dup",
                                    "dup2",
                                    "dup3",
                                    "pipe",
                                    "pipe2",
                                    "sendfile",
                                    "sendfile64",
                                    "copy_file_range",
                                    "splice",
                                    "fadvise64",
                                    "fadvise64_64",
                                    "readahead",
                                    "umask",
                                    "getcwd",
                                    "chdir",
                                    "fchdir",
                                    "utime",
                                    "utimes",
                                    "utimensat",
                                    "futimesat",
                                    "memfd_create"};
static const char *const waiting[] = {"poll",
                                      "ppoll",
                                      "select",
                                      "_newselect",
                                      "pselect6",
                                      "epoll_create",
                                      "epoll_create1",
                                      "epoll_ctl",
                                      "epoll_wait",
                                      "epoll_pwait",
                                      "epoll_pwait2",
                                      "eventfd",
                                      "eventfd2",
                                      "signalfd",
                                      "signalfd4",
                                      "timerfd_create",
                                      "timerfd_settime",
                                      "timerfd_gettime",
                                      "inotify_init",
                                      "inotify_init1",
                                      "inotify_add_watch",
                                      "inotify_rm_watch",
                                      "nanosleep",
                                      "clock_nanosleep",
                                      "clock_gettime",
                                      "clock_getres",
                                      "gettimeofday",
                                      "time",
                                      "times",
                                      "getitimer",
                                      "setitimer",
                                      "alarm",
                                      "timer_create",
                                      "timer_settime",
                                      "timer_gettime",
                                      "timer_delete",
                                      "timer_getoverrun",
                                      "pause",
                                      "wait4",
                                      "waitid",
                                      "waitpid",
                                      "restart_syscall"};
static const char *const memory_and_threads[] = {"brk",
                                                 "munmap",
                                                 "mremap",
                                                 "madvise",
                                                 "mlock",
                                                 "mlock2",
                                                 "munlock",
                                                 "mincore",
                                                 "msync",
                                                 "membarrier",
                                                 "fork",
                                                 "vfork",
                                                 "exit",
                                                 "exit_group",
                                                 "futex",
                                                 "futex_waitv",
                                                 "set_robust_list",
                                                 "get_robust_list",
                                                 "set_tid_address",
                                                 "rseq",
                                                 "arch_prctl",
                                                 "prctl",
                                                 "gettid",
                                                 "getpid",
                                                 "getppid",
                                                 "getpgrp",
                                                 "getpgid",
                                                 "setpgid",
                                                 "getsid",
                                                 "setsid",
                                                 "getuid",
                                                 "geteuid",
                                                 "getgid",
                                                 "getegid",
                                                 "getresuid",
                                                 "getresgid",
                                                 "getgroups",
                                                 "uname",
                                                 "sysinfo",
                                                 "getrusage",
                                                 "getrlimit",
                                                 "ugetrlimit",
                                                 "setrlimit",
                                                 "prlimit64",
                                                 "getrandom",
                                                 "getpriority",
                                                 "setpriority",
                                                 "sched_yield",
                                                 "sched_getaffinity",
                                                 "sched_setaffinity",
                                                 "sched_getparam",
                                                 "sched_getscheduler",
                                                 "sched_get_priority_max",
                                                 "sched_get_priority_min",
                                                 "getcpu",
                                                 "kill",
                                                 "tkill",
                                                 "tgkill",
                                                 "rt_sigaction",
                                                 "rt_sigprocmask",
                                                 "rt_sigpending",
                                                 "rt_sigreturn",
                                                 "rt_sigsuspend",
                                                 "rt_sigtimedwait",
                                                 "rt_sigqueueinfo",
                                                 "rt_tgsigqueueinfo",
                                                 "sigaltstack",
                                                 "sigreturn",
                                                 "execve",
                                                 "seccomp"};
/* On what is open already, as the socket to a process's own supervisor. */
static const char *const streams[] = {"socketpair",  "sendto",     "recvfrom",   "sendmsg",
                                      "recvmsg",     "shutdown",   "getsockopt", "setsockopt",
                                      "getsockname", "getpeername"};
static const char *const network[] = {"socket", "connect", "bind",     "listen",
                                      "accept", "accept4", "sendmmsg", "recvmmsg"};

#define FUNCTIONS(X)                                                                               \
    X(seccomp_init)                                                                                \
    X(seccomp_release)                                                                             \
    X(seccomp_attr_set)                                                                            \
    X(seccomp_rule_add_array)                                                                      \
    X(seccomp_syscall_resolve_name)                                                                \
    X(seccomp_load)

typedef struct seccomp_api {
#define X(name) __typeof__(&name) name;
    FUNCTIONS(X)
#undef X
} seccomp_api;

static const char *const names[] = {
#define X(name) #name,
    FUNCTIONS(X)
#undef X
};
static const tm_library library = {.need = "a child that is held back needs libseccomp",
                                   .file = "libseccomp.so.2",
                                   .missing_hint = "Install libseccomp of this system "
                                                   "(libseccomp2).",
                                   .old_hint = "Install libseccomp 2.5 of this system "
                                               "(libseccomp2).",
                                   .names = names,
                                   .n = sizeof(names) / sizeof(names[0])};

/* A filter while it is made; number is 0 or the first -errno. */
typedef struct filter {
    seccomp_api api;
    scmp_filter_ctx ctx;
    int number;
} filter;

static void rule(filter *f, uint32_t action, const char *call, unsigned n,
                 const struct scmp_arg_cmp *args) {
    const int known = f->api.seccomp_syscall_resolve_name(call);
    if (f->number == 0 && known != __NR_SCMP_ERROR) {
        const int done = f->api.seccomp_rule_add_array(f->ctx, action, known, n, args);
        /* -EDOM, -EINVAL: this machine has no such call. */
        f->number = done == -EDOM || done == -EINVAL ? 0 : done;
    }
}

static void allow(filter *f, const char *const *calls, size_t n) {
    for (size_t i = 0; i < n; i++) {
        rule(f, SCMP_ACT_ALLOW, calls[i], 0, NULL);
    }
}

static void allow_masked(filter *f, const char *call, unsigned arg, scmp_datum_t mask,
                         scmp_datum_t value) {
    const struct scmp_arg_cmp same = {arg, SCMP_CMP_MASKED_EQ, mask, value};
    rule(f, SCMP_ACT_ALLOW, call, 1, &same);
}

static void allow_memory(filter *f) {
    const scmp_datum_t both = PROT_WRITE | PROT_EXEC;
    const char *const maps[] = {"mmap", "mmap2"};
    for (unsigned i = 0; i < 2; i++) {
        allow_masked(f, maps[i], 2, both, 0);
        allow_masked(f, maps[i], 2, both, PROT_WRITE);
        allow_masked(f, maps[i], 2, both, PROT_EXEC);
    }
#ifdef __aarch64__ /* its loader turns on BTI of a library by mprotect */
    allow_masked(f, "mprotect", 2, both, PROT_EXEC);
#endif
    allow_masked(f, "mprotect", 2, PROT_EXEC, 0);
}

static void add_rules(filter *f, tm_sandbox kind) {
#define ALLOW(list) allow(f, list, sizeof(list) / sizeof((list)[0]))
    if (kind == TM_SANDBOX_NO_EXEC) {
        rule(f, SCMP_ACT_ERRNO(EPERM), "execve", 0, NULL);
        rule(f, SCMP_ACT_ERRNO(EPERM), "execveat", 0, NULL);
        return;
    }
    ALLOW(files);
    ALLOW(waiting);
    ALLOW(memory_and_threads);
    ALLOW(streams);
    allow_memory(f);
    allow_masked(f, "clone", 0, NAMESPACES, 0);
    if (kind == TM_SANDBOX_NETWORK) {
        ALLOW(network);
    } else {
        rule(f, SCMP_ACT_ERRNO(EPERM), "socket", 0, NULL);
    }
#undef ALLOW
}

static int make_and_load(filter *f, tm_sandbox kind) {
    const bool is_list = kind != TM_SANDBOX_NO_EXEC;
    f->ctx = f->api.seccomp_init(is_list ? SCMP_ACT_ERRNO(ENOSYS) : SCMP_ACT_ALLOW);
    if (f->ctx == NULL) {
        return -ENOMEM;
    }
    f->number = f->api.seccomp_attr_set(f->ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (f->number == 0 && is_list) { /* a tree of the list in place of a chain */
        f->number = f->api.seccomp_attr_set(f->ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    }
    add_rules(f, kind);
    if (f->number == 0) {
        f->number = f->api.seccomp_load(f->ctx);
    }
    f->api.seccomp_release(f->ctx);
    return f->number;
}

tm_status tm__sandbox_enter(tm_sandbox kind, tm_err *err) {
    if (!tm__sandbox_is_there()) {
        return TM_OK;
    }
    filter f = {0};
    TM_TRY(tm__library_load(&library, NULL, &f.api, err));
    const int number = make_and_load(&f, kind);
    if (number == -ENOMEM) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a filter of system calls");
    }
    return number == 0
               ? TM_OK
               : TM_FAIL(err, TM_E_UNAVAILABLE, "cannot filter system calls (error %d)", -number);
}

bool tm__sandbox_is_there(void) {
    return !TM_IS_SANITIZED && prctl(PR_GET_SECCOMP) >= 0;
}

bool tm__sandbox_is_entered(void) {
    return prctl(PR_GET_SECCOMP) > 0;
}

void tm__process_hide(void) {
    const struct rlimit no_core = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)prctl(PR_SET_DUMPABLE, 0);
}
