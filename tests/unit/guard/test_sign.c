/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/hash.h"
#include "guard/sign.h"
#include "test.h"

/* RFC 8032, 7.1, test 2: one byte. */
static void it_is_ed25519(void **state) {
    (void)state;
    static const char seed_text[] =
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
    static const char public_text[] =
        "ed25519:3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    static const char signature_text[] =
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
    tm_hash seed, half;
    tm_signing_key key;
    tm_signature signature;
    char text[TM_PUBLIC_KEY_TEXT], part[TM_HASH_TEXT];
    assert_true(tm__hash_from_text(seed_text, &seed));
    tm__signing_key_from_seed(seed.bytes, &key);
    tm__public_key_to_text(&key.public_key, text);
    assert_string_equal(text, public_text);
    tm__sign(&key, "\x72", 1, &signature);
    for (size_t i = 0; i < 2; i++) {
        memcpy(half.bytes, signature.bytes + 32 * i, 32);
        tm__hash_to_text(&half, part);
        assert_memory_equal(part, signature_text + 64 * i, 64);
    }
    assert_true(tm__signature_check(&key.public_key, "\x72", 1, &signature));
}

static void one_bit_breaks_it(void **state) {
    (void)state;
    uint8_t data[40] = "what was signed";
    tm_signing_key key, other;
    tm_signature signature;
    tm__signing_key_create(&key);
    tm__signing_key_create(&other);
    tm__sign(&key, data, sizeof(data), &signature);
    assert_true(tm__signature_check(&key.public_key, data, sizeof(data), &signature));
    assert_false(tm__signature_check(&other.public_key, data, sizeof(data), &signature));
    for (size_t bit = 0; bit < sizeof(data) * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_false(tm__signature_check(&key.public_key, data, sizeof(data), &signature));
        data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    for (size_t bit = 0; bit < TM_SIGNATURE_BYTES * 8; bit++) {
        signature.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_false(tm__signature_check(&key.public_key, data, sizeof(data), &signature));
        signature.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    tm__signing_key_done(&key);
    for (size_t i = 0; i < sizeof(key.seed); i++) {
        assert_int_equal(key.seed[i], 0);
    }
}

static void texts_that_are_no_key_are_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "ed25519:",
        "ed25519:00",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "ed25519:3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660cc",
        /* points of small order: anybody signs for them */
        "ed25519:0000000000000000000000000000000000000000000000000000000000000000",
        "ed25519:0100000000000000000000000000000000000000000000000000000000000000",
        "ed25519:ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        /* no point of the curve */
        "ed25519:0200000000000000000000000000000000000000000000000000000000000000",
    };
    tm_public_key key;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_false(tm__public_key_from_text(texts[i], &key));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_ed25519),
        cmocka_unit_test(one_bit_breaks_it),
        cmocka_unit_test(texts_that_are_no_key_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
