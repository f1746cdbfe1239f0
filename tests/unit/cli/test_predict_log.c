/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/predict_log.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "monitor/monitor_table.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

static tm_place make_place(tm_home *home) {
    return (tm_place){.home = home,
                      .version = {.model = "tiny", .number = 3},
                      .bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){0})};
}

/* Records of answers first .. first + n - 1. */
static void append(const tm_bundle *bundle, uint32_t first, uint32_t n, tm_buf *out) {
    tm_table_log log;
    assert_int_equal(tm__table_log_init(&log, bundle, NULL), TM_OK);
    for (uint32_t i = first; i < first + n; i++) {
        const double output = i;
        tm_table_answer answer = {.outputs = &output, .n_outputs = 1};
        (void)snprintf(answer.id, sizeof(answer.id), "01K0000000ABCDEF%010u", i);
        assert_true(tm__table_log_append(&log, &answer, out));
    }
    tm__table_log_done(&log);
}

static int64_t written(const tm_home *home) {
    const tm_monitor_options options = {.can_write = false};
    tm_monitor *monitor = NULL;
    assert_int_equal(tm__monitor_open(home, &options, &monitor, NULL), TM_OK);
    json_t *counters = tm__monitor_counters(monitor);
    const int64_t n = tm__json_i64(counters, "written", 0);
    json_decref(counters);
    tm__monitor_close(monitor);
    return n;
}

static void answers_are_logged_at_once_or_when_all_are_there(void **state) {
    tm_place place = make_place(*state);
    char *const beside = tm__fs_join(tm__home_path(*state), "out.csv.log");
    tm_buf records;
    uint64_t n = 0;
    tm__buf_init(&records, 1u << 24);
    append(place.bundle, 0, 1000, &records);
    const tm_str all = {(const char *)records.data, records.len};
    for (int i = 0; i < 3; i++) {
        tm_predict_log *log = NULL;
        assert_int_equal(tm__predict_log_open(&place, i == 0 ? NULL : beside, &log, NULL), TM_OK);
        assert_int_equal(tm__predict_log_put(log, all, NULL), TM_OK);
        assert_int_equal(tm__predict_log_put(log, all, NULL), TM_OK);
        assert_int_equal(written(*state), 2000);
        if (i != 1) { /* one run fails */
            assert_int_equal(tm__predict_log_finish(log, &n, NULL), TM_OK);
            assert_int_equal(n, 2000);
        }
        tm__predict_log_close(log);
        assert_int_equal(tm__fs_info(beside).kind, TM_PATH_NONE);
    }
    assert_int_equal(written(*state), 4000);
    tm__buf_done(&records);
    tm__mem_free(beside);
    tm__bundle_unref(place.bundle);
}

static void a_model_without_a_home_has_no_log(void **state) {
    tm_place place = make_place(*state);
    place.home = NULL;
    tm_predict_log *log = NULL;
    tm_err err = {0};
    assert_int_equal(tm__predict_log_open(&place, NULL, &log, &err), TM_E_USAGE);
    assert_non_null(strstr(err.message, "has no log"));
    tm__bundle_unref(place.bundle);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(answers_are_logged_at_once_or_when_all_are_there),
        TEST(a_model_without_a_home_has_no_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
