/* SPDX-License-Identifier: Apache-2.0 */
#include "store/privacy_key.h"

#include <string.h>

#include "base/fs.h"
#include "temp_home.h"
#include "test.h"

static void it_is_made_of_the_server_key_and_nothing_else(void **state) {
    const tm_home *const home = *state;
    const char *const path = tm__home_server_key(home);
    char text[TM_HASH_TEXT];
    tm_hash a, b;
    tm_err err = {0};
    assert_int_equal(tm__privacy_key_read(home, &a, &err), TM_E_NOT_ALLOWED);
    assert_true(err.hint[0] != '\0');
    assert_int_equal(tm__fs_publish_secret(path, "short\n", 6, NULL), TM_OK);
    assert_int_equal(tm__privacy_key_read(home, &a, NULL), TM_E_INTEGRITY);
    memset(text, 'a', sizeof(text));
    text[TM_HASH_TEXT - 1] = '\n';
    assert_int_equal(tm__fs_publish_secret(path, text, sizeof(text), NULL), TM_OK);
    assert_int_equal(tm__privacy_key_read(home, &a, NULL), TM_OK);
    assert_int_equal(tm__privacy_key_read(home, &b, NULL), TM_OK);
    assert_true(tm__hash_eq(&a, &b));
    text[0] = 'b';
    assert_int_equal(tm__fs_publish_secret(path, text, sizeof(text), NULL), TM_OK);
    assert_int_equal(tm__privacy_key_read(home, &b, NULL), TM_OK);
    assert_false(tm__hash_eq(&a, &b));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        it_is_made_of_the_server_key_and_nothing_else, tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests_name("privacy_key", tests, NULL, NULL);
}
