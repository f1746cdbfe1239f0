/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "made_data.h"
#include "model/blend/blend.h"
#include "model/offset/offset.h"

#define N 300u

typedef struct offset_case {
    made_data data; /* two columns, then the score */
    tm_view inner;  /* without it */
    double y[N];
    double plain[N]; /* raw scores of the model within */
    tm_model *offset;
} offset_case;

static void init(offset_case *c, tm_task task) {
    const tm_model_ops *ops = tm__model_find("gbdt");
    tm_params params;
    tm_ctx ctx = {0};
    tm_model *model = NULL;
    memset(c, 0, sizeof(*c));
    made_init(&c->data, &(made_options){.n_rows = N, .n_cols = 3, .seed = 11});
    c->inner = c->data.view;
    c->inner.n_cols = 2;
    for (uint32_t i = 0; i < N; i++) {
        const double z = c->data.cols[0][i] + c->data.cols[2][i];
        c->y[i] = task == TM_TASK_BINARY ? z > 0 : z;
    }
    const tm_fit_input in = {
        .task = task, .n_classes = 2, .x = &c->inner, .y = c->y, .init_scores = c->data.cols[2]};
    tm__params_init(ops, &params);
    assert_int_equal(tm__params_set(ops, &params, "n_trees", "20", NULL), TM_OK);
    assert_int_equal(tm__model_fit(&ctx, ops, &in, &params, &model, NULL), TM_OK);
    assert_int_equal(tm__model_predict(&ctx, model, &c->inner, c->plain, NULL), TM_OK);
    assert_int_equal(tm__offset_create(&model, &c->offset, NULL), TM_OK);
    assert_null(model);
    assert_int_equal(c->offset->n_cols, 3);
}

static void done(offset_case *c) {
    tm__model_free(c->offset);
    made_done(&c->data);
}

static void an_answer_adds_the_score_of_its_row_alone_and_in_a_batch(void **state) {
    (void)state;
    static const tm_task tasks[] = {TM_TASK_BINARY, TM_TASK_REGRESSION};
    for (size_t t = 0; t < 2; t++) {
        offset_case c;
        tm_ctx ctx = {0};
        double all[N];
        init(&c, tasks[t]);
        assert_int_equal(tm__model_link_of(c.offset),
                         tasks[t] == TM_TASK_BINARY ? TM_LINK_SIGMOID : TM_LINK_NONE);
        assert_int_equal(tm__model_predict(&ctx, c.offset, &c.data.view, all, NULL), TM_OK);
        for (uint64_t i = 0; i < N; i++) {
            const double *cols[MADE_COLS_MAX];
            const tm_view row = made_row(&c.data, i, cols);
            double alone = 0, parts[5];
            assert_true(all[i] == c.plain[i] + c.data.cols[2][i]);
            tm__model_predict_row(c.offset, &row, &alone);
            assert_memory_equal(&alone, &all[i], sizeof(double));
            assert_int_equal(tm__model_explain(c.offset, &row, parts, NULL), TM_OK);
            assert_true(parts[2] == c.data.cols[2][i]); /* columns, terms, mean */
            assert_true(parts[3] == 0);
            assert_true(fabs(parts[0] + parts[1] + parts[2] + parts[3] + parts[4] - all[i]) < 1e-9);
        }
        done(&c);
    }
}

static void a_row_without_a_score_has_no_answer(void **state) {
    (void)state;
    static const double none[] = {NAN, INFINITY, -INFINITY, 1.1e300};
    offset_case c;
    init(&c, TM_TASK_REGRESSION);
    for (size_t i = 0; i < 4; i++) {
        tm_ctx ctx = {0};
        tm_err err = {0};
        double all[N], alone = 0, parts[5];
        const double *cols[MADE_COLS_MAX];
        const double kept = c.data.cols[2][7];
        c.data.cells[2 * N + 7] = none[i];
        assert_int_equal(tm__model_predict(&ctx, c.offset, &c.data.view, all, &err), TM_E_DATA);
        assert_non_null(strstr(err.message, "a row has no initial score"));
        assert_int_equal(err.data_row, 8);
        const tm_view row = made_row(&c.data, 7, cols);
        tm__model_predict_row(c.offset, &row, &alone);
        assert_true(isnan(alone));
        assert_int_equal(tm__model_explain(c.offset, &row, parts, NULL), TM_E_DATA);
        tm__model_link(TM_LINK_EXP, 1, 1, &alone); /* no link makes a number of it */
        assert_true(isnan(alone));
        tm__model_link(TM_LINK_SIGMOID, 1, 1, &alone);
        assert_true(isnan(alone));
        c.data.cells[2 * N + 7] = kept;
    }
    done(&c);
}

static void nothing_is_learned_from_the_score(void **state) {
    (void)state;
    offset_case c;
    double shares[4], sums[3] = {0};
    init(&c, TM_TASK_BINARY);
    c.offset->ops->importance(c.offset, shares);
    c.offset->ops->splits(c.offset, sums);
    assert_true(shares[0] > 0 && shares[2] == 0 && shares[3] == 0);
    assert_true(sums[0] > 0 && sums[2] == 0);
    json_t *described = c.offset->ops->describe(c.offset);
    assert_string_equal(tm__json_text(described, "learner", ""), "gbdt");
    json_decref(described);
    done(&c);
}

static void its_bytes_load_whole_or_not_at_all(void **state) {
    (void)state;
    offset_case c;
    tm_ctx ctx = {0};
    tm_buf bytes;
    double before[N], after[N];
    tm_model *again = NULL;
    init(&c, TM_TASK_BINARY);
    tm__buf_init(&bytes, (size_t)1 << 24);
    assert_int_equal(c.offset->ops->save(c.offset, &bytes, NULL), TM_OK);
    assert_int_equal(tm__offset_ops.load(bytes.data, bytes.len, &again, NULL), TM_OK);
    assert_int_equal(tm__model_predict(&ctx, c.offset, &c.data.view, before, NULL), TM_OK);
    assert_int_equal(tm__model_predict(&ctx, again, &c.data.view, after, NULL), TM_OK);
    assert_memory_equal(before, after, sizeof(before));
    tm__model_free(again);
    for (size_t len = 0; len < bytes.len; len += len < 100 ? 1 : 97)
        assert_int_not_equal(tm__offset_ops.load(bytes.data, len, &again, NULL), TM_OK);
    bytes.data[4] = 9;
    assert_int_equal(tm__offset_ops.load(bytes.data, bytes.len, &again, NULL), TM_E_UNSUPPORTED);
    tm__buf_done(&bytes);
    done(&c);
}

static void offsets_do_not_nest(void **state) {
    (void)state;
    offset_case c;
    tm_model *out = NULL;
    const double weight = 1;
    init(&c, TM_TASK_BINARY);
    tm_model *inner = c.offset;
    assert_int_equal(tm__offset_create(&inner, &out, NULL), TM_E_INVALID);
    assert_ptr_equal(inner, c.offset);
    assert_int_equal(tm__blend_create(&inner, &weight, 1, &out, NULL), TM_E_INVALID);
    assert_ptr_equal(tm__model_find("offset"), &tm__offset_ops);
    for (const tm_model_ops *const *list = tm__model_list(); *list != NULL; list++)
        assert_ptr_not_equal(*list, &tm__offset_ops); /* nobody fits one */
    done(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_adds_the_score_of_its_row_alone_and_in_a_batch),
        cmocka_unit_test(a_row_without_a_score_has_no_answer),
        cmocka_unit_test(nothing_is_learned_from_the_score),
        cmocka_unit_test(its_bytes_load_whole_or_not_at_all),
        cmocka_unit_test(offsets_do_not_nest),
    };
    return cmocka_run_group_tests_name("offset", tests, NULL, NULL);
}
