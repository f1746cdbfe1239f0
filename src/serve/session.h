/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is signed in by a browser: a key is shown once, and from then on a cookie stands for it that
 * scripts cannot read. What a session may is what its key may, at the moment of each request: a
 * revoked key ends its sessions. They live in memory, so a restart of the server ends them too.
 */
#ifndef TM_SERVE_SESSION_H
#define TM_SERVE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/str.h"

#define TM_SESSION_IDLE_US (INT64_C(1800) * 1000000)  /* without a request: half an hour */
#define TM_SESSION_LIFE_US (INT64_C(43200) * 1000000) /* in all: twelve hours */
#define TM_SESSION_TEXT 65u                           /* of a token: 64 digits and NUL */
#define TM_SESSIONS_MAX 256u
#define TM_SIGN_INS_MAX 10u  /* of one address in a minute, right or wrong */
#define TM_PASSWORDS_MAX 60u /* of all addresses in a minute: one is up to 100 ms of the desk */

typedef struct tm_sessions tm_sessions;
/** NULL when out of memory. */
tm_sessions *tm__sessions_create(void);
void tm__sessions_free(tm_sessions *sessions);

/** 0, or seconds until this address may try again; counts as a try. Any thread. */
uint32_t tm__sessions_try(tm_sessions *sessions, uint32_t caller, uint64_t now_ns);
/** 0, or seconds until a password may be tried again, by anybody; counts as a try. Any thread. */
uint32_t tm__sessions_try_password(tm_sessions *sessions, uint64_t now_ns);
/** Begin one for a key; when all places are taken, the one idle for longest ends. Any thread. */
void tm__sessions_begin(tm_sessions *sessions, const char *key_id, int64_t now_us,
                        char out_token[TM_SESSION_TEXT]);
/** The key of the session that a Cookie header names, which counts as seen now; false when there is
 * none, or it is over. Any thread. */
bool tm__sessions_find(tm_sessions *sessions, tm_str cookie, int64_t now_us, char out_key_id[9]);
void tm__sessions_end(tm_sessions *sessions, tm_str cookie);
/** What a page of this session sends with whatever changes state, and no other page can know. */
void tm__session_csrf(tm_str cookie, char out[TM_SESSION_TEXT]);
/** True when a header holds it. Constant time. */
bool tm__session_is_csrf(tm_str cookie, tm_str presented);

#endif
