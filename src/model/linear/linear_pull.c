/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What holds coefficients at those of a model. Its loss had its minimum there, so near by it is
 * half of d' H d more than that, H its Hessian there: the logarithm of a normal distribution that
 * stands for all the rows it was fitted on (Laplace's approximation; Opper and Winther 1998, "A
 * Bayesian approach to on-line learning"). Of squared errors it is no approximation. H wants no
 * targets of those rows.
 *
 * One matrix for each output where it is small (tm__curve_can_each()), else its diagonal
 * (Kirkpatrick and others 2017, doi:10.1073/pnas.1611835114).
 */
#include "model/linear/linear_priv.h"

#include <string.h>

#include "base/mem.h"

/* The diagonal alone: slot by slot the mean of second * x^2. */
static bool fill_diagonal(const tm_design *design, const double *second, tm_pull *out) {
    const size_t k = design->n_outputs, n_slots = out->n_penalised / k;
    double *const squares = tm__mem_alloc(n_slots + 1, sizeof(double));
    double *const weights = tm__mem_alloc(design->n_rows, sizeof(double));
    tm_design weighed = *design;
    weighed.w = weights;
    for (size_t o = 0; squares != NULL && weights != NULL && o < k; o++) {
        double sum = 0.0;
        for (uint64_t i = 0; i < design->n_rows; i++) {
            weights[i] = design->w[i] * second[i * k + o];
            sum += weights[i];
        }
        tm__design_squares(&weighed, squares);
        squares[n_slots] = sum;
        for (size_t s = 0; s <= n_slots; s++) {
            out->diagonal[s * k + o] = squares[s];
        }
    }
    const bool is_whole = squares != NULL && weights != NULL;
    tm__mem_free(squares);
    tm__mem_free(weights);
    return is_whole;
}

tm_status tm__pull_init(const tm_design *design, const double *second, tm_pull *out, tm_err *err) {
    bool is_whole = true;
    *out = (tm_pull){.n = tm__design_params(design)};
    out->n_penalised = out->n - design->n_outputs;
    out->center = tm__mem_zalloc(out->n, sizeof(double));
    out->diagonal = tm__mem_alloc(out->n, sizeof(double));
    out->off = tm__mem_alloc(out->n, sizeof(double));
    out->turned = tm__mem_alloc(out->n, sizeof(double));
    is_whole =
        out->center != NULL && out->diagonal != NULL && out->off != NULL && out->turned != NULL;
    if (is_whole && tm__curve_can_each(design)) {
        out->curve = tm__curve_create_each(design, second);
        is_whole = out->curve != NULL;
        if (is_whole) {
            tm__curve_diagonal(out->curve, out->diagonal);
        }
    } else if (is_whole) {
        is_whole = fill_diagonal(design, second, out);
    }
    return is_whole ? TM_OK
                    : TM_FAIL(err, TM_E_NOMEM, "out of memory for %zu coefficients", out->n);
}

double tm__pull_eval(const tm_pull *pull, const double *theta, double *io_gradient) {
    double value = 0.0;
    for (size_t i = 0; i < pull->n; i++) {
        pull->off[i] = theta[i] - pull->center[i];
    }
    if (pull->curve != NULL) {
        tm__curve_times(pull->curve, pull->off, pull->turned);
    }
    for (size_t i = 0; i < pull->n; i++) {
        const double ridge = i < pull->n_penalised ? pull->ridge : 0.0;
        const double turned =
            pull->curve != NULL ? pull->turned[i] : pull->diagonal[i] * pull->off[i];
        const double slope = pull->scale * (turned + ridge * pull->off[i]);
        value += 0.5 * slope * pull->off[i];
        io_gradient[i] += slope;
    }
    return value;
}

double tm__pull_diagonal(const tm_pull *pull, size_t i) {
    return pull->scale * (pull->diagonal[i] + (i < pull->n_penalised ? pull->ridge : 0.0));
}

void tm__pull_done(tm_pull *pull) {
    tm__curve_free(pull->curve);
    tm__mem_free(pull->center);
    tm__mem_free(pull->diagonal);
    tm__mem_free(pull->off);
    tm__mem_free(pull->turned);
    memset(pull, 0, sizeof(*pull));
}
