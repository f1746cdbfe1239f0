/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "train/train_alike.h"

enum { ROWS = 300, MANY = 20000 };

/* Inputs and their features: 0 x; 1 a category; 2 a line of x; 3 x again; 4 two features; 5 the
 * same two in the other order; 6 the first of them alone; 7 x with a gap; 8 no feature at all. */
static void twins_are_repeats_and_followers(void **state) {
    (void)state;
    static double cols[9][ROWS];
    static const uint32_t inputs[] = {0, 1, 2, 3, 4, 4, 5, 5, 6, 7};
    static const uint32_t of[] = {0, 1, 2, 0, 3, 4, 4, 3, 3, 5};
    tm_feature features[10];
    const double *list[10];
    tm_rng rng = tm__rng_split(1, "alike", 0);
    for (int i = 0; i < ROWS; i++) {
        const double x = tm__rng_f64(&rng);
        const double row[] = {x,
                              (double)tm__rng_below(&rng, 3),
                              5 - 2 * x + 0.001 * tm__rng_f64(&rng),
                              tm__rng_f64(&rng),
                              tm__rng_f64(&rng),
                              i == 17 ? NAN : x};
        for (int c = 0; c < 6; c++)
            cols[c][i] = row[c];
    }
    for (int f = 0; f < 10; f++) {
        features[f] = (tm_feature){.input = inputs[f], .is_categorical = inputs[f] == 1};
        list[f] = cols[of[f]];
    }
    const tm_view x = {.n_rows = ROWS, .n_cols = 10, .cols = list, .features = features};
    tm_input_features index;
    tm_alike alike[9];
    uint8_t is_candidate[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    assert_int_equal(tm__input_features_init(&x, 9, &index, NULL), TM_OK);
    assert_int_equal(index.starts[9], 10);
    assert_int_equal(index.starts[8], index.starts[9]);
    assert_int_equal(index.list[index.starts[5]], 6);
    assert_int_equal(index.list[index.starts[5] + 1], 7);
    assert_int_equal(tm__train_alike(&x, &index, is_candidate, alike, NULL), TM_OK);
    static const uint32_t twins[] = {UINT32_MAX, UINT32_MAX, 0,          0,         UINT32_MAX,
                                     4,          UINT32_MAX, UINT32_MAX, UINT32_MAX};
    for (int i = 0; i < 9; i++) {
        assert_int_equal(alike[i].twin, twins[i]);
        assert_int_equal(alike[i].is_repeat, i == 3 || i == 5);
    }
    assert_true(alike[2].likeness > 0.99 && alike[3].likeness == 1);
    is_candidate[0] = is_candidate[5] = 0; /* who may not go is no twin and has none */
    assert_int_equal(tm__train_alike(&x, &index, is_candidate, alike, NULL), TM_OK);
    assert_int_equal(alike[3].twin, 2);
    assert_int_equal(alike[5].twin, UINT32_MAX);
    tm__input_features_done(&index);
}

/* Twenty thousand columns are no twenty thousand times twenty thousand comparisons. */
static void many_columns_are_one_pass(void **state) {
    (void)state;
    static double cols[MANY / 2][8];
    tm_feature *features = tm__mem_zalloc(MANY, sizeof(tm_feature));
    const double **list = tm__mem_alloc(MANY, sizeof(double *));
    tm_alike *alike = tm__mem_alloc(MANY, sizeof(*alike));
    uint8_t *is_candidate = tm__mem_alloc(MANY, 1);
    tm_rng rng = tm__rng_split(2, "alike", 0);
    memset(is_candidate, 1, MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        features[i].input = i;
        list[i] = cols[i % (MANY / 2)];
        for (int k = 0; k < 8; k++)
            cols[i % (MANY / 2)][k] = tm__rng_f64(&rng);
    }
    const tm_view x = {.n_rows = 8, .n_cols = MANY, .cols = list, .features = features};
    tm_input_features index;
    assert_int_equal(tm__input_features_init(&x, MANY, &index, NULL), TM_OK);
    assert_int_equal(tm__train_alike(&x, &index, is_candidate, alike, NULL), TM_OK);
    for (uint32_t i = MANY / 2; i < MANY; i++)
        assert_true(alike[i].is_repeat && alike[i].twin == i - MANY / 2);
    tm__input_features_done(&index);
    tm__mem_free(features);
    tm__mem_free((void *)list);
    tm__mem_free(alike);
    tm__mem_free(is_candidate);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twins_are_repeats_and_followers),
        cmocka_unit_test(many_columns_are_one_pass),
    };
    return cmocka_run_group_tests_name("train_alike", tests, NULL, NULL);
}
