/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "loop/loop_how_choice.h"
#include "temp_home.h"
#include "turn_case.h"

static const char *text(const json_t *story, const char *what, const char *name) {
    return tm__json_text(json_object_get(story, what), name, "");
}

static double loss_of(const json_t *story, size_t i, const char *kind) {
    const json_t *const one =
        json_array_get(json_object_get(json_object_get(story, "how"), "tried"), i);
    assert_string_equal(tm__json_text(one, "kind", ""), kind);
    return tm__json_f64(one, "loss", -1);
}

static void check_version(tm_registry *registry, const char *how) {
    tm_version version = {0};
    assert_int_equal(tm__registry_find(registry, "made@2", &version, NULL), TM_OK);
    assert_string_equal(text(version.info, "continues", "how"), how);
    tm__version_done(&version);
}

/* Old rows are of the world before, and outnumber those of the trial. */
static const tm_made_rows turned = {.first = 7000, .n = 1000, .is_flipped = true};

static void a_world_that_turned_is_learned_by_an_update(void **state) {
    tm_registry *registry = turn_case_open(*state, &turned);
    json_t *const story = turn_case_retrain(*state, &(tm_retrain_options){.how = "auto"});
    assert_string_equal(text(story, "how", "asked"), "auto");
    assert_string_equal(text(story, "how", "kind"), "update");
    assert_int_equal(tm__json_i64(json_object_get(story, "how"), "test_rows", 0), 200);
    const double anew = loss_of(story, 0, "recipe"), updated = loss_of(story, 2, "update");
    assert_true(0 < updated && updated < anew && anew < loss_of(story, 1, "champion"));
    assert_int_equal(tm__json_i64(json_object_get(story, "window"), "rows", 0), 800);
    check_version(registry, "update");
    /* Killed behind the choice, it is not made again. */
    turn_case_put_back(registry);
    json_t *const again = turn_case_retrain(*state, &(tm_retrain_options){.resumes = true});
    assert_string_equal(tm__json_text(again, "bundle_hash", "?"),
                        tm__json_text(story, "bundle_hash", ""));
    assert_true(json_equal(json_object_get(again, "how"), json_object_get(story, "how")));
    json_decref(again);
    json_decref(story);
    tm__registry_close(registry);
}

/* A cut at the change leaves old rows out, as an update nearly does; weights keep some of them. */
static void an_update_has_its_own_rows_beside_a_window_that_was_chosen(void **state) {
    static const struct {
        const char *window;
        bool is_update;
    } cases[] = {{"cut", false}, {"weighted", true}};
    const tm_home *const home = *state;
    tm_registry *registry = turn_case_open(home, &turned);
    for (size_t i = 0; i < 2; i++) {
        json_t *const story = turn_case_retrain(
            home, &(tm_retrain_options){.how = "auto", .window = cases[i].window});
        const json_t *const how = json_object_get(story, "how");
        const json_t *const chosen = json_object_get(cases[i].is_update ? how : story, "window");
        assert_string_equal(text(story, "how", "kind"), cases[i].is_update ? "update" : "recipe");
        assert_string_equal(tm__json_text(chosen, "kind", ""), cases[i].window);
        assert_true(json_array_size(json_object_get(chosen, "tried")) > 0);
        assert_int_equal(json_object_get(how, "window") != NULL, cases[i].is_update);
        assert_string_equal(text(story, "window", "reason"),
                            cases[i].is_update ? "the rows that the champion has not learned"
                                               : tm__json_text(chosen, "reason", "?"));
        turn_case_put_back(registry);
        json_t *const again = turn_case_retrain(home, &(tm_retrain_options){.resumes = true});
        assert_true(json_equal(json_object_get(again, "how"), how));
        assert_true(json_equal(json_object_get(again, "window"), json_object_get(story, "window")));
        assert_string_equal(tm__json_text(again, "bundle_hash", "?"),
                            tm__json_text(story, "bundle_hash", ""));
        json_decref(again);
        json_decref(story);
    }
    tm__registry_close(registry);
}

static void a_window_that_is_said_is_that_of_any_way(void **state) {
    tm_registry *registry = turn_case_open(*state, &turned);
    json_t *const story =
        turn_case_retrain(*state, &(tm_retrain_options){.how = "auto", .window = "sliding:300"});
    assert_int_equal(tm__json_i64(json_object_get(story, "window"), "rows", 0), 300);
    assert_null(json_object_get(json_object_get(story, "how"), "window"));
    assert_true(loss_of(story, 2, "update") > 0);
    json_decref(story);
    tm__registry_close(registry);
}

static void of_few_new_rows_it_is_learned_anew(void **state) {
    const tm_made_rows few = {.first = 7000, .n = 300};
    tm_registry *registry = turn_case_open(*state, &few);
    json_t *const story = turn_case_retrain(*state, &(tm_retrain_options){.how = "auto"});
    assert_string_equal(text(story, "how", "kind"), "recipe");
    assert_string_equal(text(story, "how", "reason"), "the new rows are too few to choose by");
    assert_null(json_object_get(json_object_get(story, "how"), "tried"));
    assert_null(json_object_get(story, "window"));
    check_version(registry, "");
    json_decref(story);
    tm__registry_close(registry);
}

/* Neither all rows nor those that are new to the champion are of one world. */
static void a_world_that_turned_among_the_new_rows_is_learned_by_the_policy(void **state) {
    const tm_made_rows rows[] = {{.n = 600, .is_sure = true},
                                 {.first = 7000, .n = 1000, .is_sure = true},
                                 {.first = 9000, .n = 3000, .is_flipped = true, .is_sure = true}};
    tm_registry *registry = turn_case_open(*state, &rows[1]);
    tm__made_csv_write(*state, rows, 3);
    json_t *const story =
        turn_case_retrain(*state, &(tm_retrain_options){.how = "auto", .promote = true});
    const json_t *const how = json_object_get(story, "how");
    assert_string_equal(tm__json_text(how, "kind", ""), "policy");
    assert_true(loss_of(story, 3, "policy") < loss_of(story, 0, "recipe"));
    assert_non_null(strstr(tm__json_text(how, "reason", ""), "by the policy"));
    assert_true(tm__json_i64(json_object_get(how, "policy"), "rows", 0) > 0);
    assert_string_equal(tm__json_text(story, "outcome", ""), "promoted");
    json_decref(story);
    /* Several models cannot be updated, and are held against one that is learned anew. */
    tm__made_csv_write(
        *state,
        (const tm_made_rows[]){rows[0],
                               rows[1],
                               rows[2],
                               {.first = 13000, .n = 1200, .is_flipped = true, .is_sure = true}},
        4);
    json_t *const next = turn_case_retrain(*state, &(tm_retrain_options){.how = "auto"});
    const json_t *const tried = json_object_get(json_object_get(next, "how"), "tried");
    assert_true(loss_of(next, 0, "recipe") > 0 && loss_of(next, 3, "policy") > 0);
    assert_string_equal(tm__json_text(json_array_get(tried, 2), "why", ""),
                        "only boosted trees and lines can be updated, and the champion is a blend "
                        "of several models");
    json_decref(next);
    tm__registry_close(registry);
}

static void a_budget_leaves_the_policy_out(void **state) {
    tm_registry *registry = turn_case_open(*state, &turned);
    json_t *const story =
        turn_case_retrain(*state, &(tm_retrain_options){.how = "auto", .work = 100000});
    const json_t *const tried = json_object_get(json_object_get(story, "how"), "tried");
    assert_string_equal(tm__json_text(json_array_get(tried, 3), "why", ""),
                        "the replay takes more than its part of the budget");
    assert_true(loss_of(story, 2, "update") > 0);
    json_decref(story);
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_world_that_turned_is_learned_by_an_update),
        TEST(an_update_has_its_own_rows_beside_a_window_that_was_chosen),
        TEST(a_window_that_is_said_is_that_of_any_way),
        TEST(of_few_new_rows_it_is_learned_anew),
        TEST(a_world_that_turned_among_the_new_rows_is_learned_by_the_policy),
        TEST(a_budget_leaves_the_policy_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
