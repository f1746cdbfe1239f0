/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/session.h"

#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "guard/guard.h"

#define COOKIE "tidemill_session"
#define TOKEN_LEN (TM_SESSION_TEXT - 1)
#define ADDRESSES 1024u /* cells of a hash: who shares one shares its tries */
#define MINUTE_NS UINT64_C(60000000000)

/* Invariant: a place is free exactly when opened_us is 0. Tokens are kept as hashes: memory that
 * leaks signs nobody in. */
typedef struct place {
    tm_hash token;
    char key_id[9];
    int64_t opened_us, seen_us;
} place;

struct tm_sessions {
    tm_mutex *lock;
    place places[TM_SESSIONS_MAX];
    _Atomic uint64_t tries[ADDRESSES];
    _Atomic uint64_t passwords;
};

tm_sessions *tm__sessions_create(void) {
    tm_sessions *const self = tm__mem_zalloc(1, sizeof *self);
    if (self != NULL && (self->lock = tm__mutex_create()) == NULL) {
        tm__mem_free(self);
        return NULL;
    }
    return self;
}

void tm__sessions_free(tm_sessions *sessions) {
    if (sessions != NULL) {
        tm__mutex_free(sessions->lock);
        tm__mem_free(sessions);
    }
}

static uint32_t take_try(uint64_t n, _Atomic uint64_t *used, uint64_t now_ns) {
    const tm_rate rate = {n, MINUTE_NS};
    return (uint32_t)((tm__rate_take(&rate, used, now_ns) + 999999999) / 1000000000);
}

uint32_t tm__sessions_try(tm_sessions *sessions, uint32_t caller, uint64_t now_ns) {
    return take_try(TM_SIGN_INS_MAX, &sessions->tries[caller % ADDRESSES], now_ns);
}

uint32_t tm__sessions_try_password(tm_sessions *sessions, uint64_t now_ns) {
    return take_try(TM_PASSWORDS_MAX, &sessions->passwords, now_ns);
}

/* The token that a Cookie header has for us; len 0: none that could be one. */
static tm_str token_of(tm_str cookie) {
    while (cookie.len > 0) {
        tm_str pair = tm__str_trim(tm__str_cut(&cookie, ';'));
        const tm_str name = tm__str_cut(&pair, '=');
        if (tm__str_is(name, COOKIE) && pair.len == TOKEN_LEN) {
            return pair;
        }
    }
    return (tm_str){"", 0};
}

static bool is_over(const place *p, int64_t now_us) {
    return p->opened_us == 0 || now_us - p->seen_us > TM_SESSION_IDLE_US ||
           now_us - p->opened_us > TM_SESSION_LIFE_US || now_us < p->opened_us;
}

static place *find_locked(tm_sessions *sessions, const tm_hash *token) {
    for (uint32_t i = 0; i < TM_SESSIONS_MAX; i++) {
        place *const p = &sessions->places[i];
        if (p->opened_us != 0 && tm__hash_eq(&p->token, token)) {
            return p;
        }
    }
    return NULL;
}

void tm__sessions_begin(tm_sessions *sessions, const char *key_id, int64_t now_us,
                        char out_token[TM_SESSION_TEXT]) {
    tm_hash secret;
    tm__random_bytes(&secret, sizeof secret);
    tm__hash_to_text(&secret, out_token);
    tm__mutex_lock(sessions->lock);
    place *best = &sessions->places[0];
    for (uint32_t i = 0; i < TM_SESSIONS_MAX; i++) {
        place *const p = &sessions->places[i];
        if (is_over(p, now_us)) {
            best = p;
            break;
        }
        best = p->seen_us < best->seen_us ? p : best;
    }
    *best = (place){.opened_us = now_us, .seen_us = now_us};
    tm__hash_bytes(out_token, TOKEN_LEN, &best->token);
    (void)tm__str_copy(best->key_id, sizeof best->key_id, tm__str(key_id));
    tm__mutex_unlock(sessions->lock);
}

bool tm__sessions_find(tm_sessions *sessions, tm_str cookie, int64_t now_us, char out_key_id[9]) {
    const tm_str token = token_of(cookie);
    tm_hash hash;
    if (token.len == 0) {
        return false;
    }
    tm__hash_bytes(token.ptr, token.len, &hash);
    tm__mutex_lock(sessions->lock);
    place *const p = find_locked(sessions, &hash);
    const bool is_good = p != NULL && !is_over(p, now_us);
    if (is_good) {
        p->seen_us = now_us;
        memcpy(out_key_id, p->key_id, sizeof p->key_id);
    } else if (p != NULL) {
        *p = (place){0};
    }
    tm__mutex_unlock(sessions->lock);
    return is_good;
}

void tm__sessions_end(tm_sessions *sessions, tm_str cookie) {
    const tm_str token = token_of(cookie);
    tm_hash hash;
    tm__hash_bytes(token.ptr, token.len, &hash);
    tm__mutex_lock(sessions->lock);
    place *const p = find_locked(sessions, &hash);
    if (p != NULL) {
        *p = (place){0};
    }
    tm__mutex_unlock(sessions->lock);
}

void tm__session_csrf(tm_str cookie, char out[TM_SESSION_TEXT]) {
    static const char what[] = "csrf token of a session";
    const tm_str token = token_of(cookie);
    tm_hash key, value;
    tm__hash_bytes(token.ptr, token.len, &key);
    tm__hash_keyed(&key, what, sizeof what - 1, &value);
    tm__hash_to_text(&value, out);
}

bool tm__session_is_csrf(tm_str cookie, tm_str presented) {
    char want[TM_SESSION_TEXT], text[TM_SESSION_TEXT];
    tm_hash a, b;
    tm__session_csrf(cookie, want);
    return presented.len == TOKEN_LEN && tm__str_copy(text, sizeof text, presented) &&
           tm__hash_from_text(text, &a) && tm__hash_from_text(want, &b) && tm__hash_eq(&a, &b);
}
