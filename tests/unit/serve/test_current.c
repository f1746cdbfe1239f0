/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "serve/serve_priv.h"
#include "serve_case.h"
#include "support.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

static const tm_log quiet = {.level = TM_ERROR, .fd = -1};
static const tm_actor actor = {.name = "test"};

static tm_registry *open_two_versions(tm_home *home, tm_hash hashes[2]) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    for (uint32_t i = 0; i < 2; i++) {
        const tm_tiny_bundle options = {.auc = 0.7 + 0.1 * i};
        tm_version version = {0};
        tm_bundle *bundle = tm__tiny_bundle_create(home, &options);
        hashes[i] = *tm__bundle_hash(bundle);
        assert_int_equal(tm__registry_add(registry, "tiny", bundle, NULL, &actor, &version, NULL),
                         TM_OK);
        tm__version_done(&version);
        tm__bundle_unref(bundle);
    }
    return registry;
}

static tm_current *load(tm_registry *registry, const tm_current *latest, const tm_current *before) {
    const tm_current_past past = {.latest = latest, .before = before};
    tm_current *out = NULL;
    tm_err err = {0};
    if (tm__current_load(registry, &past, &quiet, &out, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return out;
}

static void what_stays_is_shared_and_a_rollback_loads_nothing(void **state) {
    tm_hash hashes[2];
    tm_registry *registry = open_two_versions(*state, hashes);
    uint32_t from = 0;
    uint32_t to = 0;
    tm_current *one = load(registry, NULL, NULL);
    assert_int_equal(one->n, 1);
    assert_int_equal(one->routes[0]->version, 1);
    assert_non_null(one->routes[0]->bundle);
    assert_false(one->routes[0]->classes_are_bool);
    tm_current *same = load(registry, one, NULL);
    assert_ptr_equal(same->routes[0], one->routes[0]);
    const tm_promotion promotion = {.version = 2};
    assert_int_equal(tm__registry_promote(registry, "tiny", &promotion, &actor, &from, NULL),
                     TM_OK);
    tm_current *two = load(registry, one, NULL);
    assert_int_equal(two->routes[0]->version, 2);
    assert_int_equal(tm__registry_rollback(registry, "tiny", &actor, &from, &to, NULL), TM_OK);
    tm_current *back = load(registry, two, one);
    assert_ptr_equal(back->routes[0], one->routes[0]);
    assert_ptr_equal(tm__current_find(back, "tiny"), back->routes[0]);
    assert_null(tm__current_find(back, "nobody"));
    tm__current_unref(one);
    tm__current_unref(same);
    tm__current_unref(two);
    tm__current_unref(back);
    tm__registry_close(registry);
}

static void a_broken_file_keeps_the_version_before(void **state) {
    tm_hash hashes[2];
    tm_registry *registry = open_two_versions(*state, hashes);
    uint32_t from = 0;
    tm_current *one = load(registry, NULL, NULL);
    const tm_promotion promotion = {.version = 2, .force = true};
    assert_int_equal(tm__registry_promote(registry, "tiny", &promotion, &actor, &from, NULL),
                     TM_OK);
    char *path = tm__home_bundle_path(*state, &hashes[1]);
    assert_int_equal(tm__fs_publish(path, "not a bundle", 12, NULL), TM_OK);
    tm__mem_free(path);
    tm_current *two = load(registry, one, NULL);
    assert_int_equal(two->routes[0]->version, 1);
    assert_true(two->routes[0]->is_stale);
    assert_ptr_equal(two->routes[0]->bundle, one->routes[0]->bundle);
    tm_current *fresh = load(registry, NULL, NULL); /* as after a restart */
    assert_null(fresh->routes[0]->bundle);
    tm__current_unref(one);
    tm__current_unref(two);
    tm__current_unref(fresh);
    tm__registry_close(registry);
}

static void keys_count_also_when_they_are_revoked(void **state) {
    tm_hash hashes[2];
    tm_registry *registry = open_two_versions(*state, hashes);
    tm_current *c = load(registry, NULL, NULL);
    assert_false(c->keyring.ever);
    tm__current_unref(c);
    tm_key key;
    tm__key_create(&key);
    assert_int_equal(tm__registry_key_add(registry, &key, &(tm_key_terms){.role = TM_GUARD_VIEWER},
                                          &actor, NULL),
                     TM_OK);
    c = load(registry, NULL, NULL);
    assert_true(c->keyring.ever);
    assert_int_equal(c->keyring.n, 1);
    assert_string_equal(c->keyring.keys[0].id, key.id);
    assert_int_equal(c->keyring.keys[0].role, TM_GUARD_VIEWER);
    tm__current_unref(c);
    assert_int_equal(tm__registry_key_revoke(registry, key.id, &actor, NULL), TM_OK);
    c = load(registry, NULL, NULL);
    assert_true(c->keyring.ever);
    assert_int_equal(c->keyring.n, 0);
    tm__current_unref(c);
    tm__registry_close(registry);
}

static bool load_all(void *home) {
    tm_registry *registry = NULL;
    tm_current *out = NULL;
    const tm_current_past past = {0};
    tm_status st = tm__registry_open(home, &registry, NULL);
    if (st == TM_OK) {
        st = tm__current_load(registry, &past, &quiet, &out, NULL);
    }
    assert_true(st == TM_OK || st == TM_E_NOMEM);
    assert_true(st != TM_OK || out->routes[0]->bundle != NULL);
    tm__current_unref(out);
    tm__registry_close(registry);
    return st == TM_OK;
}

/* A model that there was no memory for is not served as broken. */
static void without_memory_nothing_leaks_and_all_is_loaded_or_nothing(void **state) {
    tm_hash hashes[2];
    tm__registry_close(open_two_versions(*state, hashes));
    test_each_mem_fault(load_all, *state);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_HOME(what_stays_is_shared_and_a_rollback_loads_nothing),
        IN_HOME(a_broken_file_keeps_the_version_before),
        IN_HOME(keys_count_also_when_they_are_revoked),
        IN_HOME(without_memory_nothing_leaks_and_all_is_loaded_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
