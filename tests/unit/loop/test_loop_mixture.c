/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "loop/loop_mixture.h"
#include "loop/subject_refit.h"
#include "temp_home.h"
#include "turn_case.h"

static const tm_made_rows turned = {.first = 7000, .n = 1800, .is_flipped = true, .is_sure = true};

/* Rows of a world that has turned, answered by models of the newest of them. */
static void models_of_several_windows_are_promoted(void **state) {
    tm_registry *registry = turn_case_open(*state, &turned);
    json_t *const story =
        turn_case_retrain(*state, &(tm_retrain_options){.how = "policy", .promote = true});
    const json_t *const how = json_object_get(story, "how");
    const json_t *const policy = json_object_get(how, "policy");
    tm_version version = {0};
    assert_string_equal(tm__json_text(how, "kind", ""), "policy");
    assert_true(tm__json_f64(policy, "score", 0.0) > 0.3); /* it went over a turn of the world */
    assert_string_equal(tm__json_text(story, "outcome", ""), "promoted");
    assert_int_equal(tm__registry_find(registry, "made@2", &version, NULL), TM_OK);
    assert_string_equal(tm__json_text(version.info, "learner", ""), "blend");
    assert_true(
        json_equal(json_object_get(version.info, "mixture"), json_object_get(policy, "mixture")));
    assert_null(json_object_get(version.info, "continues"));
    assert_int_equal(tm__subject_can_refit(*state, &version, NULL), TM_OK);
    tm__version_done(&version);
    tm__registry_close(registry);
    json_decref(story);
}

static void few_rows_are_learned_by_the_recipe(void **state) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    tm__made_csv_write(*state, &(tm_made_rows){.n = 150}, 1);
    assert_int_equal(tm__made_train(*state, registry), 1);
    tm__made_csv_write(*state, &(tm_made_rows){.n = 300}, 1);
    json_t *const story = turn_case_retrain(*state, &(tm_retrain_options){.how = "policy"});
    const json_t *const how = json_object_get(story, "how");
    assert_string_equal(tm__json_text(how, "kind", ""), "recipe");
    assert_non_null(strstr(tm__json_text(how, "reason", ""), "too few"));
    assert_null(json_object_get(how, "policy"));
    json_decref(story);
    tm__registry_close(registry);
}

/* A window that is said holds for the replay; one that a test would choose is for the recipe. */
static void a_window_is_said_or_the_policys_own(void **state) {
    tm_registry *registry = turn_case_open(*state, &turned);
    json_t *story =
        turn_case_retrain(*state, &(tm_retrain_options){.how = "policy", .window = "sliding:1000"});
    const json_t *how = json_object_get(story, "how");
    assert_int_equal(tm__json_i64(json_object_get(story, "window"), "rows", 0), 1000);
    assert_int_equal(tm__json_i64(json_object_get(how, "policy"), "rows", 0), 800);
    json_decref(story);
    story = turn_case_retrain(*state, &(tm_retrain_options){.how = "policy", .window = "auto"});
    how = json_object_get(story, "how");
    assert_string_equal(tm__json_text(how, "kind", ""), "policy");
    assert_null(json_object_get(story, "window"));
    assert_null(json_object_get(json_object_get(how, "window"), "tried"));
    assert_true(tm__json_i64(json_object_get(how, "policy"), "rows", 0) > 1000);
    json_decref(story);
    /* Killed behind the replay, it is not made again. */
    turn_case_put_back(registry);
    json_t *const again = turn_case_retrain(*state, &(tm_retrain_options){.resumes = true});
    assert_string_equal(tm__json_text(json_object_get(again, "how"), "kind", ""), "policy");
    json_decref(again);
    tm__registry_close(registry);
}

/* What a replay may take: without any of it, the recipe is left, which its window waits for. */
static void a_budget_that_is_spent_leaves_the_recipe(void **state) {
    tm_registry *registry = turn_case_open(*state, &turned);
    json_t *const story = turn_case_retrain(
        *state, &(tm_retrain_options){.how = "policy", .window = "cut", .work = 1000});
    const json_t *const how = json_object_get(story, "how");
    assert_string_equal(tm__json_text(how, "kind", ""), "recipe");
    assert_string_equal(tm__json_text(how, "reason", ""),
                        "the replay takes more than its part of the budget");
    assert_string_equal(tm__json_text(json_object_get(story, "window"), "asked", ""), "cut");
    assert_non_null(json_object_get(json_object_get(story, "window"), "kind"));
    json_decref(story);
    tm__registry_close(registry);
}

static void check_ahead(const json_t *story, int64_t n_came) {
    const json_t *const policy = json_object_get(json_object_get(story, "how"), "policy");
    assert_int_equal(tm__json_i64(json_object_get(policy, "mixture"), "ahead", 0),
                     1 + tm__json_i64(story, "gate_rows", 0) + n_came / 2);
}

/* Of what is new to a champion that stays, only the last rows came since the turn before. */
static void answers_lie_ahead_as_far_as_rows_come_between_turns(void **state) {
    tm_made_rows rows[] = {{.n = 5000, .is_sure = true},
                           {.first = 7000, .n = 600, .is_sure = true}};
    const tm_retrain_options policy = {.how = "policy"};
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    tm__made_csv_write(*state, rows, 1);
    assert_int_equal(tm__made_train(*state, registry), 1);
    tm__made_csv_write(*state, rows, 2);
    json_t *const first = turn_case_retrain(*state, &policy);
    check_ahead(first, tm__json_i64(first, "new_rows", 0));
    rows[1].n += 300;
    tm__made_csv_write(*state, rows, 2);
    json_t *const second = turn_case_retrain(*state, &policy);
    assert_int_equal(tm__json_i64(second, "new_rows", 0), tm__json_i64(first, "new_rows", 0) + 300);
    check_ahead(second, 300);
    json_decref(first);
    json_decref(second);
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(models_of_several_windows_are_promoted),
        TEST(few_rows_are_learned_by_the_recipe),
        TEST(a_window_is_said_or_the_policys_own),
        TEST(a_budget_that_is_spent_leaves_the_recipe),
        TEST(answers_lie_ahead_as_far_as_rows_come_between_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
