/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/rng.h"
#include "train/train_stack_fit.h"

#define N 4000u
#define K 3u

/* Two members' raw answers, [N x K] at the most, and a truth. */
typedef struct made {
    double a[N * K], b[N * K], y[N], weights[N];
} made;

static double wide(tm_rng *rng) {
    return 4.0 * (tm__rng_f64(rng) - 0.5);
}

static tm_stack_rows rows_of(const made *m, tm_link link, uint32_t n_outputs) {
    return (tm_stack_rows){.link = link,
                           .n_classes = n_outputs > 1 ? n_outputs : 2,
                           .n_outputs = n_outputs,
                           .n_members = 2,
                           .n = N,
                           .raw = {m->a, m->b},
                           .y = m->y};
}

static void make_answers(made *m, uint32_t n_outputs, const char *stream) {
    tm_rng rng = tm__rng_split(7, stream, 0);
    for (uint32_t i = 0; i < N * n_outputs; i++) {
        m->a[i] = wide(&rng);
        m->b[i] = wide(&rng);
    }
}

/* Truth of the sum 1.2 a + 0.4 b - 0.5. */
static void make_numbers(made *m, bool is_log) {
    tm_rng rng = tm__rng_split(7, "noise", 0);
    make_answers(m, 1, "numbers");
    for (uint32_t i = 0; i < N; i++) {
        const double score = 1.2 * m->a[i] + 0.4 * m->b[i] - 0.5;
        m->y[i] = is_log ? exp(score) * (0.9 + 0.2 * tm__rng_f64(&rng)) : score + 0.1 * wide(&rng);
    }
}

static void make_two_classes(made *m) {
    tm_rng rng = tm__rng_split(7, "classes", 0);
    make_answers(m, 1, "two");
    for (uint32_t i = 0; i < N; i++) {
        m->y[i] = tm__rng_f64(&rng) < tm__sigmoid(1.2 * m->a[i] + 0.4 * m->b[i] - 0.5);
    }
}

/* Member a knows class 0, member b the others. */
static void make_classes(made *m) {
    tm_rng rng = tm__rng_split(7, "more classes", 0);
    make_answers(m, K, "three");
    for (uint32_t i = 0; i < N; i++) {
        double score[K] = {1.5 * m->a[i * K], 1.5 * m->b[i * K + 1], 1.5 * m->b[i * K + 2]};
        double draw = tm__rng_f64(&rng);
        tm__model_link(TM_LINK_SOFTMAX, K, 1, score);
        m->y[i] = draw < score[0] ? 0 : draw < score[0] + score[1] ? 1 : 2;
    }
}

static void weights_of_numbers_are_found(void **state) {
    (void)state;
    static made m;
    double weights[] = {0.5, 0.5}, bias = 0.0;
    make_numbers(&m, false);
    const tm_stack_rows rows = rows_of(&m, TM_LINK_NONE, 1);
    assert_int_equal(tm__stack_fit(&rows, 1.0, weights, &bias, NULL), TM_OK);
    assert_true(fabs(weights[0] - 1.2) < 0.02 && fabs(weights[1] - 0.4) < 0.02);
    assert_true(fabs(bias + 0.5) < 0.02);
}

static void weights_of_logs_are_found(void **state) {
    (void)state;
    static made m;
    double weights[] = {0.5, 0.5}, bias = 0.0;
    make_numbers(&m, true);
    const tm_stack_rows rows = rows_of(&m, TM_LINK_EXP, 1);
    assert_int_equal(tm__stack_fit(&rows, 1.0, weights, &bias, NULL), TM_OK);
    assert_true(fabs(weights[0] - 1.2) < 0.05 && fabs(weights[1] - 0.4) < 0.05);
}

static void weights_of_two_classes_are_found_and_rows_of_none_do_not_count(void **state) {
    (void)state;
    static made m;
    double weights[] = {0.5, 0.5}, bias = 0.0;
    double again[] = {0.5, 0.5}, again_bias = 0.0;
    make_two_classes(&m);
    tm_stack_rows rows = rows_of(&m, TM_LINK_SIGMOID, 1);
    assert_int_equal(tm__stack_fit(&rows, 1.0, weights, &bias, NULL), TM_OK);
    assert_true(fabs(weights[0] - 1.2) < 0.15 && fabs(weights[1] - 0.4) < 0.15);
    assert_true(fabs(bias + 0.5) < 0.15);
    /* A class that training did not have, and rows of no weight. */
    for (uint32_t i = 0; i < N; i++) {
        m.weights[i] = i % 4 != 0;
        m.y[i] = i % 4 == 1 && i % 8 == 1 ? 2.0 : m.y[i];
    }
    rows.weights = m.weights;
    assert_int_equal(tm__stack_fit(&rows, 1.0, again, &again_bias, NULL), TM_OK);
    assert_true(fabs(again[0] - 1.2) < 0.2 && fabs(again[1] - 0.4) < 0.2);
}

static void each_class_has_weights_of_its_own(void **state) {
    (void)state;
    static made m;
    double weights[2 * K] = {0.5, 0.5, 0.5, 0.5, 0.5, 0.5}, bias[K] = {0};
    make_classes(&m);
    const tm_stack_rows rows = rows_of(&m, TM_LINK_SOFTMAX, K);
    assert_int_equal(tm__stack_fit(&rows, 1.0, weights, bias, NULL), TM_OK);
    assert_true(fabs(weights[0] - 1.5) < 0.2 && weights[K] < 0.15);
    for (uint32_t c = 1; c < K; c++) {
        assert_true(weights[c] < 0.15 && fabs(weights[K + c] - 1.5) < 0.2);
    }
}

static void no_weight_is_negative(void **state) {
    (void)state;
    static made m;
    double weights[] = {0.5, 0.5}, bias = 0.0;
    make_numbers(&m, false);
    for (uint32_t i = 0; i < N; i++) {
        m.y[i] = m.a[i] - 0.5 * m.b[i];
    }
    const tm_stack_rows rows = rows_of(&m, TM_LINK_NONE, 1);
    assert_int_equal(tm__stack_fit(&rows, 1.0, weights, &bias, NULL), TM_OK);
    assert_true(weights[1] == 0.0);
    assert_true(fabs(weights[0] - 1.0) < 0.05);
}

static void a_strong_ridge_keeps_the_weights_given(void **state) {
    (void)state;
    static made m;
    double last = 0.0;
    make_numbers(&m, false);
    const tm_stack_rows rows = rows_of(&m, TM_LINK_NONE, 1);
    for (double strength = 1.0; strength < 1e7; strength *= 100) {
        double weights[] = {0.5, 0.5}, bias = 0.0;
        assert_int_equal(tm__stack_fit(&rows, strength, weights, &bias, NULL), TM_OK);
        assert_true(last == 0.0 || weights[0] < last);
        last = weights[0];
    }
    assert_true(fabs(last - 0.5) < 0.01);
}

static void losses_are_what_the_fit_lowers(void **state) {
    (void)state;
    static made m;
    static double raw[N], losses[N];
    double weights[] = {0.5, 0.5}, bias = 0.0, sums[2] = {0};
    make_two_classes(&m);
    const tm_stack_rows rows = rows_of(&m, TM_LINK_SIGMOID, 1);
    for (uint32_t k = 0; k < 2; k++) {
        tm__stack_apply(&rows, weights, &bias, raw);
        tm__stack_losses(&rows, raw, losses);
        for (uint32_t i = 0; i < N; i++) {
            assert_true(losses[i] >= 0.0);
            sums[k] += losses[i];
        }
        assert_int_equal(tm__stack_fit(&rows, 30.0, weights, &bias, NULL), TM_OK);
    }
    assert_true(sums[1] < 0.98 * sums[0]);
}

static void what_is_not_finite_changes_nothing(void **state) {
    (void)state;
    static made m;
    double weights[] = {0.5, 0.5}, bias = 0.25;
    make_numbers(&m, false);
    for (uint32_t i = 0; i < N; i++) {
        m.a[i] *= 1e200;
        m.y[i] *= 1e250;
    }
    const tm_stack_rows rows = rows_of(&m, TM_LINK_NONE, 1);
    assert_int_equal(tm__stack_fit(&rows, 30.0, weights, &bias, NULL), TM_OK);
    assert_true(weights[0] == 0.5 && weights[1] == 0.5 && bias == 0.25);
}

static void links_of_imported_models_are_not_known(void **state) {
    (void)state;
    assert_true(tm__stack_knows(TM_LINK_NONE) && tm__stack_knows(TM_LINK_SOFTMAX));
    assert_false(tm__stack_knows(TM_LINK_SQUARE) || tm__stack_knows(TM_LINK_SHARES));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_of_numbers_are_found),
        cmocka_unit_test(weights_of_logs_are_found),
        cmocka_unit_test(weights_of_two_classes_are_found_and_rows_of_none_do_not_count),
        cmocka_unit_test(each_class_has_weights_of_its_own),
        cmocka_unit_test(no_weight_is_negative),
        cmocka_unit_test(a_strong_ridge_keeps_the_weights_given),
        cmocka_unit_test(losses_are_what_the_fit_lowers),
        cmocka_unit_test(what_is_not_finite_changes_nothing),
        cmocka_unit_test(links_of_imported_models_are_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
