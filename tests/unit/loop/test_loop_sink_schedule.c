/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "base/proc.h"
#include "child_case.h"
#include "loop/loop_sink_priv.h"
#include "sink_case.h"
#include "temp_home.h"
#include "test.h"

/* This program is its own child: `test_loop_sink_schedule sink run NAME --home DIR --json`. */
static int play_child(int argc, char **argv) {
    tm_home *home = NULL;
    tm_ctx ctx = {0};
    json_t *result = NULL;
    if (argc != 7 || strcmp(argv[2], "run") != 0 ||
        tm__home_open(argv[5], false, &home, NULL) != TM_OK) {
        return 9;
    }
    if (strcmp(argv[3], "killed") == 0) {
        abort();
    }
    const tm_status st = tm__sink_run(&ctx, home, argv[3], &result, NULL);
    json_decref(result);
    tm__home_close(home);
    return st == TM_OK ? 0 : 7;
}

static void add(const tm_home *home, const char *name, int every_s) {
    json_t *spec = tm__sink_case_spec(home, "csv", 100);
    if (every_s > 0) {
        json_object_set_new(spec, "every_s", json_integer(every_s));
    }
    assert_int_equal(tm__sink_add(home, name, spec, NULL), TM_OK);
    json_decref(spec);
}

static void step_through(tm_sinking *s) {
    for (int i = 0; i < TEST_LOOKS && s->children.n > 0; i++) {
        tm__sleep_ms(5);
        (void)tm__sinking_step(s);
    }
    assert_int_equal(s->children.n, 0);
}

static json_t *show(const tm_home *home, const char *name) {
    json_t *shown = NULL;
    assert_int_equal(tm__sink_show(home, name, &shown, NULL), TM_OK);
    return shown;
}

static void a_sink_that_is_due_runs_in_a_child(void **state) {
    tm_sinking s = {.children = {.home = *state, .supervisor = child_case_supervisor}};
    assert_true(tm__sinking_step(&s) > 0); /* there is no database */
    tm__sink_case_make(*state);
    tm__sink_case_push(*state, 0, 5);
    add(*state, "scheduled", 3600);
    add(*state, "by_hand", 0);
    (void)tm__sinking_step(&s);
    assert_int_equal(s.children.n, 1);
    step_through(&s);
    json_t *shown = show(*state, "scheduled");
    assert_int_equal(tm__json_i64(shown, "rows", 0), 5);
    json_decref(shown);
    shown = show(*state, "by_hand");
    assert_int_equal(tm__json_i64(shown, "rows", -1), 0);
    json_decref(shown);
    (void)tm__sinking_step(&s);
    assert_int_equal(s.children.n, 0); /* an hour later */
    tm__clock_fix(tm__now_us() + INT64_C(3601) * 1000000);
    (void)tm__sinking_step(&s);
    assert_int_equal(s.children.n, 1);
    tm__children_stop(&s.children);
    tm__clock_fix(tm__now_us() - INT64_C(86400) * 1000000); /* the clock goes back a day */
    (void)tm__sinking_step(&s);
    assert_int_equal(s.children.n, 1);
    tm__clock_fix(INT64_MIN);
    tm__children_stop(&s.children);
    assert_int_equal(s.children.n, 0);
}

static void a_child_that_was_killed_is_started_again_later(void **state) {
    tm_sinking s = {.children = {.home = *state, .supervisor = child_case_supervisor}};
    tm__sink_case_make(*state);
    add(*state, "killed", 3600);
    (void)tm__sinking_step(&s);
    assert_int_equal(s.children.n, 1);
    step_through(&s);
    json_t *shown = show(*state, "killed");
    assert_string_equal(tm__json_text(shown, "status", ""), "retrying");
    assert_int_equal(tm__json_i64(shown, "failures", 0), 1);
    assert_non_null(
        strstr(tm__json_text(json_object_get(shown, "error"), "message", ""), "ended by signal"));
    json_decref(shown);
    (void)tm__sinking_step(&s);
    assert_int_equal(s.children.n, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(int argc, char **argv) {
    if (argc > 1) {
        return play_child(argc, argv);
    }
    const struct CMUnitTest tests[] = {
        TEST(a_sink_that_is_due_runs_in_a_child),
        TEST(a_child_that_was_killed_is_started_again_later),
    };
    return cmocka_run_group_tests(tests, child_case_open, child_case_close);
}
