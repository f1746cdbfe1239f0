/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/project_encrypt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/vault.h"
#include "temp_home.h"
#include "test.h"

#define KEY_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_B "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static tm_status parse(const char *encrypt, tm_project *out, tm_err *err) {
    char text[300];
    (void)snprintf(text, sizeof(text), "models: {}\nencrypt: %s\n", encrypt);
    *out = (tm_project){0};
    return tm__project_parse(tm__str(text), "tidemill.yaml", "/a/folder", out, err);
}

static void a_key_has_its_place_from_the_folder_of_the_file(void **state) {
    (void)state;
    static const char *const cases[][2] = {{"{key: file:data.key}", "file:/a/folder/data.key"},
                                           {"{key: file:/etc/k}", "file:/etc/k"},
                                           {"{key: env:DATA_KEY}", "env:DATA_KEY"},
                                           {"{key: credential:k.1}", "credential:k.1"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_project project;
        assert_int_equal(parse(cases[i][0], &project, NULL), TM_OK);
        assert_string_equal(project.encrypt_from, cases[i][1]);
        tm__project_done(&project);
    }
}

static void what_is_wrong_is_told_with_its_place_and_never_what_may_be_a_key(void **state) {
    (void)state;
    static const char *const cases[] = {"file:a",           "{}",
                                        "{key: " KEY_A "}", "{key: file:}",
                                        "{kay: file:a}",    "{key: [file:a]}",
                                        "{key: 'env:A B'}", "{key: '${TM_NOT_SET}'}"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_project project;
        tm_err err = {0};
        assert_int_equal(parse(cases[i], &project, &err), TM_E_DATA);
        assert_int_equal(err.data_row, 2);
        assert_null(strstr(err.message, KEY_A));
        tm__project_done(&project);
    }
}

static tm_status compare(const tm_home *home, const char *source, tm_encrypt_change *out) {
    char from[40];
    (void)snprintf(from, sizeof(from), "%s", source);
    const tm_project project = {.encrypt_from = from, .encrypt_line = 7};
    tm_err err = {0};
    const tm_status st = tm__project_encrypt_compare(home, &project, "tidemill.yaml", out, &err);
    assert_true(st != TM_E_CONFLICT || err.data_row == 7);
    return st;
}

static void put_plain(const tm_home *home, const char *name) {
    char *const folder = tm__fs_join(tm__home_path(home), "bundles");
    char *const path = tm__fs_join(folder, name);
    assert_int_equal(tm__fs_mkdir(folder, NULL), TM_OK);
    assert_int_equal(tm__fs_publish(path, "plain", 5, NULL), TM_OK);
    tm__mem_free(path);
    tm__mem_free(folder);
}

static void an_empty_home_is_sealed_and_one_that_is_otherwise_is_refused(void **state) {
    const tm_home *const home = *state;
    tm_encrypt_change change = TM_ENCRYPT_MOVED;
    char a[] = "env:TM_TEST_A";
    const tm_project project = {.encrypt_from = a}, none = {0};
    assert_int_equal(setenv("TM_TEST_A", KEY_A, 1), 0);
    assert_int_equal(setenv("TM_TEST_AGAIN", KEY_A, 1), 0);
    assert_int_equal(setenv("TM_TEST_B", KEY_B, 1), 0);
    assert_int_equal(tm__project_encrypt_compare(home, &none, "", &change, NULL), TM_OK);
    assert_int_equal(change, TM_ENCRYPT_SAME);
    assert_int_equal(compare(home, "env:TM_NOT_SET", &change), TM_E_NOT_FOUND);
    assert_int_equal(compare(home, a, &change), TM_OK);
    assert_int_equal(change, TM_ENCRYPT_NEW);
    put_plain(home, "1.tmb");
    assert_int_equal(compare(home, a, &change), TM_E_CONFLICT);
    assert_int_equal(tm__project_encrypt_apply(home, &project, NULL), TM_OK);
    assert_int_equal(compare(home, a, &change), TM_OK);
    assert_int_equal(change, TM_ENCRYPT_SAME);
    assert_int_equal(compare(home, "env:TM_TEST_AGAIN", &change), TM_OK);
    assert_int_equal(change, TM_ENCRYPT_MOVED);
    assert_int_equal(compare(home, "env:TM_TEST_B", &change), TM_E_CONFLICT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_has_its_place_from_the_folder_of_the_file),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place_and_never_what_may_be_a_key),
        cmocka_unit_test_setup_teardown(
            an_empty_home_is_sealed_and_one_that_is_otherwise_is_refused, tm__temp_home_open,
            tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
