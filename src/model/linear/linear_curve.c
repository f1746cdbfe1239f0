/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bound on the Hessian of the mean loss, of all coefficients of an output together: c X'WX, with
 * c 1 for squared errors and 1/4 for classes (Bohning and Lindsay 1988, doi:10.1007/BF00049423),
 * plus the penalty. Its Cholesky factor makes steps of a solver all but Newton's: columns that go
 * together, which a diagonal takes for independent, cost no more steps.
 *
 * The Hessian itself, where second derivatives of the rows' losses are given: one for each output,
 * what outputs have in common left out. A pull (linear_pull.c) goes by it.
 *
 * Invariant: sums run block by block in row order on the caller's thread, 8 lanes in the source.
 * Those of a bound are of at most ROWS_MAX rows, evenly spaced: a preconditioner changes the way to
 * the minimum and not the minimum.
 */
#include "model/linear/linear_priv.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

#define SLOTS_MAX 128u
#define CELLS_MAX (1u << 19) /* of all outputs: some seconds for 32,768 rows, at the most */
#define ROWS_MAX 4096u
#define BLOCK 256u
#define LANES 8u
#define FLOOR 1e-10 /* of a pivot, against the largest: what is less follows from other columns */

struct tm_curve {
    uint32_t n; /* slots and the intercept */
    uint32_t n_outputs;
    uint32_t n_sums, n_factors; /* 1: the same for all outputs; else n_outputs */
    double *sums;               /* [n_sums x n x n] lower triangles */
    double *factor;             /* [n_factors x n x n] */
    double *at;                 /* of sums: what rows are added to */
    double *columns;            /* [n x BLOCK] values of a block, of slots that are not levels */
    double weights[BLOCK], row[SLOTS_MAX];
    uint32_t n_plain, plain[SLOTS_MAX]; /* slots that are not levels */
};

static void find_plain(tm_curve *self, const tm_linear_code *code) {
    for (uint32_t j = 0; j < code->n_cols; j++) {
        const tm_linear_col *const col = &code->cols[j];
        for (uint32_t s = 0; !col->is_categorical && s < (col->has_missing ? 2u : 1u); s++) {
            self->plain[self->n_plain++] = col->slot + s;
        }
    }
    self->plain[self->n_plain++] = self->n - 1;
}

static double *values_of(tm_curve *self, uint32_t slot) {
    return self->columns + (size_t)slot * BLOCK;
}

/* Values of some rows, slot by slot; rows past the end weigh nothing. */
static void fill_block(tm_curve *self, const tm_design *design, const uint64_t *rows, uint32_t n) {
    const tm_linear_code *code = design->code;
    memset(self->columns, 0, (size_t)self->n * BLOCK * sizeof(double));
    for (uint32_t j = 0; j < code->n_cols; j++) {
        double *const x = values_of(self, code->cols[j].slot);
        for (uint32_t i = 0; design->numbers[j] != NULL && i < n; i++) {
            x[i] = (double)design->numbers[j][rows[i]];
        }
        for (uint32_t i = 0; design->missing[j] != NULL && i < n; i++) {
            x[BLOCK + i] = design->missing[j][rows[i]] != 0 ? 1.0 : 0.0;
        }
    }
    for (uint32_t i = 0; i < BLOCK; i++) {
        self->weights[i] = i < n ? design->w[rows[i]] : 0.0;
        values_of(self, self->n - 1)[i] = 1.0;
    }
}

static double product(const double *a, const double *b, const double *w) {
    double lanes[LANES] = {0};
    for (uint32_t i = 0; i < BLOCK; i += LANES) {
        for (uint32_t l = 0; l < LANES; l++) {
            lanes[l] += w[i + l] * a[i + l] * b[i + l];
        }
    }
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
           ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

static double *sum_of(tm_curve *self, uint32_t a, uint32_t b) {
    return &self->at[(size_t)(a > b ? a : b) * self->n + (a > b ? b : a)];
}

static void add_plain(tm_curve *self) {
    for (uint32_t i = 0; i < self->n_plain; i++) {
        for (uint32_t j = 0; j <= i; j++) {
            const uint32_t a = self->plain[i], b = self->plain[j];
            *sum_of(self, a, b) += product(values_of(self, a), values_of(self, b), self->weights);
        }
    }
}

/* A row has one level of a category: with each other slot of it that is one sum. */
static void add_levels(tm_curve *self, const tm_design *design, const uint64_t *rows, uint32_t n) {
    const tm_linear_code *code = design->code;
    for (uint32_t j = 0; j < code->n_cols; j++) {
        for (uint32_t i = 0; design->codes[j] != NULL && i < n; i++) {
            const uint32_t level = code->cols[j].slot + design->codes[j][rows[i]];
            for (uint32_t p = 0; p < self->n_plain; p++) {
                *sum_of(self, level, self->plain[p]) +=
                    self->weights[i] * values_of(self, self->plain[p])[i];
            }
            for (uint32_t other = 0; other <= j; other++) {
                if (design->codes[other] != NULL) {
                    *sum_of(self, level, code->cols[other].slot + design->codes[other][rows[i]]) +=
                        self->weights[i];
                }
            }
        }
    }
}

static size_t cells(const tm_curve *self) {
    return (size_t)self->n * self->n;
}

static void add_block(tm_curve *self, const tm_design *design, const uint64_t *rows, uint32_t n) {
    add_plain(self);
    add_levels(self, design, rows, n);
}

static void add_bound(tm_curve *self, const tm_design *design) {
    const uint64_t n = design->n_rows < ROWS_MAX ? design->n_rows : ROWS_MAX;
    const bool is_class = design->task == TM_TASK_BINARY || design->task == TM_TASK_MULTICLASS;
    uint64_t rows[BLOCK];
    double weight = 0.0;
    for (uint64_t at = 0; at < n; at += BLOCK) {
        const uint32_t n_block = n - at < BLOCK ? (uint32_t)(n - at) : BLOCK;
        for (uint32_t i = 0; i < n_block; i++) {
            rows[i] = (at + i) * design->n_rows / n;
            weight += design->w[rows[i]];
        }
        fill_block(self, design, rows, n_block);
        add_block(self, design, rows, n_block);
    }
    const double scale = (is_class ? 0.25 : 1.0) / (weight > 0.0 ? weight : 1.0);
    for (size_t i = 0; i < cells(self); i++) {
        self->sums[i] *= scale;
    }
}

static void add_second(tm_curve *self, const tm_design *design, const double *second) {
    const size_t k = self->n_outputs;
    uint64_t rows[BLOCK];
    for (uint64_t at = 0; at < design->n_rows; at += BLOCK) {
        const uint64_t n_left = design->n_rows - at;
        const uint32_t n_block = n_left < BLOCK ? (uint32_t)n_left : BLOCK;
        for (uint32_t i = 0; i < n_block; i++) {
            rows[i] = at + i;
        }
        fill_block(self, design, rows, n_block);
        for (size_t o = 0; o < k; o++) {
            for (uint32_t i = 0; i < n_block; i++) {
                self->weights[i] = design->w[at + i] * second[(at + i) * k + o];
            }
            self->at = self->sums + o * cells(self);
            add_block(self, design, rows, n_block);
        }
    }
}

bool tm__curve_can(const tm_design *design) {
    return design->starts == NULL && design->code->n_dense < SLOTS_MAX;
}

bool tm__curve_can_each(const tm_design *design) {
    const size_t n = (size_t)design->code->n_dense + 1;
    return tm__curve_can(design) && design->n_outputs * n * n <= CELLS_MAX;
}

static tm_curve *create(const tm_design *design, uint32_t n_sums) {
    tm_curve *self = tm__mem_zalloc(1, sizeof(*self));
    if (self == NULL) {
        return NULL;
    }
    self->n = design->code->n_dense + 1;
    self->n_outputs = design->n_outputs;
    self->n_sums = self->n_factors = n_sums;
    self->sums = tm__mem_zalloc(n_sums * cells(self), sizeof(double));
    self->factor = tm__mem_zalloc(n_sums * cells(self), sizeof(double));
    self->columns = tm__mem_alloc((size_t)self->n * BLOCK, sizeof(double));
    if (self->sums == NULL || self->factor == NULL || self->columns == NULL) {
        tm__curve_free(self);
        return NULL;
    }
    self->at = self->sums;
    find_plain(self, design->code);
    return self;
}

tm_curve *tm__curve_create(const tm_design *design) {
    tm_curve *const self = create(design, 1);
    if (self != NULL) {
        add_bound(self, design);
    }
    return self;
}

tm_curve *tm__curve_create_each(const tm_design *design, const double *second) {
    tm_curve *const self = create(design, design->n_outputs);
    if (self != NULL) {
        add_second(self, design, second);
    }
    return self;
}

bool tm__curve_widen(tm_curve *curve) {
    double *const factor = tm__mem_zalloc(curve->n_outputs * cells(curve), sizeof(double));
    if (factor == NULL) {
        return false;
    }
    tm__mem_free(curve->factor);
    curve->factor = factor;
    curve->n_factors = curve->n_outputs;
    return true;
}

void tm__curve_free(tm_curve *curve) {
    if (curve != NULL) {
        tm__mem_free(curve->sums);
        tm__mem_free(curve->factor);
        tm__mem_free(curve->columns);
        tm__mem_free(curve);
    }
}

/* Lower triangle of what is to be factored, of one output: the sums, and those of another. */
static double cell_of(const tm_curve *self, uint32_t o, size_t cell) {
    return self->sums[(self->n_sums == 1 ? 0 : o) * cells(self) + cell];
}

static bool factor_one(tm_curve *curve, uint32_t o, double ridge, const tm_curve *other,
                       double share) {
    const uint32_t n = curve->n;
    double *const factor = curve->factor + o * cells(curve);
    double most = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        double *const row = factor + (size_t)i * n;
        for (uint32_t j = 0; j <= i; j++) {
            const double *const before = factor + (size_t)j * n;
            double sum = cell_of(curve, o, (size_t)i * n + j) + (i == j && i + 1 < n ? ridge : 0.0);
            sum += other != NULL ? share * cell_of(other, o, (size_t)i * n + j) : 0.0;
            most = i == j && sum > most ? sum : most;
            for (uint32_t m = 0; m < j; m++) {
                sum -= row[m] * before[m];
            }
            if (i == j && !(sum > FLOOR * most)) {
                return false;
            }
            row[j] = i == j ? sqrt(sum) : sum / before[j];
        }
    }
    return true;
}

bool tm__curve_factor(tm_curve *curve, double ridge, const tm_curve *other, double share) {
    for (uint32_t o = 0; o < curve->n_factors; o++) {
        if (!factor_one(curve, o, ridge, other, share)) {
            return false;
        }
    }
    return true;
}

static void solve_one(tm_curve *curve, uint32_t o, double *v) {
    const uint32_t n = curve->n, k = curve->n_outputs;
    const double *const factor = curve->factor + (curve->n_factors == 1 ? 0 : o) * cells(curve);
    double *const x = curve->row;
    for (uint32_t i = 0; i < n; i++) {
        const double *const row = factor + (size_t)i * n;
        double sum = v[(size_t)i * k + o];
        for (uint32_t m = 0; m < i; m++) {
            sum -= row[m] * x[m];
        }
        x[i] = sum / row[i];
    }
    for (uint32_t i = n; i-- > 0;) {
        double sum = x[i];
        for (uint32_t m = i + 1; m < n; m++) {
            sum -= factor[(size_t)m * n + i] * x[m];
        }
        x[i] = sum / factor[(size_t)i * n + i];
        v[(size_t)i * k + o] = x[i];
    }
}

void tm__curve_solve(tm_curve *curve, double *v) {
    for (uint32_t o = 0; o < curve->n_outputs; o++) {
        solve_one(curve, o, v);
    }
}

void tm__curve_times(const tm_curve *curve, const double *v, double *out) {
    const size_t n = curve->n, k = curve->n_outputs;
    memset(out, 0, n * k * sizeof(double));
    for (uint32_t o = 0; o < k; o++) {
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j <= i; j++) {
                const double cell = cell_of(curve, o, i * n + j);
                out[i * k + o] += cell * v[j * k + o];
                out[j * k + o] += i != j ? cell * v[i * k + o] : 0.0;
            }
        }
    }
}

void tm__curve_diagonal(const tm_curve *curve, double *out) {
    const size_t n = curve->n, k = curve->n_outputs;
    for (size_t i = 0; i < n; i++) {
        for (uint32_t o = 0; o < k; o++) {
            out[i * k + o] = cell_of(curve, o, i * n + i);
        }
    }
}
