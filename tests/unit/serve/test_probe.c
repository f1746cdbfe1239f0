/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/probe.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "child_case.h"
#include "store/online.h"
#include "temp_home.h"
#include "test.h"

static bool is_there(const char *home, const char *name) {
    char *const path = tm__fs_join(home, name);
    const bool is_so = tm__fs_info(path).kind != TM_PATH_NONE;
    tm__mem_free(path);
    return is_so;
}

/* This program is its own child: `test_probe online check --home DIR`. */
static int play_child(int argc, char **argv) {
    if (argc != 5 || strcmp(argv[2], "check") != 0) {
        return 9;
    }
    return is_there(argv[4], "damaged") ? 8 : 0;
}

static void make_store(const tm_home *home) {
    tm_online *online = NULL;
    bool is_anew = false;
    assert_int_equal(tm__online_open_write(home, true, &online, &is_anew, NULL), TM_OK);
    assert_int_equal(tm__online_publish(online, NULL), TM_OK);
    tm__online_unref(online);
}

static void step_through(tm_probe *p, uint64_t *found) {
    tm__probe_step(p, found);
    assert_true(p->is_running);
    for (int i = 0; i < TEST_LOOKS && p->is_running; i++) {
        tm__sleep_ms(5);
        tm__probe_step(p, found);
    }
    assert_false(p->is_running);
}

static void a_store_is_used_when_a_child_has_walked_it(void **state) {
    tm_probe p = {.home = *state, .supervisor = child_case_supervisor};
    uint64_t found = 0;
    tm__probe_step(&p, &found);
    assert_false(p.is_running); /* there is none */
    make_store(*state);
    step_through(&p, &found);
    assert_int_equal(found, 1);
    tm__probe_step(&p, &found);
    assert_false(p.is_running); /* nothing new */
    make_store(*state);
    step_through(&p, &found);
    assert_int_equal(found, 2);
}

static void a_damaged_store_is_not(void **state) {
    tm_probe p = {.home = *state, .supervisor = child_case_supervisor};
    uint64_t found = 0;
    char *const path = tm__fs_join(tm__home_path(*state), "damaged");
    assert_int_equal(tm__fs_publish(path, "", 0, NULL), TM_OK);
    tm__mem_free(path);
    make_store(*state);
    step_through(&p, &found);
    assert_int_equal(found, 0);
    tm__probe_step(&p, &found);
    assert_false(p.is_running); /* once is enough */
}

static void without_a_supervisor_it_is_used_as_it_is(void **state) {
    tm_probe p = {.home = *state};
    uint64_t found = 0;
    make_store(*state);
    tm__probe_step(&p, &found);
    assert_int_equal(found, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(int argc, char **argv) {
    if (argc > 1) {
        return play_child(argc, argv);
    }
    const struct CMUnitTest tests[] = {
        TEST(a_store_is_used_when_a_child_has_walked_it),
        TEST(a_damaged_store_is_not),
        TEST(without_a_supervisor_it_is_used_as_it_is),
    };
    return cmocka_run_group_tests(tests, child_case_open, child_case_close);
}
