/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "registry/turn.h"
#include "temp_home.h"

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

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_turn_is_found_as_it_was_saved_until_it_ends),
        TEST(a_model_has_one_turn_and_one_that_watches_gives_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
