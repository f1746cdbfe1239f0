/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "registry/turn.h"
#include "temp_home.h"
#include "tiny_bundle.h"

static tm_registry *open_registry(const tm_home *home) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    return registry;
}

static tm_turn begin(tm_registry *registry) {
    tm_turn turn = {.model = "late", .champion = 3, .story = json_pack("{s:s}", "because", "test")};
    assert_int_equal(tm__turn_begin(registry, &turn, NULL), TM_OK);
    return turn;
}

static void a_turn_is_found_as_it_was_saved_until_it_ends(void **state) {
    tm_registry *registry = open_registry(*state);
    tm_turn turn = begin(registry), found = {0};
    bool has = false;
    turn.state = TM_TURN_JUDGING;
    turn.version = 4;
    assert_int_equal(tm__turn_save(registry, &turn, NULL), TM_OK);
    tm__registry_close(registry);
    registry = open_registry(*state);
    assert_int_equal(tm__turn_find(registry, "late", &found, &has, NULL), TM_OK);
    assert_true(has);
    assert_int_equal(found.number, 1);
    assert_int_equal(found.state, TM_TURN_JUDGING);
    assert_int_equal(found.champion, 3);
    assert_int_equal(found.version, 4);
    assert_string_equal(tm__json_text(found.story, "because", ""), "test");
    assert_int_equal(tm__turn_end(registry, &found, "refused", "worse", NULL), TM_OK);
    assert_int_equal(tm__turn_save(registry, &turn, NULL), TM_E_CONFLICT); /* a late writer */
    tm__turn_done(&found);
    assert_int_equal(tm__turn_find(registry, "late", &found, &has, NULL), TM_OK);
    assert_false(has);
    tm__turn_done(&turn);
    tm__registry_close(registry);
}

static void a_model_has_one_turn_and_one_that_watches_gives_way(void **state) {
    tm_registry *registry = open_registry(*state);
    tm_turn first = begin(registry);
    tm_turn second = {.model = "late", .champion = 4, .story = json_object()};
    tm_err err = {0};
    assert_int_equal(tm__turn_begin(registry, &second, &err), TM_E_CONFLICT);
    assert_string_equal(err.message, "turn 1 of 'late' goes on: training");
    first.state = TM_TURN_WATCHING;
    assert_int_equal(tm__turn_save(registry, &first, NULL), TM_OK);
    assert_int_equal(tm__turn_begin(registry, &second, NULL), TM_OK);
    assert_int_equal(second.number, 2);
    json_t *list = NULL;
    assert_int_equal(tm__turn_list(registry, "late", 0, &list, NULL), TM_OK);
    assert_int_equal(json_array_size(list), 2);
    const json_t *const old = json_array_get(list, 1);
    assert_string_equal(tm__json_text(old, "outcome", ""), "promoted");
    assert_string_equal(tm__json_text(old, "reason", ""), "the next turn began");
    assert_string_equal(tm__json_text(json_array_get(list, 0), "state", ""), "training");
    json_decref(list);
    tm__turn_done(&first);
    tm__turn_done(&second);
    tm__registry_close(registry);
}

static size_t n_events(tm_registry *registry, const char *event) {
    const tm_history_filter filter = {.event = event};
    json_t *list = NULL;
    assert_int_equal(tm__registry_history_find(registry, "late", &filter, &list, NULL), TM_OK);
    const size_t n = json_array_size(list);
    json_decref(list);
    return n;
}

static void a_verdict_is_recorded_with_the_state_that_follows_or_not_at_all(void **state) {
    static const tm_actor actor = {.name = "test"};
    const tm_gate_verdict opens = {.is_open = true, .reason = "better"};
    const tm_gate_verdict refuses = {.reason = "worse"};
    tm_registry *registry = open_registry(*state);
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm_version version = {0};
    assert_int_equal(tm__registry_add(registry, "late", bundle, NULL, &actor, &version, NULL),
                     TM_OK);
    tm__version_done(&version);
    tm__bundle_unref(bundle);
    tm_turn turn = begin(registry), again = {0};
    bool has = false;
    turn.state = TM_TURN_JUDGING;
    turn.version = 1;
    assert_int_equal(tm__turn_judge(registry, &turn, &opens, &actor, NULL), TM_OK);
    assert_int_equal(turn.state, TM_TURN_CLOSING);
    assert_int_equal(tm__turn_find(registry, "late", &again, &has, NULL), TM_OK);
    assert_int_equal(again.state, TM_TURN_CLOSING);
    assert_int_equal(tm__turn_end(registry, &again, "stopped", "a test", NULL), TM_OK);
    tm__turn_done(&again);
    /* A late one, whose turn was ended meanwhile, leaves no verdict. */
    turn.state = TM_TURN_JUDGING;
    assert_int_equal(tm__turn_judge(registry, &turn, &refuses, &actor, NULL), TM_E_CONFLICT);
    assert_int_equal(turn.state, TM_TURN_JUDGING);
    assert_string_equal(turn.outcome, "");
    assert_int_equal(n_events(registry, "gate.opened"), 1);
    assert_int_equal(n_events(registry, "gate.refused"), 0);
    tm__turn_done(&turn);
    turn = begin(registry);
    turn.version = 1;
    assert_int_equal(tm__turn_judge(registry, &turn, &refuses, &actor, NULL), TM_OK);
    assert_string_equal(turn.outcome, "refused");
    assert_int_equal(n_events(registry, "gate.refused"), 1);
    tm__turn_done(&turn);
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_turn_is_found_as_it_was_saved_until_it_ends),
        TEST(a_model_has_one_turn_and_one_that_watches_gives_way),
        TEST(a_verdict_is_recorded_with_the_state_that_follows_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
