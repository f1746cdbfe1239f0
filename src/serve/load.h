/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A load on a server: closed loop (each connection asks again when it has its answer) or open loop
 * (requests are due at a fixed rate, whatever the server does). In the open loop a latency counts
 * from the time at which its request was due, not from when a connection was free to send it: a
 * server that stalls is charged for all who would have come meanwhile (coordinated omission). One
 * thread; it spins while something is due soon. Not for other servers: as tm_client.
 */
#ifndef TM_SERVE_LOAD_H
#define TM_SERVE_LOAD_H

#include <stdint.h>

#include "base/buf.h"
#include "tidemill/err.h"

/* What a version must answer: the rows of all bodies in turn. */
#define TM_LOAD_VERSIONS_MAX 8u
typedef struct tm_load_expected {
    uint32_t version;
    const double *answers; /* [n_bodies x n_rows] */
} tm_load_expected;

typedef struct tm_load_options {
    const char *address; /* "127.0.0.1:8080", "unix:PATH" */
    const char *key;     /* NULL: none */
    const char *path;
    const tm_buf *bodies; /* [n_bodies] JSON, sent in turn */
    uint32_t n_bodies;
    uint32_t connections; /* at most so many requests are under way */
    double rate;          /* requests a second, over all connections; 0: closed loop */
    double seconds;
    /* Check that every answer is, to the bit, that of the version which the reply names. */
    const tm_load_expected *expected; /* [n_expected]; NULL: nothing is checked */
    uint32_t n_expected, n_rows;      /* rows of each body */
    const char *member;               /* of an answer: "probability", "prediction" */
} tm_load_options;

enum { TM_LOAD_P50, TM_LOAD_P90, TM_LOAD_P99, TM_LOAD_P999, TM_LOAD_MAX, TM_LOAD_N_POINTS };
typedef struct tm_load_report {
    double seconds;     /* from the first request to the last answer */
    uint64_t n_ok;      /* 2xx */
    uint64_t n_refused; /* 429 and 503 */
    uint64_t n_failed;  /* other statuses */
    uint64_t n_lost;    /* sent, and the connection broke or the end came */
    uint64_t n_by_version[TM_LOAD_VERSIONS_MAX]; /* of n_ok: right answers of expected[i] */
    uint64_t n_wrong;  /* of n_ok: other bits than the version has, or a version not expected */
    uint64_t n_unsent; /* open loop: due, and no connection was free until the end */
    double ok_ms[TM_LOAD_N_POINTS];      /* latency of n_ok */
    double refused_ms[TM_LOAD_N_POINTS]; /* and of n_refused */
} tm_load_report;

/** Run it. TM_E_UNAVAILABLE when no connection can be made at the start. */
TM_NODISCARD tm_status tm__load_run(const tm_load_options *options, tm_load_report *out,
                                    tm_err *err);

#endif
