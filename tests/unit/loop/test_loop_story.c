/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "loop/loop_turn.h"
#include "temp_home.h"
#include "trained_home.h"

static void evidence_is_of_the_live_score_and_open_alerts(void **state) {
    static const tm_retrain_options options = {.model = "made"};
    const tm_monitor_options writing = {.can_write = true};
    tm_registry *registry = NULL;
    tm_monitor *monitor = NULL;
    json_t *evidence = NULL;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    tm__made_csv_write(*state, &(tm_made_rows){.n = 300}, 1);
    assert_int_equal(tm__made_train(*state, registry), 1);
    const tm_retraining r = {.home = *state, .options = &options, .registry = registry};
    assert_int_equal(tm__turn_evidence(&r, &evidence, NULL), TM_OK);
    assert_true(json_is_null(json_object_get(evidence, "live"))); /* no label came */
    assert_int_equal(json_array_size(json_object_get(evidence, "alerts")), 0);
    json_decref(evidence);
    assert_int_equal(tm__monitor_open(*state, &writing, &monitor, NULL), TM_OK);
    tm__made_traffic(monitor, &(tm_made_rows){.first = 1000, .n = 200, .is_sure = true});
    tm__monitor_close(monitor);
    assert_int_equal(tm__turn_evidence(&r, &evidence, NULL), TM_OK);
    const json_t *const live = json_object_get(evidence, "live");
    assert_int_equal(tm__json_i64(live, "labels", 0), 200);
    assert_true(tm__json_f64(live, "value", 0) > 0);
    json_decref(evidence);
    tm__registry_close(registry);
}

static void candidates_are_the_best_and_the_chosen_one(void **state) {
    (void)state;
    json_t *const board = json_array(), *const report = json_pack("{s:O}", "leaderboard", board);
    for (int i = 0; i < 14; i++) {
        json_array_append_new(board,
                              json_pack("{s:s, s:f, s:b, s:{s:i}}", "learner", "gbdt", "score",
                                        0.1 * i, "chosen", i == 12, "params", "n_trees", i));
    }
    json_t *const list = tm__turn_candidates(report);
    assert_int_equal(json_array_size(list), 11);
    assert_true(tm__json_bool(json_array_get(list, 10), "chosen", false));
    json_decref(list);
    json_decref(report);
    json_decref(board);
    json_t *const none = tm__turn_candidates(NULL);
    assert_int_equal(json_array_size(none), 0);
    json_decref(none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(evidence_is_of_the_live_score_and_open_alerts,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test(candidates_are_the_best_and_the_chosen_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
