/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two columns, by their ranks or levels.
 *
 * Source: the correlation ratio less chance is epsilon squared (Kelley 1935); Cramer's V less
 * chance is that of Bergsma 2013, doi:10.1016/j.jkss.2012.10.002.
 */
#include "table/associate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"

const char *tm__measure_text(tm_measure measure) {
    switch (measure) {
    case TM_MEASURE_RANK:
        return "rank correlation";
    case TM_MEASURE_RATIO:
        return "correlation ratio";
    case TM_MEASURE_CRAMER:
        return "Cramer's V";
    default:
        return "none";
    }
}

/* --- facets --- */

typedef struct placed {
    double value;
    uint64_t row;
} placed;

static int compare_placed(const void *a, const void *b) {
    const placed *const x = a, *const y = b;
    if (x->value != y->value) {
        return x->value < y->value ? -1 : 1;
    }
    return x->row < y->row ? -1 : x->row > y->row;
}

/* Values sorted; the caller ends them. */
static placed *sort_values(const tm_facet *f, uint64_t *out_n) {
    placed *const all = tm__mem_alloc(f->n_rows + 1, sizeof(*all));
    uint64_t n = 0;
    for (uint64_t row = 0; all != NULL && row < f->n_rows; row++) {
        const double value = tm__column_number(f->column, row);
        if (!isnan(value)) {
            all[n++] = (placed){value, row};
        }
    }
    if (all != NULL) {
        qsort(all, n, sizeof(*all), compare_placed);
    }
    *out_n = n;
    return all;
}

/* Equal values get their mean rank, or a level. */
static bool rank_values(tm_facet *f) {
    uint64_t n = 0;
    placed *const all = sort_values(f, &n);
    if (all == NULL) {
        return false;
    }
    for (uint64_t row = 0; row < f->n_rows; row++) {
        if (f->is_ordered) {
            f->ranks[row] = tm__nan();
        } else {
            f->levels[row] = TM_CODE_MISSING;
        }
    }
    for (uint64_t i = 0, end = 0; i < n; i = end) {
        for (end = i + 1; end < n && all[end].value == all[i].value; end++) {
        }
        for (uint64_t k = i; k < end; k++) {
            if (f->is_ordered) {
                f->ranks[all[k].row] = ((double)i + (double)end - 1) / 2;
            } else {
                f->levels[all[k].row] = (uint32_t)f->n_distinct;
            }
        }
        f->n_distinct++;
    }
    tm__mem_free(all);
    return true;
}

/* Codes of texts that rows have, numbered anew. */
static bool number_codes(tm_facet *f) {
    const uint32_t n_codes = tm__dict_count(f->column->dict);
    uint32_t *const levels = tm__mem_alloc((size_t)n_codes + 1, sizeof(*levels));
    if (levels == NULL) {
        return false;
    }
    memset(levels, 0xff, ((size_t)n_codes + 1) * sizeof(*levels));
    for (uint64_t row = 0; row < f->n_rows; row++) {
        const uint32_t code = f->column->codes[row];
        f->levels[row] = TM_CODE_MISSING;
        if (code != TM_CODE_MISSING) {
            if (levels[code] == UINT32_MAX) {
                levels[code] = (uint32_t)f->n_distinct++;
            }
            f->levels[row] = levels[code];
        }
    }
    tm__mem_free(levels);
    return true;
}

bool tm__facet_init(tm_facet *f, const tm_table *table, uint32_t col, bool as_category) {
    *f = (tm_facet){.column = tm__table_column(table, col), .n_rows = tm__table_rows(table)};
    const tm_type type = f->column->type;
    f->is_ordered = type != TM_TYPE_TEXT && type != TM_TYPE_BOOL && !as_category;
    if (f->is_ordered) {
        f->ranks = tm__mem_alloc(f->n_rows + 1, sizeof(*f->ranks));
    } else {
        f->levels = tm__mem_alloc(f->n_rows + 1, sizeof(*f->levels));
    }
    bool ok = f->ranks != NULL || f->levels != NULL;
    ok = ok && (type == TM_TYPE_TEXT ? number_codes(f) : rank_values(f));
    f->n_levels = !f->is_ordered && f->n_distinct <= TM_FACET_LEVELS ? (uint32_t)f->n_distinct : 0;
    if (!ok) {
        tm__facet_done(f);
    }
    return ok;
}

void tm__facet_done(tm_facet *f) {
    tm__mem_free(f->ranks);
    tm__mem_free(f->levels);
    *f = (tm_facet){0};
}

/* --- pairs --- */

static void correlate(const tm_facet *a, const tm_facet *b, tm_association *out) {
    double mean_a = 0, mean_b = 0, aa = 0, bb = 0, ab = 0;
    for (uint64_t row = 0; row < a->n_rows; row++) {
        if (!isnan(a->ranks[row]) && !isnan(b->ranks[row])) {
            out->n++;
            mean_a += a->ranks[row];
            mean_b += b->ranks[row];
        }
    }
    mean_a /= (double)out->n;
    mean_b /= (double)out->n;
    for (uint64_t row = 0; row < a->n_rows; row++) {
        if (!isnan(a->ranks[row]) && !isnan(b->ranks[row])) {
            const double x = a->ranks[row] - mean_a, y = b->ranks[row] - mean_b;
            aa += x * x;
            bb += y * y;
            ab += x * y;
        }
    }
    if (aa > 0 && bb > 0) {
        out->measure = TM_MEASURE_RANK;
        out->value = ab / (tm__sqrt(aa) * tm__sqrt(bb));
    }
}

static bool relate(const tm_facet *levels, const tm_facet *ranks, tm_association *out) {
    double *const sums = tm__mem_zalloc((size_t)levels->n_levels * 2, sizeof(*sums));
    double mean = 0, all = 0, between = 0, n_used = 0;
    if (sums == NULL) {
        return false;
    }
    double *const counts = sums + levels->n_levels;
    for (uint64_t row = 0; row < levels->n_rows; row++) {
        const uint32_t level = levels->levels[row];
        if (level != TM_CODE_MISSING && !isnan(ranks->ranks[row])) {
            sums[level] += ranks->ranks[row];
            counts[level]++;
            mean += ranks->ranks[row];
            out->n++;
        }
    }
    const double n = (double)out->n;
    mean /= n;
    for (uint64_t row = 0; row < levels->n_rows; row++) {
        if (levels->levels[row] != TM_CODE_MISSING && !isnan(ranks->ranks[row])) {
            all += (ranks->ranks[row] - mean) * (ranks->ranks[row] - mean);
        }
    }
    for (uint32_t level = 0; level < levels->n_levels; level++) {
        if (counts[level] > 0) {
            const double gap = sums[level] / counts[level] - mean;
            between += counts[level] * gap * gap;
            n_used++;
        }
    }
    tm__mem_free(sums);
    if (all > 0 && n_used > 1 && n > n_used) {
        const double share = (between / all * (n - 1) - (n_used - 1)) / (n - n_used);
        out->measure = TM_MEASURE_RATIO;
        out->value = share > 0 ? tm__sqrt(share) : 0;
    }
    return true;
}

/* Chi squared of the table of both, over n. */
static double chi_squared(const double *cells, const double *rows, const double *cols,
                          const uint32_t size[2], double n) {
    double sum = 0;
    for (uint32_t i = 0; i < size[0]; i++) {
        for (uint32_t k = 0; k < size[1]; k++) {
            const double expected = rows[i] * cols[k] / n;
            const double gap = cells[(size_t)i * size[1] + k] - expected;
            sum += expected > 0 ? gap * gap / expected : 0;
        }
    }
    return sum / n;
}

static bool cross(const tm_facet *a, const tm_facet *b, tm_association *out) {
    const uint32_t size[2] = {a->n_levels, b->n_levels};
    const size_t n_cells = (size_t)size[0] * size[1];
    double *const cells = tm__mem_zalloc(n_cells + size[0] + size[1], sizeof(*cells));
    if (cells == NULL) {
        return false;
    }
    double *const rows = cells + n_cells, *const cols = rows + size[0];
    for (uint64_t row = 0; row < a->n_rows; row++) {
        if (a->levels[row] != TM_CODE_MISSING && b->levels[row] != TM_CODE_MISSING) {
            cells[(size_t)a->levels[row] * size[1] + b->levels[row]]++;
            rows[a->levels[row]]++;
            cols[b->levels[row]]++;
            out->n++;
        }
    }
    const double n = (double)out->n;
    double r = 0, k = 0;
    for (uint32_t i = 0; i < size[0]; i++) {
        r += rows[i] > 0 ? 1 : 0;
    }
    for (uint32_t i = 0; i < size[1]; i++) {
        k += cols[i] > 0 ? 1 : 0;
    }
    if (r > 1 && k > 1 && n > 1) {
        const double phi = chi_squared(cells, rows, cols, size, n);
        const double chance = (r - 1) * (k - 1) / (n - 1);
        const double r_left = r - (r - 1) * (r - 1) / (n - 1);
        const double k_left = k - (k - 1) * (k - 1) / (n - 1);
        const double most = fmin(r_left, k_left) - 1;
        out->measure = TM_MEASURE_CRAMER;
        out->value = phi > chance && most > 0 ? fmin(1, tm__sqrt((phi - chance) / most)) : 0;
    }
    tm__mem_free(cells);
    return true;
}

bool tm__associate(const tm_facet *a, const tm_facet *b, tm_association *out) {
    *out = (tm_association){.value = tm__nan()};
    if (a->is_ordered && b->is_ordered) {
        correlate(a, b, out);
        return true;
    }
    if ((!a->is_ordered && a->n_levels == 0) || (!b->is_ordered && b->n_levels == 0)) {
        return true;
    }
    return a->is_ordered ? relate(b, a, out) : b->is_ordered ? relate(a, b, out) : cross(a, b, out);
}
