/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "registry/registry.h"
#include "temp_home.h"
#include "tiny_bundle.h"

static const tm_actor actor = {.name = "test", .reason = "because"};

static tm_registry *open_registry(const tm_home *home) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    return registry;
}

static void add(tm_registry *registry, const tm_home *home, const char *model, double auc) {
    tm_bundle *bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.model = model, .auc = auc});
    tm_version version = {0};
    assert_int_equal(tm__registry_add(registry, model, bundle, NULL, &actor, &version, NULL),
                     TM_OK);
    tm__version_done(&version);
    tm__bundle_unref(bundle);
}

static void lists_have_the_stated_keys(void **state) {
    static const char *const model_keys[] = {"model",  "champion", "versions", "created",
                                             "target", "task",     "metric",   "score"};
    static const char *const version_keys[] = {"version", "bundle_hash", "created", "aliases",
                                               "state",   "learner",     "test"};
    tm_registry *registry = open_registry(*state);
    add(registry, *state, "b", 0.7);
    add(registry, *state, "a", 0.8);
    json_t *models = NULL, *versions = NULL;
    assert_int_equal(tm__registry_models(registry, &models, NULL), TM_OK);
    assert_int_equal(json_array_size(models), 2);
    assert_string_equal(tm__json_text(json_array_get(models, 0), "model", ""), "a");
    assert_true(tm__json_f64(json_array_get(models, 0), "score", 0) == 0.8);
    for (size_t i = 0; i < 8; i++) {
        assert_non_null(json_object_get(json_array_get(models, 0), model_keys[i]));
    }
    assert_int_equal(tm__registry_versions(registry, "a", &versions, NULL), TM_OK);
    for (size_t i = 0; i < 7; i++) {
        assert_non_null(json_object_get(json_array_get(versions, 0), version_keys[i]));
    }
    json_decref(models);
    json_decref(versions);
    tm__registry_close(registry);
}

typedef struct walk {
    char seen[64]; /* "b@2 b@1 " */
    const char *last;
} walk;

static tm_status see_version(void *arg, const tm_version *version, tm_err *err) {
    walk *const w = arg;
    const size_t n = strlen(w->seen);
    (void)snprintf(w->seen + n, sizeof(w->seen) - n, "%s@%u ", version->model, version->number);
    return strcmp(w->seen + n, w->last) == 0 ? TM_FAIL(err, TM_E_DATA, "that is enough") : TM_OK;
}

static tm_status see_model(tm_registry *registry, const char *model, void *arg, tm_err *err) {
    return tm__registry_each_version(registry, model, see_version, arg, err);
}

static void a_walk_comes_by_each_model_and_version_until_one_fails(void **state) {
    tm_registry *registry = open_registry(*state);
    add(registry, *state, "b", 0.7);
    add(registry, *state, "b", 0.7);
    add(registry, *state, "a", 0.8);
    walk all = {.last = ""}, part = {.last = "b@2 "};
    assert_int_equal(tm__registry_each_model(registry, see_model, &all, NULL), TM_OK);
    assert_string_equal(all.seen, "a@1 b@2 b@1 ");
    assert_int_equal(tm__registry_each_model(registry, see_model, &part, NULL), TM_E_DATA);
    assert_string_equal(part.seen, "a@1 b@2 ");
    assert_int_equal(tm__registry_each_version(registry, "none", see_version, &all, NULL),
                     TM_E_NOT_FOUND);
    tm__registry_close(registry);
}

static void a_damaged_file_is_named_and_never_promoted(void **state) {
    tm_registry *registry = open_registry(*state);
    add(registry, *state, "late", 0.7);
    add(registry, *state, "late", 0.8);
    tm_version version = {0};
    assert_int_equal(tm__registry_find(registry, "late@2", &version, NULL), TM_OK);
    char *path = tm__home_bundle_path(*state, &version.bundle_hash);
    assert_int_equal(tm__fs_publish(path, "junk", 4, NULL), TM_OK);
    json_t *list = NULL;
    assert_int_equal(tm__registry_verify(registry, "late", &list, NULL), TM_OK);
    assert_false(tm__json_bool(json_array_get(list, 0), "ok", true));
    assert_true(tm__json_bool(json_array_get(list, 1), "ok", false));
    assert_true(strlen(tm__json_text(json_array_get(list, 0), "error", "")) > 0);
    tm_bundle *bundle = NULL;
    uint32_t from = 0;
    const tm_promotion promotion = {.version = 2, .force = true};
    assert_int_not_equal(tm__registry_bundle(registry, &version, &bundle, NULL), TM_OK);
    assert_null(bundle);
    assert_int_not_equal(tm__registry_promote(registry, "late", &promotion, &actor, &from, NULL),
                         TM_OK);
    json_decref(list);
    tm__mem_free(path);
    tm__version_done(&version);
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(lists_have_the_stated_keys),
        TEST(a_walk_comes_by_each_model_and_version_until_one_fails),
        TEST(a_damaged_file_is_named_and_never_promoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
