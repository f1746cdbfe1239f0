/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "serve/settling.h"
#include "store/settle.h"
#include "temp_home.h"

typedef struct server {
    bool can_refresh, is_settled;
    uint32_t n_refreshed;
} server;

static bool refresh(void *arg) {
    server *const s = arg;
    s->n_refreshed++;
    return s->can_refresh;
}

static bool is_settled(void *arg) {
    const server *const s = arg;
    return s->is_settled;
}

static void it_answers_once_what_was_before_is_gone(void **state) {
    server s = {0};
    tm_monitor *monitor = NULL;
    tm_settling settling = {0};
    tm_settle ask = {0};
    assert_int_equal(
        tm__monitor_open(*state, &(tm_monitor_options){.can_write = true}, &monitor, NULL), TM_OK);
    const tm_settling_place place = {*state, monitor, refresh, is_settled, &s};
    tm__settling_step(&settling, &place); /* nothing is asked */
    assert_int_equal(s.n_refreshed, 0);
    assert_int_equal(tm__settle_ask(*state, &ask, NULL), TM_OK);
    tm__settling_step(&settling, &place);
    tm__settling_step(&settling, &place);
    assert_int_equal(s.n_refreshed, 2); /* until it could */
    s.can_refresh = true;
    tm__settling_step(&settling, &place);
    tm__settling_step(&settling, &place);
    assert_int_equal(s.n_refreshed, 3);
    assert_false(tm__settle_is_answered(*state, ask.number));
    s.is_settled = true;
    tm__settling_step(&settling, &place);
    assert_true(tm__settle_is_answered(*state, ask.number));
    tm__settling_step(&settling, &place);
    assert_int_equal(s.n_refreshed, 3);
    assert_int_equal(tm__settle_ask(*state, &ask, NULL), TM_OK); /* another one */
    tm__settling_step(&settling, &place);
    assert_true(s.n_refreshed == 4 && tm__settle_is_answered(*state, ask.number));
    tm__monitor_close(monitor);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        it_answers_once_what_was_before_is_gone, tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
