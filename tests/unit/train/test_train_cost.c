/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "train/train_search_priv.h"

static tm_candidate boosted(double leaves) {
    tm_candidate c = {.ops = tm__model_find("gbdt")};
    tm__params_init(c.ops, &c.params);
    for (uint32_t i = 0; c.ops->params[i].name != NULL; i++) {
        if (strcmp(c.ops->params[i].name, "max_leaves") == 0) {
            c.params.values[i] = leaves;
        }
    }
    return c;
}

static tm_cost_shape of(uint32_t n_outputs) {
    return (tm_cost_shape){.n_outputs = n_outputs};
}

static void nodes_that_ask_for_levels_cost_more(void **state) {
    (void)state;
    const tm_candidate c = boosted(31);
    const tm_cost_shape levels = {.n_outputs = 1, .has_levels = true};
    const tm_cost one = tm__cost_of(&c, of(1), 100), other = tm__cost_of(&c, levels, 100);
    assert_true(other.us > 2 * one.us && other.bytes - one.bytes == 0.0);
    const tm_train_options plain = {0};
    assert_true(tm__cost_rounds(&plain, &c, levels) < tm__cost_rounds(&plain, &c, of(1)));
}

static void terms_of_texts_leave_less_to_models(void **state) {
    (void)state;
    const tm_search plain = {0}, texts = {.has_terms = true};
    const tm_train_options options = {0};
    const tm_cost model = {.us = 70};
    tm_cost with = tm__cost_of_row(&texts), without = tm__cost_of_row(&plain);
    tm__cost_add(&with, model);
    tm__cost_add(&without, model);
    assert_true(tm__cost_fits(&options, &without));
    assert_false(tm__cost_fits(&options, &with));
}

static void trees_cost_and_nothing_else_does(void **state) {
    (void)state;
    const tm_candidate small = boosted(8), large = boosted(256);
    const tm_cost one = tm__cost_of(&small, of(1), 100), other = tm__cost_of(&large, of(1), 100);
    assert_true(one.us > 0 && other.us > one.us);
    assert_true(other.bytes > 20 * one.bytes);
    assert_true(fabs(tm__cost_of(&small, of(10), 100).us - 10 * one.us) < 1e-9);
    const tm_candidate linear = {.ops = tm__model_find("linear")};
    assert_true(tm__cost_of(&linear, of(3), 100).us == 0.0);
}

static void rounds_stay_within_the_limits(void **state) {
    (void)state;
    const tm_candidate c = boosted(64);
    const tm_train_options plain = {0}, loose = {.latency_us_max = 1000},
                           tight = {.latency_us_max = 1, .bundle_bytes_max = 10};
    const double rounds = tm__cost_rounds(&plain, &c, of(1));
    assert_true(tm__cost_of(&c, of(1), rounds).us <= 100.0);
    assert_true(tm__cost_rounds(&loose, &c, of(1)) > 3 * rounds);
    for (double us = 10; us < 1e5; us *= 1.5) { /* as many as fit, and no more */
        const tm_train_options options = {.latency_us_max = (uint64_t)us};
        const double most = tm__cost_rounds(&options, &c, of(1));
        const tm_cost fits = tm__cost_of(&c, of(1), most), over = tm__cost_of(&c, of(1), most + 1);
        assert_true(most == 1.0 || tm__cost_fits(&options, &fits));
        assert_false(tm__cost_fits(&options, &over));
    }
    assert_true(tm__cost_rounds(&tight, &c, of(1)) == 1.0); /* a model there is always */
}

/* What does not lie in a cache is fetched for each row. */
static void many_members_cost_more_than_their_sum(void **state) {
    (void)state;
    const tm_train_options options = {.latency_us_max = 40};
    const tm_candidate c = boosted(64);
    const tm_cost one = tm__cost_of(&c, of(1), 1000); /* 2 MB, 9 us */
    tm_cost sum = {0};
    uint32_t n = 0;
    for (; tm__cost_fits(&options, &sum); n++) {
        tm__cost_add(&sum, one);
    }
    assert_true(n == 2 && sum.us < 20.0);
}

static void what_is_hurried_gets_more_rounds_within_its_limit(void **state) {
    (void)state;
    tm_candidate c = boosted(64);
    tm_err err;
    c.n_rounds = 100;
    assert_int_equal(tm__params_set(c.ops, &c.params, "n_trees", "3000", &err), TM_OK);
    const double plain = tm__cost_refit_rounds(&c);
    c.is_hurried = true;
    assert_true(tm__cost_refit_rounds(&c) > 2 * plain);
    assert_int_equal(tm__params_set(c.ops, &c.params, "n_trees", "120", &err), TM_OK);
    assert_true(tm__cost_refit_rounds(&c) == 120.0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_that_ask_for_levels_cost_more),
        cmocka_unit_test(terms_of_texts_leave_less_to_models),
        cmocka_unit_test(trees_cost_and_nothing_else_does),
        cmocka_unit_test(rounds_stay_within_the_limits),
        cmocka_unit_test(many_members_cost_more_than_their_sum),
        cmocka_unit_test(what_is_hurried_gets_more_rounds_within_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
