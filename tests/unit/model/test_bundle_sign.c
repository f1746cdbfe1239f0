/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "bundle_bytes.h"
#include "bundle_data.h"
#include "guard/sign.h"
#include "test.h"

static bundle_data *data;

static int set_up(void **state) {
    (void)state;
    data = bundle_data_create(60, TM_TASK_BINARY, "baseline");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    bundle_data_free(data);
    return 0;
}

static void sign(const tm_buf *bytes, const tm_signing_key *key, tm_buf *out) {
    tm_err err = {0};
    tm__buf_init(out, 1u << 24);
    if (tm__bundle_sign(bytes->data, bytes->len, key, out, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
}

static void a_signature_names_its_signer_and_keeps_the_hash(void **state) {
    (void)state;
    tm_buf plain, once, twice;
    tm_hash hash;
    tm_signing_key key, other;
    tm_bundle *bundle = NULL;
    tm__signing_key_create(&key);
    tm__signing_key_create(&other);
    bundle_data_write(data, &plain, &hash);
    assert_int_equal(tm__bundle_load(plain.data, plain.len, &bundle, NULL), TM_OK);
    assert_null(tm__bundle_signer(bundle));
    tm__bundle_unref(bundle);
    sign(&plain, &key, &once);
    assert_int_equal(tm__bundle_load(once.data, once.len, &bundle, NULL), TM_OK);
    assert_memory_equal(tm__bundle_signer(bundle), &key.public_key, TM_PUBLIC_KEY_BYTES);
    assert_true(tm__hash_eq(tm__bundle_hash(bundle), &hash));
    tm__bundle_unref(bundle);
    sign(&once, &other, &twice); /* in place of the first */
    assert_int_equal(twice.len, once.len);
    assert_int_equal(tm__bundle_load(twice.data, twice.len, &bundle, NULL), TM_OK);
    assert_memory_equal(tm__bundle_signer(bundle), &other.public_key, TM_PUBLIC_KEY_BYTES);
    tm__bundle_unref(bundle);
    tm__buf_done(&plain);
    tm__buf_done(&once);
    tm__buf_done(&twice);
}

/* Every sum is put right after each change, so that the signature alone can notice. */
static void nothing_that_is_signed_can_change(void **state) {
    (void)state;
    tm_buf plain, bytes;
    tm_hash hash;
    tm_signing_key key;
    tm_bundle_file file;
    tm__signing_key_create(&key);
    bundle_data_write(data, &plain, &hash);
    sign(&plain, &key, &bytes);
    assert_int_equal(tm__bundle_file_check(bytes.data, bytes.len, &file, NULL), TM_OK);
    for (unsigned type = 1; type < TM_SECTION_END; type++) {
        const tm_bytes part = file.sections[type];
        const size_t step = part.len > 64 ? part.len / 64 : 1;
        for (size_t at = 0; part.data != NULL && at < part.len; at += step) {
            uint8_t *copy = malloc(bytes.len);
            tm_bundle *bundle = NULL;
            assert_non_null(copy);
            memcpy(copy, bytes.data, bytes.len);
            copy[(size_t)(part.data - bytes.data) + at] ^= 1;
            bundle_bytes_mend(copy, bytes.len);
            if (tm__bundle_load(copy, bytes.len, &bundle, NULL) == TM_OK) {
                fail_msg("section %u, byte %zu: the change was not noticed", type, at);
            }
            free(copy);
        }
    }
    tm__buf_done(&plain);
    tm__buf_done(&bytes);
}

static void a_section_of_another_shape_is_refused(void **state) {
    (void)state;
    tm_buf plain, bytes, made;
    tm_hash hash;
    tm_signing_key key;
    tm_bundle_file file;
    uint8_t section[105] = {0};
    tm__signing_key_create(&key);
    bundle_data_write(data, &plain, &hash);
    sign(&plain, &key, &bytes);
    assert_int_equal(tm__bundle_file_check(bytes.data, bytes.len, &file, NULL), TM_OK);
    memcpy(section, file.sections[TM_SECTION_SIGNATURE].data, 104);
    for (size_t len = 0; len <= sizeof(section); len++) {
        tm_bundle *bundle = NULL;
        file.sections[TM_SECTION_SIGNATURE] = (tm_bytes){section, len};
        tm__buf_init(&made, 1u << 24);
        assert_true(bundle_bytes_pack(file.sections, &made));
        assert_int_equal(tm__bundle_load(made.data, made.len, &bundle, NULL),
                         len == 104 ? TM_OK : TM_E_INTEGRITY);
        tm__bundle_unref(bundle);
        tm__buf_done(&made);
    }
    section[4] = 2; /* a later version */
    tm_bundle *bundle = NULL;
    file.sections[TM_SECTION_SIGNATURE] = (tm_bytes){section, 104};
    tm__buf_init(&made, 1u << 24);
    assert_true(bundle_bytes_pack(file.sections, &made));
    assert_int_equal(tm__bundle_load(made.data, made.len, &bundle, NULL), TM_E_UNSUPPORTED);
    tm__buf_done(&made);
    tm__buf_done(&plain);
    tm__buf_done(&bytes);
}

/* ---- Any change ---- */

typedef struct tampering {
    tm_rng rng;
    uint8_t *bytes; /* [len], and room for a byte more */
    size_t len;
} tampering;

static size_t below(tampering *t, size_t n) {
    return (size_t)tm__rng_below(&t->rng, n);
}

static void flip(tampering *t) {
    t->bytes[below(t, t->len)] ^= (uint8_t)(1u << below(t, 8));
}

static void overwrite(tampering *t) {
    const size_t from = below(t, t->len), n = below(t, t->len - from) + 1;
    for (size_t i = from; i < from + n; i++) {
        t->bytes[i] = (uint8_t)below(t, 256);
    }
}

static void cut(tampering *t) {
    t->len = below(t, t->len);
}

static void lengthen(tampering *t) {
    t->bytes[t->len++] = (uint8_t)below(t, 256);
}

static void take_out(tampering *t) {
    const size_t at = below(t, t->len);
    memmove(t->bytes + at, t->bytes + at + 1, t->len - at - 1);
    t->len--;
}

static void swap(tampering *t) {
    const size_t half = t->len / 2, a = below(t, half), b = half + below(t, half);
    const uint8_t byte = t->bytes[a];
    t->bytes[a] = t->bytes[b];
    t->bytes[b] = byte;
}

/* Sums are put right in half of the cases, so that the signature alone can notice. TM_BUNDLES says
 * how many (./run campaign bundles: 10,000); TM_SEED where they begin. */
static void every_tampered_bundle_is_refused(void **state) {
    (void)state;
    static void (*const ways[])(tampering * t) = {flip, overwrite, cut, lengthen, take_out, swap};
    const char *const text = getenv("TM_BUNDLES"), *const seed = getenv("TM_SEED");
    const unsigned long n = text == NULL ? 150 : strtoul(text, NULL, 10);
    tampering t = {.rng = tm__rng_split(seed == NULL ? 1 : strtoull(seed, NULL, 10), "bundles", 0)};
    tm_buf plain, good;
    tm_hash hash;
    tm_signing_key key;
    unsigned long n_found = 0;
    tm__signing_key_create(&key);
    bundle_data_write(data, &plain, &hash);
    sign(&plain, &key, &good);
    t.bytes = malloc(good.len + 1);
    assert_non_null(t.bytes);
    while (n_found < n) {
        tm_bundle *bundle = NULL;
        memcpy(t.bytes, good.data, good.len);
        t.len = good.len;
        const size_t way = below(&t, 6);
        ways[way](&t);
        if (t.len == good.len && below(&t, 2) == 0) {
            bundle_bytes_mend(t.bytes, t.len);
        }
        if (t.len == good.len && memcmp(t.bytes, good.data, t.len) == 0) {
            continue; /* put right again, or two bytes alike changed places */
        }
        if (tm__bundle_load(t.bytes, t.len, &bundle, NULL) == TM_OK) {
            fail_msg("bundle %lu, way %zu: the change was not noticed", n_found, way);
        }
        n_found++;
    }
    printf("%lu tampered bundles, all found\n", n);
    free(t.bytes);
    tm__buf_done(&plain);
    tm__buf_done(&good);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signature_names_its_signer_and_keeps_the_hash),
        cmocka_unit_test(nothing_that_is_signed_can_change),
        cmocka_unit_test(a_section_of_another_shape_is_refused),
        cmocka_unit_test(every_tampered_bundle_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
