/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/simd.h"
#include "made_data.h"
#include "model/gbdt/gbdt_loss.h"

#define ROWS 600u
#define K 3u

typedef struct loss_case {
    const char *name;
    tm_task task;
    uint32_t n_outputs;
    bool is_weighted;
    double size; /* of targets */
    tm_objective objective;
    double parameter; /* of the objective */
} loss_case;

static const loss_case cases[] = {
    {"binary", TM_TASK_BINARY, 1, false, 1, TM_OBJECTIVE_AUTO, 0},
    {"weighted binary", TM_TASK_BINARY, 1, true, 1, TM_OBJECTIVE_AUTO, 0},
    {"classes", TM_TASK_MULTICLASS, K, false, 1, TM_OBJECTIVE_AUTO, 0},
    {"weighted classes", TM_TASK_MULTICLASS, K, true, 1, TM_OBJECTIVE_SOFTMAX, 0},
    {"squares", TM_TASK_REGRESSION, 1, false, 1, TM_OBJECTIVE_AUTO, 0},
    {"weighted squares", TM_TASK_REGRESSION, 1, true, 1, TM_OBJECTIVE_SQUARED, 0},
    {"tiny squares", TM_TASK_REGRESSION, 1, false, 1e-60, TM_OBJECTIVE_AUTO, 0},
    {"huge squares", TM_TASK_REGRESSION, 1, true, 1e90, TM_OBJECTIVE_AUTO, 0},
    {"absolute", TM_TASK_REGRESSION, 1, false, 1, TM_OBJECTIVE_ABSOLUTE, 0},
    {"weighted absolute", TM_TASK_REGRESSION, 1, true, 1, TM_OBJECTIVE_ABSOLUTE, 0},
    {"huge absolute", TM_TASK_REGRESSION, 1, false, 1e90, TM_OBJECTIVE_ABSOLUTE, 0},
    {"low quantile", TM_TASK_REGRESSION, 1, false, 1, TM_OBJECTIVE_QUANTILE, 0.1},
    {"weighted high quantile", TM_TASK_REGRESSION, 1, true, 1, TM_OBJECTIVE_QUANTILE, 0.9},
    {"tiny quantile", TM_TASK_REGRESSION, 1, false, 1e-60, TM_OBJECTIVE_QUANTILE, 0.7},
    {"huber", TM_TASK_REGRESSION, 1, false, 1, TM_OBJECTIVE_HUBER, 0.7},
    {"weighted huber", TM_TASK_REGRESSION, 1, true, 1, TM_OBJECTIVE_HUBER, 0.4},
    {"huber beside a huge spread", TM_TASK_REGRESSION, 1, false, 1e5, TM_OBJECTIVE_HUBER, 1},
    {"huber of a tiny spread", TM_TASK_REGRESSION, 1, false, 1e-6, TM_OBJECTIVE_HUBER, 1},
    {"poisson", TM_TASK_REGRESSION, 1, false, 1, TM_OBJECTIVE_POISSON, 0},
    {"weighted poisson", TM_TASK_REGRESSION, 1, true, 1, TM_OBJECTIVE_POISSON, 0},
    {"gamma", TM_TASK_REGRESSION, 1, false, 1, TM_OBJECTIVE_GAMMA, 0},
    {"weighted gamma", TM_TASK_REGRESSION, 1, true, 1, TM_OBJECTIVE_GAMMA, 0},
    {"tweedie", TM_TASK_REGRESSION, 1, false, 1, TM_OBJECTIVE_TWEEDIE, 1.5},
    {"weighted tweedie", TM_TASK_REGRESSION, 1, true, 1, TM_OBJECTIVE_TWEEDIE, 1.1},
    {"tweedie that is poisson", TM_TASK_REGRESSION, 1, false, 1, TM_OBJECTIVE_TWEEDIE, 1},
    {"tweedie that is gamma", TM_TASK_REGRESSION, 1, false, 1, TM_OBJECTIVE_TWEEDIE, 2},
};

typedef struct loss_data {
    double y[ROWS], weights[ROWS], scores[K * ROWS], norms[ROWS], chunks[1];
    tm_loss loss;
    tm_gradients gradients;
} loss_data;

static tm_loss_spec spec_of(const loss_case *c) {
    return (tm_loss_spec){.task = c->task,
                          .objective = c->objective,
                          .n_outputs = c->n_outputs,
                          .quantile = c->parameter,
                          .huber_delta = c->parameter,
                          .tweedie_power = c->parameter};
}

static bool is_log(const loss_case *c) {
    return tm__objective_is_log(c->objective);
}

static void data_init(const loss_case *c, loss_data *d) {
    const bool is_positive = c->objective == TM_OBJECTIVE_GAMMA || c->parameter == 2;
    const tm_loss_spec spec = spec_of(c);
    for (uint32_t row = 0; row < ROWS; row++) {
        d->y[row] = floor(made_random(1, row) * (c->task == TM_TASK_BINARY ? 2 : K));
        d->y[row] *= c->task == TM_TASK_REGRESSION ? c->size : 1;
        d->y[row] += is_positive ? 0.1 + made_random(4, row) : 0;
        d->weights[row] = row % 7 == 3 ? 0 : 5 * made_random(2, row);
    }
    for (uint32_t i = 0; i < K * ROWS; i++) {
        d->scores[i] = (made_random(3, i) * 4 - 2) * c->size;
    }
    tm_err err = {0};
    if (tm__loss_init(&spec, ROWS, d->y, c->is_weighted ? d->weights : NULL, &d->loss, &err) !=
        TM_OK) {
        fail_msg("%s: %s", c->name, err.message);
    }
    assert_int_equal(tm__gradients_init(ROWS, &d->gradients, NULL), TM_OK);
}

static void data_done(loss_data *d) {
    tm__loss_done(&d->loss);
    tm__gradients_done(&d->gradients);
}

static void gradients_fit(loss_data *d, uint32_t output) {
    tm__loss_norms(NULL, &d->loss, d->scores, d->norms);
    tm__gradients_fit(NULL, &d->loss, output,
                      &(tm_gradients_from){.scores = d->scores, .norms = d->norms, .key = 99},
                      &d->gradients);
}

/* Sum of the loss over rows, as a function of the scores. */
static double loss_sum(loss_data *d) {
    tm__loss_norms(NULL, &d->loss, d->scores, d->norms);
    return tm__loss_mean(NULL, &d->loss, d->scores, d->norms, d->chunks) * ROWS;
}

/* The loss of one row alone, with its weight, over the units of its gradient. */
static double row_loss(loss_data *d, const loss_case *c, uint32_t row) {
    const tm_loss_spec spec = spec_of(c);
    double scores[K], norm, chunk;
    tm_loss one;
    for (uint32_t k = 0; k < c->n_outputs; k++) {
        scores[k] = d->scores[k * ROWS + row];
    }
    assert_int_equal(tm__loss_init(&spec, 1, &d->y[row], NULL, &one, NULL), TM_OK);
    one.spread = d->loss.spread;
    tm__loss_norms(NULL, &one, scores, &norm);
    const double loss = tm__loss_mean(NULL, &one, scores, &norm, &chunk);
    tm__loss_done(&one);
    const double half = d->loss.spec.objective == TM_OBJECTIVE_SQUARED ? 0.5 : 1; /* of d^2 / 2 */
    return half * loss * (d->loss.weights != NULL ? d->loss.weights[row] : 1);
}

/*
 * Central differences have an error of step^2 times the third derivative, and of the loss' rounding
 * over the step: with a step of 2^-10 of the scale both are below 2e-6 of losses of size 10.
 * Gradients are floats besides (6e-8 of their size).
 */
static void gradients_are_the_slopes_of_the_loss(void **state) {
    (void)state;
    loss_data *d = tm__mem_alloc(1, sizeof(*d));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const loss_case *c = &cases[i];
        data_init(c, d);
        const bool has_kinks = tm__objective_renews(c->objective);
        const double factor = c->task == TM_TASK_MULTICLASS ? (double)K / (K - 1) : 1;
        const double scale = has_kinks ? d->loss.spread : d->loss.scale, step = scale * 0x1p-10;
        const double unit = d->loss.scale; /* a gradient is of loss / unit by score */
        for (uint32_t output = 0; output < c->n_outputs; output++) {
            gradients_fit(d, output);
            for (uint32_t row = 0; row < 200; row++) {
                double *s = &d->scores[output * ROWS + row];
                const double was = *s, off = fabs(was - d->y[row]);
                if (has_kinks && (off < 2 * step || (c->objective == TM_OBJECTIVE_HUBER &&
                                                     fabs(off - c->parameter) < 2 * step))) {
                    continue; /* the slope changes between both sides */
                }
                *s = was + step;
                const double up = row_loss(d, c, row);
                *s = was - step;
                const double down = row_loss(d, c, row);
                *s = was;
                const double middle = row_loss(d, c, row);
                const double g = (up - down) / (2 * step) / unit;
                const double h = ((up - middle) - (middle - down)) / step / step;
                const double got_g = (double)d->gradients.g[row];
                const double got_h = (double)d->gradients.h[row];
                const double size = fmax(1, fabs(g));
                if (fabs(got_g - g) > 5e-6 * size ||
                    (!has_kinks && fabs(got_h - h * factor) > 2e-4 * fmax(1, fabs(h)))) {
                    fail_msg("%s: row %u output %u: g %.9g not %.9g, h %g not %g", c->name, row,
                             output, got_g, g, got_h, h * factor);
                }
                if (has_kinks) { /* of a row at a kink no second derivative tells: its weight */
                    const double w = d->loss.weights != NULL ? d->loss.weights[row] : 1;
                    assert_true(fabs(got_h - w) < 1e-6 * fmax(1, w));
                }
            }
        }
        data_done(d);
    }
    tm__mem_free(d);
}

static void packed_rows_are_rounded_without_bias_and_cannot_overflow(void **state) {
    (void)state;
    loss_data *d = tm__mem_alloc(1, sizeof(*d));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        data_init(&cases[i], d);
        gradients_fit(d, 0);
        const tm_gradients *out = &d->gradients;
        double g = 0, h = 0;
        int64_t sum = 0, most = 0;
        int32_t packed[ROWS];
        tm__gradients_pack_rows(out, 0, ROWS, packed);
        for (uint32_t row = 0; row < ROWS; row++) {
            const int64_t packed_g = packed[row] >> 16;
            const int64_t packed_h = packed[row] & 0xFFFF;
            assert_true(fabs((double)packed_g * out->unit_g - (double)out->g[row]) <= out->unit_g);
            assert_true(fabs((double)packed_h * out->unit_h - (double)out->h[row]) <= out->unit_h);
            assert_true((packed_h == 0) == (out->h[row] == 0));
            sum += tm__packed_wide(packed[row]);
            most = packed_g > most ? packed_g : most;
            most = -packed_g > most ? -packed_g : most;
            g += (double)out->g[row];
            h += (double)out->h[row];
        }
        assert_true(most < (1 << 15) && most > (1 << 14)); /* 16 bits are used and suffice */
        /* Errors of rows are within a unit and cancel: a sum of them is far below sqrt(ROWS) * 3.
         */
        const double far = 3 * sqrt(ROWS);
        assert_true(fabs((double)(sum >> 32) * out->unit_g - g) < far * out->unit_g);
        assert_true(fabs((double)(sum & 0xFFFFFFFF) * out->unit_h - h) < far * out->unit_h);
        int32_t some[300]; /* a row's numbers do not depend on where a call begins */
        tm__gradients_pack_rows(out, 100, 400, some);
        assert_memory_equal(some, packed + 100, sizeof(some));
        data_done(d);
    }
    tm__mem_free(d);
}

/* One target a million times the others: they keep units, and it is all but two in a packed row. */
static void a_target_far_away_leaves_the_others_their_units(void **state) {
    (void)state;
    static const tm_objective objectives[] = {TM_OBJECTIVE_SQUARED, TM_OBJECTIVE_ABSOLUTE};
    for (size_t o = 0; o < 2; o++) {
        enum { N = 20000 };
        double *y = tm__mem_alloc(N, sizeof(double)), *scores = tm__mem_zalloc(N, sizeof(double));
        int32_t *packed = tm__mem_alloc(N, sizeof(int32_t));
        tm_loss loss;
        tm_gradients g;
        for (uint64_t row = 0; row < N; row++)
            y[row] = row == 77 ? 1e6 : made_random(1, row) * 2 - 1;
        const tm_loss_spec spec = {
            .task = TM_TASK_REGRESSION, .objective = objectives[o], .n_outputs = 1};
        assert_int_equal(tm__loss_init(&spec, N, y, NULL, &loss, NULL), TM_OK);
        assert_int_equal(tm__gradients_init(N, &g, NULL), TM_OK);
        tm__gradients_fit(NULL, &loss, 0, &(tm_gradients_from){.scores = scores, .key = 5}, &g);
        tm__gradients_pack_rows(&g, 0, N, packed);
        const double mean = g.sum_abs_g / N;
        if (objectives[o] == TM_OBJECTIVE_SQUARED) {
            assert_true(g.max_abs_g > 10000 * mean);
            assert_int_equal(packed[77] >> 16, -((1 << 15) - 2));
            assert_true(fabs(g.unit_g * 32766 / (512 * mean) - 1) < 1e-12);
            assert_true(g.g[77] == -(float)(1e6 / loss.scale)); /* as it is, for the leaf */
        } else {
            assert_true(fabs(g.unit_g * 32766 - g.max_abs_g) < 1e-12); /* sizes are one */
        }
        for (uint64_t row = 0; row < N; row++) {
            const double off = (packed[row] >> 16) * g.unit_g - (double)g.g[row];
            assert_true(row == 77 || fabs(off) <= g.unit_g);
        }
        tm__gradients_done(&g);
        tm__loss_done(&loss);
        tm__mem_free(packed);
        tm__mem_free(scores);
        tm__mem_free(y);
    }
}

static void hessians_of_squares_are_counts(void **state) {
    (void)state;
    loss_data *d = tm__mem_alloc(1, sizeof(*d));
    data_init(&cases[4], d);
    gradients_fit(d, 0);
    int32_t packed[ROWS];
    tm__gradients_pack_rows(&d->gradients, 0, ROWS, packed);
    for (uint32_t row = 0; row < ROWS; row++) {
        assert_int_equal(packed[row] & 0xFFFF, 1);
    }
    data_done(d);
    tm__mem_free(d);
}

static void no_constant_score_is_better_than_the_base(void **state) {
    (void)state;
    loss_data *d = tm__mem_alloc(1, sizeof(*d));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double base[K];
        data_init(&cases[i], d);
        assert_int_equal(tm__loss_base(&d->loss, base, NULL), TM_OK);
        double best = INFINITY;
        for (int32_t step = 0; step < 1 + 2 * (int32_t)cases[i].n_outputs; step++) {
            for (uint32_t n = 0; n < cases[i].n_outputs * ROWS; n++) {
                const int32_t moved = (step - 1) / 2;
                const double by =
                    (step % 2 == 0 ? 0.01 : -0.01) * (is_log(&cases[i]) ? 1 : cases[i].size);
                d->scores[n] = base[n / ROWS] + (step > 0 && moved == (int32_t)(n / ROWS) ? by : 0);
            }
            const double sum = loss_sum(d);
            best = step == 0 ? sum : best;
            if (!(sum >= best * (1 - 1e-12))) { /* flat between two targets: rounding decides */
                fail_msg("%s: %.17g is under %.17g of the base", cases[i].name, sum, best);
            }
        }
        data_done(d);
    }
    tm__mem_free(d);
}

static void targets_of_one_class_or_one_value_give_finite_numbers(void **state) {
    (void)state;
    loss_data *d = tm__mem_alloc(1, sizeof(*d));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double base[K];
        data_init(&cases[i], d);
        tm__loss_done(&d->loss);
        for (uint32_t row = 0; row < ROWS; row++) {
            d->y[row] = 1;
        }
        const tm_loss_spec spec = spec_of(&cases[i]);
        assert_int_equal(tm__loss_init(&spec, ROWS, d->y, NULL, &d->loss, NULL), TM_OK);
        assert_int_equal(tm__loss_base(&d->loss, base, NULL), TM_OK);
        for (uint32_t n = 0; n < cases[i].n_outputs * ROWS; n++) {
            d->scores[n] = base[n / ROWS];
        }
        gradients_fit(d, 0);
        assert_true(isfinite(base[0]) && d->gradients.sum_abs_g < 1e-9);
        data_done(d);
    }
    tm__mem_free(d);
}

static void a_target_that_cannot_be_squared_is_refused(void **state) {
    (void)state;
    double y[2] = {1, 1e301};
    const tm_loss_spec spec = {.task = TM_TASK_REGRESSION, .n_outputs = 1};
    tm_loss loss;
    assert_int_equal(tm__loss_init(&spec, 2, y, NULL, &loss, NULL), TM_E_INVALID);
    assert_int_equal(tm__loss_init(&spec, 0, y, NULL, &loss, NULL), TM_E_INVALID);
}

static void threads_change_nothing(void **state) {
    (void)state;
    const uint64_t n = 20000;
    double *y = tm__mem_alloc(n, sizeof(double)), *scores = tm__mem_alloc(n, sizeof(double));
    double chunks[5];
    for (uint64_t row = 0; row < n; row++) {
        y[row] = made_random(1, row) < 0.3;
        scores[row] = made_random(2, row) * 6 - 3;
    }
    tm_loss loss;
    tm_gradients one, three;
    tm_pool *pool = tm__pool_create(3);
    const tm_loss_spec spec = {.task = TM_TASK_BINARY, .n_outputs = 1};
    assert_int_equal(tm__loss_init(&spec, n, y, NULL, &loss, NULL), TM_OK);
    assert_int_equal(tm__gradients_init(n, &one, NULL), TM_OK);
    assert_int_equal(tm__gradients_init(n, &three, NULL), TM_OK);
    tm__gradients_fit(NULL, &loss, 0, &(tm_gradients_from){.scores = scores, .key = 1}, &one);
    tm__gradients_fit(pool, &loss, 0, &(tm_gradients_from){.scores = scores, .key = 1}, &three);
    assert_memory_equal(one.g, three.g, n * sizeof(float));
    assert_memory_equal(one.h, three.h, n * sizeof(float));
    assert_true(one.unit_g == three.unit_g && one.unit_h == three.unit_h);
    assert_true(tm__loss_mean(NULL, &loss, scores, NULL, chunks) ==
                tm__loss_mean(pool, &loss, scores, NULL, chunks));
    tm__pool_free(pool);
    tm__gradients_done(&one);
    tm__gradients_done(&three);
    tm__loss_done(&loss);
    tm__mem_free(y);
    tm__mem_free(scores);
}

/* Classes in plain loops over one row: norm, gradient and hessian. */
static double plain_norm(const loss_data *d, uint32_t row) {
    double max = d->scores[row], sum = 0;
    for (uint32_t k = 1; k < K; k++)
        max = d->scores[k * ROWS + row] > max ? d->scores[k * ROWS + row] : max;
    for (uint32_t k = 0; k < K; k++)
        sum += tm__exp(d->scores[k * ROWS + row] - max);
    return max + tm__log(sum);
}

static void every_level_gives_the_gradients_of_plain_loops(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static float g[ROWS], h[ROWS];
        loss_data d;
        data_init(&cases[i], &d);
        d.scores[5] = d.scores[ROWS + 5] = -200; /* a probability that is 1 or an ulp over */
        d.scores[2 * ROWS + 5] = 200;
        for (tm_simd level = TM_SIMD_PLAIN; level <= tm__simd_machine(); level++) {
            tm__simd_limit(level);
            gradients_fit(&d, cases[i].n_outputs - 1);
            if (level == TM_SIMD_PLAIN) {
                memcpy(g, d.gradients.g, sizeof(g));
                memcpy(h, d.gradients.h, sizeof(h));
            }
            assert_memory_equal(g, d.gradients.g, sizeof(g));
            assert_memory_equal(h, d.gradients.h, sizeof(h));
            for (uint32_t row = 0; row < ROWS && cases[i].n_outputs == K; row++) {
                const double norm = plain_norm(&d, row);
                const double p = tm__exp(d.scores[(K - 1) * ROWS + row] - norm);
                const double w = cases[i].is_weighted ? d.loss.weights[row] : 1;
                const double factor = (double)K / (K - 1);
                assert_memory_equal(&norm, &d.norms[row], sizeof(norm));
                assert_true(g[row] == (float)((p - (d.y[row] == K - 1)) * w));
                assert_true(h[row] == (float)(fmax(factor * p * (1 - p), 0) * w));
            }
        }
        tm__simd_limit(TM_SIMD_AVX512);
        data_done(&d);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_the_slopes_of_the_loss),
        cmocka_unit_test(packed_rows_are_rounded_without_bias_and_cannot_overflow),
        cmocka_unit_test(a_target_far_away_leaves_the_others_their_units),
        cmocka_unit_test(hessians_of_squares_are_counts),
        cmocka_unit_test(no_constant_score_is_better_than_the_base),
        cmocka_unit_test(targets_of_one_class_or_one_value_give_finite_numbers),
        cmocka_unit_test(a_target_that_cannot_be_squared_is_refused),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(every_level_gives_the_gradients_of_plain_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
