/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of a worker: bytes in, exchanges, bytes out, deadlines. All on the worker's
 * thread, but for the exchange while another thread has it.
 */
#ifndef TM_SERVE_CONN_H
#define TM_SERVE_CONN_H

#include "base/net.h"
#include "base/tls.h"
#include "serve/published.h"
#include "serve/serve_priv.h"

typedef enum tm_conn_state {
    TM_CONN_OPEN,   /* reading and answering */
    TM_CONN_BUSY,   /* the desk or a batch thread has the exchange */
    TM_CONN_LINGER, /* all is said; what still comes is read and dropped, so that the reply
                       arrives before a reset does */
    TM_CONN_DEAD    /* no socket any more; waits for who has the exchange */
} tm_conn_state;

typedef struct tm_conn tm_conn;

/* Who answers an exchange that its worker does not. */
typedef enum tm_queue {
    TM_QUEUE_DESK,  /* it waits for a disk */
    TM_QUEUE_STUDY, /* it reads much, and others that wait for a disk would wait for it */
    TM_QUEUE_BATCH  /* it is so large that others would wait for it */
} tm_queue;
#define TM_QUEUES 3

/* What the connections of one worker share. */
typedef struct tm_conns {
    tm_poller *poller;
    tm_serve_limits limits;
    const tm_log *log;
    tm_access_place place;
    tm_published *published; /* the worker is in while it works */
    tm_desk *desk;
    void (*post)(void *arg, tm_conn *conn, tm_queue queue); /* hand an exchange over */
    /* True when a queue has room and its next turn comes within wait_ns_max. */
    bool (*can_take)(void *arg, tm_queue queue, uint64_t wait_ns_max);
    void *post_arg;
    bool has_access_log;
    tm_buf lines;  /* of the access log, until the end of the turn */
    char *scratch; /* [TM_CONN_READ_BYTES] */
    tm_conn *first;
    uint32_t n;
    _Atomic uint32_t *n_open;     /* this worker's, also those on their way to it */
    _Atomic uint64_t *body_bytes; /* of large bodies, of all workers */
    uint64_t now_ns;              /* of this turn of the loop */
    uint64_t ready_ns;            /* what is read in this turn came no earlier */
    bool is_stopping;             /* replies close their connections */
} tm_conns;

#define TM_CONN_READ_BYTES 65536u

/* A socket that was let in. */
typedef struct tm_accepted {
    int fd;
    const char *peer; /* address */
    tm_tls *tls;      /* a reference; NULL: plain */
    bool is_local;    /* from this machine, and nobody passes it on for others */
} tm_accepted;

struct tm_conn {
    tm_conn *prev, *next; /* of conns->first */
    tm_conn *next_job;    /* of the queue it is in */
    tm_conns *conns;
    int fd;
    tm_conn_state state;
    tm_tls_conn *tls; /* NULL: plain */
    char peer[64];
    uint32_t caller; /* tm__requests_caller() of it */
    bool is_local;
    bool is_fresh; /* no request yet */
    bool is_batch; /* BUSY: `out` belongs to the batch thread too */
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
    tm_key_memory key_memory;
    tm_match match;   /* of an earlier request, to this path */
    char matched[96]; /* [matched_len]; 0: none */
    uint32_t matched_len;
    tm_http_method matched_method;
    tm_exchange x;
};

/** Take over a socket and its reference; NULL, and they are let go, when memory is out. Any thread.
 */
tm_conn *tm__conn_create(tm_conns *conns, const tm_accepted *accepted);
/** Begin to serve it. From here on everything is on the worker's thread. */
void tm__conn_begin(tm_conn *conn);
/** What the poller saw. The connection may be gone afterwards. */
void tm__conn_event(tm_conn *conn, const tm_poll_event *event);
/** Another thread answered the exchange. */
void tm__conn_answered(tm_conn *conn);
/** End connections whose time is over. */
void tm__conns_sweep(tm_conns *conns);
/** End connections that wait for a request (the server stops). */
void tm__conns_close_idle(tm_conns *conns);
/** End all; none may be with another thread. */
void tm__conns_close_all(tm_conns *conns);

#endif
