/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/threshold_cells.h"

#include "base/rng.h"
#include "test.h"

#define N 5000u

typedef struct drawn {
    double y[N], pred[N], weights[N];
} drawn;

static tm_called_rows draw(drawn *d, bool has_weights) {
    tm_rng rng = tm__rng_split(7, "cells", 0);
    for (uint32_t i = 0; i < N; i++) {
        const double u = tm__rng_f64(&rng);
        d->pred[i] = u * u;
        d->y[i] = tm__rng_f64(&rng) < d->pred[i];
        d->weights[i] = 0.5 + tm__rng_f64(&rng);
    }
    return (tm_called_rows){
        .n = N, .y = d->y, .pred = d->pred, .weights = has_weights ? d->weights : NULL};
}

static double of_cells(const tm_called_rows *rows, const char *text) {
    tm_threshold_rule rule;
    tm_threshold found;
    json_t *const cells = tm__threshold_cells(rows);
    assert_true(json_array_size(json_object_get(cells, "answers")) < 130);
    assert_int_equal(tm__threshold_parse(text, &rule, NULL), TM_OK);
    assert_int_equal(tm__threshold_of_cells(&rule, cells, &found, NULL), TM_OK);
    json_decref(cells);
    return found.value;
}

static double share_called(const tm_called_rows *rows, double from) {
    double called = 0, total = 0;
    for (uint64_t i = 0; i < rows->n; i++) {
        const double w = rows->weights != NULL ? rows->weights[i] : 1;
        called += rows->pred[i] >= from ? w : 0;
        total += w;
    }
    return called / total;
}

static void a_capacity_is_met_to_a_sixteenth_and_never_exceeded(void **state) {
    (void)state;
    static const char *const texts[] = {"capacity:0.01", "capacity:0.05", "capacity:0.3",
                                        "capacity:1"};
    static const double shares[] = {0.01, 0.05, 0.3, 1};
    static drawn d;
    for (int has_weights = 0; has_weights < 2; has_weights++) {
        const tm_called_rows rows = draw(&d, has_weights);
        for (size_t i = 0; i < 4; i++) {
            const double share = share_called(&rows, of_cells(&rows, texts[i]));
            assert_true(share <= shares[i] && share > shares[i] * 0.93);
        }
    }
}

static void equal_answers_stay_together(void **state) {
    (void)state;
    const double y[] = {1, 0, 1, 0}, pred[] = {0.9, 0.9, 0.2, 0.2};
    const tm_called_rows rows = {.n = 4, .y = y, .pred = pred};
    assert_true(of_cells(&rows, "capacity:0.5") == 0.9);
    assert_true(of_cells(&rows, "capacity:0.4") == 1.0); /* half of a cell cannot be called */
}

static void what_cells_do_not_say_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *rule, *cells;
        tm_status want;
    } cases[] = {
        {"cost:1:2", "{\"answers\":[0.5],\"weights\":[1]}", TM_E_UNSUPPORTED},
        {"f1", "{\"answers\":[0.5],\"weights\":[1]}", TM_E_UNSUPPORTED},
        {"capacity:1", "{\"answers\":[0.5],\"weights\":[1]}", TM_OK},
        {"capacity:1", "{}", TM_E_INVALID},
        {"capacity:1", "{\"answers\":[]}", TM_E_INVALID},
        {"capacity:1", "{\"answers\":[0.5]}", TM_E_INVALID},
        {"capacity:1", "{\"answers\":[2],\"weights\":[1]}", TM_E_INVALID},
        {"capacity:1", "{\"answers\":[0.5],\"weights\":[-1]}", TM_E_INVALID},
        {"capacity:1", "{\"answers\":[\"a\"],\"weights\":[1]}", TM_E_INVALID},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_threshold_rule rule;
        tm_threshold found = {.value = 0.25};
        json_t *const cells = json_loads(cases[i].cells, 0, NULL);
        assert_int_equal(tm__threshold_parse(cases[i].rule, &rule, NULL), TM_OK);
        assert_int_equal(tm__threshold_of_cells(&rule, cells, &found, NULL), cases[i].want);
        assert_true(found.value == (cases[i].want == TM_OK ? 0.5 : 0.25));
        json_decref(cells);
    }
    json_t *const none = tm__threshold_cells(&(tm_called_rows){0});
    assert_int_equal(json_array_size(json_object_get(none, "answers")), 0);
    json_decref(none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_capacity_is_met_to_a_sixteenth_and_never_exceeded),
        cmocka_unit_test(equal_answers_stay_together),
        cmocka_unit_test(what_cells_do_not_say_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
