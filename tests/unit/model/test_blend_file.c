/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/blend/blend.h"

#define N 200u
#define K 3u

typedef struct made {
    double x[N], y[N];
    const double *cols[1];
    tm_feature features[1];
    tm_view view;
} made;

static void init(made *m) {
    tm_rng rng = tm__rng_split(4, "blend file", 0);
    memset(m, 0, sizeof(*m));
    for (uint32_t i = 0; i < N; i++) {
        m->x[i] = 3.0 * tm__rng_f64(&rng);
        m->y[i] = (double)(uint32_t)m->x[i];
    }
    m->cols[0] = m->x;
    m->features[0] = (tm_feature){.name = "x"};
    m->view = (tm_view){.n_rows = N, .n_cols = 1, .cols = m->cols, .features = m->features};
}

static tm_model *fit(const made *m, const char *learner) {
    const tm_model_ops *ops = tm__model_find(learner);
    tm_params params;
    tm_ctx ctx = {0};
    tm_model *model = NULL;
    const tm_fit_input in = {.task = TM_TASK_MULTICLASS, .n_classes = K, .x = &m->view, .y = m->y};
    tm__params_init(ops, &params);
    assert_int_equal(tm__model_fit(&ctx, ops, &in, &params, &model, NULL), TM_OK);
    return model;
}

static tm_model *make(const made *m, bool is_stack) {
    tm_model *members[] = {fit(m, "linear"), fit(m, "baseline")};
    const double shares[] = {0.75, 0.25};
    const double weights[] = {1.5, 0.5, 1.0, 0.0, 0.25, 2.0}, bias[] = {0.5, -0.25, 0.0};
    tm_model *blend = NULL;
    assert_int_equal(is_stack ? tm__blend_create_stack(members, weights, bias, 2, &blend, NULL)
                              : tm__blend_create(members, shares, 2, &blend, NULL),
                     TM_OK);
    return blend;
}

static void saved_bytes_load_again_and_cut_ones_are_refused(void **state) {
    (void)state;
    made m;
    init(&m);
    for (uint32_t i = 0; i < 2; i++) {
        static double before[N * K], after[N * K];
        tm_ctx ctx = {0};
        tm_buf bytes, twice;
        tm_model *again = NULL, *blend = make(&m, i == 1);
        tm__buf_init(&bytes, 1u << 24);
        tm__buf_init(&twice, 1u << 24);
        assert_int_equal(blend->ops->save(blend, &bytes, NULL), TM_OK);
        assert_int_equal(tm__blend_ops.load(bytes.data, bytes.len, &again, NULL), TM_OK);
        assert_int_equal(tm__model_predict(&ctx, blend, &m.view, before, NULL), TM_OK);
        assert_int_equal(tm__model_predict(&ctx, again, &m.view, after, NULL), TM_OK);
        assert_memory_equal(before, after, sizeof(before));
        assert_int_equal(again->ops->save(again, &twice, NULL), TM_OK);
        assert_int_equal(twice.len, bytes.len);
        assert_memory_equal(twice.data, bytes.data, bytes.len);
        tm__model_free(again);
        for (size_t len = 0; len < bytes.len; len++) {
            assert_int_not_equal(tm__blend_ops.load(bytes.data, len, &again, NULL), TM_OK);
        }
        tm__buf_done(&bytes);
        tm__buf_done(&twice);
        tm__model_free(blend);
    }
}

/* Earlier releases read a mean; they refuse a stack by its number. */
static void a_mean_is_version_1_and_a_stack_version_2(void **state) {
    (void)state;
    made m;
    init(&m);
    for (uint32_t i = 0; i < 2; i++) {
        tm_buf bytes;
        tm_model *blend = make(&m, i == 1);
        tm__buf_init(&bytes, 1u << 24);
        assert_int_equal(blend->ops->save(blend, &bytes, NULL), TM_OK);
        assert_memory_equal(bytes.data, "BLND", 4);
        assert_int_equal(bytes.data[4], 1 + i);
        tm__buf_done(&bytes);
        tm__model_free(blend);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saved_bytes_load_again_and_cut_ones_are_refused),
        cmocka_unit_test(a_mean_is_version_1_and_a_stack_version_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
