/* SPDX-License-Identifier: Apache-2.0 */
/* A running server with two versions of a tiny model, and a client, in one process. */
#ifndef TM_SUPPORT_SERVE_CASE_H
#define TM_SUPPORT_SERVE_CASE_H

#include "base/buf.h"
#include "base/pool.h"
#include "guard/guard.h"
#include "registry/registry.h"
#include "serve/serve.h"

typedef struct serve_case {
    tm_home *home; /* borrowed */
    tm_server *server;
    tm_registry *registry; /* the test's own, as the command line has */
    tm_thread *thread;
    int signal;
    tm_buf reply;
    uint32_t status;
    const char *headers; /* of the last call: the whole reply */
    const char *body;
} serve_case;

/** Register two versions of "tiny" (inputs x, c, day; classes no, yes) and start. */
void serve_case_open(serve_case *c, tm_home *home, const tm_serve_limits *limits);
void serve_case_close(serve_case *c);
/** A key of a role, stored in the registry. */
void serve_case_key(serve_case *c, tm_guard_role role, tm_key *out);
/** Same, and the running server knows it; the role must be one that reads. */
void serve_case_key_seen(serve_case *c, tm_guard_role role, tm_key *out);
/** One request on a connection of its own; key may be NULL. Gives the status. */
uint32_t serve_case_call(serve_case *c, const char *target, const char *body, const char *key);
/** Same with a body of any bytes; headers are whole lines, and say what it is. */
uint32_t serve_case_send(serve_case *c, const char *target, const char *headers, const void *body,
                         size_t len);
/** Fill in what a machine that stands still for a while would run into: with it nobody is late but
 * for what limits say. NULL limits: no other. */
tm_serve_limits serve_case_patient(const tm_serve_limits *limits);
/** Send bytes and read until the server closes or timeout_ms passed; the whole is in c->reply. */
void serve_case_raw(serve_case *c, const char *bytes, size_t len, uint32_t timeout_ms);
/** Wait until predictions come from a version; false when they do not within a second. */
bool serve_case_wait_version(serve_case *c, uint32_t version, const char *key);

#endif
