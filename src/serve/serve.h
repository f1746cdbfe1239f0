/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server: epoll threads, llhttp, bounded everything. Routes, permissions and documents
 * come from api/http/.
 */
#ifndef TM_SERVE_SERVE_H
#define TM_SERVE_SERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "store/home.h"
#include "tidemill/err.h"

typedef struct tm_server tm_server;

#define TM_TICK_STOP UINT32_MAX

/* What one client may ask for. A field of 0 stands for its default, which is in serve/http.c. */
typedef struct tm_serve_limits {
    uint32_t header_bytes_max; /* request line and headers              */
    uint32_t target_bytes_max; /* path and query                        */
    uint32_t headers_max;
    uint64_t body_bytes_max;   /* one request                           */
    uint64_t bodies_bytes_max; /* all requests being read together      */
    uint32_t chunks_max;       /* of a chunked body                     */
    uint32_t rows_max;         /* in one prediction request             */
    uint32_t connections_max;
    uint32_t header_timeout_ms; /* first byte to end of headers          */
    uint32_t io_timeout_ms;     /* between bytes, in and out             */
    uint32_t idle_timeout_ms;   /* keep-alive without a request          */
    uint32_t wait_ms_max;       /* of a prediction for its turn: past it, 503 */
    uint32_t in_flight_max;     /* handed over and not answered, in each queue */
    uint32_t stop_delay_ms;     /* /readyz says no for this long before the listener closes */
    uint32_t stop_timeout_ms;   /* then requests in flight have this long */
} tm_serve_limits;

typedef struct tm_serve_options {
    const char *listen; /* "127.0.0.1:8080"; not loopback needs a key, and TLS or a proxy */
    const char *tls_cert, *tls_key; /* PEM files; both or neither */
    const char *tls_client_ca;      /* PEM: clients must show a certificate of these; NULL: none */
    const char *behind_proxy;       /* CIDR ranges: plain HTTP from there only; NULL: no proxy */
    const char *allow_hosts; /* names with commas that Host may give besides loopback's and the one
                                listened on; NULL: none */
    const char
        *allow_origins;    /* of web pages that may call it: "https://app.example"; NULL: none */
    uint32_t threads;      /* that answer; 0: one for each CPU */
    uint64_t memory_max;   /* bytes that models may hold, served and kept; 0: no limit */
    int64_t away_max_us;   /* that answers go on without PostgreSQL; 0: seven days */
    int64_t label_wait_us; /* that a label waits for its answer; 0: 90 days */
    const tm_log *log;
    struct tm_supervisor *supervisor; /* starts the readers of Parquet; NULL: none is read */
    const char *access_log;           /* a file that gets a line for each request; NULL: none */
    const char *log_policy; /* of models that declare none, as tm__log_terms_parse() reads it */
    /* called again and again, after as many milliseconds as it returned, from a thread of its own,
     * until it returns TM_TICK_STOP, which stops the server; NULL: none. For `tidemill run`. */
    uint32_t (*tick)(void *arg);
    void *tick_arg;
    /* Same, and never kept waiting by it: for who leads. */
    uint32_t (*beat)(void *arg);
    void *beat_arg;
    const struct tm_leader *leader; /* shown in status and metrics; NULL: `tidemill serve` */
    const tm_serve_limits *limits;  /* NULL: the defaults; tests make them small */
} tm_serve_options;

/** Open home, registry and monitor, load the champions, listen. TM_E_CONFLICT when another server
 * holds the home. */
TM_NODISCARD tm_status tm__server_open(const tm_home *home, const tm_serve_options *options,
                                       tm_server **out, tm_err *err);
/** Address in use, "127.0.0.1:8080". */
const char *tm__server_address(const tm_server *server);
bool tm__server_has_tls(const tm_server *server);
/** Number of routes that answer now. Any thread. */
uint32_t tm__server_routes(tm_server *server);
/** Serve until SIGINT or SIGTERM (SIGHUP: look at the home and open the access log anew): readyz
 * fails, requests in flight end, then it returns the signal's number in *out_signal. */
TM_NODISCARD tm_status tm__server_run(tm_server *server, int *out_signal, tm_err *err);
/** Ask a running server to end as a signal would (tests; any thread). *out_signal is then 0. */
void tm__server_stop(tm_server *server);
void tm__server_close(tm_server *server);

#endif
