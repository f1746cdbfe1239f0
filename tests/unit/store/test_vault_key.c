/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "store/vault.h"
#include "support.h"
#include "test.h"

#define HOME "home"
#define PLACE HOME "/bundles/a.tmb"
#define KEY_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_B "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static tm_home *home_make(void) {
    tm_home *home = NULL;
    assert_int_equal(tm__home_open(HOME, true, &home, NULL), TM_OK);
    assert_int_equal(tm__fs_remove(HOME "/" TM_VAULT_FILE, NULL), TM_OK);
    assert_int_equal(tm__fs_publish_secret("a.key", KEY_A "\n", 65, NULL), TM_OK);
    return home;
}

static void keys_come_from_files_environment_and_credentials(void **state) {
    (void)state;
    tm_home *home = home_make();
    static const char *const sources[] = {"file:a.key", "env:TM_TEST_KEY", "credential:a.key"};
    tm_envelope_ring ring;
    assert_int_equal(tm__vault_ring(PLACE, &ring, NULL), TM_OK);
    assert_int_equal(ring.n, 0);
    char id[TM_ENVELOPE_ID_TEXT], first[TM_ENVELOPE_ID_TEXT];
    (void)setenv("TM_TEST_KEY", KEY_A, 1);
    (void)setenv("CREDENTIALS_DIRECTORY", ".", 1);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(tm__vault_use(home, sources[i], id, NULL), TM_OK);
        assert_int_equal(tm__vault_ring(PLACE, &ring, NULL), TM_OK);
        assert_int_equal(ring.n, 1); /* the same key is there once */
        assert_true(i == 0 || strcmp(id, first) == 0);
        (void)strcpy(first, id);
        tm__envelope_ring_done(&ring);
    }
    (void)setenv("TM_TEST_KEY", KEY_B, 1);
    assert_int_equal(tm__vault_use(home, "env:TM_TEST_KEY", id, NULL), TM_OK);
    assert_int_equal(tm__vault_ring(PLACE, &ring, NULL), TM_OK);
    assert_int_equal(ring.n, 2);
    assert_memory_not_equal(ring.keys[0].bytes, ring.keys[1].bytes, 32);
    tm__envelope_ring_done(&ring);
    tm__home_close(home);
}

static void what_is_no_source_is_refused(void **state) {
    (void)state;
    tm_home *home = home_make();
    char id[TM_ENVELOPE_ID_TEXT];
    assert_int_equal(tm__fs_publish_secret("bad.key", "abc", 3, NULL), TM_OK);
    assert_int_equal(tm__fs_publish("open.key", KEY_A, 64, NULL), TM_OK);
    assert_int_equal(tm__fs_publish_secret(HOME "/a.key", KEY_A, 64, NULL), TM_OK);
    (void)unsetenv("TM_TEST_KEY");
    static const struct {
        const char *source;
        tm_status want;
    } cases[] = {
        {"", TM_E_USAGE},
        {KEY_A, TM_E_USAGE},
        {"file:", TM_E_USAGE},
        {"ftp:x", TM_E_USAGE},
        {"env:A B", TM_E_USAGE},
        {"credential:../a.key", TM_E_USAGE},
        {"file:gone.key", TM_E_NOT_FOUND},
        {"env:TM_TEST_KEY", TM_E_NOT_FOUND},
        {"file:bad.key", TM_E_DATA},
        {"file:open.key", TM_E_NOT_ALLOWED},
        {"file:" HOME "/a.key", TM_E_USAGE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_err err = {0};
        assert_int_equal(tm__vault_use(home, cases[i].source, id, &err), cases[i].want);
        assert_int_equal(err.status, cases[i].want);
        assert_null(strstr(err.message, KEY_A)); /* given in place of its source by mistake */
    }
    json_t *keys = NULL;
    assert_int_equal(tm__vault_keys(home, &keys, NULL), TM_OK);
    assert_int_equal(json_array_size(keys), 0);
    json_decref(keys);
    tm__home_close(home);
}

static void a_key_that_changed_or_went_is_told(void **state) {
    (void)state;
    tm_home *home = home_make();
    char id[TM_ENVELOPE_ID_TEXT];
    tm_envelope_ring ring;
    tm_err err = {0};
    assert_int_equal(tm__vault_use(home, "file:a.key", id, NULL), TM_OK);
    assert_int_equal(tm__fs_publish_secret("a.key", KEY_B, 64, NULL), TM_OK);
    assert_int_equal(tm__vault_ring(PLACE, &ring, &err), TM_E_NOT_ALLOWED);
    assert_non_null(strstr(err.message, id));
    assert_int_equal(tm__vault_publish(PLACE, "x", 1, NULL), TM_E_NOT_ALLOWED);
    assert_int_equal(tm__fs_remove("a.key", NULL), TM_OK);
    assert_int_equal(tm__vault_ring(PLACE, &ring, NULL), TM_E_NOT_FOUND);
    /* An earlier key that is gone hinders nobody who does not need it. */
    assert_int_equal(tm__fs_publish_secret("b.key", KEY_B, 64, NULL), TM_OK);
    assert_int_equal(tm__vault_use(home, "file:b.key", id, NULL), TM_OK);
    assert_int_equal(tm__vault_ring(PLACE, &ring, NULL), TM_OK);
    assert_int_equal(ring.n, 1);
    tm__envelope_ring_done(&ring);
    static const char *const bad[] = {"", "{}",
                                      "{\"schema\":\"tidemill.encryption/1\",\"keys\":[{}]}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(tm__fs_publish(HOME "/" TM_VAULT_FILE, bad[i], strlen(bad[i]), NULL),
                         TM_OK);
        assert_int_equal(tm__vault_ring(PLACE, &ring, NULL), TM_E_INTEGRITY);
    }
    tm__home_close(home);
}

static void a_sealed_home_is_spilled_to_where_another_file_system_is(void **state) {
    (void)state;
    char id[TM_ENVELOPE_ID_TEXT];
    tm_home *home = home_make();
    assert_int_equal(tm__fs_remove(HOME "/temp", NULL), TM_OK);
    assert_true(tm__vault_may_spill(HOME "/temp/x") && tm__vault_may_spill("elsewhere/x"));
    assert_int_equal(tm__vault_use(home, "file:a.key", id, NULL), TM_OK);
    assert_false(tm__vault_may_spill(HOME "/temp/x"));
    assert_false(tm__vault_may_spill(HOME "/temp"));
    assert_true(tm__vault_may_spill("elsewhere/x"));
    assert_int_equal(symlink("/proc", HOME "/temp"), 0);
    assert_true(tm__vault_may_spill(HOME "/temp/x"));
    assert_int_equal(unlink(HOME "/temp"), 0);
    tm__home_close(home);
}

static bool uses_and_reads(void *arg) {
    char id[TM_ENVELOPE_ID_TEXT];
    tm_envelope_ring ring = {0};
    const bool done = tm__vault_use(arg, "file:a.key", id, NULL) == TM_OK &&
                      tm__vault_ring(PLACE, &ring, NULL) == TM_OK;
    tm__envelope_ring_done(&ring);
    return done;
}

static void without_memory_nothing_is_left(void **state) {
    (void)state;
    tm_home *home = home_make();
    test_each_mem_fault(uses_and_reads, home);
    tm__home_close(home);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_come_from_files_environment_and_credentials),
        cmocka_unit_test(what_is_no_source_is_refused),
        cmocka_unit_test(a_key_that_changed_or_went_is_told),
        cmocka_unit_test(a_sealed_home_is_spilled_to_where_another_file_system_is),
        cmocka_unit_test(without_memory_nothing_is_left),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
