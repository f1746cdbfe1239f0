/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/clock.h"
#include "cli/status_read.h"
#include "registry/turn.h"
#include "temp_home.h"
#include "tiny_bundle.h"

#define DAY_US INT64_C(86400000000)

/* A turn that the gate closed or opened on a day. */
static void add_turn(tm_registry *registry, int64_t day, bool is_covered) {
    tm_turn turn = {.model = "tiny",
                    .champion = 1,
                    .story = json_pack("{s:{s:[{s:s, s:b, s:s}]}}", "gate", "checks", "check",
                                       "coverage", "open", is_covered, "said",
                                       is_covered ? "enough" : "of 40 answers none")};
    tm__clock_fix(day * DAY_US);
    assert_int_equal(tm__turn_begin(registry, &turn, NULL), TM_OK);
    assert_int_equal(tm__turn_end(registry, &turn, is_covered ? "promoted" : "refused", "x", NULL),
                     TM_OK);
    tm__turn_done(&turn);
}

static json_t *told(const tm_place *place) {
    json_t *out = NULL;
    assert_int_equal(tm__status_labels(place, "tiny", &out, NULL), TM_OK);
    return out;
}

static void open_model(tm_home *home, tm_place *place, double coverage_min) {
    const tm_gate gate = {.coverage_min = coverage_min, .coverage_after_us = 1};
    static const tm_actor actor = {.name = "test"};
    tm_version version = {0};
    *place = (tm_place){.home = home};
    assert_int_equal(tm__registry_open(home, &place->registry, NULL), TM_OK);
    tm_bundle *const bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = 0.9});
    assert_int_equal(
        tm__registry_add(place->registry, "tiny", bundle, NULL, &actor, &version, NULL), TM_OK);
    assert_int_equal(tm__registry_set_gate(place->registry, "tiny", &gate, &actor, NULL), TM_OK);
    tm__version_done(&version);
    tm__bundle_unref(bundle);
}

static void it_is_told_since_when_labels_are_too_few(void **state) {
    tm_place place;
    open_model(*state, &place, 0.3);
    json_t *out = told(&place);
    assert_true(json_is_null(out)); /* nothing was tried */
    json_decref(out);
    add_turn(place.registry, 10, false);
    add_turn(place.registry, 20, true);
    out = told(&place);
    assert_true(json_is_null(out)); /* it is over */
    json_decref(out);
    add_turn(place.registry, 30, false);
    add_turn(place.registry, 40, false);
    out = told(&place);
    assert_string_equal(tm__json_text(out, "reason", ""), "of 40 answers none");
    assert_memory_equal(tm__json_text(out, "since", ""), "1970-01-31", 10);
    json_decref(out);
    tm__registry_close(place.registry);
}

static void a_gate_that_does_not_ask_is_not_asked(void **state) {
    tm_place place;
    open_model(*state, &place, 0);
    add_turn(place.registry, 10, false);
    json_t *const out = told(&place);
    assert_true(json_is_null(out));
    json_decref(out);
    tm__registry_close(place.registry);
}

#define HOME(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        HOME(it_is_told_since_when_labels_are_too_few),
        HOME(a_gate_that_does_not_ask_is_not_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
