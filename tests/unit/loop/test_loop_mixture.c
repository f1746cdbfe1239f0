/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "loop/loop_mixture.h"
#include "loop/subject_refit.h"
#include "temp_home.h"
#include "trained_home.h"

static json_t *retrain(const tm_home *home, uint32_t n_new) {
    const tm_made_rows rows[] = {{.n = 600, .is_sure = true},
                                 {.first = 7000, .n = n_new, .is_flipped = true, .is_sure = true}};
    const tm_retrain_options options = {.model = "made", .how = "policy", .promote = true};
    tm_registry *registry = NULL;
    tm_ctx ctx = {0};
    json_t *story = NULL;
    tm_err err = {0};
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    tm__made_csv_write(home, rows, 1);
    assert_int_equal(tm__made_train(home, registry), 1);
    tm__registry_close(registry);
    tm__made_csv_write(home, rows, 2);
    if (tm__loop_retrain(&ctx, home, &options, &story, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return story;
}

/* Rows of a world that has turned, answered by models of the newest of them. */
static void models_of_several_windows_are_promoted(void **state) {
    json_t *const story = retrain(*state, 1800);
    const json_t *const how = json_object_get(story, "how");
    const json_t *const policy = json_object_get(how, "policy");
    tm_registry *registry = NULL;
    tm_version version = {0};
    assert_string_equal(tm__json_text(how, "kind", ""), "policy");
    assert_true(tm__json_f64(policy, "score", 0.0) > 0.3); /* it went over a turn of the world */
    assert_string_equal(tm__json_text(story, "outcome", ""), "promoted");
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
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
    const tm_made_rows rows = {.n = 150};
    const tm_retrain_options options = {.model = "made", .how = "policy"};
    tm_registry *registry = NULL;
    tm_ctx ctx = {0};
    json_t *story = NULL;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    tm__made_csv_write(*state, &rows, 1);
    assert_int_equal(tm__made_train(*state, registry), 1);
    tm__made_csv_write(*state, &(tm_made_rows){.n = 300}, 1);
    assert_int_equal(tm__loop_retrain(&ctx, *state, &options, &story, NULL), TM_OK);
    const json_t *const how = json_object_get(story, "how");
    assert_string_equal(tm__json_text(how, "kind", ""), "recipe");
    assert_non_null(strstr(tm__json_text(how, "reason", ""), "too few"));
    assert_null(json_object_get(how, "policy"));
    json_decref(story);
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(models_of_several_windows_are_promoted),
        TEST(few_rows_are_learned_by_the_recipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
