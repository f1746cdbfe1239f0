/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "cli/status_read.h"
#include "monitor/field_days.h"
#include "temp_home.h"
#include "tiny_bundle.h"

static void add(tm_drift_store *store, tm_field_kind kind, const char *name, uint64_t n) {
    const tm_field_add one = {
        .key = {"tiny", 1}, .at_us = INT64_C(86400000000), .kind = kind, .name = name, .n = n};
    tm_db *const db = tm__drift_store_db(store);
    assert_int_equal(tm__db_begin(db, NULL), TM_OK);
    assert_int_equal(tm__field_days_add_locked(store, &one, NULL), TM_OK);
    assert_int_equal(tm__db_commit(db, NULL), TM_OK);
}

static void count_fields(const tm_home *home) {
    tm_drift_store *store = NULL;
    assert_int_equal(tm__drift_store_open(home, true, &store, NULL), TM_OK);
    add(store, TM_FIELD_ROWS, "", 10);
    add(store, TM_FIELD_ABSENT, "age", 3);
    add(store, TM_FIELD_ABSENT, "plan", 5);
    add(store, TM_FIELD_CONVERTED, "age", 2);
    tm__drift_store_close(store);
}

static void columns_that_came_with_the_version_are_told(void **state) {
    static const tm_actor actor = {.name = "test"};
    tm_home *const home = *state;
    tm_place place = {.home = home};
    tm_version version = {0};
    json_t *found = NULL;
    assert_int_equal(tm__registry_open(home, &place.registry, NULL), TM_OK);
    tm_bundle *const bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = 0.9});
    assert_int_equal(tm__registry_add(place.registry, "tiny", bundle, NULL, &actor, &version, NULL),
                     TM_OK);
    count_fields(home);
    assert_int_equal(tm__status_fields(&place, &version, &found, NULL), TM_OK);
    assert_int_equal(json_array_size(found), 0); /* by its training, it does without both */
    json_decref(found);
    json_object_set_new(version.info, "optional", json_pack("[s]", "plan"));
    assert_int_equal(tm__status_fields(&place, &version, &found, NULL), TM_OK);
    assert_int_equal(json_array_size(found), 1);
    assert_string_equal(tm__json_text(json_array_get(found, 0), "field", ""), "plan");
    assert_true(tm__json_f64(json_array_get(found, 0), "is", 0) == 0.5);
    json_decref(found);
    tm__version_done(&version);
    tm__bundle_unref(bundle);
    tm__registry_close(place.registry);
}

#define HOME(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {HOME(columns_that_came_with_the_version_are_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
