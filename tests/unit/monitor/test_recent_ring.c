/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/recent_ring.h"

#include <math.h>

#include "monitor/monitor_recent.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

/* An answer y away from the truth 0, which stands for weight answers. */
static void add(tm_recent_ring *ring, double answer, double weight) {
    const tm_answer logged = {.id = "01J0Z3K4M5N6P7Q8R9S0T1V2W3",
                              .event_us = TM_INT_MISSING,
                              .outputs = &answer,
                              .n_outputs = 1};
    tm_record record;
    tm_buf bytes;
    tm__buf_init(&bytes, 4096);
    assert_true(tm__answer_append(&logged, &bytes));
    tm_str rest = {(const char *)bytes.data, bytes.len};
    assert_true(tm__record_read(&rest, &record));
    assert_int_equal(tm__recent_ring_add(ring, 0, weight, &record, NULL), TM_OK);
    tm__buf_done(&bytes);
}

static double mae(const tm_recent_ring *ring, const tm_bundle *bundle, tm_score_range *out) {
    json_t *report = NULL;
    assert_int_equal(tm__recent_ring_score(ring, bundle, "mae", &report, out, NULL), TM_OK);
    const double value = tm__json_f64(report, "mae", NAN);
    json_decref(report);
    return value;
}

static void answers_weigh_as_many_as_they_stand_for(void **state) {
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.task = "regression"});
    tm_recent_ring ring;
    tm_score_range range;
    tm__recent_ring_init(&ring, 1);
    assert_true(isnan(mae(&ring, bundle, &range))); /* of nothing */
    for (int i = 0; i < 20; i++) {
        add(&ring, i % 2, 10); /* each stands for ten: that changes nothing */
    }
    assert_true(mae(&ring, bundle, &range) == 0.5);
    assert_true(range.value == 0.5 && range.low < 0.5 && range.high > 0.5);
    add(&ring, 4, 1);
    /* 100 answers of 0, 100 of 1 and one of 4. */
    assert_true(fabs(mae(&ring, bundle, &range) - 104.0 / 201) < 1e-12);
    assert_true(fabs(range.value - 104.0 / 201) < 1e-12 && isnan(range.low) && isnan(range.high));
    tm__recent_ring_reset(&ring);
    add(&ring, 3, 1);
    assert_true(mae(&ring, bundle, &range) == 3);
    tm__recent_ring_done(&ring);
    tm__bundle_unref(bundle);
}

static void the_oldest_leave(void **state) {
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.task = "regression"});
    tm_recent_ring ring;
    tm_score_range range;
    tm__recent_ring_init(&ring, 1);
    for (uint32_t i = 0; i < TM_RECENT_LABELS; i++) {
        add(&ring, 5, 1);
    }
    assert_true(mae(&ring, bundle, &range) == 5);
    for (uint32_t i = 0; i < TM_RECENT_LABELS / 2; i++) {
        add(&ring, 1, 1);
    }
    assert_int_equal(ring.n, TM_RECENT_LABELS);
    assert_true(mae(&ring, bundle, &range) == 3);
    tm__recent_ring_done(&ring);
    tm__bundle_unref(bundle);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(answers_weigh_as_many_as_they_stand_for),
        TEST(the_oldest_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
