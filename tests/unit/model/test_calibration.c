/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "bundle_data.h"
#include "model/calibration.h"

static tm_calibration line_of(const double *at, const double *to, uint32_t n, double slope) {
    tm_calibration map;
    assert_int_equal(tm__calibration_init(&map, TM_CALIBRATION_LINE, n, NULL), TM_OK);
    memcpy(map.at, at, n * sizeof(double));
    memcpy(map.to, to, n * sizeof(double));
    map.slope = slope;
    return map;
}

static tm_calibration scale_of(const double *scales, const double *shifts, uint32_t n) {
    tm_calibration map;
    assert_int_equal(tm__calibration_init(&map, TM_CALIBRATION_SCALE, n, NULL), TM_OK);
    memcpy(map.scales, scales, n * sizeof(double));
    memcpy(map.shifts, shifts, n * sizeof(double));
    return map;
}

static const double at3[] = {-1, 0, 2}, to3[] = {-3, 1, 2};

static void a_line_goes_through_its_knots_and_on(void **state) {
    (void)state;
    tm_calibration map = line_of(at3, to3, 3, 0.5);
    double raw[] = {-3, -1, -0.5, 0, 1, 2, 4, 1e300, -1e300};
    const double want[] = {-4, -3, -1, 1, 1.5, 2, 3};
    assert_true(tm__calibration_is_sound(&map));
    tm__calibration_apply(&map, 9, raw);
    for (unsigned i = 0; i < 7; i++) {
        assert_true(raw[i] == want[i]);
    }
    assert_true(isfinite(raw[7]) && isfinite(raw[8]));
    double nan = tm__nan();
    tm__calibration_apply(&map, 1, &nan);
    assert_true(isnan(nan));
    tm__calibration_done(&map);
}

static void a_larger_score_never_gets_a_smaller_one(void **state) {
    (void)state;
    const double at[] = {-1.1, -1.0999999999999999, 0.3, 0.30000000000000004},
                 to[] = {-5, -4.9, 0.1, 7};
    tm_calibration map = line_of(at, to, 4, 1e-3);
    double before = -INFINITY, x = -2.0;
    for (uint32_t i = 0; i < 4000; i++, x = i % 3 == 0 ? x + 1e-3 : nextafter(x, 5)) {
        double z = x;
        tm__calibration_apply(&map, 1, &z);
        assert_true(z >= before);
        before = z;
    }
    tm__calibration_done(&map);
}

static void scales_and_shifts_are_of_their_output(void **state) {
    (void)state;
    const double scales[] = {2, 0.5}, shifts[] = {1, 0};
    tm_calibration map = scale_of(scales, shifts, 2);
    double raw[] = {1, 4, -1, 2};
    tm__calibration_apply(&map, 2, raw);
    assert_true(raw[0] == 3 && raw[1] == 2 && raw[2] == -1 && raw[3] == 1);
    tm__calibration_done(&map);
    tm__calibration_apply(&map, 1, raw); /* none now */
    assert_true(raw[0] == 3);
}

static void an_explanation_follows_the_map(void **state) {
    (void)state;
    tm_calibration maps[] = {line_of(at3, to3, 3, 0.5),
                             scale_of((const double[]){0.7}, (const double[]){-0.2}, 1)};
    const double parts[][2] = {{1, 2}, {-3, 0.5}, {0, 0}, {5, -5}, {1e-9, 1e-9}};
    for (unsigned m = 0; m < 2; m++) {
        for (unsigned i = 0; i < 5; i++) {
            double mean = 0.25, p[2] = {parts[i][0], parts[i][1]}, z = mean + p[0] + p[1];
            tm__calibration_apply(&maps[m], 1, &z);
            tm__calibration_explain(&maps[m], 0, 2, p, &mean);
            assert_true(fabs(mean + p[0] + p[1] - z) < 1e-12);
            assert_true(p[0] * parts[i][0] >= 0 && p[1] * parts[i][1] >= 0);
        }
        tm__calibration_done(&maps[m]);
    }
}

static void its_bytes_load_whole_or_not_at_all(void **state) {
    (void)state;
    tm_calibration maps[] = {line_of(at3, to3, 3, 0.5),
                             scale_of((const double[]){0.7}, (const double[]){-0.2}, 1)};
    for (unsigned m = 0; m < 2; m++) {
        tm_buf bytes;
        tm_calibration again;
        tm__buf_init(&bytes, 1u << 16);
        tm__calibration_save(&maps[m], &bytes);
        assert_int_equal(tm__calibration_load(bytes.data, bytes.len, 1, &again, NULL), TM_OK);
        double a = 1.3, b = 1.3;
        tm__calibration_apply(&maps[m], 1, &a);
        tm__calibration_apply(&again, 1, &b);
        assert_memory_equal(&a, &b, sizeof(a));
        tm__calibration_done(&again);
        assert_int_equal(tm__calibration_load(bytes.data, bytes.len, 2, &again, NULL),
                         TM_E_INTEGRITY);
        for (size_t len = 0; len < bytes.len; len++) {
            assert_int_equal(tm__calibration_load(bytes.data, len, 1, &again, NULL),
                             TM_E_INTEGRITY);
        }
        bytes.data[4] = 2;
        assert_int_equal(tm__calibration_load(bytes.data, bytes.len, 1, &again, NULL),
                         TM_E_UNSUPPORTED);
        tm__buf_done(&bytes);
        tm__calibration_done(&maps[m]);
    }
}

static void numbers_that_do_not_rise_are_refused(void **state) {
    (void)state;
    const double flat[] = {-1, 1, 1}, nan[] = {-1, tm__nan(), 2};
    tm_calibration maps[] = {
        line_of(at3, flat, 3, 0.5),
        line_of(flat, to3, 3, 0.5),
        line_of(nan, to3, 3, 0.5),
        line_of(at3, to3, 3, 0),
        line_of(at3, to3, 3, tm__nan()),
        line_of(at3, to3, 1, 1),
        scale_of((const double[]){0}, (const double[]){0}, 1),
        scale_of((const double[]){-1}, (const double[]){0}, 1),
        scale_of((const double[]){1}, (const double[]){INFINITY}, 1),
        scale_of((const double[]){1e7}, (const double[]){0}, 1),
    };
    for (unsigned m = 0; m < sizeof(maps) / sizeof(maps[0]); m++) {
        tm_buf bytes;
        tm_calibration again;
        tm__buf_init(&bytes, 1u << 16);
        assert_false(tm__calibration_is_sound(&maps[m]));
        tm__calibration_save(&maps[m], &bytes);
        assert_int_equal(tm__calibration_load(bytes.data, bytes.len, 1, &again, NULL),
                         TM_E_INTEGRITY);
        tm__buf_done(&bytes);
        tm__calibration_done(&maps[m]);
    }
}

/* A bundle with a map answers alike row by row and in a batch, explains what it answers, checks its
 * golden rows, and has another hash. */
static void a_bundle_answers_by_its_map(void **state) {
    (void)state;
    enum { N = 200 };
    bundle_data *data = bundle_data_create(N, TM_TASK_BINARY, "gbdt");
    tm_bundle *bundles[2];
    double answers[2][N];
    tm_ctx ctx = {0};
    for (unsigned b = 0; b < 2; b++) {
        tm_buf bytes;
        tm_hash hash;
        if (b == 1) {
            data->calibration = line_of(at3, to3, 3, 0.5);
        }
        bundle_data_write(data, &bytes, &hash);
        assert_int_equal(tm__bundle_load(bytes.data, bytes.len, &bundles[b], NULL), TM_OK);
        assert_int_equal(
            tm__bundle_predict(&ctx, bundles[b], data->table, NULL, 0, answers[b], NULL), TM_OK);
        tm__buf_done(&bytes);
    }
    assert_int_not_equal(
        memcmp(tm__bundle_hash(bundles[0]), tm__bundle_hash(bundles[1]), sizeof(tm_hash)), 0);
    tm_bundle_scratch *scratch = tm__bundle_scratch_create(bundles[1]);
    assert_int_equal(tm__bundle_golden_check(bundles[1], scratch, NULL), TM_OK);
    for (uint64_t i = 0; i < N; i++) {
        tm_cell cells[8];
        double alone, parts[8], base, raw, z = tm__log(answers[0][i] / (1 - answers[0][i]));
        bundle_data_cells(data, i, cells);
        tm__bundle_predict_row(bundles[1], scratch, cells, &alone);
        assert_memory_equal(&alone, &answers[1][i], sizeof(alone));
        tm__calibration_apply(&data->calibration, 1, &z);
        assert_true(fabs(tm__sigmoid(z) - alone) < 1e-9);
        assert_int_equal(
            tm__bundle_explain_row(bundles[1], scratch, cells, 0, parts, &base, &raw, NULL), TM_OK);
        assert_true(fabs(tm__sigmoid(raw) - alone) < 1e-9);
    }
    tm__bundle_scratch_free(scratch);
    tm__bundle_unref(bundles[0]);
    tm__bundle_unref(bundles[1]);
    bundle_data_free(data);
}

static void a_model_without_probabilities_has_none(void **state) {
    (void)state;
    bundle_data *data = bundle_data_create(50, TM_TASK_REGRESSION, "baseline");
    tm_buf bytes;
    tm_hash hash;
    tm_bundle *bundle = NULL;
    tm_err err = {0};
    data->calibration = line_of(at3, to3, 3, 0.5);
    bundle_data_write(data, &bytes, &hash);
    assert_int_equal(tm__bundle_load(bytes.data, bytes.len, &bundle, &err), TM_E_INTEGRITY);
    assert_non_null(strstr(err.message, "calibration"));
    tm__buf_done(&bytes);
    bundle_data_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_goes_through_its_knots_and_on),
        cmocka_unit_test(a_larger_score_never_gets_a_smaller_one),
        cmocka_unit_test(scales_and_shifts_are_of_their_output),
        cmocka_unit_test(an_explanation_follows_the_map),
        cmocka_unit_test(its_bytes_load_whole_or_not_at_all),
        cmocka_unit_test(numbers_that_do_not_rise_are_refused),
        cmocka_unit_test(a_bundle_answers_by_its_map),
        cmocka_unit_test(a_model_without_probabilities_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
