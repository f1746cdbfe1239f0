/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. The code of a row in a bundle is built column by column: a table of each column after the
 * first maps (code so far, bin) to the next code, and codes are numbered as they are met, row by
 * row. Columns that exclude each other (one-hot) need a code each, the exclusive feature bundling
 * of Ke et al. 2017 (LightGBM, sec. 4); columns of few bins need the product; both are just
 * combinations that occur.
 *
 *     column a: bin 2 --+
 *     column b: bin 0 --+--> next[code 2][bin 0] = 5 --+
 *     column c: bin 1 ---------------------------------+--> next[code 5][bin 1] = 9 = the byte
 *
 * Getting a column's histogram out of the bundle's costs as many steps as it has codes, for each
 * leaf. So a bundle has fewer codes when there are fewer rows to be saved.
 */
#include "model/gbdt/gbdt_bundle.h"

#include <string.h>

#include "base/mem.h"

enum {
    BINS_MAX = 128, /* of a column that may join: two of more would not fit */
    OPEN_MAX = 8,   /* bundles that a column may join: the last ones */
    SAMPLE_ROWS = 4096,
    ROWS_PER_CODE = 256
};

typedef struct bundling {
    const tm_bundle_input *in;
    uint32_t codes_max;
    uint32_t *bundle_of; /* [n_columns] */
    uint16_t *next; /* [TM_BUNDLE_CODES x BINS_MAX] new code of (code, bin), the table on trial */
    tm_bundles *out;
} bundling;

static const uint8_t *column_of(const bundling *b, uint32_t column) {
    return b->in->by_column + (uint64_t)column * b->in->n_rows;
}

static uint8_t *code_bins(const tm_bundles *bundles, uint32_t column) {
    return bundles->bins + (size_t)column * TM_BUNDLE_CODES;
}

/* Number the combinations of a bundle and a column on every step-th row, up to one too many. */
static uint32_t combinations(bundling *b, const tm_bundle *bundle, uint32_t column, uint64_t step) {
    const uint8_t *codes = bundle->codes, *bins = column_of(b, column);
    const uint32_t n_bins = b->in->n_bins[column];
    uint32_t n = 0;
    memset(b->next, 0xFF, (size_t)bundle->n_codes * n_bins * sizeof(uint16_t));
    for (uint64_t row = 0; row < b->in->n_rows && n <= b->codes_max; row += step) {
        uint16_t *next = &b->next[codes[row] * n_bins + bins[row]];
        if (*next == UINT16_MAX) {
            *next = (uint16_t)n++;
        }
    }
    return n;
}

/* The bins of the bundle's columns in the new codes. */
static void bundle_renumber(bundling *b, uint32_t at, uint32_t column) {
    const uint32_t n_bins = b->in->n_bins[column];
    const uint32_t n_pairs = b->out->bundles[at].n_codes * n_bins;
    for (uint32_t c = 0; c < b->in->n_columns; c++) {
        uint8_t *bins = code_bins(b->out, c), old[TM_BUNDLE_CODES];
        if (b->bundle_of[c] != at && c != column) {
            continue;
        }
        memcpy(old, bins, sizeof(old));
        for (uint32_t pair = 0; pair < n_pairs; pair++) {
            if (b->next[pair] != UINT16_MAX) {
                bins[b->next[pair]] = c == column ? (uint8_t)(pair % n_bins) : old[pair / n_bins];
            }
        }
    }
}

static bool bundle_join(bundling *b, uint32_t at, uint32_t column) {
    tm_bundle *bundle = &b->out->bundles[at];
    const uint64_t n_rows = b->in->n_rows, step = n_rows / SAMPLE_ROWS;
    if (step > 1 && combinations(b, bundle, column, step) > b->codes_max) {
        return false;
    }
    const uint32_t n_codes = combinations(b, bundle, column, 1);
    if (n_codes > b->codes_max) {
        return false;
    }
    const uint8_t *bins = column_of(b, column);
    const uint32_t n_bins = b->in->n_bins[column];
    for (uint64_t row = 0; row < n_rows; row++) {
        bundle->codes[row] = (uint8_t)b->next[bundle->codes[row] * n_bins + bins[row]];
    }
    bundle_renumber(b, at, column);
    b->bundle_of[column] = at;
    bundle->n_codes = n_codes;
    bundle->count++;
    return true;
}

/* A bundle of one column, with codes when others may join. */
static bool bundle_open(bundling *b, uint32_t column, bool is_open) {
    tm_bundle *bundle = &b->out->bundles[b->out->n_bundles];
    *bundle = (tm_bundle){.count = 1, .n_codes = b->in->n_bins[column]};
    b->bundle_of[column] = b->out->n_bundles++;
    for (uint32_t code = 0; code < TM_BUNDLE_CODES; code++) {
        code_bins(b->out, column)[code] = (uint8_t)code;
    }
    if (is_open) {
        bundle->codes = tm__mem_alloc(b->in->n_rows, 1);
        if (bundle->codes == NULL) {
            return false;
        }
        memcpy(bundle->codes, column_of(b, column), b->in->n_rows);
    }
    return true;
}

/* No more can join: codes that are the bins of one column are not needed. */
static void bundle_close(tm_bundle *bundle) {
    if (bundle->count == 1) {
        tm__mem_free(bundle->codes);
        bundle->codes = NULL;
    }
}

/* Columns of few bins, those of the fewest first, then the others. */
static bool bundles_find(tm_ctx *ctx, bundling *b) {
    tm_bundles *out = b->out;
    for (uint32_t n_bins = 0; n_bins <= TM_BUNDLE_CODES; n_bins++) {
        for (uint32_t c = 0; c < b->in->n_columns && !tm__ctx_cancelled(ctx); c++) {
            const bool is_small = n_bins <= BINS_MAX && n_bins * 2 <= b->codes_max;
            bool joined = false;
            if (b->in->n_bins[c] != n_bins) {
                continue;
            }
            const uint32_t first = out->n_bundles > OPEN_MAX ? out->n_bundles - OPEN_MAX : 0;
            for (uint32_t at = first; at < out->n_bundles && is_small && !joined; at++) {
                joined = bundle_join(b, at, c);
            }
            if (!joined && !bundle_open(b, c, is_small)) {
                return false;
            }
            if (!joined && out->n_bundles > OPEN_MAX) {
                bundle_close(&out->bundles[out->n_bundles - OPEN_MAX - 1]);
            }
        }
    }
    for (uint32_t at = 0; at < out->n_bundles; at++) {
        bundle_close(&out->bundles[at]);
    }
    return true;
}

tm_status tm__bundles_fit(tm_ctx *ctx, const tm_bundle_input *in, tm_bundles *out, tm_err *err) {
    tm_bundles bundles = {.bundles = tm__mem_zalloc(in->n_columns, sizeof(tm_bundle)),
                          .columns = tm__mem_zalloc(in->n_columns, sizeof(uint32_t)),
                          .bins = tm__mem_zalloc(in->n_columns, TM_BUNDLE_CODES)};
    const uint64_t codes_max = in->n_rows / ROWS_PER_CODE;
    bundling b = {.in = in,
                  .codes_max = codes_max < TM_BUNDLE_CODES ? (uint32_t)codes_max : TM_BUNDLE_CODES,
                  .bundle_of = tm__mem_alloc(in->n_columns, sizeof(uint32_t)),
                  .next = tm__mem_alloc((size_t)TM_BUNDLE_CODES * BINS_MAX, sizeof(uint16_t)),
                  .out = &bundles};
    tm_status st = TM_OK;
    bool ok = bundles.bundles != NULL && bundles.columns != NULL && bundles.bins != NULL &&
              b.bundle_of != NULL && b.next != NULL;
    for (uint32_t c = 0; c < in->n_columns && ok; c++) {
        b.bundle_of[c] = UINT32_MAX;
    }
    ok = ok && bundles_find(ctx, &b);
    if (!ok) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for the bundles of %u columns", in->n_columns);
    } else if (tm__ctx_cancelled(ctx)) {
        st = TM_FAIL(err, TM_E_CANCELLED, "binning was cancelled");
    }
    for (uint32_t at = 0, first = 0; at < bundles.n_bundles && st == TM_OK; at++) {
        bundles.bundles[at].first = first;
        first += bundles.bundles[at].count;
        bundles.bundles[at].count = 0;
    }
    for (uint32_t c = 0; c < in->n_columns && st == TM_OK; c++) {
        tm_bundle *bundle = &bundles.bundles[b.bundle_of[c]];
        bundles.columns[bundle->first + bundle->count++] = c;
    }
    tm__mem_free(b.bundle_of);
    tm__mem_free(b.next);
    if (st != TM_OK) {
        tm__bundles_done(&bundles);
        return st;
    }
    *out = bundles;
    return TM_OK;
}

void tm__bundles_trim(tm_bundles *bundles) {
    for (uint32_t at = 0; at < bundles->n_bundles; at++) {
        tm__mem_free(bundles->bundles[at].codes);
        bundles->bundles[at].codes = NULL;
    }
}

void tm__bundles_done(tm_bundles *bundles) {
    tm__bundles_trim(bundles);
    tm__mem_free(bundles->bundles);
    tm__mem_free(bundles->columns);
    tm__mem_free(bundles->bins);
    *bundles = (tm_bundles){0};
}

void tm__bundle_unfold(const tm_bundles *bundles, const tm_bundle *bundle, uint32_t column,
                       const int64_t *cells, uint32_t n_bins, int64_t *out) {
    const uint8_t *bins = code_bins(bundles, column);
    memset(out, 0, n_bins * sizeof(int64_t));
    for (uint32_t code = 0; code < bundle->n_codes; code++) {
        out[bins[code]] += cells[code];
    }
}
