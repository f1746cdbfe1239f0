/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. Everything is computed in units of the packed integers: with G and H the sums of a side,
 *
 *     score(G, H) = max(|G| - l1, 0)^2 / (H + l2)        gain = score(left) + score(right) -
 * score(all)
 *
 * (Chen and Guestrin 2016, eq. 7), and multiplied by unit_g^2 / unit_h in the end. H counts rows:
 * a side must have the share of the leaf's hessian that min_rows has of its rows.
 *
 * Numbers: bins in order, missing values tried on both sides. Both directions come from one pass.
 * Categories: few are tried one against the rest. Many are put in order of G / (H + smooth), and
 * only cuts along this order are tried: for one output the best subset is among them (Fisher 1958,
 * doi:10.1080/01621459.1958.10501479). That order is fitted to the same gradients, so small
 * categories stay on the right (CATEGORY_ROWS), sums are smoothed, a group has GROUP_ROWS rows
 * before a cut is tried after it, the left side has at most SET_MAX categories, and leaves below
 * get TM_SPLIT_SORTED_L2. The rules and values are those of LightGBM's documentation ("Advanced
 * Topics", "Parameters": cat_smooth, max_cat_threshold, min_data_per_group, max_cat_to_onehot).
 *
 * The order of columns, bins and directions is fixed and a later split must be better, not equal:
 * ties cannot depend on threads.
 */
#include "model/gbdt/gbdt_split.h"

#include <math.h>
#include <string.h>

enum {
    ONE_HOT_MAX = 4, /* categories that are tried one by one */
    SET_MAX = 32,
    CATEGORY_ROWS = 10,
    GROUP_ROWS = 100,
    CATEGORIES_MAX = 256
};
static const double CATEGORY_SMOOTH = 10; /* in units of the hessian */
static const double HESSIAN_MIN = 1e-3;   /* of a side, in units of the hessian */
static const double GAIN_MIN = 1e-9;      /* relative to the score of the leaf: noise of rounding */

typedef struct scan {
    double l1, l2; /* in packed units */
    double g, h;   /* of the leaf */
    double h_low;  /* least and greatest hessian of the left side */
    double h_high;
    double base; /* score of the leaf, with a margin for rounding */
    double rows_per_h;
    double best;  /* score of the best split so far */
    int64_t left; /* and its left side; 0 never is one, because hessians are over 0 */
} scan;

static inline double shrink(double g, double l1) {
    return l1 > 0 ? copysign(fmax(fabs(g) - l1, 0), g) : g;
}

/* Score of both sides; one division. */
static inline double sides_score(const scan *s, double l2, int64_t left) {
    const double gl = shrink(tm__packed_g(left), s->l1), hl = tm__packed_h(left) + l2;
    const double gr = shrink(s->g - tm__packed_g(left), s->l1);
    const double hr = s->h - tm__packed_h(left) + l2;
    return (gl * gl * hr + gr * gr * hl) / (hl * hr);
}

static inline bool side_fits(const scan *s, int64_t left) {
    const double h = tm__packed_h(left);
    return h >= s->h_low && h <= s->h_high;
}

static scan scan_init(const tm_split_rules *rules, const tm_split_leaf *leaf) {
    scan s = {.g = tm__packed_g(leaf->sum), .h = tm__packed_h(leaf->sum)};
    s.l1 = rules->l1 > 0 && rules->unit_g > 0 ? rules->l1 / rules->unit_g : 0;
    s.l2 = rules->unit_h > 0 ? rules->l2 / rules->unit_h : 0;
    s.rows_per_h = s.h > 0 ? (double)leaf->n_rows / s.h : 0;
    s.h_low = s.h > 0 ? ceil((rules->min_rows - 0.5) / s.rows_per_h) : 1;
    s.h_low = fmax(s.h_low, rules->unit_h > 0 ? ceil(HESSIAN_MIN / rules->unit_h) : 1);
    s.h_low = fmax(s.h_low, 1);
    s.h_high = s.h - s.h_low;
    const double g = shrink(s.g, s.l1);
    s.base = s.h > 0 ? g * g / (s.h + s.l2) * (1 + GAIN_MIN) : 0;
    s.best = s.base;
    return s;
}

/* Take a split over when it is the best so far; gains of columns are compared in loss units. */
static bool take(const tm_split_rules *rules, const scan *s, tm_split *best) {
    const double gain = (s->best - s->base) * rules->unit_g * rules->unit_g / rules->unit_h;
    if (s->left == 0 || !(gain > best->gain)) {
        return false;
    }
    *best = (tm_split){.gain = gain, .left = s->left};
    return true;
}

static void find_numeric(const tm_split_rules *rules, uint32_t n_bins, uint32_t column_index,
                         const int64_t *cells, const tm_split_leaf *leaf, tm_split *best) {
    scan s = scan_init(rules, leaf);
    const int64_t missing = cells[n_bins];
    int64_t sum = 0;
    uint32_t best_bin = 0;
    bool missing_left = false;
    for (uint32_t b = 0; b < n_bins; b++) {
        if (cells[b] == 0) {
            continue; /* the split before it was the same */
        }
        sum += cells[b];
        if (side_fits(&s, sum)) {
            const double score = sides_score(&s, s.l2, sum);
            if (score > s.best) {
                s.best = score;
                s.left = sum;
                best_bin = b;
                missing_left = false;
            }
        }
        if (missing != 0 && side_fits(&s, sum + missing)) {
            const double score = sides_score(&s, s.l2, sum + missing);
            if (score > s.best) {
                s.best = score;
                s.left = sum + missing;
                best_bin = b;
                missing_left = true;
            }
        }
    }
    if (take(rules, &s, best)) {
        best->column = column_index;
        best->bin = best_bin;
        /* Where none was missing, a missing value goes with most of the rows. */
        best->missing_left = missing != 0 ? missing_left : tm__packed_h(s.left) * 2 > s.h;
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

static void find_one_hot(scan *s, const category *items, uint32_t n, const int64_t *cells,
                         tm_tree_set *set) {
    for (uint32_t i = 0; i < n; i++) {
        const int64_t left = cells[items[i].bin];
        const double score = side_fits(s, left) ? sides_score(s, s->l2, left) : 0;
        if (score > s->best) {
            s->best = score;
            s->left = left;
            *set = (tm_tree_set){{0}};
            set_add(set, items[i].bin);
        }
    }
}

/* Try cuts along the order from one end; the categories before the cut are the left side. */
static void find_sorted(scan *s, double l2, const category *items, uint32_t n, bool from_end,
                        const int64_t *cells, tm_tree_set *set) {
    const uint32_t tries = (n + 1) / 2 < SET_MAX ? (n + 1) / 2 : SET_MAX;
    int64_t sum = 0;
    double group = 0;
    tm_tree_set left = {{0}};
    for (uint32_t i = 0; i < tries; i++) {
        const uint32_t bin = items[from_end ? n - 1 - i : i].bin;
        sum += cells[bin];
        set_add(&left, bin);
        group += tm__packed_h(cells[bin]) * s->rows_per_h;
        if (!side_fits(s, sum) || group < GROUP_ROWS ||
            (s->h - tm__packed_h(sum)) * s->rows_per_h < GROUP_ROWS) {
            continue;
        }
        group = 0;
        const double score = sides_score(s, l2, sum);
        if (score > s->best) {
            s->best = score;
            s->left = sum;
            *set = left;
        }
    }
}

static void find_categorical(const tm_split_rules *rules, uint32_t n_bins, uint32_t column_index,
                             const int64_t *cells, const tm_split_leaf *leaf, tm_split *best) {
    scan s = scan_init(rules, leaf);
    category items[CATEGORIES_MAX], other[CATEGORIES_MAX];
    const double smooth = CATEGORY_SMOOTH / rules->unit_h;
    uint32_t n = 0, n_seen = 0;
    tm_tree_set set = {{0}};
    for (uint32_t b = 0; b <= n_bins; b++) {
        const double h = tm__packed_h(cells[b]);
        n_seen += cells[b] != 0;
        if (cells[b] != 0 && h * s.rows_per_h >= CATEGORY_ROWS) {
            items[n++] = (category){.ratio = tm__packed_g(cells[b]) / (h + smooth), .bin = b};
        }
    }
    const bool is_sorted = n_seen > ONE_HOT_MAX;
    if (is_sorted) {
        const double l2 = s.l2 + TM_SPLIT_SORTED_L2 / rules->unit_h;
        categories_sort(items, other, n);
        find_sorted(&s, l2, items, n, false, cells, &set);
        find_sorted(&s, l2, items, n, true, cells, &set);
    } else {
        find_one_hot(&s, items, n, cells, &set);
    }
    if (take(rules, &s, best)) {
        best->column = column_index;
        best->is_categorical = true;
        best->is_sorted = is_sorted;
        best->set = set;
        best->missing_left = ((set.bits[n_bins >> 6] >> (n_bins & 63)) & 1) != 0;
    }
}

void tm__split_find(const tm_split_rules *rules, const tm_bin_column *column, uint32_t column_index,
                    const int64_t *cells, const tm_split_leaf *leaf, tm_split *best) {
    if (!(rules->unit_h > 0)) {
        return; /* no row has a weight */
    }
    if (column->is_categorical) {
        find_categorical(rules, column->n_bins, column_index, cells, leaf, best);
    } else {
        find_numeric(rules, column->n_bins, column_index, cells, leaf, best);
    }
}
