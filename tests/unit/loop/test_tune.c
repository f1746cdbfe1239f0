/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/tune.h"

#include <math.h>
#include <string.h>

#include "base/pool.h"
#include "replay_case.h"
#include "test.h"

static json_t *tune_from(const replay_made *how, const char *recipe_text, uint32_t n_threads,
                         uint64_t n_rows_max, double threshold) {
    tm_table *const table = replay_case_table(how);
    json_t *const recipe = json_loads(recipe_text, 0, NULL);
    json_t *out = NULL;
    tm_err err = {0};
    tm_ctx ctx = {.pool = n_threads > 1 ? tm__pool_create(n_threads) : NULL};
    const tm_tune_options options = {
        .replay = {.target = "y", .time = "t", .first = 0.2, .delay_rows = 10},
        .n_rows_max = n_rows_max,
        .recipe = recipe,
        .positive = "1",
        .threshold = threshold};
    if (tm__tune_run(&ctx, table, &options, &out, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    tm__pool_free(ctx.pool);
    tm__table_unref(table);
    json_decref(recipe);
    return out;
}

static json_t *tune(const replay_made *how, const char *recipe_text, uint32_t n_threads,
                    uint64_t n_rows_max) {
    return tune_from(how, recipe_text, n_threads, n_rows_max, 0.5);
}

static double of(const json_t *out, const char *what, const char *member) {
    return tm__json_f64(json_object_get(out, what), member, NAN);
}

static void nothing_is_proposed_where_nothing_changes(void **state) {
    (void)state;
    const replay_made how = {0};
    json_t *const out = tune(&how, "{}", 1, 0);
    assert_true(json_is_null(json_object_get(out, "difference")));
    assert_true(of(out, "gain", "low") <= 0);
    assert_int_equal(of(out, "declared", "new_rows"), 0);
    json_decref(out);
}

static void a_world_that_changes_is_worth_turns_and_the_gain_has_an_interval(void **state) {
    (void)state;
    const replay_made how = {.is_secret = true};
    json_t *const out =
        tune(&how, "{\"retrain\": {\"every_s\": 100000, \"cool_down_s\": 60, \"on\": [\"drift\"]}}",
             1, 0);
    const json_t *const gain = json_object_get(out, "gain");
    const double value = tm__json_f64(gain, "value", NAN), low = tm__json_f64(gain, "low", NAN);
    assert_true(low <= value && value <= tm__json_f64(gain, "high", NAN));
    assert_true(json_is_object(json_object_get(out, "difference")) == (low > 0));
    /* Of 8,000 seconds a schedule of 100,000 is never; drift and a pause are not replayed, and that
     * is told. */
    assert_int_equal(of(out, "declared", "new_rows"), 0);
    assert_int_equal(json_array_size(json_object_get(out, "not_replayed")), 3);
    assert_true(json_array_size(json_object_get(out, "settings")) >= 12);
    json_decref(out);
}

/* The champion calls so late that misses, which are dear, are many. Once calls begin early enough,
 * no trigger is worth anything: chosen one after the other, one would have been proposed. */
static void with_costs_the_threshold_is_chosen_with_the_rest_and_priced_once(void **state) {
    (void)state;
    const replay_made how = {.is_secret = true};
    json_t *const out = tune_from(
        &how, "{\"threshold\": \"cost:1:9\", \"retrain\": {\"new_rows\": 5000}}", 1, 0, 0.9);
    const json_t *const difference = json_object_get(out, "difference");
    assert_string_equal(tm__json_text(out, "objective", ""), "cost");
    assert_true(of(out, "gain", "low") > 3);
    assert_string_equal(tm__json_text(difference, "threshold", ""), "0.05");
    assert_int_equal(json_object_size(difference), 1);
    assert_int_equal(of(out, "best", "new_rows"), 5000);
    assert_true(json_equal(json_object_get(out, "gain"),
                           json_object_get(json_object_get(out, "threshold"), "gain")));
    json_decref(out);
}

static void a_schedule_becomes_rows_by_the_rate_of_the_history(void **state) {
    (void)state;
    const replay_made how = {0};
    json_t *const out = tune(&how, "{\"retrain\": {\"every_s\": 2000}}", 1, 0);
    const double every = of(out, "declared", "new_rows");
    assert_true(every > 1900 && every < 2100);
    json_decref(out);
}

static void a_declared_window_is_replayed_and_one_that_asks_a_test_is_named(void **state) {
    (void)state;
    const replay_made how = {.is_value = true};
    json_t *const sliding =
        tune(&how, "{\"retrain\": {\"new_rows\": 1000, \"window\": \"sliding:700\"}}", 1, 2000);
    assert_int_equal(of(sliding, "declared", "window_rows"), 700);
    assert_int_equal(json_array_size(json_object_get(sliding, "not_replayed")), 0);
    json_decref(sliding);
    json_t *const tested = tune(&how, "{\"retrain\": {\"window\": \"auto\"}}", 1, 2000);
    assert_true(json_is_null(json_object_get(json_object_get(tested, "declared"), "window_rows")));
    assert_int_equal(json_array_size(json_object_get(tested, "not_replayed")), 1);
    json_decref(tested);
}

static void a_way_that_is_not_the_recipe_is_named(void **state) {
    (void)state;
    const replay_made how = {.is_value = true};
    static const struct {
        const char *recipe;
        size_t n;
    } cases[] = {{"{\"retrain\": {\"how\": \"recipe\"}}", 0},
                 {"{\"retrain\": {\"how\": \"auto\"}}", 1}};
    for (size_t i = 0; i < 2; i++) {
        json_t *const out = tune(&how, cases[i].recipe, 1, 2000);
        const json_t *const named = json_object_get(out, "not_replayed");
        assert_int_equal(json_array_size(named), cases[i].n);
        assert_true(cases[i].n == 0 || tm__json_has_text(named, "how"));
        json_decref(out);
    }
}

static void the_newest_rows_alone_may_be_looked_at(void **state) {
    (void)state;
    const replay_made how = {.is_value = true};
    json_t *const out = tune(&how, "{}", 1, 2000);
    assert_int_equal(tm__json_i64(out, "rows", 0), 2000);
    assert_string_equal(tm__json_text(out, "metric", ""), "rmse");
    json_decref(out);
}

static void drop_seconds(json_t *out) {
    json_t *s = NULL;
    size_t i = 0;
    json_array_foreach(json_object_get(out, "settings"), i, s) {
        json_object_del(s, "train_seconds");
    }
    json_object_del(json_object_get(out, "declared"), "train_seconds");
    json_object_del(json_object_get(out, "best"), "train_seconds");
}

static void threads_change_nothing_but_seconds(void **state) {
    (void)state;
    const replay_made how = {.is_secret = true};
    json_t *const one = tune(&how, "{}", 1, 3000), *const three = tune(&how, "{}", 3, 3000);
    drop_seconds(one);
    drop_seconds(three);
    assert_true(json_equal(one, three));
    json_decref(one);
    json_decref(three);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_proposed_where_nothing_changes),
        cmocka_unit_test(a_world_that_changes_is_worth_turns_and_the_gain_has_an_interval),
        cmocka_unit_test(with_costs_the_threshold_is_chosen_with_the_rest_and_priced_once),
        cmocka_unit_test(a_schedule_becomes_rows_by_the_rate_of_the_history),
        cmocka_unit_test(a_declared_window_is_replayed_and_one_that_asks_a_test_is_named),
        cmocka_unit_test(a_way_that_is_not_the_recipe_is_named),
        cmocka_unit_test(the_newest_rows_alone_may_be_looked_at),
        cmocka_unit_test(threads_change_nothing_but_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
