/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "child_case.h"
#include "loop/loop_priv.h"
#include "source/feed.h"
#include "temp_home.h"
#include "test.h"

/* This program is its own child: `test_loop_pull data pull NAME --home DIR --json`. */
static int play_child(char **argv) {
    tm_home *home = NULL;
    tm_ctx ctx = {0};
    tm_feed_pull pulled = {0};
    if (strcmp(argv[2], "pull") != 0 || tm__home_open(argv[5], false, &home, NULL) != TM_OK) {
        return 9;
    }
    if (strcmp(argv[3], "killed") == 0) {
        (void)raise(SIGKILL);
    }
    const tm_status st = tm__feed_pull(&ctx, home, argv[3], false, &pulled, NULL);
    tm__home_close(home);
    return st == TM_OK ? 0 : 7;
}

static void add(const tm_home *home, const char *name) {
    json_t *spec = json_pack("{s:s, s:s, s:i}", "watch", ".", "dir", "/none/at/all", "every_s", 5);
    const tm_intake_add source = {.name = name, .feed = "watch", .spec = spec};
    tm_err late = {0};
    assert_int_equal(tm__intake_add(home, &source, NULL), TM_OK);
    (void)TM_FAIL(&late, TM_E_UNAVAILABLE, "not yet");
    tm__clock_fix(tm__now_us() - INT64_C(7200) * 1000000);
    assert_int_equal(tm__feed_record(home, name, &late, NULL), TM_OK);
    tm__clock_fix(INT64_MIN);
    json_decref(spec);
}

static void check(const tm_home *home, const char *name, const char *words) {
    json_t *json = NULL;
    assert_int_equal(tm__intake_show(home, name, &json, NULL), TM_OK);
    const char *message = tm__json_text(json_object_get(json, "error"), "message", "");
    if (strstr(message, words) == NULL || tm__json_i64(json, "failures", 0) != 2) {
        fail_msg("%s: %s", name, message);
    }
    json_decref(json);
}

static void what_is_due_is_read_at_once_and_a_killed_child_is_recorded(void **state) {
    const tm_home *home = *state;
    tm_pulling p = {.children = {.home = home, .supervisor = child_case_supervisor}};
    assert_true(tm__pulling_step(&p) > 0);
    assert_int_equal(p.children.n, 0); /* there is no database yet */
    add(home, "killed");
    add(home, "gone");
    (void)tm__pulling_step(&p);
    assert_int_equal(p.children.n, 2);
    for (int i = 0; i < TEST_LOOKS && p.children.n > 0; i++) {
        tm__sleep_ms(5);
        (void)tm__pulling_step(&p);
    }
    assert_int_equal(p.children.n, 0);
    check(home, "killed", "signal 9");
    check(home, "gone", "folder");
    tm__children_stop(&p.children);
}

static int64_t failures(const tm_home *home, const char *name) {
    json_t *json = NULL;
    assert_int_equal(tm__intake_show(home, name, &json, NULL), TM_OK);
    const int64_t n = tm__json_i64(json, "failures", 0);
    json_decref(json);
    return n;
}

/* Its next try has come before anybody looked at how the last one went. */
static void what_a_child_said_stays_however_late_it_is_looked_at(void **state) {
    const tm_home *home = *state;
    tm_pulling p = {.children = {.home = home, .supervisor = child_case_supervisor}};
    json_t *json = NULL;
    add(home, "gone");
    (void)tm__pulling_step(&p);
    for (int i = 0; i < TEST_LOOKS && failures(home, "gone") < 2; i++) {
        tm__sleep_ms(5);
    }
    const uint64_t first = p.children.items[0].id;
    tm__clock_fix(tm__now_us() + INT64_C(7200) * 1000000);
    for (int i = 0; i < TEST_LOOKS && p.children.items[0].id == first; i++) {
        tm__sleep_ms(5);
        (void)tm__pulling_step(&p);
    }
    tm__clock_fix(INT64_MIN);
    assert_int_not_equal(p.children.items[0].id, first); /* it was looked at, and begun anew */
    tm__children_stop(&p.children);
    assert_int_equal(tm__intake_show(home, "gone", &json, NULL), TM_OK);
    const char *message = tm__json_text(json_object_get(json, "error"), "message", "");
    assert_non_null(strstr(message, "folder"));
    assert_in_range(tm__json_i64(json, "failures", 0), 2, 3); /* the second child may have told */
    json_decref(json);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_child_said_stays_however_late_it_is_looked_at,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(what_is_due_is_read_at_once_and_a_killed_child_is_recorded,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    if (argc == 7) {
        return play_child(argv);
    }
    return cmocka_run_group_tests(tests, child_case_open, child_case_close);
}
