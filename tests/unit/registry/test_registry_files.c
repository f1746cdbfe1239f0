/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "registry/registry.h"
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

static void a_copy_of_the_registry_is_a_registry(void **state) {
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
    assert_int_equal(format, 6);
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
        cmocka_unit_test_setup_teardown(a_copy_of_the_registry_is_a_registry, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
