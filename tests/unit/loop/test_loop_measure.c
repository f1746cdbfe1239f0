/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "loop/loop_priv.h"
#include "temp_home.h"
#include "trained_home.h"

typedef struct made {
    tm_registry *registry;
    tm_bundle *bundle;
} made;

static made open_made(const tm_home *home) {
    made m = {0};
    tm_version version = {0};
    assert_int_equal(tm__registry_open(home, &m.registry, NULL), TM_OK);
    tm__made_csv_write(home, &(tm_made_rows){.first = 0, .n = 2000}, 1);
    (void)tm__made_train(home, m.registry);
    assert_int_equal(tm__registry_find(m.registry, "made", &version, NULL), TM_OK);
    assert_int_equal(tm__registry_bundle(m.registry, &version, &m.bundle, NULL), TM_OK);
    tm__version_done(&version);
    return m;
}

static void close_made(made *m) {
    tm__bundle_unref(m->bundle);
    tm__registry_close(m->registry);
}

static json_t *measure(const tm_home *home, const made *m, const tm_gate *gate) {
    tm_ctx ctx = {0};
    json_t *measured = NULL;
    tm_err err = {0};
    const tm_duel duel = {.candidate = m->bundle, .champion = m->bundle, .metric = "auc"};
    if (tm__loop_measure(&ctx, home, gate, &duel, &measured, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return measured;
}

static void what_is_not_asked_is_not_measured(void **state) {
    made m = open_made(*state);
    const tm_gate plain = {.floors = {{"auc", 0.5}}, .n_floors = 1};
    assert_null(measure(*state, &m, &plain));
    close_made(&m);
}

static void its_own_test_rows_are_looked_at(void **state) {
    made m = open_made(*state);
    const tm_gate gate = {.is_sure = true,
                          .floors = {{"auc", 0.5}},
                          .n_floors = 1,
                          .slices = {"c", "none"},
                          .n_slices = 2,
                          .calibration_max = 0.5,
                          .fair_group = "c",
                          .fair_ratio = 0.5,
                          .latency_us_max = 1e6,
                          .memory_bytes_max = UINT64_C(1) << 32};
    json_t *measured = measure(*state, &m, &gate);
    assert_non_null(strstr(tm__json_text(measured, "rows", ""), "its own "));
    assert_true(json_array_size(json_object_get(measured, "scores")) > 3);
    assert_true(json_array_size(json_object_get(measured, "slices")) >= 2);
    assert_non_null(json_object_get(measured, "fairness"));
    const json_t *const here = json_object_get(measured, "here");
    assert_true(tm__json_f64(here, "latency_us", 0) > 0);
    assert_true(tm__json_i64(here, "bytes", 0) > 1000);
    assert_non_null(
        strstr(tm__json_text(json_object_get(measured, "errors"), "none", ""), "no column 'none'"));
    json_decref(measured);
    close_made(&m);
}

static tm_status pretend(void *arg, const tm_home *home, const char *version, const tm_gate *gate,
                         json_t **out, tm_err *err) {
    assert_non_null(home);
    assert_string_equal(version, "made@1");
    if (*(const bool *)arg) {
        return TM_FAIL(err, TM_E_REFUSED, "it ended by signal 9 under the load");
    }
    *out = json_pack("{s:f}", "rows_per_second", gate->load_rate);
    return TM_OK;
}

static void a_load_is_put_on_by_who_can(void **state) {
    made m = open_made(*state);
    tm_ctx ctx = {0};
    bool gives_way = false;
    const tm_load_tester tester = {pretend, &gives_way};
    const tm_gate gate = {.load_rate = 10};
    tm_duel duel = {.candidate = m.bundle, .version = "made@1", .load = &tester};
    json_t *measured = NULL;
    assert_int_equal(tm__loop_measure(&ctx, *state, &gate, &duel, &measured, NULL), TM_OK);
    assert_true(tm__json_f64(json_object_get(measured, "load"), "rows_per_second", 0) == 10);
    assert_true(tm__json_bool(measured, "alone", false)); /* there is no champion */
    json_decref(measured);
    gives_way = true;
    assert_int_equal(tm__loop_measure(&ctx, *state, &gate, &duel, &measured, NULL), TM_OK);
    assert_null(json_object_get(measured, "load"));
    const json_t *errors = json_object_get(measured, "errors");
    assert_non_null(strstr(tm__json_text(errors, "load", ""), "signal 9"));
    json_decref(measured);
    duel.load = NULL;
    assert_int_equal(tm__loop_measure(&ctx, *state, &gate, &duel, &measured, NULL), TM_OK);
    errors = json_object_get(measured, "errors");
    assert_non_null(strstr(tm__json_text(errors, "load", ""), "nobody here"));
    json_decref(measured);
    close_made(&m);
}

/* A first version: what it can be asked alone. */
static void a_first_version_is_judged_alone(void **state) {
    made m = open_made(*state);
    tm_ctx ctx = {0};
    tm_gate_verdict verdict = {0};
    tm_gate gate = {.better_than_champion = true,
                    .floors = {{"auc", 0.5}},
                    .n_floors = 1,
                    .slices = {"c"},
                    .n_slices = 1};
    const tm_judging_first in = {.home = *state, .bundle = m.bundle, .gate = &gate};
    assert_int_equal(tm__loop_judge_first(&ctx, &in, &verdict, NULL), TM_OK);
    assert_true(verdict.is_open);
    assert_int_equal(json_array_size(verdict.checks), 1); /* the floor; nobody is there to beat */
    tm__gate_verdict_done(&verdict);
    gate.floors[0].value = 0.9999;
    assert_int_equal(tm__loop_judge_first(&ctx, &in, &verdict, NULL), TM_OK);
    assert_false(verdict.is_open);
    tm__gate_verdict_done(&verdict);
    close_made(&m);
}

static void without_rows_it_says_so(void **state) {
    made m = open_made(*state);
    void *other = NULL;
    const tm_gate gate = {.calibration_max = 0.5};
    assert_int_equal(tm__temp_home_open(&other), 0);
    json_t *measured = measure(other, &m, &gate); /* a home without the snapshot */
    assert_true(tm__json_text(json_object_get(measured, "errors"), "rows", "")[0] != '\0');
    assert_null(json_object_get(measured, "scores"));
    json_decref(measured);
    assert_int_equal(tm__temp_home_close(&other), 0);
    close_made(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_not_asked_is_not_measured, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(its_own_test_rows_are_looked_at, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_load_is_put_on_by_who_can, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_first_version_is_judged_alone, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(without_rows_it_says_so, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
