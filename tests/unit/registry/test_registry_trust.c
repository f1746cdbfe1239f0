/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "registry/chain.h"
#include "registry/trust.h"
#include "temp_home.h"
#include "test.h"

static const tm_actor actor = {.name = "test"};

static tm_registry *open_registry(const tm_home *home) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    return registry;
}

static void the_own_key_stays_and_is_secret(void **state) {
    tm_registry *registry = open_registry(*state);
    tm_signing_key first, again;
    struct stat info;
    char *path = tm__fs_join(tm__home_path(*state), TM_HOME_SIGNING_KEY);
    assert_int_equal(tm__trust_own(registry, &first, NULL), TM_OK);
    assert_int_equal(tm__trust_own(registry, &again, NULL), TM_OK);
    assert_memory_equal(&first, &again, sizeof(first));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(tm__trust_check(registry, &first.public_key, NULL), TM_OK);
    assert_int_equal(tm__fs_publish(path, "short\n", 6, NULL), TM_OK);
    assert_int_equal(tm__trust_own(registry, &again, NULL), TM_E_INTEGRITY);
    tm__mem_free(path);
    tm__registry_close(registry);
}

static void only_those_who_are_trusted_are_taken(void **state) {
    tm_registry *registry = open_registry(*state);
    tm_signing_key one, other;
    tm_err err = {0};
    json_t *list = NULL;
    tm__signing_key_create(&one);
    tm__signing_key_create(&other);
    assert_int_equal(tm__trust_check(registry, NULL, &err), TM_E_NOT_ALLOWED);
    assert_string_equal(err.message, "the file is not signed");
    assert_int_equal(tm__trust_check(registry, &one.public_key, &err), TM_E_NOT_ALLOWED);
    assert_non_null(strstr(err.hint, "trust add ed25519:"));
    assert_int_equal(tm__trust_add(registry, &one.public_key, "training", &actor, NULL), TM_OK);
    assert_int_equal(tm__trust_check(registry, &one.public_key, NULL), TM_OK);
    assert_int_equal(tm__trust_check(registry, &other.public_key, NULL), TM_E_NOT_ALLOWED);
    assert_int_equal(tm__trust_add(registry, &one.public_key, "again", &actor, &err),
                     TM_E_CONFLICT);
    assert_non_null(strstr(err.message, "'training'"));
    assert_int_equal(tm__trust_add(registry, &other.public_key, "two\nlines", &actor, NULL),
                     TM_E_USAGE);
    assert_int_equal(tm__trust_list(registry, &list, NULL), TM_OK);
    assert_int_equal(json_array_size(list), 1);
    json_decref(list);
    assert_int_equal(tm__trust_remove(registry, &other.public_key, &actor, NULL), TM_E_NOT_FOUND);
    assert_int_equal(tm__trust_remove(registry, &one.public_key, &actor, NULL), TM_OK);
    assert_int_equal(tm__trust_check(registry, &one.public_key, NULL), TM_E_NOT_ALLOWED);
    tm__registry_close(registry);
}

static void each_change_is_in_the_history(void **state) {
    tm_registry *registry = open_registry(*state);
    tm_signing_key one;
    json_t *list = NULL;
    int64_t next = 0;
    tm__signing_key_create(&one);
    assert_int_equal(tm__trust_add(registry, &one.public_key, "training", &actor, NULL), TM_OK);
    assert_int_equal(tm__trust_remove(registry, &one.public_key, &actor, NULL), TM_OK);
    assert_int_equal(tm__audit_list(registry, &(tm_audit_filter){0}, &list, &next, NULL), TM_OK);
    assert_string_equal(tm__json_text(json_array_get(list, 0), "event", ""), "trust.added");
    assert_string_equal(tm__json_text(json_array_get(list, 1), "event", ""), "trust.removed");
    const json_t *details = json_object_get(json_array_get(list, 1), "details");
    assert_string_equal(tm__json_text(details, "name", ""), "training");
    json_decref(list);
    tm__registry_close(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_own_key_stays_and_is_secret, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(only_those_who_are_trusted_are_taken, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(each_change_is_in_the_history, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
