/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/monitor_arms.h"

#include <string.h>

#include "base/clock.h"
#include "monitor_case.h"

#define HOUR INT64_C(3600000000)

static const tm_given given[] = {
    {1, 1 * HOUR, NO_TIME, "a", "{}", 0.9, "yes"}, {2, 2 * HOUR, NO_TIME, "b", "{}", 0.2, NULL},
    {3, 3 * HOUR, NO_TIME, "c", "{}", 0.4, "no"},  {1, 4 * HOUR, NO_TIME, NULL, "{}", 0.1, NULL},
    {2, 5 * HOUR, NO_TIME, "a", "{}", 0.6, "no"},
};

/* Answers as "0a=yes 1b ... ", with their arms. */
typedef struct seen {
    char text[256];
    double outputs[8];
    uint32_t n, n_until;
} seen;

static tm_status take(void *arg, const tm_arm_answer *answer, tm_err *err) {
    seen *s = arg;
    char one[64];
    if (s->n == s->n_until) {
        return TM_FAIL(err, TM_E_LIMIT, "enough");
    }
    snprintf(one, sizeof(one), "%u%.*s%s%s ", answer->arm, (int)answer->entity.len,
             answer->entity.ptr != NULL ? answer->entity.ptr : "", answer->label != NULL ? "=" : "",
             answer->label != NULL ? answer->label : "");
    strcat(s->text, one);
    assert_true(answer->known_us >= answer->at_us && answer->n_outputs == 1);
    s->outputs[s->n++] = answer->outputs[0];
    return TM_OK;
}

static tm_arms_query query_of(seen *s) {
    return (tm_arms_query){.model = "tiny",
                           .versions = {1, 2},
                           .from_us = INT64_MIN,
                           .until_us = INT64_MAX,
                           .fn = take,
                           .arg = s};
}

static void answers_of_both_arms_come_with_their_labels(void **state) {
    tm_monitor *monitor = open_monitor(*state);
    seen s = {.n_until = 8};
    tm_arms_query query = query_of(&s);
    assert_int_equal(tm__monitor_arms(monitor, &query, NULL), TM_OK); /* no log yet */
    assert_int_equal(s.n, 0);
    tm__clock_fix(6 * HOUR);
    log_answers(monitor, given, 5, 0);
    assert_int_equal(tm__monitor_arms(monitor, &query, NULL), TM_OK);
    assert_string_equal(s.text, "0a=yes 0 1b 1a=no ");
    assert_true(s.outputs[0] == 0.9 && s.outputs[3] == 0.6);
    tm__monitor_close(monitor);
}

static void the_time_asked_for_is_kept_and_a_failure_ends_it(void **state) {
    tm_monitor *monitor = open_monitor(*state);
    seen s = {.n_until = 8};
    tm_arms_query query = query_of(&s);
    tm__clock_fix(6 * HOUR);
    log_answers(monitor, given, 5, 0);
    query.from_us = 2 * HOUR;
    query.until_us = 5 * HOUR;
    assert_int_equal(tm__monitor_arms(monitor, &query, NULL), TM_OK);
    assert_string_equal(s.text, "0 1b ");
    s = (seen){.n_until = 1};
    assert_int_equal(tm__monitor_arms(monitor, &query, NULL), TM_E_LIMIT);
    tm__monitor_close(monitor);
}

/* What the control answered before the treatment did is of no experiment between them. */
static void answers_count_behind_the_first_of_the_treatment(void **state) {
    static const tm_given early[] = {{1, 1 * HOUR, NO_TIME, "a", "{}", 0.9, "yes"},
                                     {1, 2 * HOUR, NO_TIME, "b", "{}", 0.9, NULL},
                                     {2, 2 * HOUR, NO_TIME, "c", "{}", 0.2, NULL},
                                     {2, 3 * HOUR, NO_TIME, "d", "{}", 0.2, NULL},
                                     {1, 4 * HOUR, NO_TIME, "e", "{}", 0.9, NULL}};
    tm_monitor *monitor = open_monitor(*state);
    seen s = {.n_until = 8};
    tm_arms_query query = query_of(&s);
    query.waits = true;
    tm__clock_fix(6 * HOUR);
    log_answers(monitor, early, 2, 0);
    assert_int_equal(tm__monitor_arms(monitor, &query, NULL), TM_OK);
    assert_int_equal(s.n, 0); /* it has not begun */
    log_answers(monitor, early + 2, 3, 0);
    assert_int_equal(tm__monitor_arms(monitor, &query, NULL), TM_OK);
    assert_string_equal(s.text, "1d 0e ");
    tm__monitor_close(monitor);
}

static int close_home(void **state) {
    tm__clock_fix(INT64_MIN);
    return tm__temp_home_close(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_of_both_arms_come_with_their_labels,
                                        tm__temp_home_open, close_home),
        cmocka_unit_test_setup_teardown(the_time_asked_for_is_kept_and_a_failure_ends_it,
                                        tm__temp_home_open, close_home),
        cmocka_unit_test_setup_teardown(answers_count_behind_the_first_of_the_treatment,
                                        tm__temp_home_open, close_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
