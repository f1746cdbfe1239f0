/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/staging.h"
#include "registry/registry.h"
#include "support.h"

static char home_path[128];

static int set_up(void **state) {
    (void)state;
    test_folder_make(&test_dir);
    test_folder_join(&test_dir, "home", home_path, sizeof(home_path));
    return 0;
}

static bool count(void *arg, const char *name) {
    (void)name;
    ++*(int *)arg;
    return true;
}

static int entries(void) {
    int n = 0;
    assert_int_equal(tm__fs_list(test_dir.path, count, &n, NULL), TM_OK);
    return n;
}

static void what_is_not_published_is_removed(void **state) {
    (void)state;
    char slashed[160];
    tm_staging staging = {0};
    snprintf(slashed, sizeof(slashed), "%s//", home_path);
    assert_int_equal(tm__staging_open(slashed, &staging, NULL), TM_OK);
    assert_int_equal(strncmp(staging.path, home_path, strlen(home_path)), 0);
    assert_non_null(strstr(staging.path, "/home.tmp-"));
    char *path = tm__staging_join(&staging, "bundles/x");
    assert_int_equal(tm__fs_publish(path, "x", 1, NULL), TM_OK);
    tm__mem_free(path);
    assert_int_equal(entries(), 1);
    tm__staging_close(&staging);
    assert_int_equal(entries(), 0);
}

static void a_published_home_is_a_home(void **state) {
    (void)state;
    tm_staging staging = {0};
    tm_registry *registry = NULL;
    tm_home *home = NULL;
    json_t *facts = NULL;
    json_t *files = NULL;
    assert_int_equal(tm__staging_open(home_path, &staging, NULL), TM_OK);
    assert_int_equal(tm__registry_open(staging.home, &registry, NULL), TM_OK);
    tm__registry_close(registry);
    assert_int_equal(tm__staging_check(&staging, &facts, &files, NULL), TM_OK);
    assert_int_equal(tm__json_i64(facts, "models", -1), 0);
    assert_int_equal(tm__json_i64(facts, "answers", -1), 0);
    assert_int_equal(tm__json_i64(json_object_get(facts, "formats"), "meta.db", -1), 8);
    char text[128];
    assert_int_equal(json_object_set_new(facts, "labels", json_integer(1)), 0);
    assert_string_equal(tm__staging_facts_text(facts, text, sizeof(text)),
                        "0 models, 0 versions, 0 answers, 1 label");
    json_decref(facts);
    json_decref(files);
    assert_int_equal(tm__fs_mkdir(home_path, NULL), TM_OK); /* an empty one is no obstacle */
    assert_int_equal(tm__staging_publish(&staging, home_path, NULL), TM_OK);
    tm__staging_close(&staging);
    assert_int_equal(tm__home_open(home_path, false, &home, NULL), TM_OK);
    tm__home_close(home);
    assert_int_equal(entries(), 1);
}

static void a_folder_that_is_not_empty_stays_as_it_is(void **state) {
    (void)state;
    char inside[160];
    tm_staging staging = {0};
    assert_int_equal(tm__staging_open(home_path, &staging, NULL), TM_OK);
    snprintf(inside, sizeof(inside), "%s/letter", home_path);
    assert_int_equal(tm__fs_mkdir(home_path, NULL), TM_OK);
    assert_int_equal(tm__fs_publish(inside, "x", 1, NULL), TM_OK);
    assert_int_equal(tm__staging_publish(&staging, home_path, NULL), TM_E_CONFLICT);
    tm__staging_close(&staging);
    assert_int_equal(entries(), 1);
    assert_int_equal(tm__fs_info(inside).size_bytes, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_not_published_is_removed, set_up, test_dir_remove),
        cmocka_unit_test_setup_teardown(a_published_home_is_a_home, set_up, test_dir_remove),
        cmocka_unit_test_setup_teardown(a_folder_that_is_not_empty_stays_as_it_is, set_up,
                                        test_dir_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
