/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "model/mlp/mlp_priv.h"

enum { N = 8 };

typedef struct columns {
    double number[N], constant[N], gaps[N], levels[N], many[N];
    const double *cols[5];
    tm_feature features[5];
    tm_view view;
    uint32_t rows[N];
} columns;

static columns *columns_create(void) {
    columns *c = tm__mem_zalloc(1, sizeof(*c));
    for (uint32_t i = 0; i < N; i++) {
        c->number[i] = i * 10.0;
        c->constant[i] = 5.0;
        c->gaps[i] = i % 2 == 0 ? tm__nan() : 5.0;
        c->levels[i] = i % 3;
        c->many[i] = i;
        c->rows[i] = i;
    }
    const double *const cols[] = {c->number, c->constant, c->gaps, c->levels, c->many};
    memcpy(c->cols, cols, sizeof(cols));
    c->features[3] = (tm_feature){.is_categorical = true, .n_levels = 4};
    c->features[4] = (tm_feature){.is_categorical = true, .n_levels = 40};
    c->view = (tm_view){.n_rows = N, .n_cols = 5, .cols = c->cols, .features = c->features};
    return c;
}

static void inputs_are_those_of_the_definition(void **state) {
    (void)state;
    columns *c = columns_create();
    tm_mlp_code code;
    float vectors[41 * TM_MLP_VECTOR], out[64];
    for (uint32_t i = 0; i < 41 * TM_MLP_VECTOR; i++) {
        vectors[i] = (float)i;
    }
    assert_int_equal(tm__mlp_code_fit(&c->view, c->rows, N, 2, &code, NULL), TM_OK);
    /* The number: edges 0, 30, 70, and one for a missing value; a column of one value has none
     * unless it has gaps. */
    assert_int_equal(code.cols[0].n_inputs, 3);
    assert_int_equal(code.cols[1].kind, TM_MLP_NOTHING);
    assert_int_equal(code.cols[2].n_inputs, 1);
    assert_int_equal(code.cols[3].n_inputs, 5);
    assert_int_equal(code.cols[4].n_inputs, TM_MLP_VECTOR);
    assert_int_equal(code.n_inputs, 3 + 1 + 5 + TM_MLP_VECTOR);
    assert_int_equal(code.width, 32);
    tm__mlp_code_row(&code, vectors, &c->view, 5, out); /* 50, 5, 5.0, 2, 5 */
    const float want[] = {1, 0.5F, 0, 0, 0, 0, 1, 0, 0, 40, 41, 42, 43, 44, 45, 46, 47, 0};
    assert_memory_equal(out, want, sizeof(want));
    tm__mlp_code_done(&code);
    tm__mem_free(c);
}

static void values_beyond_what_was_seen_are_its_ends(void **state) {
    (void)state;
    columns *c = columns_create();
    tm_mlp_code code;
    float vectors[41 * TM_MLP_VECTOR] = {0}, out[64];
    const double far[] = {INFINITY, -INFINITY, 1e308, tm__nan()};
    const float want[][3] = {{1, 1, 0}, {0, 0, 0}, {1, 1, 0}, {0, 0, 1}};
    assert_int_equal(tm__mlp_code_fit(&c->view, c->rows, N, 2, &code, NULL), TM_OK);
    for (uint32_t i = 0; i < 4; i++) {
        c->number[0] = far[i];
        c->levels[0] = i == 3 ? tm__nan() : 99;
        tm__mlp_code_row(&code, vectors, &c->view, 0, out);
        assert_memory_equal(out, want[i], sizeof(want[i]));
        assert_true(out[code.cols[3].input + 4] == 1.0F);
    }
    tm__mlp_code_done(&code);
    tm__mem_free(c);
}

/* Many columns have fewer bins each; too many are refused. */
static void inputs_have_a_limit(void **state) {
    (void)state;
    enum { COLS = 5000, FEWER = 3000 };
    columns *c = columns_create();
    const double **cols = tm__mem_alloc(COLS, sizeof(*cols));
    tm_feature *features = tm__mem_zalloc(COLS, sizeof(*features));
    for (uint32_t j = 0; j < COLS; j++) {
        cols[j] = c->number;
    }
    tm_view view = {.n_rows = N, .n_cols = COLS, .cols = cols, .features = features};
    tm_mlp_code code;
    tm_err err = {0};
    assert_int_equal(tm__mlp_code_fit(&view, c->rows, N, 2, &code, &err), TM_E_LIMIT);
    assert_non_null(strstr(err.message, "8192"));
    view.n_cols = FEWER;
    err = (tm_err){0};
    assert_int_equal(tm__mlp_code_fit(&view, c->rows, N, 7, &code, &err), TM_OK);
    assert_int_equal(code.n_inputs, 2 * FEWER);
    assert_int_equal(err.message[0], 0);
    tm__mlp_code_done(&code);
    tm__mem_free(cols);
    tm__mem_free(features);
    tm__mem_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_are_those_of_the_definition),
        cmocka_unit_test(values_beyond_what_was_seen_are_its_ends),
        cmocka_unit_test(inputs_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
