/* SPDX-License-Identifier: Apache-2.0 */
/* Watches of replicas that share one store; runs where TIDEMILL_TEST_DSN names a server. */
#include "test.h"

#include "drift_case.h"
#include "monitor/drift_watch.h"
#include "temp_home.h"

typedef struct said {
    uint32_t n_alerts, n_problems;
} said;

static void say(void *arg, const tm_alert_raise *raise, const char *text) {
    said *const s = arg;
    (void)text;
    s->n_alerts += raise != NULL ? 1 : 0;
    s->n_problems += raise == NULL ? 1 : 0;
}

static void minute(tm_drift_watch *watch, drift_case *c, int64_t at, double moved) {
    const tm_drift_news news = {
        .bundle = c->bundle, .model = "mill", .version = 3, .counts = &c->counts};
    drift_case_rows(c, 50, moved);
    tm__drift_watch_step(watch, at * TM_MINUTE_US); /* of what was before */
    assert_int_equal(tm__drift_watch_add(watch, &news, at * TM_MINUTE_US + 5, NULL), TM_OK);
    tm__drift_watch_step(watch, at * TM_MINUTE_US + 11000000);
}

static void replicas_with_one_store_look_at_the_rows_of_all(void **state) {
    drift_case c;
    said s[2] = {{0}, {0}};
    tm_teller tellers[2];
    tm_drift_watch *watches[2];
    if (!tm__home_has_server(*state)) {
        fail_msg("TIDEMILL_TEST_DSN names no server; tests/e2e/test_store_postgres.py starts one");
    }
    drift_case_open(&c, 3);
    for (int i = 0; i < 2; i++) {
        tellers[i] = (tm_teller){.home = *state, .say = say, .arg = &s[i]};
        watches[i] = tm__drift_watch_create(&tellers[i]);
        assert_non_null(watches[i]);
    }
    for (int64_t at = 0; at < 60; at++) {
        minute(watches[0], &c, at, at < 30 ? 0 : 23);
        minute(watches[1], &c, at, at < 30 ? 0 : 23);
    }
    assert_int_equal(s[0].n_problems + s[1].n_problems, 0);
    assert_int_equal(s[0].n_alerts + s[1].n_alerts, 1); /* whoever was first told it */
    for (int i = 0; i < 2; i++) {
        tm__drift_watch_free(watches[i]);
        tm__teller_done(&tellers[i]);
    }
    const tm_drift_ask ask = {.model = "mill", .version = 3, .within_us = INT64_MAX / 4};
    json_t *report = NULL;
    assert_int_equal(tm__drift_report(*state, c.bundle, &ask, &report, NULL), TM_OK);
    assert_int_equal(tm__json_i64(json_array_get(report, 0), "rows", 0), 60 * 2 * 50);
    json_decref(report);
    json_t *list = NULL;
    assert_int_equal(tm__alert_list(*state, &(tm_alert_filter){0}, &list, NULL), TM_OK);
    assert_int_equal(json_array_size(list), 1);
    const json_t *const detail = json_object_get(json_array_get(list, 0), "detail");
    assert_int_equal(tm__json_i64(detail, "rows", 0) % 100, 0); /* whole minutes of both */
    json_decref(list);
    drift_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(replicas_with_one_store_look_at_the_rows_of_all,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
