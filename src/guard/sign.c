/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/sign.h"

#include <sodium.h>
#include <string.h>

#include "base/hash.h"

#define PREFIX "ed25519:"

_Static_assert(TM_SIGNATURE_BYTES == crypto_sign_BYTES, "as libsodium has it");
_Static_assert(TM_PUBLIC_KEY_BYTES == crypto_sign_PUBLICKEYBYTES, "as libsodium has it");

void tm__signing_key_from_seed(const uint8_t seed[32], tm_signing_key *out) {
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    tm_signing_key key;
    memcpy(key.seed, seed, sizeof(key.seed));
    (void)crypto_sign_seed_keypair(key.public_key.bytes, secret, seed);
    sodium_memzero(secret, sizeof(secret));
    *out = key;
}

void tm__signing_key_create(tm_signing_key *out) {
    uint8_t seed[32];
    randombytes_buf(seed, sizeof(seed));
    tm__signing_key_from_seed(seed, out);
    sodium_memzero(seed, sizeof(seed));
}

void tm__signing_key_done(tm_signing_key *key) {
    sodium_memzero(key, sizeof(*key));
}

void tm__sign(const tm_signing_key *key, const void *data, size_t len, tm_signature *out) {
    uint8_t secret[crypto_sign_SECRETKEYBYTES], public_key[crypto_sign_PUBLICKEYBYTES];
    (void)crypto_sign_seed_keypair(public_key, secret, key->seed);
    (void)crypto_sign_detached(out->bytes, NULL, data, len, secret);
    sodium_memzero(secret, sizeof(secret));
}

bool tm__signature_check(const tm_public_key *key, const void *data, size_t len,
                         const tm_signature *signature) {
    return crypto_sign_verify_detached(signature->bytes, data, len, key->bytes) == 0;
}

void tm__public_key_to_text(const tm_public_key *key, char out[TM_PUBLIC_KEY_TEXT]) {
    tm_hash hex;
    memcpy(hex.bytes, key->bytes, TM_HASH_BYTES);
    memcpy(out, PREFIX, sizeof(PREFIX) - 1);
    tm__hash_to_text(&hex, out + sizeof(PREFIX) - 1);
}

bool tm__public_key_from_text(const char *text, tm_public_key *out) {
    const size_t skip = sizeof(PREFIX) - 1;
    uint8_t curve[crypto_scalarmult_curve25519_BYTES];
    tm_hash hex;
    if (strncmp(text, PREFIX, skip) != 0 || !tm__hash_from_text(text + skip, &hex) ||
        crypto_sign_ed25519_pk_to_curve25519(curve, hex.bytes) != 0) {
        return false;
    }
    memcpy(out->bytes, hex.bytes, TM_PUBLIC_KEY_BYTES);
    return true;
}
