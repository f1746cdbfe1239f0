/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A query is worked on by one thread, in the places of its rows; so nothing is shared and sums have
 * one order. Pairs of a row with all below it go by blocks, so that sigmoids are arrays.
 */
#include "model/gbdt/gbdt_rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/pool.h"

enum {
    BLOCK = 128,
    CHUNK_ROWS = 4096 /* queries that begin in so many rows are one item of work */
};

/* Beside the distance of two scores, so that a pair of equal ones has a weight. */
static const double NEAR = 0.01;

typedef struct placed {
    double score;
    uint32_t row; /* in the query */
} placed;

struct tm_rank {
    uint64_t n_rows, n_queries;
    uint32_t depth;
    uint64_t *starts;  /* [n_queries + 1] */
    double *per_best;  /* [n_queries] 1 over the best gain possible to the depth; 0: no pairs */
    double *gains;     /* [n_rows] */
    double *discounts; /* [rows of the longest query] by place */
    placed *places;    /* [n_rows] rows of a query by falling score */
    double *placed_scores, *placed_gains, *placed_g, *placed_h; /* [n_rows] by place */
    double *g, *h;                                              /* [n_rows] by row */
    const double *scores;                                       /* of the call */
};

static int by_gain(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* Equal scores stay in the order of rows. */
static int by_score(const void *a, const void *b) {
    const placed *x = a, *y = b;
    if (x->score != y->score) {
        return x->score < y->score ? 1 : -1;
    }
    return (x->row > y->row) - (x->row < y->row);
}

/* Discounted gain of the best order, to the depth; 0 when all gains are the same. */
static double best_gain(tm_rank *rank, uint64_t begin, uint64_t n) {
    double *sorted = rank->placed_gains + begin, sum = 0;
    memcpy(sorted, rank->gains + begin, n * sizeof(double));
    qsort(sorted, n, sizeof(double), by_gain);
    if (sorted[0] == sorted[n - 1]) {
        return 0;
    }
    for (uint64_t i = 0; i < n && i < rank->depth; i++) {
        sum += sorted[i] * rank->discounts[i];
    }
    return sum;
}

static bool rank_alloc(tm_rank *rank, uint64_t n_longest) {
    const uint64_t n = rank->n_rows;
    rank->starts = tm__mem_zalloc(rank->n_queries + 1, sizeof(uint64_t));
    rank->per_best = tm__mem_zalloc(rank->n_queries, sizeof(double));
    rank->discounts = tm__mem_alloc(n_longest, sizeof(double));
    rank->gains = tm__mem_alloc(n, sizeof(double));
    rank->places = tm__mem_alloc(n, sizeof(placed));
    rank->placed_scores = tm__mem_alloc(n, sizeof(double));
    rank->placed_gains = tm__mem_alloc(n, sizeof(double));
    rank->placed_g = tm__mem_alloc(n, sizeof(double));
    rank->placed_h = tm__mem_alloc(n, sizeof(double));
    rank->g = tm__mem_zalloc(n, sizeof(double));
    rank->h = tm__mem_zalloc(n, sizeof(double));
    return rank->starts != NULL && rank->per_best != NULL && rank->discounts != NULL &&
           rank->gains != NULL && rank->places != NULL && rank->placed_scores != NULL &&
           rank->placed_gains != NULL && rank->placed_g != NULL && rank->placed_h != NULL &&
           rank->g != NULL && rank->h != NULL;
}

tm_status tm__rank_create(const uint32_t *query, const double *y, uint64_t n_rows, uint32_t depth,
                          tm_rank **out, tm_err *err) {
    uint64_t n_longest = 0, at = 0;
    tm_rank *rank = tm__mem_zalloc(1, sizeof(*rank));
    if (rank == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for queries");
    }
    rank->n_rows = n_rows;
    rank->depth = depth;
    for (uint64_t row = 0; row < n_rows; row++) {
        const bool begins = row == 0 || query[row] != query[row - 1];
        at = begins ? row : at;
        rank->n_queries += begins;
        n_longest = row + 1 - at > n_longest ? row + 1 - at : n_longest;
    }
    if (!rank_alloc(rank, n_longest)) {
        tm__rank_free(rank);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for the queries of %llu rows",
                       (unsigned long long)n_rows);
    }
    for (uint64_t i = 0; i < n_longest; i++) {
        rank->discounts[i] = tm__log(2.0) / tm__log((double)i + 2.0);
    }
    uint64_t q = 0;
    for (uint64_t row = 0; row < n_rows; row++) {
        if (row == 0 || query[row] != query[row - 1]) {
            rank->starts[q++] = row;
        }
        rank->gains[row] = tm__pow(2.0, y[row]) - 1.0;
    }
    rank->starts[q] = n_rows;
    for (q = 0; q < rank->n_queries; q++) {
        const double best = best_gain(rank, rank->starts[q], rank->starts[q + 1] - rank->starts[q]);
        rank->per_best[q] = best > 0 ? 1 / best : 0;
    }
    *out = rank;
    return TM_OK;
}

void tm__rank_free(tm_rank *rank) {
    if (rank != NULL) {
        tm__mem_free(rank->starts);
        tm__mem_free(rank->per_best);
        tm__mem_free(rank->discounts);
        tm__mem_free(rank->gains);
        tm__mem_free(rank->places);
        tm__mem_free(rank->placed_scores);
        tm__mem_free(rank->placed_gains);
        tm__mem_free(rank->placed_g);
        tm__mem_free(rank->placed_h);
        tm__mem_free(rank->g);
        tm__mem_free(rank->h);
        tm__mem_free(rank);
    }
}

/* A query's rows by place. */
typedef struct query_view {
    const double *scores, *gains, *discounts;
    double *g, *h;
    double per_best;
    bool is_spread; /* scores differ */
} query_view;

/* Pairs of place i with places from `from` to from + n - 1 below it. Returns the sum of the sizes
 * of their slopes. */
static double add_pairs(const query_view *v, uint64_t i, uint64_t from, uint32_t n) {
    const double *scores = v->scores + from, *gains = v->gains + from;
    const double *discounts = v->discounts + from;
    const double score = v->scores[i], gain = v->gains[i], discount = v->discounts[i];
    const double near = v->is_spread ? NEAR : 1, far = v->is_spread ? 1 : 0;
    double *g = v->g + from, *h = v->h + from, sum = 0, sum_g = 0, sum_h = 0;
    double weight[BLOCK], p[BLOCK] = {0};
#pragma omp simd
    for (uint32_t k = 0; k < n; k++) {
        const double off = score - scores[k]; /* at least 0 */
        const double more = gain - gains[k];  /* signed: which of both should be above */
        p[k] = more > 0 ? -off : off;
        weight[k] = more * ((discount - discounts[k]) * v->per_best) / (near + far * off);
    }
    tm__sigmoid_array(p, p, n); /* the chance that the pair is in the wrong order */
#pragma omp simd
    for (uint32_t k = 0; k < n; k++) {
        const double slope = p[k] * weight[k], size = fabs(slope), bend = size * (1 - p[k]);
        g[k] += slope;
        h[k] += bend;
        weight[k] = slope;
        p[k] = bend;
    }
    for (uint32_t k = 0; k < n; k++) {
        sum_g += weight[k];
        sum_h += p[k];
        sum += fabs(weight[k]);
    }
    v->g[i] -= sum_g;
    v->h[i] += sum_h;
    return 2 * sum;
}

static void query_fit(tm_rank *rank, uint64_t q) {
    const uint64_t begin = rank->starts[q], n = rank->starts[q + 1] - begin;
    placed *places = rank->places + begin;
    double *gains = rank->placed_gains + begin, sum = 0;
    if (!(rank->per_best[q] > 0)) {
        return; /* its gradients are 0 from the start */
    }
    for (uint64_t i = 0; i < n; i++) {
        places[i] = (placed){rank->scores[begin + i], (uint32_t)i};
    }
    qsort(places, n, sizeof(*places), by_score);
    const query_view view = {.scores = rank->placed_scores + begin,
                             .gains = gains,
                             .discounts = rank->discounts,
                             .g = rank->placed_g + begin,
                             .h = rank->placed_h + begin,
                             .per_best = rank->per_best[q],
                             .is_spread = places[0].score != places[n - 1].score};
    for (uint64_t i = 0; i < n; i++) {
        rank->placed_scores[begin + i] = places[i].score;
        gains[i] = rank->gains[begin + places[i].row];
        view.g[i] = view.h[i] = 0;
    }
    for (uint64_t i = 0; i < n && i < rank->depth; i++) {
        for (uint64_t j = i + 1; j < n; j += BLOCK) {
            sum += add_pairs(&view, i, j, n - j < BLOCK ? (uint32_t)(n - j) : (uint32_t)BLOCK);
        }
    }
    const double factor = sum > 0 ? tm__log1p(sum) / tm__log(2.0) / sum : 1;
    for (uint64_t i = 0; i < n; i++) {
        rank->g[begin + places[i].row] = view.g[i] * factor;
        rank->h[begin + places[i].row] = view.h[i] * factor;
    }
}

/* The first query that begins at `row` or later. */
static uint64_t query_from(const tm_rank *rank, uint64_t row) {
    uint64_t low = 0, high = rank->n_queries;
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        if (rank->starts[middle] < row) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void queries_task(void *arg, uint64_t chunk, uint32_t worker) {
    tm_rank *rank = arg;
    const uint64_t end = query_from(rank, (chunk + 1) * CHUNK_ROWS);
    (void)worker;
    for (uint64_t q = query_from(rank, chunk * CHUNK_ROWS); q < end; q++) {
        query_fit(rank, q);
    }
}

void tm__rank_fit(struct tm_pool *pool, tm_rank *rank, const double *scores, const double **out_g,
                  const double **out_h) {
    rank->scores = scores;
    tm__pool_run(pool, (rank->n_rows + CHUNK_ROWS - 1) / CHUNK_ROWS, queries_task, rank);
    *out_g = rank->g;
    *out_h = rank->h;
}
