/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "registry/chain.h"
#include "registry/registry.h"
#include "temp_home.h"
#include "tiny_bundle.h"

static const tm_actor actor = {.name = "test", .reason = "because"};

static tm_registry *open_registry(const tm_home *home) {
    tm_registry *registry = NULL;
    tm_err err = {0};
    if (tm__registry_open(home, &registry, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return registry;
}

static uint32_t add(tm_registry *registry, const tm_home *home, const char *model, double auc) {
    tm_bundle *bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.model = model, .auc = auc});
    tm_version version = {0};
    tm_err err = {0};
    if (tm__registry_add(registry, model, bundle, NULL, &actor, &version, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    const uint32_t number = version.number;
    assert_true(tm__hash_eq(&version.bundle_hash, tm__bundle_hash(bundle)));
    tm__version_done(&version);
    tm__bundle_unref(bundle);
    return number;
}

static void the_first_version_becomes_champion_and_the_next_challenger(void **state) {
    tm_registry *registry = open_registry(*state);
    tm_version version = {0};
    tm_bundle *bundle = NULL;
    assert_int_equal(add(registry, *state, "late", 0.7), 1);
    assert_int_equal(tm__registry_find(registry, "late@challenger", &version, NULL),
                     TM_E_NOT_FOUND);
    assert_int_equal(add(registry, *state, "late", 0.8), 2);
    assert_int_equal(tm__registry_find(registry, "late", &version, NULL), TM_OK);
    assert_int_equal(version.number, 1);
    assert_string_equal(version.aliases, "champion");
    assert_string_equal(version.state, "ready");
    assert_string_equal(version.model, "late");
    assert_string_equal(tm__json_text(version.info, "learner", ""), "baseline");
    assert_int_equal(tm__registry_bundle(registry, &version, &bundle, NULL), TM_OK);
    tm__bundle_unref(bundle);
    tm__version_done(&version);
    assert_int_equal(tm__registry_find(registry, "late@challenger", &version, NULL), TM_OK);
    assert_int_equal(version.number, 2);
    tm__version_done(&version);
    assert_int_equal(tm__registry_find(registry, "late@2", &version, NULL), TM_OK);
    assert_string_equal(version.aliases, "challenger");
    tm__version_done(&version);
    tm__registry_close(registry);
}

static void what_is_not_there_is_named_with_the_nearest(void **state) {
    tm_registry *registry = open_registry(*state);
    tm_version version = {0};
    tm_err err = {0};
    (void)add(registry, *state, "flights", 0.7);
    assert_int_equal(tm__registry_find(registry, "fligths", &version, &err), TM_E_NOT_FOUND);
    assert_string_equal(err.hint, "Did you mean 'flights'?");
    assert_int_equal(tm__registry_find(registry, "flights@9", &version, &err), TM_E_NOT_FOUND);
    assert_string_equal(err.message, "there is no version 9 of 'flights'");
    assert_int_equal(tm__registry_find(registry, "flights@nobody", &version, &err), TM_E_NOT_FOUND);
    assert_int_equal(tm__registry_find(registry, "flights@", &version, &err), TM_E_NOT_FOUND);
    assert_int_equal(tm__registry_find(registry, "", &version, &err), TM_E_NOT_FOUND);
    char longest[TM_MAX_NAME + 8];
    memset(longest, 'x', sizeof(longest));
    for (size_t len = TM_MAX_NAME - 1; len < sizeof(longest); len++) {
        longest[len] = '\0';
        assert_int_equal(tm__registry_find(registry, longest, &version, &err), TM_E_NOT_FOUND);
        longest[len] = 'x';
    }
    assert_null(version.info);
    tm__registry_close(registry);
}

static void names_that_urls_and_shells_would_break_are_refused(void **state) {
    static const char *const names[] = {"", "a b", "a/b", "a@1", "-x", ".x", "a'b", "\xc3\xa4"};
    tm_registry *registry = open_registry(*state);
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.5});
    tm_version version = {0};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(tm__registry_add(registry, names[i], bundle, NULL, &actor, &version, NULL),
                         TM_E_USAGE);
    }
    assert_int_equal(tm__registry_add(registry, "a-b.c_1", bundle, NULL, &actor, &version, NULL),
                     TM_OK);
    tm__version_done(&version);
    tm__bundle_unref(bundle);
    tm__registry_close(registry);
}

static void the_same_bundle_twice_is_two_versions_of_one_file(void **state) {
    tm_registry *registry = open_registry(*state);
    assert_int_equal(add(registry, *state, "late", 0.7), 1);
    assert_int_equal(add(registry, *state, "late", 0.7), 2);
    json_t *list = NULL;
    assert_int_equal(tm__registry_versions(registry, "late", &list, NULL), TM_OK);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(tm__json_text(json_array_get(list, 0), "bundle_hash", "a"),
                        tm__json_text(json_array_get(list, 1), "bundle_hash", "b"));
    json_decref(list);
    tm__registry_close(registry);
}

static void a_bundle_without_its_file_is_not_registered(void **state) {
    tm_registry *registry = open_registry(*state);
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.5});
    char *path = tm__home_bundle_path(*state, tm__bundle_hash(bundle));
    tm_version version = {0};
    assert_int_equal(tm__fs_remove(path, NULL), TM_OK);
    assert_int_equal(tm__registry_add(registry, "late", bundle, NULL, &actor, &version, NULL),
                     TM_E_INTEGRITY);
    assert_int_equal(tm__registry_find(registry, "late", &version, NULL), TM_E_NOT_FOUND);
    tm__mem_free(path);
    tm__bundle_unref(bundle);
    tm__registry_close(registry);
}

static void generation_grows_with_every_change_by_anyone(void **state) {
    tm_registry *a = open_registry(*state), *b = open_registry(*state);
    int64_t before = 0, after = 0;
    assert_int_equal(tm__registry_generation(a, &before, NULL), TM_OK);
    assert_int_equal(tm__registry_generation(a, &after, NULL), TM_OK);
    assert_int_equal(after, before);
    (void)add(b, *state, "late", 0.7);
    assert_int_equal(tm__registry_generation(a, &after, NULL), TM_OK);
    assert_true(after > before);
    before = after;
    (void)add(a, *state, "late", 0.8);
    assert_int_equal(tm__registry_generation(a, &after, NULL), TM_OK);
    assert_true(after > before);
    tm__registry_close(a);
    tm__registry_close(b);
}

/* A training that began before an erasure may have read the rows of who is forgotten. */
static void what_learned_before_an_erasure_is_not_registered_after_it(void **state) {
    tm_registry *const registry = open_registry(*state);
    const tm_audit_note cleared = {.event = "subject.cleared", .object = "subject"};
    tm_bundle *const bundle =
        tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.model = "late", .auc = 0.7});
    tm_version version = {0};
    tm_err err = {0};
    const int64_t began_us = tm__now_us();
    assert_int_equal(tm__audit_append(registry, &cleared, &actor, NULL), TM_OK);
    tm__registry_learns_since(registry, began_us);
    assert_int_equal(tm__registry_add(registry, "late", bundle, NULL, &actor, &version, &err),
                     TM_E_CONFLICT);
    assert_string_equal(err.hint, "Train again: the rows that are read now are without them.");
    assert_int_equal(tm__registry_find(registry, "late", &version, NULL), TM_E_NOT_FOUND);
    tm__bundle_unref(bundle);
    tm__registry_learns_since(registry, tm__now_us() + 1);
    assert_int_equal(add(registry, *state, "late", 0.7), 1);
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_learned_before_an_erasure_is_not_registered_after_it),
        TEST(the_first_version_becomes_champion_and_the_next_challenger),
        TEST(what_is_not_there_is_named_with_the_nearest),
        TEST(names_that_urls_and_shells_would_break_are_refused),
        TEST(the_same_bundle_twice_is_two_versions_of_one_file),
        TEST(a_bundle_without_its_file_is_not_registered),
        TEST(generation_grows_with_every_change_by_anyone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
