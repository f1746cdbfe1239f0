/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/simd.h"
#include "made_data.h"
#include "model/gbdt/gbdt_hist.h"
#include "model/gbdt/gbdt_roots.h"

typedef struct roots_case {
    uint64_t n_rows;
    uint32_t n_cols, max_bins, n_outputs, n_threads;
} roots_case;

/* Outputs of one vector and of three, columns that fill their tiles and that do not. */
static const roots_case cases[] = {
    {700, 8, 63, 6, 1},   {5000, 5, 63, 8, 3}, {4100, 6, 255, 3, 2},
    {900, 1, 100, 17, 1}, {300, 7, 15, 9, 2},
};

typedef struct roots_data {
    made_data made;
    tm_bins bins;
    tm_loss loss;
    double *y, *scores, *norms;
} roots_data;

static void data_init(const roots_case *c, roots_data *d) {
    const made_options options = {
        .n_rows = c->n_rows, .n_cols = c->n_cols, .levels = {0, 20}, .missing = {0.1}, .seed = 3};
    const uint64_t n_scores = c->n_rows * c->n_outputs;
    tm_ctx ctx = {0};
    made_init(&d->made, &options);
    d->y = tm__mem_alloc(c->n_rows, sizeof(double));
    d->norms = tm__mem_alloc(c->n_rows, sizeof(double));
    d->scores = tm__mem_alloc(n_scores, sizeof(double));
    for (uint64_t row = 0; row < c->n_rows; row++) {
        d->y[row] = floor(made_random(5, row) * c->n_outputs);
    }
    for (uint64_t i = 0; i < n_scores; i++) {
        d->scores[i] = made_random(6, i) * 4 - 2;
    }
    const tm_loss_spec spec = {.task = TM_TASK_MULTICLASS, .n_outputs = c->n_outputs};
    assert_int_equal(tm__bins_fit(&ctx, &d->made.view, c->max_bins, 1, &d->bins, NULL), TM_OK);
    assert_int_equal(tm__loss_init(&spec, c->n_rows, d->y, NULL, &d->loss, NULL), TM_OK);
    tm__loss_norms(NULL, &d->loss, d->scores, d->norms);
}

static void data_done(roots_data *d) {
    tm__bins_done(&d->bins);
    tm__loss_done(&d->loss);
    tm__mem_free(d->y);
    tm__mem_free(d->norms);
    tm__mem_free(d->scores);
    made_done(&d->made);
}

static void gradients_fit(const roots_data *d, uint32_t output, tm_gradients *out) {
    const tm_gradients_from from = {.scores = d->scores, .norms = d->norms, .key = output};
    tm__gradients_fit(NULL, &d->loss, output, &from, out);
}

/* An output's cells as its rows alone add up to. */
static void cells_add(const roots_data *d, uint32_t output, int32_t *packed, int64_t *cells) {
    const uint64_t n_rows = d->bins.n_rows;
    uint32_t *rows = tm__mem_alloc(n_rows, sizeof(uint32_t));
    tm_gradients gradients;
    assert_int_equal(tm__gradients_init(n_rows, &gradients, NULL), TM_OK);
    gradients_fit(d, output, &gradients);
    tm__gradients_pack_rows(&gradients, 0, n_rows, packed);
    for (uint32_t row = 0; row < n_rows; row++) {
        rows[row] = row;
    }
    const tm_hist_source source = {d->bins.by_row, d->bins.row_bytes, d->bins.stride};
    tm__hist_add_ref(&source, (tm_hist_columns){0, d->bins.bundles.n_bundles},
                     (tm_hist_rows){rows, packed, n_rows}, cells);
    tm__gradients_done(&gradients);
    tm__mem_free(rows);
}

static void check_case(const roots_case *c, tm_pool *pool) {
    roots_data d;
    tm_roots roots;
    data_init(c, &d);
    const uint64_t n_cells = (uint64_t)d.bins.bundles.n_bundles * d.bins.stride;
    int32_t *want_packed = tm__mem_alloc(c->n_rows, sizeof(int32_t));
    int32_t *packed = tm__mem_alloc(c->n_rows, sizeof(int32_t));
    assert_int_equal(tm__roots_init(&d.loss, &d.bins, &roots, NULL), TM_OK);
    for (uint32_t round = 0; round < 2; round++) { /* the second begins with used cells */
        for (uint32_t output = 0; output < c->n_outputs; output++) {
            gradients_fit(&d, output, &roots.gradients[output]);
        }
        tm__roots_fit(pool, &roots);
    }
    for (uint32_t output = 0; output < c->n_outputs; output++) {
        int64_t *want = tm__mem_zalloc(n_cells, sizeof(int64_t));
        int64_t *got = tm__mem_zalloc(n_cells, sizeof(int64_t));
        cells_add(&d, output, want_packed, want);
        tm__roots_take(&roots, output, got);
        assert_memory_equal(got, want, n_cells * sizeof(int64_t));
        memset(want, 0, n_cells * sizeof(int64_t));
        tm__roots_take_ref(&roots, output, want);
        assert_memory_equal(got, want, n_cells * sizeof(int64_t));
        tm__gradients_pack_rows(&roots.gradients[output], 0, c->n_rows, packed);
        assert_memory_equal(packed, want_packed, c->n_rows * sizeof(int32_t));
        tm__mem_free(want);
        tm__mem_free(got);
    }
    tm__mem_free(packed);
    tm__mem_free(want_packed);
    tm__roots_done(&roots);
    data_done(&d);
}

static void a_root_has_the_cells_of_its_own_rows(void **state) {
    (void)state;
    for (tm_simd level = TM_SIMD_PLAIN; level <= tm__simd_machine(); level++) {
        tm__simd_limit(level);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            tm_pool *pool = tm__pool_create(cases[i].n_threads);
            check_case(&cases[i], pool);
            tm__pool_free(pool);
        }
    }
    tm__simd_limit(TM_SIMD_AVX512);
}

static void two_outputs_few_rows_or_much_memory_do_not_pay(void **state) {
    (void)state;
    assert_true(tm__roots_pay(5000, 33, 6));
    assert_false(tm__roots_pay(5000, 33, 2));
    assert_false(tm__roots_pay(100, 33, 6));
    assert_false(tm__roots_pay(5000, 1000, 6));
    assert_false(tm__roots_pay(3000000, 33, 6));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_root_has_the_cells_of_its_own_rows),
        cmocka_unit_test(two_outputs_few_rows_or_much_memory_do_not_pay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
