/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor_case.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/ctx.h"

static const tm_given given[] = {{1, 100, NO_TIME, NULL, "{}", 0.9, NULL},
                                 {1, 200, 77, "s", "{}", 0.2, NULL}};

static tm_label by_id(const char *id, const char *value) {
    return (tm_label){.prediction_id = id, .value = value, .observed_us = TM_INT_MISSING};
}

static int64_t counter(tm_monitor *monitor, const char *name) {
    json_t *counters = tm__monitor_counters(monitor);
    const int64_t n = tm__json_i64(json_object_get(counters, "labels"), name, -1);
    json_decref(counters);
    return n;
}

static void labels_join_beside_the_process_that_writes_answers(void **state) {
    tm_monitor *monitor = open_monitor(*state);
    tm_ctx ctx = {0};
    log_answers(monitor, given, 2, 0);
    const tm_label labels[] = {by_id("0", "yes"),
                               {.model = "tiny",
                                .entity = "s",
                                .event_us = 77,
                                .value = "no",
                                .observed_us = TM_INT_MISSING},
                               by_id("0", "yes"),
                               by_id("1", "yes"),
                               by_id("late", "yes")};
    tm_label_result got[5];
    uint64_t done = 0;
    assert_int_equal(tm__monitor_labels_beside(*state, &ctx, labels, 5, got, &done, NULL), TM_OK);
    assert_int_equal(done, 5);
    static const tm_label_result want[] = {TM_LABEL_JOINED, TM_LABEL_JOINED, TM_LABEL_DUPLICATE,
                                           TM_LABEL_CONFLICT, TM_LABEL_WAITING};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(got[i], want[i]);
    }
    /* The same again changes nothing, and what waits is taken by its answer. */
    assert_int_equal(tm__monitor_labels_beside(*state, &ctx, labels, 2, got, NULL, NULL), TM_OK);
    assert_int_equal(got[0], TM_LABEL_DUPLICATE);
    assert_int_equal(got[1], TM_LABEL_DUPLICATE);
    const double output = 0.5;
    const tm_logged late = {.id = "late",
                            .at_us = 300,
                            .event_us = NO_TIME,
                            .model = "tiny",
                            .version = 1,
                            .row = "{}",
                            .outputs = &output,
                            .n_outputs = 1};
    assert_true(tm__logged_answer(monitor, &late));
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    assert_int_equal(counter(monitor, "joined"), 3); /* counters are those of the log */
    assert_int_equal(counter(monitor, "waiting"), 0);
    assert_int_equal(counter(monitor, "duplicate"), 3);
    assert_int_equal(counter(monitor, "conflict"), 1);
    tm__monitor_close(monitor);
}

static void a_log_is_made_and_many_labels_come_in_several_commits(void **state) {
    enum { N = 5000 };
    tm_label *labels = calloc(N, sizeof(*labels));
    tm_label_result *got = calloc(N, sizeof(*got));
    char(*ids)[16] = calloc(N, sizeof(*ids));
    tm_ctx ctx = {0};
    uint64_t done = 0;
    for (int i = 0; i < N; i++) {
        (void)snprintf(ids[i], sizeof(ids[i]), "%d", i);
        labels[i] = by_id(ids[i], "yes");
    }
    assert_int_equal(tm__monitor_labels_beside(*state, &ctx, labels, N, got, &done, NULL), TM_OK);
    assert_int_equal(done, N);
    tm_monitor *monitor = open_monitor(*state);
    assert_int_equal(counter(monitor, "waiting"), N);
    tm__monitor_close(monitor);
    free(labels);
    free(got);
    free(ids);
}

static void a_label_without_a_value_stores_none(void **state) {
    tm_ctx ctx = {0};
    tm_err err = {0};
    uint64_t done = 7;
    tm_label_result got[2];
    const tm_label labels[] = {by_id("0", "yes"), by_id("1", NULL)};
    assert_int_equal(tm__monitor_labels_beside(*state, &ctx, labels, 2, got, &done, &err),
                     TM_E_DATA);
    assert_int_equal(err.data_row, 2);
    assert_int_equal(done, 7); /* untouched */
}

static void a_stop_is_heard_between_commits(void **state) {
    volatile _Atomic bool cancel = true;
    tm_ctx ctx = {.cancel = &cancel};
    uint64_t done = 7;
    tm_label_result got[1];
    const tm_label labels[] = {by_id("0", "yes")};
    assert_int_equal(tm__monitor_labels_beside(*state, &ctx, labels, 1, got, &done, NULL),
                     TM_E_CANCELLED);
    assert_int_equal(done, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    static const struct CMUnitTest tests[] = {
        TEST(labels_join_beside_the_process_that_writes_answers),
        TEST(a_log_is_made_and_many_labels_come_in_several_commits),
        TEST(a_label_without_a_value_stores_none),
        TEST(a_stop_is_heard_between_commits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
