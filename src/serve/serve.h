/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server: one epoll loop, llhttp, bounded everything. Routes, permissions and documents
 * come from api/http/. Not for TLS yet.
 */
#ifndef TM_SERVE_SERVE_H
#define TM_SERVE_SERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "store/home.h"
#include "tidemill/err.h"

typedef struct tm_server tm_server;

typedef struct tm_serve_options {
    const char *listen; /* "127.0.0.1:8080"; not loopback needs a key to exist */
    const tm_log *log;
    /* called every time the loop wakes or at the interval it returned; NULL: none. For `tidemill
     * run`. */
    uint32_t (*tick)(void *arg);
    void *tick_arg;
} tm_serve_options;

/** Open home, registry and monitor, load the champions, listen. TM_E_CONFLICT when another server
 * holds the home. */
TM_NODISCARD tm_status tm__server_open(const tm_home *home, const tm_serve_options *options,
                                       tm_server **out, tm_err *err);
/** Address in use, "127.0.0.1:8080". */
const char *tm__server_address(const tm_server *server);
/** Serve until SIGINT or SIGTERM: readyz fails, requests in flight end, then it returns the
 * signal's number in *out_signal. */
TM_NODISCARD tm_status tm__server_run(tm_server *server, int *out_signal, tm_err *err);
void tm__server_close(tm_server *server);

#endif
