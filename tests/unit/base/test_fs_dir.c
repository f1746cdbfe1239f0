/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "support.h"

static void make(const char *name, const char *content) {
    char path[128];
    test_folder_join(&test_dir, name, path, sizeof(path));
    assert_int_equal(tm__fs_publish(path, content, strlen(content), NULL), TM_OK);
}

static int set_up(void **state) {
    (void)state;
    test_folder_make(&test_dir);
    make("b.csv", "x");
    make("a.csv", "");
    make("C.csv", "x");
    make("d[1].txt", "x");
    return 0;
}

typedef struct names {
    char text[1000];
    unsigned n_max;
} names;

static bool add_name(void *arg, const char *name) {
    names *all = arg;
    const char *slash = strrchr(name, '/');
    const size_t len = strlen(all->text);
    snprintf(all->text + len, sizeof(all->text) - len, "%s ", slash == NULL ? name : slash + 1);
    return --all->n_max > 0;
}

static void entries_come_in_byte_order(void **state) {
    (void)state;
    names all = {.n_max = 100};
    assert_int_equal(tm__fs_list(test_dir.path, add_name, &all, NULL), TM_OK);
    assert_string_equal(all.text, "C.csv a.csv b.csv d[1].txt ");
    names two = {.n_max = 2};
    assert_int_equal(tm__fs_list(test_dir.path, add_name, &two, NULL), TM_OK);
    assert_string_equal(two.text, "C.csv a.csv ");
    tm_err err = {0};
    assert_int_equal(tm__fs_list("/nowhere", add_name, &two, &err), TM_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "'/nowhere'"));
}

static void globs_match_in_byte_order(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *want;
        uint64_t n;
    } cases[] = {
        {"*.csv", "C.csv a.csv b.csv ", 3}, {"[ab].csv", "a.csv b.csv ", 2},
        {"?.csv", "C.csv a.csv b.csv ", 3}, {"a.csv", "a.csv ", 1},
        {"d[1].txt", "d[1].txt ", 1},       {"*.parquet", "", 0},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char pattern[128];
        names all = {.n_max = 100};
        uint64_t n = 99;
        test_folder_join(&test_dir, cases[i].pattern, pattern, sizeof(pattern));
        assert_int_equal(tm__fs_glob(pattern, add_name, &all, &n, NULL), TM_OK);
        assert_string_equal(all.text, cases[i].want);
        assert_int_equal(n, cases[i].n);
    }
}

static void a_path_says_what_stands_there(void **state) {
    (void)state;
    char path[128];
    const tm_path_info file = tm__fs_info(test_folder_join(&test_dir, "b.csv", path, sizeof(path)));
    assert_int_equal(file.kind, TM_PATH_FILE);
    assert_int_equal(file.size_bytes, 1);
    assert_true(file.modified_us > tm__now_us() - INT64_C(3600000000));
    assert_int_equal(tm__fs_info(test_dir.path).kind, TM_PATH_DIR);
    assert_int_equal(tm__fs_info("/dev/null").kind, TM_PATH_OTHER);
    assert_int_equal(tm__fs_info("/nowhere").kind, TM_PATH_NONE);
}

/* Who writes to a file, and whether it was renamed since, is seen. */
static void a_look_tells_whether_a_writer_is_through(void **state) {
    (void)state;
    tm_file *file = NULL;
    char path[128], to[128];
    test_folder_join(&test_dir, "look-a.csv", path, sizeof(path));
    test_folder_join(&test_dir, "look-b.csv", to, sizeof(to));
    assert_int_equal(tm__fs_look("/none/at/all").kind, TM_PATH_NONE);
    assert_int_equal(tm__fs_look(".").kind, TM_PATH_DIR);
    assert_int_equal(tm__file_open(path, TM_OPEN_CREATE, &file, NULL), TM_OK);
    assert_int_equal(tm__file_write(file, "abc", 3, NULL), TM_OK);
    tm_file_look look = tm__fs_look(path);
    assert_true(look.is_open);
    assert_int_equal(look.size_bytes, 3);
    tm__file_close(file);
    look = tm__fs_look(path);
    assert_false(look.is_open);
    assert_int_equal(look.changed_us, look.modified_us);
    tm__sleep_ms(20);
    assert_int_equal(rename(path, to), 0);
    const tm_file_look after = tm__fs_look(to);
    assert_int_equal(after.modified_us, look.modified_us);
    assert_true(after.changed_us > look.changed_us);
}

static void files_are_mapped(void **state) {
    (void)state;
    char path[128];
    tm_map map = {0};
    assert_int_equal(
        tm__map_open(test_folder_join(&test_dir, "b.csv", path, sizeof(path)), &map, NULL), TM_OK);
    assert_int_equal(map.len, 1);
    assert_int_equal(map.data[0], 'x');
    tm__map_close(&map);
    tm__map_close(&map);
    assert_int_equal(
        tm__map_open(test_folder_join(&test_dir, "a.csv", path, sizeof(path)), &map, NULL), TM_OK);
    assert_int_equal(map.len, 0);
    tm__map_close(&map);
    tm_err err = {0};
    uint64_t free_bytes = 0;
    assert_true(tm__fs_free_bytes(test_dir.path, &free_bytes) && free_bytes > 0);
    assert_false(tm__fs_free_bytes("/nowhere", &free_bytes));
    /* The same file is known again, until it is written to or another one takes its place. */
    test_folder_join(&test_dir, "c.csv", path, sizeof(path));
    assert_int_equal(tm__fs_publish(path, "x,y\n", 4, NULL), TM_OK);
    assert_int_equal(tm__map_open(path, &map, NULL), TM_OK);
    tm__map_populate(&map);
    tm_file_id id = map.id;
    assert_true(tm__fs_is_same(path, &id));
    id.changed_ns--;
    assert_false(tm__fs_is_same(path, &id));
    id = map.id;
    assert_int_equal(tm__fs_publish(path, "x,z\n", 4, NULL), TM_OK);
    assert_false(tm__fs_is_same(path, &id));
    assert_int_equal(tm__fs_remove(path, NULL), TM_OK);
    assert_false(tm__fs_is_same(path, &id));
    assert_memory_equal(map.data, "x,y\n", 4);
    tm__map_close(&map);
    tm__map_populate(&map); /* of nothing */
    assert_int_equal(tm__map_open(test_dir.path, &map, &err), TM_E_DATA);
    assert_int_equal(tm__map_open("/nowhere", &map, &err), TM_E_NOT_FOUND);
}

static void paths_are_joined_and_resolved(void **state) {
    (void)state;
    char *joined = tm__fs_join("a", "b/c");
    assert_string_equal(joined, "a/b/c");
    tm__mem_free(joined);
    char link[128], target[128];
    char *real = NULL;
    test_folder_join(&test_dir, "b.csv", target, sizeof(target));
    test_folder_join(&test_dir, "link", link, sizeof(link));
    assert_int_equal(symlink("b.csv", link), 0);
    assert_int_equal(tm__fs_real_path(link, &real, NULL), TM_OK);
    assert_string_equal(real, target);
    tm__mem_free(real);
    assert_int_equal(tm__fs_real_path("/nowhere", &real, NULL), TM_E_NOT_FOUND);
}

static void a_file_that_was_used_is_newer(void **state) {
    (void)state;
    char path[128];
    tm_err err = {0};
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    test_folder_join(&test_dir, "b.csv", path, sizeof(path));
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_int_equal(tm__fs_info(path).modified_us, INT64_C(1000000000));
    assert_int_equal(tm__fs_touch(path, NULL), TM_OK);
    assert_true(tm__fs_info(path).modified_us > INT64_C(1000000000));
    assert_int_equal(tm__fs_touch("/nowhere", &err), TM_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "'/nowhere'"));
}

static bool use_folder(void *arg) {
    (void)arg;
    names all = {.n_max = 100};
    char *real = NULL;
    char *joined = tm__fs_join("a", "b");
    const bool is_done = joined != NULL &&
                         tm__fs_list(test_dir.path, add_name, &all, NULL) == TM_OK &&
                         tm__fs_real_path(test_dir.path, &real, NULL) == TM_OK;
    tm__mem_free(joined);
    tm__mem_free(real);
    return is_done;
}

static void running_out_of_memory_is_reported(void **state) {
    (void)state;
    test_each_mem_fault(use_folder, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, test_dir_remove)

static void a_folder_has_an_entry_or_not(void **state) {
    char path[128];
    bool has = false;
    (void)state;
    assert_int_equal(tm__fs_has_entry(test_dir.path, &has, NULL), TM_OK);
    assert_true(has);
    test_folder_join(&test_dir, "empty", path, sizeof(path));
    assert_int_equal(tm__fs_has_entry(path, &has, NULL), TM_OK);
    assert_false(has);
    assert_int_equal(tm__fs_mkdir(path, NULL), TM_OK);
    assert_int_equal(tm__fs_has_entry(path, &has, NULL), TM_OK);
    assert_false(has);
}

static void file_systems_are_told_apart(void **state) {
    (void)state;
    assert_true(tm__fs_is_apart("/proc", "."));
    assert_true(tm__fs_is_apart(".", "/proc/no/such/thing"));
    assert_false(tm__fs_is_apart(".", "no/such/thing"));
    assert_false(tm__fs_is_apart("/proc/self", "/proc"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(entries_come_in_byte_order),    TEST(globs_match_in_byte_order),
        TEST(a_path_says_what_stands_there), TEST(a_look_tells_whether_a_writer_is_through),
        TEST(a_path_says_what_stands_there), TEST(files_are_mapped),
        TEST(paths_are_joined_and_resolved), TEST(running_out_of_memory_is_reported),
        TEST(a_file_that_was_used_is_newer), TEST(a_folder_has_an_entry_or_not),
        TEST(file_systems_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
