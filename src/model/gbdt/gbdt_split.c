/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. Everything is computed in units of the packed integers; scores of both sides (gbdt_cut.h)
 * less that of the leaf are the gain, multiplied by unit_g^2 / unit_h in the end. H counts rows: a
 * side must have the share of the leaf's hessian that min_rows has of its rows.
 *
 * Numbers: cuts along the bins in order, with missing values on either side.
 * Categories: few are tried one against the rest. Many are put in order of G / (H + smooth), and
 * only cuts along this order are tried: for one output the best subset is among them (Fisher 1958,
 * doi:10.1080/01621459.1958.10501479). That order is fitted to the same gradients, so small
 * categories stay on the right (CATEGORY_ROWS), sums are smoothed, a group has GROUP_ROWS rows
 * before a cut is tried after it, the left side has at most SET_MAX categories (more in a leaf of
 * many rows, SET_ROWS, which orders them well), and leaves below get TM_SPLIT_SORTED_L2. The rules
 * and values are those of LightGBM's documentation ("Advanced Topics", "Parameters": cat_smooth,
 * max_cat_threshold, min_data_per_group, max_cat_to_onehot).
 *
 * Rules of columns. A column that may not act together with those above the leaf is passed over.
 * When values of leaves have limits, a side's value w = -G / (H + l2) is brought within them and
 * scores
 *
 *     score(G, H, w) = -(2 G w + (H + l2) w^2 + 2 l1 |w|)
 *
 * and a cut along a monotone column counts only if its sides' values are in order. Its middle is
 * then a limit of all leaves below: on one side they lie under it, on the other over it. Two rows
 * that differ in that column alone part at such a cut or end in the same leaf, so a tree is
 * monotone whatever grows below, and so is a sum of trees: rounded sums of ordered numbers are
 * ordered.
 *
 * The order of columns, bins and directions is fixed and a later split must be better, not equal:
 * ties cannot depend on threads.
 */
#include "model/gbdt/gbdt_split.h"

#include <math.h>
#include <string.h>

#include "base/simd.h"

enum {
    ONE_HOT_MAX = 4, /* categories that are tried one by one */
    SET_MAX = 32,    /* categories of a side in a small leaf, */
    SET_ROWS = 2000, /* and one for each so many rows in a large one */
    CATEGORY_ROWS = 10,
    GROUP_ROWS = 100,
    CATEGORIES_MAX = 256
};

static const double CATEGORY_SMOOTH = 10; /* in units of the hessian */
static const double HESSIAN_MIN = 1e-3;   /* of a side, in units of the hessian */
static const double GAIN_MIN = 1e-9;      /* relative to the score of the leaf: noise of rounding */
static const double FLOOR_MARGIN = 0x1p-48;

/* The best split of one column so far. */
typedef struct found {
    double score;
    int64_t left; /* 0: none, because hessians are over 0 */
} found;

/* Value of a side, within the limits of its leaf. */
static inline double side_value(const tm_split_scan *s, double l2, double g, double h) {
    return fmin(fmax(-tm__cut_shrink(g, s->l1) / (h + l2), s->low), s->high);
}

static inline double value_score(const tm_split_scan *s, double l2, double g, double h, double w) {
    return -(2 * g * w + (h + l2) * w * w + 2 * s->l1 * fabs(w));
}

static inline double sides_score(const tm_split_scan *s, double l2, int64_t left) {
    if (s->is_bounded) {
        const double g = tm__packed_g(left), h = tm__packed_h(left);
        const double gr = s->g - g, hr = s->h - h;
        return value_score(s, l2, g, h, side_value(s, l2, g, h)) +
               value_score(s, l2, gr, hr, side_value(s, l2, gr, hr));
    }
    const tm_cut_rules rules = {.g = s->g, .h = s->h, .l1 = s->l1, .l2 = l2};
    return tm__cut_score(&rules, tm__packed_g(left), tm__packed_h(left));
}

static inline bool side_fits(const tm_split_scan *s, int64_t left) {
    const double h = tm__packed_h(left);
    return h >= s->h_low && h <= s->h_high;
}

tm_split_scan tm__split_scan_of(const tm_split_rules *rules, const tm_split_leaf *leaf) {
    tm_split_scan s = {.g = tm__packed_g(leaf->sum),
                       .h = tm__packed_h(leaf->sum),
                       .unit_h = rules->unit_h,
                       .min_gain = rules->min_gain,
                       .floor = -(double)INFINITY,
                       .columns = rules->columns,
                       .has_groups = rules->has_groups,
                       .limits = leaf->limits};
    if (!(rules->unit_h > 0) || !(s.h > 0)) {
        return s;
    }
    s.gain_unit = rules->unit_g * rules->unit_g / rules->unit_h;
    s.l1 = rules->l1 > 0 && rules->unit_g > 0 ? rules->l1 / rules->unit_g : 0;
    s.l2 = rules->l2 / rules->unit_h;
    s.rows_per_h = (double)leaf->n_rows / s.h;
    s.h_low = ceil((rules->min_rows - 0.5) / s.rows_per_h);
    s.h_low = fmax(fmax(s.h_low, ceil(fmax(rules->min_hessian, HESSIAN_MIN) / rules->unit_h)), 1);
    s.h_high = s.h - s.h_low;
    const double g = tm__cut_shrink(s.g, s.l1);
    s.base = g * g / (s.h + s.l2) * (1 + GAIN_MIN);
    if (rules->is_bounded && rules->unit_g > 0) {
        const double per_value = rules->unit_h / rules->unit_g;
        s.is_bounded = true;
        s.low = leaf->limits.low * per_value;
        s.high = leaf->limits.high * per_value;
        s.base = value_score(&s, s.l2, s.g, s.h, side_value(&s, s.l2, s.g, s.h));
        s.base += fabs(s.base) * GAIN_MIN;
    }
    return s;
}

tm_split_limits tm__split_limits_root(const tm_split_rules *rules) {
    const double most = rules->value_max > 0 ? rules->value_max : (double)INFINITY;
    return (tm_split_limits){.low = -most, .high = most, .groups = UINT64_MAX};
}

void tm__split_limits_next(const tm_split_rules *rules, const tm_split_leaf *leaf,
                           const tm_split *split, uint32_t col, tm_split_limits out[2]) {
    out[0] = out[1] = leaf->limits;
    if (rules->columns == NULL) {
        return;
    }
    const tm_column_rule *rule = &rules->columns[col];
    if (rules->has_groups) {
        out[0].groups = out[1].groups = leaf->limits.groups & rule->groups;
        out[0].input = out[1].input = rule->input;
    }
    if (rule->monotone == 0 || !rules->is_bounded) {
        return;
    }
    const tm_split_scan s = tm__split_scan_of(rules, leaf);
    const double g = tm__packed_g(split->left), h = tm__packed_h(split->left);
    const double left = side_value(&s, s.l2, g, h);
    const double right = side_value(&s, s.l2, s.g - g, s.h - h);
    double middle = (left / 2 + right / 2) * (rules->unit_g / rules->unit_h);
    middle = fmin(fmax(middle, leaf->limits.low), leaf->limits.high);
    const uint32_t under = rule->monotone > 0 ? 0 : 1; /* the side with the lesser values */
    out[under].high = middle;
    out[1 - under].low = middle;
}

/* Whether a column may split a leaf, by the columns above it. */
static bool column_may(const tm_split_scan *s, uint32_t col) {
    if (!s->has_groups || s->limits.groups == UINT64_MAX) {
        return true;
    }
    const tm_column_rule *rule = &s->columns[col];
    return s->limits.groups == 0 ? rule->input == s->limits.input
                                 : (rule->groups & s->limits.groups) != 0;
}

/* What a score has to exceed. */
static double least_of(const tm_split_scan *s) {
    return s->floor > s->base ? s->floor : s->base;
}

/* Take a split over when it is the best so far of all columns. Of equal gains the first column's
 * counts, and columns may be searched in any order: the floor stays under all scores whose gain
 * could be rounded to the same. */
static bool take(tm_split_scan *s, const found *f, tm_split *best) {
    const double gain = (f->score - s->base) * s->gain_unit;
    if (f->left == 0 || !(gain > best->gain && gain > s->min_gain)) {
        return false;
    }
    *best = (tm_split){.gain = gain, .left = f->left};
    s->floor = fmax(s->floor, f->score - (fabs(f->score) + fabs(s->base)) * FLOOR_MARGIN);
    return true;
}

/* The best cut of sides whose values have limits, and an order when `way` is not 0. A leaf far from
 * its limits may score less than 0. */
static void find_bounded(const tm_split_scan *s, int way, int64_t with, const int64_t *cells,
                         uint32_t n_bins, tm_cut *best) {
    int64_t sum = with;
    for (uint32_t b = 0; b < n_bins; b++) {
        sum += cells[b];
        const double gl = tm__packed_g(sum), hl = tm__packed_h(sum);
        const double gr = s->g - gl, hr = s->h - hl;
        if (!side_fits(s, sum)) {
            continue;
        }
        const double wl = side_value(s, s->l2, gl, hl), wr = side_value(s, s->l2, gr, hr);
        if ((way > 0 && wl > wr) || (way < 0 && wl < wr)) {
            continue;
        }
        const double score = value_score(s, s->l2, gl, hl, wl) + value_score(s, s->l2, gr, hr, wr);
        if (score > best->score) {
            *best = (tm_cut){.score = score, .bin = b, .left = sum};
        }
    }
}

/* The best cut when `with` (missing values, or nothing) goes left too. */
static void find_cut(const tm_split_scan *s, int way, int64_t with, const int64_t *cells,
                     uint32_t n_bins, tm_cut *best) {
    const tm_cut_rules rules = {.g = s->g,
                                .h = s->h,
                                .with = with,
                                .l1 = s->l1,
                                .l2 = s->l2,
                                .h_low = s->h_low,
                                .h_high = s->h_high};
    if (s->is_bounded) {
        find_bounded(s, way, with, cells, n_bins, best);
    } else {
        tm__cut_find(&rules, cells, n_bins, best);
    }
}

static void find_numeric(tm_split_scan *s, const tm_bin_column *column, uint32_t column_index,
                         const int64_t *cells, tm_split *best) {
    const uint32_t n_bins = column->n_bins;
    const int way = s->columns != NULL ? s->columns[column->col].monotone : 0;
    const int64_t missing = cells[n_bins];
    tm_cut cut = {.score = least_of(s)};
    find_cut(s, way, 0, cells, n_bins, &cut);
    const double score_right = cut.score;
    if (missing != 0) {
        find_cut(s, way, missing, cells, n_bins, &cut);
    }
    const found f = {.score = cut.score, .left = cut.left};
    if (take(s, &f, best)) {
        best->column = column_index;
        best->bin = cut.bin;
        /* Where none was missing, a missing value goes with most of the rows. */
        best->missing_left = missing != 0 ? f.score > score_right : tm__packed_h(f.left) * 2 > s->h;
    }
}

typedef struct category {
    double ratio;
    uint32_t bin;
} category;

/* Stable merge sort by ratio, ties by bin since bins come in order. */
static void categories_sort(category *items, category *other, uint32_t n) {
    for (uint32_t width = 1; width < n; width *= 2) {
        for (uint32_t at = 0; at < n; at += 2 * width) {
            const uint32_t middle = at + width < n ? at + width : n;
            const uint32_t end = at + 2 * width < n ? at + 2 * width : n;
            uint32_t a = at, b = middle;
            for (uint32_t i = at; i < end; i++) {
                const bool first = a < middle && (b >= end || items[a].ratio <= items[b].ratio);
                other[i] = first ? items[a++] : items[b++];
            }
        }
        memcpy(items, other, n * sizeof(*items));
    }
}

static void set_add(tm_tree_set *set, uint32_t bin) {
    set->bits[bin >> 6] |= UINT64_C(1) << (bin & 63);
}

static void find_one_hot(const tm_split_scan *s, found *f, const category *items, uint32_t n,
                         const int64_t *cells, tm_tree_set *set) {
    for (uint32_t i = 0; i < n; i++) {
        const int64_t left = cells[items[i].bin];
        if (!side_fits(s, left)) {
            continue;
        }
        const double score = sides_score(s, s->l2, left);
        if (score > f->score) {
            f->score = score;
            f->left = left;
            *set = (tm_tree_set){{0}};
            set_add(set, items[i].bin);
        }
    }
}

/* Categories in their order, and from which end cuts are tried. */
typedef struct category_order {
    const category *items;
    uint32_t n;
    bool from_end;
} category_order;

/* The categories before a cut are the left side. */
static void find_sorted(const tm_split_scan *s, found *f, const category_order *order,
                        const int64_t *cells, tm_tree_set *set) {
    const uint32_t n = order->n;
    const double most = fmax(SET_MAX, s->h * s->rows_per_h / SET_ROWS);
    const uint32_t tries = (n + 1) / 2 < most ? (n + 1) / 2 : (uint32_t)most;
    const double l2 = s->l2 + TM_SPLIT_SORTED_L2 / s->unit_h;
    int64_t sum = 0;
    double group = 0;
    tm_tree_set left = {{0}};
    for (uint32_t i = 0; i < tries; i++) {
        const uint32_t bin = order->items[order->from_end ? n - 1 - i : i].bin;
        sum += cells[bin];
        set_add(&left, bin);
        group += tm__packed_h(cells[bin]) * s->rows_per_h;
        if (!side_fits(s, sum) || group < GROUP_ROWS ||
            (s->h - tm__packed_h(sum)) * s->rows_per_h < GROUP_ROWS) {
            continue;
        }
        group = 0;
        const double score = sides_score(s, l2, sum);
        if (score > f->score) {
            f->score = score;
            f->left = sum;
            *set = left;
        }
    }
}

static void find_categorical(tm_split_scan *s, uint32_t n_bins, uint32_t column_index,
                             const int64_t *cells, tm_split *best) {
    found f = {.score = least_of(s)};
    TM_UNSET category items[CATEGORIES_MAX], other[CATEGORIES_MAX];
    const double smooth = CATEGORY_SMOOTH / s->unit_h;
    uint32_t n = 0, n_seen = 0;
    tm_tree_set set = {{0}};
    for (uint32_t b = 0; b <= n_bins; b++) {
        const double h = tm__packed_h(cells[b]);
        n_seen += cells[b] != 0;
        if (cells[b] != 0 && h * s->rows_per_h >= CATEGORY_ROWS) {
            items[n++] = (category){.ratio = tm__packed_g(cells[b]) / (h + smooth), .bin = b};
        }
    }
    const bool is_sorted = n_seen > ONE_HOT_MAX;
    if (is_sorted) {
        categories_sort(items, other, n);
        find_sorted(s, &f, &(category_order){items, n, false}, cells, &set);
        find_sorted(s, &f, &(category_order){items, n, true}, cells, &set);
    } else {
        find_one_hot(s, &f, items, n, cells, &set);
    }
    if (take(s, &f, best)) {
        best->column = column_index;
        best->is_categorical = true;
        best->is_sorted = is_sorted;
        best->set = set;
        best->missing_left = ((set.bits[n_bins >> 6] >> (n_bins & 63)) & 1) != 0;
    }
}

void tm__split_find(tm_split_scan *scan, const tm_bin_column *column, uint32_t column_index,
                    const int64_t *cells, tm_split *best) {
    if (!(scan->gain_unit > 0) || !column_may(scan, column->col)) {
        return; /* no row has a weight or a gradient, or a rule forbids it */
    }
    if (column->is_categorical) {
        find_categorical(scan, column->n_bins, column_index, cells, best);
    } else {
        find_numeric(scan, column, column_index, cells, best);
    }
}
