/* SPDX-License-Identifier: Apache-2.0 */
/* Who made a file: Ed25519 (RFC 8032). A signing key stays in its home, its public key goes where
 * its files are trusted. Any thread. */
#ifndef TM_GUARD_SIGN_H
#define TM_GUARD_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TM_PUBLIC_KEY_BYTES 32u
#define TM_SIGNATURE_BYTES 64u
#define TM_PUBLIC_KEY_TEXT 73 /* "ed25519:", 64 hexadecimal digits and a NUL */

typedef struct tm_public_key {
    uint8_t bytes[TM_PUBLIC_KEY_BYTES];
} tm_public_key;
typedef struct tm_signature {
    uint8_t bytes[TM_SIGNATURE_BYTES];
} tm_signature;
typedef struct tm_signing_key {
    uint8_t seed[32]; /* the secret */
    tm_public_key public_key;
} tm_signing_key;

/** A fresh one from the operating system's random bytes. */
void tm__signing_key_create(tm_signing_key *out);
/** The key of a stored seed. */
void tm__signing_key_from_seed(const uint8_t seed[32], tm_signing_key *out);
/** Overwrite it. */
void tm__signing_key_done(tm_signing_key *key);
void tm__sign(const tm_signing_key *key, const void *data, size_t len, tm_signature *out);
/** True when the key's owner signed just these bytes. */
bool tm__signature_check(const tm_public_key *key, const void *data, size_t len,
                         const tm_signature *signature);
void tm__public_key_to_text(const tm_public_key *key, char out[TM_PUBLIC_KEY_TEXT]);
/** False for a text that is none, and for a point of small order, for which anybody can sign. */
bool tm__public_key_from_text(const char *text, tm_public_key *out);

#endif
