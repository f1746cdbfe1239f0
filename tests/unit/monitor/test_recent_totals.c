/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/recent_totals.h"

#include "monitor_case.h"

#include "monitor/monitor_priv.h"

static uint64_t read_all(tm_recent_totals *totals, const tm_home *home) {
    tm_db *db = NULL;
    uint64_t n = 0;
    assert_int_equal(tm__log_open(tm__home_log_db(home), false, &db, NULL), TM_OK);
    assert_int_equal(tm__recent_totals_read(totals, db, NULL), TM_OK);
    tm__db_close(db);
    for (uint32_t i = 0; i < totals->n; i++) {
        n += totals->list[i].n;
    }
    return n;
}

static void news_are_added_to_what_was_there(void **state) {
    static const tm_given given[] = {{1, 100, NO_TIME, NULL, "{}", 0.9, NULL},
                                     {1, 300, NO_TIME, NULL, "{}", 0.2, NULL},
                                     {2, 200, NO_TIME, NULL, "{}", 0.2, NULL}};
    tm_monitor *monitor = open_monitor(*state);
    tm_recent_totals totals = {0}, anew = {0};
    log_answers(monitor, given, 3, 0);
    assert_int_equal(read_all(&totals, *state), 3);
    assert_int_equal(read_all(&totals, *state), 3);
    log_answers(monitor, given, 3, 3);
    assert_int_equal(read_all(&totals, *state), 6);
    assert_int_equal(read_all(&anew, *state), 6);
    assert_int_equal(totals.n, anew.n);
    for (uint32_t i = 0; i < anew.n; i++) {
        const tm_recent_total *const t = tm__recent_totals_find(&totals, anew.list[i].stream);
        assert_int_equal(t->n, anew.list[i].n);
        assert_int_equal(t->first_us, anew.list[i].first_us);
        assert_int_equal(t->last_us, anew.list[i].last_us);
    }
    assert_null(tm__recent_totals_find(&totals, 99));
    tm__recent_totals_done(&totals);
    tm__recent_totals_done(&anew);
    tm__monitor_close(monitor);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(news_are_added_to_what_was_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
