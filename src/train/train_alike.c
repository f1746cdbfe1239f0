/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repeats are found by a print of an input's features, which are compared only where prints are
 * the same: thousands of columns take one pass, and not one for each pair of them.
 */
#include "train/train_alike.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/hash.h"
#include "base/mem.h"

enum { NUMBERS_MAX = 256, PAIR_ROWS = 2000 };
static const double ALIKE = 0.99; /* correlation */

#define PRINT_KEY UINT64_C(0x616c696b65707274)

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory to select columns");
}

/* ---- features by input ---- */

tm_status tm__input_features_init(const tm_view *x, uint32_t n_inputs, tm_input_features *out,
                                  tm_err *err) {
    uint32_t *starts = tm__mem_zalloc((size_t)n_inputs + 2, sizeof(uint32_t));
    uint32_t *list = tm__mem_alloc((size_t)x->n_cols + 1, sizeof(uint32_t));
    if (starts == NULL || list == NULL) {
        tm__mem_free(starts);
        tm__mem_free(list);
        return no_memory(err);
    }
    for (uint32_t f = 0; f < x->n_cols; f++) {
        starts[x->features[f].input + 1]++;
    }
    for (uint32_t i = 0; i < n_inputs; i++) {
        starts[i + 1] += starts[i];
    }
    for (uint32_t f = x->n_cols; f-- > 0;) { /* ends become begins, and features rise */
        list[--starts[x->features[f].input + 1]] = f;
    }
    memmove(starts, starts + 1, n_inputs * sizeof(uint32_t));
    starts[n_inputs] = x->n_cols;
    *out = (tm_input_features){n_inputs, starts, list};
    return TM_OK;
}

void tm__input_features_done(tm_input_features *features) {
    tm__mem_free(features->starts);
    tm__mem_free(features->list);
    *features = (tm_input_features){0};
}

/* ---- repeats ---- */

typedef struct print {
    uint64_t hash;
    uint32_t input;
} print;

static int by_print(const void *a, const void *b) {
    const print *x = a, *y = b;
    if (x->hash != y->hash) {
        return x->hash > y->hash ? 1 : -1;
    }
    return (x->input > y->input) - (x->input < y->input);
}

/* A sum, so that the order of an input's features does not matter. */
static uint64_t print_of(const tm_view *x, const tm_input_features *features, uint32_t input) {
    uint64_t sum = 0;
    for (uint32_t k = features->starts[input]; k < features->starts[input + 1]; k++) {
        const uint32_t f = features->list[k];
        sum += tm__hash64(x->cols[f], x->n_rows * sizeof(double),
                          PRINT_KEY + x->features[f].is_categorical);
    }
    return sum;
}

static bool has_feature(const tm_view *x, const tm_input_features *features, uint32_t input,
                        uint32_t f) {
    bool found = false;
    for (uint32_t k = features->starts[input]; k < features->starts[input + 1] && !found; k++) {
        const uint32_t g = features->list[k];
        found = x->features[g].is_categorical == x->features[f].is_categorical &&
                memcmp(x->cols[f], x->cols[g], x->n_rows * sizeof(double)) == 0;
    }
    return found;
}

static bool are_same(const tm_view *x, const tm_input_features *features, uint32_t a, uint32_t b) {
    bool is_same = features->starts[a + 1] - features->starts[a] ==
                   features->starts[b + 1] - features->starts[b];
    for (uint32_t k = features->starts[a]; k < features->starts[a + 1] && is_same; k++) {
        is_same = has_feature(x, features, b, features->list[k]);
    }
    return is_same;
}

static tm_status find_repeats(const tm_view *x, const tm_input_features *features,
                              const uint8_t *is_candidate, tm_alike *out, tm_err *err) {
    print *prints = tm__mem_alloc((size_t)features->n_inputs + 1, sizeof(*prints));
    uint32_t n = 0;
    if (prints == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < features->n_inputs; i++) {
        if (is_candidate[i] && features->starts[i + 1] > features->starts[i]) {
            prints[n++] = (print){print_of(x, features, i), i};
        }
    }
    qsort(prints, n, sizeof(*prints), by_print);
    for (uint32_t from = 0, k = 1; k < n; k++) {
        from = prints[k].hash == prints[from].hash ? from : k;
        const uint32_t first = prints[from].input, own = prints[k].input;
        if (from != k && are_same(x, features, first, own)) {
            out[own] = (tm_alike){first, true, 1};
        }
    }
    tm__mem_free(prints);
    return TM_OK;
}

/* ---- followers ---- */

/* The only feature of an input when it is a number; UINT32_MAX: it is something else. */
static uint32_t number_of(const tm_view *x, const tm_input_features *features, uint32_t input) {
    const uint32_t f = features->list[features->starts[input]];
    const bool is_one = features->starts[input + 1] - features->starts[input] == 1;
    return is_one && !x->features[f].is_categorical ? f : UINT32_MAX;
}

/* Correlation of two numbers; 0 where one is missing and the other is not. */
static double likeness(const tm_view *x, uint32_t f, uint32_t g) {
    const double *a = x->cols[f], *b = x->cols[g];
    const uint64_t step = x->n_rows / PAIR_ROWS + 1;
    double n = 0, sums[5] = {0};
    for (uint64_t i = 0; i < x->n_rows; i += step) {
        if (isnan(a[i]) != isnan(b[i])) {
            return 0;
        }
        if (isfinite(a[i]) && isfinite(b[i])) {
            n++;
            sums[0] += a[i];
            sums[1] += b[i];
        }
    }
    for (uint64_t i = 0; i < x->n_rows; i += step) {
        if (isfinite(a[i]) && isfinite(b[i])) {
            const double u = a[i] - sums[0] / n, v = b[i] - sums[1] / n;
            sums[2] += u * v;
            sums[3] += u * u;
            sums[4] += v * v;
        }
    }
    const double r = sums[2] / tm__sqrt(sums[3] * sums[4]);
    return isfinite(r) ? fabs(r) : 0;
}

static void find_followers(const tm_view *x, const tm_input_features *features,
                           const uint8_t *is_candidate, tm_alike *out) {
    uint32_t numbers[NUMBERS_MAX]; /* inputs without a twin */
    uint32_t n = 0;
    for (uint32_t b = 0; b < features->n_inputs && n < NUMBERS_MAX; b++) {
        const uint32_t g =
            is_candidate[b] && out[b].twin == UINT32_MAX ? number_of(x, features, b) : UINT32_MAX;
        for (uint32_t k = 0; g != UINT32_MAX && k < n && out[b].twin == UINT32_MAX; k++) {
            const double like = likeness(x, number_of(x, features, numbers[k]), g);
            if (like >= ALIKE) {
                out[b] = (tm_alike){numbers[k], false, like};
            }
        }
        if (g != UINT32_MAX && out[b].twin == UINT32_MAX) {
            numbers[n++] = b;
        }
    }
}

tm_status tm__train_alike(const tm_view *x, const tm_input_features *features,
                          const uint8_t *is_candidate, tm_alike *out, tm_err *err) {
    for (uint32_t i = 0; i < features->n_inputs; i++) {
        out[i] = (tm_alike){.twin = UINT32_MAX};
    }
    TM_TRY(find_repeats(x, features, is_candidate, out, err));
    find_followers(x, features, is_candidate, out);
    return TM_OK;
}
