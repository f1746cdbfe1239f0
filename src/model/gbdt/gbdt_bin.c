/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. Cuts come from sorted values: all of them up to SAMPLE_ROWS rows, else of rows whose
 * hashed number is small, which any thread (or rank) can decide alone. Sorting is by radix on the
 * bits of the doubles: a few milliseconds a column, and no comparison to disagree about.
 *
 * Invariants:
 *   1. cuts are strictly ascending and never NaN; a value equal to a cut lies below it.
 *   2. bin(x) <= b exactly when x <= cuts[b]: a split on bins and one on values send each row the
 *      same way.
 *   3. A missing value, and a code that is no level or past the first 255, lie in bin n_bins.
 */
#include "model/gbdt/gbdt_bin.h"

#include <math.h>
#include <string.h>

#include "base/comm.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"

enum {
    SAMPLE_ROWS = 200000, /* error of a quantile is about 0.1 % of the rows: less than half a bin */
    CHUNK_ROWS = 256,     /* by_row of a chunk stays in the cache while its columns are written */
    DIGIT_BITS = 11,
    DIGITS = 6, /* 6 * 11 >= 64 */
    DIGIT_VALUES = 1 << DIGIT_BITS,
    FEW_KEYS = 32768,
    UPPER_DIGITS = 3, /* of few keys the first to sort by: 19 bits of the fraction and all above */
    SETTLE_MOVES = 4, /* of a key, on average, that cost less than the lower digits */
    CUTS_PADDED = 255 /* cuts of a column with +infinity after the last, for a search of 8 steps */
};

/* Doubles in the order of unsigned integers. */
static uint64_t key_from_value(double x) {
    const uint64_t bits = tm__f64_bits(x + 0.0); /* -0 is 0 */
    return (bits >> 63) != 0 ? ~bits : bits | (UINT64_C(1) << 63);
}

static double value_from_key(uint64_t key) {
    return tm__f64_from_bits((key >> 63) != 0 ? key & ~(UINT64_C(1) << 63) : ~key);
}

/* One pass of the sort: keys in the order of a digit, and of their places where it is the same. */
static void keys_deal(const uint64_t *keys, uint64_t *out, uint32_t *count, uint32_t shift,
                      uint64_t n) {
    uint32_t start = 0;
    for (uint32_t v = 0; v < DIGIT_VALUES; v++) {
        const uint32_t c = count[v];
        count[v] = start;
        start += c;
    }
    for (uint64_t i = 0; i < n; i++) {
        out[count[(keys[i] >> shift) & (DIGIT_VALUES - 1)]++] = keys[i];
    }
}

/* Put nearly sorted keys in order; false, and the keys in another order, when they are not. */
static bool keys_settle(uint64_t *keys, uint64_t n) {
    uint64_t left = SETTLE_MOVES * n;
    for (uint64_t i = 1; i < n; i++) {
        const uint64_t key = keys[i];
        uint64_t at = i;
        for (; at > 0 && keys[at - 1] > key && left > 0; at--, left--) {
            keys[at] = keys[at - 1];
        }
        keys[at] = key;
        if (left == 0) {
            return false;
        }
    }
    return true;
}

/* Sort keys; the result is in one of the two arrays. counts [DIGITS x DIGIT_VALUES]. Of few keys
 * the upper digits say nearly all. */
static uint64_t *keys_sort(uint64_t *keys, uint64_t *other, uint32_t *counts, uint64_t n) {
    for (uint32_t first = n < FEW_KEYS ? UPPER_DIGITS : 0;; first = 0) {
        memset(counts + first * DIGIT_VALUES, 0,
               sizeof(uint32_t) * (DIGITS - first) * DIGIT_VALUES);
        for (uint64_t i = 0; i < n; i++) {
            for (uint32_t d = first; d < DIGITS; d++) {
                counts[d * DIGIT_VALUES + ((keys[i] >> (d * DIGIT_BITS)) & (DIGIT_VALUES - 1))]++;
            }
        }
        for (uint32_t d = first; d < DIGITS && n > 0; d++) {
            uint32_t *count = counts + d * DIGIT_VALUES;
            const uint32_t shift = d * DIGIT_BITS;
            if (count[(keys[0] >> shift) & (DIGIT_VALUES - 1)] == n) {
                continue; /* all keys agree in this digit */
            }
            keys_deal(keys, other, count, shift, n);
            uint64_t *swap = keys;
            keys = other;
            other = swap;
        }
        if (first == 0 || keys_settle(keys, n)) {
            return keys;
        }
    }
}

/* A number m with a <= m < b, near the middle. */
static double between(double a, double b) {
    const double middle = a / 2 + b / 2;
    return middle >= a && middle < b ? middle : a;
}

/* End of the run of equal values that starts at i. */
static uint64_t run_end(const double *values, uint64_t n, uint64_t i) {
    const double x = values[i];
    while (i < n && values[i] == x) {
        i++;
    }
    return i;
}

/*
 * Values that fill a bin alone get one. The rest is shared out evenly: a bin closes when it has its
 * share of what is left, or is half full before a value with a bin of its own.
 */
static uint32_t cuts_by_share(const double *values, uint64_t n, uint32_t max_bins,
                              double *out_cuts) {
    const uint64_t heavy = (n + max_bins - 1) / max_bins;
    uint64_t light_rows = n, light_bins = max_bins;
    for (uint64_t i = 0, end; i < n; i = end) {
        end = run_end(values, n, i);
        if (end - i >= heavy && light_bins > 1) {
            light_rows -= end - i;
            light_bins--;
        }
    }
    uint32_t n_cuts = 0;
    uint64_t in_bin = 0;
    for (uint64_t i = 0, end; i < n && n_cuts + 1 < max_bins; i = end) {
        end = run_end(values, n, i);
        const bool is_heavy = end - i >= heavy;
        const bool next_heavy = end < n && run_end(values, n, end) - end >= heavy;
        in_bin += end - i;
        const double share = (double)light_rows / (double)light_bins;
        if (end < n &&
            (is_heavy || (double)in_bin >= share || (next_heavy && (double)in_bin >= share / 2))) {
            out_cuts[n_cuts++] = between(values[end - 1], values[end]);
            if (!is_heavy) {
                light_rows -= in_bin < light_rows ? in_bin : light_rows;
                light_bins -= light_bins > 1;
            }
            in_bin = 0;
        }
    }
    return n_cuts;
}

uint32_t tm__bin_cuts(const double *values, uint64_t n, uint32_t max_bins, double *out_cuts) {
    uint32_t n_cuts = 0;
    for (uint64_t i = 1; i < n; i++) {
        if (values[i] != values[i - 1]) {
            if (n_cuts + 1 == max_bins) {
                return cuts_by_share(values, n, max_bins, out_cuts);
            }
            out_cuts[n_cuts++] = between(values[i - 1], values[i]);
        }
    }
    return n_cuts;
}

double tm__bin_threshold(const tm_bin_column *column, uint32_t bin) {
    return bin + 1 < column->n_bins ? column->cuts[bin] : (double)INFINITY;
}

typedef struct sort_scratch {
    uint64_t *keys;
    uint64_t *other;
    double *values;
    uint32_t *counts;
} sort_scratch;

typedef struct bin_job {
    tm_ctx *ctx;
    const tm_view *x;
    uint32_t max_bins;
    const uint32_t *sample; /* rows, or NULL for all */
    uint64_t n_sample;
    uint64_t row_begin;     /* of the view, is row 0 of the bins */
    uint64_t col_begin;     /* of the first item of cuts_task */
    double *cuts;           /* [n_cols x CUTS_PADDED] */
    tm_bin_column *columns; /* [n_cols] as found, n_bins 0 for those of no use */
    sort_scratch *scratch;  /* [n_workers] */
    tm_bins *bins;
} bin_job;

static void cuts_task(void *arg, uint64_t item, uint32_t worker) {
    bin_job *job = arg;
    const uint64_t col = job->col_begin + item;
    const tm_feature *feature = &job->x->features[col];
    const double *x = job->x->cols[col];
    double *cuts = job->cuts + col * CUTS_PADDED;
    sort_scratch *scratch = &job->scratch[worker];
    uint64_t n = 0, n_missing = 0;
    if (tm__ctx_cancelled(job->ctx)) {
        return;
    }
    tm_bin_column *column = &job->columns[col];
    *column = (tm_bin_column){.col = (uint32_t)col, .cuts = cuts};
    column->is_categorical = feature->is_categorical;
    for (uint64_t i = 0; i < job->n_sample; i++) {
        const double value = x[job->sample != NULL ? job->sample[i] : i];
        if (isnan(value)) {
            n_missing++;
        } else {
            scratch->keys[n++] = key_from_value(value);
        }
    }
    if (column->is_categorical) {
        column->n_bins =
            feature->n_levels < TM_BIN_LEVELS_MAX ? feature->n_levels : TM_BIN_LEVELS_MAX;
    } else {
        const uint64_t *sorted = keys_sort(scratch->keys, scratch->other, scratch->counts, n);
        for (uint64_t i = 0; i < n; i++) {
            scratch->values[i] = value_from_key(sorted[i]);
        }
        column->n_bins = tm__bin_cuts(scratch->values, n, job->max_bins, cuts) + 1;
        for (uint32_t b = column->n_bins - 1; b < CUTS_PADDED; b++) {
            cuts[b] = (double)INFINITY;
        }
    }
    if (column->n_bins < 2 && (n_missing == 0 || n == 0)) {
        column->n_bins = 0;
    }
}

static uint8_t bin_of_code(const tm_bin_column *column, double x) {
    return x >= 0 && x < (double)column->n_bins ? (uint8_t)x : (uint8_t)column->n_bins;
}

/* Number of cuts below x, by halving a range of 2^k - 1 cuts: no branch depends on x. */
static inline uint8_t bin_of_number(const tm_bin_column *column, uint32_t half, double x) {
    const double *cuts = column->cuts;
    uint32_t at = 0;
    for (uint32_t step = half; step > 0; step >>= 1) {
        at += cuts[at + step - 1] < x ? step : 0;
    }
    return (uint8_t)(isnan(x) ? column->n_bins : at);
}

void tm__bin_values(const tm_bin_column *column, const double *x, uint64_t n, uint8_t *out,
                    uint64_t stride) {
    uint32_t half = 1;
    while (half * 2 < column->n_bins) {
        half *= 2;
    }
    for (uint64_t i = 0; i < n; i++) {
        out[i * stride] =
            column->is_categorical ? bin_of_code(column, x[i]) : bin_of_number(column, half, x[i]);
    }
}

static void bin_task(void *arg, uint64_t item, uint32_t worker) {
    const bin_job *job = arg;
    const tm_bins *bins = job->bins;
    const uint64_t row_begin = item * CHUNK_ROWS;
    const uint64_t n =
        bins->n_rows - row_begin < CHUNK_ROWS ? bins->n_rows - row_begin : (uint64_t)CHUNK_ROWS;
    (void)worker;
    if (tm__ctx_cancelled(job->ctx)) {
        return;
    }
    for (uint32_t j = 0; j < bins->n_columns; j++) {
        const tm_bin_column *column = &bins->columns[j];
        const double *x = job->x->cols[column->col] + job->row_begin + row_begin;
        uint8_t *by_column = bins->by_column + j * bins->n_rows + row_begin;
        tm__bin_values(column, x, n, by_column, 1);
    }
}

static void row_task(void *arg, uint64_t item, uint32_t worker) {
    const bin_job *job = arg;
    const tm_bins *bins = job->bins;
    const uint64_t row_begin = item * CHUNK_ROWS;
    const uint64_t n =
        bins->n_rows - row_begin < CHUNK_ROWS ? bins->n_rows - row_begin : (uint64_t)CHUNK_ROWS;
    (void)worker;
    for (uint32_t j = 0; j < bins->bundles.n_bundles && !tm__ctx_cancelled(job->ctx); j++) {
        const tm_bundle *bundle = &bins->bundles.bundles[j];
        const uint32_t column = bins->bundles.columns[bundle->first];
        const uint8_t *codes = bundle->codes != NULL
                                   ? bundle->codes
                                   : bins->by_column + (uint64_t)column * bins->n_rows;
        uint8_t *by_row = bins->by_row + row_begin * bins->row_bytes + j;
        for (uint64_t i = 0; i < n; i++) {
            by_row[i * bins->row_bytes] = codes[row_begin + i];
        }
    }
}

/* Rows to sort: NULL and n_rows when there are few. */
static tm_status sample_rows(uint64_t n_rows, uint64_t seed, uint32_t **out, uint64_t *out_n,
                             tm_err *err) {
    *out = NULL;
    *out_n = n_rows;
    if (n_rows <= SAMPLE_ROWS) {
        return TM_OK;
    }
    const tm_rng rng = tm__rng_split(seed, "gbdt.bins", 0);
    const uint64_t limit = (uint64_t)(0x1p64 * (double)SAMPLE_ROWS / (double)n_rows);
    uint64_t n = 0;
    for (uint64_t row = 0; row < n_rows; row++) {
        n += tm__rng_at(rng.key, row) < limit;
    }
    uint32_t *rows = tm__mem_alloc(n, sizeof(uint32_t));
    if (rows == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a sample of %llu rows",
                       (unsigned long long)n);
    }
    n = 0;
    for (uint64_t row = 0; row < n_rows; row++) {
        if (tm__rng_at(rng.key, row) < limit) {
            rows[n++] = (uint32_t)row;
        }
    }
    *out = rows;
    *out_n = n;
    return TM_OK;
}

/* Find the cuts of some columns, in parallel over them. */
static tm_status cuts_fit(bin_job *job, tm_row_part cols, tm_err *err) {
    const uint32_t n_workers = tm__pool_threads(job->ctx->pool);
    tm_status st = TM_OK;
    job->scratch = tm__mem_zalloc(n_workers, sizeof(sort_scratch));
    bool ok = job->scratch != NULL;
    for (uint32_t w = 0; w < n_workers && ok; w++) {
        sort_scratch *scratch = &job->scratch[w];
        scratch->keys = tm__mem_alloc(job->n_sample, sizeof(uint64_t));
        scratch->other = tm__mem_alloc(job->n_sample, sizeof(uint64_t));
        scratch->values = tm__mem_alloc(job->n_sample, sizeof(double));
        scratch->counts = tm__mem_alloc(DIGITS * DIGIT_VALUES, sizeof(uint32_t));
        ok = scratch->keys != NULL && scratch->other != NULL && scratch->values != NULL &&
             scratch->counts != NULL;
    }
    if (ok) {
        job->col_begin = cols.begin;
        tm__pool_run(job->ctx->pool, cols.end - cols.begin, cuts_task, job);
    } else {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for sorting %llu values",
                     (unsigned long long)job->n_sample);
    }
    for (uint32_t w = 0; w < n_workers && job->scratch != NULL; w++) {
        tm__mem_free(job->scratch[w].keys);
        tm__mem_free(job->scratch[w].other);
        tm__mem_free(job->scratch[w].values);
        tm__mem_free(job->scratch[w].counts);
    }
    tm__mem_free(job->scratch);
    job->scratch = NULL;
    return st;
}

/* What all ranks found; addresses are this rank's own. */
static void cuts_gather(bin_job *job, tm_row_deal deal, struct tm_comm *comm) {
    tm__comm_gather(comm, deal, sizeof(tm_bin_column), job->columns);
    tm__comm_gather(comm, deal, CUTS_PADDED * sizeof(double), job->cuts);
    for (uint32_t c = 0; c < job->x->n_cols; c++) {
        job->columns[c].cuts = job->cuts + (size_t)c * CUTS_PADDED;
    }
}

/* Bytes of a row: short rows are padded so that none straddles two cache lines. */
static uint32_t row_bytes(uint32_t n_columns) {
    uint32_t bytes = 4;
    while (bytes < n_columns && bytes < 32) {
        bytes *= 2;
    }
    if (n_columns > 64) {
        return (n_columns + 63) / 64 * 64; /* histograms of long rows go by blocks of 64 */
    }
    return n_columns <= bytes ? bytes : (n_columns + 15) / 16 * 16;
}

/* Bundles of the columns, and rows of their codes. */
static tm_status rows_fill(bin_job *job, tm_err *err) {
    tm_bins *bins = job->bins;
    uint32_t *n_bins = tm__mem_alloc(bins->n_columns, sizeof(uint32_t));
    uint32_t most = 1;
    if (n_bins == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for %u columns", bins->n_columns);
    }
    for (uint32_t c = 0; c < bins->n_columns; c++) {
        n_bins[c] = bins->columns[c].n_bins + 1;
    }
    const bool is_part = bins->n_rows < job->x->n_rows;
    const tm_bundle_input input = {.n_rows = is_part ? 0 : bins->n_rows, /* none can be bundled */
                                   .n_columns = bins->n_columns,
                                   .by_column = bins->by_column,
                                   .n_bins = n_bins};
    const tm_status st = tm__bundles_fit(job->ctx, &input, &bins->bundles, err);
    tm__mem_free(n_bins);
    TM_TRY(st);
    for (uint32_t j = 0; j < bins->bundles.n_bundles; j++) {
        const uint32_t n_codes = bins->bundles.bundles[j].n_codes;
        most = n_codes > most ? n_codes : most;
    }
    bins->stride = most <= 64 ? 64 : most <= 128 ? 128 : 256;
    bins->row_bytes = row_bytes(bins->bundles.n_bundles);
    bins->by_row = tm__mem_zalloc(bins->n_rows + 1, bins->row_bytes);
    if (bins->by_row == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for %llu rows of %u bytes",
                       (unsigned long long)bins->n_rows, bins->row_bytes);
    }
    tm__pool_run(job->ctx->pool, (bins->n_rows + CHUNK_ROWS - 1) / CHUNK_ROWS, row_task, job);
    tm__bundles_trim(&bins->bundles);
    return TM_OK;
}

static tm_status bins_fill(bin_job *job, tm_err *err) {
    tm_bins *bins = job->bins;
    for (uint32_t c = 0; c < job->x->n_cols; c++) {
        if (job->columns[c].n_bins > 0) {
            bins->columns[bins->n_columns++] = job->columns[c];
        }
    }
    bins->by_column = tm__mem_alloc((size_t)bins->n_rows * bins->n_columns + 3, 1);
    if (bins->by_column == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for %llu rows of %u columns",
                       (unsigned long long)bins->n_rows, bins->n_columns);
    }
    tm__pool_run(job->ctx->pool, (bins->n_rows + CHUNK_ROWS - 1) / CHUNK_ROWS, bin_task, job);
    return rows_fill(job, err);
}

tm_status tm__bins_fit(tm_ctx *ctx, const tm_view *x, uint32_t max_bins, uint64_t seed,
                       tm_bins *out, tm_err *err) {
    const tm_bin_part whole = {.max_bins = max_bins, .seed = seed, .row_end = x->n_rows};
    return tm__bins_fit_part(ctx, x, &whole, out, err);
}

tm_status tm__bins_fit_part(tm_ctx *ctx, const tm_view *x, const tm_bin_part *part, tm_bins *out,
                            tm_err *err) {
    tm_bins bins = {.n_rows = part->row_end - part->row_begin};
    bin_job job = {.ctx = ctx,
                   .x = x,
                   .max_bins = part->max_bins,
                   .row_begin = part->row_begin,
                   .bins = &bins};
    const tm_row_deal deal = {x->n_cols, 1};
    const tm_row_part own =
        tm__comm_part(deal, tm__comm_rank(part->comm), tm__comm_ranks(part->comm));
    uint32_t *sample = NULL;
    tm_status st = sample_rows(x->n_rows, part->seed, &sample, &job.n_sample, err);
    job.sample = sample;
    bins.cuts = tm__mem_zalloc((size_t)x->n_cols * CUTS_PADDED, sizeof(double));
    bins.columns = tm__mem_zalloc(x->n_cols, sizeof(tm_bin_column));
    job.columns = tm__mem_zalloc(x->n_cols, sizeof(tm_bin_column));
    job.cuts = bins.cuts;
    if (st == TM_OK && (bins.cuts == NULL || bins.columns == NULL || job.columns == NULL)) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for the bins of %u columns", x->n_cols);
    }
    st = st == TM_OK ? cuts_fit(&job, own, err) : st;
    st = tm__comm_check(part->comm, st, err);
    if (st == TM_OK) {
        cuts_gather(&job, deal, part->comm);
        st = tm__comm_status(part->comm, err);
    }
    st = st == TM_OK ? bins_fill(&job, err) : st;
    if (st == TM_OK && tm__ctx_cancelled(ctx)) {
        st = TM_FAIL(err, TM_E_CANCELLED, "binning was cancelled");
    }
    if (st == TM_OK) {
        *out = bins;
        bins = (tm_bins){0};
    }
    tm__mem_free(job.columns);
    tm__mem_free(sample);
    tm__bins_done(&bins);
    return st;
}

void tm__bins_done(tm_bins *bins) {
    tm__mem_free(bins->columns);
    tm__mem_free(bins->cuts);
    tm__bundles_done(&bins->bundles);
    tm__mem_free(bins->by_row);
    tm__mem_free(bins->by_column);
    *bins = (tm_bins){0};
}
