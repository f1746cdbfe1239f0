/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "serve/prepare.h"
#include "support.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

typedef struct fixture {
    tm_registry *registry;
    tm_route route;
} fixture;

static void open_fixture(fixture *f, tm_home *home) {
    const tm_tiny_bundle options = {.auc = 0.7};
    const tm_actor actor = {.name = "test"};
    tm_version version = {0};
    tm_bundle *bundle = tm__tiny_bundle_create(home, &options);
    *f = (fixture){.route = {.name = "tiny", .model = "tiny", .version = 1}};
    f->route.bundle_hash = *tm__bundle_hash(bundle);
    assert_int_equal(tm__registry_open(home, &f->registry, NULL), TM_OK);
    assert_int_equal(tm__registry_add(f->registry, "tiny", bundle, NULL, &actor, &version, NULL),
                     TM_OK);
    tm__version_done(&version);
    tm__bundle_unref(bundle);
}

static tm_prepare terms_of(const fixture *f) {
    return (tm_prepare){.registry = f->registry, .route = &f->route, .n_desks = 4};
}

static void a_version_is_ready_for_each_thread_and_says_what_it_holds(void **state) {
    fixture f;
    open_fixture(&f, *state);
    tm_prepare terms = terms_of(&f);
    tm_served *here = NULL, *aside = NULL;
    assert_int_equal(tm__prepare(&terms, &here, NULL), TM_OK);
    assert_int_equal(tm__prepare(&terms, &aside, NULL), TM_OK);
    assert_int_equal(here->n_scratches, 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_non_null(here->scratches[i]);
    }
    assert_false(here->is_stale);
    const tm_version version = {.bundle_hash = f.route.bundle_hash};
    assert_true(here->bytes >= tm__registry_bundle_bytes(f.registry, &version));
    assert_int_equal(here->bytes, aside->bytes);
    assert_int_equal(here->bytes, tm__bundle_bytes(here->bundle)); /* small parts do not count */
    tm__served_unref(here);
    tm__served_unref(aside);
    tm__registry_close(f.registry);
}

static void the_room_is_what_the_limit_leaves(void **state) {
    fixture f;
    open_fixture(&f, *state);
    tm_prepare terms = terms_of(&f);
    tm_served *served = NULL;
    assert_int_equal(tm__prepare(&terms, &served, NULL), TM_OK);
    const uint64_t bytes = served->bytes;
    tm__served_unref(served);
    served = NULL;
    const struct {
        uint64_t max, held;
        tm_status want;
    } cases[] = {
        {0, UINT64_MAX, TM_OK},       {bytes, 0, TM_OK},
        {bytes - 1, 0, TM_E_REFUSED}, {bytes + 7, 7, TM_OK},
        {bytes + 7, 8, TM_E_REFUSED}, {1, UINT64_MAX, TM_E_REFUSED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_err err = {0};
        terms.memory_max = cases[i].max;
        terms.held_bytes = cases[i].held;
        assert_int_equal(tm__prepare(&terms, &served, &err), cases[i].want);
        assert_true(cases[i].want == TM_OK || strstr(err.hint, "Raise --memory-limit") != NULL);
        tm__served_unref(served);
        served = NULL;
    }
    tm__registry_close(f.registry);
}

static bool prepare_all(void *arg) {
    const fixture *f = arg;
    const tm_prepare terms = terms_of(f);
    tm_served *served = NULL, *stale = NULL;
    tm_status st = tm__prepare(&terms, &served, NULL);
    assert_true(st == TM_OK || st == TM_E_NOMEM);
    if (st == TM_OK) {
        stale = tm__prepare_stale(&terms, served, "what was wrong");
    }
    assert_true(stale == NULL || (stale->is_stale && stale->bundle == served->bundle));
    const bool ok = stale != NULL;
    tm__served_unref(served);
    tm__served_unref(stale);
    return ok;
}

static void without_memory_nothing_leaks(void **state) {
    fixture f;
    open_fixture(&f, *state);
    assert_true(prepare_all(&f)); /* statements that the registry keeps are made once */
    test_each_mem_fault(prepare_all, &f);
    tm__registry_close(f.registry);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_HOME(a_version_is_ready_for_each_thread_and_says_what_it_holds),
        IN_HOME(the_room_is_what_the_limit_leaves),
        IN_HOME(without_memory_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
