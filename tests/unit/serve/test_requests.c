/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "monitor/traffic_store.h"
#include "serve/requests.h"
#include "temp_home.h"

static void callers_are_addresses_without_their_ports(void **state) {
    (void)state;
    assert_int_equal(tm__requests_caller("10.0.0.1:80"), tm__requests_caller("10.0.0.1:443"));
    assert_int_not_equal(tm__requests_caller("10.0.0.1:80"), tm__requests_caller("10.0.0.2:80"));
    assert_int_equal(tm__requests_caller("[::1]:80"), tm__requests_caller("[::1]:81"));
    assert_int_equal(tm__requests_caller("unix"), tm__requests_caller("unix"));
}

static void take(void *arg, const tm_traffic_hour *hour) {
    memcpy(arg, hour, sizeof(*hour));
}

static void requests_of_all_threads_are_collected_once(void **state) {
    tm_served served = {.route = "r", .model = "m", .version = 1};
    tm_served bare = {.route = "broken", .model = "m", .version = 1};
    tm_served *routes[] = {&served, &bare};
    const tm_current current = {.n = 2, .routes = routes};
    tm_teller teller = {.home = *state};
    tm_traffic_watch *const watch = tm__traffic_watch_create(&teller);
    served.requests = tm__requests_create(2);
    const tm_request_end ends[] = {
        {.thread = 0, .status = 200, .ns = 1000, .caller = 8, .actor = "http:local"},
        {.thread = 1, .status = 400, .ns = 2000000000, .caller = 8, .actor = "http:local"},
        {.thread = 1, .status = 503, .ns = 60000, .caller = 8, .actor = "key:1A2B3C4D"},
        {.thread = 9, .status = 200, .ns = 1, .caller = 8, .actor = "no such thread"},
    };
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        tm__requests_count(served.requests, &ends[i]);
    }
    const tm_moment begin = {1, 1}, end = {TM_MINUTE_US, 60000000001u};
    assert_int_equal(tm__requests_collect(&current, watch, begin, NULL), TM_OK);
    assert_int_equal(tm__requests_collect(&current, watch, begin, NULL), TM_OK);
    assert_int_equal(tm__traffic_watch_step(watch, end, NULL), TM_OK);
    tm_traffic_hour hour = {0};
    assert_int_equal(tm__traffic_store_read(teller.store, "r", take, &hour, NULL), TM_OK);
    assert_int_equal(hour.counts[TM_TRAFFIC_ANSWERED], 1);
    assert_int_equal(hour.counts[TM_TRAFFIC_REFUSED], 1);
    assert_int_equal(hour.counts[TM_TRAFFIC_FAILED], 1);
    assert_int_equal(hour.counts[TM_TRAFFIC_TOP], 2);
    assert_int_equal(hour.counts[TM_TRAFFIC_SECONDS], 60);
    tm__requests_free(served.requests);
    tm__traffic_watch_free(watch);
    tm__teller_done(&teller);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(callers_are_addresses_without_their_ports),
        cmocka_unit_test_setup_teardown(requests_of_all_threads_are_collected_once,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
