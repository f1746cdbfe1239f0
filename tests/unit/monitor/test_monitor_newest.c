/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "log_case.h"
#include "monitor/monitor_newest.h"
#include "monitor_case.h"

/* Lines of the newest rows of tiny, with an end; "" for none. */
static uint32_t newest(tm_monitor *monitor, const char *route, uint32_t n_max, size_t bytes_max,
                       tm_buf *out) {
    const tm_newest_options options = {
        .model = "tiny", .route = route, .n_max = n_max, .bytes_max = bytes_max};
    uint32_t n = 77;
    tm__buf_init(out, 1u << 20);
    assert_int_equal(tm__monitor_newest(monitor, &options, out, &n, NULL), TM_OK);
    assert_true(tm__buf_byte(out, 0));
    return n;
}

static void the_newest_rows_come_oldest_first(void **state) {
    static const tm_given given[] = {
        {1, 100, NO_TIME, NULL, "{\"x\":1}", 0.25, NULL},
        {1, 200, 7, "e", "{\"x\":2}", 0.25, "yes"},
        {2, 300, NO_TIME, NULL, "{\"x\":3}", 0.25, NULL},
        {1, 400, NO_TIME, NULL, "{\"x\":null}", 0.25, NULL},
    };
    tm_monitor *monitor = open_monitor(*state);
    tm_buf text;
    assert_int_equal(newest(monitor, "tiny", 3, 1000, &text), 0); /* there is no row yet */
    tm__buf_done(&text);
    for (size_t i = 0; i < 4; i++) { /* a block each */
        log_answers(monitor, given + i, 1, (int)i);
        assert_int_equal(log_case_answers(monitor, "other", i == 0 ? "a" : "b", 3), 0);
        assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    }
    assert_int_equal(newest(monitor, "tiny", 3, 1000, &text), 3);
    assert_string_equal((const char *)text.data, "{\"x\":2}\n{\"x\":3}\n{\"x\":null}\n");
    tm__buf_done(&text);
    assert_int_equal(newest(monitor, "tiny", 100, 1000, &text), 4);
    tm__buf_done(&text);
    assert_int_equal(newest(monitor, "tiny", 4, 17, &text), 2); /* what fits */
    assert_string_equal((const char *)text.data, "{\"x\":1}\n{\"x\":2}\n");
    tm__buf_done(&text);
    assert_int_equal(newest(monitor, "elsewhere", 4, 1000, &text), 0);
    tm__buf_done(&text);
    tm__monitor_close(monitor);
}

/* Many rows in one block: its end is read. */
static void of_a_large_block_the_end_is_read(void **state) {
    tm_given given[50];
    char rows[50][16];
    tm_buf text;
    tm_monitor *monitor = open_monitor(*state);
    for (int i = 0; i < 50; i++) {
        (void)snprintf(rows[i], sizeof(rows[i]), "{\"x\":%d}", i);
        given[i] = (tm_given){1, 100 + i, NO_TIME, NULL, rows[i], 0.25, NULL};
    }
    log_answers(monitor, given, 50, 0);
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    assert_int_equal(newest(monitor, "tiny", 2, 1000, &text), 2);
    assert_string_equal((const char *)text.data, "{\"x\":48}\n{\"x\":49}\n");
    tm__buf_done(&text);
    tm__monitor_close(monitor);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_newest_rows_come_oldest_first, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(of_a_large_block_the_end_is_read, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
