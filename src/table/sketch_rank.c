/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks and quantiles: KLL (Karnin, Lang, Liberty 2016, arXiv:1603.05346).
 *
 *     level 2   [ . . . . . . . . ]   each stands for 4 values     512 places on the top level,
 *     level 1   [ . . . . . ]         for 2                        two thirds of that below, at
 *     level 0   [ . . . ]  <- new     for 1                        least 64
 *
 * A full level is sorted and every other of its values moves up. Whether the odd or the even ones
 * do is read from a fixed stream by the number of halvings so far, so the same values in the same
 * order give the same sketch.
 *
 * 1. Weights of all values add up to n.
 * 2. Levels above 0 are sorted at all times.
 */
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "table/sketch_priv.h"

#define TOP_PLACES (TM_SKETCH_EXACT + 1)
#define LEAST_PLACES 64u
#define COIN_KEY UINT64_C(0x6b6c6c2d636f696e)
#define PLACES_MAX (1u << 16) /* on one level of what is read */

static uint32_t places(const tm_ranks *ranks, uint32_t level) {
    uint32_t n = TOP_PLACES;
    for (uint32_t above = ranks->n_levels - 1; above > level && n > LEAST_PLACES; above--) {
        n = n * 2 / 3;
    }
    return n < LEAST_PLACES ? LEAST_PLACES : n;
}

static bool level_fit(tm_ranks *ranks, uint32_t level, uint32_t n) {
    if (ranks->levels[level].capacity >= n) {
        return true;
    }
    uint32_t capacity = ranks->levels[level].capacity < 16 ? 16 : ranks->levels[level].capacity;
    while (capacity < n) {
        capacity *= 2;
    }
    double *const values = tm__mem_realloc(ranks->levels[level].values, capacity, sizeof(double));
    if (values == NULL) {
        return false;
    }
    ranks->levels[level].values = values;
    ranks->levels[level].capacity = capacity;
    return true;
}

/* Few values, mostly in order from a merge of sorted ones: Shell's gaps do. */
static void sort(double *values, uint32_t n) {
    static const uint32_t gaps[] = {701, 301, 132, 57, 23, 10, 4, 1};
    for (uint32_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++) {
        for (uint32_t i = gaps[g]; i < n; i++) {
            const double value = values[i];
            uint32_t at = i;
            for (; at >= gaps[g] && values[at - gaps[g]] > value; at -= gaps[g]) {
                values[at] = values[at - gaps[g]];
            }
            values[at] = value;
        }
    }
}

/* Put sorted values among those of a level, from the back. */
static void level_mix(tm_ranks *ranks, uint32_t level, const double *values, uint32_t n) {
    double *const to = ranks->levels[level].values;
    uint32_t old = ranks->levels[level].n, at = old + n;
    ranks->levels[level].n = at;
    while (n > 0) {
        if (old > 0 && to[old - 1] > values[n - 1]) {
            to[--at] = to[--old];
        } else {
            to[--at] = values[--n];
        }
    }
}

/* A level had more places while it was the top one. */
static bool level_shrink(tm_ranks *ranks, uint32_t level) {
    const uint32_t most = places(ranks, level) * 2;
    if (ranks->levels[level].capacity < most * 2) {
        return true;
    }
    double *const values = tm__mem_realloc(ranks->levels[level].values, most, sizeof(double));
    if (values == NULL) {
        return false;
    }
    ranks->levels[level].values = values;
    ranks->levels[level].capacity = most;
    return true;
}

static bool level_halve(tm_ranks *ranks, uint32_t level) {
    const uint32_t n = ranks->levels[level].n, kept = n / 2;
    if (level + 1 == ranks->n_levels) {
        ranks->n_levels++;
    }
    if (!level_fit(ranks, level + 1, ranks->levels[level + 1].n + kept)) {
        return false;
    }
    double *const values = ranks->levels[level].values;
    if (level == 0) {
        sort(values, n);
    }
    const uint32_t odd = (uint32_t)(tm__rng_at(COIN_KEY, ranks->n_halved++) >> 63);
    const double last = values[n - 1]; /* stays behind when the number is odd */
    for (uint32_t i = 0; i < kept; i++) {
        values[i] = values[2 * i + odd];
    }
    level_mix(ranks, level + 1, values, kept);
    values[0] = last;
    ranks->levels[level].n = n % 2;
    return level_shrink(ranks, level);
}

/* Halve from below while a level is full. 48 levels hold 2^48 times 64 values. */
static bool settle(tm_ranks *ranks) {
    for (uint32_t level = 0; level < ranks->n_levels && level + 1 < TM_RANK_LEVELS; level++) {
        if (ranks->levels[level].n >= places(ranks, level) && !level_halve(ranks, level)) {
            return false;
        }
    }
    return true;
}

bool tm__ranks_add(tm_ranks *ranks, double value) {
    ranks->n_levels = ranks->n_levels == 0 ? 1 : ranks->n_levels;
    if (!level_fit(ranks, 0, ranks->levels[0].n + 1)) {
        return false;
    }
    ranks->levels[0].values[ranks->levels[0].n++] = value;
    ranks->n++;
    return ranks->levels[0].n < LEAST_PLACES || settle(ranks);
}

bool tm__ranks_merge(tm_ranks *ranks, const tm_ranks *from) {
    ranks->n_levels = ranks->n_levels < from->n_levels ? from->n_levels : ranks->n_levels;
    for (uint32_t level = 0; level < from->n_levels; level++) {
        const uint32_t n = from->levels[level].n;
        if (n == 0) {
            continue;
        }
        if (!level_fit(ranks, level, ranks->levels[level].n + n)) {
            return false;
        }
        if (level == 0) {
            memcpy(ranks->levels[0].values + ranks->levels[0].n, from->levels[0].values,
                   n * sizeof(double));
            ranks->levels[0].n += n;
        } else {
            level_mix(ranks, level, from->levels[level].values, n);
        }
    }
    ranks->n += from->n;
    return settle(ranks);
}

void tm__ranks_reset(tm_ranks *ranks) {
    for (uint32_t level = 0; level < ranks->n_levels; level++) {
        ranks->levels[level].n = 0;
    }
    ranks->n = 0;
    ranks->n_halved = 0;
    ranks->n_levels = 0;
}

tm_rank_item *tm__ranks_items(const tm_ranks *ranks, uint32_t *out_n) {
    uint32_t n = 0;
    for (uint32_t level = 0; level < ranks->n_levels; level++) {
        n += ranks->levels[level].n;
    }
    tm_rank_item *const items = tm__mem_alloc((size_t)n + 1, sizeof(*items));
    const uint32_t n_first = ranks->n_levels > 0 ? ranks->levels[0].n : 0;
    double *const first = tm__mem_alloc((size_t)n_first + 1, sizeof(double));
    if (items == NULL || first == NULL) {
        tm__mem_free(items);
        tm__mem_free(first);
        return NULL;
    }
    if (n_first > 0) {
        memcpy(first, ranks->levels[0].values, n_first * sizeof(double));
        sort(first, n_first);
    }
    uint32_t done = 0;
    for (uint32_t level = 0; level < ranks->n_levels; level++) {
        const double *const values = level == 0 ? first : ranks->levels[level].values;
        uint32_t left = ranks->levels[level].n, old = done, at = done + left;
        done = at;
        while (left > 0) { /* as in level_mix() */
            if (old > 0 && items[old - 1].value > values[left - 1]) {
                items[--at] = items[--old];
            } else {
                items[--at] = (tm_rank_item){values[--left], UINT64_C(1) << level};
            }
        }
    }
    tm__mem_free(first);
    *out_n = n;
    return items;
}

void tm__ranks_write(const tm_ranks *ranks, tm_buf *out) {
    (void)tm__buf_u64(out, ranks->n);
    (void)tm__buf_u64(out, ranks->n_halved);
    (void)tm__buf_u32(out, ranks->n_levels);
    for (uint32_t level = 0; level < ranks->n_levels; level++) {
        (void)tm__buf_u32(out, ranks->levels[level].n);
        for (uint32_t i = 0; i < ranks->levels[level].n; i++) {
            (void)tm__buf_f64(out, ranks->levels[level].values[i]);
        }
    }
}

bool tm__ranks_read(tm_ranks *ranks, tm_reader *in, bool *out_memory) {
    ranks->n = tm__reader_u64(in);
    ranks->n_halved = tm__reader_u64(in);
    const uint32_t n_levels = tm__reader_u32(in);
    uint64_t weight = 0;
    if (n_levels > TM_RANK_LEVELS) {
        return false;
    }
    for (uint32_t level = 0; level < n_levels; level++) {
        const uint32_t n = tm__reader_u32(in);
        if (n > PLACES_MAX || n > (in->len - in->pos) / sizeof(double)) {
            return false;
        }
        if (n > 0 && !level_fit(ranks, level, n)) {
            *out_memory = false;
            return false;
        }
        ranks->n_levels = level + 1;
        for (uint32_t i = 0; i < n; i++) {
            const double value = tm__reader_f64(in);
            const bool rises = level == 0 || i == 0 || ranks->levels[level].values[i - 1] <= value;
            if (value - value != 0 || !rises) { /* not finite */
                return false;
            }
            ranks->levels[level].values[i] = value;
        }
        ranks->levels[level].n = n;
        weight += (uint64_t)n << level;
    }
    ranks->n_levels = n_levels;
    return weight == ranks->n && !in->failed;
}

void tm__ranks_done(tm_ranks *ranks) {
    for (uint32_t level = 0; level < TM_RANK_LEVELS; level++) {
        tm__mem_free(ranks->levels[level].values);
    }
    *ranks = (tm_ranks){0};
}
