/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>

#include "base/pool.h"
#include "log_case.h"
#include "monitor/monitor_priv.h"
#include "temp_home.h"

static void equal_specs_share_a_stream_and_others_do_not(void **state) {
    static const char *const ab[] = {"a", "b"}, *const ba[] = {"b", "a"};
    static const char *const quoted[] = {"a\",\"b"};
    const tm_stream_spec specs[] = {
        {"r", "m", NULL, 1, ab, 2}, {"r", "m", NULL, 2, ab, 2},     {"s", "m", NULL, 1, ab, 2},
        {"r", "n", NULL, 1, ab, 2}, {"r", "m", NULL, 1, ba, 2},     {"r", "m", NULL, 1, ab, 1},
        {"r", "m", "b", 1, ab, 2},  {"r", "m", NULL, 1, quoted, 1}, {"r", "m", NULL, 1, ab, 0},
    };
    enum { N = sizeof(specs) / sizeof(specs[0]) };
    tm_monitor *monitor = NULL;
    const tm_monitor_options options = {.can_write = true};
    assert_int_equal(tm__monitor_open(*state, &options, &monitor, NULL), TM_OK);
    tm_stream *streams[N], *again = NULL;
    for (int i = 0; i < N; i++) {
        assert_int_equal(tm__monitor_stream(monitor, &specs[i], &streams[i], NULL), TM_OK);
        for (int j = 0; j < i; j++) {
            assert_ptr_not_equal(streams[i], streams[j]);
        }
    }
    for (int i = 0; i < N; i++) {
        assert_int_equal(tm__monitor_stream(monitor, &specs[i], &again, NULL), TM_OK);
        assert_ptr_equal(streams[i], again);
    }
    tm__monitor_close(monitor);
}

static void answer_on_new_streams(void *arg) {
    for (uint32_t i = 0; i < 200; i++) {
        char model[16];
        (void)snprintf(model, sizeof(model), "m%u", i);
        assert_int_equal(log_case_answer(arg, model, model, NULL), TM_OK);
    }
}

static void streams_are_made_while_the_log_is_written(void **state) {
    tm_monitor *const monitor = log_case_open(*state, "drop", 0);
    tm_thread *const thread = tm__thread_create(answer_on_new_streams, monitor, "answers");
    assert_non_null(thread);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    }
    tm__thread_join(thread);
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    assert_int_equal(log_case_count(monitor, NULL, "written"), 200);
    tm__monitor_close(monitor);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(equal_specs_share_a_stream_and_others_do_not),
        TEST(streams_are_made_while_the_log_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
