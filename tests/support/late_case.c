/* SPDX-License-Identifier: Apache-2.0 */
#include "late_case.h"

#include "failing_disk.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

const tm_actor tm__late_actor = {.name = "test", .reason = "because"};

tm_registry *tm__late_open(const tm_home *home, int n) {
    tm_registry *registry = NULL;
    tm_err err = {0};
    if (tm__registry_open(home, &registry, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    for (int i = 0; i < n; i++) {
        tm_bundle *bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = 0.7 + 0.01 * i});
        tm_version version = {0};
        assert_int_equal(
            tm__registry_add(registry, "late", bundle, NULL, &tm__late_actor, &version, NULL),
            TM_OK);
        tm__version_done(&version);
        tm__bundle_unref(bundle);
    }
    return registry;
}

tm_route tm__late_route(tm_registry *registry) {
    tm_route route;
    assert_int_equal(tm__registry_route(registry, "late", &route, NULL), TM_OK);
    return route;
}

const char *tm__late_last_event(tm_registry *registry, char out[32]) {
    json_t *list = NULL;
    assert_int_equal(tm__registry_history(registry, "late", &list, NULL), TM_OK);
    const json_t *last = json_array_get(list, json_array_size(list) - 1);
    (void)tm__str_copy(out, 32, tm__str(tm__json_text(last, "event", "")));
    json_decref(list);
    return out;
}

static uint64_t n_records(tm_registry *registry) {
    uint64_t n = 0;
    assert_int_equal(tm__registry_history_check(registry, &n, NULL), TM_OK);
    return n;
}

void tm__late_each_write(const tm_home *home, bool forever,
                         tm_status (*move)(tm_registry *registry),
                         void (*check)(tm_registry *registry, bool is_made)) {
    tm__temp_home_needs_file();
    tm_registry *registry = tm__late_open(home, 0);
    const uint64_t n_before = n_records(registry);
    bool is_made = false;
    for (uint64_t n = 1; !is_made; n++) {
        test_disk_fail_at(n, forever);
        const tm_status st = move(registry);
        tm__registry_close(registry);
        test_disk_fail_at(0, false);
        registry = tm__late_open(home, 0);
        is_made = n_records(registry) > n_before;
        check(registry, is_made);
        assert_true(is_made || st != TM_OK);
        assert_true(n > 1 || !is_made); /* something failed */
        assert_true(n < 200);
    }
    tm__registry_close(registry);
}
