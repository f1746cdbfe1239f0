/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "made_data.h"
#include "model/gbdt/gbdt_renew.h"

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sum of the pinball loss of a value. */
static double pinball(const double *y, const double *w, uint64_t n, double share, double at) {
    double sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        const double d = y[i] - at;
        sum += (w != NULL ? w[i] : 1) * (d > 0 ? share * d : (share - 1) * d);
    }
    return sum;
}

static void quantiles_by_hand(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double values[6], weights[6];
        uint64_t n;
        bool is_weighted;
        double share, want;
    } cases[] = {
        {"one", {7}, {0}, 1, false, 0.3, 7},
        {"the middle of three", {9, 1, 4}, {0}, 3, false, 0.5, 4},
        {"between two", {1, 2}, {0}, 2, false, 0.5, 1.5},
        {"all the same", {3, 3, 3, 3}, {0}, 4, false, 0.9, 3},
        {"a low one", {5, 4, 3, 2, 1}, {0}, 5, false, 0.1, 1},
        {"at the edge of the second", {4, 3, 2, 1}, {0}, 4, false, 0.5, 2.5},
        {"infinite weight on the last", {1, 2, 3}, {1, 1, 1e30}, 3, true, 0.5, 3},
        {"weights make the middle", {1, 2, 3}, {1, 1, 4}, 3, true, 0.5, 3},
        {"no weight, no vote", {1, 2, 3, 4}, {1, 0, 0, 1}, 4, true, 0.5, 2.5},
        {"none below", {1, 2, 3}, {0, 1, 1}, 3, true, 0.001, 2},
        {"nearly all", {1, 2, 3}, {1, 1, 1}, 3, true, 0.999, 3},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double values[6], weights[6];
        memcpy(values, cases[i].values, sizeof(values));
        memcpy(weights, cases[i].weights, sizeof(weights));
        const double got =
            tm__quantile(values, cases[i].is_weighted ? weights : NULL, cases[i].n, cases[i].share);
        if (got != cases[i].want) {
            fail_msg("%s: %g, not %g", cases[i].name, got, cases[i].want);
        }
    }
}

/* Against sorting, and no value at all is better in pinball loss. */
static void a_quantile_is_where_the_loss_is_least(void **state) {
    (void)state;
    enum { N_MAX = 400 };
    double y[N_MAX], w[N_MAX], sorted[N_MAX], values[N_MAX], weights[N_MAX];
    for (uint64_t trial = 0; trial < 400; trial++) {
        const uint64_t n =
            1 + (uint64_t)(made_random(trial, 0) * (trial % 2 == 0 ? 12 : N_MAX - 1));
        const double share = trial % 3 == 0 ? 0.5 : 0.001 + 0.998 * made_random(trial, 1);
        const double levels = trial % 5 == 0 ? 4 : 1e6;
        const bool is_weighted = trial % 4 == 1;
        for (uint64_t i = 0; i < n; i++) {
            y[i] = floor(made_random(trial, 10 + i) * levels);
            w[i] = floor(made_random(trial + 5000, i) * 4) + (i == 0 ? 1 : 0);
        }
        memcpy(values, y, n * sizeof(double));
        memcpy(weights, w, n * sizeof(double));
        const double got = tm__quantile(values, is_weighted ? weights : NULL, n, share);
        const double best = pinball(y, is_weighted ? w : NULL, n, share, got);
        for (uint64_t i = 0; i < n; i++) {
            const double other = pinball(y, is_weighted ? w : NULL, n, share, y[i]);
            assert_true(best <= other * (1 + 1e-12) + 1e-9);
        }
        if (!is_weighted) {
            memcpy(sorted, y, n * sizeof(double));
            qsort(sorted, n, sizeof(double), by_value);
            uint64_t at = (uint64_t)ceil(share * (double)n);
            at = at > 0 ? at - 1 : 0;
            if (share * (double)n == (double)(at + 1) && at + 1 < n) {
                uint64_t next = at + 1;
                while (next < n && sorted[next] == sorted[at]) {
                    next++;
                }
                const double above = next < n && next == at + 1 ? sorted[next] : sorted[at];
                assert_true(got == sorted[at] / 2 + above / 2);
            } else {
                assert_true(got == sorted[at]);
            }
        }
    }
}

#define ROWS 9000u
#define LEAVES 3u

typedef struct renewed {
    double y[ROWS], weights[ROWS], scores[ROWS];
    uint16_t leaf_of[ROWS];
    uint64_t rows[ROWS / 64 + 1];
} renewed;

static void leaves_do_not_depend_on_threads_and_lower_their_loss(void **state) {
    (void)state;
    static const tm_objective objectives[] = {TM_OBJECTIVE_ABSOLUTE, TM_OBJECTIVE_QUANTILE,
                                              TM_OBJECTIVE_HUBER};
    renewed *d = tm__mem_zalloc(1, sizeof(*d));
    for (uint32_t row = 0; row < ROWS; row++) {
        d->y[row] = made_random(1, row) * 10;
        d->weights[row] = row % 5 == 0 ? 0 : made_random(2, row);
        d->scores[row] = made_random(3, row);
        d->leaf_of[row] = (uint16_t)(made_random(4, row) * LEAVES);
        d->rows[row >> 6] |= (uint64_t)(made_random(5, row) < 0.6) << (row & 63);
    }
    for (uint32_t i = 0; i < 3 * 2; i++) {
        const tm_loss_spec spec = {.task = TM_TASK_REGRESSION,
                                   .objective = objectives[i / 2],
                                   .n_outputs = 1,
                                   .quantile = 0.8,
                                   .huber_delta = 2};
        const tm_renewal_leaves leaves = {
            .leaf_of = d->leaf_of, .rows = i % 2 == 0 ? NULL : d->rows, .n_leaves = LEAVES};
        double first[LEAVES], other[LEAVES], chunks[3];
        tm_loss loss;
        tm_renewal renewal;
        assert_int_equal(
            tm__loss_init(&spec, ROWS, d->y, i % 2 == 0 ? NULL : d->weights, &loss, NULL), TM_OK);
        assert_int_equal(tm__renewal_init(&loss, LEAVES, &renewal, NULL), TM_OK);
        tm__renewal_fit(NULL, &renewal, &loss, d->scores, &leaves, first);
        tm_pool *pool = tm__pool_create(3);
        tm__renewal_fit(pool, &renewal, &loss, d->scores, &leaves, other);
        tm__pool_free(pool);
        assert_memory_equal(first, other, sizeof(first));
        if (i % 2 == 0) {
            double moved[ROWS];
            for (uint32_t row = 0; row < ROWS; row++) {
                moved[row] = d->scores[row] + first[d->leaf_of[row]];
            }
            assert_true(tm__loss_mean(NULL, &loss, moved, NULL, chunks) <
                        0.9 * tm__loss_mean(NULL, &loss, d->scores, NULL, chunks));
        }
        tm__renewal_done(&renewal);
        tm__loss_done(&loss);
    }
    tm__mem_free(d);
}

/* Residuals 0 1 2 3 and 100 have the median 2; around it, cut to 10: (-2 -1 0 1 10) / 5 = 1.6. */
static void values_of_leaves_by_hand(void **state) {
    (void)state;
    const double y[] = {0, 1, 2, 3, 100, 5}, scores[6] = {0}, weights[] = {1, 1, 1, 1, 1, 0};
    const uint16_t leaf_of[] = {0, 0, 0, 0, 0, 1};
    const tm_renewal_leaves leaves = {.leaf_of = leaf_of, .n_leaves = 2};
    static const struct {
        tm_objective objective;
        double want;
    } cases[] = {
        {TM_OBJECTIVE_ABSOLUTE, 2}, {TM_OBJECTIVE_QUANTILE, 100}, {TM_OBJECTIVE_HUBER, 3.6}};
    for (uint32_t i = 0; i < 3; i++) {
        const tm_loss_spec spec = {.task = TM_TASK_REGRESSION,
                                   .objective = cases[i].objective,
                                   .n_outputs = 1,
                                   .quantile = 0.9,
                                   .huber_delta = 10};
        double out[2];
        tm_loss loss;
        tm_renewal renewal;
        assert_int_equal(tm__loss_init(&spec, 6, y, weights, &loss, NULL), TM_OK);
        assert_int_equal(tm__renewal_init(&loss, 2, &renewal, NULL), TM_OK);
        tm__renewal_fit(NULL, &renewal, &loss, scores, &leaves, out);
        assert_true(fabs(out[0] - cases[i].want) < 1e-12 && out[1] == 0);
        tm__renewal_done(&renewal);
        tm__loss_done(&loss);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_by_hand),
        cmocka_unit_test(a_quantile_is_where_the_loss_is_least),
        cmocka_unit_test(leaves_do_not_depend_on_threads_and_lower_their_loss),
        cmocka_unit_test(values_of_leaves_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
