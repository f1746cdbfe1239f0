/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What commands of the user's said: asked for once, before a process gives up starting programs,
 * and kept for as long as it lives. It lies in memory of libsodium's (locked, between guard pages,
 * in no core dump), children that a supervisor starts get it through an unnamed file of their own,
 * and it is never written anywhere else.
 *
 *     command ──run──> kept ──> supervisor (forked) ──memfd──> kept of a child
 *                       ^             │
 *                       └── renewed ──┘  by a process that starts nothing itself: its supervisor
 *                                        runs the commands that were kept when it was forked, and
 *                                        no other
 */
#ifndef TM_BASE_KEPT_SECRET_H
#define TM_BASE_KEPT_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/proc.h"

#define TM_KEPT_TEXT 1024u /* bytes of a command, and of what it says, with a NUL */
#define TM_KEPT_MAX 4u     /* commands */
#define TM_KEPT_SECONDS 20u

/* argv of a command; texts are the caller's. */
typedef const char *tm_kept_argv[17];

/** What a command said, run now unless it was before. name: what stands for it, under which it is
 * kept; out [TM_KEPT_TEXT]. renews: run it again; what it said before is forgotten when that works.
 *
 * Errors:  those of tm__command_run(); TM_E_NOT_ALLOWED in a process that starts no programs and
 *          has no supervisor that knows the command; TM_E_LIMIT. */
TM_NODISCARD tm_status tm__kept_secret(const char *name, const tm_kept_argv argv, bool renews,
                                       char *out, tm_err *err);
/** Let a supervisor run again what is kept; NULL: none. It must have been opened after what it is
 * to know was kept. */
void tm__kept_renew_by(tm_supervisor *supervisor);
/** At the start of a program, before threads: take what a supervisor handed on. */
void tm__kept_take(void);
/** In a child of a supervisor, before it becomes its program: hand on what is kept, by a variable
 * of the environment that names an open file. False when that cannot be done. */
bool tm__kept_hand_on(void);
/** In a supervisor, which was forked: lock its copy of the memory as well, where limits allow it.
 */
void tm__kept_lock(void);
/** In a supervisor: run a kept command again. out [TM_KEPT_TEXT]. TM_E_NOT_FOUND: it is none. */
TM_NODISCARD tm_status tm__kept_run_again(const char *name, char *out, tm_err *err);
/** Forget all; for tests. */
void tm__kept_reset(void);

#endif
