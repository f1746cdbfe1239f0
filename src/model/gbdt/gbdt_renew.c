/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Residuals are dealt to their leaves in the order of rows, whatever parts the grower made of them,
 * so that sums and choices of pivots do not depend on threads; then each leaf is one item of work.
 *
 * Source: Friedman 2001, doi:10.1214/aos/1013203451, Algorithms 3 (absolute) and 4 (huber).
 */
#include "model/gbdt/gbdt_renew.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"

/* ---- quantile ---- */

static void swap(double *values, double *weights, uint64_t a, uint64_t b) {
    const double v = values[a];
    values[a] = values[b];
    values[b] = v;
    if (weights != NULL) {
        const double w = weights[a];
        weights[a] = weights[b];
        weights[b] = w;
    }
}

/* Values of a range in three: below, at and above a pivot. */
typedef struct cut {
    uint64_t low, high; /* at the pivot: low .. high - 1 */
    double below, at;   /* weight */
} cut;

static cut partition(double *values, double *weights, uint64_t begin, uint64_t end, double pivot) {
    cut c = {.low = begin, .high = end};
    for (uint64_t i = begin; i < c.high;) {
        const double w = weights != NULL ? weights[i] : 1;
        if (values[i] < pivot) {
            c.below += w;
            swap(values, weights, c.low++, i++);
        } else if (values[i] > pivot) {
            swap(values, weights, i, --c.high);
        } else {
            c.at += w;
            i++;
        }
    }
    return c;
}

static double middle(double a, double b, double c) {
    return fmax(fmin(a, b), fmin(fmax(a, b), c));
}

static double pivot_of(const double *values, uint64_t begin, uint64_t end) {
    const uint64_t n = end - begin, step = n / 9 + 1;
    const double *v = values + begin;
    if (n < 9 * 9) {
        return middle(v[0], v[n / 2], v[n - 1]);
    }
    return middle(middle(v[0], v[step], v[2 * step]), middle(v[3 * step], v[4 * step], v[5 * step]),
                  middle(v[6 * step], v[7 * step], v[8 * step < n ? 8 * step : n - 1]));
}

/* The smallest value over the place `after` that has weight; `none` when there is none. */
static double next_above(const double *values, const double *weights, uint64_t n, double after,
                         double none) {
    double best = (double)INFINITY;
    for (uint64_t i = 0; i < n; i++) {
        if (values[i] > after && values[i] < best && (weights == NULL || weights[i] > 0)) {
            best = values[i];
        }
    }
    return isinf(best) ? none : best;
}

double tm__quantile(double *values, double *weights, uint64_t n, double share) {
    double total = (double)n, before = 0;
    uint64_t begin = 0, end = n;
    if (weights != NULL) {
        total = 0;
        for (uint64_t i = 0; i < n; i++) {
            total += weights[i];
        }
    }
    const double wanted = share * total;
    double found = values[0];
    while (begin < end) {
        const double pivot = pivot_of(values, begin, end);
        const cut c = partition(values, weights, begin, end, pivot);
        if (c.below > 0 && before + c.below >= wanted) {
            end = c.low;
            continue;
        }
        if (c.at > 0) {
            found = pivot; /* the last with weight, should rounding leave nothing above */
        }
        if (c.at > 0 && before + c.below + c.at >= wanted) {
            if (before + c.below + c.at == wanted) {
                return found / 2 + next_above(values, weights, n, found, found) / 2;
            }
            return found;
        }
        before += c.below + c.at;
        begin = c.high;
    }
    return found;
}

/* ---- leaves ---- */

tm_status tm__renewal_init(const tm_loss *loss, uint32_t max_leaves, tm_renewal *out, tm_err *err) {
    tm_renewal made = {.n_rows = loss->n_rows};
    made.residuals = tm__mem_alloc(loss->n_rows, sizeof(double));
    made.weights = loss->weights != NULL ? tm__mem_alloc(loss->n_rows, sizeof(double)) : NULL;
    made.starts = tm__mem_zalloc((size_t)max_leaves + 1, sizeof(uint64_t));
    made.places = tm__mem_zalloc(max_leaves, sizeof(uint64_t));
    if (made.residuals == NULL || (loss->weights != NULL && made.weights == NULL) ||
        made.starts == NULL || made.places == NULL) {
        tm__renewal_done(&made);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for the residuals of %llu rows",
                       (unsigned long long)loss->n_rows);
    }
    *out = made;
    return TM_OK;
}

void tm__renewal_done(tm_renewal *renewal) {
    tm__mem_free(renewal->residuals);
    tm__mem_free(renewal->weights);
    tm__mem_free(renewal->starts);
    tm__mem_free(renewal->places);
    *renewal = (tm_renewal){0};
}

typedef struct renew_job {
    tm_renewal *renewal;
    const tm_loss *loss;
    double *out;
} renew_job;

/* One step from the median: the mean of residuals around it, those far off cut to delta. */
static double huber_step(const double *residuals, const double *weights, uint64_t n, double delta,
                         double median) {
    double sum = 0, total = 0;
    for (uint64_t i = 0; i < n; i++) {
        const double w = weights != NULL ? weights[i] : 1;
        sum += w * fmin(fmax((residuals[i] - median) / delta, -1), 1);
        total += w;
    }
    return median + delta * (sum / total);
}

static void leaf_task(void *arg, uint64_t leaf, uint32_t worker) {
    const renew_job *job = arg;
    const tm_renewal *renewal = job->renewal;
    const tm_loss_spec *spec = &job->loss->spec;
    const uint64_t begin = renewal->starts[leaf], n = renewal->starts[leaf + 1] - begin;
    double *residuals = renewal->residuals + begin, total = (double)n;
    double *weights = renewal->weights != NULL ? renewal->weights + begin : NULL;
    (void)worker;
    if (weights != NULL) {
        total = 0;
        for (uint64_t i = 0; i < n; i++) {
            total += weights[i];
        }
    }
    job->out[leaf] = 0;
    if (!(total > 0)) {
        return;
    }
    const bool is_quantile = spec->objective == TM_OBJECTIVE_QUANTILE;
    const double middle_value =
        tm__quantile(residuals, weights, n, is_quantile ? spec->quantile : 0.5);
    job->out[leaf] = spec->objective == TM_OBJECTIVE_HUBER
                         ? huber_step(residuals, weights, n, spec->huber_delta, middle_value)
                         : middle_value;
}

static bool counts(const tm_renewal_leaves *leaves, uint64_t row) {
    return leaves->rows == NULL || ((leaves->rows[row >> 6] >> (row & 63)) & 1) != 0;
}

void tm__renewal_fit(struct tm_pool *pool, tm_renewal *renewal, const tm_loss *loss,
                     const double *scores, const tm_renewal_leaves *leaves, double *out) {
    uint64_t *starts = renewal->starts, *places = renewal->places;
    memset(starts, 0, ((size_t)leaves->n_leaves + 1) * sizeof(*starts));
    for (uint64_t row = 0; row < renewal->n_rows; row++) {
        starts[leaves->leaf_of[row] + 1] += counts(leaves, row);
    }
    for (uint32_t leaf = 0; leaf < leaves->n_leaves; leaf++) {
        places[leaf] = starts[leaf];
        starts[leaf + 1] += starts[leaf];
    }
    for (uint64_t row = 0; row < renewal->n_rows; row++) {
        if (counts(leaves, row)) {
            const uint64_t at = places[leaves->leaf_of[row]]++;
            renewal->residuals[at] = loss->y[row] - scores[row];
            if (renewal->weights != NULL) {
                renewal->weights[at] = loss->weights[row];
            }
        }
    }
    renew_job job = {.renewal = renewal, .loss = loss, .out = out};
    tm__pool_run(pool, leaves->n_leaves, leaf_task, &job);
}
