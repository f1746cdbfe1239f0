/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "failing_disk.h"
#include "store/home.h"

static char folder[64];

static int set_up(void **state) {
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/tm_home_XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int tear_down(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

static void a_home_is_found_only_after_it_was_made(void **state) {
    (void)state;
    char path[128];
    tm_home *home = NULL;
    tm_err err = {0};
    snprintf(path, sizeof(path), "%s/h", folder);
    assert_int_equal(tm__home_open(path, false, &home, &err), TM_E_NOT_FOUND);
    assert_non_null(strstr(err.hint, "tidemill train"));
    assert_null(home);
    /* A folder that is no home is not taken for one. */
    assert_int_equal(tm__home_open(folder, false, &home, &err), TM_E_NOT_FOUND);

    assert_int_equal(tm__home_open(path, true, &home, &err), TM_OK);
    assert_string_equal(tm__home_path(home), path);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(tm__fs_info(tm__home_snapshots(home)).kind, TM_PATH_DIR);
    assert_int_equal(tm__fs_info(tm__home_jobs(home)).kind, TM_PATH_DIR);
    assert_int_equal(tm__fs_info(tm__home_temp(home)).kind, TM_PATH_DIR);
    tm__home_close(home);

    assert_int_equal(tm__home_open(path, false, &home, &err), TM_OK);
    tm__home_close(home);
    assert_int_equal(tm__home_open(path, true, &home, &err), TM_OK);
    tm__home_close(home);
}

static void the_environment_names_a_home(void **state) {
    (void)state;
    char path[128];
    tm_home *home = NULL;
    snprintf(path, sizeof(path), "%s/env", folder);
    assert_int_equal(setenv("TIDEMILL_HOME", path, 1), 0);
    assert_int_equal(tm__home_open(NULL, true, &home, NULL), TM_OK);
    assert_string_equal(tm__home_path(home), path);
    tm__home_close(home);
    unsetenv("TIDEMILL_HOME");
}

static void a_file_in_the_place_of_a_home_is_refused(void **state) {
    (void)state;
    char path[128];
    tm_home *home = NULL;
    snprintf(path, sizeof(path), "%s/file", folder);
    assert_int_equal(tm__fs_publish(path, "x", 1, NULL), TM_OK);
    assert_int_equal(tm__home_open(path, true, &home, NULL), TM_E_USAGE);
}

static void a_bundle_is_saved_once_under_its_hash(void **state) {
    (void)state;
    tm_home *home = NULL;
    tm_hash hash;
    assert_int_equal(tm__home_open(folder, true, &home, NULL), TM_OK);
    tm__hash_bytes("abc", 3, &hash);
    assert_int_equal(tm__home_bundle_save(home, &hash, "abc", 3, NULL), TM_OK);
    test_disk_fail_at(0, false);
    const uint64_t calls = test_disk_calls();
    assert_int_equal(tm__home_bundle_save(home, &hash, "abc", 3, NULL), TM_OK);
    /* Not written again, but made sure of: whoever renamed it may not have synced the folder yet.
     */
    assert_int_equal(test_disk_calls(), calls + 2);
    char *path = tm__home_bundle_path(home, &hash);
    assert_non_null(path);
    assert_int_equal(tm__fs_info(path).size_bytes, 3);
    tm__mem_free(path);
    tm__home_close(home);
}

static void write_store(const char *text) {
    char path[128];
    snprintf(path, sizeof(path), "%s/" TM_HOME_STORE, folder);
    assert_int_equal(tm__fs_replace(path, text, strlen(text), NULL), TM_OK);
}

static void sources_are_where_store_json_says(void **state) {
    (void)state;
    tm_home *home = NULL;
    tm_err err = {0};
    static const char *const own[] = {"no JSON", "[]", "{\"postgres\": {\"schema\": \"s\"}}"};
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        write_store(own[i]);
        assert_int_equal(tm__home_open(folder, true, &home, NULL), TM_OK);
        assert_false(tm__home_shares_intake(home));
        assert_string_equal(tm__home_intake_dir(home), tm__home_path(home));
        assert_non_null(strstr(tm__home_intake_db(home), "/intake.db"));
        tm__home_close(home);
    }
    write_store("{\"postgres\": {\"intake\": \"/mnt/mill\"}}");
    assert_int_equal(tm__home_open(folder, true, &home, NULL), TM_OK);
    assert_true(tm__home_shares_intake(home));
    assert_string_equal(tm__home_intake_dir(home), "/mnt/mill");
    assert_string_equal(tm__home_intake_db(home), tm__home_meta_db(home));
    tm__home_close(home);
    home = NULL;
    write_store("{\"postgres\": {\"intake\": \"mill\"}}");
    assert_int_equal(tm__home_open(folder, true, &home, &err), TM_E_DATA);
    assert_non_null(strstr(err.hint, "absolute path"));
    assert_null(home);
}

static void opening_leaks_nothing_when_memory_runs_out(void **state) {
    (void)state;
    write_store("{\"postgres\": {\"intake\": \"/mnt/mill\"}}");
    for (uint64_t n = 1; n < 100; n++) {
        tm_home *home = NULL;
        const uint64_t alive = tm__mem_alive();
        tm__mem_fail_at(n, false);
        const tm_status st = tm__home_open(folder, true, &home, NULL);
        tm__mem_fail_at(0, false);
        if (st == TM_OK) {
            assert_true(tm__home_shares_intake(home));
            tm__home_close(home);
            return;
        }
        assert_null(home);
        assert_int_equal(tm__mem_alive(), alive);
    }
    fail_msg("opening never succeeded");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_home_is_found_only_after_it_was_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_environment_names_a_home, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_in_the_place_of_a_home_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_bundle_is_saved_once_under_its_hash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sources_are_where_store_json_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(opening_leaks_nothing_when_memory_runs_out, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
