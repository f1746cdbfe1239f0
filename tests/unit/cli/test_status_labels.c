/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/status_read.h"
#include "logged.h"
#include "monitor/monitor.h"
#include "registry/turn.h"
#include "temp_home.h"
#include "tiny_bundle.h"

#define DAY_US INT64_C(86400000000)
#define NOW_DAY INT64_C(20000)

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

static json_t *look(const tm_place *place) {
    json_t *out = NULL, *const recipe = json_pack("{s:{s:i}}", "retrain", "new_labels", 50);
    const tm_status_labels_ask ask = {
        .place = place, .model = "tiny", .recipe = recipe, .now_us = NOW_DAY * DAY_US};
    assert_int_equal(tm__status_labels(&ask, &out, NULL), TM_OK);
    json_decref(recipe);
    return out;
}

static json_t *told(const tm_place *place) {
    json_t *const all = look(place);
    json_t *const out = json_incref(json_object_get(all, "too_few"));
    json_decref(all);
    return out;
}

static void open_model(tm_home *home, tm_place *place, double coverage_min) {
    const tm_gate gate = {.coverage_min = coverage_min, .coverage_after_us = (double)DAY_US};
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

/* Answers of a day, of which the first ones get a label. */
static void add_answers(const tm_home *home, int64_t day, int n, int n_labelled) {
    const tm_monitor_options options = {.can_write = true};
    static const double outputs[] = {0.5};
    tm_monitor *monitor = NULL;
    assert_int_equal(tm__monitor_open(home, &options, &monitor, NULL), TM_OK);
    for (int i = 0; i < n; i++) {
        char id[24];
        (void)snprintf(id, sizeof(id), "D%05lld-%03d", (long long)day, i);
        const tm_logged one = {.id = id,
                               .at_us = day * DAY_US + i,
                               .event_us = TM_INT_MISSING,
                               .model = "tiny",
                               .version = 1,
                               .row = "{\"x\":1}",
                               .outputs = outputs,
                               .n_outputs = 1};
        assert_true(tm__logged_answer(monitor, &one));
    }
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    for (int i = 0; i < n_labelled; i++) {
        char id[24];
        tm_label_result result = TM_LABEL_CONFLICT;
        (void)snprintf(id, sizeof(id), "D%05lld-%03d", (long long)day, i);
        const tm_label label = {
            .prediction_id = id, .value = "1", .observed_us = (day + 1) * DAY_US};
        assert_int_equal(tm__monitor_labels(monitor, &label, 1, &result, NULL), TM_OK);
        assert_int_equal(result, TM_LABEL_JOINED);
    }
    tm__monitor_close(monitor);
}

static void too_few_are_known_before_a_version_is_refused(void **state) {
    tm_place place;
    open_model(*state, &place, 0.3);
    json_t *out = told(&place);
    assert_true(json_is_null(out)); /* no log */
    json_decref(out);
    add_answers(*state, NOW_DAY - 40, 10, 0); /* before the days that count */
    add_answers(*state, NOW_DAY - 10, 10, 3);
    add_answers(*state, NOW_DAY, 10, 0); /* not old enough: the last of them is of this moment */
    tm__clock_fix(NOW_DAY * DAY_US);
    out = told(&place);
    assert_true(json_is_null(out)); /* three of ten */
    json_decref(out);
    add_answers(*state, NOW_DAY - 9, 1, 0);
    out = told(&place);
    assert_true(json_is_null(json_object_get(out, "since")));
    assert_non_null(strstr(tm__json_text(out, "reason", ""), "of 11 answers"));
    json_decref(out);
    add_turn(place.registry, 15000, false);
    out = look(&place);
    assert_memory_equal(tm__json_text(json_object_get(out, "too_few"), "since", ""), "2011-01-26",
                        10);
    assert_string_equal(tm__json_text(json_object_get(out, "too_few"), "reason", ""),
                        "of 11 answers that are older than 1 day 27.3 % have a label, below the "
                        "30.0 % asked");
    const json_t *const awaited = json_object_get(out, "awaited");
    assert_int_equal(json_array_size(awaited), 2);
    assert_string_equal(json_string_value(json_array_get(awaited, 1)), "retrain.new_labels");
    assert_float_equal(tm__json_f64(out, "waited_seconds", 0), 86400, 0);
    json_decref(out);
    tm__registry_close(place.registry);
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
        HOME(too_few_are_known_before_a_version_is_refused),
        HOME(a_gate_that_does_not_ask_is_not_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
