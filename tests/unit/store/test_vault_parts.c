/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are made of parts, and damage to them: test_spill_frame.c and test_row_file.c. */
#include "store/vault_parts.h"

#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/vault.h"
#include "temp_home.h"

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static void parts_of_a_home_without_a_key_are_as_they_were(void **state) {
    char *const path = tm__fs_join(tm__home_path(*state), "spill/1.tms");
    tm_vault_parts parts;
    tm_buf head, bytes, room = {0};
    tm_str out;
    tm__buf_init(&head, 1000);
    tm__buf_init(&bytes, 1000);
    assert_int_equal(tm__vault_parts_begin(path, &parts, &head, NULL), TM_OK);
    assert_int_equal(head.len, 0);
    assert_int_equal(tm__vault_part_size(&parts, 5), 5);
    assert_true(tm__vault_part_seal(&parts, 0, tm__str("plain"), &bytes));
    assert_true(tm__str_is((tm_str){(const char *)bytes.data, bytes.len}, "plain"));
    assert_int_equal(tm__vault_part_open(&parts, 9, tm__str("plain"), &room, &out, NULL), TM_OK);
    assert_true(tm__str_is(out, "plain"));
    tm__vault_parts_done(&parts);
    tm__buf_done(&bytes);
    tm__buf_done(&head);
    tm__mem_free(path);
}

static void a_part_opens_at_its_place_under_the_key_of_its_file(void **state) {
    char *const path = tm__fs_join(tm__home_path(*state), "spill/1.tms");
    char id[TM_ENVELOPE_ID_TEXT];
    tm_vault_parts parts, again;
    tm_buf head, bytes, room;
    tm_str out;
    tm__buf_init(&head, 1000);
    tm__buf_init(&bytes, 1000);
    tm__buf_init(&room, 1000);
    assert_int_equal(setenv("TM_TEST_KEY", KEY, 1), 0);
    assert_int_equal(tm__vault_use(*state, "env:TM_TEST_KEY", id, NULL), TM_OK);
    assert_int_equal(tm__vault_parts_begin(path, &parts, &head, NULL), TM_OK);
    assert_int_equal(head.len, TM_VAULT_PARTS_HEAD);
    assert_true(tm__vault_part_seal(&parts, 16, tm__str("sealed"), &bytes));
    assert_int_equal(bytes.len, tm__vault_part_size(&parts, 6));
    const tm_str part = {(const char *)bytes.data, bytes.len};
    assert_null(memmem(part.ptr, part.len, "sealed", 6));
    assert_int_equal(tm__vault_parts_open(path, head.data, &again, NULL), TM_OK);
    assert_int_equal(tm__vault_part_open(&again, 16, part, &room, &out, NULL), TM_OK);
    assert_true(tm__str_is(out, "sealed"));
    assert_int_equal(tm__vault_part_open(&again, 17, part, &room, &out, NULL), TM_E_INTEGRITY);
    assert_int_equal(tm__vault_part_open(&again, 16, tm__str("short"), &room, &out, NULL),
                     TM_E_INTEGRITY);
    assert_int_equal(unsetenv("TM_TEST_KEY"), 0);
    tm__vault_parts_done(&again);
    assert_int_equal(tm__vault_parts_open(path, head.data, &again, NULL), TM_E_NOT_FOUND);
    tm__vault_parts_done(&parts);
    tm__buf_done(&room);
    tm__buf_done(&bytes);
    tm__buf_done(&head);
    tm__mem_free(path);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(parts_of_a_home_without_a_key_are_as_they_were),
        TEST(a_part_opens_at_its_place_under_the_key_of_its_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
