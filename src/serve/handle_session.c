/* SPDX-License-Identifier: Apache-2.0 */
/* Sign-in of a browser by a key or by name and password (on the desk, for a password is hashed
 * slowly), who is signed in, and the end of it. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "serve/conn.h"
#include "serve/handle.h"
#include "serve/session.h"

static const tm_permission shown[] = {
    TM_PERMISSION_READ,  TM_PERMISSION_PREDICT, TM_PERMISSION_LABEL, TM_PERMISSION_INGEST,
    TM_PERMISSION_TRAIN, TM_PERMISSION_PROMOTE, TM_PERMISSION_AUDIT, TM_PERMISSION_ADMIN};

static const tm_conn *conn_of(const tm_exchange *x) {
    return (const tm_conn *)(const void *)((const char *)x - offsetof(tm_conn, x));
}

/* What this caller may; without keys, what this machine may. */
static json_t *list_permissions(const tm_exchange *x, const tm_known_key *key) {
    json_t *const out = json_array();
    const bool is_open = !x->current->keyring.ever && conn_of(x)->is_local;
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        if (key != NULL ? tm__guard_role_can(key->role, shown[i])
                        : is_open && shown[i] <= TM_PERMISSION_READ) {
            json_array_append_new(out, json_string(tm__permission_text(shown[i])));
        }
    }
    return out;
}

static void reply_session(tm_exchange *x, const tm_known_key *key, tm_str cookie) {
    char csrf[TM_SESSION_TEXT] = "";
    if (key != NULL) {
        tm__session_csrf(cookie, csrf);
    }
    tm__reply_json(
        x, json_pack("{s:b, s:s?, s:s?, s:o, s:s?, s:s?}", "needs_login",
                     key == NULL && x->current->keyring.ever, "key", key != NULL ? key->id : NULL,
                     "role", key != NULL ? tm__guard_role_text(key->role) : NULL, "can",
                     list_permissions(x, key), "models", key != NULL ? key->models : NULL, "csrf",
                     key != NULL ? csrf : NULL));
}

void tm__handle_session(tm_exchange *x) {
    const tm_str cookie = x->http->fields[TM_HTTP_COOKIE];
    const int64_t now_us = tm__now_us();
    char id[9];
    const tm_known_key *key = NULL;
    if (cookie.ptr != NULL && tm__sessions_find(x->desk->sessions, cookie, now_us, id)) {
        key = tm__access_key(&x->current->keyring, id, now_us);
    }
    reply_session(x, key, cookie);
}

/* A cookie that is sent in clear could be read on its way; a proxy's TLS shows in the page's
 * origin. */
static bool is_secure(const tm_exchange *x) {
    return conn_of(x)->tls != NULL ||
           tm__str_has_prefix(x->http->fields[TM_HTTP_ORIGIN], "https://");
}

static void set_cookie(tm_exchange *x, const char *token, int64_t seconds) {
    (void)snprintf(x->head_own, sizeof x->head_own,
                   "Set-Cookie: tidemill_session=%s; Path=/; HttpOnly; SameSite=Strict; "
                   "Max-Age=%lld%s\r\n",
                   token, (long long)seconds, is_secure(x) ? "; Secure" : "");
}

static void refuse_rate(tm_exchange *x, const char *what) {
    tm__problem_reply(x, 429, "rate", what, "Retry-After says when to try again.");
}

/* The key that a body names, or whose name and password it has; NULL with the exchange answered. */
static const tm_known_key *find_presented(tm_exchange *x, const json_t *body, int64_t now_us) {
    const tm_keyring *const keys = &x->current->keyring;
    const char *const key = tm__json_text(body, "key", NULL);
    const char *const name = tm__json_text(body, "name", NULL);
    const char *const password = tm__json_text(body, "password", NULL);
    const bool is_person = name != NULL && password != NULL && key == NULL;
    if (!is_person && (key == NULL || json_object_size(body) != 1)) {
        tm__problem_reply(x, 400, "bad-request", "sign-in wants a key, or a name and a password",
                          "Send {\"key\": \"tm_...\"}, or {\"name\": ..., \"password\": ...}.");
        return NULL;
    }
    if (is_person &&
        (x->retry_after_s = tm__sessions_try_password(x->desk->sessions, tm__mono_ns())) > 0) {
        refuse_rate(x, "too many passwords are tried");
        return NULL;
    }
    const tm_known_key *const found =
        is_person ? tm__access_find_person(keys, tm__str(name), tm__str(password), now_us)
                  : tm__access_find_key(keys, tm__str(key), now_us);
    if (found == NULL) {
        tm__problem_reply(x, 401, "no-valid-key",
                          is_person ? "the name or the password is wrong"
                                    : "the key is not valid, or no longer",
                          "'tidemill key create --role viewer' makes a key, with --name and "
                          "--password one for a person.");
    }
    return found;
}

void tm__handle_session_begin(tm_exchange *x) {
    static const char *const names[] = {"key", "name", "password", NULL};
    x->retry_after_s = tm__sessions_try(x->desk->sessions, conn_of(x)->caller, tm__mono_ns());
    if (x->retry_after_s > 0) {
        refuse_rate(x, "too many sign-ins from this address");
        return;
    }
    json_t *const body = tm__handle_object(x, names, false);
    const int64_t now_us = tm__now_us();
    const tm_known_key *const key = body == NULL ? NULL : find_presented(x, body, now_us);
    if (key != NULL) {
        char token[TM_SESSION_TEXT], cookie[96];
        tm__sessions_begin(x->desk->sessions, key->id, now_us, token);
        (void)snprintf(cookie, sizeof cookie, "tidemill_session=%s", token);
        reply_session(x, key, tm__str(cookie));
        set_cookie(x, token, TM_SESSION_LIFE_US / 1000000);
        tm_log_event(x->log, TM_INFO, "session.began", TM_FT("key", key->id));
    }
    json_decref(body);
}

void tm__handle_session_end(tm_exchange *x) {
    tm__sessions_end(x->desk->sessions, x->http->fields[TM_HTTP_COOKIE]);
    reply_session(x, NULL, (tm_str){"", 0});
    set_cookie(x, "", 0);
}
