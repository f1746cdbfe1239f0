/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "guard/audit.h"

static const tm_audit_entry entry = {.seq = 1,
                                     .at_us = 2,
                                     .version = -1,
                                     .from = -1,
                                     .model = {"late", 4},
                                     .event = {"promoted", 8},
                                     .actor = {"cli:me", 6}};

static tm_hash hash_of(const tm_audit_entry *e, const tm_hash *prev) {
    tm_buf scratch;
    tm_hash hash;
    tm__buf_init(&scratch, 1u << 16);
    assert_int_equal(tm__audit_hash(e, prev, &scratch, &hash, NULL), TM_OK);
    tm__buf_done(&scratch);
    return hash;
}

/* Homes of before have entries of this form: they must check as they did. */
static void the_form_of_before_stays(void **state) {
    (void)state;
    char text[TM_HASH_TEXT];
    const tm_hash first = {{0}};
    const tm_hash hash = hash_of(&entry, &first);
    tm__hash_to_text(&hash, text);
    assert_string_equal(text, "9aa97b7fadf89269fbec3ae117196225ded84046ca9b78ed979a111b653a6c55");
}

static void every_part_counts_and_absent_is_not_empty(void **state) {
    (void)state;
    const tm_hash first = {{0}}, other = {{1}};
    const tm_hash base = hash_of(&entry, &first);
    tm_audit_entry e[14];
    for (size_t i = 0; i < 14; i++) {
        e[i] = entry;
    }
    e[0].seq = 2;
    e[1].at_us = 3;
    e[2].version = 0;
    e[3].from = 0;
    e[4].model = TM_STR("lat");
    e[5].event = TM_STR("promoted ");
    e[6].actor = TM_STR("");
    e[7].reason = TM_STR("");
    e[8].details = TM_STR("");
    e[9].object = TM_STR("");
    e[10].outcome = TM_STR("");
    e[11].subject = TM_STR("");
    e[12].object = TM_STR("x");
    e[13].outcome = TM_STR("x");
    tm_hash hashes[14];
    for (size_t i = 0; i < 14; i++) {
        hashes[i] = hash_of(&e[i], &first);
        assert_false(tm__hash_eq(&hashes[i], &base));
        for (size_t k = 0; k < i; k++) {
            assert_false(tm__hash_eq(&hashes[i], &hashes[k]));
        }
    }
    const tm_hash behind = hash_of(&entry, &other);
    assert_false(tm__hash_eq(&behind, &base));
}

static void a_head_is_signed_and_anchored(void **state) {
    (void)state;
    tm_signing_key key;
    tm_audit_head head = {.n = 7, .at_us = 1795894032363095, .hash = {{1, 2, 3}}};
    tm_audit_head back = {0};
    tm_buf line;
    tm__signing_key_create(&key);
    tm__audit_sign(&key, &head);
    assert_true(tm__audit_is_signed(&head));
    tm__buf_init(&line, TM_AUDIT_LINE_BYTES_MAX);
    assert_true(tm__audit_anchor_write(&head, &line));
    const tm_str text = tm__str_trim((tm_str){(const char *)line.data, line.len});
    assert_true(tm__audit_anchor_read(text, &back));
    assert_memory_equal(&back, &head, sizeof(head));
    for (size_t cut = 0; cut < text.len; cut++) {
        assert_false(tm__audit_anchor_read((tm_str){text.ptr, cut}, &back));
    }
    for (uint32_t i = 0; i < 3; i++) {
        tm_audit_head other = head;
        other.n += i == 0 ? 1 : 0;
        other.at_us -= i == 1 ? 1 : 0;
        other.hash.bytes[31] ^= i == 2 ? 1 : 0;
        assert_false(tm__audit_is_signed(&other));
    }
    tm__buf_done(&line);
    tm__signing_key_done(&key);
}

static void a_subject_is_known_only_with_the_key(void **state) {
    (void)state;
    tm_server_key a, b;
    tm_hash x, y, z;
    tm__server_key_create(&a);
    tm__server_key_create(&b);
    tm__audit_subject(&a, TM_STR("4711"), &x);
    tm__audit_subject(&a, TM_STR("4711"), &y);
    assert_true(tm__hash_eq(&x, &y));
    tm__audit_subject(&a, TM_STR("4712"), &z);
    assert_false(tm__hash_eq(&x, &z));
    tm__audit_subject(&b, TM_STR("4711"), &z);
    assert_false(tm__hash_eq(&x, &z));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_form_of_before_stays),
        cmocka_unit_test(every_part_counts_and_absent_is_not_empty),
        cmocka_unit_test(a_head_is_signed_and_anchored),
        cmocka_unit_test(a_subject_is_known_only_with_the_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
