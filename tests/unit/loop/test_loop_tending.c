/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "child_case.h"
#include "loop/loop_priv.h"
#include "online_case.h"
#include "temp_home.h"
#include "test.h"

static bool is_there(const char *home, const char *name) {
    char *path = tm__fs_join(home, name);
    const bool is_so = tm__fs_info(path).kind != TM_PATH_NONE;
    tm__mem_free(path);
    return is_so;
}

static void mark(const char *home, const char *name) {
    char *path = tm__fs_join(home, name);
    const tm_status st = tm__fs_publish(path, "", 0, NULL);
    (void)st;
    tm__mem_free(path);
}

/* This program is its own child: `test_loop_tending online update --follow --home DIR --json`. */
static int play_child(int argc, char **argv) {
    if (argc != 7 || strcmp(argv[1], "online") != 0 || strcmp(argv[3], "--follow") != 0) {
        return 9;
    }
    const char *const home = argv[5];
    mark(home, argv[2]);
    while (!is_there(home, "end")) {
        tm__sleep_ms(2);
    }
    return 0;
}

static void step_until_it_ends(tm_tending *t, tm_registry *registry) {
    for (int i = 0; i < TEST_LOOKS && t->child.is_running; i++) {
        tm__sleep_ms(5);
        (void)tm__tending_step(t, registry);
    }
    assert_false(t->child.is_running);
}

static void a_child_keeps_the_store_once_a_version_needs_it(void **state) {
    tm_registry *registry = NULL;
    tm_tending t = {.child = {.home = *state, .supervisor = child_case_supervisor},
                    .duty = &tm__duty_online};
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    (void)tm__tending_step(&t, registry);
    assert_false(t.child.is_running);
    (void)online_case_version(*state, 0.5, NULL);
    (void)tm__tending_step(&t, registry);
    assert_true(t.child.is_running);
    (void)tm__tending_step(&t, registry);
    assert_true(t.child.is_running);
    mark(tm__home_path(*state), "end");
    step_until_it_ends(&t, registry);
    assert_true(t.not_before_ns > tm__mono_ns());
    (void)tm__tending_step(&t, registry);
    assert_false(t.child.is_running); /* not at once */
    assert_true(is_there(tm__home_path(*state), "update"));
    tm__registry_close(registry);
}

static void it_ends_with_the_daemon(void **state) {
    tm_registry *registry = NULL;
    tm_tending t = {.child = {.home = *state, .supervisor = child_case_supervisor},
                    .duty = &tm__duty_online};
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    (void)online_case_version(*state, 0.5, NULL);
    (void)tm__tending_step(&t, registry);
    assert_true(t.child.is_running);
    tm__tending_stop(&t);
    assert_false(t.child.is_running);
    tm__tending_stop(&t);
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(int argc, char **argv) {
    if (argc > 1) {
        return play_child(argc, argv);
    }
    const struct CMUnitTest tests[] = {
        TEST(a_child_keeps_the_store_once_a_version_needs_it),
        TEST(it_ends_with_the_daemon),
    };
    return cmocka_run_group_tests(tests, child_case_open, child_case_close);
}
