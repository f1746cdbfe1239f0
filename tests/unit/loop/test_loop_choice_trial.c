/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "loop/loop_choice_priv.h"
#include "registry/registry_priv.h"
#include "source/source.h"
#include "temp_home.h"
#include "trained_home.h"

/* The 600 rows that version 1 of 'made' learned from and was tested on, and a choice among them. */
typedef struct trial {
    tm_registry *registry;
    tm_version version;
    tm_bundle *bundle;
    tm_recipe recipe;
    tm_table *table;
    tm_ctx ctx;
    tm_train_events events;
    tm_choice_input in;
    tm_choosing c;
} trial;

static void trial_init(trial *t, const tm_home *home, const tm_made_rows *parts, uint32_t n_parts) {
    tm_hash hash;
    *t = (trial){0};
    assert_int_equal(tm__registry_open(home, &t->registry, NULL), TM_OK);
    tm__made_csv_write(home, parts, n_parts);
    assert_int_equal(tm__made_train(home, t->registry), 1);
    assert_int_equal(tm__registry_find(t->registry, "made", &t->version, NULL), TM_OK);
    assert_int_equal(tm__registry_bundle(t->registry, &t->version, &t->bundle, NULL), TM_OK);
    assert_int_equal(tm__recipe_init_repeat(&t->recipe, t->version.info, NULL), TM_OK);
    assert_true(tm__hash_from_text(t->recipe.options.snapshot, &hash));
    assert_int_equal(tm__snapshot_load(&t->ctx, tm__home_snapshots(home), &hash, &t->table, NULL),
                     TM_OK);
    t->in = (tm_choice_input){.asked = "auto",
                              .train = t->table,
                              .n_new = 400,
                              .n_gap = 50,
                              .options = &t->recipe.options,
                              .events = &t->events,
                              .champion = t->bundle};
    t->c = (tm_choosing){.ctx = &t->ctx, .in = &t->in};
    assert_int_equal(tm__choosing_rows(&t->c, NULL), TM_OK);
}

static void trial_done(trial *t) {
    tm__choosing_done(&t->c);
    tm__table_unref(t->table);
    tm__recipe_done(&t->recipe);
    tm__bundle_unref(t->bundle);
    tm__version_done(&t->version);
    tm__registry_close(t->registry);
}

static void the_newest_rows_are_tested_on_behind_a_gap(void **state) {
    const tm_made_rows rows = {.n = 600};
    trial t;
    trial_init(&t, *state, &rows, 1);
    assert_int_equal(t.c.n_learn, 600);
    assert_int_equal(tm__choosing_cut(&t.c, NULL), TM_OK);
    assert_int_equal(t.c.n_test, 200);
    assert_int_equal(t.c.n_gap, 50);
    assert_int_equal(t.c.n_learn, 350);
    assert_int_equal(tm__table_rows(t.c.learn), 350);
    assert_int_equal(tm__table_rows(t.c.test), 200);
    assert_int_equal(t.c.by_age[599], 599);
    trial_done(&t);
}

static void a_gap_leaves_half_of_the_new_rows(void **state) {
    const tm_made_rows rows = {.n = 600};
    trial t;
    trial_init(&t, *state, &rows, 1);
    t.in.n_gap = 5000;
    assert_int_equal(tm__choosing_cut(&t.c, NULL), TM_OK);
    assert_int_equal(t.c.n_gap, 100);
    assert_int_equal(t.c.n_learn, 300);
    trial_done(&t);
}

static void answers_cost_between_nothing_and_one_and_no_change_is_made_up(void **state) {
    const tm_made_rows rows = {.n = 600};
    const tm_row_window newest = {.kind = TM_ROWS_SLIDING, .rows = 300};
    trial t;
    double sum = 0;
    trial_init(&t, *state, &rows, 1);
    assert_int_equal(tm__choosing_cut(&t.c, NULL), TM_OK);
    assert_int_equal(tm__choosing_try(&t.c, t.c.learn, &newest, t.c.test, t.c.losses, NULL), TM_OK);
    for (uint64_t i = 0; i < t.c.n_test; i++) {
        assert_true(t.c.losses[i] >= 0 && t.c.losses[i] <= 1);
        sum += t.c.losses[i];
    }
    assert_true(sum > 0);
    assert_int_equal(tm__choosing_change(&t.c, NULL), TM_OK);
    assert_int_equal(t.c.n_since, 0);
    trial_done(&t);
}

static void what_is_wrong_with_the_machine_ends_a_choice(void **state) {
    (void)state;
    assert_true(tm__choosing_is_of_rows(TM_E_DATA) && tm__choosing_is_of_rows(TM_E_REFUSED));
    assert_false(tm__choosing_is_of_rows(TM_E_NOMEM) || tm__choosing_is_of_rows(TM_E_IO) ||
                 tm__choosing_is_of_rows(TM_E_CANCELLED));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_newest_rows_are_tested_on_behind_a_gap),
        TEST(a_gap_leaves_half_of_the_new_rows),
        TEST(answers_cost_between_nothing_and_one_and_no_change_is_made_up),
        cmocka_unit_test(what_is_wrong_with_the_machine_ends_a_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
