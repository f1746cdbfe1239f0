/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/pool.h"
#include "children.h"

static tm_supervisor *supervisor;
static test_folder folder;

static int set_up(void **state) {
    (void)state;
    test_folder_make(&folder);
    return tm__supervisor_open(&supervisor, NULL) == TM_OK ? 0 : 1;
}

static int tear_down(void **state) {
    (void)state;
    tm__supervisor_close(supervisor);
    test_folder_remove(&folder);
    return 0;
}

static void check_file(const char *path, const char *want) {
    tm_buf buf;
    tm__buf_init(&buf, 10000);
    assert_int_equal(tm__fs_read_all(path, &buf, NULL), TM_OK);
    assert_string_equal((char *)buf.data, want);
    tm__buf_done(&buf);
}

static void a_child_writes_files_and_gives_its_code(void **state) {
    (void)state;
    char out[128], err_path[128];
    const tm_child_spec spec = {
        .stdout_path = test_folder_join(&folder, "out", out, sizeof(out)),
        .stderr_path = test_folder_join(&folder, "err", err_path, sizeof(err_path)),
    };
    uint64_t id = start_shell(supervisor, "echo \"$0 $1\"; echo bad >&2; cat; exit 7", spec);
    tm_child_state ended = await_child(supervisor, id);
    assert_int_equal(ended.exit_code, 7);
    assert_int_equal(ended.signal, 0);
    check_file(out, "/bin/sh \n");
    check_file(err_path, "bad\n");
    assert_int_equal(tm__process_epoch(), 0);
    tm_child_spec led = spec;
    led.epoch = 7;
    id = start_shell(supervisor, "echo \"$TIDEMILL_EPOCH\"", led);
    (void)await_child(supervisor, id);
    check_file(out, "7\n");
}

static void a_child_killed_by_a_signal_says_so(void **state) {
    (void)state;
    const uint64_t id = start_shell(supervisor, "kill -SEGV $$", (tm_child_spec){0});
    const tm_child_state ended = await_child(supervisor, id);
    assert_int_equal(ended.exit_code, -1);
    assert_int_equal(ended.signal, SIGSEGV);
}

static void what_cannot_start_is_named(void **state) {
    (void)state;
    const char *const argv[] = {"/nowhere/program", NULL};
    const char *const none[] = {NULL};
    tm_child_spec spec = {.argv = argv};
    tm_err err = {0};
    uint64_t id = 99;
    assert_int_equal(tm__child_start(supervisor, &spec, &id, &err), TM_E_UNAVAILABLE);
    assert_non_null(strstr(err.message, "cannot run '/nowhere/program': no such file"));
    spec.stdout_path = "/nowhere/out";
    assert_int_equal(tm__child_start(supervisor, &spec, &id, &err), TM_E_UNAVAILABLE);
    assert_non_null(strstr(err.message, "output files"));
    spec.argv = none;
    assert_int_equal(tm__child_start(supervisor, &spec, &id, &err), TM_E_INVALID);
    assert_int_equal(id, 99);
    tm_child_state child;
    assert_int_equal(tm__child_state(supervisor, 1, &child, &err), TM_E_NOT_FOUND);
    assert_int_equal(tm__child_state(supervisor, 0, &child, &err), TM_E_NOT_FOUND);
    assert_int_equal(tm__child_stop(supervisor, UINT64_MAX, &err), TM_E_NOT_FOUND);
}

static void stopping_asks_first(void **state) {
    (void)state;
    char path[128];
    const tm_child_spec spec = {.stdout_path =
                                    test_folder_join(&folder, "pid", path, sizeof(path))};
    const uint64_t id =
        start_shell(supervisor, "trap 'exit 3' TERM; echo $$; while :; do sleep 0.01; done", spec);
    (void)await_number(path);
    tm_child_state now;
    assert_int_equal(tm__child_state(supervisor, id, &now, NULL), TM_OK);
    assert_true(now.is_running);
    assert_int_equal(tm__child_stop(supervisor, id, NULL), TM_OK);
    assert_int_equal(await_child(supervisor, id).exit_code, 3);
    assert_int_equal(tm__child_stop(supervisor, id, NULL), TM_OK);
}

/* Of a program that was killed as an operator or a lack of memory would. */
static void a_supervisor_that_is_gone_is_noticed(void **state) {
    (void)state;
    char path[128];
    const tm_child_spec spec = {.stdout_path =
                                    test_folder_join(&folder, "pid", path, sizeof(path))};
    const uint64_t id = start_shell(supervisor, "echo $PPID; exec sleep 60", spec);
    const pid_t pid = (pid_t)await_number(path);
    tm_err err = {0};
    tm_child_state child;
    assert_int_equal(tm__supervisor_check(supervisor, &err), TM_OK);
    assert_int_equal(kill(pid, SIGKILL), 0);
    tm_status st = TM_OK;
    for (int i = 0; i < TEST_LOOKS && st == TM_OK; i++) {
        tm__sleep_ms(5);
        st = tm__supervisor_check(supervisor, &err);
    }
    assert_int_equal(st, TM_E_UNAVAILABLE);
    assert_non_null(strstr(err.message, "the process that starts children is gone"));
    assert_int_equal(tm__child_state(supervisor, id, &child, &err), TM_E_UNAVAILABLE);
    assert_int_equal(tm__supervisor_check(supervisor, &err), TM_E_UNAVAILABLE);
}

typedef struct starts {
    _Atomic uint32_t n_good;
} starts;

static void start_one(void *arg, uint64_t item, uint32_t worker) {
    starts *all = arg;
    char script[32];
    (void)worker;
    snprintf(script, sizeof(script), "exit %u", (unsigned)item);
    const uint64_t id = start_shell(supervisor, script, (tm_child_spec){0});
    if (await_child(supervisor, id).exit_code == (int)item) {
        all->n_good++;
    }
}

static void threads_may_ask_at_once(void **state) {
    (void)state;
    starts all = {0};
    tm_pool *pool = tm__pool_create(4);
    tm__pool_run(pool, 20, start_one, &all);
    tm__pool_free(pool);
    assert_int_equal(all.n_good, 20);
}

static bool use_supervisor(void *arg) {
    (void)arg;
    tm_supervisor *other = NULL;
    tm_child_state child;
    uint64_t id;
    const char *const argv[] = {"/bin/true", NULL};
    const tm_child_spec spec = {.argv = argv};
    const bool is_done = tm__supervisor_open(&other, NULL) == TM_OK &&
                         tm__child_start(other, &spec, &id, NULL) == TM_OK &&
                         tm__child_state(other, id, &child, NULL) == TM_OK;
    tm__supervisor_close(other);
    return is_done;
}

static void running_out_of_memory_is_reported(void **state) {
    (void)state;
    test_each_mem_fault(use_supervisor, NULL);
}

static void lost_memory_leaves_the_supervisor_usable(void **state) {
    (void)state;
    const char *const argv[] = {"/bin/true", NULL};
    const tm_child_spec spec = {.argv = argv};
    tm_status st = TM_E_NOMEM;
    for (uint64_t nth = 1; st == TM_E_NOMEM; nth++) {
        uint64_t id = 0;
        tm__mem_fail_at(nth, nth % 2 == 0);
        st = tm__child_start(supervisor, &spec, &id, NULL);
        tm__mem_fail_at(0, false);
        assert_int_equal(tm__supervisor_check(supervisor, NULL), TM_OK);
        assert_true(nth < 100);
    }
    assert_int_equal(st, TM_OK);
}

static void the_program_knows_its_path(void **state) {
    (void)state;
    const char *path = tm__program_path();
    assert_int_equal(path[0], '/');
    assert_non_null(strstr(path, "test_proc"));
    assert_ptr_equal(path, tm__program_path());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_child_writes_files_and_gives_its_code),
        TEST(a_child_killed_by_a_signal_says_so),
        TEST(what_cannot_start_is_named),
        TEST(stopping_asks_first),
        TEST(a_supervisor_that_is_gone_is_noticed),
        TEST(threads_may_ask_at_once),
        TEST(running_out_of_memory_is_reported),
        TEST(lost_memory_leaves_the_supervisor_usable),
        cmocka_unit_test(the_program_knows_its_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
