/* SPDX-License-Identifier: Apache-2.0 */
/* Bounds are held against every way in which the truths could come. */
#include "test.h"

#include <math.h>

#include "base/rng.h"
#include "metric/metric_sure.h"

enum { ROWS = 12, UNKNOWN_MAX = 6, CLASSES = 3 };

typedef struct made {
    tm_score_input in;
    double y[ROWS], pred[ROWS * CLASSES];
    uint32_t unknown[ROWS], n_unknown;
} made;

/* Few scores, so that many are tied. */
static void make(made *m, tm_task task, uint64_t seed) {
    tm_rng rng = tm__rng_split(7, "bounds", seed);
    const uint32_t n_classes = task == TM_TASK_BINARY ? 2 : CLASSES;
    m->n_unknown = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        if (task == TM_TASK_BINARY) {
            m->pred[i] = (double)tm__rng_below(&rng, 6) / 5;
        } else {
            const double a = (double)tm__rng_below(&rng, 5) / 4, b = (1 - a) * 0.25;
            m->pred[i * CLASSES] = a;
            m->pred[i * CLASSES + 1] = b;
            m->pred[i * CLASSES + 2] = 1 - a - b;
        }
        m->y[i] = (double)tm__rng_below(&rng, n_classes);
        if (m->n_unknown < UNKNOWN_MAX && tm__rng_below(&rng, 2) == 0) {
            m->unknown[m->n_unknown++] = i;
            m->y[i] = NAN;
        }
    }
    m->in = (tm_score_input){.task = task,
                             .n_classes = n_classes,
                             .n_rows = ROWS,
                             .y = m->y,
                             .pred = m->pred,
                             .threshold = 0.4};
}

/* The least and the largest score of all ways to fill in the truths. */
static tm_score_range try_all(const made *m, const tm_metric_ops *metric) {
    tm_score_range out = {.low = INFINITY, .high = -INFINITY};
    double y[ROWS];
    uint64_t n_ways = 1;
    for (uint32_t i = 0; i < m->n_unknown; i++) {
        n_ways *= m->in.n_classes;
    }
    for (uint64_t way = 0; way < n_ways; way++) {
        tm_score_input in = m->in;
        uint64_t left = way;
        double score = NAN;
        for (uint32_t i = 0; i < ROWS; i++) {
            y[i] = m->y[i];
        }
        for (uint32_t i = 0; i < m->n_unknown; i++, left /= m->in.n_classes) {
            y[m->unknown[i]] = (double)(left % m->in.n_classes);
        }
        in.y = y;
        if (tm__metric_score(metric, &in, &score, NULL) == TM_OK) {
            out.low = fmin(out.low, score);
            out.high = fmax(out.high, score);
        }
    }
    return out;
}

static void check_score(const char *name, tm_task task, bool is_exact_below) {
    const tm_metric_ops *metric = tm__metric_find(name);
    for (uint64_t seed = 0; seed < 60; seed++) {
        made m;
        tm_score_range got;
        make(&m, task, seed);
        const tm_score_range want = try_all(&m, metric);
        assert_int_equal(tm__metric_bounds(metric, &m.in, &got, NULL), TM_OK);
        if (!isfinite(want.low)) {
            continue;
        }
        if (fabs(got.high - want.high) > 1e-12 || got.low > want.low + 1e-12 ||
            (is_exact_below && fabs(got.low - want.low) > 1e-12)) {
            fail_msg("%s, seed %llu: %.9g to %.9g, but %.9g to %.9g can come", name,
                     (unsigned long long)seed, got.low, got.high, want.low, want.high);
        }
    }
}

static void bounds_are_the_extremes_of_all_that_may_come(void **state) {
    (void)state;
    static const char *const names[] = {"accuracy", "logloss", "brier", "precision",
                                        "recall",   "f1",      "auc"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        check_score(names[i], TM_TASK_BINARY, true);
    }
    check_score("accuracy", TM_TASK_MULTICLASS, true);
    check_score("logloss", TM_TASK_MULTICLASS, true);
}

static void with_all_truths_known_nothing_is_open(void **state) {
    (void)state;
    const double y[] = {0, 1, 1, 0, 1}, pred[] = {0.1, 0.8, 0.4, 0.6, 0.9};
    const tm_score_input in = {
        .task = TM_TASK_BINARY, .n_classes = 2, .n_rows = 5, .y = y, .pred = pred};
    for (size_t i = 0; tm__metric_list()[i] != NULL; i++) {
        const tm_metric_ops *metric = tm__metric_list()[i];
        tm_score_range range;
        if ((metric->tasks & (1u << TM_TASK_BINARY)) == 0) {
            continue;
        }
        assert_int_equal(tm__metric_bounds(metric, &in, &range, NULL), TM_OK);
        if (isfinite(range.low)) {
            assert_true(fabs(range.low - range.value) < 1e-12);
            assert_true(fabs(range.high - range.value) < 1e-12);
        }
    }
}

static void macro_f1_is_bounded_from_outside(void **state) {
    (void)state;
    const tm_metric_ops *metric = tm__metric_find("macro_f1");
    for (uint64_t seed = 0; seed < 60; seed++) {
        made m;
        tm_score_range got;
        make(&m, TM_TASK_MULTICLASS, seed);
        const tm_score_range want = try_all(&m, metric);
        assert_int_equal(tm__metric_bounds(metric, &m.in, &got, NULL), TM_OK);
        assert_true(got.low <= want.low + 1e-12 && got.high >= want.high - 1e-12);
    }
}

static void without_any_truth_everything_is_open(void **state) {
    (void)state;
    const double y[] = {NAN, NAN}, pred[] = {0.2, 0.9};
    const tm_score_input in = {
        .task = TM_TASK_BINARY, .n_classes = 2, .n_rows = 2, .y = y, .pred = pred};
    tm_score_range range;
    assert_int_equal(tm__metric_bounds(tm__metric_find("accuracy"), &in, &range, NULL), TM_OK);
    assert_true(isnan(range.value) && range.low == 0 && range.high == 1);
    assert_int_equal(tm__metric_bounds(tm__metric_find("auc"), &in, &range, NULL), TM_OK);
    assert_true(isnan(range.value) && range.low == 0 && range.high == 1);
    assert_int_equal(tm__metric_bounds(tm__metric_find("ece"), &in, &range, NULL), TM_OK);
    assert_true(isnan(range.low) && isnan(range.high));
}

static void values_and_probabilities_that_are_none_are_refused(void **state) {
    (void)state;
    const double y[] = {NAN, 3}, good[] = {0.5, 0.5}, bad[] = {0.5, 1.5}, value[] = {1, NAN};
    tm_score_input in = {.task = TM_TASK_BINARY, .n_classes = 2, .n_rows = 2, .y = y, .pred = good};
    tm_score_range range;
    assert_int_equal(tm__metric_bounds(tm__metric_find("accuracy"), &in, &range, NULL),
                     TM_E_INVALID);
    in.y = value;
    in.pred = bad;
    assert_int_equal(tm__metric_bounds(tm__metric_find("brier"), &in, &range, NULL), TM_E_INVALID);
    in.task = TM_TASK_REGRESSION; /* nothing bounds an error */
    assert_int_equal(tm__metric_bounds(tm__metric_find("mae"), &in, &range, NULL), TM_OK);
    assert_true(range.value == 0.5 && isnan(range.low) && isnan(range.high));
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_are_the_extremes_of_all_that_may_come),
        cmocka_unit_test(with_all_truths_known_nothing_is_open),
        cmocka_unit_test(macro_f1_is_bounded_from_outside),
        cmocka_unit_test(without_any_truth_everything_is_open),
        cmocka_unit_test(values_and_probabilities_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
