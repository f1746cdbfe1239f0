/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/fs_priv.h"
#include "base/mem.h"
#include "failing_disk.h"
#include "support.h"

static test_folder folder;
static char path[128];

static int set_up(void **state) {
    (void)state;
    test_folder_make(&folder);
    test_folder_join(&folder, "file", path, sizeof(path));
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    test_disk_fail_at(0, false);
    tm__mem_fail_at(0, false);
    test_folder_remove(&folder);
    return 0;
}

static void check_content(const char *want) {
    tm_buf buf;
    tm__buf_init(&buf, 1000);
    assert_int_equal(tm__fs_read_all(path, &buf, NULL), TM_OK);
    assert_string_equal((char *)buf.data, want);
    tm__buf_done(&buf);
}

static unsigned mode_of(const char *name) {
    struct stat info;
    assert_int_equal(stat(name, &info), 0);
    return info.st_mode & 0777u;
}

static void what_is_appended_stands_at_the_end(void **state) {
    (void)state;
    tm_file *one = NULL;
    tm_file *two = NULL;
    assert_int_equal(tm__file_open(path, TM_OPEN_APPEND, &one, NULL), TM_OK);
    assert_int_equal(tm__file_open(path, TM_OPEN_APPEND, &two, NULL), TM_OK);
    assert_int_equal(tm__file_write(one, "a", 1, NULL), TM_OK);
    assert_int_equal(tm__file_write(two, "b", 1, NULL), TM_OK);
    assert_int_equal(tm__file_write(one, "c", 1, NULL), TM_OK);
    tm__file_close(one);
    tm__file_close(two);
    check_content("abc");
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(tm__file_open("/nowhere/file", TM_OPEN_APPEND, &one, NULL), TM_E_NOT_FOUND);
}

static void files_are_written_and_read(void **state) {
    (void)state;
    tm_file *file = NULL;
    tm_err err = {0};
    assert_int_equal(tm__file_open(path, TM_OPEN_READ, &file, &err), TM_E_NOT_FOUND);
    assert_non_null(strstr(err.message, path));
    assert_true(err.hint[0] != '\0');
    assert_int_equal(tm__file_open(path, TM_OPEN_CREATE, &file, &err), TM_OK);
    assert_int_equal(tm__file_write(file, "hello ", 6, &err), TM_OK);
    assert_int_equal(tm__file_write(file, NULL, 0, &err), TM_OK);
    assert_int_equal(tm__file_sync(file, &err), TM_OK);
    tm__file_close(file);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(tm__file_open(path, TM_OPEN_CREATE, &file, &err), TM_E_CONFLICT);
    check_content("hello ");
    assert_int_equal(tm__file_open(path, TM_OPEN_TRUNCATE, &file, &err), TM_OK);
    assert_int_equal(tm__file_write(file, "hello ", 6, &err), TM_OK);
    assert_int_equal(tm__file_write(file, "world", 5, &err), TM_OK);
    tm__file_close(file);
    check_content("hello world");
    char bytes[20];
    size_t len;
    assert_int_equal(tm__file_open(path, TM_OPEN_READ, &file, &err), TM_OK);
    assert_int_equal(tm__file_read(file, bytes, 6, &len, &err), TM_OK);
    assert_int_equal(len, 6);
    assert_int_equal(tm__file_read(file, bytes, 20, &len, &err), TM_OK);
    assert_int_equal(len, 5);
    assert_int_equal(tm__file_read(file, bytes, 20, &len, &err), TM_OK);
    assert_int_equal(len, 0);
    tm__file_close(file);
    assert_int_equal(tm__file_open(path, TM_OPEN_TRUNCATE, &file, &err), TM_OK);
    tm__file_close(file);
    check_content("");
    tm__file_close(NULL);
    assert_int_equal(tm__file_open(folder.path, TM_OPEN_READ, &file, &err), TM_E_DATA);
    assert_non_null(strstr(err.hint, "folder/*"));
    assert_int_equal(tm__file_open("/proc/none/x", TM_OPEN_CREATE, &file, &err), TM_E_NOT_FOUND);
}

static void a_file_that_failed_is_never_used_again(void **state) {
    (void)state;
    tm_file *file = NULL;
    size_t len;
    char byte;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(tm__file_open(path, TM_OPEN_TRUNCATE, &file, NULL), TM_OK);
        test_disk_fail_at(1, false);
        if (i == 0) {
            assert_int_equal(tm__file_write(file, "0123456789", 10, NULL), TM_E_IO);
        } else {
            assert_int_equal(tm__file_sync(file, NULL), TM_E_IO);
        }
        test_disk_fail_at(0, false);
        tm_err err = {0};
        assert_int_equal(tm__file_sync(file, &err), TM_E_IO);
        assert_non_null(strstr(err.message, "earlier"));
        assert_int_equal(tm__file_write(file, "x", 1, NULL), TM_E_IO);
        assert_int_equal(tm__file_read(file, &byte, 1, &len, NULL), TM_E_IO);
        tm__file_close(file);
        check_content(i == 0 ? "01234" : "");
    }
}

static bool no_other_file(void *arg, const char *name) {
    (void)arg;
    assert_string_equal(name, "file");
    return true;
}

static void a_published_secret_is_for_this_user_alone(void **state) {
    (void)state;
    const mode_t before = umask(0);
    assert_int_equal(tm__fs_publish_secret(path, "secret", 6, NULL), TM_OK);
    (void)umask(before);
    check_content("secret");
    assert_int_equal(mode_of(path), 0600);
}

static void a_published_file_is_old_or_new(void **state) {
    (void)state;
    assert_int_equal(tm__fs_publish(path, "old", 3, NULL), TM_OK);
    check_content("old");
    unsigned n_failures = 0;
    for (uint64_t nth = 1;; nth++) {
        test_disk_fail_at(nth, true);
        tm_err err = {0};
        const tm_status st = tm__fs_publish(path, "newer", 5, &err);
        test_disk_fail_at(0, false);
        assert_int_equal(tm__fs_list(folder.path, no_other_file, NULL, NULL), TM_OK);
        if (st == TM_OK) {
            break;
        }
        n_failures++;
        assert_int_equal(st, TM_E_IO);
        /* The third call is the fsync of the folder: the new file stands there, not promised. */
        check_content(nth <= 2 ? "old" : "newer");
        assert_int_equal(tm__fs_publish(path, "old", 3, NULL), TM_OK);
    }
    assert_int_equal(n_failures, 3);
    check_content("newer");
    assert_int_equal(tm__fs_publish("/nowhere/at/all", "x", 1, NULL), TM_E_NOT_FOUND);
}

static void a_finished_file_is_copied_whole(void **state) {
    (void)state;
    char from[128];
    test_folder_join(&folder, "from", from, sizeof(from));
    const size_t sizes[] = {0, 1, 1 << 20, (1 << 20) + 1, 3 << 20};
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t *bytes = tm__mem_zalloc(sizes[i], 1);
        for (size_t k = 0; k < sizes[i]; k++) {
            bytes[k] = (uint8_t)(k * 31 >> 3);
        }
        assert_int_equal(tm__fs_publish(from, bytes, sizes[i], NULL), TM_OK);
        assert_int_equal(tm__fs_publish_file(from, path, NULL), TM_OK);
        tm_buf buf;
        tm__buf_init(&buf, (size_t)4 << 20);
        assert_int_equal(tm__fs_read_all(path, &buf, NULL), TM_OK);
        assert_int_equal(buf.len, sizes[i]);
        assert_memory_equal(buf.data, bytes, sizes[i]);
        tm__buf_done(&buf);
        tm__mem_free(bytes);
    }
    test_disk_fail_at(2, false);
    assert_int_equal(tm__fs_publish_file(from, path, NULL), TM_E_IO);
    assert_int_equal(tm__fs_publish_file("/nowhere", path, NULL), TM_E_NOT_FOUND);
}

static void a_stream_that_brings_nothing_can_be_left(void **state) {
    (void)state;
    static volatile _Atomic bool cancel;
    int ends[2];
    char name[64], bytes[16];
    size_t n = 0;
    tm_file *file = NULL;
    cancel = false;
    assert_int_equal(pipe(ends), 0);
    (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", ends[0]);
    assert_int_equal(tm__file_open(name, TM_OPEN_READ, &file, NULL), TM_OK);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    assert_int_equal(tm__file_read_some(file, &cancel, bytes, sizeof(bytes), &n, NULL), TM_OK);
    assert_int_equal(n, 3); /* it does not wait for more */
    cancel = true;
    assert_int_equal(tm__file_read_some(file, &cancel, bytes, sizeof(bytes), &n, NULL),
                     TM_E_CANCELLED);
    cancel = false;
    close(ends[1]);
    assert_int_equal(tm__file_read_some(file, &cancel, bytes, sizeof(bytes), &n, NULL), TM_OK);
    assert_int_equal(n, 0);
    tm__file_close(file);
    close(ends[0]);
}

static void reading_stops_at_the_maximum(void **state) {
    (void)state;
    assert_int_equal(tm__fs_publish(path, "0123456789", 10, NULL), TM_OK);
    tm_buf buf;
    tm__buf_init(&buf, 12);
    assert_true(tm__buf_text(&buf, "ab"));
    assert_int_equal(tm__fs_read_all(path, &buf, NULL), TM_OK);
    assert_string_equal((char *)buf.data, "ab0123456789");
    tm__buf_done(&buf);
    tm__buf_init(&buf, 11);
    assert_true(tm__buf_text(&buf, "ab"));
    tm_err err = {0};
    assert_int_equal(tm__fs_read_all(path, &buf, &err), TM_E_LIMIT);
    assert_string_equal((char *)buf.data, "ab");
    assert_int_equal(tm__fs_read_all(folder.path, &buf, &err), TM_E_DATA);
    tm__buf_done(&buf);
}

static void folders_are_made_with_their_parents(void **state) {
    (void)state;
    char deep[160];
    test_folder_join(&folder, "a/b//c/", deep, sizeof(deep));
    assert_int_equal(tm__fs_mkdir(deep, NULL), TM_OK);
    assert_int_equal(tm__fs_mkdir(deep, NULL), TM_OK);
    assert_int_equal(tm__fs_info(deep).kind, TM_PATH_DIR);
    assert_int_equal(mode_of(deep), 0700);
    assert_int_equal(tm__fs_publish(path, "", 0, NULL), TM_OK);
    assert_int_equal(tm__fs_mkdir(path, NULL), TM_E_CONFLICT);
    assert_int_equal(tm__fs_mkdir("", NULL), TM_E_NOT_FOUND);
    assert_int_equal(tm__fs_remove(deep, NULL), TM_OK);
    assert_int_equal(tm__fs_remove(deep, NULL), TM_OK);
    assert_int_equal(tm__fs_info(deep).kind, TM_PATH_NONE);
    tm_err err = {0};
    test_folder_join(&folder, "a", deep, sizeof(deep));
    assert_int_equal(tm__fs_remove(deep, &err), TM_E_IO);
    assert_non_null(strstr(err.message, "cannot remove"));
}

static void a_lock_has_one_holder(void **state) {
    (void)state;
    tm_file *lock = NULL, *second = NULL;
    tm_err err = {0};
    assert_int_equal(tm__lock_open(path, &lock, NULL), TM_OK);
    assert_int_equal(tm__lock_open(path, &second, &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.hint, "other process"));
    assert_null(second);
    tm__file_close(lock);
    /* It ends with the process that holds it. */
    const pid_t pid = fork();
    if (pid == 0) {
        _exit(tm__lock_open(path, &lock, NULL) == TM_OK ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(tm__lock_open(path, &second, NULL), TM_OK);
    tm__file_close(second);
}

static void each_cause_has_its_status_and_its_hint(void **state) {
    (void)state;
    static const struct {
        int number;
        tm_status status;
        const char *hint;
    } cases[] = {
        {ENOENT, TM_E_NOT_FOUND, "Check the path"},
        {EACCES, TM_E_NOT_ALLOWED, "Give the user of this process the right"},
        {EROFS, TM_E_NOT_ALLOWED, "Give the user of this process the right"},
        {EEXIST, TM_E_CONFLICT, "Choose another path"},
        {EISDIR, TM_E_DATA, "Name a file"},
        {ENOSPC, TM_E_IO, "Free some space"},
        {EDQUOT, TM_E_IO, "Free some space"},
        {EMFILE, TM_E_UNAVAILABLE, "Raise the limit of open files"},
        {ENOMEM, TM_E_NOMEM, ""},
        {EIO, TM_E_IO, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_err err = {0};
        assert_int_equal(tm__fs_errno(&err, cases[i].number, "open", "a/b"), cases[i].status);
        assert_int_equal(err.status, cases[i].status);
        assert_int_equal(strncmp(err.message, "cannot open 'a/b': ", 19), 0);
        assert_int_equal(strncmp(err.hint, cases[i].hint, strlen(cases[i].hint)), 0);
        assert_true(cases[i].hint[0] != '\0' || err.hint[0] == '\0');
    }
}

static bool use_files(void *arg) {
    (void)arg;
    tm_file *file = NULL;
    tm_buf buf;
    tm__buf_init(&buf, 1000);
    char deep[160];
    test_folder_join(&folder, "x/y", deep, sizeof(deep));
    bool is_done = tm__file_open(path, TM_OPEN_TRUNCATE, &file, NULL) == TM_OK;
    tm__file_close(file);
    is_done = is_done && tm__fs_publish(path, "abc", 3, NULL) == TM_OK &&
              tm__fs_publish_file(path, path, NULL) == TM_OK &&
              tm__fs_read_all(path, &buf, NULL) == TM_OK && tm__fs_mkdir(deep, NULL) == TM_OK;
    tm__buf_done(&buf);
    return is_done;
}

static void running_out_of_memory_is_reported(void **state) {
    (void)state;
    test_each_mem_fault(use_files, NULL);
    check_content("abc");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void a_moved_folder_takes_the_place_of_an_empty_one(void **state) {
    (void)state;
    test_folder place;
    char from[128], to[128], inside[160];
    test_folder_make(&place);
    test_folder_join(&place, "from", from, sizeof(from));
    test_folder_join(&place, "to", to, sizeof(to));
    assert_int_equal(tm__fs_mkdir(from, NULL), TM_OK);
    assert_int_equal(tm__fs_mkdir(to, NULL), TM_OK);
    snprintf(inside, sizeof(inside), "%s/x", from);
    assert_int_equal(tm__fs_publish(inside, "x", 1, NULL), TM_OK);
    assert_int_equal(tm__fs_sync_folder(from, NULL), TM_OK);
    assert_int_equal(tm__fs_move(from, to, NULL), TM_OK);
    snprintf(inside, sizeof(inside), "%s/x", to);
    assert_int_equal(tm__fs_info(inside).size_bytes, 1);
    assert_int_equal(tm__fs_info(from).kind, TM_PATH_NONE);
    assert_int_equal(tm__fs_mkdir(from, NULL), TM_OK);
    assert_int_equal(tm__fs_move(from, to, NULL), TM_E_CONFLICT);
    assert_int_equal(tm__fs_info(from).kind, TM_PATH_DIR);
    assert_int_equal(tm__fs_move("no/such/folder", to, NULL), TM_E_NOT_FOUND);
    assert_int_equal(tm__fs_sync_folder("no/such/folder", NULL), TM_E_NOT_FOUND);
    test_folder_remove(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_appended_stands_at_the_end),
        TEST(files_are_written_and_read),
        TEST(a_file_that_failed_is_never_used_again),
        TEST(a_published_secret_is_for_this_user_alone),
        TEST(a_published_file_is_old_or_new),
        TEST(a_finished_file_is_copied_whole),
        TEST(a_stream_that_brings_nothing_can_be_left),
        TEST(reading_stops_at_the_maximum),
        TEST(folders_are_made_with_their_parents),
        TEST(a_lock_has_one_holder),
        TEST(a_moved_folder_takes_the_place_of_an_empty_one),
        TEST(each_cause_has_its_status_and_its_hint),
        TEST(running_out_of_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
