/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"
#include "test.h"

#include <string.h>

#include "base/fs.h"
#include "late_case.h"
#include "registry/registry.h"
#include "temp_home.h"

static tm_status split(tm_registry *registry, tm_split_order order, tm_err *err) {
    return tm__registry_split(registry, "late", &order, &tm__late_actor, err);
}

#define SPLIT(a, b) ((tm_split_order){2, {{1, (a), {{0}}}, {2, (b), {{0}}}}, false})

static void a_split_is_kept_and_told(void **state) {
    tm_registry *registry = tm__late_open(*state, 3);
    char event[32];
    tm_err err = {0};
    assert_int_equal(tm__late_route(registry).n_arms, 0);
    assert_int_equal(split(registry, SPLIT(9000, 1000), &err), TM_OK);
    assert_string_equal(tm__late_last_event(registry, event), "split");
    const tm_route route = tm__late_route(registry);
    assert_int_equal(route.n_arms, 2);
    assert_int_equal(route.arms[0].version, 1);
    assert_int_equal(route.arms[1].version, 2);
    assert_int_equal(route.arms[1].weight, 1000);
    assert_true(route.salt != 0);
    assert_int_equal(split(registry, SPLIT(9000, 1000), &err), TM_E_CONFLICT);
    assert_int_equal(split(registry, SPLIT(5000, 5000), &err), TM_OK);
    assert_true(tm__late_route(registry).salt == route.salt); /* who is at an arm stays there */
    const tm_split_order end = {.n = 1, .arms = {{.version = 1, .weight = TM_ARM_PARTS}}};
    assert_int_equal(split(registry, end, &err), TM_OK);
    assert_string_equal(tm__late_last_event(registry, event), "split.ended");
    assert_int_equal(tm__late_route(registry).n_arms, 0);
    assert_int_equal(split(registry, end, &err), TM_E_CONFLICT);
    /* All requests may go to one that is not the champion. */
    const tm_split_order all = {.n = 1, .arms = {{.version = 3, .weight = TM_ARM_PARTS}}};
    assert_int_equal(split(registry, all, &err), TM_OK);
    assert_int_equal(tm__late_route(registry).arms[0].version, 3);
    assert_int_equal(tm__late_route(registry).version, 1);
    tm__registry_close(registry);
}

static void an_order_that_is_none_changes_nothing(void **state) {
    tm_registry *registry = tm__late_open(*state, 2);
    tm_err err = {0};
    assert_int_equal(split(registry, SPLIT(9000, 900), &err), TM_E_USAGE);
    assert_string_equal(err.message, "the weights sum to 99 and not to 100");
    assert_int_equal(split(registry, SPLIT(10000, 0), &err), TM_E_USAGE);
    assert_int_equal(split(registry, (tm_split_order){0}, &err), TM_E_USAGE);
    const tm_split_order twice = {2, {{2, 5000, {{0}}}, {2, 5000, {{0}}}}, false};
    assert_int_equal(split(registry, twice, &err), TM_E_USAGE);
    const tm_split_order gone = {2, {{1, 5000, {{0}}}, {7, 5000, {{0}}}}, false};
    assert_int_equal(split(registry, gone, &err), TM_E_NOT_FOUND);
    assert_int_equal(tm__registry_split(registry, "nobody", &twice, &tm__late_actor, &err),
                     TM_E_USAGE);
    const tm_split_order good = SPLIT(5000, 5000);
    assert_int_equal(tm__registry_split(registry, "nobody", &good, &tm__late_actor, &err),
                     TM_E_NOT_FOUND);
    assert_int_equal(tm__late_route(registry).n_arms, 0);
    tm__registry_close(registry);
}

static void a_refused_version_is_split_to_only_by_force(void **state) {
    tm_registry *registry = tm__late_open(*state, 2);
    tm_err err = {0};
    const tm_gate_verdict no = {.is_open = false, .reason = "auc 0.6 is worse"};
    assert_int_equal(tm__registry_judge(registry, "late", 2, &no, &tm__late_actor, NULL), TM_OK);
    tm_split_order order = SPLIT(9000, 1000);
    assert_int_equal(split(registry, order, &err), TM_E_REFUSED);
    assert_string_equal(err.message, "the gate refuses version 2 of 'late': auc 0.6 is worse");
    order.force = true;
    assert_int_equal(split(registry, order, &err), TM_OK);
    json_t *list = NULL;
    assert_int_equal(tm__registry_history(registry, "late", &list, NULL), TM_OK);
    const json_t *last = json_array_get(list, json_array_size(list) - 1);
    const json_t *details = json_object_get(last, "details");
    assert_string_equal(tm__json_text(details, "overridden", ""), "version 2: auc 0.6 is worse");
    assert_true(tm__json_f64(json_object_get(details, "weights"), "2", 0) == 10);
    json_decref(list);
    tm__registry_close(registry);
}

static void moves_end_a_split(void **state) {
    tm_registry *registry = tm__late_open(*state, 3);
    uint32_t from = 0, to = 0;
    const tm_promotion second = {.version = 2};
    assert_int_equal(split(registry, SPLIT(4000, 6000), NULL), TM_OK);
    assert_int_equal(tm__registry_promote(registry, "late", &second, &tm__late_actor, &from, NULL),
                     TM_OK);
    assert_int_equal(tm__late_route(registry).n_arms, 0);
    assert_int_equal(tm__late_route(registry).version, 2);
    /* A rollback undoes the split first, and only then the promotion. */
    assert_int_equal(split(registry, SPLIT(3000, 7000), NULL), TM_OK);
    assert_int_equal(tm__registry_earlier(registry, "late", &to, NULL), TM_OK);
    assert_int_equal(to, 2);
    assert_int_equal(tm__registry_rollback(registry, "late", &tm__late_actor, &from, &to, NULL),
                     TM_OK);
    assert_int_equal(from, 1);
    assert_int_equal(to, 2);
    assert_int_equal(tm__late_route(registry).n_arms, 0);
    assert_int_equal(tm__registry_rollback(registry, "late", &tm__late_actor, &from, &to, NULL),
                     TM_OK);
    assert_int_equal(from, 2);
    assert_int_equal(to, 1);
    assert_int_equal(tm__registry_rollback(registry, "late", &tm__late_actor, &from, &to, NULL),
                     TM_E_CONFLICT);
    tm__registry_close(registry);
}

static tm_status split_most(tm_registry *registry) {
    return split(registry, SPLIT(9000, 1000), NULL);
}

static void assert_split_or_not(tm_registry *registry, bool is_made) {
    char event[32];
    assert_int_equal(tm__late_route(registry).n_arms, is_made ? 2 : 0);
    assert_int_equal(strcmp(tm__late_last_event(registry, event), "split") == 0, is_made);
}

static void a_failed_write_leaves_no_half_split(void **state) {
    tm__registry_close(tm__late_open(*state, 2));
    tm__late_each_write(*state, false, split_most, assert_split_or_not);
}

static bool split_anew(void *home) {
    tm_registry *registry = NULL;
    tm_status st = tm__registry_open(home, &registry, NULL);
    if (st == TM_OK) {
        st = split(registry, SPLIT(9000, 1000), NULL);
    }
    assert_true(st == TM_OK || st == TM_E_NOMEM || st == TM_E_CONFLICT); /* it was done before */
    tm__registry_close(registry);
    return st != TM_E_NOMEM;
}

static void a_split_leaks_nothing_when_memory_runs_out(void **state) {
    tm__registry_close(tm__late_open(*state, 2));
    tm__temp_home_needs_file();
    test_each_mem_fault(split_anew, *state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_split_is_kept_and_told),
        TEST(an_order_that_is_none_changes_nothing),
        TEST(a_refused_version_is_split_to_only_by_force),
        TEST(moves_end_a_split),
        TEST(a_failed_write_leaves_no_half_split),
        TEST(a_split_leaks_nothing_when_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
