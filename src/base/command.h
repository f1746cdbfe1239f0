/* SPDX-License-Identifier: Apache-2.0 */
/* A program of the user's that says something short, such as a key. Not for work of this program's
 * own: that is done by children (proc.h). */
#ifndef TM_BASE_COMMAND_H
#define TM_BASE_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "tidemill/err.h"

typedef struct tm_command {
    const char *const *argv; /* NULL-terminated; argv[0] is a path; no shell is in between */
    uint32_t seconds_max;    /* then it is killed with all that it started; 0: at once */
} tm_command;
/**
 * Run a program and take what it writes to standard output: text [n_max] and its NUL. It reads
 * nothing, its standard error and environment are this program's, and it has no other file of it.
 *
 * Errors:  TM_E_UNAVAILABLE: it does not start, ends with another code than 0, takes too long or
 *          is killed; TM_E_LIMIT: it writes n_max bytes or more. Never says what it wrote; out is
 *          overwritten then.
 * Threads: any. Must not be called in a process that gave up starting programs (sandbox.h).
 */
TM_NODISCARD tm_status tm__command_run(const tm_command *command, char *out, size_t n_max,
                                       tm_err *err);

#endif
