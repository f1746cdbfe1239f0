/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/flips.h"

#include <math.h>
#include <stdbool.h>

#include "base/rng.h"
#include "test.h"

#define CELLS 10u

/* Labels of answers in ten cells whose rates are those of a fair model, a share of them flipped. */
static void draw(tm_rng *rng, uint64_t n, uint64_t n_ref, double share, uint32_t n_classes,
                 tm_flip_cell cells[CELLS]) {
    for (uint32_t k = 0; k < CELLS; k++) {
        cells[k] = (tm_flip_cell){.other_hits = NAN};
    }
    for (uint64_t i = 0; i < n + n_ref; i++) {
        const uint32_t k = (uint32_t)tm__rng_below(rng, CELLS);
        const double rate = (k + 0.5) / CELLS;
        bool hits = tm__rng_f64(rng) < rate;
        if (i < n && tm__rng_f64(rng) < share) {
            hits = !hits && tm__rng_below(rng, n_classes - 1) == 0;
        }
        if (i < n) {
            cells[k].n++;
            cells[k].n_hits += hits;
        } else {
            cells[k].ref_n++;
            cells[k].ref_hits += hits;
        }
    }
}

static void a_share_of_flips_is_found(void **state) {
    (void)state;
    static const double shares[] = {0, 0.05, 0.3, 1};
    tm_rng rng = tm__rng_split(7, "flips", 0);
    uint32_t n_inside = 0, n_all = 0;
    for (uint32_t n_classes = 2; n_classes < 6; n_classes++) {
        for (size_t s = 0; s < sizeof(shares) / sizeof(shares[0]); s++) {
            for (int round = 0; round < 4; round++) {
                tm_flip_cell cells[CELLS];
                draw(&rng, 4000, 20000, shares[s], n_classes, cells);
                const tm_flips f = tm__flips_judge(cells, CELLS, n_classes);
                assert_true(f.low <= f.share && f.share <= f.high);
                assert_true(fabs(f.share - shares[s]) < 0.1);
                n_inside += f.low <= shares[s] + 1e-9 && shares[s] <= f.high + 1e-9;
                n_all++;
                assert_true(shares[s] < 0.3 || f.evidence > 20);
            }
        }
    }
    assert_true(n_inside > n_all * 80 / 100);
}

/* An honest sender whose cases are more often so, in all cells alike, against flips. */
static void odds_of_its_own_are_told_from_flips(void **state) {
    (void)state;
    for (int is_flip = 0; is_flip < 2; is_flip++) {
        tm_flip_cell cells[CELLS];
        for (uint32_t k = 0; k < CELLS; k++) {
            const double c = (k + 0.5) / CELLS;
            const double own = is_flip ? c + 0.3 * (1 - 2 * c) : 4 * c / (1 - c + 4 * c);
            cells[k] = (tm_flip_cell){.n = 100,
                                      .n_hits = (uint64_t)(100 * own + 0.5),
                                      .ref_n = 1000,
                                      .ref_hits = 1000 * c,
                                      .other_hits = NAN};
        }
        const tm_flips f = tm__flips_judge(cells, CELLS, 2);
        assert_true(is_flip ? f.evidence > f.shifted + 10 : f.shifted > f.evidence + 10);
        assert_true(tm__flips_judge(cells, CELLS, 3).shifted == 0);
    }
}

/* Looked at after every tenth label, with references of any size. */
static void honest_labels_are_rarely_doubted(void **state) {
    (void)state;
    const double bound = log(1 / 0.05);
    uint32_t n_wrong = 0;
    tm_rng rng = tm__rng_split(3, "flips", 0);
    for (uint32_t run = 0; run < 60; run++) {
        tm_flip_cell cells[CELLS], more[CELLS];
        bool was_doubted = false;
        draw(&rng, 0, 100 + 60 * run, 0, 2, cells);
        for (uint32_t look = 0; look < 16 && !was_doubted; look++) {
            draw(&rng, 10 + 40 * look, 0, 0, 2, more);
            for (uint32_t k = 0; k < CELLS; k++) {
                cells[k].n += more[k].n;
                cells[k].n_hits += more[k].n_hits;
            }
            was_doubted = tm__flips_judge(cells, CELLS, 2).evidence > bound;
        }
        n_wrong += was_doubted;
    }
    assert_true(n_wrong <= 6);
}

/* Numbers: a label that is another row's hits by chance. */
static void a_known_rate_of_other_labels_is_used(void **state) {
    (void)state;
    const tm_flip_cell fair = {
        .n = 1000, .n_hits = 500, .ref_n = 5000, .ref_hits = 2500, .other_hits = 0.1};
    const tm_flip_cell half = {
        .n = 1000, .n_hits = 300, .ref_n = 5000, .ref_hits = 2500, .other_hits = 0.1};
    const tm_flip_cell copies = {
        .n = 1000, .n_hits = 1000, .ref_n = 50, .ref_hits = 40, .other_hits = 1};
    assert_true(tm__flips_judge(&fair, 1, 2).evidence < 0);
    assert_true(fabs(tm__flips_judge(&half, 1, 2).share - 0.5) < 0.05);
    assert_true(tm__flips_judge(&half, 1, 2).evidence > 20);
    assert_true(tm__flips_judge(&copies, 1, 2).share > 0.9);
}

static void nothing_is_known_of_no_labels(void **state) {
    (void)state;
    const tm_flip_cell none = {.ref_n = 100, .ref_hits = 50, .other_hits = NAN};
    const tm_flips f = tm__flips_judge(&none, 1, 2);
    assert_true(f.share == 0 && f.low < 0.05 && f.high > 0.95 && fabs(f.evidence) < 1e-9);
    const tm_flips empty = tm__flips_judge(NULL, 0, 2);
    assert_true(empty.share == 0 && fabs(empty.evidence) < 1e-9);
}

/* Rates of 0 and 1, references of none: numbers all the same. */
static void extremes_stay_finite(void **state) {
    (void)state;
    for (uint32_t hits = 0; hits <= 1000; hits += 500) {
        for (uint32_t ref = 0; ref <= 1000; ref += 500) {
            const tm_flip_cell cell = {
                .n = 1000, .n_hits = hits, .ref_n = 1000, .ref_hits = ref, .other_hits = NAN};
            const tm_flips f = tm__flips_judge(&cell, 1, 2);
            assert_true(isfinite(f.evidence) && f.low >= 0 && f.high <= 1);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_share_of_flips_is_found),
        cmocka_unit_test(odds_of_its_own_are_told_from_flips),
        cmocka_unit_test(honest_labels_are_rarely_doubted),
        cmocka_unit_test(a_known_rate_of_other_labels_is_used),
        cmocka_unit_test(nothing_is_known_of_no_labels),
        cmocka_unit_test(extremes_stay_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
