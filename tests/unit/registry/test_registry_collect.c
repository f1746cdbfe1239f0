/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "failing_disk.h"
#include "registry/collect.h"
#include "registry/tags.h"
#include "registry/turn.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

static const tm_actor actor = {.name = "test"};

static bool count_one(void *arg, const char *name) {
    *(size_t *)arg += strstr(name, ".tmb") != NULL ? 1 : 0;
    return true;
}

static size_t n_files(const tm_home *home) {
    size_t n = 0;
    assert_int_equal(tm__fs_list(tm__home_bundles(home), count_one, &n, NULL), TM_OK);
    return n;
}

/* Versions that a collection takes, as "1 3". */
static void collects(tm_registry *registry, const tm_collection *options, const char *want) {
    json_t *result = NULL, *item = NULL;
    size_t i = 0;
    char text[80] = "";
    tm_err err = {0};
    if (tm__registry_collect(registry, options, &result, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    json_array_foreach(json_object_get(result, "versions"), i, item) {
        const size_t at = strlen(text);
        (void)snprintf(text + at, sizeof(text) - at, "%s%d", at > 0 ? " " : "",
                       (int)tm__json_i64(item, "version", 0));
    }
    assert_string_equal(text, want);
    json_decref(result);
}

static void move(tm_registry *registry, uint32_t version) {
    const tm_promotion promotion = {.version = version};
    uint32_t from = 0;
    assert_int_equal(tm__registry_promote(registry, "late", &promotion, &actor, &from, NULL),
                     TM_OK);
}

static void what_is_reached_stays(void **state) {
    tm_registry *registry = tm__tiny_registry_open(*state, 8);
    tm_version version = {0};
    json_t *tags = json_pack("{s:s}", "keep", "yes");
    move(registry, 2);
    move(registry, 5); /* a rollback goes back to 2, the next one to 1 */
    assert_int_equal(tm__registry_find(registry, "late@4", &version, NULL), TM_OK);
    assert_int_equal(tm__registry_tag(registry, &version, tags, NULL, &actor, NULL), TM_OK);
    tm__version_done(&version);
    json_decref(tags);
    collects(registry,
             &(tm_collection){.keep = 1, .older_us = INT64_C(3600000000), .actor = &actor},
             ""); /* all are young */
    const tm_collection dry = {.is_dry = true, .keep = 1, .older_us = -1, .actor = &actor};
    const tm_collection real = {.keep = 1, .older_us = -1, .actor = &actor};
    collects(registry, &dry, "1 3 6 7");
    assert_int_equal(n_files(*state), 8);
    collects(registry, &real, "1 3 6 7");
    assert_int_equal(n_files(*state), 4);
    collects(registry, &real, "");
    tm__registry_close(registry);
}

static void a_collected_version_says_so(void **state) {
    tm_registry *registry = tm__tiny_registry_open(*state, 3);
    tm_version version = {0};
    tm_bundle *bundle = NULL;
    json_t *list = NULL, *files = NULL;
    tm_err err = {0};
    uint64_t n = 0;
    move(registry, 3);
    move(registry, 2);
    collects(registry, &(tm_collection){.keep = 1, .older_us = -1, .actor = &actor}, "1");
    assert_int_equal(tm__registry_find(registry, "late@1", &version, NULL), TM_OK);
    assert_string_equal(version.state, "collected");
    assert_int_equal(tm__registry_bundle(registry, &version, &bundle, &err), TM_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "collected"));
    tm__version_done(&version);
    const tm_promotion promotion = {.version = 1, .force = true};
    uint32_t from = 0;
    assert_int_equal(tm__registry_promote(registry, "late", &promotion, &actor, &from, &err),
                     TM_E_NOT_FOUND);
    assert_int_equal(tm__registry_verify(registry, "late", &list, NULL), TM_OK);
    assert_int_equal(json_array_size(list), 2);
    assert_int_equal(tm__registry_files(registry, &files, NULL), TM_OK);
    assert_int_equal(json_array_size(json_object_get(files, "bundles")), 2);
    assert_int_equal(tm__registry_history_check(registry, &n, NULL), TM_OK);
    json_decref(list);
    json_decref(files);
    tm__registry_close(registry);
}

static void what_an_open_turn_names_stays(void **state) {
    tm_registry *registry = tm__tiny_registry_open(*state, 4);
    tm_version version = {0};
    char hash[TM_HASH_TEXT];
    move(registry, 4);
    assert_int_equal(tm__registry_find(registry, "late@1", &version, NULL), TM_OK);
    tm__hash_to_text(&version.bundle_hash, hash);
    tm__version_done(&version);
    tm_turn turn = {
        .model = "late", .champion = 2, .story = json_pack("{s:s}", "bundle_hash", hash)};
    assert_int_equal(tm__turn_begin(registry, &turn, NULL), TM_OK);
    const tm_collection all = {.keep = 0, .older_us = -1, .actor = &actor};
    collects(registry, &all, "1"); /* 2 is compared with; the file of 1 is a bundle to come */
    assert_int_equal(n_files(*state), 4);
    assert_int_equal(tm__turn_end(registry, &turn, "failed", "a test", NULL), TM_OK);
    collects(registry, &all, "2");
    assert_int_equal(n_files(*state), 2);
    tm__turn_done(&turn);
    tm__registry_close(registry);
}

static void a_file_of_two_versions_stays_for_the_one(void **state) {
    tm_registry *registry = tm__tiny_registry_open(*state, 1);
    tm_version first = {0}, again = {0};
    tm_bundle *bundle = NULL;
    assert_int_equal(tm__registry_find(registry, "late@1", &first, NULL), TM_OK);
    assert_int_equal(tm__registry_bundle(registry, &first, &bundle, NULL), TM_OK);
    assert_int_equal(tm__registry_add(registry, "late", bundle, NULL, &actor, &again, NULL), TM_OK);
    tm__version_done(&again);
    assert_int_equal(tm__registry_add(registry, "late", bundle, NULL, &actor, &again, NULL), TM_OK);
    move(registry, 3);
    move(registry, 2);
    collects(registry, &(tm_collection){.keep = 1, .older_us = -1, .actor = &actor}, "1");
    assert_int_equal(n_files(*state), 1);
    tm__bundle_unref(bundle);
    tm__version_done(&first);
    tm__version_done(&again);
    tm__registry_close(registry);
}

/* Each change of the disk fails once: a version whose file is gone says so, always. */
static void no_failure_leaves_a_version_without_its_file(void **state) {
    tm_registry *registry = tm__tiny_registry_open(*state, 6);
    json_t *list = NULL, *item = NULL;
    size_t i = 0;
    move(registry, 6);
    const tm_collection real = {.keep = 1, .older_us = -1, .actor = &actor};
    tm_status st = TM_E_IO;
    for (uint32_t n = 1; st != TM_OK && n < 200; n++) {
        json_t *result = NULL;
        test_disk_fail_at(n, false);
        st = tm__registry_collect(registry, &real, &result, NULL);
        test_disk_fail_at(0, false);
        json_decref(result);
        tm__registry_close(registry);
        assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
        assert_int_equal(tm__registry_verify(registry, "late", &list, NULL), TM_OK);
        json_array_foreach(list, i, item) {
            assert_true(tm__json_bool(item, "ok", false));
        }
        json_decref(list);
    }
    assert_int_equal(st, TM_OK);
    assert_int_equal(n_files(*state), 3); /* champion, challenger, and where a rollback goes */
    tm__registry_close(registry);
}

/* Without a bucket there is no object: what is asked is which files are named. */
static void an_object_that_was_put_anew_is_settled(void **state) {
    tm_registry *registry = tm__tiny_registry_open(*state, 2);
    static const char *const paths[] = {"/nowhere/bundles/ab.tmb", "/nowhere/snapshots/x"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(tm__registry_object_settle(registry, paths[i], NULL), TM_OK);
    }
    assert_int_equal(n_files(*state), 2);
    tm__registry_close(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_reached_stays, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_collected_version_says_so, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_file_of_two_versions_stays_for_the_one,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(what_an_open_turn_names_stays, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(an_object_that_was_put_anew_is_settled, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(no_failure_leaves_a_version_without_its_file,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
