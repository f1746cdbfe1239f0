/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "monitor/traffic_store.h"
#include "temp_home.h"

static void add(tm_drift_store *store, const char *route, int64_t hour, uint64_t n) {
    tm_db *const db = tm__drift_store_db(store);
    tm_traffic_hour h = {.at_us = hour * TM_HOUR_US};
    h.counts[TM_TRAFFIC_ANSWERED] = n;
    h.counts[TM_TRAFFIC_SECONDS] = 60;
    h.counts[TM_TRAFFIC_TOLD] = n % 2 == 1 ? 2 : 4;
    assert_int_equal(tm__db_begin(db, NULL), TM_OK);
    assert_int_equal(tm__traffic_store_add_locked(store, route, &h, NULL), TM_OK);
    assert_int_equal(tm__db_commit(db, NULL), TM_OK);
}

typedef struct seen {
    tm_traffic_hour last;
    uint32_t n;
} seen;

static void see(void *arg, const tm_traffic_hour *hour) {
    seen *const s = arg;
    assert_true(s->n == 0 || hour->at_us > s->last.at_us);
    s->last = *hour;
    s->n++;
}

static void hours_add_up_and_the_newest_are_kept(void **state) {
    tm_drift_store *store = NULL;
    seen s = {0};
    assert_int_equal(tm__drift_store_open(*state, true, &store, NULL), TM_OK);
    add(store, "a", 5, 3);
    add(store, "a", 5, 4);
    add(store, "b", 9, 1);
    assert_int_equal(tm__traffic_store_read(store, "a", see, &s, NULL), TM_OK);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.last.counts[TM_TRAFFIC_ANSWERED], 7);
    assert_int_equal(s.last.counts[TM_TRAFFIC_SECONDS], 120);
    assert_int_equal(s.last.counts[TM_TRAFFIC_TOLD], 6);
    for (int64_t hour = 6; hour < 6 + TM_TRAFFIC_HOURS; hour++) {
        add(store, "a", hour, 2);
    }
    s.n = 0;
    assert_int_equal(tm__traffic_store_read(store, "a", see, &s, NULL), TM_OK);
    assert_int_equal(s.n, TM_TRAFFIC_HOURS);
    assert_int_equal(
        tm__db_exec(tm__drift_store_db(store), "UPDATE traffic SET n = -1 WHERE route = 'b'", NULL),
        TM_OK);
    assert_int_equal(tm__traffic_store_read(store, "b", see, &s, NULL), TM_E_INTEGRITY);
    tm__drift_store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hours_add_up_and_the_newest_are_kept, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
