/* SPDX-License-Identifier: Apache-2.0 */
/* What a turn made before a kill is found, and what somebody else made is not taken for it. */
#include "test.h"

#include <string.h>

#include "loop/loop_turn.h"
#include "temp_home.h"
#include "trained_home.h"

static const tm_retrain_options options = {.model = "made", .promote = true};

/* A turn of model "made" that has trained: its bundle is that of version 1, trained once more. */
static void trained_turn(const tm_home *home, tm_registry *registry, tm_retraining *out) {
    *out = (tm_retraining){
        .home = home, .options = &options, .registry = registry, .actor = {.name = "test"}};
    out->turn = (tm_turn){.model = "made",
                          .champion = 1,
                          .story = json_pack("{s:i, s:i, s:i, s:i, s:i, s:s}", "source_rows", 300,
                                             "labelled_until_us", 0, "labelled_known_us", 0,
                                             "labelled_moment_us", 0, "labelled_rows", 0,
                                             "source_hash", "")};
    assert_int_equal(tm__registry_find(registry, "made@1", &out->champion, NULL), TM_OK);
    assert_int_equal(tm__registry_bundle(registry, &out->champion, &out->candidate_bundle, NULL),
                     TM_OK);
    assert_int_equal(tm__turn_begin(registry, &out->turn, NULL), TM_OK);
}

static void done(tm_retraining *r) {
    tm__bundle_unref(r->candidate_bundle);
    tm__version_done(&r->champion);
    tm__version_done(&r->candidate);
    tm__turn_done(&r->turn);
}

static size_t n_events(tm_registry *registry, const char *event) {
    const tm_history_filter filter = {.event = event};
    json_t *list = NULL;
    assert_int_equal(tm__registry_history_find(registry, "made", &filter, &list, NULL), TM_OK);
    const size_t n = json_array_size(list);
    json_decref(list);
    return n;
}

static void what_was_registered_before_a_kill_is_found(void **state) {
    tm_registry *registry = NULL;
    tm_ctx ctx = {0};
    tm_retraining first = {0}, again = {0};
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    tm__made_csv_write(*state, &(tm_made_rows){.n = 300}, 1);
    assert_int_equal(tm__made_train(*state, registry), 1);
    /* Version 1 has the same bytes, but it was there before the turn. */
    trained_turn(*state, registry, &first);
    assert_int_equal(tm__turn_register(&ctx, &first, NULL), TM_OK);
    assert_int_equal(first.turn.version, 2);
    assert_int_equal(first.turn.state, TM_TURN_JUDGING);
    /* The same once more, as after a kill before the turn's state was saved. */
    again = (tm_retraining){.home = *state,
                            .options = &options,
                            .registry = registry,
                            .actor = {.name = "test"},
                            .turn = first.turn,
                            .candidate_bundle = first.candidate_bundle};
    again.turn.version = 0;
    again.turn.state = TM_TURN_REGISTERING;
    assert_int_equal(tm__turn_register(&ctx, &again, NULL), TM_OK);
    assert_int_equal(again.turn.version, 2);
    assert_int_equal(n_events(registry, "registered"), 2);
    assert_int_equal(n_events(registry, "retrain.trained"), 1);
    tm__version_done(&again.candidate);
    done(&first);
    tm__registry_close(registry);
}

static void an_event_without_memory_is_an_error(void **state) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    tm__made_csv_write(*state, &(tm_made_rows){.n = 300}, 1);
    assert_int_equal(tm__made_train(*state, registry), 1);
    tm_retraining r = {.home = *state, .options = &options, .registry = registry};
    assert_int_equal(tm__turn_note(&r, "retrain.started", 0, NULL, NULL), TM_E_NOMEM);
    assert_int_equal(n_events(registry, "retrain.started"), 0);
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_was_registered_before_a_kill_is_found),
        TEST(an_event_without_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
