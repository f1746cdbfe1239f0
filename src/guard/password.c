/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>
#include <string.h>

#include "base/rng.h"
#include "guard/guard.h"

#define ID_BYTES 6u /* 8 characters of base64url */
#define SECRET_BYTES 32u
#define MEMORY_BYTES (19u << 20)
#define PASSES 2u
#define MARK '_'

void tm__password_id_create(char out_id[9]) {
    uint8_t random[ID_BYTES];
    tm__random_bytes(random, sizeof random);
    (void)sodium_bin2base64(out_id, 9, random, sizeof random,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    out_id[0] = MARK;
}

bool tm__password_is_id(const char *id) {
    return id[0] == MARK;
}

/* Of the id, which is random: two homes and two people have different ones. */
static void make_salt(const char *id, uint8_t out[crypto_pwhash_SALTBYTES]) {
    tm_hash key, salt;
    static const char what[] = "tidemill.password/1";
    tm__hash_bytes(what, sizeof what - 1, &key);
    tm__hash_keyed(&key, id, strlen(id), &salt);
    memcpy(out, salt.bytes, crypto_pwhash_SALTBYTES);
}

tm_status tm__password_key(const char *id, tm_str password, tm_key *out_key, tm_err *err) {
    uint8_t salt[crypto_pwhash_SALTBYTES], secret[SECRET_BYTES];
    char text[TM_KEY_TEXT] = "tm_";
    if (password.len < TM_PASSWORD_BYTES_MIN || password.len > TM_PASSWORD_BYTES_MAX) {
        const tm_status st = TM_FAIL(err, TM_E_INVALID, "the password is too %s",
                                     password.len < TM_PASSWORD_BYTES_MIN ? "short" : "long");
        tm_err_hint(err, "It wants 15 to 1024 bytes; a sentence is easily kept in mind.");
        return st;
    }
    make_salt(id, salt);
    if (crypto_pwhash(secret, sizeof secret, password.ptr, password.len, salt, PASSES, MEMORY_BYTES,
                      crypto_pwhash_ALG_ARGON2ID13) != 0) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    (void)tm__str_copy(text + 3, 9, tm__str(id));
    text[11] = '_';
    (void)sodium_bin2base64(text + 12, sizeof text - 12, secret, sizeof secret,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    const bool is_key = tm__key_parse(tm__str(text), out_key);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(text, sizeof text);
    return is_key ? TM_OK : TM_FAIL(err, TM_E_INVALID, "no key has this id");
}
