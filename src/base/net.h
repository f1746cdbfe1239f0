/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets, epoll, signals and terminals: the only callers of these parts of the system.
 * File descriptors are ints as the system gives them; -1 is none. Nothing here blocks unless it
 * says so.
 */
#ifndef TM_BASE_NET_H
#define TM_BASE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemill/err.h"

/** Listen on "HOST:PORT", "[::1]:PORT" or "unix:PATH"; port 0 picks one. out_addr (>= 128 bytes)
 * gets the address in use. */
TM_NODISCARD tm_status tm__net_listen(const char *address, int *out_fd, char *out_addr,
                                      size_t addr_size, tm_err *err);
/** TM_E_USAGE for a text that is no address of one of these forms, whether or not it can be bound.
 */
TM_NODISCARD tm_status tm__net_check(const char *address, tm_err *err);
/** True when an address text binds loopback or a unix socket only. */
bool tm__net_is_loopback(const char *address);
/* Addresses "10.0.0.0/8" or "fd00::/8"; without a length, one address. */
typedef struct tm_net_range {
    uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint32_t n_bits;   /* of the 128 */
} tm_net_range;
/** False when the text is no range, or has bits behind its length. */
bool tm__net_range_parse(const char *text, tm_net_range *out);
/** True when a peer's address, as tm__net_accept() gives it, lies in the range. */
bool tm__net_range_has(const tm_net_range *range, const char *peer);
/** Accept one connection, non-blocking, TCP_NODELAY; -1 when there is none. peer (>= 64 bytes) gets
 * the peer's address. */
int tm__net_accept(int listen_fd, char *peer, size_t peer_size);
/** Connect to HOST:PORT, blocking, with a limit; used by clients of this program (replay, health
 * check). */
TM_NODISCARD tm_status tm__net_connect(const char *address, uint32_t timeout_ms, int *out_fd,
                                       tm_err *err);

#define TM_NET_AGAIN (-1)  /* nothing now */
#define TM_NET_CLOSED (-2) /* the peer is gone, or an error */
/** Bytes moved, TM_NET_AGAIN or TM_NET_CLOSED (read gives TM_NET_CLOSED at the end of the stream).
 */
int64_t tm__net_read(int fd, void *out, size_t len);
int64_t tm__net_write(int fd, const void *data, size_t len);
void tm__net_shutdown_write(int fd);
/** Wait until fd, which may be another library's, can be read, or written when that is wanted, or
 * is broken; false when timeout_ms passed first. */
bool tm__net_wait(int fd, bool want_write, uint32_t timeout_ms);
/** True when the peer has ended its side, also while bytes wait to be read. */
bool tm__net_has_ended(int fd);
void tm__net_close(int fd);
/** Raise the limit of open files as far as the system allows; returns it. tm__net_accept() gives -1
 * at the limit, so keep fewer connections than that. */
uint64_t tm__net_raise_limit(void);

typedef struct tm_poller tm_poller;
typedef struct tm_poll_event {
    uint64_t tag;
    bool can_read, can_write, is_closed;
} tm_poll_event;
tm_poller *tm__poller_create(void);
/** Watch or change what is watched (level-triggered); false when the system refuses. */
bool tm__poller_set(tm_poller *poller, int fd, uint64_t tag, bool want_read, bool want_write);
void tm__poller_remove(tm_poller *poller, int fd);
/** Number of events, 0 on timeout; timeout_ms -1 waits for ever. */
uint32_t tm__poller_wait(tm_poller *poller, tm_poll_event *out, uint32_t n_max, int timeout_ms);
void tm__poller_free(tm_poller *poller);

/** An fd that becomes readable when another thread calls tm__wake_signal(). */
int tm__wake_open(void);
void tm__wake_signal(int fd);
void tm__wake_reset(int fd);

/** Catch SIGINT, SIGTERM, SIGHUP; SIGPIPE is ignored. Returns the fd that becomes readable (signals
 * are read with tm__signal_next). */
int tm__signal_open(void);
/** Number of the next caught signal, 0 when none. */
int tm__signal_next(int fd);
/** For commands without a loop: the first SIGINT or SIGTERM sets *flag, the second ends the
 * process. */
void tm__signal_cancel(volatile _Atomic bool *flag, volatile _Atomic int *out_signal);

/** When a write failed with this errno because its reader has gone (`| head`): end the process
 * quietly, as the system does with one that writes in its main thread. Returns for other errors,
 * and where SIGPIPE is ignored. */
void tm__signal_pipe(int error);

bool tm__tty_is(int fd);
uint32_t tm__tty_width(int fd);  /* 80 when unknown */
uint32_t tm__tty_height(int fd); /* 0 when unknown */

#endif
