/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "metric/threshold.h"

#define N 2000u

typedef struct threshold_case {
    double y[N], pred[N], weights[N];
    tm_called_rows rows;
} threshold_case;

/* Truths that follow the probability, or (power 3) a smaller one. */
static threshold_case *make(double power, uint64_t seed) {
    threshold_case *c = tm__mem_zalloc(1, sizeof(*c));
    tm_rng rng = tm__rng_split(seed, "threshold case", 0);
    for (uint32_t i = 0; i < N; i++) {
        c->pred[i] = floor(tm__rng_f64(&rng) * 200) / 200;
        c->y[i] = tm__rng_f64(&rng) < pow(c->pred[i], power);
        c->weights[i] = (double)(1 + i % 3);
    }
    c->rows = (tm_called_rows){.n = N, .y = c->y, .pred = c->pred, .weights = c->weights};
    return c;
}

static tm_threshold find(const threshold_case *c, const char *text) {
    tm_threshold_rule rule;
    tm_threshold found;
    assert_int_equal(tm__threshold_parse(text, &rule, NULL), TM_OK);
    assert_int_equal(tm__threshold_find(&rule, &c->rows, &found, NULL), TM_OK);
    return found;
}

typedef struct counts {
    double precision, recall, rate, f1, cost, at_least;
} counts;

static counts count(const threshold_case *c, double value) {
    double called = 0, caught = 0, positives = 0, total = 0, squares = 0;
    for (uint32_t i = 0; i < N; i++) {
        const double w = c->weights[i];
        called += c->pred[i] >= value ? w : 0;
        squares += c->pred[i] >= value ? w * w : 0;
        caught += c->pred[i] >= value && c->y[i] == 1 ? w : 0;
        positives += c->y[i] * w;
        total += w;
    }
    const double p = caught / fmax(called, 1e-9), n = called * called / fmax(squares, 1e-9),
                 z = 1.28;
    const double at_least =
        n < 0.5
            ? 0
            : (p + z * z / 2 / n - z * sqrt(p * (1 - p) / n + z * z / 4 / n / n)) / (1 + z * z / n);
    return (counts){caught / fmax(called, 1e-9),
                    caught / positives,
                    called / total,
                    2 * caught / (called + positives),
                    ((called - caught) + 5 * (positives - caught)) / total,
                    at_least};
}

/* Against every cut that there is. */
static void each_rule_gives_the_best_cut(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 5; seed++) {
        threshold_case *c = make(3, seed);
        const double f1 = count(c, find(c, "f1").value).f1;
        const double rate = count(c, find(c, "capacity:0.1").value).rate;
        const counts sharp = count(c, find(c, "precision:0.7").value);
        const counts wide = count(c, find(c, "recall:0.6").value);
        const double cost = count(c, find(c, "cost:1:5").value).cost;
        assert_true(rate <= 0.1 && sharp.precision >= 0.7 && wide.recall >= 0.6);
        for (uint32_t k = 0; k <= 200; k++) {
            const counts other = count(c, k / 200.0);
            assert_true(other.f1 <= f1 + 1e-12);
            assert_true(other.rate > 0.1 || other.rate <= rate + 1e-12);
            assert_true(other.at_least < 0.7 || other.recall <= sharp.recall + 1e-12);
            assert_true(other.recall < 0.6 || other.precision <= wide.precision + 1e-12);
            assert_true(other.cost >= cost - 1e-12);
        }
        tm__mem_free(c);
    }
}

static void right_probabilities_are_called_where_calls_pay(void **state) {
    (void)state;
    uint32_t n_by_cost = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        threshold_case *c = make(1, seed);
        const tm_threshold found = find(c, "cost:1:4");
        n_by_cost += found.is_by_cost;
        assert_true(!found.is_by_cost || found.value == 0.2);
        tm__mem_free(c);
        c = make(3, seed);
        assert_false(find(c, "cost:1:4").is_by_cost); /* wrong ones are not */
        tm__mem_free(c);
    }
    assert_true(n_by_cost >= 15);
}

static void what_cannot_be_reached_comes_as_near_as_can_be(void **state) {
    (void)state;
    threshold_case *c = make(3, 1);
    for (uint32_t i = 0; i < N; i++) {
        c->pred[i] = fmin(c->pred[i], 0.5);
        c->y[i] = i % 4 == 0;
    }
    const tm_threshold found = find(c, "precision:0.9");
    assert_false(found.is_reached);
    char reason[256];
    tm_threshold_rule rule;
    assert_int_equal(tm__threshold_parse("precision:0.9", &rule, NULL), TM_OK);
    tm__threshold_reason(&rule, &found, true, reason);
    assert_non_null(strstr(reason, "none reaches it"));
    /* Half of the rows have the largest probability: no tenth of them can be called. */
    const tm_threshold none = find(c, "capacity:0.1");
    assert_true(none.is_reached && none.value == 1.0);
    for (uint32_t i = 0; i < N; i++) {
        c->pred[i] = 1;
    }
    assert_false(find(c, "capacity:0.1").is_reached);
    tm__mem_free(c);
}

static void a_value_and_costs_need_no_rows(void **state) {
    (void)state;
    const tm_called_rows none = {0};
    tm_threshold_rule rule;
    tm_threshold found;
    assert_int_equal(tm__threshold_parse("0.25", &rule, NULL), TM_OK);
    assert_int_equal(tm__threshold_find(&rule, &none, &found, NULL), TM_OK);
    assert_true(found.value == 0.25);
    assert_int_equal(tm__threshold_parse("cost:3:1", &rule, NULL), TM_OK);
    assert_int_equal(tm__threshold_find(&rule, &none, &found, NULL), TM_OK);
    assert_true(found.value == 0.75);
    assert_int_equal(tm__threshold_parse(NULL, &rule, NULL), TM_OK);
    assert_int_equal(tm__threshold_find(&rule, &none, &found, NULL), TM_OK);
    assert_true(found.value == 0.5);
    assert_int_equal(tm__threshold_parse("capacity:0.1", &rule, NULL), TM_OK);
    assert_int_equal(tm__threshold_find(&rule, &none, &found, NULL), TM_E_USAGE);
}

static void rules_that_are_none_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",           "F1",         "2",          "-0.1",       "nan",        "cost",
        "cost:1",     "cost:0:0",   "cost:-1:1",  "cost:1:x",   "cost:1:2:3", "cost:inf:1",
        "capacity:0", "capacity:2", "precision:", "recall:nan", "sideways",   "f1:1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        tm_threshold_rule rule = {.value = 7};
        tm_err err = {0};
        assert_int_equal(tm__threshold_parse(bad[i], &rule, &err), TM_E_USAGE);
        assert_true(rule.value == 7 && err.hint[0] != '\0');
    }
}

static void what_is_reached_lies_within_its_error(void **state) {
    (void)state;
    threshold_case *c = make(2, 3);
    tm_threshold_rule rule;
    assert_int_equal(tm__threshold_parse("cost:1:5", &rule, NULL), TM_OK);
    json_t *reach = tm__threshold_reach(&rule, 0.4, &c->rows);
    const counts want = count(c, 0.4);
    const double values[] = {want.precision, want.recall, want.rate, want.cost};
    static const char *const names[] = {"precision", "recall", "rate", "cost"};
    for (unsigned i = 0; i < 4; i++) {
        const json_t *one = json_object_get(reach, names[i]);
        const double value = tm__json_f64(one, "value", -1);
        assert_true(fabs(value - values[i]) < 1e-12);
        assert_true(tm__json_f64(one, "low", 9) < value && tm__json_f64(one, "high", -9) > value);
    }
    json_decref(reach);
    reach = tm__threshold_reach(&rule, 1.0, &c->rows); /* nobody is called */
    assert_true(tm__json_f64(json_object_get(reach, "precision"), "high", 0) == 1.0);
    json_decref(reach);
    tm__mem_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_gives_the_best_cut),
        cmocka_unit_test(right_probabilities_are_called_where_calls_pay),
        cmocka_unit_test(what_cannot_be_reached_comes_as_near_as_can_be),
        cmocka_unit_test(a_value_and_costs_need_no_rows),
        cmocka_unit_test(rules_that_are_none_are_refused),
        cmocka_unit_test(what_is_reached_lies_within_its_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
