/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process of the program gives up before it touches bytes of others: system calls (a seccomp
 * filter), starting programs, and being read by a debugger or a core dump. Nothing of it can be
 * taken back. It holds back code that took over the process; it is no guard against a module that
 * its owner chose, which may read what the user may.
 */
#ifndef TM_BASE_SANDBOX_H
#define TM_BASE_SANDBOX_H

#include <stdbool.h>

#include "tidemill/err.h"

typedef enum tm_sandbox {
    TM_SANDBOX_WORK,    /* files, memory and threads; no socket can be made */
    TM_SANDBOX_NETWORK, /* also sockets */
    TM_SANDBOX_NO_EXEC  /* everything but starting a program; for a process that has its children */
} tm_sandbox;

/**
 * Hold back this process and whatever it starts or becomes from here on. System calls that are on
 * no list answer ENOSYS, as from an older kernel; making a socket or starting a program, where that
 * is not allowed, EPERM. TM_SANDBOX_WORK and _NETWORK leave execve, so that a child may become its
 * program; that adds TM_SANDBOX_NO_EXEC. Memory that can be written and executed is refused by
 * those two.
 *
 * Errors:  TM_E_UNSUPPORTED without libseccomp, TM_E_NOMEM, TM_E_UNAVAILABLE when the kernel
 * refuses; TM_OK and no effect where the kernel has no filters, or in a build with a sanitizer,
 * which needs calls that are on no list (`tm__sandbox_is_there`).
 * Threads: before any other thread exists: those that run already are not held.
 * Cost:    the filter runs at each system call from then on.
 */
TM_NODISCARD tm_status tm__sandbox_enter(tm_sandbox kind, tm_err *err);
/** Whether this kernel and this build have filters of system calls. Any thread. */
bool tm__sandbox_is_there(void);
/** Whether a filter holds this process, from here or from whoever started it. Any thread. */
bool tm__sandbox_is_entered(void);

/** For a process that is about to read a secret: no core dump, no debugger of the same user, none
 * of /proc/PID/mem. Any thread; cheap. */
void tm__process_hide(void);

#endif
