/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/hash.h"
#include "base/rng.h"

static void blake2b_gives_the_published_values(void **state) {
    (void)state;
    tm_hash hash;
    char text[TM_HASH_TEXT];
    tm__hash_bytes("abc", 3, &hash);
    tm__hash_to_text(&hash, text);
    assert_string_equal(text, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    tm__hash_bytes(NULL, 0, &hash);
    tm__hash_to_text(&hash, text);
    assert_string_equal(text, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
}

static void a_keyed_hash_gives_the_published_value(void **state) {
    (void)state;
    tm_hash key, hash;
    char text[TM_HASH_TEXT];
    for (uint8_t i = 0; i < TM_HASH_BYTES; i++) {
        key.bytes[i] = i;
    }
    tm__hash_keyed(&key, "abc", 3, &hash);
    tm__hash_to_text(&hash, text);
    assert_string_equal(text, "d63a32d3e44738d7907f964316c241adaba0abfeabc32349677578a15a203f7f");
    key.bytes[31] ^= 1;
    tm_hash other;
    tm__hash_keyed(&key, "abc", 3, &other);
    assert_false(tm__hash_eq(&hash, &other));
}

static void parts_hash_like_the_whole(void **state) {
    (void)state;
    uint8_t bytes[1000];
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    tm_hash whole, parts;
    tm__hash_bytes(bytes, sizeof(bytes), &whole);
    tm_hasher hasher;
    tm__hasher_init(&hasher);
    tm__hasher_update(&hasher, bytes, 3);
    tm__hasher_update(&hasher, NULL, 0);
    tm__hasher_update(&hasher, bytes + 3, 997);
    tm__hasher_final(&hasher, &parts);
    assert_true(tm__hash_eq(&whole, &parts));
    parts.bytes[31] ^= 1;
    assert_false(tm__hash_eq(&whole, &parts));
}

static void a_hash_survives_its_text(void **state) {
    (void)state;
    tm_hash hash, back;
    char text[TM_HASH_TEXT + 1] = {0};
    tm__hash_bytes("x", 1, &hash);
    tm__hash_to_text(&hash, text);
    assert_true(tm__hash_from_text(text, &back));
    assert_true(tm__hash_eq(&hash, &back));
    text[64] = '0';
    assert_false(tm__hash_from_text(text, &back));
    text[63] = '\0';
    assert_false(tm__hash_from_text(text, &back));
    assert_false(tm__hash_from_text("", &back));
    text[63] = 'g';
    text[64] = '\0';
    assert_false(tm__hash_from_text(text, &back));
    assert_true(tm__hash_eq(&hash, &back));
}

static void crc32c_gives_the_published_values(void **state) {
    (void)state;
    const uint8_t zeros[32] = {0};
    assert_int_equal(tm__crc32c(0, "123456789", 9), 0xE3069283);
    assert_int_equal(tm__crc32c(0, zeros, 32), 0x8A9136AA); /* RFC 3720, B.4 */
    assert_int_equal(tm__crc32c(0, "", 0), 0);
}

static void fast_and_plain_crc32c_agree(void **state) {
    (void)state;
    uint8_t bytes[300];
    tm_rng rng = tm__rng_split(1, "crc", 0);
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)tm__rng_u64(&rng);
    }
    for (size_t len = 0; len < 290; len++) {
        const uint32_t whole = tm__crc32c(0, bytes + len % 9, len);
        assert_int_equal(whole, tm__crc32c_plain(0, bytes + len % 9, len));
        const uint32_t half = tm__crc32c(0, bytes + len % 9, len / 2);
        assert_int_equal(whole, tm__crc32c(half, bytes + len % 9 + len / 2, len - len / 2));
    }
}

static void hash64_is_fixed_and_keyed(void **state) {
    (void)state;
    /* These values decide bytes of models: they never change. */
    assert_true(tm__hash64("abc", 3, 0) == UINT64_C(0x18330605D83BC259));
    assert_true(tm__hash64("", 0, 1) == UINT64_C(0x668F1915E3988EE2));
    assert_true(tm__hash64("abc", 3, 0) != tm__hash64("abc", 3, 1));
    assert_true(tm__hash64("abc", 3, 0) != tm__hash64("abd", 3, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blake2b_gives_the_published_values),
        cmocka_unit_test(a_keyed_hash_gives_the_published_value),
        cmocka_unit_test(parts_hash_like_the_whole),
        cmocka_unit_test(a_hash_survives_its_text),
        cmocka_unit_test(crc32c_gives_the_published_values),
        cmocka_unit_test(fast_and_plain_crc32c_agree),
        cmocka_unit_test(hash64_is_fixed_and_keyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
