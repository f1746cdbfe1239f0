/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Candidates after the portfolio: near the best of those tried, where a small model of the scores
 * expects more.
 *
 * Parameters are a point of the unit cube, by the logarithm where a parameter spans decades. Of
 * PROPOSALS points, most of them a step from one of the best few and some anywhere, the one with
 * the best bound is tried: the mean rank of its neighbours (a kernel regression, Nadaraya 1964,
 * doi:10.1137/1109020, over ranks and not scores, so that one bad score does not matter), less what
 * its distance from all of them leaves open, plus what it would take longer than the best.
 * 128 points of six numbers: no Gaussian process is needed to tell near from far.
 */
#include "train/train_search_priv.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/rng.h"

#define PROPOSALS 48u
#define ELITES 4u
#define WIDTH 0.22 /* of the kernel */
#define STEP 0.12  /* of a proposal, standard deviation */
#define OPEN 1.0   /* what is not known counts */
#define SLOW 0.04  /* a rank share for each doubling of the cost */

typedef struct dimension {
    const char *name;
    double low, high;
    bool is_log, is_whole;
} dimension;

static const dimension dimensions[] = {
    {"max_leaves", 4, 512, true, true},       {"learning_rate", 0.015, 0.25, true, false},
    {"min_rows_in_leaf", 1, 200, true, true}, {"l2", 0.01, 50, true, false},
    {"row_sample", 0.4, 1, false, false},     {"column_sample", 0.2, 1, false, false},
};
#define N_DIMENSIONS (sizeof(dimensions) / sizeof(dimensions[0]))

typedef struct point {
    double at[N_DIMENSIONS];
} point;

static double scale_of(const dimension *d, double value) {
    const double v = fmin(fmax(value, d->low), d->high);
    return d->is_log ? tm__log(v / d->low) / tm__log(d->high / d->low)
                     : (v - d->low) / (d->high - d->low);
}

static double value_of(const dimension *d, double at) {
    const double u = fmin(fmax(at, 0.0), 1.0);
    const double v = d->is_log ? d->low * tm__exp(u * tm__log(d->high / d->low))
                               : d->low + u * (d->high - d->low);
    /* Three digits: a record is read by people. */
    const double unit = v >= 10 ? 0.1 : v >= 1 ? 0.01 : v >= 0.1 ? 0.001 : 0.0001;
    return d->is_whole ? floor(v + 0.5) : floor(v / unit + 0.5) * unit;
}

static point point_of(const tm_candidate *c) {
    point p;
    for (size_t i = 0; i < N_DIMENSIONS; i++) {
        p.at[i] =
            scale_of(&dimensions[i], tm__candidate_param(c, dimensions[i].name, dimensions[i].low));
    }
    return p;
}

/* Near enough to normal: the sum of four. */
static double step_of(tm_rng *rng) {
    double sum = -2.0;
    for (int i = 0; i < 4; i++) {
        sum += tm__rng_f64(rng);
    }
    return sum * 1.7320508075688772;
}

static point propose(tm_rng *rng, const point *elites, uint32_t n) {
    point p;
    const bool is_anywhere = tm__rng_f64(rng) < 0.15;
    uint32_t from = 0;
    while (from + 1 < n && tm__rng_f64(rng) < 0.5) {
        from++;
    }
    for (size_t i = 0; i < N_DIMENSIONS; i++) {
        const double anywhere = tm__rng_f64(rng);
        const bool moves = tm__rng_f64(rng) < 0.6;
        const double step = step_of(rng) * STEP;
        p.at[i] = is_anywhere ? anywhere
                              : fmin(fmax(elites[from].at[i] + (moves ? step : 0.0), 0.0), 1.0);
    }
    return p;
}

/* What trials of one learner showed: points with their ranks, 0 the best and 1 the worst. */
typedef struct shown {
    uint32_t n;
    point points[TM_MAX_CANDIDATES];
    double ranks[TM_MAX_CANDIDATES];
} shown;

static double bound_of(const shown *s, const point *p) {
    double sum = 0.0, weighted = 0.0;
    for (uint32_t k = 0; k < s->n; k++) {
        double d2 = 0.0;
        for (size_t i = 0; i < N_DIMENSIONS; i++) {
            const double d = p->at[i] - s->points[k].at[i];
            d2 += d * d;
        }
        const double w = tm__exp(-d2 / (2.0 * WIDTH * WIDTH));
        sum += w;
        weighted += w * s->ranks[k];
    }
    const double prior = 0.3; /* of a point far from all: the middle rank */
    const double mean = (weighted + prior * 0.5) / (sum + prior);
    return mean - OPEN / tm__sqrt(1.0 + sum);
}

/* Doublings of time against the best: leaves and small steps cost. */
static double doublings(const point *p, const point *best) {
    const double leaves =
        tm__log(value_of(&dimensions[0], p->at[0]) / value_of(&dimensions[0], best->at[0]));
    const double rate =
        tm__log(value_of(&dimensions[1], best->at[1]) / value_of(&dimensions[1], p->at[1]));
    return (leaves + rate) / tm__log(2.0);
}

/* Trials of a learner in the order of their scores; those given up come last. */
static uint32_t order_of(const tm_search *search, const tm_model_ops *ops, uint32_t *out) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        const tm_candidate *c = &search->candidates[i];
        if (c->ops != ops || isnan(c->score) || c->n_rows != search->rung_rows) {
            continue;
        }
        uint32_t at = n++;
        for (; at > 0; at--) {
            const tm_candidate *before = &search->candidates[out[at - 1]];
            const bool is_better =
                c->is_given_up == before->is_given_up
                    ? tm__metric_gain(search->metric, c->score, before->score) > 0
                    : !c->is_given_up;
            if (!is_better) {
                break;
            }
            out[at] = out[at - 1];
        }
        out[at] = i;
    }
    return n;
}

/* What draws vary is boosting: other learners have little to vary, and choose it by themselves. */
bool tm__candidate_draw(tm_search *search, tm_candidate *out, uint32_t draw) {
    const tm_model_ops *ops = tm__model_find("gbdt");
    uint32_t order[TM_MAX_CANDIDATES];
    shown s;
    s.n = order_of(search, ops, order);
    if (s.n == 0) {
        return false;
    }
    for (uint32_t k = 0; k < s.n; k++) {
        s.points[k] = point_of(&search->candidates[order[k]]);
        s.ranks[k] = s.n > 1 ? (double)k / (s.n - 1) : 0.0;
    }
    const uint32_t n_elites = s.n < ELITES ? s.n : ELITES;
    tm_rng rng = tm__rng_split(search->options->seed, "draw", draw);
    point chosen = s.points[0];
    double least = INFINITY;
    for (uint32_t k = 0; k < PROPOSALS; k++) {
        const point p = propose(&rng, s.points, n_elites);
        const double bound = bound_of(&s, &p) + SLOW * doublings(&p, &s.points[0]);
        if (bound < least) {
            least = bound;
            chosen = p;
        }
    }
    *out = (tm_candidate){
        .ops = ops, .params = search->candidates[order[0]].params, .score = tm__nan()};
    for (size_t i = 0; i < N_DIMENSIONS; i++) {
        for (uint32_t k = 0; ops->params[k].name != NULL; k++) {
            if (strcmp(ops->params[k].name, dimensions[i].name) == 0) {
                out->params.values[k] = value_of(&dimensions[i], chosen.at[i]);
            }
        }
    }
    tm__candidate_settle(search, out);
    return true;
}
