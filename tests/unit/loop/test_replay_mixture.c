/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "replay_case.h"
#include "test.h"

static json_t *mixture_of(const replay_made *how, uint64_t delay) {
    tm_ctx ctx = {0};
    tm_table *const table = replay_case_table(how);
    const tm_replay_options options = {.target = "y", .first = 0.2, .delay_rows = delay};
    json_t *told = NULL;
    assert_int_equal(tm__replay_mixture(&ctx, table, &options, &told, NULL), TM_OK);
    tm__table_unref(table);
    return told;
}

static void check_parts(const json_t *mixture, int64_t n_rows) {
    const json_t *const parts = json_object_get(mixture, "parts");
    const json_t *part = NULL;
    double sum = 0.0;
    size_t i = 0;
    assert_true(json_array_size(parts) > 0);
    json_array_foreach(parts, i, part) {
        const int64_t rows = tm__json_i64(part, "rows", 0),
                      passed = tm__json_i64(part, "passed", 0);
        sum += tm__json_f64(part, "share", 0.0);
        assert_non_null(tm__model_find(tm__json_text(part, "learner", "")));
        assert_true(rows >= 0 && passed >= 0 && rows + passed <= n_rows);
        assert_true(passed == 0 || rows > 0);
    }
    assert_true(fabs(sum - 1.0) < 1e-9);
}

static void shares_are_of_windows_of_the_rows(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        const replay_made how = {.n_rows = 3000, .is_value = i == 0, .is_secret = i == 1};
        json_t *const told = mixture_of(&how, 30), *const again = mixture_of(&how, 30);
        check_parts(json_object_get(told, "mixture"), 3000);
        assert_true(tm__json_f64(told, "say", 0.0) > 0.5);
        assert_int_equal(tm__json_i64(json_object_get(told, "mixture"), "ahead", 0), 30);
        assert_int_equal(tm__json_i64(told, "rows", 0), 2400);
        assert_true(tm__json_i64(told, "fits", 0) > 0);
        assert_true(json_equal(told, again));
        json_decref(told);
        json_decref(again);
    }
}

/* What the last label says is no model's, and models share the answer as if it were not there. */
static void where_a_rule_leads_models_share_among_themselves(void **state) {
    (void)state;
    const replay_made how = {.n_rows = 4000, .is_value = true, .is_walk = true};
    json_t *const told = mixture_of(&how, 30);
    assert_true(tm__json_f64(told, "say", 1.0) < 0.5);
    check_parts(json_object_get(told, "mixture"), 4000);
    json_decref(told);
}

static void limits_end_it(void **state) {
    (void)state;
    const replay_made how = {.n_rows = 1000};
    const tm_replay_options few = {.target = "y", .first = 0.2, .work_max = 1},
                            late = {.target = "y", .first = 0.2, .deadline_ns = 1};
    tm_table *const table = replay_case_table(&how);
    tm_ctx ctx = {0};
    json_t *told = NULL;
    assert_int_equal(tm__replay_mixture(&ctx, table, &few, &told, NULL), TM_E_LIMIT);
    assert_int_equal(tm__replay_mixture(&ctx, table, &late, &told, NULL), TM_E_LIMIT);
    assert_null(told);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_of_windows_of_the_rows),
        cmocka_unit_test(where_a_rule_leads_models_share_among_themselves),
        cmocka_unit_test(limits_end_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
