/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "registry/registry.h"
#include "temp_home.h"
#include "tiny_bundle.h"

static const tm_actor actor = {.name = "test"};

static tm_registry *open_registry(const tm_home *home) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    return registry;
}

static void add(tm_registry *registry, const tm_home *home, const char *model, double auc) {
    tm_bundle *bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = auc});
    tm_version version = {0};
    assert_int_equal(tm__registry_add(registry, model, bundle, NULL, &actor, &version, NULL),
                     TM_OK);
    tm__version_done(&version);
    tm__bundle_unref(bundle);
}

typedef struct tm_seen {
    char text[200];
    uint32_t n, n_max;
} tm_seen;

static bool see_route(void *arg, const tm_route *route) {
    tm_seen *seen = arg;
    const size_t used = strlen(seen->text);
    snprintf(seen->text + used, sizeof(seen->text) - used, "%s=%s@%u ", route->name, route->model,
             route->version);
    seen->n++;
    return seen->n < seen->n_max;
}

static void routes_come_in_name_order_with_their_champion(void **state) {
    tm_registry *registry = open_registry(*state);
    uint32_t from = 0;
    const tm_promotion second = {.version = 2};
    add(registry, *state, "b", 0.7);
    add(registry, *state, "b", 0.8);
    add(registry, *state, "a", 0.7);
    assert_int_equal(tm__registry_promote(registry, "b", &second, &actor, &from, NULL), TM_OK);
    tm_seen seen = {.n_max = 10};
    assert_int_equal(tm__registry_routes(registry, see_route, &seen, NULL), TM_OK);
    assert_string_equal(seen.text, "a=a@1 b=b@2 ");
    tm_seen one = {.n_max = 1};
    assert_int_equal(tm__registry_routes(registry, see_route, &one, NULL), TM_OK);
    assert_int_equal(one.n, 1);
    tm__registry_close(registry);
}

static bool see_key(void *arg, const tm_stored_key *key) {
    tm_seen *seen = arg;
    snprintf(seen->text, sizeof(seen->text), "%s %s", key->id,
             tm__guard_role_text(key->terms.role));
    seen->n++;
    return true;
}

static void a_revoked_key_is_listed_and_not_live(void **state) {
    tm_registry *registry = open_registry(*state);
    tm_key key, other;
    tm__key_create(&key);
    tm__key_create(&other);
    assert_int_equal(tm__registry_key_add(registry, &key,
                                          &(tm_key_terms){.role = TM_GUARD_ADMIN, .name = "laptop"},
                                          &actor, NULL),
                     TM_OK);
    assert_int_equal(tm__registry_key_add(registry, &other,
                                          &(tm_key_terms){.role = TM_GUARD_CLIENT}, &actor, NULL),
                     TM_OK);
    assert_int_equal(tm__registry_key_revoke(registry, key.id, &actor, NULL), TM_OK);
    assert_int_equal(tm__registry_key_revoke(registry, key.id, &actor, NULL), TM_E_NOT_FOUND);
    tm_seen seen = {0};
    char want[64];
    assert_int_equal(tm__registry_key_list(registry, see_key, &seen, NULL), TM_OK);
    assert_int_equal(seen.n, 1);
    snprintf(want, sizeof(want), "%s client", other.id);
    assert_string_equal(seen.text, want);
    json_t *keys = NULL;
    uint64_t n = 0;
    assert_int_equal(tm__registry_keys(registry, &keys, NULL), TM_OK);
    assert_int_equal(json_array_size(keys), 2);
    json_decref(keys);
    assert_int_equal(tm__registry_history_check(registry, &n, NULL), TM_OK);
    assert_int_equal(n, 3);
    tm__registry_close(registry);
}

static bool keep_terms(void *arg, const tm_stored_key *key) {
    tm_seen *seen = arg;
    const size_t n = strlen(seen->text);
    snprintf(seen->text + n, sizeof(seen->text) - n, "%s %s %s %s %d;",
             tm__guard_role_text(key->terms.role), key->terms.name, key->terms.models,
             key->terms.rates, (int)(key->terms.expires_us != 0));
    seen->n++;
    return true;
}

static void a_rotated_key_hands_its_terms_on_and_ends(void **state) {
    tm_registry *registry = open_registry(*state);
    tm_key old, fresh, third;
    tm__key_create(&old);
    tm__key_create(&fresh);
    tm__key_create(&third);
    const tm_key_terms terms = {
        .role = TM_GUARD_ANALYST, .name = "shop", .models = "late", .rates = "5/s"};
    assert_int_equal(tm__registry_key_add(registry, &old, &terms, &actor, NULL), TM_OK);
    const int64_t until_us = tm__now_us() + 60000000;
    assert_int_equal(tm__registry_key_rotate(registry, "nobody", &fresh, until_us, &actor, NULL),
                     TM_E_NOT_FOUND);
    assert_int_equal(tm__registry_key_rotate(registry, old.id, &fresh, until_us, &actor, NULL),
                     TM_OK);
    tm_seen seen = {0};
    assert_int_equal(tm__registry_key_list(registry, keep_terms, &seen, NULL), TM_OK);
    assert_int_equal(seen.n, 2);
    /* In order of ids, so either may come first; one of them ends. */
    assert_non_null(strstr(seen.text, "analyst shop late 5/s 0;"));
    assert_non_null(strstr(seen.text, "analyst shop late 5/s 1;"));
    /* One that is over is not rotated. */
    assert_int_equal(tm__registry_key_rotate(registry, old.id, &third, 1, &actor, NULL), TM_OK);
    tm__key_create(&third);
    assert_int_equal(tm__registry_key_rotate(registry, old.id, &third, until_us, &actor, NULL),
                     TM_E_NOT_FOUND);
    uint64_t n = 0;
    assert_int_equal(tm__registry_history_check(registry, &n, NULL), TM_OK);
    assert_int_equal(n, 3);
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(routes_come_in_name_order_with_their_champion),
        TEST(a_rotated_key_hands_its_terms_on_and_ends),
        TEST(a_revoked_key_is_listed_and_not_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
