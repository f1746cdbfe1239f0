/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may do what. Keys are random, shown once, stored as keyed BLAKE2b hashes; a role is a set of
 * permissions; every route and every changing command names one permission. Deny by default.
 * Storage of keys is registry's.
 */
#ifndef TM_GUARD_GUARD_H
#define TM_GUARD_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/str.h"
#include "tidemill/err.h"

typedef enum tm_permission {                           /* numbers are stored: never reuse one */
                             TM_PERMISSION_NONE = 0,   /* nobody: a route that was not given one */
                             TM_PERMISSION_PUBLIC = 1, /* health only */
                             TM_PERMISSION_PREDICT = 2,
                             TM_PERMISSION_LABEL = 3,
                             TM_PERMISSION_READ = 4, /* models, history, metrics, status */
                             TM_PERMISSION_PROMOTE = 5,
                             TM_PERMISSION_TRAIN = 6,
                             TM_PERMISSION_ADMIN = 7, /* keys */
                             TM_PERMISSION_INGEST = 8,
                             TM_PERMISSION_AUDIT = 9, /* keys and the whole story, to read */
                             TM_PERMISSION_LOGIN = 10 /* sign-in of a page of this server: no key,
                                                         and no role has it */
} tm_permission;
const char *tm__permission_text(tm_permission permission);

typedef enum tm_guard_role {
    TM_GUARD_NOBODY = 0,
    TM_GUARD_CLIENT = 1,
    TM_GUARD_VIEWER = 2,
    TM_GUARD_OPERATOR = 3,
    TM_GUARD_ADMIN = 4,
    TM_GUARD_ANALYST = 5,
    TM_GUARD_TRAINER = 6,
    TM_GUARD_DEPLOYER = 7,
    TM_GUARD_AUDITOR = 8
} tm_guard_role;
/* What each may do is in api/roles.json. */
const char *tm__guard_role_text(tm_guard_role role);
tm_guard_role tm__guard_role_from_text(const char *text);
bool tm__guard_role_can(tm_guard_role role, tm_permission permission);

#define TM_KEY_TEXT 56 /* "tm_" + id (8) + "_" + secret (43, base64url) + NUL */
typedef struct tm_key {
    char text[TM_KEY_TEXT]; /* shown once */
    char id[9];             /* public part: names the key in lists and the audit */
    tm_hash hash;           /* of the whole text */
} tm_key;
/** A fresh key from the operating system's random bytes. */
void tm__key_create(tm_key *out);
/** Overwrite it. */
void tm__key_done(tm_key *key);
/** Id and hash of a presented key; false when it does not look like one. */
bool tm__key_parse(tm_str text, tm_key *out);

/* A key that a person's name and password stand for. Its secret is argon2id of the password
 * (19 MiB, two passes, one lane: the least that OWASP's cheat sheet on storing passwords allows),
 * salted with its id; what is stored of it is sealed as of any key. Ids of such keys, and of no
 * others made since, begin with '_'. */
#define TM_PASSWORD_BYTES_MIN 15u /* NIST SP 800-63B-4, 3.1.1.2, for one factor */
#define TM_PASSWORD_BYTES_MAX 1024u
/** A fresh id for one. */
void tm__password_id_create(char out_id[9]);
bool tm__password_is_id(const char *id);
/**
 * The key of an id and a password.
 *
 * Errors:  TM_E_INVALID (length of the password), TM_E_NOMEM; out_key untouched.
 * Threads: any. Cost: 19 MiB and 20 to 100 ms of one core.
 */
TM_NODISCARD tm_status tm__password_key(const char *id, tm_str password, tm_key *out_key,
                                        tm_err *err);

/* What the stored hashes of keys are made with; beside the database, so that a copy of one is not
 * enough to check a guess or to put in a key of one's own. */
typedef struct tm_server_key {
    tm_hash secret;
} tm_server_key;
/** A fresh one from the operating system's random bytes. */
void tm__server_key_create(tm_server_key *out);
/** Overwrite it. */
void tm__server_key_done(tm_server_key *server);
/** What tells a server key from others without saying anything of it. */
void tm__server_key_check(const tm_server_key *server, tm_hash *out);
/** What is stored of a key: the keyed hash of its hash. */
void tm__key_seal(const tm_server_key *server, const tm_hash *hash, tm_hash *out);
/** True when a presented key is the one of which this was stored. Constant time. */
bool tm__key_matches(const tm_server_key *server, const tm_key *presented, const tm_hash *stored);

/* A key that was just found good, so that the next request with it need not be hashed. */
typedef struct tm_key_memory {
    char text[TM_KEY_TEXT];
    uint64_t ring;  /* which keys it was found among; 0: none is remembered */
    uint32_t index; /* among them */
} tm_key_memory;
/** True when a text is the key remembered. Constant time. */
bool tm__key_is_remembered(const tm_key_memory *memory, uint64_t ring, tm_str text);
void tm__key_remember(tm_key_memory *memory, const tm_key *key, uint64_t ring, uint32_t index);
/** Overwrite it. */
void tm__key_forget(tm_key_memory *memory);

/* What a key may do, beside its role. */
typedef struct tm_key_terms {
    tm_guard_role role;
    const char *name;   /* whose it is; NULL: not said */
    const char *models; /* names with commas; NULL or empty: all */
    const char *rates;  /* "100/s,100000/day"; NULL or empty: no limit */
    int64_t expires_us; /* 0: never */
} tm_key_terms;
/** True when a list of models is empty or names this one. */
bool tm__key_models_have(const char *models, tm_str model);

/* So many in a period, and at most as many at once after a pause. */
typedef struct tm_rate {
    uint64_t n;
    uint64_t period_ns;
} tm_rate;
#define TM_KEY_RATES_MAX 2u
/** "100/s", "5000/min", "20000/h", "100000/day"; two of them with a comma. An empty text is none.
 */
bool tm__rates_parse(tm_str text, tm_rate out[TM_KEY_RATES_MAX], uint32_t *out_n);
/** Take one: 0, or nanoseconds until there is one again. state begins as 0. Any thread. */
uint64_t tm__rate_take(const tm_rate *rate, _Atomic uint64_t *state, uint64_t now_ns);

/** A random id for a prediction, request or job: 26 characters, sorts by time (48 bits of ms, 80
 * random bits, Crockford base 32). out holds 27 bytes. */
void tm__id_create(char *out);
/* For many ids: asks the system for random bytes once for some of them. Of one thread; zero at
 * first. */
#define TM_ID_RANDOM 10
#define TM_ID_BATCH 64
typedef struct tm_id_source {
    uint32_t n_left;
    uint8_t random[TM_ID_BATCH][TM_ID_RANDOM];
} tm_id_source;
void tm__id_next(tm_id_source *source, char *out);
/** The id of what belongs to an answer with this id: a function of it, and itself of its own. */
void tm__id_twin(const char *id, char out[27]);
/* An id that is a function of what it names, in place of random bits. */
typedef struct tm_id_parts {
    int64_t at_us;
    uint16_t high; /* of the 80 bits behind the time */
    uint64_t low;  /* ids of one time and `high` are in the order of `low` */
} tm_id_parts;
void tm__id_write(const tm_id_parts *parts, char *out);
/** When an id was made, to the millisecond; false for a text that is none. */
bool tm__id_time(tm_str id, int64_t *out_us);

#endif
