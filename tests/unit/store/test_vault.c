/* SPDX-License-Identifier: Apache-2.0 */
#include "store/vault.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "failing_disk.h"
#include "support.h"
#include "test.h"

#define HOME "home"
#define FILE_PATH HOME "/segments/orders/rows.parquet"
#define OTHER HOME "/segments/orders/other.parquet"
#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
#define TEXT "rows of people"

static tm_home *home_make(void) {
    tm_home *home = NULL;
    char id[TM_ENVELOPE_ID_TEXT];
    assert_int_equal(tm__home_open(HOME, true, &home, NULL), TM_OK);
    assert_int_equal(tm__fs_mkdir(HOME "/segments/orders", NULL), TM_OK);
    assert_int_equal(tm__fs_publish_secret("key", KEY, strlen(KEY), NULL), TM_OK);
    assert_int_equal(tm__vault_use(home, "file:key", id, NULL), TM_OK);
    return home;
}

static bool holds(const char *path, const char *text) {
    tm_buf bytes;
    tm__buf_init(&bytes, 1 << 20);
    assert_int_equal(tm__fs_read_all(path, &bytes, NULL), TM_OK);
    const bool does = memmem(bytes.data, bytes.len, text, strlen(text)) != NULL;
    tm__buf_done(&bytes);
    return does;
}

static void a_file_of_a_home_is_sealed_and_comes_back(void **state) {
    (void)state;
    tm_home *home = home_make();
    tm_map map = {0};
    tm_buf back;
    tm_vault_view view = {0};
    tm_vault_look look;
    tm__buf_init(&back, 1 << 20);
    assert_int_equal(tm__vault_publish(FILE_PATH, TEXT, strlen(TEXT), NULL), TM_OK);
    assert_false(holds(FILE_PATH, TEXT));
    assert_int_equal(tm__vault_look(FILE_PATH, &look, NULL), TM_OK);
    assert_true(look.is_sealed);
    assert_int_equal(tm__vault_map_open(FILE_PATH, &map, NULL), TM_OK);
    assert_int_equal(map.len, strlen(TEXT));
    assert_memory_equal(map.data, TEXT, map.len);
    assert_true(tm__fs_is_same(FILE_PATH, &map.id));
    tm__map_close(&map);
    assert_int_equal(tm__vault_read_all(FILE_PATH, &back, NULL), TM_OK);
    assert_int_equal(back.len, strlen(TEXT));
    /* Whoever opens the view by its path reads it and cannot change it. */
    assert_int_equal(tm__vault_view_open(FILE_PATH, &view, NULL), TM_OK);
    assert_true(holds(view.path, TEXT));
    const int fd = open(view.path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0 && write(fd, "x", 1) < 0 && ftruncate(fd, 0) < 0);
    (void)close(fd);
    tm__vault_view_close(&view);
    tm__vault_view_close(&view);
    tm__buf_done(&back);
    tm__home_close(home);
}

static void a_file_in_the_place_of_another_is_refused(void **state) {
    (void)state;
    tm_home *home = home_make();
    tm_map map = {0};
    tm_err err = {0};
    assert_int_equal(tm__vault_publish(FILE_PATH, TEXT, strlen(TEXT), NULL), TM_OK);
    assert_int_equal(tm__fs_move(FILE_PATH, OTHER, NULL), TM_OK);
    assert_int_equal(tm__vault_map_open(OTHER, &map, &err), TM_E_INTEGRITY);
    assert_string_equal(err.data_path, OTHER);
    assert_int_equal(tm__vault_renew(OTHER, NULL), TM_E_INTEGRITY);
    assert_int_equal(tm__fs_remove(OTHER, NULL), TM_OK);
    tm__home_close(home);
}

static void plain_files_stay_readable_until_they_are_renewed(void **state) {
    (void)state;
    tm_home *home = home_make();
    tm_map map = {0};
    tm_vault_look look;
    assert_int_equal(tm__fs_publish(FILE_PATH, TEXT, strlen(TEXT), NULL), TM_OK);
    assert_int_equal(tm__vault_map_open(FILE_PATH, &map, NULL), TM_OK);
    assert_int_equal(map.len, strlen(TEXT));
    tm__map_close(&map);
    assert_int_equal(tm__vault_look(FILE_PATH, &look, NULL), TM_OK);
    assert_false(look.is_sealed);
    assert_int_equal(tm__vault_renew(FILE_PATH, NULL), TM_OK);
    assert_false(holds(FILE_PATH, TEXT));
    assert_int_equal(tm__vault_publish_file(FILE_PATH, "plain", NULL), TM_OK); /* of no home */
    assert_int_equal(tm__vault_look(HOME "/gone", &look, NULL), TM_OK);
    assert_false(look.is_sealed);
    bool has = true;
    assert_int_equal(tm__vault_has("plain", &has, NULL), TM_OK);
    assert_false(has);
    tm__home_close(home);
}

static bool publishes_and_reads(void *arg) {
    (void)arg;
    tm_buf back;
    tm__buf_init(&back, 1 << 20);
    const bool done = tm__vault_publish(FILE_PATH, TEXT, strlen(TEXT), NULL) == TM_OK &&
                      tm__vault_read_all(FILE_PATH, &back, NULL) == TM_OK;
    tm__buf_done(&back);
    return done;
}

static void a_disk_that_fails_leaves_the_old_file_and_no_other(void **state) {
    (void)state;
    tm_home *home = home_make();
    assert_int_equal(tm__vault_publish(FILE_PATH, TEXT, strlen(TEXT), NULL), TM_OK);
    bool has_entry = false;
    for (uint32_t n = 1;; n++) {
        tm_buf back;
        tm__buf_init(&back, 1 << 20);
        test_disk_fail_at(n, false);
        const tm_status st = tm__vault_renew(FILE_PATH, NULL);
        test_disk_fail_at(0, false);
        assert_int_equal(tm__vault_read_all(FILE_PATH, &back, NULL), TM_OK);
        assert_int_equal(back.len, strlen(TEXT));
        tm__buf_done(&back);
        if (st == TM_OK) {
            break;
        }
        assert_int_equal(st, TM_E_IO);
    }
    assert_int_equal(tm__fs_remove(FILE_PATH, NULL), TM_OK);
    assert_int_equal(tm__fs_has_entry(HOME "/segments/orders", &has_entry, NULL), TM_OK);
    assert_false(has_entry);
    tm__home_close(home);
}

static void without_memory_nothing_is_left(void **state) {
    (void)state;
    tm_home *home = home_make();
    test_each_mem_fault(publishes_and_reads, NULL);
    tm__home_close(home);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_a_home_is_sealed_and_comes_back),
        cmocka_unit_test(a_file_in_the_place_of_another_is_refused),
        cmocka_unit_test(plain_files_stay_readable_until_they_are_renewed),
        cmocka_unit_test(a_disk_that_fails_leaves_the_old_file_and_no_other),
        cmocka_unit_test(without_memory_nothing_is_left),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
