/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "log_case.h"
#include "monitor/monitor_walk.h"
#include "monitor_case.h"

typedef struct seen {
    uint32_t n, n_labelled;
    int64_t last;
    char first_id[27], last_id[27];
} seen;

static tm_status look(void *arg, const tm_walk_row *row, tm_err *err) {
    seen *const s = arg;
    (void)err;
    assert_true(row->number > s->last);
    assert_string_equal(row->route, "tiny");
    assert_true(row->share == 1);
    assert_int_equal(row->n_cells, 1);
    assert_string_equal(row->names[0], "x");
    assert_true(row->outputs[0] == 0.25);
    if (s->n++ == 0) {
        (void)tm__str_copy(s->first_id, sizeof(s->first_id), tm__str(row->id));
    }
    (void)tm__str_copy(s->last_id, sizeof(s->last_id), tm__str(row->id));
    s->n_labelled += row->label != NULL && strcmp(row->label, "yes") == 0 ? 1 : 0;
    s->last = row->number;
    return TM_OK;
}

static seen walk(tm_monitor *monitor, uint32_t version, int64_t from_us, int64_t until_us) {
    const tm_walk_options options = {"tiny", version, from_us, until_us};
    seen s = {0};
    assert_int_equal(tm__monitor_walk(monitor, &options, look, &s, NULL), TM_OK);
    return s;
}

static void answers_come_with_their_labels_in_order(void **state) {
    static const tm_given given[] = {
        {1, 100, NO_TIME, NULL, "{\"x\":1}", 0.25, NULL},
        {1, 200, 7, "e", "{\"x\":2}", 0.25, "yes"},
        {2, 300, NO_TIME, NULL, "{\"x\":3}", 0.25, "yes"},
        {1, 400, NO_TIME, NULL, "{\"x\":4}", 0.25, NULL},
    };
    tm_monitor *monitor = open_monitor(*state);
    log_answers(monitor, given, 4, 0);
    assert_int_equal(log_case_answers(monitor, "other", "o", 3), 0);
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    seen s = walk(monitor, 0, INT64_MIN, INT64_MAX);
    assert_int_equal(s.n, 4);
    assert_int_equal(s.n_labelled, 2);
    s = walk(monitor, 1, INT64_MIN, INT64_MAX);
    assert_int_equal(s.n, 3);
    s = walk(monitor, 0, 200, 400);
    assert_int_equal(s.n, 2);
    assert_string_equal(s.first_id, "1");
    assert_string_equal(s.last_id, "2");
    tm__monitor_close(monitor);
}

static tm_status count_one(void *arg, const tm_walk_row *row, tm_err *err) {
    (void)row;
    return ++*(uint32_t *)arg < 700 ? TM_OK : TM_FAIL(err, TM_E_CANCELLED, "enough");
}

/* More blocks than one piece has: a label closes one. */
static void many_blocks_are_walked_and_a_failure_ends_it(void **state) {
    const tm_walk_options options = {"mill", 0, INT64_MIN, INT64_MAX};
    uint32_t n = 0;
    tm_monitor *monitor = open_monitor(*state);
    for (int i = 0; i < 200; i++) {
        char prefix[16];
        (void)snprintf(prefix, sizeof(prefix), "%d-", i);
        assert_int_equal(log_case_answers(monitor, "mill", prefix, 3), 0);
        assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    }
    assert_int_equal(tm__monitor_walk(monitor, &options, count_one, &n, NULL), TM_OK);
    assert_int_equal(n, 600);
    assert_int_equal(tm__monitor_walk(monitor, &options, count_one, &n, NULL), TM_E_CANCELLED);
    assert_int_equal(n, 700);
    tm__monitor_close(monitor);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(answers_come_with_their_labels_in_order),
        TEST(many_blocks_are_walked_and_a_failure_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
