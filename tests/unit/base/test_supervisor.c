/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sandbox.h"
#include "children.h"

static char path[128];

static int set_up(void **state) {
    (void)state;
    test_folder_make(&test_dir);
    test_folder_join(&test_dir, "pid", path, sizeof(path));
    return 0;
}

static bool ends_soon(int pid) {
    for (unsigned i = 0; i < TEST_LOOKS; i++) {
        if (kill(pid, 0) != 0 && errno == ESRCH) {
            return true;
        }
        tm__sleep_ms(2);
    }
    return false;
}

static void a_limit_of_time_ends_a_child(void **state) {
    (void)state;
    tm_supervisor *supervisor = NULL;
    assert_int_equal(tm__supervisor_open(&supervisor, NULL), TM_OK);
    const uint64_t start = tm__mono_ns();
    const uint64_t id =
        start_shell(supervisor, "exec sleep 100", (tm_child_spec){.seconds_max = 1});
    const tm_child_state ended = await_child(supervisor, id);
    assert_int_equal(ended.signal, SIGTERM);
    assert_true(tm__mono_ns() - start >= UINT64_C(990000000));
    tm__supervisor_close(supervisor);
}

static void a_limit_of_memory_is_kept(void **state) {
    (void)state;
    tm_supervisor *supervisor = NULL;
    assert_int_equal(tm__supervisor_open(&supervisor, NULL), TM_OK);
    /* tail keeps the line that never ends. */
    const char *script = "head -c 300000000 /dev/zero | tail -n 1 > /dev/null";
    const tm_child_spec limits[] = {{.memory_bytes_max = (uint64_t)64 << 20},
                                    {.data_bytes_max = (uint64_t)64 << 20}};
    for (size_t i = 0; i < 2; i++) {
        const uint64_t id = start_shell(supervisor, script, limits[i]);
        assert_int_not_equal(await_child(supervisor, id).exit_code, 0);
    }
    tm__supervisor_close(supervisor);
}

static void the_group_ends_with_its_leader(void **state) {
    (void)state;
    tm_supervisor *supervisor = NULL;
    assert_int_equal(tm__supervisor_open(&supervisor, NULL), TM_OK);
    const uint64_t id =
        start_shell(supervisor, "sleep 100 & echo $!", (tm_child_spec){.stdout_path = path});
    const int grandchild = await_number(path);
    assert_int_equal(await_child(supervisor, id).exit_code, 0);
    assert_true(ends_soon(grandchild));
    tm__supervisor_close(supervisor);
}

static void closing_ends_all_children(void **state) {
    (void)state;
    tm_supervisor *supervisor = NULL;
    assert_int_equal(tm__supervisor_open(&supervisor, NULL), TM_OK);
    (void)start_shell(supervisor, "echo $$; exec sleep 100", (tm_child_spec){.stdout_path = path});
    const int child = await_number(path);
    tm__supervisor_close(supervisor);
    assert_int_equal(kill(child, 0), -1);
    tm__supervisor_close(NULL);
}

/* A program that starts a child which ignores SIGTERM, and then is killed. */
static void children_die_with_the_program(void **state) {
    (void)state;
    const pid_t program = fork();
    if (program == 0) {
        tm_supervisor *supervisor = NULL;
        const char *const argv[] = {
            "/bin/sh", "-c", "trap '' TERM; (trap '' TERM; sleep 100) & echo $$; wait", NULL};
        const tm_child_spec spec = {.argv = argv, .stdout_path = path};
        uint64_t id;
        if (tm__supervisor_open(&supervisor, NULL) != TM_OK ||
            tm__child_start(supervisor, &spec, &id, NULL) != TM_OK) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    const int child = await_number(path);
    assert_int_equal(kill(child, 0), 0);
    assert_int_equal(kill(program, SIGKILL), 0);
    assert_int_equal(waitpid(program, NULL, 0), program);
    assert_true(ends_soon(child));
}

static void the_end_of_the_supervisor_is_noticed(void **state) {
    (void)state;
    tm_supervisor *supervisor = NULL;
    assert_int_equal(tm__supervisor_open(&supervisor, NULL), TM_OK);
    const uint64_t id =
        start_shell(supervisor, "echo $PPID; exec sleep 100", (tm_child_spec){.stdout_path = path});
    const int pid = await_number(path);
    assert_int_equal(kill(pid, SIGTERM), 0); /* only the program may end it */
    tm_child_state now;
    assert_int_equal(tm__child_state(supervisor, id, &now, NULL), TM_OK);
    assert_true(now.is_running);
    assert_int_equal(kill(pid, SIGKILL), 0);
    tm_err err = {0};
    const char *const argv[] = {"/bin/true", NULL};
    const tm_child_spec spec = {.argv = argv};
    uint64_t other;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(tm__child_state(supervisor, id, &now, &err), TM_E_UNAVAILABLE);
        assert_int_equal(tm__child_start(supervisor, &spec, &other, &err), TM_E_UNAVAILABLE);
    }
    tm__supervisor_close(supervisor);
}

/* Every child runs under a filter, without new rights and without core dumps; only what it starts
 * itself tells apart whether it may have a network. */
static void every_child_is_held_back(void **state) {
    (void)state;
    tm_supervisor *supervisor = NULL;
    assert_int_equal(tm__supervisor_open(&supervisor, NULL), TM_OK);
    const char *const script = "grep -q 'Seccomp:.2' /proc/self/status && "
                               "grep -q 'NoNewPrivs:.1' /proc/self/status && "
                               "grep -q 'core file size *0 *0' /proc/self/limits && "
                               "test \"$TIDEMILL_CHILD\" = leaf";
    if (tm__sandbox_is_there()) {
        assert_int_equal(
            await_child(supervisor, start_shell(supervisor, script, (tm_child_spec){0})).exit_code,
            0);
    }
    const char *const parent = "test \"$TIDEMILL_CHILD\" = parent";
    const tm_child_spec spec = {.has_children = true};
    assert_int_equal(await_child(supervisor, start_shell(supervisor, parent, spec)).exit_code, 0);
    tm__supervisor_close(supervisor);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, test_dir_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_child_is_held_back),
        TEST(a_limit_of_time_ends_a_child),
        TEST(a_limit_of_memory_is_kept),
        TEST(the_group_ends_with_its_leader),
        TEST(closing_ends_all_children),
        TEST(children_die_with_the_program),
        TEST(the_end_of_the_supervisor_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
