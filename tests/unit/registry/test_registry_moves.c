/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "failing_disk.h"
#include "registry/registry.h"
#include "temp_home.h"
#include "tiny_bundle.h"

static const tm_actor actor = {.name = "test", .reason = "because"};

static tm_registry *open_registry(const tm_home *home) {
    tm_registry *registry = NULL;
    tm_err err = {0};
    if (tm__registry_open(home, &registry, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return registry;
}

static void add(tm_registry *registry, const tm_home *home, const tm_tiny_bundle *options) {
    tm_bundle *bundle = tm__tiny_bundle_create(home, options);
    tm_version version = {0};
    tm_err err = {0};
    if (tm__registry_add(registry, "late", bundle, NULL, &actor, &version, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    tm__version_done(&version);
    tm__bundle_unref(bundle);
}

/* A home with n versions of 'late'. */
static tm_registry *with_versions(const tm_home *home, int n) {
    tm_registry *registry = open_registry(home);
    for (int i = 0; i < n; i++) {
        add(registry, home, &(tm_tiny_bundle){.auc = 0.7 + 0.01 * i});
    }
    return registry;
}

static tm_status promote(tm_registry *registry, uint32_t version, bool force, tm_err *err) {
    uint32_t from = 0;
    const tm_promotion promotion = {.version = version, .force = force};
    return tm__registry_promote(registry, "late", &promotion, &actor, &from, err);
}

static uint32_t number_of(tm_registry *registry, const char *name) {
    tm_version version = {0};
    assert_int_equal(tm__registry_find(registry, name, &version, NULL), TM_OK);
    const uint32_t number = version.number;
    tm__version_done(&version);
    return number;
}

static void promotion_moves_the_champion_and_says_from_where(void **state) {
    tm_registry *registry = with_versions(*state, 2);
    uint32_t from = 0;
    tm_err err = {0};
    const tm_promotion second = {.version = 2}, stale = {.version = 1, .champion = 1};
    assert_int_equal(tm__registry_promote(registry, "late", &second, &actor, &from, &err), TM_OK);
    assert_int_equal(from, 1);
    assert_int_equal(number_of(registry, "late"), 2);
    assert_int_equal(promote(registry, 2, false, &err), TM_E_CONFLICT);
    assert_int_equal(promote(registry, 7, false, &err), TM_E_NOT_FOUND);
    assert_int_equal(tm__registry_promote(registry, "late", &stale, &actor, &from, &err),
                     TM_E_CONFLICT);
    char text[200] = "";
    json_t *list = NULL, *item;
    size_t i;
    assert_int_equal(tm__registry_history(registry, "late", &list, NULL), TM_OK);
    json_array_foreach(list, i, item) {
        const size_t used = strlen(text);
        snprintf(text + used, sizeof(text) - used, "%s ", tm__json_text(item, "event", "?"));
        assert_string_equal(tm__json_text(item, "actor", ""), "test");
    }
    assert_string_equal(text, "registered promoted registered promoted ");
    json_decref(list);
    tm__registry_close(registry);
}

static void a_refused_version_is_promoted_only_by_force(void **state) {
    tm_registry *registry = with_versions(*state, 2);
    tm_err err = {0};
    const tm_gate_verdict no = {.is_open = false, .reason = "auc 0.6 is worse"};
    const tm_gate_verdict yes = {.is_open = true, .reason = "auc 0.8 is better"};
    assert_int_equal(tm__registry_judge(registry, "late", 2, &no, &actor, NULL), TM_OK);
    assert_int_equal(promote(registry, 2, false, &err), TM_E_REFUSED);
    assert_string_equal(err.message, "the gate refuses version 2 of 'late': auc 0.6 is worse");
    tm_version version = {0};
    assert_int_equal(tm__registry_find(registry, "late@2", &version, NULL), TM_OK);
    assert_string_equal(version.state, "refused");
    tm__version_done(&version);
    assert_int_equal(number_of(registry, "late"), 1);
    assert_int_equal(promote(registry, 2, true, &err), TM_OK);
    json_t *list = NULL;
    assert_int_equal(tm__registry_history(registry, "late", &list, NULL), TM_OK);
    const json_t *last = json_array_get(list, json_array_size(list) - 1);
    assert_true(tm__json_bool(json_object_get(last, "details"), "forced", false));
    json_decref(list);
    assert_int_equal(promote(registry, 1, false, &err), TM_OK);
    assert_int_equal(tm__registry_judge(registry, "late", 2, &yes, &actor, NULL), TM_OK);
    assert_int_equal(promote(registry, 2, false, &err), TM_OK);
    tm__registry_close(registry);
}

static void a_version_with_another_target_is_refused(void **state) {
    tm_registry *registry = with_versions(*state, 1);
    tm_err err = {0};
    add(registry, *state, &(tm_tiny_bundle){.auc = 0.9, .target = "z"});
    assert_int_equal(promote(registry, 2, false, &err), TM_E_REFUSED);
    assert_non_null(strstr(err.message, "its target is 'z'"));
    assert_int_equal(promote(registry, 2, true, &err), TM_OK);
    tm__registry_close(registry);
}

static void each_rollback_undoes_one_promotion(void **state) {
    tm_registry *registry = with_versions(*state, 4);
    uint32_t from = 0, to = 0;
    assert_int_equal(tm__registry_rollback(registry, "late", &actor, &from, &to, NULL),
                     TM_E_CONFLICT);
    assert_int_equal(promote(registry, 2, false, NULL), TM_OK);
    assert_int_equal(promote(registry, 3, false, NULL), TM_OK);
    assert_int_equal(tm__registry_rollback(registry, "late", &actor, &from, &to, NULL), TM_OK);
    assert_int_equal(from, 3);
    assert_int_equal(to, 2);
    assert_int_equal(number_of(registry, "late"), 2);
    assert_int_equal(promote(registry, 4, false, NULL), TM_OK);
    assert_int_equal(tm__registry_earlier(registry, "late", &to, NULL), TM_OK);
    assert_int_equal(to, 2);
    tm_promotion target = {.version = 3, .is_checked = true};
    assert_int_equal(tm__registry_rollback_to(registry, "late", &target, &actor, &from, NULL),
                     TM_E_CONFLICT); /* that is not where it would go */
    target.version = 2;
    assert_int_equal(tm__registry_rollback_to(registry, "late", &target, &actor, &from, NULL),
                     TM_OK);
    assert_int_equal(from, 4);
    assert_int_equal(tm__registry_rollback(registry, "late", &actor, &from, &to, NULL), TM_OK);
    assert_int_equal(from, 2);
    assert_int_equal(to, 1);
    assert_int_equal(tm__registry_rollback(registry, "late", &actor, &from, &to, NULL),
                     TM_E_CONFLICT);
    assert_int_equal(number_of(registry, "late"), 1);
    /* A rollback bars nothing. */
    assert_int_equal(promote(registry, 3, false, NULL), TM_OK);
    assert_int_equal(number_of(registry, "late@challenger"), 4);
    tm__registry_close(registry);
}

static void gates_and_recipes_come_back_as_set(void **state) {
    tm_registry *registry = with_versions(*state, 1);
    tm_gate gate = {0};
    assert_int_equal(tm__registry_gate(registry, "late", &gate, NULL), TM_OK);
    assert_false(gate.better_than_champion);
    const tm_gate set = {.better_than_champion = true,
                         .by = 0.002,
                         .metric = "auc",
                         .floors = {{"auc", 0.7}},
                         .n_floors = 1};
    assert_int_equal(tm__registry_set_gate(registry, "late", &set, &actor, NULL), TM_OK);
    assert_int_equal(tm__registry_gate(registry, "late", &gate, NULL), TM_OK);
    assert_true(gate.better_than_champion && gate.by == 0.002 && gate.floors[0].value == 0.7);
    assert_string_equal(gate.metric, "auc");
    assert_string_equal(gate.floors[0].metric, "auc");
    const tm_gate odd = {.better_than_champion = true, .metric = "nice"};
    assert_int_equal(tm__registry_set_gate(registry, "late", &odd, &actor, NULL), TM_E_USAGE);
    const tm_gate negative = {.better_than_champion = true, .by = -1};
    assert_int_equal(tm__registry_set_gate(registry, "late", &negative, &actor, NULL), TM_E_USAGE);

    json_t *recipe = NULL, *given = json_pack("{s:s}", "target", "y");
    assert_int_equal(tm__registry_recipe(registry, "late", &recipe, NULL), TM_OK);
    assert_true(json_is_null(recipe));
    json_decref(recipe);
    assert_int_equal(tm__registry_set_recipe(registry, "late", given, &actor, NULL), TM_OK);
    assert_int_equal(tm__registry_recipe(registry, "late", &recipe, NULL), TM_OK);
    assert_true(json_equal(recipe, given));
    json_decref(recipe);
    json_decref(given);
    tm__registry_close(registry);
}

static void check_source(tm_registry *registry, const char *want) {
    json_t *recipe = NULL;
    assert_int_equal(tm__registry_recipe(registry, "late", &recipe, NULL), TM_OK);
    assert_string_equal(tm__json_text(recipe, "source", ""), want);
    assert_int_equal(tm__json_i64(json_object_get(recipe, "retrain"), "every_s", 0), 60);
    json_decref(recipe);
}

static void the_recipe_follows_the_champion(void **state) {
    tm_registry *registry = open_registry(*state);
    json_t *policy = json_pack("{s:s, s:{s:i}}", "source", "file", "retrain", "every_s", 60);
    uint32_t from = 0, to = 0;
    add(registry, *state, &(tm_tiny_bundle){.auc = 0.6});
    assert_int_equal(tm__registry_set_recipe(registry, "late", policy, &actor, NULL), TM_OK);
    check_source(registry, "file");
    add(registry, *state, &(tm_tiny_bundle){.auc = 0.7, .recipe = "{\"source\": \"good\"}"});
    add(registry, *state, &(tm_tiny_bundle){.auc = 0.8, .recipe = "{\"source\": \"poison\"}"});
    assert_int_equal(promote(registry, 2, true, NULL), TM_OK);
    check_source(registry, "good");
    assert_int_equal(promote(registry, 3, true, NULL), TM_OK);
    check_source(registry, "poison");
    assert_int_equal(tm__registry_rollback(registry, "late", &actor, &from, &to, NULL), TM_OK);
    check_source(registry, "good");
    json_decref(policy);
    tm__registry_close(registry);
}

/* A cost that was declared since a version learned is not undone by the version. */
static void what_was_declared_since_a_version_was_made_stays(void **state) {
    tm_registry *registry = open_registry(*state);
    json_t *declared = json_pack("{s:s, s:{s:i}}", "source", "file", "retrain", "every_s", 60);
    json_t *none = json_object();
    uint32_t from = 0, to = 0;
    add(registry, *state, &(tm_tiny_bundle){.auc = 0.6, .recipe = "{\"source\": \"good\"}"});
    assert_int_equal(tm__registry_note(registry, "late", "retrain.started", 0, &actor, none, NULL),
                     TM_OK);
    assert_int_equal(tm__registry_set_recipe(registry, "late", declared, &actor, NULL), TM_OK);
    add(registry, *state, &(tm_tiny_bundle){.auc = 0.7, .recipe = "{\"source\": \"turn\"}"});
    assert_int_equal(tm__registry_note(registry, "late", "retrain.trained", 2, &actor, none, NULL),
                     TM_OK);
    assert_int_equal(promote(registry, 2, true, NULL), TM_OK); /* a turn that began before */
    check_source(registry, "file");
    assert_int_equal(tm__registry_rollback(registry, "late", &actor, &from, &to, NULL), TM_OK);
    check_source(registry, "file");
    add(registry, *state, &(tm_tiny_bundle){.auc = 0.8, .recipe = "{\"source\": \"hand\"}"});
    assert_int_equal(promote(registry, 3, true, NULL), TM_OK); /* one that was trained since */
    check_source(registry, "hand");
    assert_int_equal(tm__registry_set_recipe(registry, "late", declared, &actor, NULL), TM_OK);
    add(registry, *state, &(tm_tiny_bundle){.auc = 0.9, .recipe = "{\"source\": \"hand\"}"});
    assert_int_equal(promote(registry, 4, true, NULL), TM_OK); /* the champion, fitted anew */
    check_source(registry, "file");
    json_decref(none);
    json_decref(declared);
    tm__registry_close(registry);
}

/* One fit with the champion's settings is how it was made, not how a next one is to be. */
static void a_version_that_goes_on_leaves_how_to_learn(void **state) {
    tm_registry *registry = open_registry(*state);
    json_t *recipe = NULL, *said = json_pack("{s:s, s:s, s:[], s:i}", "source", "old", "learners",
                                             "gbdt,linear", "params", "work", 500);
    add(registry, *state, &(tm_tiny_bundle){.auc = 0.7});
    assert_int_equal(tm__registry_set_recipe(registry, "late", said, &actor, NULL), TM_OK);
    add(registry, *state,
        &(tm_tiny_bundle){.auc = 0.8,
                          .continues = true,
                          .recipe = "{\"source\": \"new\", \"learners\": \"gbdt\","
                                    " \"params\": [\"gbdt.l2=1\"], \"budget_ms\": 7}"});
    assert_int_equal(promote(registry, 2, true, NULL), TM_OK);
    assert_int_equal(tm__registry_recipe(registry, "late", &recipe, NULL), TM_OK);
    json_object_set_new(said, "source", json_string("new"));
    assert_true(json_equal(recipe, said));
    json_decref(recipe);
    json_decref(said);
    tm__registry_close(registry);
}

/* Whatever write fails, the champion is the old or the new one and the record agrees. */
static void a_failed_write_leaves_no_half_promotion(void **state) {
    const tm_home *home = *state;
    tm_registry *registry = with_versions(home, 2);
    for (uint64_t n = 1; n < 100; n++) {
        uint64_t n_before = 0, n_after = 0;
        const uint32_t before = number_of(registry, "late");
        const uint32_t next = before == 1 ? 2 : 1;
        assert_int_equal(tm__registry_history_check(registry, &n_before, NULL), TM_OK);
        test_disk_fail_at(n, false);
        const tm_status st = promote(registry, next, false, NULL);
        test_disk_fail_at(0, false);
        tm__registry_close(registry);
        registry = open_registry(home);
        const uint32_t after = number_of(registry, "late");
        assert_int_equal(tm__registry_history_check(registry, &n_after, NULL), TM_OK);
        assert_int_equal(n_after, n_before + (after == next));
        if (st == TM_OK) {
            assert_int_equal(after, next);
            tm__registry_close(registry);
            return;
        }
    }
    fail_msg("promotion never succeeded");
}

static bool set_recipe(void *home) {
    tm_registry *registry = NULL;
    json_t *recipe = json_pack("{s:s}", "target", "y");
    tm_status st = tm__registry_open(home, &registry, NULL);
    if (st == TM_OK) {
        st = tm__registry_set_recipe(registry, "late", recipe, &actor, NULL);
    }
    assert_true(st == TM_OK || st == TM_E_NOMEM);
    json_decref(recipe);
    tm__registry_close(registry);
    return st == TM_OK;
}

static void a_move_leaks_nothing_when_memory_runs_out(void **state) {
    tm__registry_close(with_versions(*state, 1));
    tm__temp_home_needs_file();
    test_each_mem_fault(set_recipe, *state);
}

/* Register, promote and roll back until killed. */
static void move_for_ever(const tm_home *home) {
    tm_registry *registry = NULL;
    tm_version version = {0};
    tm_bundle *bundle = NULL;
    uint32_t from = 0, to = 0;
    if (tm__registry_open(home, &registry, NULL) != TM_OK ||
        tm__registry_find(registry, "late@1", &version, NULL) != TM_OK ||
        tm__registry_bundle(registry, &version, &bundle, NULL) != TM_OK) {
        _exit(1);
    }
    for (uint32_t i = 0;; i++) {
        tm_version added = {0};
        if (tm__registry_add(registry, "late", bundle, NULL, &actor, &added, NULL) != TM_OK ||
            promote(registry, added.number, false, NULL) != TM_OK ||
            (i % 3 == 0 &&
             tm__registry_rollback(registry, "late", &actor, &from, &to, NULL) != TM_OK)) {
            _exit(2);
        }
        tm__version_done(&added);
    }
}

static void check_whole(const tm_home *home) {
    tm_registry *registry = open_registry(home);
    uint64_t n = 0;
    tm_err err = {0};
    if (tm__registry_history_check(registry, &n, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    json_t *versions = NULL, *item;
    size_t i, n_champions = 0;
    assert_int_equal(tm__registry_versions(registry, "late", &versions, NULL), TM_OK);
    json_array_foreach(versions, i, item) {
        n_champions += strstr(tm__json_text(item, "aliases", ""), "champion") != NULL;
    }
    assert_int_equal(n_champions, 1);
    json_decref(versions);
    tm__registry_close(registry);
}

static void a_killed_process_leaves_a_whole_registry(void **state) {
    const tm_home *home = *state;
    tm__registry_close(with_versions(home, 1));
    for (uint32_t i = 0; i < 20; i++) {
        const pid_t pid = fork();
        if (pid == 0) {
            move_for_ever(home);
        }
        tm__sleep_ms(10 + (i * 37) % 60);
        kill(pid, SIGKILL);
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        check_whole(home);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(promotion_moves_the_champion_and_says_from_where),
        TEST(a_refused_version_is_promoted_only_by_force),
        TEST(a_version_with_another_target_is_refused),
        TEST(each_rollback_undoes_one_promotion),
        TEST(gates_and_recipes_come_back_as_set),
        TEST(the_recipe_follows_the_champion),
        TEST(what_was_declared_since_a_version_was_made_stays),
        TEST(a_version_that_goes_on_leaves_how_to_learn),
        TEST(a_failed_write_leaves_no_half_promotion),
        TEST(a_move_leaks_nothing_when_memory_runs_out),
        TEST(a_killed_process_leaves_a_whole_registry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
