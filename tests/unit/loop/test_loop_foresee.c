/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop_foresee.h"

#include "temp_home.h"
#include "test.h"
#include "trained_home.h"

typedef struct made {
    tm_registry *registry;
    tm_retrain_options options;
    tm_retraining r;
} made;

static void make(made *m, const tm_home *home) {
    *m = (made){.options = {.model = "made", .promote = true, .memory_max = UINT64_C(1) << 40}};
    assert_int_equal(tm__registry_open(home, &m->registry, NULL), TM_OK);
    tm__made_csv_write(home, &(tm_made_rows){.first = 0, .n = 600}, 1);
    assert_int_equal(tm__made_train(home, m->registry), 1);
    m->r = (tm_retraining){
        .home = home, .options = &m->options, .registry = m->registry, .actor = {.name = "test"}};
    assert_int_equal(tm__registry_find(m->registry, "made", &m->r.champion, NULL), TM_OK);
    assert_int_equal(tm__registry_bundle(m->registry, &m->r.champion, &m->r.champion_bundle, NULL),
                     TM_OK);
    assert_int_equal(tm__registry_recipe(m->registry, "made", &m->r.recipe, NULL), TM_OK);
}

static void end(made *m) {
    json_decref(m->r.recipe);
    tm__turn_done(&m->r.turn);
    tm__bundle_unref(m->r.champion_bundle);
    tm__version_done(&m->r.champion);
    tm__registry_close(m->registry);
}

static void of_a_file_nothing_is_known_before_it_is_read(void **state) {
    made m;
    uint64_t bytes = 1;
    make(&m, *state);
    assert_int_equal(tm__foresee_bytes(&m.r, &bytes, NULL), TM_OK);
    assert_int_equal(bytes, 0);
    assert_int_equal(tm__foresee_admit(&m.r, NULL), TM_OK);
    assert_int_equal(m.r.turn.number, 0);
    end(&m);
}

static void a_turn_without_rows_is_told_from_one_with_them(void **state) {
    (void)state;
    tm_turn turn = {.story = json_object()};
    assert_false(tm__foresee_waits(&turn)); /* none was begun */
    turn.number = 1;
    assert_true(tm__foresee_waits(&turn));
    json_object_set_new(turn.story, "snapshot", json_string("00"));
    assert_false(tm__foresee_waits(&turn));
    json_object_del(turn.story, "snapshot");
    turn.state = TM_TURN_WATCHING;
    assert_false(tm__foresee_waits(&turn));
    json_decref(turn.story);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_a_file_nothing_is_known_before_it_is_read,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test(a_turn_without_rows_is_told_from_one_with_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
