/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "look_case.h"
#include "test.h"
#include "train/train_look_priv.h"

enum { N = 1000, MANY = 60000 };

static double y[MANY], pred[MANY], other[MANY];

/* Answers that are right in four of five rows, and another model's in seven of ten. */
static void make_rows(uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        y[i] = (double)(tm__rng_at(5, i) & 1);
        pred[i] = (y[i] == 1) == (tm__rng_at(6, i) % 5 > 0) ? 0.8 : 0.2;
        other[i] = (y[i] == 1) == (tm__rng_at(7, i) % 10 > 2) ? 0.8 : 0.2;
    }
}

static const json_t *score_in(const json_t *scores, const char *name) {
    const json_t *entry = NULL;
    size_t i = 0;
    json_array_foreach(json_object_get(scores, "list"), i, entry) {
        if (strcmp(tm__json_text(entry, "score", ""), name) == 0) {
            return entry;
        }
    }
    return NULL;
}

static void an_interval_is_as_wide_as_theory_has_it(void **state) {
    (void)state;
    const uint64_t sizes[] = {N, MANY}; /* of many rows a part is drawn from */
    for (size_t k = 0; k < 2; k++) {
        make_rows(sizes[k]);
        tm_look look = look_case_make(TM_TASK_BINARY, NULL, y, pred, sizes[k]);
        json_t *scores = NULL;
        assert_int_equal(tm__look_scores(&look, NULL, &scores, NULL), TM_OK);
        const json_t *accuracy = score_in(scores, "accuracy");
        const double value = tm__json_f64(accuracy, "value", 0);
        const double width = tm__json_f64(accuracy, "high", 0) - tm__json_f64(accuracy, "low", 0);
        const double theory = 2 * 1.96 * sqrt(0.8 * 0.2 / (double)sizes[k]);
        assert_true(fabs(value - 0.8) < 0.04);
        assert_true(width > 0.8 * theory && width < 1.2 * theory);
        assert_true(tm__json_f64(accuracy, "low", 1) < value);
        assert_null(json_object_get(accuracy, "other"));
        json_decref(scores);
        look_case_done(&look);
    }
}

static void two_models_are_compared_on_the_same_draws(void **state) {
    (void)state;
    make_rows(N);
    tm_look look = look_case_make(TM_TASK_BINARY, NULL, y, pred, N);
    json_t *scores = NULL;
    assert_int_equal(tm__look_scores(&look, other, &scores, NULL), TM_OK);
    const json_t *gain = json_object_get(score_in(scores, "logloss"), "gain");
    assert_true(tm__json_f64(gain, "value", 0) > 0 && tm__json_f64(gain, "low", -1) > 0);
    json_decref(scores);
    /* A model is no better than itself, in any draw. */
    assert_int_equal(tm__look_scores(&look, pred, &scores, NULL), TM_OK);
    gain = json_object_get(score_in(scores, "auc"), "gain");
    assert_true(tm__json_f64(gain, "low", 1) == 0 && tm__json_f64(gain, "high", 1) == 0);
    json_decref(scores);
    look_case_done(&look);
}

static void threads_change_nothing_and_units_stay_together(void **state) {
    (void)state;
    make_rows(N);
    tm_ctx ctx = {.pool = tm__pool_create(3)};
    tm_look look = look_case_make(TM_TASK_BINARY, NULL, y, pred, N);
    json_t *one = NULL, *three = NULL, *apart = NULL;
    assert_int_equal(tm__look_scores(&look, NULL, &one, NULL), TM_OK);
    look.ctx = &ctx;
    assert_int_equal(tm__look_scores(&look, NULL, &three, NULL), TM_OK);
    assert_true(json_equal(one, three));
    /* Ten rows that say the same are one: the interval is wider by the root of ten. */
    uint32_t *units = tm__mem_alloc(N, sizeof(*units));
    for (uint32_t i = 0; i < N; i++) {
        units[i] = i / 10;
        y[i] = y[i - i % 10];
        pred[i] = pred[i - i % 10];
    }
    look.units = units;
    look.n_units = N / 10;
    assert_int_equal(tm__look_scores(&look, NULL, &apart, NULL), TM_OK);
    const json_t *whole = score_in(one, "brier"), *units_of = score_in(apart, "brier");
    const double ratio = (tm__json_f64(units_of, "high", 0) - tm__json_f64(units_of, "low", 0)) /
                         (tm__json_f64(whole, "high", 0) - tm__json_f64(whole, "low", 0));
    assert_true(ratio > 2.2 && ratio < 4.5);
    json_decref(one);
    json_decref(three);
    json_decref(apart);
    tm__mem_free(units);
    look.units = NULL;
    look_case_done(&look);
    tm__pool_free(ctx.pool);
}

static void a_score_that_rows_do_not_define_is_left_out(void **state) {
    (void)state;
    double ones[] = {1, 1, 1, 1}, answers[] = {0.9, 0.8, 0.7, 0.6};
    tm_look look = look_case_make(TM_TASK_BINARY, NULL, ones, answers, 4);
    json_t *scores = NULL;
    assert_int_equal(tm__look_scores(&look, NULL, &scores, NULL), TM_OK);
    assert_null(score_in(scores, "auc"));
    assert_non_null(score_in(scores, "logloss"));
    json_decref(scores);
    look_case_done(&look);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_interval_is_as_wide_as_theory_has_it),
        cmocka_unit_test(two_models_are_compared_on_the_same_draws),
        cmocka_unit_test(threads_change_nothing_and_units_stay_together),
        cmocka_unit_test(a_score_that_rows_do_not_define_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
