/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "check_case.h"
#include "cli/doctor.h"
#include "registry/registry.h"
#include "temp_home.h"
#include "tiny_bundle.h"

static const tm_actor actor = {.name = "test"};

static tm_checks checks_of(const tm_home *home) {
    tm_checks checks = {.n = 0};
    tm__check_home(&checks, tm__home_path(home));
    return checks;
}

static void add_version(const tm_home *home) {
    tm_registry *registry = NULL;
    tm_version version = {0};
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    tm_bundle *bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = 0.7});
    assert_int_equal(tm__registry_add(registry, "m", bundle, NULL, &actor, &version, NULL), TM_OK);
    tm__version_done(&version);
    tm__bundle_unref(bundle);
    tm__registry_close(registry);
}

static void an_empty_home_is_fine_and_stays_empty(void **state) {
    const tm_home *home = *state;
    const tm_checks checks = checks_of(home);
    assert_string_equal(check_case_find(&checks, "meta.db")->found, "none yet");
    assert_int_equal(check_case_find(&checks, "log.db")->state, TM_CHECK_OK);
    assert_int_equal(tm__fs_info(tm__home_meta_db(home)).kind, TM_PATH_NONE);
    assert_int_equal(tm__fs_info(tm__home_log_db(home)).kind, TM_PATH_NONE);
}

static void files_without_a_version_are_counted(void **state) {
    const tm_home *home = *state;
    add_version(home);
    char *path = tm__fs_join(tm__home_bundles(home), "left.tmb.tmp-1");
    assert_int_equal(tm__fs_publish(path, "12345", 5, NULL), TM_OK);
    const tm_checks checks = checks_of(home);
    assert_string_equal(check_case_find(&checks, "orphans")->found,
                        "1 file that no version refers to, 5 bytes");
    assert_string_equal(check_case_find(&checks, "bundles")->found, "1, all whole");
    assert_string_equal(check_case_find(&checks, "history")->found,
                        "2 records, the chain is whole");
    tm__mem_free(path);
}

static void trainings_that_were_stopped_are_counted(void **state) {
    const tm_home *home = *state;
    add_version(home);
    char *dir = tm__fs_join(tm__home_path(home), "checkpoints");
    const tm_checks before = checks_of(home);
    assert_string_equal(check_case_find(&before, "checkpoints")->found, "no training was stopped");
    assert_int_equal(tm__fs_mkdir(dir, NULL), TM_OK);
    static const char *const names[] = {"aa.1", "aa.2", "aa.lock", "ab.lock", "b.1"};
    for (size_t i = 0; i < 5; i++) {
        char *path = tm__fs_join(dir, names[i]);
        assert_int_equal(tm__fs_publish(path, "1234", 4, NULL), TM_OK);
        tm__mem_free(path);
    }
    const tm_checks checks = checks_of(home);
    assert_int_equal(check_case_find(&checks, "checkpoints")->state, TM_CHECK_OK);
    assert_non_null(strstr(check_case_find(&checks, "checkpoints")->found,
                           "2 trainings running or stopped, 20 bytes: the same command goes on"));
    tm__mem_free(dir);
}

static bool spoil(void *arg, const char *name) {
    char *path = tm__fs_join(arg, name);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 200, SEEK_SET), 0);
    assert_int_equal(fwrite("spoiled", 1, 7, file), 7);
    assert_int_equal(fclose(file), 0);
    tm__mem_free(path);
    return true;
}

static void a_spoiled_bundle_is_bad_and_named(void **state) {
    const tm_home *home = *state;
    add_version(home);
    char *dir = tm__mem_strdup(tm__home_bundles(home));
    assert_int_equal(tm__fs_list(dir, spoil, dir, NULL), TM_OK);
    const tm_checks checks = checks_of(home);
    assert_int_equal(check_case_find(&checks, "bundles")->state, TM_CHECK_BAD);
    assert_non_null(strstr(check_case_find(&checks, "bundles")->found, "1 of 1 broken"));
    tm__mem_free(dir);
}

static void a_foreign_database_is_bad(void **state) {
    const tm_home *home = *state;
    assert_int_equal(tm__fs_publish(tm__home_log_db(home), "no database at all", 18, NULL), TM_OK);
    const tm_checks checks = checks_of(home);
    assert_int_equal(check_case_find(&checks, "log.db")->state, TM_CHECK_BAD);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_empty_home_is_fine_and_stays_empty),
        TEST(files_without_a_version_are_counted),
        TEST(trainings_that_were_stopped_are_counted),
        TEST(a_spoiled_bundle_is_bad_and_named),
        TEST(a_foreign_database_is_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
