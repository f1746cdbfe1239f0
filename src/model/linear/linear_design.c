/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a view to rows that the solver can pass over fast.
 *
 *   number    (cut to [lo, hi], median for NaN, minus mean) / sd   as float, column-major
 *   category  level index, n_levels for a missing or unknown one   as u32, column-major
 *   terms     CSR for margins, CSC for gradients; only terms that training rows have
 *
 * Invariants.
 * 1. Work is cut by column, so threads cannot change a bit; sums over rows run in chunks of 4096.
 * 2. codes[j][i] <= n_levels, terms[e] < n_active: the passes index without a check.
 * 3. Quantiles come from at most 16,384 evenly spaced rows: they only decide where to cut and what
 *    stands for a missing value.
 */
#include "model/linear/linear_priv.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"

#define SAMPLE 16384u
#define CHUNK 4096u

typedef struct fit_job {
    const tm_design_spec *spec;
    tm_linear_code *code;
    double *samples; /* [n_threads x SAMPLE] */
} fit_job;

static double weight_of(const tm_design_spec *spec, uint64_t i) {
    return spec->weights == NULL ? 1.0 : spec->weights[spec->rows[i]];
}

/* The value of a rank among values [begin, end), which it puts in place: smaller ones before it,
 * larger ones behind it (Hoare 1961, doi:10.1145/366622.366647). */
static double select_rank(double *values, size_t begin, size_t end, size_t rank) {
    while (end - begin > 1) {
        const double a = values[begin], b = values[begin + (end - begin - 1) / 2],
                     c = values[end - 1];
        const double pivot = fmax(fmin(a, b), fmin(fmax(a, b), c));
        size_t left = begin, right = end - 1;
        for (;;) {
            while (values[left] < pivot) {
                left++;
            }
            while (values[right] > pivot) {
                right--;
            }
            if (left >= right) {
                break;
            }
            const double swap = values[left];
            values[left++] = values[right];
            values[right--] = swap;
        }
        /* values[right + 1 ..] >= pivot, values[.. left - 1] <= pivot */
        if (rank <= right) {
            end = right + 1;
        } else {
            begin = right + 1;
        }
    }
    return values[rank];
}

/* Median and cuts of a number column. */
static void fit_cuts(const tm_design_spec *spec, const double *x, tm_linear_col *col,
                     double *sample) {
    const uint64_t n = spec->n_rows < SAMPLE ? spec->n_rows : SAMPLE;
    size_t n_finite = 0;
    for (uint64_t i = 0; i < n; i++) {
        const double value = x[spec->rows[i * spec->n_rows / n]];
        if (isfinite(value)) {
            sample[n_finite++] = value;
        }
    }
    if (n_finite == 0) {
        return; /* zeroed: the column adds nothing */
    }
    const size_t last = n_finite - 1, edge = last / 100;
    col->median = select_rank(sample, 0, n_finite, last / 2);
    const double low = select_rank(sample, 0, last / 2 + 1, edge);
    const double high = select_rank(sample, last / 2, n_finite, last - edge), span = high - low;
    col->lo = span > 0.0 ? fmax(low - span, -DBL_MAX) : select_rank(sample, 0, edge + 1, 0);
    col->hi =
        span > 0.0 ? fmin(high + span, DBL_MAX) : select_rank(sample, last - edge, n_finite, last);
}

static double filled(const tm_linear_col *col, double value) {
    if (isnan(value)) {
        return col->median;
    }
    return value < col->lo ? col->lo : value > col->hi ? col->hi : value;
}

static void fit_scale(const tm_design_spec *spec, const double *x, tm_linear_col *col) {
    double weight = 0.0, sum = 0.0, square = 0.0;
    for (uint64_t at = 0; at < spec->n_rows; at += CHUNK) {
        const uint64_t end = at + CHUNK < spec->n_rows ? at + CHUNK : spec->n_rows;
        double chunk_weight = 0.0, chunk_sum = 0.0;
        for (uint64_t i = at; i < end; i++) {
            const double value = x[spec->rows[i]], w = weight_of(spec, i);
            col->has_missing = col->has_missing || isnan(value);
            chunk_weight += w;
            chunk_sum += w * (filled(col, value) - col->median);
        }
        weight += chunk_weight;
        sum += chunk_sum;
    }
    const double mean = col->median + sum / weight;
    for (uint64_t at = 0; at < spec->n_rows; at += CHUNK) {
        const uint64_t end = at + CHUNK < spec->n_rows ? at + CHUNK : spec->n_rows;
        double chunk = 0.0;
        for (uint64_t i = at; i < end; i++) {
            const double off = filled(col, x[spec->rows[i]]) - mean;
            chunk += weight_of(spec, i) * (off * off);
        }
        square += chunk;
    }
    const double sd = sqrt(square / weight);
    /* Rounding of a constant column is no spread. */
    if (isfinite(mean) && isfinite(sd) && sd > fabs(mean) * 1e-12 && isfinite(1.0 / sd)) {
        col->mean = mean;
        col->inv_sd = 1.0 / sd;
    }
}

static void fit_col(void *arg, uint64_t item, uint32_t worker) {
    const fit_job *job = arg;
    const tm_feature *feature = &job->spec->x->features[item];
    const double *x = job->spec->x->cols[item];
    tm_linear_col *col = &job->code->cols[item];
    col->is_categorical = feature->is_categorical;
    if (feature->is_categorical) {
        col->n_levels = feature->n_levels;
        return;
    }
    fit_cuts(job->spec, x, col, job->samples + (size_t)worker * SAMPLE);
    fit_scale(job->spec, x, col);
}

/* Terms that occur in the rows. */
static tm_status find_active(const tm_design_spec *spec, tm_linear_code *code, tm_err *err) {
    const tm_sparse *sparse = spec->x->sparse;
    uint32_t n_active = 0;
    if (sparse == NULL || sparse->n_terms == 0) {
        return TM_OK;
    }
    if (sparse->n_terms > TM_LINEAR_TERMS_MAX) {
        return TM_FAIL(err, TM_E_LIMIT, "%u text terms are more than %u", sparse->n_terms,
                       TM_LINEAR_TERMS_MAX);
    }
    uint32_t *slots = tm__mem_zalloc(sparse->n_terms, sizeof(*slots));
    if (slots == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for %u terms", sparse->n_terms);
    }
    for (uint64_t i = 0; i < spec->n_rows; i++) {
        const uint32_t row = spec->rows[i];
        for (uint64_t e = sparse->starts[row]; e < sparse->starts[row + 1]; e++) {
            slots[sparse->terms[e]] = 1;
        }
    }
    for (uint32_t t = 0; t < sparse->n_terms; t++) {
        n_active += slots[t];
    }
    code->active = tm__mem_alloc(n_active, sizeof(*code->active));
    code->active_slot = slots;
    if (code->active == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for %u terms", n_active);
    }
    for (uint32_t t = 0; t < sparse->n_terms; t++) {
        if (slots[t] != 0) {
            slots[t] = code->n_active;
            code->active[code->n_active++] = t;
        } else {
            slots[t] = UINT32_MAX;
        }
    }
    code->n_terms_all = sparse->n_terms;
    return TM_OK;
}

uint64_t tm__linear_code_slots(tm_linear_code *code) {
    uint64_t n_slots = 0;
    for (uint32_t j = 0; j < code->n_cols && n_slots <= TM_LINEAR_PARAMS_MAX; j++) {
        tm_linear_col *col = &code->cols[j];
        col->slot = (uint32_t)n_slots;
        n_slots += col->is_categorical ? (uint64_t)col->n_levels + 1 : col->has_missing ? 2 : 1;
    }
    code->n_dense = (uint32_t)n_slots;
    return n_slots;
}

tm_status tm__linear_code_fit(tm_ctx *ctx, const tm_design_spec *spec, tm_linear_code *out,
                              tm_err *err) {
    tm_linear_code code = {.n_cols = spec->x->n_cols};
    fit_job job = {.spec = spec, .code = &code};
    tm_status st = TM_OK;
    code.cols = tm__mem_zalloc(code.n_cols, sizeof(*code.cols));
    job.samples = tm__mem_alloc((size_t)tm__pool_threads(ctx->pool) * SAMPLE, sizeof(double));
    if (code.cols == NULL || job.samples == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for %u columns", code.n_cols);
        goto out;
    }
    tm__pool_run(ctx->pool, code.n_cols, fit_col, &job);
    if (tm__linear_code_slots(&code) > TM_LINEAR_PARAMS_MAX) {
        st = TM_FAIL(err, TM_E_LIMIT, "a linear model would have more than %u coefficients",
                     TM_LINEAR_PARAMS_MAX);
        goto out;
    }
    st = find_active(spec, &code, err);
    if (st == TM_OK) {
        *out = code;
        memset(&code, 0, sizeof(code));
    }
out:
    tm__mem_free(job.samples);
    tm__linear_code_done(&code);
    return st;
}

void tm__linear_code_done(tm_linear_code *code) {
    tm__mem_free(code->cols);
    tm__mem_free(code->active);
    tm__mem_free(code->active_slot);
    memset(code, 0, sizeof(*code));
}

/* ---- designs ---- */

typedef struct pack_job {
    const tm_design_spec *spec;
    tm_design *design;
} pack_job;

static void pack_col(void *arg, uint64_t item, uint32_t worker) {
    const pack_job *job = arg;
    const tm_design_spec *spec = job->spec;
    const tm_linear_col *col = &job->design->code->cols[item];
    const double *x = spec->x->cols[item];
    (void)worker;
    if (col->is_categorical) {
        uint32_t *codes = job->design->codes[item];
        for (uint64_t i = 0; i < spec->n_rows; i++) {
            const double value = x[spec->rows[i]];
            codes[i] = value >= 0.0 && value < col->n_levels ? (uint32_t)value : col->n_levels;
        }
        return;
    }
    float *numbers = job->design->numbers[item];
    uint8_t *missing = job->design->missing[item];
    for (uint64_t i = 0; i < spec->n_rows; i++) {
        const double value = x[spec->rows[i]];
        numbers[i] = (float)((filled(col, value) - col->mean) * col->inv_sd);
        if (missing != NULL) {
            missing[i] = (uint8_t)(isnan(value) != 0);
        }
    }
}

static bool alloc_cols(tm_design *design, uint64_t n) {
    const tm_linear_code *code = design->code;
    design->numbers = tm__mem_zalloc(code->n_cols, sizeof(*design->numbers));
    design->missing = tm__mem_zalloc(code->n_cols, sizeof(*design->missing));
    design->codes = tm__mem_zalloc(code->n_cols, sizeof(*design->codes));
    design->y = tm__mem_alloc(n, sizeof(double));
    design->w = tm__mem_alloc(n, sizeof(double));
    if (design->numbers == NULL || design->missing == NULL || design->codes == NULL ||
        design->y == NULL || design->w == NULL) {
        return false;
    }
    for (uint32_t j = 0; j < code->n_cols; j++) {
        const tm_linear_col *col = &code->cols[j];
        if (col->is_categorical) {
            design->codes[j] = tm__mem_alloc(n, sizeof(uint32_t));
            if (design->codes[j] == NULL) {
                return false;
            }
            continue;
        }
        design->numbers[j] = tm__mem_alloc(n, sizeof(float));
        design->missing[j] = col->has_missing ? tm__mem_alloc(n, 1) : NULL;
        if (design->numbers[j] == NULL || (col->has_missing && design->missing[j] == NULL)) {
            return false;
        }
    }
    return true;
}

/* CSR over the active terms. */
static bool pack_terms(const tm_design_spec *spec, tm_design *design) {
    const tm_sparse *sparse = spec->x->sparse;
    const tm_linear_code *code = design->code;
    uint64_t n_values = 0;
    for (uint64_t i = 0; i < spec->n_rows; i++) {
        n_values += sparse->starts[spec->rows[i] + 1] - sparse->starts[spec->rows[i]];
    }
    design->starts = tm__mem_alloc(spec->n_rows + 1, sizeof(*design->starts));
    design->terms = tm__mem_alloc(n_values, sizeof(*design->terms));
    design->values = tm__mem_alloc(n_values, sizeof(*design->values));
    if (design->starts == NULL || design->terms == NULL || design->values == NULL) {
        return false;
    }
    uint64_t at = 0;
    for (uint64_t i = 0; i < spec->n_rows; i++) {
        const uint32_t row = spec->rows[i];
        design->starts[i] = at;
        for (uint64_t e = sparse->starts[row]; e < sparse->starts[row + 1]; e++) {
            const uint32_t slot = code->active_slot[sparse->terms[e]];
            if (slot != UINT32_MAX) {
                design->terms[at] = slot;
                design->values[at++] = sparse->values[e];
            }
        }
    }
    design->starts[spec->n_rows] = at;
    return true;
}

/* The transpose, rows rising within a term. */
static bool turn_terms(tm_design *design) {
    const uint32_t n_active = design->code->n_active;
    const uint64_t n_values = design->starts[design->n_rows];
    design->term_starts = tm__mem_zalloc((size_t)n_active + 2, sizeof(*design->term_starts));
    design->term_rows = tm__mem_alloc(n_values, sizeof(*design->term_rows));
    design->term_values = tm__mem_alloc(n_values, sizeof(*design->term_values));
    if (design->term_starts == NULL || design->term_rows == NULL || design->term_values == NULL) {
        return false;
    }
    /* Counting one place further leaves the starts in place once the rows have been dealt out. */
    uint64_t *next = design->term_starts + 1;
    for (uint64_t e = 0; e < n_values; e++) {
        next[design->terms[e] + 1]++;
    }
    for (uint32_t t = 1; t <= n_active; t++) {
        next[t] += next[t - 1];
    }
    for (uint64_t i = 0; i < design->n_rows; i++) {
        for (uint64_t e = design->starts[i]; e < design->starts[i + 1]; e++) {
            const uint64_t to = next[design->terms[e]]++;
            design->term_rows[to] = (uint32_t)i;
            design->term_values[to] = design->values[e];
        }
    }
    return true;
}

static void pack_target(const tm_design_spec *spec, tm_design *design) {
    double weight = 0.0;
    for (uint64_t at = 0; at < spec->n_rows; at += CHUNK) {
        const uint64_t end = at + CHUNK < spec->n_rows ? at + CHUNK : spec->n_rows;
        double chunk = 0.0;
        for (uint64_t i = at; i < end; i++) {
            design->w[i] = weight_of(spec, i);
            const double y = spec->y == NULL ? spec->y_mean : spec->y[spec->rows[i]];
            design->y[i] = (y - spec->y_mean) / spec->y_sd;
            chunk += design->w[i];
        }
        weight += chunk;
    }
    /* Rows that all weigh 0 (a fold may have none else) then count nothing. */
    for (uint64_t i = 0; weight > 0.0 && i < spec->n_rows; i++) {
        design->w[i] /= weight;
    }
}

tm_status tm__design_create(tm_ctx *ctx, const tm_design_spec *spec, const tm_linear_code *code,
                            tm_design *out, tm_err *err) {
    const tm_fit_input *in = spec->in;
    tm_design design = {.task = in->task,
                        .n_outputs = in->task == TM_TASK_MULTICLASS ? in->n_classes : 1,
                        .n_rows = spec->n_rows,
                        .code = code};
    pack_job job = {.spec = spec, .design = &design};
    bool is_whole = alloc_cols(&design, spec->n_rows);
    if (is_whole) {
        tm__pool_run(ctx->pool, code->n_cols, pack_col, &job);
        pack_target(spec, &design);
    }
    if (is_whole && code->n_active > 0) {
        is_whole = pack_terms(spec, &design) && (!spec->with_gradient || turn_terms(&design));
    }
    if (!is_whole) {
        tm__design_done(&design);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for %llu rows of a linear model",
                       (unsigned long long)spec->n_rows);
    }
    design.work = spec->n_rows * code->n_cols;
    design.work += design.starts == NULL ? 0 : design.starts[spec->n_rows];
    *out = design;
    return TM_OK;
}

void tm__design_done(tm_design *design) {
    const uint32_t n_cols = design->code == NULL ? 0 : design->code->n_cols;
    for (uint32_t j = 0; j < n_cols; j++) {
        tm__mem_free(design->numbers == NULL ? NULL : design->numbers[j]);
        tm__mem_free(design->missing == NULL ? NULL : design->missing[j]);
        tm__mem_free(design->codes == NULL ? NULL : design->codes[j]);
    }
    tm__mem_free(design->numbers);
    tm__mem_free(design->missing);
    tm__mem_free(design->codes);
    tm__mem_free(design->y);
    tm__mem_free(design->w);
    tm__mem_free(design->starts);
    tm__mem_free(design->terms);
    tm__mem_free(design->values);
    tm__mem_free(design->term_starts);
    tm__mem_free(design->term_rows);
    tm__mem_free(design->term_values);
    memset(design, 0, sizeof(*design));
}

uint64_t tm__design_params(const tm_design *design) {
    const tm_linear_code *code = design->code;
    return ((uint64_t)code->n_dense + code->n_active + 1) * design->n_outputs;
}

void tm__design_squares(const tm_design *design, double *out) {
    const tm_linear_code *code = design->code;
    memset(out, 0, ((size_t)code->n_dense + code->n_active) * sizeof(double));
    for (uint32_t j = 0; j < code->n_cols; j++) {
        double *first = out + code->cols[j].slot;
        for (uint64_t i = 0; i < design->n_rows; i++) {
            if (design->codes[j] != NULL) {
                first[design->codes[j][i]] += design->w[i];
                continue;
            }
            const double x = (double)design->numbers[j][i];
            first[0] += design->w[i] * (x * x);
            if (design->missing[j] != NULL && design->missing[j][i] != 0) {
                first[1] += design->w[i];
            }
        }
    }
    for (uint64_t i = 0; design->starts != NULL && i < design->n_rows; i++) {
        for (uint64_t e = design->starts[i]; e < design->starts[i + 1]; e++) {
            const double x = (double)design->values[e];
            out[code->n_dense + design->terms[e]] += design->w[i] * (x * x);
        }
    }
}
