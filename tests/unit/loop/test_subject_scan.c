/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "loop/subject_scan.h"
#include "temp_home.h"

static bool is_any(const char *entry) {
    (void)entry;
    return true;
}

static bool is_not_jobs(const char *entry) {
    return strcmp(entry, "jobs") != 0;
}

static void put(const tm_home *home, const char *name, const char *text) {
    char *path = tm__fs_join(tm__home_path(home), name);
    assert_int_equal(tm__fs_publish(path, text, strlen(text), NULL), TM_OK);
    tm__mem_free(path);
}

static json_t *scan(const tm_home *home, bool (*is_asked)(const char *entry)) {
    json_t *files = json_array();
    tm_dict *ids = tm__dict_create();
    tm_needles *needles = NULL;
    assert_int_equal(tm__dict_add(ids, tm__str("token-1")), 0);
    assert_int_equal(tm__dict_add(ids, tm__str("token-11")), 1);
    assert_int_equal(tm__needles_create(ids, &needles, NULL), TM_OK);
    assert_int_equal(tm__subject_scan(home, needles, is_asked, files, NULL), TM_OK);
    tm__needles_free(needles);
    tm__dict_free(ids);
    return files;
}

static size_t count(const tm_home *home, bool (*is_asked)(const char *entry)) {
    json_t *files = scan(home, is_asked);
    const size_t n = json_array_size(files);
    json_decref(files);
    return n;
}

static void files_with_the_text_are_named(void **state) {
    put(*state, "a", "before token-1 behind");
    put(*state, "b", "token-2");
    put(*state, "empty", "");
    put(*state, "jobs/c", "token-1");
    assert_int_equal(count(*state, is_any), 2);
    assert_int_equal(count(*state, is_not_jobs), 1);
    json_t *files = scan(*state, is_any);
    assert_true(tm__json_has_text(files, "a") && tm__json_has_text(files, "jobs/c"));
    json_decref(files);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        files_with_the_text_are_named, tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
