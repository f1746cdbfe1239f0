/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "registry/registry_known.h"
#include "temp_home.h"
#include "tiny_bundle.h"

static const tm_actor actor = {.name = "test", .reason = "because"};

static void a_registry_that_is_away_says_so_at_each_call(void **state) {
    tm_registry *registry = NULL;
    int64_t heard_us = 7, generation = 0;
    tm_home *home = tm__temp_home_away(*state, "one");
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_E_UNAVAILABLE);
    assert_int_equal(tm__registry_open_away(home, &registry, NULL), TM_OK);
    assert_int_equal(tm__registry_generation(registry, &generation, NULL), TM_E_UNAVAILABLE);
    tm__registry_close(registry);
    registry = NULL;
    assert_int_not_equal(tm__registry_known_open(home, &registry, &heard_us, NULL), TM_OK);
    assert_int_equal(tm__registry_known_hear(home, 5, NULL), TM_OK); /* and no copy yet */
    assert_int_not_equal(tm__registry_known_open(home, &registry, &heard_us, NULL), TM_OK);
    assert_null(registry);
    assert_int_equal(heard_us, 7);
    tm__home_close(home);
}

static void what_is_known_is_of_one_place(void **state) {
    tm_err err = {0};
    tm_registry *registry = NULL;
    int64_t heard_us = 0;
    tm_home *home = tm__temp_home_away(*state, "one");
    assert_int_equal(tm__registry_known_hear(home, 5, NULL), TM_OK);
    tm__home_close(home);
    home = tm__temp_home_away(*state, "two");
    assert_int_equal(tm__registry_known_open(home, &registry, &heard_us, &err), TM_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "nothing is known yet"));
    tm__home_close(home);
}

static void what_is_kept_says_what_the_tables_say(void **state) {
    const tm_home *home = *state;
    tm_registry *registry = NULL, *known = NULL;
    tm_version version = {0}, found = {0};
    int64_t heard_us = 0;
    assert_int_equal(tm__registry_open_away(home, &registry, NULL), TM_OK);
    tm_bundle *bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = 0.7});
    assert_int_equal(tm__registry_add(registry, "tiny", bundle, NULL, &actor, &version, NULL),
                     TM_OK);
    tm__bundle_unref(bundle);
    for (int i = 0; i < 2; i++) { /* the second one in place of the first */
        assert_int_equal(tm__registry_known_keep(registry, NULL), TM_OK);
        assert_int_equal(tm__registry_known_hear(home, 1000 + i, NULL), TM_OK);
    }
    assert_int_equal(tm__registry_known_open(home, &known, &heard_us, NULL), TM_OK);
    assert_int_equal(heard_us, 1001);
    assert_int_equal(tm__registry_find(known, "tiny@1", &found, NULL), TM_OK);
    assert_memory_equal(&found.bundle_hash, &version.bundle_hash, sizeof found.bundle_hash);
    tm__version_done(&found);
    tm__version_done(&version);
    tm__registry_close(known);
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_registry_that_is_away_says_so_at_each_call),
        TEST(what_is_known_is_of_one_place),
    };
    const struct CMUnitTest with_server[] = {
        TEST(a_registry_that_is_away_says_so_at_each_call),
        TEST(what_is_known_is_of_one_place),
        TEST(what_is_kept_says_what_the_tables_say),
    };
    return getenv("TIDEMILL_TEST_DSN") != NULL ? cmocka_run_group_tests(with_server, NULL, NULL)
                                               : cmocka_run_group_tests(tests, NULL, NULL);
}
