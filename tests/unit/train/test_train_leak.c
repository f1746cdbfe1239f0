/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/pool.h"
#include "flights_case.h"
#include "train/train_priv.h"

static const char *const known[] = {"delay=arrives"};
static const char *const drop[] = {"delay", "arrives"};

static tm_status train(const tm_train_options *options, tm_err *err) {
    tm_table *table = flights_case_table(0, 6000);
    tm_ctx ctx = {.pool = tm__pool_create(2)};
    tm_train_result result;
    const tm_status st = tm__train_run(&ctx, table, NULL, options, &result, err);
    tm__pool_free(ctx.pool);
    tm__table_unref(table);
    return st;
}

/* The scores of "...; auc 0.812 with it, 0.716 without: 0.096 is leak". */
static double read_leak(const char *message, double *out_with, double *out_without) {
    const char *const from = strstr(message, "; auc ");
    double leak = -1;
    char word[8];
    assert_non_null(from);
    assert_int_equal(sscanf(from, "; auc %lf with %4s %lf without: %lf is leak", out_with, word,
                            out_without, &leak),
                     4);
    return leak;
}

static void a_refused_feature_tells_its_share_of_the_score(void **state) {
    (void)state;
    static const char *const features[] = {"honest = mean(delay) by from over 3h",
                                           "naive = mean(late) by from over 3h"};
    const tm_train_options o = {.target = "late",
                                .time = "leaves",
                                .features = features,
                                .n_features = 2,
                                .known = known,
                                .n_known = 1,
                                .drop = drop,
                                .n_drop = 2};
    double with = 0, without = 0;
    tm_err err = {0};
    assert_int_equal(train(&o, &err), TM_E_REFUSED);
    assert_non_null(strstr(err.message, "feature 'naive' would look at what was not known yet"));
    const double leak = read_leak(err.message, &with, &without);
    assert_true(with > without && without > 0.6); /* the honest one stays */
    assert_true(leak > 0.005 && leak < 0.2);
    assert_non_null(strstr(err.hint, "--known late="));
}

static void a_refused_input_tells_its_share_of_the_score(void **state) {
    (void)state;
    const tm_train_options o = {.target = "late",
                                .time = "leaves",
                                .known = known,
                                .n_known = 1,
                                .drop = drop + 1,
                                .n_drop = 1};
    double with = 0, without = 0;
    tm_err err = {0};
    assert_int_equal(train(&o, &err), TM_E_REFUSED);
    assert_non_null(strstr(err.message, "column 'delay' is not known at its row's 'leaves'"));
    assert_true(read_leak(err.message, &with, &without) > 0.3);
    assert_true(with > 0.99 && without < 0.6);
}

static void a_trial_thins_its_rows(void **state) {
    (void)state;
    static uint32_t train_rows[500000], test_rows[50];
    tm_train_data data = {.train = train_rows, .n_train = 500000, .test = test_rows, .n_test = 50};
    for (uint32_t i = 0; i < 500000; i++) {
        train_rows[i] = i;
    }
    tm__train_trial_thin(&data);
    assert_int_equal(data.n_train, 200000);
    assert_int_equal(data.n_test, 50);
    assert_true(train_rows[199999] > 499990);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_feature_tells_its_share_of_the_score),
        cmocka_unit_test(a_refused_input_tells_its_share_of_the_score),
        cmocka_unit_test(a_trial_thins_its_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
