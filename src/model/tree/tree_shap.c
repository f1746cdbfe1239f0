/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. The game: a set of known columns is worth the expected answer of a tree that follows the
 * row where a split's column is known, and both sides by their cover where not (Lundberg, Erion,
 * Lee 2018, arXiv:1802.03888). A leaf with value v is reached with the product of one factor for
 * each column on its path: one (1 if the row goes this way at all its splits there, else 0) when
 * the column is known, zero (the product of the shares of rows) when not.
 *
 * A Shapley value is the mean of what a column adds when each other column is known with chance t,
 * over t in [0, 1] (Owen 1972, doi:10.1287/mnsc.18.5.64). So with
 *
 *     f(t) = zero (1 - t) + one t      of each column on the path,
 *
 * a leaf gives column i the integral of v (one - zero) * product of f over the other columns: a
 * polynomial, which Gauss and Legendre's rule with m points integrates exactly when a path has at
 * most 2m columns. Points are lanes of a vector, all terms of a product are positive, and nothing
 * is taken back, so long paths lose no digits.
 *
 * The tree is walked once. Down: g, the product of f on the path. Up: s, the sum of v g over the
 * leaves below. At the edge that makes column i's factor f out of f', which was (1 where there was
 * none, with one = zero = 1), column i gets
 *
 *     s (h - h')      with h = (one - zero) / f,
 *
 * because leaves below count with this factor, and not with the one above. When one is 0, f is
 * zero (1 - t) and h is -1 / (1 - t). When it was 0 above already, only the share of rows is new:
 * g is scaled, h stays, and the edge gives nothing.
 *
 * So a tree costs O(nodes * m), with m half its depth, or half its columns.
 *
 * Invariants: levels[d] is the node at depth d of the current path; last[c] is the level of the
 * last edge of column c on it that changed f, 0 where none did, and level 0 has f = 1, h = 0.
 */
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "base/simd.h"
#include "model/tree/tree.h"

#define WIDTH 8u
#define NONE UINT32_MAX

typedef struct shap_level {
    uint32_t node;
    uint32_t side; /* children done */
    uint32_t last; /* of the column, before this edge */
    uint32_t column;
    bool is_new; /* this edge changed the factor of its column */
    double one, zero;
    double *r; /* 1 / f; not when one is 0 */
    double *h;
    double *g;
    double *s;
} shap_level;

/* A rule of m points; m is a multiple of WIDTH. */
typedef struct points {
    double *t;       /* points in (0, 1) */
    double *cold;    /* 1 - t */
    double *inverse; /* 1 / (1 - t) */
    double *weight;
} points;

typedef struct shap_job {
    const tm_forest *forest;
    const double *const *cols;
    shap_level *levels;
    uint32_t *last;    /* [n_cols] */
    uint32_t *slot_of; /* [n_cols] place in sums, NONE: the tree has not met the column */
    uint32_t *met;     /* [slots] columns */
    double *sums;      /* [slots x m] */
    double *vectors;   /* of rule and levels */
    points rule;
    uint32_t m;
    uint32_t n_met;
    uint32_t depth; /* that there are levels for */
} shap_job;

static TM_ALWAYS_INLINE double *column_sums(shap_job *job, uint32_t column) {
    if (job->slot_of[column] == NONE) {
        job->slot_of[column] = job->n_met;
        job->met[job->n_met] = column;
        memset(job->sums + (size_t)job->n_met * job->m, 0, job->m * sizeof(double));
        job->n_met++;
    }
    return job->sums + (size_t)job->slot_of[column] * job->m;
}

/* Lanes of one register or some; restrict and constant bounds are what makes vectors of them. */

static TM_ALWAYS_INLINE void lanes_scale(size_t m, const double *restrict x, double by,
                                         double *restrict out) {
    for (size_t b = 0; b < m; b += WIDTH) {
#pragma omp simd
        for (size_t q = 0; q < WIDTH; q++) {
            out[b + q] = x[b + q] * by;
        }
    }
}

static TM_ALWAYS_INLINE void lanes_add(size_t m, const double *restrict x, double *restrict sums) {
    for (size_t b = 0; b < m; b += WIDTH) {
#pragma omp simd
        for (size_t q = 0; q < WIDTH; q++) {
            sums[b + q] += x[b + q];
        }
    }
}

static TM_ALWAYS_INLINE void lanes_add_product(size_t m, const double *restrict s,
                                               const double *restrict h, const double *restrict old,
                                               double *restrict sums) {
    for (size_t b = 0; b < m; b += WIDTH) {
#pragma omp simd
        for (size_t q = 0; q < WIDTH; q++) {
            sums[b + q] += s[b + q] * (h[b + q] - old[b + q]);
        }
    }
}

/* The row goes along the edge. */
static TM_ALWAYS_INLINE void lanes_hot(size_t m, points rule, double zero, const double *restrict g,
                                       const double *restrict r, shap_level *to) {
    const double *restrict t = rule.t, *restrict cold = rule.cold;
    double *restrict to_g = to->g, *restrict to_r = to->r, *restrict to_h = to->h;
    for (size_t b = 0; b < m; b += WIDTH) {
#pragma omp simd
        for (size_t q = 0; q < WIDTH; q++) {
            const double f = zero * cold[b + q] + t[b + q];
            to_g[b + q] = g[b + q] * (f * r[b + q]);
            to_r[b + q] = 1 / f;
            to_h[b + q] = (1 - zero) * to_r[b + q];
        }
    }
}

static TM_ALWAYS_INLINE void lanes_cold(size_t m, points rule, double zero,
                                        const double *restrict g, const double *restrict r,
                                        shap_level *to) {
    const double *restrict cold = rule.cold, *restrict inverse = rule.inverse;
    double *restrict to_g = to->g, *restrict to_h = to->h;
    for (size_t b = 0; b < m; b += WIDTH) {
#pragma omp simd
        for (size_t q = 0; q < WIDTH; q++) {
            to_g[b + q] = g[b + q] * (zero * cold[b + q] * r[b + q]);
            to_h[b + q] = -inverse[b + q];
        }
    }
}

/* Go down: level `to` is a child of `from`, with `share` of its rows; the row goes there if hot. */
static TM_ALWAYS_INLINE void edge_enter(const shap_job *job, const shap_level *from, shap_level *to,
                                        double share, bool is_hot) {
    const shap_level *was = &job->levels[to->last];
    to->is_new = was->one > 0;
    if (!to->is_new) {
        lanes_scale(job->m, from->g, share, to->g);
        return;
    }
    to->zero = was->zero * share;
    to->one = is_hot ? 1 : 0;
    if (is_hot) {
        lanes_hot(job->m, job->rule, to->zero, from->g, was->r, to);
    } else {
        lanes_cold(job->m, job->rule, to->zero, from->g, was->r, to);
    }
}

/* Come back: what was found below goes to the edge's column and to the parent. */
static TM_ALWAYS_INLINE void edge_leave(shap_job *job, shap_level *from, const shap_level *to) {
    if (to->is_new) {
        lanes_add_product(job->m, to->s, to->h, job->levels[to->last].h,
                          column_sums(job, to->column));
    }
    lanes_add(job->m, to->s, from->s);
    job->last[to->column] = to->last;
}

/* One tree whose root is no leaf. */
static TM_ALWAYS_INLINE void tree_explain_loop(shap_job *job, uint32_t root) {
    const tm_forest *forest = job->forest;
    uint32_t depth = 0;
    job->levels[0].node = root;
    job->levels[0].side = 0;
    memset(job->levels[0].s, 0, job->m * sizeof(double));
    for (;;) {
        shap_level *from = &job->levels[depth];
        if (from->side == 2) {
            if (depth == 0) {
                return;
            }
            depth--;
            edge_leave(job, &job->levels[depth], from);
            continue;
        }
        const tm_tree_node *node = &forest->nodes[from->node];
        shap_level *to = from + 1;
        to->node = node->left + from->side++;
        to->side = 0;
        to->column = node->meta & TM_NODE_COLUMN;
        to->last = job->last[to->column];
        const bool is_hot = tm__forest_next(forest, from->node, job->cols, 0) == to->node;
        const double share = (double)forest->covers[to->node] / (double)forest->covers[from->node];
        edge_enter(job, from, to, share, is_hot);
        if ((forest->nodes[to->node].meta & TM_NODE_LEAF) != 0) {
            const double value = forest->values[to->node];
            lanes_scale(job->m, to->g, value, to->s);
            edge_leave(job, from, to);
            continue;
        }
        memset(to->s, 0, job->m * sizeof(double));
        job->last[to->column] = to->is_new ? depth + 1 : to->last;
        depth++;
    }
}
TM_SIMD_KERNEL(tree_explain, (shap_job * job, uint32_t root), (job, root));

/* ---- rules ---- */

/* Value and slope of Legendre's polynomial of degree m in (-1, 1). */
static double legendre(uint32_t m, double x, double *out_slope) {
    double before = 1, value = x;
    for (uint32_t n = 2; n <= m; n++) {
        const double next = ((2.0 * n - 1) * x * value - (n - 1.0) * before) / n;
        before = value;
        value = next;
    }
    *out_slope = m * (before - x * value) / (1 - x * x);
    return value;
}

/* Newton's steps from near each root (Tricomi's estimate), which are symmetric about 0. */
static void rule_fill(uint32_t m, points rule) {
    for (uint32_t i = 0; i < m / 2; i++) {
        double x = tm__cos(3.14159265358979323846 * (i + 0.75) / (m + 0.5)), slope = 1;
        for (uint32_t step = 0; step < 6; step++) {
            x -= legendre(m, x, &slope) / slope;
        }
        (void)legendre(m, x, &slope);
        const double near_0 = (1 - x) / 2, near_1 = (1 + x) / 2;
        const double weight = 1 / ((1 - x * x) * slope * slope);
        rule.t[i] = rule.cold[m - 1 - i] = near_0;
        rule.cold[i] = rule.t[m - 1 - i] = near_1;
        rule.inverse[i] = 1 / near_1;
        rule.inverse[m - 1 - i] = 1 / near_0;
        rule.weight[i] = rule.weight[m - 1 - i] = weight;
    }
}

/* ---- forests ---- */

static uint32_t points_for(const tm_forest *forest, uint32_t depth) {
    const uint32_t columns = depth < forest->n_cols ? depth : forest->n_cols;
    return ((columns + 1) / 2 + WIDTH - 1) / WIDTH * WIDTH;
}

static bool job_init(shap_job *job, const tm_forest *forest) {
    const uint32_t depth = forest->depth_max, m = points_for(forest, depth);
    uint32_t inner_max = 0;
    for (uint32_t t = 0; t < forest->n_trees; t++) {
        const uint32_t n = tm__forest_leaves(forest, t) - 1;
        inner_max = n > inner_max ? n : inner_max;
    }
    const uint32_t slots = inner_max < forest->n_cols ? inner_max : forest->n_cols;
    job->forest = forest;
    job->levels = tm__mem_zalloc(depth + (size_t)1, sizeof(shap_level));
    job->last = tm__mem_zalloc(forest->n_cols, sizeof(uint32_t));
    job->slot_of = tm__mem_alloc(forest->n_cols, sizeof(uint32_t));
    job->met = tm__mem_alloc(slots, sizeof(uint32_t));
    job->sums = tm__mem_alloc((size_t)slots * m, sizeof(double));
    job->vectors = tm__mem_alloc((depth + (size_t)2) * 4 * m, sizeof(double));
    if (job->levels == NULL || job->last == NULL || job->slot_of == NULL || job->met == NULL ||
        job->sums == NULL || job->vectors == NULL) {
        return false;
    }
    memset(job->slot_of, 0xFF, forest->n_cols * sizeof(uint32_t));
    double *at = job->vectors;
    job->rule = (points){at, at + m, at + 2 * (size_t)m, at + 3 * (size_t)m};
    for (uint32_t d = 0; d <= depth; d++) {
        at += 4 * (size_t)m;
        shap_level *level = &job->levels[d];
        level->r = at;
        level->h = at + m;
        level->g = at + 2 * (size_t)m;
        level->s = at + 3 * (size_t)m;
    }
    shap_level *top = &job->levels[0];
    top->one = top->zero = 1;
    for (uint32_t q = 0; q < m; q++) {
        top->r[q] = top->g[q] = 1;
        top->h[q] = 0;
    }
    return true;
}

static void job_done(shap_job *job) {
    tm__mem_free(job->levels);
    tm__mem_free(job->last);
    tm__mem_free(job->slot_of);
    tm__mem_free(job->met);
    tm__mem_free(job->sums);
    tm__mem_free(job->vectors);
}

/* Depth of a tree, from its order: invariant 1 of tree.c. */
static uint32_t tree_depth(const tm_forest *forest, uint32_t root, uint32_t end) {
    uint32_t level_end = root + 1, next = root + 1, depth = 0;
    for (uint32_t i = root; i < end; i++) {
        if (i == level_end) {
            level_end = next;
            depth++;
        }
        next += (forest->nodes[i].meta & TM_NODE_LEAF) == 0 ? 2 : 0;
    }
    return depth;
}

static double tree_mean(const tm_forest *forest, uint32_t root, uint32_t end) {
    double sum = 0;
    for (uint32_t i = root; i < end; i++) {
        if ((forest->nodes[i].meta & TM_NODE_LEAF) != 0) {
            sum += forest->values[i] * forest->covers[i];
        }
    }
    return sum / forest->covers[root];
}

typedef void (*tree_fn)(shap_job *job, uint32_t root);

static void forest_tree_explain(shap_job *job, uint32_t tree, tree_fn fn, double *out) {
    const tm_forest *forest = job->forest;
    const uint32_t root = forest->roots[tree];
    const uint32_t end = root + 2 * tm__forest_leaves(forest, tree) - 1;
    out[forest->n_cols + 1] += tree_mean(forest, root, end);
    if (end - root == 1) {
        return;
    }
    const uint32_t m = points_for(forest, tree_depth(forest, root, end));
    if (m != job->m) {
        job->m = m;
        rule_fill(m, job->rule);
    }
    job->n_met = 0;
    fn(job, root);
    for (uint32_t i = 0; i < job->n_met; i++) {
        double sum = 0;
        for (uint32_t q = 0; q < m; q++) {
            sum += job->rule.weight[q] * job->sums[(size_t)i * m + q];
        }
        out[job->met[i]] += sum;
        job->slot_of[job->met[i]] = NONE;
    }
}

static tm_status forest_explain(const tm_forest *forest, const double *const *cols, tree_fn fn,
                                double *out, tm_err *err) {
    const size_t line = (size_t)forest->n_cols + 2;
    shap_job job = {.cols = cols};
    if (!job_init(&job, forest)) {
        job_done(&job);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for an explanation");
    }
    memset(out, 0, forest->n_outputs * line * sizeof(double));
    for (uint32_t k = 0; k < forest->n_outputs; k++) {
        out[k * line + line - 1] = forest->base[k];
    }
    for (uint32_t t = 0; t < forest->n_trees; t++) {
        forest_tree_explain(&job, t, fn, out + (t % forest->n_outputs) * line);
    }
    job_done(&job);
    return TM_OK;
}

static void tree_explain_plainly(shap_job *job, uint32_t root) {
    tree_explain_loop(job, root);
}

tm_status tm__forest_explain_ref(const tm_forest *forest, const double *const *cols, double *out,
                                 tm_err *err) {
    return forest_explain(forest, cols, tree_explain_plainly, out, err);
}

tm_status tm__forest_explain(const tm_forest *forest, const double *const *cols, double *out,
                             tm_err *err) {
    return forest_explain(forest, cols, tree_explain, out, err);
}
