/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "registry/registry.h"
#include "registry/turn.h"
#include "temp_home.h"
#include "tiny_bundle.h"

static const tm_actor actor = {.name = "test"};

static void add(tm_registry *registry, const tm_home *home, double auc, char *out_hash) {
    tm_bundle *bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = auc});
    tm_version version = {0};
    assert_int_equal(tm__registry_add(registry, "m", bundle, NULL, &actor, &version, NULL), TM_OK);
    tm__hash_to_text(&version.bundle_hash, out_hash);
    tm__version_done(&version);
    tm__bundle_unref(bundle);
}

static void each_file_is_named_once(void **state) {
    char first[TM_HASH_TEXT], again[TM_HASH_TEXT], second[TM_HASH_TEXT];
    tm_registry *registry = NULL;
    json_t *files = NULL;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    assert_int_equal(tm__registry_files(registry, &files, NULL), TM_OK);
    assert_int_equal(json_array_size(json_object_get(files, "bundles")), 0);
    json_decref(files);
    add(registry, *state, 0.7, first);
    add(registry, *state, 0.7, again);
    add(registry, *state, 0.8, second);
    assert_string_equal(first, again);
    assert_int_equal(tm__registry_files(registry, &files, NULL), TM_OK);
    const json_t *bundles = json_object_get(files, "bundles");
    const bool is_in_order = strcmp(first, second) < 0;
    assert_int_equal(json_array_size(bundles), 2);
    assert_string_equal(json_string_value(json_array_get(bundles, 0)),
                        is_in_order ? first : second);
    assert_string_equal(json_string_value(json_array_get(bundles, 1)),
                        is_in_order ? second : first);
    json_decref(files);
    tm__registry_close(registry);
}

static size_t n_named(tm_registry *registry, const char *kind, const char *hash) {
    json_t *files = NULL, *name = NULL;
    size_t i = 0, n = 0;
    assert_int_equal(tm__registry_files(registry, &files, NULL), TM_OK);
    json_array_foreach(json_object_get(files, kind), i, name) {
        n += strcmp(json_string_value(name), hash) == 0 ? 1 : 0;
    }
    json_decref(files);
    return n;
}

static void a_version_names_the_rows_that_its_features_are_made_of(void **state) {
    tm_registry *registry = NULL;
    tm_version version = {0};
    json_t *events = json_pack("{s:s, s:s}", "orders", "cc", "visits", "ee");
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.events = events});
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    assert_int_equal(tm__registry_add(registry, "m", bundle, NULL, &actor, &version, NULL), TM_OK);
    assert_int_equal(n_named(registry, "snapshots", "cc"), 1);
    assert_int_equal(n_named(registry, "snapshots", "ee"), 1);
    tm__version_done(&version);
    tm__bundle_unref(bundle);
    json_decref(events);
    tm__registry_close(registry);
}

static void an_open_turn_names_its_rows_and_its_bundle(void **state) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    tm_turn turn = {.model = "m",
                    .story =
                        json_pack("{s:s, s:s, s:{s:s}, s:s}", "snapshot", "aa", "held_snapshot",
                                  "bb", "event_snapshots", "orders", "cc", "bundle_hash", "dd")};
    assert_int_equal(tm__turn_begin(registry, &turn, NULL), TM_OK);
    for (size_t want = 1; want != SIZE_MAX; want--) {
        assert_int_equal(n_named(registry, "snapshots", "aa"), want);
        assert_int_equal(n_named(registry, "snapshots", "bb"), want);
        assert_int_equal(n_named(registry, "snapshots", "cc"), want);
        assert_int_equal(n_named(registry, "bundles", "dd"), want);
        if (want == 1) {
            assert_int_equal(tm__turn_end(registry, &turn, "failed", "a test", NULL), TM_OK);
        }
    }
    tm__turn_done(&turn);
    tm__registry_close(registry);
}

static void a_copy_of_the_registry_is_a_registry(void **state) {
    tm__temp_home_needs_file();
    const tm_home *home = *state;
    const tm_ctx ctx = {0};
    char hash[TM_HASH_TEXT];
    uint32_t format = 0;
    uint64_t n = 0;
    tm_registry *registry = NULL;
    tm_home *other = NULL;
    char *path = tm__fs_join(tm__home_path(home), "other");
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    add(registry, home, 0.7, hash);
    assert_int_equal(tm__registry_check(registry, NULL), TM_OK);
    assert_int_equal(tm__home_open(path, true, &other, NULL), TM_OK);
    assert_int_equal(tm__registry_copy(registry, &ctx, tm__home_meta_db(other), NULL), TM_OK);
    tm__registry_close(registry);
    assert_int_equal(tm__registry_open(other, &registry, NULL), TM_OK);
    assert_int_equal(tm__registry_format(registry, &format, NULL), TM_OK);
    assert_int_equal(format, 8);
    assert_int_equal(tm__registry_history_check(registry, &n, NULL), TM_OK);
    assert_int_equal(n, 2);
    tm__registry_close(registry);
    tm__home_close(other);
    tm__mem_free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_file_is_named_once, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_version_names_the_rows_that_its_features_are_made_of,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(an_open_turn_names_its_rows_and_its_bundle,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_copy_of_the_registry_is_a_registry, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
