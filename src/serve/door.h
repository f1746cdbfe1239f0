/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the server listens and whom it lets in: addresses, TLS, the proxy before it. An address
 * that others can reach is opened only with a key to ask for and with TLS, or behind a named proxy
 * that does TLS.
 */
#ifndef TM_SERVE_DOOR_H
#define TM_SERVE_DOOR_H

#include "base/tls.h"
#include "serve/conn.h"

typedef struct tm_door tm_door;

/** has_key: there is one that is valid. Refused configurations name the flag that would do. */
TM_NODISCARD tm_status tm__door_open(const tm_serve_options *options, bool has_key, tm_door **out,
                                     tm_err *err);
/** "127.0.0.1:8080", "unix:PATH"; valid until the door is freed. */
const char *tm__door_address(const tm_door *door);
/** Address, names and origins, as long as the door. */
tm_access_place tm__door_place(const tm_door *door);
bool tm__door_has_tls(const tm_door *door);
/** The socket to watch; -1 once closed. */
int tm__door_fd(const tm_door *door);

typedef enum tm_door_result {
    TM_DOOR_NOBODY, /* nobody waits */
    TM_DOOR_SENT_AWAY,
    TM_DOOR_LET_IN /* out is filled; its tls is a reference, its texts live as long as the door's
                      next call */
} tm_door_result;
/** Take one connection. Acceptor's thread. */
tm_door_result tm__door_accept(tm_door *door, tm_accepted *out);

/** Read certificate and key anew when the files changed, or in any case; what cannot be used is
 * logged, and what is in use stays. One thread, beside the acceptor's. */
void tm__door_reload(tm_door *door, bool in_any_case, const tm_log *log);
/** Listen no more. Acceptor's thread. */
void tm__door_shut(tm_door *door);
void tm__door_free(tm_door *door);

#endif
