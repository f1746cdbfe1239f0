/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/restored.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "registry/chain.h"
#include "support.h"
#include "temp_home.h"
#include "test.h"

static const tm_actor actor = {.name = "test"};
static const tm_restored restored = {"cli:ops", "abc", "2026-01-01T00:00:00Z"};

static bool append(void *registry) {
    const tm_audit_note note = {.event = "x.done", .object = "x"};
    return tm__audit_append(registry, &note, &actor, NULL) == TM_OK;
}

static bool append_anew(void *home) {
    tm_registry *registry = NULL;
    const bool is_done = tm__registry_open(home, &registry, NULL) == TM_OK && append(registry);
    tm__registry_close(registry);
    return is_done;
}

/* Events of the chain in a row; the details of the last "backup.restored". */
static void events(tm_registry *registry, char *out, size_t size, int64_t *out_entries) {
    const tm_audit_filter all = {.newest = 100};
    json_t *list = NULL;
    size_t i = 0;
    const json_t *entry = NULL;
    *out = '\0';
    int64_t next = 0;
    assert_int_equal(tm__audit_list(registry, &all, &list, &next, NULL), TM_OK);
    json_array_foreach(list, i, entry) {
        const char *const event = tm__json_text(entry, "event", "");
        (void)snprintf(out + strlen(out), size - strlen(out), "%s ", event);
        if (strcmp(event, "backup.restored") == 0) {
            *out_entries = tm__json_i64(json_object_get(entry, "details"), "entries", -1);
            assert_string_equal(tm__json_text(entry, "actor", ""), "cli:ops");
        }
    }
    json_decref(list);
}

static bool is_waiting(const tm_home *home) {
    char *const path = tm__fs_join(tm__home_path(home), "restored.json");
    const bool is = tm__fs_info(path).kind == TM_PATH_FILE;
    tm__mem_free(path);
    return is;
}

static void check_waiting(const tm_home *home, bool want) {
    json_t *waiting = NULL;
    assert_int_equal(tm__restored_waiting(home, &waiting, NULL), TM_OK);
    assert_string_equal(tm__json_text(waiting, "actor", "nothing"), want ? "cli:ops" : "nothing");
    json_decref(waiting);
}

static void it_waits_for_the_next_entry_and_is_told_once(void **state) {
    tm_registry *registry = NULL;
    char text[200];
    int64_t n = -1;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    assert_true(append(registry));
    check_waiting(*state, false);
    assert_int_equal(tm__registry_restored(registry, &restored, NULL), TM_OK);
    events(registry, text, sizeof(text), &n);
    assert_string_equal(text, "x.done ");
    check_waiting(*state, true);
    assert_true(append(registry));
    check_waiting(*state, false);
    events(registry, text, sizeof(text), &n);
    assert_string_equal(text, "x.done backup.restored x.done ");
    assert_int_equal(n, 1);
    assert_true(is_waiting(*state)); /* the commit may have failed */
    assert_true(append(registry) && append(registry));
    events(registry, text, sizeof(text), &n);
    assert_string_equal(text, "x.done backup.restored x.done x.done x.done ");
    assert_false(is_waiting(*state));
    assert_int_equal(tm__registry_restored(registry, &restored, NULL), TM_OK); /* once more */
    tm__registry_close(registry);
    test_each_mem_fault(append_anew, *state);
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    events(registry, text, sizeof(text), &n);
    assert_non_null(strstr(text, "x.done x.done backup.restored x.done"));
    assert_null(strstr(strstr(text, "x.done x.done backup.restored") + 20, "backup.restored"));
    assert_int_equal(n, 5);
    tm__registry_close(registry);
}

static void what_says_nothing_is_not_passed_over(void **state) {
    tm_registry *registry = NULL;
    char *const path = tm__fs_join(tm__home_path(*state), "restored.json");
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    assert_int_equal(tm__fs_publish(path, "{}", 2, NULL), TM_OK);
    json_t *waiting = NULL;
    assert_false(append(registry));
    assert_int_equal(tm__restored_waiting(*state, &waiting, NULL), TM_E_INTEGRITY);
    tm__registry_close(registry);
    tm__mem_free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_waits_for_the_next_entry_and_is_told_once,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(what_says_nothing_is_not_passed_over, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
