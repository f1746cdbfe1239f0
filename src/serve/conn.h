/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of the loop: bytes in, exchanges, bytes out, deadlines. All on the loop's thread,
 * but for the exchange while the desk has it.
 */
#ifndef TM_SERVE_CONN_H
#define TM_SERVE_CONN_H

#include "base/net.h"
#include "serve/serve_priv.h"

typedef enum tm_conn_state {
    TM_CONN_OPEN,   /* reading and answering */
    TM_CONN_BUSY,   /* the desk has the exchange */
    TM_CONN_LINGER, /* all is said; what still comes is read and dropped, so that the reply
                       arrives before a reset does */
    TM_CONN_DEAD    /* no socket any more; waits for the desk or for its end */
} tm_conn_state;

typedef struct tm_conn tm_conn;

/* What connections share with their loop. */
typedef struct tm_conns {
    tm_poller *poller;
    tm_serve_limits limits;
    const tm_log *log;
    const char *address;
    tm_current *current; /* what requests that begin now are answered from */
    tm_desk *desk;
    void (*post)(void *arg, tm_conn *conn); /* hand an exchange to the desk */
    void *post_arg;
    char *scratch; /* [TM_CONN_READ_BYTES] */
    tm_conn *first;
    uint32_t n;
    uint64_t body_bytes; /* held by all requests being read */
    uint64_t now_ns;     /* of this turn of the loop */
    bool is_stopping;    /* replies close their connections */
} tm_conns;

#define TM_CONN_READ_BYTES 65536u

struct tm_conn {
    tm_conn *prev, *next; /* of conns->first */
    tm_conn *next_job;    /* the desk's */
    tm_conns *conns;
    int fd;
    tm_conn_state state;
    bool peer_is_loopback;
    bool is_fresh; /* no request yet */
    bool was_busy; /* DEAD: the desk still has it */
    bool at_end;   /* the peer will send no more */
    bool close_after_flush;
    bool is_watched, want_read, want_write;
    tm_http http;
    tm_buf pending; /* came, not yet parsed: while BUSY, or while the peer does not read */
    tm_buf out;
    size_t out_pos;
    uint64_t body_counted;
    uint64_t deadline_ns;
    uint64_t body_since_ns;
    tm_exchange x;
};

/** Take over a socket; closed at once when memory is out. */
void tm__conn_open(tm_conns *conns, int fd, const char *peer);
/** What the poller saw. The connection may be gone afterwards. */
void tm__conn_event(tm_conn *conn, const tm_poll_event *event);
/** The desk answered the exchange. */
void tm__conn_answered(tm_conn *conn);
/** End connections whose time is over. */
void tm__conns_sweep(tm_conns *conns);
/** End connections that wait for a request (the server stops). */
void tm__conns_close_idle(tm_conns *conns);
/** End all; none may be with the desk. */
void tm__conns_close_all(tm_conns *conns);

#endif
