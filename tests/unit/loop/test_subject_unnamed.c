/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "loop/subject_scan.h"
#include "temp_home.h"

static void unnamed(const tm_home *home, json_t *rest) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    assert_int_equal(tm__subject_unnamed(home, registry, rest, NULL), TM_OK);
    tm__registry_close(registry);
}

static void put(const char *dir, const char *name) {
    char path[1024];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(tm__fs_publish(path, "rows", 4, NULL), TM_OK);
}

static void a_home_without_snapshots_has_none(void **state) {
    json_t *rest = json_array();
    unnamed(*state, rest);
    assert_int_equal(json_array_size(rest), 0);
    json_decref(rest);
}

static void a_snapshot_that_neither_a_version_nor_a_turn_names_is_told(void **state) {
    const char *const dir = tm__home_snapshots(*state);
    const char *const name = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    char file[100];
    json_t *rest = json_array();
    (void)snprintf(file, sizeof(file), "%s.parquet", name);
    assert_int_equal(tm__fs_mkdir(dir, NULL), TM_OK);
    put(dir, file);
    put(dir, "begun.tmp");
    unnamed(*state, rest);
    assert_int_equal(json_array_size(rest), 1);
    assert_string_equal(tm__json_text(json_array_get(rest, 0), "what", "") + strlen("snapshot:"),
                        name);
    json_decref(rest);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_home_without_snapshots_has_none),
        TEST(a_snapshot_that_neither_a_version_nor_a_turn_names_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
