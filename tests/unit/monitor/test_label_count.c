/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>

#include "logged.h"
#include "monitor/label_count.h"
#include "temp_home.h"

enum { N = 900 };

static void add_answers(tm_monitor *monitor, const char *model) {
    static const double outputs[] = {0.5};
    for (int i = 0; i < N; i++) {
        char id[24];
        (void)snprintf(id, sizeof(id), "%s-%05d", model, i);
        const tm_logged one = {.id = id,
                               .at_us = 1000 + i,
                               .event_us = TM_INT_MISSING,
                               .model = model,
                               .version = 1 + (uint32_t)i % 2,
                               .row = "{\"x\":1}",
                               .outputs = outputs,
                               .n_outputs = 1};
        assert_true(tm__logged_answer(monitor, &one));
    }
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
}

/* Every third answer has a label. */
static void add_labels(tm_monitor *monitor, const char *model) {
    for (int i = 0; i < N; i += 3) {
        char id[24];
        tm_label_result result = TM_LABEL_CONFLICT;
        (void)snprintf(id, sizeof(id), "%s-%05d", model, i);
        const tm_label label = {.prediction_id = id, .value = "1", .observed_us = 5000};
        assert_int_equal(tm__monitor_labels(monitor, &label, 1, &result, NULL), TM_OK);
    }
}

static const struct {
    int64_t from_us, until_us;
} times[] = {{0, 9000},    {0, 1000},    {0, 1001},    {1000, 1900}, {1001, 1899},
             {1300, 1301}, {1450, 1460}, {1800, 9000}, {5000, 9000}, {1500, 1500}};

static void each_time_is_counted_to_the_answer(void **state) {
    const tm_monitor_options options = {.can_write = true};
    tm_monitor *monitor = NULL;
    assert_int_equal(tm__monitor_open(*state, &options, &monitor, NULL), TM_OK);
    add_answers(monitor, "one");
    add_answers(monitor, "other");
    add_labels(monitor, "one");
    for (size_t k = 0; k < sizeof(times) / sizeof(times[0]); k++) {
        const tm_label_ask ask = {"one", times[k].from_us, times[k].until_us};
        tm_label_counted counted = {1, 1};
        uint64_t n = 0, n_labelled = 0;
        assert_int_equal(tm__label_count(monitor, &ask, &counted, NULL), TM_OK);
        for (int i = 0; i < N; i++) {
            const bool is_in = 1000 + i >= times[k].from_us && 1000 + i < times[k].until_us;
            n += is_in;
            n_labelled += is_in && i % 3 == 0;
        }
        assert_int_equal(counted.n_answers, n);
        assert_int_equal(counted.n_labelled, n_labelled);
    }
    tm__monitor_close(monitor);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_time_is_counted_to_the_answer, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
