/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

#include "base/rng.h"
#include "monitor/adwin.h"

static double flip(tm_rng *rng, double chance) {
    return tm__rng_f64(rng) < chance ? 1.0 : 0.0;
}

static void a_change_is_found_and_the_window_forgets_what_was_before(void **state) {
    (void)state;
    uint32_t n_found = 0;
    for (uint64_t run = 0; run < 50; run++) {
        tm_rng rng = tm__rng_split(run, "adwin", 0);
        tm_adwin adwin = {0};
        uint32_t delay = 0;
        for (unsigned i = 0; i < 2000; i++) {
            (void)tm__adwin_add(&adwin, flip(&rng, 0.2));
        }
        while (delay < 2000 && !tm__adwin_add(&adwin, flip(&rng, 0.5))) {
            delay++;
        }
        n_found += delay < 400 ? 1 : 0;
        for (unsigned i = 0; i < 2000; i++) {
            (void)tm__adwin_add(&adwin, flip(&rng, 0.5));
        }
        assert_true(fabs(tm__adwin_mean(&adwin) - 0.5) < 0.06);
    }
    assert_true(n_found >= 48);
}

static void a_stream_that_stays_is_left_alone(void **state) {
    (void)state;
    uint64_t n_drops = 0;
    for (uint64_t run = 0; run < 20; run++) {
        tm_rng rng = tm__rng_split(run, "adwin quiet", 0);
        tm_adwin adwin = {0};
        for (unsigned i = 0; i < 20000; i++) {
            (void)tm__adwin_add(&adwin, flip(&rng, 0.3));
        }
        n_drops += adwin.n_drops;
        assert_true(adwin.n > 1000);
    }
    assert_true(n_drops <= 3);
}

/* The sums follow the buckets, whatever comes. */
static void sums_are_those_of_the_window(void **state) {
    (void)state;
    tm_rng rng = tm__rng_split(3, "adwin sums", 0);
    tm_adwin adwin = {.every = 1};
    for (unsigned i = 0; i < 5000; i++) {
        const double value = i % 997 == 0   ? (double)NAN
                             : i % 501 == 0 ? 7
                                            : tm__rng_f64(&rng) * (i % 1500 < 700 ? 0.3 : 1);
        (void)tm__adwin_add(&adwin, value);
        uint64_t n = 0;
        double sum = 0;
        for (uint32_t row = 0; row < adwin.n_rows; row++) {
            assert_true(adwin.n_buckets[row] < TM_ADWIN_BUCKETS);
            for (uint32_t k = 0; k < adwin.n_buckets[row]; k++) {
                n += UINT64_C(1) << row;
                sum += adwin.buckets[row][k].sum;
            }
        }
        assert_int_equal(n, adwin.n);
        assert_true(fabs(sum - adwin.sum) < 1e-6 && adwin.spread >= 0);
    }
    assert_true(adwin.n_drops > 0);
}

/* A month of minutes, 20 values each, looked at under a budget of one alarm: no more than that over
 * all months, though each is looked at 2,000 times. */
static void looks_under_a_budget_keep_it(void **state) {
    (void)state;
    enum { MONTHS = 30, MINUTES = 2000, VALUES = 20 };
    uint32_t n_alarms = 0;
    tm_adwin_cut cut;
    for (uint64_t month = 0; month < MONTHS; month++) {
        tm_rng rng = tm__rng_split(month, "adwin month", 0);
        tm_adwin adwin = {0};
        for (unsigned i = 0; i < MINUTES; i++) {
            for (unsigned k = 0; k < VALUES; k++) {
                tm__adwin_push(&adwin, flip(&rng, 0.15), i);
            }
            n_alarms += tm__adwin_look(&adwin, 1.0 / MINUTES, &cut) ? 1 : 0;
        }
        assert_int_equal(adwin.n_seen, MINUTES * VALUES);
    }
    assert_true(n_alarms <= MONTHS / 3);
}

static void a_cut_says_since_when_and_by_how_much(void **state) {
    (void)state;
    enum { RUNS = 40, BEFORE = 100, VALUES = 20 };
    for (uint64_t run = 0; run < RUNS; run++) {
        tm_rng rng = tm__rng_split(run, "adwin cut", 0);
        tm_adwin adwin = {0};
        tm_adwin_cut cut = {0};
        unsigned i = 0;
        for (bool found = false; !found; i++) {
            assert_true(i < BEFORE + 60);
            for (unsigned k = 0; k < VALUES; k++) {
                tm__adwin_push(&adwin, flip(&rng, i < BEFORE ? 0.1 : 0.45), i);
            }
            found = tm__adwin_look(&adwin, 1e-6, &cut);
            assert_false(found && i < BEFORE);
        }
        /* Buckets are coarse where they are old, so the moment is known to some of them. */
        assert_true(cut.since_us > BEFORE - 15 && cut.since_us <= (int64_t)i);
        assert_true(fabs(cut.was - 0.1) < 0.05 && fabs(cut.is - 0.45) < 0.2);
        assert_int_equal(cut.n_was + cut.n_is, (uint64_t)i * VALUES);
        assert_true(adwin.n < cut.n_was + cut.n_is); /* what was before is dropped */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_found_and_the_window_forgets_what_was_before),
        cmocka_unit_test(a_stream_that_stays_is_left_alone),
        cmocka_unit_test(looks_under_a_budget_keep_it),
        cmocka_unit_test(a_cut_says_since_when_and_by_how_much),
        cmocka_unit_test(sums_are_those_of_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
