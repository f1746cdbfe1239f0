/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/rng.h"
#include "look_case.h"
#include "test.h"
#include "train/train_look_priv.h"

enum { N = 3000 };

static double y[N], pred[N];

static void errors_are_counted_and_their_extremes_are_not_told(void **state) {
    (void)state;
    for (uint64_t i = 0; i < N; i++) {
        pred[i] = (double)i;
        y[i] = pred[i] + (double)((int64_t)(tm__rng_at(1, i) % 201) - 100) + 5;
    }
    y[7] += 1e9; /* one row's error */
    tm_look look = look_case_make(TM_TASK_REGRESSION, NULL, y, pred, N);
    json_t *out = NULL;
    assert_int_equal(tm__look_errors(&look, &out, NULL), TM_OK);
    const json_t *residuals = json_object_get(out, "residuals");
    const size_t n = json_array_size(json_object_get(residuals, "counts"));
    double rows = tm__json_f64(residuals, "below", 0) + tm__json_f64(residuals, "above", 0);
    for (size_t i = 0; i < n; i++) {
        rows += look_case_at(residuals, "counts", i);
    }
    assert_true(rows == N);
    assert_true(look_case_at(residuals, "bounds", n) < 110);
    const json_t *absolute = json_object_get(out, "absolute");
    assert_true(fabs(tm__json_f64(absolute, "p50", 0) - 50) < 5);
    assert_true(tm__json_f64(absolute, "p99", 1e9) < 110);
    const json_t *list = json_object_get(out, "by_answer"), *part = NULL;
    size_t i = 0;
    json_array_foreach(list, i, part) {
        assert_int_equal(tm__json_i64(part, "rows", 0), N / 15);
        assert_true(fabs(tm__json_f64(part, "median", 99) - 5) < 20);
        assert_true(tm__json_f64(part, "low", 0) < tm__json_f64(part, "median", 0));
    }
    assert_int_equal(i, 15);
    json_decref(out);
    look_case_done(&look);
}

static void a_ranking_is_told_by_place(void **state) {
    (void)state;
    double relevance[] = {3, 1, 0, 0, 2}, scores[] = {9, 5, 1, 2, 7};
    uint32_t queries[] = {0, 0, 0, 1, 1};
    tm_look look = look_case_make(TM_TASK_REGRESSION, NULL, relevance, scores, 5);
    json_t *out = NULL;
    look.task = TM_TASK_RANKING;
    look.queries = queries;
    assert_int_equal(tm__look_ranks(&look, &out, NULL), TM_OK);
    const json_t *places = json_object_get(out, "by_place");
    assert_int_equal(json_array_size(places), 3);
    assert_true(tm__json_f64(json_array_get(places, 0), "relevance", 0) == 2.5);
    assert_true(tm__json_f64(json_array_get(places, 1), "relevance", 0) == 0.5);
    assert_int_equal(tm__json_i64(out, "queries", 0), 2);
    assert_true(look_case_at(json_object_get(out, "ndcg"), "counts", 9) == 2);
    json_decref(out);
    look.queries = NULL;
    look_case_done(&look);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_counted_and_their_extremes_are_not_told),
        cmocka_unit_test(a_ranking_is_told_by_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
