/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/pool.h"
#include "base/system.h"
#include "support.h"

static void limits_are_those_of_the_process(void **state) {
    (void)state;
    struct rlimit before, lower;
    tm_limits limits;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    lower = before;
    lower.rlim_cur = 123;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &lower), 0);
    tm__system_limits(&limits);
    assert_int_equal(limits.open_files.now, 123);
    assert_true(limits.open_files.most >= 123);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(limits.processes.now > 0 && limits.address_bytes.now > 0);
}

static void memory_and_processors_are_there(void **state) {
    (void)state;
    assert_true(tm__memory_bytes(NULL) > (UINT64_C(64) << 20));
    assert_true(tm__memory_free() > 0);
    assert_true(tm__memory_free() <= tm__memory_bytes(NULL));
    assert_true(tm__cpu_affinity() >= tm__cpu_count());
    const char *pages = tm__huge_pages();
    assert_true(strcmp(pages, "always") == 0 || strcmp(pages, "madvise") == 0 ||
                strcmp(pages, "never") == 0 || strcmp(pages, "unknown") == 0);
}

static void a_disk_has_a_name_and_room(void **state) {
    (void)state;
    tm_disk disk;
    assert_true(tm__disk_info(".", &disk));
    assert_true(disk.name[0] != '\0');
    assert_true(disk.free_bytes > 0 && disk.free_bytes <= disk.total_bytes);
    assert_true(disk.free_files <= disk.total_files);
    assert_true(tm__disk_info("/dev/shm", &disk));
    assert_string_equal(disk.name, "tmpfs");
    assert_int_equal(disk.kind, TM_DISK_MEMORY);
    assert_false(tm__disk_info("no/such/folder", &disk));
}

static void access_is_told(void **state) {
    (void)state;
    test_folder folder;
    tm_file_access access;
    test_folder_make(&folder);
    assert_int_equal(chmod(folder.path, 0750), 0);
    assert_true(tm__access_info(folder.path, &access));
    assert_int_equal(access.mode, 0750);
    assert_true(access.is_own);
    assert_false(tm__access_info("no/such/file", &access));
    test_folder_remove(&folder);
}

static void the_clock_has_a_state(void **state) {
    (void)state;
    assert_in_range(tm__clock_state(), TM_CLOCK_SYNCED, TM_CLOCK_UNKNOWN);
}

static void the_holder_of_a_lock_has_a_number_and_a_name(void **state) {
    (void)state;
    test_folder folder;
    char path[128], name[32] = "";
    int held[2], end[2];
    test_folder_make(&folder);
    test_folder_join(&folder, "f", path, sizeof(path));
    assert_int_equal(tm__fs_publish(path, "x", 1, NULL), TM_OK);
    assert_int_equal(tm__lock_holder(path, 120, name, sizeof(name)), 0);
    assert_int_equal(tm__lock_holder("no/such/file", 120, name, sizeof(name)), 0);
    assert_int_equal(pipe(held), 0);
    assert_int_equal(pipe(end), 0);
    const pid_t child = fork();
    if (child == 0) {
        char byte;
        close(end[1]); /* so that this end of the test is the end of the child */
        const int fd = open(path, O_RDWR);
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 120, .l_len = 2};
        if (fcntl(fd, F_SETLK, &lock) != 0 || write(held[1], "h", 1) != 1) {
            _exit(1);
        }
        _exit(read(end[0], &byte, 1) == 0 ? 0 : 1);
    }
    char byte;
    close(end[0]);
    assert_int_equal(read(held[0], &byte, 1), 1);
    assert_int_equal(tm__lock_holder(path, 121, name, sizeof(name)), child);
    assert_string_equal(name, "test_system");
    assert_int_equal(tm__lock_holder(path, 119, name, sizeof(name)), 0);
    assert_int_equal(tm__lock_holder(path, 122, name, sizeof(name)), 0);
    close(end[1]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(held[0]);
    close(held[1]);
    test_folder_remove(&folder);
}

/* The system's own answer, asked where there is memory. */
static void the_user_has_the_name_that_the_system_gives(void **state) {
    (void)state;
    char name[80];
    char small[4];
    const struct passwd *user = getpwuid(getuid());
    tm__user_name(name, sizeof(name));
    if (user != NULL) {
        assert_string_equal(name, user->pw_name);
    } else {
        assert_int_equal(strncmp(name, "uid ", 4), 0);
    }
    tm__user_name(small, sizeof(small));
    assert_true(strlen(small) < sizeof(small));
    tm__host_name(name, sizeof(name));
    assert_true(name[0] != '\0');
    /* A user from beyond the file, in a child that may become it. */
    const pid_t child = fork();
    if (child == 0) {
        if (geteuid() != 0) {
            _exit(0);
        }
        const bool is_changed = setresuid(64321, 64321, 64321) == 0;
        tm__user_name(name, sizeof(name));
        _exit(is_changed && strcmp(name, "uid 64321") == 0 ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_are_those_of_the_process),
        cmocka_unit_test(memory_and_processors_are_there),
        cmocka_unit_test(a_disk_has_a_name_and_room),
        cmocka_unit_test(access_is_told),
        cmocka_unit_test(the_clock_has_a_state),
        cmocka_unit_test(the_user_has_the_name_that_the_system_gives),
        cmocka_unit_test(the_holder_of_a_lock_has_a_number_and_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
