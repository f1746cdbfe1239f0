/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "registry/moments.h"
#include "registry/tags.h"
#include "temp_home.h"
#include "tiny_bundle.h"

static const tm_actor actor = {.name = "test", .reason = "because"};

static void add(tm_registry *registry, const tm_home *home, double auc, tm_version *out) {
    tm_bundle *bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = auc});
    assert_int_equal(tm__registry_add(registry, "tiny", bundle, NULL, &actor, out, NULL), TM_OK);
    tm__bundle_unref(bundle);
}

static void a_record_has_what_was_said_since(void **state) {
    tm_registry *registry = NULL;
    tm_version version = {0};
    json_t *record = NULL, *tags = json_pack("{s:s}", "stage", "trial");
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    add(registry, *state, 0.7, &version);
    assert_int_equal(tm__registry_tag(registry, &version, tags, "by hand", &actor, NULL), TM_OK);
    json_decref(tags);
    assert_int_equal(tm__registry_record(registry, &version, &record, NULL), TM_OK);
    json_t *brief = tm__version_brief(&version);
    assert_int_equal(tm__json_i64(record, "version", 0), 1);
    assert_string_equal(tm__json_text(record, "state", ""), "ready");
    assert_string_equal(tm__json_text(record, "bundle_hash", ""),
                        tm__json_text(brief, "bundle_hash", "?"));
    assert_true(tm__json_i64(record, "bytes", 0) > 0);
    assert_string_equal(tm__json_text(json_object_get(record, "tags"), "stage", ""), "trial");
    assert_string_equal(
        tm__json_text(json_array_get(json_object_get(record, "notes"), 0), "text", ""), "by hand");
    assert_true(json_is_object(json_object_get(record, "lineage")));
    json_decref(brief);
    json_decref(record);
    tm__version_done(&version);
    tm__registry_close(registry);
}

static bool was(tm_registry *registry, uint32_t number) {
    bool was_champion = false;
    assert_int_equal(tm__registry_was_champion(registry, "tiny", number, &was_champion, NULL),
                     TM_OK);
    return was_champion;
}

/* Asked before a move (by the server's desk) and after it (by its watch). */
static void who_answered_before_is_known(void **state) {
    tm_registry *registry = NULL;
    tm_version one = {0}, two = {0};
    uint32_t from = 0, to = 0;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    add(registry, *state, 0.7, &one);
    add(registry, *state, 0.8, &two);
    const tm_promotion second = {.version = 2};
    assert_false(was(registry, 1)); /* it is the champion for the first time */
    assert_false(was(registry, 2));
    assert_int_equal(tm__registry_promote(registry, "tiny", &second, &actor, &from, NULL), TM_OK);
    assert_false(was(registry, 2));
    assert_true(was(registry, 1)); /* a rollback would go back to it */
    assert_int_equal(tm__registry_rollback(registry, "tiny", &actor, &from, &to, NULL), TM_OK);
    assert_true(was(registry, 1));
    assert_true(was(registry, 2));
    tm__version_done(&one);
    tm__version_done(&two);
    tm__registry_close(registry);
}

static size_t count(tm_registry *registry, tm_history_filter filter) {
    json_t *list = NULL;
    assert_int_equal(tm__registry_history_find(registry, "tiny", &filter, &list, NULL), TM_OK);
    const size_t n = json_array_size(list);
    json_decref(list);
    return n;
}

static void histories_are_filtered(void **state) {
    tm_registry *registry = NULL;
    tm_version one = {0}, two = {0};
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    add(registry, *state, 0.7, &one);
    add(registry, *state, 0.8, &two);
    assert_int_equal(tm__registry_note(registry, "tiny", "gate.opened", 2, &actor, NULL, NULL),
                     TM_OK);
    assert_int_equal(tm__registry_note(registry, "tiny", "gated", 2, &actor, NULL, NULL), TM_OK);
    assert_int_equal(count(registry, (tm_history_filter){0}), 5);
    assert_int_equal(count(registry, (tm_history_filter){.event = "registered"}), 2);
    assert_int_equal(count(registry, (tm_history_filter){.event = "gate"}), 1);
    assert_int_equal(count(registry, (tm_history_filter){.event = "gate", .version = 1}), 0);
    assert_int_equal(count(registry, (tm_history_filter){.version = 2}), 3);
    assert_int_equal(count(registry, (tm_history_filter){.newest = 2}), 2);
    assert_int_equal(count(registry, (tm_history_filter){.until_us = 1}), 0);
    assert_int_equal(count(registry, (tm_history_filter){.since_us = 1}), 5);
    json_t *list = NULL;
    const tm_history_filter last = {.newest = 1};
    assert_int_equal(tm__registry_history_find(registry, "tiny", &last, &list, NULL), TM_OK);
    assert_string_equal(tm__json_text(json_array_get(list, 0), "event", ""), "gated");
    json_decref(list);
    tm__version_done(&one);
    tm__version_done(&two);
    tm__registry_close(registry);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_HOME(a_record_has_what_was_said_since),
        IN_HOME(who_answered_before_is_known),
        IN_HOME(histories_are_filtered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
