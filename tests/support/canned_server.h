/* SPDX-License-Identifier: Apache-2.0 */
/* A server on loopback that gives prepared answers, one a connection, and keeps what it was asked.
 */
#ifndef TM_SUPPORT_CANNED_SERVER_H
#define TM_SUPPORT_CANNED_SERVER_H

#include <stdint.h>

#define CANNED_MAX 16u
#define CANNED_REQUEST 8192u

typedef struct canned_server canned_server;

#define CANNED_SILENCE                                                                             \
    "\x01" /* at the end of an answer: it stands open until the client has enough */

/** answers [n]: bytes as they go out; the connection ends behind each. */
canned_server *canned_server_open(const char *const *answers, uint32_t n);
uint32_t canned_server_port(const canned_server *server);
/** Requests so far, and the text of one. */
uint32_t canned_server_count(const canned_server *server);
const char *canned_server_request(const canned_server *server, uint32_t number);
/** Write the file of credentials with which it is an S3 server. */
void canned_server_credentials(const canned_server *server, const char *path);
void canned_server_close(canned_server *server);

#endif
