/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fits of calibration maps for two classes; train_calibrate_classes.c has those for more.
 *
 * A raw score is cut to where its probability no longer changes: one absurd score must not decide.
 */
#include "train/train_calibrate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"

#define SCORE_CUT 700.0 /* e^-700 is a probability, still */
#define STEPS_MAX 100u
#define HALVES_MAX 34u /* of a step */
#define RIDGE 1e-12
#define CLOSE 1e-9 /* of a row's gradient */
#define SLOPE 0.01 /* beyond the knots, where pooled rows say level: order stays, no more */

static double cut(double x) {
    return fmin(fmax(x, -SCORE_CUT), SCORE_CUT);
}

/* ---- Platt ---- */

typedef struct line {
    double scale, shift;
} line;

/* What a row's probability is fitted to: smoothed truths. */
typedef struct targets {
    double positive, negative;
} targets;

static double loss_of(const tm_calibrate_rows *rows, const targets *t, const line *at) {
    double sum = 0.0;
    for (uint64_t i = 0; i < rows->n; i++) {
        const double z = at->scale * cut(rows->raw[i]) + at->shift;
        const double target = rows->y[i] == 1.0 ? t->positive : t->negative;
        sum += rows->weights[i] * (fmax(z, 0.0) + tm__log1p(tm__exp(-fabs(z))) - target * z);
    }
    return sum;
}

/* Newton's step from `at`, and how fast the loss falls along it; false when there is no way down.
 */
static bool step_from(const tm_calibrate_rows *rows, const targets *t, const line *at, line *step,
                      double *out_fall) {
    double ga = 0.0, gb = 0.0, haa = RIDGE, hab = 0.0, hbb = RIDGE;
    for (uint64_t i = 0; i < rows->n; i++) {
        const double x = cut(rows->raw[i]), w = rows->weights[i];
        const double p = tm__sigmoid(at->scale * x + at->shift);
        const double g = w * (p - (rows->y[i] == 1.0 ? t->positive : t->negative));
        const double h = w * p * (1.0 - p);
        ga += g * x;
        gb += g;
        haa += h * x * x;
        hab += h * x;
        hbb += h;
    }
    const double det = haa * hbb - hab * hab;
    if (fmax(fabs(ga), fabs(gb)) < CLOSE * (double)rows->n || !(det > 0.0)) {
        return false;
    }
    step->scale = -(hbb * ga - hab * gb) / det;
    step->shift = -(haa * gb - hab * ga) / det;
    *out_fall = ga * step->scale + gb * step->shift;
    return *out_fall < 0.0;
}

static void fit_line(const tm_calibrate_rows *rows, line *out) {
    double positives = 0.0, negatives = 0.0, fall = 0.0;
    for (uint64_t i = 0; i < rows->n; i++) {
        *(rows->y[i] == 1.0 ? &positives : &negatives) += rows->weights[i];
    }
    const targets t = {(positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0)};
    line at = {1.0, 0.0}, step;
    double loss = loss_of(rows, &t, &at);
    for (uint32_t i = 0; i < STEPS_MAX && step_from(rows, &t, &at, &step, &fall); i++) {
        double size = 1.0, next_loss = loss;
        uint32_t half = 0;
        line next = at;
        for (; half < HALVES_MAX; half++, size *= 0.5) {
            next = (line){at.scale + size * step.scale, at.shift + size * step.shift};
            next_loss = loss_of(rows, &t, &next);
            if (next_loss < loss + 1e-4 * size * fall) {
                break;
            }
        }
        if (half == HALVES_MAX) {
            break;
        }
        at = next;
        loss = next_loss;
    }
    *out = at;
}

tm_status tm__platt_fit(const tm_calibrate_rows *rows, tm_calibration *out, tm_err *err) {
    line found;
    tm_calibration map;
    fit_line(rows, &found);
    TM_TRY(tm__calibration_init(&map, TM_CALIBRATION_SCALE, 1, err));
    map.scales[0] = found.scale;
    map.shifts[0] = found.shift;
    if (!tm__calibration_is_sound(&map)) {
        tm__calibration_done(&map);
    }
    *out = map;
    return TM_OK;
}

/* ---- isotonic ---- */

typedef struct scored {
    double x, y, w;
    uint64_t row;
} scored;

/* Neighbours that share a probability. */
typedef struct block {
    double x, y, w; /* sums of w x and w y; their weight */
} block;

static int compare_scored(const void *a, const void *b) {
    const scored *x = a;
    const scored *y = b;
    if (x->x != y->x) {
        return x->x < y->x ? -1 : 1;
    }
    return x->row < y->row ? -1 : x->row > y->row;
}

static double mean_of(const block *b) {
    return b->y / b->w;
}

/* One block more, and as many merged as do not rise. */
static void push(block *blocks, uint32_t *n, block next) {
    while (*n > 0 && mean_of(&blocks[*n - 1]) >= mean_of(&next)) {
        (*n)--;
        next.x += blocks[*n].x;
        next.y += blocks[*n].y;
        next.w += blocks[*n].w;
    }
    blocks[(*n)++] = next;
}

/* Sorted rows in groups of equal weight, equal scores together, then pooled. blocks
 * [TM_CALIBRATION_KNOTS]. */
static uint32_t pool_rows(const scored *rows, uint64_t n, block *blocks) {
    double total = 0.0, seen = 0.0;
    uint32_t n_blocks = 0, n_groups = 0;
    block group = {0};
    for (uint64_t i = 0; i < n; i++) {
        total += rows[i].w;
    }
    for (uint64_t i = 0; i < n; i++) {
        group.x += rows[i].w * rows[i].x;
        group.y += rows[i].w * rows[i].y;
        group.w += rows[i].w;
        const bool is_last = i + 1 == n;
        const bool may_end = is_last || rows[i + 1].x > rows[i].x;
        const double due = total * (double)(n_groups + 1) / TM_CALIBRATION_KNOTS;
        const bool is_full = n_groups < TM_CALIBRATION_KNOTS - 1 && seen + group.w >= due;
        if (may_end && group.w > 0.0 && (is_last || is_full)) {
            seen += group.w;
            while (n_groups < TM_CALIBRATION_KNOTS - 1 &&
                   seen >= total * (double)(n_groups + 1) / TM_CALIBRATION_KNOTS) {
                n_groups++;
            }
            push(blocks, &n_blocks, group);
            group = (block){0};
        }
    }
    return n_blocks;
}

/* Log-odds of a block. The first may have no positive row and the last no other: half a row each.
 */
static double log_odds(const block *b) {
    const double p = fmin(fmax(mean_of(b), 0.5 / (b->w + 1.0)), 1.0 - 0.5 / (b->w + 1.0));
    return tm__log(p / (1.0 - p));
}

static tm_status through_blocks(const block *blocks, uint32_t n, tm_calibration *out, tm_err *err) {
    tm_calibration map;
    uint32_t n_knots = 0;
    TM_TRY(tm__calibration_init(&map, TM_CALIBRATION_LINE, n, err));
    for (uint32_t i = 0; i < n; i++) {
        const double at = blocks[i].x / blocks[i].w, to = log_odds(&blocks[i]);
        if (n_knots == 0 || (at > map.at[n_knots - 1] && to > map.to[n_knots - 1])) {
            map.at[n_knots] = at;
            map.to[n_knots++] = to;
        }
    }
    map.n_knots = n_knots;
    map.slope = SLOPE;
    if (!tm__calibration_is_sound(&map)) {
        tm__calibration_done(&map);
    }
    *out = map;
    return TM_OK;
}

tm_status tm__isotonic_fit(const tm_calibrate_rows *rows, tm_calibration *out, tm_err *err) {
    block blocks[TM_CALIBRATION_KNOTS];
    scored *sorted = tm__mem_alloc(rows->n, sizeof(*sorted));
    if (sorted == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a calibration");
    }
    for (uint64_t i = 0; i < rows->n; i++) {
        sorted[i] = (scored){cut(rows->raw[i]), rows->y[i] == 1.0, rows->weights[i], i};
    }
    qsort(sorted, rows->n, sizeof(*sorted), compare_scored);
    const uint32_t n_blocks = pool_rows(sorted, rows->n, blocks);
    tm__mem_free(sorted);
    return through_blocks(blocks, n_blocks, out, err);
}
