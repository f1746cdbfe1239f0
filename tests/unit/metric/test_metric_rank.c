/* SPDX-License-Identifier: Apache-2.0 */
/* Expected values: tests/golden/metric/make_expected.py. */
#include "test.h"

#include <math.h>

#include "base/mem.h"
#include "metric/metric.h"
#include "metric/metric_priv.h"

static const double relevance[] = {3, 0, 2, 1, 0, 2, 1, 0, 3, 0, 1, 2, 0, 1};
static const double scores[] = {0.5, 0.9, 0.5, 0.1, 0.3, 0.8, 0.2,
                                0.7, 0.6, 0.4, 0.3, 0.3, 0.0, 0.95};

static double ndcg(const double *y, const double *pred, const uint32_t *groups, uint64_t n) {
    const tm_score_input in = {
        .task = TM_TASK_RANKING, .n_rows = n, .y = y, .pred = pred, .groups = groups};
    double out = NAN;
    assert_int_equal(tm__metric_score(tm__metric_find("ndcg@10"), &in, &out, NULL), TM_OK);
    return out;
}

static void ndcg_is_that_of_scikit_learn_with_exponential_gains(void **state) {
    (void)state;
    const uint32_t one[14] = {0}, two[10] = {4, 4, 4, 4, 4, 9, 9, 9, 9, 9};
    assert_true(fabs(ndcg(relevance, scores, one, 14) - 0.56626031401529808) < 1e-14);
    const double want = (0.64320633705267871 + 0.73320635820490665) / 2;
    assert_true(fabs(ndcg(relevance, scores, two, 10) - want) < 1e-14);
}

static void a_query_without_a_relevant_row_counts_one(void **state) {
    (void)state;
    const double y[] = {0, 0, 1, 0}, pred[] = {1, 2, 1, 2};
    const uint32_t groups[] = {0, 0, 1, 1};
    const double want = (1.0 + log(2.0) / log(3.0)) / 2;
    assert_true(fabs(ndcg(y, pred, groups, 4) - want) < 1e-14);
}

static void the_order_of_tied_rows_has_no_say(void **state) {
    (void)state;
    const double pred[] = {0.5, 0.5, 0.5, 0.5}, a[] = {1, 0, 0, 2}, b[] = {0, 2, 1, 0};
    const uint32_t groups[] = {0, 0, 0, 0};
    assert_true(ndcg(a, pred, groups, 4) == ndcg(b, pred, groups, 4));
}

static void many_rows_with_ties_score_as_in_scikit_learn(void **state) {
    (void)state;
    enum { N = 20000 };
    double *y = tm__mem_alloc(N, sizeof(double)), *pred = tm__mem_alloc(N, sizeof(double));
    double auc = NAN, precision = NAN;
    assert_non_null(y);
    assert_non_null(pred);
    for (uint64_t i = 0; i < N; i++) {
        const uint64_t h = (i * UINT64_C(2654435761)) % UINT64_C(4294967296);
        pred[i] = (double)(h % 1000) / 999;
        y[i] = (double)((h >> 7) % 1000) < 300 + 400 * pred[i] ? 1.0 : 0.0;
    }
    const tm_score_input in = {.task = TM_TASK_BINARY, .n_rows = N, .y = y, .pred = pred};
    assert_int_equal(tm__score_auc(&in, &auc, NULL), TM_OK);
    assert_int_equal(tm__score_average_precision(&in, &precision, NULL), TM_OK);
    assert_true(fabs(auc - 0.62952596289661633) < 1e-13);
    assert_true(fabs(precision - 0.60934603547640354) < 1e-13);
    tm__mem_free(y);
    tm__mem_free(pred);
}

static void order_falls_and_keeps_ties_in_row_order(void **state) {
    (void)state;
    const double pred[] = {-1.0, 0.0, 1e300, -0.0, -INFINITY, 2.5, 0.0, INFINITY};
    const uint32_t want[] = {7, 2, 5, 1, 3, 6, 0, 4};
    uint32_t *order = tm__score_order(pred, 8);
    assert_non_null(order);
    assert_memory_equal(order, want, sizeof(want));
    tm__mem_free(order);
}

static void relevance_that_has_no_finite_gain_is_refused(void **state) {
    (void)state;
    const double y[] = {0, 2000}, pred[] = {1, 2};
    const uint32_t groups[] = {0, 0};
    const tm_score_input in = {
        .task = TM_TASK_RANKING, .n_rows = 2, .y = y, .pred = pred, .groups = groups};
    double out;
    assert_int_equal(tm__metric_score(tm__metric_find("ndcg@10"), &in, &out, NULL), TM_E_DATA);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ndcg_is_that_of_scikit_learn_with_exponential_gains),
        cmocka_unit_test(a_query_without_a_relevant_row_counts_one),
        cmocka_unit_test(the_order_of_tied_rows_has_no_say),
        cmocka_unit_test(many_rows_with_ties_score_as_in_scikit_learn),
        cmocka_unit_test(order_falls_and_keeps_ties_in_row_order),
        cmocka_unit_test(relevance_that_has_no_finite_gain_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
