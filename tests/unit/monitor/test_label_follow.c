/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/label_follow.h"

#include <stdlib.h>
#include <string.h>

#include "monitor_case.h"
#include "support.h"

static const tm_given given[] = {{1, 100, NO_TIME, NULL, "{}", 0.9, NULL},
                                 {1, 200, NO_TIME, NULL, "{}", 0.2, NULL}};

static tm_label by_id(const char *id, const char *value) {
    return (tm_label){.prediction_id = id, .value = value, .observed_us = TM_INT_MISSING};
}

static tm_followed place(uint64_t next) {
    tm_followed at = {.spec = 5, .source_us = 7, .next = next};
    (void)tm__str_copy(at.model, sizeof(at.model), tm__str("tiny"));
    (void)tm__str_copy(at.source, sizeof(at.source), tm__str("outcomes"));
    return at;
}

static json_t *shown(const tm_home *home) {
    tm_monitor *monitor = NULL;
    json_t *out = NULL;
    const tm_monitor_options options = {.can_write = false};
    assert_int_equal(tm__monitor_open(home, &options, &monitor, NULL), TM_OK);
    assert_int_equal(tm__monitor_followed(monitor, "tiny", &out, NULL), TM_OK);
    tm__monitor_close(monitor);
    return out;
}

static void labels_and_the_place_behind_them_are_one_commit(void **state) {
    tm_monitor *monitor = open_monitor(*state);
    tm_label_follow *follow = NULL;
    tm_followed before;
    log_answers(monitor, given, 2, 0);
    assert_int_equal(tm__label_follow_open(*state, &follow, NULL), TM_OK);
    assert_int_equal(tm__label_follow_read(follow, "tiny", &before, NULL), TM_OK);
    assert_int_equal(before.source[0], 0);
    const tm_label labels[] = {by_id("0", "yes"), by_id("0", "yes"), by_id("0", "no"),
                               by_id("late", "yes")};
    tm_followed after = place(5);
    after.n[TM_FOLLOWED_EMPTY] = 1;
    assert_int_equal(tm__label_follow_put(follow, &before, labels, 4, &after, NULL), TM_OK);
    assert_int_equal(after.n[TM_FOLLOWED_JOINED], 1);
    assert_int_equal(after.n[TM_FOLLOWED_WAITING], 1);
    /* Whoever believes that nothing is there yet changes nothing. */
    tm_followed other = place(3);
    assert_int_equal(tm__label_follow_put(follow, &before, labels, 4, &other, NULL), TM_E_CONFLICT);
    assert_int_equal(other.n[TM_FOLLOWED_JOINED], 0);
    assert_int_equal(tm__label_follow_read(follow, "tiny", &before, NULL), TM_OK);
    assert_int_equal(before.next, 5);
    assert_int_equal(before.spec, 5);
    assert_string_equal(before.source, "outcomes");
    after = before;
    (void)tm__str_copy(after.problem, sizeof(after.problem), tm__str("gone"));
    assert_int_equal(tm__label_follow_put(follow, &before, NULL, 0, &after, NULL), TM_OK);
    tm__label_follow_close(follow);
    json_t *const out = shown(*state);
    assert_int_equal(tm__json_i64(out, "next", 0), 5);
    assert_int_equal(tm__json_i64(out, "joined", 0), 1);
    assert_int_equal(tm__json_i64(out, "duplicates", 0), 1);
    assert_int_equal(tm__json_i64(out, "conflicts", 0), 1);
    assert_int_equal(tm__json_i64(out, "unknown", 0), 1);
    assert_int_equal(tm__json_i64(out, "without_label", 0), 1);
    assert_string_equal(tm__json_text(out, "problem", ""), "gone");
    json_decref(out);
    tm__monitor_close(monitor);
}

typedef struct scene {
    const tm_home *home;
} scene;

/* One block; the place and the labels agree, whatever failed. */
static bool go_on(void *arg) {
    const scene *const s = arg;
    tm_label_follow *follow = NULL;
    tm_followed before, after = place(2);
    const tm_label labels[] = {by_id("a", "yes"), by_id("b", "no")};
    tm_status st = tm__label_follow_open(s->home, &follow, NULL);
    st = st == TM_OK ? tm__label_follow_read(follow, "tiny", &before, NULL) : st;
    if (st == TM_OK && before.next == 0) {
        st = tm__label_follow_put(follow, &before, labels, 2, &after, NULL);
    }
    tm__label_follow_close(follow);
    return st == TM_OK;
}

static void memory_that_runs_out_leaves_both_or_neither(void **state) {
    scene s = {.home = *state};
    test_each_mem_fault(go_on, &s);
    json_t *const out = shown(*state);
    assert_int_equal(tm__json_i64(out, "next", 0), 2);
    assert_int_equal(tm__json_i64(out, "unknown", 0), 2);
    json_decref(out);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    static const struct CMUnitTest tests[] = {
        TEST(labels_and_the_place_behind_them_are_one_commit),
        TEST(memory_that_runs_out_leaves_both_or_neither),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
