/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/clock.h"
#include "guard/guard.h"

static void a_key_is_recognised_by_its_hash(void **state) {
    (void)state;
    tm_key key, other, parsed;
    tm_server_key server, another;
    tm_hash stored, stored_other;
    tm__server_key_create(&server);
    tm__server_key_create(&another);
    tm__key_create(&key);
    tm__key_create(&other);
    tm__key_seal(&server, &key.hash, &stored);
    tm__key_seal(&server, &other.hash, &stored_other);
    assert_int_equal(strlen(key.text), TM_KEY_TEXT - 1);
    assert_int_equal(strncmp(key.text, "tm_", 3), 0);
    assert_int_equal(strlen(key.id), 8);
    assert_memory_equal(key.text + 3, key.id, 8);
    assert_string_not_equal(key.text + 12, other.text + 12);
    assert_true(tm__key_parse(tm__str(key.text), &parsed));
    assert_string_equal(parsed.id, key.id);
    assert_true(tm__key_matches(&server, &parsed, &stored));
    assert_false(tm__key_matches(&server, &parsed, &stored_other));
    assert_false(tm__key_matches(&another, &parsed, &stored));
    assert_false(tm__key_matches(&server, &parsed, &key.hash)); /* the plain hash opens nothing */
    /* The hash is of the whole text: an id alone opens nothing. */
    tm_hash hash;
    tm__hash_bytes(key.text, strlen(key.text), &hash);
    assert_true(tm__hash_eq(&hash, &key.hash));
    key.text[54] = key.text[54] == 'A' ? 'B' : 'A';
    assert_true(tm__key_parse(tm__str(key.text), &parsed));
    assert_false(tm__key_matches(&server, &parsed, &stored));
}

static void a_server_key_is_told_from_others(void **state) {
    (void)state;
    tm_server_key one, two;
    tm_hash check, again, other;
    tm__server_key_create(&one);
    tm__server_key_create(&two);
    tm__server_key_check(&one, &check);
    tm__server_key_check(&one, &again);
    tm__server_key_check(&two, &other);
    assert_true(tm__hash_eq(&check, &again));
    assert_false(tm__hash_eq(&check, &other));
    assert_false(tm__hash_eq(&check, &one.secret));
    static const tm_server_key zero;
    tm__server_key_done(&one);
    assert_memory_equal(&one, &zero, sizeof one);
}

static void an_id_can_be_typed_as_a_word(void **state) {
    (void)state;
    for (int i = 0; i < 2000; i++) {
        tm_key key;
        tm__key_create(&key);
        assert_int_not_equal(key.id[0], '-');
    }
}

static void what_does_not_look_like_a_key_is_refused(void **state) {
    (void)state;
    tm_key key, parsed;
    tm__key_create(&key);
    assert_false(tm__key_parse(tm__str(""), &parsed));
    assert_false(tm__key_parse((tm_str){NULL, 0}, &parsed));
    assert_false(tm__key_parse((tm_str){key.text, TM_KEY_TEXT - 2}, &parsed));
    assert_false(tm__key_parse((tm_str){key.text, TM_KEY_TEXT}, &parsed));
    const size_t places[] = {0, 2, 5, 11, 20, 54};
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const char before = key.text[places[i]];
        key.text[places[i]] = '+';
        assert_false(tm__key_parse(tm__str(key.text), &parsed));
        key.text[places[i]] = before;
    }
    assert_true(tm__key_parse(tm__str(key.text), &parsed));
}

static void ids_sort_by_time(void **state) {
    (void)state;
    static const int64_t times[] = {
        -5, 0, 1000, 31000, 32000, 1700000000000000, 1700000000001000, INT64_C(253402300799999000)};
    char last[27] = "", id[27];
    for (unsigned i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        tm__clock_fix(times[i]);
        tm__id_create(id);
        assert_int_equal(strlen(id), 26);
        assert_int_equal(strspn(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), 26);
        if (i > 1) {
            assert_true(strcmp(last, id) < 0);
        }
        memcpy(last, id, sizeof(id));
    }
    tm_id_source source = {0};
    for (int i = 0; i < 3 * TM_ID_BATCH; i++) {
        tm__id_next(&source, id);
        assert_int_equal(strspn(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), 26);
        assert_string_not_equal(id, last);
        memcpy(last, id, sizeof(id));
    }
    tm__clock_fix(INT64_C(1469918176385000)); /* the example of the ULID specification */
    tm__id_create(id);
    assert_memory_equal(id, "01ARYZ6S41", 10);
    tm__id_create(last);
    assert_string_not_equal(id, last);
    tm__clock_fix(INT64_MIN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_recognised_by_its_hash),
        cmocka_unit_test(a_server_key_is_told_from_others),
        cmocka_unit_test(an_id_can_be_typed_as_a_word),
        cmocka_unit_test(what_does_not_look_like_a_key_is_refused),
        cmocka_unit_test(ids_sort_by_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
