/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. A split is worth what it adds to
 *
 *     sums     G^2 / H          G, H sums of gradients and weights: the fall of squared error, and
 *                               for two classes of Gini's impurity
 *     classes  sum_c H_c^2 / H  H_c weight of class c: Gini's impurity
 *
 * over both sides. Sums are a histogram over bins that is searched as boosting does it. Classes are
 * sorted by place, counting, and go from the right side to the left one by one, so that a cut costs
 * the same for 3 classes and for 1,000: moving weight w of a class that has n adds w (2n + w) to a
 * side's sum of squares.
 *
 * Missing values go right and then left as a whole, where there are some; with cuts at random to a
 * side at random. Ties keep the first: nothing depends on threads, a tree is grown by one.
 */
#include "model/forest/forest_split.h"

#include <string.h>

#include "model/gbdt/gbdt_cut.h"
#include "model/gbdt/gbdt_loss.h"

/* Relative to the score of the node: noise of rounding. */
static const double GAIN_MIN = 1e-9;

/* Where a place goes: cells or counts stop before this one. */
static uint32_t n_places(const tm_wood_column *column) {
    return column->n_bins + 1;
}

static uint32_t place_of(const tm_wood_column *column, uint32_t bin) {
    return column->places != NULL ? column->places[bin] : bin;
}

static tm_wood_cut cut_of(const tm_wood_node *node, double score, uint32_t place,
                          bool missing_left) {
    const double gain = score - node->base;
    return gain > GAIN_MIN * node->base
               ? (tm_wood_cut){.gain = gain, .place = place, .missing_left = missing_left}
               : (tm_wood_cut){.gain = 0};
}

/* ---- sums ---- */

static void cells_fill(const tm_wood_node *node, const tm_wood_column *column, int64_t *cells) {
    const uint8_t *bins = column->bins;
    const uint32_t *rows = node->rows.rows;
    const int32_t *packed = node->rows.packed;
    const uint64_t n = node->rows.n;
    int64_t by_bin[TM_WOOD_PLACES];
    int64_t *to = column->places != NULL ? by_bin : cells;
    memset(to, 0, n_places(column) * sizeof(int64_t));
    for (uint64_t i = 0; i < n; i++) {
        to[bins[rows[i]]] += tm__packed_wide(packed[i]);
    }
    for (uint32_t b = 0; b < n_places(column) && column->places != NULL; b++) {
        cells[column->places[b]] = by_bin[b];
    }
}

static tm_wood_cut sums_best(const tm_wood_node *node, const tm_wood_column *column,
                             tm_wood_room *room) {
    int64_t *cells = room->cells;
    uint32_t n_used = 0;
    cells_fill(node, column, cells);
    for (uint32_t p = 0; p < n_places(column); p++) {
        n_used += cells[p] != 0;
    }
    if (n_used < 2) {
        return (tm_wood_cut){.is_constant = true};
    }
    tm_cut_rules rules = {
        .g = node->g, .h = node->h, .h_low = node->h_low, .h_high = node->h - node->h_low};
    const int64_t missing = cells[column->n_bins];
    tm_cut cut = {.score = node->base};
    tm__cut_find(&rules, cells, column->n_bins, &cut);
    const double right = cut.score;
    if (missing != 0) {
        rules.with = missing;
        tm__cut_find(&rules, cells, column->n_bins, &cut);
    }
    /* Where none is missing, a missing value goes with most of the rows. */
    const bool missing_left =
        missing != 0 ? cut.score > right : tm__packed_h(cut.left) * 2 > node->h;
    return cut_of(node, cut.score, cut.bin, missing_left);
}

/* ---- classes ---- */

/* Sums of squares of both sides while rows go from the right to the left. */
typedef struct sides {
    double left_h, right_h;
    double left_squares, right_squares;
    double *left, *right; /* [n_classes] */
} sides;

static inline void side_move(sides *s, int32_t packed) {
    const uint32_t c = tm__wood_class(packed);
    const double w = tm__wood_weight(packed);
    s->left_squares += w * (2 * s->left[c] + w);
    s->right_squares -= w * (2 * s->right[c] - w);
    s->left[c] += w;
    s->right[c] -= w;
    s->left_h += w;
    s->right_h -= w;
}

static double sides_score(const tm_wood_node *node, const sides *s) {
    return s->left_h >= node->h_low && s->right_h >= node->h_low
               ? s->left_squares / s->left_h + s->right_squares / s->right_h
               : 0;
}

static sides sides_of(const tm_wood_node *node, tm_wood_room *room) {
    memset(room->left, 0, node->n_classes * sizeof(double));
    memcpy(room->right, node->classes, node->n_classes * sizeof(double));
    return (sides){.right_h = node->h,
                   .right_squares = node->base * node->h,
                   .left = room->left,
                   .right = room->right};
}

/* Rows by place: starts [n_places + 1]. */
static uint32_t rows_sort(const tm_wood_node *node, const tm_wood_column *column,
                          tm_wood_room *room, uint32_t *starts) {
    const uint64_t n = node->rows.n;
    uint32_t next[TM_WOOD_PLACES] = {0}, sum = 0, n_used = 0;
    for (uint64_t i = 0; i < n; i++) {
        const uint32_t place = place_of(column, column->bins[node->rows.rows[i]]);
        room->places[i] = (uint8_t)place;
        next[place]++;
    }
    for (uint32_t p = 0; p < n_places(column); p++) {
        n_used += next[p] != 0;
        starts[p] = sum;
        sum += next[p];
        next[p] = starts[p];
    }
    starts[n_places(column)] = sum;
    for (uint64_t i = 0; i < n && n_used > 1; i++) {
        room->sorted[next[room->places[i]]++] = node->rows.packed[i];
    }
    return n_used;
}

static tm_wood_cut classes_best(const tm_wood_node *node, const tm_wood_column *column,
                                tm_wood_room *room) {
    uint32_t starts[TM_WOOD_PLACES + 1];
    if (rows_sort(node, column, room, starts) < 2) {
        return (tm_wood_cut){.is_constant = true};
    }
    const uint32_t missing = starts[column->n_bins + 1] - starts[column->n_bins];
    double most = 0, left_h = 0;
    tm_wood_cut best = {.gain = 0};
    for (uint32_t pass = 0; pass < (missing > 0 ? 2u : 1u); pass++) {
        sides s = sides_of(node, room);
        for (uint32_t i = 0; pass == 1 && i < missing; i++) {
            side_move(&s, room->sorted[starts[column->n_bins] + i]);
        }
        for (uint32_t p = 0; p < column->n_bins; p++) {
            if (starts[p + 1] == starts[p]) {
                continue;
            }
            for (uint32_t i = starts[p]; i < starts[p + 1]; i++) {
                side_move(&s, room->sorted[i]);
            }
            const double score = sides_score(node, &s);
            if (score > most) {
                most = score;
                left_h = s.left_h;
                best = cut_of(node, score, p, pass == 1);
            }
        }
    }
    best.missing_left = missing > 0 ? best.missing_left : left_h * 2 > node->h;
    return best;
}

/* ---- at random ---- */

/* Places of rows, and the least and the greatest of those that are not missing. */
static void places_find(const tm_wood_node *node, const tm_wood_column *column, uint8_t *places,
                        uint32_t out[2], bool *out_missing) {
    uint32_t low = UINT32_MAX, high = 0;
    for (uint64_t i = 0; i < node->rows.n; i++) {
        const uint32_t place = place_of(column, column->bins[node->rows.rows[i]]);
        places[i] = (uint8_t)place;
        if (place == column->n_bins) {
            *out_missing = true;
            continue;
        }
        low = place < low ? place : low;
        high = place > high ? place : high;
    }
    out[0] = low;
    out[1] = high;
}

static double sums_score(const tm_wood_node *node, int64_t left) {
    const tm_cut_rules rules = {.g = node->g, .h = node->h};
    const double h = tm__packed_h(left);
    return h >= node->h_low && node->h - h >= node->h_low
               ? tm__cut_score(&rules, tm__packed_g(left), h)
               : 0;
}

tm_wood_cut tm__wood_cut_random(const tm_wood_node *node, const tm_wood_column *column,
                                tm_wood_room *room, tm_rng *rng) {
    uint32_t ends[2];
    bool has_missing = false;
    places_find(node, column, room->places, ends, &has_missing);
    if (ends[0] == UINT32_MAX || (ends[0] == ends[1] && !has_missing)) {
        return (tm_wood_cut){.is_constant = true};
    }
    /* Of one value and missing ones, these go right. */
    const bool is_one = ends[0] == ends[1];
    const uint32_t place =
        is_one ? ends[0] : ends[0] + (uint32_t)tm__rng_below(rng, ends[1] - ends[0]);
    bool missing_left = has_missing && !is_one && tm__rng_below(rng, 2) == 1;
    const uint32_t also = missing_left ? column->n_bins : place; /* place that goes left, too */
    const int32_t *packed = node->rows.packed;
    double score = 0, left_h = 0;
    if (node->n_classes > 0) {
        sides s = sides_of(node, room);
        for (uint64_t i = 0; i < node->rows.n; i++) {
            if (room->places[i] <= place || room->places[i] == also) {
                side_move(&s, packed[i]);
            }
        }
        score = sides_score(node, &s);
        left_h = s.left_h;
    } else {
        int64_t left = 0;
        for (uint64_t i = 0; i < node->rows.n; i++) {
            const bool is_left = (room->places[i] <= place) | (room->places[i] == also);
            left += is_left ? tm__packed_wide(packed[i]) : 0;
        }
        score = sums_score(node, left);
        left_h = tm__packed_h(left);
    }
    missing_left = has_missing ? missing_left : left_h * 2 > node->h;
    return cut_of(node, score, place, missing_left);
}

tm_wood_cut tm__wood_cut_best(const tm_wood_node *node, const tm_wood_column *column,
                              tm_wood_room *room) {
    return node->n_classes > 0 ? classes_best(node, column, room) : sums_best(node, column, room);
}
