/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "made_data.h"
#include "metric/metric.h"
#include "model/gbdt/gbdt_loss.h"
#include "model/gbdt/gbdt_priv.h"
#include "model/gbdt/gbdt_rank.h"

#define ROWS 900u

typedef struct rank_data {
    double y[ROWS], scores[ROWS];
    uint32_t query[ROWS];
} rank_data;

/* Queries of 1 to 60 rows; some have one relevance only; scores with ties. */
static void data_init(rank_data *d, uint64_t seed) {
    uint32_t row = 0;
    for (uint32_t q = 0; row < ROWS; q++) {
        const uint32_t n = 1 + (uint32_t)(60 * made_random(seed, q));
        for (uint32_t i = 0; i < n && row < ROWS; i++, row++) {
            d->query[row] = 10 + 3 * q;
            d->y[row] = q % 5 == 2 ? 1 : floor(4 * made_random(seed + 1, row));
            d->scores[row] = floor(40 * made_random(seed + 2, row)) / 10;
        }
    }
}

/* Place of a row in its query: how many come before it. */
static uint32_t place_of(const rank_data *d, uint32_t begin, uint32_t end, uint32_t row) {
    uint32_t n = 0;
    for (uint32_t i = begin; i < end; i++) {
        n += d->scores[i] > d->scores[row] || (d->scores[i] == d->scores[row] && i < row);
    }
    return n;
}

static double gain_of(double y) {
    return pow(2, y) - 1;
}

/* Best discounted gain of a query to a depth, by picking the largest again and again. */
static double ideal_of(const rank_data *d, uint32_t begin, uint32_t end, uint32_t depth) {
    bool used[ROWS] = {false};
    double sum = 0;
    for (uint32_t place = 0; place < depth && place < end - begin; place++) {
        uint32_t best = UINT32_MAX;
        for (uint32_t i = begin; i < end; i++) {
            if (!used[i] && (best == UINT32_MAX || d->y[i] > d->y[best])) {
                best = i;
            }
        }
        used[best] = true;
        sum += gain_of(d->y[best]) / log2(place + 2.0);
    }
    return sum;
}

/* Weight of a pair at the scores of d: what its swap does to ndcg, over the distance of scores. */
static double weight_of(const rank_data *d, uint32_t begin, uint32_t end, uint32_t depth,
                        uint32_t a, uint32_t b) {
    const uint32_t pa = place_of(d, begin, end, a), pb = place_of(d, begin, end, b);
    bool is_spread = false;
    for (uint32_t i = begin; i < end; i++) {
        is_spread = is_spread || d->scores[i] != d->scores[begin];
    }
    if (d->y[a] == d->y[b] || (pa >= depth && pb >= depth)) {
        return 0;
    }
    const double swap = fabs(gain_of(d->y[a]) - gain_of(d->y[b])) *
                        fabs(1 / log2(pa + 2.0) - 1 / log2(pb + 2.0)) /
                        ideal_of(d, begin, end, depth);
    return is_spread ? swap / (0.01 + fabs(d->scores[a] - d->scores[b])) : swap;
}

/* Sum over pairs of weight * log(1 + exp(-distance)), in which row `moved` has score `at`. */
static double pairs_loss(const rank_data *d, const double *weights, uint32_t begin, uint32_t end,
                         uint32_t moved, double at) {
    double sum = 0;
    for (uint32_t a = begin; a < end; a++) {
        for (uint32_t b = begin; b < end; b++) {
            const double sa = a == moved ? at : d->scores[a], sb = b == moved ? at : d->scores[b];
            if (d->y[a] > d->y[b]) {
                sum += weights[(a - begin) * (end - begin) + b - begin] * log1p(exp(sb - sa));
            }
        }
    }
    return sum;
}

static void query_is_right(const rank_data *d, uint32_t begin, uint32_t end, uint32_t depth,
                           const double *g, const double *h) {
    const uint32_t n = end - begin;
    double *weights = tm__mem_alloc((size_t)n * n, sizeof(double)), total = 0;
    for (uint32_t a = begin; a < end; a++) {
        for (uint32_t b = begin; b < end; b++) {
            const double w = weight_of(d, begin, end, depth, a, b);
            weights[(a - begin) * n + b - begin] = w;
            total += d->y[a] > d->y[b] ? 2 * w / (1 + exp(d->scores[a] - d->scores[b])) : 0;
        }
    }
    const double factor = total > 0 ? log2(1 + total) / total : 0;
    for (uint32_t row = begin; row < end; row++) {
        const double step = 1e-4, was = d->scores[row];
        const double up = pairs_loss(d, weights, begin, end, row, was + step);
        const double middle = pairs_loss(d, weights, begin, end, row, was);
        const double down = pairs_loss(d, weights, begin, end, row, was - step);
        const double want_g = factor * (up - down) / (2 * step);
        const double want_h = factor * (up - 2 * middle + down) / step / step;
        /* The third derivative times step^2, and rounding of sums up to 100 over the step. */
        if (!(fabs(g[row] - want_g) < 1e-6 * fmax(1, fabs(want_g)) &&
              fabs(h[row] - want_h) < 1e-4 * fmax(1, want_h))) {
            fail_msg("row %u of %u..%u: g %.9g not %.9g, h %.9g not %.9g", row, begin, end, g[row],
                     want_g, h[row], want_h);
        }
    }
    tm__mem_free(weights);
}

static void gradients_are_slopes_of_pairs_at_the_weights_they_have(void **state) {
    (void)state;
    static const uint32_t depths[] = {1, 5, 30, 1000};
    rank_data *d = tm__mem_alloc(1, sizeof(*d));
    for (uint64_t trial = 0; trial < 4; trial++) {
        tm_rank *rank = NULL;
        const double *g, *h;
        data_init(d, 10 * trial);
        assert_int_equal(tm__rank_create(d->query, d->y, ROWS, depths[trial], &rank, NULL), TM_OK);
        tm__rank_fit(NULL, rank, d->scores, &g, &h);
        for (uint32_t begin = 0, end = 0; begin < ROWS; begin = end) {
            for (end = begin; end < ROWS && d->query[end] == d->query[begin]; end++) {
            }
            query_is_right(d, begin, end, depths[trial], g, h);
        }
        tm__rank_free(rank);
    }
    tm__mem_free(d);
}

/* Two rows of one query, relevances 1 and 0 in the wrong order: ideal 1, swap 1 - 1 / log2(3). */
static void a_pair_by_hand(void **state) {
    (void)state;
    const uint32_t query[] = {1, 1};
    const double y[] = {0, 1}, scores[] = {1, 0}, *g, *h;
    tm_rank *rank = NULL;
    assert_int_equal(tm__rank_create(query, y, 2, 30, &rank, NULL), TM_OK);
    tm__rank_fit(NULL, rank, scores, &g, &h);
    const double weight = (1 - 1 / log2(3)) / 1.01, p = 1 / (1 + exp(-1));
    const double factor = log2(1 + 2 * p * weight) / (2 * p * weight);
    assert_true(fabs(g[0] - p * weight * factor) < 1e-14 && g[0] == -g[1]);
    assert_true(fabs(h[0] - p * (1 - p) * weight * factor) < 1e-14 && h[0] == h[1]);
    tm__rank_free(rank);
}

static void queries_without_a_difference_have_no_gradient(void **state) {
    (void)state;
    const uint32_t query[] = {1, 2, 2, 2, 5, 5};
    const double y[] = {3, 1, 1, 1, 0, 0}, scores[] = {1, 2, 3, 4, 5, 6}, *g, *h;
    tm_rank *rank = NULL;
    assert_int_equal(tm__rank_create(query, y, 6, 30, &rank, NULL), TM_OK);
    tm__rank_fit(NULL, rank, scores, &g, &h);
    for (uint32_t row = 0; row < 6; row++) {
        assert_true(g[row] == 0 && h[row] == 0);
    }
    tm__rank_free(rank);
}

static void threads_change_nothing(void **state) {
    (void)state;
    enum { N = 30000 };
    double *y = tm__mem_alloc(N, sizeof(double)), *scores = tm__mem_alloc(N, sizeof(double));
    uint32_t *query = tm__mem_alloc(N, sizeof(uint32_t));
    double *kept = tm__mem_alloc(2 * N, sizeof(double));
    const double *g, *h;
    tm_rank *rank = NULL;
    for (uint32_t row = 0; row < N; row++) {
        query[row] = row < 9000 ? 0 : row / 40; /* one is longer than an item of work */
        y[row] = floor(3 * made_random(1, row));
        scores[row] = made_random(2, row);
    }
    assert_int_equal(tm__rank_create(query, y, N, 30, &rank, NULL), TM_OK);
    tm__rank_fit(NULL, rank, scores, &g, &h);
    memcpy(kept, g, N * sizeof(double));
    memcpy(kept + N, h, N * sizeof(double));
    tm_pool *pool = tm__pool_create(3);
    tm__rank_fit(pool, rank, scores, &g, &h);
    assert_memory_equal(kept, g, N * sizeof(double));
    assert_memory_equal(kept + N, h, N * sizeof(double));
    tm__pool_free(pool);
    tm__rank_free(rank);
    tm__mem_free(y);
    tm__mem_free(scores);
    tm__mem_free(query);
    tm__mem_free(kept);
}

/* ---- fits ---- */

enum { N_QUERIES = 200, PER_QUERY = 15, N = N_QUERIES * PER_QUERY };

typedef struct ranking {
    made_data made;
    double *y, *out;
    uint32_t *queries;
} ranking;

/*
 * What is relevant depends on columns 0 and 1; how much a query's rows are judged in all depends on
 * the query (column 2): a pointwise fit spends itself on that.
 */
static void ranking_init(ranking *r, uint64_t seed) {
    const made_options options = {.n_rows = N, .n_cols = 4, .seed = seed};
    made_init(&r->made, &options);
    r->y = tm__mem_alloc(N, sizeof(double));
    r->out = tm__mem_alloc(N, sizeof(double));
    r->queries = tm__mem_alloc(N, sizeof(uint32_t));
    for (uint32_t row = 0; row < N; row++) {
        const uint32_t q = row / PER_QUERY;
        const double level = floor(3 * made_random(seed + 5, q));
        const double a = r->made.cols[0][row], b = r->made.cols[1][row];
        const double merit =
            a + (b > 0.5 ? 1 : 0) - 0.5 * fabs(b) + 0.8 * made_random(seed + 6, row);
        ((double *)(uintptr_t)r->made.cols[2])[row] = level + 0.1 * made_random(seed + 7, row);
        r->queries[row] = q;
        r->y[row] = fmax(0, fmin(4, floor(merit + level)));
    }
}

static void ranking_done(ranking *r) {
    tm__mem_free(r->y);
    tm__mem_free(r->out);
    tm__mem_free(r->queries);
    made_done(&r->made);
}

static double ndcg_of(const tm_model *model, const ranking *r) {
    tm_ctx ctx = {0};
    double score = 0;
    assert_int_equal(tm__model_predict(&ctx, model, &r->made.view, r->out, NULL), TM_OK);
    const tm_score_input in = {
        .task = TM_TASK_RANKING, .n_rows = N, .y = r->y, .pred = r->out, .groups = r->queries};
    assert_int_equal(tm__metric_score(tm__metric_find("ndcg@10"), &in, &score, NULL), TM_OK);
    return score;
}

static tm_model *ranking_fit(tm_ctx *ctx, const ranking *r, const ranking *valid,
                             tm_objective objective) {
    tm_params params;
    tm_model *model = NULL;
    tm_err err = {0};
    tm__params_init(&tm__gbdt_ops, &params);
    params.values[TM_GBDT_OBJECTIVE] = objective;
    params.values[TM_GBDT_LEAVES] = 15;
    const tm_fit_input in = {.task = TM_TASK_RANKING,
                             .x = &r->made.view,
                             .y = r->y,
                             .queries = r->queries,
                             .x_valid = &valid->made.view,
                             .y_valid = valid->y,
                             .queries_valid = valid->queries,
                             .seed = 4};
    if (tm__model_fit(ctx, &tm__gbdt_ops, &in, &params, &model, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return model;
}

static void ranks_are_learned_better_by_pairs_than_by_points(void **state) {
    (void)state;
    ranking r, valid, test;
    tm_ctx ctx = {0};
    double points = 0, pairs = 0;
    for (uint64_t seed = 100; seed < 400; seed += 100) {
        ranking_init(&r, seed);
        ranking_init(&valid, seed + 30);
        ranking_init(&test, seed + 60);
        tm_model *by_points = ranking_fit(&ctx, &r, &valid, TM_OBJECTIVE_SQUARED);
        tm_model *by_pairs = ranking_fit(&ctx, &r, &valid, TM_OBJECTIVE_AUTO);
        points += ndcg_of(by_points, &test) / 3;
        pairs += ndcg_of(by_pairs, &test) / 3;
        tm__model_free(by_points);
        tm__model_free(by_pairs);
        ranking_done(&r);
        ranking_done(&valid);
        ranking_done(&test);
    }
    if (!(pairs > points + 0.002 && pairs > 0.85)) {
        fail_msg("ndcg@10 %.4f by pairs, %.4f by points", pairs, points);
    }
}

static void a_ranking_has_the_same_bytes_on_any_threads_and_through_a_file(void **state) {
    (void)state;
    ranking r, valid;
    tm_buf first = {0}, other;
    ranking_init(&r, 1);
    ranking_init(&valid, 2);
    for (uint32_t n = 1; n <= 3; n++) {
        tm_ctx ctx = {.pool = tm__pool_create(n)};
        tm_model *model = ranking_fit(&ctx, &r, &valid, TM_OBJECTIVE_AUTO), *loaded = NULL;
        tm__buf_init(&other, 1 << 24);
        assert_int_equal(model->ops->save(model, &other, NULL), TM_OK);
        if (n == 1) {
            first = other;
            assert_int_equal(tm__gbdt_ops.load(first.data, first.len, &loaded, NULL), TM_OK);
            assert_int_equal(loaded->task, TM_TASK_RANKING);
            assert_true(ndcg_of(loaded, &valid) == ndcg_of(model, &valid));
            tm__model_free(loaded);
        } else {
            assert_int_equal(first.len, other.len);
            assert_memory_equal(first.data, other.data, first.len);
            tm__buf_done(&other);
        }
        tm__model_free(model);
        tm__pool_free(ctx.pool);
    }
    tm__buf_done(&first);
    ranking_done(&r);
    ranking_done(&valid);
}

static void a_ranking_without_queries_or_with_a_wrong_relevance_is_refused(void **state) {
    (void)state;
    ranking r;
    tm_ctx ctx = {0};
    tm_params params;
    tm_model *model = NULL;
    ranking_init(&r, 3);
    tm__params_init(&tm__gbdt_ops, &params);
    params.values[TM_GBDT_TREES] = 2;
    tm_fit_input in = {.task = TM_TASK_RANKING, .x = &r.made.view, .y = r.y};
    assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, NULL), TM_E_INVALID);
    in.queries = r.queries;
    r.queries[5] = 9; /* numbers fall behind it */
    assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, NULL), TM_E_INVALID);
    r.queries[5] = 0;
    r.y[7] = 32;
    assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, NULL), TM_E_INVALID);
    r.y[7] = 31;
    assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, NULL), TM_OK);
    tm__model_free(model);
    /* Nothing to tell apart: an answer all the same. */
    for (uint32_t row = 0; row < N; row++) {
        r.y[row] = 1;
    }
    assert_int_equal(tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, NULL), TM_OK);
    assert_int_equal(tm__model_predict(&ctx, model, &r.made.view, r.out, NULL), TM_OK);
    assert_true(r.out[0] == 0 && r.out[N - 1] == 0);
    tm__model_free(model);
    ranking_done(&r);
}

static void a_ranking_fit_survives_every_failed_allocation(void **state) {
    (void)state;
    ranking r;
    tm_params params;
    tm_model *model = NULL;
    uint64_t n_failed = 0;
    ranking_init(&r, 5);
    tm__params_init(&tm__gbdt_ops, &params);
    params.values[TM_GBDT_TREES] = 2;
    const tm_fit_input in = {.task = TM_TASK_RANKING,
                             .x = &r.made.view,
                             .y = r.y,
                             .queries = r.queries,
                             .x_valid = &r.made.view,
                             .y_valid = r.y,
                             .queries_valid = r.queries};
    const uint64_t alive = tm__mem_alive();
    for (uint64_t n = 1; model == NULL; n++) {
        tm_ctx ctx = {0};
        tm__mem_fail_at(n, false);
        const tm_status st = tm__model_fit(&ctx, &tm__gbdt_ops, &in, &params, &model, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || (st == TM_E_NOMEM && model == NULL && tm__mem_alive() == alive));
        n_failed += st != TM_OK;
    }
    assert_true(n_failed > 40);
    tm__model_free(model);
    ranking_done(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_slopes_of_pairs_at_the_weights_they_have),
        cmocka_unit_test(a_pair_by_hand),
        cmocka_unit_test(queries_without_a_difference_have_no_gradient),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(ranks_are_learned_better_by_pairs_than_by_points),
        cmocka_unit_test(a_ranking_has_the_same_bytes_on_any_threads_and_through_a_file),
        cmocka_unit_test(a_ranking_fit_survives_every_failed_allocation),
        cmocka_unit_test(a_ranking_without_queries_or_with_a_wrong_relevance_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
