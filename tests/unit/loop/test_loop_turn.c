/* SPDX-License-Identifier: Apache-2.0 */
/* A turn that stops at each of its states, as a kill leaves it, and is gone on with. */
#include "test.h"

#include <string.h>

#include "loop/loop_turn.h"
#include "registry/registry_priv.h"
#include "registry/rollout.h"
#include "temp_home.h"
#include "trained_home.h"

static tm_registry *trained(const tm_home *home) {
    tm_registry *registry = NULL;
    tm_monitor *monitor = NULL;
    const tm_monitor_options options = {.can_write = true};
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    tm__made_csv_write(home, &(tm_made_rows){.n = 300}, 1);
    assert_int_equal(tm__made_train(home, registry), 1);
    assert_int_equal(tm__monitor_open(home, &options, &monitor, NULL), TM_OK);
    tm__made_traffic(monitor, &(tm_made_rows){.first = 1000, .n = 300, .is_flipped = true});
    tm__monitor_close(monitor);
    return registry;
}

static json_t *turn(const tm_home *home, bool resumes) {
    const tm_retrain_options options = {
        .model = "made", .promote = true, .resumes = resumes, .actor = "test"};
    tm_ctx ctx = {0};
    json_t *story = NULL;
    tm_err err = {0};
    if (tm__loop_retrain(&ctx, home, &options, &story, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return story;
}

/* The turn as it was in an earlier state: what came of it since stays, as after a kill. */
static void put_back(const tm_home *home, const char *state) {
    tm_registry *registry = NULL;
    tm_stmt *stmt = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    assert_int_equal(tm__stmt_init(registry->db,
                                   "UPDATE turns SET state = ?1, outcome = NULL, version ="
                                   " CASE WHEN ?1 IN ('training', 'registering') THEN 0"
                                   " ELSE version END",
                                   &stmt, NULL),
                     TM_OK);
    tm__stmt_bind_text(stmt, 1, state);
    assert_int_equal(tm__stmt_run(stmt, NULL), TM_OK);
    tm__stmt_done(stmt);
    tm__registry_close(registry);
}

static uint32_t count(tm_registry *registry, const char *event) {
    const tm_history_filter filter = {.event = event};
    json_t *list = NULL;
    assert_int_equal(tm__registry_history_find(registry, "made", &filter, &list, NULL), TM_OK);
    const uint32_t n = (uint32_t)json_array_size(list);
    json_decref(list);
    return n;
}

/* A week goes by, and labels never came. */
static void give_up_watching(tm_registry *registry) {
    tm_turn open = {0};
    bool has = false;
    assert_int_equal(tm__turn_find(registry, "made", &open, &has, NULL), TM_OK);
    json_object_set_new(json_object_get(open.story, "watch"), "until_us", json_integer(1));
    assert_int_equal(tm__turn_save(registry, &open, NULL), TM_OK);
    tm__turn_done(&open);
}

static void gone_on_with_from_each_state_it_comes_to_the_same_end(void **state) {
    static const char *const states[] = {"training", "registering", "judging", "closing"};
    tm_registry *registry = trained(*state);
    json_t *const first = turn(*state, false);
    assert_string_equal(tm__json_text(first, "state", ""), "watching");
    for (size_t i = 0; i < 4; i++) {
        tm_turn open = {0};
        bool has = false;
        put_back(*state, states[i]);
        assert_int_equal(tm__turn_find(registry, "made", &open, &has, NULL), TM_OK);
        json_object_set_new(open.story, "tries", json_integer(1));
        assert_int_equal(tm__turn_save(registry, &open, NULL), TM_OK);
        tm__turn_done(&open);
        json_t *const again = turn(*state, true);
        assert_string_equal(tm__json_text(again, "state", ""), "watching");
        assert_string_equal(tm__json_text(again, "bundle_hash", ""),
                            tm__json_text(first, "bundle_hash", "?"));
        assert_int_equal(tm__json_i64(again, "version", 0), 2);
        assert_int_equal(tm__json_i64(again, "new_rows", 0), 300);
        json_decref(again);
    }
    give_up_watching(registry);
    json_t *const last = turn(*state, true);
    assert_string_equal(tm__json_text(last, "outcome", ""), "promoted");
    assert_string_equal(tm__json_text(last, "why", ""), "no label came to watch it by");
    json_decref(last);
    assert_int_equal(count(registry, "registered"), 2); /* version 1, and once version 2 */
    assert_int_equal(count(registry, "retrain.trained"), 1);
    assert_int_equal(count(registry, "promoted"), 2);
    json_decref(first);
    tm__registry_close(registry);
}

static void what_was_tried_too_often_has_failed(void **state) {
    tm_registry *registry = trained(*state);
    tm_ctx ctx = {0};
    tm_err err = {0};
    json_t *story = NULL;
    tm_turn open = {0};
    bool has = false;
    const tm_retrain_options options = {.model = "made", .promote = true, .resumes = true};
    json_decref(turn(*state, false));
    put_back(*state, "training");
    assert_int_equal(tm__turn_find(registry, "made", &open, &has, NULL), TM_OK);
    json_object_set_new(open.story, "tries", json_integer(TM_TURN_TRIES));
    assert_int_equal(tm__turn_save(registry, &open, NULL), TM_OK);
    tm__turn_done(&open);
    assert_int_equal(tm__loop_retrain(&ctx, *state, &options, &story, &err), TM_E_REFUSED);
    assert_int_equal(tm__turn_find(registry, "made", &open, &has, NULL), TM_OK);
    assert_false(has);
    assert_int_equal(tm__loop_retrain(&ctx, *state, &options, &story, &err), TM_E_NOT_FOUND);
    tm__registry_close(registry);
}

static void declare_rollout(tm_registry *registry, const tm_rollout_terms *terms) {
    static const tm_actor actor = {.name = "test", .reason = "because"};
    json_t *recipe = NULL;
    assert_int_equal(tm__registry_recipe(registry, "made", &recipe, NULL), TM_OK);
    json_object_set_new(recipe, "rollout", tm__rollout_terms_json(terms));
    assert_int_equal(tm__registry_set_recipe(registry, "made", recipe, &actor, NULL), TM_OK);
    json_decref(recipe);
}

static void a_rollout_that_went_back_came_to_nothing(void **state) {
    tm_registry *registry = trained(*state);
    static const tm_actor actor = {.name = "test", .reason = "drift"};
    const tm_rollout_terms terms = tm__rollout_default();
    const tm_rollout_move back = {.kind = TM_ROLLOUT_BACK};
    tm_runs runs = {0};
    char job[27];
    uint32_t refused = 0;
    declare_rollout(registry, &terms);
    assert_int_equal(tm__registry_job_add(registry, "retrain", "made", job, NULL), TM_OK);
    json_t *story = turn(*state, false);
    assert_int_equal(tm__registry_job_end(registry, job, "done", story, NULL), TM_OK);
    json_decref(story);
    assert_int_equal(tm__registry_runs(registry, "retrain", "made", 0, &runs, NULL), TM_OK);
    assert_int_equal(runs.n_fruitless, 0);
    assert_int_equal(tm__registry_rollout_move(registry, "made", &back, &actor, NULL), TM_OK);
    assert_int_equal(tm__registry_runs(registry, "retrain", "made", 0, &runs, NULL), TM_OK);
    assert_int_equal(runs.n_fruitless, 1);
    assert_int_equal(tm__loop_refused(registry, "made", &refused, NULL), TM_OK);
    assert_int_equal(refused, 2);
    tm__registry_close(registry);
}

static void a_declared_rollout_begins_and_the_turn_follows_it(void **state) {
    tm_registry *registry = trained(*state);
    static const tm_actor actor = {.name = "test", .reason = "because"};
    const tm_rollout_terms terms = tm__rollout_default();
    declare_rollout(registry, &terms);
    json_t *story = turn(*state, false);
    assert_string_equal(tm__json_text(story, "state", ""), "rollout");
    json_decref(story);
    put_back(*state, "closing"); /* killed behind the start */
    story = turn(*state, true);
    assert_string_equal(tm__json_text(story, "state", ""), "rollout");
    const double apart = tm__json_f64(story, "answers_apart", 0);
    json_decref(story);
    assert_int_equal(count(registry, "rollout.started"), 1);
    tm_rollout rollout = {0};
    bool has = false;
    assert_int_equal(tm__registry_rollout(registry, "made", &rollout, &has, NULL), TM_OK);
    assert_true(has && apart > 0 && rollout.terms.guard.drift == terms.guard.drift + apart);
    tm__rollout_done(&rollout);
    const tm_rollout_move stop = {.kind = TM_ROLLOUT_STOP};
    assert_int_equal(tm__registry_rollout_move(registry, "made", &stop, &actor, NULL), TM_OK);
    story = turn(*state, true);
    assert_string_equal(tm__json_text(story, "outcome", ""), "rolled_back");
    assert_string_equal(tm__json_text(story, "why", ""), "rollout.stopped: because");
    json_decref(story);
    tm__registry_close(registry);
}

static void a_version_that_is_regretted_goes_back(void **state) {
    tm_registry *registry = trained(*state);
    tm_monitor *monitor = NULL;
    tm_version now = {0};
    const tm_monitor_options options = {.can_write = true};
    json_decref(turn(*state, false));
    /* The world turns back. */
    assert_int_equal(tm__monitor_open(*state, &options, &monitor, NULL), TM_OK);
    tm__made_traffic(monitor, &(tm_made_rows){.first = 5000, .n = 400, .at_us = 5000000});
    tm__monitor_close(monitor);
    json_t *story = turn(*state, true);
    assert_string_equal(tm__json_text(story, "outcome", ""), "rolled_back");
    assert_non_null(strstr(tm__json_text(story, "why", ""), "regret: on 400 labels"));
    json_decref(story);
    assert_int_equal(tm__registry_find(registry, "made", &now, NULL), TM_OK);
    assert_int_equal(now.number, 1);
    tm__version_done(&now);
    tm__registry_close(registry);
}

static void one_training_at_a_time(void **state) {
    tm_registry *registry = trained(*state);
    tm_file *lock = NULL;
    tm_ctx ctx = {0};
    json_t *story = NULL;
    const tm_retrain_options options = {.model = "made", .promote = true};
    assert_int_equal(tm__turn_lock(*state, &lock, NULL), TM_OK);
    assert_int_equal(tm__loop_retrain(&ctx, *state, &options, &story, NULL), TM_E_CONFLICT);
    tm__file_close(lock);
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(gone_on_with_from_each_state_it_comes_to_the_same_end),
        TEST(what_was_tried_too_often_has_failed),
        TEST(a_declared_rollout_begins_and_the_turn_follows_it),
        TEST(a_rollout_that_went_back_came_to_nothing),
        TEST(a_version_that_is_regretted_goes_back),
        TEST(one_training_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
