/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "loop/loop_choice.h"
#include "loop/loop_turn.h"
#include "temp_home.h"
#include "turn_case.h"

/* ---- what is asked for ---- */

static void a_window_is_said_or_left_to_a_test(void **state) {
    static const struct {
        const char *text;
        uint32_t kinds; /* 0: it is none */
        uint64_t rows;
    } cases[] = {
        {"all", 1u << TM_ROWS_ALL, 0},
        {"sliding", 1u << TM_ROWS_SLIDING, 0},
        {"sliding:5000", 1u << TM_ROWS_SLIDING, 5000},
        {"weighted:10", 1u << TM_ROWS_WEIGHTED, 10},
        {"cut", 1u << TM_ROWS_CUT, 0},
        {"auto",
         1u << TM_ROWS_ALL | 1u << TM_ROWS_SLIDING | 1u << TM_ROWS_WEIGHTED | 1u << TM_ROWS_CUT, 0},
        {"", 0, 0},
        {"none", 0, 0},
        {"all:5", 0, 0},
        {"cut:5000", 0, 0},
        {"auto:5000", 0, 0},
        {"sliding:", 0, 0},
        {"sliding:9", 0, 0},
        {"sliding:-1", 0, 0},
        {"sliding:5000:1", 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_window_ask ask = {0};
        const tm_status st = tm__window_ask(cases[i].text, &ask, NULL);
        if (st != (cases[i].kinds == 0 ? TM_E_USAGE : TM_OK) || ask.kinds != cases[i].kinds ||
            ask.rows != cases[i].rows) {
            fail_msg("'%s' gave %u %llu", cases[i].text, ask.kinds, (unsigned long long)ask.rows);
        }
    }
}

/* ---- retrainings ---- */

static json_t *retrain(const tm_home *home, const char *window) {
    return turn_case_retrain(home, &(tm_retrain_options){.window = window, .promote = true});
}

static const json_t *tried(const json_t *window, const char *kind) {
    const json_t *one = NULL;
    size_t i = 0;
    json_array_foreach(json_object_get(window, "tried"), i, one) {
        if (strcmp(tm__json_text(one, "kind", ""), kind) == 0) {
            return one;
        }
    }
    return NULL;
}

static void check_repeats(const tm_home *home, tm_registry *registry) {
    tm_version version = {0};
    tm_recipe recipe;
    tm_train_result again;
    tm_table *tables[2] = {NULL, NULL};
    tm_ctx ctx = {0};
    assert_int_equal(tm__registry_find(registry, "made@2", &version, NULL), TM_OK);
    assert_int_equal(tm__recipe_init_repeat(&recipe, version.info, NULL), TM_OK);
    const char *const names[] = {recipe.options.snapshot, recipe.options.test_snapshot};
    for (size_t i = 0; i < 2; i++) {
        tm_hash hash;
        assert_true(tm__hash_from_text(names[i], &hash));
        assert_int_equal(tm__snapshot_load(&ctx, tm__home_snapshots(home), &hash, &tables[i], NULL),
                         TM_OK);
    }
    assert_int_equal(tm__train_run(&ctx, tables[0], tables[1], &recipe.options, &again, NULL),
                     TM_OK);
    assert_true(tm__hash_eq(&again.bundle_hash, &version.bundle_hash));
    tm__train_result_done(&again);
    tm__table_unref(tables[0]);
    tm__table_unref(tables[1]);
    tm__recipe_done(&recipe);
    tm__version_done(&version);
}

/* 1,000 rows to learn from, the oldest 600 of them of the world before. */
static void when_the_world_moved_what_was_before_is_left_out(void **state) {
    const tm_made_rows news = {.first = 7000, .n = 1000, .is_flipped = true};
    tm_registry *registry = turn_case_open(*state, &news);
    json_t *const story = retrain(*state, "auto");
    const json_t *const window = json_object_get(story, "window");
    assert_string_not_equal(tm__json_text(window, "kind", ""), "all");
    assert_string_equal(tm__json_text(window, "asked", ""), "auto");
    assert_int_equal(tm__json_i64(window, "test_rows", 0), 200);
    assert_true(tm__json_f64(tried(window, "sliding"), "loss", 1) <
                tm__json_f64(tried(window, "all"), "loss", 0));
    const int64_t n_since = tm__json_i64(window, "change_rows", 0);
    assert_true(n_since > 700 && n_since <= 850);
    /* Chosen is among them, and the version says which. */
    tm_version version = {0};
    assert_int_equal(tm__registry_find(registry, "made@2", &version, NULL), TM_OK);
    const json_t *const recorded = json_object_get(version.info, "window");
    assert_string_equal(tm__json_text(recorded, "kind", "?"), tm__json_text(window, "kind", ""));
    assert_int_equal(tm__json_i64(recorded, "rows", -1), tm__json_i64(window, "rows", 0));
    assert_null(json_object_get(json_object_get(version.info, "recipe"), "window"));
    tm__version_done(&version);
    check_repeats(*state, registry);
    /* Killed behind the choice, it is not made again. */
    turn_case_put_back(registry);
    json_t *const again =
        turn_case_retrain(*state, &(tm_retrain_options){.resumes = true, .promote = true});
    assert_string_equal(tm__json_text(again, "bundle_hash", "?"),
                        tm__json_text(story, "bundle_hash", ""));
    json_decref(again);
    json_decref(story);
    tm__registry_close(registry);
}

static void what_lies_outside_the_window_is_not_new_again(void **state) {
    const tm_made_rows news = {.first = 7000, .n = 1000, .is_flipped = true};
    tm_registry *registry = turn_case_open(*state, &news);
    json_t *const story = retrain(*state, "sliding:300");
    assert_string_equal(tm__json_text(story, "outcome", ""), "promoted");
    assert_string_equal(tm__json_text(json_object_get(story, "window"), "reason", ""),
                        "as asked for");
    tm_version version = {0};
    assert_int_equal(tm__registry_find(registry, "made@2", &version, NULL), TM_OK);
    assert_int_equal(tm__json_i64(version.info, "rows", 0), 300);
    tm__version_done(&version);
    check_repeats(*state, registry);
    tm_ctx ctx = {0};
    json_t *none = NULL;
    tm_err err = {0};
    const tm_retrain_options options = {.model = "made", .window = "sliding:300"};
    assert_int_equal(tm__loop_retrain(&ctx, *state, &options, &none, &err), TM_E_REFUSED);
    assert_string_equal(err.message, "nothing is new since version 2 of 'made'");
    json_decref(story);
    tm__registry_close(registry);
}

static void without_a_change_all_rows_are_learned_from(void **state) {
    const tm_made_rows news = {.first = 7000, .n = 1000};
    tm_registry *registry = turn_case_open(*state, &news);
    json_t *const story = retrain(*state, "auto");
    const json_t *const window = json_object_get(story, "window");
    assert_string_equal(tm__json_text(window, "kind", ""), "all");
    assert_string_equal(tm__json_text(window, "reason", ""),
                        "none is surely better than all rows on the newest 200");
    json_decref(story);
    tm__registry_close(registry);
}

/* ---- the choice alone ---- */

static void too_few_rows_say_nothing(void **state) {
    const tm_made_rows news = {.first = 7000, .n = 10};
    tm_registry *registry = turn_case_open(*state, &news);
    tm_version version = {0};
    tm_bundle *bundle = NULL;
    tm_recipe recipe;
    tm_table *table = NULL;
    tm_ctx ctx = {0};
    tm_hash hash;
    tm_row_window window;
    json_t *told = NULL;
    const tm_train_events events = {0};
    assert_int_equal(tm__registry_find(registry, "made", &version, NULL), TM_OK);
    assert_int_equal(tm__registry_bundle(registry, &version, &bundle, NULL), TM_OK);
    assert_int_equal(tm__recipe_init_repeat(&recipe, version.info, NULL), TM_OK);
    assert_true(tm__hash_from_text(recipe.options.snapshot, &hash));
    assert_int_equal(tm__snapshot_load(&ctx, tm__home_snapshots(*state), &hash, &table, NULL),
                     TM_OK);
    uint32_t rows[390];
    tm_table *few = NULL;
    for (uint32_t i = 0; i < 390; i++) {
        rows[i] = i;
    }
    assert_int_equal(tm__table_take_rows(table, rows, 390, &few, NULL), TM_OK);
    const tm_choice_input in = {.asked = "auto",
                                .train = few,
                                .n_new = 100,
                                .options = &recipe.options,
                                .events = &events,
                                .champion = bundle};
    assert_int_equal(tm__choose_window(&ctx, &in, &window, &told, NULL), TM_OK);
    assert_int_equal(window.kind, TM_ROWS_ALL);
    assert_string_equal(tm__json_text(told, "reason", ""), "the rows are too few to choose by");
    json_decref(told);
    tm__table_unref(few);
    tm__table_unref(table);
    tm__recipe_done(&recipe);
    tm__bundle_unref(bundle);
    tm__version_done(&version);
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_is_said_or_left_to_a_test),
        TEST(when_the_world_moved_what_was_before_is_left_out),
        TEST(what_lies_outside_the_window_is_not_new_again),
        TEST(without_a_change_all_rows_are_learned_from),
        TEST(too_few_rows_say_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
