/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "loop/tune_priv.h"

/* Two settings over blocks of ten rows each, and what each loses in all of them. */
typedef struct made {
    tm_tuning t;
    tm_tuning_setting list[2];
    tm_tune_options options;
    json_t *none;
} made;

static void make(made *m, double loss_now, double loss_other) {
    *m = (made){.options = {.replay = {.target = "y"}, .threshold = 0.5}, .none = json_array()};
    m->t = (tm_tuning){.options = &m->options,
                       .stream = {.n_rows = 400, .is_classes = true},
                       .list = m->list,
                       .n_settings = 2,
                       .positive = UINT32_MAX,
                       .not_replayed = m->none};
    m->list[1].plan.every = 500;
    for (uint32_t b = 0; b < TM_TUNE_BLOCKS; b++) {
        m->t.n[b] = 10;
        m->list[0].loss[b] = loss_now;
        m->list[1].loss[b] = loss_other;
    }
}

static void cost(made *m, uint32_t setting, uint32_t step, double value) {
    for (uint32_t b = 0; b < TM_TUNE_BLOCKS; b++) {
        m->list[setting].cost[step][b] = value;
    }
}

static void all_cost(made *m, uint32_t setting, double value) {
    m->t.positive = 1;
    for (uint32_t step = 0; step <= TM_TUNE_STEPS; step++) {
        cost(m, setting, step, value);
    }
}

static double gain_of(const json_t *told, const char *member) {
    return tm__json_f64(json_object_get(told, "gain"), member, -1);
}

static void a_setting_with_a_threshold_of_its_own_is_found(void **state) {
    (void)state;
    made m;
    make(&m, 2, 3); /* by errors alone nobody would take the other one */
    all_cost(&m, 0, 10);
    all_cost(&m, 1, 11);
    cost(&m, 0, 4, 9); /* the best threshold of what is declared */
    cost(&m, 1, 7, 5); /* the best of all */
    json_t *const told = tm__tune_tell(&m.t);
    const json_t *const difference = json_object_get(told, "difference");
    assert_string_equal(tm__json_text(told, "objective", ""), "cost");
    assert_string_equal(tm__json_text(difference, "threshold", ""), "0.40");
    assert_int_equal(tm__json_i64(json_object_get(difference, "retrain"), "new_rows", 0), 500);
    assert_float_equal(gain_of(told, "value"), 0.5, 1e-9);
    assert_float_equal(gain_of(told, "low"), 0.5, 1e-9);
    assert_float_equal(tm__json_f64(json_object_get(told, "metric_gain"), "value", 0), -0.1, 1e-9);
    json_decref(told);
    json_decref(m.none);
}

static void a_choice_that_the_second_half_does_not_bear_out_is_not_proposed(void **state) {
    (void)state;
    made m;
    make(&m, 3, 2);
    for (uint32_t b = TM_TUNE_BLOCKS / 2; b < TM_TUNE_BLOCKS; b++) {
        m.list[1].loss[b] = 4;
    }
    json_t *const told = tm__tune_tell(&m.t);
    assert_true(json_is_null(json_object_get(told, "difference")));
    assert_float_equal(gain_of(told, "value"), -0.1, 1e-9);
    json_decref(told);
    json_decref(m.none);
}

static void a_gate_that_is_not_surely_better_stays_as_declared(void **state) {
    (void)state;
    made m;
    make(&m, 3, 3);
    m.list[1].plan = (tm_replay_plan){.gate_by = 0.01};
    for (uint32_t b = 0; b < TM_TUNE_BLOCKS; b++) {
        m.list[1].loss[b] = b % 2 == 0 ? 1 : 4.9; /* a little better, by chance */
    }
    json_t *const told = tm__tune_tell(&m.t);
    assert_float_equal(tm__json_f64(json_object_get(told, "best"), "gate_by", -1), 0, 0);
    assert_true(json_is_null(json_object_get(told, "difference")));
    assert_true(json_is_null(json_object_get(told, "threshold")));
    json_decref(told);
    json_decref(m.none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_setting_with_a_threshold_of_its_own_is_found),
        cmocka_unit_test(a_choice_that_the_second_half_does_not_bear_out_is_not_proposed),
        cmocka_unit_test(a_gate_that_is_not_surely_better_stays_as_declared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
