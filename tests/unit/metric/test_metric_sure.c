/* SPDX-License-Identifier: Apache-2.0 */
/* Intervals are held against how often they hold, expectations against the mean of many draws. */
#include "test.h"

#include <math.h>

#include "base/rng.h"
#include "metric/metric_sure.h"

enum { ROWS = 400, RUNS = 600, CLASSES = 3, MANY = 200000 };

/* Probabilities that are right: the truth is drawn by them. */
static void draw_binary(tm_rng *rng, uint32_t n, double *y, double *pred) {
    for (uint32_t i = 0; i < n; i++) {
        const double u = tm__rng_f64(rng);
        pred[i] = u * u;
        y[i] = tm__rng_f64(rng) < pred[i];
    }
}

static void draw_classes(tm_rng *rng, uint32_t n, double *y, double *pred) {
    for (uint32_t i = 0; i < n; i++) {
        double sum = 0;
        for (uint32_t k = 0; k < CLASSES; k++) {
            const double u = tm__rng_f64(rng);
            sum += pred[i * CLASSES + k] = u * u * u;
        }
        const double at = tm__rng_f64(rng) * sum;
        double up_to = 0;
        y[i] = CLASSES - 1;
        for (uint32_t k = CLASSES; k-- > 0;) {
            pred[i * CLASSES + k] /= sum;
        }
        for (uint32_t k = 0; k < CLASSES; k++) {
            up_to += pred[i * CLASSES + k] * sum;
            if (at < up_to) {
                y[i] = k;
                break;
            }
        }
    }
}

static void draw_values(tm_rng *rng, uint32_t n, double *y, double *pred) {
    for (uint32_t i = 0; i < n; i++) {
        pred[i] = 10 * tm__rng_f64(rng);
        y[i] = pred[i] + 3 * (tm__rng_f64(rng) + tm__rng_f64(rng) + tm__rng_f64(rng) - 1.5);
    }
}

typedef struct kind {
    tm_task task;
    uint32_t n_outputs;
    void (*draw)(tm_rng *rng, uint32_t n, double *y, double *pred);
} kind;
static const kind kinds[] = {{TM_TASK_BINARY, 1, draw_binary},
                             {TM_TASK_MULTICLASS, CLASSES, draw_classes},
                             {TM_TASK_REGRESSION, 1, draw_values}};

static double y_many[MANY], pred_many[MANY * CLASSES];

static tm_score_input input(const kind *k, uint32_t n, const double *y, const double *pred) {
    return (tm_score_input){.task = k->task,
                            .n_classes = k->task == TM_TASK_BINARY ? 2 : CLASSES,
                            .n_rows = n,
                            .y = y,
                            .pred = pred,
                            .threshold = 0.4};
}

/* How many of RUNS intervals hold the score of very many rows. A normal interval of a loss with a
 * long tail holds a little less often than it says. */
static void an_interval_holds_what_many_rows_show_in_95_of_100_runs(void **state) {
    (void)state;
    for (size_t t = 0; t < 3; t++) {
        const kind *k = &kinds[t];
        tm_rng rng = tm__rng_split(3, "sure", t);
        k->draw(&rng, MANY, y_many, pred_many);
        const tm_score_input many = input(k, MANY, y_many, pred_many);
        for (size_t i = 0; tm__metric_list()[i] != NULL; i++) {
            const tm_metric_ops *metric = tm__metric_list()[i];
            double want = NAN, y[ROWS], pred[ROWS * CLASSES];
            uint32_t n_held = 0, n_known = 0;
            if ((metric->tasks & (1u << k->task)) == 0) {
                continue;
            }
            assert_int_equal(tm__metric_score(metric, &many, &want, NULL), TM_OK);
            for (uint32_t run = 0; run < RUNS; run++) {
                tm_score_range range;
                k->draw(&rng, ROWS, y, pred);
                const tm_score_input in = input(k, ROWS, y, pred);
                assert_int_equal(tm__metric_interval(metric, &in, &range, NULL), TM_OK);
                n_known += isfinite(range.low);
                n_held += range.low <= want && want <= range.high;
            }
            if (n_known > 0 && (n_held < 0.9 * RUNS || n_held > 0.98 * RUNS)) {
                fail_msg("%s: %u of %u intervals hold", metric->name, n_held, RUNS);
            }
        }
    }
}

static void few_rows_have_no_interval_and_shares_have_one(void **state) {
    (void)state;
    const double y[] = {0, 1, 1, 0}, pred[] = {0.1, 0.8, 0.7, 0.2};
    const tm_score_input in = input(&kinds[0], 4, y, pred);
    tm_score_range range;
    assert_int_equal(tm__metric_interval(tm__metric_find("auc"), &in, &range, NULL), TM_OK);
    assert_true(range.value == 1 && isnan(range.low) && isnan(range.high));
    assert_int_equal(tm__metric_interval(tm__metric_find("accuracy"), &in, &range, NULL), TM_OK);
    assert_true(range.value == 1 && fabs(range.low - 0.5101) < 1e-4 && range.high == 1);
}

static void perfect_order_is_not_certainty(void **state) {
    (void)state;
    double y[40], pred[40];
    for (uint32_t i = 0; i < 40; i++) {
        y[i] = i >= 25;
        pred[i] = (double)i / 40;
    }
    const tm_score_input in = input(&kinds[0], 40, y, pred);
    tm_score_range range;
    assert_int_equal(tm__metric_interval(tm__metric_find("auc"), &in, &range, NULL), TM_OK);
    assert_true(range.value == 1 && range.low > 0.7 && range.low < 0.9 && range.high == 1);
}

/* Of draws of the truths of the same rows: their mean is expected, and the range holds most. */
static void an_expectation_is_the_mean_of_what_could_be_drawn(void **state) {
    (void)state;
    for (size_t t = 0; t < 2; t++) {
        const kind *k = &kinds[t];
        tm_rng rng = tm__rng_split(5, "expect", t);
        double y[ROWS], pred[ROWS * CLASSES];
        k->draw(&rng, ROWS, y, pred);
        for (size_t i = 0; tm__metric_list()[i] != NULL; i++) {
            const tm_metric_ops *metric = tm__metric_list()[i];
            tm_score_input in = input(k, ROWS, NULL, pred);
            tm_score_range range;
            double sum = 0;
            uint32_t n_held = 0;
            if ((metric->tasks & (1u << k->task)) == 0 ||
                tm__metric_expect(metric, &in, &range, NULL) == TM_E_UNSUPPORTED) {
                continue;
            }
            in.y = y;
            for (uint32_t run = 0; run < RUNS; run++) {
                double score = NAN;
                for (uint32_t row = 0; row < ROWS; row++) {
                    double at = tm__rng_f64(&rng);
                    const double *p = &pred[row * k->n_outputs];
                    y[row] = k->task == TM_TASK_BINARY ? at < p[0] : CLASSES - 1;
                    for (uint32_t c = 0; k->n_outputs > 1 && c + 1 < CLASSES; c++) {
                        if (at < p[c]) {
                            y[row] = c;
                            break;
                        }
                        at -= p[c];
                    }
                }
                assert_int_equal(tm__metric_score(metric, &in, &score, NULL), TM_OK);
                sum += score;
                n_held += range.low <= score && score <= range.high;
            }
            const double width = isfinite(range.low) ? range.high - range.low : 0.2;
            if (fabs(sum / RUNS - range.value) > 0.1 * width) {
                fail_msg("%s: %g is expected, %g comes", metric->name, range.value, sum / RUNS);
            }
            if (isfinite(range.low) && (n_held < 0.92 * RUNS || n_held > 0.98 * RUNS)) {
                fail_msg("%s: %u of %u draws lie within", metric->name, n_held, RUNS);
            }
        }
    }
}

static void what_probabilities_cannot_say_is_refused(void **state) {
    (void)state;
    const double pred[] = {1, 2};
    tm_score_input in = input(&kinds[2], 2, NULL, pred);
    tm_score_range range;
    assert_int_equal(tm__metric_expect(tm__metric_find("rmse"), &in, &range, NULL),
                     TM_E_UNSUPPORTED);
    const double sure[] = {1, 1};
    in = input(&kinds[0], 2, NULL, sure); /* no negative is likely: there is no auc */
    assert_int_equal(tm__metric_expect(tm__metric_find("auc"), &in, &range, NULL), TM_E_DATA);
    assert_int_equal(tm__metric_expect(tm__metric_find("ece"), &in, &range, NULL),
                     TM_E_UNSUPPORTED);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_interval_holds_what_many_rows_show_in_95_of_100_runs),
        cmocka_unit_test(few_rows_have_no_interval_and_shares_have_one),
        cmocka_unit_test(perfect_order_is_not_certainty),
        cmocka_unit_test(an_expectation_is_the_mean_of_what_could_be_drawn),
        cmocka_unit_test(what_probabilities_cannot_say_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
