/* SPDX-License-Identifier: Apache-2.0 */
#include "traffic_case.h"

#include "monitor/alert.h"
#include "monitor/traffic_watch.h"
#include "temp_home.h"

static const like usual = {40, 1, 3, 2, 20};

typedef struct said {
    uint32_t n;
    char subject[64];
} said;

static void say(void *arg, const tm_alert_raise *raise, const char *text) {
    said *const s = arg;
    assert_non_null(text);
    assert_non_null(raise);
    s->n++;
    (void)tm__str_copy(s->subject, sizeof(s->subject), tm__str(raise->subject));
}

static void minute(tm_traffic_watch *watch, tm_rng *rng, const char *route, like l, int64_t at) {
    tm_traffic counts;
    const tm_moment begin = {at * TM_MINUTE_US, (uint64_t)at * 60000000000u};
    const tm_moment end = {(at + 1) * TM_MINUTE_US, (uint64_t)(at + 1) * 60000000000u};
    draw_minute(rng, l, &counts);
    const tm_traffic_news news = {route, "m", 1, &counts};
    assert_int_equal(tm__traffic_watch_add(watch, &news, begin, NULL), TM_OK);
    assert_int_equal(tm__traffic_watch_step(watch, begin, NULL), TM_OK);
    assert_int_equal(tm__traffic_watch_step(watch, end, NULL), TM_OK);
}

static void failures_become_an_alert_and_hours_are_known_after_a_start(void **state) {
    static const like failing = {40, 60, 3, 2, 20};
    tm_rng rng = tm__rng_split(1, "traffic watch", 0);
    said s = {0};
    tm_teller teller = {.home = *state, .say = say, .arg = &s};
    tm_traffic_watch *watch = tm__traffic_watch_create(&teller);
    for (int64_t at = 0; at < 300; at++) {
        minute(watch, &rng, "side", usual, at);
    }
    tm__traffic_watch_free(watch);
    watch = tm__traffic_watch_create(&teller); /* a server that starts again */
    minute(watch, &rng, "side", usual, 301);
    for (int64_t at = 302; at < 308; at++) {
        minute(watch, &rng, "side", failing, at);
    }
    assert_int_equal(s.n, 1); /* told once */
    assert_string_equal(s.subject, "errors of side");
    const tm_moment later = {900 * TM_MINUTE_US, UINT64_C(900) * 60000000000u};
    assert_int_equal(tm__traffic_watch_step(watch, later, NULL), TM_OK); /* let go */
    tm__traffic_watch_free(watch);
    tm__traffic_watch_free(NULL);
    tm__teller_done(&teller);

    json_t *list = NULL;
    assert_int_equal(tm__alert_list(*state, &(tm_alert_filter){0}, &list, NULL), TM_OK);
    const json_t *const alert = json_array_get(list, 0);
    assert_string_equal(tm__json_text(alert, "kind", ""), "traffic");
    assert_string_equal(tm__json_text(alert, "severity", ""), "critical");
    assert_true(json_object_get(json_object_get(alert, "detail"), "next") != NULL);
    json_decref(list);
}

#define HOME(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        HOME(failures_become_an_alert_and_hours_are_known_after_a_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
