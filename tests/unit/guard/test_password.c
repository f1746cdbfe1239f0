/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/clock.h"
#include "guard/guard.h"

static const char sentence[] = "correct horse battery staple";

static void a_password_gives_one_key_for_each_id(void **state) {
    (void)state;
    tm_key a, again, other, wrong;
    char id[9];
    tm__password_id_create(id);
    assert_int_equal(strlen(id), 8);
    assert_true(tm__password_is_id(id));
    const uint64_t start_ns = tm__mono_ns();
    assert_int_equal(tm__password_key("_abcdefg", tm__str(sentence), &a, NULL), TM_OK);
    assert_true(tm__mono_ns() - start_ns > 2000000); /* guessing costs that much a guess */
    assert_int_equal(tm__password_key("_abcdefg", tm__str(sentence), &again, NULL), TM_OK);
    assert_int_equal(tm__password_key(id, tm__str(sentence), &other, NULL), TM_OK);
    assert_int_equal(
        tm__password_key("_abcdefg", tm__str("correct horse battery Staple"), &wrong, NULL), TM_OK);
    assert_string_equal(a.text, again.text);
    assert_true(tm__hash_eq(&a.hash, &again.hash));
    assert_string_equal(a.id, "_abcdefg");
    assert_string_not_equal(a.text + 12, other.text + 12);
    assert_string_not_equal(a.text + 12, wrong.text + 12);
}

static void what_is_too_short_or_too_long_is_refused(void **state) {
    (void)state;
    tm_key key = {.id = "untouch"};
    tm_err err = {0};
    char text[TM_PASSWORD_BYTES_MAX + 1];
    memset(text, 'x', sizeof text);
    assert_int_equal(tm__password_key("_abcdefg", (tm_str){text, 14}, &key, &err), TM_E_INVALID);
    assert_int_equal(tm__password_key("_abcdefg", (tm_str){text, sizeof text}, &key, &err),
                     TM_E_INVALID);
    assert_int_equal(tm__password_key("_no id", (tm_str){text, 15}, &key, &err), TM_E_INVALID);
    assert_string_equal(key.id, "untouch");
}

static void no_other_key_looks_as_if_it_had_a_password(void **state) {
    (void)state;
    for (int i = 0; i < 500; i++) {
        tm_key key;
        tm__key_create(&key);
        assert_false(tm__password_is_id(key.id));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_password_gives_one_key_for_each_id),
        cmocka_unit_test(what_is_too_short_or_too_long_is_refused),
        cmocka_unit_test(no_other_key_looks_as_if_it_had_a_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
