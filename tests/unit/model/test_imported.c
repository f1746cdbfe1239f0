/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/imported/imported_priv.h"

enum { N = 300, COLS = 3 };

/* Two outputs, a front, and trees or weights. */
static tm_imported *make(tm_imported_kind kind, bool has_front, int norm) {
    const tm_imported_shape shape = {.kind = kind,
                                     .task = TM_TASK_MULTICLASS,
                                     .link = TM_LINK_SIGMOID,
                                     .n_outputs = 2,
                                     .n_cols = COLS,
                                     .has_front = has_front};
    tm_imported *self = tm__imported_create(&shape);
    assert_non_null(self);
    self->scale = 2;
    self->divide = 3;
    for (int step = TM_FRONT_SUB; has_front && step <= TM_FRONT_FILL; step++) {
        const float values[COLS] = {0.5F, 2, 3};
        assert_int_equal(tm__imported_add_step(self, (tm_front_kind)step, values, NULL), TM_OK);
    }
    if (has_front && norm > 0) {
        assert_int_equal(tm__imported_add_step(self, (tm_front_kind)norm, NULL, NULL), TM_OK);
    }
    for (uint32_t k = 0; kind == TM_IMPORTED_LINEAR && k < 2 * (COLS + 1); k++) {
        self->weights[k] = 0.5 * k - 1;
    }
    for (uint32_t t = 0; kind == TM_IMPORTED_TREES && t < 60; t++) {
        const tm_tree_node nodes[] = {
            {.threshold = 0.01 * t,
             .left = 1,
             .meta = t % COLS | (t % 2 ? TM_NODE_MISSING_LEFT : 0)},
            {.threshold = (double)INFINITY, .left = 1, .meta = TM_NODE_LEAF | TM_NODE_MISSING_LEFT},
            {.threshold = (double)INFINITY,
             .left = 2,
             .meta = TM_NODE_LEAF | TM_NODE_MISSING_LEFT}};
        const double values[] = {0, 0.1 * t, -0.3};
        const uint32_t covers[] = {5, 2, 3};
        const tm_tree_draft draft = {
            .n_nodes = 3, .nodes = nodes, .values = values, .covers = covers};
        assert_int_equal(tm__forest_add(&self->forest, &draft, NULL), TM_OK);
    }
    return self;
}

static void check_one(tm_imported_kind kind, bool has_front, int norm) {
    static double x[COLS][N], batch[2 * N];
    tm_imported *self = make(kind, has_front, norm);
    tm_model *again = NULL;
    tm_buf bytes;
    tm_ctx ctx = {0};
    tm_rng rng = tm__rng_split(3, "imported", 0);
    const double *cols[COLS] = {x[0], x[1], x[2]};
    const tm_feature features[COLS] = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
    for (uint32_t i = 0; i < N * COLS; i++) {
        x[i % COLS][i / COLS] = i % 7 == 0 ? (double)NAN : tm__rng_f64(&rng);
    }
    tm__buf_init(&bytes, 1u << 24);
    assert_int_equal(tm__imported_ops.save(&self->base, &bytes, NULL), TM_OK);
    assert_int_equal(tm__imported_ops.load(bytes.data, bytes.len, &again, NULL), TM_OK);
    const tm_view view = {.n_rows = N, .n_cols = COLS, .cols = cols, .features = features};
    assert_int_equal(tm__model_predict(&ctx, again, &view, batch, NULL), TM_OK);
    for (uint32_t i = 0; i < N; i++) {
        const double *row_cols[COLS] = {&x[0][i], &x[1][i], &x[2][i]};
        const tm_view row = {.n_rows = 1, .n_cols = COLS, .cols = row_cols, .features = features};
        double alone[2];
        double parts[2 * (COLS + 2)];
        tm__model_predict_row(&self->base, &row, alone);
        assert_memory_equal(alone, batch + (size_t)2 * i, sizeof(alone));
        assert_int_equal(tm__model_explain(again, &row, parts, NULL), TM_OK);
        for (uint32_t k = 0; k < 2; k++) {
            double sum = 0;
            for (uint32_t c = 0; c < COLS + 2; c++) {
                sum += parts[k * (COLS + 2) + c];
            }
            assert_true(fabs(sum - alone[k]) < 1e-9);
        }
    }
    tm__model_free(again);
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(tm__imported_ops.load(bytes.data, len, &again, NULL), TM_E_INTEGRITY);
    }
    tm__buf_done(&bytes);
    tm__imported_free(&self->base);
}

static void a_row_has_the_bits_of_its_batch_and_bytes_load_again(void **state) {
    (void)state;
    for (int kind = TM_IMPORTED_TREES; kind <= TM_IMPORTED_LINEAR; kind++) {
        check_one((tm_imported_kind)kind, false, 0);
        check_one((tm_imported_kind)kind, true, 0);
        for (int norm = TM_FRONT_NORM_MAX; norm <= TM_FRONT_NORM_L2; norm++) {
            check_one((tm_imported_kind)kind, true, norm);
        }
    }
}

static void links_are_what_the_model_says(void **state) {
    (void)state;
    double raw[] = {0, 2, -3, 800};
    tm__model_link(TM_LINK_SQUARE, 1, 3, raw);
    assert_true(raw[1] == 4 && raw[2] == -9);
    raw[0] = 0;
    raw[1] = -800;
    tm__model_link(TM_LINK_SOFTPLUS, 1, 4, raw);
    assert_true(fabs(raw[0] - 0.6931471805599453) < 1e-15 && raw[1] >= 0 && raw[1] < 1e-300);
    assert_true(raw[3] == 800);
    raw[0] = raw[1] = 0;
    tm__model_link(TM_LINK_SIGMOID, 2, 1, raw);
    assert_true(raw[0] == 0.5 && raw[1] == 0.5);
    tm__model_link(TM_LINK_SHARES, 2, 1, raw);
    assert_true(raw[0] == 0.5 && raw[1] == 0.5);
    tm_imported *self = make(TM_IMPORTED_LINEAR, false, 0);
    assert_int_equal(tm__model_link_of(&self->base), TM_LINK_SIGMOID);
    tm__imported_free(&self->base);
}

static void scores_stay_finite_for_any_row(void **state) {
    (void)state;
    tm_imported *self = make(TM_IMPORTED_LINEAR, false, 0);
    const double cells[] = {1e308, -1e308, (double)INFINITY};
    const double *cols[] = {&cells[0], &cells[1], &cells[2]};
    const tm_feature features[COLS] = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
    const tm_view row = {.n_rows = 1, .n_cols = COLS, .cols = cols, .features = features};
    double out[2];
    for (uint32_t i = 0; i < 2 * (COLS + 1); i++) {
        self->weights[i] = i % 2 ? 1e280 : -1e280;
    }
    tm__model_predict_row(&self->base, &row, out);
    assert_true(fabs(out[0]) <= TM_MODEL_SCORE_MAX && fabs(out[1]) <= TM_MODEL_SCORE_MAX);
    tm__imported_free(&self->base);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_has_the_bits_of_its_batch_and_bytes_load_again),
        cmocka_unit_test(links_are_what_the_model_says),
        cmocka_unit_test(scores_stay_finite_for_any_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
