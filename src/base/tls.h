/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of TLS 1.3 over a connected, non-blocking socket, by OpenSSL,
 * which is opened when it is first asked for. Earlier versions
 * are not offered: every client that can verify a certificate of today has had 1.3 for years. Bytes
 * pass tm__net_read() and tm__net_write(). Not for clients.
 */
#ifndef TM_BASE_TLS_H
#define TM_BASE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemill/err.h"

typedef struct tm_tls tm_tls;           /* certificate and key; shared by count */
typedef struct tm_tls_conn tm_tls_conn; /* of one socket; its owner's thread */

typedef struct tm_tls_options {
    const char *cert_file;      /* PEM: the certificate, then those between it and the root */
    const char *key_file;       /* PEM, without a password */
    const char *client_ca_file; /* PEM; clients must show a certificate of these. NULL: none */
} tm_tls_options;
/** Read the files. TM_E_DATA when they are no certificate or do not belong together. */
TM_NODISCARD tm_status tm__tls_open(const tm_tls_options *options, tm_tls **out, tm_err *err);
tm_tls *tm__tls_ref(tm_tls *tls);
void tm__tls_unref(tm_tls *tls);

/** NULL when memory is out. The socket stays the caller's. */
tm_tls_conn *tm__tls_accept(tm_tls *tls, int fd);
#define TM_TLS_READ_BYTES 49152u
/** As tm__net_read() and tm__net_write(); the handshake happens inside. One read gives what one
 * read of the socket brought, and nothing that is whole stays behind in here: len is
 * TM_TLS_READ_BYTES or more, of which the end is used on the way. */
int64_t tm__tls_read(tm_tls_conn *conn, void *out, size_t len);
int64_t tm__tls_write(tm_tls_conn *conn, const void *data, size_t len);
/** True when the end came with the last bytes: the poller may not tell it any more. */
bool tm__tls_is_over(const tm_tls_conn *conn);
/** True when the last read can go on only when the socket can be written to. */
bool tm__tls_wants_write(const tm_tls_conn *conn);
/** Say that nothing more comes. */
void tm__tls_finish(tm_tls_conn *conn);
void tm__tls_free(tm_tls_conn *conn);
/** "OpenSSL 3.0.15 ..." of the library, which is opened for it; TM_E_UNAVAILABLE when there is
 * none.
 */
TM_NODISCARD tm_status tm__tls_version(const char **out_version, tm_err *err);

#endif
