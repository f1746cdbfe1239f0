/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/experiment_guard.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "temp_home.h"
#include "test.h"

/* What a server says of itself: answered and failed of version 1 by itself, of 1 for 2, of 2. */
static void write_serving(const tm_home *home, const char *started, const int counts[6]) {
    char *path = tm__fs_join(tm__home_path(home), "serving.json");
    tm_buf text;
    tm__buf_init(&text, 4096);
    assert_true(tm__buf_printf(
        &text,
        "{\"schema\": \"tidemill.serving/1\", \"server\": {\"state\": \"running\", \"started\": "
        "\"%s\", \"at_us\": %lld}, \"routes\": [{\"route\": \"tiny\", \"model\": \"tiny\", "
        "\"arms\": [{\"version\": 1, \"arm\": \"champion\", \"answered\": %d, \"failed\": %d}, "
        "{\"version\": 1, \"arm\": \"fallback\", \"answered\": %d, \"failed\": %d}, "
        "{\"version\": 2, \"arm\": \"challenger\", \"answered\": %d, \"failed\": %d}]}]}",
        started, (long long)tm__now_us(), counts[0], counts[1], counts[2], counts[3], counts[4],
        counts[5]));
    assert_int_equal(tm__fs_replace(path, text.data, text.len, NULL), TM_OK);
    tm__buf_done(&text);
    tm__mem_free(path);
}

static tm_ab_share errors_of(const tm_home *home, json_t *experiment) {
    static const uint32_t versions[2] = {1, 2};
    tm_ab_share out = {.name = TM_GUARD_ERRORS};
    json_t *now = NULL;
    assert_int_equal(tm__guards_counted(home, "tiny", versions, &now, NULL), TM_OK);
    tm__guards_errors(experiment, now, &out);
    json_decref(now);
    return out;
}

static void requests_count_from_the_start_on(void **state) {
    static const uint32_t versions[2] = {1, 2};
    json_t *then = NULL;
    write_serving(*state, "2026-01-02T10:00:00Z", (int[]){100, 10, 5, 0, 50, 1});
    assert_int_equal(tm__guards_counted(*state, "tiny", versions, &then, NULL), TM_OK);
    json_t *experiment =
        json_pack("{s:s, s:o}", "started", "2026-01-02T11:00:00Z", "counted", then);
    write_serving(*state, "2026-01-02T10:00:00Z", (int[]){300, 12, 9, 1, 150, 4});
    tm_ab_share share = errors_of(*state, experiment);
    assert_true(share.n[0] == 202 && share.k[0] == 2);
    assert_true(share.n[1] == 108 && share.k[1] == 8); /* 100 answers, 3 failures, 5 fell back */
    /* A server that started since counts anew; one whose figures at the start are lost says
     * nothing.
     */
    write_serving(*state, "2026-01-02T12:00:00Z", (int[]){30, 1, 0, 0, 15, 4});
    share = errors_of(*state, experiment);
    assert_true(share.n[0] == 31 && share.k[0] == 1 && share.n[1] == 19 && share.k[1] == 4);
    write_serving(*state, "2026-01-02T09:00:00Z", (int[]){30, 1, 0, 0, 15, 4});
    share = errors_of(*state, experiment);
    assert_true(share.n[0] == 0 && share.n[1] == 0);
    /* When it is over, what its verdict rested on. */
    json_object_set_new(experiment, "evidence",
                        json_pack("{s:[{s:s, s:[i, i], s:[i, i]}]}", "guardrails", "metric",
                                  "errors", "units", 20, 10, "bad", 1, 6));
    tm__guards_errors_then(experiment, &share);
    assert_true(share.n[0] == 20 && share.k[0] == 1 && share.n[1] == 10 && share.k[1] == 6);
    json_decref(experiment);
}

static void without_a_server_nothing_is_counted(void **state) {
    json_t *experiment = json_pack("{s:s, s:n}", "started", "2026-01-02T11:00:00Z", "counted");
    const tm_ab_share share = errors_of(*state, experiment);
    assert_true(share.n[0] == 0 && share.n[1] == 0);
    json_decref(experiment);
}

static void the_first_answer_of_each_unit_counts(void **state) {
    (void)state;
    tm_first_answers first = {.slow_us = 1000};
    tm_ab_share share = {.name = TM_GUARD_LATENCY};
    for (uint64_t unit = 0; unit < 3000; unit++) { /* each third is slow at first, all are later */
        const tm_arm_answer answer = {.arm = unit % 2, .latency_us = unit % 3 == 0 ? 1001 : 1000};
        const tm_arm_answer later = {.arm = unit % 2, .latency_us = 5000};
        assert_int_equal(tm__first_answer(&first, unit, &answer, NULL), TM_OK);
        assert_int_equal(tm__first_answer(&first, unit, &later, NULL), TM_OK);
    }
    const tm_arm_answer other = {.arm = 1, .latency_us = 5000};
    assert_int_equal(tm__first_answer(&first, 0, &other, NULL), TM_OK); /* in both arms: no unit */
    tm__first_answers_count(&first, &share);
    assert_true(share.n[0] == 1499 && share.k[0] == 499 && share.n[1] == 1500 && share.k[1] == 500);
    tm__first_answers_done(&first);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(requests_count_from_the_start_on),
        TEST(without_a_server_nothing_is_counted),
        TEST(the_first_answer_of_each_unit_counts),
    };
    tm__clock_fix(tm__now_us()); /* what was just written is fresh, however long that took */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
