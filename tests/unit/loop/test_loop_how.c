/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "loop/loop_how.h"
#include "loop/subject_refit.h"
#include "temp_home.h"
#include "turn_case.h"

static void a_way_is_one_of_a_list(void **state) {
    static const char *const ways[] = {"recipe", "trees", "update", "policy", "auto"};
    static const char *const none[] = {"", "refit", "updates", "Recipe"};
    tm_turn_how how = TM_HOW_RECIPE;
    (void)state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        assert_int_equal(tm__how_ask(ways[i], &how, NULL), TM_OK);
        assert_int_equal(how, i);
    }
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_int_equal(tm__how_ask(none[i], &how, NULL), TM_E_USAGE);
    }
}

static const tm_made_rows turned = {.first = 7000, .n = 600, .is_flipped = true};

static const char *told(const json_t *story, const char *what, const char *name) {
    return tm__json_text(json_object_get(story, what), name, "");
}

/* The record of version 2. */
static void check_continues(const tm_home *home, tm_registry *registry, const char *how) {
    tm_version version = {0};
    assert_int_equal(tm__registry_find(registry, "made@2", &version, NULL), TM_OK);
    const json_t *const continues = json_object_get(version.info, "continues");
    assert_string_equal(tm__json_text(continues, "how", ""), how);
    /* Rows of before are in its numbers: nobody can be taken out by fitting it anew. */
    assert_int_equal(tm__subject_can_refit(home, &version, NULL), TM_E_CONFLICT);
    tm__version_done(&version);
}

static void an_update_learns_what_the_champion_has_not(void **state) {
    tm_registry *registry = turn_case_open(*state, &turned);
    json_t *const story =
        turn_case_retrain(*state, &(tm_retrain_options){.how = "update", .promote = true});
    assert_string_equal(told(story, "how", "kind"), "update");
    assert_string_equal(told(story, "window", "kind"), "sliding");
    const int64_t n_new = tm__json_i64(story, "new_rows", 0);
    assert_int_equal(tm__json_i64(json_object_get(story, "window"), "rows", 0),
                     n_new - tm__json_i64(story, "gate_rows", 0));
    assert_string_equal(tm__json_text(story, "outcome", ""), "promoted"); /* the world has turned */
    check_continues(*state, registry, "update");
    json_decref(story);
    tm__registry_close(registry);
}

static void a_window_that_is_asked_for_is_kept(void **state) {
    tm_registry *registry = turn_case_open(*state, &turned);
    json_t *const story =
        turn_case_retrain(*state, &(tm_retrain_options){.how = "update", .window = "sliding:100"});
    assert_int_equal(tm__json_i64(json_object_get(story, "window"), "rows", 0), 100);
    json_decref(story);
    tm__registry_close(registry);
}

static void trees_are_added_to_those_of_the_champion(void **state) {
    tm_registry *registry = turn_case_open(*state, &turned);
    json_t *const story = turn_case_retrain(*state, &(tm_retrain_options){.how = "trees"});
    assert_string_equal(told(story, "how", "kind"), "trees");
    assert_null(json_object_get(story, "window"));
    check_continues(*state, registry, "");
    json_decref(story);
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_way_is_one_of_a_list),
        TEST(an_update_learns_what_the_champion_has_not),
        TEST(a_window_that_is_asked_for_is_kept),
        TEST(trees_are_added_to_those_of_the_champion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
