/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/fs.h"
#include "base/mem.h"
#include "registry/registry.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

static const tm_actor actor = {.name = "test"};

static void a_file_is_held_against_its_name(void **state) {
    tm_home *const home = *state;
    tm_registry *registry = NULL;
    tm_version versions[2];
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    for (int i = 0; i < 2; i++) {
        tm_bundle *const made =
            tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = 0.6 + i / 10.0});
        assert_int_equal(tm__registry_add(registry, "late", made, NULL, &actor, &versions[i], NULL),
                         TM_OK);
        tm__bundle_unref(made);
    }
    tm_bundle *bundle = NULL;
    assert_int_equal(tm__registry_bundle(registry, &versions[0], &bundle, NULL), TM_OK);
    assert_true(tm__registry_bundle_holds(registry, &versions[0], bundle));
    assert_false(tm__registry_bundle_holds(registry, &versions[1], bundle));
    assert_true(tm__registry_bundle_bytes(registry, &versions[0]) > 0);
    tm__bundle_unref(bundle);

    char *const first = tm__home_bundle_path(home, &versions[0].bundle_hash);
    char *const second = tm__home_bundle_path(home, &versions[1].bundle_hash);
    assert_int_equal(tm__fs_move(second, first, NULL), TM_OK);
    assert_int_equal(tm__registry_bundle_check(registry, &versions[0], NULL), TM_E_INTEGRITY);
    assert_int_equal(tm__registry_bundle_check(registry, &versions[1], NULL), TM_E_INTEGRITY);
    assert_int_equal(tm__registry_bundle(registry, &versions[0], &bundle, NULL), TM_E_INTEGRITY);
    (void)snprintf(versions[1].state, sizeof(versions[1].state), "collected");
    assert_int_equal(tm__registry_bundle_check(registry, &versions[1], NULL), TM_E_NOT_FOUND);
    tm__version_done(&versions[0]);
    tm__version_done(&versions[1]);
    tm__mem_free(first);
    tm__mem_free(second);
    tm__registry_close(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_held_against_its_name, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
