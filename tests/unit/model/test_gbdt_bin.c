/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/pool.h"
#include "made_data.h"
#include "model/gbdt/gbdt_bin.h"

static void few_values_get_a_bin_each_with_cuts_between(void **state) {
    (void)state;
    const double values[] = {-INFINITY, -1, -1, 0, 0, 4, DBL_MAX, INFINITY};
    double cuts[254];
    assert_int_equal(tm__bin_cuts(values, 8, 255, cuts), 5);
    assert_true(cuts[0] == -INFINITY && cuts[1] == -0.5 && cuts[2] == 2);
    assert_true(cuts[3] > 4 && cuts[3] < DBL_MAX && cuts[4] == DBL_MAX);
    assert_int_equal(tm__bin_cuts(values, 0, 255, cuts), 0);
    const double next[] = {1, nextafter(1, 2)}; /* nothing lies between */
    assert_int_equal(tm__bin_cuts(next, 2, 255, cuts), 1);
    assert_true(cuts[0] >= next[0] && cuts[0] < next[1]);
}

static void many_values_share_bins_evenly(void **state) {
    (void)state;
    double values[1000], cuts[254];
    for (uint32_t i = 0; i < 1000; i++) {
        values[i] = i * i;
    }
    const uint32_t n = tm__bin_cuts(values, 1000, 10, cuts);
    assert_int_equal(n, 9);
    for (uint32_t b = 0; b < n; b++) {
        const double rows = sqrt(cuts[b]) - (b > 0 ? sqrt(cuts[b - 1]) : 0);
        assert_true(rows > 95 && rows < 105);
    }
}

static void a_value_that_fills_a_bin_does_not_starve_the_others(void **state) {
    (void)state;
    double values[1000], cuts[254];
    for (uint32_t i = 0; i < 1000; i++) {
        values[i] = i < 100 ? i : (i < 900 ? 100 : i); /* 80 % are 100 */
    }
    const uint32_t n = tm__bin_cuts(values, 1000, 11, cuts);
    assert_in_range(n, 9, 10);
    uint32_t below = 0;
    for (uint32_t b = 0; b < n; b++) {
        assert_true(b == 0 || cuts[b] > cuts[b - 1]);
        below += cuts[b] < 100;
    }
    assert_in_range(below, 4, 6);
}

static void bins_and_thresholds_send_each_row_the_same_way(void **state) {
    (void)state;
    const made_options options = {.n_rows = 3000,
                                  .n_cols = 5,
                                  .levels = {0, 3, 0, 0, 0},
                                  .missing = {0.1, 0.1, 0, 0, 1},
                                  .seed = 9};
    made_data data;
    tm_ctx ctx = {0};
    tm_bins bins;
    made_init(&data, &options);
    data.cells[1] = INFINITY;
    data.cells[2] = -INFINITY;
    data.cells[3] = -0.0;
    data.cells[3000 + 1] = 7;  /* no level */
    data.cells[3000 + 2] = -1; /* no level */
    for (uint64_t row = 0; row < 3000; row++) {
        data.cells[2 * 3000 + row] = 1.5; /* constant */
    }
    assert_int_equal(tm__bins_fit(&ctx, &data.view, 40, 1, &bins, NULL), TM_OK);
    assert_int_equal(bins.n_columns, 3); /* the constant and the missing one are left out */
    assert_true(bins.columns[0].n_bins == 40 && bins.columns[1].n_bins == 3);
    assert_true(bins.columns[2].col == 3 && bins.stride == 64 && bins.row_bytes == 4);
    for (uint32_t j = 0; j < bins.bundles.n_bundles; j++) {
        const tm_bundle *bundle = &bins.bundles.bundles[j];
        for (uint32_t i = 0; i < bundle->count; i++) {
            const uint32_t column = bins.bundles.columns[bundle->first + i];
            for (uint64_t row = 0; row < 3000; row++) {
                const uint8_t code = bins.by_row[row * bins.row_bytes + j];
                assert_int_equal(bins.by_column[column * 3000 + row],
                                 bins.bundles.bins[column * TM_BUNDLE_CODES + code]);
            }
        }
    }
    for (uint32_t j = 0; j < bins.n_columns; j++) {
        const tm_bin_column *column = &bins.columns[j];
        const double *x = data.view.cols[column->col];
        for (uint64_t row = 0; row < 3000; row++) {
            const uint32_t bin = bins.by_column[j * 3000 + row];
            if (isnan(x[row]) || (column->is_categorical && !(x[row] >= 0 && x[row] < 3))) {
                assert_int_equal(bin, column->n_bins);
            } else if (column->is_categorical) {
                assert_int_equal(bin, (uint32_t)x[row]);
            } else {
                assert_true(x[row] <= tm__bin_threshold(column, bin));
                assert_true(bin == 0 || x[row] > tm__bin_threshold(column, bin - 1));
            }
        }
    }
    tm__bins_done(&bins);
    made_done(&data);
}

/* Few values are sorted by their upper digits first. */
static void values_that_differ_in_their_last_bits_are_in_order(void **state) {
    (void)state;
    const made_options options = {.n_rows = 2000, .n_cols = 2, .seed = 3};
    made_data data;
    tm_ctx ctx = {0};
    tm_bins bins;
    made_init(&data, &options);
    for (uint64_t row = 0; row < 2000; row++) {
        const double at = (double)(row * 1237 % 2000); /* each once, in no order */
        data.cells[row] = 1 + at * 0x1p-52;
        data.cells[2000 + row] = row % 40 == 0 ? 7 + at * 0x1p-50 : at;
    }
    assert_int_equal(tm__bins_fit(&ctx, &data.view, 40, 1, &bins, NULL), TM_OK);
    for (uint32_t j = 0; j < 2; j++) {
        const tm_bin_column *column = &bins.columns[j];
        uint32_t counts[256] = {0};
        assert_int_equal(column->n_bins, 40);
        for (uint32_t b = 1; b < 39; b++) {
            assert_true(column->cuts[b] > column->cuts[b - 1]);
        }
        for (uint64_t row = 0; row < 2000; row++) {
            counts[bins.by_column[j * 2000 + row]]++;
        }
        for (uint32_t b = 0; b < 40; b++) {
            assert_in_range(counts[b], 49, 51);
        }
    }
    tm__bins_done(&bins);
    made_done(&data);
}

static void a_sample_of_many_rows_does_not_depend_on_threads(void **state) {
    (void)state;
    const made_options options = {.n_rows = 250000, .n_cols = 3, .missing = {0, 0.3, 0}, .seed = 4};
    made_data data;
    tm_bins one, three;
    tm_ctx ctx = {0};
    made_init(&data, &options);
    assert_int_equal(tm__bins_fit(&ctx, &data.view, 255, 8, &one, NULL), TM_OK);
    ctx.pool = tm__pool_create(3);
    assert_int_equal(tm__bins_fit(&ctx, &data.view, 255, 8, &three, NULL), TM_OK);
    assert_int_equal(one.n_columns, 3);
    assert_int_equal(one.columns[0].n_bins, 255);
    assert_memory_equal(one.by_row, three.by_row, options.n_rows * one.row_bytes);
    for (uint32_t b = 0; b < 254; b++) { /* uniform in [-2, 2] */
        assert_true(fabs(one.columns[0].cuts[b] - (-2 + 4 * (b + 1) / 255.0)) < 0.02);
    }
    tm__pool_free(ctx.pool);
    tm__bins_done(&one);
    tm__bins_done(&three);
    made_done(&data);
}

static void it_fails_cleanly_at_each_allocation_and_when_cancelled(void **state) {
    (void)state;
    const made_options options = {.n_rows = 100, .n_cols = 3, .seed = 4};
    made_data data;
    tm_ctx ctx = {0};
    made_init(&data, &options);
    const uint64_t alive = tm__mem_alive();
    tm_bins bins = {0};
    tm_status st = TM_E_NOMEM;
    for (uint64_t n = 1; st != TM_OK; n++) {
        tm__mem_fail_at(n, false);
        st = tm__bins_fit(&ctx, &data.view, 255, 8, &bins, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || (st == TM_E_NOMEM && tm__mem_alive() == alive));
    }
    tm__bins_done(&bins);
    volatile _Atomic bool cancel = true;
    ctx.cancel = &cancel;
    assert_int_equal(tm__bins_fit(&ctx, &data.view, 255, 8, &bins, NULL), TM_E_CANCELLED);
    assert_int_equal(tm__mem_alive(), alive);
    made_done(&data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_values_get_a_bin_each_with_cuts_between),
        cmocka_unit_test(many_values_share_bins_evenly),
        cmocka_unit_test(a_value_that_fills_a_bin_does_not_starve_the_others),
        cmocka_unit_test(bins_and_thresholds_send_each_row_the_same_way),
        cmocka_unit_test(values_that_differ_in_their_last_bits_are_in_order),
        cmocka_unit_test(a_sample_of_many_rows_does_not_depend_on_threads),
        cmocka_unit_test(it_fails_cleanly_at_each_allocation_and_when_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
