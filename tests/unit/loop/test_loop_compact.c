/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "child_case.h"
#include "loop/loop_priv.h"
#include "source/intake.h"
#include "temp_home.h"
#include "test.h"

/* This program is its own child: `test_loop_compact data compact NAME --home DIR --json`. */
static int play_child(int argc, char **argv) {
    tm_home *home = NULL;
    tm_ctx ctx = {0};
    uint64_t n = 0;
    if (argc == 8 && strcmp(argv[3], "--min-rows") == 0 && strcmp(argv[5], "--home") == 0) {
        char path[512];
        (void)snprintf(path, sizeof(path), "%s/collected", argv[6]);
        return tm__fs_publish(path, "", 0, NULL) == TM_OK ? 0 : 8;
    }
    if (argc != 7 || strcmp(argv[2], "compact") != 0 ||
        tm__home_open(argv[5], false, &home, NULL) != TM_OK) {
        return 9;
    }
    const tm_status st = strcmp(argv[3], "broken") == 0
                             ? TM_E_IO
                             : tm__intake_compact(&ctx, home, argv[3], 1, &n, NULL);
    tm__home_close(home);
    return st == TM_OK ? 0 : 7;
}

static void push_old(const tm_home *home, const char *name) {
    tm_push_result r = {0};
    char body[] = "[{\"a\":1}]";
    const tm_intake_add add = {.name = name, .feed = "push"};
    const tm_push push = {
        .source = name, .form = TM_PUSH_JSON, .data = body, .len = sizeof(body) - 1};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    tm_intake *intake = tm__intake_create(home);
    tm__clock_fix(tm__now_us() - INT64_C(7200) * 1000000);
    assert_int_equal(tm__intake_push_wait(intake, &push, &r, NULL), TM_OK);
    tm__clock_fix(INT64_MIN);
    tm__intake_close(intake);
}

static int64_t pending(const tm_home *home, const char *name) {
    json_t *json = NULL;
    assert_int_equal(tm__intake_show(home, name, &json, NULL), TM_OK);
    const int64_t n = tm__json_i64(json, "pending", -1);
    json_decref(json);
    return n;
}

/* Look until no child runs. */
static void step_through(tm_compacting *c) {
    (void)tm__compacting_step(c);
    assert_true(c->child.is_running);
    for (int i = 0; i < TEST_LOOKS && c->child.is_running; i++) {
        tm__sleep_ms(5);
        if (i > 0) {
            c->not_before_ns = UINT64_MAX; /* look at this child only */
        }
        (void)tm__compacting_step(c);
    }
    assert_false(c->child.is_running);
}

static void old_rows_become_a_segment_in_a_child(void **state) {
    const tm_home *home = *state;
    tm_compacting c = {.child = {.home = home, .supervisor = child_case_supervisor}};
    (void)tm__compacting_step(&c);
    assert_false(c.child.is_running); /* nothing is due, and there is no database */
    push_old(home, "s");
    step_through(&c);
    assert_int_equal(pending(home, "s"), 0);
}

static void what_crashes_left_is_looked_for_in_a_child(void **state) {
    const tm_home *home = *state;
    tm_compacting c = {.child = {.home = home, .supervisor = child_case_supervisor}};
    const tm_intake_add add = {.name = "quiet", .feed = "push"};
    char *path = tm__fs_join(tm__home_path(home), "collected");
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    step_through(&c);
    assert_int_equal(tm__fs_info(path).kind, TM_PATH_FILE);
    c.not_before_ns = 0;
    (void)tm__compacting_step(&c);
    assert_false(c.child.is_running); /* not again so soon */
    tm__mem_free(path);
}

static void a_child_that_fails_is_not_started_again_at_once(void **state) {
    const tm_home *home = *state;
    tm_compacting c = {.child = {.home = home, .supervisor = child_case_supervisor}};
    push_old(home, "broken");
    step_through(&c);
    assert_int_equal(pending(home, "broken"), 1);
    assert_true(c.not_before_ns > tm__mono_ns());
    (void)tm__compacting_step(&c);
    assert_false(c.child.is_running);
    tm__compacting_stop(&c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(int argc, char **argv) {
    if (argc > 1) {
        return play_child(argc, argv);
    }
    const struct CMUnitTest tests[] = {
        TEST(old_rows_become_a_segment_in_a_child),
        TEST(what_crashes_left_is_looked_for_in_a_child),
        TEST(a_child_that_fails_is_not_started_again_at_once),
    };
    return cmocka_run_group_tests(tests, child_case_open, child_case_close);
}
