/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/pool.h"
#include "loop/loop.h"
#include "source/source.h"
#include "temp_home.h"
#include "train/train.h"
#include "trained_home.h"

static const tm_retrain_options promoting = {.model = "made", .promote = true, .actor = "test"};

static const tm_made_rows old_rows = {.first = 0, .n = 600};

static tm_registry *trained(const tm_home *home) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    tm__made_csv_write(home, &old_rows, 1);
    assert_int_equal(tm__made_train(home, registry), 1);
    return registry;
}

static void traffic(const tm_home *home, const tm_made_rows *rows) {
    tm_monitor *monitor = NULL;
    const tm_monitor_options options = {.can_write = true};
    assert_int_equal(tm__monitor_open(home, &options, &monitor, NULL), TM_OK);
    tm__made_traffic(monitor, rows);
    tm__monitor_close(monitor);
}

static json_t *retrain(const tm_home *home) {
    tm_ctx ctx = {0};
    json_t *story = NULL;
    tm_err err = {0};
    if (tm__loop_retrain(&ctx, home, &promoting, &story, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return story;
}

static tm_status retrain_status(const tm_home *home, tm_err *err) {
    tm_ctx ctx = {0};
    json_t *story = NULL;
    const tm_status st = tm__loop_retrain(&ctx, home, &promoting, &story, err);
    json_decref(story);
    return st;
}

static uint32_t champion(tm_registry *registry) {
    tm_version version = {0};
    assert_int_equal(tm__registry_find(registry, "made", &version, NULL), TM_OK);
    const uint32_t number = version.number;
    tm__version_done(&version);
    return number;
}

/* Events after the first two, which registering made. */
static void check_events(tm_registry *registry, const char *want) {
    char text[400] = "";
    json_t *list = NULL, *item;
    size_t i;
    assert_int_equal(tm__registry_history(registry, "made", &list, NULL), TM_OK);
    json_array_foreach(list, i, item) {
        const size_t used = strlen(text);
        if (i >= 2) {
            snprintf(text + used, sizeof(text) - used, "%s ", tm__json_text(item, "event", "?"));
        }
    }
    json_decref(list);
    assert_string_equal(text, want);
}

static void without_news_it_is_refused_and_nothing_is_noted(void **state) {
    tm_registry *registry = trained(*state);
    tm_err err = {0};
    assert_int_equal(retrain_status(*state, &err), TM_E_REFUSED);
    assert_string_equal(err.message, "nothing is new since version 1 of 'made'");
    traffic(*state, &(tm_made_rows){.first = 5000, .n = 5});
    assert_int_equal(retrain_status(*state, &err), TM_E_REFUSED);
    assert_string_equal(err.message, "only 5 rows are new since version 1 of 'made'");
    check_events(registry, "");
    tm__registry_close(registry);
}

static void when_the_world_moved_the_new_version_is_promoted(void **state) {
    tm_registry *registry = trained(*state);
    traffic(*state, &(tm_made_rows){.first = 1000, .n = 3000, .is_flipped = true});
    json_t *story = retrain(*state);
    assert_true(tm__json_bool(story, "is_open", false));
    assert_true(tm__json_bool(story, "promoted", false));
    assert_int_equal(tm__json_i64(story, "version", 0), 2);
    assert_int_equal(tm__json_i64(story, "from", 0), 1);
    assert_int_equal(tm__json_i64(story, "new_rows", 0), 3000);
    assert_int_equal(tm__json_i64(story, "gate_rows", 0), 600);
    assert_int_equal(tm__json_i64(story, "rows", 0), 3000);
    assert_non_null(strstr(tm__json_text(story, "reason", ""), "on 600 newest labelled rows"));
    assert_true(tm__json_f64(json_object_get(story, "candidate"), "auc", 0) > 0.7);
    assert_true(tm__json_f64(json_object_get(story, "champion"), "auc", 1) < 0.3);
    json_decref(story);
    assert_int_equal(champion(registry), 2);
    check_events(registry, "retrain.started registered retrain.trained gate.opened promoted ");
    /* What it has learned is not new any more. */
    tm_err err = {0};
    assert_int_equal(retrain_status(*state, &err), TM_E_REFUSED);
    assert_string_equal(err.message, "nothing is new since version 2 of 'made'");
    /* After a rollback it is: version 1 never saw it. */
    uint32_t from = 0, to = 0;
    const tm_actor actor = {.name = "test"};
    assert_int_equal(tm__registry_rollback(registry, "made", &actor, &from, &to, NULL), TM_OK);
    story = retrain(*state);
    assert_int_equal(tm__json_i64(story, "version", 0), 3);
    assert_int_equal(tm__json_i64(story, "from", 0), 1);
    json_decref(story);
    tm__registry_close(registry);
}

static tm_table *snapshot(const tm_home *home, const char *text) {
    tm_ctx ctx = {0};
    tm_hash hash;
    tm_table *table = NULL;
    assert_true(tm__hash_from_text(text, &hash));
    assert_int_equal(tm__snapshot_load(&ctx, tm__home_snapshots(home), &hash, &table, NULL), TM_OK);
    return table;
}

/* The rows of a retraining are put together from source and labels; their snapshots must hold all
 * that its bytes follow from. */
static void a_retrained_version_follows_from_its_record(void **state) {
    tm_registry *registry = trained(*state);
    tm_version version = {0};
    tm_recipe recipe;
    tm_train_result again;
    traffic(*state, &(tm_made_rows){.first = 1000, .n = 3000, .is_flipped = true});
    json_decref(retrain(*state));
    assert_int_equal(tm__registry_find(registry, "made@2", &version, NULL), TM_OK);
    assert_int_equal(tm__recipe_init_repeat(&recipe, version.info, NULL), TM_OK);
    tm_table *train = snapshot(*state, recipe.options.snapshot);
    tm_table *held = snapshot(*state, recipe.options.test_snapshot);
    assert_int_equal(tm__table_rows(train), 3000);
    assert_int_equal(tm__table_rows(held), 600);
    tm_ctx ctx = {.pool = tm__pool_create(3)};
    assert_int_equal(tm__train_run(&ctx, train, held, &recipe.options, &again, NULL), TM_OK);
    assert_true(tm__hash_eq(&again.bundle_hash, &version.bundle_hash));
    tm__pool_free(ctx.pool);
    tm__train_result_done(&again);
    tm__table_unref(train);
    tm__table_unref(held);
    tm__recipe_done(&recipe);
    tm__version_done(&version);
    tm__registry_close(registry);
}

static void a_gate_that_asks_for_too_much_keeps_the_champion(void **state) {
    tm_registry *registry = trained(*state);
    const tm_actor actor = {.name = "test"};
    const tm_gate gate = {.better_than_champion = true, .by = 0.4, .metric = "auc"};
    assert_int_equal(tm__registry_set_gate(registry, "made", &gate, &actor, NULL), TM_OK);
    traffic(*state, &(tm_made_rows){.first = 1000, .n = 400});
    json_t *story = retrain(*state);
    assert_false(tm__json_bool(story, "is_open", true));
    assert_false(tm__json_bool(story, "promoted", true));
    assert_int_equal(tm__json_i64(story, "gate_rows", 0), 200);
    assert_non_null(strstr(tm__json_text(story, "reason", ""), "is not better than champion's"));
    json_decref(story);
    assert_int_equal(champion(registry), 1);
    check_events(registry, "gate.set retrain.started registered retrain.trained gate.refused ");
    tm__registry_close(registry);
}

static void new_rows_of_the_source_are_learned_and_judge(void **state) {
    tm_registry *registry = trained(*state);
    const tm_made_rows both[] = {old_rows, {.first = 7000, .n = 1000, .is_flipped = true}};
    tm__made_csv_write(*state, both, 2);
    json_t *story = retrain(*state);
    assert_int_equal(tm__json_i64(story, "new_rows", 0), 1000);
    assert_int_equal(tm__json_i64(story, "gate_rows", 0), 200);
    assert_int_equal(tm__json_i64(story, "rows", 0), 1400);
    assert_string_equal(tm__json_text(story, "judged_on", ""), "200 newest rows of the source");
    json_decref(story);
    tm__registry_close(registry);
}

static void an_answer_that_reached_the_source_is_not_learned_twice(void **state) {
    tm_registry *registry = trained(*state);
    const tm_made_rows seen = {.first = 9000, .n = 100, .is_flipped = true};
    const tm_made_rows both[] = {old_rows, seen};
    traffic(*state, &(tm_made_rows){.first = 9000, .n = 400, .is_flipped = true});
    tm__made_csv_write(*state, both, 2);
    json_t *story = retrain(*state);
    /* 100 new in the source, 300 of the 400 answers not in it; 150 of these held out. */
    assert_int_equal(tm__json_i64(story, "new_rows", 0), 400);
    assert_int_equal(tm__json_i64(story, "gate_rows", 0), 150);
    assert_int_equal(tm__json_i64(story, "rows", 0), 600 + 100 + 150);
    json_decref(story);
    tm__registry_close(registry);
}

static void a_source_that_is_gone_is_an_error_with_its_path(void **state) {
    tm_registry *registry = trained(*state);
    char path[600];
    tm_err err = {0};
    snprintf(path, sizeof(path), "%s/data.csv", tm__home_path(*state));
    assert_int_equal(tm__fs_remove(path, NULL), TM_OK);
    assert_int_equal(retrain_status(*state, &err), TM_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "data.csv"));
    check_events(registry, "");
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(without_news_it_is_refused_and_nothing_is_noted),
        TEST(when_the_world_moved_the_new_version_is_promoted),
        TEST(a_retrained_version_follows_from_its_record),
        TEST(a_gate_that_asks_for_too_much_keeps_the_champion),
        TEST(new_rows_of_the_source_are_learned_and_judge),
        TEST(an_answer_that_reached_the_source_is_not_learned_twice),
        TEST(a_source_that_is_gone_is_an_error_with_its_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
