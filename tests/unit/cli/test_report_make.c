/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report_make.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "temp_home.h"
#include "test.h"
#include "trained_home.h"

typedef struct made {
    tm_home *home;
    tm_registry *registry;
} made;

static int made_init(void **state) {
    static const tm_made_rows rows = {.first = 0, .n = 400};
    made *m = tm__mem_zalloc(1, sizeof(*m));
    void *home = NULL;
    assert_int_equal(tm__temp_home_open(&home), 0);
    m->home = home;
    assert_int_equal(tm__registry_open(m->home, &m->registry, NULL), TM_OK);
    tm__made_csv_write(m->home, &rows, 1);
    assert_int_equal(tm__made_train(m->home, m->registry), 1);
    assert_int_equal(tm__made_train(m->home, m->registry), 2);
    *state = m;
    return 0;
}

static int made_done(void **state) {
    made *m = *state;
    tm__registry_close(m->registry);
    void *home = m->home;
    assert_int_equal(tm__temp_home_close(&home), 0);
    tm__mem_free(m);
    return 0;
}

static tm_status report_of(const made *m, const char *name, const tm_report_options *options,
                           json_t **out, tm_err *err) {
    tm_ctx ctx = {0};
    tm_place place = {.home = m->home, .registry = m->registry};
    assert_int_equal(tm__registry_find(m->registry, name, &place.version, NULL), TM_OK);
    assert_int_equal(tm__registry_bundle(m->registry, &place.version, &place.bundle, NULL), TM_OK);
    const tm_status st = tm__report_make(&ctx, &place, NULL, options, out, err);
    tm__bundle_unref(place.bundle);
    tm__version_done(&place.version);
    return st;
}

static void a_version_is_held_against_the_champion_on_its_test_rows(void **state) {
    const made *m = *state;
    const tm_report_options options = {.group = "c"};
    json_t *report = NULL;
    assert_int_equal(report_of(m, "made@2", &options, &report, NULL), TM_OK);
    static const char *const members[] = {"scores",     "curves",   "worth",   "weak",
                                          "dependence", "fairness", "latency", "leaderboard",
                                          "recipe",     "split"};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        assert_non_null(json_object_get(report, members[i]));
    }
    const json_t *against = json_object_get(report, "against");
    assert_int_equal(tm__json_i64(against, "version", 0), 1);
    assert_false(tm__json_bool(against, "may_have_seen", true)); /* the same rows and split */
    const json_t *first =
        json_array_get(json_object_get(json_object_get(report, "scores"), "list"), 0);
    /* Both are the same model: no gain. */
    assert_true(tm__json_f64(json_object_get(first, "gain"), "value", 1) == 0);
    assert_non_null(json_object_get(first, "baseline"));
    json_decref(report);
}

static void the_first_champion_has_none_before_it(void **state) {
    const made *m = *state;
    const tm_report_options options = {0};
    json_t *report = NULL;
    assert_int_equal(report_of(m, "made@1", &options, &report, NULL), TM_OK);
    assert_true(json_is_null(json_object_get(report, "against")));
    json_decref(report);
}

static void a_champion_is_held_against_the_one_before(void **state) {
    const made *m = *state;
    const tm_report_options options = {0};
    const tm_promotion promotion = {.version = 2, .force = true};
    const tm_actor actor = {.name = "test"};
    uint32_t from = 0;
    json_t *report = NULL;
    assert_int_equal(tm__registry_promote(m->registry, "made", &promotion, &actor, &from, NULL),
                     TM_OK);
    assert_int_equal(report_of(m, "made", &options, &report, NULL), TM_OK);
    assert_int_equal(tm__json_i64(report, "version", 0), 2);
    assert_int_equal(tm__json_i64(json_object_get(report, "against"), "version", 0), 1);
    json_decref(report);
}

static void rows_that_are_gone_are_named_with_a_way_out(void **state) {
    const made *m = *state;
    const tm_report_options options = {0};
    tm_version version = {0};
    tm_err err = {0};
    json_t *report = NULL;
    char path[1024];
    assert_int_equal(tm__registry_find(m->registry, "made@1", &version, NULL), TM_OK);
    (void)snprintf(path, sizeof(path), "%s/%s.parquet", tm__home_snapshots(m->home),
                   version.snapshot);
    tm__version_done(&version);
    assert_int_equal(tm__fs_remove(path, NULL), TM_OK);
    assert_int_equal(report_of(m, "made@1", &options, &report, &err), TM_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "are gone"));
    assert_true(err.hint[0] != '\0');
    assert_null(report);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_is_held_against_the_champion_on_its_test_rows),
        cmocka_unit_test(the_first_champion_has_none_before_it),
        cmocka_unit_test(a_champion_is_held_against_the_one_before),
        cmocka_unit_test(rows_that_are_gone_are_named_with_a_way_out),
    };
    return cmocka_run_group_tests(tests, made_init, made_done);
}
