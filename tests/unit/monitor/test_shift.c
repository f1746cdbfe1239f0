/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "monitor/shift.h"

#define CELLS 11u /* ten bins and missing */
#define BLOCKS 10u

/* Rows of a normal column, shifted by so many deviations, counted by the deciles of the standard
 * one; one of twenty is missing. */
static void draw(tm_rng *rng, uint32_t n, double shift, uint64_t counts[CELLS]) {
    static const double edges[9] = {-1.2816, -0.8416, -0.5244, -0.2533, 0,
                                    0.2533,  0.5244,  0.8416,  1.2816};
    memset(counts, 0, CELLS * sizeof(*counts));
    for (uint32_t i = 0; i < n; i++) {
        const double u = 1 - tm__rng_f64(rng), v = tm__rng_f64(rng);
        const double x = sqrt(-2 * log(u)) * cos(6.283185307179586 * v) + shift;
        uint32_t cell = 0;
        while (cell < 9 && x > edges[cell]) {
            cell++;
        }
        counts[tm__rng_below(rng, 20) == 0 ? CELLS - 1 : cell]++;
    }
}

static tm_shift *make(tm_rng *rng, const double *shifts) {
    uint64_t counts[BLOCKS][CELLS];
    tm_shift *shift = NULL;
    for (uint32_t b = 0; b < BLOCKS; b++) {
        draw(rng, 1000, shifts == NULL ? 0 : shifts[b], counts[b]);
    }
    const tm_shift_spec spec = {
        .n_cells = CELLS, .n_ordered = CELLS - 1, .n_blocks = BLOCKS, .counts = &counts[0][0]};
    assert_int_equal(tm__shift_create(&spec, &shift, NULL), TM_OK);
    return shift;
}

/* Rows until an alarm, at most n_max; 0: none. One false alarm in 720 blocks of 50 rows. */
static uint32_t rows_to_alarm(tm_shift *shift, tm_rng *rng, double by, uint32_t n_max) {
    uint64_t counts[CELLS];
    for (uint32_t n = 50; n <= n_max; n += 50) {
        draw(rng, 50, by, counts);
        tm__shift_add(shift, counts, 1.0 / 720, n);
        if (tm__shift_look(shift).evidence >= 1) {
            return n;
        }
    }
    return 0;
}

static void quiet_months_are_quiet(void **state) {
    (void)state;
    tm_rng rng = tm__rng_split(1, "quiet", 0);
    uint32_t n_alarms = 0;
    for (uint32_t month = 0; month < 40; month++) {
        tm_shift *shift = make(&rng, NULL);
        n_alarms += rows_to_alarm(shift, &rng, 0, 36000) != 0;
        tm__shift_free(shift);
    }
    assert_true(n_alarms <= 2);
}

static void a_shift_is_found_soon(void **state) {
    (void)state;
    tm_rng rng = tm__rng_split(1, "shift", 0);
    for (uint32_t run = 0; run < 40; run++) {
        tm_shift *shift = make(&rng, NULL);
        assert_int_equal(rows_to_alarm(shift, &rng, 0, 5000), 0);
        const uint32_t n = rows_to_alarm(shift, &rng, run % 2 == 0 ? 1 : -1, 1000);
        assert_true(n > 0 && n <= 300);
        const tm_shift_look look = tm__shift_look(shift);
        assert_int_equal(look.is_rise, run % 2 == 1); /* lower bins are more when it falls */
        assert_true(look.is_rise == (look.is > look.was));
        assert_true(look.n_rows > 0 && look.since_us > 0);
        tm__shift_reset(shift);
        assert_true(tm__shift_look(shift).evidence < 1e-9);
        tm__shift_free(shift);
    }
}

static void what_wandered_may_wander_on(void **state) {
    (void)state;
    static const double shifts[BLOCKS] = {0, 0.3, -0.3, 0.2, -0.2, 0.3, -0.3, 0.1, 0, -0.1};
    tm_rng rng = tm__rng_split(1, "wander", 0);
    tm_shift *shift = make(&rng, shifts);
    assert_int_equal(rows_to_alarm(shift, &rng, 0.3, 20000), 0);
    assert_int_equal(rows_to_alarm(shift, &rng, -0.3, 20000), 0);
    assert_true(rows_to_alarm(shift, &rng, 1, 1000) > 0);
    tm__shift_free(shift);
    shift = make(&rng, NULL); /* one that stood still may not */
    assert_true(rows_to_alarm(shift, &rng, 0.3, 20000) > 0);
    tm__shift_free(shift);
}

static void missing_values_and_new_levels_are_shifts(void **state) {
    (void)state;
    static const uint64_t reference[] = {5000, 4000, 1000, 0,
                                         0}; /* three levels, others, missing */
    tm_shift *shift = NULL;
    const tm_shift_spec spec = {.n_cells = 5, .n_blocks = 1, .counts = reference};
    assert_int_equal(tm__shift_create(&spec, &shift, NULL), TM_OK);
    const uint64_t as_before[] = {50, 40, 10, 0, 0}, gone[] = {48, 38, 9, 0, 5},
                   fresh[] = {45, 37, 8, 10, 0};
    for (int i = 0; i < 50; i++) {
        tm__shift_add(shift, as_before, 1e-4, i);
    }
    assert_true(tm__shift_look(shift).evidence < 1e-2);
    tm__shift_add(shift, gone, 1e-4, 50);
    tm__shift_add(shift, gone, 1e-4, 51);
    tm_shift_look look = tm__shift_look(shift);
    assert_true(look.evidence >= 1 && look.cell == 4 && look.is_rise && look.since_us == 50);
    assert_true(fabs(look.is - 0.05) < 1e-12 && look.was == 0 && look.n_rows == 200);
    tm__shift_reset(shift);
    tm__shift_add(shift, fresh, 1e-4, 52);
    look = tm__shift_look(shift);
    assert_true(look.evidence >= 1 && look.cell == 3);
    tm__shift_free(shift);
}

/* Ten rows of a customer are alike. */
static void draw_clumps(tm_rng *rng, double by, uint64_t counts[CELLS]) {
    uint64_t one[CELLS];
    memset(counts, 0, CELLS * sizeof(*counts));
    for (uint32_t i = 0; i < 5; i++) {
        draw(rng, 1, by, one);
        for (uint32_t k = 0; k < CELLS; k++) {
            counts[k] += 10 * one[k];
        }
    }
}

static void rows_in_clumps_count_for_less(void **state) {
    (void)state;
    tm_rng rng = tm__rng_split(1, "clumps", 0);
    uint64_t counts[CELLS];
    uint32_t n_alarms = 0, n_found = 0;
    double clump = 0;
    for (uint32_t month = 0; month < 20; month++) {
        tm_shift *shift = make(&rng, NULL); /* dealt evenly: its blocks show no clumps */
        for (uint32_t i = 0; i < 720; i++) {
            draw_clumps(&rng, 0, counts);
            tm__shift_add(shift, counts, 1.0 / 720, i);
            const tm_shift_look look = tm__shift_look(shift);
            clump += look.clump / (20 * 720);
            if (look.evidence >= 1) {
                n_alarms++;
                tm__shift_reset(shift);
            }
        }
        tm__shift_reset(shift);
        bool is_found = false;
        for (uint32_t i = 0; i < 60 && !is_found; i++) { /* 3,000 rows, 300 customers */
            draw_clumps(&rng, 1, counts);
            tm__shift_add(shift, counts, 1.0 / 720, i);
            is_found = tm__shift_look(shift).evidence >= 1;
        }
        n_found += is_found ? 1 : 0;
        tm__shift_free(shift);
    }
    assert_true(clump > 7 && clump < 13);
    assert_true(n_alarms <= 10);
    assert_true(n_found >= 18);
}

static void a_reference_may_change_while_evidence_goes_on(void **state) {
    (void)state;
    static const uint64_t even[] = {500, 500}, most[] = {900, 100}, block[] = {90, 10};
    static const uint64_t three[] = {1, 2, 3};
    tm_shift *shift = NULL;
    tm_shift_spec spec = {.n_cells = 2, .n_blocks = 1, .counts = even};
    assert_int_equal(tm__shift_create(&spec, &shift, NULL), TM_OK);
    tm__shift_add(shift, block, 0.01, 1);
    tm__shift_add(shift, block, 0.01, 2);
    const double before = tm__shift_look(shift).evidence;
    const tm_shift_spec other = {.n_cells = 3, .n_blocks = 1, .counts = three};
    assert_int_equal(tm__shift_rebase(shift, &other, NULL), TM_E_INVALID);
    spec.counts = most;
    assert_int_equal(tm__shift_rebase(shift, &spec, NULL), TM_OK);
    assert_true(tm__shift_look(shift).evidence == before);
    assert_true(tm__shift_look(shift).was == 0.9 || tm__shift_look(shift).was == 0.1);
    tm__shift_add(shift, block, 0.01, 3); /* as it was: speaks against */
    assert_true(tm__shift_look(shift).evidence < before);
    tm__shift_free(shift);
}

/* By the definition of the likelihood ratio of two cells. */
static void evidence_is_a_mean_of_likelihood_ratios(void **state) {
    (void)state;
    static const uint64_t reference[] = {500, 500};
    static const uint64_t block[] = {70, 30};
    tm_shift *shift = NULL;
    const tm_shift_spec spec = {.n_cells = 2, .n_ordered = 2, .n_blocks = 1, .counts = reference};
    assert_int_equal(tm__shift_create(&spec, &shift, NULL), TM_OK);
    tm__shift_add(shift, block, 0.01, 1);
    /* Wilson's bounds of 500 of 1000 at three errors, then a tenth of log odds. */
    const double spread = 3 * sqrt(250 + 2.25) / 1009;
    const double high = 1 / (1 + exp(-(log((0.5 + spread) / (0.5 - spread)) + 0.1)));
    double wanted = 0;
    const double odds[] = {0.25, 0.75, 2};
    for (int i = 0; i < 3; i++) {
        const double up = exp(odds[i]), down = exp(-odds[i]);
        const double gains[] = {70 * odds[i] - 100 * log(1 - high + up * high),
                                -70 * odds[i] - 100 * log(high + down * (1 - high))};
        for (int k = 0; k < 2; k++) { /* of the first block thirty rows count for a shift */
            wanted += exp(gains[k] > 0 ? gains[k] * 30 / 100 : gains[k]);
        }
    }
    wanted *= 0.01 / 6;
    assert_true(fabs(tm__shift_look(shift).evidence / wanted - 1) < 1e-9);
    assert_true(fabs(tm__shift_look(shift).clump - (100.0 / 30)) < 3);
    tm__shift_free(shift);
}

static void bounds_are_checked(void **state) {
    (void)state;
    static const uint64_t none[4];
    static const uint64_t some[] = {1, 0, 0, 3};
    const tm_shift_spec specs[] = {
        {.n_cells = 1, .n_blocks = 1, .counts = some},
        {.n_cells = TM_SHIFT_CELLS_MAX + 1, .n_blocks = 1, .counts = some},
        {.n_cells = 2, .n_ordered = 3, .n_blocks = 1, .counts = some},
        {.n_cells = 2, .n_blocks = 0, .counts = some},
        {.n_cells = 2, .n_blocks = 2, .counts = none},
    };
    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        tm_shift *shift = NULL;
        assert_int_equal(tm__shift_create(&specs[i], &shift, NULL), TM_E_INVALID);
    }
    const tm_shift_spec least = {.n_cells = 2, .n_blocks = 2, .counts = some};
    const uint64_t block[] = {UINT32_MAX, 0};
    tm_shift *shift = NULL;
    assert_int_equal(tm__shift_create(&least, &shift, NULL), TM_OK);
    tm__shift_add(shift, none, 0.5, 1);
    assert_true(tm__shift_look(shift).evidence < 1e-9);
    for (int i = 0; i < 5; i++) {
        tm__shift_add(shift, block, 0.5, 1);
        assert_true(isfinite(tm__shift_look(shift).evidence));
    }
    tm__shift_free(shift);
    tm__shift_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quiet_months_are_quiet),
        cmocka_unit_test(a_shift_is_found_soon),
        cmocka_unit_test(what_wandered_may_wander_on),
        cmocka_unit_test(missing_values_and_new_levels_are_shifts),
        cmocka_unit_test(rows_in_clumps_count_for_less),
        cmocka_unit_test(a_reference_may_change_while_evidence_goes_on),
        cmocka_unit_test(evidence_is_a_mean_of_likelihood_ratios),
        cmocka_unit_test(bounds_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
