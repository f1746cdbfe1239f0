/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "store/home.h"
#include "temp_home.h"

#define LEN 4096u

static void path_of(const tm_home *home, char out[512]) {
    (void)snprintf(out, 512, "%s/shared", tm__home_path(home));
}

static void bytes_outlive_a_kill(void **state) {
    char path[512];
    path_of(*state, path);
    const pid_t pid = fork();
    if (pid == 0) {
        tm_shared shared = {0};
        if (tm__shared_open(path, LEN, &shared, NULL) != TM_OK) {
            _exit(1);
        }
        memcpy(shared.data + 100, "mill", 4);
        (void)kill(getpid(), SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    tm_shared shared = {0};
    assert_int_equal(tm__shared_open(path, LEN, &shared, NULL), TM_OK);
    assert_memory_equal(shared.data + 100, "mill", 4);
    assert_int_equal(shared.data[0], 0);
    tm__shared_close(&shared);
    tm__shared_close(&shared);
}

static void two_see_the_same_bytes_at_once(void **state) {
    char path[512];
    tm_shared one = {0}, other = {0};
    path_of(*state, path);
    assert_int_equal(tm__shared_open(path, LEN, &one, NULL), TM_OK);
    assert_int_equal(tm__shared_open(path, LEN, &other, NULL), TM_OK);
    one.data[7] = 9;
    assert_int_equal(other.data[7], 9);
    tm__shared_close(&one);
    tm__shared_close(&other);
}

static void a_file_of_another_size_is_made_anew(void **state) {
    char path[512];
    tm_shared shared = {0};
    path_of(*state, path);
    assert_int_equal(tm__fs_publish(path, "short", 5, NULL), TM_OK);
    assert_int_equal(tm__shared_open(path, LEN, &shared, NULL), TM_OK);
    assert_int_equal(shared.data[0], 0);
    tm__shared_close(&shared);
    assert_int_equal(tm__shared_open("/nowhere/shared", LEN, &shared, NULL), TM_E_NOT_FOUND);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(bytes_outlive_a_kill),
        TEST(two_see_the_same_bytes_at_once),
        TEST(a_file_of_another_size_is_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
