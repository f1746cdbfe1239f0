/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop_trigger.h"

#include <math.h>
#include <string.h>

#include "test.h"

#define HOUR INT64_C(3600000000)

static json_t *parse(const char *text) {
    json_t *value = NULL;
    assert_int_equal(tm__json_parse((const uint8_t *)text, strlen(text), 32, &value, NULL), TM_OK);
    return value;
}

static tm_trigger decide(const char *retrain, const tm_trigger_facts *facts) {
    tm_trigger_terms terms;
    tm_trigger out;
    json_t *const recipe = json_object();
    json_object_set_new(recipe, "retrain", parse(retrain));
    tm__trigger_terms(recipe, &terms);
    tm__trigger_decide(&terms, facts, &out);
    json_decref(recipe);
    return out;
}

static void nothing_asked_for_is_never_due(void **state) {
    (void)state;
    tm_trigger_terms terms;
    tm__trigger_terms(NULL, &terms);
    assert_false(tm__trigger_needs_facts(&terms));
    const tm_trigger_facts facts = {.now_us = 1000 * HOUR, .new_rows = 9, .n_scored = 1000};
    const tm_trigger found = decide("{}", &facts);
    assert_false(found.is_due);
    assert_int_equal(found.wait_ms, UINT32_MAX);
}

static void consent_that_was_taken_back_asks_by_itself(void **state) {
    (void)state;
    static const struct {
        const char *recipe;
        int64_t ended_us;
        bool is_due;
    } cases[] = {
        {"{\"source\": {\"source\": \"people\"}}", 0, true},
        {"{\"source\": {\"source\": \"people\"}}", 999 * HOUR + HOUR / 2, false}, /* cool down */
        {"{\"source\": {\"source\": \"people\"}, \"retrain\": {\"cool_down_s\": 60}}",
         999 * HOUR + HOUR / 2, true},
        {"{\"source\": {\"source\": \"people\"}, \"retrain\": {\"consent\": false}}", 0, false},
        {"{\"source\": {\"path\": \"people.csv\"}}", 0, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_trigger_facts facts = {
            .now_us = 1000 * HOUR, .ended_us = cases[i].ended_us, .n_withdrawn = 3};
        tm_trigger_terms terms;
        tm_trigger out;
        json_t *const recipe = parse(cases[i].recipe);
        tm__trigger_terms(recipe, &terms);
        tm__trigger_decide(&terms, &facts, &out);
        json_decref(recipe);
        assert_int_equal(out.is_due, cases[i].is_due);
        assert_int_equal(out.is_withdrawal, cases[i].is_due);
        assert_true(!out.is_due || strcmp(out.why, "consent: taken back for 3 rows") == 0);
    }
}

static void a_schedule_counts_from_the_last_run(void **state) {
    (void)state;
    tm_trigger_facts facts = {.now_us = 1000 * HOUR, .last_us = 990 * HOUR};
    assert_true(decide("{\"every_s\": 36000}", &facts).is_due);
    facts.last_us = 991 * HOUR;
    tm_trigger found = decide("{\"every_s\": 36000}", &facts);
    assert_false(found.is_due);
    assert_int_equal(found.wait_ms, 3600001);
    facts.last_us = 2000 * HOUR; /* the clock went back */
    found = decide("{\"every_s\": 36000}", &facts);
    assert_false(found.is_due);
    assert_int_equal(found.wait_ms, 36000001);
}

static void each_reason_is_told(void **state) {
    (void)state;
    json_t *const alerts =
        parse("[{\"kind\": \"traffic\"}, {\"kind\": \"drift\", \"summary\": \"'age' moved\","
              " \"detail\": {\"cost\": {\"was\": 0.4, \"expected\": 0.43}}}]");
    const tm_trigger_facts facts = {.now_us = 1000 * HOUR,
                                    .last_us = 500 * HOUR,
                                    .new_rows = 100,
                                    .new_labels = 50,
                                    .alerts = alerts,
                                    .schema_us = 600 * HOUR,
                                    .n_scored = 400,
                                    .live = 0.7,
                                    .live_better = 0.74};
    static const struct {
        const char *retrain, *why; /* NULL: not due */
    } cases[] = {
        {"{\"new_rows\": 100}", "rows: 100 are new"},
        {"{\"new_rows\": 101}", NULL},
        {"{\"new_labels\": 50}", "labels: 50 are new"},
        {"{\"new_labels\": 51}", NULL},
        {"{\"on\": [\"drift\"]}", "drift: 'age' moved"},
        {"{\"on\": [\"drift\"], \"drift_cost\": 0.02}", "drift: 'age' moved"},
        {"{\"on\": [\"drift\"], \"drift_cost\": 0.04}", NULL},
        {"{\"on\": [\"performance\"]}", NULL},
        {"{\"on\": [\"schema\"]}", "schema: columns of the source changed"},
        {"{\"worse_than\": 0.75}", "score: 0.7 over 400 labels, at best 0.74, worse than 0.75"},
        {"{\"worse_than\": 0.72}", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_trigger found = decide(cases[i].retrain, &facts);
        assert_int_equal(found.is_due, cases[i].why != NULL);
        assert_string_equal(found.why, cases[i].why != NULL ? cases[i].why : "");
    }
    json_decref(alerts);
}

static void a_loss_is_worse_when_it_is_larger(void **state) {
    (void)state;
    tm_trigger_facts facts = {.now_us = 1000 * HOUR,
                              .n_scored = 400,
                              .live = 0.5,
                              .live_better = 0.46,
                              .smaller_is_better = true};
    assert_true(decide("{\"worse_than\": 0.45}", &facts).is_due);
    assert_false(decide("{\"worse_than\": 0.47}", &facts).is_due);
    facts.n_scored = 99;
    assert_false(decide("{\"worse_than\": 0.45}", &facts).is_due);
    facts.n_scored = 400;
    facts.live_better = NAN;
    assert_false(decide("{\"worse_than\": 0.45}", &facts).is_due);
}

static void a_run_is_held_until_the_last_has_cooled_down(void **state) {
    (void)state;
    tm_trigger_facts facts = {.now_us = 1000 * HOUR,
                              .last_us = 999 * HOUR,
                              .ended_us = 999 * HOUR + HOUR / 2,
                              .new_rows = 5};
    tm_trigger found = decide("{\"new_rows\": 1}", &facts);
    assert_false(found.is_due);
    assert_int_equal(found.wait_ms, 1800001);
    assert_string_equal(found.why, "rows: 5 are new (the last run has just ended)");
    assert_true(decide("{\"new_rows\": 1, \"cool_down_s\": 60}", &facts).is_due);
    facts.now_us = 100 * HOUR; /* the clock went back: not held for ever */
    assert_true(decide("{\"new_rows\": 1}", &facts).is_due);
}

static void the_time_of_a_day_is_a_bound_for_all(void **state) {
    (void)state;
    tm_trigger_facts facts = {
        .now_us = 1000 * HOUR, .last_us = 500 * HOUR, .spent_us = HOUR, .new_rows = 5};
    assert_true(decide("{\"new_rows\": 1, \"per_day_s\": 3601}", &facts).is_due);
    tm_trigger found = decide("{\"new_rows\": 1, \"per_day_s\": 3600}", &facts);
    assert_false(found.is_due);
    assert_non_null(strstr(found.why, "the day's time for training is spent"));
    found = decide("{\"every_s\": 10, \"per_day_s\": 3600}", &facts);
    assert_false(found.is_due);
    assert_int_equal(found.wait_ms, 60001);
}

static void a_gate_that_always_refuses_is_asked_less_and_less(void **state) {
    (void)state;
    static const struct {
        uint32_t n;
        int64_t wait; /* from the end of the last run, hours */
    } cases[] = {{0, 1},  {2, 1},  {3, 2},   {4, 4},          {5, 8},
                 {6, 16}, {7, 25}, {40, 25}, {UINT32_MAX, 25}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_trigger_facts facts = {.now_us = 1000 * HOUR + cases[i].wait * HOUR - 1,
                                  .last_us = 1000 * HOUR,
                                  .ended_us = 1000 * HOUR,
                                  .n_fruitless = cases[i].n,
                                  .new_rows = 5};
        const tm_trigger held = decide("{\"new_rows\": 1}", &facts);
        assert_false(held.is_due);
        assert_int_equal(strstr(held.why, "(the last runs in a row came to nothing)") != NULL,
                         cases[i].n >= 3);
        assert_false(decide("{\"every_s\": 3600}", &facts).is_due);
        facts.now_us++;
        assert_true(decide("{\"new_rows\": 1}", &facts).is_due);
        assert_true(decide("{\"every_s\": 3600}", &facts).is_due);
    }
    /* Without a cool-down it is not asked all the time either, and a long schedule waits a day more
     * at the most. */
    assert_int_equal(tm__trigger_back_off_us(0, 3), HOUR / 60);
    assert_int_equal(tm__trigger_back_off_us(720 * HOUR, 40), 24 * HOUR);
}

static void labels_that_never_come_start_nothing(void **state) {
    (void)state;
    const tm_trigger_facts facts = {
        .now_us = 9000 * HOUR, .last_us = HOUR, .ended_us = HOUR, .live = NAN, .live_better = NAN};
    const tm_trigger found =
        decide("{\"new_labels\": 1, \"worse_than\": 0.9, \"on\": [\"performance\"]}", &facts);
    assert_false(found.is_due);
    assert_string_equal(found.why, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_asked_for_is_never_due),
        cmocka_unit_test(consent_that_was_taken_back_asks_by_itself),
        cmocka_unit_test(a_schedule_counts_from_the_last_run),
        cmocka_unit_test(each_reason_is_told),
        cmocka_unit_test(a_loss_is_worse_when_it_is_larger),
        cmocka_unit_test(a_run_is_held_until_the_last_has_cooled_down),
        cmocka_unit_test(the_time_of_a_day_is_a_bound_for_all),
        cmocka_unit_test(a_gate_that_always_refuses_is_asked_less_and_less),
        cmocka_unit_test(labels_that_never_come_start_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
