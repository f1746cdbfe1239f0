/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "monitor/alert.h"
#include "temp_home.h"

static const char *const receivers[] = {"ops", "night"};

static bool raise_at(tm_drift_store *store, const char *subject, int64_t at_us) {
    const tm_alert_raise raise = {.model = "mill",
                                  .version = 2,
                                  .kind = "drift",
                                  .subject = subject,
                                  .since_us = 5,
                                  .at_us = at_us,
                                  .summary = "moved",
                                  .receivers = receivers,
                                  .n_receivers = 2};
    bool told = false;
    assert_int_equal(tm__alert_raise(store, &raise, &told, NULL), TM_OK);
    return told;
}

static json_t *list(tm_home *home, bool all) {
    const tm_alert_filter filter = {.model = "mill", .all = all};
    json_t *out = NULL;
    assert_int_equal(tm__alert_list(home, &filter, &out, NULL), TM_OK);
    return out;
}

static const char *state_of(tm_home *home, int64_t id, char out[16]) {
    json_t *const all = list(home, true);
    size_t i = 0;
    json_t *a = NULL;
    out[0] = '\0';
    json_array_foreach(all, i, a) {
        if (tm__json_i64(a, "id", 0) == id) {
            (void)tm__str_copy(out, 16, tm__str(tm__json_text(a, "state", "")));
        }
    }
    json_decref(all);
    return out;
}

static tm_status move(tm_drift_store *store, int64_t id, tm_alert_state to, int64_t until_us) {
    const tm_alert_move wanted = {
        .id = id, .to = to, .until_us = until_us, .now_us = 50, .actor = "cli:me"};
    return tm__alert_move(store, &wanted, NULL);
}

static void an_alert_is_told_once_until_it_is_resolved(void **state) {
    tm_drift_store *store = NULL;
    char text[16];
    assert_int_equal(tm__drift_store_open(*state, true, &store, NULL), TM_OK);
    assert_true(raise_at(store, "age", 10));
    assert_false(raise_at(store, "age", 20));
    assert_true(raise_at(store, "city", 30));
    assert_int_equal(move(store, 1, TM_ALERT_ACKNOWLEDGED, 0), TM_OK);
    assert_false(raise_at(store, "age", 40));
    assert_string_equal(state_of(*state, 1, text), "acknowledged");
    json_t *const open = list(*state, false);
    assert_int_equal(json_array_size(open), 2);
    assert_int_equal(tm__json_i64(json_array_get(open, 0), "times", 0), 3);
    json_decref(open);
    assert_int_equal(move(store, 1, TM_ALERT_RESOLVED, 0), TM_OK);
    assert_int_equal(move(store, 1, TM_ALERT_ACKNOWLEDGED, 0), TM_E_CONFLICT);
    assert_int_equal(move(store, 99, TM_ALERT_RESOLVED, 0), TM_E_NOT_FOUND);
    assert_true(raise_at(store, "age", 60));
    tm__drift_store_close(store);
}

static void silence_lasts_as_long_as_was_said(void **state) {
    tm_drift_store *store = NULL;
    char text[16];
    assert_int_equal(tm__drift_store_open(*state, true, &store, NULL), TM_OK);
    assert_true(raise_at(store, "age", 10));
    assert_int_equal(move(store, 1, TM_ALERT_SILENCED, 1000), TM_OK);
    assert_false(raise_at(store, "age", 999));
    assert_string_equal(state_of(*state, 1, text), "silenced");
    assert_true(raise_at(store, "age", 1000));
    assert_string_equal(state_of(*state, 1, text), "open");
    tm__drift_store_close(store);
}

static void a_day_without_news_resolves_and_a_clock_that_went_back_does_not(void **state) {
    tm_drift_store *store = NULL;
    char text[16];
    assert_int_equal(tm__drift_store_open(*state, true, &store, NULL), TM_OK);
    assert_true(raise_at(store, "age", TM_DAY_US));
    assert_true(raise_at(store, "city", TM_DAY_US));
    assert_int_equal(move(store, 2, TM_ALERT_SILENCED, 10 * TM_DAY_US), TM_OK);
    assert_int_equal(tm__alert_sweep(store, 0, NULL), TM_OK);
    assert_int_equal(tm__alert_sweep(store, 2 * TM_DAY_US - 1, NULL), TM_OK);
    assert_string_equal(state_of(*state, 1, text), "open");
    assert_int_equal(tm__alert_sweep(store, 2 * TM_DAY_US, NULL), TM_OK);
    assert_string_equal(state_of(*state, 1, text), "resolved");
    assert_string_equal(state_of(*state, 2, text), "silenced");
    tm__drift_store_close(store);
}

typedef struct due {
    uint32_t n;
    int64_t first_id;
    char last_event[16];
} due;

static bool see(void *arg, const tm_delivery *delivery) {
    due *const d = arg;
    d->first_id = d->n++ == 0 ? delivery->id : d->first_id;
    (void)tm__str_copy(d->last_event, sizeof(d->last_event), tm__str(delivery->event));
    assert_non_null(strstr(delivery->body, "\"summary\":\"moved\""));
    return true;
}

static due due_at(tm_drift_store *store, int64_t now_us) {
    due d = {0};
    assert_int_equal(tm__delivery_due(store, now_us, see, &d, NULL), TM_OK);
    return d;
}

static void deliveries_wait_longer_each_time_and_end(void **state) {
    tm_drift_store *store = NULL;
    assert_int_equal(tm__drift_store_open(*state, true, &store, NULL), TM_OK);
    assert_true(raise_at(store, "age", 10));
    due d = due_at(store, 10);
    assert_int_equal(d.n, 2);
    assert_int_equal(tm__delivery_done(store, d.first_id + 1, NULL, 10, NULL), TM_OK);
    int64_t now_us = 10;
    for (unsigned i = 0; i < TM_DELIVERY_TRIES; i++) {
        d = due_at(store, now_us);
        assert_int_equal(d.n, 1);
        assert_int_equal(tm__delivery_done(store, d.first_id, "hangs", now_us, NULL), TM_OK);
        assert_int_equal(due_at(store, now_us + 1000000).n, 0); /* not at once again */
        const bool is_last = i + 1 == TM_DELIVERY_TRIES;
        assert_int_equal(due_at(store, now_us - TM_DAY_US).n,
                         is_last ? 0 : 1); /* clock went back */
        now_us += TM_DAY_US;
    }
    assert_int_equal(due_at(store, now_us).n, 0);
    assert_int_equal(move(store, 1, TM_ALERT_RESOLVED, 0), TM_OK);
    d = due_at(store, now_us);
    assert_int_equal(d.n, 2); /* the end is told to who heard of the beginning */
    assert_string_equal(d.last_event, "resolved");
    tm__drift_store_close(store);
}

#define HOME(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        HOME(an_alert_is_told_once_until_it_is_resolved),
        HOME(silence_lasts_as_long_as_was_said),
        HOME(a_day_without_news_resolves_and_a_clock_that_went_back_does_not),
        HOME(deliveries_wait_longer_each_time_and_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
