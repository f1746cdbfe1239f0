/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/retire.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "registry/chain.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

#define DAY_US (INT64_C(86400) * 1000000)

static const tm_actor actor = {.name = "test"};
static const tm_hash somebody = {{7}};

static void note(tm_registry *registry, int64_t version, int64_t by_us) {
    json_t *versions = json_pack("[{s:s, s:I}]", "model", "late", "version", (json_int_t)version);
    const tm_retiring retiring = {
        .versions = versions, .by_us = by_us, .subjects = &somebody, .n_subjects = 1};
    assert_int_equal(tm__retiring_note(registry, &retiring, &actor, NULL), TM_OK);
    json_decref(versions);
}

/* What is to be retired, as "1@100 2@200": versions and dates. */
static void retiring(tm_registry *registry, const char *want) {
    json_t *list = NULL;
    const json_t *one = NULL;
    size_t i = 0;
    char text[160] = "";
    assert_int_equal(tm__retiring_list(registry, &list, NULL), TM_OK);
    json_array_foreach(list, i, one) {
        const size_t at = strlen(text);
        (void)snprintf(text + at, sizeof(text) - at, "%s%lld%s@%lld", at > 0 ? " " : "",
                       (long long)tm__json_i64(one, "version", 0),
                       json_is_true(json_object_get(one, "is_champion")) ? "!" : "",
                       (long long)(tm__json_i64(one, "retire_by_us", 0) / DAY_US));
    }
    assert_string_equal(text, want);
    json_decref(list);
}

static tm_status open_version(tm_registry *registry, const char *name) {
    tm_version version = {0};
    tm_bundle *bundle = NULL;
    assert_int_equal(tm__registry_find(registry, name, &version, NULL), TM_OK);
    const tm_status st = tm__registry_bundle(registry, &version, &bundle, NULL);
    tm__bundle_unref(bundle);
    tm__version_done(&version);
    return st;
}

static void of_several_dates_the_first_one_holds(void **state) {
    tm_registry *registry = tm__tiny_registry_open(*state, 3);
    retiring(registry, "");
    note(registry, 1, 300 * DAY_US);
    note(registry, 2, 200 * DAY_US);
    note(registry, 1, 100 * DAY_US);
    note(registry, 2, 900 * DAY_US);
    retiring(registry, "1!@100 2@200");
    tm__registry_close(registry);
}

static void a_version_past_its_date_is_not_opened_and_then_removed(void **state) {
    tm_registry *registry = tm__tiny_registry_open(*state, 3);
    const int64_t now_us = tm__now_us();
    uint32_t n = 0;
    note(registry, 1, now_us - 1);
    note(registry, 2, now_us + DAY_US);
    assert_int_equal(open_version(registry, "late@1"), TM_E_NOT_FOUND); /* nobody removed it yet */
    assert_int_equal(open_version(registry, "late@2"), TM_OK);
    assert_int_equal(tm__retire_due(registry, now_us, &actor, &n, NULL), TM_OK);
    assert_int_equal(n, 1); /* the champion */
    tm_version version = {0};
    assert_int_equal(tm__registry_find(registry, "late@champion", &version, NULL), TM_OK);
    assert_int_equal(version.number, 1);
    assert_string_equal(version.state, "collected");
    tm__version_done(&version);
    assert_int_equal(tm__retire_due(registry, now_us, &actor, &n, NULL), TM_OK);
    assert_int_equal(n, 0);
    const tm_promotion promotion = {.version = 3};
    uint32_t from = 0;
    assert_int_equal(tm__registry_promote(registry, "late", &promotion, &actor, &from, NULL),
                     TM_OK);
    tm__registry_close(registry);
}

static void what_it_takes_part_in_ends(void **state) {
    tm_registry *registry = tm__tiny_registry_open(*state, 3);
    const tm_split_order split = {
        .n = 2, .arms = {{.version = 1, .weight = 5000}, {.version = 2, .weight = 5000}}};
    const tm_arm shadow = {.version = 3, .weight = 100};
    uint32_t n = 0;
    tm_route route;
    assert_int_equal(tm__registry_split(registry, "late", &split, &actor, NULL), TM_OK);
    assert_int_equal(tm__registry_shadow(registry, "late", &shadow, &actor, NULL), TM_OK);
    note(registry, 2, 1);
    note(registry, 3, 1);
    assert_int_equal(tm__retire_due(registry, 1, &actor, &n, NULL), TM_OK);
    assert_int_equal(n, 2);
    assert_int_equal(tm__registry_route(registry, "late", &route, NULL), TM_OK);
    assert_true(route.version == 1 && route.n_arms == 0 && route.shadow.version == 0);
    tm__registry_close(registry);
}

static size_t n_entries(tm_registry *registry, const char *event) {
    json_t *list = NULL;
    int64_t next = 0;
    const tm_audit_filter filter = {.event = event};
    assert_int_equal(tm__audit_list(registry, &filter, &list, &next, NULL), TM_OK);
    const size_t n = json_array_size(list);
    json_decref(list);
    return n;
}

static void who_looks_again_and_again_acts_at_the_date(void **state) {
    tm_registry *registry = tm__tiny_registry_open(*state, 2);
    tm_retire_watch watch = {0}, other = {0};
    bool is_due = true;
    assert_int_equal(tm__retire_look(registry, &watch, 10, &is_due, NULL), TM_OK);
    assert_false(is_due);
    note(registry, 1, 100);
    assert_int_equal(tm__retire_look(registry, &watch, 20, &is_due, NULL), TM_OK);
    assert_int_equal(tm__retire_look(registry, &other, 20, &is_due, NULL), TM_OK);
    assert_true(!is_due && watch.next_us == 100);
    assert_int_equal(tm__retire_look(registry, &watch, 100, &is_due, NULL), TM_OK);
    assert_true(is_due && n_entries(registry, "subject.retired") == 1);
    /* Another server has it loaded, and must let go of it as well. */
    assert_int_equal(tm__retire_look(registry, &other, 101, &is_due, NULL), TM_OK);
    assert_true(is_due && n_entries(registry, "subject.retired") == 1);
    assert_int_equal(tm__retire_look(registry, &watch, 102, &is_due, NULL), TM_OK);
    assert_false(is_due);
    tm__registry_close(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_several_dates_the_first_one_holds, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_version_past_its_date_is_not_opened_and_then_removed,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(what_it_takes_part_in_ends, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(who_looks_again_and_again_acts_at_the_date,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
