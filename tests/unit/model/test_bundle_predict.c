/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

#include "base/mem.h"
#include "base/pool.h"
#include "bundle_data.h"

static tm_bundle *load(const bundle_data *data) {
    tm_buf buf;
    tm_hash hash;
    tm_bundle *bundle = NULL;
    tm_err err = {0};
    bundle_data_write(data, &buf, &hash);
    if (tm__bundle_load(buf.data, buf.len, &bundle, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    tm__buf_done(&buf);
    return bundle;
}

static void batches_rows_and_threads_give_the_same_bits_for_every_learner(void **state) {
    (void)state;
    static const tm_task tasks[] = {TM_TASK_BINARY, TM_TASK_MULTICLASS, TM_TASK_REGRESSION};
    enum { N = 300 };
    for (uint32_t l = 0; tm__model_list()[l] != NULL; l++) {
        for (size_t t = 0; t < 3; t++) {
            bundle_data *data = bundle_data_create(N, tasks[t], tm__model_list()[l]->name);
            tm_bundle *bundle = load(data);
            tm_bundle_scratch *scratch = tm__bundle_scratch_create(bundle);
            const uint32_t k = tm__bundle_outputs(bundle);
            double all[N * 3], some[3 * 3], row[3];
            const uint32_t rows[] = {7, 299, 0};
            tm_ctx ctx = {0};
            for (uint32_t n_threads = 1; n_threads <= 3; n_threads++) {
                ctx.pool = tm__pool_create(n_threads);
                assert_int_equal(tm__bundle_predict(&ctx, bundle, data->table, NULL, 0, all, NULL),
                                 TM_OK);
                tm__pool_free(ctx.pool);
                ctx.pool = NULL;
            }
            assert_int_equal(tm__bundle_predict(&ctx, bundle, data->table, rows, 3, some, NULL),
                             TM_OK);
            assert_memory_equal(some + k, all + (size_t)299 * k, k * sizeof(double));
            for (uint64_t i = 0; i < N; i++) {
                tm_cell cells[8];
                bundle_data_cells(data, i, cells);
                const uint64_t n_allocated = tm__mem_calls();
                tm__bundle_predict_row(bundle, scratch, cells, row);
                assert_int_equal(tm__mem_calls(), n_allocated); /* a row needs no memory */
                assert_memory_equal(row, all + i * k, k * sizeof(double));
            }
            tm__bundle_scratch_free(scratch);
            tm__bundle_unref(bundle);
            bundle_data_free(data);
        }
    }
}

static void more_rows_than_a_slice_are_answered(void **state) {
    (void)state;
    enum { N = 66000 };
    bundle_data *data = bundle_data_create(100, TM_TASK_REGRESSION, "linear");
    tm_bundle *bundle = load(data);
    uint32_t *rows = tm__mem_alloc(N, sizeof(*rows));
    double *out = tm__mem_alloc(N, sizeof(*out));
    tm_ctx ctx = {0};
    for (uint32_t i = 0; i < N; i++) {
        rows[i] = i % 100;
    }
    assert_int_equal(tm__bundle_predict(&ctx, bundle, data->table, rows, N, out, NULL), TM_OK);
    for (uint32_t i = 100; i < N; i++) {
        assert_true(out[i] == out[i - 100]);
    }
    tm__mem_free(rows);
    tm__mem_free(out);
    tm__bundle_unref(bundle);
    bundle_data_free(data);
}

static void contributions_by_input_sum_to_the_raw_score(void **state) {
    (void)state;
    bundle_data *data = bundle_data_create(300, TM_TASK_MULTICLASS, "linear");
    tm_bundle *bundle = load(data);
    tm_bundle_scratch *scratch = tm__bundle_scratch_create(bundle);
    const uint32_t n = tm__bundle_schema(bundle)->n_cols;
    double parts[8], base, raw;
    tm_cell cells[8];
    assert_true(n <= 8);
    for (uint64_t i = 0; i < 300; i += 13) {
        double answer[3], scores[3];
        bundle_data_cells(data, i, cells);
        for (uint32_t o = 0; o < 3; o++) {
            assert_int_equal(
                tm__bundle_explain_row(bundle, scratch, cells, o, parts, &base, &raw, NULL), TM_OK);
            double sum = base;
            for (uint32_t c = 0; c < n; c++) {
                sum += parts[c];
            }
            assert_true(fabs(sum - raw) < 1e-12 * fmax(1.0, fabs(raw)));
            scores[o] = raw;
        }
        tm__model_link(TM_LINK_SOFTMAX, 3, 1, scores);
        tm__bundle_predict_row(bundle, scratch, cells, answer);
        for (uint32_t o = 0; o < 3; o++) {
            assert_true(fabs(scores[o] - answer[o]) < 1e-12);
        }
    }
    assert_int_equal(tm__bundle_explain_row(bundle, scratch, cells, 3, parts, &base, &raw, NULL),
                     TM_E_INVALID);
    tm__bundle_scratch_free(scratch);
    tm__bundle_unref(bundle);
    bundle_data_free(data);
}

static void a_cancelled_batch_says_so(void **state) {
    (void)state;
    bundle_data *data = bundle_data_create(50, TM_TASK_BINARY, "baseline");
    tm_bundle *bundle = load(data);
    volatile _Atomic bool cancel = true;
    tm_ctx ctx = {.cancel = &cancel};
    double out[50];
    assert_int_equal(tm__bundle_predict(&ctx, bundle, data->table, NULL, 0, out, NULL),
                     TM_E_CANCELLED);
    tm__bundle_unref(bundle);
    bundle_data_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_rows_and_threads_give_the_same_bits_for_every_learner),
        cmocka_unit_test(more_rows_than_a_slice_are_answered),
        cmocka_unit_test(contributions_by_input_sum_to_the_raw_score),
        cmocka_unit_test(a_cancelled_batch_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
