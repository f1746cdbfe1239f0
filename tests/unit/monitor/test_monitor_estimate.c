/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "monitor/monitor_live_priv.h"
#include "temp_home.h"
#include "tiny_bundle.h"

enum { MEASURED = 4000, ROWS = 2000 };

/* Errors that grow with the answer: a spread of 1 at 0 and of 5 at 10. */
static double spread_of(double answer) {
    return 1 + 0.4 * answer;
}

static double noise(tm_rng *rng) {
    return 2 * (tm__rng_f64(rng) + tm__rng_f64(rng) + tm__rng_f64(rng)) - 3;
}

static void errors_are_those_of_the_measured_rows_at_such_answers(void **state) {
    (void)state;
    static double scores[MEASURED], y[ROWS], pred[ROWS];
    double at[] = {0, 10}, spread[] = {1, 5};
    tm_rng rng = tm__rng_split(1, "estimate", 0);
    tm_conformal model = {
        .kind = TM_CONFORMAL_NUMBER, .n_rows = MEASURED, .n_knots = 2, .at = at, .spread = spread};
    for (int i = 0; i < MEASURED; i++) {
        scores[i] = noise(&rng);
    }
    assert_int_equal(tm__conformal_keep(scores, MEASURED, &model.above, NULL), TM_OK);
    static const double bases[] = {0, 8}; /* as in training, and moved to where errors are large */
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < ROWS; i++) {
            pred[i] = bases[k] + 2 * tm__rng_f64(&rng);
            y[i] = pred[i] + spread_of(pred[i]) * noise(&rng);
        }
        const tm_score_input in = {
            .task = TM_TASK_REGRESSION, .n_rows = ROWS, .y = y, .pred = pred};
        static const char *const names[] = {"mae", "rmse"};
        for (int m = 0; m < 2; m++) {
            tm_score_range range = {NAN, NAN, NAN};
            double came = NAN;
            const tm_metric_ops *metric = tm__metric_find(names[m]);
            assert_int_equal(tm__metric_score(metric, &in, &came, NULL), TM_OK);
            tm__live_expect_errors(metric, &model, &in, &range);
            if (fabs(range.value - came) > 0.05 * came || range.low > came || range.high < came) {
                fail_msg("%s: %g (%g to %g) is expected, %g came", names[m], range.value, range.low,
                         range.high, came);
            }
        }
        tm_score_range none = {NAN, NAN, NAN};
        tm__live_expect_errors(tm__metric_find("r2"), &model, &in, &none);
        assert_true(isnan(none.value));
    }
    tm__mem_free(model.above.ranks);
    tm__mem_free(model.above.scores);
}

static void a_bundle_says_what_its_estimate_stands_on(void **state) {
    tm_bundle *binary = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm_bundle *number = tm__tiny_bundle_create(
        *state, &(tm_tiny_bundle){.auc = 1, .task = "regression", .model = "n"});
    json_t *about = tm__live_estimate_about(binary);
    assert_string_equal(tm__json_text(about, "method", ""), "cbpe");
    assert_false(tm__json_bool(about, "calibrated", true));
    json_decref(about);
    about = tm__live_estimate_about(number); /* it has no intervals */
    assert_true(json_is_null(json_object_get(about, "method")));
    assert_int_equal(json_array_size(json_object_get(about, "assumes")), 0);
    json_decref(about);
    tm__bundle_unref(binary);
    tm__bundle_unref(number);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_those_of_the_measured_rows_at_such_answers),
        TEST(a_bundle_says_what_its_estimate_stands_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
