/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "loop/loop_how_choice.h"
#include "registry/registry_priv.h"
#include "temp_home.h"
#include "trained_home.h"

static tm_registry *trained(const tm_home *home, const tm_made_rows *news) {
    const tm_made_rows both[] = {{.n = 600}, *news};
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    tm__made_csv_write(home, both, 1);
    assert_int_equal(tm__made_train(home, registry), 1);
    tm__made_csv_write(home, both, 2);
    return registry;
}

static json_t *retrain(const tm_home *home, const tm_retrain_options *asked) {
    tm_retrain_options options = *asked;
    tm_ctx ctx = {0};
    json_t *story = NULL;
    tm_err err = {0};
    options.model = "made"; /* and nothing is promoted: the champion stays */
    if (tm__loop_retrain(&ctx, home, &options, &story, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return story;
}

static const char *text(const json_t *story, const char *what, const char *name) {
    return tm__json_text(json_object_get(story, what), name, "");
}

static double loss_of(const json_t *story, size_t i, const char *kind) {
    const json_t *const one =
        json_array_get(json_object_get(json_object_get(story, "how"), "tried"), i);
    assert_string_equal(tm__json_text(one, "kind", ""), kind);
    return tm__json_f64(one, "loss", -1);
}

static void put_back_to_training(tm_registry *registry) {
    tm_stmt *stmt = NULL;
    assert_int_equal(tm__stmt_init(registry->db,
                                   "UPDATE turns SET state = 'training', outcome = NULL,"
                                   " version = 0 WHERE rowid = (SELECT max(rowid) FROM turns)",
                                   &stmt, NULL),
                     TM_OK);
    assert_int_equal(tm__stmt_run(stmt, NULL), TM_OK);
    tm__stmt_done(stmt);
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
    tm_registry *registry = trained(*state, &turned);
    json_t *const story = retrain(*state, &(tm_retrain_options){.how = "auto"});
    assert_string_equal(text(story, "how", "asked"), "auto");
    assert_string_equal(text(story, "how", "kind"), "update");
    assert_int_equal(tm__json_i64(json_object_get(story, "how"), "test_rows", 0), 200);
    const double anew = loss_of(story, 0, "recipe"), updated = loss_of(story, 1, "update");
    assert_true(0 < updated && updated < anew && anew < loss_of(story, 2, "champion"));
    assert_int_equal(tm__json_i64(json_object_get(story, "window"), "rows", 0), 800);
    check_version(registry, "update");
    /* Killed behind the choice, it is not made again. */
    put_back_to_training(registry);
    json_t *const again = retrain(*state, &(tm_retrain_options){.resumes = true});
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
    tm_registry *registry = trained(home, &turned);
    for (size_t i = 0; i < 2; i++) {
        json_t *const story =
            retrain(home, &(tm_retrain_options){.how = "auto", .window = cases[i].window});
        const json_t *const how = json_object_get(story, "how");
        const json_t *const chosen = json_object_get(cases[i].is_update ? how : story, "window");
        assert_string_equal(text(story, "how", "kind"), cases[i].is_update ? "update" : "recipe");
        assert_string_equal(tm__json_text(chosen, "kind", ""), cases[i].window);
        assert_true(json_array_size(json_object_get(chosen, "tried")) > 0);
        assert_int_equal(json_object_get(how, "window") != NULL, cases[i].is_update);
        assert_string_equal(text(story, "window", "reason"),
                            cases[i].is_update ? "the rows that the champion has not learned"
                                               : tm__json_text(chosen, "reason", "?"));
        put_back_to_training(registry);
        json_t *const again = retrain(home, &(tm_retrain_options){.resumes = true});
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
    tm_registry *registry = trained(*state, &turned);
    json_t *const story =
        retrain(*state, &(tm_retrain_options){.how = "auto", .window = "sliding:300"});
    assert_int_equal(tm__json_i64(json_object_get(story, "window"), "rows", 0), 300);
    assert_null(json_object_get(json_object_get(story, "how"), "window"));
    assert_true(loss_of(story, 1, "update") > 0);
    json_decref(story);
    tm__registry_close(registry);
}

static void of_few_new_rows_it_is_learned_anew(void **state) {
    const tm_made_rows few = {.first = 7000, .n = 300};
    tm_registry *registry = trained(*state, &few);
    json_t *const story = retrain(*state, &(tm_retrain_options){.how = "auto"});
    assert_string_equal(text(story, "how", "kind"), "recipe");
    assert_string_equal(text(story, "how", "reason"), "the new rows are too few to choose by");
    assert_null(json_object_get(json_object_get(story, "how"), "tried"));
    assert_null(json_object_get(story, "window"));
    check_version(registry, "");
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
