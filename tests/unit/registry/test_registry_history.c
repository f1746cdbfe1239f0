/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <sqlite3.h>
#include <string.h>

#include "registry/registry.h"
#include "temp_home.h"
#include "tiny_bundle.h"

static const tm_actor actor = {.name = "test", .reason = "because"};

static tm_registry *with_history(const tm_home *home) {
    tm_registry *registry = NULL;
    tm_version version = {0};
    tm_bundle *bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = 0.7});
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    assert_int_equal(tm__registry_add(registry, "late", bundle, NULL, &actor, &version, NULL),
                     TM_OK);
    tm__version_done(&version);
    tm__bundle_unref(bundle);
    json_t *details = json_pack("{s:i}", "rows", 12);
    assert_int_equal(
        tm__registry_note(registry, "late", "retrain.started", 0, &actor, details, NULL), TM_OK);
    assert_int_equal(tm__registry_note(registry, "late", "retrain.trained", 1, &actor, NULL, NULL),
                     TM_OK);
    json_decref(details);
    return registry;
}

/* What somebody with the sqlite3 program could do. */
static int tamper(const tm_home *home, const char *sql) {
    tm__temp_home_needs_file();
    sqlite3 *handle = NULL;
    assert_int_equal(sqlite3_open(tm__home_meta_db(home), &handle), SQLITE_OK);
    const int rc = sqlite3_exec(handle, sql, NULL, NULL, NULL);
    sqlite3_close(handle);
    return rc;
}

static void notes_come_back_in_order(void **state) {
    tm_registry *registry = with_history(*state);
    json_t *list = NULL;
    uint64_t n = 0;
    assert_int_equal(tm__registry_history(registry, "late", &list, NULL), TM_OK);
    assert_int_equal(json_array_size(list), 4);
    const json_t *started = json_array_get(list, 2);
    assert_string_equal(tm__json_text(started, "event", ""), "retrain.started");
    assert_string_equal(tm__json_text(started, "reason", ""), "because");
    assert_true(json_is_null(json_object_get(started, "version")));
    assert_int_equal(tm__json_i64(json_object_get(started, "details"), "rows", 0), 12);
    assert_int_equal(tm__json_i64(json_array_get(list, 3), "version", 0), 1);
    json_decref(list);
    assert_int_equal(tm__registry_history_check(registry, &n, NULL), TM_OK);
    assert_int_equal(n, 4);
    assert_int_equal(tm__registry_note(registry, "nobody", "x", 0, &actor, NULL, NULL),
                     TM_E_NOT_FOUND);
    tm__registry_close(registry);
}

static void history_and_versions_cannot_be_rewritten(void **state) {
    tm__registry_close(with_history(*state));
    assert_int_not_equal(tamper(*state, "UPDATE history SET actor = 'x' WHERE seq = 2"), SQLITE_OK);
    assert_int_not_equal(tamper(*state, "DELETE FROM history WHERE seq = 2"), SQLITE_OK);
    assert_int_not_equal(tamper(*state, "UPDATE versions SET info = '{}'"), SQLITE_OK);
    assert_int_not_equal(tamper(*state, "DELETE FROM versions"), SQLITE_OK);
}

static void tampering_shows(void **state) {
    static const struct {
        const char *sql, *message;
    } cases[] = {
        {"DROP TRIGGER history_update; UPDATE history SET actor = 'x' WHERE seq = 2",
         "history record 2 was changed"},
        {"DROP TRIGGER history_delete; DELETE FROM history WHERE seq = 3",
         "history record 3 is missing"},
        {"DROP TRIGGER history_delete; DELETE FROM history WHERE seq = 4",
         "history ends at record 3 and should end at 4"},
        {"DELETE FROM chain", "the history has lost its head"},
        {"UPDATE chain SET hash = x'00'", "the history has lost its head"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_registry *registry = NULL;
        uint64_t n = 0;
        tm_err err = {0};
        tm__registry_close(with_history(*state));
        assert_int_equal(tamper(*state, cases[i].sql), SQLITE_OK);
        assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
        assert_int_equal(tm__registry_history_check(registry, &n, &err), TM_E_INTEGRITY);
        assert_string_equal(err.message, cases[i].message);
        tm__registry_close(registry);
        (void)tm__temp_home_close(state);
        assert_int_equal(tm__temp_home_open(state), 0);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(notes_come_back_in_order),
        TEST(history_and_versions_cannot_be_rewritten),
        TEST(tampering_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
