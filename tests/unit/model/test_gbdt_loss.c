/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
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
} loss_case;

static const loss_case cases[] = {
    {"binary", TM_TASK_BINARY, 1, false, 1},
    {"weighted binary", TM_TASK_BINARY, 1, true, 1},
    {"classes", TM_TASK_MULTICLASS, K, false, 1},
    {"weighted classes", TM_TASK_MULTICLASS, K, true, 1},
    {"squares", TM_TASK_REGRESSION, 1, false, 1},
    {"weighted squares", TM_TASK_REGRESSION, 1, true, 1},
    {"tiny squares", TM_TASK_REGRESSION, 1, false, 1e-60},
    {"huge squares", TM_TASK_REGRESSION, 1, true, 1e90},
};

typedef struct loss_data {
    double y[ROWS], weights[ROWS], scores[K * ROWS], norms[ROWS], chunks[1];
    tm_loss loss;
    tm_gradients gradients;
} loss_data;

static void data_init(const loss_case *c, loss_data *d) {
    for (uint32_t row = 0; row < ROWS; row++) {
        d->y[row] = floor(made_random(1, row) * (c->task == TM_TASK_BINARY ? 2 : K));
        d->y[row] *= c->task == TM_TASK_REGRESSION ? c->size : 1;
        d->weights[row] = row % 7 == 3 ? 0 : 5 * made_random(2, row);
    }
    for (uint32_t i = 0; i < K * ROWS; i++) {
        d->scores[i] = (made_random(3, i) * 4 - 2) * c->size;
    }
    assert_int_equal(tm__loss_init(c->task, c->n_outputs, ROWS, d->y,
                                   c->is_weighted ? d->weights : NULL, &d->loss, NULL),
                     TM_OK);
    assert_int_equal(tm__gradients_init(ROWS, &d->gradients, NULL), TM_OK);
}

static void data_done(loss_data *d) {
    tm__loss_done(&d->loss);
    tm__gradients_done(&d->gradients);
}

/* Sum of the loss over rows in units of scale^2, as a function of the scores. */
static double loss_sum(loss_data *d) {
    tm__loss_norms(NULL, &d->loss, d->scores, d->norms);
    return tm__loss_mean(NULL, &d->loss, d->scores, d->norms, d->chunks) * ROWS / d->loss.scale /
           d->loss.scale;
}

static void gradients_fit(loss_data *d, uint32_t output) {
    tm__loss_norms(NULL, &d->loss, d->scores, d->norms);
    tm__gradients_fit(NULL, &d->loss, output, d->scores, d->norms, 99, &d->gradients);
}

static void gradients_are_the_slopes_of_the_loss(void **state) {
    (void)state;
    loss_data *d = tm__mem_alloc(1, sizeof(*d));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const loss_case *c = &cases[i];
        data_init(c, d);
        const double half = c->task == TM_TASK_REGRESSION ? 0.5 : 1; /* gradients are of d^2 / 2 */
        const double factor = c->task == TM_TASK_MULTICLASS ? (double)K / (K - 1) : 1;
        for (uint32_t output = 0; output < c->n_outputs; output++) {
            gradients_fit(d, output);
            for (uint32_t row = 0; row < 40; row++) {
                double *s = &d->scores[output * ROWS + row];
                const double was = *s, step = 1e-3 * d->loss.scale;
                *s = was + step;
                const double up = loss_sum(d);
                *s = was - step;
                const double down = loss_sum(d);
                *s = was;
                const double middle = loss_sum(d);
                const double g = half * (up - down) / 2e-3;
                const double h = half * (up - 2 * middle + down) / 1e-6;
                const double got_g = (double)d->gradients.g[row];
                const double got_h = (double)d->gradients.h[row];
                if (fabs(got_g - g) > 2e-6 || fabs(got_h - h * factor) > 2e-4) {
                    fail_msg("%s: row %u output %u: g %g not %g, h %g not %g", c->name, row, output,
                             got_g, g, got_h, h * factor);
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
        for (uint32_t row = 0; row < ROWS; row++) {
            const int64_t packed_g = out->packed[row] >> 16;
            const int64_t packed_h = out->packed[row] & 0xFFFF;
            assert_true(fabs((double)packed_g * out->unit_g - (double)out->g[row]) <= out->unit_g);
            assert_true(fabs((double)packed_h * out->unit_h - (double)out->h[row]) <= out->unit_h);
            assert_true((packed_h == 0) == (out->h[row] == 0));
            sum += tm__packed_wide(out->packed[row]);
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
        data_done(d);
    }
    tm__mem_free(d);
}

static void hessians_of_squares_are_counts(void **state) {
    (void)state;
    loss_data *d = tm__mem_alloc(1, sizeof(*d));
    data_init(&cases[4], d);
    gradients_fit(d, 0);
    for (uint32_t row = 0; row < ROWS; row++) {
        assert_int_equal(d->gradients.packed[row] & 0xFFFF, 1);
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
        tm__loss_base(&d->loss, base);
        double best = INFINITY;
        for (int32_t step = 0; step < 1 + 2 * (int32_t)cases[i].n_outputs; step++) {
            for (uint32_t n = 0; n < cases[i].n_outputs * ROWS; n++) {
                const int32_t moved = (step - 1) / 2;
                const double by = (step % 2 == 0 ? 0.01 : -0.01) * cases[i].size;
                d->scores[n] = base[n / ROWS] + (step > 0 && moved == (int32_t)(n / ROWS) ? by : 0);
            }
            const double sum = loss_sum(d);
            best = step == 0 ? sum : best;
            assert_true(sum >= best);
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
        assert_int_equal(
            tm__loss_init(cases[i].task, cases[i].n_outputs, ROWS, d->y, NULL, &d->loss, NULL),
            TM_OK);
        tm__loss_base(&d->loss, base);
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
    tm_loss loss;
    assert_int_equal(tm__loss_init(TM_TASK_REGRESSION, 1, 2, y, NULL, &loss, NULL), TM_E_INVALID);
    assert_int_equal(tm__loss_init(TM_TASK_REGRESSION, 1, 0, y, NULL, &loss, NULL), TM_E_INVALID);
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
    assert_int_equal(tm__loss_init(TM_TASK_BINARY, 1, n, y, NULL, &loss, NULL), TM_OK);
    assert_int_equal(tm__gradients_init(n, &one, NULL), TM_OK);
    assert_int_equal(tm__gradients_init(n, &three, NULL), TM_OK);
    tm__gradients_fit(NULL, &loss, 0, scores, NULL, 1, &one);
    tm__gradients_fit(pool, &loss, 0, scores, NULL, 1, &three);
    assert_memory_equal(one.packed, three.packed, n * sizeof(int32_t));
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_the_slopes_of_the_loss),
        cmocka_unit_test(packed_rows_are_rounded_without_bias_and_cannot_overflow),
        cmocka_unit_test(hessians_of_squares_are_counts),
        cmocka_unit_test(no_constant_score_is_better_than_the_base),
        cmocka_unit_test(targets_of_one_class_or_one_value_give_finite_numbers),
        cmocka_unit_test(a_target_that_cannot_be_squared_is_refused),
        cmocka_unit_test(threads_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
