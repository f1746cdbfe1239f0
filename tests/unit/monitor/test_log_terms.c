/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "monitor/log_terms.h"

static void a_policy_is_read_from_its_text(void **state) {
    static const struct {
        const char *text;
        bool ok;
        tm_log_policy policy;
        double share;
    } cases[] = {
        {"drop", true, TM_LOG_DROP, 1},         {"spill", true, TM_LOG_SPILL, 1},
        {"sync", true, TM_LOG_SYNC, 1},         {"sample:0.25", true, TM_LOG_SAMPLE, 0.25},
        {"sample:0", true, TM_LOG_SAMPLE, 0},   {"sample:1", true, TM_LOG_SAMPLE, 1},
        {"sample", false, TM_LOG_DROP, 1},      {"sample:1.5", false, TM_LOG_DROP, 1},
        {"sample:-0.1", false, TM_LOG_DROP, 1}, {"sample:nan", false, TM_LOG_DROP, 1},
        {"drop:0.5", false, TM_LOG_DROP, 1},    {"", false, TM_LOG_DROP, 1},
        {"Drop", false, TM_LOG_DROP, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_log_terms terms = tm__log_terms_default;
        assert_int_equal(tm__log_terms_parse(tm__str(cases[i].text), &terms), cases[i].ok);
        assert_int_equal(terms.policy, cases[i].policy);
        assert_true(terms.share == cases[i].share);
    }
}

static void what_a_recipe_does_not_say_stays(void **state) {
    tm_log_terms terms = {.policy = TM_LOG_SAMPLE, .share = 0.5, .queue_max = 9};
    (void)state;
    tm__log_terms_read(NULL, &terms);
    assert_int_equal(terms.policy, TM_LOG_SAMPLE);
    assert_true(terms.share == 0.5);
    json_t *log =
        json_pack("{s:s, s:i, s:i}", "policy", "spill", "spill_bytes", 1000, "keep_us", 7);
    tm__log_terms_read(log, &terms);
    json_decref(log);
    assert_int_equal(terms.policy, TM_LOG_SPILL);
    assert_true(terms.share == 1);
    assert_int_equal(terms.queue_max, 9);
    assert_int_equal(terms.spill_bytes, 1000);
    assert_int_equal(terms.keep_us, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_is_read_from_its_text),
        cmocka_unit_test(what_a_recipe_does_not_say_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
