/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/ab_judge.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "test.h"

enum { UNITS = 8000 };

static uint8_t arms[UNITS];
static double values[UNITS], errors[UNITS];
static int64_t times[UNITS];

/* Yes in 30 %, in the treatment more by effect; a guardrail of 10 %, in the treatment more by
 * harm. */
static tm_ab_input made(uint64_t seed, double effect, double harm) {
    tm_rng rng = tm__rng_split(seed, "judge", 0);
    for (uint32_t i = 0; i < UNITS; i++) {
        arms[i] = (uint8_t)(i % 2);
        values[i] = tm__rng_f64(&rng) < 0.3 + (arms[i] ? effect : 0) ? 1 : 0;
        errors[i] = tm__rng_f64(&rng) < 0.1 + (arms[i] ? harm : 0) ? 1 : 0;
        times[i] = i * INT64_C(1000000);
    }
    static tm_ab_metric guardrail;
    guardrail = (tm_ab_metric){
        .name = "errors", .values = errors, .kind = TM_AB_BINARY, .smaller_is_better = true};
    return (tm_ab_input){.n_units = UNITS,
                         .arms = arms,
                         .times_us = times,
                         .n_matured = UNITS,
                         .names = {"old", "new"},
                         .share = 0.5,
                         .alpha = 0.05,
                         .alpha_guard = 0.05,
                         .metric = {.name = "bought", .values = values, .kind = TM_AB_BINARY},
                         .guardrails = &guardrail,
                         .n_guardrails = 1};
}

static json_t *judge(const tm_ab_input *in, const char *decision) {
    json_t *out = NULL;
    tm_err err = {0};
    if (tm__ab_judge(in, &out, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    assert_string_equal(tm__json_text(out, "decision", ""), decision);
    return out;
}

static const json_t *metric(const json_t *result) {
    return json_object_get(result, "metric");
}

static void a_difference_is_told_with_its_interval_and_when(void **state) {
    (void)state;
    const tm_ab_input in = made(1, 0.1, 0);
    json_t *result = judge(&in, "treatment_better");
    const json_t *m = metric(result), *decided = json_object_get(m, "decided");
    assert_true(tm__json_f64(m, "low", -1) > 0 && tm__json_f64(m, "high", 0) < 0.2);
    assert_string_equal(tm__json_text(decided, "by", ""), "any_time");
    assert_in_range(tm__json_i64(decided, "units", 0), 300, UNITS);
    assert_non_null(strstr(tm__json_text(result, "verdict", ""), "'new' is better: its bought is"));
    assert_non_null(strstr(tm__json_text(decided, "at", ""), "1970-01-01T0"));
    json_decref(result);
}

static void smaller_may_be_better(void **state) {
    (void)state;
    tm_ab_input in = made(1, 0.1, 0);
    in.metric.smaller_is_better = true;
    json_decref(judge(&in, "treatment_worse"));
    in = made(1, -0.1, 0);
    in.metric.smaller_is_better = true;
    json_decref(judge(&in, "treatment_better"));
    in.metric.smaller_is_better = false;
    json_decref(judge(&in, "treatment_worse"));
}

static void without_a_difference_it_goes_on_until_its_horizon(void **state) {
    (void)state;
    tm_ab_input in = made(2, 0, 0);
    json_t *result = judge(&in, "wait");
    assert_true(json_is_null(json_object_get(metric(result), "decided")));
    json_decref(result);
    in.horizon = UNITS + 1;
    json_decref(judge(&in, "wait"));
    in.horizon = 5000;
    result = judge(&in, "no_difference");
    assert_int_equal(tm__json_i64(result, "judged", 0), 5000);
    assert_int_equal(tm__json_i64(result, "after_horizon", 0), UNITS - 5000);
    assert_true(tm__json_f64(metric(result), "level", 0) == 0.955);
    json_decref(result);
}

/* An effect that looks at any time do not see at 5,000 units, and the last look does. */
static void the_last_look_decides_at_the_horizon_alone(void **state) {
    (void)state;
    uint32_t n_last = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        tm_ab_input in = made(seed, 0.035, 0);
        json_t *early = NULL, *result = NULL;
        in.horizon = 5000;
        assert_int_equal(tm__ab_judge(&in, &result, NULL), TM_OK);
        const json_t *decided = json_object_get(metric(result), "decided");
        if (strcmp(tm__json_text(decided, "by", ""), "last_look") == 0) {
            assert_int_equal(tm__json_i64(decided, "units", 0), 5000);
            assert_true(tm__json_f64(metric(result), "low", -1) > -0.002);
            in.n_units = in.n_matured = 4999;
            early = judge(&in, "wait");
            n_last++;
        }
        json_decref(early);
        json_decref(result);
    }
    assert_in_range(n_last, 8, 20);
}

static void arms_of_other_sizes_are_trusted_with_nothing(void **state) {
    (void)state;
    tm_ab_input in = made(1, 0.1, 0);
    in.share = 0.45;
    json_t *result = judge(&in, "mismatch");
    assert_non_null(strstr(tm__json_text(result, "verdict", ""), "cannot be compared"));
    json_decref(result);
    in.share = 0.484; /* enough for one look, not for any number */
    json_decref(judge(&in, "treatment_better"));
    in.is_looked_at_once = true;
    json_decref(judge(&in, "mismatch"));
}

/* A file that is sorted by arm. */
static void arms_that_took_turns_are_told_from_wrong_shares(void **state) {
    (void)state;
    tm_ab_input in = made(1, 0, 0);
    for (uint32_t i = 0; i < UNITS; i++) {
        arms[i] = i >= UNITS / 2;
    }
    for (int once = 0; once < 2; once++) {
        in.is_looked_at_once = once == 1;
        json_t *result = judge(&in, "mismatch");
        assert_true(tm__json_bool(json_object_get(result, "sample_ratio"), "took_turns", false));
        assert_non_null(strstr(tm__json_text(result, "verdict", ""), "but took turns"));
        json_decref(result);
    }
}

static void harm_stops_it_beyond_the_margin(void **state) {
    (void)state;
    tm_ab_input in = made(3, 0.1, 0.08);
    json_t *result = judge(&in, "guardrail");
    assert_non_null(strstr(tm__json_text(result, "verdict", ""), "'new' does harm. Its errors"));
    json_decref(result);
    tm_ab_metric guardrail = in.guardrails[0];
    guardrail.margin = 0.15;
    in.guardrails = &guardrail;
    result = judge(&in, "treatment_better");
    const json_t *state_of = json_array_get(json_object_get(result, "guardrails"), 0);
    assert_string_equal(tm__json_text(state_of, "state", ""), "kept");
    json_decref(result);
}

static const json_t *guardrail_of(const json_t *result, size_t i) {
    return json_array_get(json_object_get(result, "guardrails"), i);
}

/* Requests that failed, answers that were slow: known at once, and of no unit. */
static void counts_are_guardrails_too(void **state) {
    (void)state;
    tm_ab_input in = made(3, 0.1, 0);
    tm_ab_share shares[2] = {{"failed", {2000, 2000}, {10, 14}, 0.05}, {"slow", {0, 0}, {0, 0}, 0}};
    in.shares = shares;
    in.n_shares = 2;
    json_t *result = judge(&in, "treatment_better");
    const json_t *failed = guardrail_of(result, 1), *slow = guardrail_of(result, 2);
    assert_string_equal(tm__json_text(failed, "state", ""), "kept");
    assert_true(fabs(tm__json_f64(failed, "difference", 1) - 0.002) < 1e-12);
    assert_true(tm__json_f64(failed, "level", 0) == 1 - 0.05 / 3);
    assert_string_equal(tm__json_text(slow, "state", ""), "open");
    assert_true(json_is_null(json_object_get(slow, "low")));
    assert_true(tm__json_f64(json_object_get(result, "rule"), "alpha_guardrails", 0) == 0.05);
    assert_non_null(
        strstr(tm__json_text(result, "verdict", ""), "No guardrail is broken; 1 of 3 is surely"));
    json_decref(result);
    shares[0].k[1] = 300; /* 15 % */
    result = judge(&in, "guardrail");
    assert_non_null(strstr(tm__json_text(result, "verdict", ""), "Its failed is 0.15"));
    json_decref(result);
    json_t *none = NULL;
    in.alpha_guard = 0;
    assert_int_equal(tm__ab_judge(&in, &none, NULL), TM_E_INVALID);
}

/* Both arms alike, three guardrails of each kind that bear nothing: all that is found is found by
 * chance, in at most alpha of the tests. bench/experiment_looks.c does it 10,000 times. */
static void together_they_are_wrong_in_at_most_alpha_of_tests(void **state) {
    (void)state;
    enum { TESTS = 200 };
    uint32_t n_found = 0;
    for (uint64_t seed = 0; seed < TESTS; seed++) {
        tm_ab_input in = made(1000 + seed, 0, 0);
        tm_ab_share share = {"failed", {0, 0}, {0, 0}, 0};
        json_t *result = NULL;
        for (uint32_t i = 0; i < UNITS; i++) {
            share.n[arms[i]]++;
            share.k[arms[i]] += errors[(i * 7) % UNITS] != 0;
        }
        in.shares = &share;
        in.n_shares = 1;
        in.horizon = UNITS;
        in.alpha = 0.09;
        in.alpha_guard = 0.01;
        assert_int_equal(tm__ab_judge(&in, &result, NULL), TM_OK);
        n_found += strcmp(tm__json_text(result, "decision", ""), "no_difference") != 0;
        json_decref(result);
    }
    assert_in_range(n_found, 5, 30); /* 20 are expected of alpha = 0.1; 30 is 2.4 deviations more */
}

static void units_that_are_too_young_or_without_a_value_are_counted(void **state) {
    (void)state;
    tm_ab_input in = made(1, 0.1, 0);
    in.n_matured = 7000;
    for (uint32_t i = 0; i < 7000; i++) {
        values[i] = arms[i] == 1 && i % 3 == 0 ? (double)NAN : values[i];
    }
    json_t *result = judge(&in, "treatment_better");
    const json_t *new_arm = json_array_get(json_object_get(result, "arms"), 1);
    assert_int_equal(tm__json_i64(new_arm, "units", 0), 4000);
    assert_int_equal(tm__json_i64(new_arm, "judged", 0), 2333);
    assert_int_equal(tm__json_i64(new_arm, "without_value", 0), 1167);
    assert_true(tm__json_bool(json_object_get(result, "coverage"), "differs", false));
    json_decref(result);
}

static void nothing_is_judged_from_nothing(void **state) {
    (void)state;
    tm_ab_input in = made(1, 0, 0);
    in.n_units = in.n_matured = 0;
    json_t *result = judge(&in, "wait");
    assert_non_null(strstr(tm__json_text(result, "verdict", ""), "not known yet"));
    assert_true(json_is_null(json_object_get(metric(result), "difference")));
    json_decref(result);
    json_t *none = NULL;
    in.n_guardrails = TM_AB_GUARDRAILS_MAX + 1;
    assert_int_equal(tm__ab_judge(&in, &none, NULL), TM_E_INVALID);
    in = made(1, 0, 0);
    in.alpha = 2;
    assert_int_equal(tm__ab_judge(&in, &none, NULL), TM_E_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_difference_is_told_with_its_interval_and_when),
        cmocka_unit_test(smaller_may_be_better),
        cmocka_unit_test(without_a_difference_it_goes_on_until_its_horizon),
        cmocka_unit_test(the_last_look_decides_at_the_horizon_alone),
        cmocka_unit_test(arms_of_other_sizes_are_trusted_with_nothing),
        cmocka_unit_test(arms_that_took_turns_are_told_from_wrong_shares),
        cmocka_unit_test(harm_stops_it_beyond_the_margin),
        cmocka_unit_test(counts_are_guardrails_too),
        cmocka_unit_test(together_they_are_wrong_in_at_most_alpha_of_tests),
        cmocka_unit_test(units_that_are_too_young_or_without_a_value_are_counted),
        cmocka_unit_test(nothing_is_judged_from_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
