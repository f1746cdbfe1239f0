/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/upkeep.h"
#include "online_case.h"
#include "registry/registry.h"
#include "source/intake.h"
#include "source/intake_priv.h"
#include "temp_home.h"
#include "test.h"

static tm_ctx ctx;

static json_t *run(const tm_home *home, bool anew, int64_t *out_rows) {
    const tm_upkeep_options options = {.begins_anew = anew, .checks = true};
    json_t *result = NULL;
    tm_err err = {0};
    if (tm__upkeep_run(&ctx, home, &options, &result, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    *out_rows = tm__json_i64(result, "rows", -1);
    return result;
}

static int64_t rows_of(const tm_home *home, bool anew) {
    int64_t n = 0;
    json_decref(run(home, anew, &n));
    return n;
}

/* All values of the store in one hash; what time it is stands in records only. */
static void hash_of(const tm_home *home, tm_hash *out) {
    json_t *shown = NULL;
    tm_hasher hasher;
    tm_buf text;
    tm__hasher_init(&hasher);
    tm__buf_init(&text, 1 << 20);
    for (int i = 0; i < 60; i++) {
        char c[16], tail[16];
        (void)snprintf(c, sizeof(c), "c=A%d", i);
        (void)snprintf(tail, sizeof(tail), "tail=%d", i % 40 - 5);
        const char *const keys[] = {c, tail};
        const tm_upkeep_ask ask = {.model = "tiny",
                                   .keys = keys,
                                   .n_keys = 2,
                                   .moment_us = ONLINE_CASE_FIRST_US + (INT64_C(400) << 32)};
        tm_err err = {0};
        if (tm__upkeep_show(home, &ask, &shown, &err) != TM_OK) {
            fail_msg("%s", err.message);
        }
        tm__buf_reset(&text);
        assert_true(tm__json_write(&text, json_object_get(shown, "features"), TM_JSON_SORTED));
        tm__hasher_update(&hasher, text.data, text.len);
        json_decref(shown);
    }
    tm__buf_done(&text);
    tm__hasher_final(&hasher, out);
}

static void rows_are_read_once_and_a_rebuild_gives_the_same(void **state) {
    tm_hash after, again;
    uint64_t n = 0;
    online_case_source(*state);
    (void)online_case_version(*state, 0.5, NULL);
    online_case_push(*state, 0, 500, 50);
    assert_int_equal(rows_of(*state, false), 500);
    assert_int_equal(rows_of(*state, false), 0);
    online_case_push(*state, 500, 300, 50);
    assert_int_equal(tm__intake_compact(&ctx, *state, "flights", 1, &n, NULL), TM_OK);
    online_case_push(*state, 800, 200, 50);
    assert_int_equal(rows_of(*state, false), 500);
    hash_of(*state, &after);
    assert_int_equal(rows_of(*state, true), 1000);
    hash_of(*state, &again);
    assert_true(tm__hash_eq(&after, &again));
}

static void views_come_and_go_with_versions(void **state) {
    int64_t n = 0;
    online_case_source(*state);
    (void)online_case_version(*state, 0.5, NULL);
    online_case_push(*state, 0, 100, 5);
    json_t *result = run(*state, false, &n);
    json_t *const views = json_object_get(result, "views");
    assert_int_equal(json_array_size(views), 6);
    const json_t *const view = json_array_get(views, 0);
    assert_string_equal(tm__json_text(view, "model", ""), "tiny");
    assert_int_equal(tm__json_i64(view, "next", 0), 100);
    assert_int_equal(tm__json_i64(view, "waiting", -1), 0);
    assert_true(tm__json_i64(view, "entities", 0) > 1);
    assert_true(json_is_null(json_object_get(view, "problem")));
    json_decref(result);
    /* The same features of another version: nothing new is read. */
    (void)online_case_version(*state, 0.6, NULL);
    assert_int_equal(rows_of(*state, false), 0);
    /* Another lateness is another view, and the old one goes with the recipe that asked for it. */
    tm_registry *registry = NULL;
    static const tm_actor actor = {.name = "test"};
    json_t *const recipe = json_loads("{\"online\":{\"late_us\":5}}", 0, NULL);
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    assert_int_equal(tm__registry_set_recipe(registry, "tiny", recipe, &actor, NULL), TM_OK);
    assert_int_equal(rows_of(*state, false), 100);
    assert_int_equal(rows_of(*state, false), 0);
    tm__registry_close(registry);
    json_decref(recipe);
}

static void another_source_of_the_name_is_read_anew(void **state) {
    online_case_source(*state);
    (void)online_case_version(*state, 0.5, NULL);
    online_case_push(*state, 0, 100, 5);
    assert_int_equal(rows_of(*state, false), 100);
    assert_int_equal(tm__intake_remove(*state, "flights", NULL), TM_OK);
    int64_t n = 0;
    json_t *result = run(*state, false, &n);
    const json_t *const view = json_array_get(json_object_get(result, "views"), 0);
    assert_non_null(strstr(tm__json_text(view, "problem", ""), "flights"));
    json_decref(result);
    online_case_source(*state);
    online_case_push(*state, 0, 120, 5);
    tm__clock_fix(tm__now_us() + INT64_C(120000000)); /* what stood still is tried again */
    assert_int_equal(rows_of(*state, false), 120);
    tm__clock_fix(INT64_MIN);
}

static void rows_that_a_retention_removed_are_counted(void **state) {
    uint64_t n = 0;
    int64_t n_rows = 0;
    tm_db *db = NULL;
    online_case_source(*state);
    (void)online_case_version(*state, 0.5, NULL);
    online_case_push(*state, 0, 10, 5);
    assert_int_equal(rows_of(*state, false), 10);
    online_case_push(*state, 10, 90, 5);
    assert_int_equal(tm__intake_compact(&ctx, *state, "flights", 1, &n, NULL), TM_OK);
    online_case_push(*state, 100, 20, 5);
    assert_int_equal(tm__intake_db_open(*state, true, &db, NULL), TM_OK);
    assert_int_equal(tm__db_exec(db, "DELETE FROM segments", NULL), TM_OK);
    tm__db_close(db);
    json_t *result = run(*state, false, &n_rows);
    assert_int_equal(n_rows, 20);
    const json_t *const view = json_array_get(json_object_get(result, "views"), 0);
    assert_int_equal(tm__json_i64(view, "missed", 0), 90);
    assert_int_equal(tm__json_i64(view, "next", 0), 120);
    json_decref(result);
}

static void one_process_keeps_it(void **state) {
    bool is_anew = false;
    tm_online *online = NULL;
    json_t *result = NULL;
    const tm_upkeep_options options = {0};
    online_case_source(*state);
    (void)online_case_version(*state, 0.5, NULL);
    assert_int_equal(tm__online_open_write(*state, false, &online, &is_anew, NULL), TM_OK);
    assert_int_equal(tm__upkeep_run(&ctx, *state, &options, &result, NULL), TM_E_CONFLICT);
    tm__online_unref(online);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_read_once_and_a_rebuild_gives_the_same,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(views_come_and_go_with_versions, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(another_source_of_the_name_is_read_anew, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(rows_that_a_retention_removed_are_counted,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(one_process_keeps_it, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
