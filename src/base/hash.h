/* SPDX-License-Identifier: Apache-2.0 */
/* Names of things (BLAKE2b-256), checks of bytes (CRC32C) and hash tables (SipHash-2-4). Any
 * thread. */
#ifndef TM_BASE_HASH_H
#define TM_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TM_HASH_BYTES 32
#define TM_HASH_TEXT 65 /* 64 hexadecimal digits and a NUL */

typedef struct tm_hash {
    uint8_t bytes[TM_HASH_BYTES];
} tm_hash;

typedef struct tm_hasher {
    _Alignas(64) uint8_t state[384]; /* of libsodium */
} tm_hasher;

void tm__hasher_init(tm_hasher *hasher);
void tm__hasher_update(tm_hasher *hasher, const void *data, size_t len);
void tm__hasher_final(tm_hasher *hasher, tm_hash *out);
void tm__hash_bytes(const void *data, size_t len, tm_hash *out);
/** BLAKE2b-256 with a key: who does not have it cannot make or check one. */
void tm__hash_keyed(const tm_hash *key, const void *data, size_t len, tm_hash *out);
/** HMAC-SHA256 (RFC 2104), which receivers in other languages have at hand. */
/** SHA-256 (FIPS 180-4), where others ask for it. */
void tm__sha256(const void *data, size_t len, tm_hash *out);
void tm__hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, tm_hash *out);
/** out holds TM_HASH_TEXT bytes. */
void tm__hash_to_text(const tm_hash *hash, char *out);
bool tm__hash_from_text(const char *text, tm_hash *out);
/** Overwrite one that is a secret. */
void tm__hash_reset(tm_hash *hash);
bool tm__hash_eq(const tm_hash *a, const tm_hash *b);

/** CRC32C (Castagnoli) of data continuing from crc (0 to start). */
uint32_t tm__crc32c(uint32_t crc, const void *data, size_t len);
/** Same without special instructions: what tests compare with. */
uint32_t tm__crc32c_plain(uint32_t crc, const void *data, size_t len);
/** Keyed 64-bit hash for tables. The key is fixed, so that results may decide bytes of a model. */
uint64_t tm__hash64(const void *data, size_t len, uint64_t key);

/** SipHash-2-4 with a result and a key of 128 bits: who has not the key cannot tell it from chance.
 */
void tm__hash128(const uint8_t key[16], const void *data, size_t len, uint8_t out[16]);

#endif
