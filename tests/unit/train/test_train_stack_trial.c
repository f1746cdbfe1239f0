/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/rng.h"
#include "train/train_stack_trial.h"

#define N 4000u

typedef struct made {
    tm_search search;
    tm_train_data data;
    tm_train_options options;
    tm_mixer halves[TM_MIX_HALVES];
} made;

/* Two members whose log-odds are a third of what they should be, and weigh alike. */
static void init(made *m) {
    tm_rng rng = tm__rng_split(8, "stack trial", 0);
    memset(m, 0, sizeof(*m));
    m->data.task = TM_TASK_BINARY;
    m->data.n_classes = 2;
    m->search.data = &m->data;
    m->search.options = &m->options;
    m->search.metric = tm__metric_find("logloss");
    m->search.n_candidates = 2;
    m->search.n_valid = N;
    m->search.n_valid_folds = 2;
    m->search.valid_ends[0] = N - 60;
    m->search.valid_ends[1] = N; /* too few for halves of their own */
    m->search.valid_y = tm__mem_alloc(N, sizeof(double));
    for (uint32_t k = 0; k < 2; k++) {
        m->search.candidates[k].ops = tm__model_find("gbdt");
        m->search.candidates[k].link = TM_LINK_SIGMOID;
        m->search.candidates[k].raw = tm__mem_alloc(N, sizeof(double));
    }
    for (uint32_t i = 0; i < N; i++) {
        double truth = 0.0;
        for (uint32_t k = 0; k < 2; k++) {
            const double own = 4.0 * (tm__rng_f64(&rng) - 0.5);
            truth += 1.5 * own;
            m->search.candidates[k].raw[i] = own;
        }
        m->search.valid_y[i] = tm__rng_f64(&rng) < tm__sigmoid(truth);
    }
    for (uint32_t h = 0; h < TM_MIX_HALVES; h++) {
        const tm_mix_rows which = {.half = h, .fold = TM_FOLDS_ALL};
        assert_int_equal(tm__mixer_init(&m->halves[h], &m->search, which, NULL), TM_OK);
    }
}

static void done(made *m) {
    tm__mixer_done(&m->halves[0]);
    tm__mixer_done(&m->halves[1]);
    tm__search_done(&m->search);
}

static double sum_of(const tm_stack_trial *t, uint32_t which) {
    double sum = 0.0;
    for (uint64_t i = 0; i < t->n; i++) {
        sum += t->losses[which][i];
    }
    return sum;
}

static void shares_are_weights_without_a_bias(void **state) {
    (void)state;
    made m;
    tm_stack stack;
    const tm_mix mix = {.counts = {3, 1}, .n = 4};
    init(&m);
    assert_int_equal(tm__stack_of(&m.halves[0], &mix, &stack, NULL), TM_OK);
    assert_int_equal(stack.n, 2);
    assert_true(stack.weights[0] == 0.75 && stack.weights[1] == 0.25 && stack.bias[0] == 0.0);
    const tm_stack_rows rows = tm__stack_rows_of(&m.halves[0], &stack);
    assert_int_equal(rows.n, m.halves[0].n_rows);
    assert_true(rows.raw[0] != rows.raw[1]);
    tm__stack_done(&stack);
    assert_null(stack.weights);
    done(&m);
}

/* What a scale alone mends is no merit of a second layer: both lower the loss alike. */
static void a_blend_has_its_scale_before_it_is_compared(void **state) {
    (void)state;
    made m;
    tm_stack_trial t;
    tm_stack made[TM_STACK_STRENGTHS] = {{0}};
    const tm_mix mix = {.counts = {1, 1}, .n = 2};
    init(&m);
    assert_int_equal(tm__stack_trial_init(&t, N, NULL), TM_OK);
    assert_int_equal(tm__stack_try_pair(&m.halves[0], &m.halves[1], &mix, &t, made, NULL), TM_OK);
    assert_int_equal(t.n, m.halves[1].n_rows);
    const double mixed = sum_of(&t, TM_LOSS_MIXED), scaled = sum_of(&t, TM_LOSS_SCALED);
    assert_true(scaled < 0.95 * mixed);
    assert_true(fabs(sum_of(&t, TM_LOSS_STACKED) - scaled) < 0.01 * scaled);
    for (uint32_t g = 0; g < TM_STACK_STRENGTHS; g++) {
        assert_int_equal(made[g].n, 2);
        assert_true(g == 0 || made[g].weights[0] < made[g - 1].weights[0]);
    }
    for (uint32_t g = 0; g < TM_STACK_STRENGTHS; g++) {
        tm__stack_done(&made[g]);
    }
    tm__stack_trial_done(&t);
    done(&m);
}

static void folds_of_few_rows_are_passed_over(void **state) {
    (void)state;
    made m;
    tm_stack_trial t;
    const tm_mix mix = {.counts = {1, 1}, .n = 2};
    const tm_mix both[] = {mix, mix};
    init(&m);
    assert_int_equal(tm__stack_trial_init(&t, N, NULL), TM_OK);
    assert_int_equal(tm__stack_try_folds(&m.search, both, &t, NULL), TM_OK);
    assert_int_equal(t.n, N - 60);
    tm__stack_trial_done(&t);
    done(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_weights_without_a_bias),
        cmocka_unit_test(a_blend_has_its_scale_before_it_is_compared),
        cmocka_unit_test(folds_of_few_rows_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
