/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/fs.h"
#include "base/mem.h"
#include "loop/subject_derived.h"
#include "temp_home.h"

static void put(const tm_home *home, const char *folder, const char *name) {
    char *const dir = tm__fs_join(tm__home_path(home), folder);
    char *const path = tm__fs_join(dir, name);
    assert_int_equal(tm__fs_mkdir(dir, NULL), TM_OK);
    assert_int_equal(tm__fs_publish(path, "x", 1, NULL), TM_OK);
    tm__mem_free(path);
    tm__mem_free(dir);
}

static bool is_there(const tm_home *home, const char *name) {
    char *const path = tm__fs_join(tm__home_path(home), name);
    const bool is = tm__fs_info(path).kind != TM_PATH_NONE;
    tm__mem_free(path);
    return is;
}

static void all_of_it_goes_and_nothing_else(void **state) {
    assert_int_equal(tm__subject_remove_derived(*state, NULL), TM_OK); /* there is none */
    put(*state, "cache", "a.csv");
    put(*state, "checkpoints", "b.0");
    put(*state, "spill", "1.tms");
    put(*state, "jobs", "sink.1.0.rows");
    put(*state, "jobs", "1.out");
    assert_int_equal(tm__subject_remove_derived(*state, NULL), TM_OK);
    assert_false(is_there(*state, "cache/a.csv") || is_there(*state, "checkpoints/b.0") ||
                 is_there(*state, "jobs/sink.1.0.rows"));
    assert_true(is_there(*state, "spill/1.tms") && is_there(*state, "jobs/1.out"));
    assert_true(tm__subject_is_derived("online") && tm__subject_is_derived("cache"));
    assert_false(tm__subject_is_derived("spill"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        all_of_it_goes_and_nothing_else, tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
