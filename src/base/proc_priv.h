/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the program (proc.c) and its supervisor (supervisor.c) say to each other over a stream
 * socket: a u32 length, then that many bytes written with tm_buf.
 *
 *   START  u8 op, u64 memory_bytes_max, u32 seconds_max, u8 has_network,
 *          u8 has_children, str stdout, str stderr, u32 n, str argv[n]
 *   RENEW  u8 op, str name (kept_secret.h); its reply has what the command said as message
 *   STATE  u8 op, u64 id          STOP  u8 op, u64 id          CLOSE  u8 op (no reply)
 *   reply  u32 status, str message, str hint, u64 id, u8 is_running, i64 exit_code, i64 signal
 */
#ifndef TM_BASE_PROC_PRIV_H
#define TM_BASE_PROC_PRIV_H

#include "base/buf.h"
#include "base/proc.h"

#define TM_PROC_START 1u
#define TM_PROC_STATE 2u
#define TM_PROC_STOP 3u
#define TM_PROC_CLOSE 4u
#define TM_PROC_RENEW 5u
/* In the environment of a child: TM_PROC_LEAF, or TM_PROC_PARENT of one that has children. */
#define TM_PROC_VARIABLE "TIDEMILL_CHILD"
#define TM_PROC_LEAF "leaf"
#define TM_PROC_PARENT "parent"
#define TM_PROC_EPOCH "TIDEMILL_EPOCH" /* of the leader that a child works for */
#define TM_PROC_MESSAGE_MAX ((size_t)16 << 20)

/** Send a message; false when the peer is gone. Blocks. */
bool tm__proc_send(int fd, const tm_buf *message);
/** Receive a message into an empty buffer; false when the peer is gone or memory ran out. Blocks.
 */
bool tm__proc_receive(int fd, tm_buf *message);
/** Have the supervisor run a kept command again: what it says into out [TM_KEPT_TEXT]. */
TM_NODISCARD tm_status tm__supervisor_renew(tm_supervisor *supervisor, const char *name, char *out,
                                            tm_err *err);
/** The life of the supervisor; ends the process. */
__attribute__((noreturn)) void tm__supervisor_main(int fd);

#endif
