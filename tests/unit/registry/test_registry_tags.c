/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "registry/tags.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

static const tm_actor actor = {.name = "test"};

static tm_registry *open_one(const tm_home *home, tm_version *version) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    tm_bundle *bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = 0.7});
    assert_int_equal(tm__registry_add(registry, "late", bundle, NULL, &actor, version, NULL),
                     TM_OK);
    tm__bundle_unref(bundle);
    return registry;
}

static tm_status tag(tm_registry *registry, const tm_version *version, const char *changes,
                     const char *note, tm_err *err) {
    json_t *json = json_loads(changes, 0, NULL);
    const tm_status st = tm__registry_tag(registry, version, json, note, &actor, err);
    json_decref(json);
    return st;
}

static void is_tagged(tm_registry *registry, const tm_version *version, const char *want) {
    json_t *tags = NULL;
    assert_int_equal(tm__registry_tags(registry, version, &tags, NULL), TM_OK);
    char *text = json_dumps(tags, JSON_SORT_KEYS | JSON_COMPACT);
    assert_string_equal(text, want);
    free(text);
    json_decref(tags);
}

static size_t n_records(tm_registry *registry) {
    json_t *list = NULL;
    assert_int_equal(tm__registry_history(registry, "late", &list, NULL), TM_OK);
    const size_t n = json_array_size(list);
    json_decref(list);
    return n;
}

static void tags_change_and_notes_stay(void **state) {
    tm_version version = {0};
    tm_registry *registry = open_one(*state, &version);
    json_t *notes = NULL;
    is_tagged(registry, &version, "{}");
    assert_int_equal(tag(registry, &version, "{\"stage\":\"trial\",\"who\":\"us\"}", NULL, NULL),
                     TM_OK);
    assert_int_equal(tag(registry, &version, "{\"stage\":\"live\",\"who\":null}", "it holds", NULL),
                     TM_OK);
    is_tagged(registry, &version, "{\"stage\":\"live\"}");
    assert_int_equal(tag(registry, &version, "{}", "and still", NULL), TM_OK);
    assert_int_equal(tm__registry_notes(registry, &version, &notes, NULL), TM_OK);
    assert_int_equal(json_array_size(notes), 2);
    assert_string_equal(tm__json_text(json_array_get(notes, 0), "text", ""), "it holds");
    assert_string_equal(tm__json_text(json_array_get(notes, 1), "actor", ""), "test");
    json_decref(notes);
    assert_int_equal(n_records(registry), 2 + 2 + 2); /* registered, promoted, tagged, noted */
    tm__version_done(&version);
    tm__registry_close(registry);
}

static void what_cannot_be_a_tag_changes_nothing(void **state) {
    static const struct {
        const char *changes, *note;
        tm_status want;
    } cases[] = {
        {"{\"a b\":\"1\"}", NULL, TM_E_USAGE},
        {"{\"\":\"1\"}", NULL, TM_E_USAGE},
        {"{\"-a\":\"1\"}", NULL, TM_E_USAGE},
        {"{\"a\":\"\"}", NULL, TM_E_USAGE},
        {"{\"a\":\"x\\ny\"}", NULL, TM_E_USAGE},
        {"{\"a\":7}", NULL, TM_E_USAGE},
        {"{\"a\":\"1\"}", "two\nlines", TM_E_USAGE},
        {"{\"a\":\"1\"}", "", TM_E_USAGE},
        {"{\"a\":\"1\",\"gone\":null}", NULL, TM_E_NOT_FOUND},
    };
    tm_version version = {0};
    tm_registry *registry = open_one(*state, &version);
    const size_t before = n_records(registry);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_err err = {0};
        assert_int_equal(tag(registry, &version, cases[i].changes, cases[i].note, &err),
                         cases[i].want);
        assert_true(err.message[0] != '\0');
    }
    is_tagged(registry, &version, "{}");
    assert_int_equal(n_records(registry), before);
    tm__version_done(&version);
    tm__registry_close(registry);
}

static void tags_are_bounded(void **state) {
    tm_version version = {0};
    tm_registry *registry = open_one(*state, &version);
    json_t *many = json_object();
    char name[16];
    for (unsigned i = 0; i <= TM_TAGS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "t%u", i);
        json_object_set_new(many, name, json_string("1"));
    }
    assert_int_equal(tm__registry_tag(registry, &version, many, NULL, &actor, NULL), TM_E_LIMIT);
    json_object_del(many, "t0");
    assert_int_equal(tm__registry_tag(registry, &version, many, NULL, &actor, NULL), TM_OK);
    json_decref(many);
    tm__version_done(&version);
    tm__registry_close(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tags_change_and_notes_stay, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(what_cannot_be_a_tag_changes_nothing, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(tags_are_bounded, tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
