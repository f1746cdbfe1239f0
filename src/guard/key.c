/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/rng.h"
#include "guard/guard.h"

#define ID_BYTES 6u      /* 8 characters of base64url  */
#define SECRET_BYTES 32u /* 43 characters of base64url */
#define ID_TEXT 8u
#define SECRET_TEXT 43u
#define SECRET_AT (3u + ID_TEXT + 1u)
#define KEY_LEN (SECRET_AT + SECRET_TEXT)

_Static_assert(KEY_LEN + 1 == TM_KEY_TEXT, "tm_ + id + _ + secret + NUL");

static void key_finish(tm_key *key) {
    memcpy(key->id, key->text + 3, ID_TEXT);
    key->id[ID_TEXT] = '\0';
    tm__hash_bytes(key->text, KEY_LEN, &key->hash);
}

void tm__key_create(tm_key *out) {
    uint8_t id[ID_BYTES], secret[SECRET_BYTES];
    tm_key key = {.text = "tm_"};
    tm__random_bytes(secret, sizeof(secret));
    const int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    do {
        tm__random_bytes(id, sizeof(id));
        (void)sodium_bin2base64(key.text + 3, ID_TEXT + 1, id, sizeof(id), variant);
    } while (key.text[3] == '-' || /* `key revoke ID` would take it for an option */
             tm__password_is_id(key.text + 3));
    key.text[3 + ID_TEXT] = '_';
    (void)sodium_bin2base64(key.text + SECRET_AT, SECRET_TEXT + 1, secret, sizeof(secret), variant);
    key_finish(&key);
    *out = key;
    sodium_memzero(&key, sizeof(key));
    sodium_memzero(secret, sizeof(secret));
}

void tm__key_done(tm_key *key) {
    sodium_memzero(key, sizeof(*key));
}

static bool is_base64url(char c) {
    return tm__is_alnum(c) || c == '-' || c == '_';
}

bool tm__key_parse(tm_str text, tm_key *out) {
    if (text.len != KEY_LEN || !tm__str_has_prefix(text, "tm_") || text.ptr[3 + ID_TEXT] != '_') {
        return false;
    }
    for (size_t i = 3; i < KEY_LEN; i++) {
        if (!is_base64url(text.ptr[i])) {
            return false;
        }
    }
    memcpy(out->text, text.ptr, KEY_LEN);
    out->text[KEY_LEN] = '\0';
    key_finish(out);
    return true;
}

void tm__server_key_create(tm_server_key *out) {
    tm__random_bytes(out->secret.bytes, TM_HASH_BYTES);
}

void tm__server_key_done(tm_server_key *server) {
    sodium_memzero(server, sizeof(*server));
}

void tm__server_key_check(const tm_server_key *server, tm_hash *out) {
    static const char text[] = "tidemill.server-key/1"; /* no hash has its length */
    tm__hash_keyed(&server->secret, text, sizeof text - 1, out);
}

void tm__key_seal(const tm_server_key *server, const tm_hash *hash, tm_hash *out) {
    tm__hash_keyed(&server->secret, hash->bytes, TM_HASH_BYTES, out);
}

bool tm__key_matches(const tm_server_key *server, const tm_key *presented, const tm_hash *stored) {
    tm_hash sealed;
    tm__key_seal(server, &presented->hash, &sealed);
    return sodium_memcmp(sealed.bytes, stored->bytes, TM_HASH_BYTES) == 0;
}

bool tm__key_is_remembered(const tm_key_memory *memory, uint64_t ring, tm_str text) {
    return memory->ring != 0 && memory->ring == ring && text.len == KEY_LEN &&
           sodium_memcmp(memory->text, text.ptr, KEY_LEN) == 0;
}

void tm__key_remember(tm_key_memory *memory, const tm_key *key, uint64_t ring, uint32_t index) {
    memcpy(memory->text, key->text, sizeof(memory->text));
    memory->ring = ring;
    memory->index = index;
}

void tm__key_forget(tm_key_memory *memory) {
    sodium_memzero(memory, sizeof(*memory));
}

/* 48 bits of milliseconds and 80 other bits, five bits a character, most significant first: byte
 * order is time order. 26 characters hold 130 bits: two zero bits come first. */
static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void tm__id_write(const tm_id_parts *parts, char *out) {
    const uint64_t ms = parts->at_us < 0 ? 0 : (uint64_t)parts->at_us / 1000;
    uint64_t high = ms << 16 | parts->high, low = parts->low;
    out[26] = '\0';
    size_t at = 26;
    for (unsigned i = 0; i < 12; i++, low >>= 5) {
        out[--at] = digits[low & 31];
    }
    out[--at] = digits[(high & 1) << 4 | low]; /* four bits are left */
    high >>= 1;
    for (unsigned i = 0; i < 13; i++, high >>= 5) {
        out[--at] = digits[high & 31];
    }
}

bool tm__id_time(tm_str id, int64_t *out_us) {
    uint64_t ms = 0;
    bool is_id = id.len == 26;
    for (size_t i = 0; i < id.len && is_id; i++) {
        const char *const at = id.ptr[i] != '\0' ? strchr(digits, id.ptr[i]) : NULL;
        is_id = at != NULL;
        ms = is_id && i < 10 ? ms << 5 | (uint64_t)(at - digits) : ms;
    }
    if (!is_id || ms >> 48 != 0) {
        return false;
    }
    *out_us = (int64_t)ms * 1000;
    return true;
}

static void id_write(const uint8_t random[TM_ID_RANDOM], char *out) {
    tm_id_parts parts = {.at_us = tm__now_us(),
                         .high = (uint16_t)((uint16_t)random[8] << 8 | random[9])};
    memcpy(&parts.low, random, 8);
    tm__id_write(&parts, out);
}

void tm__id_create(char *out) {
    uint8_t random[TM_ID_RANDOM];
    tm__random_bytes(random, sizeof(random));
    id_write(random, out);
}

void tm__id_next(tm_id_source *source, char *out) {
    if (source->n_left == 0) {
        tm__random_bytes(source->random, sizeof(source->random));
        source->n_left = TM_ID_BATCH;
    }
    source->n_left--;
    id_write(source->random[source->n_left], out);
}

void tm__id_twin(const char *id, char out[27]) {
    (void)tm__str_copy(out, 27, tm__str(id));
    const char *const at = id[0] != '\0' && out[25] != '\0' ? strchr(digits, out[25]) : NULL;
    if (at != NULL) {
        out[25] = digits[(size_t)(at - digits) ^ 1];
    }
}
