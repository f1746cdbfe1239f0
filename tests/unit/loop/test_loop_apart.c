/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/fs.h"
#include "base/mem.h"
#include "loop/loop_priv.h"
#include "source/source.h"
#include "temp_home.h"
#include "trained_home.h"

static tm_bundle *version(const tm_home *home, tm_registry *registry, bool is_flipped) {
    tm_version made = {0};
    tm_bundle *bundle = NULL;
    tm__made_csv_write(home, &(tm_made_rows){.n = 600, .is_flipped = is_flipped}, 1);
    (void)tm__made_train(home, registry);
    assert_int_equal(tm__registry_find(registry, is_flipped ? "made@2" : "made@1", &made, NULL),
                     TM_OK);
    assert_int_equal(tm__registry_bundle(registry, &made, &bundle, NULL), TM_OK);
    tm__version_done(&made);
    return bundle;
}

static tm_table *rows_of(const tm_home *home) {
    tm_ctx ctx = {0};
    tm_table *table = NULL;
    char *const path = tm__fs_join(tm__home_path(home), "data.csv");
    const tm_source_spec spec = {.path = path};
    assert_int_equal(tm__source_read(&ctx, &spec, &table, NULL), TM_OK);
    tm__mem_free(path);
    return table;
}

static void answers_of_the_same_version_are_not_apart_and_others_are(void **state) {
    tm_ctx ctx = {0};
    tm_registry *registry = NULL;
    double apart = -1;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    tm_bundle *const old = version(*state, registry, false);
    tm_bundle *const now = version(*state, registry, true);
    tm_duel duel = {.candidate = now, .champion = now, .rows = rows_of(*state)};
    assert_int_equal(tm__loop_apart(&ctx, &duel, &apart, NULL), TM_OK);
    assert_true(apart == 0);
    duel.champion = old;
    assert_int_equal(tm__loop_apart(&ctx, &duel, &apart, NULL), TM_OK);
    assert_true(apart > 0 && apart <= 1);
    duel.champion = NULL; /* nobody to be apart from */
    assert_int_equal(tm__loop_apart(&ctx, &duel, &apart, NULL), TM_OK);
    assert_true(apart == 0);
    tm__table_unref(duel.rows);
    tm__bundle_unref(old);
    tm__bundle_unref(now);
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(answers_of_the_same_version_are_not_apart_and_others_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
