/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "drift_case.h"
#include "monitor/drift_watch.h"
#include "temp_home.h"

typedef struct said {
    uint32_t n_alerts, n_problems;
    char text[256], subject[64];
} said;

static void say(void *arg, const tm_alert_raise *raise, const char *text) {
    said *const s = arg;
    s->n_alerts += raise != NULL ? 1 : 0;
    s->n_problems += raise == NULL ? 1 : 0;
    (void)tm__str_copy(s->text, sizeof(s->text), tm__str(text));
    (void)tm__str_copy(s->subject, sizeof(s->subject),
                       tm__str(raise == NULL ? "" : raise->subject));
}

static tm_drift_watch *make(tm_teller *teller) {
    tm_drift_watch *const watch = tm__drift_watch_create(teller);
    assert_non_null(watch);
    return watch;
}

static void minute(tm_drift_watch *watch, drift_case *c, int64_t at, double moved) {
    const tm_drift_news news = {
        .bundle = c->bundle, .model = "mill", .version = 3, .counts = &c->counts};
    drift_case_rows(c, 50, moved);
    assert_int_equal(tm__drift_watch_add(watch, &news, at * TM_MINUTE_US + 5, NULL), TM_OK);
    tm__drift_watch_step(watch, at * TM_MINUTE_US + 10);
}

static json_t *alerts_of(tm_home *home) {
    const tm_alert_filter filter = {.all = true};
    json_t *list = NULL;
    assert_int_equal(tm__alert_list(home, &filter, &list, NULL), TM_OK);
    return list;
}

static void a_shift_is_told_once_and_the_report_has_it(void **state) {
    drift_case c;
    said s = {0};
    tm_teller teller = {.home = *state, .say = say, .arg = &s};
    drift_case_open(&c, 1);
    tm_drift_watch *watch = make(&teller);
    for (int64_t i = 0; i < 200; i++) {
        minute(watch, &c, i, i < 100 ? 0 : 23);
    }
    assert_int_equal(s.n_alerts, 1);
    assert_int_equal(s.n_problems, 0);
    assert_string_equal(s.subject, "age");
    assert_true(strncmp(s.text, "'age' moved: values ", 20) == 0);
    tm__drift_watch_free(watch);
    json_t *const list = alerts_of(*state);
    assert_int_equal(json_array_size(list), 1);
    assert_true(tm__json_i64(json_array_get(list, 0), "times", 0) > 1); /* counted, not told */
    assert_string_equal(tm__json_text(json_array_get(list, 0), "state", ""), "open");
    json_decref(list);

    const tm_drift_ask ask = {.model = "mill", .version = 3};
    json_t *report = NULL;
    assert_int_equal(tm__drift_report(*state, c.bundle, &ask, &report, NULL), TM_OK);
    const json_t *const first = json_array_get(report, 0);
    assert_string_equal(tm__json_text(first, "column", ""), "age");
    assert_true(tm__json_bool(first, "moved", false));
    assert_true(strncmp(tm__json_text(first, "since", ""), "1970-01-01T01:", 14) == 0);
    assert_int_equal(tm__json_i64(first, "rows", 0), 10000);
    json_decref(report);

    watch = make(&teller); /* a server that starts again tells nothing again */
    minute(watch, &c, 200, 0);
    minute(watch, &c, 201, 0);
    assert_int_equal(s.n_alerts, 1);
    tm__drift_watch_free(watch);
    tm__teller_done(&teller);
    drift_case_close(&c);
}

static void quiet_rows_are_kept_and_tell_nothing(void **state) {
    drift_case c;
    said s = {0};
    tm_teller teller = {.home = *state, .say = say, .arg = &s};
    drift_case_open(&c, 2);
    tm_drift_watch *const watch = make(&teller);
    static const int64_t jumps[] = {0, 1, 500000, 2, 3, -400000, 4, 5};
    for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
        minute(watch, &c, jumps[i], 0);
    }
    tm__drift_watch_step(watch, 0);
    assert_int_equal(s.n_alerts + s.n_problems, 0);
    tm__drift_watch_free(watch);
    const tm_drift_ask ask = {.model = "mill", .version = 3, .within_us = INT64_MAX / 4};
    json_t *report = NULL;
    assert_int_equal(tm__drift_report(*state, c.bundle, &ask, &report, NULL), TM_OK);
    assert_int_equal(json_array_size(report), c.plan->n_columns);
    json_decref(report);
    tm__teller_done(&teller);
    drift_case_close(&c);
}

#define HOME(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        HOME(a_shift_is_told_once_and_the_report_has_it),
        HOME(quiet_rows_are_kept_and_tell_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
