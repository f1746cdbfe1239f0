/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children. A supervisor is forked before the first thread; over a socketpair it starts programs on
 * request with limits, a filter of system calls (sandbox.h) and a group of their own, and all of
 * them die with the parent. Results come back as files and exit codes.
 */
#ifndef TM_BASE_PROC_H
#define TM_BASE_PROC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sanitized.h"
#include "tidemill/err.h"

/* A limit of addresses for a child that is this program: none under a sanitizer, which maps
 * terabytes of them for itself. */
#define TM_CHILD_ADDRESSES(bytes) (TM_IS_SANITIZED ? UINT64_C(0) : (bytes))

typedef struct tm_supervisor tm_supervisor;

typedef struct tm_child_spec {
    const char *const *argv; /* NULL-terminated; argv[0] is a path; the environment is inherited */
    const char *stdout_path; /* file that takes the child's stdout; NULL: /dev/null */
    const char *stderr_path; /* same for stderr */
    uint64_t memory_bytes_max; /* RLIMIT_AS; 0: none */
    uint64_t data_bytes_max;   /* RLIMIT_DATA: memory of its own, without files that it maps; 0 */
    uint32_t seconds_max;      /* wall clock; then SIGTERM, 5 s later SIGKILL; 0: none */
    bool has_network;          /* it may make sockets */
    bool has_children;         /* it opens a supervisor of its own, and starts nothing else */
    int64_t epoch; /* of the leader that it works for: tm__process_epoch() there; 0: of none */
} tm_child_spec;

typedef struct tm_child_state {
    bool is_running;
    int exit_code; /* -1 when killed by a signal */
    int signal;    /* 0 when it exited */
} tm_child_state;

/** Fork the supervisor; call before any thread exists. */
TM_NODISCARD tm_status tm__supervisor_open(tm_supervisor **out_supervisor, tm_err *err);
/** Start a child; *out_id names it from then on. Any thread. */
TM_NODISCARD tm_status tm__child_start(tm_supervisor *supervisor, const tm_child_spec *spec,
                                       uint64_t *out_id, tm_err *err);
/** State of a child; TM_E_NOT_FOUND for an id that never was. Any thread. */
TM_NODISCARD tm_status tm__child_state(tm_supervisor *supervisor, uint64_t id,
                                       tm_child_state *out_state, tm_err *err);
/** Ask a child to stop (SIGTERM, then SIGKILL after 5 s). */
TM_NODISCARD tm_status tm__child_stop(tm_supervisor *supervisor, uint64_t id, tm_err *err);
/** TM_E_UNAVAILABLE when the supervisor ended, as by kill -9: its children died with it, and none
 * can be started any more, since a program with threads must not fork a new one. Any thread. */
TM_NODISCARD tm_status tm__supervisor_check(tm_supervisor *supervisor, tm_err *err);
/** In a program that a supervisor started, and before it reads anything of others: give up starting
 * programs, unless its spec says that it has children: then that is given up once it opened its
 * supervisor. In any other program nothing happens. */
TM_NODISCARD tm_status tm__child_begin(tm_err *err);
/** Whether a supervisor started this program. */
bool tm__process_is_child(void);
/** Epoch of the leader for which a supervisor started this program, or one that started that; 0:
 * of none. */
int64_t tm__process_epoch(void);
/** End the supervisor and all children. */
void tm__supervisor_close(tm_supervisor *supervisor);

typedef enum tm_guard {
    TM_GUARD_CHILD, /* this is the child, or none could be made: go on with the work */
    TM_GUARD_ENDED, /* the child ended: *out_code is how */
    TM_GUARD_FAULT  /* it died of a fault, such as a damaged page of a file that it maps */
} tm_guard;
/** Go on in a child that dies with this process and is held back as those of a supervisor are,
 * without a network; the parent waits for it and hands on SIGTERM and SIGINT. Call before any
 * thread exists. */
tm_guard tm__process_guard(int *out_code);

/** Absolute path of the running program; static storage after the first call, which must come
 * before threads. */
const char *tm__program_path(void);

#endif
